"""Two network namespaces with a cable between them, for tests that send packets."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import subprocess
import threading
import time
from typing import TYPE_CHECKING

from libbpf_cffi import lib

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

PORT = 4711
"""What the programs of attach_net.bpf.c look for."""

HERE, THERE = "10.99.0.1", "10.99.0.2"
DEADLINE = 20.0
SO_NO_CHECK = 11

RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE_ACK = 16, 0x605
IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD, IFLA_INFO_KIND, IFLA_INFO_DATA = 3, 18, 28, 1, 2

_numbers = itertools.count()


def attribute(kind: int, data: bytes) -> bytes:
    """Give an attribute of netlink."""
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


class Lab:
    """Namespaces `here` and `there`, each with an "eth0", at 10.99.0.1 and 10.99.0.2."""

    def __init__(self, kind: str = "veth") -> None:
        number = next(_numbers)
        self.here, self.there = (f"lbc-{side}-{os.getpid()}-{number}" for side in ("here", "there"))
        self.kind = kind

    def __enter__(self) -> Self:
        for name in (self.here, self.there):
            self.ip("netns", "add", name)
        if self.kind == "netkit":
            self.run(self.here, self._add_netkit)
        else:
            peer = ["peer", "name", "eth0", "netns", self.there]
            self.ip("link", "add", "eth0", "netns", self.here, "type", self.kind, *peer)
        for name, address in ((self.here, HERE), (self.there, THERE)):
            self.ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self.ip("-n", name, "link", "set", device, "up")
        return self

    def _add_netkit(self) -> None:
        """Make a pair of netkit devices that have Ethernet; an older `ip` does not know the kind."""
        with open(f"/run/netns/{self.there}", "rb") as there:
            name = attribute(IFLA_IFNAME, b"eth0\0")
            device = struct.pack("=BxHiII", 0, 0, 0, 0, 0)
            peer = device + name + attribute(IFLA_NET_NS_FD, struct.pack("=I", there.fileno()))
            data = attribute(lib.IFLA_NETKIT_MODE, struct.pack("=I", lib.NETKIT_L2))
            data += attribute(lib.IFLA_NETKIT_PEER_INFO, peer)
            kind = attribute(IFLA_INFO_KIND, b"netkit\0") + attribute(IFLA_INFO_DATA, data)
            body = device + name + attribute(IFLA_LINKINFO, kind)
            request = struct.pack("=IHHII", 16 + len(body), RTM_NEWLINK, NLM_F_CREATE_EXCLUSIVE_ACK, 1, 0) + body
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
                sock.send(request)
                (error,) = struct.unpack_from("=i", sock.recv(4096), 16)
        assert error == 0, f"no netkit devices: {os.strerror(-error)}"

    def __exit__(self, *_: object) -> None:
        for name in (self.here, self.there):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    @staticmethod
    def ip(*arguments: str) -> str:
        """Run `ip`."""
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    @staticmethod
    def route(namespace: str, *arguments: str, family: str = "-4") -> None:
        """Run `ip route` in a namespace, with the mounts of this process: `ip -n` has a /sys of its own."""
        command = ["nsenter", f"--net=/run/netns/{namespace}", "ip", family, "route", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    @staticmethod
    def tc(namespace: str, *arguments: str) -> str:
        """Run `tc` in a namespace."""
        return subprocess.run(["tc", "-n", namespace, *arguments], capture_output=True, text=True, check=True).stdout

    def run(self, namespace: str, function: Callable[[], object]) -> object:
        """Call a function in a namespace, in a thread of its own; its exception is raised here."""
        results: list[object] = []
        errors: list[BaseException] = []

        def body() -> None:
            try:
                with open(f"/run/netns/{namespace}", "rb") as file:
                    assert lib.lbc_enter_netns(file.fileno()) == 0
                results.append(function())
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if errors:
            raise errors.pop()
        return results[0]

    def number(self, namespace: str, interface: str = "eth0") -> int:
        """Give the number of an interface."""
        made = self.run(namespace, lambda: socket.if_nametoindex(interface))
        assert isinstance(made, int)
        return made

    @staticmethod
    def until(happened: Callable[[], object], what: str) -> None:
        """Wait for what nobody announces."""
        deadline = time.monotonic() + DEADLINE
        while not happened():
            assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
            time.sleep(0.002)

    def socket(self, namespace: str, *arguments: int) -> socket.socket:
        """Open a socket in a namespace."""
        made = self.run(namespace, lambda: socket.socket(*arguments))
        assert isinstance(made, socket.socket)
        made.settimeout(DEADLINE)
        return made

    def receiver(self) -> socket.socket:
        """Open what receives, here."""
        made = self.socket(self.here, socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((HERE, PORT))
        return made

    def send(self, count: int = 1, size: int = 20) -> None:
        """Send datagrams from there to here."""
        with self.socket(self.there, socket.AF_INET, socket.SOCK_DGRAM) as sender:
            # A checksum that the card is to make is never made for a packet that XDP redirects.
            sender.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
            for _ in range(count):
                sender.sendto(bytes(size), (HERE, PORT))

    def send_back(self, count: int = 1) -> None:
        """Send datagrams from here to there, where nobody listens."""
        with self.socket(self.here, socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(count):
                sender.sendto(b"back", (THERE, PORT))

    def exchange(self, count: int = 1, size: int = 20) -> None:
        """Send datagrams from there to here, and wait until all of them have come."""
        with self.receiver() as receiver:
            self.send(count, size)
            for _ in range(count):
                assert len(receiver.recv(1 << 16)) == size
