"""The numbers of types that users name: of programs, of maps, of what programs are attached to."""

from __future__ import annotations

from ._arguments import unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import IntEnum

    from .enums import AttachType, CgroupIterOrder, MapType, ProgType

__all__ = ["attach_type_number", "cgroup_iter_order_number", "map_type_number", "prog_type_number"]


def prog_type_number(value: ProgType | str | int, what: str = "type") -> int:
    """Give the number of a program type: of a `ProgType`, a number, or a name such as ``"socket_filter"``."""
    if not isinstance(value, str):
        return unsigned(value, 31, what)
    from .enums import ProgType

    return _named(value, ProgType, "BPF_PROG_TYPE_", "program type")


def map_type_number(value: MapType | str | int, what: str = "type") -> int:
    """Give the number of a map type: of a `MapType`, a number, or a name such as ``"percpu_hash"``."""
    if not isinstance(value, str):
        return unsigned(value, 31, what)
    from .enums import MapType

    return _named(value, MapType, "BPF_MAP_TYPE_", "map type")


def attach_type_number(value: AttachType | str | int, what: str = "attach_type") -> int:
    """Give the number of an attach type: of an `AttachType`, a number, or a name such as ``"cgroup_inet_ingress"``."""
    if not isinstance(value, str):
        return unsigned(value, 31, what)
    from .enums import AttachType

    return _named(value, AttachType, "BPF_", "attach type")


def cgroup_iter_order_number(value: CgroupIterOrder | str | int, what: str = "order") -> int:
    """Give the number of an order: of a `CgroupIterOrder`, a number, or a name such as ``"descendants_pre"``."""
    if not isinstance(value, str):
        return unsigned(value, 31, what)
    from .enums import CgroupIterOrder

    return _named(value, CgroupIterOrder, "BPF_CGROUP_ITER_", "order of control groups")


def _named(name: str, kind: type[IntEnum], prefix: str, words: str) -> int:
    # Some letters beyond ASCII have a capital that is one of ASCII.
    found = kind.__members__.get(name.upper().removeprefix(prefix)) if name.isascii() else None
    if found is None:
        import difflib

        names = [each.lower() for each in kind.__members__]
        close = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.5)
        known = f"; close names: {', '.join(close)}" if close else ""
        if len(names) < 10:
            known = f"; there are: {', '.join(names)}"
        raise ValueError(f"no {words} {name!r}{known}")
    return int(found)
