"""Taking events from the kernel, and where their reader is: what the ways to read are made of.

What C has moved stays in a `Memory` until one assignment makes a block of it the current one; where a reader is in that
block is a `Cursor`, and to hand out events is to replace it. Who wants more than one block holds has the others behind
it: each cursor knows the next.
"""

from __future__ import annotations

import errno
from _thread import RLock, get_ident
from _weakref import ref
from sys import maxsize
from time import monotonic

from ._batch import Block, Memory
from ._handle import uncopied
from ._map_access import CLOSED
from .errors import ClosedError, EventError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

    from typing_extensions import Self

    from ._event_types import Decoder
    from ._handle import Handle
    from ._libbpf import lbc_ring_batch

__all__ = ["SLOTS", "Cursor", "EventSource"]

ROOM = 1 << 19
"""Bytes of a `Memory`: half a million, or what all rings can hold, stay in the cache of a CPU."""

SLOTS = 8192
"""Records of a `Memory`, and of what is read without saying how many."""

LARGEST = 1 << 26
"""Bytes of the largest memory that is made for a batch of as many records as a user asks for."""

POOL = 4
"""How many memories are kept for the next batches."""

_LONGEST_WAIT = 3600.0
"""Seconds: epoll_wait(2) counts milliseconds in an int."""


class Cursor:
    """Where a reader is in a block: `items` begin with number `at` of it; `rest` has those not handed out.

    `next` is the beginning of the block that comes after this one, if that has been taken.
    """

    __slots__ = ("at", "block", "items", "next", "rest")

    def __init__(self, block: Block, at: int, items: Any, next: Cursor | None = None) -> None:
        self.block = block
        self.at = at
        self.items = items
        self.next = next
        self.rest: Iterator[Any] = iter(items)

    def waiting(self) -> int:
        """Count the events of `items` that have not been handed out."""
        waiting: int = self.rest.__length_hint__()  # type: ignore[attr-defined]
        return waiting

    def position(self) -> int:
        """Give the number of the next record in the block."""
        return self.at + len(self.items) - self.waiting()


