"""Reading a trace in an event loop, and the iterations that work there and elsewhere."""

from __future__ import annotations

import os
from time import monotonic

from ._trace_reader import NOW, Reader
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

__all__ = ["AsyncReader", "Steps"]


class AsyncReader(Reader):
    """Read a trace, one thread or task at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._awaited = False

    async def _fill_later(self, kind: int, deadline: float | None) -> bool:
        """Do as `_fill`, without blocking the event loop."""
        import asyncio

        # A flood of lines must not starve the other tasks.
        await asyncio.sleep(0)
        in_vain = 0
        while not self._fill(kind, NOW):
            if self._held.closing or (deadline is not None and monotonic() >= deadline):
                return False
            if in_vain > 3:
                await asyncio.sleep(min(0.05, 0.001 * 2 ** min(in_vain - 4, 6)))
            await self._readable(deadline)
            in_vain += 1
        return True

    async def _readable(self, deadline: float | None) -> None:
        """Wait until there may be something to read, or the pipe is closed, or the deadline."""
        import asyncio

        held = self._held
        if self._awaited:
            raise StateError(f"another task is waiting for {held.path!r}: one reads at a time")
        loop = asyncio.get_running_loop()
        # A descriptor of its own: the pipe's may be closed, and its number used again, before the loop forgets it.
        with held.gate:
            if held.closing or held.epoll is None:
                return
            watched = os.dup(held.epoll.fileno())
        done = loop.create_future()
        timer = None if deadline is None else loop.call_later(max(0.0, deadline - monotonic()), _set, done)
        waker = _Waker(loop, done)
        held.wakers.add(waker)
        self._awaited = True
        try:
            loop.add_reader(watched, _set, done)
            if not held.closing:  # since before there was a waker
                await done
        finally:
            self._awaited = False
            held.wakers.discard(waker)
            if timer is not None:
                timer.cancel()
            if not loop.is_closed():
                loop.remove_reader(watched)
            os.close(watched)


class _Waker:
    """Wake the task that waits for `done`, from whatever thread."""

    def __init__(self, loop: AbstractEventLoop, done: Future[None]) -> None:
        self._loop = loop
        self._done = done

    def __call__(self) -> None:
        try:
            self._loop.call_soon_threadsafe(_set, self._done)
        except RuntimeError:
            if not self._loop.is_closed():
                raise


def _set(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class Steps:
    """An iteration, for ``for`` or ``async for``."""

    def __init__(self, pipe: AsyncReader, kind: int, deadline: float | None) -> None:
        self._pipe = pipe
        self._kind = kind
        self._deadline = deadline
        self._steps: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._steps is None:
            self._steps = self._pipe._iterate(self._kind, self._deadline)
        return self._steps

    def __next__(self) -> Any:
        # Not next(): between its return and this one's, an interrupt would lose the item.
        for item in self.__iter__():
            return item
        raise StopIteration

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        # No generator: that would end for good when a task is cancelled as it waits, as asyncio.wait_for() does.
        pipe = self._pipe
        while True:
            batch = pipe._batch
            if batch is not None and pipe._has(self._kind):
                for item in batch.rest:
                    return item
            if self._deadline is not None and monotonic() >= self._deadline:
                raise StopAsyncIteration
            if not await pipe._fill_later(self._kind, self._deadline):
                raise StopAsyncIteration
