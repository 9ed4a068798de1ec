"""The live trace: opened before anything is attached, filtered, written until there is a reason to end."""

from __future__ import annotations

import os
import select
from time import monotonic

import libbpf_cffi as bpf

from ._run_io import ReaderGoneError, printable, wants_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._run_child import Child
    from ._run_io import Output, Reporter, Stopper
    from ._run_maps import Shows
    from ._run_options import Options

__all__ = ["Trace", "wait"]

DRAIN = 0.5
"""Seconds spent at most on what is left in the buffer in the end: other programs may go on filling it."""

INIT_PID_NAMESPACE = "pid:[4026531836]"
"""The first PID namespace, whose numbers tracefs speaks of (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""


def wait(
    stopper: Stopper,
    deadline: float | None,
    child: Child | None,
    pipe: bpf.TracePipe | None = None,
    output: Output | None = None,
    shows: Shows | None = None,
) -> bool:
    """Wait for lines in `pipe`; tell whether there may be some, or it is time to end.

    What is due of `shows` goes to `output` meanwhile. Raises `Interrupted` by a signal, and
    `ReaderGoneError` when nobody reads `output` any more, which a command that prints now and then would
    otherwise notice long afterwards.
    """
    poll = select.poll()
    poll.register(stopper.fd, select.POLLIN)
    if pipe is not None:
        poll.register(pipe, select.POLLIN)
    if output is not None:
        poll.register(output.fd, 0)  # errors are told of unasked
    while True:
        stopper.check()
        if child is not None and child.ended():
            return False
        left = None if deadline is None else deadline - monotonic()
        if left is not None and left <= 0:
            return False
        if shows is not None and output is not None and shows.following is not None:
            pause = shows.following - monotonic()
            if pause <= 0:
                shows.show_due(output)
                continue
            left = pause if left is None else min(left, pause)
        # A longer wait does not fit the C int of milliseconds; less than one would be busy waiting.
        ready = dict(poll.poll(None if left is None else min(left, 86400.0) * 1000 + 1))
        if output is not None and output.fd in ready:
            raise ReaderGoneError
        if stopper.fd in ready:
            stopper.drain()
            continue
        if ready:
            return True


class Trace:
    """The trace pipe and where its lines go."""

    def __init__(self, options: Options, stopper: Stopper, report: Reporter, output: Output) -> None:
        self._options = options
        self._stopper = stopper
        self._report = report
        self._warned = False
        self.written = 0
        """Lines that have been written."""
        self._output = output
        self._wanted = _pattern(options.task)
        self._format = _formatter(options, output.fd)
        self._as_text = self._format is None and self._wanted is None and options.lines is None
        if options.filtered:
            _check_namespace()
        self.pipe = bpf.TracePipe(instance=options.instance or options.filtered, backlog=options.backlog)

    def ready(self, child: Child | None) -> None:
        """Set the kernel's filter, and say what may keep the lines away."""
        for reason in self.pipe.silenced_by():
            self._report.warning(f"the trace may stay empty: {reason}")
        tasks = [] if child is None else [child.pid]
        if self._options.filtered:
            # What the chosen tasks start from now on, threads and children, is traced as well.
            self._write("options/event-fork", "1")
        if self._options.json and (self._options.instance or self._options.filtered):
            # The shared buffer's options are not ours to change.
            self._write("options/record-tgid", "1")
        for pid in self._options.pid:
            tasks += _threads(pid)
        seen: set[int] = set()
        while tasks:
            self._write("set_event_pid", " ".join(map(str, tasks)))
            seen.update(tasks)
            # Threads made between listing and filtering.
            tasks = [
                task for pid in self._options.pid for task in _threads(pid, gone=True) if task not in seen
            ]

    def _write(self, name: str, text: str) -> None:
        """Write to a setting of the private buffer; what a list holds already stays in it."""
        path = os.path.join(self.pipe.path, name)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, f"{text}\n".encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise OSError(error.errno, f"cannot write {text!r}: {error.strerror}", path) from None

    def stream(self, deadline: float | None, child: Child | None, shows: Shows | None) -> None:
        """Write lines until the deadline, the child's end, or as many as are wanted; exceptions as `wait`."""
        while not self._full() and wait(self._stopper, deadline, child, self.pipe, self._output, shows):
            self._write_batch()
            self._tell_losses()

    def drain(self) -> None:
        """Write what is in the buffer still, once all is detached."""
        deadline = monotonic() + DRAIN
        while not self._full() and self._write_batch() and monotonic() < deadline:
            pass

    def _full(self) -> bool:
        return self._options.lines is not None and self.written >= self._options.lines

    def _write_batch(self) -> bool:
        """Write those lines that are there and wanted; tell whether there were any."""
        if self._as_text:
            texts = self.pipe.read_lines(timeout=0)
            found = bool(texts)
        else:
            records = self.pipe.read(timeout=0)
            found = bool(records)
            if self._wanted is not None:
                wanted = self._wanted
                records = [record for record in records if wanted(record.task)]
            if self._options.lines is not None:
                records = records[: self._options.lines - self.written]
            texts = list(map(self._format or str, records))
        if texts:
            self._output.write("\n".join([*texts, ""]))
            self.written += len(texts)
        return found

    def _tell_losses(self) -> None:
        if self.pipe.lost and not self._warned:
            self._warned = True
            self._report.warning(
                "lines are coming faster than they are read: the kernel has had to drop some"
            )

    def summary(self) -> str:
        """Say how many lines there were; losses are told in a warning of their own."""
        return f"{self.written} line{'' if self.written == 1 else 's'}"

    def tell_lost(self) -> None:
        """Say how many lines the kernel has dropped, if any."""
        if self.pipe.lost:
            by_cpu = ", ".join(f"CPU {cpu}: {count}" for cpu, count in sorted(self.pipe.lost_by_cpu.items()))
            self._report.warning(f"{self.pipe.lost} lines were lost before they could be read ({by_cpu})")

    def close(self) -> None:
        """Close the pipe, with its private buffer if it has one."""
        self.pipe.close()


def _check_namespace() -> None:
    try:
        ours = os.readlink("/proc/self/ns/pid")
    except OSError:
        return
    if ours != INIT_PID_NAMESPACE:
        import errno

        raise OSError(
            errno.ENOTSUP,
            "this process is in a PID namespace of its own (a container), and tracefs knows processes by "
            "their numbers outside it: use --task, or run the command outside",
        )


def _threads(pid: int, *, gone: bool = False) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        if gone:
            return []
        import errno

        raise OSError(errno.ESRCH, f"there is no process {pid}") from None


def _pattern(names: list[str]) -> Callable[[str], object] | None:
    """Make the test for task names of the patterns, or ``None`` where all are wanted."""
    if not names:
        return None
    import re
    from fnmatch import translate

    return re.compile("|".join(map(translate, names))).match


def _formatter(options: Options, output: int) -> Callable[[bpf.TraceLine], str] | None:
    """Give the function that makes a line's text, or ``None`` for the kernel's own text."""
    if options.json:
        from json import JSONEncoder

        encode = JSONEncoder().encode
        return lambda record: encode(record._asdict())
    if not os.isatty(output):
        return None
    if not wants_colour(output):
        return lambda record: printable(str(record))
    return _coloured


def _coloured(record: bpf.TraceLine) -> str:
    text = printable(str(record))
    message = printable(record.message)
    head = text[: len(text) - len(message)] if message and text.endswith(message) else ""
    return f"\x1b[2m{head}\x1b[0m{text[len(head) :]}" if head else text
