"""Where a change to a file does something: the fields and tables that are read of ELF and BTF."""

from __future__ import annotations

import struct

Place = tuple[int, int, int]
"""Where it starts, its size, and the bytes of a part."""

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS, SHT_REL, SHT_DYNSYM = 1, 2, 3, 7, 8, 9, 11
SHF_EXECINSTR = 4
EHDR, SHDR, PHDR = 64, 64, 56

HEADER_FIELDS = ((0, 16, 1), (16, 2, 2), (18, 2, 2), (20, 4, 4), (24, 24, 8), (48, 4, 4), (52, 12, 2))
SECTION_FIELDS = ((0, 8, 4), (8, 32, 8), (40, 8, 4), (48, 16, 8))
SYMBOL_FIELDS = ((0, 4, 4), (4, 2, 1), (6, 2, 2), (8, 16, 8))

CODE_BYTES = 256
"""Of a program's instructions only the first ones: most of what changes there is the verifier's business."""


def places(data: bytes) -> list[Place]:
    """Find the places of an ELF file or raw BTF; what is worth more changes is in the list several times."""
    return _elf(data) if data[:4] == b"\x7fELF" else [*_btf(data, 0, len(data)), (0, len(data), 1)]


def _elf(data: bytes) -> list[Place]:
    found = [*HEADER_FIELDS]
    sections, segments = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<Q", data, 32)[0]
    _, phnum, _, shnum = struct.unpack_from("<4H", data, 54)
    found += [(segments + PHDR * number + 8 * at, 8, 8) for number in range(phnum) for at in range(7)][:40]
    for header in range(sections, sections + SHDR * shnum, SHDR):
        found += [(header + at, size, unit) for at, size, unit in SECTION_FIELDS] * 2
        kind, flags = struct.unpack_from("<IQ", data, header + 4)
        offset, size = struct.unpack_from("<QQ", data, header + 24)
        if kind == SHT_NOBITS or not size:
            continue
        if kind in (SHT_SYMTAB, SHT_DYNSYM):
            symbols = range(offset, offset + 24 * min(size // 24, 64), 24)
            found += [(symbol + at, wide, unit) for symbol in symbols for at, wide, unit in SYMBOL_FIELDS]
        elif kind == SHT_REL:
            found += [(offset, size, 8), (offset, size, 4)] * 6
        elif kind == SHT_NOTE:
            found += [(offset, size, 4), (offset, size, 1)] * 12
        elif kind == SHT_STRTAB:
            found += [(offset, size, 1)] * 3
        elif kind == SHT_PROGBITS and data[offset : offset + 2] == b"\x9f\xeb":
            found += _btf(data, offset, size) * 2
        elif flags & SHF_EXECINSTR:
            found += [(offset, min(size, CODE_BYTES), unit) for unit in (1, 4)] * 2
        else:
            found += [(offset, size, 4), (offset, size, 1)] * 2
    return [place for place in found if place[0] + place[1] <= len(data)]


def _btf(data: bytes, start: int, size: int) -> list[Place]:
    """Find the places of .BTF or .BTF.ext: their headers, then words."""
    header = struct.unpack_from("<I", data, start + 4)[0]
    words = max(size - header, 0)
    found = [(start, 8, 1), (start + 4, max(header - 4, 0), 4)] * 3
    # By types, so that a small one is hit as often as what it has in it.
    found += [(start + header, words // 4 * 4, 4)] * 12
    step = max(words // 16 // 4 * 4, 4)
    found += [(start + at, min(step, start + size - start - at) // 4 * 4, 4) for at in range(header, size, step)]
    return found
