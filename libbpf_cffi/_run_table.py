"""Events as a table that fits the terminal."""

from __future__ import annotations

import libbpf_cffi as bpf

from ._command_text import fit, text
from ._run_fields import ENUMERATOR, INTEGER, TEXT, TRUTH_VALUE
from ._run_rows import SOURCE, Rows, enumerators, escaped, truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._run_fields import Field
    from ._run_rows import Cells

__all__ = ["Table"]

DIGITS = {1: 3, 2: 5, 4: 7, 8: 10}
"""How wide a column of integers of so many bytes is at least; it grows with what comes."""

NARROWEST, WIDEST = 4, 32
"""How wide a column of text is at least, and how wide it starts at most where nothing is cut."""


def _shown(cells: Cells) -> list[str]:
    return [each if each.isprintable() else text(each) for each in cells]


def _texts(cells: Cells) -> list[str]:
    return [text(each) for each in cells]


CONVERTERS: dict[str, Callable[[Cells], Cells]] = {ENUMERATOR: enumerators, TRUTH_VALUE: truth, TEXT: _shown}


class Table(Rows):
    """A table: numbers to the right; text is cut where a row would be wider than `width`, if there is one."""

    def __init__(
        self,
        names: Sequence[str],
        chosen: Sequence[Sequence[Field]],
        sources: Sequence[str],
        width: int | None,
        times: Sequence[str] = (),
        *,
        colour: bool = False,
    ) -> None:
        super().__init__(times)
        self._sources = [text(name) for name in sources]
        self._several = len(sources) > 1
        self._width = width
        self._colour = colour
        by_path = [{field.path: field for field in fields} for fields in chosen]
        self._fields = [[fields.get(name) for name in names] for fields in by_path]
        heads = [text(name).upper() for name in names]
        self._numbers = [
            all(fields[name].kind == INTEGER and name not in times for fields in by_path if name in fields)
            for name in names
        ]
        self._widths = [
            max(len(head), *(_room(fields[name], times) for fields in by_path if name in fields))
            for head, name in zip(heads, names, strict=True)
        ]
        if self._several:
            heads.insert(0, SOURCE.upper())
            self._numbers.insert(0, False)
            self._widths.insert(0, max(map(len, (SOURCE, *self._sources))))
        self._heads = heads
        self._begun = False
        self._formats: list[str] = []
        clock = self._clock("%H:%M:%S") if times else None
        self._convert = [
            [None if each is None else clock if each.path in times else _table_converter(each) for each in fields]
            for fields in self._fields
        ]

    def rows(self, source: int, events: Sequence[Any]) -> str:
        """Give the lines of events; before the first ones the header, whose columns then suit them."""
        fields = self._fields[source]
        offset = 1 if self._several else 0
        columns: list[Cells] = []
        places: list[int] = []
        for at, (field, convert) in enumerate(zip(fields, self._convert[source], strict=True), offset):
            if field is None:
                continue
            cells: Cells = list(map(field.get, events))
            columns.append(cells if convert is None else convert(cells))
            places.append(at)
        self._grow(columns, places)
        if self._width is not None:
            last = len(self._widths) - 1
            for number, at in enumerate(places):
                if not self._numbers[at]:
                    size = self._widths[at] if at != last else max(self._rest(), 1)
                    columns[number] = [
                        each if len(each) <= size else f"{each[: size - 1]}\N{HORIZONTAL ELLIPSIS}"
                        for each in columns[number]
                    ]
        line = self._formats[source]
        filled = zip(*columns, strict=True) if columns else [()] * len(events)
        lines = [(line % row).rstrip() for row in filled]
        if not self._begun:
            self._begun = True
            lines.insert(0, self._header())
        return "\n".join([*lines, ""])

    def odd(self, source: int, data: bytes) -> str:
        """Give the bytes in hexadecimal."""
        name = f"{self._sources[source]}  " if self._several else ""
        line = f"{name}{len(data)} bytes: {data.hex(' ')}"
        return f"{line if self._width is None else line[: self._width]}\n"

    def _rest(self) -> int:
        assert self._width is not None
        return self._width - sum(self._widths[:-1]) - 2 * (len(self._widths) - 1)

    def _grow(self, columns: list[Cells], places: list[int]) -> None:
        """Make columns as wide as their numbers, and at first as their text; make the formats anew if that changed."""
        changed = not self._begun
        for cells, at in zip(columns, places, strict=True):
            if self._numbers[at]:
                needed = max(len(str(max(cells))), len(str(min(cells))))
            elif not self._begun:
                needed = max(map(len, cells))
                if self._width is None:
                    needed = min(needed, WIDEST)
            else:
                continue
            if needed > self._widths[at]:
                self._widths[at] = needed
                changed = True
        if not changed:
            return
        if self._width is not None:
            fit(self._widths, self._numbers, self._width - 2 * (len(self._widths) - 1), NARROWEST)
        self._formats = [self._format(source) for source in range(len(self._fields))]

    def _format(self, source: int) -> str:
        cells: list[Any] = list(self._fields[source])
        parts = []
        if self._several:
            cells.insert(0, self)
        for at, (field, width, number) in enumerate(zip(cells, self._widths, self._numbers, strict=True)):
            last = at == len(cells) - 1
            if field is self:
                parts.append(escaped(self._sources[source].ljust(width)))
            elif field is None:
                parts.append(" " * width)
            elif number:
                parts.append(f"%{width}d")
            else:
                parts.append("%s" if last else f"%-{width}s")
        return "  ".join(parts)

    def _header(self) -> str:
        heads = [
            _cut(head, width).rjust(width) if number else _cut(head, width).ljust(width)
            for head, width, number in zip(self._heads, self._widths, self._numbers, strict=True)
        ]
        line = "  ".join(heads).rstrip()
        return f"\x1b[1m{line}\x1b[0m" if self._colour else line


def _cut(head: str, width: int) -> str:
    return head if len(head) <= width else f"{head[: width - 1]}\N{HORIZONTAL ELLIPSIS}"


def _table_converter(field: Field) -> Callable[[Cells], Cells] | None:
    return None if field.kind == INTEGER else CONVERTERS.get(field.kind, _texts)


def _room(field: Field, times: Sequence[str]) -> int:
    """Give how wide a column is at least, whatever comes."""
    if field.path in times:
        return len("00:00:00.000000")
    kind = field.type
    if field.kind == INTEGER:
        return DIGITS.get(kind.size or 0, 0) if kind is not None else 0
    if field.kind == TEXT and kind is not None and kind.kind == bpf.BtfKind.ARRAY:
        # Without the zero at the end; names of tasks have 15 characters.
        return min(max(kind.nelems - 1, NARROWEST), 15)
    if field.kind == TRUTH_VALUE:
        return len("false")
    if field.kind == ENUMERATOR:
        return min(max(map(len, type(field.zero).__members__), default=0), WIDEST)
    return NARROWEST
