"""Of what type the events of a buffer are, where nobody says it: docs/events.md has the rules."""

from __future__ import annotations

from ._helper_calls import calls
from ._refusals import MOMENTARY
from .btf import Btf
from .enums import BtfKind
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._btf_type import BtfType

__all__ = ["buffers", "find_type", "left_out", "not_the_kernels", "opener", "own_structs"]

OUTPUT = frozenset({25, 111, 121})
"""The helpers that write to a perf buffer: ``bpf_perf_event_output()``, ``bpf_skb_output()``, ``bpf_xdp_output()``."""

USUAL = ("event", "event_t")
"""What the events of most tools are called."""

STRUCTURED = (BtfKind.STRUCT, BtfKind.UNION)


def left_out(type: str) -> str:
    """Say why a type of the source may not be there, and what to do about it."""
    name = type if " " in type else f"struct {type}"
    return (
        f"clang leaves out types that no map, global variable or function names: add `__type(value, {name})` to the "
        f"map, or `const {name} *unused __attribute__((unused));`, which C loaders accept too"
    )


def opener(each: Any) -> Any:
    """Give what opens a reader of a map; ``None`` if it has none."""
    return getattr(each, "ring_buffer", None) or getattr(each, "perf_buffer", None)


def buffers(obj: Any) -> Iterator[Any]:
    """Give the maps of an object into which its programs write events."""
    for each in obj.maps.values():
        # Perf event arrays are for counters as well.
        if each.autocreate and opener(each) and (hasattr(each, "ring_buffer") or calls([obj], OUTPUT)):
            yield each


def find_type(obj: Any, each: Any) -> tuple[BtfType | None, str]:
    """Find the type of a buffer's events, and say how it was found; ``None`` if it is not known."""
    declared = _declared(each)
    if declared is not None:
        return declared, "declared"
    if obj.btf is None:
        return None, ""
    name = each.name
    usual = (name, *((name[:-1],) if name.endswith("s") else ()), f"{name}_t")
    only = len(list(buffers(obj))) == 1
    for one in (*usual, *(USUAL if only else ())):
        found = obj.types.get(one)
        if found is not None and found.size and found.resolve().kind in STRUCTURED:
            return found, "by its name"
    return _only(obj) if only else (None, "")


def _declared(each: Any) -> BtfType | None:
    """Give the type that the map declares for its events: for a perf buffer, whose value is a descriptor, a struct."""
    declared: BtfType | None = each._event_type
    if declared is not None:
        return declared
    found: BtfType | None = each.value_type
    return found if found is not None and found.resolve().kind in STRUCTURED else None


# Types that nothing declares


def _only(obj: Any) -> tuple[BtfType | None, str]:
    """Give the one type that can be that of the events of the only buffer, and how it was found."""
    pointed = _pointed(obj)
    if len(pointed) == 1:
        return pointed[0], "a variable points to it"
    parts = _parts(obj)
    own = not_the_kernels([each for each in own_structs(obj) if each.id not in parts])
    return (own[0], "the only one that nothing else uses") if len(own) == 1 else (None, "")


def _pointed(obj: Any) -> list[BtfType]:
    """Give the structs that variables point to: ``const struct event *unused`` keeps a type in the object's BTF."""
    found: dict[int, BtfType] = {}
    for each in obj.btf or ():
        if each.kind == BtfKind.VAR:
            pointer = each.type.resolve()
            target = pointer.type.resolve() if pointer.kind == BtfKind.PTR else None
            if target is not None and target.kind in STRUCTURED and target.size:
                found[target.id] = target
    return not_the_kernels(list(found.values()))


def own_structs(obj: Any) -> list[BtfType]:
    """Give the structs with names, but for those of `maps`, which have none."""
    return [each for each in obj.btf or () if each.kind == BtfKind.STRUCT and each.name and each.size]


def _parts(obj: Any) -> set[int]:
    """Give the ids of the types that maps, variables and other structs are made of."""
    found: set[int] = set()
    for each in obj.btf or ():
        if each.kind in STRUCTURED:
            inner = [member.type for member in each.members]
        elif each.kind == BtfKind.VAR:
            inner = [each.type]
        elif each.kind == BtfKind.FUNC_PROTO:
            inner = [param.type for param in each.params]
        else:
            continue
        for one in inner:
            target = one.resolve()
            while target.kind in (BtfKind.ARRAY, BtfKind.PTR):
                target = target.type.resolve()
            found.add(target.id)
    return found


def not_the_kernels(types: list[BtfType]) -> list[BtfType]:
    """Leave out what the kernel has by that name, up to the ``___`` of a flavour."""
    if not types:
        return types
    try:
        kernel = Btf.kernel()
    except LibbpfError as error:
        if error.errno in MOMENTARY:
            raise
        return types  # one without BTF
    with kernel:
        return [each for each in types if kernel.find(each.name.partition("___")[0], each.kind) is None]
