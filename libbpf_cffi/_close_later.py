"""Handles that are closed when their owner is collected, or as soon as nobody uses them any more.

Python prints and drops what is raised in a callback of a weak reference, and threads cannot always be started: neither
may leave a handle open, and what a signal handler raises must come to the program all the same (csrc/settle.h).
"""

from __future__ import annotations

import sys
from _thread import start_new_thread
from _warnings import warn
from _weakref import ref

from ._ffi import settle
from ._refusals import no_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import partial
    from threading import RLock
    from typing import Any, Protocol

    class Closed(Protocol):
        """What is closed: a handle, or what a trace pipe holds."""

        quiet: bool
        asked: bool
        forgotten: bool | None
        lock: Any
        _closing: bool

        @property
        def name(self) -> str: ...
        @property
        def closed(self) -> bool: ...
        def close(self) -> object: ...
        def close_forgotten(self) -> str:
            """Close this when its owner has been collected; say what went wrong."""

        def close_unused(self) -> str:
            """Do the same where the caller has the lock."""
else:
    # What `functools` is made of.
    from _functools import partial

__all__ = ["close_soon", "close_waiting", "let_go", "owned", "waiting", "watch"]

_owners: dict[int, tuple[Closed, ref[Any]]] = {}
"""The handles that are closed when their owner is collected, by their address, and what watches the owner."""

waiting: list[Closed] = []
"""What is to be closed as soon as it can be: no thread could be started for that, or its owner was collected near the
limit of recursion."""

_watched = 0
"""How many handles are watched since it was looked for those whose owner has gone unseen."""


def owned(lock: RLock) -> bool:
    """Tell whether this thread holds the lock already; `threading.Condition` asks in the same way."""
    return bool(lock._is_owned())  # type: ignore[attr-defined]


def watch(owner: object, handle: Closed, *, exclusive: bool = False) -> None:
    """Close `handle` when `owner` is collected. Of what is `exclusive` there can be only one at a time."""
    global _watched
    _watched += 1
    if exclusive or _watched > len(_owners):
        # Not each time: that would take the longer, the more of them there are.
        _watched = 0
        _find_forgotten()
    # Behind `settle` come exceptions, so nothing of Python may run between it and the code that had the owner.
    _owners[id(handle)] = handle, ref(owner, partial(settle, waiting, _let_go, handle))


def _find_forgotten() -> None:
    """Close what nobody was told of: at the very limit of recursion Python cannot even call C."""
    for handle, owner in list(_owners.values()):
        if owner() is None and handle not in waiting:
            waiting.append(handle)
    close_waiting()


def let_go(handle: Closed) -> None:
    """Close what nobody has closed, whatever signal handlers raise meanwhile, and say so."""
    settle(waiting, _let_go, handle)


def _let_go(handle: Closed) -> None:
    """Close a handle whose owner has been collected; begun anew if a signal handler raises in it."""
    _note(handle)
    failed = "" if sys.is_finalizing() else handle.close_forgotten()
    _forget(handle, failed)


def _note(handle: Closed) -> None:
    """Note, before it is closed, whether somebody has forgotten to."""
    if handle.forgotten is None:
        # Another thread may be closing it at this moment.
        known = handle.quiet or handle.closed or handle.asked or handle._closing or sys.is_finalizing()
        handle.forgotten = not known


def _forget(handle: Closed, failed: str) -> None:
    _owners.pop(id(handle), None)
    if handle.forgotten:
        handle.forgotten = False
        and_then = f", and then: {failed}" if failed else ""
        # Last: where warnings are errors this raises.
        warn(f"{handle.name} was not closed{and_then}", ResourceWarning, stacklevel=3)


def close_soon(handle: Closed) -> None:
    """Have a thread close what this one is using, or another."""
    try:
        start_new_thread(settle, (waiting, type(handle).close, handle))
    except (RuntimeError, MemoryError) as error:
        # There may be as many as the process may have, or it is about to end.
        waiting.append(handle)
        if isinstance(error, RuntimeError) and not isinstance(error, RecursionError) and not no_thread(error):
            raise  # a handler's


def close_waiting() -> None:
    """Close what could not be closed when it should have been, as far as nobody uses it."""
    for handle in list(waiting):
        lock = handle.lock
        if owned(lock):
            continue
        _note(handle)
        failed = ""
        try:
            if lock.acquire(blocking=False):
                failed = handle.close_unused()
                while handle in waiting:
                    waiting.remove(handle)
        finally:
            if owned(lock):
                lock.release()
        if handle not in waiting:
            _forget(handle, failed)
