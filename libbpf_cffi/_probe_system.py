"""What the system allows, and how the kernel was built: CPUs, the JIT, settings, capabilities; from /proc and /sys."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from . import _privileges
from ._check import check, failure
from ._ffi import lib
from ._type_numbers import prog_type_number
from .enums import ProgType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Jit",
    "capabilities",
    "jit",
    "kernel_config",
    "missing_capabilities",
    "needed_capabilities",
    "num_possible_cpus",
    "online_cpus",
    "possible_cpus",
    "unprivileged_bpf_disabled",
]

_CPUS = "/sys/devices/system/cpu"


class Jit(NamedTuple):
    """The settings of the JIT compiler, /proc/sys/net/core/bpf_jit_…; ``None`` where this process may not read one.

    `enable` is 0 (interpreted), 1, or 2 (and the code goes to the kernel's log). `harden` is 0, 1 (against processes
    without privileges) or 2. `kallsyms` tells whether /proc/kallsyms has the programs. `limit` is how many bytes of
    code the programs of processes without privileges may have together.
    """

    enable: int | None
    harden: int | None
    kallsyms: int | None
    limit: int | None


# CPUs


def num_possible_cpus() -> int:
    """Give how many CPUs the kernel can have: so many values has a per-CPU map for each key.

    *Wraps* ``libbpf_num_possible_cpus()``.
    """
    return check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")


def possible_cpus() -> list[int]:
    """List the CPUs that the kernel can have, by number; there are `num_possible_cpus` of them."""
    return _cpus("possible")


def online_cpus() -> list[int]:
    """List the CPUs that are running, by number. Only those can have a perf event, for one."""
    return _cpus("online")


def _cpus(file: str) -> list[int]:
    path = f"{_CPUS}/{file}"
    text = _read(path, f"list the {file} CPUs").strip()
    found: list[int] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        found += range(int(first), int(last if dash else first) + 1)
    return found


def _read(path: str, action: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise failure(error.errno or errno.EIO, action, f"{path}: {error.strerror}") from None


# Settings


def _setting(path: str) -> int | None:
    try:
        with open(f"/proc/sys/{path}", encoding="utf-8") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def jit() -> Jit:
    """Give the settings of the JIT compiler."""
    return Jit(*(_setting(f"net/core/bpf_jit_{name}") for name in Jit._fields))


def unprivileged_bpf_disabled() -> int | None:
    """Give the setting kernel.unprivileged_bpf_disabled; ``None`` if the kernel has none.

    0: processes without CAP_BPF may load socket filters and the like; 1: they may not, until reboot; 2: they may not,
    unless an administrator sets it to 0. Linux 4.4.
    """
    return _setting("kernel/unprivileged_bpf_disabled")


def kernel_config() -> dict[str, str]:
    """Give how the running kernel was built: ``CONFIG_BPF`` and so on, with ``y``, ``m`` or a value.

    What is "not set" is not in it, and texts have no quotes. Read from /proc/config.gz, or the file that distributions
    have in /boot or /lib/modules. Raises `LibbpfError` (ENOENT) where none is.
    """
    release = os.uname().release
    sources: list[tuple[str, Callable[[str], bytes]]] = [("/proc/config.gz", _gunzip)]
    sources += [(path, _bytes) for path in (f"/boot/config-{release}", f"/lib/modules/{release}/config")]
    for path, read in sources:
        try:
            data = read(path)
        except OSError:
            continue
        found = {}
        for line in data.decode("utf-8", "replace").splitlines():
            name, sign, value = line.partition("=")
            if sign and name.startswith("CONFIG_"):
                found[name] = _unquoted(value)
        return found
    tried = ", ".join(path for path, _ in sources)
    raise failure(errno.ENOENT, "read how the kernel was built", f"there is none of {tried}")


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _gunzip(path: str) -> bytes:
    import zlib

    try:
        return zlib.decompress(_bytes(path), wbits=31)
    except zlib.error:
        return b""


def _unquoted(value: str) -> str:
    if len(value) < 2 or not value.startswith('"'):
        return value
    return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")


# Capabilities


def capabilities() -> list[str]:
    """List the capabilities that matter to BPF and that this thread has: ``CAP_BPF`` and so on.

    CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, which are listed with it. Linux 5.8 has brought those.
    """
    return [name for name in _privileges.CAPABILITIES if name not in _privileges.missing(name)]


_NET_ADMIN = {
    ProgType.SCHED_CLS,
    ProgType.SCHED_ACT,
    ProgType.XDP,
    ProgType.LWT_IN,
    ProgType.LWT_OUT,
    ProgType.LWT_XMIT,
    ProgType.LWT_SEG6LOCAL,
    ProgType.SK_SKB,
    ProgType.SK_MSG,
    ProgType.FLOW_DISSECTOR,
    ProgType.CGROUP_DEVICE,
    ProgType.CGROUP_SOCK,
    ProgType.CGROUP_SOCK_ADDR,
    ProgType.CGROUP_SOCKOPT,
    ProgType.CGROUP_SYSCTL,
    ProgType.SOCK_OPS,
    ProgType.EXT,
    ProgType.NETFILTER,
}
"""is_net_admin_prog_type() of kernel/bpf/syscall.c."""

_PERFMON = {
    ProgType.KPROBE,
    ProgType.TRACEPOINT,
    ProgType.PERF_EVENT,
    ProgType.RAW_TRACEPOINT,
    ProgType.RAW_TRACEPOINT_WRITABLE,
    ProgType.TRACING,
    ProgType.LSM,
    ProgType.STRUCT_OPS,
    ProgType.EXT,
}
"""is_perfmon_prog_type() of the same."""


def needed_capabilities(type: ProgType | str | int) -> list[str]:
    """List the capabilities that loading a program of a type needs, by the kernel's rule since 5.8.

    Before Linux 6.5 LIRC_MODE2 needed CAP_NET_ADMIN. Without CAP_BPF the kernel takes socket filters and CGROUP_SKB
    programs where `unprivileged_bpf_disabled` is 0. What a program does may need more: of any type, CAP_PERFMON is what
    lets it take the difference of pointers, compare and store them, read uninitialised stack, and call helpers such as
    ``bpf_trace_printk`` (``bpf_printk()``) and ``bpf_get_current_task``. To attach may need more: CAP_SYS_ADMIN for
    BPF by id, CAP_NET_ADMIN for control groups and interfaces.
    """
    kind = ProgType(prog_type_number(type))
    unprivileged = kind in (ProgType.SOCKET_FILTER, ProgType.CGROUP_SKB) and unprivileged_bpf_disabled() == 0
    needed = [] if unprivileged else ["CAP_BPF"]
    if kind in _NET_ADMIN or (kind == ProgType.LIRC_MODE2 and _release() < (6, 5)):
        needed.append("CAP_NET_ADMIN")
    if kind in _PERFMON:
        needed.append("CAP_PERFMON")
    return needed


def _release() -> tuple[int, ...]:
    """Give the first numbers of the running kernel's release: 6, 12."""
    import re

    return tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])


def missing_capabilities(type: ProgType | str | int) -> list[str]:
    """List those of `needed_capabilities` that this thread has not; CAP_SYS_ADMIN stands for most."""
    return _missing(needed_capabilities(type))


def _missing(names: list[str]) -> list[str]:
    # The kernel's rule for CAP_NET_ADMIN has the same stand-in when a program is loaded (bpf_net_capable()).
    return [] if not _privileges.missing("CAP_SYS_ADMIN") else _privileges.missing(*names)
