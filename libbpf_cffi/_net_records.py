"""What the network has, as records. Not imported until something is asked for."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._net_enums import AttachFlags, XdpAttachMode, XdpFeatures
    from .enums import AttachType

__all__ = ["Attached", "ProgQuery", "QueriedProg", "TcFilter", "XdpQuery"]


class QueriedProg(NamedTuple):
    """One program of a `ProgQuery`: its id and its flags, and of the link that attaches it the same, or 0.

    Of control groups, network namespaces and maps of sockets the kernel tells no links: 0 says nothing there.
    """

    prog_id: int
    prog_attach_flags: AttachFlags
    link_id: int
    link_attach_flags: AttachFlags


class ProgQuery(NamedTuple):
    """The programs of a hook, in the order in which they run: ``struct bpf_prog_query_opts``.

    `revision` changes with every change of them; 0 where the kernel has none (control groups before Linux 6.17,
    network namespaces, maps of sockets).
    """

    attach_type: AttachType
    attach_flags: AttachFlags
    revision: int
    programs: tuple[QueriedProg, ...]

    @property
    def prog_ids(self) -> tuple[int, ...]:
        """The ids of the programs."""
        return tuple(each.prog_id for each in self.programs)

    @property
    def link_ids(self) -> tuple[int, ...]:
        """The ids of the links that attach them; 0 for one that is attached without, or of which none is told."""
        return tuple(each.link_id for each in self.programs)


class XdpQuery(NamedTuple):
    """XDP of an interface: ``struct bpf_xdp_query_opts``; an id is 0 where there is no program.

    `feature_flags` says what the driver can do (Linux 6.3), `xdp_zc_max_segs` how many buffers a packet of AF_XDP may
    have (Linux 6.6).
    """

    prog_id: int
    drv_prog_id: int
    hw_prog_id: int
    skb_prog_id: int
    attach_mode: XdpAttachMode
    feature_flags: XdpFeatures
    xdp_zc_max_segs: int


class TcFilter(NamedTuple):
    """A classifier: what names it on its hook, and its program's id.

    A packet begins with `chain` 0, in which `TcHook` attaches; another one is seen only if an action of ``tc`` jumps
    to it (Linux 4.13).
    """

    handle: int
    priority: int
    prog_id: int
    chain: int = 0


class Attached(NamedTuple):
    """A program that is attached to something: `hook` says in words to what, such as "xdp/drv" or "tcx/ingress".

    `link_id` is ``None`` if it is attached without a link, or by one of which it is not certain which it is (`attached`
    and `attached_cgroup` say when). `handle`, `priority` and `chain` are a classifier's
    (`TcFilter`).
    """

    hook: str
    prog_id: int
    prog_name: str
    link_id: int | None = None
    handle: int = 0
    priority: int = 0
    chain: int = 0
