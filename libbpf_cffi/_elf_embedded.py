"""The source texts that clang embeds in an object's debugging information (DWARF): those not wanted are taken out.

``-gembed-source`` puts in every header too, and ``vmlinux.h`` has 3 MB. BTF has the lines that are wanted. No C.
"""

from __future__ import annotations

from ._elf import SYMTAB, _Sections

__all__ = ["without_headers"]

_REL = 9
_COMPRESSED = 0x800
"""``SHF_COMPRESSED`` of elf(5)."""
_REL_SIZE, _SYMBOL_SIZE = 16, 24


def without_headers(data: bytes, source: bytes) -> bytes:
    """Leave out of an object all embedded texts but `source`; one that is not as clang makes it comes back as it is."""
    elf = _Sections(data)
    homes = list(elf.named(".debug_line_str"))
    lines = list(elf.named(".debug_line"))
    tables = list(elf.of_kind(SYMTAB))
    if not len(homes) == len(lines) == len(tables) == 1:
        return data
    (home, header), (line, line_header), (table,) = homes[0], lines[0], tables
    if (elf.number(header + 8, 8) | elf.number(line_header + 8, 8)) & _COMPRESSED:
        return data
    places = []
    symbols = elf.content(table)
    for each in elf.of_kind(_REL):
        relocations = elf.content(each)
        here = elf.number(each + 44, 4) == line
        for at in range(0, len(relocations) - _REL_SIZE + 1, _REL_SIZE):
            symbol = int.from_bytes(relocations[at + 12 : at + 16], elf.order) * _SYMBOL_SIZE
            if int.from_bytes(symbols[symbol + 6 : symbol + 8], elf.order) != home:
                continue
            if not here or any(symbols[symbol + 8 : symbol + 16]):
                # Somebody else knows where the strings are.
                return data
            places.append(int.from_bytes(relocations[at : at + 8], elf.order))
    if not places:
        return data
    return _with_fewer(elf, header, line_header, places, source)


def _with_fewer(elf: _Sections, header: int, line_header: int, places: list[int], source: bytes) -> bytes:
    """Write the strings that the line table names in `places` anew, and move up what comes after them."""
    strings, lines = elf.content(header), bytearray(elf.content(line_header))
    new = bytearray(b"\0")
    moved: dict[int, int] = {}
    for place in places:
        start = int.from_bytes(lines[place : place + 4], elf.order)
        end = strings.find(b"\0", start)
        if place + 4 > len(lines) or end < 0:
            return elf.data[:]
        if start not in moved:
            # The empty text stands for none; what has no line break is the name of a file or folder.
            text = strings[start:end]
            kept = text == source or b"\n" not in text
            moved[start] = len(new) if kept else 0
            new += text + b"\0" if kept else b""
        lines[place : place + 4] = moved[start].to_bytes(4, elf.order)
    at, size = elf.number(header + 24, 8), len(strings)
    step = max(16, *(elf.number(each + 48, 8) for each in elf.headers))
    gap = (size - len(new)) // step * step
    if gap <= 0 or elf.number(0x28, 8) < at + size:
        # Nothing to be had; or the headers stand where clang does not put them.
        return elf.data[:]
    result = bytearray(elf.data[:])
    line_at = elf.number(line_header + 24, 8)
    result[line_at : line_at + len(lines)] = lines
    for each in elf.headers:
        offset = elf.number(each + 24, 8)
        if offset >= at + size:
            result[each + 24 : each + 32] = (offset - gap).to_bytes(8, elf.order)
        elif at < offset:
            return elf.data[:]
    result[header + 32 : header + 40] = len(new).to_bytes(8, elf.order)
    result[0x28:0x30] = (elf.number(0x28, 8) - gap).to_bytes(8, elf.order)
    result[at : at + size] = new.ljust(size - gap, b"\0")
    return bytes(result)
