"""What instructions, attach types and limits the kernel has, found out by loading and attaching."""

from __future__ import annotations

import errno
import os
import sys
from struct import pack
from typing import NamedTuple

from . import _log
from ._check import ENOTSUPP, MOMENTARY, failure
from ._ffi import Options, ffi, lib
from ._head_room import check_head_room
from ._probe_types import map_type, prog_type, refused_to_everybody
from ._type_numbers import attach_type_number
from .btf import Btf
from .enums import AttachType, BtfKind, ProgType
from .errors import LibbpfError, VerifierError
from .loaded import KernelProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Limits", "attach_type", "attach_types", "instructions", "isa_version", "limits"]

_LACKS = (errno.EINVAL, errno.EOPNOTSUPP, ENOTSUPP, errno.ENOENT, errno.ESRCH)
"""What the kernel says to what it does not know; else it is about this process."""


class Limits(NamedTuple):
    """How large programs may be, in instructions that the verifier looks at, and whether they may have loops."""

    insns: int
    bounded_loops: bool


def _insn(code: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    # Two bit fields of one byte (struct bpf_insn, linux/bpf.h).
    registers = dst | src << 4 if sys.byteorder == "little" else dst << 4 | src
    return pack("=BBhi", code, registers, off, imm)


_EXIT = _insn(0x95)
_ZERO = _insn(0xB7)
_ONE = _insn(0xB7, imm=1)
_STORED = _insn(0x7A, dst=10, off=-8)

_INSTRUCTIONS = {
    "jlt": (2, _ZERO + _insn(0xA5, off=1, imm=1) + _ONE),
    "alu32": (3, _ZERO + _insn(0x04, imm=1)),
    "jmp32": (3, _ZERO + _insn(0x16, off=1) + _ONE),
    "gotol": (4, _ZERO + _insn(0x06) + _ZERO),
    "sdiv": (4, _ONE + _insn(0x37, off=1, imm=1)),
    "movsx": (4, _ONE + _insn(0xBF, off=8)),
    "ldsx": (4, _STORED + _insn(0x91, src=10, off=-8)),
    "bswap": (4, _ONE + _insn(0xD7, imm=16)),
    "atomic": (0, _ONE + _STORED + _insn(0xDB, dst=10, off=-8, imm=1) + _ZERO),
    "may_goto": (0, _ZERO + _insn(0xE5)),
    "load_acquire": (0, _STORED + _insn(0xDB, src=10, off=-8, imm=0x100)),
}
"""By name: the version of the instruction set that brought it, or 0 for what is in none, and a program with it."""


def _loads(code: bytes, action: str) -> bool:
    check_head_room(4, action, "probe")
    try:
        KernelProgram.load(ProgType.SOCKET_FILTER, code + _EXIT).close()
    except VerifierError:
        return False
    except LibbpfError as error:
        if error.errno not in (errno.EINVAL, errno.E2BIG):
            raise failure(error.errno or errno.EIO, action) from None
        return False
    return True


def instructions() -> dict[str, bool]:
    """Tell which instructions the kernel takes that not all kernels do.

    ``jlt`` (the v2 instruction set: jumps if less), ``alu32`` and ``jmp32`` (v3), ``gotol``, ``sdiv``, ``movsx``,
    ``ldsx``, ``bswap`` (v4), and what no version of clang's ``-mcpu`` stands for: ``atomic`` (Linux 5.12),
    ``may_goto`` (6.9), ``load_acquire`` (6.15).
    """
    return {name: _loads(code, f"probe for the instruction {name}") for name, (_, code) in _INSTRUCTIONS.items()}


def isa_version() -> int:
    """Give the newest version of BPF's instruction set that the kernel takes, 1 to 4: ``-mcpu=v4`` of clang."""
    for version in (4, 3, 2):
        names = [name for name, (since, _) in _INSTRUCTIONS.items() if since and since <= version]
        if all(_loads(_INSTRUCTIONS[name][1], f"probe for the instruction {name}") for name in names):
            return version
    return 1


def limits() -> Limits:
    """Find out how large programs may be (Linux 5.2 has a million instructions), and whether they may loop (5.3).

    What a process without CAP_BPF may load is 4,096 instructions in any case.
    """
    large = _loads(_ZERO * 4096, "probe for large programs")
    loop = _insn(0xB7, imm=10) + _insn(0x07, imm=-1) + _insn(0x55, off=-2)
    return Limits(1_000_000 if large else 4096, _loads(loop, "probe for bounded loops"))


# Attach types

_NO_FD = -1

_BY_LOAD = {
    AttachType.SK_REUSEPORT_SELECT: ProgType.SK_REUSEPORT,
    AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE: ProgType.SK_REUSEPORT,
    AttachType.NETFILTER: ProgType.NETFILTER,
}
"""Types that the kernel compares when a program is loaded (bpf_prog_load_check_attach())."""

_BY_ATTACH = {
    AttachType.XDP: ProgType.XDP,
    AttachType.LIRC_MODE2: ProgType.LIRC_MODE2,
    AttachType.FLOW_DISSECTOR: ProgType.FLOW_DISSECTOR,
    AttachType.SK_LOOKUP: ProgType.SK_LOOKUP,
    AttachType.SK_SKB_STREAM_PARSER: ProgType.SK_SKB,
    AttachType.SK_SKB_STREAM_VERDICT: ProgType.SK_SKB,
    AttachType.SK_SKB_VERDICT: ProgType.SK_SKB,
    AttachType.SK_MSG_VERDICT: ProgType.SK_MSG,
}
"""Types that BPF_PROG_ATTACH looks up before it looks at the program; that of the program may not be built in."""

_BY_FUNCTION = {
    AttachType.TRACE_FENTRY: ("bpf_fentry_test1",),
    AttachType.TRACE_FEXIT: ("bpf_fentry_test1",),
    AttachType.TRACE_FSESSION: ("bpf_fentry_test1",),
    # Before Linux 6.3 only kernels with CONFIG_FUNCTION_ERROR_INJECTION take the first, and all the second.
    AttachType.MODIFY_RETURN: ("bpf_modify_return_test", "security_syslog"),
    AttachType.LSM_MAC: ("bpf_lsm_syslog",),
    AttachType.TRACE_ITER: ("bpf_iter_bpf_map",),
}
"""Types whose programs are attached to a function of the kernel, and harmless ones; the first that works will do."""

_MULTI = {
    AttachType.TRACE_KPROBE_MULTI: "kprobe_multi",
    AttachType.TRACE_KPROBE_SESSION: "kprobe_multi",
    AttachType.TRACE_UPROBE_MULTI: "uprobe_multi",
    AttachType.TRACE_UPROBE_SESSION: "uprobe_multi",
}
"""Types of links to many functions at once, and where ``struct bpf_link_create_opts`` has what they need."""

_BY_VALUE_SIZE = {AttachType.XDP_DEVMAP: "BPF_MAP_TYPE_DEVMAP", AttachType.XDP_CPUMAP: "BPF_MAP_TYPE_CPUMAP"}


def attach_type(type: AttachType | str | int) -> bool:
    """Tell whether the kernel has an attach type and lets this process use it; found out by trying.

    `type` is an `AttachType`, a number, or a name such as ``"tcx_ingress"``. The kernel is asked to query, attach or
    link in a way that must fail later than for a type that it does not know; what is traced (fentry, fexit, fmod_ret,
    LSM, iterators, multi-kprobes) is attached for a moment to a function for tests, or one that is hardly called.
    ``False`` as well where the kernel lets nobody do it, as some do with fentry, fexit, fmod_ret and LSM. Raises
    `LibbpfPermissionError` where this process may not, and `NotSupportedError` for a type that this package does not
    know.
    """
    kind = AttachType(attach_type_number(type, "type"))
    action = f"probe for the attach type {kind.name}"
    if kind.name.startswith("UNKNOWN_"):
        raise failure(errno.EOPNOTSUPP, action, "this package knows no way to find out")
    check_head_room(6, action, "probe")
    _log.listen()
    try:
        return _attach(kind, action)
    except LibbpfError as error:
        if error.errno in _LACKS or isinstance(error, VerifierError):
            return False
        if error.errno == errno.EPERM and kind in _BY_FUNCTION and refused_to_everybody(_loaded_as(kind)):
            return False
        raise failure(error.errno or errno.EIO, action, getattr(error, "hint", None)) from None


def attach_types() -> dict[AttachType, bool | None]:
    """Ask for every attach type; ``None`` stands for what cannot be found out (see `attach_type`)."""
    found: dict[AttachType, bool | None] = {}
    for kind in AttachType:
        try:
            found[kind] = attach_type(kind)
        except LibbpfError as error:
            if error.errno in MOMENTARY:
                raise
            found[kind] = None
    return found


def _attach(kind: AttachType, action: str) -> bool:
    if kind in _BY_LOAD:
        return prog_type(_BY_LOAD[kind]) and _try_load(_BY_LOAD[kind], expected_attach_type=kind)
    if kind in _BY_ATTACH:
        known = _answered(lib.bpf_prog_attach_opts(_NO_FD, _NO_FD, kind, ffi.NULL), action)
        return known and prog_type(_BY_ATTACH[kind])
    if kind in _BY_FUNCTION:
        return any(_try_function(kind, name) for name in _BY_FUNCTION[kind])
    if kind is AttachType.TRACE_RAW_TP:
        return _try_raw_tracepoint()
    if kind in _MULTI:
        return _try_multi(kind, _MULTI[kind], action)
    if kind is AttachType.PERF_EVENT:
        return _try_link(ProgType.TRACEPOINT, kind, action)
    if kind in _BY_VALUE_SIZE:
        return _try_program_map(getattr(lib, _BY_VALUE_SIZE[kind]), action)
    if kind is AttachType.STRUCT_OPS:
        return Btf.kernel().find("struct bpf_struct_ops_link") is not None and prog_type(ProgType.STRUCT_OPS)
    if kind is AttachType.LSM_CGROUP and not prog_type(ProgType.LSM):
        return False
    # The rest are those of control groups, whose descriptor is looked at last, and of interfaces, by their numbers: the
    # loopback's is always 1.
    return _try_query(1 if kind.name.startswith(("TCX_", "NETKIT_")) else _NO_FD, kind, action)


def _answered(result: int, action: str) -> bool:
    """Tell what the refusal of a call says that cannot succeed."""
    if -result in (*MOMENTARY, errno.EPERM, errno.EACCES):
        raise failure(-result, action)
    return -result not in (errno.EINVAL, errno.EOPNOTSUPP, ENOTSUPP)


def _try_query(target: int, kind: AttachType, action: str) -> bool:
    opts = Options("bpf_prog_query_opts")
    return _answered(lib.bpf_prog_query_opts(target, kind, opts.pointer), action)


def _try_load(type: ProgType, **keywords: Any) -> bool:
    KernelProgram.load(type, _ZERO + _EXIT, **keywords).close()
    return True


def _try_function(kind: AttachType, name: str) -> bool:
    """Attach a program to a function, and detach it; a function that the kernel refuses is none."""
    with Btf.kernel() as btf:
        function = btf.find(name, BtfKind.FUNC)
        if function is None:
            return False
        number = function.id
    try:
        program = KernelProgram.load(_loaded_as(kind), _ZERO + _EXIT, expected_attach_type=kind, attach_btf_id=number)
    except VerifierError:
        return False
    with program:
        if kind is AttachType.TRACE_ITER:
            return _close(lib.bpf_link_create(program.fd, 0, kind, ffi.NULL), kind)
        return _close(lib.bpf_raw_tracepoint_open(ffi.NULL, program.fd), kind)


def _loaded_as(kind: AttachType) -> ProgType:
    return ProgType.LSM if kind is AttachType.LSM_MAC else ProgType.TRACING


def _try_raw_tracepoint() -> bool:
    kind = AttachType.TRACE_RAW_TP
    number = lib.libbpf_find_vmlinux_btf_id(b"task_newtask", kind)
    if number < 0:
        return _close(number, kind)
    of = ProgType.TRACING
    with KernelProgram.load(of, _ZERO + _EXIT, expected_attach_type=kind, attach_btf_id=number) as program:
        return _close(lib.bpf_raw_tracepoint_open(ffi.NULL, program.fd), kind)


def _close(fd: int, kind: AttachType) -> bool:
    if fd < 0:
        if -fd in _LACKS:
            return False
        raise failure(-fd, f"probe for the attach type {kind.name}")
    os.close(fd)
    return True


def _try_link(type: ProgType, kind: AttachType, action: str) -> bool:
    """Ask for a link to nothing: of a type that it knows the kernel wants to see that."""
    with KernelProgram.load(type, _ZERO + _EXIT) as program:
        return _answered(lib.bpf_link_create(program.fd, _NO_FD, kind, ffi.NULL), action)


def _try_multi(kind: AttachType, member: str, action: str) -> bool:
    with KernelProgram.load(ProgType.KPROBE, _ZERO + _EXIT, expected_attach_type=kind) as program:
        opts = Options("bpf_link_create_opts")
        fields = getattr(opts.pointer, member)
        fields.cnt = 1
        if member == "uprobe_multi":
            # A folder is no file to probe: EBADF, as libbpf itself finds out.
            path, offset = ffi.new("char[]", b"/"), ffi.new("unsigned long *")
            fields.path, fields.offsets = path, offset
            return _answered(lib.bpf_link_create(program.fd, _NO_FD, kind, opts.pointer), action)
        symbol = ffi.new("char[]", b"bpf_fentry_test1")
        symbols = ffi.new("char *[]", [symbol])
        fields.syms = symbols
        return _close(lib.bpf_link_create(program.fd, 0, kind, opts.pointer), kind)


def _try_program_map(type: int, action: str) -> bool:
    """Create a map that holds programs beside devices or CPUs: its values are larger."""
    if not map_type(type):
        return False
    fd = lib.bpf_map_create(type, ffi.NULL, 4, 8, 1, ffi.NULL)
    if fd >= 0:
        os.close(fd)
        return True
    return _answered(fd, action)
