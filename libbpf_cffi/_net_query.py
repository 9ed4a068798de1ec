"""Attaching without a link, and asking what is attached."""

from __future__ import annotations

import errno
import os

from . import _log
from ._attach_place import Place
from ._check import ENOTSUPP, MOMENTARY, check, failure
from ._ffi import Options, ffi, lib, unsigned
from ._net_enums import AttachFlags, XdpAttachMode
from ._net_hints import (
    cgroup_attach_hint,
    has_link_hint,
    lirc_hint,
    mprog_hint,
    netkit_hint,
    netns_hint,
    no_attach_type_hint,
    no_query_hint,
    sockmap_hint,
)
from ._net_links import NetLinks, program_name
from ._net_names import xdp_flags
from ._net_records import Attached, ProgQuery, QueriedProg
from ._net_target import (
    CGROUP_TYPES,
    INTERFACE_TYPES,
    NETNS_TYPES,
    QUERIED,
    SOCKMAP_TYPES,
    WITHOUT_LINK,
    Hook,
    prog_fd,
)
from ._net_xdp import xdp_query
from ._targets import cgroup, in_netns, inode, netns, with_those_above
from ._targets import interface as interface_number
from ._type_numbers import attach_type_number
from .enums import AttachType
from .errors import NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._attach_place import Neighbour
    from ._check import Hint
    from ._net_target import SomeProgram, Target
    from ._netlink import Classifier
    from ._targets import Netns

__all__ = ["attached", "attached_cgroup", "attached_netns", "prog_attach", "prog_detach", "prog_query"]

ANY_INTERFACE_HOOKS = (
    ("tcx/ingress", lib.BPF_TCX_INGRESS),
    ("tcx/egress", lib.BPF_TCX_EGRESS),
    ("netkit/primary", lib.BPF_NETKIT_PRIMARY),
    ("netkit/peer", lib.BPF_NETKIT_PEER),
)

LACKING = (errno.EINVAL, errno.E2BIG, errno.EOPNOTSUPP, ENOTSUPP)
"""What a kernel says of a kind of programs, or a field of the question, that it does not know or was built without."""

NO_PRIMARY_NETKIT = (errno.ENXIO, errno.EACCES)
"""What it says of netkit on an interface of another kind, and on the peer of a pair: such a one has no programs."""


def _hint(
    error: int, hook: Hook, value: Any, target: int, place: Place | None = None, flags: int = 0
) -> str | None:
    kind = hook.attach_type
    if place is not None and error == errno.EINVAL and kind not in WITHOUT_LINK:
        return has_link_hint(kind)
    if kind in CGROUP_TYPES or kind == lib.BPF_LSM_CGROUP:
        return cgroup_attach_hint(error, value, target, kind, place.fields if place else None)
    if kind in INTERFACE_TYPES[:2]:
        return mprog_hint(error, target, kind, "this kernel has no TCX (Linux 6.6)")
    if kind in INTERFACE_TYPES:
        return netkit_hint(error, target, kind)
    if kind in NETNS_TYPES:
        return netns_hint(error, value)
    if kind in SOCKMAP_TYPES and hasattr(value, "_dup"):
        return None if error == errno.EINVAL else sockmap_hint(error, int(value.type))
    if kind == lib.BPF_LIRC_MODE2:
        return lirc_hint(error, target, flags)
    return None


def _attach_type(program: Any, attach_type: AttachType | str | int | None, step: str) -> int:
    if attach_type is not None:
        return attach_type_number(attach_type)
    if not hasattr(program, "expected_attach_type"):
        raise TypeError("attach_type is missing: only a Program of an object says what it is to be attached to")
    kind = int(program.expected_attach_type)
    if kind == lib.BPF_CGROUP_INET_INGRESS and (hint := no_attach_type_hint(program)) is not None:
        # 0, as it is where nothing has been said.
        raise failure(errno.EINVAL, f"{step} program {program.name!r}", hint)
    return kind


