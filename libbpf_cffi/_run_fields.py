"""The fields of events: which there are, how they are taken out of a record, and what they are compared with.

Everything goes by a value of the events' type that is all zeroes.
"""

from __future__ import annotations

import operator

from ._command_text import columns, text
from ._run_options import UsageError
from ._run_values import TRUTH, string

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    import libbpf_cffi as bpf

    Condition = tuple[str, str, str]

__all__ = ["Field", "Fields", "keeper", "missing"]

INTEGER, TRUTH_VALUE, ENUMERATOR, TEXT, OTHER = "integer", "truth value", "enumerator", "text", "other"

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Field:
    """A field of a type of events: `get` takes it out of a record, `zero` is what it is in one of zeroes."""

    def __init__(self, path: str, get: Callable[[Any], Any], zero: Any, type: bpf.BtfType | None) -> None:
        self.path = path
        self.get = get
        self.zero = zero
        self.type = type
        """The type of an integer, an array and the like, where it is known."""
        self.kind = _kind(zero)


def _kind(zero: Any) -> str:
    if isinstance(zero, bool):
        return TRUTH_VALUE
    if isinstance(zero, int):
        return ENUMERATOR if hasattr(zero, "name") else INTEGER
    return TEXT if isinstance(zero, str) else OTHER


class Fields:
    """The fields of one type of events; those of a type that is no struct have one, called `name`."""

    def __init__(self, zero: Any, type: bpf.BtfType | None, name: str) -> None:
        self.zero = zero
        self._type = type
        self.is_struct = _is_struct(zero)
        """Whether an event has members; else it is its only field."""
        leaves = columns(zero, "") if self.is_struct else []
        self.leaves = [self[path] for path, _ in leaves] if self.is_struct else [Field(name, _itself, zero, type)]

    def __getitem__(self, path: str) -> Field:
        """Give a field by its path, such as ``a.b[2]``; ``KeyError`` if there is none."""
        if not self.is_struct:
            if path == self.leaves[0].path:
                return self.leaves[0]
            raise KeyError(path)
        value = self.zero
        steps: list[Callable[[Any], Any]] = []
        for step in _steps(path):
            if isinstance(step, int):
                if isinstance(value, str) or not isinstance(value, (tuple, bytes)) or step >= len(value):
                    raise KeyError(path)
                steps.append(operator.itemgetter(step))
                value = value[step]
            else:
                members = value._asdict() if hasattr(value, "_asdict") else {}
                if step not in members:
                    raise KeyError(path)
                steps.append(_member(value, step))
                value = members[step]
        return Field(path, _chain(steps, path), value, _type_of(self._type, path))

    def chosen(self, paths: Sequence[str] | None) -> list[Field]:
        """Give the fields of these paths, a struct's as those in it; those that there are not are left out."""
        if paths is None:
            return self.leaves
        found = []
        for path in paths:
            try:
                field = self[path]
            except KeyError:
                continue
            if self.is_struct and _is_struct(field.zero):
                found += [self[f"{path}.{name}"] for name, _ in columns(field.zero, "")]
            else:
                found.append(field)
        return found

    def process(self) -> Field | None:
        """Give the field that says whose an event is."""
        for name in ("tgid", "pid", "tid"):
            for field in self.leaves:
                if field.path == name and field.kind == INTEGER:
                    return field
        return None


def _is_struct(value: Any) -> bool:
    """Tell whether a value is a struct with members; those of a union are the same bytes, seen in different ways."""
    return hasattr(value, "_asdict") and not hasattr(value, "__bytes__") and bool(value._asdict())


def _itself(value: Any) -> Any:
    return value


def _steps(path: str) -> list[str | int]:
    """Take a path apart; ``KeyError`` if it is none."""
    found: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.split("[")
        if name or not indexes or not found:
            found.append(name)
        for each in indexes:
            number = each.removesuffix("]")
            if number == each or not (number.isascii() and number.isdecimal()):
                raise KeyError(path)
            found.append(int(number))
    return found


