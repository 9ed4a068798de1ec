"""What the kernel says of a program, a map or a link: the info structs of linux/bpf.h as records.

Field names are the kernel's. A field that an older kernel does not know is 0 or empty. Not imported until one
is asked for.
"""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

from ._ffi import ffi, lib, text
from ._refusals import MOMENTARY
from .enums import AttachType, CgroupIterOrder, LinkType, MapType, PerfEventType, ProgType
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LinkInfo", "MapInfo", "ProgramInfo", "link_info", "map_info", "program_info"]


class ProgramInfo(NamedTuple):
    """``struct bpf_prog_info``: lengths in bytes, `load_time` in nanoseconds since boot, `tag` in hexadecimal.

    `prog_tags` has a tag for each of the functions that the kernel verifies apart (Linux 5.0), the main one's first.
    """

    type: ProgType
    id: int
    tag: str
    name: str
    jited_prog_len: int
    xlated_prog_len: int
    load_time: int
    created_by_uid: int
    map_ids: tuple[int, ...]
    ifindex: int
    gpl_compatible: bool
    netns_dev: int
    netns_ino: int
    btf_id: int
    prog_tags: tuple[str, ...]
    run_time_ns: int
    run_cnt: int
    recursion_misses: int
    verified_insns: int
    attach_btf_obj_id: int
    attach_btf_id: int


class MapInfo(NamedTuple):
    """``struct bpf_map_info``: sizes in bytes; and of /proc/self/fdinfo, what the kernel tells only there.

    `memlock` is how much memory of the kernel the map uses, in bytes. `frozen` says that user space can only read it.
    `owner_prog_type` is, of a program array that is in use, the type of the programs in it. `hash` is the SHA-256 of
    the elements of an array that is frozen, in hexadecimal (Linux 6.18). Without /proc these are 0, ``False``, ``None``
    and empty.
    """

    type: MapType
    id: int
    name: str
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int
    ifindex: int
    netns_dev: int
    netns_ino: int
    btf_id: int
    btf_key_type_id: int
    btf_value_type_id: int
    btf_vmlinux_value_type_id: int
    btf_vmlinux_id: int
    map_extra: int
    hash: str
    memlock: int
    frozen: bool
    owner_prog_type: ProgType | None


class LinkInfo(NamedTuple):
    """``struct bpf_link_info``: `details` holds the fields of the link's own type, by the kernel's names.

    Of many probes, `addrs`, `offsets` and `cookies` are tuples with a number for each; what the kernel does not show is
    0 there, or the tuple is empty.
    """

    type: LinkType
    id: int
    prog_id: int
    details: Mapping[str, Any]




def program_info(raw: Callable[..., Any]) -> ProgramInfo:
    """Make a `ProgramInfo`; a second call gets ids of maps and tags, as many as the first one counted."""
    info = raw()
    count, tags = info.nr_map_ids, info.nr_prog_tags
    map_ids, prog_tags = ffi.new("__u32[]", max(count, 1)), ffi.new("__u8[][8]", max(tags, 1))
    if count or tags:
        again = ffi.new("struct bpf_prog_info *")
        again.nr_map_ids, again.nr_prog_tags = count, tags
        again.map_ids, again.prog_tags = (int(ffi.cast("uintptr_t", each)) for each in (map_ids, prog_tags))
        info = raw(info=again)
        count, tags = min(count, info.nr_map_ids), min(tags, info.nr_prog_tags)
    return ProgramInfo(
        type=ProgType(info.type),
        id=info.id,
        tag=bytes(info.tag).hex(),
        name=text(info.name),
        map_ids=tuple(map_ids[0:count]),
        prog_tags=tuple(bytes(prog_tags[index]).hex() for index in range(tags)),
        gpl_compatible=bool(info.gpl_compatible),
        **{name: getattr(info, name) for name in ProgramInfo._fields if name not in _PROGRAM_OWN},
    )


_PROGRAM_OWN = ("type", "id", "tag", "name", "map_ids", "prog_tags", "gpl_compatible")


