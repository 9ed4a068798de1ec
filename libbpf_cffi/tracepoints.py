"""The tracepoints of the running kernel: their names, ids and the layouts of their records, from tracefs."""

from __future__ import annotations

import errno
import os
from collections import namedtuple

from ._arguments import c_string, path_name
from .tracefs import TracefsError, find_tracefs, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, TypeAlias

    PathLike: TypeAlias = "str | os.PathLike[str]"

    class _Field(NamedTuple):
        name: str
        type: str
        offset: int
        size: int
        signed: bool
        length: int | None
        dynamic: str

    class _Format(NamedTuple):
        name: str
        id: int
        fields: tuple[TracepointField, ...]
        print_format: str
else:
    # Not typing.NamedTuple: to import typing takes longer than all else here.
    _Field = namedtuple("_Field", "name type offset size signed length dynamic")  # noqa: PYI024
    _Format = namedtuple("_Format", "name id fields print_format")  # noqa: PYI024

__all__ = [
    "TracepointField",
    "TracepointFormat",
    "parse_format",
    "tracepoint_format",
    "tracepoint_id",
    "tracepoints",
]



class TracepointField(_Field):
    """One field of a tracepoint's record.

    `type` is the C type without array and location, `offset` and `size` are in bytes from the start of the
    record, `length` is the number of elements of an array, 0 where the format gives no number, ``None`` if it
    is no array.

    `dynamic` is "" for a field that is in its place. For ``__data_loc`` or ``__rel_loc``, the place holds a
    u32: the low 16 bits are the data's offset, from the start of the record or from the end of this field,
    the high 16 its size.
    """

    __slots__ = ()


class TracepointFormat(_Format):
    """The layout of a tracepoint's record: `name`, `id`, `fields`, and how the kernel prints it, `print_format`."""

    __slots__ = ()

    def field(self, name: str) -> TracepointField:
        """Give a field by its name."""
        for field in self.fields:
            if field.name == name:
                return field
        import difflib

        names = [field.name for field in self.fields]
        close = difflib.get_close_matches(name, names) or names
        raise KeyError(f"tracepoint {self.name!r} has no field {name!r}; it has {', '.join(close)}")


def parse_format(text: str) -> TracepointFormat:
    """Parse the text of a file events/CATEGORY/NAME/format."""
    import re

    if not isinstance(text, str):
        raise TypeError(f"text must be str, not {type(text).__name__}")
    head = re.search(r"^name: (.+)\nID: (\d+)\nformat:\n", text, re.MULTILINE)
    if head is None:
        raise ValueError(f"not the format of a tracepoint: {text[:80]!r}")
    fields = []
    pattern = r"^\tfield:([^;\n]*);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:([01]);)?"
    for match in re.finditer(pattern, text, re.MULTILINE):
        declaration, offset, size, signed = match.groups()
        name, type_, length, dynamic = _declaration(declaration)
        fields.append(TracepointField(name, type_, int(offset), int(size), signed == "1", length, dynamic))
    _, _, print_format = text.partition("\nprint fmt: ")
    return TracepointFormat(head[1], int(head[2]), tuple(fields), print_format.rstrip("\n"))


def _declaration(text: str) -> tuple[str, str, int | None, str]:
    """Take a declaration like ``__data_loc char[] name`` or ``u8 mac[6]`` apart: name, type, length, dynamic."""
    import re

    words = text.strip()
    dynamic = ""
    for location in ("__data_loc", "__rel_loc"):
        if words.startswith(f"{location} "):
            dynamic = location
            words = words.removeprefix(location).strip()
    match = re.fullmatch(r"(.*?)\s*(\w+)\s*((?:\[[^\]]*\]\s*)*)", words, re.DOTALL)
    if match is None:
        # A pointer to a function: its name is in the middle.
        name = re.search(r"\(\s*\*\s*(\w+)\s*\)", words)
        return name[1] if name else "", words, None, dynamic
    type_, name_, dimensions = match.groups()
    type_, brackets, inner = type_.partition("[")
    dimensions += brackets + inner
    if not dimensions:
        return name_, type_.strip(), None, dynamic
    length = 1
    for dimension in re.findall(r"\[([^\]]*)\]", dimensions):
        length *= int(dimension) if dimension.isdecimal() else 0
    return name_, type_.strip(), length, dynamic


def _event_file(category: str, name: str, file: str, tracefs: PathLike | None) -> str:
    for part in (category, name):
        if not isinstance(part, str):
            raise TypeError(f"the name of a tracepoint must be str, not {type(part).__name__}")
        c_string(part, "the name of a tracepoint")
        if not part or part.startswith(".") or "/" in part or "\0" in part:
            raise ValueError(f"not the name of a tracepoint: {f'{category}:{name}'!r}")
    root = find_tracefs() if tracefs is None else path_name(tracefs, "tracefs")
    path = os.path.join(root, "events", category, name, file)
    try:
        return read_file(path, f"read {path!r}")
    except TracefsError as error:
        if error.errno == errno.ENOENT:
            error.action = f"find tracepoint '{category}:{name}'"
            error.strerror = "this kernel has no such tracepoint"
            error.hint = _like(f"{category}:{name}", root)
        raise


def _like(name: str, root: str) -> str:
    import difflib

    try:
        close = difflib.get_close_matches(name, tracepoints(tracefs=root), 3)
    except TracefsError:
        close = []
    return f"there is {', '.join(close)}" if close else f"{root}/available_events lists them"


def tracepoint_id(category: str, name: str, *, tracefs: PathLike | None = None) -> int:
    """Give the number that the running kernel has for a tracepoint, as perf_event_open(2) takes it."""
    return int(_event_file(category, name, "id", tracefs))


def tracepoint_format(category: str, name: str, *, tracefs: PathLike | None = None) -> TracepointFormat:
    """Give the layout of a tracepoint's record in the running kernel."""
    return parse_format(_event_file(category, name, "format", tracefs))


def tracepoints(category: str | None = None, *, tracefs: PathLike | None = None) -> list[str]:
    """Give the tracepoints of the running kernel as ``category:name``, all or one category's."""
    if category is not None:
        c_string(category, "category")
    root = find_tracefs() if tracefs is None else path_name(tracefs, "tracefs")
    path = os.path.join(root, "available_events")
    names = read_file(path, f"read {path!r}").split()
    return sorted(name for name in names if category is None or name.startswith(f"{category}:"))
