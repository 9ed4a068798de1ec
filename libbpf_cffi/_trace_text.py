"""The text of a trace pipe as a source of lines.

How it is read rests on facts of the kernel (``tracing_read_pipe()`` in kernel/trace/trace.c), seen on Linux
6.18:

- A read of two pages gives whole entries, as many as fit. By the source, one byte can stay behind when their
  text fills the kernel's own buffer to the last byte; the next read then gives what stayed and nothing else. So
  what one read has brought, or two where the first does not end in a newline, can be cut up and handed out at
  once: no entry goes on in a later read, and no line has to wait for the one after it.
- Not every entry ends in a newline. A text that does not, and after which the pipe is empty, is complete all
  the same.
"""

from __future__ import annotations

import os

from ._trace_lines import LineParser, TraceLine
from ._trace_source import ALL, BYTES, TEXT, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._trace_held import Held
    from ._trace_lines import LostEvents

__all__ = ["READ_SIZE", "TextSource"]

READ_SIZE = 2 * os.sysconf("SC_PAGE_SIZE")
"""No read gives more: the kernel's buffer for the text is two pages, less a few bytes (before Linux 6.8 one page)."""


class _Seen(bytes):
    """Text that was cut up before and has been put back: it is complete, and its losses have been counted."""

    __slots__ = ()


class TextSource:
    """Chunks of the kernel's text, which are ``bytes``."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._parser = LineParser()

    @property
    def lossy(self) -> bool:
        """Whether there are losses in the chunk that was parsed last."""
        return self._parser.lossy

    pending = False
    """Whether more has been read than was taken in."""

    def take_in(self, reads: list[Any]) -> bool:
        """Read once, and put what came at the end of `reads`; tell whether anything did."""
        try:
            reads.extend(map(os.read, (self._held.pipe,), (READ_SIZE,)))
        except BlockingIOError:
            return False
        if reads[-1]:
            return True
        del reads[-1]
        return False

    def take_left(self, reads: list[Any]) -> bool:  # noqa: ARG002 - another source has more
        """Take in what was read before the pipe was closed: with text that is all in `reads`."""
        return False

    def settle(self) -> None:
        """Know that the pipe is empty after what was read: it is a whole entry without a newline."""
        self._parser.glued = True

    def following(self, reads: list[Any], *, complete: bool) -> tuple[bytes, int, bool] | None:
        """Give the next chunk that can be cut up, how many of `reads` it takes, and whether its losses are counted.

        `complete` says that nothing of the last entry can be missing.
        """
        chunk, used, glued = reads[0], 1, self._parser.glued
        counted = isinstance(chunk, _Seen)
        if not (counted or complete or chunk.endswith(b"\n")):
            if len(reads) < 2:
                return None
            if self._parser.starts_entry(reads[1]):
                glued = True
            else:
                chunk += reads[1]
                used = 2
        self._parser.glued = glued
        return chunk, used, counted

    def parse(self, chunk: bytes) -> list[TraceLine | LostEvents]:
        """Make records of a chunk."""
        return self._parser.parse(chunk)

    def split(self, chunk: bytes, kind: int) -> list[Any]:
        """Cut a chunk into lines."""
        return split(chunk, kind)

    def losses(self, chunk: bytes) -> list[LostEvents]:
        """Give the losses in a chunk."""
        return self._parser.losses(chunk)

    def seen(self, chunk: bytes) -> bytes:
        """Mark a chunk as one whose losses have been counted."""
        return _Seen(chunk)

    def rest(self, chunk: bytes, kind: int, start: int) -> bytes:
        """Give what of a chunk makes its items from number `start` on."""
        if start == 0:
            return chunk
        if kind in (TEXT, BYTES):
            return b"\n".join(chunk.split(b"\n")[start:])
        for offset, record in self._parser.entries(chunk):
            if start == 0:
                return chunk[offset:]
            if kind == ALL or isinstance(record, TraceLine):
                start -= 1
        return b""
