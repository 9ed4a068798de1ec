"""What the raw trace has only by number: tasks, flags, functions of the kernel."""

from __future__ import annotations

import os
from time import perf_counter

from . import tracefs as _tracefs
from ._ffi import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._libbpf import CData
    from ._trace_held import Held

__all__ = ["Tasks", "flags_text", "symbol"]

_UNKNOWN = "<...>"
"""A task that the kernel has not kept the name of, in its own words."""

_MANY = 32
"""To search for so many tasks takes as long as to make a table of all that there can be."""

_RARELY = 20.0
"""To look names up again may take one part in so many of the time, however fast lines come."""


class Tasks:
    """The names of tasks, as the kernel remembers them (``saved_cmdlines``), and their processes (``saved_tgids``).

    The kernel's text has the names that are remembered when it is made. Here they are read at once when a
    task is new, and otherwise as often as that takes at most one part in twenty of the time.
    """

    def __init__(self, held: Held, folder: str, root: str) -> None:
        self._options = held.open_file(os.path.join(folder, "trace_options"))
        self._cmdlines = held.open_file(os.path.join(root, "saved_cmdlines"))
        self._tgids = held.open_file(os.path.join(root, "saved_tgids"))
        self._saved = b""
        self._names: dict[int, str] = {}
        """Those that have been asked for since the last look-up."""
        self._table: dict[int, str] | None = None
        self._searched = 0
        self._processes: dict[int, int] | None = None
        self._due = 0.0
        self.irq_info = True
        """Whether the buffer's option ``irq-info`` is on, which shows flags."""

    def knows(self, pid: int) -> bool:
        """Tell whether a task has a name."""
        return self.name(pid) is not _UNKNOWN

    @property
    def shows_processes(self) -> bool:
        """Whether the option ``record-tgid`` is on."""
        return self._processes is not None

    def due(self) -> bool:
        """Tell whether it is time to look all names up again."""
        return perf_counter() >= self._due

    def spent(self, seconds: float) -> None:
        """Know how long a look-up has taken, and all that was done for it."""
        self._due = perf_counter() + _RARELY * seconds

    def look_up(self) -> bool:
        """Look all names up; tell whether anything has changed."""
        before = self._saved, self._processes, self.irq_info
        options = self._read(self._options).split(b"\n")
        self.irq_info = b"irq-info" in options
        self._saved = b"\n" + self._read(self._cmdlines)
        self._processes = None
        if b"record-tgid" in options:
            self._processes = {pid: int(tgid) for pid, tgid in _pairs(self._read(self._tgids))}
        self._names = {}
        self._table = None
        self._searched = 0
        return before != (self._saved, self._processes, self.irq_info)

    def _read(self, fd: int) -> bytes:
        """Read a file that is kept open: to open it each time would leave it open where an interrupt comes then."""
        os.lseek(fd, 0, os.SEEK_SET)
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)

    def name(self, pid: int) -> str:
        """Give a task's name as the kernel prints it."""
        if pid <= 0:
            name = "<XXX>" if pid else "<idle>"
        elif pid in self._names:
            return self._names[pid]
        else:
            name = self._search(pid)
        self._names[pid] = name
        return name

    def _search(self, pid: int) -> str:
        """Look for a task in what the kernel has saved; to take all of that apart pays for many only."""
        if self._table is None and self._searched == _MANY:
            self._table = dict(_pairs(self._saved))
        if self._table is not None:
            return self._table.get(pid, _UNKNOWN)
        self._searched += 1
        start = self._saved.find(b"\n%d " % pid) + 1
        if not start:
            return _UNKNOWN
        end = start
        while True:
            end = self._saved.find(b"\n", end + 1)
            # The name may have a newline in it.
            if end < 0 or not self._saved[end + 1 :] or self._saved[end + 1 : end + 12].partition(b" ")[0].isdigit():
                break
        return dict(_pairs(self._saved[start : None if end < 0 else end])).get(pid, _UNKNOWN)

    def process(self, pid: int) -> int | None:
        """Give the process of a task, if the option ``record-tgid`` is on and the kernel knows."""
        return (self._processes.get(pid) or None) if self._processes else None


