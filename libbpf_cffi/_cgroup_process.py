"""The folder of a control group that is named by a process in it."""

from __future__ import annotations

import errno
import os

from ._check import failure
from ._mounts import cgroup2_mounts
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["cgroup_folder", "is_process"]

REMOVED = " (deleted)"
"""What ``proc_cgroup_show()`` of kernel/cgroup/cgroup.c puts after the path of a group that has been removed."""


def cgroup_folder(value: Any) -> Any:
    """Give the folder that digits stand for: they are a process's number, unless a file has that name.

    What is given otherwise is given back.
    """
    if is_process(value) and not os.path.lexists(value):
        return _of_process(int(value))
    return value


def is_process(value: Any) -> bool:
    """Tell whether a name may be the number of a process, which has no more digits."""
    return isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) <= 10


def _of_process(pid: int) -> str:
    """Give the folder of the control group of version 2 that a process is in, in a mount that shows it."""
    action = f"find the control group of process {pid}"
    try:
        # A group's name may have a carriage return in it: that ends no line.
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            found = [line[3:].rstrip("\n") for line in file if line.startswith("0::")]
    except OSError as error:
        gone = "there is no such process" if refused(error) == errno.ENOENT else None
        raise failure(refused(error), action, gone) from None
    if not found:
        raise failure(errno.ENOENT, action, "this kernel has no control groups of version 2")
    group = found[0]
    mounts = cgroup2_mounts()
    for point, root in mounts:
        below = _below(group, root)
        if below is not None:
            folder = os.path.join(point, below)
            if group.endswith(REMOVED) and not os.path.lexists(folder):
                why = f"its group {group.removesuffix(REMOVED)!r} has been removed"
                raise failure(errno.ENOENT, action, why)
            return folder
    shown = ", ".join(f"{point} is {root!r}" for point, root in mounts)
    why = (
        f"its group is {group!r} as this process's cgroup namespace has it, and that is in no cgroup2 that is mounted "
        f"here ({shown}): give the folder of the group, or a descriptor"
    )
    raise failure(errno.ENOENT, action, why)


def _below(group: str, root: str) -> str | None:
    """Give the path of a group in a mount; ``None`` if the mount does not show it, or under names that nobody says.

    Both are relative to the root of the cgroup namespace of whoever reads them (cgroup_namespaces(7)): what is outside
    it begins with ``/..``, which of a mount says how far up it begins, and not what is in between.
    """
    parts, above = _parts(group), _parts(root)
    below = parts[len(above) :]
    return "/".join(below) if parts[: len(above)] == above and ".." not in below else None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]
