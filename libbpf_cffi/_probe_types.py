"""What types of programs and maps, and what helpers, the kernel has."""

from __future__ import annotations

import errno
import os

from . import _log
from ._capabilities import lacking, lacking_hint
from ._check import MOMENTARY, check, failure
from ._ffi import Options, ffi, lib, unsigned
from ._head_room import check_head_room
from ._type_numbers import map_type_number, prog_type_number
from .enums import MapType, ProgType
from .errors import LibbpfError, LibbpfPermissionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._libbpf import CData

__all__ = [
    "helper",
    "helper_number",
    "helpers",
    "map_type",
    "map_types",
    "prog_type",
    "prog_types",
    "refused_to_everybody",
]

_NOT_THE_KERNELS = (*MOMENTARY, errno.EPERM, errno.EACCES, errno.ENOSYS)
"""What says nothing of the kernel's features, but of this process: libbpf takes it for a no."""

_HELPER_PREFIX = "BPF_FUNC_"

_BY_TARGET = (
    lib.BPF_PROG_TYPE_TRACING,
    lib.BPF_PROG_TYPE_LSM,
    lib.BPF_PROG_TYPE_EXT,
    lib.BPF_PROG_TYPE_STRUCT_OPS,
)
"""Types of which libbpf_probe_bpf_helper() says at once that it cannot tell, whether or not the kernel has them."""


def ask(action: str, function: Callable[..., int], *arguments: Any, type: int | None = None) -> bool:
    """Ask by one of libbpf's probes. A no for another reason than that the kernel lacks it is an exception.

    `type` is that of the programs by which it is asked.
    """
    check_head_room(4, action, "probe")
    _log.listen()
    ffi.errno = 0
    result = function(*arguments, ffi.NULL)
    error = ffi.errno
    if result < 0:
        hint = "libbpf knows no way to find out" if -result == errno.EOPNOTSUPP else None
        raise failure(-result, action, hint)
    if not result and error in _NOT_THE_KERNELS:
        # libbpf keeps what it has concluded of the same failure meanwhile.
        lib.lbc_features_forget_missing()
        raise failure(error, action, None if type is None else lacking_hint(error, type))
    return bool(check(result, action))


def prog_type(type: ProgType | str | int) -> bool:
    """Tell whether the kernel has a type of programs, and lets this process load one.

    `type` is a `ProgType`, a number, or a name such as ``"xdp"``. *Wraps* ``libbpf_probe_bpf_prog_type()``. Raises
    `LibbpfPermissionError` where the process lacks a capability (`needed_capabilities`), and `NotSupportedError` where
    libbpf does not know the type. A type whose programs the kernel lets nobody load (LSM and EXT in some) is a
    ``False``. The type KPROBE is that of kprobes and uprobes: `event_sources` tells which of them the kernel has.
    """
    number = prog_type_number(type)
    action = f"probe for programs of type {ProgType(number).name}"
    if number == lib.BPF_PROG_TYPE_TRACING:
        return ask(action, _probe_tracing, type=number)
    try:
        return ask(action, lib.libbpf_probe_bpf_prog_type, number, type=number)
    except LibbpfPermissionError:
        if number in _CALLED and refused_to_everybody(number):
            return False
        raise


_CALLED = (lib.BPF_PROG_TYPE_LSM, lib.BPF_PROG_TYPE_EXT)
"""Types of which each program is called in the place of a function of the kernel, which some kernels let nobody do."""


def _probe_tracing(_: CData) -> int:
    """Ask as libbpf does, but for a tracepoint: fentry, for which libbpf asks, some kernels let nobody load."""
    # r0 = 0; exit
    code = ffi.new("struct bpf_insn[]", [{"code": lib.BPF_ALU64 | lib.BPF_MOV}, {"code": lib.BPF_JMP | lib.BPF_EXIT}])
    log = ffi.new("char[]", 4096)
    options = Options("bpf_prog_load_opts", expected_attach_type=lib.BPF_TRACE_RAW_TP, attach_btf_id=1)
    for field, value in (("log_buf", log), ("log_size", len(log)), ("log_level", 1)):
        options.set(field, value)
    fd = lib.bpf_prog_load(lib.BPF_PROG_TYPE_TRACING, ffi.NULL, b"GPL", code, len(code), options.pointer)
    if fd >= 0:
        os.close(fd)
        return 1
    # Of a kernel with the type the first type of its BTF is no tracepoint (bpf_check_attach_target()).
    return int(fd == -errno.EINVAL and b"attach_btf_id 1 " in ffi.string(log))


