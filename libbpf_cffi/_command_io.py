"""How the small commands write what they have found, and end."""

from __future__ import annotations

import errno
import os
import sys

from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

__all__ = ["complain", "end_with", "printable", "say", "write"]


def printable(text: str) -> str:
    """Give a text without what a terminal would act upon: any process may have such a name."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def say(text: str) -> None:
    """Write to standard error; without one, or with one that nobody reads any more, the exit status must do."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except OSError as error:
            refused(error)


def complain(text: str) -> int:
    """Write a line to standard error, and give the exit status."""
    say(f"{text}\n")
    return 1


def end_with(main: Callable[[], int]) -> NoReturn:
    """End this process with the exit status that `main` gives; Ctrl-C ends it without a traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        import signal

        # A shell that runs several commands wants to see that this one was interrupted.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        raise


def write(text: str | bytes) -> int:
    """Write to standard output, and give the exit status; a reader that has gone, such as ``head``, is no error.

    What its encoding has no character for is written as Python would escape it.
    """
    out = sys.stdout
    if out is None:
        return complain("cannot write to standard output: it is closed")
    encoding = getattr(out, "encoding", None)
    if encoding is not None and isinstance(text, str):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        if isinstance(text, str):
            out.write(text)
        else:
            out.buffer.write(text)
        out.flush()
    except OSError as error:
        number = refused(error)
        # What is left in the buffer would be written again at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, out.fileno())
        os.close(null)
        if number == errno.EPIPE:
            return 0
        return complain(f"cannot write to standard output: {os.strerror(number)}")
    return 0
