"""Where the lines of a trace come from, the pipe's text or the ring buffers themselves: what the two have in common."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ._trace_lines import LostEvents, TraceLine

    class Source(Protocol):
        """Reads chunks, and makes of them what is handed out."""

        @property
        def lossy(self) -> bool: ...
        @property
        def pending(self) -> bool: ...
        def take_in(self, reads: list[Any]) -> bool: ...
        def take_left(self, reads: list[Any]) -> bool: ...
        def settle(self) -> None: ...
        def following(self, reads: list[Any], *, complete: bool) -> tuple[Any, int, bool] | None: ...
        def parse(self, chunk: Any) -> list[TraceLine | LostEvents]: ...
        def split(self, chunk: Any, kind: int) -> list[Any]: ...
        def losses(self, chunk: Any) -> list[LostEvents]: ...
        def seen(self, chunk: Any) -> Any: ...
        def rest(self, chunk: Any, kind: int, start: int) -> Any: ...


__all__ = ["ALL", "BYTES", "LINES", "TEXT", "split"]

ALL, LINES, TEXT, BYTES = range(4)
"""What a chunk is cut into: lines and losses, lines, text, bytes."""


def split(chunk: bytes, kind: int) -> list[Any]:
    """Cut text into its lines, as ``str`` or ``bytes``."""
    lines: list[Any]
    lines = chunk.decode("utf-8", "backslashreplace").split("\n") if kind == TEXT else chunk.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines
