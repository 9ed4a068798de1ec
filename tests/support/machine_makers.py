"""Where the things come from that the state machine uses: a maker each, by name; each makes what can be used at once.

A maker takes the world and its dice. What it makes on the way belongs to the world too, and may be closed any time.
"""

from __future__ import annotations

import os
import socket
import tempfile
from typing import TYPE_CHECKING, Any

import libbpf_cffi as bpf
from libbpf_cffi import net

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from machine_world import World

SOURCES = (
    "arena", "attach_cgroup", "attach_iter", "attach_kernel", "attach_net", "basic", "fentry", "half_attachable",
    "kernel_settings", "kinds", "map_kinds", "map_uses", "network", "options", "percpu", "perf", "probes", "refused",
    "rings", "runs", "struct_ops", "typed_maps", "unknown_attribute", "usdt", "user_ring", "values", "variables",
)  # fmt: skip
"""The objects of tests/bpf, by name, that are opened."""

MAPS: dict[str, dict[str, Any]] = {
    "hash": {"key": "u32", "value": "u64", "max_entries": 4},
    "hash_typed": {"type": "hash", "key": {"a": "u32", "b": "u32"}, "value": {"a": "u32", "s": "char[12]"},
                   "max_entries": 8},
    "array": {"value": "u64", "max_entries": 4},
    "array_mmap": {"type": "array", "value": "u64", "max_entries": 4, "map_flags": bpf.MapFlags.MMAPABLE},
    "prog_array": {"max_entries": 4},
    "perf_event_array": {"max_entries": 4},
    "percpu_hash": {"key": "u32", "value": "u64", "max_entries": 4},
    "percpu_array": {"value": "u64", "max_entries": 4},
    "stack_trace": {"value": 64, "max_entries": 4},
    "cgroup_array": {"max_entries": 4},
    "lru_hash": {"key": "u32", "value": "u64", "max_entries": 4},
    "lpm_trie": {"key": "ipv4", "value": "u32", "max_entries": 4},
    "array_of_maps": {"max_entries": 4},
    "hash_of_maps": {"key": "u32", "max_entries": 4},
    "devmap": {"max_entries": 4},
    "devmap_hash": {"max_entries": 4},
    "sockmap": {"max_entries": 4},
    "sockhash": {"key": "u32", "max_entries": 4},
    "cpumap": {"max_entries": 2},
    "xskmap": {"max_entries": 4},
    "cgroup_storage": {"value": "u64"},
    "percpu_cgroup_storage": {"value": "u64"},
    "reuseport_sockarray": {"max_entries": 4},
    "queue": {"value": "u32", "max_entries": 4},
    "stack": {"value": "u32", "max_entries": 4},
    "sk_storage": {"value": "u64"},
    "inode_storage": {"value": "u64"},
    "task_storage": {"value": "u64"},
    "cgrp_storage": {"value": "u64"},
    "ringbuf": {"max_entries": 4096},
    "user_ringbuf": {"max_entries": 4096},
    "bloom_filter": {"value": "u32", "max_entries": 4},
    "arena": {"max_entries": 4},
    "insn_array": {"max_entries": 4},
}  # fmt: skip
"""What `Map.create` is told, by the maker's name."""


def create(world: World, dice: random.Random, name: str) -> object:
    """Create a map of a kind."""
    keywords = dict(MAPS[name])
    kind = keywords.pop("type", name)
    if name.endswith("of_maps"):
        keywords["inner"] = world.keep(bpf.Map.create("array", value="u32", max_entries=2))
    made = bpf.Map.create(kind, **keywords)
    if dice.random() < 0.5:
        world.quietly(lambda: fill(made, dice))
    return made


def fill(made: Any, dice: random.Random) -> None:
    """Put something into a map."""
    for each in range(dice.randrange(1, 4)):
        if isinstance(made, (bpf.Queue, bpf.Stack)):
            made.push(each)
        else:
            made.update_elem(each, each)


def opened(world: World, dice: random.Random, name: str, **options: object) -> bpf.Object:
    """Open an object of ours."""
    return bpf.Object.open(world.objects[name], relaxed_maps=True, pin_root_path=world.place(dice), **options)


def loaded(world: World, dice: random.Random, name: str = "basic", *wanted: str) -> bpf.Object:
    """Open and load an object of ours, or some of its programs."""
    obj = opened(world, dice, name)
    world.keep(obj)
    for each in obj.programs.values():
        if wanted:
            each.autoload = each.name in wanted
    obj.load()
    return obj


