"""Ring buffers: read what BPF programs send with ``bpf_ringbuf_submit()`` and ``bpf_ringbuf_output()``.

::

    for event in obj.maps["events"].ring_buffer(type="event"):
        print(event.pid, event.comm)

The C half is csrc/ringbuf.c and ringbuf_open.c; the ways to read are `EventStream`'s.
"""

from __future__ import annotations

import errno

from . import _log
from ._borrow import Descriptors
from ._check import check, failure, not_null
from ._event_types import make_decoder, of_rings
from ._ffi import ffi, lib
from ._handle import Handle
from ._map_access import CLOSED
from ._stream import EventStream
from .errors import ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from ._btf_type import BtfType
    from ._libbpf import lbc_ring_batch, lbc_ring_reader
    from ._map_ring import RingBufferMap

    EventType: TypeAlias = "str | BtfType | type[bytes] | Mapping[Any, Any] | Callable[[bytes], Any] | None"

__all__ = ["Ring", "RingBuffer"]

MOST = 65535
"""How many rings a reader can have: a record's is noted in 16 bits."""


class Ring:
    """One ring of a reader: what it holds."""

    __slots__ = ("_index", "_reader", "map_fd", "name", "size")

    map_fd: int
    """The reader's own descriptor of the map."""
    name: str
    """The map's name."""
    size: int
    """Size of the data area in bytes."""

    def __init__(self, reader: RingBuffer, index: int, name: str) -> None:
        self._reader = reader
        self._index = index
        self.name = name
        ring = reader._rings_c[index]
        self.size = int(ring.size)
        self.map_fd = int(ring.fd)

    def _state(self) -> Any:
        state: Any = ffi.new("struct lbc_ring_state *")
        reader = self._reader
        if lib.lbc_ring_reader__state(reader._c, self._index, state) == CLOSED:
            reader._check()
            raise ClosedError(f"{reader._name} is closed")
        return state

    @property
    def consumer_pos(self) -> int:
        """Up to where it has been read, in bytes since its creation. *Wraps* ``ring__consumer_pos()``."""
        return int(self._state().consumer_pos)

    @property
    def producer_pos(self) -> int:
        """Up to where programs have reserved room, in bytes since its creation. *Wraps* ``ring__producer_pos()``."""
        return int(self._state().producer_pos)

    @property
    def avail_data_size(self) -> int:
        """How many bytes are waiting, headers and reserved records included. *Wraps* ``ring__avail_data_size()``."""
        state = self._state()
        return int(state.producer_pos - max(state.consumer_pos, state.overwrite_pos))

    @property
    def overwritten(self) -> int:
        """How many bytes were overwritten before they had been read, headers included.

        Only a ring with `MapFlags.RB_OVERWRITE` does that (Linux 6.19). Discarded records are among them.
        """
        state = self._state()
        unread: int = max(0, state.overwrite_pos - state.consumer_pos)
        return int(self._reader._rings_c[self._index].overwritten) + unread

    def __repr__(self) -> str:
        return f"<Ring {self.name!r}, {self.size} bytes>"


