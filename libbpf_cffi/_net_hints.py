"""What to do about an attach to the network that failed. Imported when one has."""

from __future__ import annotations

import errno
import fcntl
import os

from . import _privileges
from ._attach_methods import advice, method_of
from ._ffi import Options, ffi, lib
from ._targets import cgroup_hint, interface_name, no_netns_hint
from .errors import LibbpfPermissionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "bpf_name",
    "cgroup_attach_hint",
    "has_link_hint",
    "has_query",
    "lirc_hint",
    "mprog_hint",
    "netfilter_hint",
    "netkit_hint",
    "netns_hint",
    "no_attach_type_hint",
    "no_query_hint",
    "socket_hint",
    "sockmap_hint",
    "xdp_hint",
]


def has_link_hint(attach_type: int) -> str:
    """Say what attaches programs of an attach type that are attached by a link only."""
    return f"programs of this attach type have a link: {advice(0, attach_type) or 'attach()'} makes it"


def no_attach_type_hint(program: Any) -> str | None:
    """Say what attaches a program that says no attach type, or ``None`` if 0 is one of those for its type."""
    kind = int(program.type)
    if kind == lib.BPF_PROG_TYPE_CGROUP_SKB:
        return None
    name = program.type.name
    if method_of(kind, 0, program.section_name) == "test_run":
        return f"a program of type {name} is not attached but called: program(…), or test_run()"
    way = advice(kind, 0, program.section_name)
    if way:
        return f"a program of type {name} says no attach type by itself: {way} attaches it"
    return f"a program of type {name} says no attach type by itself: attach_type= does"


def no_query_hint(attach_type: int) -> str:
    """Say what tells the programs of an attach type for which nobody can ask the kernel so."""
    if attach_type == lib.BPF_XDP:
        return "net.xdp_query() tells the XDP programs of an interface, and net.attached() all of its programs"
    return "the kernel tells no programs of this attach type by a target: kernel.links() lists their links"


def bpf_name(prog_id: int) -> str:
    """Say which program has an id, with its name if the kernel lets us look."""
    from ._net_links import program_name

    try:
        name = program_name(prog_id)
    except LibbpfPermissionError:
        name = ""
    return f"program {prog_id} ({name!r})" if name else f"program {prog_id}"


def _attached_xdp(ifindex: int) -> str:
    from ._net_links import has_xdp_link, xdp_link

    options = Options("bpf_xdp_query_opts")
    if lib.bpf_xdp_query(ifindex, 0, options.pointer) < 0:
        return "another XDP program"
    found = options.pointer
    parts: list[str] = []
    for mode, flag, number in (
        ("driver", lib.XDP_FLAGS_DRV_MODE, found.drv_prog_id),
        ("skb", lib.XDP_FLAGS_SKB_MODE, found.skb_prog_id),
        ("hw", lib.XDP_FLAGS_HW_MODE, found.hw_prog_id),
        ("", 0, found.prog_id),
    ):
        if number and not any(str(number) in part for part in parts):
            link = xdp_link(ifindex, flag, number)
            by = f" by link {link}" if link else " by a link" if has_xdp_link(ifindex, flag) else ""
            parts.append(f"{bpf_name(number)}{f' in {mode} mode' if mode else ''}{by}")
    return " and ".join(parts) or "another XDP program"


def _for_hardware(prog_fd: int) -> bool:
    """Tell whether a program was loaded for the hardware of an interface."""
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
    return lib.bpf_prog_get_info_by_fd(prog_fd, info, size) == 0 and bool(info.ifindex)


def xdp_hint(error: int, ifindex: int, flags: int = 0, prog_fd: int = -1, *, link: bool = False) -> str | None:
    """Say what to do about attaching XDP, a program if its descriptor is given, to an interface."""
    if error in (errno.EBUSY, errno.EEXIST):
        return f"{_attached_xdp(ifindex)} is attached there already"
    if error == errno.EOPNOTSUPP:
        if flags & lib.XDP_FLAGS_HW_MODE:
            return "the driver takes no program into the hardware: the mode drv or skb runs it on the CPU"
        return "the driver of this interface has no XDP: the mode skb does without"
    if error in (errno.ENODEV, errno.EINVAL) and interface_name(ifindex) is None:
        return _NO_DEVICE
    if error == errno.EINVAL and link and flags & ~lib.XDP_FLAGS_MODES:
        # dev_xdp_attach() of net/core/dev.c.
        return "a link takes the flag of a mode alone, and nobody's place: net.xdp_attach() takes the others"
    if error == errno.EINVAL and flags & ~lib.XDP_FLAGS_MASK:
        return "XDP has no such flag"
    if error in (errno.EINVAL, errno.ERANGE):
        if flags & lib.XDP_FLAGS_HW_MODE:
            return "the mode hw is for a program that was loaded for that interface (Program.set_ifindex())"
        if _for_hardware(prog_fd):
            return "the program was loaded for the hardware of an interface: the mode hw puts it there"
        return (
            "the driver may not take this program on an interface with this MTU, or not without frags "
            "(SEC('xdp.frags'), ProgFlags.XDP_HAS_FRAGS)"
        )
    return None


