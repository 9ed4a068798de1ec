"""Links made as the system call makes them, updated in one step, and what the kernel says of each type."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib, net

RETURN_0 = bytes.fromhex("b700000000000000 9500000000000000")  # r0 = 0; exit
RETURN_1 = bytes.fromhex("b700000001000000 9500000000000000")  # r0 = 1; exit
CLONE_NEWNET = 0x40000000
XDP_SKB_MODE = 2
NFPROTO_IPV4 = 2


@pytest.fixture
def load(root):
    """Load instructions, by default ones that return 1; closed after the test."""
    made = []

    def load_program(kind, insns=RETURN_1, **fields):
        made.append(bpf.KernelProgram.load(kind, insns, **fields))
        return made[-1]

    yield load_program
    for each in made:
        each.close()


@pytest.fixture
def in_netns(root, in_fork):
    """Call a function in a network namespace of its own; give what it returned, as text."""

    def call(function):
        def body():
            assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
            return function()

        return in_fork(body)

    return call


# Created


@pytest.mark.every_kernel
def test_a_raw_tracepoint_is_opened_by_its_name(loaded, counted, attached, x86):
    obj = loaded("basic")
    with bpf.Program.from_id(obj.programs["on_raw"].id) as program:
        with bpf.Link.raw_tracepoint_open(program, "sys_enter") as link:
            assert counted(obj.maps["raw_hits"], 4) == 4
            assert link.info.details["tp_name"] == "sys_enter"
        assert attached(program.id) == []


def test_a_raw_tracepoint_that_is_not_there_is_an_error_in_words(load):
    with pytest.raises(bpf.LibbpfError, match="no raw tracepoint 'never'") as caught:
        bpf.Link.raw_tracepoint_open(load("raw_tracepoint"), "never")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.every_kernel
@pytest.mark.needs("raw_tracepoint_cookie")
def test_a_raw_tracepoint_has_a_cookie(load):
    with bpf.Link.raw_tracepoint_open(load("raw_tracepoint"), "sys_enter", cookie=4711) as link:
        # Linux 6.12 keeps it to itself.
        assert link.info.details["cookie"] in (4711, 0)


@pytest.mark.needs("raw_tracepoint_cookie")
def test_what_knows_its_target_needs_none(loaded):
    program = loaded("kinds").programs["of_tp_btf"]
    with bpf.Link.create(program, tracing={"cookie": 5}) as link:
        assert link.info.details["cookie"] in (5, 0)
    with bpf.Link.raw_tracepoint_open(program) as link:
        assert link.info.prog_id == program.id


def test_a_link_of_a_program_of_an_object_is_the_objects(loaded, attached):
    obj = loaded("basic")
    number = obj.programs["on_raw"].id
    bpf.Link.raw_tracepoint_open(obj.programs["on_raw"], "sys_enter")
    assert len(attached(number)) == 1
    obj.close()
    assert attached(number) == []


def test_a_link_of_a_program_of_the_kernel_outlives_it(load, attached):
    program = load("raw_tracepoint")
    number = program.id
    with bpf.Link.raw_tracepoint_open(program, "sys_enter") as link:
        program.close()
        assert attached(number) == [link.info.id]
    assert attached(number) == []


@pytest.mark.every_kernel
def test_a_control_group_is_named_by_its_path(load, cgroup):
    kind = bpf.AttachType.CGROUP_INET_EGRESS
    with bpf.Link.create(load("cgroup_skb", expected_attach_type=kind), cgroup, kind) as link:
        info = link.info
        assert info.type is bpf.LinkType.CGROUP
        assert info.details == {"cgroup_id": os.stat(cgroup).st_ino, "attach_type": kind}
        link.detach()
        assert link.info.details["cgroup_id"] == 0


def test_a_control_group_may_be_that_of_a_process(load, cgroup):
    kind = bpf.AttachType.CGROUP_INET_EGRESS
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        with bpf.Link.create(load("cgroup_skb", expected_attach_type=kind), str(process.pid), kind) as link:
            assert link.info.details["cgroup_id"] == os.stat(cgroup).st_ino


def test_a_control_group_that_there_is_not_is_explained(load, cgroup):
    kind = bpf.AttachType.CGROUP_INET_EGRESS
    with pytest.raises(bpf.LibbpfError, match="mkdir makes a control group, in "):
        bpf.Link.create(load("cgroup_skb", expected_attach_type=kind), f"{cgroup}-no", kind)


def test_a_network_namespace_may_be_named(load, lab):
    kind = bpf.AttachType.SK_LOOKUP
    with bpf.Link.create(load("sk_lookup", expected_attach_type=kind), lab.here, kind) as link:
        assert link.info.details["netns_ino"] == os.stat(f"/run/netns/{lab.here}").st_ino


def test_a_control_group_may_be_a_descriptor(load, cgroup):
    kind = bpf.AttachType.CGROUP_INET_EGRESS
    fd = os.open(cgroup, os.O_RDONLY)
    try:
        with bpf.Link.create(load("cgroup_skb", expected_attach_type=kind), fd, kind) as link:
            assert link.info.details["cgroup_id"] == os.stat(cgroup).st_ino
    finally:
        os.close(fd)


def test_an_interface_is_named_by_its_name(in_netns):
    def body():
        with bpf.KernelProgram.load("xdp", RETURN_1) as first, bpf.KernelProgram.load("xdp", RETURN_1) as second:
            with bpf.Link.create(first, "lo", bpf.AttachType.XDP, flags=XDP_SKB_MODE) as link:
                assert link.info.type is bpf.LinkType.XDP
                assert link.info.details == {"ifindex": 1}
                link.update_program(second, old=first)
                assert link.info.prog_id == second.id
                stale = f"old is program {first.id}, but program {second.id} is attached now"
                with pytest.raises(bpf.LibbpfError, match=stale):
                    link.update_program(first, old=first)
                assert link.info.prog_id == second.id
            with pytest.raises(bpf.LibbpfError, match="find the network device 'never'"):
                bpf.Link.create(first, "never", bpf.AttachType.XDP)
            return "done"

    assert in_netns(body) == "done"


@pytest.mark.needs("tcx")
def test_one_program_goes_before_another(in_netns):
    kind = bpf.AttachType.TCX_INGRESS

    def body():
        load = bpf.KernelProgram.load
        with load("sched_cls", RETURN_1) as first, load("sched_cls", RETURN_1) as second:
            with bpf.Link.create(first, "lo", kind) as link, bpf.Link.create(
                second, 1, kind, flags=lib.BPF_F_BEFORE, tcx={"relative_fd": first}
            ) as before:  # fmt: skip
                assert link.info.details == before.info.details == {"ifindex": 1, "attach_type": kind}
                with pytest.raises(bpf.LibbpfError) as caught:
                    bpf.Link.create(second, 1, kind, tcx={"expected_revision": 77})
                assert caught.value.errno == errno.ESTALE
            return "done"

    assert in_netns(body) == "done"


@pytest.mark.needs("program:NETFILTER")
def test_a_netfilter_hook_has_its_numbers(in_netns):
    kind = bpf.AttachType.NETFILTER

    def body():
        with bpf.KernelProgram.load("netfilter", RETURN_1, expected_attach_type=kind) as program:
            where = {"pf": NFPROTO_IPV4, "hooknum": 1, "priority": -128}
            with bpf.Link.create(program, None, kind, netfilter=where) as link:
                assert link.info.type is bpf.LinkType.NETFILTER
                assert link.info.details == {**where, "flags": 0}
            return "done"

    assert in_netns(body) == "done"


def test_a_network_namespace_is_named_by_its_path(in_netns):
    kind = bpf.AttachType.FLOW_DISSECTOR

    def body():
        with bpf.KernelProgram.load("flow_dissector", RETURN_0) as program:
            with bpf.Link.create(program, "/proc/self/ns/net", kind) as link:
                assert link.info.type is bpf.LinkType.NETNS
                assert link.info.details == {"netns_ino": os.stat("/proc/self/ns/net").st_ino, "attach_type": kind}
            return "done"

    assert in_netns(body) == "done"


@pytest.mark.needs("task_iter_of_one")
def test_an_iterator_is_of_one_task(loaded):
    program = loaded("kinds").programs["of_iterator"]
    with bpf.Link.create(program, iter_info={"task": {"pid": os.getpid()}}) as link:
        assert link.info.details == {"target_name": "task", "task": {"tid": 0, "pid": os.getpid()}}
    with bpf.Link.create(program) as link:
        assert link.info.details["task"] == {"tid": 0, "pid": 0}


@pytest.mark.needs("uprobe_multi")
def test_many_probes_of_a_file_say_where_they_are(load, loaded):
    kind = bpf.AttachType.TRACE_UPROBE_MULTI
    with loaded("kinds").programs["of_uprobe"].attach() as probe:
        file, offset = probe.info.details["file_name"], probe.info.details["offset"]
    program = load("kprobe", RETURN_0, expected_attach_type=kind)
    where = {"path": file, "offsets": [offset, offset + 4], "cookies": [7, 8], "pid": os.getpid()}
    with bpf.Link.create(program, None, kind, uprobe_multi=where) as link:
        info = link.info
        assert info.type is bpf.LinkType.UPROBE_MULTI
        assert Path(info.details.pop("path")).name == Path(file).name
        assert info.details == {
            "offsets": (offset, offset + 4), "ref_ctr_offsets": (0, 0), "cookies": (7, 8), "count": 2, "flags": 0,
            "pid": os.getpid(),
        }  # fmt: skip


@pytest.mark.needs("perf_link_info")
def test_a_perf_event_says_what_it_is(loaded):
    with loaded("kinds").programs["of_tracepoint"].attach() as link:
        details = link.info.details
        assert details["perf_event_type"] is bpf.PerfEventType.TRACEPOINT
        assert details["tp_name"] == "sys_enter_getppid"
    with loaded("kinds").programs["of_uretprobe"].attach() as link:
        assert link.info.details["perf_event_type"] is bpf.PerfEventType.URETPROBE


def perf_event(kind: int, config: int) -> int:
    """Open a counter of this process that interrupts it every 100000 events."""
    attributes = struct.pack("=IIQQQQQ", kind, 128, config, 100000, 0, 0, 0) + bytes(80)
    return ctypes.CDLL(None).syscall(298, ctypes.c_char_p(attributes), 0, -1, -1, 8)


@pytest.mark.needs("perf_link_info")
def test_a_software_event_says_its_number_and_cookie(load, x86):
    fd = perf_event(1, 2)  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS
    assert fd >= 0
    try:
        cookie = {"bpf_cookie": 9}
        with bpf.Link.create(load("perf_event", RETURN_0), fd, bpf.AttachType.PERF_EVENT, perf_event=cookie) as link:
            details = link.info.details
            assert (details["perf_event_type"], details["type"], details["config"]) == (bpf.PerfEventType.EVENT, 1, 2)
            assert details["cookie"] in (9, 0)  # Linux 6.9 and later tell it
    finally:
        os.close(fd)


# Refused


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"tcx": {"relative_id": 1}}, ValueError, "tcx is for the attach type TCX_INGRESS, TCX_EGRESS, not XDP"),
        ({"iter_info": {"task": {"pid": 1}}}, ValueError, "TRACE_ITER"),
        ({"cgroup": {"nothing": 1}}, TypeError, "no field 'nothing': it has expected_revision"),
        ({"cgroup": 5}, TypeError, "mapping"),
        ({"cgroup": {"relative_fd": "x"}}, TypeError, "relative_fd"),
        ({"cgroup": {"relative_id": 1 << 32}}, ValueError, "relative_id"),
        ({"flags": -1}, ValueError, "flags"),
        ({"target_btf_id": 1 << 32}, ValueError, "target_btf_id"),
        ({"never": 1}, TypeError, "never"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(load, arguments, error, words):
    with pytest.raises(error, match=words):
        bpf.Link.create(load("xdp"), None, bpf.AttachType.XDP, **arguments)


def test_arrays_that_go_together_have_one_length(load):
    with pytest.raises(ValueError, match="syms 2, cookies 1"):
        bpf.Link.create(
            load("xdp"), None, bpf.AttachType.TRACE_KPROBE_MULTI, kprobe_multi={"syms": ["a", "b"], "cookies": [1]}
        )


def test_iter_info_has_three_members(load):
    with pytest.raises(TypeError, match="map, cgroup and task"):
        bpf.Link.create(load("xdp"), None, bpf.AttachType.TRACE_ITER, iter_info={"socket": {}})


def test_a_program_of_another_type_than_the_attach_type_is_explained(load):
    with pytest.raises(bpf.LibbpfError, match="something else than a NETFILTER, or to another target"):
        bpf.Link.create(load("xdp"), None, bpf.AttachType.NETFILTER)


def test_an_attach_type_must_be_known(load):
    with pytest.raises(TypeError, match="attach_type must be given"):
        bpf.Link.create(load("xdp"), "lo")


@pytest.mark.parametrize("program", [None, 5, "x"])
def test_what_is_no_program_is_a_type_error(program):
    with pytest.raises(TypeError, match="program"):
        bpf.Link.create(program, None, bpf.AttachType.XDP)
    with pytest.raises(TypeError, match="program"):
        bpf.Link.raw_tracepoint_open(program, "sys_enter")


def test_a_closed_program_makes_no_link(load):
    program = load("raw_tracepoint")
    program.close()
    with pytest.raises(bpf.ClosedError):
        bpf.Link.raw_tracepoint_open(program, "sys_enter")


def test_a_program_that_is_not_loaded_makes_no_link(opened):
    with pytest.raises(bpf.StateError):
        bpf.Link.create(opened("kinds").programs["of_iterator"])


# Updated


@pytest.mark.every_kernel
def test_an_update_expects_the_old_program(loaded):
    programs = loaded("kinds").programs
    first, second = programs["of_iterator"], programs["of_iterator_too"]
    with first.attach() as link:
        with pytest.raises(bpf.LibbpfError) as caught:
            link.update_program(second, old=second)
        # It is no want of privilege.
        assert (type(caught.value), caught.value.errno) == (bpf.LibbpfError, errno.EPERM)
        assert caught.value.hint == (
            f"old is program {second.id} ('of_iterator_too'), but program {first.id} ('of_iterator') is attached now"
        )
        assert link.info.prog_id == first.id
        link.update_program(second, old=first)
        assert link.info.prog_id == second.id


def registered() -> set[str]:
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
        return set(file.read().split())


@pytest.mark.needs("struct_ops_update")
def test_a_table_of_functions_takes_the_place_of_another(loaded):
    first, second = loaded("struct_ops").maps["with_link"], loaded("struct_ops").maps["with_link"]
    with first.attach_struct_ops() as link:
        assert link.info.details == {"map_id": first.id}
        link.update_map(second)
        assert link.info.details == {"map_id": second.id}
        assert "lbc_with_link" in registered()
    assert "lbc_with_link" not in registered()


@pytest.mark.needs("struct_ops_update")
def test_an_update_expects_the_old_table(loaded):
    maps = [loaded("struct_ops").maps["with_link"] for _ in range(3)]
    with maps[0].attach_struct_ops() as link:
        with pytest.raises(bpf.LibbpfError, match=f"but map {maps[0].id} .'with_link'. is attached now"):
            link.update_map(maps[1], old=maps[2])
        assert link.info.details["map_id"] == maps[0].id
        link.update_map(maps[1], old=maps[0])
        assert link.info.details["map_id"] == maps[1].id


@pytest.mark.needs("struct_ops_update")
def test_an_opened_link_is_updated_to_a_table_that_was_opened(loaded):
    first, second = loaded("struct_ops").maps["with_link"], loaded("struct_ops").maps["with_link"]
    with first.attach_struct_ops() as link, bpf.Link.from_id(link.info.id) as opened:
        opened.update_map(second)
        with bpf.Map.from_id(first.id) as table:
            opened.update_map(table, old=second)
        assert link.info.details["map_id"] == first.id


def test_a_table_without_a_link_takes_no_ones_place(loaded):
    maps = loaded("struct_ops").maps
    with maps["with_link"].attach_struct_ops() as link, pytest.raises(ValueError, match=r"struct_ops\.link"):
        link.update_map(maps["without_link"])
    assert "lbc_no_link" not in registered()


def test_what_is_no_table_is_refused(loaded):
    with loaded("basic").programs["on_raw"].attach() as link:
        for wrong in (None, 5, link):
            with pytest.raises(TypeError, match="struct_ops"):
                link.update_map(wrong)
        with pytest.raises(ValueError, match="STRUCT_OPS"):
            link.update_map(loaded("basic").maps["events"])
        with pytest.raises(ValueError, match="attaches no struct_ops map"):
            link.update_map(loaded("struct_ops").maps["with_link"])


def test_an_attach_type_may_be_named(load, cgroup):
    program = load("cgroup_skb", expected_attach_type="cgroup_inet_egress")
    with bpf.Link.create(program, cgroup, "cgroup_inet_egress") as link:
        assert link.info.details["attach_type"] == bpf.AttachType.CGROUP_INET_EGRESS
        assert [each.prog_id for each in net.prog_query(cgroup, "BPF_CGROUP_INET_EGRESS").programs] == [program.id]


def test_an_attach_type_that_there_is_not_has_close_names(load, cgroup):
    with pytest.raises(ValueError, match="no attach type 'cgroup_inet_egres'; close names: cgroup_inet_egress"):
        net.prog_query(cgroup, "cgroup_inet_egres")


def test_a_program_without_a_name_is_told_by_its_id(load):
    program = load("xdp")
    with pytest.raises(bpf.LibbpfError, match=f"attach program {program.id} to"):
        bpf.Link.create(program, 1 << 30, bpf.AttachType.XDP)
