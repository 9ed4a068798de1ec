"""Arguments for every parameter there is: some that fit, some that do not."""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
from typing import TYPE_CHECKING, Any

import libbpf_cffi as bpf

if TYPE_CHECKING:
    import inspect
    import random
    from collections.abc import Callable

    from machine_surface import Operation
    from machine_world import World

    Draw = Callable[[World, random.Random, Any], Any]

NUMBERS = (
    0, 1, 2, 3, 4, 7, 8, 16, 64, 100, 255, 4095, 4096, 4097, 8192, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31,
    (1 << 32) - 1, 1 << 32, (1 << 63) - 1, 1 << 63, 1 << 64, -1, -2, -(1 << 31), -(1 << 63), -(1 << 70),
)  # fmt: skip
ODD = (
    None, "", "x", b"", b"x", 1.5, float("nan"), float("inf"), (), [], {}, True, object(), "nul\0", "\udcff",
    "long" * 100, 1j, slice(0, 2), range(3), bytearray(3), memoryview(b"abcdef")[::2], int, print, Ellipsis, {1: 2},
    frozenset({1}), "99", b"\xff" * 300, ctypes.c_int(3),
)  # fmt: skip
NAMES = (
    "events", "on_raw", "pass", "int", "basic", "number", "lo", "eth0", "x", "", "getpid", "sys_enter", "vmlinux",
    "task_struct", "raw_hits", ".bss", "a.b", "list_head",
)  # fmt: skip


def number(world: World, dice: random.Random, thing: object = None) -> int:
    """Give a number of any size."""
    way = dice.random()
    if way < 0.5:
        return dice.randrange(6)
    if way < 0.7:
        return dice.choice(NUMBERS)
    return dice.randrange(1 << dice.choice((3, 6, 12, 20, 32)))


def data(world: World, dice: random.Random, thing: object = None) -> object:
    """Give bytes, or something like them."""
    made = dice.randbytes(dice.choice((0, 1, 4, 8, 12, 14, 16, 24, 64, 64, 100, 4096)))
    return dice.choice((bytes, bytes, bytearray, memoryview))(made)


def anything(world: World, dice: random.Random, thing: object = None) -> object:
    """Give anything at all."""
    way = dice.randrange(5)
    if way == 0:
        return number(world, dice)
    if way == 1:
        return data(world, dice)
    if way == 2 and (there := world.of(object)):
        return dice.choice(there)
    return dice.choice(ODD)


def of(kind: type, maker: str) -> Draw:
    """Give what draws a thing of a kind."""

    def draw(world: World, dice: random.Random, thing: object) -> object:
        there = world.of(kind)
        if there and dice.random() < 0.9:
            return dice.choice(there)
        return world.make(maker, dice)

    return draw


a_map = of(bpf.Map, "map of an object")
a_program = of(bpf.Program, "program")
a_btf = of(bpf.Btf, "btf")
a_type = of(bpf.BtfType, "btf type")
a_socket = of(socket.socket, "socket")


def key(world: World, dice: random.Random, thing: object) -> object:
    """Give a key of a map, perhaps one that it has."""
    way = dice.randrange(16)
    if way < 7:
        return dice.randrange(5)
    if way == 7 and isinstance(thing, bpf.Map):
        return bytes(thing.key_size)
    if way == 8:
        addresses = (("10.0.0.0", 8), "10.0.0.0/8")
        return dice.choice((*addresses, (1, 2), {"a": 1, "b": 2}, world.cgroup, "/", os.getpid(), "lo"))
    if way == 9:
        return a_socket(world, dice, thing)
    if way == 10:
        return dice.choice(NAMES)
    if way == 11 and isinstance(thing, bpf.Variables):
        return dice.choice(list(thing)) + dice.choice(("", "", "[0]", ".x", "[0].low"))
    return number(world, dice) if way < 14 else anything(world, dice)


def value(world: World, dice: random.Random, thing: object) -> object:
    """Give a value of a map, a variable or a type."""
    way = dice.randrange(16)
    if way < 5:
        return dice.randrange(200)
    if way == 5 and isinstance(thing, bpf.Map):
        return bytes(thing.value_size)
    if way == 6:
        return a_program(world, dice, thing)
    if way == 7:
        return a_map(world, dice, thing)
    if way == 8:
        return dice.choice(("lo", ("lo", None), world.cgroup, (1, 2), {"a": 1, "s": "t"}, [1, 2, 3], "x", (2, None)))
    if way == 9:
        return a_socket(world, dice, thing)
    return number(world, dice) if way < 13 else anything(world, dice)


