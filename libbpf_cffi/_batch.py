"""Records that were taken from a ring or perf buffer together.

One call of C moves them into a `Memory`, which is Python's: a `bytearray` of the records, one after the other, and one
of where each ends. Nothing of the kernel's mapping is kept. A `Block` is what such a call has brought, and `Batch` what
users see of it. When nobody has the block any more, nor an array over its bytes, the memory is used again: fresh
memory costs more than all else.
"""

from __future__ import annotations

from _collections_abc import Sequence
from itertools import pairwise

from ._alone import chained
from ._ffi import ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _weakref import ref
    from collections.abc import Iterator
    from typing import Any, NoReturn, overload

    from typing_extensions import Self

    from ._event_types import Decoder
    from ._libbpf import lbc_ring_batch

    Base = Sequence[Any]
else:
    Base = Sequence

__all__ = ["Batch", "Block", "Memory"]


def _address(memory: bytearray) -> int:
    """Give where a bytearray's bytes are; they stay there as long as its size does."""
    view = ffi.from_buffer(memory)
    address = int(ffi.cast("uintptr_t", view))
    # It must not count as one of those who use the memory.
    ffi.release(view)
    return address


class Memory:
    """Room for `room` bytes of at most `slots` records; `several` says that each needs the number of its ring."""

    __slots__ = ("block", "c", "data", "ends", "rings", "room", "slots")

    def __init__(self, room: int, slots: int, *, several: bool) -> None:
        self.room = room
        self.slots = slots
        self.data = bytearray(room)
        self.ends = bytearray(4 * slots)
        self.rings = bytearray(2 * slots) if several else None
        batch: Any = ffi.new("struct lbc_ring_batch *")
        batch.data = ffi.cast("char *", _address(self.data))
        batch.ends = ffi.cast("__u32 *", _address(self.ends))
        if self.rings is not None:
            batch.rings = ffi.cast("__u16 *", _address(self.rings))
        batch.room = room
        self.c: lbc_ring_batch = batch
        self.block: ref[Block] | None = None
        """The block that has the bytes."""

    @property
    def is_free(self) -> bool:
        """Whether nobody has the bytes any more."""
        if self.block is not None and self.block() is not None:
            return False
        try:
            # A bytearray refuses to change its size while anybody looks at its memory; it shrinks and grows in place.
            self.data.append(self.data.pop())
        except BufferError:
            return False
        return True


class Block:
    """The records that one call has brought. `size` is the length of each, or -1 if they differ."""

    __slots__ = ("__weakref__", "_memory", "count", "data", "size")

    def __init__(self, memory: Memory) -> None:
        c: Any = memory.c
        self.count: int = c.count
        self.size: int = -1 if c.mixed else c.size
        self.data = memory.data
        self._memory = memory

    @property
    def full(self) -> bool:
        """Whether there was more, when its memory has not been filled again."""
        c: Any = self._memory.c
        return bool(c.full) or c.count == c.limit

    @property
    def special(self) -> bool:
        """Whether its one record is none, but how many were lost there."""
        c: Any = self._memory.c
        return bool(c.special)

    @property
    def ends(self) -> memoryview:
        """Where each record ends."""
        return memoryview(self._memory.ends).cast("I")

    @property
    def rings(self) -> memoryview | None:
        """The ring that each record is of; ``None`` if there is one."""
        rings = self._memory.rings
        return None if rings is None else memoryview(rings).cast("H")

    def bounds(self, start: int, stop: int) -> tuple[int, int]:
        """Give where the records from number `start` up to `stop` are."""
        if self.size >= 0:
            return start * self.size, stop * self.size
        ends = self.ends
        return ends[start - 1] if start else 0, ends[stop - 1] if stop else 0

    def view(self, start: int, stop: int) -> memoryview:
        """Give the bytes of the records from number `start` up to `stop`."""
        first, last = self.bounds(start, stop)
        return memoryview(self.data)[first:last]

    def edges(self, start: int, stop: int) -> list[int]:
        """Give where each of the records ends in their `view`, with 0 before the first."""
        if self.size >= 0:
            return list(range(0, (stop - start) * self.size + 1, self.size)) if self.size else [0] * (stop - start + 1)
        ends = self.ends
        first = ends[start - 1] if start else 0
        return [0, *((end - first) for end in ends[start:stop])] if first else [0, *ends[start:stop]]

    def raw(self, start: int, stop: int) -> list[bytes]:
        """Give the bytes of each record."""
        data = bytes(self.view(start, stop))
        edges = self.edges(start, stop)
        return [data[first:last] for first, last in pairwise(edges)]


