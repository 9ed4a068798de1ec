"""The trace's ring buffers themselves as a source of lines: csrc/trace_raw.c reads, decodes and merges them.

The pipe of text is open beside them: its epoll tells of the first entry on any CPU, while the files
``trace_pipe_raw`` would wait until they are half full (the file ``buffer_percent``), and no second reader takes
entries away unnoticed.
"""

from __future__ import annotations

import os
from itertools import repeat
from time import perf_counter

from ._check import not_null
from ._ffi import ffi, lib
from ._trace_format import Events, counts_ns, read_layout
from ._trace_lines import LineParser, LostEvents, TraceLine
from ._trace_names import Tasks, flag_columns, flags_text, symbol
from ._trace_source import ALL, BYTES, TEXT, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    from ._libbpf import CData
    from ._trace_held import Held

    Head: TypeAlias = "tuple[str, int, int | None, int, str, str]"

__all__ = ["RawSource"]


class _Chunk:
    """Lines, in columns: times, heads (all from task to flags, and the event), messages with a NUL after each.

    `losses` are what was lost, each with the number of the line that it stands before. `text` is what is left
    of an entry whose first lines have been handed out as text.
    """

    __slots__ = ("heads", "losses", "messages", "seen", "text", "times")

    def __init__(
        self, times: list[float], heads: list[Head], messages: bytes, losses: list[tuple[int, LostEvents]], text: bytes
    ) -> None:
        self.times = times
        self.heads = heads
        self.messages = messages
        self.losses = losses
        self.text = text
        self.seen = False


