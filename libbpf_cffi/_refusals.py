"""Telling what the system refuses from what a handler of a signal raises, and from what is no answer. No C."""

from __future__ import annotations

import errno

__all__ = ["MOMENTARY", "no_lock", "no_thread", "refused"]

MOMENTARY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)
"""What says nothing of what the system was asked for, but of this moment: it is no answer."""


_NO_LOCK = ("can't allocate lock",)
_NO_THREAD = ("can't start new thread", "can't create new thread at interpreter shutdown")


def refused(error: OSError) -> int:
    """Give the errno of a refusal; what is none goes on to whoever has raised it.

    A handler of the user's may run wherever Python code does, and raise a ``TimeoutError``: that is an ``OSError``, but
    no answer to what is being asked here, and has no errno.
    """
    if error.errno is None or isinstance(error, TimeoutError):
        raise error
    return error.errno


def no_lock(error: RuntimeError) -> bool:
    """Tell whether that is Python's own that no lock can be had, and not what a handler of the user's raises."""
    return _pythons(error, _NO_LOCK)


def no_thread(error: RuntimeError) -> bool:
    """Tell whether that is Python's own that no thread can be started, and not what a handler of the user's raises."""
    return _pythons(error, _NO_THREAD)


def _pythons(error: RuntimeError, words: tuple[str, ...]) -> bool:
    # Its words are all that Python says.
    return type(error).__module__ == "builtins" and str(error) in words
