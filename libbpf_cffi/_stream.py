"""Reading events: the ways that ring buffers and perf buffers have in common.

A subclass has one C function that waits for records and moves them into a `Memory`. Everything else is here, and is
made so that nothing which has been taken from the kernel is lost, whatever comes: a time-out, an exception in the
user's code or out of a signal handler, a cancelled task.

Ctrl-C may come between any two of Python's instructions. What C has moved stays in the memory until one assignment
makes a block of it the current one; where a reader is in that block is a `_Cursor`, and to hand out events is to
replace it: an assignment, and then nothing that runs a signal handler before the caller has the events. Who iterates
takes from a list iterator that the cursor shares.
"""

from __future__ import annotations

import errno
import os
from _thread import RLock, get_ident
from _weakref import ref
from itertools import chain
from time import monotonic

from ._batch import Batch, Block, Memory
from ._map_access import CLOSED
from ._stream_steps import NOW, Batches, Records, check_limit, deadline_of
from .errors import ClosedError, EventError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any, NoReturn

    from typing_extensions import Self

    from ._event_types import Decoder
    from ._handle import Handle
    from ._libbpf import lbc_ring_batch
    from ._stream_steps import Stream

__all__ = ["EventStream"]

ROOM = 1 << 19
"""Bytes of a `Memory`: half a million, or what all rings can hold, stay in the cache of a CPU."""

SLOTS = 8192
"""Records of a `Memory`."""

LARGEST = 1 << 26
"""Bytes of the largest memory that is made for a batch of as many records as a user asks for."""

POOL = 4
"""How many memories are kept for the next batches."""

_LONGEST_WAIT = 3600.0
"""Seconds: epoll_wait(2) counts milliseconds in an int."""


class _Cursor:
    """Where a reader is in a block: `items` are decoded, from number `at` on; `rest` has those not handed out."""

    __slots__ = ("at", "block", "items", "rest")

    def __init__(self, block: Block, at: int, items: list[Any]) -> None:
        self.block = block
        self.at = at
        self.items = items
        self.rest: Iterator[Any] = iter(items)

    def waiting(self) -> int:
        """Count the decoded events that have not been handed out."""
        waiting: int = self.rest.__length_hint__()  # type: ignore[attr-defined]
        return waiting

    def position(self) -> int:
        """Give the number of the next record in the block."""
        return self.at + len(self.items) - self.waiting()


