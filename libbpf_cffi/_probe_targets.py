"""What of the kernel programs can be attached to: functions, tracepoints, hooks, system calls, structs, iterators."""

from __future__ import annotations

import errno
import os

from ._check import absent, failure
from ._ffi import lib, text
from ._refusals import refused
from .btf import Btf
from .enums import BtfKind
from .tracefs import find_tracefs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "event_sources",
    "functions",
    "iterators",
    "kfuncs",
    "lsm_hooks",
    "modules",
    "raw_tracepoints",
    "struct_ops_types",
    "syscalls",
]

_BTF_FOLDER = "/sys/kernel/btf"


def functions(module: str | None = None) -> list[str]:
    """List the kernel's functions that kprobes, fentry and their kin can be attached to; with `module`, a module's.

    From tracefs (available_filter_functions), or where that is not to be had the functions of /proc/kallsyms, some of
    which no probe is allowed on. What is of that name several times is listed once. Raises `LibbpfError` (ENOENT) for
    a module that is not loaded.
    """
    try:
        lines = _lines(os.path.join(find_tracefs(), "available_filter_functions"))
    except OSError as error:
        absent(error, "list the kernel's functions")
        lines = _kallsyms()
    wanted = "" if module is None else f"[{module}]"
    found: dict[str, None] = {}
    for line in lines:
        name, _, of = line.partition(" ")
        if of.strip() == wanted and not name.startswith("__ftrace_invalid_address__"):
            found[name] = None
    if not found and module is not None and not os.path.isdir(os.path.join("/sys/module", module)):
        hint = f"the kernel has loaded no module {module!r}; those with types are in probe.modules()"
        raise failure(errno.ENOENT, f"list the functions of module {module!r}", hint)
    return sorted(found)


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()


def _kallsyms() -> list[str]:
    """Give the functions as tracefs does: the name, and the module in brackets."""
    try:
        lines = _lines("/proc/kallsyms")
    except OSError as error:
        raise failure(refused(error), "list the kernel's functions") from None
    found = []
    for line in lines:
        _, kind, name = line.split(" ", 2)
        # BPF programs are listed too, as if they were a module's.
        if kind in "tTwW" and not name.startswith(".") and not name.endswith("[bpf]"):
            found.append(name.replace("\t", " "))
    return found


def modules() -> list[str]:
    """List the kernel modules that have BTF, and so types, functions and tracepoints by `Btf.module`. Linux 5.11."""
    try:
        return sorted(name for name in os.listdir(_BTF_FOLDER) if name != "vmlinux")
    except OSError as error:
        action = f"list {_BTF_FOLDER}"
        if absent(error, action) != errno.ENOENT:
            raise failure(refused(error), action) from None
        return []


_SOURCES = "/sys/bus/event_source/devices"


def event_sources() -> dict[str, bool]:
    """Tell by its name which sources of perf events the kernel has; ``kprobe``, ``uprobe`` and ``tracepoint`` always.

    Programs of the sections ``kprobe`` and ``ksyscall`` are attached by the first, of ``uprobe`` and ``usdt`` by the
    second, of ``tracepoint`` by the third. What else is ``True`` are sources for `PerfEvent`, such as ``software`` and
    ``cpu``. Read from /sys/bus/event_source. Raises `LibbpfError` (ENOENT) where /sys is not mounted. Linux 4.17.
    """
    try:
        found = os.listdir(_SOURCES)
    except OSError as error:
        hint = "sysfs is not mounted: mount -t sysfs sysfs /sys" if refused(error) == errno.ENOENT else None
        raise failure(refused(error), f"list {_SOURCES}", hint) from None
    return {name: name in found for name in sorted({"kprobe", "tracepoint", "uprobe", *found})}


def _names(module: str | None, kind: BtfKind, prefix: str) -> list[str]:
    """List what the BTF of the kernel, or of a module, has by a prefix, without that prefix."""
    with Btf.kernel() as base:
        btf = base if module is None else Btf.module(module, base)
        return sorted(set(_found(btf, kind, prefix)))


