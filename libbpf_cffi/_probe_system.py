"""What the system has, and how the kernel was built: CPUs, the JIT, the configuration; from /proc and /sys."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from ._capabilities import setting
from ._check import absent, check, failure
from ._ffi import lib
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Jit",
    "jit",
    "kernel_config",
    "num_possible_cpus",
    "online_cpus",
    "possible_cpus",
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
        raise failure(refused(error), action, f"{path}: {error.strerror}") from None


# Settings


def jit() -> Jit:
    """Give the settings of the JIT compiler."""
    return Jit(*(setting(f"net/core/bpf_jit_{name}") for name in Jit._fields))


def kernel_config() -> dict[str, str]:
    """Give how the running kernel was built: ``CONFIG_BPF`` and so on, with ``y``, ``m`` or a value.

    What is "not set" is not in it, and texts have no quotes. Read from /proc/config.gz, or the file that distributions
    have in /boot or /lib/modules. Raises `LibbpfError` (ENOENT) where none is.
    """
    action = "read how the kernel was built"
    release = os.uname().release
    sources: list[tuple[str, Callable[[str], bytes]]] = [("/proc/config.gz", _gunzip)]
    sources += [(path, _bytes) for path in (f"/boot/config-{release}", f"/lib/modules/{release}/config")]
    for path, read in sources:
        try:
            data = read(path)
        except OSError as error:
            absent(error, action)
            continue
        found = {}
        for line in data.decode("utf-8", "replace").splitlines():
            name, sign, value = line.partition("=")
            if sign and name.startswith("CONFIG_"):
                found[name] = _unquoted(value)
        return found
    tried = ", ".join(path for path, _ in sources)
    raise failure(errno.ENOENT, action, f"there is none of {tried}")


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