class RingBuffer(EventStream):
    """A reader of one or several ring buffers.

    `maps` are maps of the type RINGBUF, or one mapping of such maps to the types of their events. `type` says what the
    events are:

    - a type's name in the map's object (``"event"``, ``"struct event"``), or a `BtfType`: events are its values;
    - ``None``: the type that the map declares, ``__type(value, struct event)``, or else the one that is found as
      ``bpf-run`` finds it (a struct is named like the map, …), or bytes if none is;
    - ``bytes``: bytes;
    - a dict of types by the value of a field that all of them have in the same place. `discriminator` is the field's
      name, or its offset and size in bytes. Of an enumeration, its names are values too;
    - a function that is given an event's bytes and returns one of the above.

    With ``chars="bytes"`` a ``char[N]`` is bytes, all N of them. `errors` is what becomes of an event that has not
    exactly the size of its type (unless that ends in a flexible array), or whose type is not in the dict: ``"raise"``
    raises `EventError` in its place, ``"bytes"`` gives its bytes, ``"fit"`` fills up with zeroes or cuts off.

    A ring that overwrites its oldest events when it is full (`MapFlags.RB_OVERWRITE`, Linux 6.19) is read from the
    oldest one on that is left; `Ring.overwritten` counts the bytes of the others.

    Readers of one ring take turns, each taking what the others have left: who reads while another one does gets a
    `StateError`; of readers in other processes nobody knows. It is closed with its map or object, if not before. An
    event that a program sends with ``BPF_RB_NO_WAKEUP`` wakes nobody: it is found when the next one does, or the
    time-out is over.
    """

    __slots__ = ("_c", "_maps", "_rings", "_rings_c", "_ties")

    _c: lbc_ring_reader

    def __init__(
        self,
        *maps: RingBufferMap | Mapping[RingBufferMap, EventType],
        type: EventType = None,
        chars: str = "str",
        discriminator: str | tuple[int, int] | None = None,
        errors: str = "raise",
    ) -> None:
        wanted = _wanted(maps, type)
        if not wanted:
            raise TypeError("a RingBuffer reads at least one map")
        if len(wanted) > MOST:
            raise ValueError(f"a RingBuffer reads at most {MOST} maps, not {len(wanted)}")
        names = [each.name for each, _ in wanted]
        what = f"ring buffer {names[0]!r}" if len(names) == 1 else f"ring buffers {', '.join(map(repr, names))}"
        decoders = []
        for each, kind in wanted:
            own = discriminator if isinstance(kind, dict) or len(wanted) == 1 else None
            resolve, declared, why = each._found_types(chars, kind)
            decoders.append(make_decoder(kind, own, errors, resolve, declared, f"ring buffer {each.name!r}", 0, why))
        self._begin(f"the reader of {what}", of_rings(decoders), 0, several=len(wanted) > 1)
        self._maps = tuple(each for each, _ in wanted)
        rings = ffi.new("struct lbc_ring[]", len(wanted))
        reader: Any = ffi.new("struct lbc_ring_reader *")
        reader.rings = rings
        self._rings_c = rings
        # The memory is Python's, and stays for as long as anybody can call with it.
        self._c = reader
        self._open(f"read {what}", names)
        self._rings = tuple(Ring(self, index, name) for index, name in enumerate(names))
        self._size = sum(ring.size for ring in self._rings)

    def _open(self, action: str, names: list[str]) -> None:
        self._ties: list[_Tie] = []
        with Descriptors() as held:
            numbers = ffi.new("int[]", [each._dup(held, action) for each in self._maps])
            try:
                for each in self._maps:
                    parent = each._handle
                    if any(handle._parent is parent for handle in self._handles):
                        continue
                    self._open_under(parent, numbers, action, names)
            except BaseException:
                for handle in self._handles:
                    handle.close()
                raise

    def _open_under(self, parent: Handle[Any], numbers: Any, action: str, names: list[str]) -> None:
        first = not self._handles
        handle: Handle[Any] = Handle(
            lib.lbc_ring_reader__close, parent, name=self._name, fds=_descriptors if first else None
        )
        # When the reader is collected, it is closed after its own memory is gone.
        handle.kept += [self._c, self._rings_c]
        self._handles.append(handle)
        # One each: what is closed with an owner is known by the owner.
        tie = _Tie()
        self._ties.append(tie)
        handle.close_with(tie, quietly=True)
        with parent.lock:
            parent.check()
            if not first:
                # Whichever tree is closed first closes the reader.
                handle.make(_same, self._c)
                return
            _log.listen()
            pointer = handle.make(lib.lbc_ring_reader__open, self._c, numbers, len(self._maps))
            index = int(self._c.failed)
            not_null(pointer, action, lambda error: _hint(error, names[index]), handle.errno)

    # How it is read

    def _move(self, batch: lbc_ring_batch, milliseconds: int) -> int:
        return lib.lbc_ring_read(self._c, batch, milliseconds)

    def _places(self) -> dict[int, tuple[int, int]]:
        places: dict[int, tuple[int, int]] = {}
        state: Any = ffi.new("struct lbc_ring_state *")
        for index in range(len(self._maps)):
            if lib.lbc_ring_reader__state(self._c, index, state) == CLOSED:
                return {}
            places[index] = state.consumer_pos, state.producer_pos
        return places

    def _signal(self, on: bool, more: bool) -> None:
        result = lib.lbc_ring_reader__signal(self._c, on)
        if more and result != CLOSED:
            result = lib.lbc_ring_reader__rearm(self._c)
        if result != CLOSED:
            check(result, f"watch {self._name}")

    def _descriptor(self) -> int:
        return int(self._c.epoll_fd)

    def _duplicates(self) -> tuple[int, ...]:
        fds = ffi.new("int[2]")
        result = lib.lbc_ring_reader__dup(self._c, fds)
        if result == CLOSED:
            return ()
        check(result, f"wait for {self._name}")
        return fds[0], fds[1]

    def _failure(self, error: int) -> Exception:
        hint = None
        if error == errno.EBADMSG:
            hint = "what the ring holds makes no sense: another process is reading it too"
        return failure(error, f"read from {self._name}", hint)

    # What it is

    @property
    def maps(self) -> tuple[RingBufferMap, ...]:
        """The maps that are read."""
        return self._maps

    @property
    def rings(self) -> tuple[Ring, ...]:
        """The rings, in the order of the maps."""
        return self._rings

    @property
    def lost(self) -> int | None:
        """How many events found no room, as the programs have counted them; ``None`` where none of them counts.

        A ring buffer gives no sign of a loss: programs count with the macros of ``<libbpf_cffi.bpf.h>``, in the map
        ``NAME_lost`` of the same object.
        """
        self._check()
        counts = [count for each in self._maps if (count := each.lost) is not None]
        return sum(counts) if counts else None


class _Tie:
    """What is collected with a reader."""

    __slots__ = ("__weakref__",)


def _same(pointer: lbc_ring_reader) -> lbc_ring_reader:
    return pointer


def _descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return (pointer.epoll_fd, pointer.wake_fd, *(pointer.rings[index].fd for index in range(pointer.count)))


def _wanted(maps: tuple[Any, ...], type: Any) -> list[tuple[RingBufferMap, Any]]:
    wanted: list[tuple[Any, Any]] = []
    for each in maps:
        if isinstance(each, dict):
            wanted += each.items()
        else:
            wanted.append((each, type))
    for each, _ in wanted:
        if not hasattr(each, "_event_types"):
            raise TypeError(f"a RingBuffer reads maps of the type RINGBUF, not {each!r}")
    return wanted


def _hint(error: int, name: str) -> str | None:
    if error == errno.EEXIST:
        return f"map {name!r} is there twice"
    if error in (errno.EPERM, errno.EACCES):
        return f"to read map {name!r} its memory is mapped for writing: it is frozen, or was opened read-only"
    return None
