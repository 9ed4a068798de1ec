"""Which ring and perf buffers of the objects are shown, and of what type their events are."""

from __future__ import annotations

from ._event_find import buffers, find_type, left_out, not_the_kernels, opener, own_structs
from ._run_options import UsageError
from .variables import c_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    import libbpf_cffi as bpf

    from ._run_io import Reporter
    from ._run_options import Options

__all__ = ["Buffer", "find"]


class Buffer:
    """A buffer that is shown. `type` is that of its events, ``None`` for bytes; `why` says how it was found."""

    def __init__(self, path: str, map: bpf.Map, type: bpf.BtfType | None, why: str, *, asked: bool) -> None:
        self.path = path
        self.map = map
        self.type = type
        self.why = why
        self.asked = asked

    def open(self) -> Any:
        """Open its reader; a record that is not of the type comes as bytes."""
        kind = bytes if self.type is None else self.type
        return opener(self.map)(type=kind, errors="bytes")


def find(options: Options, objects: Mapping[str, bpf.Object], report: Reporter) -> list[Buffer]:
    """Find those that are asked for, or else those whose events are of a known type."""
    if options.events:
        names = [name for name, _ in options.events]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"--events {name} is given twice: a buffer is read once")
        return [buffer for name, kind in options.events for buffer in _asked(objects, name, kind)]
    found = []
    for path, obj in objects.items():
        for each in buffers(obj):
            kind, why = find_type(obj, each)
            if kind is not None:
                found.append(Buffer(path, each, kind, why, asked=False))
            else:
                report.fact(f"note: the events of {each.name} are not shown: {_unknown(obj, each.name)}")
    return found


def _asked(objects: Mapping[str, bpf.Object], name: str, kind: str | None) -> Iterator[Buffer]:
    having = {path: obj for path, obj in objects.items() if name in obj.maps}
    if not having:
        names = [each.name for obj in objects.values() for each in obj.maps.values() if opener(each)]
        raise UsageError(f"--events {name}: there is no such map; there are: {', '.join(names) or 'none'}")
    for path, obj in having.items():
        each = obj.maps[name]
        if not opener(each):
            what = each.type.name.lower().replace("_", " ")
            raise UsageError(f"--events {name}: a map of type {what} has no events")
        if kind == "bytes":
            yield Buffer(path, each, None, "asked for", asked=True)
        elif kind is not None:
            yield Buffer(path, each, _named(obj, name, kind), "asked for", asked=True)
        else:
            found, why = find_type(obj, each)
            if found is None:
                raise UsageError(f"--events {name}: {_unknown(obj, name)}")
            yield Buffer(path, each, found, why, asked=True)


def _named(obj: bpf.Object, name: str, kind: str) -> bpf.BtfType:
    try:
        found = obj.types[kind]
    except KeyError as missing:
        raise UsageError(f"--events {name}:{kind}: {missing.args[0]}; {left_out(kind)}") from None
    if not found.size:
        raise UsageError(f"--events {name}:{kind}: events cannot be of the type {c_name(found)}: it has no size")
    return found


def _unknown(obj: bpf.Object, name: str) -> str:
    structs = [each.name for each in not_the_kernels(own_structs(obj))]
    known = f"; there are: {', '.join(structs[:10])}{', ...' if len(structs) > 10 else ''}" if structs else ""
    if not structs and obj.btf is not None:
        known = f"; {left_out('event')}"
    return f"nothing says of what type they are (--events {name}:TYPE does, or {name}:bytes{known})"