def _found(btf: Btf, kind: BtfKind, prefix: str) -> Iterator[str]:
    # Not by BtfType: there are 100,000 types.
    with btf._handle.lock:
        pointer = btf._pointer
        for number in range(btf.start_id, lib.btf__type_cnt(pointer)):
            raw = lib.btf__type_by_id(pointer, number)
            if raw.name_off and raw.info >> 24 & 0x1F == kind:
                name = text(lib.btf__name_by_offset(pointer, raw.name_off))
                if name.startswith(prefix):
                    yield name.removeprefix(prefix)


def raw_tracepoints(module: str | None = None) -> list[str]:
    """List the tracepoints by the names that ``raw_tp/`` and ``tp_btf/`` have for them; with `module`, a module's.

    `libbpf_cffi.tracepoints` lists those of ``tracepoint/``, with category and layout. Raises `LibbpfError` where the
    kernel has no BTF.
    """
    return _names(module, BtfKind.TYPEDEF, "btf_trace_")


def lsm_hooks() -> list[str]:
    """List the hooks of Linux security modules, for ``lsm/``; whether BPF is among the modules says `attach_type`."""
    # Helpers have such names, too: bpf_lsm_is_sleepable_hook() is no hook, nor what is said to be of the kernel alone.
    return _names(None, BtfKind.FUNC, "bpf_lsm_")


def struct_ops_types(module: str | None = None) -> list[str]:
    """List the structs of functions that a struct_ops map can fill: ``tcp_congestion_ops`` and so on. Linux 5.6."""
    return [name for name in _names(module, BtfKind.STRUCT, "bpf_struct_ops_") if name not in _NO_STRUCT_OPS]


_NO_STRUCT_OPS = {"arg_info", "common_value", "desc", "link", "map", "state", "tramp_link", "value"}
"""Structs of kernel/bpf/bpf_struct_ops.c itself."""


def iterators() -> list[str]:
    """List what ``iter/`` can go through: ``task``, ``bpf_map`` and so on. Linux 5.8."""
    found = []
    with Btf.kernel() as btf:
        for name in _found(btf, BtfKind.FUNC, "bpf_iter_"):
            function = btf[f"func bpf_iter_{name}"].type
            params = function.params
            # What is no target, such as the kfunc bpf_iter_num_new(), has another first parameter, or like
            # bpf_iter_get_info() another result.
            if not params or params[0].type.kind != BtfKind.PTR or function.type.kind != BtfKind.INT:
                continue
            if params[0].type.type.name == "bpf_iter_meta":
                found.append(name)
    return sorted(set(found))


def kfuncs(module: str | None = None) -> list[str]:
    """List the functions of the kernel that programs may call beside helpers; with `module`, a module's.

    The BTF marks them where pahole 1.26 has made it, for Linux 6.10 and later: of an older kernel the list is empty.
    `Btf.declare` gives a function's prototype. Which types of programs may call one the kernel does not tell.
    """
    with Btf.kernel() as base:
        btf = base if module is None else Btf.module(module, base)
        return sorted({each.name for each in map(btf.__getitem__, _tagged(btf)) if each.kind == BtfKind.FUNC})


def _tagged(btf: Btf) -> Iterator[int]:
    for (number, component), tags in btf._tags().items():
        # -1 stands for the function itself, not a parameter of it.
        if component == -1 and "bpf_kfunc" in tags and number >= btf.start_id:
            yield number


_SYSCALL_PREFIXES = ("__x64_sys_", "__arm64_sys_", "__s390x_sys_", "__riscv_sys_", "__powerpc_sys_")
"""Of the functions that libbpf attaches to on a kernel whose machine has such (bpf_program__attach_ksyscall())."""

_PLAIN_PREFIX = "__se_sys_"
"""Of those on all others. What is called ``sys_…`` is of a driver's: sys_info(), sys_imageblit()."""


def syscalls() -> list[str]:
    """List the system calls that ``ksyscall/`` can be attached to, by name: ``openat`` and so on."""
    names = [line.partition(" ")[0] for line in _kallsyms()]
    for prefixes in (_SYSCALL_PREFIXES, (_PLAIN_PREFIX,)):
        found = {name.removeprefix(each) for name in names for each in prefixes if name.startswith(each)}
        if found:
            return sorted(found)
    return []
