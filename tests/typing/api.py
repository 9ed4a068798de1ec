"""What type checkers see of the public names. Checked by mypy --strict, never run.

A wrong use carries the error that it must give; mypy complains of an `ignore` that is not needed, so that each of
them is a test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import assert_type

import libbpf_cffi as bpf
from libbpf_cffi import ffi, kernel, lib, probe

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from libbpf_cffi._libbpf import bpf_link, bpf_map, bpf_object, bpf_program


def objects(path: Path, data: bytes) -> None:
    obj = bpf.Object.open(path, object_name="x", relaxed_maps=True, kernel_log_size=4096)
    assert_type(bpf.Object.open(data, isolate=True), bpf.Object)
    bpf.Object.open(5)  # type: ignore[arg-type]
    bpf.Object.open(path, name="x")  # type: ignore[call-arg]
    assert_type(obj.programs["a"], bpf.Program)
    one: bpf.Map | None = obj.maps.get("a")
    del one
    assert_type(obj.attach(), dict[str, bpf.Link])
    assert_type(obj.btf_fd, int | None)
    obj.name = "y"  # type: ignore[misc]
    with obj as same:
        assert_type(same, bpf.Object)


def programs(program: bpf.Program) -> None:
    assert_type(program.type, bpf.ProgType)
    program.type = bpf.ProgType.XDP
    program.autoload = False
    assert_type(program.info, bpf.ProgramInfo)
    assert_type(program.info.map_ids, tuple[int, ...])
    with program.attach() as link:
        assert_type(link, bpf.Link)
        link.update_program(program)
        assert_type(link.disconnect(), int)
        link.update_program(link)  # type: ignore[arg-type]


def programs_of_the_kernel(path: Path, table: bpf.Map) -> None:
    assert_type(bpf.Program.from_id(7), bpf.KernelProgram)
    assert_type(bpf.Program.find("x"), bpf.KernelProgram)
    assert_type(bpf.Program.find_all(tag="0123456789abcdef"), list[bpf.KernelProgram])
    with bpf.KernelProgram.load("xdp", bytes(8), name="x", fd_array=[table, 5]) as program:
        assert_type(program.info, bpf.ProgramInfo)
        program.pin(path)
    bpf.KernelProgram.load(5.5, bytes(8))  # type: ignore[arg-type]
    assert_type(bpf.Link.from_id(7), bpf.Link)
    assert_type(bpf.Link.find_all(prog_id=7), list[bpf.Link])


def test_runs(program: bpf.Program, other: bpf.KernelProgram) -> None:
    done = program.test_run(b"packet", ctx_in={"mark": 1}, flags=bpf.TestRunFlags.XDP_LIVE_FRAMES, cpu=None)
    assert_type(done, bpf.TestRun)
    assert_type(done.retval, int)
    assert_type(done.data_out, bytes | None)
    assert_type(other(a=1), bpf.TestRun)
    program.test_run(repeat="x")  # type: ignore[arg-type]


def links(program: bpf.Program, other: bpf.KernelProgram, table: bpf.StructOps) -> None:
    link = bpf.Link.create(other, "lo", bpf.AttachType.TCX_INGRESS, tcx={"relative_fd": program})
    assert_type(link, bpf.Link)
    assert_type(bpf.Link.raw_tracepoint_open(other, "sys_enter", cookie=5), bpf.Link)
    link.update_program(program, old=other)
    link.update_map(table, old=table)
    link.update_map(program)  # type: ignore[arg-type]
    bpf.Link.create(other, tcx=5)  # type: ignore[arg-type]


def instructions(program: bpf.Program, other: bpf.KernelProgram) -> None:
    assert_type(program.insns, bytes)
    program.insns = [bpf.Insn(0xB7), bpf.Insn(0x95)]
    assert_type(program.disassemble(), str)
    assert_type(other.xlated(), bpf.Xlated)
    assert_type(other.xlated().insns, tuple[bpf.Insn, ...])
    assert_type(program.jited()[0], bpf.JitedFunction)
    assert_type(program.jited()[0].code, bytes)


def uses_of_programs(program: bpf.Program, other: bpf.KernelProgram, table: bpf.Map) -> None:
    with bpf.enable_stats() as stats:
        assert_type(stats, bpf.Stats)
    assert_type(other.read_stdout(), str)
    assert_type(program.stream_read(2), bytes)
    program.bind_map(table, flags=0)
    program.unload()
    other.unload()  # type: ignore[attr-defined]
    with bpf.register_prog_handler("mine/", bpf.ProgType.XDP, attach=bpf.Program.attach) as handler:
        assert_type(handler, bpf.ProgHandler)
    bpf.register_prog_handler("mine/", 5.5)  # type: ignore[arg-type]


def attaching(program: bpf.Program, path: Path, event: bpf.PerfEvent, each: bpf.Map) -> None:
    assert_type(program.attach_kprobe("f", offset=4, attach_mode=bpf.ProbeAttachMode.PERF), bpf.Link)
    assert_type(program.attach_kprobe_multi(syms=["f"], cookies=(1,), session=True), bpf.Link)
    assert_type(program.attach_ksyscall("openat", retprobe=True), bpf.Link)
    assert_type(program.attach_tracepoint("a", "b", bpf_cookie=1), bpf.Link)
    program.attach_tracepoint("a", "b", cookie=1)  # type: ignore[call-arg]
    assert_type(program.attach_raw_tracepoint("a", cookie=1), bpf.Link)
    program.set_attach_target(program, "f")
    assert_type(program.attach_trace(cookie=1), bpf.Link)
    assert_type(program.attach_lsm(), bpf.Link)
    assert_type(program.attach_freplace(program, "f"), bpf.Link)
    assert_type(program.attach_perf_event(event, dont_enable=True), bpf.Link)
    assert_type(program.attach_uprobe(path, "f", pid=0), bpf.Link)
    program.attach_uprobe(b"path")  # type: ignore[arg-type]
    assert_type(program.attach_uprobe_multi("libc", offsets=[1]), bpf.Link)
    assert_type(program.attach_usdt(path, "a", "b", usdt_cookie=1), bpf.Link)
    link = program.attach_iter(map=each)
    program.attach_iter(cgroup=path, order=bpf.CgroupIterOrder.SELF_ONLY)
    program.attach_iter(cgroup=path, order="descendants_pre")
    assert_type(link.read(), str)
    assert_type(link.iter_create().readall(), bytes)
    link.update_map(each)


def perf_events() -> None:
    with bpf.PerfEvent.software("cpu_clock", cpu=0, sample_freq=99) as event:
        assert_type(event, bpf.PerfEvent)
        assert_type(event.count, int)
    bpf.PerfEvent.hardware("cycles", pid="1")  # type: ignore[arg-type]
    bpf.PerfEvent.breakpoint(0x1000, "rw", 4, pid=0)


def maps(each: bpf.Map) -> None:
    each.type = bpf.MapType.HASH
    each.max_entries = "many"  # type: ignore[assignment]
    assert_type(each.map_flags, bpf.MapFlags)
    assert_type(each.pin_path, str | None)


def kinds_of_maps(program: bpf.Program, inner: bpf.Map) -> None:
    assert_type(bpf.Map.create("hash", key="u32", value={"a": "u64"}, max_entries=4), bpf.HashMap)
    assert_type(bpf.Map.create(bpf.MapType.LRU_HASH, 4, 4, 4, name="x"), bpf.HashMap)
    assert_type(bpf.Map.create("queue", value="u32", max_entries=4), bpf.Queue)
    assert_type(bpf.Map.create("hash_of_maps", "u32", max_entries=4, inner=inner), bpf.HashOfMaps)
    assert_type(bpf.Map.create(str(inner), max_entries=4), bpf.Map)
    bpf.Map.create(5.5)  # type: ignore[call-overload]
    bpf.Map.create("hash", "u32", "u32", entries=4)  # type: ignore[call-overload]
    routes = bpf.LpmTrie.create(bpf.MapType.LPM_TRIE, key="ipv4", value="u32", max_entries=4)
    assert_type(routes, bpf.LpmTrie)
    routes["10.0.0.0/8"] = 1
    jumps = bpf.ProgArray.create("prog_array", max_entries=4)
    jumps[0] = program
    del jumps[0]
    assert_type(len(jumps), int)
    outer = bpf.HashOfMaps.find("outer")
    outer["a"] = inner
    assert_type(outer.ids(), dict[Any, int])
    queue = bpf.Queue.from_id(3)
    queue.push(1, replace=True)
    queue.push(1, True)  # type: ignore[call-arg]
    queue["a"]  # type: ignore[index]
    assert_type(bpf.TaskStorage.find_all("x"), list[bpf.TaskStorage])
    arena = bpf.Arena.from_pin("/sys/fs/bpf/arena")
    assert_type(arena.read(0, 8), bytes)
    arena.write(0, "text")  # type: ignore[arg-type]
    entry = bpf.DevEntry(1, "lo", None)
    assert_type(entry.name, str | None)
    table = bpf.StructOps.from_fd(4)
    assert_type(table.initial_value, dict[str, Any])


def maps_of_an_object(obj: bpf.Object) -> None:
    """Their classes are known to those who say them; of the others every operation may be there."""
    assert_type(bpf.HashMap.of(obj, "uses"), bpf.HashMap)
    bpf.RingBufferMap.of(obj, "events").to_dict()  # type: ignore[attr-defined]
    bpf.HashMap.of("uses")  # type: ignore[call-arg, arg-type]
    uses = obj.maps["uses"]
    uses[5] = uses[6]
    del uses[5]
    assert_type((5 in uses, len(uses), list(uses)), tuple[bool, int, list[Any]])
    assert_type(uses.to_dict(), Any)
    uses.max_entries = "many"  # type: ignore[assignment]
    uses.typed(key=5, values=6)  # type: ignore[call-arg]
    if isinstance(uses, bpf.RingBufferMap):
        assert_type(uses.lost, int | None)
    elif isinstance(uses, bpf.PerfEventArray):
        uses.perf_buffer(7)  # type: ignore[arg-type]


def elements(each: bpf.HashMap, array: bpf.ArrayMap, percpu: bpf.PercpuHashMap) -> None:
    each[5] = 6
    del each[5]
    assert_type(5 in each, bool)
    assert_type(len(each), int)
    each.update_elem(5, 6, bpf.UpdateFlags.NOEXIST)
    each.update_elem(5, 6, "any")  # type: ignore[arg-type]
    each.update_many({5: 6}, flags=bpf.UpdateFlags.EXIST)
    each.update_many([5], [6])
    assert_type(each.delete_many(range(5)), int)
    each.to_numpy(delete=True)
    assert_type(each.to_dict()[5], Any)
    assert_type(each.raw, bpf.HashMap)
    array[-1] = 5
    array[1:3] = [5, 6]
    percpu.update_elem(5, 6, cpu=1)
    percpu.update_elem(5, 6, all_cpus=True)
    each.update_elem(5, 6, cpu=1)  # type: ignore[call-arg]


def stand_alone(path: Path) -> None:
    with bpf.Map.create("hash", 4, 8, 16, name="x", map_flags=bpf.MapFlags.NO_PREALLOC) as made:
        assert_type(made, bpf.HashMap)
        assert_type(made.info.memlock, int)
        assert_type(made.key_type, bpf.BtfType | None)
    bpf.Map.create("hash", 4, 8, 16, flags=1)  # type: ignore[call-overload]
    assert_type(bpf.Map.from_pin(path, read_only=True), bpf.Map)
    assert_type(bpf.Map.find_all("x"), list[bpf.Map])
    bpf.Map.from_id("x")  # type: ignore[arg-type]


def errors(error: bpf.VerifierError) -> None:
    assert_type(error.log, str)
    assert_type(error.messages, tuple[str, ...])
    assert_type(error.hint, str | None)
    permission: PermissionError = bpf.LibbpfPermissionError(1, "", "")
    os_error: OSError = error
    del permission, os_error


def pointers(obj: bpf.Object, program: bpf.Program, each: bpf.Map, link: bpf.Link) -> None:
    with bpf.pointer(obj) as a, bpf.pointer(program) as b, bpf.pointer(each) as c, bpf.pointer(link) as d:
        assert_type(a, bpf_object)
        assert_type(b, bpf_program)
        assert_type(c, bpf_map)
        assert_type(d, bpf_link)
        lib.bpf_program__set_autoload(b, True)
        lib.bpf_program__set_autoload(c, True)  # type: ignore[arg-type]
        lib.bpf_link__fd(b)  # type: ignore[arg-type]
    lib.bpf_program__no_such_function(ffi.NULL)  # type: ignore[attr-defined]


def trace() -> None:
    with bpf.TracePipe(instance=True) as pipe:
        for line in pipe:
            assert_type(line, bpf.TraceLine)
            assert_type(line.timestamp, float)
    with bpf.TracePipe(raw=True, buffer_size_kb=4096) as pipe:
        assert_type(pipe.read(0), list[bpf.TraceLine])


async def trace_async(pipe: bpf.TracePipe) -> None:
    async for line in pipe:
        assert_type(line.message, str)


def compiled() -> None:
    assert_type(bpf.compile_object("x.bpf.c"), bytes)


def btf(path: Path, obj: bpf.Object, program: bpf.Program) -> None:
    kernel = bpf.Btf.kernel()
    assert_type(kernel, bpf.Btf)
    assert_type(bpf.Btf.from_file(path, kernel), bpf.Btf)
    assert_type(bpf.Btf.module("x", kernel).base, bpf.Btf | None)
    assert_type(obj.btf, bpf.Btf | None)
    assert_type(obj.types["event"], bpf.BtfType)
    found = kernel["struct task_struct"]
    assert_type(found.size, int | None)
    assert_type(found.kind, bpf.BtfKind)
    assert_type(found.members[0], bpf.BtfMember)
    assert_type(found.members[0].offset, int)
    assert_type(found.enumerators[0].value, int)
    assert_type(kernel.find("x", bpf.BtfKind.FUNC), bpf.BtfType | None)
    for each in kernel:
        assert_type(each, bpf.BtfType)
    assert_type(kernel.dump(found), str)
    assert_type(kernel.dump("struct list_head"), str)
    assert_type(kernel.format(found, b"", compact=True), str)
    assert_type(bpf.Btf.new().add_struct("x", 8), bpf.BtfType)
    assert_type(bpf.Btf.new().load(), bpf.Btf)
    kernel.endianness = "big"
    kernel.endianness = 1  # type: ignore[assignment]
    kernel.add_func("f", "private", 1)  # type: ignore[arg-type]
    found.size = 3  # type: ignore[misc]
    assert_type(program.func_info, tuple[bpf.BtfFuncInfo, ...])
    assert_type(program.line_info[0].line_num, int)


def variables(obj: bpf.Object) -> None:
    assert_type(obj.variables, bpf.Variables)
    assert_type(obj.variables.describe("x"), bpf.Variable)
    assert_type(obj.variables.describe("x").size, int)
    assert_type(list(obj.variables), list[str])
    obj.variables["x"] = 5
    obj.variables.update({"x[1]": 5}, y=(1, 2))


def ring_buffers(each: bpf.RingBufferMap, other: bpf.RingBufferMap, btf_type: bpf.BtfType) -> None:
    with each.ring_buffer("event", errors="fit") as reader:
        assert_type(reader, bpf.RingBuffer)
        assert_type(reader.read(10, timeout=0.5), list[Any])
        assert_type(reader.consume(), list[Any])
        assert_type(reader.lost, int | None)
        assert_type(reader.rings[0].avail_data_size, int)
        assert_type(reader.call(print, 1.0), int)
        for batch in reader.batches(max=5):
            assert_type(batch, bpf.Batch)
            assert_type(batch.raw, list[bytes])
            assert_type(len(batch), int)
    bpf.RingBuffer({each: "event", other: None})
    bpf.RingBuffer(each, other, type=btf_type)
    each.ring_buffer(lambda data: data[:1])
    each.ring_buffer({1: "a", 2: btf_type}, discriminator="kind")
    each.ring_buffer({1: "a"}, discriminator=5)  # type: ignore[arg-type]
    each.ring_buffer(7)  # type: ignore[arg-type]


def perf_buffers(each: bpf.PerfEventArray, btf_type: bpf.BtfType) -> None:
    with each.perf_buffer("event", page_cnt=8, cpus=[0], watermark=100, ordered=0.1, losses=True) as reader:
        assert_type(reader, bpf.PerfBuffer)
        assert_type(reader.read(10, timeout=0.5), list[Any])
        assert_type(reader.lost, int)
        assert_type(reader.lost_by_cpu, dict[int, int])
        assert_type(reader.buffers[0], bpf.CpuBuffer)
        assert_type(reader.buffers[0].consume(5), list[Any])
        for batch in reader.batches(max=5):
            assert_type(batch, bpf.Batch)
    bpf.PerfBuffer(each, btf_type, wakeup_events=5, errors="fit")
    each.perf_buffer(lambda data: data[:1], attr={"sample_type": 1}, raw=True)
    each.perf_buffer({1: "a", 2: btf_type}, discriminator=(0, 4), map_keys=[1], cpus=[0])
    each.perf_buffer(7)  # type: ignore[arg-type]
    each.perf_buffer(page_cnt="8")  # type: ignore[arg-type]


async def ring_buffers_async(reader: bpf.RingBuffer) -> None:
    async for batch in reader.batches():
        assert_type(batch, bpf.Batch)
    assert_type(await reader.aread(timeout=1), list[Any])


def user_ring_buffers(each: bpf.UserRingBufferMap) -> None:
    with each.user_ring_buffer(bytes) as out:
        assert_type(out, bpf.UserRingBuffer)
        out.send(b"x", timeout=None)
        with out.reserve(8, timeout=1) as sample:
            assert_type(sample, bpf.UserSample)
            assert_type(sample.data, memoryview)
        out.reserve("8")  # type: ignore[arg-type]


def system_calls() -> None:
    with bpf.record_syscalls(limit=1 << 20) as calls:
        assert_type(calls, bpf.Syscalls)
    assert_type(calls[0], bpf.Syscall)
    assert_type(calls[1:], list[bpf.Syscall])
    assert_type(calls[0].command, bpf.BpfCmd)
    assert_type(calls[0].errno, int)
    assert_type(calls.take(), list[bpf.Syscall])
    assert_type(calls.dropped, int)
    bpf.record_syscalls(5)  # type: ignore[call-arg]
def attach_to_the_network(program: bpf.Program, path: Path, sock: socket.socket, each: bpf.Map) -> None:
    assert_type(program.attach_xdp("eth0", mode="skb", flags=bpf.XdpFlags.SKB_MODE, netns=path), bpf.Link)
    program.attach_xdp(None)  # type: ignore[arg-type]
    link = program.attach_tcx("eth0", before=program, expected_revision=3)
    assert_type(link, bpf.Link)
    program.attach_tcx(2, after=link, flags=bpf.AttachFlags.AFTER)
    program.attach_tcx("eth0", before="first")  # type: ignore[arg-type]
    assert_type(program.attach_netkit("nk0", before=17), bpf.Link)
    assert_type(program.attach_cgroup(path, after=link), bpf.Link)
    assert_type(program.attach_netns("blue"), bpf.Link)
    program.attach_netns(pid=1)
    assert_type(program.attach_sockmap(each), bpf.Link)
    assert_type(program.attach_netfilter(pf="ipv4", hooknum=1, priority=-5), bpf.Link)
    program.attach_netfilter("ipv4")  # type: ignore[call-arg]
    with program.attach_socket(sock) as attached:
        assert_type(attached, bpf.SocketProgram)


def network(program: bpf.Program, path: Path, each: bpf.Map) -> None:
    assert_type(bpf.net.attached("eth0"), list[bpf.net.Attached])
    assert_type(bpf.net.attached_cgroup(path), list[bpf.net.Attached])
    assert_type(bpf.net.attached_netns(pid=1), list[bpf.net.Attached])
    bpf.net.xdp_attach("eth0", program, mode="drv", old_prog_fd=program)
    assert_type(bpf.net.xdp_query("eth0").attach_mode, bpf.net.XdpAttachMode)
    hook = bpf.net.TcHook("eth0", "egress")
    assert_type(hook.create(), bool)
    made = hook.attach(program, priority=1)
    assert_type(made, bpf.net.TcFilter)
    hook.detach(made)
    assert_type(hook.query(handle=1, priority=1), bpf.net.TcFilter | None)
    bpf.net.prog_attach(program, path, flags=bpf.AttachFlags.ALLOW_MULTI)
    bpf.net.prog_detach(None, each, bpf.AttachType.SK_MSG_VERDICT)
    assert_type(bpf.net.prog_query("eth0", bpf.AttachType.TCX_INGRESS).prog_ids, tuple[int, ...])


def linking(path: Path, data: bytes) -> None:
    assert_type(bpf.link_objects(path, data, 3, output=path), bytes)
    bpf.link_objects([path, path])  # type: ignore[arg-type]


def probing(path: Path) -> None:
    assert_type(probe.prog_type("xdp"), bool)
    assert_type(probe.map_type(bpf.MapType.HASH), bool)
    assert_type(probe.helper("xdp", "bpf_xdp_adjust_head"), bool)
    assert_type(probe.attach_type(bpf.AttachType.XDP), bool)
    probe.map_type(None)  # type: ignore[arg-type]
    assert_type(probe.isa_version(), int)
    assert_type(probe.limits().bounded_loops, bool)
    assert_type(probe.kernel_config(), dict[str, str])
    assert_type(probe.missing_capabilities("xdp"), list[str])
    assert_type(probe.functions("xfs"), list[str])
    assert_type(probe.event_sources(), dict[str, bool])
    assert_type(probe.usdt_probes(path), list[probe.UsdtProbe])
    assert_type(probe.symbols(path)[0].offset, int | None)
    assert_type(probe.features(helpers=True).prog_types, dict[bpf.ProgType, bool | None])
    assert_type(probe.features(helpers=True).helpers, dict[bpf.ProgType, tuple[str, ...] | None])
    assert_type(bpf.ProgType.of_section("xdp"), tuple[bpf.ProgType, bpf.AttachType])


def the_kernel(path: Path) -> None:
    assert_type(kernel.programs(), list[bpf.ProgramInfo])
    assert_type(kernel.find_maps(name="x", pin=path), list[bpf.MapInfo])
    kernel.find_links(name="x")  # type: ignore[call-arg]
    assert_type(kernel.btfs()[0].kernel_btf, bool)
    assert_type(kernel.holders(), dict[tuple[str, int], tuple[kernel.Holder, ...]])
    assert_type(kernel.pins(path)[0].id, int | None)


def loaders(obj: bpf.Object) -> None:
    assert_type(obj.gen_loader(gen_hash=True), bpf.LoaderProgram)
    obj.gen_loader(True)  # type: ignore[call-arg]
    with bpf.Token.create("/sys/fs/bpf") as token:
        assert_type(token.info.allowed_maps, frozenset[bpf.MapType])
    bpf.preload()
    bpf.set_memlock_rlim("1")  # type: ignore[arg-type]
