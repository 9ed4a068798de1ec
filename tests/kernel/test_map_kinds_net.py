"""Maps of devices, CPUs and sockets."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys

import pytest

import libbpf_cffi as bpf

SO_COOKIE = 57
AF_XDP, SOL_XDP, XDP_RX_RING, XDP_UMEM_FILL_RING = 44, 283, 2, 5

pytestmark = pytest.mark.needs("map:BLOOM_FILTER", "btf")
"""What map_uses.bpf.c has; the youngest type of map in it came with Linux 5.16."""


@pytest.fixture
def connection():
    """Give the two ends of a connection of TCP."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        yield client, accepted


def cookie(sock: socket.socket) -> int:
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


# Devices


def test_a_device_is_written_by_name_and_read_with_its_number(create):
    devices = create("devmap", max_entries=4)
    devices[0] = "lo"
    assert devices[0] == (1, "lo", None)
    assert list(devices) == [(1, "lo", None), None, None, None]


def test_a_device_is_written_by_number(create):
    devices = create("devmap", max_entries=4)
    devices[3] = 1
    assert devices[3].name == "lo"


@pytest.mark.parametrize(("kind", "value"), [("devmap", "lo"), ("cpumap", 64)])
def test_emptying_an_empty_place_is_a_key_error(create, kind, value):
    made = create(kind, max_entries=4)
    made[1] = value
    del made[1]
    with pytest.raises(KeyError, match="1"):
        del made[1]


@pytest.mark.parametrize("size", [4, 8])
def test_the_values_of_a_devmap_have_4_or_8_bytes(create, size):
    devices = create("devmap", value=size, max_entries=4)
    devices[0] = "lo"
    assert devices.to_dict() == {0: (1, "lo", None)}


def test_a_device_has_a_program_behind_it(create, loaded):
    devices = create("devmap", max_entries=4)
    program = loaded("map_uses").programs["on_device"]
    devices[0] = "lo", program
    assert devices[0].prog_id == program.id


def test_a_hash_of_devices_is_a_mutable_mapping(create, loaded):
    devices = create("devmap_hash", max_entries=4)
    program = loaded("map_uses").programs["on_device"]
    devices.update({1000: "lo", 2000: ("lo", program)})
    assert dict(devices.items()) == {1000: (1, "lo", None), 2000: (1, "lo", program.id)}
    assert devices.pop(1000).name == "lo"
    del devices[2000]
    assert not devices


def test_an_unknown_device_is_named(create):
    with pytest.raises(bpf.LibbpfError, match="find the network device 'no-such'") as caught:
        create("devmap", max_entries=4)[0] = "no-such"
    assert caught.value.errno == errno.ENODEV


def test_the_number_of_no_device_is_explained(create):
    with pytest.raises(bpf.LibbpfError, match="this network namespace has no such device"):
        create("devmap", max_entries=4)[0] = 999_999


def test_a_program_of_another_type_is_explained(create, loaded):
    with pytest.raises(bpf.LibbpfError, match=r"the program is not of SEC\('xdp/devmap'\)"):
        create("devmap", max_entries=4)[0] = "lo", loaded("map_uses").programs["jump"]


def test_a_program_needs_values_of_8_bytes(create, loaded):
    with pytest.raises(ValueError, match="have 4 bytes: a device with a program needs 8"):
        create("devmap", value=4, max_entries=4)[0] = "lo", loaded("map_uses").programs["on_device"]


def test_a_device_that_this_namespace_does_not_have_has_no_name(root, python):
    code = """
import ctypes, os, subprocess
import libbpf_cffi as bpf
libc = ctypes.CDLL(None, use_errno=True)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
assert libc.unshare(0x40000000) == 0
there = os.open("/proc/self/ns/net", os.O_RDONLY)
subprocess.run(["ip", "link", "add", "lbc0", "index", "99999", "type", "veth", "peer", "name", "lbc1"], check=True)
with bpf.Map.create("devmap", max_entries=1) as devices:
    devices[0] = "lbc0"
    assert libc.setns(home, 0) == 0
    print(devices[0])
"""
    assert python(code).strip() == "DevEntry(ifindex=99999, name=None, prog_id=None)"


def test_a_device_that_goes_away_leaves_the_map(root, python):
    code = """
import ctypes, subprocess, time
import libbpf_cffi as bpf
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x40000000) == 0
subprocess.run(["ip", "link", "add", "lbc0", "type", "veth", "peer", "name", "lbc1"], check=True)
with bpf.Map.create("devmap", max_entries=1) as devices:
    devices[0] = "lbc0"
    subprocess.run(["ip", "link", "del", "lbc0"], check=True)
    deadline = time.monotonic() + 20
    while devices[0] is not None and time.monotonic() < deadline:
        pass
    print(devices[0])
"""
    assert python(code).strip() == "None"


# CPUs


def test_a_queue_to_a_cpu_has_a_size(create):
    cpus = create("cpumap", max_entries=4)
    cpus[0] = 64
    assert cpus[0] == (64, None)
    assert cpus[1] is None
    del cpus[0]
    assert cpus.to_dict() == {}


def test_a_queue_to_a_cpu_has_a_program(create, loaded):
    cpus = create("cpumap", max_entries=4)
    program = loaded("map_uses").programs["on_cpu"]
    cpus[0] = 64, program
    assert cpus[0] == (64, program.id)