def one(world: World, dice: random.Random, kind: type, maker: str) -> Any:
    """Give one of the things of a kind that are there, or a new one."""
    there = world.of(kind)
    if there and dice.random() < 0.8:
        return dice.choice(there)
    return world.make(maker, dice)


def program(world: World, dice: random.Random) -> bpf.Program:
    """Give a program of an object."""
    return dice.choice(list(one(world, dice, bpf.Object, "loaded basic").programs.values()))


def any_map(world: World, dice: random.Random) -> Any:
    """Give a map of an object."""
    maps = list(one(world, dice, bpf.Object, "loaded basic").maps.values())
    return dice.choice(maps) if maps else create(world, dice, "hash")


def kernel_program(world: World, dice: random.Random) -> bpf.KernelProgram:
    """Open a program by its number."""
    return bpf.Program.from_id(loaded(world, dice).programs["on_raw"].id)


def links(world: World, dice: random.Random) -> bpf.Link:
    """Attach something somewhere."""
    way = dice.randrange(8)
    if way == 0:
        return loaded(world, dice).programs["on_raw"].attach()
    if way == 1:
        return loaded(world, dice, "kinds", "of_iterator").programs["of_iterator"].attach()
    if way == 2:
        return loaded(world, dice, "runs", "look").programs["look"].attach_netns()
    if way == 3:
        # What has no link would stay where the process ends before it closes it.
        return loaded(world, dice, "struct_ops").maps["with_link"].attach_struct_ops()
    if way == 4:
        return loaded(world, dice).programs["pass"].attach_xdp("lo", mode="skb")
    if way == 5:
        obj = loaded(world, dice, "attach_cgroup", "create_a")
        return dice.choice([each for each in obj.programs.values() if each.autoload]).attach_cgroup(world.cgroup)
    if way == 6:
        return loaded(world, dice).programs["on_tracepoint"].attach()
    return bpf.Link.raw_tracepoint_open(loaded(world, dice).programs["on_raw"], "sys_enter")


def iterator_link(world: World, dice: random.Random) -> bpf.Link:
    """Attach an iterator over tasks."""
    return loaded(world, dice, "kinds", "of_iterator").programs["of_iterator"].attach()


def ring_buffer(world: World, dice: random.Random) -> bpf.RingBuffer:
    """Open a reader of ring buffers, with something to read."""
    obj = loaded(world, dice, "rings", "produce")
    reader = obj.maps["events"].ring_buffer(**({} if dice.random() < 0.7 else {"type": bytes}))
    obj.programs["produce"].test_run(ctx_in=world.ring_order(dice.randrange(40)))
    return reader


def perf_buffer(world: World, dice: random.Random) -> bpf.PerfBuffer:
    """Open a reader of a perf buffer, with something to read."""
    obj = loaded(world, dice, "perf", "produce")
    reader = obj.maps["events"].perf_buffer(page_cnt=dice.choice((1, 8)))
    obj.programs["produce"].test_run(ctx_in=world.perf_order(dice.randrange(20)))
    return reader


def batch(world: World, dice: random.Random) -> bpf.Batch:
    """Read a batch."""
    obj = loaded(world, dice, "rings", "produce")
    reader = world.keep(obj.maps["events"].ring_buffer())
    obj.programs["produce"].test_run(ctx_in=world.ring_order(9))
    return next(iter(reader.batches(timeout=0.1)))


def user_ring_buffer(world: World, dice: random.Random) -> bpf.UserRingBuffer:
    """Open a user ring buffer."""
    return loaded(world, dice, "user_ring").maps[dice.choice(("commands", "plain"))].user_ring_buffer()


def trace_pipe(world: World, dice: random.Random) -> bpf.TracePipe:
    """Open a trace pipe of our own, with a line in it."""
    pipe = bpf.TracePipe(True, raw=dice.random() < 0.4)
    with open(os.path.join(pipe.path, "trace_marker"), "w", encoding="ascii") as file:
        file.write("mark\n")
    return pipe


def btf(world: World, dice: random.Random) -> bpf.Btf:
    """Make or open a BTF."""
    way = dice.randrange(8)
    if way < 4:
        made = bpf.Btf.new()
        number = made.add_int("int", 4, 1)
        made.add_ptr(number)
        made.add_struct("s", 8)
        made.add_field("a", number, 0)
        made.add_field("b", number, 32)
        made.add_enum("e", 4)
        made.add_enum_value("ONE", 1)
        return made
    if way < 7:
        return bpf.Btf.from_file(world.objects[dice.choice(sorted(world.objects))])
    return bpf.Btf.kernel() if dice.random() < 0.2 else bpf.Btf.new(one(world, dice, bpf.Btf, "btf"))


