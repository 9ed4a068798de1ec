"""Values as the command shows them: in tables that fit the terminal, and in JSON."""

from __future__ import annotations

import os

from ._command_io import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

__all__ = ["columns", "fit", "is_number", "layout", "room", "text"]

NARROW = 8
"""A column of text is not cut to less than this."""


def is_number(value: object) -> bool:
    """Tell whether a value is a plain number, not a truth value or an enumerator."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and not hasattr(value, "name")


def text(value: Any) -> str:
    """Give a value in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, bytes):
        return value.hex(" ")
    if hasattr(value, "_asdict"):
        return f"{{{', '.join(f'{name}={text(each)}' for name, each in value._asdict().items())}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, int) and hasattr(value, "name"):
        return str(value.name)
    return printable(str(value))


def columns(value: Any, name: str) -> list[tuple[str, Any]]:
    """Take a value apart into columns: a struct has one for each member, ``inner.member`` of a struct in it."""
    return _columns(value, "") or [(name, value)]


def _columns(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if not hasattr(value, "_asdict") or hasattr(value, "__bytes__"):
        # The members of a union are the same bytes, seen in different ways.
        return [(prefix, value)] if prefix else []
    found = []
    for member, each in value._asdict().items():
        found += _columns(each, f"{prefix}.{member}" if prefix else member)
    return found


def room(fd: int) -> int | None:
    """Give how many columns the terminal has; ``None`` if it is none, so that nothing need be cut."""
    if not os.isatty(fd):
        return None
    try:
        return int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(fd).columns or 80
    except (ValueError, OSError):
        return 80


def layout(head: Sequence[str], rows: Iterable[Sequence[Any]], width: int | None) -> list[str]:
    """Lay values out in columns, numbers to the right, text cut where the whole would be wider than `width`."""
    lines = list(rows)
    right = [all(is_number(row[at]) for row in lines) for at in range(len(head))]
    cells = [[text(value) for value in row] for row in lines]
    names = [text(name) for name in head]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(names)]
    if width is not None:
        fit(widths, right, width - 2 * (len(widths) - 1))
    return [
        "  ".join(
            _cut(cell, size).rjust(size) if to_right else _cut(cell, size).ljust(size)
            for cell, size, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in (names, *cells)
    ]


def fit(widths: list[int], numbers: Sequence[bool], width: int, narrowest: int = NARROW) -> None:
    """Make the widest columns of text narrower, until all fit; numbers are never cut."""
    while sum(widths) > width:
        texts = [(size, at) for at, size in enumerate(widths) if not numbers[at] and size > narrowest]
        if not texts:
            return
        size, at = max(texts)
        others = max([each for each, other in texts if other != at], default=narrowest)
        widths[at] = max(size - (sum(widths) - width), min(others, size - 1), narrowest)


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else f"{cell[: size - 1]}…"
