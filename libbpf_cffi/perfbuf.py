"""Perf buffers: read what BPF programs send with ``bpf_perf_event_output()``.

::

    for event in obj.maps["events"].perf_buffer(type="event"):
        print(event.pid, event.comm)

The C half is csrc/perfbuf.c and csrc/perfbuf_read.c; the ways to read are `EventStream`'s, as with ring buffers.
"""

from __future__ import annotations

import errno
import os
from _thread import get_ident

from . import _log
from ._arguments import boolean, integer, seconds
from ._check import check, failure, not_null
from ._event_types import Decoder, make_decoder
from ._ffi import ffi, lib
from ._handle import Handle, ObjectHandle
from ._map_access import CLOSED
from ._perf_settings import attributes, places
from ._stream import EventStream
from .errors import ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from ._batch import Block
    from ._btf_type import BtfType
    from ._event_types import Decoded
    from ._libbpf import lbc_perf_reader, lbc_ring_batch
    from ._map_groups import PerfEventArray

    EventType: TypeAlias = "str | BtfType | type[bytes] | Mapping[Any, Any] | Callable[[bytes], Any] | None"

__all__ = ["CpuBuffer", "PerfBuffer"]

MOST_PAGES = 1 << 18
"""A GiB of pages of 4 KiB: libbpf multiplies without looking whether the size still fits."""

SLACK = 7
"""How many bytes the kernel may have added to an event: with its size of 4 bytes it has a multiple of 8."""


class CpuBuffer:
    """The buffer of one CPU."""

    __slots__ = ("_index", "_reader", "cpu", "fd", "map_key", "size")

    cpu: int
    """The CPU that writes it."""
    map_key: int
    """Its place in the map."""
    size: int
    """Size of the data area in bytes."""
    fd: int
    """The reader's descriptor of the perf event. *Wraps* ``perf_buffer__buffer_fd()``."""

    def __init__(self, reader: PerfBuffer, index: int) -> None:
        self._reader = reader
        self._index = index
        ring = reader._rings_c[index]
        self.cpu = int(ring.cpu)
        self.map_key = int(ring.map_key)
        self.size = int(ring.size)
        self.fd = int(ring.fd)

    def _state(self) -> Any:
        state: Any = ffi.new("struct lbc_perf_state *")
        reader = self._reader
        result = lib.lbc_perf_reader__state(reader._c, self._index, state)
        reader._refuse_closed(result)
        check(result, f"read what {reader._name} has lost on CPU {self.cpu}")
        return state

    @property
    def data_head(self) -> int:
        """Up to where the kernel has written, in bytes since it was opened."""
        return int(self._state().data_head)

    @property
    def data_tail(self) -> int:
        """Up to where it has been read, in bytes since it was opened."""
        return int(self._state().data_tail)

    @property
    def avail_data_size(self) -> int:
        """How many bytes are waiting, headers included."""
        state = self._state()
        return int(state.data_head - state.data_tail)

    @property
    def lost(self) -> int:
        """How many events found no room in it; see `PerfBuffer.lost`."""
        return int(self._state().lost)

    def consume(self, n: int | None = None) -> list[Any]:
        """Return the events that there are now in this buffer, all or at most `n`, without waiting.

        What the reader has taken before and not handed out comes first, of whatever CPU it is. *Wraps*
        ``perf_buffer__consume_buffer()``.
        """
        return self._reader._consume_one(self._index, n)

    def copy(self) -> bytes:
        """Copy the memory that is shared with the kernel: a page of ``struct perf_event_mmap_page``, then the data.

        *Wraps* ``perf_buffer__buffer()``.
        """
        reader = self._reader
        reader._check()
        memory = bytearray(os.sysconf("SC_PAGE_SIZE") + self.size)
        reader._refuse_closed(lib.lbc_perf_reader__copy(reader._c, self._index, ffi.from_buffer(memory), len(memory)))
        return bytes(memory)

    def __repr__(self) -> str:
        return f"<CpuBuffer of CPU {self.cpu}, {self.size} bytes>"


