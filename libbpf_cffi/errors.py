"""The exceptions of the package.

    Error
    ├── LibbpfError (also OSError)          a call of libbpf or of the kernel failed
    │   ├── VerifierError                   the kernel's verifier refused a program
    │   ├── LibbpfPermissionError (also PermissionError)
    │   └── NotSupportedError               this kernel, or this build, lacks it
    ├── StateError (also RuntimeError)      the right call at the wrong time
    ├── ClosedError (also ValueError)       the thing has been closed
    └── EventError (also ValueError)        an event does not fit its type

A missing program or map is a ``KeyError``, a value of the wrong size or type a ``ValueError`` or
``TypeError``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ClosedError",
    "Error",
    "EventError",
    "LibbpfError",
    "LibbpfPermissionError",
    "NotSupportedError",
    "StateError",
    "VerifierError",
]

SUMMARY_LINES = 10
"""How many of the last lines of a verifier log ``str()`` of a `VerifierError` shows."""

REPORT = "Verification failed: "
"""How the report begins that ends a verifier log since Linux 7.3."""

TOLD = (REPORT, "Reason:", "Suggestion:")
"""The paragraphs of the report that a summary shows; the others repeat instructions and lines of the source."""


class Error(Exception):
    """Base of every exception that is this package's own."""


class LibbpfError(Error, OSError):
    """A call of libbpf or of the kernel failed.

    `errno` is a number of ``errno.h``, or one of libbpf's own from 4000 up; `strerror` is
    ``libbpf_strerror()``'s text; `action` says what was being done to what; `messages` is what libbpf said
    during that call, oldest first;
    `hint` says what to do about it, or is ``None``.
    """

    def __init__(
        self,
        errno: int,
        strerror: str,
        action: str,
        messages: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(errno, strerror)
        self.action = action
        self.messages = tuple(messages)
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # OSError's own would lose all but its two arguments.
        arguments = (self.errno, self.strerror, self.action, self.messages, self.hint)
        return type(self), arguments, self.__dict__ or None

    def __repr__(self) -> str:
        hint = f"; hint: {self.hint}" if self.hint else ""
        return f"<{type(self).__name__}: {str(self).partition(chr(10))[0]}{hint}>"

    def __str__(self) -> str:
        parts = [f"cannot {self.action}: {self.strerror} (errno {self.errno})"]
        parts += [f"  libbpf: {line}" for message in self.messages for line in message.splitlines()]
        if self.hint:
            parts.append(f"  hint: {self.hint}")
        return "\n".join(parts)


class VerifierError(LibbpfError):
    """The kernel's verifier refused a program.

    `program` is its name, `log` the verifier's whole log, whatever its size. ``str()`` is a summary: the last
    lines of the log and how many were left out. Since Linux 7.3 the log ends in a report that says it again in
    plain words; the summary has what that gives as the reason and suggests.
    """

    def __init__(
        self,
        errno: int,
        strerror: str,
        action: str,
        messages: Sequence[str] = (),
        hint: str | None = None,
        *,
        program: str = "",
        log: str = "",
    ) -> None:
        super().__init__(errno, strerror, action, messages, hint)
        self.program = program
        self.log = log

    def summary(self, lines: int = SUMMARY_LINES) -> str:
        """Give the last `lines` lines of the log that say something, with the number of those left out.

        Of the report that ends the log since Linux 7.3, the reason and the suggestion follow.
        """
        plain, report = _parted(self.log)
        said = [line for line in plain.splitlines() if line.strip() and not _is_statistics(line)]
        shown = said[-lines:] if lines > 0 else []
        told = [line for part in report if lines > 0 and part.startswith(TOLD) for line in part.splitlines()]
        left_out = len(said) - len(shown) + sum(len(part.splitlines()) for part in report) - len(told)
        if left_out:
            shown.insert(0, f"({left_out} line(s) of the verifier's log omitted: see .log)")
        return "\n".join(shown + told)

    def __str__(self) -> str:
        refused = f"the verifier refused program {self.program!r}"
        parts = [f"cannot {self.action}: {refused}: {self.strerror} (errno {self.errno})"]
        parts += [f"  verifier: {line}" for line in self.summary().splitlines()]
        if self.hint:
            parts.append(f"  hint: {self.hint}")
        return "\n".join(parts)


def _parted(log: str) -> tuple[str, list[str]]:
    """Part a verifier's log: what each instruction did, and the paragraphs of the report of Linux 7.3 and later."""
    plain, heading, rest = log.partition(f"\n{REPORT}")
    if not heading:
        return log, []
    return plain, [part for part in (REPORT + rest).split("\n\n") if part.strip() and not _is_statistics(part)]


def _is_statistics(line: str) -> bool:
    """Tell whether a line of a verifier log is only its closing count of instructions and states."""
    return line.startswith(("processed ", "verification time ", "stack depth "))


class LibbpfPermissionError(LibbpfError, PermissionError):
    """The kernel refused for want of privilege; `hint` names the missing capabilities where they are known."""


class NotSupportedError(LibbpfError):
    """This kernel, or this build of libbpf, cannot do it."""


class StateError(Error, RuntimeError):
    """The right call at the wrong time, such as configuring an object that is loaded."""


class ClosedError(Error, ValueError):
    """The object, link or reader has been closed, or belongs to the process that forked this one."""


class EventError(Error, ValueError):
    """An event has not the size of its type, or no type is known for it; `record` are its bytes.

    It has been handed out with that: the next read goes on behind it.
    """

    def __init__(self, message: str, record: bytes = b"") -> None:
        super().__init__(message)
        self.record = record

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (*self.args, self.record)
