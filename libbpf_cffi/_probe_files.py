"""What of a program or library file probes can be attached to: its functions, and its USDT probes.

Files come from anywhere: whatever is in one, every number is compared with what is there before it is used.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import NamedTuple

from ._arguments import path_name
from ._check import failure
from ._elf import DYNSYM, SYMTAB, _Sections
from ._elf_target import find_binary
from ._files import file_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

__all__ = ["Symbol", "UsdtProbe", "each_symbol", "symbols", "usdt_probes"]

_LOAD = 1
_EXECUTABLE, _WRITABLE = 1, 2
_FUNC = 2
"""STT_FUNC; one of STT_GNU_IFUNC is another at run time, one of several, and nothing is attached to it."""

_SYMBOL_SIZE, _SEGMENT_SIZE = 24, 56
_MOST_SYMBOLS = 1 << 27
"""Bytes of symbol tables: a browser with all its symbols has half of it."""
_STAPSDT = 3
"""The type of a note of USDT's (SystemTap's sys/sdt.h)."""


class Symbol(NamedTuple):
    """A function of a file: `address` as in the file's symbol table, `offset` in the file, `size` in bytes.

    `offset` is what a uprobe is attached to; ``None`` if the address is in no code of the file.
    """

    name: str
    address: int
    offset: int | None
    size: int


class UsdtProbe(NamedTuple):
    """One place of a USDT probe, of which there may be several: `provider` and `name` are the probe's.

    `arguments` say where the values are, as the compiler wrote it: ``-4@%edi`` is a signed one of 4 bytes. `address`
    and `offset` are the place as in `Symbol`; `semaphore` is the address of the counter that the program looks at
    before it takes the trouble, 0 if there is none, and `semaphore_offset` where that is in the file.
    """

    provider: str
    name: str
    arguments: tuple[str, ...]
    address: int
    offset: int | None
    semaphore: int
    semaphore_offset: int | None


@contextmanager
def _open(path: str | os.PathLike[str], action: str) -> Iterator[_Sections]:
    name = path_name(path)
    if "/" not in name and not os.path.exists(name):
        # As a uprobe finds it.
        name = find_binary(name, action)
    with file_parts(name, action) as data:
        if data[:4] != b"\x7fELF":
            raise failure(errno.ENOEXEC, action, "it is no ELF file")
        if len(data) < 64 or data[4:5] != b"\2":
            raise failure(errno.ENOEXEC, action, "only 64-bit files are read")
        yield _Sections(data)


def symbols(path: str | os.PathLike[str]) -> list[Symbol]:
    """List the functions of a file that ``uprobe`` and its kin can be attached to, by name.

    From its symbol table, and that for linking, which a file that was stripped still has. A name without a slash is
    that of a file here, or of a program or library (``libc``) as `Program.attach_uprobe` finds it. Raises `LibbpfError`
    (ENOEXEC) for what is no 64-bit ELF file.
    """
    return sorted(set(each_symbol(path)))


def each_symbol(path: str | os.PathLike[str]) -> Iterator[Symbol]:
    """Give the functions as they are in the tables, of which some are in two."""
    action = f"list the functions of {path_name(path)!r}"
    with _open(path, action) as sections:
        segments = _segments(sections, _EXECUTABLE)
        tables = [header for kind in (SYMTAB, DYNSYM) for header in sections.of_kind(kind)]
        size = sum(sections.number(header + 32, 8) for header in tables)
        if size > _MOST_SYMBOLS:
            hint = f"it is malformed: its symbol tables have {size} bytes, and {_MOST_SYMBOLS} are read"
            raise failure(errno.ENOEXEC, action, hint)
        for header in tables:
            yield from _functions(sections, header, segments, action)


def _functions(sections: _Sections, header: int, segments: list[_Segment], action: str) -> Iterator[Symbol]:
    strings, table, order = sections.strings(header), sections.content(header), sections.order
    if strings is None:
        return
    for at in range(0, len(table) - _SYMBOL_SIZE + 1, _SYMBOL_SIZE):
        index = int.from_bytes(table[at + 6 : at + 8], order)
        if table[at + 4] & 0xF != _FUNC or not index:
            continue
        start = int.from_bytes(table[at : at + 4], order)
        name = sections.name(strings, start)
        if name is None:
            raise failure(errno.ENOEXEC, action, "it is malformed: its symbols have more names than it has bytes")
        address, size = (int.from_bytes(table[at + field : at + field + 8], order) for field in (8, 16))
        if name:
            yield Symbol(name, address, _offset(segments, address), size)


class _Segment(NamedTuple):
    address: int
    offset: int
    size: int


def _segments(sections: _Sections, flag: int) -> list[_Segment]:
    """Give the parts of a file that are loaded into memory of a kind, by their address."""
    table, entry, count = sections.number(0x20, 8), sections.number(0x36, 2), sections.number(0x38, 2)
    if entry < _SEGMENT_SIZE:
        return []
    places = range(table, min(table + count * entry, len(sections.data) - _SEGMENT_SIZE + 1), entry)
    return sorted(
        _Segment(*(sections.number(at + field, 8) for field in (16, 8, 32)))
        for at in places
        if sections.number(at, 4) == _LOAD and sections.number(at + 4, 4) & flag
    )


def _offset(segments: list[_Segment], address: int) -> int | None:
    """Give the place in the file of an address; by bisection, as a file may say that it has many segments."""
    from bisect import bisect_right

    number = bisect_right(segments, (address, 1 << 64, 0)) - 1
    if number < 0 or address >= segments[number].address + segments[number].size:
        return None
    return address - segments[number].address + segments[number].offset


def usdt_probes(path: str | os.PathLike[str]) -> list[UsdtProbe]:
    """List the USDT probes of a file, one entry a place; empty if it has none.

    From its notes (``.note.stapsdt``); one that is malformed ends the list. Raises as `symbols` does.
    """
    found = []
    with _open(path, f"list the USDT probes of {path_name(path)!r}") as sections:
        code, data = _segments(sections, _EXECUTABLE), _segments(sections, _WRITABLE)
        base = next((sections.number(header + 16, 8) for _, header in sections.named(".stapsdt.base")), None)
        for header in sections.apart(header for _, header in sections.named(".note.stapsdt")):
            for description in _notes(sections.content(header), sections.order):
                probe = _probe(description, sections, base, code, data)
                if probe is not None:
                    found.append(probe)
    return found


def _notes(data: bytes, order: Literal["little", "big"]) -> Iterator[bytes]:
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = (int.from_bytes(data[at + each : at + each + 4], order) for each in (0, 4, 8))
        start = at + 12 + (name_size + 3) // 4 * 4
        end = start + size
        if end > len(data):
            return
        if kind == _STAPSDT and data[at + 12 : at + 12 + name_size] == b"stapsdt\0":
            yield data[start:end]
        at = start + (size + 3) // 4 * 4


def _probe(
    description: bytes, sections: _Sections, base: int | None, code: list[_Segment], data: list[_Segment]
) -> UsdtProbe | None:
    words = description[24:].split(b"\0", 3)
    if len(description) < 24 or len(words) < 4:
        return None
    address, linked_base, semaphore = (
        int.from_bytes(description[at : at + 8], sections.order) for at in (0, 8, 16)
    )
    if base is not None and linked_base:
        # The file was moved after it was linked (prelink): the section tells by how much.
        moved = base - linked_base
        address = (address + moved) % (1 << 64)
        semaphore = (semaphore + moved) % (1 << 64) if semaphore else 0
    provider, name, arguments = (word.decode("utf-8", "surrogateescape") for word in words[:3])
    return UsdtProbe(
        provider,
        name,
        _arguments(arguments),
        address,
        _offset(code, address),
        semaphore,
        _offset(data, semaphore) if semaphore else None,
    )


def _arguments(text: str) -> tuple[str, ...]:
    """Take ``-4@%edi 8@-16(%rbp, %rax)`` apart: a blank inside brackets separates nothing."""
    found: list[list[str]] = []
    depth = 0
    for word in text.split():
        if depth:
            found[-1].append(word)
        else:
            found.append([word])
        depth = max(depth + sum(map(word.count, "([")) - sum(map(word.count, ")]")), 0)
    return tuple(map(" ".join, found))
