"""How a trace is read: batches of what a source has brought, handed out one by one or gathered into lists.

Reads never block. A reader waits on an epoll descriptor with the pipe and an eventfd in it; the eventfd says
that the pipe is being closed. What has been read and not been handed out stays with the reader, as the chunks
that its source gave.

Ctrl-C may come between any two of Python's instructions. So whatever takes something away, from the kernel or
from what is kept, is one call of C that leaves it in its next place (``list.extend(map(os.read, …))``), or
plain assignments in a row, between which Python runs no signal handler.
"""

from __future__ import annotations

import os
from _thread import get_ident
from itertools import islice
from time import monotonic

from . import tracefs as _tracefs
from ._arguments import check_limit
from ._trace_held import Held
from ._trace_lines import LostEvents
from ._trace_source import ALL, LINES
from ._trace_text import TextSource
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._trace_source import Source

__all__ = ["NOW", "Batch", "Reader"]

_GATHER = 16
"""How many of the source's chunks, of some hundred lines each, a `Reader` gathers at most: from much longer lists
the garbage collector takes its toll."""

_ENOUGH = 2048
"""With so many lines gathered no more are waited for either."""

_LONGEST_WAIT = 3600.0
"""Seconds: epoll_wait(2) counts milliseconds in an int."""

NOW = 0.0
"""A deadline that has passed."""


class Batch:
    """A chunk, cut up. All who hand it out take from `rest`."""

    __slots__ = ("chunk", "items", "kind", "rest")

    def __init__(self, kind: int, chunk: Any, items: list[Any]) -> None:
        self.kind = kind
        self.chunk = chunk
        self.items = items
        self.rest: Iterator[Any] = iter(items)

    def handed_out(self) -> int:
        """How many items have been taken."""
        return len(self.items) - self.left()

    def left(self) -> int:
        """How many items have not been taken."""
        left: int = self.rest.__length_hint__()  # type: ignore[attr-defined]
        return left


