"""Telling what the system refuses from what a handler of a signal raises, and from what is no answer. No C."""

from __future__ import annotations

import errno

__all__ = ["MOMENTARY", "refused"]

MOMENTARY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)
"""What says nothing of what the system was asked for, but of this moment: it is no answer."""


def refused(error: OSError) -> int:
    """Give the errno of a refusal; what is none goes on to whoever has raised it.

    A handler of the user's may run wherever Python code does, and raise a ``TimeoutError``: that is an ``OSError``, but
    no answer to what is being asked here, and has no errno.
    """
    if error.errno is None or isinstance(error, TimeoutError):
        raise error
    return error.errno
