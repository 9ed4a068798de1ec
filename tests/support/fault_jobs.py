"""What is done while calls fail: each job goes through one part of the package, and looks at what comes out.

A job that does not raise has done all of it: a fault that is passed over in silence is an ``AssertionError`` here.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

import libbpf_cffi as bpf
from libbpf_cffi import kernel, net, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OBJECTS = ("basic", "attach_user", "attach_net", "runs", "network", "attach_iter", "rings", "perf", "user_ring")
"""The sources of tests/bpf whose objects jobs want."""

ORDER = struct.Struct("=QIIIIQQQ")
"""``struct order`` of rings.bpf.c."""

RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")


class World:
    """Where jobs find what they need: objects by their sources' names, a library, namespaces, a folder for pins."""

    def __init__(self, objects: str, pins: str, netns: str, cgroup: str, library: str) -> None:
        self.objects, self.pins, self.netns, self.cgroup, self.library = objects, pins, netns, cgroup, library

    def path(self, name: str) -> str:
        return os.path.join(self.objects, f"{name}.bpf.o")

    @contextmanager
    def only(self, name: str, *programs: str) -> Iterator[bpf.Object]:
        """Open an object and load some of its programs."""
        with bpf.Object.open(self.path(name)) as obj:
            for program in obj.programs.values():
                program.autoload = program.name in programs
            obj.load()
            yield obj


def surely(function: Callable[[], object]) -> None:
    """Undo something, though the call that fails may be one of this."""
    try:
        function()
    except bpf.Error:
        function()
        raise


def basic(world: World) -> None:
    with bpf.Object.open(world.path("basic")) as obj:
        obj.load()
        obj.attach()
        os.getppid()
        hits = obj.maps["raw_hits"]
        assert hits[os.getpid()] >= 1
        assert hits.to_dict()[os.getpid()] >= 1
        assert obj.variables["total"] >= 0
        assert obj.programs["on_raw"].info.id


def tracepoint(world: World) -> None:
    with world.only("basic", "on_tracepoint") as obj, obj.programs["on_tracepoint"].attach() as link:
        os.getppid()
        assert obj.maps["tracepoint_hits"][os.getpid()] >= 1
        assert link.info.id >= 0


def raw_tracepoint(world: World) -> None:
    with world.only("basic", "on_raw") as obj, obj.programs["on_raw"].attach() as link:
        assert link.info.details["tp_name"] == "sys_enter"
        os.getppid()
        assert obj.maps["raw_hits"][os.getpid()] >= 1


def uprobe(world: World, mode: bpf.ProbeAttachMode = bpf.ProbeAttachMode.DEFAULT) -> None:
    called = ctypes.CDLL(world.library)
    with (
        world.only("attach_user", "by_uprobe") as obj,
        obj.programs["by_uprobe"].attach_uprobe(world.library, "lbc_add", attach_mode=mode),
    ):
        called.lbc_add(1, 2)
        assert obj.variables["hits"] == 1


def uprobe_legacy(world: World) -> None:
    uprobe(world, bpf.ProbeAttachMode.LEGACY)


def uprobe_multi(world: World) -> None:
    with (
        world.only("attach_user", "by_uprobe_multi") as obj,
        obj.programs["by_uprobe_multi"].attach_uprobe_multi(world.library, "lbc_*"),
    ):
        ctypes.CDLL(world.library).lbc_add(1, 2)
        assert obj.variables["hits"] >= 1


def perf_event(world: World) -> None:
    with bpf.PerfEvent.software("page_faults", pid=0) as event:
        assert event.count >= 0
    with bpf.PerfEvent.tracepoint("syscalls", "sys_enter_getpgid", pid=0) as event:
        event.enable()
        before = event.count
        os.getpgid(0)
        assert event.count == before + 1
        event.disable()


def xdp(world: World) -> None:
    with world.only("attach_net", "xdp_count") as obj:
        program = obj.programs["xdp_count"]
        with program.attach_xdp("lo", netns=world.netns):
            assert net.xdp_query_id("lo", netns=world.netns) == program.id
        try:
            # Where the answer to it gets lost it is attached all the same.
            net.xdp_attach("lo", program, netns=world.netns)
            assert [each.prog_id for each in net.attached("lo", netns=world.netns)] == [program.id]
        finally:
            surely(lambda: net.xdp_detach("lo", netns=world.netns))


def tc(world: World) -> None:
    with world.only("runs", "mark") as obj:
        hook = net.TcHook("lo", "ingress", netns=world.netns)
        created = hook.create()
        try:
            made = hook.attach(obj.programs["mark"])
            assert hook.query(made).prog_id == obj.programs["mark"].id
            hook.detach(made)
        finally:
            if created:
                surely(hook.destroy)


def cgroup(world: World) -> None:
    with world.only("network", "first") as obj:
        program = obj.programs["first"]
        with program.attach_cgroup(world.cgroup) as link:
            assert [each.link_id for each in net.attached_cgroup(world.cgroup)] == [link.info.id]


