"""Iterations over an event stream, for ``for`` and ``async for``, and the time-outs that they may have."""

from __future__ import annotations

from time import monotonic

from ._batch import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Any, Generic, TypeVar

    from ._stream import EventStream

    T = TypeVar("T")

    class _Base(Generic[T]):
        __slots__ = ()
else:

    class _Base:
        __slots__ = ()

        def __class_getitem__(cls, item: object) -> type:
            return cls


__all__ = ["NOW", "Batches", "Records", "Stream"]

NOW = 0.0
"""A deadline that has passed."""


class Stream(_Base["T"]):
    """An iteration that may have a time-out, for ``for`` or ``async for``."""

    __slots__ = ("_began", "_deadline", "_limit", "_steps", "_stream")

    def __init__(self, stream: EventStream, deadline: float | None, limit: int | None = None) -> None:
        self._stream = stream
        self._deadline = deadline
        self._limit = limit
        self._steps: Iterator[T] | None = None
        self._began = False

    def _make_steps(self) -> Iterator[T]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        if self._steps is None:
            self._steps = self._make_steps()
        return self._steps

    def __next__(self) -> T:
        # Not next(): between its return and this one's, an interrupt would lose the item.
        for item in self.__iter__():
            return item
        raise StopIteration

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        raise NotImplementedError

    def _end_when_late(self) -> None:
        """End when the time is over; there is always one look at what there is."""
        if self._deadline is not None and self._began and monotonic() >= self._deadline:
            raise StopAsyncIteration
        self._began = True


class Records(Stream["Any"]):
    """An iteration over events."""

    __slots__ = ()

    def _make_steps(self) -> Iterator[Any]:
        return self._stream._iterate(self._deadline)

    async def __anext__(self) -> Any:
        # No generator: that would end for good when a task is cancelled as it waits, as asyncio.wait_for() does.
        stream = self._stream
        self._end_when_late()
        while True:
            cursor = stream._cursor
            if cursor is not None:
                for item in cursor.rest:
                    return item
            if not await stream._fill_later(self._deadline):
                raise StopAsyncIteration


class Batches(Stream[Batch]):
    """An iteration over batches."""

    __slots__ = ()

    def _make_steps(self) -> Iterator[Batch]:
        return self._stream._iterate_batches(self._limit, self._deadline)

    async def __anext__(self) -> Batch:
        self._end_when_late()
        while await self._stream._fill_later(self._deadline, self._limit, decode=False):
            batch = self._stream._next_batch(self._limit, NOW)
            if batch is not None:
                return batch
        raise StopAsyncIteration
