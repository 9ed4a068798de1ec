"""Telling what the system refuses from what a handler of a signal raises: both may be an ``OSError``. No C."""

from __future__ import annotations

__all__ = ["refused"]


def refused(error: OSError) -> int:
    """Give the errno of a refusal; what is none goes on to whoever has raised it.

    A handler of the user's may run wherever Python code does, and raise a ``TimeoutError``: that is an ``OSError``, but
    no answer to what is being asked here, and has no errno.
    """
    if error.errno is None or isinstance(error, TimeoutError):
        raise error
    return error.errno