_NO_DEVICE = "this network namespace has no interface of that number (netns= names another)"


def has_query(target: int, attach_type: int) -> bool:
    """Tell whether the kernel knows an attach type, by asking what is there."""
    options = Options("bpf_prog_query_opts")
    return lib.bpf_prog_query_opts(target, attach_type, options.pointer) == 0 or ffi.errno != errno.EINVAL


def _revision(target: int, attach_type: int) -> int:
    options = Options("bpf_prog_query_opts")
    result = lib.bpf_prog_query_opts(target, attach_type, options.pointer)
    return 0 if result < 0 else options.pointer.revision


def mprog_hint(error: int, target: int, attach_type: int, lacking: str) -> str | None:
    """Say what to do about a hook that keeps its programs in an order; `lacking` where there is no such hook."""
    if error == errno.ESTALE:
        return f"the programs there have changed: their revision is {_revision(target, attach_type)}"
    if error == errno.EEXIST:
        return "this program is on that hook already"
    if error == errno.ENOENT:
        return "the neighbour is not on that hook"
    if error == errno.ERANGE:
        return "that many programs are on that hook that it takes no more, or the neighbour is not there"
    if error == errno.ENODEV:
        return _NO_DEVICE
    if error == errno.EINVAL and not has_query(target, attach_type):
        return lacking
    return None


def netkit_hint(error: int, ifindex: int, attach_type: int) -> str | None:
    """Say what to do about attaching to a netkit device."""
    if error == errno.ENXIO:
        return "that interface is no netkit device: attach_tcx() takes every kind"
    if error == errno.EACCES:
        return "both programs of a netkit pair are attached to its primary interface: name that"
    return mprog_hint(error, ifindex, attach_type, "this kernel has no netkit devices (Linux 6.7, CONFIG_NETKIT)")


def netns_hint(error: int, value: object = None) -> str | None:
    """Say what is wrong with attaching to a network namespace."""
    if error == errno.E2BIG:
        return "a network namespace has one flow dissector, or 64 programs of sk_lookup, and has them"
    if error == errno.EEXIST:
        return (
            "a network namespace has one flow dissector: another one is there, or the first namespace of the machine "
            "has one for all of them"
        )
    return no_netns_hint(error, value)


def sockmap_hint(error: int, map_type: int) -> str | None:
    """Say what to do about attaching to a map of sockets."""
    if map_type not in (lib.BPF_MAP_TYPE_SOCKMAP, lib.BPF_MAP_TYPE_SOCKHASH):
        return "a program of this type is attached to a SockMap or a SockHash"
    if error == errno.EINVAL:
        return (
            "kernels before 6.10 have no links to maps of sockets: net.prog_attach(program, map) does it, and "
            "net.prog_detach(program, map) undoes it"
        )
    if error == errno.EBUSY:
        return "another program of this kind is on that map: net.prog_query(map, attach_type) tells which"
    if error == errno.EOPNOTSUPP:
        return "a map takes either a verdict, or a stream verdict with or without a parser"
    return None


def netfilter_hint(error: int, fields: dict[str, int]) -> str | None:
    """Say what to do about attaching to netfilter."""
    if error == errno.EAFNOSUPPORT:
        return "pf is 'ipv4' or 'ipv6'; IPv6's defragmentation needs the module nf_defrag_ipv6"
    if error == errno.EBUSY:
        return "another program has that hook with that priority: choose another priority"
    if error == errno.EPROTO:
        return "a hook of netfilter is from 0 (pre_routing) to 4 (post_routing)"
    if error == errno.ERANGE:
        return "the smallest and the largest priority are reserved"
    if error == errno.EINVAL:
        return "this kernel may lack links to netfilter (Linux 6.4, CONFIG_NETFILTER_BPF_LINK)"
    if error == errno.EOPNOTSUPP and fields["flags"]:
        return "this kernel has no such flag"
    return None


