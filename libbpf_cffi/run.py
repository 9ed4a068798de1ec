"""Load BPF objects, attach them, and show what they print: ``python -m libbpf_cffi.run``, or ``bpf-run``.

::

    open ─▶ load ─▶ (pin) ─▶ open the trace ─▶ attach ─▶ (pin the links) ─▶ show the trace
      │       │                    │              │
      └───────┴────────────────────┴──────────────┴──▶ anything fails: unpin, detach, close, say why

The trace is opened before anything is attached: no line of ours is missed, none of an earlier run is shown. A
Ctrl-C before this module runs, while Python itself starts, is Python's own.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from libbpf_cffi import VerifierError

    from ._run_io import Reporter, Stopper

__all__ = ["main"]

PROG = "bpf-run"
LOG_LINES = 10
"""How many of the last lines of a verifier's log are shown with a refusal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, and return the exit status: 0, 1 on failure, 2 for usage.

    SIGTERM and SIGHUP end it in order; the process then dies of the signal. With `arguments` it is a call of a program
    that goes on and has its signal handlers back afterwards; without, nothing but the end of the process follows.
    """
    try:
        _mend_standard_files()
        from ._run_io import Interrupted, Reporter, Stopper

        stopper = Stopper()
    except KeyboardInterrupt:
        return 0
    report = Reporter(stopper, PROG)
    try:
        import faulthandler

        if not faulthandler.is_enabled():
            faulthandler.enable(file=2)
        status = _run(sys.argv[1:] if arguments is None else arguments, stopper, report)
    except Interrupted:
        status = 0
    except Exception as error:  # noqa: BLE001 - the last resort: a traceback helps no user of a command
        report.error(_unexpected(error))
        status = 1
    stopper.close(ends=arguments is None)
    return status


def _run(arguments: Sequence[str], stopper: Stopper, report: Reporter) -> int:
    from ._run_options import parse

    try:
        options = parse(arguments)
    except SystemExit as end:
        # argparse has printed the help, the version or an error.
        _flush_standard_files()
        return end.code if isinstance(end.code, int) else 2
    report.quiet = options.quiet
    if options.verbose:
        _show_log(report)

    from ._run_io import Interrupted
    from ._run_job import Job

    job = Job(options, stopper, report)
    failure = None
    try:
        job.go()
    except Interrupted:
        pass
    except Exception as error:  # noqa: BLE001 - `_tell` tells those that are not expected from those that are
        failure = error
    trouble = job.close()
    for each in trouble:
        report.error(each)
    if failure is not None:
        return _tell(failure, report, whole_log=options.verifier_log)
    return 1 if trouble else 0


def _tell(error: Exception, report: Reporter, *, whole_log: bool) -> int:
    """Say what went wrong; return the exit status."""
    import libbpf_cffi as bpf

    from ._run_job import NothingAttachedError
    from ._run_options import UsageError

    if isinstance(error, UsageError):
        report.error(f"{error}\nTry '{PROG} --help' for the options.")
        return 2
    if isinstance(error, bpf.VerifierError):
        if whole_log:
            report.plain(f"verifier's log of program {error.program}:\n{error.log}")
        report.error(_refusal(error, whole_log=whole_log))
    elif isinstance(error, bpf.CompileError):
        report.plain(error.stderr)
        report.error(error.reason)
    elif isinstance(error, (bpf.Error, NothingAttachedError, ValueError)) and not isinstance(
        error, UnicodeError
    ):
        advice = _advice(error)
        if advice and isinstance(error, bpf.TracefsError) and error.hint:
            # What follows who is reading is advice to programs.
            error.hint = error.hint.partition(";")[0]
        if isinstance(error, bpf.LibbpfError) and error.hint:
            # Nor is there an option for that.
            error.hint = error.hint.partition("; for CO-RE alone btf_custom_path=")[0]
        report.error(f"{error}{advice}")
    elif isinstance(error, OSError):
        report.error(
            f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        )
    else:
        report.error(_unexpected(error))
    return 1


def _advice(error: Exception) -> str:
    """Say which option helps, where one does."""
    import errno

    import libbpf_cffi as bpf

    if isinstance(error, bpf.TracefsError) and error.errno == errno.EBUSY:
        return "\n  hint: --instance makes a private trace buffer, --no-trace does without the trace"
    return ""


def _refusal(error: VerifierError, *, whole_log: bool) -> str:
    why = f"the verifier refused program {error.program!r}: {error.strerror} (errno {error.errno})"
    lines = [f"cannot {error.action}: {why}"]
    if not whole_log:
        said = error.summary(sys.maxsize).splitlines()
        lines += [f"  verifier: {line}" for line in said[-LOG_LINES:]]
        if len(said) > LOG_LINES:
            lines.append(f"  hint: {len(said) - LOG_LINES} lines before these: --verifier-log shows all")
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    return "\n".join(lines)


def _unexpected(error: Exception) -> str:
    """Say where a fault of this package's own is; there is no other way to it."""
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    if isinstance(error, ImportError):
        # Much is imported when it is needed, and may not be readable then.
        return f"a part of Python or of {PROG} cannot be imported: {error}"
    where = ""
    trace = error.__traceback__
    while trace is not None:
        where = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{where}\n  this is a fault of {PROG}: please report it"


def _show_log(report: Reporter) -> None:
    """Pass libbpf's messages, debugging ones included, on to stderr."""
    import logging

    class Handler(logging.Handler):
        """The reporter's stderr, which copes with a reader that is gone."""

        def emit(self, record: logging.LogRecord) -> None:
            report.plain(f"libbpf: {record.getMessage()}")

    logger = logging.getLogger("libbpf_cffi")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Handler())


def _mend_standard_files() -> None:
    """Open what was closed when the command was started: a file of ours must not get the number of stdout."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(fd, "r" if fd == 0 else "w", closefd=False))


def _flush_standard_files() -> None:
    """Write what argparse has printed; if nobody reads it, drop it, or Python complains of it in the end."""
    for file, fd in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            file.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), fd)


if __name__ == "__main__":
    sys.exit(main())
