"""Where a change to a file does something: the fields and tables that are read of ELF and BTF."""

from __future__ import annotations

import struct
from typing import NamedTuple

Place = tuple[int, int, int]
"""Where it starts, its size, and the bytes of a part."""

SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE, SHT_NOBITS, SHT_REL, SHT_DYNSYM = 1, 2, 3, 7, 8, 9, 11
SHF_EXECINSTR = 4

CODE_BYTES = 256
"""Of a program's instructions only the first ones: most of what changes there is the verifier's business."""


class Layout(NamedTuple):
    """The structs of a class of ELF files: their fields, the sizes of rows, how to read them."""

    header: tuple[Place, ...]
    header_words: str
    section: tuple[Place, ...]
    section_words: str
    segment: int
    symbol: tuple[Place, ...]
    symbol_size: int
    word: int


LAYOUTS = {
    1: Layout(
        ((0, 16, 1), (16, 4, 2), (20, 20, 4), (40, 12, 2)), "16xHHIIIIIHHHHHH", ((0, 40, 4),), "IIIIIIIIII", 32,
        ((0, 12, 4), (12, 2, 1), (14, 2, 2)), 16, 4,
    ),
    2: Layout(
        ((0, 16, 1), (16, 2, 2), (18, 2, 2), (20, 4, 4), (24, 24, 8), (48, 4, 4), (52, 12, 2)), "16xHHIQQQIHHHHHH",
        ((0, 8, 4), (8, 32, 8), (40, 8, 4), (48, 16, 8)), "IIQQQQIIQQ", 56,
        ((0, 4, 4), (4, 2, 1), (6, 2, 2), (8, 16, 8)), 24, 8,
    ),
}  # fmt: skip
"""By the class that a file names."""


def places(data: bytes) -> list[Place]:
    """Find the places of an ELF file, raw BTF or text; what is worth more changes is in the list several times."""
    if data[:4] == b"\x7fELF":
        return _elf(data)
    whole = [(0, len(data), 1)]
    return _btf(data, 0, len(data)) + whole if _is_btf(data, 0) else [*whole, (0, len(data) // 8 * 8, 8)]


def _is_btf(data: bytes, at: int) -> bool:
    return data[at : at + 2] in (b"\x9f\xeb", b"\xeb\x9f")


def _elf(data: bytes) -> list[Place]:
    layout, order = LAYOUTS[data[4]], "<" if data[5] == 1 else ">"
    found = [*layout.header]
    _, _, _, _, segments, sections, _, _, _, phnum, _, shnum, _ = struct.unpack_from(order + layout.header_words, data)
    word, row = layout.word, struct.calcsize(order + layout.section_words)
    starts = range(segments, segments + layout.segment * phnum, layout.segment)
    found += [(start + at, word, word) for start in starts for at in range(0, layout.segment, word)][:40]
    for header in range(sections, sections + row * shnum, row):
        found += [(header + at, size, unit) for at, size, unit in layout.section] * 2
        _, kind, flags, _, offset, size, *_ = struct.unpack_from(order + layout.section_words, data, header)
        if kind == SHT_NOBITS or not size:
            continue
        if kind in (SHT_SYMTAB, SHT_DYNSYM):
            each = layout.symbol_size
            symbols = range(offset, offset + each * min(size // each, 64), each)
            found += [(symbol + at, wide, unit) for symbol in symbols for at, wide, unit in layout.symbol]
        elif kind == SHT_REL:
            found += [(offset, size, word), (offset, size, 4)] * 6
        elif kind == SHT_NOTE:
            found += [(offset, size, 4), (offset, size, 1)] * 12
        elif kind == SHT_STRTAB:
            found += [(offset, size, 1)] * 3
        elif kind == SHT_PROGBITS and _is_btf(data, offset):
            found += _btf(data, offset, size) * 2
        elif flags & SHF_EXECINSTR:
            found += [(offset, min(size, CODE_BYTES), unit) for unit in (1, 4)] * 2
        else:
            found += [(offset, size, 4), (offset, size, 1)] * 2
    return [place for place in found if place[0] + place[1] <= len(data)]


def _btf(data: bytes, start: int, size: int) -> list[Place]:
    """Find the places of .BTF or .BTF.ext: their headers, then words."""
    header = int.from_bytes(data[start + 4 : start + 8], "little" if data[start] == 0x9F else "big")
    words = max(size - header, 0)
    found = [(start, 8, 1), (start + 4, max(header - 4, 0), 4)] * 3
    # By types, so that a small one is hit as often as what it has in it.
    found += [(start + header, words // 4 * 4, 4)] * 12
    step = max(words // 16 // 4 * 4, 4)
    found += [(start + at, min(step, start + size - start - at) // 4 * 4, 4) for at in range(header, size, step)]
    return found
