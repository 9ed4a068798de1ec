"""The settings of a trace buffer: setting up an instance of ours, what keeps lines out, what is left from before."""

from __future__ import annotations

import errno
import os

from . import tracefs as _tracefs
from ._trace_lines import LineParser, TraceLine
from ._trace_text import READ_SIZE
from .tracefs import TracefsError

__all__ = ["BPF_PRINTK", "configure", "drop_backlog", "silencers", "tracing_on"]

BPF_PRINTK = "events/bpf_trace/bpf_trace_printk"

_BACKLOG = 1024
"""After so many chunks, or some 200 ms, the rest of a backlog is thrown away as a whole. That loses, too, what comes
in the 15 ms that it takes, and other programs that write to ``trace_marker`` then get EBADF."""

_OPTIONS = {
    "noannotate", "nobin", "noblock", "context-info", "nofields", "nohex", "irq-info", "nolatency-format",
    "noprintk-msg-only", "noraw", "nostacktrace", "nouserstacktrace", "noverbose",
}  # fmt: skip
"""How an instance of ours prints. It starts with the shared buffer's options, which anybody may have changed."""


def configure(folder: str, settings: dict[str, int | str | None]) -> None:
    """Set up an instance that was made here."""
    action = f"set up the trace instance {folder!r}"
    options = _tracefs.read_file(os.path.join(folder, "trace_options"), action).split()
    for option in _OPTIONS.difference(options):
        if _opposite(option) in options:  # this kernel has it
            _tracefs.write_file(os.path.join(folder, "trace_options"), option, action)
    for name, value in settings.items():
        if value is not None:
            _tracefs.write_file(os.path.join(folder, name), str(value), f"{action}: {name} {value}")
    try:
        _tracefs.write_file(os.path.join(folder, BPF_PRINTK, "enable"), "1", action)
    except TracefsError as error:
        if error.errno == errno.ENOENT:
            error.hint = "before Linux 5.9 the lines of bpf_printk() come in the shared pipe only: TracePipe()"
        raise


def drop_backlog(folder: str, pipe: int) -> None:
    """Drop what was in the pipe when it was opened, and of what comes meanwhile no more than a chunk."""
    parse = LineParser().parse
    left = 0
    for chunk in range(_BACKLOG):
        try:
            text = os.read(pipe, READ_SIZE)
        except BlockingIOError:
            return
        if chunk == 0:
            left = sum(_tracefs.buffered_entries(folder))
        else:
            left -= sum(1 for record in parse(text) if isinstance(record, TraceLine))
        if left <= 0:
            return
    path = os.path.join(folder, "trace")
    try:
        # One step: no Ctrl-C comes between.
        any(map(os.close, map(os.open, (path,), (os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC,))))
    except OSError as error:
        raise _tracefs.failure(error, f"empty {path!r}", path, writing=True) from None


def tracing_on(folder: str) -> bool:
    """Tell whether the buffer takes new entries."""
    return _tracefs.read_file(os.path.join(folder, "tracing_on"), "read tracing_on").strip() != "0"


def silencers(folder: str) -> list[str]:
    """Give, in words, the settings of the buffer that may keep lines of ``bpf_printk()`` out; mostly none."""
    reasons = []
    if not tracing_on(folder):
        reasons.append(f"tracing is off: {os.path.join(folder, 'tracing_on')} is 0")
    for names, quiet, says in (
        ((BPF_PRINTK, "enable"), "0", "is 0 (in the shared buffer, until a program that prints is loaded)"),
        ((BPF_PRINTK, "filter"), None, "filters"),
        (("set_event_pid",), None, "lets some processes through only"),
        (("set_event_notrace_pid",), None, "keeps some processes out"),
    ):
        path = os.path.join(folder, *names)
        try:
            text = _tracefs.read_file(path, f"read {path!r}").strip()
        except TracefsError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        if text == quiet or (quiet is None and text not in {"", "none"}):
            reasons.append(f"{path} {says}")
    return reasons


def _opposite(option: str) -> str:
    return option.removeprefix("no") if option.startswith("no") else f"no{option}"