def test_a_queue_that_is_too_long_is_explained(create):
    with pytest.raises(bpf.LibbpfError, match="at most 16384 packets"):
        create("cpumap", max_entries=4)[0] = 20_000


def test_a_cpu_that_is_not_there_is_explained(create):
    # The kernel allows a few more places than there are CPUs (NR_CPUS).
    cpus = create("cpumap", max_entries=bpf.lib.libbpf_num_possible_cpus() + 1)
    with pytest.raises(bpf.LibbpfError, match="there is no such CPU"):
        cpus[-1] = 64


# Sockets


def test_a_socket_is_read_as_its_cookie(create, connection):
    sockets = create("sockmap", max_entries=4)
    sockets[2] = connection[0]
    assert list(sockets) == [None, None, cookie(connection[0]), None]


def test_a_hash_of_sockets_is_a_mutable_mapping(create, connection):
    sockets = create("sockhash", key={"ip": "u32", "port": "u16"}, max_entries=4)
    sockets[1, 80] = connection[0]
    assert list(sockets.values()) == [cookie(connection[0])]
    del sockets[1, 80]
    assert len(sockets) == 0


def test_a_socket_that_is_closed_leaves_the_map(create, until):
    sockets = create("sockmap", max_entries=4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        sockets[0] = client
        client.close()
        until(lambda: sockets[0] is None, "the socket to leave the map")


def test_reading_sockets_needs_values_of_8_bytes(create, connection):
    sockets = create("sockmap", value=4, max_entries=4)
    sockets[0] = connection[0]
    with pytest.raises(bpf.LibbpfError, match="values of this map must have 8 bytes"):
        sockets[0]


def test_a_socket_that_is_not_connected_is_explained(create):
    with socket.socket() as alone, pytest.raises(bpf.LibbpfError, match="TCP sockets that are connected"):
        create("sockmap", max_entries=4)[0] = alone


def test_a_socket_of_udp_is_said_to_need_an_address(create):
    sockets = create("sockmap", max_entries=4)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as alone:
        said = ""
        try:
            sockets[0] = alone
        except bpf.LibbpfError as refused:
            said = str(refused)
        # Some versions of Linux take it as it is.
        assert not said or f"errno {errno.EOPNOTSUPP}" in said
        assert not said or "UDP sockets that are bound (bind() it first)" in said
        alone.bind(("127.0.0.1", 0))
        sockets[0] = alone
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected:
        connected.connect(("127.0.0.1", 9))
        sockets[1] = connected


def test_a_file_is_no_socket(create):
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="that is no socket"):
        create("sockmap", max_entries=4)[0] = file


def test_a_closed_socket_is_refused(create):
    with socket.socket() as closed:
        pass
    with pytest.raises(ValueError, match="is closed"):
        create("sockmap", max_entries=4)[0] = closed


def test_a_listening_socket_shares_its_port_by_a_map(create):
    sockets = create("reuseport_sockarray", max_entries=4)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        sockets[1] = server
        assert sockets.to_dict() == {1: cookie(server)}
        with pytest.raises(bpf.LibbpfError, match="in such a map already"):
            sockets[2] = server
        del sockets[1]
        assert sockets[1] is None


def test_a_socket_that_shares_no_port_is_explained(create, connection):
    with pytest.raises(bpf.LibbpfError, match="must have SO_REUSEPORT"):
        create("reuseport_sockarray", max_entries=4)[0] = connection[0]


@pytest.fixture
def xdp_socket(root):
    """Open a socket of AF_XDP with a fill ring and a ring to receive."""
    with socket.socket(AF_XDP, socket.SOCK_RAW) as sock:
        sock.setsockopt(SOL_XDP, XDP_UMEM_FILL_RING, struct.pack("i", 64))
        # Without it Linux 7.3 says ENOBUFS.
        sock.setsockopt(SOL_XDP, XDP_RX_RING, struct.pack("i", 64))
        yield sock


def test_a_socket_of_xdp_is_put_into_a_map_and_taken_out(create, xdp_socket):
    sockets = create("xskmap", max_entries=4)
    sockets[1] = xdp_socket
    del sockets[1]
    sockets.clear()


def test_what_is_in_a_map_of_xdp_sockets_is_not_told(create, xdp_socket):
    sockets = create("xskmap", max_entries=4)
    sockets[0] = xdp_socket
    for read in (lambda: sockets[0], sockets.to_dict, lambda: list(sockets.items()), lambda: sockets.lookup_elem(0)):
        with pytest.raises(bpf.NotSupportedError, match="the kernel does not tell"):
            read()


def test_a_socket_of_another_family_is_explained(create, connection):
    with pytest.raises(bpf.LibbpfError, match="not one of AF_XDP"):
        create("xskmap", max_entries=4)[0] = connection[0]


def test_no_descriptor_is_left(create, connection, loaded):
    program = loaded("map_uses").programs["on_device"]
    sockets, devices = create("sockmap", max_entries=4), create("devmap", max_entries=4)
    before = os.listdir("/proc/self/fd")
    sockets[0] = connection[0]
    devices[0] = "lo", program
    with pytest.raises(bpf.LibbpfError):
        devices[0] = 999_999, program
    assert os.listdir("/proc/self/fd") == before
