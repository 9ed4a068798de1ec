"""Which capabilities programs of each type need, which this process has, and what is said of one that lacks some."""

from __future__ import annotations

import errno

from . import _privileges
from ._check import absent
from ._ffi import lib, text
from ._type_numbers import prog_type_number
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .enums import ProgType

__all__ = [
    "capabilities",
    "lacking",
    "lacking_hint",
    "map_hint",
    "missing_capabilities",
    "needed_capabilities",
    "setting",
    "unprivileged_bpf_disabled",
]


def setting(path: str) -> int | None:
    """Give a setting of /proc/sys, or ``None`` where there is none that this process may read."""
    try:
        with open(f"/proc/sys/{path}", encoding="utf-8") as file:
            return int(file.read())
    except ValueError:
        return None
    except OSError as error:
        absent(error, f"read the setting /proc/sys/{path}")
        return None


def unprivileged_bpf_disabled() -> int | None:
    """Give the setting kernel.unprivileged_bpf_disabled; ``None`` if the kernel has none.

    0: processes without CAP_BPF may load socket filters and the like; 1: they may not, until reboot; 2: they may not,
    unless an administrator sets it to 0. Linux 4.4.
    """
    return setting("kernel/unprivileged_bpf_disabled")


def capabilities() -> list[str]:
    """List the capabilities that matter to BPF and that this thread has: ``CAP_BPF`` and so on.

    CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, which are listed with it. Linux 5.8 has brought those.
    """
    return [name for name in _privileges.CAPABILITIES if name not in lacking(name)]


_NET_ADMIN = (
    "SCHED_CLS", "SCHED_ACT", "XDP", "LWT_IN", "LWT_OUT",
    "LWT_XMIT", "LWT_SEG6LOCAL", "SK_SKB", "SK_MSG", "FLOW_DISSECTOR",
    "CGROUP_DEVICE", "CGROUP_SOCK", "CGROUP_SOCK_ADDR", "CGROUP_SOCKOPT", "CGROUP_SYSCTL",
    "SOCK_OPS", "EXT", "NETFILTER",
)
"""is_net_admin_prog_type() of kernel/bpf/syscall.c."""

_PERFMON = (
    "KPROBE", "TRACEPOINT", "PERF_EVENT", "RAW_TRACEPOINT", "RAW_TRACEPOINT_WRITABLE",
    "TRACING", "LSM", "STRUCT_OPS", "EXT",
)
"""is_perfmon_prog_type() of the same."""


def needed_capabilities(type: ProgType | str | int) -> list[str]:
    """List the capabilities that loading a program of a type needs, by the kernel's rule since 5.8.

    Before Linux 6.5 LIRC_MODE2 needed CAP_NET_ADMIN. Without CAP_BPF the kernel takes socket filters and CGROUP_SKB
    programs where `unprivileged_bpf_disabled` is 0. What a program does may need more: of any type, CAP_PERFMON is what
    lets it take the difference of pointers, compare and store them, read uninitialised stack, and call helpers such as
    ``bpf_trace_printk`` (``bpf_printk()``) and ``bpf_get_current_task``. To attach may need more: CAP_SYS_ADMIN for
    BPF by id, CAP_NET_ADMIN for control groups and interfaces.
    """
    kind = _name(prog_type_number(type))
    unprivileged = kind in ("SOCKET_FILTER", "CGROUP_SKB") and unprivileged_bpf_disabled() == 0
    needed = [] if unprivileged else ["CAP_BPF"]
    if kind in _NET_ADMIN or (kind == "LIRC_MODE2" and _privileges.release() < (6, 5)):
        needed.append("CAP_NET_ADMIN")
    if kind in _PERFMON:
        needed.append("CAP_PERFMON")
    return needed


def _name(type: int) -> str:
    # Not by `enums`: where privileges were given up, what is not imported yet may be out of reach.
    return text(lib.libbpf_bpf_prog_type_str(type)).upper()


def missing_capabilities(type: ProgType | str | int) -> list[str]:
    """List those of `needed_capabilities` that this thread has not; CAP_SYS_ADMIN stands for most."""
    return _missing(needed_capabilities(type))


def _missing(names: list[str]) -> list[str]:
    # The kernel's rule for CAP_NET_ADMIN has the same stand-in when a program is loaded (bpf_net_capable()).
    return [] if not lacking("CAP_SYS_ADMIN") else lacking(*names)


def lacking(*names: str) -> list[str]:
    """List those of the capabilities `names` that this thread has not, as `_privileges.missing`, for an answer."""
    try:
        return _privileges.missing(*names, sure=True)
    except OSError as error:
        absent(error, "find out what capabilities this thread has")
        return []  # without /proc


def lacking_hint(error: int, type: int) -> str | None:
    """Say which capabilities a process lacks whose program the kernel refused; ``None`` if that is not why."""
    if error not in (errno.EPERM, errno.EACCES):
        return None
    try:
        needs = needed_capabilities(type)
        lacks = _missing(needs)
    except LibbpfError:
        return None  # no descriptor is left to find it out with
    if not lacks:
        return None
    kind, needed = _name(type), " and ".join(needs)
    more = "".join(f"; {each}" for each in _privileges.obstacles())
    return f"this process lacks {' and '.join(lacks)}: programs of the type {kind} need {needed}{more}"


_NET_ADMIN_MAPS = (
    lib.BPF_MAP_TYPE_DEVMAP, lib.BPF_MAP_TYPE_DEVMAP_HASH, lib.BPF_MAP_TYPE_XSKMAP, lib.BPF_MAP_TYPE_SOCKMAP,
    lib.BPF_MAP_TYPE_SOCKHASH,
)  # fmt: skip
"""Those for which map_create() of kernel/bpf/syscall.c asks for CAP_NET_ADMIN."""


def map_hint(error: int, type: int) -> str | None:
    """Say which capabilities a process lacks whose map the kernel refused; ``None`` if that is not why."""
    if error != errno.EPERM:
        return None
    needs = ["CAP_NET_ADMIN"] if type in _NET_ADMIN_MAPS else []
    try:
        if not needs or unprivileged_bpf_disabled() != 0:
            needs.insert(0, "CAP_BPF")
        lacks = _missing(needs)
    except LibbpfError:
        return None  # no descriptor is left to find it out with
    if not lacks:
        return None
    kind, needed = text(lib.libbpf_bpf_map_type_str(type)).upper(), " and ".join(needs)
    more = "".join(f"; {each}" for each in _privileges.obstacles())
    return f"this process lacks {' and '.join(lacks)}: maps of the type {kind} need {needed}{more}"
