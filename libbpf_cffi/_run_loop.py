"""Wait for what comes, from several sources at once, and show it until there is a reason to end."""

from __future__ import annotations

import select
from time import monotonic

from ._run_io import ReaderGoneError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from ._run_child import Child
    from ._run_io import Output, Stopper
    from ._run_maps import Shows

    class Source(Protocol):
        """Something that is shown as it comes."""

        def fileno(self) -> int:
            """Give what becomes readable when something has come."""

        def show(self) -> bool:
            """Write some of what has come; tell whether anything had."""


__all__ = ["Lines", "drain", "stream", "wait"]

DRAIN = 0.5
"""Seconds spent at most on what is left in the end: other programs may go on filling it."""


class Lines:
    """How many lines and events have been shown, and how many are wanted."""

    def __init__(self, wanted: int | None) -> None:
        self._wanted = wanted
        self.shown = 0

    @property
    def left(self) -> int | None:
        """How many more are wanted; ``None``: all."""
        return None if self._wanted is None else max(self._wanted - self.shown, 0)


def wait(
    stopper: Stopper,
    deadline: float | None,
    child: Child | None,
    sources: Sequence[Source] = (),
    output: Output | None = None,
    shows: Shows | None = None,
    more: Sequence[Source] = (),
) -> list[Source]:
    """Wait for something to come, and give the sources that have it; none when it is time to end.

    Those that may have `more` are given as well, and then nothing is waited for.

    What is due of `shows` goes to `output` meanwhile. Raises `Interrupted` by a signal, and
    `ReaderGoneError` when nobody reads `output` any more, which a command that prints now and then would
    otherwise notice long afterwards.
    """
    poll = select.poll()
    poll.register(stopper.fd, select.POLLIN)
    by_fd = {source.fileno(): source for source in sources}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    if output is not None:
        poll.register(output.fd, 0)  # errors are told of unasked
    while True:
        stopper.check()
        if child is not None and child.ended():
            return []
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            return []
        if shows is not None and output is not None and shows.following is not None:
            pause = shows.following - monotonic()
            if pause <= 0:
                shows.show_due(output)
                continue
            left = pause if left is None else min(left, pause)
        # A longer wait does not fit the C int of milliseconds; less than one would be busy waiting.
        ready = dict(poll.poll(0 if more else None if left is None else min(left, 86400.0) * 1000 + 1))
        if output is not None and output.fd in ready:
            raise ReaderGoneError
        if stopper.fd in ready:
            stopper.drain()
            continue
        if ready or more:
            return [source for fd, source in by_fd.items() if fd in ready or source in more]


def stream(
    stopper: Stopper,
    deadline: float | None,
    child: Child | None,
    sources: Sequence[Source],
    lines: Lines,
    output: Output | None,
    shows: Shows | None,
) -> None:
    """Show what comes until the deadline, the child's end, or as many lines as are wanted; exceptions as `wait`."""
    # A descriptor may tell of what has come only once.
    more: list[Source] = []
    while lines.left != 0 and (ready := wait(stopper, deadline, child, sources, output, shows, more)):
        more = []
        for source in ready:
            if lines.left != 0 and source.show():
                more.append(source)


def drain(source: Source, lines: Lines) -> None:
    """Show what is there still, once all is detached."""
    deadline = monotonic() + DRAIN
    while lines.left != 0 and source.show() and monotonic() < deadline:
        pass
