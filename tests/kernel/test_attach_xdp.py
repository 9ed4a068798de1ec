"""XDP: links and netlink, packets redirected to devices and CPUs; every test in network namespaces of its own."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading

import pytest
from xsk import XdpSocket

import libbpf_cffi as bpf
from libbpf_cffi import net
from libbpf_cffi._targets import in_netns

# Links


@pytest.mark.every_kernel
def test_a_program_counts_packets_until_its_link_is_closed(lab, only):
    obj = only("attach_net", "xdp_count")
    with obj.programs["xdp_count"].attach_xdp("eth0", netns=lab.here) as link:
        lab.exchange(3)
        assert obj.variables["hits"] == 3
        assert link.info.type is bpf.LinkType.XDP
    lab.exchange(2)
    assert obj.variables["hits"] == 3
    assert net.attached("eth0", netns=lab.here) == []


@pytest.mark.parametrize("mode", ["drv", "skb"])
def test_a_mode_is_chosen_by_its_name(lab, only, mode):
    obj = only("attach_net", "xdp_count")
    with obj.programs["xdp_count"].attach_xdp("eth0", mode=mode, netns=lab.here) as link:
        lab.exchange(3)
        assert obj.variables["hits"] == 3
        assert [(each.hook, each.link_id) for each in net.attached("eth0", netns=lab.here)] == [
            (f"xdp/{mode}", link.info.id)
        ]


def test_a_mode_is_chosen_by_its_flag(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", flags=bpf.XdpFlags.SKB_MODE, netns=lab.here):
        assert net.xdp_query("eth0", netns=lab.here).attach_mode is net.XdpAttachMode.SKB


@pytest.mark.every_kernel
@pytest.mark.parametrize("flag", [bpf.XdpFlags.REPLACE, bpf.XdpFlags.UPDATE_IF_NOEXIST])
def test_a_link_is_said_to_take_no_flag_but_that_of_a_mode(lab, only, flag):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(bpf.LibbpfError, match=r"a link takes the flag of a mode alone.*net\.xdp_attach\(\)") as caught:
        program.attach_xdp("eth0", flags=flag, netns=lab.here)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.every_kernel
def test_a_flag_that_xdp_has_not_is_said_to_be_none(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(bpf.LibbpfError, match="hint: XDP has no such flag"):
        net.xdp_attach("eth0", program, flags=0x100, netns=lab.here)


def test_an_interface_is_given_by_its_number(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    number = lab.number(lab.here)
    with program.attach_xdp(number, netns=lab.here) as link:
        assert link.info.details["ifindex"] == number


def test_the_object_detaches_what_is_still_attached(lab, only):
    obj = only("attach_net", "xdp_count")
    obj.programs["xdp_count"].attach_xdp("eth0", netns=lab.here)
    obj.close()
    assert net.attached("eth0", netns=lab.here) == []


def test_a_link_is_updated_to_another_program(lab, only):
    obj = only("attach_net", "xdp_count", "xdp_other")
    with obj.programs["xdp_count"].attach_xdp("eth0", netns=lab.here) as link:
        link.update_program(obj.programs["xdp_other"])
        lab.exchange(2)
    assert (obj.variables["hits"], obj.variables["second_hits"]) == (0, 2)


def test_who_is_there_already_is_named(lab, only):
    obj = only("attach_net", "xdp_count", "xdp_other")
    first, second = obj.programs["xdp_count"], obj.programs["xdp_other"]
    with first.attach_xdp("eth0", netns=lab.here) as link:
        with pytest.raises(bpf.LibbpfError) as caught:
            second.attach_xdp("eth0", netns=lab.here)
        assert caught.value.errno == errno.EBUSY
        there = f"program {first.id} ('xdp_count') in driver mode by link {link.info.id} is attached there already"
        assert there in str(caught.value)


@pytest.fixture
def two_loopbacks(lab, only):
    """Give a program, and the link by which the loopback of one namespace has it; that of the other has none yet."""
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("lo", mode="skb", netns=lab.here) as link:
        yield program, link


@pytest.mark.every_kernel
def test_a_program_without_a_link_is_not_said_to_have_that_of_another_namespace(lab, two_loopbacks):
    program, link = two_loopbacks
    net.xdp_attach("lo", program, mode="skb", netns=lab.there)
    assert [each.link_id for each in net.attached("lo", netns=lab.there)] == [None]
    assert [each.link_id for each in net.attached("lo", netns=lab.here)] == [link.info.id]
    with pytest.raises(bpf.LibbpfError, match=r"\('xdp_count'\) in skb mode is attached there already"):
        program.attach_xdp("lo", mode="skb", netns=lab.there)


@pytest.mark.every_kernel
def test_which_of_two_links_of_two_namespaces_it_is_is_not_said(lab, two_loopbacks):
    program, _ = two_loopbacks
    with program.attach_xdp("lo", mode="skb", netns=lab.there):
        assert [net.attached("lo", netns=each)[0].link_id for each in (lab.here, lab.there)] == [None, None]
        with pytest.raises(bpf.LibbpfError, match=r"in skb mode by a link is attached there already"):
            program.attach_xdp("lo", mode="skb", netns=lab.there)


def test_asking_for_a_link_says_and_changes_nothing(lab, two_loopbacks, caplog):
    program, _ = two_loopbacks
    net.xdp_attach("lo", program, mode="skb", netns=lab.there)
    for each in (lab.here, lab.there):
        # In one thread: what was said in the first call would come out with the second one.
        lab.run(each, lambda: [net.attached("lo"), net.attached("lo")])
        assert net.xdp_query_id("lo", mode="skb", netns=each) == program.id
    assert caplog.records == []


@pytest.mark.needs("xdp_frags")
def test_a_packet_in_several_buffers_is_for_programs_that_know_of_frags(lab, only):
    obj = only("attach_net", "xdp_frags", "xdp_count")
    for namespace in (lab.here, lab.there):
        lab.ip("-n", namespace, "link", "set", "eth0", "mtu", "9000")
    with pytest.raises(bpf.LibbpfError, match=r"xdp\.frags"):
        obj.programs["xdp_count"].attach_xdp("eth0", mode="drv", netns=lab.here)
    with obj.programs["xdp_frags"].attach_xdp("eth0", mode="drv", netns=lab.here):
        lab.exchange(2, size=8000)
    assert obj.variables["hits"] == 2


def test_a_mode_that_the_driver_lacks_is_explained(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(bpf.LibbpfError, match=r"the mode hw is for|takes no program into the hardware"):
        program.attach_xdp("eth0", mode="hw", netns=lab.here)


def test_an_unknown_interface_is_named_with_what_comes_close(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    why = r"(?s)find the network device 'eht0'.*has no 'eht0'; close names: 'eth0'"
    with pytest.raises(bpf.LibbpfError, match=why) as caught:
        program.attach_xdp("eht0", netns=lab.here)
    assert caught.value.errno == errno.ENODEV


def test_the_number_of_no_interface_is_explained(root, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(bpf.LibbpfError, match="no interface of that number"):
        program.attach_xdp(999_999)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("tc_count", r"attach_tcx\(\), or net\.TcHook, attaches it"),
        ("xdp_on_device", "a value of a devmap"),
        ("socket_none", r"attach_socket\(\)"),
    ],
)
def test_a_program_of_another_kind_is_told_its_method(root, only, name, advice):
    with pytest.raises(bpf.LibbpfError, match=advice) as caught:
        only("attach_net", name).programs[name].attach_xdp("lo")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("name", "method"), [("on_tracepoint", "attach_tracepoint"), ("on_raw", "attach_raw_tracepoint")]
)
def test_a_program_that_is_none_of_the_network_is_told_its_method(loaded, tracefs, cgroup, name, method):
    program = loaded("basic").programs[name]
    for attach, target in ((program.attach_xdp, "lo"), (program.attach_tcx, "lo"), (program.attach_cgroup, cgroup)):
        with pytest.raises(bpf.LibbpfError, match=rf"{method}\(\) attaches it"):
            attach(target)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "fast"}, "mode must be one of drv"),
        ({"mode": "skb", "flags": 4}, "one mode of XDP at a time"),
        ({"flags": -1}, "flags must be from 0"),
    ],
)
def test_what_no_mode_can_be_is_refused(root, only, options, problem):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(ValueError, match=problem):
        program.attach_xdp("lo", **options)


def test_attaching_belongs_after_load(root, opened):
    with pytest.raises(bpf.StateError, match="load it first"):
        opened("attach_net").programs["xdp_count"].attach_xdp("lo")


# Namespaces


def test_this_thread_stays_in_its_namespace(lab, only):
    before = os.stat("/proc/thread-self/ns/net").st_ino
    only("attach_net", "xdp_count").programs["xdp_count"].attach_xdp("eth0", netns=lab.here).close()
    assert os.stat("/proc/thread-self/ns/net").st_ino == before


def test_a_namespace_is_not_entered_in_the_middle_of_another_call(lab, only):
    # As a signal handler would: the thread that enters it would wait for ever for the lock that this one has.
    obj = only("attach_net", "xdp_count")
    with bpf.pointer(obj), pytest.raises(bpf.StateError, match="cannot enter another network namespace"):
        obj.programs["xdp_count"].attach_xdp("eth0", netns=lab.here)


def test_what_a_ctrl_c_comes_before_is_attached_to_nothing(lab):
    interrupted, closed = threading.Event(), threading.Event()

    class Made:
        def close(self):
            closed.set()

    def make():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert interrupted.wait(20)
        return Made()

    def handler(*_):
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            in_netns(lab.here, make)
        assert closed.wait(20)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_namespace_is_given_by_its_path(lab, only):
    with only("attach_net", "xdp_count").programs["xdp_count"].attach_xdp("eth0", netns=f"/run/netns/{lab.here}"):
        assert net.xdp_query_id("eth0", netns=lab.here)


def test_an_unknown_namespace_is_named_with_what_comes_close(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    why = rf"(?s)open network namespace '{lab.here}x'.*; close names: '{lab.here}'"
    with pytest.raises(bpf.LibbpfError, match=why):
        program.attach_xdp("eth0", netns=f"{lab.here}x")


def test_a_process_in_the_place_of_a_descriptor_is_told_its_path(root, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with pytest.raises(bpf.LibbpfError, match=r"that of process 4194303 is '/proc/4194303/ns/net'"):
        program.attach_xdp("lo", netns=4194303)


def test_a_namespace_is_that_of_a_process_by_its_number(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    command = ["ip", "netns", "exec", lab.here, "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(b"there\n")
        process.stdin.flush()
        process.stdout.readline()
        with program.attach_xdp("eth0", netns=str(process.pid)):
            assert net.xdp_query_id("eth0", netns=lab.here) == program.id
    with pytest.raises(bpf.LibbpfError, match=r"(?s)network namespace of process 4194303.*there is no such process"):
        program.attach_xdp("lo", netns="4194303")


def test_a_file_that_is_no_namespace_is_explained(root):
    with pytest.raises(bpf.LibbpfError, match="that file is no network namespace"):
        net.attached("lo", netns="/dev/null")


# Netlink


@pytest.mark.every_kernel
def test_what_netlink_attaches_stays_until_it_is_detached(lab, only):
    obj = only("attach_net", "xdp_count")
    net.xdp_attach("eth0", obj.programs["xdp_count"], netns=lab.here)
    number = obj.programs["xdp_count"].id
    lab.exchange(2)
    assert obj.variables["hits"] == 2
    obj.close()
    assert [each.prog_id for each in net.attached("eth0", netns=lab.here)] == [number]
    net.xdp_detach("eth0", netns=lab.here)
    assert net.xdp_query_id("eth0", netns=lab.here) == 0


def test_netlink_replaces_the_program_that_it_expects(lab, only):
    obj = only("attach_net", "xdp_count", "xdp_other")
    first, second = obj.programs["xdp_count"], obj.programs["xdp_other"]
    net.xdp_attach("eth0", first, mode="skb", netns=lab.here)
    net.xdp_attach("eth0", second, mode="skb", old_prog_fd=first, netns=lab.here)
    assert net.xdp_query_id("eth0", mode="skb", netns=lab.here) == second.id
    with pytest.raises(bpf.LibbpfError, match=r"\('xdp_other'\) in skb mode is attached there already"):
        net.xdp_attach("eth0", first, mode="skb", old_prog_fd=first, netns=lab.here)
    net.xdp_detach("eth0", mode="skb", old_prog_fd=second, netns=lab.here)
    assert net.xdp_query("eth0", netns=lab.here).attach_mode is net.XdpAttachMode.NONE


def test_netlink_replaces_nothing_if_so_asked(lab, only):
    obj = only("attach_net", "xdp_count", "xdp_other")
    net.xdp_attach("eth0", obj.programs["xdp_count"], netns=lab.here)
    with pytest.raises(bpf.LibbpfError) as caught:
        net.xdp_attach("eth0", obj.programs["xdp_other"], flags=bpf.XdpFlags.UPDATE_IF_NOEXIST, netns=lab.here)
    assert caught.value.errno == errno.EBUSY
    net.xdp_detach("eth0", netns=lab.here)


def test_netlink_does_not_take_what_a_link_holds(lab, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", netns=lab.here), pytest.raises(bpf.LibbpfError, match="by link"):
        net.xdp_detach("eth0", netns=lab.here)


@pytest.mark.needs("xdp_features")
def test_a_driver_tells_what_it_can_do(lab):
    assert net.xdp_query("eth0", netns=lab.here).feature_flags & net.XdpFeatures.BASIC


# Redirection


def test_packets_are_redirected_to_a_device(lab, only):
    # A second cable from here to there; what arrives by the first one is sent back by the second.
    obj = only("attach_net", "xdp_to_device", "xdp_on_device", "xdp_count")
    lab.ip("-n", lab.here, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", lab.there)
    for namespace in (lab.here, lab.there):
        lab.ip("-n", namespace, "link", "set", "eth1", "up")
    number = lab.number(lab.here, "eth1")
    lab.run(lab.here, lambda: obj.maps["devices"].__setitem__(0, (number, obj.programs["xdp_on_device"])))
    with (
        obj.programs["xdp_to_device"].attach_xdp("eth0", mode="drv", netns=lab.here),
        # The driver of veth takes packets from XDP only if the other end has XDP, too.
        obj.programs["xdp_count"].attach_xdp("eth1", mode="drv", netns=lab.there),
    ):
        lab.send(5)
        lab.until(lambda: obj.variables["device_hits"] == 5, "the packets to be sent on")
        # Five by the first, and the same five where the second one ends.
        lab.until(lambda: obj.variables["hits"] == 10, "the packets to arrive")


def test_packets_are_redirected_to_a_cpu(lab, only):
    obj = only("attach_net", "xdp_to_cpu", "xdp_on_cpu")
    obj.maps["cpus"][0] = 64, obj.programs["xdp_on_cpu"]
    with obj.programs["xdp_to_cpu"].attach_xdp("eth0", netns=lab.here):
        # They go on from there to the socket.
        lab.exchange(5)
    assert obj.variables["hits"] == 5
    assert obj.variables["cpu_hits"] == 5


def test_an_empty_place_of_a_map_drops_packets(lab, only):
    obj = only("attach_net", "xdp_to_cpu")
    with obj.programs["xdp_to_cpu"].attach_xdp("eth0", netns=lab.here), lab.receiver() as receiver:
        lab.send(3)
        lab.until(lambda: obj.variables["hits"] == 3, "the packets")
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(100)


def test_nothing_is_left_out_of_a_name(lab, only):
    # The kernel itself looks for what is before a colon.
    with pytest.raises(bpf.LibbpfError, match="'eth0:nonsense'") as caught:
        only("attach_net", "xdp_count").programs["xdp_count"].attach_xdp("eth0:nonsense", netns=lab.here)
    assert caught.value.errno == errno.ENODEV


def test_packets_go_to_the_xdp_socket_in_a_map(lab, only):
    obj = only("attach_net", "xdp_to_socket")
    with lab.run(lab.here, lambda: XdpSocket("eth0")) as xsk:
        obj.maps["xdp_sockets"][0] = xsk.socket
        obj.programs["xdp_to_socket"].attach_xdp("eth0", netns=lab.here, mode="skb")
        lab.send(3, size=33)
        got = []
        lab.until(lambda: got.extend(xsk.receive()) or len(got) >= 3, "three packets")
        # Ethernet, IPv4 and UDP take 42 bytes.
        assert [len(packet) for packet in got] == [42 + 33] * 3
        del obj.maps["xdp_sockets"][0]
        lab.exchange(2)
        assert xsk.receive() == []


def test_an_interface_is_given_by_an_alternative_name_that_is_longer_than_any_other(lab, only):
    obj = only("attach_net", "xdp_count")
    name = "a-name-that-is-longer-than-15"
    lab.ip("-n", lab.here, "link", "property", "add", "dev", "eth0", "altname", name)
    with obj.programs["xdp_count"].attach_xdp(name, netns=lab.here) as link:
        assert link.info.details["ifindex"] == lab.number(lab.here)
    with pytest.raises(bpf.LibbpfError, match=f"find the network device '{name}x'"):
        obj.programs["xdp_count"].attach_xdp(f"{name}x", netns=lab.here)
    with pytest.raises(bpf.LibbpfError, match="No such device"):
        net.attached("\ud800" * 20)


def test_a_program_of_another_type_is_told_what_attaches_it_without_a_link_too(lab, only):
    program = only("attach_net", "tc_count").programs["tc_count"]
    with pytest.raises(bpf.LibbpfError, match=r"of type SCHED_CLS.*attach_tcx\(\), or net.TcHook, attaches it"):
        net.xdp_attach("eth0", program, mode="skb", netns=lab.here)
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    hook = net.TcHook("eth0", "ingress", netns=lab.here)
    hook.create()
    with pytest.raises(bpf.LibbpfError, match=r"of type XDP.*attach_xdp\(\)"):
        hook.attach(program)


def test_a_link_whose_interface_is_gone_says_so_when_it_is_updated(lab, only):
    obj = only("attach_net", "xdp_count")
    program = obj.programs["xdp_count"]
    with program.attach_xdp("eth0", netns=lab.here) as link:
        lab.ip("-n", lab.here, "link", "del", "eth0")
        with pytest.raises(bpf.LibbpfError, match="what it was attached to is gone"):
            link.update_program(program)
