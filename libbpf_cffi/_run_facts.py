"""What the command shows of objects, programs, maps and links.

Before the first attach nothing here imports `infos` and `enums`, which would take longer than load and attach
together.
"""

from __future__ import annotations

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

from ._elf_uncalled import in_no_program
from ._helper_calls import calls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ._run_io import Reporter

__all__ = [
    "attached",
    "found",
    "has_buffers",
    "is_iterator",
    "lacks_target",
    "left_out",
    "loaded",
    "needs",
    "option_for",
    "prints",
    "skipped",
    "type_name",
]


def type_name(program: bpf.Program) -> str:
    """Give libbpf's name for the type of a program, such as ``tracepoint``."""
    with bpf.pointer(program) as pointer:
        return _text(lib.libbpf_bpf_prog_type_str(lib.bpf_program__type(pointer)))


def _map_type_name(each: bpf.Map) -> str:
    with bpf.pointer(each) as pointer:
        return _text(lib.libbpf_bpf_map_type_str(lib.bpf_map__type(pointer)))


def _text(pointer: Any) -> str:
    return ffi.string(pointer).decode() if pointer else "unknown"


def found(report: Reporter, path: str, obj: bpf.Object) -> None:
    """Tell what is in an object file, and warn of what may have been meant to be a program, and is none."""
    licence = obj.license or "none"
    programs = [
        (
            program.name,
            type_name(program),
            str(program.insn_cnt),
            licence,
            program.section_name,
            "" if program.autoload else "no",
        )
        for program in obj.programs.values()
    ]
    maps = [
        (each.name, _map_type_name(each), str(each.key_size), str(each.value_size), str(each.max_entries))
        for each in obj.maps.values()
    ]
    report.fact(f"object {path}: {_count(programs, 'program')}, {_count(maps, 'map')}, licence {licence}")
    report.table("", ("program", "type", "instructions", "licence", "section", "loaded"), programs)
    report.table("", ("map", "type", "key", "value", "entries"), maps)
    for name in in_no_program(obj):
        report.warning(
            f"function {name} is no program, for it has no SEC(), which says of what type a program is and what to "
            "attach it to; and no program calls it"
        )