class EventStream:
    """Events as they come: the ways to read them.

    To iterate gives every event, for ever. `read` and `consume` give lists, `batches` gives sequences that can become
    arrays of NumPy, `call` calls a function for each event. They can be mixed: each event is handed out once, in order,
    and what has been taken from the kernel and not been handed out, for a time-out, an exception or a cancelled task,
    comes first the next time. ``async for`` does the same without blocking the event loop.

    One thread or task reads at a time; another gets `StateError`. Any thread may `close`: a `read` that waits raises
    `ClosedError`, an iteration hands out what had been taken, and ends.
    """

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
        self._cursor: _Cursor | None = None
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

    # Reading

    def __iter__(self) -> Iterator[Any]:
        self._check()
        # Within a chunk there is no Python between the list and the caller.
        return chain.from_iterable(self._chunks())

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.records().__aiter__()

    def records(self, timeout: float | None = None) -> Stream[Any]:
        """Iterate over the events, for at most `timeout` seconds from now; ``async for`` does it in an event loop."""
        self._check()
        return Records(self, deadline_of(timeout))

    def read(self, max: int | None = None, timeout: float | None = None) -> list[Any]:
        """Wait up to `timeout` seconds, or for ever, for an event; return those there are, at most `max`.

        Nothing is waited for once there is an event, and without `max` some thousand are enough: a flood does not keep
        it from returning. An empty list means that the time is over.
        """
        check_limit(max)
        deadline = deadline_of(timeout)
        self._check()
        self._refuse_another()
        me = get_ident()
        memory: Any
        found: list[Any] | None
        peeked: list[Any] = []
        cursor: Any = None
        following: _Cursor | None = None
        try:
            with self._lock:
                self._refuse_another()
                self._reader = me
                cursor = self._cursor
                if (cursor is None or self._cursor_is_done(cursor)) and not self._exported:
                    # The short way, since somebody may have waited for this event: no block is made.
                    self._cursor = cursor = None
                    memory = self._await(deadline, None)
                    found = None if memory is None else self._whole(memory.c, memory, max)
                else:
                    memory = found = None
                if found is None:
                    if not self._fill_alone(deadline, decode=False):
                        self._check()
                        return []
                    cursor = self._cursor
                    assert cursor is not None
                    peeked, following = self._peek(cursor, max)
                    if self._exported:
                        self._settle(following)
            # From here to the caller there is no place for an interrupt: not in a function of its own.
            if found is not None:
                memory.c.count = 0
                return found
            self._cursor = following
            # An iteration under way takes no more from what has been handed out.
            del cursor.items[:]
            return peeked
        finally:
            if self._reader == me:
                self._reader = None

    async def aread(self, max: int | None = None, timeout: float | None = None) -> list[Any]:
        """Do as `read`, without blocking the event loop."""
        check_limit(max)
        self._check()
        if not await self._fill_later(deadline_of(timeout)):
            self._check()
            return []
        return self.read(max, 0)

    def consume(self, n: int | None = None) -> list[Any]:
        """Return the events that there are now, at most `n`, without waiting."""
        return self.read(n, 0)

    def batches(self, max: int | None = None, timeout: float | None = None) -> Stream[Batch]:
        """Iterate over `Batch`es of at most `max` events, for at most `timeout` seconds from now, or for ever.

        A batch is what there is when it is asked for: it is waited for until there is one event.
        """
        check_limit(max)
        self._check()
        return Batches(self, deadline_of(timeout), max)

    def call(self, function: Callable[[Any], object], timeout: float | None = None) -> int:
        """Call `function` with every event, for `timeout` seconds, or until it is closed; return how many there were.

        What `function` raises comes out of here; the event that it was called with has been handed out, those after
        it come next time. With a `timeout` of 0 it is called for what there is now.
        """
        self._check()
        deadline = deadline_of(timeout)
        called = 0
        while self._fill(deadline):
            cursor = self._cursor
            if cursor is None:
                continue
            before = cursor.waiting()
            if timeout and deadline is not None:
                for item in cursor.rest:
                    function(item)
                    if monotonic() >= deadline:
                        break
            else:
                for item in cursor.rest:
                    function(item)
            called += before - cursor.waiting()
            if deadline is not None and monotonic() >= deadline and (timeout or self._cursor_is_done(cursor)):
                break
        return called

    @staticmethod
    def _cursor_is_done(cursor: _Cursor) -> bool:
        return cursor.position() >= cursor.block.count

    def _chunks(self) -> Iterator[Iterator[Any]]:
        while self._fill(None):
            cursor = self._cursor
            if cursor is not None:
                yield cursor.rest

    def _iterate(self, deadline: float | None) -> Iterator[Any]:
        if deadline is None:
            return chain.from_iterable(self._chunks())
        return self._iterate_until(deadline)

    def _iterate_until(self, deadline: float) -> Iterator[Any]:
        while self._fill(deadline):
            cursor = self._cursor
            if cursor is None:
                continue
            for item in cursor.rest:
                yield item
                if monotonic() >= deadline:
                    return

    def _iterate_batches(self, limit: int | None, deadline: float | None) -> Iterator[Batch]:
        while (batch := self._next_batch(limit, deadline)) is not None:
            yield batch
            if deadline is not None and monotonic() >= deadline:
                return

    def _next_batch(self, limit: int | None, deadline: float | None) -> Batch | None:
        self._refuse_another()
        me = get_ident()
        try:
            with self._lock:
                self._refuse_another()
                self._reader = me
                if not self._fill_alone(deadline, limit, decode=False):
                    return None
                cursor = self._cursor
                assert cursor is not None
                start = cursor.position()
                stop = cursor.block.count if limit is None else min(cursor.block.count, start + limit)
                batch = Batch(cursor.block, self._decoder, start, stop)
                following = _Cursor(cursor.block, stop, [])
                if self._exported:
                    self._settle(following)
            self._cursor = following
            del cursor.items[:]
            return batch
        finally:
            if self._reader == me:
                self._reader = None

    def _whole(self, c: Any, memory: Memory, limit: int | None) -> list[Any] | None:
        """Give all events of a memory if they are no more than the limit and nothing is wrong with them."""
        if limit is not None and c.count > limit:
            return None
        found, error = self._decoder.many(Block(memory), 0, c.count)
        return found if error is None else None

    def _peek(self, cursor: _Cursor, limit: int | None) -> tuple[list[Any], _Cursor]:
        """Give the next events, and where a reader is behind them; nothing changes by that."""
        block = cursor.block
        start = cursor.position() if cursor.items else cursor.at
        stop = block.count if limit is None else min(block.count, start + limit)
        at = start
        found: list[Any] = []
        if cursor.items:
            # Those that are decoded already.
            found = cursor.items[start - cursor.at : stop - cursor.at]
            at += len(found)
        if at < stop:
            more, error = self._decoder.many(block, at, stop)
            found = found + more if found else more
            if not found:
                assert error is not None
                self._refuse(block, at, error)
        return found, _Cursor(block, start + len(found), [])

    def _refuse(self, block: Block, at: int, error: Exception) -> NoReturn:
        if isinstance(error, EventError):
            # It is handed out as that. What a function of the user's raises, it raises again.
            self._cursor = _Cursor(block, at + 1, [])
        raise error

    def _refuse_another(self) -> None:
        if self._reader is not None:
            who = "this thread" if self._reader == get_ident() else f"thread {self._reader}"
            raise StateError(f"{who} is reading {self._name} already: one reads at a time")

    def _fill(self, deadline: float | None) -> bool:
        """Have decoded events at the cursor; tell whether there are any by the deadline or its end."""
        cursor = self._cursor
        if cursor is not None and cursor.waiting():
            return True
        self._refuse_another()
        me = get_ident()
        try:
            # An interrupt between acquire() and `try` would leave the lock locked; `with` has no such place.
            with self._lock:
                self._refuse_another()
                self._reader = me
                filled = self._fill_alone(deadline)
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
                    items, error = self._decoder.many(cursor.block, at, min(at + self._decoder.chunk, count))
                    if items:
                        self._cursor = _Cursor(cursor.block, at, items)
                        return True
                    assert error is not None
                    self._refuse(cursor.block, at, error)
                self._cursor = None
                # Not to be held while waiting: its memory can be used again.
                del cursor
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
        self._cursor, self._memory = _Cursor(block, 0, []), None
        return True

    def _await(self, deadline: float | None, limit: int | None) -> Memory | None:
        """Give the memory with what there is; wait for it until the deadline or the end: then give none."""
        late = False
        while True:
            memory = self._memory
            if memory is None:
                memory = self._memory = self._choose(limit)
            c: Any = memory.c
            if not c.count:
                c.limit = memory.slots if limit is None else min(memory.slots, limit)
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
            elif moved == -errno.EBUSY:
                raise StateError(f"another reader is reading {self._name} already: a ring buffer has one at a time")
            elif moved != -errno.EINTR:
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

    def _settle(self, cursor: _Cursor | None = None) -> None:
        """Make the descriptor of `fileno` tell whether there is something left to hand out."""
        if not self._exported:
            return
        at = self._cursor if cursor is None else cursor
        left = at is not None and not self._cursor_is_done(at)
        self._signal(left, at is not None and at.block.full)

    # Reading in an event loop

    async def _fill_later(
        self, deadline: float | None, limit: int | None = None, *, decode: bool = True
    ) -> bool:
        """Do as `_fill`, without blocking the event loop."""
        import asyncio

        # A flood of events must not starve the other tasks.
        await asyncio.sleep(0)
        while not self._fill_now(limit, decode):
            if self.closed or (deadline is not None and monotonic() >= deadline):
                return False
            await self._readable(deadline)
        return True

    def _fill_now(self, limit: int | None, decode: bool) -> bool:
        if decode:
            return self._fill(NOW)
        self._refuse_another()
        me = get_ident()
        try:
            with self._lock:
                self._refuse_another()
                self._reader = me
                return self._fill_alone(NOW, limit, decode=False)
        finally:
            if self._reader == me:
                self._reader = None

    async def _readable(self, deadline: float | None) -> None:
        """Wait until there may be something to read, or it is closed, or the deadline."""
        import asyncio

        if self._awaited:
            raise StateError(f"another task is waiting for {self._name}: one reads at a time")
        loop = asyncio.get_running_loop()
        # Descriptors of its own: the reader's may be closed, and the numbers used again, before the loop forgets them.
        watched = self._duplicates()
        if not watched:
            return
        self._awaited = True
        done = loop.create_future()
        timer = None if deadline is None else loop.call_later(max(0.0, deadline - monotonic()), _set, done)
        try:
            loop.add_reader(watched[0], _set, done)
            self._look_again()
            await done
        finally:
            self._awaited = False
            if timer is not None:
                timer.cancel()
            if not loop.is_closed():
                loop.remove_reader(watched[0])
            for fd in watched:
                os.close(fd)


def _set(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)