def lirc_hint(error: int, fd: int, flags: int) -> str | None:
    """Say what to do about a receiver of infrared, open as a descriptor."""
    if error == errno.EEXIST:
        return "this program is on that receiver already"
    if error == errno.E2BIG:
        return "a receiver takes 64 programs, and has them"
    if error == errno.EINVAL and flags:
        return "a receiver of infrared takes no flags"
    if error in (errno.EINVAL, errno.ENOTTY):
        return "the device must be one of infrared receivers in raw mode: /dev/lirc0 and the like"
    if error == errno.EPERM and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return "the device must be open for writing, too"
    return None


def socket_hint(error: int, reuseport: bool) -> str | None:
    """Say what to do about attaching to a socket."""
    if error == errno.ENOTSOCK:
        return "that descriptor is not a socket's"
    if error == errno.EPERM:
        return "the socket's filter is locked (SO_LOCK_FILTER)"
    if reuseport and error in (errno.EINVAL, errno.ENOENT, errno.ESRCH, errno.EPROTONOSUPPORT):
        return "the socket must have SO_REUSEPORT before it is bound, and be of TCP or UDP"
    return None


def cgroup_attach_hint(
    error: int, value: object, fd: int, attach_type: int, place: dict[str, int] | None = None, *, link: bool = False
) -> str | None:
    """Say what to do about attaching to a control group; `place` are the fields of its option struct, if it has any."""
    if error in (errno.EBADF, errno.ENOENT) and not _has_cgroup(fd):
        return cgroup_hint(value)
    if error == errno.EPERM:
        if _privileges.missing("CAP_NET_ADMIN") and _privileges.missing("CAP_SYS_ADMIN"):
            return "this process lacks CAP_NET_ADMIN, which attaching to a control group needs"
        return (
            "a program is there that takes no other beside it (attached without ALLOW_MULTI), here or in a group "
            "above: net.prog_query() tells"
        )
    if error == errno.EINVAL and place and has_query(fd, attach_type):
        if link and place["flags"] & ALLOW:
            return "a link takes no ALLOW_OVERRIDE, ALLOW_MULTI or REPLACE: it always runs with others beside it"
        if _revision(fd, attach_type):
            return _beside_hint(fd, attach_type, place, link)
        return "this kernel has no order of the programs of a control group (Linux 6.17), or no such flag"
    return mprog_hint(error, fd, attach_type, "this kernel has no such hook of control groups")


ALLOW = lib.BPF_F_ALLOW_OVERRIDE | lib.BPF_F_ALLOW_MULTI | lib.BPF_F_REPLACE


def _beside_hint(fd: int, attach_type: int, place: dict[str, int], link: bool) -> str:
    """Say why the kernel does not put a program in that place among those of a control group."""
    before, after = place["flags"] & lib.BPF_F_BEFORE, place["flags"] & lib.BPF_F_AFTER
    if before and after:
        return "a program is put before others or after them: BEFORE or AFTER, not both"
    if not (place["relative_fd"] or place["relative_id"]):
        return "this kernel has no such flag, or not for this"
    if not (before or after):
        return "relative_fd and relative_id name a neighbour: flags=AttachFlags.BEFORE or AFTER says on which side"
    number = place["relative_id"] or _prog_id(place["relative_fd"])
    if not place["flags"] & lib.BPF_F_LINK and number not in _prog_ids(fd, attach_type):
        return f"the neighbour, {bpf_name(number)}, is not on that hook of the group" if number else "that is none"
    return (
        "the neighbour is there without a link: in a control group a link is put beside a link"
        if link
        else "in a control group a program without a link is put beside such a one"
    )


def _prog_id(fd: int) -> int:
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
    return int(info.id) if lib.bpf_prog_get_info_by_fd(fd, info, size) == 0 else 0


def _prog_ids(fd: int, attach_type: int) -> list[int]:
    """Give the programs of a hook, as many as a hook of a control group takes (BPF_CGROUP_MAX_PROGS)."""
    ids = ffi.new("__u32[64]")
    options = Options("bpf_prog_query_opts", prog_ids=ids, count=len(ids))
    result = lib.bpf_prog_query_opts(fd, attach_type, options.pointer)
    return list(ids[0 : options.pointer.count]) if result == 0 else []


def _has_cgroup(fd: int) -> bool:
    options = Options("bpf_prog_query_opts")
    return bool(lib.bpf_prog_query_opts(fd, lib.BPF_CGROUP_INET_INGRESS, options.pointer) == 0)