def _count(things: list[Any], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def loaded(report: Reporter, obj: bpf.Object) -> None:
    """Tell what the kernel has made of an object."""
    programs = []
    for program in obj.programs.values():
        with bpf.pointer(program) as pointer:
            fd = lib.bpf_program__fd(pointer)
        if fd >= 0:
            number, tag = _program_id(fd)
            programs.append((program.name, str(fd), number, tag))
    maps = [(each.name, str(each.fd), _map_id(each.fd)) for each in obj.maps.values() if each.autocreate]
    report.table("loaded", ("program", "fd", "id", "tag"), programs)
    report.table("created", ("map", "fd", "id"), maps)


def _program_id(fd: int) -> tuple[str, str]:
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
    if lib.bpf_prog_get_info_by_fd(fd, info, size) < 0:
        return "", ""  # before Linux 4.13 programs have none
    return str(info.id), bytes(info.tag).hex()


def _map_id(fd: int) -> str:
    info = ffi.new("struct bpf_map_info *")
    size = ffi.new("__u32 *", ffi.sizeof("struct bpf_map_info"))
    if lib.bpf_map_get_info_by_fd(fd, info, size) < 0:
        return ""
    return str(info.id)


def attached(
    report: Reporter,
    obj: bpf.Object,
    links: Mapping[str, bpf.Link | bpf.SocketProgram],
    places: Mapping[str, str],
) -> None:
    """Tell what the programs (and struct_ops maps) of an object are attached to; `places` are what options named."""
    if report.quiet:
        return
    rows = []
    for name, link in links.items():
        # A program with several links has them numbered: NAME, NAME.2, …
        program = obj.programs.get(name) or obj.programs.get(name.partition(".")[0])
        number, to = _target(link, program.section_name if program is not None else "struct_ops")
        rows.append((name, number, f"{to} of {places[name]}" if name in places else to))
    report.table("attached", ("program", "link", "to"), rows)


def _target(link: bpf.Link | bpf.SocketProgram, section: str) -> tuple[str, str]:
    """Give a link's id and, in words, what it is attached to: by the kernel, or else by the section."""
    if isinstance(link, bpf.SocketProgram):
        return "", "a packet socket"
    kind, _, rest = section.lstrip("?").partition("/")
    if kind in {"tp", "tracepoint"} and "/" in rest:
        to = _tracepoint(*rest.split("/", 1))
    else:
        to = f"{_KINDS.get(kind, kind)} {rest}".rstrip()
    try:
        info = link.info
    except bpf.Error:
        # A link of several parts (USDT) has no descriptor, and before Linux 5.15 a tracepoint's is no link's.
        return "", to
    details = info.details
    if details.get("func_name"):
        offset = details.get("offset", 0)
        to = f"{_KINDS.get(kind, kind)} {details['func_name']}{f'+{offset:#x}' if offset else ''}"
    elif details.get("file_name"):
        to = f"{_KINDS.get(kind, kind)} {details['file_name']}+{details.get('offset', 0):#x}"
    elif info.type == bpf.LinkType.RAW_TRACEPOINT and details.get("tp_name"):
        to = f"raw tracepoint {details['tp_name']}"
    elif details.get("path"):
        to += f" ({details.get('count', 0)} places in {details['path']})"
    elif info.type == bpf.LinkType.TCX:
        # SEC("tc") says no direction.
        to = details["attach_type"].name.lower().replace("_", " ")
    elif info.type == bpf.LinkType.KPROBE_MULTI:
        to += f" ({details.get('count', 0)} functions)"
    return str(info.id), to


_KINDS = {
    "kprobe": "function",
    "kretprobe": "return of function",
    "ksyscall": "system call",
    "kretsyscall": "return of system call",
    "uprobe": "user function",
    "uretprobe": "return of user function",
    "uprobe.s": "user function",
    "uretprobe.s": "return of user function",
    "usdt": "user probe",
    "raw_tp": "raw tracepoint",
    "raw_tracepoint": "raw tracepoint",
    "tp_btf": "tracepoint with BTF",
    "fentry": "entry of",
    "fentry.s": "entry of",
    "fexit": "exit of",
    "fexit.s": "exit of",
    "fsession": "entry and exit of",
    "fsession.s": "entry and exit of",
    "fmod_ret": "return value of",
    "lsm": "security hook",
    "lsm.s": "security hook",
    "iter": "iterator over",
    "iter.s": "iterator over",
}
"""What libbpf's sections attach to, in words."""


def _tracepoint(category: str, name: str) -> str:
    from libbpf_cffi import tracepoints

    try:
        return f"tracepoint {category}/{name} (id {tracepoints.tracepoint_id(category, name)})"
    except (bpf.Error, ValueError):
        return f"tracepoint {category}/{name}"


def skipped(report: Reporter, obj: bpf.Object) -> None:
    """Warn of programs that could not be attached, and say what they need."""
    for name, error in obj.skipped.items():
        program = obj.programs[name]
        report.warning(
            f"program {name} is loaded but not attached: its section {program.section_name!r} does not say "
            f"to what; it needs {_needed(program, error)}{_option(program)}"
        )


def left_out(report: Reporter, program: bpf.Program) -> None:
    """Warn of a program that the kernel cannot be given, and say what it needs."""
    report.warning(
        f"program {program.name} is not loaded: its section {program.section_name!r} does not say to what it is "
        f"attached, which load must know; it needs {_needed(program)}{_option(program)}"
    )


def lacks_target(program: bpf.Program) -> bool:
    """Tell whether load needs to know of a program what it is attached to, and its section does not say it."""
    kind = type_name(program)
    return kind == "ext" or (kind in ("tracing", "lsm") and "/" not in program.section_name)


def _needed(program: bpf.Program, error: bpf.LibbpfError | None = None) -> str:
    """Say, in words, what a program needs to be attached, by its section where that tells kinds of a type apart."""
    kind, option = type_name(program), option_for(program)
    if is_iterator(program) and option is not None:
        return {"cgroup": "a control group", "iter_map": "a map"}[option]
    if kind not in ("kprobe", "xdp"):
        return needs(kind, error)
    section = program.section_name.lstrip("?").removesuffix("/")
    return _NEEDS_OF_SECTIONS.get(section) or needs(kind, error)


def option_for(program: bpf.Program) -> str | None:
    """Give the option that says what a program is attached to, if one does; without its dashes."""
    kind, section = type_name(program), program.section_name.lstrip("?").partition("/")[0]
    if kind == "kprobe":
        for name in ("uprobe", "uretprobe", "usdt"):
            if section.partition(".")[0] == name:
                return "usdt" if name == "usdt" else "uprobe"
        return None
    if kind == "xdp" and "/" in program.section_name:
        return None  # xdp/devmap and xdp/cpumap go into maps
    if lacks_target(program):
        return None if kind == "ext" else "function"
    if is_iterator(program):
        return _ITERATOR_OPTIONS.get(program.section_name.partition("/")[2])
    if kind.startswith("cgroup_") or section == "lsm_cgroup":
        return "cgroup"
    return _OPTIONS.get(kind)


_ITERATOR_OPTIONS = {
    "bpf_map_elem": "iter_map",
    "bpf_sk_storage_map": "iter_map",
    "sockmap": "iter_map",
    "cgroup": "cgroup",
}


def is_iterator(program: bpf.Program) -> bool:
    """Tell whether a program is an iterator, which is read."""
    return program.section_name.lstrip("?").startswith(("iter/", "iter.s/"))


_OPTIONS = {
    "xdp": "ifindex",
    "socket_filter": "ifindex",
    "sched_cls": "ifindex",
    "sock_ops": "cgroup",
    "sk_lookup": "netns",
    "flow_dissector": "netns",
    "sk_skb": "sockmap",
    "sk_msg": "sockmap",
    "perf_event": "perf_event",
    "netfilter": "netfilter",
    "syscall": "call",
}


def _option(program: bpf.Program) -> str:
    option = option_for(program)
    return f" (--{option.replace('_', '-')})" if option else ""


def needs(kind: str, error: bpf.LibbpfError | None = None) -> str:
    """Say, in words, what a program of this type (libbpf's name for it) needs to be attached."""
    if kind in _NEEDS:
        return _NEEDS[kind]
    if kind.startswith("cgroup_"):
        return "a cgroup"
    if kind.startswith("lwt_"):
        return "a route"
    hint = error.hint if error is not None else None
    return hint or "something that only a program of its own can give it"


_NEEDS = {
    "xdp": "a network device",
    "sched_cls": "a network device, and a direction",
    "sched_act": "a network device, and a direction",
    "socket_filter": "a socket",
    "sk_reuseport": "a group of sockets",
    "sk_skb": "a map of sockets",
    "sk_msg": "a map of sockets",
    "sock_ops": "a cgroup",
    "flow_dissector": "a network namespace",
    "sk_lookup": "a network namespace",
    "perf_event": "a perf event",
    "lirc_mode2": "an infrared device (net.prog_attach(): it has no link, and would outlast this command)",
    "netfilter": "a netfilter hook and a priority",
    "syscall": "to be run, not attached",
    "kprobe": 'a place, as in SEC("kprobe/FUNCTION"), SEC("uprobe/FILE:FUNCTION"), SEC("usdt/FILE:PROVIDER:NAME")',
    "tracepoint": 'a tracepoint in its section, as in SEC("tracepoint/CATEGORY/NAME")',
    "raw_tracepoint": 'a tracepoint in its section, as in SEC("raw_tp/NAME")',
    "raw_tracepoint_writable": 'a tracepoint in its section, as in SEC("raw_tp.w/NAME")',
    "tracing": 'a function in its section, as in SEC("fentry/FUNCTION")',
    "lsm": 'a security hook in its section, as in SEC("lsm/HOOK")',
    "ext": "a program whose function it replaces, which no section names (Program.set_attach_target())",
}
"""What a section of a type would have had to name, or what no section can."""

_NEEDS_OF_SECTIONS = {
    "xdp/devmap": "a value of a map of devices (DevMap), into which a program of its own puts it",
    "xdp/cpumap": "a value of a map of CPUs (CpuMap), into which a program of its own puts it",
    "xdp.frags/devmap": "a value of a map of devices (DevMap), into which a program of its own puts it",
    "xdp.frags/cpumap": "a value of a map of CPUs (CpuMap), into which a program of its own puts it",
    **{
        kind: f'{what}, as in SEC("{kind}/{shown}")'
        for kinds, what, shown in (
            (("kprobe", "kretprobe"), "a function", "FUNCTION"),
            (("kprobe.multi", "kretprobe.multi", "kprobe.session"), "functions", "PATTERN"),
            (("ksyscall", "kretsyscall"), "a system call", "NAME"),
            (("uprobe", "uretprobe", "uprobe.s", "uretprobe.s"), "a place", "FILE:FUNCTION"),
            (("uprobe.multi", "uretprobe.multi", "uprobe.session"), "functions", "FILE:PATTERN"),
            (("uprobe.multi.s", "uretprobe.multi.s", "uprobe.session.s"), "functions", "FILE:PATTERN"),
            (("usdt", "usdt.s"), "a place", "FILE:PROVIDER:NAME"),
        )
        for kind in kinds
    },
}
"""What kinds of programs need that are of one type."""

PRINTK = frozenset({6, 177})
"""The helpers ``bpf_trace_printk()`` and ``bpf_trace_vprintk()`` (``enum bpf_func_id`` of linux/bpf.h)."""


def prints(objects: Iterable[bpf.Object]) -> bool:
    """Tell whether any program that is loaded calls ``bpf_printk()``."""
    return calls(objects, PRINTK)


def has_buffers(objects: Iterable[bpf.Object]) -> bool:
    """Tell whether any object has a ring buffer or an array of perf events."""
    for obj in objects:
        for each in obj.maps.values():
            with bpf.pointer(each) as pointer:
                kind = lib.bpf_map__type(pointer)
            if kind in (lib.BPF_MAP_TYPE_RINGBUF, lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY):
                return True
    return False
