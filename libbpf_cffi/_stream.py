"""Reading events: the ways that ring buffers and perf buffers have in common.

A subclass has one C function that waits for records and moves them into a `Memory`. Everything else is here, and is
made so that nothing which has been taken from the kernel is lost, whatever comes: a time-out, an exception in the
user's code or out of a signal handler, a cancelled task.

Ctrl-C may come between any two of Python's instructions. What C has moved stays in the memory until one assignment
makes a block of it the current one; where a reader is in that block is a `Cursor`, and to hand out events is to
replace it: an assignment, and then nothing that runs a signal handler before the caller has the events. Who iterates
takes from an iterator in C that the cursor shares: of a list, or of what makes a record when it is taken.
"""

from __future__ import annotations

import os
from _thread import get_ident
from sys import maxsize
from time import monotonic

from ._alone import chained
from ._arguments import check_limit, deadline_of
from ._batch import Batch, Block
from ._stream_source import SLOTS, Cursor, EventSource
from ._stream_steps import NOW, Batches, Records
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

    from ._batch import Memory
    from ._stream_steps import Stream

__all__ = ["EventStream"]


class EventStream(EventSource):
    """Events as they come: the ways to read them.

    To iterate gives every event, for ever. `read` and `consume` give lists, `batches` gives sequences that can become
    arrays of NumPy, `call` calls a function for each event. They can be mixed: each event is handed out once, in order,
    and what has been taken from the kernel and not been handed out, for a time-out, an exception or a cancelled task,
    comes first the next time. ``async for`` does the same without blocking the event loop.

    One thread or task reads at a time; another gets `StateError`. Any thread may `close`: a `read` that waits raises
    `ClosedError`, an iteration hands out what had been taken, and ends.
    """

    __slots__ = ()

    # Reading

    def __iter__(self) -> Iterator[Any]:
        self._check()
        # Within a chunk there is no Python between the list and the caller.
        return chained(self._chunks())

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.records().__aiter__()

    def records(self, timeout: float | None = None) -> Stream[Any]:
        """Iterate over the events, for at most `timeout` seconds from now; ``async for`` does it in an event loop."""
        self._check()
        return Records(self, deadline_of(timeout))

    def read(self, max: int | None = None, timeout: float | None = None) -> list[Any]:
        """Wait up to `timeout` seconds, or for ever, for an event; return those there are, at most `max`.

        Nothing is waited for once there is an event, and a flood does not keep it from returning: with `max` it gives
        what there is by then, however many that are; without it, which is for loops, at most 8192, and it may be fewer
        than there are. An empty list means that the time is over.
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
        following: Cursor | None = None
        try:
            with self._lock:
                self._refuse_another()
                self._reader = me
                cursor = self._cursor
                memory = self._memory
                if (
                    (cursor is None or self._cursor_is_done(cursor))
                    and not self._exported
                    and (max is None or memory is None or not memory.c.count)
                ):
                    # The short way, since somebody may have waited for this event: no block is made.
                    self._cursor = cursor = None
                    memory = self._await(deadline, None)
                    found = None if memory is None else self._whole(memory.c, memory, max)
                else:
                    memory = found = None
                if found is None:
                    if not (
                        self._fill_alone(deadline, decode=False) if max is None else self._fill_up(deadline, max)
                    ):
                        self._check()
                        return []
                    cursor = self._cursor
                    assert cursor is not None
                    peeked, following = self._peek(cursor, SLOTS if max is None else max)
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
        """Return the events that there are now, all or at most `n`, without waiting.

        Those that come meanwhile may be among them, but a flood does not keep it from returning. All that a large
        buffer holds can be much memory: `n` limits that.
        """
        return self.read(maxsize if n is None else n, 0)

    def batches(self, max: int | None = None, timeout: float | None = None) -> Stream[Batch]:
        """Iterate over `Batch`es of at most `max` events, for at most `timeout` seconds from now, or for ever.

        A batch is what there is when it is asked for, without `max` at most 8192; it is waited for until there is one.
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
        if timeout is not None and not timeout:
            self._fill(NOW, whole=True)
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

    def _chunks(self) -> Iterator[Iterator[Any]]:
        while self._fill(None):
            cursor = self._cursor
            if cursor is not None:
                yield cursor.rest

    def _iterate(self, deadline: float | None) -> Iterator[Any]:
        if deadline is None:
            return chained(self._chunks())
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
                following = Cursor(cursor.block, stop, [], cursor.next)
                if self._exported:
                    self._settle(following)
            self._cursor = following
            del cursor.items[:]
            return batch
        finally:
            if self._reader == me:
                self._reader = None

    def _whole(self, c: Any, memory: Memory, limit: int | None) -> list[Any] | None:
        """Give all events of a memory if no others belong to them and nothing is wrong with them."""
        count = c.count
        if count > (SLOTS if limit is None else limit):
            return None
        if limit is not None and count < limit and (c.full or count == c.limit):
            return None
        found, error = self._decoder.many(Block(memory), 0, count)
        return found if error is None else None

    def _peek(self, cursor: Cursor, limit: int) -> tuple[list[Any], Cursor]:
        """Give the next events of what has been taken, and where a reader is behind them; nothing changes by that."""
        found: list[Any] = []
        while True:
            block = cursor.block
            at = cursor.position()
            stop = min(block.count, at + limit - len(found))
            if cursor.items:
                # Those that are decoded already.
                found += cursor.items[at - cursor.at : stop - cursor.at]
                at += len(found)  # only the first block has any
            if at < stop:
                more, error = self._decoder.many(block, at, stop)
                at += len(more)
                if found:
                    found += more
                else:
                    found = more
                if error is not None:
                    if not found:
                        self._refuse(cursor, at, error)
                    return found, Cursor(block, at, [], cursor.next)
            if cursor.next is None or len(found) >= limit:
                return found, Cursor(block, at, [], cursor.next)
            cursor = cursor.next

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
