"""The kernel's list of symbols: which functions there are, and where each one ends. No C."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Functions", "parse"]

_ENDS = ("_etext", "_einittext")
"""What the linker calls the ends of the kernel's code: there is no function."""

_MADE = ("\t[bpf]", "\t[__builtin__ftrace]", "\t[__builtin__kprobes]")
"""The modules of what the kernel compiles itself, each by itself: what comes next need not be behind it."""

_MARKS = ("$", ".L", "L0")
"""What the kernel leaves out as well (is_mapping_symbol()): marks of what is code and what data, in modules."""

_BPF_PROGRAM = "bpf_prog_"
_ADDRESS = itemgetter(0)
_LAST = 1 << 64


class Functions(NamedTuple):
    """Where functions begin, in order, and of each where it ends and its name."""

    starts: list[int]
    found: list[tuple[int, str]]

    def at(self, address: int) -> tuple[int, str] | None:
        """Give where the function begins that has an address, and its name."""
        number = bisect_right(self.starts, address) - 1
        if number < 0 or address >= self.found[number][0]:
            return None
        return self.starts[number], self.found[number][1]

    def have_programs(self) -> bool:
        """Tell whether some are BPF programs."""
        return any(name.startswith(_BPF_PROGRAM) and name.endswith("\t[bpf]") for _, name in self.found)

    def with_sizes(self, sizes: Mapping[int, int]) -> Functions:
        """Have those whose sizes are known end there."""
        known = [
            (end if start not in sizes else start + sizes[start], name)
            for start, (end, name) in zip(self.starts, self.found, strict=True)
        ]
        return Functions(self.starts, known)


def parse(lines: Iterable[str], page: int) -> Functions:
    """Read a list of the kernel's symbols; it has no functions where the kernel hides their addresses.

    The list has no sizes. As for the kernel itself (kernel/kallsyms.c, get_symbol_pos()) a function ends where the next
    symbol of whatever type is, and the first of several names is taken. Where the last of a module ends nobody says:
    it is taken to reach for a page, and on to the end of the one that it is in then. What the kernel has compiled has
    a page at most.
    """
    rows = []
    for line in lines:
        place, kind, name = line.rstrip("\n").split(" ", 2)
        if name.startswith(_MARKS):
            continue
        rows.append((int(place, 16), kind in "TtWw" and name not in _ENDS, name))
    rows.sort(key=_ADDRESS)
    starts: list[int] = []
    found: list[tuple[int, str]] = []
    here = following = _LAST
    module = next_module = ""
    is_code = next_is_code = False
    for start, is_function, name in reversed(rows):
        if start != here:
            here, following, next_module, next_is_code, is_code = start, here, module, is_code, False
        module = name[name.find("\t") :] if "\t" in name else ""
        if not is_function:
            continue
        end = following
        if module in _MADE:
            end = min(end, start + page)
        elif module != next_module or (module and not next_is_code) or end == _LAST:
            end = min(end, (start + 2 * page - 1) // page * page)
        if is_code:
            # Another name, which comes first.
            found[-1] = end, name
        elif start:
            # Who may not see them is given zeroes.
            starts.append(start)
            found.append((end, name))
            is_code = True
    return Functions(starts[::-1], found[::-1])