def setting(world: World, dice: random.Random, thing: object) -> object:
    """Give what a property may be set to."""
    way = dice.randrange(8)
    if way < 2:
        return dice.choice((True, False, 0, 1, 4, "little", "big", "hash", bpf.MapType.ARRAY, world.place(dice)))
    if way == 2:
        return dice.choice((a_map, a_program))(world, dice, thing)
    return number(world, dice) if way < 6 else value(world, dice, thing)


def pairs(world: World, dice: random.Random, thing: object) -> object:
    """Give keys and values, in one of the forms."""
    count = dice.randrange(5)
    keys = [key(world, dice, thing) for _ in range(count)]
    values = [value(world, dice, thing) for _ in range(count)]
    try:
        both = list(zip(keys, values, strict=True))
        return dice.choice((both, dict(both), keys, iter(keys)))
    except TypeError:
        return keys


def descriptor(world: World, dice: random.Random, thing: object) -> object:
    """Give the number of a descriptor, of something of ours."""
    there = [each for each in world.of(object) if hasattr(type(each), "fd") or hasattr(type(each), "fileno")]
    if not there or dice.random() < 0.2:
        return dice.choice((-1, 0, 1 << 20, 1 << 31, (1 << 32) + 3))
    found = dice.choice(there)
    return found.fd if hasattr(type(found), "fd") else found.fileno()


def identity(world: World, dice: random.Random, thing: object) -> object:
    """Give the number of something of ours: what others have must be left alone."""
    if world.own and dice.random() < 0.85:
        return dice.choice(sorted(world.own))[1]
    return dice.choice((-1, 0, (1 << 31) - 1, 1 << 32, 1 << 64))


def callback(world: World, dice: random.Random, thing: object) -> object:
    """Give a function that does what functions of users do."""
    seed, way = dice.randrange(1 << 30), dice.randrange(6)

    def act(*_: object) -> object:
        if way == 0:
            raise KeyError("the user's own")
        if way == 1 and thing is not None and hasattr(thing, "close"):
            thing.close()
        elif way == 2:
            world.step_inside(seed)
        elif way == 3:
            return object()
        elif way == 4:
            return b""
        return None

    return act


def object_source(world: World, dice: random.Random, thing: object) -> object:
    """Give what an object is opened from."""
    path = world.objects[dice.choice(sorted(world.objects))]
    if dice.random() < 0.7:
        return path
    with open(path, "rb") as file:
        content = file.read()
    return content[: dice.randrange(len(content))] if dice.random() < 0.3 else content


def event_type(world: World, dice: random.Random, thing: object) -> object:
    """Give what the type of events may be said by."""
    return dice.choice((None, "event", bytes, "named", "u64", a_type(world, dice, thing), callback(world, dice, thing)))


def choice(*values: object) -> Draw:
    """Give what draws one of some values."""
    return lambda world, dice, thing: dice.choice(values)