def refused_to_everybody(type: int) -> bool:
    """Tell whether an EPERM for programs of a type is no want of rights: others that need the same are loaded."""
    others = [lib.BPF_PROG_TYPE_RAW_TRACEPOINT]
    if type == lib.BPF_PROG_TYPE_EXT:
        others.append(lib.BPF_PROG_TYPE_XDP)
    return all(lib.libbpf_probe_bpf_prog_type(each, ffi.NULL) == 1 for each in others)


def map_type(type: MapType | str | int) -> bool:
    """Tell whether the kernel has a type of maps, and lets this process create one.

    `type` is a `MapType`, a number, or a name such as ``"ringbuf"``. *Wraps* ``libbpf_probe_bpf_map_type()``. Raises
    as `prog_type` does.
    """
    number = map_type_number(type)
    return ask(f"probe for maps of type {MapType(number).name}", lib.libbpf_probe_bpf_map_type, number)


def helper(prog_type: ProgType | str | int, helper: str | int) -> bool:
    """Tell whether programs of a type may call a helper: its name, such as ``"bpf_get_stackid"``, or its number.

    *Wraps* ``libbpf_probe_bpf_helper()``. ``False`` as well if the kernel lacks that type of programs. Raises as
    `prog_type` does, and always `NotSupportedError` for the types TRACING, LSM, EXT and STRUCT_OPS, whose helpers
    depend on what they are attached to. Some helpers, such as ``bpf_trace_printk``, the kernel gives only to a process
    that has CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN), and to others as if it had none: in place of a no, these
    get `LibbpfPermissionError`.
    """
    kind, number = prog_type_number(prog_type), helper_number(helper)
    action = f"probe for helper {helper} in programs of type {ProgType(kind).name}"
    # libbpf takes any failure but one for a yes.
    if kind not in _BY_TARGET and not ask(action, lib.libbpf_probe_bpf_prog_type, kind, type=kind):
        return False
    if ask(action, lib.libbpf_probe_bpf_helper, kind, number, type=kind):
        return True
    lacks = lacking("CAP_BPF", "CAP_PERFMON")
    if lacks:
        hint = (
            f"this process lacks {' and '.join(lacks)} (before Linux 5.8: CAP_SYS_ADMIN), without which the kernel "
            "hides some helpers from programs of every type"
        )
        raise failure(errno.EPERM, action, hint)
    return False


def helper_number(helper: str | int) -> int:
    """Give the number of a helper: ``BPF_FUNC_…`` of linux/bpf.h, by its name with or without ``bpf_``."""
    if not isinstance(helper, str):
        return unsigned(helper, 31, "helper")
    known = _helpers()
    found = known.get(helper.removeprefix(_HELPER_PREFIX).removeprefix("bpf_"))
    if found is None:
        from ._named import missing_name

        raise ValueError(missing_name(helper, [f"bpf_{name}" for name in known], "helper", "libbpf 1.7").args[0])
    return found


def _helpers() -> dict[str, int]:
    """Give the helpers that linux/bpf.h knows: numbers by name, without prefix."""
    values: dict[str, int] = ffi.typeof("enum bpf_func_id").relements
    return {
        name.removeprefix(_HELPER_PREFIX): value
        for name, value in values.items()
        if name.startswith(_HELPER_PREFIX) and value
    }


def prog_types() -> dict[ProgType, bool | None]:
    """Ask for every type of programs; ``None`` stands for what cannot be found out (see `prog_type`)."""
    return {kind: _maybe(prog_type, kind) for kind in ProgType if kind}


def map_types() -> dict[MapType, bool | None]:
    """Ask for every type of maps; ``None`` stands for what cannot be found out (see `map_type`)."""
    return {kind: _maybe(map_type, kind) for kind in MapType if kind}


def helpers(type: ProgType | str | int) -> list[str]:
    """List the helpers that programs of a type may call. Takes some 20 ms.

    Raises as `helper` does: `LibbpfPermissionError` in a process without CAP_PERFMON, to which not all are known.
    """
    kind = prog_type_number(type)
    return [f"bpf_{name}" for name, number in _helpers().items() if helper(kind, number)]


def _maybe(probe: Callable[[Any], bool], kind: Any) -> bool | None:
    try:
        return probe(kind)
    except LibbpfError as error:
        if error.errno in MOMENTARY:
            raise
        return None
