"""XDP through netlink: programs that stay attached to an interface until somebody takes them away."""

from __future__ import annotations

from . import _log
from ._attach_place import must_be_of
from ._borrow import Descriptors
from ._check import check
from ._ffi import Options, lib, unsigned
from ._net_enums import XdpAttachMode, XdpFeatures
from ._net_hints import xdp_hint
from ._net_names import xdp_flags
from ._net_records import XdpQuery
from ._net_target import prog_fd
from ._targets import in_netns
from ._targets import interface as interface_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._net_target import SomeProgram
    from ._targets import Netns

__all__ = ["xdp_attach", "xdp_detach", "xdp_query", "xdp_query_id"]


def xdp_attach(
    interface: str | int,
    program: SomeProgram,
    *,
    mode: str | None = None,
    flags: int = 0,
    old_prog_fd: SomeProgram | None = None,
    netns: Netns = None,
) -> None:
    """Attach a program to an interface, in the place of the one that is there, without a link.

    It stays until `xdp_detach`, whatever becomes of this process. *Wraps* ``bpf_xdp_attach()``. `mode` is "drv", "skb"
    or "hw", `flags` are of `XdpFlags`: with ``UPDATE_IF_NOEXIST`` nothing is replaced (EBUSY). `old_prog_fd` is the
    program, or its descriptor, that must be there (EEXIST, Linux 5.7). `netns` is the interface's network namespace.
    Where this process has no memory for the kernel's answer (ENOMEM, ENOBUFS) the program may be attached all the same,
    which `xdp_query` tells. Linux 4.8. `Program.attach_xdp` makes a link.
    """
    number = xdp_flags(mode, flags)
    in_netns(netns, _attach, interface, program, number, old_prog_fd, uses=(program, old_prog_fd))


def _attach(interface: str | int, program: SomeProgram | None, flags: int, old: SomeProgram | None) -> None:
    ifindex = interface_number(interface)
    what = "detach XDP from" if program is None else "attach XDP to"
    action = f"{what} {interface!r}"
    if program is not None:
        must_be_of(program, lib.BPF_PROG_TYPE_XDP, action)
    with Descriptors() as held:
        fd = -1 if program is None else prog_fd(held, program, action)
        options = Options("bpf_xdp_attach_opts")
        if old is not None:
            options.set("old_prog_fd", prog_fd(held, old, action))
        _log.listen()
        if program is None:
            result = lib.bpf_xdp_detach(ifindex, flags, options.pointer)
        else:
            result = lib.bpf_xdp_attach(ifindex, fd, flags, options.pointer)
        check(result, action, lambda error: xdp_hint(error, ifindex, flags, fd))


def xdp_detach(
    interface: str | int,
    *,
    mode: str | None = None,
    flags: int = 0,
    old_prog_fd: SomeProgram | None = None,
    netns: Netns = None,
) -> None:
    """Take away the program that `xdp_attach` has attached, with the same `mode`; none there is no error.

    *Wraps* ``bpf_xdp_detach()``. What a link attaches stays (EBUSY): close or `Link.detach` that. `old_prog_fd` is the
    program that must be there.
    """
    in_netns(netns, _attach, interface, None, xdp_flags(mode, flags), old_prog_fd, uses=(old_prog_fd,))


def xdp_query(interface: str | int, *, netns: Netns = None) -> XdpQuery:
    """Say which XDP programs an interface has, and what its driver can do. *Wraps* ``bpf_xdp_query()``."""
    return in_netns(netns, _query, interface)


def _query(interface: str | int) -> XdpQuery:
    ifindex = interface_number(interface)
    options = Options("bpf_xdp_query_opts")
    found = options.pointer
    _log.listen()
    action = f"ask for the XDP programs of {interface!r}"
    check(lib.bpf_xdp_query(ifindex, 0, found), action, lambda error: xdp_hint(error, ifindex))
    return XdpQuery(
        prog_id=found.prog_id,
        drv_prog_id=found.drv_prog_id,
        hw_prog_id=found.hw_prog_id,
        skb_prog_id=found.skb_prog_id,
        attach_mode=XdpAttachMode(found.attach_mode),
        feature_flags=XdpFeatures(found.feature_flags),
        xdp_zc_max_segs=found.xdp_zc_max_segs,
    )


def xdp_query_id(interface: str | int, *, mode: str | None = None, flags: int = 0, netns: Netns = None) -> int:
    """Give the id of an interface's XDP program, in a mode or in the only one; 0 if there is none.

    *Wraps* ``bpf_xdp_query_id()``.
    """
    return in_netns(netns, _query_id, interface, xdp_flags(mode, unsigned(flags, 31, "flags")))


def _query_id(interface: str | int, flags: int) -> int:
    from ._ffi import ffi

    ifindex = interface_number(interface)
    found = ffi.new("__u32 *")
    _log.listen()
    check(lib.bpf_xdp_query_id(ifindex, flags, found), f"ask for the XDP program of {interface!r}")
    return int(found[0])
