"""The events of ring and perf buffers: read in batches, filtered, written as rows, counted."""

from __future__ import annotations

import libbpf_cffi as bpf

from ._command_text import room
from ._run_fields import Field, Fields, keeper, missing
from ._run_io import wants_colour
from ._run_options import UsageError
from ._run_rows import Csv, Json, names_of
from ._run_table import Table
from .variables import c_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._run_buffers import Buffer
    from ._run_family import Family
    from ._run_io import Output, Reporter
    from ._run_loop import Lines
    from ._run_options import Options
    from ._run_rows import Rows

__all__ = ["Events"]

MANY = 8192
"""So many events are not asked for at once: a reader gives as many unasked, and more at a time keep others waiting."""


class Events:
    """All buffers that are shown: `sources` are they, and what else has to be waited for."""

    def __init__(self, options: Options, buffers: Sequence[Buffer], report: Reporter) -> None:
        self._options = options
        self._report = report
        self._several = len({buffer.path for buffer in buffers}) > 1
        self._buffers = [_Buffer(each, self._title(each)) for each in buffers]
        self._family: Family | None = None
        self._rows: Rows | None = None
        all_fields = [each.fields for each in self._buffers]
        for each in self._buffers:
            each.keepers = [found for condition in options.filter if (found := keeper(each.fields, condition))]
            # What has not the field cannot be equal to anything.
            each.wanted = len(each.keepers) == len(options.filter)
        for path, sign, value in options.filter:
            if not any(keeper(fields, (path, sign, value)) for fields in all_fields):
                raise missing(f"--filter {path}{sign}{value}", path, all_fields)
        for path in options.columns or ():
            if not any(fields.chosen([path]) for fields in all_fields):
                raise missing("--columns", path, all_fields)
        self._chosen = [fields.chosen(options.columns) for fields in all_fields]
        for path in options.time:
            named = [field for fields in all_fields for field in fields.chosen([path])]
            if not named:
                raise missing("--time", path, all_fields)
            if any(field.path != path or type(field.zero) is not int for field in named):
                raise UsageError(f"--time {path}: {path} is no number of nanoseconds")

    def _title(self, buffer: Buffer) -> str:
        return f"{buffer.path}: {buffer.map.name}" if self._several else buffer.map.name

    def open(self, output: Output, lines: Lines) -> None:
        """Open the readers. One that nobody has asked for may fail, and is told of."""
        for each in list(self._buffers):
            try:
                each.reader = each.buffer.open()
            except bpf.Error as error:
                if each.buffer.asked:
                    raise
                self._report.warning(f"the events of {each.title} are not shown: {error}")
                each.wanted = False
        for number, each in enumerate(self._buffers):
            each.output, each.lines, each.report, each.number = output, lines, self._report, number
        self._rows = rows = self._make_rows(output)
        for each in self._buffers:
            each.rows = rows
        for each in self._buffers:
            if each.reader is not None:
                kind = "bytes" if each.buffer.type is None else f"{c_name(each.buffer.type)}, {each.buffer.why}"
                self._report.fact(f"events of {each.title}: {kind}")
        if head := rows.head():
            output.write(head)

    def _make_rows(self, output: Output) -> Rows:
        options, chosen = self._options, self._chosen
        titles = [each.title for each in self._buffers]
        if options.json:
            fields = [each.fields for each in self._buffers]
            return Json(fields, chosen, titles, options.time, flat=options.columns is not None)
        names = names_of(chosen, options.columns)
        if options.csv:
            return Csv(names, chosen, titles, options.time)
        return Table(names, chosen, titles, room(output.fd), options.time, colour=wants_colour(output.fd))

    def follow(self, child: int | None) -> None:
        """Show those of the chosen processes only, where events tell whose they are."""
        from ._run_family import Family

        telling = []
        for each in self._buffers:
            each.process = each.fields.process()
            if each.process is not None:
                telling.append(each)
            elif each.reader is not None:
                why = "have no field tgid, pid or tid: those of all processes are shown"
                self._report.warning(f"the events of {each.title} {why}")
        if not telling:
            return
        try:
            self._family = Family(self._options.pid, [] if child is None else [child], self._report)
        except (bpf.Error, OSError) as error:
            if self._options.pid:
                raise
            # A COMMAND is there to be run, whatever can be recorded of what it starts.
            self._report.warning(f"events of all processes are shown, not only of COMMAND: {error}")
        for each in telling:
            each.family = self._family

    @property
    def sources(self) -> list[Any]:
        """What becomes readable."""
        opened: list[Any] = [each for each in self._buffers if each.reader is not None]
        return [*opened, self._family] if self._family is not None else opened

    @property
    def buffers(self) -> list[Any]:
        """What is to be drained in the end."""
        return [each for each in self._buffers if each.reader is not None]

    def tell(self) -> None:
        """Say, for each buffer, how many events there were; losses in a warning of their own."""
        for each in self._buffers:
            if each.reader is None or each.reader.closed:
                continue
            lost = each.reader.lost
            loss = "losses not counted" if lost is None else f"{lost} lost"
            odd = f", {each.odd} not of their type" if each.odd else ""
            # When enough has been shown, or nobody reads it, or it was too much to be read in the end.
            if left := sum(ring.avail_data_size for ring in getattr(each.reader, "rings", ())):
                odd += f", {left} bytes not read"
            self._report.fact(f"events of {each.title}: {each.received} received, {each.shown} shown, {loss}{odd}")
            if lost:
                were = "was" if lost == 1 else "were"
                more = f" (--max-entries {each.buffer.map.name}=N makes more)" if hasattr(each.reader, "rings") else ""
                self._report.warning(f"{lost} events of {each.title} {were} lost for want of room{more}")

    def close(self) -> None:
        """Close the readers, and what records the processes."""
        for each in self._buffers:
            if each.reader is not None:
                each.reader.close()
        if self._family is not None:
            self._family.close()