class Reader:
    """Read a trace, one thread at a time."""

    def __init__(self) -> None:
        self._held = Held()
        self._source: Source = TextSource(self._held)
        self._reads: list[Any] = []
        self._batch: Batch | None = None
        self._taken: list[tuple[Batch, int]] | None = None
        """What a `read` that is going on has taken."""
        self._lost: dict[int, int] = {}
        self._exported = False
        self._signalled = False

    def _iterate(self, kind: int, deadline: float | None) -> Iterator[Any]:
        """Hand out one item after the other. What is not taken stays in the batch, whatever becomes of this."""
        while self._fill(kind, deadline):
            batch = self._batch
            if batch is None:
                continue
            if deadline is None:
                yield from batch.rest
            else:
                for item in batch.rest:
                    yield item
                    if monotonic() >= deadline:
                        return

    def _read(self, kind: int, deadline: float | None, limit: int | None) -> list[Any]:
        """Gather items. Until the caller says otherwise, they are taken on trial, and this thread is the reader."""
        held = self._held
        held.check()
        check_limit(limit)
        with held.lock:
            try:
                self._refuse_another()
                held.reader = get_ident()
                self._recover()
                return self._gather(kind, deadline, limit)
            finally:
                if held.deferred:
                    held.finish()

    def _gather(self, kind: int, deadline: float | None, limit: int | None) -> list[Any]:
        found: list[Any] = []
        taken: list[tuple[Batch, int]] = []
        for _ in range(_GATHER):
            if not self._fill_alone(kind, NOW if found else deadline):
                break
            batch = self._batch
            if batch is None:
                continue
            self._taken = taken
            taken.append((batch, batch.handed_out()))
            found.extend(islice(batch.rest, None if limit is None else limit - len(found)))
            if len(found) >= (_ENOUGH if limit is None else limit):
                break
        self._signal()
        if not found:
            self._held.check()
        return found

    def _recover(self) -> None:
        """Put back what a `read` had taken when an exception ended it."""
        if self._taken:
            self._put_back(self._taken)

    def _put_back(self, taken: list[tuple[Batch, int]]) -> None:
        """Make the pipe as if what was taken had not been. It can be interrupted, and done again."""
        rest = self._source.rest
        chunks = [rest(batch.chunk, batch.kind, start) for batch, start in taken]
        batch = self._batch
        items: list[Any] = []
        if batch is not None:
            items = batch.items
            if all(batch is not other for other, _ in taken):
                chunks.append(rest(batch.chunk, batch.kind, batch.handed_out()))
        reads = [*(self._source.seen(chunk) for chunk in chunks if chunk), *self._reads]
        # These belong together, whatever interrupt comes.
        self._reads = reads
        self._batch = self._taken = None
        # An iteration under way takes no more from what will come again.
        del items[:]

    def _fill(self, kind: int, deadline: float | None) -> bool:
        """Give the batch items of this kind; tell whether it has any by the deadline or the pipe's end."""
        if self._has(kind):
            return True
        self._refuse_another()
        held = self._held
        me = get_ident()
        try:
            # An interrupt between acquire() and `try` would leave the lock locked; `with` has no such place.
            with held.lock:
                try:
                    self._refuse_another()
                    held.reader = me
                    self._recover()
                    return self._fill_alone(kind, deadline)
                finally:
                    if held.deferred:
                        held.finish()
        finally:
            if held.reader == me:
                held.reader = None

    def _has(self, kind: int) -> bool:
        batch = self._batch
        return batch is not None and batch.kind == kind and batch.left() > 0 and not self._taken

    def _refuse_another(self) -> None:
        held = self._held
        if held.reader is not None:
            who = "this thread" if held.reader == get_ident() else f"thread {held.reader}"
            raise StateError(f"{who} is reading from {held.path!r} already: one reads at a time")

    def _fill_alone(self, kind: int, deadline: float | None) -> bool:
        held = self._held
        if held.pid != os.getpid():
            held.check()
        batch = self._batch
        if batch is not None and batch.left():
            if batch.kind == kind:
                return True
            self._put_back([])
        in_vain = 0
        while True:
            if self._cut(kind, complete=held.closing):
                self._signal()
                return True
            if held.closing:
                if self._source.take_left(self._reads):
                    continue
                return False
            try:
                if self._source.take_in(self._reads):
                    in_vain = 0
                    continue
            except OSError as error:
                raise _tracefs.failure(error, f"read {held.path!r}", held.path) from None
            if self._reads:
                self._source.settle()
                if self._cut(kind, complete=True):
                    self._signal()
                    return True
            if not self._wait(deadline, in_vain):
                return False
            in_vain += 1

    def _cut(self, kind: int, *, complete: bool) -> bool:
        """Make the next batch of what was read; tell whether there is anything in it.

        `complete` says that nothing of the last entry can be missing.
        """
        source = self._source
        while self._reads:
            found = source.following(self._reads, complete=complete)
            if found is None:
                return False
            chunk, used, counted = found
            items: list[Any]
            losses: list[LostEvents] = []
            if kind in (ALL, LINES):
                items = source.parse(chunk)
                if source.lossy:
                    losses = [record for record in items if isinstance(record, LostEvents)]
                    if kind == LINES:
                        items = [record for record in items if not isinstance(record, LostEvents)]
            else:
                items = source.split(chunk, kind)
                losses = source.losses(chunk)
            lost = self._lost if counted or not losses else _sum(self._lost, losses)
            batch = Batch(kind, chunk, items)
            self._lost = lost
            self._batch = batch
            del self._reads[:used]
            if items:
                return True
        return False

    def _wait(self, deadline: float | None, in_vain: int) -> bool:
        """Wait until there may be something to read, or the pipe is being closed, or the deadline: then say False.

        `in_vain` is how often in a row there was nothing after all. With the option ``block`` the kernel says
        at any time that there is something; then it is asked again after a while.
        """
        held = self._held
        assert held.epoll is not None
        if self._signalled:
            self._calm()
        if in_vain > 3:
            import select

            poll = select.poll()
            poll.register(held.wake, select.POLLIN)
            pause = min(0.05, 0.001 * 2 ** min(in_vain - 4, 6))
            if deadline is not None:
                pause = min(pause, max(0.0, deadline - monotonic()))
            poll.poll(pause * 1000)
        while not held.closing:
            left = _LONGEST_WAIT if deadline is None else deadline - monotonic()
            if left <= 0:
                return False
            ready = held.epoll.poll(min(left, _LONGEST_WAIT), 2)
            if any(fd == held.wake for fd, _ in ready):
                self._calm()
            if ready:
                return True
        return True

    def _calm(self) -> None:
        """Take back what `_signal` has written, unless the pipe is being closed."""
        self._signalled = False
        try:  # noqa: SIM105 - to import contextlib takes a millisecond
            os.eventfd_read(self._held.wake)
        except BlockingIOError:
            pass

    def _signal(self) -> None:
        """Make the descriptor of `fileno` readable if there is something left to hand out."""
        held = self._held
        if self._exported and not self._signalled:
            batch = self._batch
            if self._reads or self._source.pending or (batch is not None and batch.left()):
                with held.gate:
                    if held.wake >= 0:
                        self._signalled = True
                        os.eventfd_write(held.wake, 1)



def _sum(lost: dict[int, int], losses: list[LostEvents]) -> dict[int, int]:
    lost = dict(lost)
    for cpu, count in losses:
        lost[cpu] = lost.get(cpu, 0) + (1 if count is None else count)
    return lost
