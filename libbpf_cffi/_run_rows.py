"""Events as rows: CSV or JSON, and what tables have in common with them.

Each is written a batch at a time and a column at a time, and a row is one format filled in: that is what a flood takes.
"""

from __future__ import annotations

import libbpf_cffi as bpf

from ._command_text import text
from ._run_fields import ENUMERATOR, INTEGER, TEXT, TRUTH_VALUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ._run_fields import Field, Fields

    Cells = Sequence[Any]

__all__ = ["SOURCE", "Csv", "Json", "Rows", "enumerators", "escaped", "names_of", "truth"]

SOURCE = "events"
"""What the column is called that says which buffer an event came from."""

MICROSECONDS = 1_000_000


def names_of(chosen: Iterable[Sequence[Field]], wanted: Sequence[str] | None = None) -> list[str]:
    """Give the names of all columns: those of several buffers that have the same name are one.

    They stand in the order of `wanted`, of which each stands for itself and the members in it.
    """
    names = list(dict.fromkeys(field.path for fields in chosen for field in fields))
    if wanted is None:
        return names

    def place(name: str) -> int:
        return next(at for at, each in enumerate(wanted) if name == each or name.startswith(f"{each}."))

    return sorted(names, key=place)


class Rows:
    """How events are written. `times` are the paths of fields that are times since the machine was started."""

    def __init__(self, times: Sequence[str] = ()) -> None:
        self._times = times
        self._started = 0
        if times:
            import time

            # What bpf_ktime_get_ns() counts is CLOCK_MONOTONIC.
            self._started = time.time_ns() - time.monotonic_ns()

    def head(self) -> str:
        """Give what stands before all events."""
        return ""

    def rows(self, source: int, events: Sequence[Any]) -> str:
        """Give the lines of events of the buffer with this number."""
        raise NotImplementedError

    def odd(self, source: int, data: bytes) -> str:
        """Give the line of an event that is not of the type it should be."""
        raise NotImplementedError

    def _clock(self, format: str) -> Callable[[Cells], Cells]:
        """Give what turns nanoseconds since the start into the time of day: the second, and then microseconds."""
        from time import localtime, strftime

        started = self._started
        seconds: dict[int, str] = {}

        def convert(cells: Cells) -> list[str]:
            found = []
            for each in cells:
                second, rest = divmod((started + each) // 1000, MICROSECONDS)
                if second not in seconds:
                    if len(seconds) > 1000:
                        seconds.clear()
                    seconds[second] = strftime(format, localtime(second))
                found.append(f"{seconds[second]}.{rest:06}")
            return found

        return convert


def enumerators(cells: Cells) -> list[str]:
    """Give the names of enumerators, each of which is looked for once."""
    known = {each: text(each) for each in set(cells)}
    return [known[each] for each in cells]


def truth(cells: Cells) -> list[str]:
    """Give truth values as C and JSON have them."""
    return ["true" if each else "false" for each in cells]


def escaped(name: str) -> str:
    """Give a text that stands for itself in a format."""
    return name.replace("%", "%%")


# CSV


def _quoted(value: str) -> str:
    if '"' in value or "," in value or "\n" in value or "\r" in value:
        return f'"{value.replace(chr(34), chr(34) * 2)}"'
    return value


def _all_quoted(cells: Cells) -> list[str]:
    return [each if each.isalnum() else _quoted(each) for each in cells]


class Csv(Rows):
    """Comma-separated values (RFC 4180), with a header; what a buffer's events do not have is empty."""

    def __init__(
        self,
        names: Sequence[str],
        chosen: Sequence[Sequence[Field]],
        sources: Sequence[str],
        times: Sequence[str] = (),
    ) -> None:
        super().__init__(times)
        self._head = ",".join(_quoted(name) for name in ((SOURCE,) if len(sources) > 1 else ()) + tuple(names))
        by_path = [{field.path: field for field in fields} for fields in chosen]
        self._fields = [[fields[name] for name in names if name in fields] for fields in by_path]
        self._formats = [",".join("%s" if name in fields else "" for name in names) for fields in by_path]
        if len(sources) > 1:
            self._formats = [
                f"{escaped(_quoted(source))},{line}" for source, line in zip(sources, self._formats, strict=True)
            ]
        clock = self._clock("%Y-%m-%dT%H:%M:%S") if times else None
        self._convert = [
            [clock if each.path in times else _csv_converter(each) for each in fields] for fields in self._fields
        ]

    def head(self) -> str:
        """Give the names of the columns."""
        return f"{self._head}\n"

    def rows(self, source: int, events: Sequence[Any]) -> str:
        """Give the lines of events."""
        columns = [
            map(field.get, events) if convert is None else convert(list(map(field.get, events)))
            for field, convert in zip(self._fields[source], self._convert[source], strict=True)
        ]
        line = self._formats[source]
        return "\n".join([*(line % row for row in zip(*columns, strict=True)), ""]) if columns else ""

    def odd(self, source: int, data: bytes) -> str:
        """Give nothing: there is no column for it."""
        del source, data
        return ""


def _csv_converter(field: Field) -> Callable[[Cells], Cells] | None:
    if field.kind == INTEGER:
        return None
    if field.kind == TEXT:
        return _all_quoted
    if field.kind in (ENUMERATOR, TRUTH_VALUE):
        return enumerators if field.kind == ENUMERATOR else truth
    from json import JSONEncoder

    encode = JSONEncoder().encode

    def convert(cells: Cells) -> list[str]:
        plain = [bpf.plain(each) for each in cells]
        return [_quoted(each if isinstance(each, str) else encode(each)) for each in plain]

    return convert


# JSON


class Json(Rows):
    """A JSON object a line: nested as the struct is, or, of chosen fields, flat with their paths."""

    def __init__(
        self,
        all_fields: Sequence[Fields],
        chosen: Sequence[Sequence[Field]],
        sources: Sequence[str],
        times: Sequence[str] = (),
        *,
        flat: bool,
    ) -> None:
        super().__init__(times)
        from json import JSONEncoder
        from json.encoder import encode_basestring_ascii as quote

        self._encode = JSONEncoder().encode
        self._quote = quote
        self._chosen = chosen
        self._before = [f"{quote(SOURCE)}: {quote(source)}" if len(sources) > 1 else "" for source in sources]
        clock = self._clock("%Y-%m-%dT%H:%M:%S") if times else None
        self._convert: list[list[Callable[[Cells], Cells] | None]] = []
        for fields in chosen:
            made: list[Callable[[Cells], Cells] | None] = []
            for each in fields:
                if each.path in times:
                    assert clock is not None
                    made.append(_then(clock, self._strings))
                else:
                    made.append(self._converter(each))
            self._convert.append(made)
        self._formats = []
        for whole, shown, before in zip(all_fields, chosen, self._before, strict=True):
            nested = whole.is_struct and not flat
            members = _nested(whole.zero) if nested else [f"{quote(escaped(each.path))}: %s" for each in shown]
            self._formats.append(f"{{{', '.join([*([escaped(before)] if before else []), *members])}}}")

    def _strings(self, cells: Cells) -> list[str]:
        return list(map(self._quote, cells))

    def _converter(self, field: Field) -> Callable[[Cells], Cells] | None:
        if field.kind == INTEGER:
            return None
        if field.kind == TEXT:
            return self._strings
        if field.kind == ENUMERATOR:
            return _then(enumerators, self._strings)
        return truth if field.kind == TRUTH_VALUE else self._others

    def _others(self, cells: Cells) -> list[str]:
        return [self._encode(bpf.plain(each)) for each in cells]

    def rows(self, source: int, events: Sequence[Any]) -> str:
        """Give the lines of events."""
        columns = [
            map(field.get, events) if convert is None else convert(list(map(field.get, events)))
            for field, convert in zip(self._chosen[source], self._convert[source], strict=True)
        ]
        line = self._formats[source]
        if not columns:
            return f"{line % ()}\n" * len(events)
        return "\n".join([*(line % row for row in zip(*columns, strict=True)), ""])

    def odd(self, source: int, data: bytes) -> str:
        """Give the bytes in hexadecimal, as ``bytes``."""
        before = self._before[source]
        return f'{{{f"{before}, " if before else ""}"bytes": "{data.hex()}"}}\n'


def _then(first: Callable[[Cells], Cells], second: Callable[[Cells], Cells]) -> Callable[[Cells], Cells]:
    return lambda cells: second(first(cells))


def _nested(value: Any) -> list[str]:
    """Give the members of a struct as JSON, with ``%s`` in the places of the leaves, in the order of `columns`."""
    from json.encoder import encode_basestring_ascii as quote

    found = []
    for name, each in value._asdict().items():
        key = quote(escaped(name))
        if hasattr(each, "_asdict") and not hasattr(each, "__bytes__"):
            found.append(f"{key}: {{{', '.join(_nested(each))}}}")
        else:
            found.append(f"{key}: %s")
    return found
