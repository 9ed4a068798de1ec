"""What is done to a file that may be malformed before libbpf reads it in this process: checked, opened in a child."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from . import _log
from ._borrow import Descriptors
from ._check import check, failure
from ._ffi import ffi, lib, text
from ._refusals import refused
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from typing import Any
else:
    # What `signal` adds enumerations to, which would cost every import of the package.
    import _signal as signal

__all__ = ["check_object", "not_survived", "open_in_child", "run_child"]

SECONDS = 10
"""How long an object may take to open in a child, of a CPU's time: the largest take a fraction of one."""

MEMORY = 2 << 30
"""Bytes of memory that it may take."""

OUTPUT = 1 << 24
"""Bytes that it may write (csrc/isolate.c)."""


def check_object(data: bytes, action: str, *, linking: bool = False) -> None:
    """Raise when libbpf would trust what it should not: bounds, sizes, names, types (csrc/elf_check.c)."""
    why = ffi.new("char[]", 320)
    error = lib.lbc_elf_check(ffi.from_buffer(data), len(data), linking, why, len(why))
    if error < 0:
        reason = text(why)
        if not reason.startswith("section "):
            reason += ": a BPF object is what clang -O2 -g -target bpf -c makes"
        check(error, action, f"the file is malformed: {reason}")


def open_in_child(data: bytes, options: Any, action: str) -> None:
    """Raise when libbpf does not survive the opening of an object, or comes to no end with it.

    What it refuses by itself it will refuse here as well, and say why.
    """
    memory = ffi.from_buffer(data)
    _, result, status = run_child(
        lambda report: (lib.lbc_open__start, memory, len(data), options, report, SECONDS, MEMORY),
        f"{action} in a process of its own",
    )
    if result == -errno.ENOMEM:
        malformed = f"the file is malformed: libbpf took {MEMORY >> 20} MiB of memory for it"
        raise failure(errno.ENOMEM, action, _own_memory(MEMORY) or malformed)
    if result is None:
        raise not_survived(status, action, "the file is malformed", SECONDS, OUTPUT)


def _own_memory(most: int) -> str | None:
    """Say which limit of this process's own leaves a child less memory than `most`, if one does."""
    import resource

    pages = [0] * 7
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = [int(each) for each in file.read().split()]
    except MemoryError:
        pass
    except OSError as error:
        refused(error)
    page = os.sysconf("SC_PAGESIZE")
    left = []
    for name, used, option in (("RLIMIT_AS", pages[0] * page, "v"), ("RLIMIT_DATA", pages[5] * page, "d")):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY:
            left.append((max(limit - used, 0), name, limit, option))
    least, name, limit, option = min(left, default=(most, "", 0, ""))
    if least >= most:
        return None
    return (
        f"this process's own limit, {name} of {limit} bytes, leaves {least >> 20} MiB of memory for it, which was too "
        f"little: raise it (`ulimit -{option}`)"
    )


def _own_limit(number: int, signal_name: str, seconds: int, output: int) -> str | None:
    """Say which limit of this process's own a child was ended by, if it is lower than what a child may take anyhow."""
    import resource

    name, most, unit, option = {
        int(signal.SIGXCPU): ("RLIMIT_CPU", seconds, "seconds", "t"),
        int(signal.SIGXFSZ): ("RLIMIT_FSIZE", output, "bytes", "f"),
    }.get(number, ("", 0, "", ""))
    if not name:
        return None
    limit = resource.getrlimit(getattr(resource, name))[0]
    if limit == resource.RLIM_INFINITY or limit >= most:
        return None
    return (
        f"this process's own limit, {name} of {limit} {unit}, ended the process that this is done in ({signal_name}): "
        f"raise it (`ulimit -{option}`)"
    )


_OWN_FAULTS = frozenset(
    getattr(signal, f"SIG{name}") for name in ("SEGV", "BUS", "FPE", "ABRT", "ILL", "SYS", "TRAP", "XFSZ")
)
"""Signals that come of what a process does; the others are sent."""


def not_survived(
    status: int, action: str, malformed: str, seconds: int, output: int, messages: list[tuple[int, str]] | None = None
) -> Exception:
    """Give the exception for a child that gave no result; it could take so many seconds, and write so many bytes."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    own = f"{malformed}: {{}}, in a process of its own"
    if not number:
        return failure(errno.EINVAL, action, own.format("libbpf did not survive it"), messages=messages)
    try:
        from signal import Signals

        name = Signals(number).name
    except ValueError:
        name = f"signal {number}"
    limited = _own_limit(number, name, seconds, output)
    if limited is not None:
        return failure(errno.ECANCELED, action, limited, messages=messages)
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return failure(errno.EINVAL, action, own.format("libbpf came to no end with it"), messages=messages)
    if number in _OWN_FAULTS:
        return failure(errno.EINVAL, action, own.format(f"it crashed libbpf ({name})"), messages=messages)
    hint = f"the process that this is done in was killed from outside ({name}), perhaps for want of memory: try again"
    return failure(errno.ECANCELED, action, hint, messages=messages)


def run_child(call: Callable[[int], tuple[Any, ...]], action: str) -> tuple[list[tuple[str, str]], int | None, int]:
    """Run a child of C's to its end; give the entries of its report, its result if there is one, its wait status.

    `call` gives the function that starts it and its arguments, of which the descriptor of the report is one. The status
    is 0 if somebody else has asked for it.
    """
    with Descriptors() as made:
        try:
            report = made.make(os.memfd_create, "libbpf_cffi report")
            status = _run(*call(report), action=action)
            said, result = _read_report(report)
        except OSError as error:
            if isinstance(error, Error):
                raise
            raise failure(refused(error), action) from None
        return said, result, status


def _run(start: Callable[..., int], *arguments: Any, action: str) -> int:
    started: list[int] = []
    _log.listen()
    try:
        started.extend(map(start, *([each] for each in arguments)))
        check(started[0], action, "no process could be started")
        return _wait(started[0])
    except BaseException:
        # A Ctrl-C: the child has nothing worth keeping.
        if started and started[0] > 0:
            with suppress(ProcessLookupError):
                os.kill(started[0], signal.SIGKILL)
            _wait(started[0])
        raise


def _wait(pid: int) -> int:
    """Wait for the child's end, and have one that somebody stops go on: its own limits count only while it runs."""
    try:
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            os.kill(pid, signal.SIGCONT)
    except (ChildProcessError, ProcessLookupError):
        # Somebody else has asked for its status.
        return 0
    return status


def _read_report(fd: int) -> tuple[list[tuple[str, str]], int | None]:
    """Take a report apart: kinds and texts, and the result if there is one."""
    data, result = b"", None
    # A piece as small as this is had where memory is short, too.
    while part := os.pread(fd, 1 << 16, len(data)):
        data += part
    said = [(entry[:1].decode("latin-1"), entry[1:].decode("utf-8", "replace")) for entry in data.split(b"\0")[:-1]]
    for kind, number in said:
        if kind == "r":
            result = int(number)
    return said, result