class _Buffer:
    """One buffer that is shown."""

    rows: Rows
    output: Output
    lines: Lines
    report: Reporter
    number: int

    def __init__(self, buffer: Buffer, title: str) -> None:
        self.buffer = buffer
        self.title = title
        self.type = buffer.type
        self.size = 0 if self.type is None else self.type.size or 0
        zero = b"" if self.type is None else self.type.decode(bytes(self.size))
        name = "data" if self.type is None else "value"
        self.fields = Fields(zero, self.type, name)
        self.reader: Any = None
        self.keepers: list[Callable[[Sequence[Any]], list[Any]]] = []
        self.wanted = True
        self.process: Field | None = None
        self.family: Family | None = None
        self.received = 0
        self.shown = 0
        self.odd = 0
        self._least = self._size_without_tail()

    def _size_without_tail(self) -> int:
        """Give how many bytes an event must have to be one whose program sends no more of its last member than used."""
        target = None if self.type is None else self.type.resolve()
        if target is None or target.kind != bpf.BtfKind.STRUCT or not target.members:
            return self.size
        last = target.members[-1]
        if last.type.resolve().kind != bpf.BtfKind.ARRAY:
            return self.size
        return last.offset

    def fileno(self) -> int:
        """Give what becomes readable when there are events."""
        fd: int = self.reader.fileno()
        return fd

    def show(self) -> bool:
        """Write those events that are there and wanted; tell whether there were any."""
        limit = self.lines.left
        # Where every event is shown, no more are taken than that; of many only some at a time: others have their turn.
        few = limit if self._takes_all and limit is not None and limit < MANY else None
        events = self.reader.read(few, timeout=0)
        if not events:
            return False
        self.received += len(events)
        odd: list[bytes] = []
        if self.type is not None:
            events, odd = self._sorted_out(events)
        if not self.wanted:
            return True
        if self.family is not None and self.process is not None:
            self.family.show()
            pids, get = self.family.pids, self.process.get
            events = [event for event in events if get(event) in pids]
        for keep in self.keepers:
            events = keep(events)
        events = events[:limit]
        text = self.rows.rows(self.number, events) if events else ""
        if odd and self._takes_all:
            odd = odd[: None if limit is None else limit - len(events)]
            text += "".join(self.rows.odd(self.number, each) for each in odd)
        else:
            odd = []
        if text:
            self.output.write(text)
        shown = len(events) + len(odd)
        self.shown += shown
        self.lines.shown += shown
        return True

    @property
    def _takes_all(self) -> bool:
        return self.wanted and not self.keepers and self.family is None

    def _sorted_out(self, events: list[Any]) -> tuple[list[Any], list[bytes]]:
        """Give the events of the type, and those that are not."""
        if not any(event.__class__ is bytes for event in events):
            return events, []
        fitting, odd = [], []
        for event in events:
            if event.__class__ is not bytes:
                fitting.append(event)
            elif self._least <= len(event) < self.size:
                assert self.type is not None
                fitting.append(self.type.decode(event.ljust(self.size, b"\0")))
            else:
                odd.append(event)
        if odd and not self.odd:
            assert self.type is not None
            type_size = f"the {self.size} of its type {c_name(self.type)}"
            self.report.warning(f"an event of {self.title} has {len(odd[0])} bytes and not {type_size}")
        self.odd += len(odd)
        return fitting, odd
