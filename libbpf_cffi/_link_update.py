"""Why a link was not updated. Not imported until one was not."""

from __future__ import annotations

import errno

from . import _log
from ._ffi import Options, ffi, lib, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._borrow import Descriptors
    from ._libbpf import CData

__all__ = ["refusal"]

_UPDATED = {
    lib.BPF_LINK_TYPE_CGROUP: "control groups",
    lib.BPF_LINK_TYPE_XDP: "XDP",
    lib.BPF_LINK_TYPE_TCX: "TCX",
    lib.BPF_LINK_TYPE_NETKIT: "netkit",
    lib.BPF_LINK_TYPE_NETNS: "network namespaces (sk_lookup, flow_dissector)",
    lib.BPF_LINK_TYPE_SOCKMAP: "maps of sockets",
    lib.BPF_LINK_TYPE_ITER: "iterators",
}
"""The links whose ``struct bpf_link_ops`` have an ``update_prog`` that updates; that of netfilter says EOPNOTSUPP."""

_NOT_OF_TYPE = "the new program must be of the type, and for the attach type, of the one that is attached"
_NOT_OF_TABLE = (
    "the new map must be of the same table of functions as the one that is attached, and where the kernel tells them "
    "by a name, as in tcp_congestion_ops, of the same name"
)
_NOWHERE = "it was detached, or what it was attached to is gone: close it, and attach anew"


def refusal(
    error: int, info: CData | None, field: str, old: tuple[str, Options] | None, made: Descriptors
) -> tuple[int, str | None]:
    """Give the errno and the hint; `info` is the link's as far as it is told, `field` that of `old`, with its name.

    For a link that cannot be updated the kernel says EINVAL too: that becomes EOPNOTSUPP.
    """
    by_map = field == "old_map_fd"
    if info is not None and error == errno.EINVAL and info.type not in _UPDATED and not by_map:
        error = errno.EOPNOTSUPP
    _log.listen()
    try:
        if error != errno.EPERM or old is None:
            return error, _refusal_hint(error, info, by_map)
        name, opts = f" ({old[0]!r})" if old[0] else "", old[1]
        now = 0 if info is None else info.struct_ops.map_id if by_map else info.prog_id
        was = _facts(by_map, getattr(opts.pointer, field))[0]
        return error, _stale_hint(by_map, (was, name), (now, _name(by_map, now, made)))
    finally:
        _log.take()


def _refusal_hint(error: int, info: CData | None, by_map: bool) -> str | None:
    if error == errno.EOPNOTSUPP and info is not None:
        from .enums import LinkType

        kind = LinkType(info.type).name
        if info.type == lib.BPF_LINK_TYPE_STRUCT_OPS:
            return "the link is of a struct_ops map: update_map() puts another one in its place"
        those = ", ".join(_UPDATED.values())
        return f"a link of the type {kind} cannot be updated, only those of {those}: attach the new one, close this one"
    if error == errno.EINVAL:
        return _NOT_OF_TABLE if by_map else _NOT_OF_TYPE
    return _NOWHERE if error == errno.ENOLINK else None


def _stale_hint(by_map: bool, old: tuple[int, str], now: tuple[int, str]) -> str | None:
    what = "map" if by_map else "program"
    if not (old[0] and now[0]):
        return f"perhaps it is not the {what} old{old[1]} that is attached now"
    if old[0] == now[0]:
        return None
    given, there = f"{what} {old[0]}{old[1]}", f"{what} {now[0]}{now[1]}"
    return f"old is {given}, but {there} is attached now"


def _facts(by_map: bool, fd: int) -> tuple[int, str]:
    """Give the kernel's number and name of the map or program of a descriptor, or 0 and nothing."""
    kind, get = ("map", lib.bpf_map_get_info_by_fd) if by_map else ("prog", lib.bpf_prog_get_info_by_fd)
    info = ffi.new(f"struct bpf_{kind}_info *")
    size = ffi.new("__u32 *", ffi.sizeof(info[0]))
    return (info.id, text(info.name)) if get(fd, info, size) >= 0 else (0, "")


def _name(by_map: bool, number: int, made: Descriptors) -> str:
    """Give, in brackets, the name of what has a number; nothing if this process may not know it."""
    get = lib.bpf_map_get_fd_by_id_opts if by_map else lib.bpf_prog_get_fd_by_id_opts
    fd = made.make(get, number, ffi.NULL) if number else -1
    name = _facts(by_map, fd)[1] if fd >= 0 else ""
    return f" ({name!r})" if name else ""