ARGUMENTS: dict[str, Draw] = {
    "after": of(bpf.Link, "link"), "attach_point": choice("ingress", "egress", "custom", 1, 2, 9),
    "attach_type": choice(None, 0, 1, 10, 37, "cgroup_inet_ingress", "xdp", "tcx_ingress", 1000), "base": a_btf,
    "before": of(bpf.Link, "link"), "binary_path": choice("libc.so.6", "/proc/self/exe", "/no/such", 0),
    "btf": a_btf, "btf_custom_path": choice("/sys/kernel/btf/vmlinux", "/no/such"), "buffer_size_kb": choice(4, 64, -1),
    "callback": callback, "cgroup": lambda w, d, t: w.cgroup, "chars": choice("str", "bytes", "raw", "x"),
    "clock": choice("mono", "local", "x"), "config": choice(0, 1, 2, 9, -1), "cpu": choice(-1, 0, 1, 2, 9, None),
    "cpus": choice((0,), (0, 1), (1, 0), (5,), (0, 0), (-1,)), "ctx": data, "ctx_in": data, "data": data,
    "data_in": data,
    "data_size_out": choice(None, 0, 64, 4096, 1 << 20), "ctx_size_out": choice(None, 0, 64, 4096, 1 << 20),
    "discriminator": choice("kind", "number", (0, 4), (8, 1), (0, 99), "x"), "endianness": choice("little", "big", "x"),
    "fd": descriptor, "flags": choice(0, 0, 0, 1, 2, 3, 4, 8, 1 << 31, 1 << 32, 1 << 64, -1),
    "func_name": choice(*NAMES),
    "function": callback, "id": identity, "prog_id": identity, "relative_id": identity, "inner": a_map,
    "insns": choice(bytes.fromhex("b700000002000000 9500000000000000"), bytes(8), b"", b"123",
                    [bpf.Insn(0xB7, imm=1), bpf.Insn(0x95)]),
    "interface": choice("lo", "lo", 1, "x", 0, 99, -1, "a" * 20), "key": key, "keys": pairs,
    "kernel_log_level": choice(0, 1, 2, 4, 9),
    "keyword": choice("struct", "union", "enum", "x"), "linkage": choice("static", "global", "extern", "x"),
    "map": a_map, "max": choice(None, 0, 1, 2, 100, -1, 1 << 70),
    "max_entries": choice(0, 1, 2, 4, 4096, 8192, -1, 1 << 32),
    "memlock_bytes": choice(1 << 30, 1 << 33, -1), "mode": choice(None, "skb", "drv", "hw", "x"),
    "n": choice(None, 0, 1, 5, -1), "name": choice(*NAMES), "netns": choice(None, None, "/proc/self/ns/net", "x", 0),
    "old": a_program, "other": pairs, "page_cnt": choice(1, 2, 3, 8, 64, 0, -1, 1 << 20),
    "path": lambda w, d, t: w.place(d),
    "perf_event": of(bpf.PerfEvent, "perf event"), "pf": choice("ipv4", "ipv6", 2, "x"),
    "hooknum": choice("local_in", "local_out", 1, 77), "pid": choice(-1, 0, os.getpid(), 1 << 30),
    "prog_type": choice("xdp", "socket_filter", 1, 99),
    "program": a_program, "repeat": choice(0, 1, 10, -1, 1 << 32), "sec": choice("mine+", "own", "x/", "", "xdp"),
    "section_name": choice("mine", "own", "x/y", "xdp"),
    "size": choice(0, 1, 2, 4, 8, 24, 100, 4096, 1 << 20, 1 << 31, -1),
    "sock": a_socket, "source": object_source,
    "target": lambda w, d, t: d.choice((w.cgroup, "lo", a_map(w, d, t), None, 0)),
    "thing": lambda w, d, t: d.choice(w.of(object) or [None]), "timeout": choice(0, 0.001, 0.01, 0.02, -1, "x"),
    "tp_name": choice("sys_enter", "x"), "tp_category": choice("syscalls", "x"), "type": a_type, "types": event_type,
    "usdt_provider": choice("lbc", "x"), "value": value, "values": pairs, "what": choice(*NAMES),
    "attr": choice({}, {"sample_type": 1 << 10}, {"x": 1}, {"type": 1 << 70}, 5),
}  # fmt: skip
"""By the parameter's name."""