def prog_attach(
    program: SomeProgram,
    target: Target,
    attach_type: AttachType | str | int | None = None,
    *,
    flags: int = 0,
    replace_fd: SomeProgram | None = None,
    relative_fd: int = 0,
    relative_id: int = 0,
    expected_revision: int = 0,
    before: Neighbour = None,
    after: Neighbour = None,
    netns: Netns = None,
) -> None:
    """Attach a program without a link: it stays, whatever becomes of this process, until `prog_detach`.

    *Wraps* ``bpf_prog_attach_opts()``. What `target` is depends on `attach_type`, by default what the program says: a
    control group (path or descriptor), an interface (name or number, of the namespace `netns`) for TCX and netkit, a
    `Map` for SK_SKB and SK_MSG, a device such as ``"/dev/lirc0"`` for LIRC_MODE2, a network namespace for
    FLOW_DISSECTOR (this thread's). `flags` are of `AttachFlags`: in a control group, 0 lets nobody below attach any,
    ``ALLOW_OVERRIDE`` lets a group below have its own instead, ``ALLOW_MULTI`` lets all of them run. `replace_fd` is
    the program (or its descriptor) whose place it takes, Linux 5.6 in control groups. The others are those of
    `Program.attach_tcx`. Linux 4.10. A link is the better way where there is one.
    """
    kind = _attach_type(program, attach_type, "attach")
    place = (flags, relative_fd, relative_id, expected_revision, before, after)
    if kind in NETNS_TYPES and target is not None:
        netns, target = target, None  # type: ignore[assignment]
    uses = (program, target, replace_fd, before, after)
    in_netns(netns, _attach, program, target, kind, replace_fd, place, uses=uses)


def _attach(program: Any, target: Any, kind: int, replace: Any, place: tuple[Any, ...]) -> None:
    if kind not in WITHOUT_LINK and isinstance(target, (str, os.PathLike)):
        # It is no path.
        action = f"attach program {getattr(program, 'name', program)!r} to {target!r}"
        raise failure(errno.EINVAL, action, has_link_hint(kind))
    hook = Hook(target, kind)
    action = f"attach program {getattr(program, 'name', program)!r} to {hook.name}"
    with hook as number, Place(*place) as where:
        options = Options("bpf_prog_attach_opts", **where.fields)
        fd = prog_fd(where, program, action)
        if replace is not None:
            options.set("replace_fd", prog_fd(where, replace, action))
            options.pointer.flags |= lib.BPF_F_REPLACE
        # The kernel wants 0 for the namespace that it takes from the thread.
        at = 0 if kind in NETNS_TYPES else number
        _log.listen()
        result = lib.bpf_prog_attach_opts(fd, at, kind, options.pointer)
        flags = options.pointer.flags
        check(result, action, lambda error: _hint(error, hook, target, number, where, flags))


def prog_detach(
    program: SomeProgram | None,
    target: Target,
    attach_type: AttachType | str | int | None = None,
    *,
    flags: int = 0,
    relative_fd: int = 0,
    relative_id: int = 0,
    expected_revision: int = 0,
    before: Neighbour = None,
    after: Neighbour = None,
    netns: Netns = None,
) -> None:
    """Take away a program that was attached without a link.

    *Wraps* ``bpf_prog_detach_opts()``. `program` is ``None`` for the one that is there (of a hook that has one only)
    or, with TCX and netkit, for the first (`flags` ``BEFORE``) or the last one (``AFTER``). ENOENT if it is not there.
    """
    kind = _attach_type(program, attach_type, "detach")
    place = (flags, relative_fd, relative_id, expected_revision, before, after)
    if kind in NETNS_TYPES and target is not None:
        netns, target = target, None  # type: ignore[assignment]
    in_netns(netns, _detach, program, target, kind, place, uses=(program, target, before, after))


def _detach(program: Any, target: Any, kind: int, place: tuple[Any, ...]) -> None:
    hook = Hook(target, kind)
    action = f"detach program {getattr(program, 'name', program)!r} from {hook.name}"
    if program is None:
        action = f"detach the program of {hook.name}"
        if kind == lib.BPF_LIRC_MODE2:
            # The kernel would take 0 for a descriptor.
            raise failure(errno.EINVAL, action, "name the program: a receiver may have several")
    with hook as number, Place(*place) as where:
        options = Options("bpf_prog_detach_opts", **where.fields)
        fd = 0 if program is None else prog_fd(where, program, action)
        at = 0 if kind in NETNS_TYPES else number
        _log.listen()
        result = lib.bpf_prog_detach_opts(fd, at, kind, options.pointer)
        flags = options.pointer.flags
        check(result, action, lambda error: _detach_hint(error, hook, target, number, flags))


def _detach_hint(error: int, hook: Hook, value: Any, target: int, flags: int) -> str | None:
    if error == errno.ENOENT and hook.attach_type == lib.BPF_LIRC_MODE2:
        return "it is not attached there"
    if error in (errno.ENOENT, errno.EPERM, errno.EBUSY) and hook.attach_type != lib.BPF_LIRC_MODE2:
        return "it is not attached there, or by a link, which closing or Link.detach() takes away"
    return _hint(error, hook, value, target, flags=flags)


