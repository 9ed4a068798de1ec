"""The text of a trace buffer, as ``trace_pipe`` prints it, made into records.

The kernel (``print_trace_line()``, ``trace_print_context()``) prints an entry as ::

    CPU:1 [LOST 17641 EVENTS]
                bash-4770    (   4770) [001] ...1.  1112.175395: tracing_mark_write: hello

The first line only after a loss, the column in parentheses only with the option ``record-tgid``, the five
letters of flags only with ``irq-info``. The task's name fills exactly 16 bytes and may contain anything,
newlines too. A message may contain newlines as well, and nothing marks the lines that continue it: an entry
is known by its header, and all that follows up to the next header is its message. So a message one of whose
lines looks like a header, padding and all, cannot be told from two entries.

There are two ways through a chunk of text: one regular expression over all of it where each entry is one
ordinary line, and an exact one, slower, for the rest.
"""

from __future__ import annotations

from collections import namedtuple
from itertools import repeat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from typing import Any, NamedTuple

    class _TraceLine(NamedTuple):
        task: str
        pid: int
        tgid: int | None
        cpu: int
        flags: str
        timestamp: float
        event: str
        message: str

    class _LostEvents(NamedTuple):
        cpu: int
        events: int | None
else:
    # Not typing.NamedTuple: to import typing takes longer than all else here.
    _TraceLine = namedtuple("_TraceLine", "task pid tgid cpu flags timestamp event message")  # noqa: PYI024
    _LostEvents = namedtuple("_LostEvents", "cpu events")  # noqa: PYI024

__all__ = ["LineParser", "LostEvents", "TraceLine", "parse_trace"]


class TraceLine(_TraceLine):
    r"""One entry of a trace buffer.

    `task` is the name of the thread that made it (``<...>`` where the kernel has not kept it), `pid` that
    thread's id, `tgid` its process's id where the option ``record-tgid`` is on and the kernel knows it, `cpu`
    the CPU, `flags` the state of interrupts and pre-emption as letters ("" with ``irq-info`` off), `event`
    the event's name (``bpf_trace_printk`` for ``bpf_printk()``) and `message` its text.

    `timestamp` is in seconds, to the microsecond. The trace clocks ``counter``, ``uptime`` and ``x86-tsc`` do
    not count seconds: with them it is the clock's own number, an `int`.

    `message` may contain newlines; the one at its end that C programmers are used to write
    (``bpf_printk("…\n")``) is taken off. Bytes that are not UTF-8 are shown as ``\xff``.

    Text without a header, as an option like ``context-info`` off makes it, has an empty `task` and `flags`, a
    `pid` and `cpu` of -1 and a `timestamp` of 0, a line a record.

    ``str()`` is the line as the kernel prints it.
    """

    __slots__ = ()

    def __str__(self) -> str:
        text = f"{self.event}: {self.message}" if self.event else self.message
        if self.pid < 0:
            return text
        tgid = "" if self.tgid is None else f"({self.tgid:>7}) "
        time = f"{self.timestamp:12}" if isinstance(self.timestamp, int) else f"{self.timestamp:12.6f}"
        return f"{self.task:>16}-{self.pid:<7} {tgid}[{self.cpu:03}] {self.flags} {time}: {text}"


class LostEvents(_LostEvents):
    """Entries that the kernel overwrote before they were read.

    `cpu` is the CPU whose buffer was full, `events` how many were lost, ``None`` where the kernel itself has
    lost count.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return f"CPU:{self.cpu} [LOST {'' if self.events is None else f'{self.events} '}EVENTS]"


class _Grammar:
    """The regular expressions of the exact way. Compiling them takes milliseconds, so only who reads a trace does."""

    def __init__(self) -> None:
        import re

        # task, pid, tgid, cpu, flags. How many columns pid and flags fill has changed with the versions of
        # Linux. Nothing is repeated without end: on text that was made for it, that takes the square of its length.
        columns = r"((?s:.{16}))-([0-9]{1,19}) {1,99}(?:\( {0,99}([0-9]{1,19}|-{1,99})\) {1,99})?\[([0-9]{3,19})\]"
        columns += r"(?: ([^ \n]{4,99}))?"
        header = columns + r" {1,99}([0-9]{1,19}(?:\.[0-9]{6})?): "
        lost = r"CPU:([0-9]{1,19}) \[LOST (?:([0-9]{1,20}) )?EVENTS\]\n?"
        note = r"CPU:[0-9]{1,19} \[LOST (?:[0-9]{1,20} )?EVENTS\]\n|##### CPU [0-9]{1,19} buffer started ####\n"
        notes = f"((?:{note}){{0,99}})"
        self.columns = re.compile(columns + " {0,99}")
        # On bytes, because it is 16 bytes that the task's name fills.
        self.entry = re.compile(f"(?m:^){notes}{header}".encode())
        self.glued = re.compile(f"(?<=[^\n])(?={notes}{header})".encode())
        self.lost = re.compile(lost.encode())
        self.lost_at_end = re.compile(r"(?m:^)(?:CPU:[0-9]{1,19} \[LOST (?:[0-9]{1,20} )?EVENTS\]\n){1,99}\Z")
        # What every header has, however long the task's name is in characters; and the remark of the file
        # `trace`.
        self.like_header = re.compile(r"-[0-9]{1,19} [^\n]{0,99}\[[0-9]{3,19}\] |(?m:^)##### CPU ")
        # "name: ". The symbol of a kernel module's function is followed by its [name]; an event of system calls has
        # no name before its "read(fd: 3, …".
        self.event = re.compile(r"([^ (\n]+(?: \[[^\]\n]+\])?): ")


_the_grammar: _Grammar | None = None


def _grammar() -> _Grammar:
    global _the_grammar
    if _the_grammar is None:
        _the_grammar = _Grammar()
    return _the_grammar


class _OddHeaderError(Exception):
    """What the regular expression for ordinary lines took for a header is none."""


class _Columns(dict[str, "tuple[str, int, int | None, int, str]"]):
    """A header's columns from task to flags as values, remembered: of many lines most come from few tasks."""

    LIMIT = 2048

    def __missing__(self, text: str) -> tuple[str, int, int | None, int, str]:
        match = _grammar().columns.fullmatch(text)
        if match is None:
            raise _OddHeaderError
        task, pid, tgid, cpu, flags = match.groups()
        values = (task.lstrip(" "), int(pid), _tgid(tgid), int(cpu), flags or "")
        if len(self) >= self.LIMIT:
            self.clear()
        self[text] = values
        return values


