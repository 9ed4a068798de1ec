"""The arguments of ``bpf_link_create()``. Not imported until a link is made so."""

from __future__ import annotations

import os

from ._arguments import items, iterable
from ._check import failure, path_hint
from ._ffi import Options, c_string, ffi, lib, path_bytes, set_member, unsigned
from ._refusals import refused
from ._targets import cgroup, interface, netns
from .enums import AttachType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._borrow import Descriptors
    from ._targets import Opened

__all__ = ["CGROUP_TYPES", "GROUPS", "NETNS_TYPES", "options", "target_number"]

CGROUP_TYPES = tuple(int(each) for each in AttachType if each.name.startswith("CGROUP_"))
NETNS_TYPES = (lib.BPF_FLOW_DISSECTOR, lib.BPF_SK_LOOKUP)

GROUPS: dict[str, tuple[int, ...]] = {
    "perf_event": (lib.BPF_PERF_EVENT,),
    "kprobe_multi": (lib.BPF_TRACE_KPROBE_MULTI, lib.BPF_TRACE_KPROBE_SESSION),
    "uprobe_multi": (lib.BPF_TRACE_UPROBE_MULTI, lib.BPF_TRACE_UPROBE_SESSION),
    "tracing": (
        lib.BPF_TRACE_RAW_TP,
        lib.BPF_TRACE_FENTRY,
        lib.BPF_TRACE_FEXIT,
        lib.BPF_MODIFY_RETURN,
        lib.BPF_TRACE_FSESSION,
        lib.BPF_LSM_MAC,
    ),
    "netfilter": (lib.BPF_NETFILTER,),
    "tcx": (lib.BPF_TCX_INGRESS, lib.BPF_TCX_EGRESS),
    "netkit": (lib.BPF_NETKIT_PRIMARY, lib.BPF_NETKIT_PEER),
    "cgroup": (),
}
"""The members of the union of ``struct bpf_link_create_opts``, and the attach types that each is of."""

_DEVICES = (lib.BPF_XDP, *GROUPS["tcx"], *GROUPS["netkit"])
"""The attach types whose target is the number of an interface."""

_ARRAYS = {
    "syms": "char *[]",
    "addrs": "unsigned long[]",
    "offsets": "unsigned long[]",
    "ref_ctr_offsets": "unsigned long[]",
    "cookies": "__u64[]",
}


def target_number(target: Any, attach_type: int, borrowed: Descriptors) -> int:
    """Give the descriptor or the interface's number that a link's target is."""
    if target is None:
        return 0
    if attach_type in _DEVICES:
        return interface(target)
    if isinstance(target, (str, bytes)) or hasattr(target, "__fspath__"):
        by_name = _by_name(attach_type)
        if by_name is not None:
            with by_name(target) as fd:
                return borrowed.dup(fd)
        try:
            return borrowed.make(os.open, path_bytes(target, "target"), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise failure(refused(error), f"open the target {os.fspath(target)!r} of a link", path_hint) from None
    return borrowed.any(target, "target", "a path, a program, a map")


def _by_name(attach_type: int) -> Callable[[Any], Opened] | None:
    """Give what opens a target by the names that people have for it, which are more than paths."""
    if attach_type in CGROUP_TYPES or attach_type == lib.BPF_LSM_CGROUP:
        return cgroup
    return netns if attach_type in NETNS_TYPES else None


def options(
    attach_type: int, flags: int, target_btf_id: int, groups: Mapping[str, Any], iter_info: Any, borrowed: Descriptors
) -> Options:
    """Give the option struct. `groups` are those of its union: at most one is given, and it is the attach type's."""
    opts = Options(
        "bpf_link_create_opts",
        flags=unsigned(flags, 32, "flags"),
        target_btf_id=unsigned(target_btf_id, 32, "target_btf_id"),
    )
    if iter_info is not None:
        if attach_type != lib.BPF_TRACE_ITER:
            raise ValueError("iter_info is for iterators: the attach type must be TRACE_ITER")
        union = ffi.new("union bpf_iter_link_info *")
        for member, fields in items(iter_info, "iter_info"):
            if not hasattr(union, member):
                raise TypeError(f"iter_info has no member {member!r}: it has map, cgroup and task")
            _fill(opts, getattr(union, member), f"iter_info[{member!r}]", fields, borrowed)
        opts.kept.append(union)
        opts.set("iter_info", union)
        opts.set("iter_info_len", ffi.sizeof("union bpf_iter_link_info"))
    for name, fields in groups.items():
        if fields is None:
            continue
        if GROUPS[name] and attach_type not in GROUPS[name]:
            right = ", ".join(AttachType(each).name for each in GROUPS[name])
            raise ValueError(f"{name} is for the attach type {right}, not {AttachType(attach_type).name}")
        _fill(opts, getattr(opts.pointer, name), name, fields, borrowed)
    return opts


def _fill(opts: Options, struct: Any, what: str, fields: Any, borrowed: Descriptors) -> None:
    """Set the fields of a struct in the options; arrays that go together have one length, which is set as well."""
    known = {name for name, _ in ffi.typeof(struct).fields}
    lengths = {}
    for name, given in items(fields, what):
        if name not in known or name == "cnt":
            raise TypeError(f"{what} has no field {name!r}: it has {', '.join(sorted(known - {'cnt'}))}")
        if given is None:
            continue
        value = given
        if name in _ARRAYS:
            value = _array(opts, name, given, f"{what}.{name}")
            lengths[name] = len(value)
        elif name == "path":
            value = ffi.new("char[]", path_bytes(given, f"{what}.path"))
            opts.kept.append(value)
        elif name.endswith("_fd"):
            value = borrowed.any(given, f"{what}.{name}", "a program, a map, a link")
        set_member(struct, name, value, f"{what}.{name}")
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise ValueError(f"the arrays of {what} must have one length: {listed}")
    if lengths:
        struct.cnt = next(iter(lengths.values()))


def _array(opts: Options, name: str, values: Any, what: str) -> Any:
    values = iterable(values, what)
    if name == "syms":
        texts = [ffi.new("char[]", c_string(each, f"a name of {what}")) for each in values]
        opts.kept += texts
        array = ffi.new(_ARRAYS[name], texts)
    else:
        array = ffi.new(_ARRAYS[name], [unsigned(each, 64, f"an item of {what}") for each in values])
    opts.kept.append(array)
    return array