def _pairs(data: bytes) -> Iterator[tuple[int, str]]:
    """Take lines of a number and a text apart; a line without a number goes on with the text before."""
    pid, text = -1, b""
    for line in data.removesuffix(b"\n").split(b"\n"):
        number, blank, rest = line.partition(b" ")
        if blank and number.isdigit():
            if pid >= 0:
                yield pid, text.decode("utf-8", "backslashreplace").lstrip(" ")
            pid, text = int(number), rest
        else:
            text += b"\n" + line
    if pid >= 0:
        yield pid, text.decode("utf-8", "backslashreplace").lstrip(" ")


# Flags

_IRQS_OFF, _RESCHED_LAZY, _RESCHED, _HARD_IRQ = 1, 2, 4, 8
_SOFT_IRQ, _PREEMPT_RESCHED, _NMI, _BH_OFF = 16, 32, 64, 128

_RESCHEDULING = {
    0: ".",
    _RESCHED: "n",
    _RESCHED_LAZY: "l",
    _PREEMPT_RESCHED: "p",
    _RESCHED | _PREEMPT_RESCHED: "N",
    _RESCHED_LAZY | _PREEMPT_RESCHED: "L",
    _RESCHED | _RESCHED_LAZY: "b",
    _RESCHED | _RESCHED_LAZY | _PREEMPT_RESCHED: "B",
}


def flags_text(flags: int, preempt_count: int, columns: int) -> str:
    """Give the letters that the kernel prints of an event's flags (``trace_print_lat_fmt()``).

    The last column, how deep migration is disabled, is in kernels since 5.13.
    """
    irqs, bottom = flags & _IRQS_OFF, flags & _BH_OFF
    nmi, hard, soft = flags & _NMI, flags & _HARD_IRQ, flags & _SOFT_IRQ
    text = "D" if irqs and bottom else "d" if irqs else "b" if bottom else "."
    text += _RESCHEDULING[flags & (_RESCHED | _RESCHED_LAZY | _PREEMPT_RESCHED)]
    text += "Z" if nmi and hard else "z" if nmi else "H" if hard and soft else "h" if hard else "s" if soft else "."
    if columns == 4:
        return text + (f"{preempt_count:x}" if preempt_count else ".")
    text += f"{preempt_count & 15:x}" if preempt_count & 15 else "."
    return text + (f"{preempt_count >> 4:x}" if preempt_count >> 4 else ".")


_columns = 0


def flag_columns(folder: str) -> int:
    """Find out how many letters of flags this kernel prints: it explains them at the top of the file ``trace``."""
    global _columns
    if not _columns:
        path = os.path.join(folder, "trace")
        try:
            # Unbuffered: the explanation is in what one read gives, and no more is wanted.
            with open(path, "rb", buffering=0) as file:
                text = file.read(4096) or b""
        except OSError as error:
            raise _tracefs.failure(error, f"read {path!r}", path) from None
        if b"irqs-off" not in text:
            return 5  # the option irq-info is off: they are not shown
        _columns = 5 if b"migrate-disable" in text else 4
    return _columns


# Functions

_symbols: dict[int, CData] = {}
"""The names of functions by address. C puts them there itself: an interrupt right after its call loses none."""


def symbol(address: int) -> str:
    """Give the name of the kernel's function that an address is in, as the kernel prints it; or the address.

    The kernel tells addresses who has CAP_SYSLOG (``kernel.kptr_restrict``).
    """
    if not address:
        return "0"
    name = _symbols.get(address)
    if name is None:
        # KSYM_NAME_LEN is 512, and there may be the name of a module.
        name = _symbols[address] = ffi.new("char[]", 640)
    if name[0] == b"\0":
        lib.lbc_trace_symbol(address, name, len(name))
    return " ".join(ffi.string(name).decode("utf-8", "backslashreplace").split())
