"""Programs on sockets, and on routes, each with packets."""

from __future__ import annotations

import os
import socket

import pytest
from lab import HERE, PORT

import libbpf_cffi as bpf
from libbpf_cffi import net

UDP = socket.SOCK_DGRAM


@pytest.fixture
def pair():
    """Give a socket that receives, and what sends to it and tells whether that came."""
    processors = os.sched_getaffinity(0)
    sockets = [socket.socket(socket.AF_INET, UDP) for _ in range(3)]
    receiver, sender, witness = sockets
    try:
        for each in (receiver, witness):
            each.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        witness.settimeout(20)
        # What one processor sends over the loopback device arrives in order, though not always before sendto() returns.
        os.sched_setaffinity(0, {min(processors)})

        def comes():
            sender.sendto(b"x", receiver.getsockname())
            sender.sendto(b"after", witness.getsockname())
            assert witness.recv(10) == b"after"
            try:
                return receiver.recv(10) == b"x"
            except BlockingIOError:
                return False

        yield receiver, comes
    finally:
        os.sched_setaffinity(0, processors)
        for each in sockets:
            each.close()


@pytest.mark.every_kernel
def test_a_filter_drops_what_comes_until_it_is_closed(only, pair):
    receiver, comes = pair
    obj = only("attach_net", "socket_none")
    with obj.programs["socket_none"].attach_socket(receiver) as attached:
        assert not comes()
        assert obj.variables["hits"] == 1
        assert repr(attached).startswith("<SocketProgram: program 'socket_none' on socket <socket.socket")
    assert attached.closed
    assert comes()


def test_a_socket_is_given_by_its_descriptor(only, pair):
    receiver, comes = pair
    with only("attach_net", "socket_none").programs["socket_none"].attach_socket(receiver.fileno()):
        assert not comes()
    assert comes()


def test_the_object_takes_its_filters_away(only, pair):
    receiver, comes = pair
    obj = only("attach_net", "socket_none")
    obj.programs["socket_none"].attach_socket(receiver)
    obj.close()
    assert comes()


def test_a_socket_may_be_closed_before_its_filter(only):
    program = only("attach_net", "socket_none").programs["socket_none"]
    with socket.socket(socket.AF_INET, UDP) as sock:
        attached = program.attach_socket(sock)
    attached.close()
    assert attached.closed


def test_another_socket_of_the_same_number_keeps_its_filter(only, pair):
    receiver, comes = pair
    first, second = only("attach_net", "socket_none"), only("attach_net", "socket_none")
    with socket.socket(socket.AF_INET, UDP) as gone:
        attached = first.programs["socket_none"].attach_socket(gone)
        number = gone.fileno()
    os.dup2(receiver.fileno(), number)
    try:
        with second.programs["socket_none"].attach_socket(receiver):
            attached.close()
            assert not comes()
    finally:
        os.close(number)


def test_a_filter_is_closed_twice(only, pair):
    attached = only("attach_net", "socket_none").programs["socket_none"].attach_socket(pair[0])
    attached.close()
    attached.close()
    with pytest.raises(bpf.ClosedError), attached:
        pass


def test_a_forked_child_leaves_the_filter_alone(only, pair, in_fork):
    receiver, comes = pair
    with only("attach_net", "socket_none").programs["socket_none"].attach_socket(receiver) as attached:

        def child():
            attached.close()
            return attached.closed

        assert in_fork(child) == "True"
        assert not comes()


@pytest.fixture
def group():
    """Give two sockets that share a port, and what sends many to it and tells which get them."""
    sockets = []
    try:
        for _ in range(2):
            made = socket.socket(socket.AF_INET, UDP)
            sockets.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(("127.0.0.1", 0 if len(sockets) == 1 else sockets[0].getsockname()[1]))
            made.setblocking(False)

        def counts():
            for _ in range(40):
                # Each of a port of its own, by which the kernel chooses by itself.
                with socket.socket(socket.AF_INET, UDP) as sender:
                    sender.sendto(b"x", sockets[0].getsockname())
            found = [0, 0]
            for at, each in enumerate(sockets):
                try:
                    while each.recv(10):
                        found[at] += 1
                except BlockingIOError:
                    pass
            return found

        yield sockets, counts
    finally:
        for each in sockets:
            each.close()


