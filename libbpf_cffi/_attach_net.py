"""Attaching to the network: interfaces, namespaces, sockets. Control groups are in `_attach_cgroup`."""

from __future__ import annotations

from . import _targets
from ._attach_cgroup import CgroupAttach
from ._attach_place import Place
from ._borrow import Descriptors
from ._ffi import Options, boolean, lib, signed
from ._net_names import netfilter_family, netfilter_hook, xdp_flags
from ._targets import Opened, in_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from ._attach_place import Neighbour
    from ._map import Map
    from ._socket import SocketProgram
    from ._targets import Netns
    from .links import Link

__all__ = ["NetAttach"]

NETNS_TYPES = (lib.BPF_PROG_TYPE_SK_LOOKUP, lib.BPF_PROG_TYPE_FLOW_DISSECTOR)
NOT_FOR_INTERFACES = (lib.BPF_XDP_DEVMAP, lib.BPF_XDP_CPUMAP)
SOCKET_TYPES = (lib.BPF_PROG_TYPE_SOCKET_FILTER, lib.BPF_PROG_TYPE_SK_REUSEPORT)
SOCKMAP_TYPES = (lib.BPF_PROG_TYPE_SK_SKB, lib.BPF_PROG_TYPE_SK_MSG)
TCX = (lib.BPF_TCX_INGRESS, lib.BPF_TCX_EGRESS)
NETKIT = (lib.BPF_NETKIT_PRIMARY, lib.BPF_NETKIT_PEER)