class Batch(Base):
    """Events that came together: a sequence of them, and an array of NumPy's, and bytes.

    They are decoded when they are asked for. A slice is a batch too, unless it leaves some out.
    """

    __slots__ = ("_block", "_decoder", "_start", "_stop")

    def __init__(self, block: Block, decoder: Decoder, start: int, stop: int) -> None:
        self._block = block
        self._decoder = decoder
        self._start = start
        self._stop = stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[Any]:
        # Within a chunk there is no Python between the events and the caller.
        return chained(self._chunks())

    def _chunks(self) -> Iterator[Sequence[Any]]:
        start = self._start
        while start < self._stop:
            records, error = self._decoder.some(self._block, start, min(start + self._decoder.chunk, self._stop))
            if error is not None:
                raise error
            yield records
            start += len(records)

    def _records(self, start: int, stop: int) -> list[Any]:
        records, error = self._decoder.many(self._block, start, stop)
        if error is not None:
            raise error
        return records

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Any: ...
        @overload
        def __getitem__(self, index: slice) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        """Give the event of that number, or a part."""
        if isinstance(index, slice):
            some = range(self._start, self._stop)[index]
            if some.step == 1 or len(some) < 2:
                return Batch(self._block, self._decoder, some.start, some.start + len(some))
            return [self._records(at, at + 1)[0] for at in some]
        at = range(self._start, self._stop)[index]
        return self._records(at, at + 1)[0]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(f"{self!r} cannot be sent to another process: what its to_list() or raw gives can")

    def to_list(self) -> list[Any]:
        """Give the events as a list."""
        return self._records(self._start, self._stop)

    def to_numpy(self) -> Any:
        """Give the events as an array without decoding one: of a struct it is a structured one, with columns by name.

        The array looks at the batch's memory and cannot be written; ``array.copy()`` can. All events must have the
        size of the one type that they are of, else it is a ``ValueError``; of raw bytes they must have one size.
        """
        import numpy as np

        codec = self._decoder.codec
        size = self._block.size
        if codec is None and not self._decoder.is_raw:
            raise ValueError("the events are of several types: an array has one")
        if self._block.special:
            raise ValueError("the batch is no events, but how many were lost there: an array has events")
        if not len(self):
            size = 0 if codec is None else codec.size
        if size < 0:
            raise ValueError("the events have different sizes: an array has elements of one size")
        if codec is None:
            dtype = np.dtype(f"V{size}")
        elif codec.size != size:
            raise ValueError(f"{codec.typename} has {codec.size} bytes, but the events have {size}")
        else:
            dtype = self._decoder.dtype
        if not dtype.itemsize:
            raise ValueError("events of no bytes make no array")
        # Of an array type, one row an event.
        flat = np.frombuffer(self._block.view(self._start, self._stop).toreadonly(), dtype.base)
        array = flat.reshape(len(self), *dtype.shape) if dtype.shape else flat
        array.flags.writeable = False
        return array

    @property
    def raw(self) -> list[bytes]:
        """The bytes of each event."""
        return self._block.raw(self._start, self._stop)

    def __bytes__(self) -> bytes:
        """Give the bytes of all events, one behind the other."""
        return bytes(self._block.view(self._start, self._stop))

    @property
    def sources(self) -> tuple[int, ...]:
        """For each event the number of what it came from, in `RingBuffer.rings` or `PerfBuffer.buffers`."""
        rings = self._block.rings
        return (0,) * len(self) if rings is None else tuple(rings[self._start : self._stop])

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} events>"
