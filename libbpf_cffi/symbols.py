"""Names for addresses, of stacks and others: functions of the kernel, and of what a process has mapped. No C."""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import NamedTuple

from ._arguments import integer, unsigned
from ._kernel_symbols import Functions, parse
from ._probe_files import each_symbol
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsIndex

    from ._map_stacks import StackFrame

__all__ = ["Frame", "Symbolizer"]

KERNEL = 1 << 63
"""Addresses from here on are the kernel's, on the machines that there are BPF stacks on."""

KALLSYMS = "/proc/kallsyms"

MOST_FILES, MOST_PROCESSES = 256, 1024
"""What a symbolizer keeps in memory: when there are more it begins anew."""


class Frame(NamedTuple):
    """What is at an address: `name` is the function's and `offset` how many bytes behind its beginning it is.

    `module` is the file that a process has there, or the kernel's module, ``bpf`` for BPF programs, ``None`` for the
    kernel itself. Where no function is known `name` is ``None``, and `offset` the place in the file; where nothing is
    known all are ``None``, but for the address. As text: ``name+0x1c [module]``, ``module+0x1c`` or the address.
    """

    address: int | None
    name: str | None
    offset: int | None
    module: str | None

    def __str__(self) -> str:
        if self.name is not None:
            return f"{self.name}+{self.offset:#x}" + (f" [{self.module}]" if self.module is not None else "")
        return f"{self.address:#018x}" if self.module is None else f"{self.module}+{self.offset:#x}"


class Symbolizer:
    """What finds the names of addresses.

    It reads the kernel's list of symbols (``/proc/kallsyms``, 0.1 s) when it first needs it, and keeps that, so that
    one is not for ever: modules and BPF programs come and go. The kernel shows its addresses to whoever has CAP_SYSLOG
    (and ``kernel.kptr_restrict`` less than 2); to others, and of processes that they may not look at or that are gone,
    frames have no names. How long BPF programs are it shows to who has CAP_SYS_ADMIN; for others they have a page at
    most.
    """

    def __init__(self) -> None:
        self._kernel: Functions | None = None
        self._processes: dict[int, _Mappings] = {}
        self._files: dict[tuple[int, ...], Functions] = {}

    def find(self, address: SupportsIndex | StackFrame, pid: int | None = None) -> Frame:
        """Say what is at an address, of the kernel or, by `pid`, of a process.

        A frame of a `StackTrace` with build ids is taken too. Of a file the symbol table is read, and that for linking,
        which a file that was stripped still has. What a process has compiled itself (JIT) has no names.
        """
        place: Any = address
        # By what it has: that class costs an import.
        if not isinstance(place, int) and hasattr(place, "build_id"):
            if place.build_id is not None:
                return Frame(None, None, place.offset, place.build_id.hex())
            place = place.ip
        number = unsigned(place, 64, "address")
        process = None if pid is None else integer(pid, "pid")
        if number >= KERNEL:
            return self._find_of_kernel(number)
        return Frame(number, None, None, None) if process is None else self._find_of_process(number, process)

    def _find_of_kernel(self, address: int) -> Frame:
        functions = self._kernel
        if functions is None:
            functions = self._kernel = _kernel_functions()
        found = functions.at(address)
        if found is None:
            return Frame(address, None, None, None)
        start, called = found
        name, _, module = called.partition("\t")
        return Frame(address, name, address - start, module.strip("[]") or None)

    def _find_of_process(self, address: int, pid: int) -> Frame:
        process = self._processes.get(pid)
        if process is None or not process.has(address):
            # New, or it has mapped more meanwhile.
            if len(self._processes) >= MOST_PROCESSES:
                self._processes.clear()
            process = self._processes[pid] = _Mappings(pid)
        if not process.has(address):
            return Frame(address, None, None, None)
        path, place, module = process.file_of(address)
        found = self._table_of(path).at(place) if path else None
        if found is None:
            return Frame(address, None, place, module)
        start, name = found
        return Frame(address, name, place - start, module)

    def _table_of(self, path: str) -> Functions:
        try:
            seen = os.stat(path)
            key = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
            if key not in self._files:
                if len(self._files) >= MOST_FILES:
                    self._files.clear()
                self._files[key] = table_of(path)
            return self._files[key]
        except OSError as error:
            refused(error)
            # Gone, nothing that has functions, or malformed.
            return Functions([], [])


class _Mappings:
    """What of files a process may execute, at which addresses."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._found: list[tuple[int, int, int, int, str]] = []
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
                for line in file:
                    range_, may, offset, _, inode, *name = line.rstrip("\n").split(None, 5)
                    if "x" in may and name:
                        start, end = (int(each, 16) for each in range_.split("-"))
                        self._found.append((start, end, int(offset, 16), int(inode), name[0]))
        except OSError as error:
            refused(error)
            # It is gone, or not to be looked at.
            self._found.clear()

    def _at(self, address: int) -> int:
        return bisect_right(self._found, (address, KERNEL)) - 1

    def has(self, address: int) -> bool:
        """Tell whether a file is there."""
        at = self._at(address)
        return at >= 0 and address < self._found[at][1]

    def file_of(self, address: int) -> tuple[str, int, str]:
        """Give where the file of an address can be opened, if anywhere, the place in it, and its name."""
        start, end, offset, inode, name = self._found[self._at(address)]
        path = f"/proc/{self._pid}/map_files/{start:x}-{end:x}"
        # That is the file itself, whatever has its name now; without CAP_SYS_ADMIN it may not be opened.
        if not os.access(path, os.R_OK):
            path = f"/proc/{self._pid}/root{name}"
            try:
                path = path if inode and os.stat(path).st_ino == inode else ""
            except OSError as error:
                refused(error)
                path = ""
        return path, address - start + offset, name


def _kernel_functions() -> Functions:
    """Read the kernel's list."""
    try:
        with open(KALLSYMS, encoding="utf-8", errors="replace") as file:
            functions = parse(file, os.sysconf("SC_PAGE_SIZE"))
    except OSError as error:
        refused(error)
        return Functions([], [])
    if functions.have_programs():
        from ._jited_sizes import jited_sizes

        try:
            functions = functions.with_sizes(jited_sizes())
        except OSError as error:
            # Without CAP_SYS_ADMIN.
            refused(error)
    return functions


def table_of(path: str) -> Functions:
    """Read the functions of a file, by their places in it; of several names for one the plainest."""
    best: dict[int, tuple[tuple[int, int, str], int]] = {}
    for name, _, offset, size in each_symbol(path):
        if offset is not None and size:
            rank = (len(name) - len(name.lstrip("_")), len(name), name)
            if offset not in best or rank < best[offset][0]:
                best[offset] = rank, offset + size
    starts = sorted(best)
    return Functions(starts, [(best[start][1], best[start][0][2]) for start in starts])
