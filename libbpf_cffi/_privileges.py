"""Which capabilities this process has, and what else stands in the way of BPF; read from /proc and /sys, no C."""

from __future__ import annotations

import os

from ._refusals import refused

__all__ = ["CAPABILITIES", "effective", "lockdown", "missing", "obstacles", "release", "security_modules"]

CAPABILITIES = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_NET_ADMIN": 12,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_RESOURCE": 24,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""Bit numbers of include/uapi/linux/capability.h, for those that BPF can need."""


def _text(path: str) -> str:
    # UTF-8 is built in; another codec would be imported, which a process that has just given up privileges may not be
    # able to do. A thread's name may have a carriage return in it: that ends no line.
    with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
        return file.read()


def _read(path: str) -> str:
    try:
        return _text(path)
    except OSError as error:
        refused(error)
        return ""


def effective(*, sure: bool = False) -> int | None:
    """Give this thread's effective capabilities as a bit mask, or ``None`` where /proc does not say.

    With `sure` it is an ``OSError`` that /proc cannot be read.
    """
    for line in (_text if sure else _read)("/proc/thread-self/status").split("\n"):
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return None


def missing(*names: str, sure: bool = False) -> list[str]:
    """List those of the capabilities `names` that this thread has not; CAP_SYS_ADMIN stands for CAP_BPF and
    CAP_PERFMON.

    The kernel's rule since 5.8 (``bpf_capable()``, ``perfmon_capable()``); CAP_NET_ADMIN has no such stand-in
    for BPF. Where /proc does not say, it has them all; with `sure` as in `effective`.
    """
    mask = effective(sure=sure)
    if mask is None:
        return []
    if mask >> CAPABILITIES["CAP_SYS_ADMIN"] & 1:
        mask |= 1 << CAPABILITIES["CAP_BPF"] | 1 << CAPABILITIES["CAP_PERFMON"]
    return [name for name in names if not mask >> CAPABILITIES[name] & 1]


def lockdown() -> str:
    """Give how far the kernel is locked down: ``"integrity"``, ``"confidentiality"``, or an empty text. Linux 5.4."""
    said = _read("/sys/kernel/security/lockdown")
    if not said:
        # securityfs is not mounted; where the boot parameter is not given, only the kernel's configuration says it.
        chosen = [word for word in _read("/proc/cmdline").split() if word.startswith("lockdown=")]
        said = f"[{chosen[-1].removeprefix('lockdown=')}]" if chosen else ""
    level = said.partition("[")[2].partition("]")[0]
    return "" if level == "none" else level


def security_modules() -> str:
    """Give the LSMs that the kernel was started with, between commas; an empty text if it does not say."""
    return _read("/sys/kernel/security/lsm")


def release() -> tuple[int, int]:
    """Give the first two numbers of the running kernel's release: 6, 12."""
    major, _, rest = os.uname().release.partition(".")
    return int(major), int(rest.partition(".")[0].partition("-")[0])


def _memlock() -> str:
    """Give how many bytes of BPF's this process may have, ``unlimited`` where the kernel does not count them so."""
    if release() >= (5, 11):
        return "unlimited"
    for line in _read("/proc/self/limits").splitlines():
        if line.startswith("Max locked memory"):
            return line.split()[3]
    return "unlimited"


def obstacles() -> list[str]:
    """List, in words, the system's settings that refuse BPF to a process that has the capabilities or has not."""
    found = []
    level = lockdown()
    if level == "confidentiality":
        found.append("the kernel is locked down (lockdown=confidentiality): no tracing")
    elif level == "integrity":
        found.append("the kernel is locked down (lockdown=integrity): it may refuse programs that steer the kernel")
    if missing("CAP_BPF") and _read("/proc/sys/kernel/unprivileged_bpf_disabled").strip() in ("1", "2"):
        found.append("kernel.unprivileged_bpf_disabled forbids BPF without CAP_BPF")
    locked = _memlock() if missing("CAP_SYS_RESOURCE") else "unlimited"
    if locked != "unlimited":
        found.append(
            f"before Linux 5.11 maps and programs count as locked memory, of which this process may have {locked} "
            f"bytes: raise `ulimit -l` (RLIMIT_MEMLOCK), as libbpf does with CAP_SYS_RESOURCE"
        )
    return found