class RawSource:
    """Chunks of what was in the ring buffers, which are `_Chunk`."""

    def __init__(self, held: Held, folder: str, root: str) -> None:
        self._held = held
        self._tasks = Tasks(held, folder, root)
        self._events = Events(root)
        self._columns = flag_columns(folder)
        self._format = read_layout(folder, root)
        self._clock = held.open_file(os.path.join(folder, "trace_clock"))
        self._number = "double *" if self._format.in_ns else "uint64_t *"
        cpus = held.open_cpus(folder)
        fds = ffi.new("int[]", [fd for _, fd in cpus])
        numbers = ffi.new("__u32[]", [cpu for cpu, _ in cpus])
        made = lib.lbc_trace_reader__new(self._format, fds, numbers, len(cpus))
        self._reader = ffi.gc(not_null(made, f"read the raw trace of {folder!r}"), lib.lbc_trace_reader__free)
        self._heads: list[Head] = []
        self._generation = 0
        self._interrupted = False
        """Whether a look-up was ended by an interrupt: then lines do without, or many interrupts would keep them."""
        self._fruitless = False
        """Whether a look-up for tasks that have no name was in vain: then it is not made again before it is due."""
        self.lossy = False

    @property
    def pending(self) -> bool:
        """Whether more has been read than was taken in."""
        return bool(self._reader.pending)

    def take_in(self, reads: list[Any]) -> bool:
        """Read, and put what came at the end of `reads`; tell whether anything did."""
        reader = self._reader
        if not (reader.closed or reader.pending or reader.count):
            # To set another clock empties the buffer: what comes now is all in the unit of this one.
            in_ns = counts_ns(os.pread(self._clock, 4096, 0).decode())
            self._number = "double *" if in_ns else "uint64_t *"
            reader.format.in_ns = in_ns
        count = lib.lbc_trace_read(reader)
        if count < 0:
            raise OSError(-count, os.strerror(-count))
        if not count:
            return False
        end, chunk = len(reads), [self._chunk(reader)]
        # These belong together, whatever interrupt comes; until then the batch stays as it is.
        reads[end:] = chunk
        reader.count = 0
        reader.loss_count = 0
        self._interrupted = False
        return True

    def take_left(self, reads: list[Any]) -> bool:
        """Take in what was read before the pipe was closed."""
        self._reader.closed = 1
        return self.take_in(reads)

    def _chunk(self, reader: CData) -> _Chunk:
        count = reader.count
        self._learn_heads(reader)
        times: list[float] = ffi.unpack(ffi.cast(self._number, reader.times), count) if count else []
        if reader.mixed:
            heads = list(map(self._heads.__getitem__, ffi.unpack(reader.numbers, count)))
        else:
            heads = [self._heads[reader.numbers[0]]] * count if count else []
        messages = bytes(ffi.buffer(reader.text, reader.text_len))
        if reader.others:
            messages = self._show_others(reader, heads, messages)
        losses = []
        for index in range(reader.loss_count):
            loss = reader.losses[index]
            if loss.count or not loss.uncounted:
                losses.append((loss.before, LostEvents(loss.cpu, loss.count)))
            losses += [(loss.before, LostEvents(loss.cpu, None))] * loss.uncounted
        return _Chunk(times, heads, messages, losses, b"")

    def _show_others(self, reader: CData, heads: list[Head], messages: bytes) -> bytes:
        """Put names and fields in the place of the events that are no text; their heads change, too."""
        printed = (self._format.printk_id, self._format.print_id)
        texts = messages.split(b"\0")
        for index in range(len(heads)):
            event = reader.heads[reader.numbers[index]].event
            if event not in printed:
                name, text = self._events.show(event, bytes.fromhex(texts[index].decode()))
                heads[index] = (*heads[index][:5], name)
                texts[index] = text.encode().replace(b"\0", b"")
        return b"\0".join(texts)

    def _learn_heads(self, reader: CData) -> None:
        """Have a tuple for each head that the reader has numbered, with the names that tasks have now."""
        tasks = self._tasks
        if reader.generation != self._generation:
            self._generation = reader.generation
            self._heads = []
        new = range(len(self._heads), reader.head_count)
        strange = [pid for pid in (reader.heads[number].pid for number in new) if not tasks.knows(pid)]
        # Closed, and with it the files that say so, when what was read before is handed out still.
        if reader.closed or self._interrupted or (not tasks.due() and (self._fruitless or not strange)):
            self._heads += [self._head(reader.heads[number]) for number in new]
            return
        start = perf_counter()
        self._interrupted = True
        heads = self._heads
        shown = tasks.irq_info
        if tasks.look_up():
            heads = [self._renamed(head) for head in heads] if tasks.irq_info == shown else []
        self._heads = heads + [self._head(reader.heads[number]) for number in range(len(heads), reader.head_count)]
        self._fruitless = bool(strange) and not any(map(tasks.knows, strange))
        tasks.spent(perf_counter() - start)
        self._interrupted = False

    def _renamed(self, head: Head) -> Head:
        pid = head[1]
        task, process = self._tasks.name(pid), self._tasks.process(pid)
        return head if (task, process) == (head[0], head[2]) else (task, pid, process, *head[3:])

    def _head(self, head: CData) -> Head:
        tasks, pid = self._tasks, head.pid
        event = "bpf_trace_printk"
        if head.event == self._format.print_id:
            event = symbol(head.ip)
        flags = flags_text(head.flags, head.preempt_count, self._columns) if tasks.irq_info else ""
        return tasks.name(pid), pid, tasks.process(pid), head.cpu, flags, event

    # What a reader makes of chunks

    def settle(self) -> None:
        """Know that the pipe is empty: nothing in a chunk waits for more."""

    def following(self, reads: list[Any], *, complete: bool) -> tuple[_Chunk, int, bool]:  # noqa: ARG002 - they all are
        """Give the next chunk, how many of `reads` it takes, and whether its losses have been counted."""
        chunk: _Chunk = reads[0]
        return chunk, 1, chunk.seen

    def parse(self, chunk: _Chunk) -> list[TraceLine | LostEvents]:
        """Make records of a chunk."""
        self.lossy = bool(chunk.losses)
        records: list[Any] = []
        if chunk.times:
            messages = chunk.messages[:-1].decode("utf-8", "backslashreplace").split("\0")
            heads = chunk.heads
            columns: Iterable[Iterable[Any]]
            columns = map(repeat, heads[0]) if heads.count(heads[0]) == len(heads) else zip(*heads, strict=True)
            tasks, pids, tgids, cpus, flags, events = columns
            rows = zip(tasks, pids, tgids, cpus, flags, chunk.times, events, messages, strict=False)
            # TraceLine(*row) would take three times as long.
            records = list(map(tuple.__new__, repeat(TraceLine), rows))
        for before, loss in reversed(chunk.losses):
            records.insert(before, loss)
        return [*LineParser().parse(chunk.text), *records] if chunk.text else records

    def losses(self, chunk: _Chunk) -> list[LostEvents]:
        """Give the losses in a chunk."""
        return [loss for _, loss in chunk.losses]

    def split(self, chunk: _Chunk, kind: int) -> list[Any]:
        """Cut a chunk into lines of text, like those of the kernel."""
        return split(b"".join([chunk.text, *self._texts(chunk)]), kind)

    def _texts(self, chunk: _Chunk) -> list[bytes]:
        """Give each line and loss as text, in order."""
        starts: dict[Head, bytes] = {}
        texts = []
        for time, head, message in zip(chunk.times, chunk.heads, chunk.messages.split(b"\0"), strict=False):
            start = starts.get(head)
            if start is None:
                start = starts[head] = self._start(head)
            at = b"%12d" if isinstance(time, int) else b"%12.6f"
            event = f"{head[5]}: ".encode() if head[5] else b""
            texts.append(b"".join((start, at % time, b": ", event, message, b"\n")))
        for before, loss in reversed(chunk.losses):
            texts.insert(before, f"{loss}\n".encode())
        return texts

    def _start(self, head: Head) -> bytes:
        task, pid, tgid, cpu, flags, _ = head
        process = ""
        if self._tasks.shows_processes:
            process = f"({'-------' if tgid is None else tgid:>7}) "
        # It is 16 bytes that the task's name fills.
        return task.encode().rjust(16) + f"-{pid:<7} {process}[{cpu:03}] {flags}{' ' if flags else ''}".encode()

    def seen(self, chunk: _Chunk) -> _Chunk:
        """Mark a chunk as one whose losses have been counted."""
        chunk.seen = True
        return chunk

    def rest(self, chunk: _Chunk, kind: int, start: int) -> _Chunk | None:
        """Give what of a chunk makes its items from number `start` on."""
        if start == 0:
            return chunk
        whats: list[LostEvents | None] = [None] * len(chunk.times)
        for before, loss in reversed(chunk.losses):
            whats.insert(before, loss)
        if kind in (TEXT, BYTES):
            for position, text in enumerate([chunk.text, *self._texts(chunk)], -1):
                lines = text.count(b"\n")
                if start < lines:
                    left = text.split(b"\n", start)[start] if start else b""
                    return _from(chunk, whats, position + (start > 0), left)
                start -= lines
            return None
        lines = len(LineParser().parse(chunk.text)) if chunk.text else 0
        if start < lines:
            return _from(chunk, whats, 0, chunk.text.split(b"\n", start)[start])
        start -= lines
        for position, what in enumerate(whats):
            if start == 0:
                return _from(chunk, whats, position, b"")
            if kind == ALL or what is None:
                start -= 1
        return None


def _from(chunk: _Chunk, whats: list[LostEvents | None], position: int, text: bytes) -> _Chunk:
    """Give what stands in a chunk from a position on, with text before it."""
    line = whats[:position].count(None)
    losses = chunk.losses[position - line :]
    messages = b"\0".join(chunk.messages.split(b"\0")[line:])
    return _Chunk(
        chunk.times[line:], chunk.heads[line:], messages, [(before - line, loss) for before, loss in losses], text
    )
