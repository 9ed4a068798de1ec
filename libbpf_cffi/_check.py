"""The one place where a return code or a NULL of C becomes an exception.

libbpf 1.x returns ``-errno`` and sets ``errno``; a function that returns a pointer returns NULL and sets
``errno``. Both
`check` and `not_null` take, in words, what was being done to what.
"""

from __future__ import annotations

import errno
import os

from . import _log, _privileges
from ._ffi import ffi, lib, wild
from ._refusals import MOMENTARY, refused
from .errors import LibbpfError, LibbpfPermissionError, NotSupportedError, VerifierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ._libbpf import CData

    Pointer = TypeVar("Pointer", bound=CData)
    Hint = str | Callable[[int], str | None] | None

__all__ = [
    "MOMENTARY",
    "absent",
    "by_id_hint",
    "check",
    "device_hint",
    "failure",
    "load_logs",
    "not_null",
    "path_hint",
    "strerror",
]

ENOTSUPP = 524
"""The kernel's own "not supported" (include/linux/errno.h), which is in no header of user space."""

_NO_BTF = ("kernel BTF is missing", "find valid kernel BTF", "loading vmlinux BTF", "vmlinux BTF is not found")

_MEMLOCK = "try raising 'ulimit -l'"
"""What libbpf advises root to do whenever something is EPERM, whether or not that limit counts for BPF."""

_COARSE = b"bpf_ktime_get_coarse_ns\0"
"""A helper of the release, 5.11, since which BPF's memory is a control group's: libbpf goes by it as well."""

_FIELD = "': unknown field '"
"""What libbpf says, with EOPNOTSUPP, of a field of a map's definition that it does not know: most are misspelt."""

_BEGIN = ": -- BEGIN PROG LOAD LOG --\n"
_END = "-- END PROG LOAD LOG --"


def strerror(error: int) -> str:
    """Give libbpf's text for an errno, or for one of its own codes from 4000 up."""
    if error == ENOTSUPP:
        return "Operation is not supported (ENOTSUPP)"
    buffer = ffi.new("char[256]")
    lib.libbpf_strerror(error, buffer, 256)
    return ffi.string(buffer).decode("utf-8", "replace")


def check(result: int, action: str, hint: Hint = None) -> int:
    """Return `result`, or raise the `LibbpfError` that a negative one stands for; pass libbpf's messages on."""
    if result < 0:
        raise failure(-result, action, hint)
    _log.take()
    return result


def not_null(pointer: Pointer, action: str, hint: Hint = None, error: int | None = None) -> Pointer:
    """Return `pointer`, or raise `LibbpfError` if it is NULL or cannot be an address of this process."""
    error = ffi.errno if error is None else error
    if wild(pointer):
        # A wild one leaves errno alone: what is wrong then is the file.
        raise failure(error if not pointer and error else errno.EINVAL, action, hint)
    _log.take()
    return pointer


def absent(error: OSError, action: str) -> int:
    """Give the errno of a refusal that is an answer: nothing is there, or not for this process to see.

    What is none is raised: what a handler has raised, and a `LibbpfError` for what is so at this moment only.
    """
    number = refused(error)
    if number in MOMENTARY:
        raise failure(number, action) from None
    return number


def failure(
    error: int,
    action: str,
    hint: Hint = None,
    user_log: str = "",
    messages: list[tuple[int, str]] | None = None,
    program: str = "",
    kind: type[LibbpfError] | None = None,
) -> LibbpfError:
    """Make the exception for `error` from what libbpf has said on this thread during the call.

    A verifier's log is looked for before permissions: its refusal is EACCES, EINVAL, EPERM, E2BIG or EFAULT.
    `user_log` is the log that went to a buffer of the user's instead, of `program` if libbpf does not say of which.
    `hint` may be a function of the errno. `messages` are what libbpf has said, if they have been taken already.
    `kind` is the class of an errno that means something else here.
    """
    messages = _log.take() if messages is None else messages
    texts = [text for level, text in messages if level <= lib.LIBBPF_INFO and _BEGIN not in text]
    if any(_MEMLOCK in each for each in texts) and _charges_cgroups():
        texts = [each for each in texts if _MEMLOCK not in each]
    strerror_text = strerror(error)
    advice = (hint(error) if callable(hint) else hint) or _hint(error, texts)
    logs = load_logs(messages)
    if user_log and (name := _program_of(texts) or program):
        logs.append((name, user_log))
    # The last one: programs before it, with a log_level of their own, were accepted.
    for name, log in reversed(logs):
        refused = VerifierError(error, strerror_text, action, texts, program=name, log=log)
        if refused.summary():
            from ._verifier_hints import verifier_hint

            refused.hint = _locked_helper(log) or verifier_hint(log)
            return refused
    return (kind or _kind(error, texts))(error, strerror_text, action, texts, advice)


def _kind(error: int, texts: list[str]) -> type[LibbpfError]:
    """Give the class of the exception for an errno."""
    if error in (errno.EPERM, errno.EACCES):
        return LibbpfPermissionError
    if error not in (errno.EOPNOTSUPP, errno.ENOSYS, ENOTSUPP):
        return LibbpfError
    if (field := _unknown_field(texts)) is not None:
        from ._map_fields import close_fields

        # What comes close to no field may be one of a newer libbpf.
        return LibbpfError if close_fields(field) else NotSupportedError
    return NotSupportedError


def _unknown_field(texts: list[str]) -> str | None:
    """Give the field of a map's definition that libbpf does not know, if that is what it has said."""
    for each in texts:
        _, found, rest = each.partition(_FIELD)
        if found:
            return rest.partition("'")[0]
    return None