def _member(value: Any, name: str) -> Callable[[Any], Any]:
    """Give what takes a member out; one whose name the record needs for itself is no attribute."""
    member = value._asdict()[name]
    if getattr(value, name, _member) is member or getattr(value, name, _member) == member:
        return operator.attrgetter(name)
    return lambda record: record._asdict()[name]


def _chain(steps: list[Any], path: str) -> Callable[[Any], Any]:
    if len(steps) == 1:
        return steps[0]  # type: ignore[no-any-return]
    if all(isinstance(step, operator.attrgetter) for step in steps):
        return operator.attrgetter(path)

    def get(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return get


def _type_of(type: bpf.BtfType | None, path: str) -> bpf.BtfType | None:
    """Give the type of a field, if it can be found by names alone."""
    if type is None or "[" in path:
        return None
    try:
        for name in path.split("."):
            type = type.resolve().member(name).type  # noqa: A001 - libbpf's own name
        return type.resolve()
    except (KeyError, TypeError, ValueError):
        return None


# Conditions


def keeper(fields: Fields, condition: Condition) -> Callable[[Sequence[Any]], list[Any]] | None:
    """Make what keeps the events that a condition holds for; ``None`` if they have no such field."""
    path, sign, given = condition
    try:
        field = fields[path]
    except KeyError:
        return None
    get = field.get
    if sign in ("~", "!~"):
        return _like(field, given, wanted=sign == "~")
    if field.kind == OTHER and not isinstance(field.zero, float):
        if sign not in ("=", "!="):
            raise UsageError(f"--filter {path}{sign}{given}: {path} has no order: = and != compare it as it is shown")
        return lambda events: [event for event in events if (text(get(event)) == given) == (sign == "=")]
    value = _value(field, given, condition)
    if sign == "=":
        return lambda events: [event for event in events if get(event) == value]
    compare = COMPARE[sign]
    return lambda events: [event for event in events if compare(get(event), value)]


def _like(field: Field, pattern: str, *, wanted: bool) -> Callable[[Sequence[Any]], list[Any]]:
    import re
    from fnmatch import translate

    match = re.compile(translate(pattern)).match
    get = field.get
    shown = str if field.kind in (TEXT, INTEGER) else text
    return lambda events: [event for event in events if (match(shown(get(event))) is not None) is wanted]


def _value(field: Field, given: str, condition: Condition) -> Any:
    """Make what a field is compared with; `UsageError` says what would suit."""
    zero = field.zero
    try:
        if field.kind == TRUTH_VALUE:
            return TRUTH[given.lower()]
        if field.kind == ENUMERATOR:
            return _enumerator(type(zero), given)
        if field.kind == INTEGER:
            return int(given, 0)
        return float(given) if isinstance(zero, float) else string(given)
    except (ValueError, KeyError):
        raise UsageError(f"--filter {''.join(condition)}: {field.path} is {_suitable(field)}, not {given!r}") from None


def _enumerator(kind: Any, given: str) -> int:
    found = kind.__members__.get(given)
    return int(given, 0) if found is None else int(found)


def _suitable(field: Field) -> str:
    if field.kind != ENUMERATOR:
        return "true or false" if field.kind == TRUTH_VALUE else "a number"
    kind: Any = type(field.zero)
    names = list(kind.__members__)
    return f"one of {', '.join(names[:20])}{', ...' if len(names) > 20 else ''} or a number"


def missing(option: str, path: str, all_fields: Iterable[Fields]) -> UsageError:
    """Make the error for a field that no event has."""
    from difflib import get_close_matches

    names = list(dict.fromkeys(field.path for fields in all_fields for field in fields.leaves))
    close = get_close_matches(path, names, n=3, cutoff=0.5)
    known = f"close names: {', '.join(close)}" if close else f"there are: {', '.join(names[:20])}"
    return UsageError(f"{option}: events have no field {path!r}; {known}")