def map_info(raw: Callable[..., Any], fdinfo: Mapping[str, str]) -> MapInfo:
    """Make a `MapInfo` of the struct, and of what /proc says."""
    info = raw()
    owner = fdinfo.get("owner_prog_type")
    frozen = fdinfo.get("frozen") == "1"
    return MapInfo(
        type=MapType(info.type),
        name=text(info.name),
        memlock=int(fdinfo.get("memlock", "0")),
        frozen=frozen,
        hash=_hash(raw) if frozen and info.type == lib.BPF_MAP_TYPE_ARRAY else "",
        owner_prog_type=None if owner is None else ProgType(int(owner)),
        **{name: getattr(info, name) for name in MapInfo._fields if name not in _MAP_OWN},
    )


_MAP_OWN = ("type", "name", "hash", "memlock", "frozen", "owner_prog_type")
SHA256_DIGEST_SIZE = 32


def _hash(raw: Callable[..., Any]) -> str:
    """Give the hash of a map, which the kernel makes for whoever brings room for it, if it knows how."""
    digest = ffi.new("__u8[]", SHA256_DIGEST_SIZE)
    again = ffi.new("struct bpf_map_info *")
    again.hash = int(ffi.cast("uintptr_t", digest))
    again.hash_size = SHA256_DIGEST_SIZE
    try:
        raw(info=again)
    except LibbpfError as error:
        # An older kernel does not know the fields, or not of this map.
        if error.errno not in (errno.E2BIG, errno.EINVAL, errno.EPERM):
            raise
        return ""
    return bytes(digest).hex()


PATH_MAX = 4096


def link_info(raw: Callable[..., Any]) -> LinkInfo:
    """Make a `LinkInfo`; a second call gets names and arrays, for which the first one tells where they go."""
    info = raw()
    details: dict[str, Any] = {}
    member = _MEMBERS.get(info.type)
    if member is not None:
        info, more = _more(raw, info, member)
        struct = getattr(info, member)
        details = _perf_event(struct) if member == "perf_event" else _decode(struct)
        if member == "iter":
            details = _iterator(details, more.get("target_name", ""))
            if "cgroup" in details:
                details["cgroup"]["order"] = CgroupIterOrder(details["cgroup"]["order"])
        for name in (*more, *_LENGTHS):
            details.pop(name, None)
        details |= more
        if "attach_type" in details:
            details["attach_type"] = AttachType(details["attach_type"])
    return LinkInfo(LinkType(info.type), info.id, info.prog_id, details)


_LENGTHS = ("tp_name_len", "target_name_len", "name_len", "path_size")
"""The fields that count what the caller sees anyway."""


def _more(raw: Callable[..., Any], info: Any, member: str) -> tuple[Any, dict[str, Any]]:
    """Get the names and arrays, which the kernel writes to memory of ours: the info again, and they by their fields."""
    again = ffi.new("struct bpf_link_info *")
    if member == "perf_event":
        again.perf_event.type = info.perf_event.type
    named = _name_field(again, member, info)
    buffer = ffi.new("char[]", PATH_MAX)
    if named is not None:
        struct, pointer, size = named
        setattr(struct, pointer, int(ffi.cast("uintptr_t", buffer)))
        setattr(struct, size, PATH_MAX)
    arrays = {}
    count = getattr(info, member).count if member in _ARRAYS else 0
    for name in _ARRAYS[member] if count else ():
        arrays[name] = ffi.new("__u64[]", count)
        setattr(getattr(again, member), name, int(ffi.cast("uintptr_t", arrays[name])))
    if count:
        getattr(again, member).count = count
    if named is None and not arrays:
        return info, {}
    try:
        info = raw(info=again)
    except LibbpfError as error:
        if not arrays or error.errno in MOMENTARY:
            raise
        # Links of an older kernel have no cookies to show.
        return info, dict.fromkeys(arrays, ())
    more: dict[str, Any] = {named[1]: text(buffer)} if named is not None else {}
    # Where it shows no addresses they are 0.
    more |= {name: tuple(array) for name, array in arrays.items()}
    return info, more