def iterator(world: World) -> None:
    with (
        world.only("attach_iter", "elements") as obj,
        obj.programs["elements"].attach_iter(map=obj.maps["numbers"]) as link,
    ):
        assert link.read() == "0=0\n1=0\n2=0\n"


def ring_buffer(world: World) -> None:
    with bpf.Object.open(world.path("rings")) as obj:
        obj.load()
        with obj.maps["events"].ring_buffer() as events:
            order = ORDER.pack(0, 3, 16, 0, 0, 0, 0, 0)
            obj.programs["produce"].test_run(ctx_in=order)
            assert len(events.read(timeout=5.0)) == 3
            assert events.consume() == []


def perf_buffer(world: World) -> None:
    with bpf.Object.open(world.path("perf")) as obj:
        obj.load()
        with obj.maps["events"].perf_buffer() as events:
            order = struct.pack("=4Q", 0, 3, 16, 0)
            assert obj.programs["produce"].test_run(ctx_in=order, cpu=0).retval == 0
            assert len(events.read(timeout=5.0)) == 3
            assert events.consume() == []


def user_ring_buffer(world: World) -> None:
    with bpf.Object.open(world.path("user_ring")) as obj:
        obj.load()
        with obj.maps["plain"].user_ring_buffer() as out:
            out.send(b"12345678")


def trace_pipe(world: World, *, raw: bool = False) -> None:
    with bpf.TracePipe(instance=True, raw=raw) as pipe:
        try:
            marker = os.open(f"{pipe.path}/trace_marker", os.O_WRONLY)
            try:
                os.write(marker, b"one\n")
            finally:
                os.close(marker)
        except OSError as error:
            raise bpf.Error("the job itself cannot write") from error
        lines = []
        while not lines:
            lines = [line for line in pipe.read(5.0) if "one" in line.message]
            assert lines
    assert not os.path.exists(pipe.path)


def raw_trace(world: World) -> None:
    trace_pipe(world, raw=True)


def test_run(world: World) -> None:
    with bpf.KernelProgram.load("xdp", RETURN_2) as program:
        assert program.test_run(bytes(64)).retval == 2
        assert program.info.type is bpf.ProgType.XDP


def btf(world: World) -> None:
    with bpf.Object.open(world.path("basic")) as obj:
        types = bpf.Btf.from_bytes(obj.btf.raw)
    assert len(types) > 5
    assert "struct" in types.dump()
    types.dedup()
    made = bpf.Btf.new()
    made.add_int("int", 4)
    assert len(bpf.Btf.from_bytes(made.raw)) == len(made)


def linker(world: World) -> None:
    data = bpf.link_objects(world.path("basic"))
    with bpf.Object.open(data) as obj:
        assert "on_raw" in obj.programs


def own_map(world: World) -> None:
    with bpf.Map.create("hash", key="u32", value={"count": "u64", "name": "char[8]"}, max_entries=8) as made:
        made[1] = (2, "two")
        made.update_many({2: (3, "three"), 3: (4, "four")})
        assert made[1].count == 2
        assert sorted(made) == [1, 2, 3]
        assert len(made.to_dict()) == 3
        assert made.pop(2).name == "three"
        made.clear()
        with bpf.Map.from_id(made.id) as again:
            assert len(again) == 0


def pins(world: World) -> None:
    path = os.path.join(world.pins, "pinned")
    with bpf.Map.create("array", key="u32", value="u64", max_entries=2) as made:
        try:
            made.pin(path)
            with bpf.Map.from_pin(path) as again:
                again[1] = 7
            assert made[1] == 7
            made.unpin(path)
        finally:
            if os.path.exists(path):
                os.unlink(path)


def task_storage(world: World) -> None:
    with bpf.Map.create("task_storage", value="u64") as tasks:
        tasks[os.getpid()] = 5
        assert tasks[os.getpid()] == 5


def listing(world: World) -> None:
    with bpf.KernelProgram.load("xdp", RETURN_2, name="fault_listing") as program:
        assert any(each.id == program.id for each in kernel.programs())


def features(world: World) -> None:
    assert probe.prog_type("xdp")
    assert probe.map_type("hash")
    assert probe.helper("xdp", "map_lookup_elem")


def records(world: World) -> None:
    with bpf.record_syscalls() as calls, bpf.Map.create("array", key="u32", value="u64", max_entries=1) as made:
        assert made[0] == 0
    assert len(calls) + calls.dropped >= 2


JOBS: dict[str, Callable[[World], None]] = {
    job.__name__: job
    for job in (
        basic, tracepoint, raw_tracepoint, uprobe, uprobe_legacy, uprobe_multi, perf_event, xdp, tc, cgroup, iterator,
        ring_buffer, perf_buffer, user_ring_buffer, trace_pipe, raw_trace, test_run, btf, linker, own_map, pins,
        task_storage, listing, features, records,
    )
}  # fmt: skip
