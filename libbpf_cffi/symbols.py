"""Names for addresses, of stacks and others: functions of the kernel, and of what a process has mapped. No C."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from ._arguments import unsigned
from ._check import MOMENTARY, failure
from ._kernel_symbols import Functions, parse
from ._probe_files import each_symbol
from ._process_maps import ProcessMaps
from ._refusals import refused
from .errors import LibbpfError

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

_NEVER = (errno.ENOEXEC, errno.EFBIG, errno.EINVAL, errno.EISDIR)
"""Refusals of a file that is nothing that has functions, or malformed: it stays so."""

_ACTION = "find the name of an address"


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
    (and ``kernel.kptr_restrict`` less than 2); to others, and of processes that they may not look at, frames have no
    names. How long BPF programs are it shows to who has CAP_SYS_ADMIN; for others they have a page at most.

    What a process has mapped is kept too, but whether a file is still there is asked each time (5 to 10 µs): another
    program of the process, or another process of the number, is noticed. Of one that has ended is known what was looked
    at before.
    """

    def __init__(self) -> None:
        self._kernel: Functions | None = None
        self._processes: dict[int, ProcessMaps] = {}
        self._files: dict[tuple[int, ...], Functions] = {}

    def find(self, address: SupportsIndex | StackFrame, pid: int | None = None) -> Frame:
        """Say what is at an address, of the kernel or, by `pid`, of a process.

        The process 0 is this one. A frame of a `StackTrace` with build ids is taken too. Of a file the symbol table is
        read, and that for linking, which a file that was stripped still has. What a process has compiled itself (JIT)
        has no names: what it has mapped is only read again for that if it has more or less memory than before. Raises
        `LibbpfError` where it is for want of descriptors or memory that nothing can be found.
        """
        place: Any = address
        # By what it has: that class costs an import.
        if not isinstance(place, (int, type)) and hasattr(place, "build_id"):
            if place.build_id is not None:
                return Frame(None, None, place.offset, place.build_id.hex())
            place = place.ip
        number = unsigned(place, 64, "address")
        process = None if pid is None else unsigned(pid, 31, "pid") or os.getpid()
        if number >= KERNEL:
            return self._find_of_kernel(number)
        return Frame(number, None, None, None) if process is None else self._find_of_process(number, process)

    def _find_of_kernel(self, address: int) -> Frame:
        functions = self._kernel
        if functions is None:
            functions = _kernel_functions()
            if functions is None:
                return Frame(address, None, None, None)
            self._kernel = functions
        found = functions.at(address)
        if found is None:
            return Frame(address, None, None, None)
        start, called = found
        name, _, module = called.partition("\t")
        return Frame(address, name, address - start, module.strip("[]") or None)

    def _find_of_process(self, address: int, pid: int) -> Frame:
        process = self._processes.get(pid)
        if process is None:
            if len(self._processes) >= MOST_PROCESSES:
                self._processes.clear()
            process = self._processes[pid] = ProcessMaps(pid, _pass_on)
        mapped = process.at(address)
        if mapped is None:
            return Frame(address, None, None, None)
        place = address - mapped.start + mapped.offset
        file = mapped.file
        found = None if file is None else self._functions_of(*file).at(place)
        if found is None:
            return Frame(address, None, place, mapped.name)
        start, name = found
        return Frame(address, name, place - start, mapped.name)

    def _functions_of(self, path: str, key: tuple[int, ...]) -> Functions:
        functions = self._files.get(key)
        if functions is not None:
            return functions
        try:
            functions = table_of(path)
        except OSError as error:
            _pass_on(error)
            functions = Functions([], [])
            if refused(error) not in _NEVER:
                # Gone, or forbidden.
                return functions
        if len(self._files) >= MOST_FILES:
            self._files.clear()
        self._files[key] = functions
        return functions


def _pass_on(error: OSError) -> None:
    """Raise what says nothing of what was asked for, but of this moment: that is not the answer."""
    if refused(error) in MOMENTARY:
        raise error if isinstance(error, LibbpfError) else failure(refused(error), _ACTION) from None


def _kernel_functions() -> Functions | None:
    """Read the kernel's list; ``None`` if it cannot be read."""
    try:
        with open(KALLSYMS, encoding="utf-8", errors="replace") as file:
            functions = parse(file, os.sysconf("SC_PAGE_SIZE"))
    except OSError as error:
        _pass_on(error)
        return None
    if functions.have_programs():
        from ._jited_sizes import jited_sizes

        try:
            functions = functions.with_sizes(jited_sizes())
        except OSError as error:
            # Without CAP_SYS_ADMIN.
            _pass_on(error)
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