EXACT: dict[str, Draw] = {
    "Btf.from_file.path": object_source, "BtfExt.from_file.path": object_source, "BtfExt.from_bytes.btf": a_btf,
    "Building.add_btf.other": a_btf, "Deriving.relocate.base": a_btf, "Values.encode.value": value,
    "Map.create.type": choice("hash", "array", "ringbuf", "queue", "percpu_hash", "bloom_filter", "x", 1, 99),
    "Map.create.key": choice(None, "u32", "u64", 4, 8, {"a": "u32"}, "char[8]", "x"),
    "Map.create.value": choice(None, "u32", "u64", 4, 8, {"a": "u32"}, "char[8]", "x", 1 << 20, 1 << 32),
    "Related.reuse.other": a_map, "KernelProgram.load.type": choice("socket_filter", "xdp", 1, 6, "x", 99),
    "Map.typed.key": choice(None, "u32", bytes, "x", 4), "Map.typed.value": choice(None, "u32", bytes, "x", 4),
    "PerfEvent.type": choice(0, 1, 2, 9, "x"), "PerfEvent.software.name": choice("cpu_clock", "task_clock", "x"),
    "RingBufferMap.ring_buffer.type": event_type, "PerfEventArray.perf_buffer.type": event_type,
    "RingBuffer.type": event_type, "PerfBuffer.type": event_type, "enable_stats.type": choice(0, 1, -1),
    "UserRingBufferMap.user_ring_buffer.type": choice(None, bytes, "command", "x"),
    "Program.unload.self": a_program, "link_objects.inputs": object_source,
    "link_objects.output": lambda w, d, t: w.file(d),
    "compile_object.source": choice("int x;\n", "int x", "/no/such.c"),
    "compile_object.output": lambda w, d, t: w.file(d),
    "TracePipe.instance": choice(True, True, "x/y", 5), "register_prog_handler.attach": callback,
    "vmlinux_h.btf": object_source,
    "Batch.__getitem__.index": choice(0, 1, -1, 9, slice(1, 3)),
    "Variables.update.values": lambda w, d, t: d.choice(({}, {"x": 1}, {d.choice(NAMES): value(w, d, t)})),
    "Variables.describe.name": key, "Variables.__getitem__.name": key, "Variables.__setitem__.name": key,
    "UserRingBuffer.send.value": lambda w, d, t: d.choice((bytes(24), b"", (1, 2, "x"), {"verb": 1}, bytes(5000))),
    "Link.update_program.program": a_program,
    "StructOps.set_initial_value.members": value,
    "Token.create.bpffs": choice("/sys/fs/bpf", "/", 0),
    "net.prog_query.target": lambda w, d, t: d.choice((w.cgroup, "lo")),
    "Object.open.bpf_token_path": choice("/sys/fs/bpf", "/no/such"),
    "tracefs.is_bpffs.path": choice("/sys/fs/bpf", "/", ""),
    "record_syscalls.limit": choice(1 << 16, 4096, 0, -1),
    "tracepoints.tracepoints.category": choice("syscalls", "sched", "x"),
}  # fmt: skip
"""By the operation's name and the parameter's, where that parameter means something else elsewhere."""

ALWAYS = {"timeout", "instance", "output"}
"""Parameters that are never left out: without them a call would wait, or read what is not ours."""


def _draw(full: str, parameter: inspect.Parameter, world: World, dice: random.Random, thing: object) -> object:
    draw = EXACT.get(f"{full}.{parameter.name}") or ARGUMENTS.get(parameter.name)
    forced = parameter.name in ALWAYS
    if draw is not None and (forced or dice.random() < 0.88):
        return draw(world, dice, thing)
    said = str(parameter.annotation)
    if dice.random() < 0.2:
        return anything(world, dice)
    for word, by in (
        ("BtfType", a_type), ("bool", lambda w, d, t: d.random() < 0.5), ("PathLike", lambda w, d, t: w.place(d)),
        ("bytes", data), ("str", choice(*NAMES)), ("int", number), ("Mapping", pairs), ("Sequence", pairs),
        ("Btf", a_btf), ("Map", a_map), ("Program", a_program),
    ):  # fmt: skip
        if word in said:
            return by(world, dice, thing)
    return anything(world, dice)


def arguments(
    full: str, operation: Operation, world: World, dice: random.Random, thing: object
) -> tuple[list[object], dict[str, object]]:
    """Draw arguments of an operation."""
    positional: list[object] = []
    named: dict[str, object] = {}
    if operation.signature is None:
        return positional, named
    parameters = list(operation.signature.parameters.values())
    if operation.kind == "call":
        parameters = parameters[1:]
    for each in parameters:
        if each.kind is each.VAR_POSITIONAL:
            positional += [_draw(full, each, world, dice, thing) for _ in range(dice.randrange(3))]
        elif each.kind is each.VAR_KEYWORD:
            if dice.random() < 0.2:
                named["more"] = anything(world, dice)
        elif each.default is each.empty and each.kind is not each.KEYWORD_ONLY:
            positional.append(_draw(full, each, world, dice, thing))
        elif each.default is each.empty or each.name in ALWAYS or dice.random() < 0.25:
            if each.kind is each.POSITIONAL_ONLY:
                positional.append(_draw(full, each, world, dice, thing))
            else:
                named[each.name] = _draw(full, each, world, dice, thing)
    if dice.random() < 0.02:
        (positional.append if dice.random() < 0.5 else lambda x: named.update(no_such=x))(anything(world, dice))
    return positional, named


def awaited(coroutine: Any) -> object:
    """Run a coroutine, not for long."""

    async def limited() -> object:
        return await asyncio.wait_for(coroutine, 0.05)

    try:
        return asyncio.run(limited())
    except (TimeoutError, asyncio.TimeoutError):
        return None