def _charges_cgroups() -> bool:
    """Tell whether RLIMIT_MEMLOCK is nothing to BPF: by the kernel's types, which need no privilege; else ``False``."""
    try:
        with open("/sys/kernel/btf/vmlinux", "rb") as file:
            return _COARSE in file.read()
    except OSError as error:
        refused(error)
        return False


def load_logs(messages: list[tuple[int, str]]) -> list[tuple[str, str]]:
    """Find the verifier's logs among libbpf's messages: pairs of program and log."""
    logs = []
    for _, text in messages:
        head, begin, log = text.partition(_BEGIN)
        if begin and head.startswith("prog '"):
            logs.append((head[len("prog '") : -1], log.removesuffix(_END)))
    return logs


def _program_of(texts: list[str]) -> str:
    for text in texts:
        if text.startswith("prog '") and "load failed" in text:
            return text[len("prog '") :].partition("'")[0]
    return ""


def _hint(error: int, texts: list[str]) -> str | None:
    """Say what to do about `error`, where that is known."""
    said = "\n".join(texts)
    if "is not on BPF FS" in said:
        return "pins live on a mounted BPF file system: mount -t bpf bpf /sys/fs/bpf"
    if error in (errno.EPERM, errno.EACCES):
        return _permission_hint()
    if error == errno.EMFILE:
        return "the process is out of file descriptors: raise `ulimit -n` (RLIMIT_NOFILE) or close some"
    if "failed to parse target BTF" in said:
        return "the file that btf_custom_path names cannot be read, or has no BTF"
    if "failed to find BTF for extern '" in said:
        return (
            "no file is missing, but what is declared extern: it must be in an object that this one is linked with "
            "(link_objects(), python -m libbpf_cffi.linker), or be the kernel's: __ksym or __kconfig"
        )
    if (field := _unknown_field(texts)) is not None:
        from ._map_fields import field_hint

        return field_hint(field)
    if "legacy map definitions in 'maps' section" in said:
        return (
            'a map is defined by a struct of __uint() and __type() in SEC(".maps"), and no longer by a '
            'struct bpf_map_def in SEC("maps")'
        )
    if "': bad map relo against '" in said:
        return (
            "libbpf takes no maps and no variables from that section: the definition of a map must stand in "
            'SEC(".maps"), a variable in .data, .rodata or .bss, or a section whose name begins so'
        )
    if "extern (func ksym) '" in said or "extern (var ksym) '" in said:
        return (
            "this kernel has nothing of that name and type that programs may use: declared __weak it may be missing, "
            "and bpf_ksym_exists() asks for it"
        )
    if "' (strong): not resolved" in said:
        return "this kernel's configuration does not set it: kconfig= does, and declared __weak it is 0"
    # Not what libbpf says of a name that the kernel's BTF has not.
    if any(each in said for each in _NO_BTF):
        return (
            "the kernel gives no BTF (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux), and what goes by the numbers of "
            "its types (tp_btf, fentry, lsm, iter, struct_ops, __ksym) needs it of the kernel itself; for CO-RE alone "
            "btf_custom_path= names a file that has it"
        )
    if "BTF is required, but is missing" in said:
        return "its maps are defined by BTF, which clang writes with -g alone: compile it with -g"
    if error == lib.LIBBPF_ERRNO__FORMAT:
        return "not a BPF object file: compile it with clang -O2 -g -target bpf -c"
    if error == lib.LIBBPF_ERRNO__ENDIAN:
        return "compiled for the other byte order"
    if "LIBBPF_BPF_TOKEN_PATH" in os.environ and ("BPF FS mount" in said or "token" in said):
        return "the environment variable LIBBPF_BPF_TOKEN_PATH names a BPF file system that gives no token"
    return None


def _locked_helper(log: str) -> str | None:
    """Say that the kernel is locked down, if that may be why the verifier knows not the helper that it complains of."""
    if "cannot use helper bpf_probe_" not in log and "unknown func bpf_probe_" not in log:
        return None
    level = _privileges.lockdown()
    # Without CAP_PERFMON the kernel does not even come to the lockdown.
    if not level or _privileges.missing("CAP_PERFMON"):
        return None
    return (
        f"the kernel is locked down (lockdown={level}), which takes bpf_probe_write_user() from programs, and with "
        '"confidentiality" all of bpf_probe_read…()'
    )


def by_id_hint(error: int) -> str | None:
    """Say what the kernel wants of who opens or lists what is in it by its number."""
    if error == errno.EPERM and _privileges.missing("CAP_SYS_ADMIN"):
        return "this process lacks CAP_SYS_ADMIN, which opening by id or name needs: a pin needs CAP_BPF alone"
    return None


def device_hint(error: int) -> str | None:
    """Say of a program, or a map, of which the kernel tells nothing any more that its hardware has gone."""
    return "the network device that it was made for is gone" if error == errno.ENODEV else None


def path_hint(error: int) -> str | None:
    """Say of a path that could not be opened what forbids it, which no capability of BPF's allows."""
    return "the file's own permissions, or those of a folder on the way, forbid it" if error == errno.EACCES else None


def _permission_hint() -> str | None:
    lacking = _privileges.missing("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_DAC_READ_SEARCH")
    parts = []
    if lacking:
        parts.append(
            f"this process lacks {', '.join(lacking)} (tracing needs CAP_BPF and CAP_PERFMON, networking CAP_BPF and "
            "CAP_NET_ADMIN, a tracepoint of another user's tracefs CAP_DAC_READ_SEARCH)"
        )
    parts += _privileges.obstacles()
    return "; ".join(parts) or None
