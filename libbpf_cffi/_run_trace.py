"""The live trace: opened before anything is attached, filtered, written until there is a reason to end."""

from __future__ import annotations

import os

import libbpf_cffi as bpf

from ._run_family import check_namespace, follow, write_setting
from ._run_io import printable, wants_colour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._run_child import Child
    from ._run_io import Output, Reporter
    from ._run_loop import Lines
    from ._run_options import Options

__all__ = ["Trace"]


class Trace:
    """The trace pipe and where its lines go."""

    def __init__(self, options: Options, report: Reporter, output: Output, lines: Lines) -> None:
        self._options = options
        self._lines = lines
        self._report = report
        self._warned = False
        self.written = 0
        """Lines that have been written."""
        self._output = output
        self._wanted = _pattern(options.task)
        self._format = _formatter(options, output.fd)
        self._as_text = self._format is None and self._wanted is None and options.lines is None
        if options.filtered:
            check_namespace()
        private = options.instance or options.filtered
        self.pipe = bpf.TracePipe(instance=private, backlog=options.backlog, raw=options.raw)

    def ready(self, child: Child | None) -> None:
        """Set the kernel's filter, and say what may keep the lines away."""
        for reason in self.pipe.silenced_by():
            self._report.warning(f"the trace may stay empty: {reason}")
        if self._options.filtered:
            # What the chosen tasks start from now on, threads and children, is traced as well.
            write_setting(self.pipe, "options/event-fork", "1")
        if self._options.json and (self._options.instance or self._options.filtered):
            # The shared buffer's options are not ours to change.
            write_setting(self.pipe, "options/record-tgid", "1")
        follow(self.pipe, self._options.pid, [] if child is None else [child.pid])

    def fileno(self) -> int:
        """Give what becomes readable when there are lines."""
        return self.pipe.fileno()

    def show(self) -> bool:
        """Write those lines that are there and wanted; tell whether there were any."""
        found = self._write_batch()
        if self.pipe.lost and not self._warned:
            self._warned = True
            self._report.warning(
                "lines are coming faster than they are read: the kernel has had to drop some"
            )
        return found

    def _write_batch(self) -> bool:
        if self._as_text:
            texts = self.pipe.read_lines(timeout=0)
            found = bool(texts)
        else:
            records = self.pipe.read(timeout=0)
            found = bool(records)
            if self._wanted is not None:
                wanted = self._wanted
                records = [record for record in records if wanted(record.task)]
            records = records[: self._lines.left]
            texts = list(map(self._format or str, records))
        if texts:
            self._output.write("\n".join([*texts, ""]))
            self.written += len(texts)
            self._lines.shown += len(texts)
        return found

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
