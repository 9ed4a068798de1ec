"""Stand-alone programs that are loaded from instructions. What a program is like is `_program`'s."""

from __future__ import annotations

import errno

from . import _privileges
from ._ffi import Options, c_string, ffi, lib, text
from ._kernel_open import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._handle import Handle
    from ._libbpf import CData, lbc_prog

__all__ = ["PROGRAMS", "load", "traced_hint"]

INSN = 8
"""Bytes of a ``struct bpf_insn``."""

_TRAMPOLINES = ("fentry", "fexit", "fsession", "fmod_ret", "lsm", "lsm_cgroup", "freplace")
"""Sections of programs that the kernel calls by a trampoline in the place of a function's beginning."""

_TRACED = (lib.BPF_TRACE_FENTRY, lib.BPF_TRACE_FEXIT, lib.BPF_TRACE_FSESSION, lib.BPF_MODIFY_RETURN)
"""The attach types of the type TRACING among them; of LSM and EXT are all."""

FIRST_LOG, LAST_LOG = 1 << 16, 1 << 30
"""Bytes of the buffers for the verifier's log; the kernel takes none larger than the last (BPF_MAX_LOG_SIZE)."""


def _id_hint(error: int, number: int) -> str | None:
    return f"no program has the id {number}" if error == errno.ENOENT else None


def _name_hint(error: int, name: str) -> str | None:
    if error == errno.EINVAL and not all(each.isascii() and (each.isalnum() or each in "_.") for each in name):
        # bpf_obj_name_cpy() in the kernel.
        return f"a program's name has only ASCII letters, digits, '_' and '.': {name!r} does not"
    return None


def _refused_hint(error: int, kind: int, attach_type: int) -> str | None:
    """Say what the process lacks, or that nobody may load such a program."""
    from ._capabilities import lacking_hint

    called = kind == lib.BPF_PROG_TYPE_TRACING and attach_type in _TRACED
    section = _TRAMPOLINES[0] if called or kind in (lib.BPF_PROG_TYPE_LSM, lib.BPF_PROG_TYPE_EXT) else ""
    return lacking_hint(error, kind) or traced_hint(error, section)


def traced_hint(error: int, section: str) -> str | None:
    """Say of a program that was refused, by its section, that nobody may load its like where that seems to be so."""
    kind = section.lstrip("?").partition("/")[0].partition(".")[0]
    if error != errno.EPERM or kind not in _TRAMPOLINES:
        return None
    if _privileges.missing("CAP_BPF", "CAP_PERFMON") or _privileges.obstacles():
        return None
    return (
        "this process lacks nothing that is known: some kernels refuse fentry, fexit, fmod_ret, LSM and freplace "
        "programs to everybody; tp_btf, raw_tp, tracepoint or uprobe may do"
    )


PROGRAMS = Kind(
    "program",
    "anon_inode:bpf-prog",
    "struct bpf_prog_info",
    close=lib.lbc_prog__close,
    from_id=lib.lbc_prog__from_id,
    from_pin=lib.lbc_prog__from_pin,
    from_fd=lib.lbc_prog__from_fd,
    get_info=lib.bpf_prog_get_info_by_fd,
    next_id=lib.bpf_prog_get_next_id,
    gone=_id_hint,
)


def load(
    kind: int, insns: bytes, license: str, name: str, fields: dict[str, Any], log_level: int
) -> tuple[tuple[Handle[lbc_prog], CData], str]:
    """Load a program of instructions; give the verifier's log too. `fields` are of ``struct bpf_prog_load_opts``."""
    encoded = PROGRAMS.encode(name)
    action = f"load program {name!r}" if name else "load a program without a name"
    opts = Options("bpf_prog_load_opts", **fields)
    attach_type = opts.pointer.expected_attach_type
    opts.set("log_level", log_level)
    memory = ffi.new("struct bpf_insn[]", len(insns) // INSN)
    ffi.memmove(memory, insns, len(insns))
    size = FIRST_LOG
    while True:
        log = ffi.new("char[]", size)
        opts.set("log_buf", log)
        opts.set("log_size", size)
        try:
            made = PROGRAMS.make(
                lib.lbc_prog__load,
                kind,
                encoded or ffi.NULL,
                c_string(license, "license"),
                memory,
                len(insns) // INSN,
                opts.pointer,
                action=action,
                name=name or "(no name)",
                hint=lambda error: _name_hint(error, name) or _refused_hint(error, kind, attach_type),
                log=log,
            )
        except OSError as error:
            if error.errno != errno.ENOSPC or size >= LAST_LOG:
                raise
            # The log had no room; a newer kernel says how much it wants.
            size = min(max(size * 8, opts.pointer.log_true_size), LAST_LOG)
            continue
        return made, text(log) if log_level else ""
