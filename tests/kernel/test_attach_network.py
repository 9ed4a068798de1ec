"""Attaching to network namespaces, maps of sockets and netfilter, each with packets."""

from __future__ import annotations

import errno
import os
import socket

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachType, net

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM

# Network namespaces


@pytest.mark.every_kernel
def test_a_lookup_drops_what_nobody_shall_get_until_its_link_is_closed(lab, only):
    obj = only("attach_net", "lookup")
    program = obj.programs["lookup"]
    with program.attach_netns(lab.here) as link, lab.receiver() as receiver:
        lab.send(3)
        lab.until(lambda: obj.variables["hits"] == 3, "the packets")
        inode = os.stat(f"/run/netns/{lab.here}").st_ino
        assert link.info.details == {"netns_ino": inode, "attach_type": AttachType.SK_LOOKUP}
        assert net.attached_netns(lab.here) == [net.Attached("sk_lookup", program.id, "lookup", link.info.id)]
        link.detach()
        lab.send(1, size=33)
        assert len(receiver.recv(100)) == 33
    assert net.attached_netns(lab.here) == []


@pytest.mark.every_kernel
def test_each_of_several_links_of_a_lookup_is_told(lab, only):
    program = only("attach_net", "lookup").programs["lookup"]
    with program.attach_netns(lab.here) as first, program.attach_netns(lab.here) as second:
        assert [each.link_id for each in net.attached_netns(lab.here)] == [first.info.id, second.info.id]


def test_a_namespace_is_given_by_a_process_in_it(lab, only):
    import subprocess

    program = only("attach_net", "lookup").programs["lookup"]
    command = ["ip", "netns", "exec", lab.here, "sh", "-c", "echo; read stop"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with program.attach_netns(pid=process.pid):
            assert [each.prog_name for each in net.attached_netns(lab.here)] == ["lookup"]
            assert net.attached_netns(pid=process.pid) == net.attached_netns(lab.here)
        process.stdin.close()


def test_without_a_name_it_is_this_threads_namespace(lab, only):
    program = only("attach_net", "lookup").programs["lookup"]
    lab.run(lab.here, program.attach_netns)
    assert [each.prog_name for each in net.attached_netns(lab.here)] == ["lookup"]


@pytest.mark.every_kernel
def test_a_flow_dissector_sees_packets_until_its_link_is_closed(lab, only, spread):
    # The kernel asks it for the flow of a packet that the receiver's CPU is chosen by.
    obj = only("attach_net", "dissect")
    program = obj.programs["dissect"]
    spread(lab.here)
    with program.attach_netns(lab.here) as link:
        lab.exchange(3)
        assert obj.variables["hits"] >= 3
        assert net.attached_netns(lab.here) == [net.Attached("flow_dissector", program.id, "dissect", link.info.id)]
    hits = obj.variables["hits"]
    lab.exchange(3)
    assert obj.variables["hits"] == hits


@pytest.fixture
def spread(lab):
    """Let every packet that comes in be spread over the CPUs, for which the kernel looks at its flow."""

    def over_all(namespace):
        # `ip netns exec` mounts the sysfs of that namespace.
        lab.ip("netns", "exec", namespace, "sh", "-c", "echo 3 > /sys/class/net/eth0/queues/rx-0/rps_cpus")

    return over_all


def test_a_flow_dissector_is_attached_without_a_link(lab, only):
    program = only("attach_net", "dissect").programs["dissect"]
    net.prog_attach(program, lab.here)
    assert [each.prog_name for each in net.attached_netns(lab.here)] == ["dissect"]
    net.prog_detach(program, lab.here)
    assert net.attached_netns(lab.here) == []


def test_a_second_flow_dissector_is_explained(lab, only):
    program = only("attach_net", "dissect").programs["dissect"]
    with program.attach_netns(lab.here), pytest.raises(bpf.LibbpfError, match="one flow dissector"):
        program.attach_netns(lab.here)


def test_a_process_that_is_gone_is_explained(root, only):
    program = only("attach_net", "lookup").programs["lookup"]
    with pytest.raises(bpf.LibbpfError, match=r"(?s)network namespace of process 4194303.*no such process"):
        program.attach_netns(pid=4194303)
    with pytest.raises(bpf.LibbpfError, match="File name too long"):
        program.attach_netns("9" * 5000)
    with pytest.raises(bpf.LibbpfError, match=r"(?s)'/proc/4194303/ns/net'.*no such process"):
        net.attached_netns("/proc/4194303/ns/net")
    # More than the number of any process, and no more digits.
    with pytest.raises(bpf.LibbpfError, match=r"(?s)network namespace of process 9999999999.*no such process"):
        net.attached_netns("9999999999")


def test_a_descriptor_that_is_no_namespace_is_explained(root, only):
    program = only("attach_net", "lookup").programs["lookup"]
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="not that of a network namespace"):
        program.attach_netns(file.fileno())