class PerfBuffer(EventStream):
    """A reader of a map of perf events: of one buffer a CPU.

    `type`, `chars`, `discriminator` and `errors` are as for a `RingBuffer`. The kernel fills events up to 4 bytes more
    than a multiple of 8: raw bytes have up to 7 bytes more than were sent, and one of a type may have them.

    `page_cnt` is the size of each buffer in pages, a power of two. `cpus` are the CPUs whose events are read, instead
    of all that are online; `map_keys` their places in the map, if those are others than their numbers. The reader is
    woken by every event, or only by each `wakeup_events` of a CPU, or when more bytes than `watermark` are waiting in a
    buffer: whoever reads with a time-out has those that are there when it is over.

    Of one CPU, events come in the order in which they were sent; those of several come as they are found. With
    `ordered`, a number of seconds, they come in the order of time: an event is handed out when it is that old, and
    until then stays in its buffer, which has to be large enough.

    With `losses` the stream says where events were lost: in their place is a `LostEvents`, in a batch of its own. The
    kernel tells of them with the next event that finds room: what is lost after the last one is in no stream. `lost`
    counts them in any case.

    `attr` are fields of ``struct perf_event_attr`` that are to have other values. With `raw`, events are the records of
    the buffer, whatever they are, each with its ``struct perf_event_header`` and all that `attr` asks for.

    A place of a map has one reader. It is closed with its map or object, if not before. A CPU that comes online later
    is not read. What `fileno` gives tells of an event once: when it is readable, `consume` until nothing comes.
    """

    __slots__ = ("_c", "_map", "_only", "_rings_c", "_tie")

    _c: lbc_perf_reader
    _rings_c: Any

    def __init__(
        self,
        map: PerfEventArray,
        type: EventType = None,
        *,
        chars: str = "str",
        discriminator: str | tuple[int, int] | None = None,
        errors: str = "raise",
        page_cnt: int = 64,
        cpus: Iterable[int] | None = None,
        map_keys: Iterable[int] | None = None,
        wakeup_events: int | None = None,
        watermark: int | None = None,
        ordered: float | None = None,
        losses: bool = False,
        raw: bool = False,
        attr: Mapping[str, int] | None = None,
    ) -> None:
        if not hasattr(map, "_event_types") or not hasattr(map, "perf_buffer"):
            raise TypeError(f"a PerfBuffer reads a map of the type PERF_EVENT_ARRAY, not {map!r}")
        what = f"perf buffer {map.name!r}"
        map._handle.check()
        map._require(f"read {what}", ObjectHandle.PREPARED, ObjectHandle.LOADED)
        # Whole perf records are of no type but one that is given.
        resolve, declared, why = map._found_types(chars, bytes if raw and type is None else type)
        decoder = make_decoder(
            type, discriminator, errors, resolve, None if raw else declared, what, 0 if raw else SLACK, why
        )
        settings = attributes(wakeup_events, watermark, ordered is not None, raw, attr)
        if integer(page_cnt, "page_cnt") < 1 or page_cnt & (page_cnt - 1):
            raise ValueError(f"page_cnt must be a power of two, not {page_cnt!r}")
        if page_cnt > MOST_PAGES:
            raise ValueError(f"page_cnt must be at most {MOST_PAGES}, not {page_cnt}")
        if ordered is not None and not 0 < seconds(ordered, "ordered") <= 3600:
            raise ValueError(f"ordered is a number of seconds above 0, at most an hour, not {ordered!r}")
        chosen = places(map.name, map.max_entries, cpus, map_keys)
        rings: Any = ffi.new("struct lbc_perf_ring[]", len(chosen))
        reader: Any = ffi.new("struct lbc_perf_reader *")
        for ring, (cpu, key) in zip(rings, chosen, strict=True):
            ring.cpu, ring.map_key, ring.fd = cpu, key, -1
        reader.rings = rings
        reader.count = len(chosen)
        reader.whole = boolean(raw, "raw")
        reader.losses = boolean(losses, "losses")
        reader.window = 0 if ordered is None else max(1, int(ordered * 1e9))
        codec = decoder.codec
        if codec is not None and not raw and not codec.flexible:
            # C leaves out what the kernel has added, so that records are as large as their type.
            reader.trim = codec.size
        self._begin(
            f"the reader of {what}", _LossDecoder(decoder, rings) if losses else decoder, 0, several=len(chosen) > 1
        )
        self._map = map
        self._only: tuple[int, int] | None = None
        # The memory is Python's, and stays for as long as anybody can call with it.
        self._rings_c = rings
        self._c = reader
        self._open(f"read {what}", settings, page_cnt)
        self._size = sum(int(ring.size) for ring in rings)

    def _open(self, action: str, settings: Any, page_cnt: int) -> None:
        parent = self._map._handle
        handle: Handle[Any] = Handle(lib.lbc_perf_reader__close, parent, name=self._name, fds=_descriptors)
        # When the reader is collected, it is closed after its own memory is gone.
        handle.kept += [self._c, self._rings_c]
        self._handles.append(handle)
        self._tie = _Tie()
        handle.close_with(self._tie, quietly=True)
        try:
            with parent.lock:
                self._map._require(action, ObjectHandle.PREPARED, ObjectHandle.LOADED)
                _log.listen()
                pointer = handle.make(lib.lbc_perf_reader__open, self._c, self._map.fd, settings, page_cnt)
                not_null(pointer, action, _hint, handle.errno)
        except BaseException:
            handle.close()
            raise

    # How it is read

    @property
    def _gate(self) -> Any:
        return ffi.addressof(self._c, "gate")

    def _move(self, batch: lbc_ring_batch, milliseconds: int) -> int:
        index = self._only_one()
        return lib.lbc_perf_read(self._c, batch, milliseconds, -1 if index is None else index)

    def _only_one(self) -> int | None:
        """Give the one buffer that this thread is reading."""
        only = self._only
        return only[1] if only is not None and only[0] == get_ident() else None

    def _places(self) -> dict[int, tuple[int, int]]:
        places: dict[int, tuple[int, int]] = {}
        state: Any = ffi.new("struct lbc_perf_state *")
        only = self._only_one()
        for index in range(len(self._rings_c)) if only is None else (only,):
            # Another failure is of the number of lost events alone.
            if lib.lbc_perf_reader__state(self._c, index, state) == CLOSED:
                return {}
            places[index] = state.data_tail, state.data_head
        return places

    def _signal(self, on: bool, more: bool) -> None:  # noqa: ARG002 - C looks into the buffers for that
        result = lib.lbc_ring_reader__signal(self._gate, on)
        if not on and result != CLOSED:
            result = lib.lbc_perf_reader__look(self._c, 1)
        if result != CLOSED:
            check(result, f"watch {self._name}")

    def _look_again(self) -> None:
        result = lib.lbc_perf_reader__look(self._c, 0)
        if result != CLOSED:
            check(result, f"watch {self._name}")

    def _descriptor(self) -> int:
        return int(self._c.gate.epoll_fd)

    def _duplicates(self) -> tuple[int, ...]:
        fds = ffi.new("int[2]")
        result = lib.lbc_ring_reader__dup(self._gate, fds)
        if result == CLOSED:
            return ()
        check(result, f"wait for {self._name}")
        return fds[0], fds[1]

    def _failure(self, error: int) -> Exception:
        hint = "what the buffer holds makes no sense" if error == errno.EBADMSG else None
        return failure(error, f"read from {self._name}", hint)

    def _refuse_closed(self, result: int) -> None:
        if result == CLOSED:
            self._check()
            raise ClosedError(f"{self._name} is closed")

    def _consume_one(self, index: int, n: int | None) -> list[Any]:
        self._refuse_another()
        # With the thread, so that what another one reads meanwhile is not narrowed.
        self._only = get_ident(), index
        try:
            return self.consume(n)
        finally:
            self._only = None

    # What it is

    @property
    def map(self) -> PerfEventArray:
        """The map that is read."""
        return self._map

    @property
    def buffers(self) -> tuple[CpuBuffer, ...]:
        """The buffers, in the order of `cpus`. *Wraps* ``perf_buffer__buffer_cnt()``."""
        # Made each time: kept, they would keep the reader, and so the map's places, until a garbage collection.
        return tuple(CpuBuffer(self, index) for index in range(len(self._rings_c)))

    @property
    def lost(self) -> int:
        """How many events found no room since it was opened.

        Linux 6.0 and later count them as they are lost; before that they are known when their place in the stream has
        been reached, which takes a later event of the same CPU.
        """
        return sum(each.lost for each in self.buffers)

    @property
    def lost_by_cpu(self) -> dict[int, int]:
        """How many events were lost on each CPU where any were."""
        counts = [(each.cpu, each.lost) for each in self.buffers]
        return {cpu: count for cpu, count in counts if count}