@pytest.mark.parametrize("name", ["choose", "socket_second"])
def test_a_program_chooses_the_socket_of_a_port_until_it_is_closed(only, group, name):
    sockets, counts = group
    obj = only("attach_net", name)
    for at, each in enumerate(sockets):
        obj.maps["sharing"][at] = each
    with obj.programs[name].attach_socket(sockets[0], reuseport=True if name == "socket_second" else None):
        assert counts() == [0, 40]
        assert obj.variables["hits"] == 40
    assert min(counts()) > 0
    assert obj.variables["hits"] == 40


def test_a_socket_that_shares_no_port_is_explained(only, pair):
    with pytest.raises(bpf.LibbpfError, match="must have SO_REUSEPORT before it is bound"):
        only("attach_net", "choose").programs["choose"].attach_socket(pair[0])


def test_what_is_no_socket_is_explained(only):
    program = only("attach_net", "socket_none").programs["socket_none"]
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="that descriptor is not a socket's"):
        program.attach_socket(file.fileno())
    with pytest.raises(TypeError, match="as an object with fileno"):
        program.attach_socket("eth0")
    with socket.socket() as closed:
        pass
    with pytest.raises(ValueError, match="is closed"):
        program.attach_socket(closed)


# Routes: by `ip`


@pytest.mark.needs("lwt")
@pytest.mark.parametrize(("name", "where"), [("route_in", "in"), ("route_out", "out"), ("route_xmit", "xmit")])
def test_a_route_runs_a_program_that_was_pinned(lab, only, pins, name, where):
    obj = only("attach_net", name)
    obj.programs[name].pin(pins / "route")
    encapsulation = ["encap", "bpf", where, "pinned", str(pins / "route")]
    if where == "in":
        # What comes in has a route to this machine itself.
        route = ["local", HERE, *encapsulation, "dev", "eth0", "table", "local"]
        lab.route(lab.here, "replace", *route)
        lab.exchange(3)
        assert obj.variables["hits"] >= 3
        lab.ip("-n", lab.here, "route", "replace", "local", HERE, "dev", "eth0", "table", "local")
    else:
        lab.route(lab.there, "add", f"{HERE}/32", *encapsulation, "dev", "eth0")
        lab.exchange(3)
        assert obj.variables["hits"] >= 3
        lab.ip("-n", lab.there, "route", "del", f"{HERE}/32")
    hits = obj.variables["hits"]
    lab.exchange(2)
    assert obj.variables["hits"] == hits


@pytest.mark.needs("segment_routing")
def test_a_segment_of_a_route_runs_a_program_that_was_pinned(lab, only, pins):
    obj = only("attach_net", "route_segment")
    obj.programs["route_segment"].pin(pins / "route")
    for namespace, address in ((lab.here, "fd99::1"), (lab.there, "fd99::2")):
        lab.ip("-n", namespace, "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        lab.ip("netns", "exec", namespace, "sh", "-c", "echo 1 | tee /proc/sys/net/ipv6/conf/*/seg6_enabled")
    # From there a packet for fdaa::1 goes by the segment fdbb::1, which is here.
    lab.ip("-n", lab.there, "-6", "route", "add", "fdbb::/64", "via", "fd99::1")
    segments = ["encap", "seg6", "mode", "encap", "segs", "fdbb::1,fdbb::2", "dev", "eth0"]
    lab.ip("-n", lab.there, "-6", "route", "add", "fdaa::1", *segments)
    action = ["encap", "seg6local", "action", "End.BPF", "endpoint", "pinned", str(pins / "route")]
    lab.route(lab.here, "add", "fdbb::1", *action, "dev", "eth0", family="-6")
    with lab.socket(lab.there, socket.AF_INET6, UDP) as sender:
        for _ in range(3):
            sender.sendto(b"x", ("fdaa::1", PORT))
    lab.until(lambda: obj.variables["hits"] == 3, "the packets")


def test_a_program_of_routes_is_told_the_command(only):
    program = only("attach_net", "route_in").programs["route_in"]
    with pytest.raises(bpf.LibbpfError, match="ip route … encap bpf in pinned PATH"):
        program.attach_netns()


# Infrared


def test_a_device_that_is_no_receiver_is_explained(root):
    with pytest.raises(bpf.LibbpfError, match="must be one of infrared receivers"):
        net.prog_query("/dev/null", bpf.AttachType.LIRC_MODE2)
    with pytest.raises(bpf.LibbpfError, match="open device '/dev/lirc-no'"):
        net.prog_query("/dev/lirc-no", bpf.AttachType.LIRC_MODE2)