def test_a_number_that_is_no_descriptor_is_told_the_path_of_a_process(root, only):
    program = only("attach_net", "lookup").programs["lookup"]
    for call in (program.attach_netns, net.attached_netns):
        with pytest.raises(bpf.LibbpfError, match=r"that of process 4194303 is '/proc/4194303/ns/net'"):
            call(4194303)
    with pytest.raises(bpf.LibbpfError, match=r": 1 is not that of a .*; that of process 1 is '/proc/1/ns/net'"):
        net.attached_netns(True)


def test_a_name_and_a_process_are_one_too_many(root, only):
    with pytest.raises(ValueError, match="not by both"):
        only("attach_net", "lookup").programs["lookup"].attach_netns("name", pid=1)


# Maps of sockets


@pytest.fixture
def connection():
    """Give the two ends of a connection of TCP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        for each in (client, accepted):
            each.settimeout(20)
        yield client, accepted


@pytest.mark.needs("sockmap_link")
def test_a_message_is_seen_until_the_link_is_closed(only, connection):
    obj = only("attach_net", "message")
    program, sockets = obj.programs["message"], obj.maps["sockets"]
    with program.attach_sockmap(sockets) as link:
        sockets[0] = connection[0]
        connection[0].send(b"seen")
        assert connection[1].recv(10) == b"seen"
        assert obj.variables["hits"] == 1
        assert link.info.details == {"map_id": sockets.id, "attach_type": AttachType.SK_MSG_VERDICT}
        assert net.prog_query(sockets, AttachType.SK_MSG_VERDICT).prog_ids == (program.id,)
    sockets[0] = None
    sockets[0] = connection[0]
    connection[0].send(b"unseen")
    assert connection[1].recv(10) == b"unseen"
    assert obj.variables["hits"] == 1


@pytest.mark.needs("sockmap_link")
def test_a_socket_in_a_map_keeps_its_program_until_it_is_taken_out(only, connection):
    obj, other = only("attach_net", "message"), only("attach_net", "message")
    sockets = obj.maps["sockets"]

    def seen():
        connection[0].send(b"x")
        assert connection[1].recv(10) == b"x"
        hits = obj.variables["hits"], other.variables["hits"]
        obj.variables["hits"] = other.variables["hits"] = 0
        return hits

    def put_in_again():
        sockets[0] = None
        sockets[0] = connection[0]

    sockets[0] = connection[0]
    with obj.programs["message"].attach_sockmap(sockets) as link:
        assert seen() == (0, 0)
        put_in_again()
        link.update_program(other.programs["message"])
        assert seen() == (1, 0)
        put_in_again()
        assert seen() == (0, 1)
    assert seen() == (0, 1)
    put_in_again()
    assert seen() == (0, 0)


@pytest.mark.needs("sockmap_link")
def test_a_stream_is_parsed_and_judged(only, connection):
    obj = only("attach_net", "parser", "stream_verdict")
    with (
        obj.programs["parser"].attach_sockmap(obj.maps["sockets"]),
        obj.programs["stream_verdict"].attach_sockmap(obj.maps["sockets"]),
    ):
        obj.maps["sockets"][0] = connection[1]
        connection[0].send(b"seen")
        assert connection[1].recv(10) == b"seen"
        assert obj.variables["first_hits"] >= 1
        assert obj.variables["second_hits"] >= 1
        obj.maps["sockets"][0] = None


@pytest.mark.needs("sockmap_link")
def test_datagrams_are_judged(only):
    obj = only("attach_net", "verdict")
    with (
        obj.programs["verdict"].attach_sockmap(obj.maps["sockets"]),
        socket.socket(socket.AF_INET, UDP) as receiver,
        socket.socket(socket.AF_INET, UDP) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        obj.maps["sockets"][0] = receiver
        sender.sendto(b"seen", receiver.getsockname())
        assert receiver.recv(10) == b"seen"
        assert obj.variables["hits"] == 1


@pytest.mark.every_kernel
def test_a_message_is_seen_without_a_link(only, connection):
    obj = only("attach_net", "message")
    program, sockets = obj.programs["message"], obj.maps["sockets"]
    net.prog_attach(program, sockets)
    sockets[0] = connection[0]
    connection[0].send(b"seen")
    assert connection[1].recv(10) == b"seen"
    net.prog_detach(program, sockets)
    sockets[0] = None
    sockets[0] = connection[0]
    connection[0].send(b"unseen")
    assert connection[1].recv(10) == b"unseen"
    assert obj.variables["hits"] == 1


@pytest.mark.needs("sockmap_link")
def test_a_map_takes_one_program_of_a_kind(only):
    obj, other = only("attach_net", "message"), only("attach_net", "message")
    with (
        obj.programs["message"].attach_sockmap(obj.maps["sockets"]),
        pytest.raises(bpf.LibbpfError, match="another program of this kind is on that map") as caught,
    ):
        other.programs["message"].attach_sockmap(obj.maps["sockets"])
    assert caught.value.errno == errno.EBUSY


def test_a_section_that_says_not_what_the_program_does_is_explained(root, opened):
    obj = opened("attach_net")
    for program in obj.programs.values():
        program.autoload = program.name == "verdict"
    obj.programs["verdict"].expected_attach_type = 0
    obj.load()
    with pytest.raises(bpf.LibbpfError, match=r"does not say what it does.*sk_skb/stream_verdict") as caught:
        obj.programs["verdict"].attach_sockmap(obj.maps["sockets"])
    assert caught.value.errno == errno.EINVAL


def test_another_kind_of_map_is_explained(only):
    obj = only("attach_net", "message")
    with pytest.raises(bpf.LibbpfError, match="attached to a SockMap or a SockHash"):
        obj.programs["message"].attach_sockmap(obj.maps["devices"])
    with pytest.raises(TypeError, match="map must be a Map, not int"):
        obj.programs["message"].attach_sockmap(3)


# Netfilter


@pytest.mark.every_kernel
@pytest.mark.needs("netfilter_link")
@pytest.mark.parametrize(("pf", "hooknum"), [("ipv4", "local_in"), (2, 1)])
def test_netfilter_sees_packets_until_its_link_is_closed(lab, only, pf, hooknum):
    obj = only("attach_net", "filter")
    with obj.programs["filter"].attach_netfilter(pf=pf, hooknum=hooknum, priority=-10, netns=lab.here) as link:
        lab.exchange(3)
        assert obj.variables["hits"] >= 3
        assert link.info.details == {"pf": 2, "hooknum": 1, "priority": -10, "flags": 0}
    hits = obj.variables["hits"]
    lab.exchange(2)
    assert obj.variables["hits"] == hits


@pytest.mark.needs("netfilter_link")
def test_netfilter_can_be_asked_to_put_fragments_together(lab, only):
    obj = only("attach_net", "filter")
    flags = bpf.lib.BPF_F_NETFILTER_IP_DEFRAG
    # Its priority must be behind that of the module that does it.
    with obj.programs["filter"].attach_netfilter(
        pf="ipv4", hooknum="pre_routing", priority=-128, flags=flags, netns=lab.here
    ) as link:
        assert link.info.details["flags"] == flags
        lab.exchange(1, size=8000)


@pytest.mark.needs("netfilter_link")
def test_each_priority_of_a_hook_is_for_one(lab, only):
    obj = only("attach_net", "filter", "filter_too")
    where = {"pf": "ipv4", "hooknum": "local_in", "netns": lab.here}
    with obj.programs["filter"].attach_netfilter(**where, priority=7):
        with pytest.raises(bpf.LibbpfError, match="choose another priority"):
            obj.programs["filter_too"].attach_netfilter(**where, priority=7)
        with obj.programs["filter_too"].attach_netfilter(**where, priority=8):
            lab.exchange(2)
    assert obj.variables["second_hits"] >= 2


@pytest.mark.needs("netfilter_link")
@pytest.mark.parametrize(
    ("where", "error", "problem"),
    [
        ({"pf": "ipx", "hooknum": 0}, ValueError, "pf must be one of ipv4, ipv6"),
        ({"pf": "ipv4", "hooknum": "input"}, ValueError, "hooknum must be one of pre_routing"),
        ({"pf": "ipv4", "hooknum": 0, "priority": 1 << 31}, ValueError, "priority must be from -2147483648"),
        ({"pf": 3, "hooknum": 0}, bpf.LibbpfError, "pf is 'ipv4' or 'ipv6'"),
        ({"pf": "ipv4", "hooknum": 9}, bpf.LibbpfError, r"from 0 \(pre_routing\) to 4"),
    ],
)
def test_hooks_of_netfilter_that_cannot_be_are_refused(root, only, where, error, problem):
    with pytest.raises(error, match=problem):
        only("attach_net", "filter").programs["filter"].attach_netfilter(**where)
