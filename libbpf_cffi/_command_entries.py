"""The entries of a map as the commands show them: in a table that fits the terminal, and as what JSON can say."""

from __future__ import annotations

from ._command_text import columns, is_number, layout, text
from ._ffi import lib
from ._map_array import ArrayMap
from ._map_stacks import StackTrace
from ._record import plain
from .variables import is_format

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .symbols import Frame

    Entry = tuple[Any, Any]

__all__ = ["Entries", "are_counts", "is_zero", "summed", "unreadable", "weight"]


def unreadable(each: Any) -> str | None:
    """Say why there is nothing to show of a map of this kind; ``None`` if there is."""
    if hasattr(each, "items"):
        return None
    kind = each.type.name.lower().replace("_", " ")
    return f"a map of type {kind} has no entries that could be shown"


class Entries:
    """What is in a map, or in something that has `items` like one; read anew each time.

    `top` is how many are shown, those with the largest values; ``None``: all, in their order.
    """

    def __init__(self, shown: Any, top: int | None) -> None:
        self._shown = shown
        self._top = top
        self.percpu = "PERCPU" in getattr(getattr(shown, "type", None), "name", "")
        self._array = isinstance(shown, ArrayMap)

    def read(self) -> list[Entry]:
        """Read the map; what has an order is sorted."""
        # Of maps of maps the ids: there is no need to open them.
        entries = list(self._shown.ids().items() if hasattr(self._shown, "ids") else self._shown.items())
        if not self._array:
            from contextlib import suppress

            # Unions have no order.
            with suppress(TypeError):
                entries.sort(key=lambda entry: entry[0])
        return entries

    def _is_section(self) -> bool:
        if not self._array:
            return False
        kind = self._shown.value_type
        # An object knows its own sections; of another's there is the type alone.
        return bool(self._shown.is_internal) or (kind is not None and kind.kind == lib.BTF_KIND_DATASEC)

    def _largest(self, entries: list[Entry]) -> list[Entry]:
        if self._top is None:
            return entries
        return sorted(entries, key=lambda each: weight(summed(each[1]) if self.percpu else each[1]), reverse=True)[
            : self._top
        ]

    def facts(self) -> Iterator[dict[str, Any]]:
        """Give key and value of each entry; of a per-CPU map the sum, too."""
        section = self._is_section()
        for key, value in self._largest(self.read()):
            facts = {"key": plain(key), "value": plain(value)}
            if section and isinstance(facts["value"], dict):
                facts["value"] = {name: each for name, each in facts["value"].items() if not is_format(name)}
            if self.percpu:
                facts["sum"] = plain(summed(value))
            yield facts

    def lines(self, title: str, width: int | None) -> Iterator[str]:
        """Give the lines of a table; of stacks a list."""
        entries = self.read()
        section = self._is_section()
        total = len(entries)
        if self._array and not section:
            entries = [(key, value) for key, value in entries if not is_zero(value)]
        count = f" {total} {'entry' if total == 1 else 'entries'}" if total else " empty"
        if total > len(entries):
            count += f", {len(entries) or 'none'} of them not zero"
        if not section and self._top is not None and self._top < len(entries):
            entries = self._largest(entries)
            count += f"; the {self._top} largest"
        if self.percpu and entries:
            count += f"; sums of {len(entries[0][1])} CPUs"
        yield f"{title}:{'' if section else count}"
        if not entries:
            return
        if isinstance(self._shown, StackTrace):
            yield from _stacks(entries)
            return
        sums = [(key, summed(value)) for key, value in entries] if self.percpu else entries
        if section:
            # A variable a line.
            rows = [(name, value) for name, value in columns(sums[0][1], "") if not is_format(name)]
            yield from layout(["NAME", "VALUE"], rows, width)
        else:
            yield from self._table(entries, sums, width)

    def _table(self, entries: list[Entry], sums: list[Entry], width: int | None) -> list[str]:
        keys = [columns(key, "index" if self._array else "key") for key, _ in sums]
        values = [columns(value, "sum" if self.percpu else "value") for _, value in sums]
        head = [name for name, _ in (*keys[0], *values[0])]
        rows = [[value for _, value in (*key, *value_columns)] for key, value_columns in zip(keys, values, strict=True)]
        if not self.percpu or not is_number(entries[0][1][0]):
            return layout([name.upper() for name in head], rows, width)
        # Numbers: those of the CPUs that have any, if there is room.
        cpus = [cpu for cpu in range(len(entries[0][1])) if any(value[cpu] for _, value in entries)]
        wide = [[*row, *(value[cpu] for cpu in cpus)] for row, (_, value) in zip(rows, entries, strict=True)]
        lines = layout([name.upper() for name in (*head, *(f"cpu{cpu}" for cpu in cpus))], wide, width)
        if width is not None and max(map(len, lines)) > width:
            return layout([name.upper() for name in head], rows, width)
        return lines


def _stacks(entries: list[Entry]) -> Iterator[str]:
    from .symbols import Symbolizer

    symbols = Symbolizer()
    for key, frames in entries:
        yield ""
        yield f"stack = {key}"
        yield from (f"  {_frame(symbols.find(each))}" for each in frames)


def _frame(frame: Frame) -> str:
    return text(str(frame) if frame.name is None else f"{frame.address:#018x} {frame}")


# Values


def is_zero(value: Any) -> bool:
    """Tell whether a value is all zeroes, as those are that nobody has set."""
    if hasattr(value, "__bytes__"):
        return not any(bytes(value))
    if isinstance(value, bytes):
        return not any(value)
    return all(map(is_zero, value)) if isinstance(value, tuple) else not value


def weight(value: Any) -> Any:
    """Give what values are compared by: a number itself, the sum of counts, the first such in a struct."""
    for _, each in columns(value, ""):
        if is_number(each):
            return each
        if are_counts(each):
            return sum(each)
    return 0


def are_counts(value: Any) -> bool:
    """Tell whether a value is an array of integers."""
    if not isinstance(value, tuple) or hasattr(value, "_asdict"):
        return False
    return bool(value) and all(is_number(each) and isinstance(each, int) for each in value)


def summed(values: Any) -> Any:
    """Give what the values of all CPUs are together: sums of numbers, of structs member by member."""
    first = values[0]
    if is_number(first):
        return sum(values)
    if isinstance(first, tuple):
        each = [summed(parts) for parts in zip(*values, strict=True)]
        return tuple.__new__(type(first), each)
    # What cannot be added, such as a name, is that of a CPU that has one.
    return next((value for value in values if not is_zero(value)), first)
