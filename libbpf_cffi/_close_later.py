"""Handles that are closed when their owner is collected, or as soon as nobody uses them any more.

Python prints and drops what is raised in a callback of a weak reference, and threads cannot always be started: neither
may leave a handle open, and a Ctrl-C must come to the program all the same.
"""

from __future__ import annotations

import sys
from _thread import interrupt_main, start_new_thread
from _weakref import ref
from itertools import repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from functools import partial
    from threading import RLock
    from typing import Any

    from ._handle import Handle
else:
    # What `functools` is made of.
    from _functools import partial

__all__ = ["close_soon", "close_waiting", "owned", "waiting", "watch"]

_SIGINT = 2

_owners: dict[int, ref[Any]] = {}
"""What watches the owner of a handle, by the handle's address; its callback has the handle."""

waiting: list[Handle[Any]] = []
"""What is to be closed as soon as it can be, and no thread could be started for that."""


def owned(lock: RLock) -> bool:
    """Tell whether this thread holds the lock already; `threading.Condition` asks in the same way."""
    return bool(lock._is_owned())  # type: ignore[attr-defined]


def watch(owner: object, handle: Handle[Any]) -> None:
    """Close `handle` when `owner` is collected."""
    steps = _when_gone(handle)
    next(steps)
    # What runs the second step, and sends the signals that it gives, is C alone.
    run = partial(next, map(list, map(map, repeat(interrupt_main), steps)))  # type: ignore[arg-type]
    _owners[id(handle)] = ref(owner, run)


def _when_gone(handle: Handle[Any]) -> Iterator[tuple[int, ...]]:
    """Close a handle when its owner has been collected, which the second step is; give the signals to be sent then.

    What is raised in a callback of a weak reference Python prints and drops, and a Ctrl-C may be raised before the
    first instruction of any function. So there is a first step, which leaves this where it is caught even then; and
    the signal is sent again by who called, in C, behind whom comes the code that had the owner.
    """
    interrupted = known = done = was_closed = False
    watching = None
    try:
        yield ()
    except KeyboardInterrupt:
        interrupted = True
    while not done:
        try:
            if not known:
                # C is inside a call of it.
                watching = _owners[id(handle)]
                # Another thread may be closing it at this moment.
                was_closed = handle.quiet or handle.closed or handle.asked or handle._closing or sys.is_finalizing()
                known = True
            if handle.quiet:
                _close_if_unused(handle)
            else:
                while not (handle.closed or sys.is_finalizing()):
                    handle.close()
                    if owned(handle.lock):
                        # It has been put off.
                        break
            _owners.pop(id(handle), None)
            done = True
        except KeyboardInterrupt:
            interrupted = True
    if not was_closed:
        import warnings

        # Last: where warnings are errors this raises.
        warnings.warn(f"{handle.name} was not closed", ResourceWarning, stacklevel=2)
    yield (_SIGINT,) if interrupted else ()
    del watching


def _close_if_unused(handle: Handle[Any]) -> None:
    """Close what nobody uses any more, without waiting for those who use others of the same tree."""
    if handle.closed or sys.is_finalizing():
        return
    lock = handle.lock
    if owned(lock):
        close_soon(handle)
        return
    try:
        if lock.acquire(blocking=False):
            handle._close()
        else:
            close_soon(handle)
    finally:
        if owned(lock):
            lock.release()


def close_soon(handle: Handle[Any]) -> None:
    """Have a thread close what this one is using, or another."""
    try:
        start_new_thread(handle.close, ())
    except (RuntimeError, MemoryError):
        # There may be as many as the process may have, or it is about to end.
        waiting.append(handle)


def close_waiting() -> None:
    """Close what no thread could be started for, as far as nobody uses it."""
    for handle in list(waiting):
        lock = handle.lock
        if owned(lock):
            continue
        try:
            if lock.acquire(blocking=False):
                handle._close()
                while handle in waiting:
                    waiting.remove(handle)
        finally:
            if owned(lock):
                lock.release()