class NetAttach(CgroupAttach):
    """Attaching to the network: interfaces, namespaces, sockets, control groups."""

    __slots__ = ()

    def attach_xdp(
        self, interface: str | int, *, mode: str | None = None, flags: int = 0, netns: Netns = None
    ) -> Link:
        """Attach the program to an interface, such as ``"eth0"`` or its number, and return the link.

        *Wraps* ``bpf_program__attach_xdp()``, and with `mode` or `flags` the call that it makes. `mode` is "drv" (the
        driver runs it, before there is a packet buffer), "skb" (the kernel does, on any interface) or "hw" (the card
        does); without it the kernel takes the driver's where there is one. `flags` are of `XdpFlags`, those of the
        modes. `netns` is the network namespace of the interface, if it is another one: a name of ``ip netns``, the
        number of a process in text, a path, a descriptor.
        An interface has one such program in a mode. Linux 5.9; before, `net.xdp_attach`.
        """
        kind, attach_type = self._kind(f"attach program {self.name!r} to {interface!r}")
        right = kind == lib.BPF_PROG_TYPE_XDP and attach_type not in NOT_FOR_INTERFACES
        self._must_be(right, repr(interface), kind, attach_type)
        return in_netns(netns, self._attach_xdp, interface, xdp_flags(mode, flags), uses=(self,))

    def _attach_xdp(self, interface: str | int, flags: int) -> Link:
        ifindex = _targets.interface(interface)

        def hint(error: int) -> str | None:
            from ._net_hints import xdp_hint

            return xdp_hint(error, ifindex, flags, lib.bpf_program__fd(self._pointer), link=True)

        if not flags:
            return self._link(lib.bpf_program__attach_xdp, ifindex, to=repr(interface), hint=hint)
        return self._link(lib.lbc_attach_xdp, ifindex, flags, to=repr(interface), hint=hint)

    def attach_tcx(
        self,
        interface: str | int,
        *,
        flags: int = 0,
        relative_fd: int = 0,
        relative_id: int = 0,
        expected_revision: int = 0,
        before: Neighbour = None,
        after: Neighbour = None,
        netns: Netns = None,
    ) -> Link:
        """Attach the program to what comes in by an interface, or goes out by it, and return the link.

        *Wraps* ``bpf_program__attach_tcx()``. The program is of ``SEC("tcx/ingress")`` or ``SEC("tcx/egress")``. The
        programs of an interface run one after the other until one returns anything but ``TCX_NEXT``; this one is put
        last, unless `before` or `after` name a neighbour: a program, a link, or a program's id. `flags` are of
        `AttachFlags`: ``BEFORE`` alone puts it first. With `expected_revision` it is attached only if the programs
        there are still those of that revision (`net.prog_query`; ESTALE). `netns` is as in `attach_xdp`. Linux 6.6;
        before, `net.TcHook`.
        """
        kind, attach_type = self._kind(f"attach program {self.name!r} to {interface!r}")
        self._must_be(attach_type in TCX, repr(interface), kind, attach_type, _not_tcx(kind, attach_type))
        place = (flags, relative_fd, relative_id, expected_revision, before, after)
        return in_netns(netns, self._attach_tcx, interface, attach_type, place, uses=(self, before, after))

    def _attach_tcx(self, interface: str | int, attach_type: int, where: tuple[Any, ...]) -> Link:
        with Place(*where) as place:
            ifindex = _targets.interface(interface)

            def hint(error: int) -> str | None:
                from ._net_hints import mprog_hint

                lacking = "this kernel has no TCX (Linux 6.6): net.TcHook is the way of older ones"
                return mprog_hint(error, ifindex, attach_type, lacking)

            options = Options("bpf_tcx_opts", **place.fields)
            attach = lib.bpf_program__attach_tcx
            return self._link(attach, ifindex, options.pointer, to=repr(interface), hint=hint)

    def attach_netkit(
        self,
        interface: str | int,
        *,
        flags: int = 0,
        relative_fd: int = 0,
        relative_id: int = 0,
        expected_revision: int = 0,
        before: Neighbour = None,
        after: Neighbour = None,
        netns: Netns = None,
    ) -> Link:
        """Attach the program to a pair of netkit devices, by its primary one, and return the link.

        *Wraps* ``bpf_program__attach_netkit()``. The program is of ``SEC("netkit/primary")``, for what is sent by the
        primary interface, or of ``SEC("netkit/peer")``, for what is sent by its peer. The options are those of
        `attach_tcx`. Linux 6.7.
        """
        kind, attach_type = self._kind(f"attach program {self.name!r} to {interface!r}")
        self._must_be(attach_type in NETKIT, repr(interface), kind, attach_type)
        place = (flags, relative_fd, relative_id, expected_revision, before, after)
        return in_netns(netns, self._attach_netkit, interface, attach_type, place, uses=(self, before, after))

    def _attach_netkit(self, interface: str | int, attach_type: int, where: tuple[Any, ...]) -> Link:
        with Place(*where) as place:
            ifindex = _targets.interface(interface)

            def hint(error: int) -> str | None:
                from ._net_hints import netkit_hint

                return netkit_hint(error, ifindex, attach_type)

            options = Options("bpf_netkit_opts", **place.fields)
            attach = lib.bpf_program__attach_netkit
            return self._link(attach, ifindex, options.pointer, to=repr(interface), hint=hint)

    def attach_netns(self, netns: Netns = None, *, pid: int | None = None) -> Link:
        """Attach the program of ``SEC("sk_lookup")`` or ``SEC("flow_dissector")`` to a network namespace.

        *Wraps* ``bpf_program__attach_netns()``. `netns` is a name of ``ip netns``, a path or a descriptor; `pid` is a
        process in it; without either it is this thread's. Linux 5.8, sk_lookup Linux 5.9.
        """
        opened = _targets.netns(netns, pid)
        kind, attach_type = self._kind(f"attach program {self.name!r} to {opened.name}")
        self._must_be(kind in NETNS_TYPES, opened.name, kind, attach_type)

        def hint(error: int) -> str | None:
            from ._net_hints import netns_hint

            return netns_hint(error, netns)

        with opened as fd:
            return self._link(lib.bpf_program__attach_netns, fd, to=opened.name, hint=hint)

    def attach_sockmap(self, map: Map) -> Link:
        """Attach the program to the sockets that are put into a map from now on, and return the link.

        *Wraps* ``bpf_program__attach_sockmap()``. The program is of ``SEC("sk_msg")``, for what is sent, or of
        ``SEC("sk_skb/stream_parser")``, ``SEC("sk_skb/stream_verdict")`` or ``SEC("sk_skb/verdict")``, for what comes
        in; the map is a `SockMap` or `SockHash`. Linux 6.10; before, `net.prog_attach`.

        A socket gets the programs that the map has when it is put in, and keeps them until it is taken out: of what is
        attached, updated or detached later it learns when it is taken out and put in again.
        """
        if not hasattr(map, "map_flags"):
            raise TypeError(f"map must be a Map, not {type(map).__name__}")
        to = map._what
        kind, attach_type = self._kind(f"attach program {self.name!r} to {to}")
        said = kind == lib.BPF_PROG_TYPE_SK_MSG or attach_type
        self._must_be(kind in SOCKMAP_TYPES and bool(said), to, kind, attach_type, _not_sk_skb(kind, attach_type))
        map_type = int(map.type)

        def hint(error: int) -> str | None:
            from ._net_hints import sockmap_hint

            return sockmap_hint(error, map_type)

        with Descriptors() as held:
            fd = map._dup(held, f"attach program {self.name!r} to {to}")
            return self._link(lib.bpf_program__attach_sockmap, fd, to=to, hint=hint)

    def attach_netfilter(
        self, *, pf: str | int, hooknum: str | int, priority: int = 0, flags: int = 0, netns: Netns = None
    ) -> Link:
        """Attach the program of ``SEC("netfilter")`` to a hook of netfilter, and return the link.

        *Wraps* ``bpf_program__attach_netfilter()``. `pf` is "ipv4" or "ipv6" (``NFPROTO_…``); `hooknum` is
        "pre_routing", "local_in", "forward", "local_out" or "post_routing" (``NF_INET_…``). Those of a smaller
        `priority` run first, and each has one of its own. `flags` may be ``BPF_F_NETFILTER_IP_DEFRAG``: the program
        sees no fragments then. `netns` is as in `attach_xdp`. Linux 6.4.
        """
        to = f"hook {hooknum!r} of {pf!r}"
        fields = {
            "pf": netfilter_family(pf),
            "hooknum": netfilter_hook(hooknum),
            "priority": signed(priority, 32, "priority"),
            "flags": flags,
        }
        kind, attach_type = self._kind(f"attach program {self.name!r} to {to}")
        self._must_be(kind == lib.BPF_PROG_TYPE_NETFILTER, to, kind, attach_type)
        return in_netns(netns, self._attach_netfilter, fields, to, uses=(self,))

    def _attach_netfilter(self, fields: dict[str, int], to: str) -> Link:
        def hint(error: int) -> str | None:
            from ._net_hints import netfilter_hint

            return netfilter_hint(error, fields)

        options = Options("bpf_netfilter_opts", **fields)
        return self._link(lib.bpf_program__attach_netfilter, options.pointer, to=to, hint=hint)

    def attach_socket(self, sock: socket.socket | int, *, reuseport: bool | None = None) -> SocketProgram:
        """Attach the program to a socket: to filter what it receives, or to choose among those that share its port.

        A program of ``SEC("socket")`` returns how many bytes of a packet the socket gets, 0 to drop it
        (``SO_ATTACH_BPF``, Linux 3.19). One of ``SEC("sk_reuseport")``, or of ``SEC("socket")`` with `reuseport`,
        chooses the socket of those that are bound to one port (``SO_ATTACH_REUSEPORT_EBPF``, Linux 4.5). `sock` is a
        Python socket or a descriptor; it stays the caller's and may be closed at any time.
        """
        from ._socket import SocketProgram

        opened = Opened(sock, "socket", paths=False)
        to = opened.name
        kind, attach_type = self._kind(f"attach program {self.name!r} to {to}")
        self._must_be(kind in SOCKET_TYPES, to, kind, attach_type)
        share = kind == lib.BPF_PROG_TYPE_SK_REUSEPORT if reuseport is None else boolean(reuseport, "reuseport")
        action = f"attach program {self.name!r} to {to}"

        def hint(error: int) -> str | None:
            from ._net_hints import socket_hint

            return socket_hint(error, share)

        with self._handle.lock, opened as fd:
            return SocketProgram._make(
                fd,
                self._loaded(action),
                share,
                action=action,
                name=f"program {self.name!r} on {to}",
                hint=hint,
                parent=self._handle,
                owner=self._owner,
            )


def _not_sk_skb(kind: int, attach_type: int) -> str:
    if kind != lib.BPF_PROG_TYPE_SK_SKB or attach_type:
        return ""
    return (
        'the program does not say what it does: name its section SEC("sk_skb/stream_parser"), '
        'SEC("sk_skb/stream_verdict") or SEC("sk_skb/verdict"), or set expected_attach_type before load'
    )


def _not_tcx(kind: int, attach_type: int) -> str:
    if kind != lib.BPF_PROG_TYPE_SCHED_CLS or attach_type:
        return ""
    return (
        'the program does not say in which direction: name its section SEC("tcx/ingress") or SEC("tcx/egress"), set '
        "expected_attach_type before load, or attach it with net.TcHook"
    )