class LineParser:
    """Make records of chunks of text, each of which starts and ends where an entry does.

    It learns how wide the header is, and whether entries end in a newline: one parser for each pipe.
    """

    def __init__(self) -> None:
        self._columns = _Columns()
        self._exact_columns: dict[bytes, tuple[str, int, int | None, int, str]] = {}
        self.glued = False
        """Whether some entries have no newline at their end, so that the next header stands in the middle of
        a line.

        The kernel's own ``trace_printk("text")`` makes such entries, and so did ``bpf_trace_printk()`` before
        Linux 5.9. A header within a line is looked for only once this is set, because a message may quote one.
        """
        self.lossy = False
        """Whether there are losses in the chunk that was parsed last."""
        self._width = 0
        self._decimal = True
        self._number: type[float] = float
        self._split: Callable[[str], list[str]] = self._split_first

    def _split_first(self, text: str) -> list[str]:
        """Cut up the first text: not before is there a need for regular expressions."""
        self._learn(36, decimal=True)
        return self._split(text)

    def _learn(self, width: int, *, decimal: bool) -> None:
        """Expect headers in which the time, a fraction or not, follows `width` characters and some blanks."""
        import re

        time = r"[0-9]+\.[0-9]{6}" if decimal else r"[0-9]+"
        split = re.compile(rf"(?m:^)(.{{{width}}}) +({time}): ([^ ]+): (.*)\n").split
        # These belong together, whatever interrupt comes.
        self._width = width
        self._decimal = decimal
        self._number = float if decimal else int
        self._split = split

    def parse(self, chunk: bytes) -> list[TraceLine | LostEvents]:
        """Make records of `chunk`."""
        self.lossy = False
        if self.glued:
            return [record for _, record in self.entries(chunk)]
        # What lies before the first match, the four groups of that match, what lies between it and the next,
        # and so on.
        cells = self._split(chunk.decode("utf-8", "backslashreplace"))
        # The expression for the event's name is one that `re` runs quickly; it lets through what is in no such name.
        names = "".join(cells[3::5])
        if len(cells) > 1 and "\n" not in names and "(" not in names:
            try:
                tasks, pids, tgids, cpus, flags = zip(*map(self._columns.__getitem__, cells[1::5]), strict=True)
                times = map(self._number, cells[2::5])
                rows = zip(tasks, pids, tgids, cpus, flags, times, cells[3::5], cells[4::5], strict=True)
                # TraceLine(*row) would take three times as long.
                records: list[Any] = list(map(tuple.__new__, repeat(TraceLine), rows))
                gaps = cells[::5]
                # An empty line is the newline at the end of a message.
                return records if {"", "\n"}.issuperset(gaps) else self._fill_gaps(records, gaps)
            except _OddHeaderError:
                pass
        return [record for _, record in self.entries(chunk)]

    def _fill_gaps(self, records: list[TraceLine], gaps: list[str]) -> list[TraceLine | LostEvents]:
        """Put what stands between ordinary lines where it belongs: losses, and the further lines of messages.

        There is one more gap than there are records: the first stands before the first record.
        """
        result: list[Any] = []
        for gap, record in zip(gaps, [*records, None], strict=True):
            if gap not in {"", "\n"}:
                losses, text = [], gap
                match = _grammar().lost_at_end.search(gap)
                if match is not None and record is not None:
                    losses = [_lost(loss) for loss in _grammar().lost.finditer(match[0].encode())]
                    if losses[-1].cpu == record.cpu:
                        text = gap[: match.start()]
                        self.lossy = True
                    else:
                        losses = []
                if text:
                    if not (result and text.endswith("\n")) or _grammar().like_header.search(text):
                        raise _OddHeaderError
                    message = f"{result[-1].message}\n{text}"[:-1].removesuffix("\n")
                    result[-1] = result[-1]._replace(message=message)
                result += losses
            if record is not None:
                result.append(record)
        return result

    def entries(self, chunk: bytes) -> list[tuple[int, TraceLine | LostEvents]]:
        """Give each record of `chunk` with the offset where it starts. This is the exact way."""
        cuts = [match.start() for match in _grammar().glued.finditer(chunk)] if self.glued else []
        found: list[tuple[int, TraceLine | LostEvents]] = []
        start = 0
        for end in (*cuts, len(chunk)):
            self._find(chunk, start, end, found)
            start = end
        return found

    def _find(self, chunk: bytes, base: int, stop: int, found: list[tuple[int, TraceLine | LostEvents]]) -> None:
        """Find the records between two offsets of `chunk`."""
        text = chunk[base:stop]
        header: re.Match[bytes] | None = None
        for match in _grammar().entry.finditer(text):
            end = match.start()
            lost = list(_grammar().lost.finditer(match[1])) if match[1] else []
            if header is not None and lost and int(lost[-1][1]) != int(match[5]):
                # The kernel tells of a loss right before an entry of the same CPU: these words are the message's own.
                lost = []
                end = match.start(2)
            if header is not None:
                found.append((base + header.start(2), self._line(header, text, end)))
            else:
                self._headless(text[:end], base, found)
            for loss in lost:
                self.lossy = True
                found.append((base + match.start() + loss.start(), _lost(loss)))
            header = match
        if header is None:
            self._headless(text, base, found)
        else:
            found.append((base + header.start(2), self._line(header, text, len(text))))
            self._learn_from(header)

    def _line(self, header: re.Match[bytes], text: bytes, end: int) -> TraceLine:
        """Make a record of a header and the message after it, up to `end`."""
        start, time = header.span(7)
        columns = text[header.start(2) : start]
        values = self._exact_columns.get(columns)
        if values is None:
            task, pid, tgid, cpu, flags = (_decode(group) for group in header.groups(b"")[1:6])
            values = (task.lstrip(" "), int(pid), _tgid(tgid), int(cpu), flags)
            if len(self._exact_columns) >= _Columns.LIMIT:
                self._exact_columns.clear()
            self._exact_columns[columns] = values
        timestamp = text[start:time]
        number = float(timestamp) if b"." in timestamp else int(timestamp)
        event, message = self._event(text[header.end() : end].removesuffix(b"\n").removesuffix(b"\n"))
        return TraceLine(*values, number, event, message)

    def _headless(self, text: bytes, base: int, found: list[tuple[int, TraceLine | LostEvents]]) -> None:
        """Make a record of each line of text that follows no header."""
        start = 0
        while start < len(text):
            stop = text.find(b"\n", start) + 1 or len(text)
            line = text[start:stop].removesuffix(b"\n")
            loss = _grammar().lost.fullmatch(line)
            if loss is not None:
                self.lossy = True
                found.append((base + start, _lost(loss)))
            elif line:
                found.append((base + start, TraceLine("", -1, None, -1, "", 0.0, *self._event(line))))
            start = stop

    def _event(self, text: bytes) -> tuple[str, str]:
        """Take the name of the event off its message; entries of some tracers have none."""
        message = _decode(text)
        match = _grammar().event.match(message)
        return (match[1], message[match.end() :]) if match else ("", message)

    def _learn_from(self, header: re.Match[bytes]) -> None:
        end = header.end(6) if header[6] is not None else header.end(5) + 1
        width, decimal = end - header.start(2), b"." in header[7]
        if header[2].isascii() and (width, decimal) != (self._width, self._decimal):
            self._learn(width, decimal=decimal)

    def losses(self, chunk: bytes) -> list[LostEvents]:
        """Give the losses in `chunk` alone."""
        # To look for one letter takes a thirtieth of the time, and in most texts this one is nowhere else.
        if b"V" not in chunk or b"EVENTS]" not in chunk:
            return []
        return [record for _, record in self.entries(chunk) if isinstance(record, LostEvents)]

    def starts_entry(self, text: bytes) -> bool:
        """Tell whether `text` starts with a header."""
        return _grammar().entry.match(text) is not None


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _tgid(text: str | None) -> int | None:
    return None if not text or text[0] == "-" else int(text)


def _lost(match: re.Match[bytes]) -> LostEvents:
    return LostEvents(int(match[1]), None if match[2] is None else int(match[2]))


def parse_trace(text: str | bytes) -> list[TraceLine | LostEvents]:
    """Make records of text that was saved from ``trace_pipe`` or from the file ``trace``.

    The lines of explanation at the top of ``trace`` are left out. The blanks at the start of lines must still
    be there.
    """
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    start = 0
    while data.startswith(b"#", start):
        start = data.find(b"\n", start) + 1 or len(data)
    return LineParser().parse(data[start:])