def btf_type(world: World, dice: random.Random) -> bpf.BtfType:
    """Give a type of a BTF."""
    there = one(world, dice, bpf.Btf, "btf")
    return there[dice.randrange(min(len(there), 200))]


def sample_type(world: World, dice: random.Random, kind: str) -> bpf.BtfType:
    """Give a type of the object whose types are many."""
    types = [each for each in world.keep(bpf.Btf.from_file(world.objects["values"])) if each.kind.name == kind]
    return dice.choice(types)


def descriptor_of(tmp: World, dice: random.Random) -> Any:
    """Give a socket."""
    return tmp.keep(socket.socket(socket.AF_INET, dice.choice((socket.SOCK_DGRAM, socket.SOCK_STREAM))))


def syscalls(world: World, dice: random.Random) -> bpf.Syscalls:
    """Record some calls."""
    with bpf.record_syscalls() as calls:
        world.keep(create(world, dice, "hash"))
    return calls


def handler(world: World, dice: random.Random) -> bpf.ProgHandler:
    """Register a handler of sections."""
    made = bpf.register_prog_handler(dice.choice(("mine+", "own+", "x/")), "socket_filter")
    world.at_end.append(made.unregister)
    return made


def values_record(world: World, dice: random.Random) -> object:
    """Give a record of a struct."""
    kind = sample_type(world, dice, "STRUCT")
    return kind.decode(bytes(kind.size or 0))


def union_value(world: World, dice: random.Random) -> object:
    """Give a value of a union."""
    kind = world.keep(bpf.Btf.from_file(world.objects["variables"]))["either"]
    return kind.decode(bytes(kind.size or 0))


