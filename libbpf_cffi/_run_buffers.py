"""Which ring and perf buffers of the objects are shown, and of what type their events are."""

from __future__ import annotations

import libbpf_cffi as bpf

from . import _run_facts as facts
from ._run_options import UsageError
from .variables import c_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ._run_io import Reporter
    from ._run_options import Options

__all__ = ["Buffer", "find"]

OUTPUT = frozenset({25, 111, 121})
"""The helpers that write to a perf buffer: ``bpf_perf_event_output()``, ``bpf_skb_output()``, ``bpf_xdp_output()``."""

USUAL = ("event", "event_t")
"""What the events of most tools are called."""

STRUCTURED = (bpf.BtfKind.STRUCT, bpf.BtfKind.UNION)


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
        return _opener(self.map)(type=kind, errors="bytes")


def _opener(each: bpf.Map) -> Any:
    """Give what opens a reader of a map; ``None`` if it has none."""
    return getattr(each, "ring_buffer", None) or getattr(each, "perf_buffer", None)


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
        for each in _buffers(obj):
            kind, why = _type_of(obj, each)
            if kind is not None:
                found.append(Buffer(path, each, kind, why, asked=False))
            else:
                report.fact(f"note: the events of {each.name} are not shown: {_unknown(obj, each.name)}")
    return found


def _buffers(obj: bpf.Object) -> Iterator[bpf.Map]:
    for each in obj.maps.values():
        # Perf event arrays are for counters as well.
        if each.autocreate and _opener(each) and (hasattr(each, "ring_buffer") or facts.calls([obj], OUTPUT)):
            yield each


def _asked(objects: Mapping[str, bpf.Object], name: str, kind: str | None) -> Iterator[Buffer]:
    having = {path: obj for path, obj in objects.items() if name in obj.maps}
    if not having:
        names = [each.name for obj in objects.values() for each in obj.maps.values() if _opener(each)]
        raise UsageError(f"--events {name}: there is no such map; there are: {', '.join(names) or 'none'}")
    for path, obj in having.items():
        each = obj.maps[name]
        if not _opener(each):
            what = each.type.name.lower().replace("_", " ")
            raise UsageError(f"--events {name}: a map of type {what} has no events")
        if kind == "bytes":
            yield Buffer(path, each, None, "asked for", asked=True)
        elif kind is not None:
            yield Buffer(path, each, _named(obj, name, kind), "asked for", asked=True)
        else:
            found, why = _type_of(obj, each)
            if found is None:
                raise UsageError(f"--events {name}: {_unknown(obj, name)}")
            yield Buffer(path, each, found, why, asked=True)


def _named(obj: bpf.Object, name: str, kind: str) -> bpf.BtfType:
    try:
        found = obj.types[kind]
    except KeyError as missing:
        raise UsageError(f"--events {name}:{kind}: {missing.args[0]}") from None
    if not found.size:
        raise UsageError(f"--events {name}:{kind}: events cannot be of the type {c_name(found)}: it has no size")
    return found


def _unknown(obj: bpf.Object, name: str) -> str:
    structs = [each.name for each in _own_structs(obj)]
    known = f"; there are: {', '.join(structs[:10])}{', ...' if len(structs) > 10 else ''}" if structs else ""
    return f"nothing says of what type they are (--events {name}:TYPE does, or {name}:bytes{known})"


def _type_of(obj: bpf.Object, each: bpf.Map) -> tuple[bpf.BtfType | None, str]:
    """Find the type of a buffer's events, and say how it was found."""
    declared = _declared(each)
    if declared is not None:
        return declared, "declared"
    if obj.btf is None:
        return None, ""
    name = each.name
    usual = (name, *((name[:-1],) if name.endswith("s") else ()), f"{name}_t")
    only = len(list(_buffers(obj))) == 1
    for one in (*usual, *(USUAL if only else ())):
        found = obj.types.get(one)
        if found is not None and found.size and found.resolve().kind in STRUCTURED:
            return found, "by its name"
    return _only(obj) if only else (None, "")


def _declared(each: bpf.Map) -> bpf.BtfType | None:
    """Give the type that the map declares for its events: for a perf buffer, whose value is a descriptor, a struct."""
    found = each.value_type
    if found is None or (not hasattr(each, "ring_buffer") and found.resolve().kind not in STRUCTURED):
        return None
    return found


# Types that nothing declares


def _only(obj: bpf.Object) -> tuple[bpf.BtfType | None, str]:
    """Give the one type that can be that of the events of the only buffer, and how it was found."""
    pointed = _pointed(obj)
    if len(pointed) == 1:
        return pointed[0], "a variable points to it"
    own = [each for each in _own_structs(obj) if each.id not in _parts(obj)]
    own = own and _not_the_kernels(own)
    return (own[0], "the only one that nothing else uses") if len(own) == 1 else (None, "")


def _pointed(obj: bpf.Object) -> list[bpf.BtfType]:
    """Give the structs that variables point to: ``const struct event *unused`` keeps a type in the object's BTF."""
    found: dict[int, bpf.BtfType] = {}
    for each in obj.btf or ():
        if each.kind == bpf.BtfKind.VAR:
            pointer = each.type.resolve()
            target = pointer.type.resolve() if pointer.kind == bpf.BtfKind.PTR else None
            if target is not None and target.kind in STRUCTURED and target.size:
                found[target.id] = target
    return _not_the_kernels(list(found.values()))


def _own_structs(obj: bpf.Object) -> list[bpf.BtfType]:
    """Give the structs with names, but for those of `maps`, which have none."""
    return [each for each in obj.btf or () if each.kind == bpf.BtfKind.STRUCT and each.name and each.size]


def _parts(obj: bpf.Object) -> set[int]:
    """Give the ids of the types that maps, variables and other structs are made of."""
    found: set[int] = set()
    for each in obj.btf or ():
        if each.kind in STRUCTURED:
            inner = [member.type for member in each.members]
        elif each.kind == bpf.BtfKind.VAR:
            inner = [each.type]
        elif each.kind == bpf.BtfKind.FUNC_PROTO:
            inner = [param.type for param in each.params]
        else:
            continue
        for one in inner:
            target = one.resolve()
            while target.kind in (bpf.BtfKind.ARRAY, bpf.BtfKind.PTR):
                target = target.type.resolve()
            found.add(target.id)
    return found


def _not_the_kernels(types: list[bpf.BtfType]) -> list[bpf.BtfType]:
    """Leave out what the kernel has by that name, up to the ``___`` of a flavour."""
    try:
        kernel = bpf.Btf.kernel()
    except bpf.Error:
        return types  # one without BTF
    with kernel:
        return [each for each in types if kernel.find(each.name.partition("___")[0], each.kind) is None]
