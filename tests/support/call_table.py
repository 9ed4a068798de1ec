"""What call_leaks.py calls things with, and the things: one of each public class, and arguments for every function."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Any

import libbpf_cffi as bpf
from libbpf_cffi import net

RETURN_0 = bytes.fromhex("b700000000000000 9500000000000000")

NOT_CALLED = {
    "main": "a command, which prints", "mount_tracefs": "mounts", "mount_bpffs": "mounts",
    "remove_stale_instances": "what others have left", "make_instance": "TracePipe makes and removes them",
    "remove_instance": "there is none", "set_memlock_rlim": "once in a process", "preload": "likewise",
    "vmlinux_h": "takes seconds",
    "close": "lives are in leaks.py", "unregister": "a life of its own",
    "detach": "takes away what others are tried on",
    "disconnect": "likewise", "unload": "likewise", "discard": "likewise", "submit": "likewise", "destroy": "likewise",
    "freeze": "nothing can be written afterwards",
    "features": "all that the rest of probe tells, in seconds", "helpers": "likewise", "kfuncs": "takes seconds",
    "lsm_hooks": "takes seconds", "functions": "takes seconds", "struct_ops_types": "takes seconds",
    "iterators": "takes seconds", "modules": "takes seconds", "holders": "looks at every process",
    "perf_events": "looks at every process",
    "instance_users": "looks at every process", "pipe_readers": "looks at every process",
    "compile_object": "clang does the work",
}  # fmt: skip
"""What is left out, and why."""

GROWS = {
    "add_str", "add_int", "add_float", "add_ptr", "add_array", "add_struct", "add_union", "add_field", "add_enum",
    "add_enum_value", "add_enum64", "add_enum64_value", "add_fwd", "add_typedef", "add_volatile", "add_const",
    "add_restrict", "add_type_tag", "add_type_attr", "add_func", "add_func_proto", "add_func_param", "add_var",
    "add_datasec", "add_datasec_var_info", "add_decl_tag", "add_decl_attr", "add_type", "add_btf",
}  # fmt: skip
"""What grows by being called, as it should: called on a thing that is new each time."""

WAITS = {"__iter__", "__aiter__", "__anext__", "__next__"}
"""On a stream of events the next one may never come; `records` with a time-out is called."""

folder = cgroup = ""
objects: list[Any] = []


def opened(name, **options):
    obj = bpf.Object.open(os.path.join(folder, f"{name}.o"), **options)
    objects.append(obj)
    return obj


def loaded(name, *wanted):
    obj = opened(name)
    for each in obj.programs.values():
        each.autoload = not wanted or each.name in wanted
    obj.load()
    return obj


def new_btf():
    made = bpf.Btf.new()
    made.add_int("int", 4, 1)
    made.add_struct("s", 8)
    made.add_field("a", 1, 0)
    made.add_enum("e", 4)
    made.add_enum_value("ONE", 1)
    made.add_datasec(".data", 4)
    return made


MAPS = {
    "hash": ("u32", "u64", 16), "array": (None, "u64", 4), "percpu_hash": ("u32", "u64", 4),
    "percpu_array": (None, "u64", 4),
    "lru_hash": ("u32", "u64", 4), "prog_array": (None, None, 4),
    "perf_event_array": (None, None, 4),
    "stack_trace": (None, 64, 4), "cgroup_array": (None, None, 4),
    "lpm_trie": ("ipv4", "u32", 4),
    "devmap": (None, None, 4), "devmap_hash": (None, None, 4), "sockmap": (None, None, 4),
    "sockhash": ("u32", None, 4),
    "cpumap": (None, None, 2), "xskmap": (None, None, 4),
    "cgroup_storage": (None, "u64", None),
    "percpu_cgroup_storage": (None, "u64", None), "reuseport_sockarray": (None, None, 4),
    "queue": (None, "u32", 4),
    "stack": (None, "u32", 4), "sk_storage": (None, "u64", None),
    "inode_storage": (None, "u64", None),
    "task_storage": (None, "u64", None), "cgrp_storage": (None, "u64", None),
    "ringbuf": (None, None, 4096),
    "user_ringbuf": (None, None, 4096), "bloom_filter": (None, "u32", 4),
    "arena": (None, None, 4),
    "insn_array": (None, None, 4),
}  # fmt: skip
"""Type → key, value and number of entries."""


def things():
    """Make one of each class, by name; what the kernel cannot have is left out, and told."""
    made: dict[str, Any] = {}
    for kind, (key, value, entries) in MAPS.items():
        keywords = {name: what for name, what in (("key", key), ("value", value), ("max_entries", entries)) if what}
        with contextlib.suppress(bpf.Error):
            made[kind] = bpf.Map.create(kind, **keywords)
    for kind, key in (("array_of_maps", None), ("hash_of_maps", "u32")):
        keywords = {"key": key} if key else {}
        made[kind] = bpf.Map.create(kind, max_entries=4, inner=made["array"], **keywords)
    basic, rings = loaded("basic", "on_raw"), loaded("rings")
    made |= {"object": basic, "program": basic.programs["on_raw"], "map of an object": basic.maps["raw_hits"]}
    made |= {"link": made["program"].attach(), "variables": basic.variables}
    made |= {"kernel program": bpf.KernelProgram.load("xdp", RETURN_0)}
    made |= {"variable": basic.variables.describe("total")}
    made |= {"ring buffer": rings.maps["events"].ring_buffer()}
    order = struct.pack("=QIIIIQQQ", 0, 9, 64, 0, 0, 0, 0, 0)
    made["test run"] = rings.programs["produce"].test_run(ctx_in=order)
    made["batch"] = next(iter(made["ring buffer"].batches(timeout=1)))
    made["record"], made["ring"] = made["batch"][0], made["ring buffer"].rings[0]
    made["perf buffer"] = loaded("perf_one").maps["events"].perf_buffer()
    made["cpu buffer"] = made["perf buffer"].buffers[0]
    made["user ring buffer"] = loaded("user_ring").maps["plain"].user_ring_buffer()
    made["user sample"] = made["user ring buffer"].reserve(24)
    made["trace pipe"] = bpf.TracePipe(instance=True)
    made["lost events"] = bpf.LostEvents(0, 1)
    btf = made["btf"] = bpf.Btf.from_file(os.path.join(folder, "values.o"))
    kinds = {}
    for each in btf:
        kinds.setdefault(each.kind.name, each)
    made |= {"btf type": kinds["STRUCT"], "btf member": kinds["STRUCT"].members[0]}
    made |= {"btf enumerator": kinds["ENUM"].enumerators[0], "btf variable": kinds["DATASEC"].variables[0]}
    made |= {"btf param": bpf.BtfParam("p", kinds["INT"])}
    made |= {"btf ext": bpf.BtfExt.from_file(os.path.join(folder, "basic.o"))}
    made |= {"func info": made["program"].func_info[0], "line info": made["program"].line_info[0]}
    made |= {"union": bpf.Btf.from_file(os.path.join(folder, "variables.o"))["either"].decode(bytes(8))}
    made |= {"perf event": bpf.PerfEvent.software("cpu_clock", cpu=0, pid=0)}
    made |= {"stats": bpf.enable_stats()}
    made["perf reading"] = made["perf event"].read()[0]
    made |= {"handler": bpf.register_prog_handler("mine+", "socket_filter")}
    made |= {"insn": bpf.Insn(0x95)}
    with bpf.record_syscalls() as calls:
        bpf.Map.create("hash", "u32", "u32", 1).close()
    made |= {"syscalls": calls, "syscall": calls[0], "xlated": made["kernel program"].xlated()}
    made |= {"jited": made["kernel program"].jited()[0], "link info": made["link"].info, "map info": made["hash"].info}
    made |= {"program info": made["program"].info, "program id": bpf.ProgramId(made["program"].id)}
    made["socket"] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made["socket program"] = loaded("attach_net", "socket_none").programs["socket_none"].attach_socket(made["socket"])
    made |= {"loader": opened("basic").gen_loader(), "storage key": bpf.CgroupStorageKey(1, 0)}
    made |= {"cpu entry": bpf.CpuEntry(1, 0)}
    made |= {"dev entry": bpf.DevEntry(1, "lo", 0), "frame": bpf.StackFrame(b"", 0, 0)}
    made |= {"symbolizer": bpf.Symbolizer(), "symbolized": bpf.Frame(0, None, None, None)}
    made |= {"place": bpf.InsnPlace(0, 0, 0)}
    made |= {"struct ops": loaded("struct_ops").maps["with_link"], "pointer": bpf.pointer(basic)}
    made |= {"tc hook": net.TcHook("lo", "ingress"), "tc filter": net.TcFilter(1, 1, 1)}
    made |= {"attached": net.Attached("xdp", 1, "p")}
    made |= {"xdp query": net.xdp_query("lo")}
    made |= {"prog query": net.prog_query(cgroup, bpf.AttachType.CGROUP_INET_INGRESS)}
    made["queried"] = net.QueriedProg(1, net.AttachFlags(0), 0, net.AttachFlags(0))
    return made


NOT_MADE = {
    "Token": "there is none outside of a user namespace: test_tokens.py", "TokenInfo": "likewise",
    "Map": "the common class of all", "MapOfMaps": "likewise", "Storage": "likewise",
    "TraceLine": "read by the trace pipe", "InsnArray": "Linux 7.0", "Arena": "where the processor has it",
}  # fmt: skip
"""Classes of which `things` has none."""

LO = ("lo",)
ARGUMENTS: dict[str, Any] = {
    "__contains__": (1,), "__getitem__": (1,), "__setitem__": (1, 2), "__delitem__": (1,), "__eq__": (1,),
    "__call__": (),
    "Variables.__contains__": ("total",), "Variables.__getitem__": ("total",),
    "Variables.__setitem__": ("total", 1),
    "Variables.describe": ("total",), "Variables.get": ("total",),
    "Variables.update": ({"total": 1},),
    "UserSample.__setitem__": (0, 1), "Finding.__contains__": ("int",),
    "Finding.__getitem__": (1,),
    "lookup_elem": (1,), "update_elem": (1, 2), "delete_elem": (1,), "lookup_and_delete_elem": (1,),
    "get": (1,),
    "pop": (1,), "setdefault": (1, 2), "update_many": ({1: 2},), "delete_many": ([1, 2],), "count": (1,),
    "index": (1,),
    "push": (1,), "add": (1,), "at": (0,), "put": (None, 0, 1), "read": {"timeout": 0},
    "write": (0, b"x"),
    "Arena.read": (0, 8), "Arena.get": ("u32", 0), "send": (bytes(24),), "reserve": (24,),
    "reuse": (1,),
    "Creatable.create": ("hash", "u32", "u32", 1), "Creatable.of": lambda c: (c["object"], "raw_hits"),
    "find": ("no such thing",), "find_all": ("no such thing",),
    "from_fd": (0,),
    "from_id": (1 << 30,), "from_pin": ("/sys/fs/bpf/no/such",), "pin": ("/no/such/pin",),
    "unpin": ("/no/such/pin",),
    "pin_programs": ("/no/such/pin",), "unpin_programs": ("/no/such/pin",),
    "open": (b"no ELF" * 20,),
    "Object.open": (b"no ELF" * 20,), "LinkOpening.open": ("/sys/fs/bpf/no/such",),
    "create": lambda c: (c["program"],),
    "raw_tracepoint_open": lambda c: (c["program"], "sys_enter"),
    "update_map": lambda c: (c["struct ops"],),
    "update_program": lambda c: (c["program"],), "KernelProgram.load": ("xdp", RETURN_0),
    "load": (),
    "assoc_struct_ops": lambda c: (c["struct ops"],), "bind_map": lambda c: (c["hash"],),
    "records": {"timeout": 0},
    "entries": {"timeout": 0}, "lines": {"timeout": 0}, "raw_lines": {"timeout": 0}, "read_lines": {"timeout": 0},
    "batches": {"timeout": 0}, "call": {"function": len, "timeout": 0}, "aread": {"timeout": 0},
    "aread_lines": {"timeout": 0}, "breakpoint": (0x1000,),
    "cache": ("l1d", "read", "miss"), "dynamic": ("breakpoint", 1), "hardware": ("cpu_cycles",),
    "raw": (1,),
    "software": ("cpu_clock",), "tracepoint": ("syscalls", "sys_enter_getppid"),
    "matches": ("mine/x",),
    "attach_cgroup": lambda c: (cgroup,), "attach_kprobe": ("getppid",),
    "attach_ksyscall": ("getppid",),
    "attach_netfilter": {"pf": "ipv4", "hooknum": "local_in"}, "attach_netkit": LO, "attach_xdp": LO, "attach_tcx": LO,
    "attach_perf_event": lambda c: (c["perf event"],), "attach_raw_tracepoint": ("sys_enter",),
    "attach_iter": (),
    "attach_socket": lambda c: (c["socket"],),
    "attach_sockmap": lambda c: (c["sockmap"],),
    "attach_tracepoint": ("syscalls", "sys_enter_getppid"),
    "attach_uprobe": ("libc.so.6", "getppid"),
    "attach_uprobe_multi": ("libc.so.6", "getppid"), "attach_usdt": ("libc.so.6", "libc", "setjmp"),
    "set_ifindex": (0,),
    "set_attach_target": (None, "getppid"), "TcHook.attach": lambda c: (c["kernel program"],),
    "plain": lambda c: (c["record"],),
    "register_prog_handler": ("other+", "xyz"), "linear_hist": ([1, 2, 3],),
    "log2_hist": ([1, 2, 3],),
    "as_bytes": lambda c: ([c["insn"]],), "insns.decode": (RETURN_0,),
    "disassemble": (RETURN_0,),
    "net.attached": LO, "attached_cgroup": lambda c: (cgroup,),
    "prog_attach": lambda c: (c["kernel program"], cgroup),
    "prog_detach": lambda c: (c["kernel program"], cgroup),
    "prog_query": lambda c: (cgroup, bpf.AttachType.CGROUP_INET_INGRESS),
    "xdp_attach": lambda c: ("lo", c["kernel program"]), "xdp_detach": LO, "xdp_query": LO,
    "xdp_query_id": LO,
    "attach_type": ("xdp",), "helper": ("xdp", "bpf_ktime_get_ns"), "map_type": ("hash",),
    "prog_type": ("xdp",),
    "missing_capabilities": ("xdp",), "needed_capabilities": ("xdp",), "symbols": ("/bin/true",),
    "usdt_probes": ("/bin/true",),
    "is_bpffs": ("/sys/fs/bpf",),
    "parse_format": ("name: x\nID: 1\nformat:\n",),
    "tracepoint_format": ("syscalls", "sys_enter_getppid"),
    "tracepoint_id": ("syscalls", "sys_enter_getppid"),
    "from_bytes": (b"no BTF",), "from_file": lambda c: (os.path.join(folder, "basic.o"),),
    "module": ("no_such",),
    "declare": (1,), "find_str": ("int",), "format": (1, bytes(64)), "permute": ([],),
    "relocate": lambda c: (c["btf"],),
    "decode": (bytes(64),), "encode": (1,), "member": ("a",),
    "member_tags": (0,),
    "add_int": ("i", 4), "add_float": ("f", 4), "add_ptr": (1,), "add_array": (1, 1, 2),
    "add_struct": ("t", 4),
    "add_union": ("u", 4), "add_field": ("b", 1, 32), "add_enum": ("f",), "add_enum_value": ("TWO", 2),
    "add_enum64": ("g",),
    "add_enum64_value": ("x", 2), "add_fwd": ("h",), "add_typedef": ("d", 1), "add_volatile": (1,),
    "add_const": (1,),
    "add_restrict": (1,), "add_type_tag": ("t", 1), "add_type_attr": ("t", 1),
    "add_func": ("f", "static", 1),
    "add_func_proto": (1,), "add_func_param": ("p", 1), "add_var": ("v", "static", 1),
    "add_datasec": (".bss", 4),
    "add_datasec_var_info": (1, 0, 4), "add_decl_tag": ("t", 1), "add_decl_attr": ("t", 1),
    "add_str": ("text",),
    "add_type": lambda c: (c["btf type"],), "add_btf": lambda c: (c["btf"],),
    "Object.find_all": (),
    "link_objects": lambda c: (os.path.join(folder, "basic.o"),), "Token.create": ("/sys/fs/bpf",),
    "enable_stats": (),
    "record_syscalls": (), "num_possible_cpus": (),
    "bpf.pointer": lambda c: (c["object"],),
}  # fmt: skip
"""By the function's name, or its class's or module's and its own: arguments, keywords, or a function of `things`."""