class EventSource:
    """Events that are taken from the kernel, a batch a call. A subclass has the calls of C."""

    __slots__ = (
        "__weakref__",
        "_awaited",
        "_cursor",
        "_decoder",
        "_exported",
        "_handles",
        "_lock",
        "_memory",
        "_name",
        "_pool",
        "_reader",
        "_several",
        "_size",
    )
    __reduce_ex__ = uncopied

    _name: str
    """What is read, in words."""
    _handles: list[Handle[Any]]
    """What closes it: one for each tree of handles that it belongs to."""
    _decoder: Decoder
    _size: int
    """How many bytes can be waiting in the kernel."""
    _several: bool

    def _begin(self, name: str, decoder: Decoder, size: int, *, several: bool) -> None:
        self._name = name
        self._decoder = decoder
        self._size = size
        self._several = several
        self._cursor: Cursor | None = None
        self._memory: Memory | None = None
        self._pool: list[Memory] = []
        self._reader: int | None = None
        self._lock = RLock()
        self._exported = False
        self._awaited = False
        self._handles = []

    # What a subclass has

    def _move(self, batch: lbc_ring_batch, milliseconds: int) -> int:
        """Wait, and move records into the batch: as ``lbc_ring_read()`` does, and by it."""
        raise NotImplementedError

    def _places(self) -> dict[int, tuple[int, int]]:
        """Give for each ring that is read up to where it has been read and written, or nothing when it is closed."""
        raise NotImplementedError

    def _signal(self, on: bool, more: bool) -> None:
        """Make the descriptor of `fileno` readable for events that are here (`on`) or in the kernel (`more`)."""
        raise NotImplementedError

    def _look_again(self) -> None:
        """Make what waits on `_duplicates` see what came before it began to."""

    def _descriptor(self) -> int:
        raise NotImplementedError

    def _duplicates(self) -> tuple[int, ...]:
        """Give descriptors to wait on elsewhere, the first of which becomes readable with events or a close."""
        raise NotImplementedError

    def _failure(self, error: int) -> Exception:
        """Give the exception for what `_move` has returned."""
        raise NotImplementedError

    @property
    def lost(self) -> int | None:
        """How many events were lost, or ``None`` if nobody counts them."""
        return None

    # What it is

    @property
    def closed(self) -> bool:
        """Whether it has been closed, by itself or with its map or object, or belongs to the parent process."""
        return any(handle.closed for handle in self._handles)

    def close(self) -> None:
        """Close it; a reader in another thread is woken. Closing twice does nothing. What it has not read is dropped.

        Events that are still in the kernel stay there for the next reader.
        """
        for handle in self._handles:
            handle.close()

    def _check(self) -> None:
        for handle in self._handles:
            if not handle._made:
                raise ClosedError(f"{self._name} {handle.gone}")

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Give a descriptor for ``select`` and the like: readable when there may be events. Read nothing from it.

        It knows of events that have been taken from the kernel and not been handed out, too.
        """
        self._check()
        descriptor = self._descriptor()
        self._exported = True
        self._settle()
        return descriptor

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._name}{' (closed)' if self.closed else ''}>"
    # Taking

    @staticmethod
    def _cursor_is_done(cursor: Cursor) -> bool:
        return cursor.position() >= cursor.block.count and cursor.next is None

    def _refuse(self, cursor: Cursor, at: int, error: Exception) -> NoReturn:
        if isinstance(error, EventError):
            # It is handed out as that. What a function of the user's raises, it raises again.
            self._cursor = Cursor(cursor.block, at + 1, [], cursor.next)
        raise error

    def _refuse_another(self) -> None:
        if self._reader is not None:
            who = "this thread" if self._reader == get_ident() else f"thread {self._reader}"
            raise StateError(f"{who} is reading {self._name} already: one reads at a time")

    def _fill(self, deadline: float | None, *, whole: bool = False) -> bool:
        """Have decoded events at the cursor; tell whether there are any by the deadline or its end.

        Or, not decoded yet, the `whole` of what there is now.
        """
        cursor = self._cursor
        if cursor is not None and cursor.waiting() and not whole:
            return True
        self._refuse_another()
        me = get_ident()
        try:
            # An interrupt between acquire() and `try` would leave the lock locked; `with` has no such place.
            with self._lock:
                self._refuse_another()
                self._reader = me
                filled = self._fill_up(deadline, maxsize) if whole else self._fill_alone(deadline)
                if filled and self._exported:
                    self._settle()
                return filled
        finally:
            if self._reader == me:
                self._reader = None

    def _fill_alone(self, deadline: float | None, limit: int | None = None, *, decode: bool = True) -> bool:
        while True:
            cursor = self._cursor
            if cursor is not None:
                if cursor.waiting():
                    return True
                at = cursor.at + len(cursor.items)
                count = cursor.block.count
                if at < count:
                    if not decode:
                        return True
                    items, error = self._decoder.some(cursor.block, at, min(at + self._decoder.chunk, count))
                    if items:
                        self._cursor = Cursor(cursor.block, at, items, cursor.next)
                        return True
                    assert error is not None
                    self._refuse(cursor, at, error)
                following = self._cursor = cursor.next
                # Not to be held while waiting: its memory can be used again.
                del cursor
                if following is not None:
                    continue
            if not self._take(deadline, limit):
                return False
            if not decode:
                return True

    def _take(self, deadline: float | None, limit: int | None) -> bool:
        """Make a block of what there is the current one; wait for it until the deadline or the end: then say False."""
        memory = self._await(deadline, limit)
        if memory is None:
            return False
        block = Block(memory)
        memory.block = ref(block)
        self._cursor, self._memory = Cursor(block, 0, []), None
        return True

    def _fill_up(self, deadline: float | None, limit: int) -> bool:
        """Have records at the cursor, and behind it those that there are now, until there are `limit`.

        Tell whether there are any by the deadline or its end.
        """
        held = self._has_taken()
        if not self._fill_alone(deadline, decode=False):
            return False
        last = self._cursor
        assert last is not None
        waiting = last.block.count - last.position()
        while last.next is not None:
            last = last.next
            waiting += last.block.count
        if waiting >= limit or not (held or last.block.full):
            return True
        # Only up to where programs are now: a flood must not keep it from ending.
        places = self._places()
        ends = {index: end for index, (at, end) in places.items() if at < end}
        idle = 0
        # Of many rings not each has its turn in a batch. One that never moves has a record that is being written.
        while ends and waiting < limit and idle <= len(places):
            memory = self._await(0.0, None, quietly=True)
            if memory is None:
                break
            block = Block(memory)
            memory.block = ref(block)
            following = Cursor(block, 0, [])
            last.next, self._memory = following, None
            last = following
            waiting += block.count
            before, places = places, self._places()
            ends = {index: end for index, end in ends.items() if index in places}
            idle = idle + 1 if all(places[index][0] == before[index][0] for index in ends) else 0
            ends = {index: end for index, end in ends.items() if places[index][0] < end}
        return True

    def _has_taken(self) -> bool:
        """Whether something was taken from the kernel and has not been handed out."""
        cursor, memory = self._cursor, self._memory
        c: Any = None if memory is None else memory.c
        return (c is not None and c.count > 0) or (cursor is not None and not self._cursor_is_done(cursor))

    def _await(self, deadline: float | None, limit: int | None, *, quietly: bool = False) -> Memory | None:
        """Give the memory with what there is; wait for it until the deadline or the end: then give none.

        And none when it goes wrong, `quietly`: that comes out where nothing is waiting to be handed out before.
        """
        late = False
        while True:
            memory = self._memory
            if memory is None:
                memory = self._memory = self._choose(limit)
            c: Any = memory.c
            if not c.count:
                c.limit = min(memory.slots, SLOTS if limit is None else limit)
            left = _LONGEST_WAIT if deadline is None else deadline - monotonic()
            late = late or left <= 0
            moved = self._move(c, 0 if late else int(min(left, _LONGEST_WAIT) * 1000) + 1)
            if moved > 0:
                return memory
            if moved == 0:
                if c.wanted:
                    # A record that is longer than the memory.
                    self._memory = self._keep(Memory(c.wanted, memory.slots, several=self._several))
                elif late:
                    return None
            elif moved == CLOSED:
                return None
            elif moved == -errno.EAGAIN:
                if late:
                    return None
            elif moved != -errno.EINTR:
                if quietly:
                    return None
                if moved == -errno.EBUSY:
                    raise StateError(f"another reader is reading {self._name} already: a ring buffer has one at a time")
                raise self._failure(-moved)

    def _choose(self, limit: int | None) -> Memory:
        """Give a memory that nobody uses."""
        slots = SLOTS if limit is None else max(limit, SLOTS)
        room = max(64, min(self._size, ROOM if slots == SLOTS else LARGEST))
        for memory in self._pool:
            if memory.room >= room and memory.slots >= slots and memory.is_free:
                memory.block = None
                c: Any = memory.c
                c.count = 0
                return memory
        return self._keep(Memory(room, min(slots, LARGEST // 64), several=self._several))

    def _keep(self, memory: Memory) -> Memory:
        self._pool.insert(0, memory)
        del self._pool[POOL:]
        return memory

    def _settle(self, cursor: Cursor | None = None) -> None:
        """Make the descriptor of `fileno` tell whether there is something left to hand out."""
        if not self._exported:
            return
        at = self._cursor if cursor is None else cursor
        left = at is not None and not self._cursor_is_done(at)
        self._signal(left, at is not None and at.block.full)