MAKERS: dict[str, tuple[type, Callable[[World, random.Random], Any]]] = {
    "program": (bpf.Program, program),
    "map of an object": (bpf.Map, any_map),
    "kernel program": (bpf.KernelProgram, kernel_program),
    "link": (bpf.Link, links),
    "iterator": (bpf.Link, iterator_link),
    "ring buffer": (bpf.RingBuffer, ring_buffer),
    "perf buffer": (bpf.PerfBuffer, perf_buffer),
    "batch": (bpf.Batch, batch),
    "user ring buffer": (bpf.UserRingBuffer, user_ring_buffer),
    "user sample": (bpf.UserSample, lambda w, d: one(w, d, bpf.UserRingBuffer, "user ring buffer").reserve(24)),
    "trace pipe": (bpf.TracePipe, trace_pipe),
    "trace line": (bpf.TraceLine, lambda w, d: w.keep(trace_pipe(w, d)).read(0.1)[0]),
    "lost events": (bpf.LostEvents, lambda w, d: bpf.LostEvents(0, d.randrange(5))),
    "ring": (bpf.Ring, lambda w, d: one(w, d, bpf.RingBuffer, "ring buffer").rings[0]),
    "cpu buffer": (bpf.CpuBuffer, lambda w, d: one(w, d, bpf.PerfBuffer, "perf buffer").buffers[0]),
    "btf": (bpf.Btf, btf),
    "btf type": (bpf.BtfType, btf_type),
    "btf member": (bpf.BtfMember, lambda w, d: sample_type(w, d, "STRUCT").members[0]),
    "btf enumerator": (bpf.BtfEnumerator, lambda w, d: sample_type(w, d, "ENUM").enumerators[0]),
    "btf param": (bpf.BtfParam, lambda w, d: bpf.BtfParam("p", one(w, d, bpf.BtfType, "btf type"))),
    "btf variable": (bpf.BtfVariable, lambda w, d: sample_type(w, d, "DATASEC").variables[0]),
    "btf ext": (bpf.BtfExt, lambda w, d: bpf.BtfExt.from_file(w.objects[d.choice(("basic", "rings", "values"))])),
    "func info": (bpf.BtfFuncInfo, lambda w, d: loaded(w, d).programs["on_raw"].func_info[0]),
    "line info": (bpf.BtfLineInfo, lambda w, d: loaded(w, d).programs["on_raw"].line_info[0]),
    "variables": (bpf.Variables, lambda w, d: w.make(d.choice(("open variables", "loaded variables")), d).variables),
    "variable": (bpf.Variable, lambda w, d: (v := w.make("variables", d)).describe(d.choice(list(v)))),
    "record": (bpf.Record, values_record),
    "union": (bpf.UnionValue, union_value),
    "perf event": (bpf.PerfEvent, lambda w, d: bpf.PerfEvent.software("cpu_clock", cpu=d.choice((-1, 0)), pid=0)),
    "handler": (bpf.ProgHandler, handler),
    "stats": (bpf.Stats, lambda w, d: bpf.enable_stats()),
    "syscalls": (bpf.Syscalls, syscalls),
    "syscall": (bpf.Syscall, lambda w, d: syscalls(w, d)[0]),
    "insn": (bpf.Insn, lambda w, d: bpf.Insn(d.choice((0x95, 0xB7, 0x18)), imm=d.randrange(9))),
    "xlated": (bpf.Xlated, lambda w, d: kernel_program(w, d).xlated()),
    "jited": (bpf.JitedFunction, lambda w, d: kernel_program(w, d).jited()[0]),
    "link info": (bpf.LinkInfo, lambda w, d: w.keep(links(w, d)).info),
    "map info": (bpf.MapInfo, lambda w, d: w.keep(create(w, d, "hash")).info),
    "program info": (bpf.ProgramInfo, lambda w, d: loaded(w, d).programs["on_raw"].info),
    "program id": (bpf.ProgramId, lambda w, d: bpf.ProgramId(loaded(w, d).programs["on_raw"].id)),
    "test run": (bpf.TestRun, lambda w, d: loaded(w, d).programs["pass"].test_run(bytes(64))),
    "socket program": (
        bpf.SocketProgram,
        lambda w, d: loaded(w, d, "attach_net", "socket_none")
        .programs["socket_none"]
        .attach_socket(descriptor_of(w, d)),
    ),
    "loader": (bpf.LoaderProgram, lambda w, d: opened(w, d, "basic").gen_loader()),
    "storage key": (bpf.CgroupStorageKey, lambda w, d: bpf.CgroupStorageKey(d.randrange(9), d.randrange(3))),
    "cpu entry": (bpf.CpuEntry, lambda w, d: bpf.CpuEntry(d.randrange(9), 0)),
    "dev entry": (bpf.DevEntry, lambda w, d: bpf.DevEntry(1, "lo", 0)),
    "stack frame": (bpf.StackFrame, lambda w, d: bpf.StackFrame(b"", 0, 0)),
    "symbolizer": (bpf.Symbolizer, lambda w, d: bpf.Symbolizer()),
    "symbolized": (bpf.Frame, lambda w, d: bpf.Frame(0, None, None, None)),
    "insn place": (bpf.InsnPlace, lambda w, d: bpf.InsnPlace(0, 0, 0)),
    "struct ops": (
        bpf.StructOps,
        lambda w, d: w.make(d.choice(("open struct_ops", "loaded struct_ops")), d).maps["with_link"],
    ),
    "pointer": (bpf.pointer, lambda w, d: bpf.pointer(program(w, d))),
    "tc hook": (net.TcHook, lambda w, d: net.TcHook("lo", d.choice(("ingress", "egress")))),
    "tc filter": (net.TcFilter, lambda w, d: net.TcFilter(1, 1, 1)),
    "attached": (net.Attached, lambda w, d: net.Attached("xdp", 1, "p")),
    "xdp query": (net.XdpQuery, lambda w, d: net.xdp_query("lo")),
    "prog query": (net.ProgQuery, lambda w, d: net.prog_query(w.cgroup, bpf.AttachType.CGROUP_INET_INGRESS)),
    "queried": (net.QueriedProg, lambda w, d: net.QueriedProg(1, net.AttachFlags(0), 0, net.AttachFlags(0))),
    "file": (object, lambda w, d: tempfile.TemporaryFile()),  # noqa: SIM115 - the world closes it
    "socket": (object, descriptor_of),
}
MAKERS |= {name: (bpf.Map, lambda w, d, name=name: create(w, d, name)) for name in MAPS}
MAKERS |= {f"open {name}": (bpf.Object, lambda w, d, name=name: opened(w, d, name)) for name in SOURCES}
MAKERS |= {f"loaded {name}": (bpf.Object, lambda w, d, name=name: loaded(w, d, name)) for name in SOURCES}