def prog_query(
    target: Target, attach_type: AttachType | str | int, *, query_flags: int = 0, netns: Netns = None
) -> ProgQuery:
    """Say which programs of an attach type are on a target, in their order.

    *Wraps* ``bpf_prog_query_opts()``. The target is as in `prog_attach`, a network namespace may be any. With
    `query_flags` ``BPF_F_QUERY_EFFECTIVE`` (1) a control group tells those of the groups above it, too. The kernel
    tells the links of TCX and netkit alone: `attached_cgroup` and `attached_netns` find the others. Linux 4.15.
    """
    kind = attach_type_number(attach_type)
    return in_netns(netns, _query_target, target, kind, query_flags, uses=(target,))


def _query_target(target: Any, kind: int, query_flags: int = 0) -> ProgQuery:
    if kind not in QUERIED and isinstance(target, (str, os.PathLike)):
        raise failure(errno.EINVAL, f"ask for the programs of {target!r}", no_query_hint(kind))
    hook = Hook(target, kind)
    with hook as number:
        found = query(number, kind, query_flags)
        action = f"ask for the programs of {hook.name}"
        if isinstance(found, int):
            check(-found, action, lambda error: _hint(error, hook, target, number, flags=query_flags))
        assert isinstance(found, ProgQuery)
        return found


def query(target: int, kind: int, query_flags: int = 0) -> ProgQuery | int:
    """Ask for the programs of a number or descriptor; an errno if the kernel refuses."""
    unsigned(query_flags, 32, "query_flags")
    room = 16
    # The kernel tells no flags of what is inherited, and links only where it keeps an order.
    effective = bool(query_flags & lib.BPF_F_QUERY_EFFECTIVE)
    links = kind in INTERFACE_TYPES
    # Flags of each in a control group, Linux 6.1; not of other hooks that have no order.
    each = not effective and (links or kind in CGROUP_TYPES or kind == lib.BPF_LSM_CGROUP)
    while True:
        ids, flags, link_ids, link_flags = (ffi.new("__u32[]", room) for _ in range(4))
        options = Options("bpf_prog_query_opts", query_flags=query_flags, prog_ids=ids, count=room)
        if each:
            options.set("prog_attach_flags", flags)
        if links:
            options.set("link_ids", link_ids)
            options.set("link_attach_flags", link_flags)
        result = lib.bpf_prog_query_opts(target, kind, options.pointer)
        found = options.pointer
        if result == 0:
            break
        if result == -errno.ENOSPC and found.count > room:
            room = found.count
        elif result in (-errno.E2BIG, -errno.EINVAL) and each and not links:
            # An older kernel does not know the field.
            each = False
        elif -result in MOMENTARY:
            raise failure(-result, f"ask for the programs of attach type {AttachType(kind).name}")
        else:
            return -result
    programs = tuple(
        QueriedProg(ids[at], AttachFlags(flags[at]), link_ids[at], AttachFlags(link_flags[at]))
        for at in range(found.count)
    )
    return ProgQuery(AttachType(kind), AttachFlags(found.attach_flags), found.revision, programs)


def attached(interface: str | int, *, netns: Netns = None) -> list[Attached]:
    """List the programs of an interface: XDP, TCX, netkit, and the classifiers of traffic control.

    `netns` is the interface's network namespace, if it is another one. A kind that the kernel lacks has none. The link
    of an XDP program is told only where no other namespace has a link of that program to an interface of that number,
    which is all that the kernel says of one; those of TCX and netkit the kernel tells itself. Asking needs
    CAP_NET_ADMIN, and names and links of what is there CAP_SYS_ADMIN: `LibbpfPermissionError`, never less than there
    is. `xdp_query` and `prog_query` give ids without the latter.
    """
    return in_netns(netns, _attached, interface)


def _attached(interface: str | int) -> list[Attached]:
    from ._netlink import EGRESS, INGRESS

    ifindex = interface_number(interface)
    found = []
    xdp = xdp_query(ifindex)
    alone = {XdpAttachMode.DRV: "drv", XdpAttachMode.SKB: "skb", XdpAttachMode.HW: "hw"}.get(xdp.attach_mode)
    modes = (("drv", xdp.drv_prog_id), ("skb", xdp.skb_prog_id), ("hw", xdp.hw_prog_id))
    links = NetLinks() if xdp.attach_mode else None
    for mode, prog_id in modes if alone is None else ((alone, xdp.prog_id),):
        if prog_id and links is not None:
            link = links.xdp(ifindex, xdp_flags(mode, 0), prog_id)
            found.append(Attached(f"xdp/{mode}", prog_id, program_name(prog_id), link))
    action = f"ask for the programs of {interface!r}"
    for hook, kind in ANY_INTERFACE_HOOKS:
        answer = query(ifindex, kind)
        if isinstance(answer, int) and kind in INTERFACE_TYPES[2:] and answer in NO_PRIMARY_NETKIT:
            continue
        found += [
            Attached(hook, each.prog_id, program_name(each.prog_id), each.link_id or None)
            for each in _told(answer, action, lambda error: mprog_hint(error, ifindex, lib.BPF_TCX_INGRESS, ""))
        ]
    directions = {INGRESS: "tc/ingress", EGRESS: "tc/egress"}
    for each in _classifiers(ifindex):
        hook = directions.get(each.parent, f"tc/{each.parent >> 16:x}:{each.parent & 0xFFFF or ''}")
        names = {"handle": each.handle, "priority": each.priority, "chain": each.chain}
        found.append(Attached(hook, each.prog_id, program_name(each.prog_id), **names))
    return found