_ARRAYS = {"kprobe_multi": ("addrs", "cookies"), "uprobe_multi": ("offsets", "ref_ctr_offsets", "cookies")}
"""The arrays of numbers that a link of many probes has, one for each of them."""

_TARGETS = {
    "bpf_map_elem": "map",
    "bpf_sk_storage_map": "map",
    "cgroup": "cgroup",
    "task": "task",
    "task_file": "task",
    "task_vma": "task",
}
"""By what an iterator goes through: which of the fields say more."""


def _iterator(details: dict[str, Any], target: str) -> dict[str, Any]:
    kept = _TARGETS.get(target)
    return {name: value for name, value in details.items() if name == kept or name not in _TARGETS.values()}


_MEMBERS = {
    lib.BPF_LINK_TYPE_RAW_TRACEPOINT: "raw_tracepoint",
    lib.BPF_LINK_TYPE_TRACING: "tracing",
    lib.BPF_LINK_TYPE_CGROUP: "cgroup",
    lib.BPF_LINK_TYPE_ITER: "iter",
    lib.BPF_LINK_TYPE_NETNS: "netns",
    lib.BPF_LINK_TYPE_XDP: "xdp",
    lib.BPF_LINK_TYPE_STRUCT_OPS: "struct_ops",
    lib.BPF_LINK_TYPE_NETFILTER: "netfilter",
    lib.BPF_LINK_TYPE_KPROBE_MULTI: "kprobe_multi",
    lib.BPF_LINK_TYPE_UPROBE_MULTI: "uprobe_multi",
    lib.BPF_LINK_TYPE_PERF_EVENT: "perf_event",
    lib.BPF_LINK_TYPE_TCX: "tcx",
    lib.BPF_LINK_TYPE_NETKIT: "netkit",
    lib.BPF_LINK_TYPE_SOCKMAP: "sockmap",
}
"""Which member of the union a link's type fills (struct bpf_link_info, linux/bpf.h)."""

_PERF_EVENTS = {
    lib.BPF_PERF_EVENT_UPROBE: ("uprobe", "file_name"),
    lib.BPF_PERF_EVENT_URETPROBE: ("uprobe", "file_name"),
    lib.BPF_PERF_EVENT_KPROBE: ("kprobe", "func_name"),
    lib.BPF_PERF_EVENT_KRETPROBE: ("kprobe", "func_name"),
    lib.BPF_PERF_EVENT_TRACEPOINT: ("tracepoint", "tp_name"),
    lib.BPF_PERF_EVENT_EVENT: ("event", None),
}


def _name_field(target: Any, member: str, told: Any = None) -> tuple[Any, str, str] | None:
    """Find where a link of this kind has its name: the struct, its pointer field, its length field."""
    struct = getattr(target, member)
    if member == "raw_tracepoint":
        return struct, "tp_name", "tp_name_len"
    if member == "iter":
        return struct, "target_name", "target_name_len"
    if member == "uprobe_multi":
        return struct, "path", "path_size"
    if member == "perf_event":
        inner, name = _PERF_EVENTS.get((told or target).perf_event.type, (None, None))
        if inner is not None and name is not None:
            return getattr(struct, inner), name, "name_len"
    return None


def _perf_event(struct: Any) -> dict[str, Any]:
    inner, _ = _PERF_EVENTS.get(struct.type, (None, None))
    details: dict[str, Any] = {"perf_event_type": PerfEventType(struct.type)}
    if inner is not None:
        details.update(_decode(getattr(struct, inner)))
    return details


def _decode(struct: Any) -> dict[str, Any]:
    """Give a C struct's integer fields, those of nested structs as dictionaries, those of anonymous ones as its own."""
    return {name: _value(getattr(struct, name), kind) for name, kind in _fields(ffi.typeof(struct))}


def _value(value: Any, kind: str) -> Any:
    return value if kind == "primitive" else _decode(value)


def _fields(ctype: Any) -> list[tuple[str, str]]:
    found = []
    for name, field in ctype.fields or ():
        if not name:
            found += _fields(field.type)
        elif field.type.kind in ("primitive", "struct", "union"):
            found.append((name, field.type.kind))
    return found