class _Tie:
    """What is collected with a reader."""

    __slots__ = ("__weakref__",)


class _LossDecoder(Decoder):
    """Records among which there is what was lost, each such in a block of its own."""

    def __init__(self, decoder: Decoder, rings: Any) -> None:
        from ._trace_lines import LostEvents

        self._decoder = decoder
        self._lost_events = LostEvents
        self._cpus = [int(ring.cpu) for ring in rings]
        self.codec = decoder.codec
        self.is_raw = decoder.is_raw
        self.chunk = decoder.chunk

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        if not block.special:
            return self._decoder.many(block, start, stop)
        if start >= stop:
            return [], None
        cpu = self._cpus[0 if block.rings is None else block.rings[0]]
        return [self._lost_events(cpu, block.view(0, 1).cast("Q")[0])], None


def _descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    rings = (pointer.rings[index].fd for index in range(pointer.count))
    others = (pointer.gate.epoll_fd, pointer.gate.wake_fd, pointer.map_fd, pointer.timer_fd)
    theirs = lib.perf_buffer__epoll_fd(pointer.buffer)
    return tuple(fd for fd in (*others, theirs, *rings) if fd >= 0)


def _hint(error: int) -> str | None:
    if error == errno.EBUSY:
        return "a place of a map has one reader: another one of this process has not been closed"
    if error == errno.ENOMEM:
        return "there is not so much memory to be had: ask for fewer pages (page_cnt)"
    if error in (errno.EINVAL, errno.ENOENT):
        return "the kernel takes no such attr, or no buffers of so many pages (page_cnt)"
    if error == errno.EPERM:
        return "each user may lock only so much memory for it (kernel.perf_event_mlock_kb), or CAP_PERFMON is missing"
    return None
