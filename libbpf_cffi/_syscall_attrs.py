"""Which fields of ``union bpf_attr`` belong to which command of bpf(2), and what they are.

From ``union bpf_attr`` of linux/bpf.h, and from what kernel/bpf/syscall.c reads for each command (``…_LAST_FIELD``).
"""

from __future__ import annotations

from ._ffi import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._libbpf import CData

__all__ = ["Field", "fields_of", "name_of", "value_of"]

Field = tuple[str, str]
"""A field's path in the union, and its kind: one of the names below, or the name of an enumeration."""

_NAMED = """
    flags=hex map_flags=map_flags prog_flags=prog_flags elem_flags=hex map_extra=hex query_flags=hex attach_flags=hex
    open_flags=hex file_flags=hex btf_flags=hex
    map_type=map_type prog_type=prog_type attach_type=attach_type expected_attach_type=attach_type map_name=name
    prog_name=name license=text pathname=text raw_tracepoint.name=text link_create.uprobe_multi.path=text insns=insns
    expected_revision=hex bpf_cookie=hex cookie=hex
"""
KINDS = dict(pair.split("=") for pair in _NAMED.split())
"""Kinds of fields by their names, or where that is ambiguous by their paths; the others are numbers or addresses."""

_ADDRESS_NAMES = """
    key value next_key in_batch out_batch keys values log_buf func_info line_info fd_array core_relos signature data_in
    data_out ctx_in ctx_out info prog_ids prog_attach_flags link_ids link_attach_flags btf btf_log_buf buf iter_info
    syms addrs cookies offsets ref_ctr_offsets excl_prog_hash stream_buf probe_addr
"""
_ADDRESSES = frozenset(_ADDRESS_NAMES.split())

_ELEMENT = "map_fd key value flags"
_BATCH = "batch: in_batch out_batch keys values count map_fd elem_flags flags"
_ATTACH = "target_fd attach_bpf_fd attach_type attach_flags replace_bpf_fd relative_fd expected_revision"
_NEXT = "start_id next_id"
_LINK = "link_create: {} target_fd attach_type flags"

FIELDS = {
    lib.BPF_MAP_CREATE: "map_type key_size value_size max_entries map_flags inner_map_fd numa_node map_name "
    "map_ifindex btf_fd btf_key_type_id btf_value_type_id btf_vmlinux_value_type_id map_extra value_type_btf_obj_fd "
    "map_token_fd excl_prog_hash excl_prog_hash_size",
    lib.BPF_MAP_LOOKUP_ELEM: _ELEMENT,
    lib.BPF_MAP_UPDATE_ELEM: _ELEMENT,
    lib.BPF_MAP_DELETE_ELEM: "map_fd key",
    lib.BPF_MAP_GET_NEXT_KEY: "map_fd key next_key",
    lib.BPF_MAP_LOOKUP_AND_DELETE_ELEM: _ELEMENT,
    lib.BPF_MAP_FREEZE: "map_fd",
    lib.BPF_MAP_LOOKUP_BATCH: _BATCH,
    lib.BPF_MAP_LOOKUP_AND_DELETE_BATCH: _BATCH,
    lib.BPF_MAP_UPDATE_BATCH: _BATCH,
    lib.BPF_MAP_DELETE_BATCH: _BATCH,
    lib.BPF_PROG_LOAD: "prog_type insn_cnt insns license log_level log_size log_buf kern_version prog_flags prog_name "
    "prog_ifindex expected_attach_type prog_btf_fd func_info_rec_size func_info func_info_cnt line_info_rec_size "
    "line_info line_info_cnt attach_btf_id attach_prog_fd core_relo_cnt fd_array core_relos core_relo_rec_size "
    "log_true_size prog_token_fd fd_array_cnt signature signature_size keyring_id",
    lib.BPF_OBJ_PIN: "pathname bpf_fd file_flags path_fd",
    lib.BPF_OBJ_GET: "pathname bpf_fd file_flags path_fd",
    lib.BPF_PROG_ATTACH: _ATTACH,
    lib.BPF_PROG_DETACH: _ATTACH,
    lib.BPF_PROG_TEST_RUN: "test: prog_fd retval data_size_in data_size_out data_in data_out repeat duration "
    "ctx_size_in ctx_size_out ctx_in ctx_out flags cpu batch_size",
    lib.BPF_PROG_GET_NEXT_ID: _NEXT,
    lib.BPF_MAP_GET_NEXT_ID: _NEXT,
    lib.BPF_BTF_GET_NEXT_ID: _NEXT,
    lib.BPF_LINK_GET_NEXT_ID: _NEXT,
    lib.BPF_PROG_GET_FD_BY_ID: "prog_id next_id open_flags fd_by_id_token_fd",
    lib.BPF_MAP_GET_FD_BY_ID: "map_id next_id open_flags fd_by_id_token_fd",
    lib.BPF_BTF_GET_FD_BY_ID: "btf_id next_id open_flags fd_by_id_token_fd",
    lib.BPF_LINK_GET_FD_BY_ID: "link_id next_id open_flags fd_by_id_token_fd",
    lib.BPF_OBJ_GET_INFO_BY_FD: "info: bpf_fd info_len info",
    lib.BPF_PROG_QUERY: "query: target_fd attach_type query_flags attach_flags prog_ids prog_cnt prog_attach_flags "
    "link_ids link_attach_flags revision",
    lib.BPF_RAW_TRACEPOINT_OPEN: "raw_tracepoint: name prog_fd cookie",
    lib.BPF_BTF_LOAD: "btf btf_log_buf btf_size btf_log_size btf_log_level btf_log_true_size btf_flags btf_token_fd",
    lib.BPF_TASK_FD_QUERY: "task_fd_query: pid fd flags buf_len buf prog_id fd_type probe_offset probe_addr",
    lib.BPF_LINK_CREATE: _LINK.format("prog_fd"),
    lib.BPF_LINK_UPDATE: "link_update: link_fd new_prog_fd flags old_prog_fd",
    lib.BPF_LINK_DETACH: "link_detach: link_fd",
    lib.BPF_ENABLE_STATS: "enable_stats: type",
    lib.BPF_ITER_CREATE: "iter_create: link_fd flags",
    lib.BPF_PROG_BIND_MAP: "prog_bind_map: prog_fd map_fd flags",
    lib.BPF_TOKEN_CREATE: "token_create: flags bpffs_fd",
    lib.BPF_PROG_STREAM_READ_BY_FD: "prog_stream_read: stream_buf stream_buf_len stream_id prog_fd",
    lib.BPF_PROG_ASSOC_STRUCT_OPS: "prog_assoc_struct_ops: map_fd prog_fd flags",
}
"""Command → its fields, in the kernel's order; those after a colon are in the member of that name."""

