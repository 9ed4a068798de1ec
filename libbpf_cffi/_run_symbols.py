"""Addresses as a reader knows them: those of the kernel by its own list of symbols, others in hexadecimal."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["frame", "parse", "symbol"]

KERNEL = 1 << 63
"""Addresses from here on are the kernel's, on the machines that there are BPF stacks on."""

LIST = "/proc/kallsyms"


def frame(each: Any) -> str:
    """Give a frame of a stack: its address and symbol, or the build id of the file that it is in, and the place."""
    if not isinstance(each, int):
        if each.build_id is not None:
            return f"{each.build_id.hex()}+{each.offset:#x}"
        each = each.ip
    known = symbol(each, *_kernel()) if each >= KERNEL else ""
    return f"{each:#018x} {known}".rstrip()


def symbol(address: int, starts: list[int], names: list[str]) -> str:
    """Give the last symbol up to an address, and how far it is away; nothing if there is none."""
    at = bisect_right(starts, address) - 1
    return f"{names[at]}+{address - starts[at]:#x}" if at >= 0 else ""


def parse(lines: Iterable[str]) -> tuple[list[int], list[str]]:
    """Give the addresses of functions and their names, in order; none where the kernel hides them."""
    found = []
    for line in lines:
        start, kind, name = line.rstrip("\n").split(" ", 2)
        if kind in "TtWw":
            found.append((int(start, 16), name.replace("\t", " ")))
    # Who may not see them is given zeroes.
    found = sorted(each for each in found if each[0])
    return [start for start, _ in found], [name for _, name in found]


@cache
def _kernel() -> tuple[list[int], list[str]]:
    try:
        with open(LIST, encoding="utf-8", errors="replace") as file:
            return parse(file)
    except OSError:
        return [], []
