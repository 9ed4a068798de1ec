"""How the small commands write what they have found."""

from __future__ import annotations

import os
import sys

__all__ = ["printable", "write"]


def printable(text: str) -> str:
    """Give a text without what a terminal would act upon: any process may have such a name."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def write(text: str) -> int:
    """Write to standard output, and give the exit status; a reader that has gone, such as ``head``, is no error."""
    if sys.stdout is None:
        return 1
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would be written again at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    return 0
