"""Change one field of a compiled BPF object: where the fields are is what elf(5) and Documentation/bpf/btf.rst say."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = {
    "EI_CLASS": (4, 1), "EI_DATA": (5, 1), "e_type": (16, 2), "e_machine": (18, 2), "e_shoff": (40, 8),
    "e_shentsize": (58, 2), "e_shnum": (60, 2), "e_shstrndx": (62, 2),
}  # fmt: skip
SECTION = {
    "sh_name": (0, 4), "sh_type": (4, 4), "sh_flags": (8, 8), "sh_offset": (24, 8), "sh_size": (32, 8),
    "sh_link": (40, 4), "sh_info": (44, 4), "sh_addralign": (48, 8), "sh_entsize": (56, 8),
}  # fmt: skip
SYMBOL = {"st_name": (0, 4), "st_info": (4, 1), "st_shndx": (6, 2), "st_value": (8, 8), "st_size": (16, 8)}
RELOCATION = {"r_offset": (0, 8), "type": (8, 4), "symbol": (12, 4)}

PROGBITS, SYMTAB, STRTAB, NOBITS = 1, 2, 3, 8

EXEC = 6
"""Flags of a section of programs."""


class Edited:
    """An object that is being changed; `data` is what it is now."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.order = "<" if data[5] == 1 else ">"
        self.table = self._get(0, HEADER["e_shoff"])
        self.count = self._get(0, HEADER["e_shnum"])
        names = self.section(self._get(0, HEADER["e_shstrndx"]))
        start = self._get(names, SECTION["sh_offset"])
        self._names = bytes(self.data[start : start + self._get(names, SECTION["sh_size"])])

    def _get(self, base: int, field: tuple[int, int]) -> int:
        at, size = field
        return int.from_bytes(self.data[base + at : base + at + size], "little" if self.order == "<" else "big")

    def put(self, base: int, field: tuple[int, int], value: int) -> Edited:
        """Write a number of a field's size behind `base`."""
        at, size = field
        order = "little" if self.order == "<" else "big"
        self.data[base + at : base + at + size] = (value % (1 << 8 * size)).to_bytes(size, order)
        return self

    def section(self, which: int | str) -> int:
        """Give where the header of a section is."""
        return self.table + 64 * (which if isinstance(which, int) else self.index(which))

    def index(self, name: str) -> int:
        """Give the number of a section by its name."""
        return next(each for each in range(self.count) if self.name(each) == name)

    def name(self, index: int) -> str:
        """Give the name of a section."""
        start = self._get(self.section(index), SECTION["sh_name"])
        return self._names[start : self._names.index(b"\0", start)].decode()

    def content(self, which: int | str) -> tuple[int, int]:
        """Give where a section is in the file, and its size."""
        header = self.section(which)
        return self._get(header, SECTION["sh_offset"]), self._get(header, SECTION["sh_size"])

    def bytes_of(self, which: int | str) -> bytes:
        """Give what is in a section."""
        start, size = self.content(which)
        return bytes(self.data[start : start + size])

    def header(self, field: str, value: int) -> Edited:
        """Write a field of the header."""
        return self.put(0, HEADER[field], value)

    def of_section(self, name: str, field: str, value: int) -> Edited:
        """Write a field of a section's header."""
        return self.put(self.section(name), SECTION[field], value)

    def symbol(self, name: str | int) -> int:
        """Give where the symbol of that name or number is."""
        if isinstance(name, int):
            return self.content(".symtab")[0] + 24 * name
        return next(at for at, symbol in self.symbols() if symbol == name)

    def section_symbol(self) -> int:
        """Give the number of the first symbol that stands for a section."""
        start, size = self.content(".symtab")
        return next(each for each in range(size // 24) if self.data[start + 24 * each + 4] & 0xF == 3)

    def symbols(self) -> list[tuple[int, str]]:
        """Give where the symbols are, and their names."""
        start, size = self.content(".symtab")
        strings = self.bytes_of(self._get(self.section(".symtab"), SECTION["sh_link"]))
        places = range(start, start + size, 24)
        at = [self._get(each, SYMBOL["st_name"]) for each in places]
        names = [strings[each : strings.index(b"\0", each)].decode() for each in at]
        return list(zip(places, names, strict=True))

    def of_symbol(self, name: str | int, field: str, value: int) -> Edited:
        """Write a field of a symbol."""
        return self.put(self.symbol(name), SYMBOL[field], value)

    def of_relocation(self, section: str, number: int, field: str, value: int) -> Edited:
        """Write a field of a relocation."""
        start, _ = self.content(section)
        return self.put(start + 16 * number, RELOCATION[field], value)

    def replace(self, section: str, old: bytes, new: bytes) -> Edited:
        """Write other bytes of the same length in the place of some that are there once."""
        content = self.bytes_of(section)
        assert len(old) == len(new)
        assert content.count(old) == 1, content.count(old)
        start, _ = self.content(section)
        at = start + content.index(old)
        self.data[at : at + len(old)] = new
        return self

    def words(self, *numbers: int) -> bytes:
        """Give numbers of 32 bits as the object has them."""
        return struct.pack(f"{self.order}{len(numbers)}I", *(number % (1 << 32) for number in numbers))


class Section(NamedTuple):
    """A section of an object that is built."""

    name: str
    kind: int
    content: bytes = b""
    flags: int = 0
    link: int = 0
    info: int = 0
    entry: int = 0
    size: int | None = None


def built(*sections: Section, strings: bytes = b"") -> bytes:
    """Build an object of sections, of which the first is number 1; the last one, which is added, has the strings.

    Those given are there first, behind a NUL.
    """
    names, headers, body = bytearray(b"\0" + strings), [bytes(64)], bytearray()
    for each in [*sections, Section(".strings", STRTAB)]:
        start = len(names)
        names += each.name.encode() + b"\0"
        content = names if each.name == ".strings" else each.content
        size = len(content) if each.size is None else each.size
        at, link = 64 + len(body), each.link if each.kind != SYMTAB else len(sections) + 1
        fields = (start, each.kind, each.flags, 0, at, size, link, each.info, 8, each.entry)
        headers.append(struct.pack("<IIQQQQIIQQ", *fields))
        body += content + bytes(-len(content) % 8)
    count = len(headers)
    ident = b"\x7fELF\2\1\1" + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", 1, 247, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1)
    return ident + head + body + b"".join(headers)


def function(index: int, value: int, size: int, name: int = 0) -> bytes:
    """Build the symbol of a function."""
    return struct.pack("<IBBHQQ", name, 0x12, 0, index, value, size)


def symbols(*every: bytes) -> Section:
    """Build the table of symbols."""
    return Section(".symtab", SYMTAB, b"".join([bytes(24), *every]), entry=24)
