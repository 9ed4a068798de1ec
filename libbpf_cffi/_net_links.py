"""The kernel's links that attach programs to the network: which link holds what an interface or a group has."""

from __future__ import annotations

import errno
import os
from itertools import starmap

from . import _log
from ._check import MOMENTARY, by_id_hint, failure
from ._ffi import ffi, lib, text
from .errors import LibbpfPermissionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ._libbpf import CData

__all__ = ["NetLinks", "has_xdp_link", "program_name", "xdp_link"]

REFUSED = (errno.EPERM, errno.EACCES)
"""What the kernel says to whom it does not let look: that is no answer either."""


def _info(
    opener: Callable[[int], int], number: int, get: Callable[..., int], info: CData, size: int, what: str
) -> bool:
    """Fill the info of a thing by its id; tell whether the kernel still has it."""
    made: list[int] = []
    try:
        made.extend(starmap(opener, ((number,),)))
        result = made[0] if made[0] < 0 else get(made[0], info, ffi.new("__u32 *", size))
        # EAGAIN is of a link that is still being made (bpf_link_by_id() in the kernel).
        if -result in (*MOMENTARY, *REFUSED) and result != -errno.EAGAIN:
            raise failure(-result, f"ask for {what} {number}", by_id_hint)
        return result >= 0
    finally:
        if made and made[0] >= 0:
            any(map(os.close, map(made.pop, (-1,))))


def program_name(prog_id: int) -> str:
    """Give a program's name by its id, as far as the kernel keeps it (15 bytes); empty if it has none or is gone.

    It needs CAP_SYS_ADMIN (`LibbpfPermissionError`).
    """
    info = ffi.new("struct bpf_prog_info *")
    size = ffi.sizeof("struct bpf_prog_info")
    get = lib.bpf_prog_get_info_by_fd
    if not _info(lib.bpf_prog_get_fd_by_id, prog_id, get, info, size, "the name of program"):
        return ""
    return text(info.name)


class NetLinks:
    """Every link of XDP, of a control group and of a network namespace, by what it attaches to what.

    Empty before Linux 5.8. It needs CAP_SYS_ADMIN (`LibbpfPermissionError`).
    """

    __slots__ = ("_ids",)

    def __init__(self) -> None:
        self._ids: dict[tuple[int, int, int, int], list[int]] = {}
        for key, number in _all():
            self._ids.setdefault(key, []).append(number)

    def find(self, kind: int, target: int, attach_type: int, prog_id: int) -> int | None:
        """Give the id of the newest link of a type by which a target has a program, or ``None``."""
        numbers = self._ids.get((kind, target, attach_type, prog_id))
        return numbers[-1] if numbers else None

    def of(self, kind: int, targets: Sequence[int], attach_type: int, prog_ids: Sequence[int]) -> list[int | None]:
        """Give for each program of a hook the id of the link of a type by which it is there; ``None`` if unsure.

        `targets` are those that have the hook's programs. Where a program is there as often as it has links to them,
        each time it is by one of these, in their order; where it is there once more, nobody tells which has none.
        """
        left: dict[int, Iterator[int]] = {}
        for prog_id in set(prog_ids):
            numbers = [each for target in targets for each in self._ids.get((kind, target, attach_type, prog_id), ())]
            left[prog_id] = iter(numbers if len(numbers) == prog_ids.count(prog_id) else ())
        return [next(left[prog_id], None) for prog_id in prog_ids]

    def xdp(self, ifindex: int, mode: int, prog_id: int) -> int | None:
        """Give the id of the link by which an interface of this namespace has an XDP program; ``None`` if unsure.

        A link tells the number of its interface, which every network namespace counts for itself: it is the one if
        there is no other of that number and program, and the program is attached by a link.
        """
        numbers = self._ids.get((lib.BPF_LINK_TYPE_XDP, ifindex, lib.BPF_XDP, prog_id), [])
        return numbers[0] if len(numbers) == 1 and has_xdp_link(ifindex, mode) else None


def _all() -> Iterator[tuple[tuple[int, int, int, int], int]]:
    following = ffi.new("__u32 *")
    size = ffi.sizeof("struct bpf_link_info")
    at = 0
    while True:
        result = lib.bpf_link_get_next_id(at, following)
        if -result in (*MOMENTARY, *REFUSED):
            raise failure(-result, "list the links of the kernel", by_id_hint)
        if result:
            return
        at = following[0]
        info = ffi.new("struct bpf_link_info *")
        if not _info(lib.bpf_link_get_fd_by_id, at, lib.bpf_link_get_info_by_fd, info, size, "link"):
            continue
        if info.type == lib.BPF_LINK_TYPE_XDP:
            yield (info.type, info.xdp.ifindex, lib.BPF_XDP, info.prog_id), at
        elif info.type == lib.BPF_LINK_TYPE_CGROUP:
            yield (info.type, info.cgroup.cgroup_id, info.cgroup.attach_type, info.prog_id), at
        elif info.type == lib.BPF_LINK_TYPE_NETNS:
            yield (info.type, info.netns.netns_ino, info.netns.attach_type, info.prog_id), at


def xdp_link(ifindex: int, mode: int, prog_id: int) -> int | None:
    """Give the id of the link by which an interface has an XDP program in a mode; ``None`` if there is no telling."""
    try:
        return NetLinks().xdp(ifindex, mode, prog_id)
    except LibbpfPermissionError:
        return None


def has_xdp_link(ifindex: int, mode: int) -> bool:
    """Tell whether it is by a link that an interface of this namespace has a program in a mode (``XDP_FLAGS_…``).

    The kernel tells nobody who asks, but refuses differently to put nothing in the place of nothing: with EBUSY where a
    link is, with EEXIST where a program is without one. That changes nothing where nothing is, either.
    """
    _log.silence()
    return lib.bpf_xdp_attach(ifindex, -1, mode | lib.XDP_FLAGS_REPLACE, ffi.NULL) == -errno.EBUSY