_RELATIVE = "relative_fd expected_revision"
LINKS = {
    "tracing": ("tracing: target_btf_id cookie", (
        lib.BPF_TRACE_RAW_TP, lib.BPF_TRACE_FENTRY, lib.BPF_TRACE_FEXIT, lib.BPF_MODIFY_RETURN, lib.BPF_LSM_MAC,
        lib.BPF_TRACE_FSESSION,
    )),
    "iter": ("iter_info iter_info_len", (lib.BPF_TRACE_ITER,)),
    "perf_event": ("perf_event: bpf_cookie", (lib.BPF_PERF_EVENT,)),
    "kprobe_multi": ("kprobe_multi: flags cnt syms addrs cookies", (
        lib.BPF_TRACE_KPROBE_MULTI, lib.BPF_TRACE_KPROBE_SESSION,
    )),
    "uprobe_multi": ("uprobe_multi: path offsets ref_ctr_offsets cookies cnt flags pid", (
        lib.BPF_TRACE_UPROBE_MULTI, lib.BPF_TRACE_UPROBE_SESSION,
    )),
    "netfilter": ("netfilter: pf hooknum priority flags", (lib.BPF_NETFILTER,)),
    "tcx": (f"tcx: {_RELATIVE}", (lib.BPF_TCX_INGRESS, lib.BPF_TCX_EGRESS)),
    "netkit": (f"netkit: {_RELATIVE}", (lib.BPF_NETKIT_PRIMARY, lib.BPF_NETKIT_PEER)),
}  # fmt: skip
"""What ``BPF_LINK_CREATE`` has for some attach types, by `union bpf_attr`'s names; `_CGROUP` for all of cgroups."""

_LINK_FIELDS = {kind: fields for fields, kinds in LINKS.values() for kind in kinds}


def _paths(text: str, prefix: str = "") -> Iterator[str]:
    member, colon, names = text.rpartition(":")
    for name in (names if colon else text).split():
        yield prefix + (f"{member}." if colon else "") + name


def fields_of(command: int, attr: CData) -> list[Field]:
    """Give the fields of a command; those of a link depend on what it is attached to."""
    paths = list(_paths(FIELDS.get(command, "")))
    if command == lib.BPF_LINK_CREATE:
        from .enums import AttachType

        attach_type = attr.link_create.attach_type
        more = _LINK_FIELDS.get(attach_type)
        if more is None and AttachType(attach_type).name.startswith(("CGROUP_", "LSM_CGROUP")):
            more = f"cgroup: {_RELATIVE}"
        if attach_type == lib.BPF_STRUCT_OPS:
            paths[0] = "link_create.map_fd"
        paths += _paths(more or "target_btf_id", "link_create.")
    return [(path, _kind(path)) for path in paths]


def name_of(command: int, path: str) -> str:
    """Give a field's name within its command: without the member that the whole command has for itself."""
    return path.partition(".")[2] if ":" in FIELDS.get(command, "") else path


def _kind(path: str) -> str:
    name = path.rpartition(".")[2]
    return KINDS.get(path) or ("address" if name in _ADDRESSES else KINDS.get(name, "number"))


def value_of(attr: CData, path: str, kind: str) -> tuple[Any, int]:
    """Give a field's value as C has it, and the offset at which it ends."""
    *members, name = path.split(".")
    struct = attr
    for member in members:
        struct = getattr(struct, member)
    value = getattr(struct, name)
    if kind == "name":
        value = ffi.string(value).decode("utf-8", "surrogateescape")
    elif name.endswith("_fd") and value >= 1 << 31:
        # The kernel's union has them unsigned, and -1 in them.
        value -= 1 << 32
    return value, _end(path)


def _end(path: str) -> int:
    names = path.split(".")
    struct: Any = ffi.typeof("union bpf_attr")
    end = 0
    for name in names:
        offset, struct = _field(struct, name)
        end += offset
    return end + ffi.sizeof(struct)


def _field(struct: Any, name: str) -> tuple[int, Any]:
    """Find a field by name, in anonymous structs and unions too."""
    for found, field in struct.fields:
        if found == name:
            return field.offset, field.type
        if not found:
            try:
                offset, kind = _field(field.type, name)
            except KeyError:
                continue
            return field.offset + offset, kind
    raise KeyError(name)
