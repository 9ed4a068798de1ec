"""What functions of `net` take: programs, and targets whose kind the attach type says."""

from __future__ import annotations

import os

from ._borrow import Descriptors
from ._ffi import lib, unsigned
from ._link_opts import CGROUP_TYPES, NETNS_TYPES
from ._targets import Opened, cgroup, netns
from ._targets import interface as interface_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._map import Map
    from ._program import LoadedProgram
    from .enums import AttachType

    SomeProgram = LoadedProgram | int
    Target = str | os.PathLike[str] | int | Map | None

__all__ = ["CGROUP_TYPES", "NETNS_TYPES", "QUERIED", "WITHOUT_LINK", "Hook", "prog_fd"]

INTERFACE_TYPES = (lib.BPF_TCX_INGRESS, lib.BPF_TCX_EGRESS, lib.BPF_NETKIT_PRIMARY, lib.BPF_NETKIT_PEER)
SOCKMAP_TYPES = (
    lib.BPF_SK_SKB_STREAM_PARSER,
    lib.BPF_SK_SKB_STREAM_VERDICT,
    lib.BPF_SK_SKB_VERDICT,
    lib.BPF_SK_MSG_VERDICT,
)

WITHOUT_LINK = (
    *CGROUP_TYPES,
    *INTERFACE_TYPES,
    *SOCKMAP_TYPES,
    lib.BPF_LSM_CGROUP,
    lib.BPF_FLOW_DISSECTOR,
    lib.BPF_LIRC_MODE2,
)
"""What ``bpf_prog_attach()`` of kernel/bpf/syscall.c takes."""

QUERIED = (*WITHOUT_LINK, lib.BPF_SK_LOOKUP)
"""What its ``bpf_prog_query()`` takes."""


def prog_fd(held: Descriptors, program: Any, action: str) -> int:
    """Give a program's descriptor for the block; the number of one stays the caller's."""
    if hasattr(program, "_loaded"):
        with program._handle.lock:
            return held.dup(program._loaded(action))
    if not hasattr(program, "__index__"):
        raise TypeError(f"program must be a Program or a descriptor, not {type(program).__name__}")
    return unsigned(program, 31, "the descriptor of a program")


class Hook:
    """What programs of an attach type are on: an interface's number, or a descriptor that is open for the block."""

    __slots__ = ("_held", "_opened", "_target", "attach_type", "name")

    def __init__(self, target: Any, attach_type: AttachType | int) -> None:
        self.attach_type = number = unsigned(attach_type, 31, "attach_type")
        self._held = Descriptors()
        self._opened: Opened | None = None
        self._target = target
        if number in INTERFACE_TYPES:
            self.name = repr(target)
        elif number in SOCKMAP_TYPES and hasattr(target, "_dup"):
            self.name = target._what
        else:
            if number in CGROUP_TYPES or number == lib.BPF_LSM_CGROUP:
                self._opened = cgroup(target)
            elif number in NETNS_TYPES:
                self._opened = netns(target)
            else:
                what = "device" if number == lib.BPF_LIRC_MODE2 else "target"
                self._opened = Opened(target, what, os.O_RDWR if number == lib.BPF_LIRC_MODE2 else os.O_RDONLY)
            self.name = self._opened.name

    def __enter__(self) -> int:
        if self._opened is not None:
            return self._opened.__enter__()
        if self.attach_type in INTERFACE_TYPES:
            return interface_number(self._target)
        return self._target._dup(self._held, f"use {self.name}")  # type: ignore[no-any-return]

    def __exit__(self, *exc: object) -> None:
        if self._opened is not None:
            self._opened.__exit__()
        self._held.__exit__()
