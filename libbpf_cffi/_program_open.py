"""Stand-alone programs: their handles, and how each is made. What a program is like is `_program`'s."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import by_id_hint, check, failure, not_null
from ._ffi import Options, c_string, ffi, lib, path_bytes, text, unsigned
from ._handle import Handle
from ._pins import check_pin, opening_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._check import Hint
    from ._libbpf import CData, lbc_prog

__all__ = ["descriptor", "from_fd", "from_id", "from_pin", "ids", "load"]

NAME_MAX = 15
"""Bytes of a name in the kernel (BPF_OBJ_NAME_LEN, less the NUL)."""

INSN = 8
"""Bytes of a ``struct bpf_insn``."""

FIRST_LOG, LAST_LOG = 1 << 16, 1 << 30
"""Bytes of the buffers for the verifier's log; the kernel takes none larger than the last (BPF_MAX_LOG_SIZE)."""


def descriptor(handle: Handle[lbc_prog]) -> int:
    """Give a stand-alone program's descriptor; hold the lock."""
    return int(handle.pointer.fd)


def _descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return (int(pointer.fd),)


def _make(
    function: Callable[..., lbc_prog],
    *arguments: object,
    action: str,
    name: str,
    hint: Hint = None,
    log: CData | None = None,
) -> tuple[Handle[lbc_prog], CData]:
    """Call the C function that makes a program's descriptor; give the handle, and what the kernel says of the program.

    `log` is the buffer that the verifier writes to.
    """
    handle = Handle(lib.lbc_prog__close, name=name, fds=_descriptors)
    info = ffi.new("struct bpf_prog_info *")
    # Whatever interrupts the making of the program that will hold this, nothing is lost.
    handle.close_with(info)
    try:
        _log.listen()
        made = handle.make(function, *arguments)
        if log is None:
            not_null(made, action, hint, handle.errno)
        elif handle.closed:
            raise failure(handle.errno, action, hint, text(log), program=name)  # noqa: TRY301 - closes it, too
        fd = descriptor(handle)
        if not _is_program(fd):
            # Also a map, a link or BTF can be pinned, or be behind a descriptor.
            check(-errno.EINVAL, action, "that is something other than a program")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
        check(lib.bpf_prog_get_info_by_fd(fd, info, size), action)
    except BaseException:
        handle._close()
        raise
    handle.name = f"program {text(info.name)!r}" if info.name[0] != b"\0" else f"program {info.id}"
    return handle, info


def _is_program(fd: int) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:bpf-prog"
    except FileNotFoundError:
        # No /proc: the kernel refuses later what is none.
        return True


def load(
    kind: int, insns: bytes, license: str, name: str, fields: dict[str, Any], log_level: int
) -> tuple[tuple[Handle[lbc_prog], CData], str]:
    """Load a program of instructions; give the verifier's log too. `fields` are of ``struct bpf_prog_load_opts``."""
    encoded = c_string(name, "name")
    if len(encoded) > NAME_MAX:
        raise ValueError(f"name has {len(encoded)} bytes, more than the {NAME_MAX} that the kernel keeps: {name!r}")
    action = f"load program {name!r}" if name else "load a program without a name"
    opts = Options("bpf_prog_load_opts", **fields)
    opts.set("log_level", log_level)
    memory = ffi.new("struct bpf_insn[]", len(insns) // INSN)
    ffi.memmove(memory, insns, len(insns))
    size = FIRST_LOG
    while True:
        log = ffi.new("char[]", size)
        opts.set("log_buf", log)
        opts.set("log_size", size)
        try:
            made = _make(
                lib.lbc_prog__load,
                kind,
                encoded or ffi.NULL,
                c_string(license, "license"),
                memory,
                len(insns) // INSN,
                opts.pointer,
                action=action,
                name=name or "(no name)",
                hint=lambda error: _hint(error, name),
                log=log,
            )
        except OSError as error:
            if error.errno != errno.ENOSPC or size >= LAST_LOG:
                raise
            # The log had no room; a newer kernel says how much it wants.
            size = min(max(size * 8, opts.pointer.log_true_size), LAST_LOG)
            continue
        return made, text(log) if log_level else ""


def _hint(error: int, name: str) -> str | None:
    if error == errno.EINVAL and not all(each.isascii() and (each.isalnum() or each in "_.") for each in name):
        # bpf_obj_name_cpy() in the kernel.
        return f"a program's name has only ASCII letters, digits, '_' and '.': {name!r} does not"
    return None


def from_id(number: int) -> tuple[Handle[lbc_prog], CData]:
    """Open the program that has an id."""
    number = unsigned(number, 32, "id")
    action = f"open program {number}"

    def hint(error: int) -> str | None:
        return f"no program has the id {number}" if error == errno.ENOENT else by_id_hint(error)

    return _make(lib.lbc_prog__from_id, number, action=action, name=f"program {number}", hint=hint)


def from_pin(path: str | os.PathLike[str]) -> tuple[tuple[Handle[lbc_prog], CData], str]:
    """Open the program that is pinned at a path; give the absolute path too."""
    absolute = os.path.abspath(os.fsdecode(path_bytes(path)))
    action = f"open the program pinned at {absolute!r}"
    check_pin(absolute, action)
    made = _make(
        lib.lbc_prog__from_pin,
        path_bytes(absolute),
        action=action,
        name=f"the program pinned at {absolute!r}",
        hint=lambda error: opening_hint(error, absolute),
    )
    return made, absolute


def from_fd(fd: int) -> tuple[Handle[lbc_prog], CData]:
    """Duplicate a descriptor of a program."""
    number = unsigned(fd, 31, "fd")
    action = f"open the program of descriptor {number}"
    return _make(lib.lbc_prog__from_fd, number, action=action, name=f"program of descriptor {number}")


def ids() -> Iterator[int]:
    """Give the id of every program of the kernel."""
    following = ffi.new("__u32 *")
    at = 0
    while True:
        result = lib.bpf_prog_get_next_id(at, following)
        if result == -errno.ENOENT:
            return
        if result < 0:
            raise failure(-result, "list the programs of the kernel", by_id_hint)
        at = following[0]
        yield at