def _told(answer: ProgQuery | int, action: str, hint: Hint) -> tuple[QueriedProg, ...]:
    """Give the programs of an answer, none of a kind that the kernel lacks; any other refusal is raised."""
    if isinstance(answer, ProgQuery):
        return answer.programs
    if answer not in LACKING:
        check(-answer, action, hint)
    return ()


def _classifiers(ifindex: int) -> list[Classifier]:
    from ._netlink import classifiers

    try:
        return classifiers(ifindex)
    except NotSupportedError:
        return []  # a kernel without traffic control


def attached_cgroup(cgroup: str | os.PathLike[str] | int, *, query_flags: int = 0) -> list[Attached]:
    """List the programs of a control group, of every attach type; `hook` is its name, such as "cgroup_inet_egress".

    With `query_flags` ``BPF_F_QUERY_EFFECTIVE`` (1), those that run for its processes, from the groups above it too.
    The kernel lists them without their links, which are found among all: a program that is there by several links has
    the `link_id` of each, in no certain order, and one that is there by a link and without has none. The rights that it
    needs are those of `attached`.
    """

    def hint(error: int) -> str | None:
        return cgroup_attach_hint(error, cgroup, fd, 0)

    found = []
    query_flags = unsigned(query_flags, 32, "query_flags")
    opened = _cgroup(cgroup)
    action = f"ask for the programs of {opened.name}"
    with opened as fd:
        links: NetLinks | None = None
        groups = with_those_above(fd) if query_flags & lib.BPF_F_QUERY_EFFECTIVE else [inode(fd)]
        known = False
        answer: ProgQuery | int = errno.EINVAL
        for kind in sorted((*CGROUP_TYPES, lib.BPF_LSM_CGROUP)):
            answer = query(fd, kind, query_flags)
            known = known or isinstance(answer, ProgQuery)
            prog_ids = [each.prog_id for each in _told(answer, action, hint)]
            links = links or (NetLinks() if prog_ids else None)
            by = links.of(lib.BPF_LINK_TYPE_CGROUP, groups, kind, prog_ids) if links else []
            for prog_id, link in zip(prog_ids, by, strict=True):
                found.append(Attached(AttachType(kind).name.lower(), prog_id, program_name(prog_id), link))
        if not known:
            assert isinstance(answer, int)
            check(-answer, action, hint)
    return found


_cgroup = cgroup


def attached_netns(netns: Netns = None, *, pid: int | None = None) -> list[Attached]:
    """List the programs of a network namespace: of sk_lookup, and its flow dissector.

    `netns` and `pid` are as in `Program.attach_netns`. What its interfaces have, `attached` tells of each. Links to
    netfilter, of which the kernel does not tell in what namespace they are, are among `kernel.links`. The rights that
    it needs are those of `attached`.
    """

    def hint(error: int) -> str | None:
        return netns_hint(error, netns)

    found = []
    opened = _netns(netns, pid)
    action = f"ask for the programs of {opened.name}"
    with opened as fd:
        links: NetLinks | None = None
        number = inode(fd)
        for hook, kind in (("flow_dissector", lib.BPF_FLOW_DISSECTOR), ("sk_lookup", lib.BPF_SK_LOOKUP)):
            answer = query(fd, kind)
            if isinstance(answer, int) and kind == lib.BPF_FLOW_DISSECTOR:
                check(-answer, action, hint)
            prog_ids = [each.prog_id for each in _told(answer, action, hint)]
            links = links or (NetLinks() if prog_ids else None)
            by = links.of(lib.BPF_LINK_TYPE_NETNS, [number], kind, prog_ids) if links else []
            for prog_id, link in zip(prog_ids, by, strict=True):
                found.append(Attached(hook, prog_id, program_name(prog_id), link))
    return found


_netns = netns
