"""What the kernel tells of classifiers: a dump by netlink, which libbpf has no call for."""

from __future__ import annotations

import errno
import struct

from ._check import failure
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    Message = tuple[int, int, int, int, dict[int, bytes]]

__all__ = ["Classifier", "classifiers", "traffic_control_hint"]

NETLINK_ROUTE = 0
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP, NLM_F_DUMP_INTR = 1, 0x300, 0x10
RTM_NEWQDISC, RTM_GETQDISC, RTM_NEWTFILTER, RTM_GETTFILTER = 36, 38, 44, 46
TCA_KIND, TCA_OPTIONS, TCA_CHAIN = 1, 2, 11
TCA_BPF_NAME, TCA_BPF_ID = 7, 11
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3

HEADER = struct.Struct("=IHHII")
TCMSG = struct.Struct("=BxxxiIII")
"""``struct tcmsg``: family, interface, handle, parent, info."""
ATTRIBUTE = struct.Struct("=HH")

TRIES = 10
"""How often a dump is begun again that something changed in the middle of."""


class Classifier:
    """A classifier of kind "bpf": the parent that it has, and what names it there."""

    __slots__ = ("chain", "handle", "name", "parent", "priority", "prog_id")

    def __init__(self, parent: int, chain: int, handle: int, priority: int, prog_id: int, name: str) -> None:
        self.parent = parent
        self.chain = chain
        self.handle = handle
        self.priority = priority
        self.prog_id = prog_id
        self.name = name


def classifiers(ifindex: int, parents: list[int] | None = None) -> list[Classifier]:
    """List the BPF classifiers of an interface, by default those of all its queueing disciplines.

    Of each parent they come by chain and priority; the kernel tells its chains in the order in which they were made.
    Those of its traffic classes have a class as their parent, and are listed only if that is asked for.
    """
    if parents is None:
        parents = []
        for index, handle, _, _, attributes in _dump(RTM_GETQDISC, RTM_NEWQDISC, ifindex, 0):
            # Before Linux 4.16 every interface's come.
            if index == ifindex and handle:
                clsact = attributes.get(TCA_KIND, b"").rstrip(b"\0") in (b"clsact", b"ingress")
                parents += [INGRESS, EGRESS] if clsact else [handle]
    found = []
    for parent in parents:
        of_parent = []
        for index, handle, _, info, attributes in _dump(RTM_GETTFILTER, RTM_NEWTFILTER, ifindex, parent):
            if index != ifindex or attributes.get(TCA_KIND) != b"bpf\0":
                continue
            options = dict(_attributes(attributes.get(TCA_OPTIONS, b"")))
            if TCA_BPF_ID in options:
                (prog_id,) = struct.unpack("=I", options[TCA_BPF_ID])
                name = options.get(TCA_BPF_NAME, b"").rstrip(b"\0").decode("utf-8", "surrogateescape")
                # Linux 4.13.
                (chain,) = struct.unpack("=I", attributes.get(TCA_CHAIN, bytes(4)))
                of_parent.append(Classifier(parent, chain, handle, info >> 16, prog_id, name))
        # Those of one priority stay as they are told, which is as they run.
        found += sorted(of_parent, key=lambda each: (each.chain, each.priority))
    return found


def _dump(ask: int, answer: int, ifindex: int, parent: int) -> list[Message]:
    import socket

    request = HEADER.pack(HEADER.size + TCMSG.size, ask, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    request += TCMSG.pack(0, ifindex, 0, parent, 0)
    action = f"list the classifiers of interface {ifindex}"
    for _ in range(TRIES):
        try:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as sock:
                sock.send(request)
                found, whole = _receive(sock, answer, action)
        except OSError as error:
            if hasattr(error, "action"):
                raise
            raise failure(refused(error), action) from None
        if whole:
            return found
    raise failure(errno.EAGAIN, action, "they change all the time")


def _receive(sock: socket.socket, answer: int, action: str) -> tuple[list[Message], bool]:
    """Give what the kernel answers, and whether nothing changed meanwhile."""
    found: list[Message] = []
    whole = True
    while True:
        data = memoryview(sock.recv(1 << 16))
        while len(data) >= HEADER.size:
            length, kind, flags, _, _ = HEADER.unpack_from(data)
            body, data = data[HEADER.size : length], data[length + 3 & ~3 :]
            whole = whole and not flags & NLM_F_DUMP_INTR
            if kind == NLMSG_DONE:
                return found, whole
            if kind == NLMSG_ERROR:
                (error,) = struct.unpack_from("=i", body)
                raise failure(-error, action, traffic_control_hint)
            if kind == answer:
                _, index, handle, parent, info = TCMSG.unpack_from(body)
                found.append((index, handle, parent, info, dict(_attributes(bytes(body[TCMSG.size :])))))


def traffic_control_hint(error: int) -> str | None:
    """Say what a kernel that refuses all of it lacks."""
    return "this kernel has no traffic control (CONFIG_NET_SCHED)" if error == errno.EOPNOTSUPP else None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        # The highest two bits are flags.
        yield kind & 0x3FFF, data[at + ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
