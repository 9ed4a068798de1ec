"""Attaching to control groups."""

from __future__ import annotations

import errno

from . import _targets
from ._attach_place import LinkId, Place, wrong_type
from ._check import failure
from ._ffi import Options, lib
from ._program import ProgramBase
from .errors import LibbpfPermissionError
from .links import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

    from ._attach_place import Neighbour

__all__ = ["CGROUP_TYPES", "CgroupAttach"]

CGROUP_TYPES = (
    lib.BPF_PROG_TYPE_CGROUP_SKB,
    lib.BPF_PROG_TYPE_CGROUP_SOCK,
    lib.BPF_PROG_TYPE_CGROUP_DEVICE,
    lib.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    lib.BPF_PROG_TYPE_CGROUP_SYSCTL,
    lib.BPF_PROG_TYPE_CGROUP_SOCKOPT,
    lib.BPF_PROG_TYPE_SOCK_OPS,
)


class CgroupAttach(ProgramBase):
    """Attaching to control groups."""

    __slots__ = ()

    def attach_cgroup(
        self,
        cgroup: str | os.PathLike[str] | int,
        *,
        flags: int = 0,
        relative_fd: int = 0,
        relative_id: int = 0,
        expected_revision: int = 0,
        before: Neighbour = None,
        after: Neighbour = None,
    ) -> Link:
        """Attach the program to a control group of version 2, and return the link.

        *Wraps* ``bpf_program__attach_cgroup()`` and, with an option, ``bpf_program__attach_cgroup_opts()``.
        `cgroup` is its folder, a descriptor of that, or the number of a process in text (its group). It is for
        every type of ``SEC("cgroup/…")``, ``SEC("cgroup_skb/…")``, ``SEC("sockops")`` and
        ``SEC("lsm_cgroup/…")``, for the processes in that group and in those below it. Several programs run one
        after the other, this one last: `before` or `after` put it next to another program, a link or the
        program of an id; `flags` are of `AttachFlags`. With `expected_revision` it is attached only if the
        programs there are still those of that revision (`net.prog_query`; ESTALE). Linux 5.7, the order Linux
        6.17.
        """
        kind, attach_type = self._kind(f"attach program {self.name!r} to control group {cgroup!r}")
        target = _targets.cgroup(cgroup)
        self._must_be(kind in CGROUP_TYPES or attach_type == lib.BPF_LSM_CGROUP, target.name, kind, attach_type)
        with (
            target as fd,
            Place(
                flags, relative_fd, relative_id, expected_revision,
                _as_link(before, fd, attach_type), _as_link(after, fd, attach_type),
            ) as place,
        ):  # fmt: skip

            def hint(error: int) -> str | None:
                from ._net_hints import cgroup_attach_hint

                return cgroup_attach_hint(error, cgroup, fd, attach_type, place.fields if place else None, link=True)

            if not place:
                return self._link(lib.bpf_program__attach_cgroup, fd, to=target.name, hint=hint)
            options = Options("bpf_cgroup_opts", **place.fields)
            attach = lib.bpf_program__attach_cgroup_opts
            return self._link(attach, fd, options.pointer, to=target.name, hint=hint)

    def _kind(self, action: str) -> tuple[int, int]:
        """Give the program's type and what it says it is to be attached to."""
        with self._handle.lock:
            pointer = self._pointer
            self._loaded(action)
            return lib.bpf_program__type(pointer), lib.bpf_program__expected_attach_type(pointer)

    def _must_be(self, right: bool, to: str, kind: int, attach_type: int, advice: str = "") -> None:
        """Refuse a program of another kind: the kernel would take the target's number for something else's."""
        if not right:
            hint = advice or wrong_type(kind, attach_type, self.section_name)
            raise failure(errno.EINVAL, f"attach program {self.name!r} to {to}", hint)


def _as_link(neighbour: Neighbour, fd: int, attach_type: int) -> Neighbour:
    """Give the link that attaches a neighbour: in a control group the kernel puts a link beside links only."""
    if neighbour is None or isinstance(neighbour, Link):
        return neighbour
    from ._net_links import NetLinks

    number = neighbour if isinstance(neighbour, int) else getattr(neighbour, "id", None)
    if number is None:
        return neighbour
    try:
        link = NetLinks().find(lib.BPF_LINK_TYPE_CGROUP, _targets.inode(fd), attach_type, number)
    except LibbpfPermissionError:
        link = None  # attaching needs less than listing the links
    return neighbour if link is None else LinkId(link)
