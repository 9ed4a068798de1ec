"""What the files ``format`` of tracefs say: how events, and the sub-buffers that they are in, are laid out."""

from __future__ import annotations

import os
import sys
from collections import namedtuple

from . import tracefs as _tracefs
from ._ffi import ffi
from ._mounts import absent
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from ._libbpf import lbc_trace_format

    class Field(NamedTuple):
        """A field of an event: `kind` is its type as C has it, `length` how many bytes it fills."""

        kind: str
        name: str
        offset: int
        length: int
        signed: bool
else:
    # Not typing.NamedTuple: to import typing takes longer than all else here.
    Field = namedtuple("Field", "kind name offset length signed")  # noqa: PYI024

__all__ = ["Events", "Field", "fields_of", "read_layout"]

_ORDER = sys.byteorder

_NO_EVENT = 0xFFFFFFFF
"""The number of no event: theirs have 16 bits."""

_CLOCKS_IN_NS = {"local", "global", "perf", "mono", "mono_raw", "boot", "tai"}
"""The clocks of which the kernel prints seconds (``trace_clocks`` in kernel/trace/trace.c)."""


def counts_ns(trace_clock: str) -> bool:
    """Tell, by the file trace_clock, whether a buffer's times are nanoseconds."""
    return trace_clock.partition("[")[2].partition("]")[0] in _CLOCKS_IN_NS


def fields_of(text: str) -> list[Field]:
    """Give the fields that a format file names."""
    found = []
    for line in text.split("\n"):
        what, *rest = (part.strip() for part in line.strip().split(";"))
        if what.startswith("field:"):
            numbers = dict(part.split(":", 1) for part in rest if ":" in part)
            kind, _, name = what[len("field:") :].strip().rpartition(" ")
            name, bracket, count = name.partition("[")
            found.append(
                Field(
                    kind + bracket + count,
                    name,
                    int(numbers["offset"]),
                    int(numbers["size"]),
                    numbers.get("signed", "0").strip() == "1",
                )
            )
    return found


def _number_of(text: str) -> int:
    """Give the event's number, as the line ``ID: …`` has it."""
    return int(text.partition("\nID:")[2].partition("\n")[0])


def _read(folder: str, root: str, name: str) -> str:
    """Read a file of an instance; where the kernel has it only once, that."""
    path = os.path.join(folder, name)
    if folder != root and not os.path.exists(path):
        path = os.path.join(root, name)
    return _tracefs.read_file(path, f"read {path!r}")


def read_layout(folder: str, root: str) -> lbc_trace_format:
    """Give the ``struct lbc_trace_format`` of the buffer in `folder`; what is not understood is a `ValueError`."""
    found: Any = ffi.new("struct lbc_trace_format *")
    page = {field.name: field for field in fields_of(_read(folder, root, "events/header_page"))}
    found.commit_offset, found.commit_size = page["commit"].offset, page["commit"].length
    found.data_offset = page["data"].offset
    _event_header(found, _read(folder, root, "events/header_event"))
    text = _read(folder, root, "events/ftrace/print/format")
    fields = {field.name: field for field in fields_of(text)}
    common = [field for name, field in fields.items() if name.startswith("common_")]
    found.common_size = max(field.offset + field.length for field in common)
    found.type_offset = fields["common_type"].offset
    found.flags_offset = fields["common_flags"].offset
    found.preempt_count_offset = fields["common_preempt_count"].offset
    found.pid_offset = fields["common_pid"].offset
    found.print_id = _number_of(text)
    found.print_ip, found.print_ip_size = fields["ip"].offset, fields["ip"].length
    found.print_text = fields["buf"].offset
    found.printk_id = _NO_EVENT
    try:
        text = _read(folder, root, "events/bpf_trace/bpf_trace_printk/format")
    except TracefsError as error:
        absent(error, error.action, error.path)
        # Before Linux 5.9.
    else:
        (string,) = (field for field in fields_of(text) if not field.name.startswith("common_"))
        found.printk_id = _number_of(text)
        found.printk_text = string.offset
        found.printk_relative = string.kind.startswith("__rel_loc")
    found.in_ns = counts_ns(_read(folder, root, "trace_clock"))
    layout: lbc_trace_format = found
    return layout


def _event_header(found: lbc_trace_format, text: str) -> None:
    """Read the file header_event, which has no fields like the others."""
    said = {}
    for line in text.split("\n"):
        name, colon, value = line.replace("==", ":").partition(":")
        if colon:
            said[name.strip()] = value.rpartition(":")[2].strip()
    if said["type_len"] != "5 bits" or said["time_delta"] != "27 bits" or said["array"] != "32 bits":
        raise ValueError(f"the header of events has changed in this kernel: {text!r}")
    number = {name: int(value.replace("type", "").strip()) for name, value in said.items() if "bits" not in value}
    found.padding = number["padding"]
    found.time_extend = number["time_extend"]
    found.time_stamp = number["time_stamp"]
    found.data_max = number["data max type_len"]


class Events:
    """Events that are not text: their names, and their fields as ``name=value``."""

    def __init__(self, root: str) -> None:
        self._root = os.path.join(root, "events")
        self._paths: dict[int, str] = {}
        self._known: dict[int, tuple[str, list[Field]]] = {}

    def show(self, number: int, data: bytes) -> tuple[str, str]:
        """Give an event's name, and its own fields as text; of one that is not known, what the kernel prints."""
        name, fields = self._known.get(number) or self._find(number)
        if not name:
            return "", f"Unknown type {number}"
        return name, " ".join(f"{field.name}={_value(field, data)}" for field in fields)

    def _find(self, number: int) -> tuple[str, list[Field]]:
        if number not in self._paths:
            self._paths = self._all()
        found: tuple[str, list[Field]] = ("", [])
        path = self._paths.get(number)
        if path is not None:
            text = _tracefs.read_file(path, f"read {path!r}")
            fields = [field for field in fields_of(text) if not field.name.startswith("common_")]
            found = os.path.basename(os.path.dirname(path)), fields
        self._known[number] = found
        return found

    def _all(self) -> dict[int, str]:
        """Find all events' format files by number."""
        paths = {}
        for system in _names(self._root):
            folder = os.path.join(self._root, system)
            if not os.path.isdir(folder):
                continue
            for event in _names(folder):
                path = os.path.join(folder, event, "format")
                try:
                    if system == "ftrace":
                        number = _number_of(_tracefs.read_file(path, f"read {path!r}"))
                    else:
                        number = int(_tracefs.read_file(os.path.join(folder, event, "id"), f"find {event}"))
                except TracefsError as error:
                    absent(error, error.action, path)
                    continue  # a file, or a probe that has just gone
                paths[number] = path
        return paths


def _value(field: Field, data: bytes) -> str:
    """Show a field of an event, whatever is in it."""
    value = data[field.offset : field.offset + field.length]
    if field.kind.startswith(("__data_loc", "__rel_loc")) and len(value) == 4:
        place = int.from_bytes(value, _ORDER)
        start = (place & 0xFFFF) + (field.offset + 4 if field.kind.startswith("__rel_loc") else 0)
        value = data[start : start + (place >> 16)]
    elif field.kind.endswith("[]"):
        value = data[field.offset :]  # to the event's end
    elif "[" not in field.kind and field.length in (1, 2, 4, 8):
        return str(int.from_bytes(value, _ORDER, signed=field.signed))
    if "char" in field.kind:
        return value.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return value.hex()


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise _tracefs.failure(error, f"list {folder!r}", folder) from None
