"""Questions to an ELF file that libbpf does not answer: what is in a section, what a section defines. No C."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from mmap import mmap
    from typing import Literal

    from ._files import Parts

__all__ = [
    "DYNSYM",
    "IFUNC",
    "SYMTAB",
    "functions",
    "has_core_relocations",
    "has_symbol_table",
    "is_ifunc",
    "places",
    "section",
    "source",
    "symbols",
    "usdts",
    "versions",
]

_CLASS64, _LITTLE = b"\2", b"\1"
SYMTAB, _NOBITS, DYNSYM = 2, 8, 11
_EXTENDED_INDEX = 0xFFFF
_SYMBOL_SIZE = 24
_OBJECT, _FUNC, _FILE, IFUNC = 1, 2, 4, 10
_VERSION_OF_SYMBOL, _VERSIONS = 0x6FFFFFFF, 0x6FFFFFFD
_NOT_DEFAULT = 0x8000
_WEAK = 2

_COPIES = 16
"""How many times over the bytes of tables may be names: symbols have names in common, and the ends of names."""

_MOST_SECTIONS = 1 << 20
"""More than objects of ever so many functions with a section each have."""


class _Sections:
    """The section headers of a 64-bit ELF file, of whatever content; a malformed file has none."""

    def __init__(self, data: bytes | mmap | Parts) -> None:
        self.data = data
        self.order: Literal["little", "big"] = "little"
        self.headers = range(0)
        self._names = b""
        self._named = 0
        self._strings: dict[int, bytes] = {}
        self._unread = len(data)
        self._tables = 0
        if data[:4] != b"\x7fELF" or len(data) < 64 or data[4:5] != _CLASS64:
            return
        self.order = "little" if data[5:6] == _LITTLE else "big"
        table, entry = self.number(0x28, 8), self.number(0x3A, 2)
        count, names = self.number(0x3C, 2), self.number(0x3E, 2)
        if entry < 64:
            return
        if count == 0 or names == _EXTENDED_INDEX:
            # Too many sections for 16 bits: the first header holds the numbers.
            count = count or self.number(table + 32, 8)
            names = self.number(table + 40, 4) if names == _EXTENDED_INDEX else names
        if count > _MOST_SECTIONS:
            return
        self.headers = range(table, table + max(min(count, (len(data) - table) // entry), 0) * entry, entry)
        self._names = self.content(table + names * entry)

    # Not by `struct`, whose import takes longer than all of this.
    def number(self, at: int, size: int) -> int:
        """Give the number of `size` bytes at `at`."""
        return int.from_bytes(self.data[at : at + size], self.order)

    def content(self, header: int) -> bytes:
        """Give the content of the section whose header is at `header`."""
        offset = self.number(header + 24, 8)
        return self.data[offset : offset + self.number(header + 32, 8)]

    def kind(self, header: int) -> int:
        """Give a section's type."""
        return self.number(header + 4, 4)

    def named(self, name: str) -> Iterator[tuple[int, int]]:
        """Give index and header of each section of that name."""
        wanted = name.encode("utf-8", "surrogateescape") + b"\0"
        for index, header in enumerate(self.headers):
            if self._names.startswith(wanted, self.number(header, 4)):
                yield index, header

    def of_kind(self, kind: int) -> Iterator[int]:
        """Give the header of each section of a type, if it has content."""
        return self.apart(header for header in self.headers if self.kind(header) == kind)

    def apart(self, headers: Iterable[int]) -> Iterator[int]:
        """Give headers of sections for as long as no byte is in two: thousands could be one, and take hours."""
        left = len(self.data)
        for header in headers:
            size = self.number(header + 32, 8)
            left -= size
            if left < 0:
                return
            if size:
                yield header

    def strings(self, table: int) -> bytes | None:
        """Give the names of the table with that header, to the end of the last one; ``None`` if there are none.

        They are read once, as thousands of tables could have the same, and for as long as no byte is in two sections.
        """
        header = self.at(self.number(table + 40, 4))
        if header is None:
            return None
        if header not in self._strings:
            self._unread -= self.number(header + 32, 8)
            if self._unread < 0:
                return None
            strings = self.content(header)
            self._tables += len(strings) + min(self.number(table + 32, 8), len(self.data))
            # What does not end would be looked through for its end by each symbol.
            self._strings[header] = strings[: strings.rfind(b"\0") + 1]
        return self._strings[header]

    def name(self, strings: bytes, start: int) -> str | None:
        """Give the name that begins there, or ``None`` if there were more names than the tables can have."""
        end = max(strings.find(b"\0", start), start)
        self._named += end - start
        if self._named > _COPIES * self._tables:
            return None
        return strings[start:end].decode("utf-8", "surrogateescape")

    def at(self, index: int) -> int | None:
        """Give the header of the section with that index."""
        return self.headers[index] if index < len(self.headers) else None

    def called(self, header: int, names: Collection[str]) -> Iterator[tuple[str, int, bytes]]:
        """Give name, number and content of the symbols that are called so, of the table with that header.

        Of a file of this machine's byte order. Of a hundred thousand symbols it looks at the names alone.
        """
        strings, table = self.strings(header), self.content(header)
        if strings is None:
            return
        wanted = {name.encode("utf-8", "surrogateescape"): name for name in names}
        longest = max(map(len, wanted), default=0) + 1
        whole = len(table) // _SYMBOL_SIZE * _SYMBOL_SIZE
        # Where the name begins is the first of the six words of a symbol.
        for number, start in enumerate(memoryview(table)[:whole].cast("I")[:: _SYMBOL_SIZE // 4].tolist()):
            found = wanted.get(strings[start : start + longest].partition(b"\0")[0])
            if found is not None:
                yield found, number, table[number * _SYMBOL_SIZE : (number + 1) * _SYMBOL_SIZE]

    def symbols(self, header: int, kind: int) -> Iterator[tuple[str, int, int, int]]:
        """Give name, section, value and size of each symbol of a type, of the table with that header."""
        strings, table = self.strings(header), self.content(header)
        if strings is None:
            return
        order = self.order
        for at in range(0, len(table) - _SYMBOL_SIZE + 1, _SYMBOL_SIZE):
            if table[at + 4] & 0xF != kind:
                continue
            start = int.from_bytes(table[at : at + 4], order)
            name = self.name(strings, start)
            if name is None:
                return
            home = int.from_bytes(table[at + 6 : at + 8], order)
            value = int.from_bytes(table[at + 8 : at + 16], order)
            yield name, home, value, int.from_bytes(table[at + 16 : at + 24], order)


def section(data: bytes | mmap, name: str) -> bytes | None:
    """Give the content of the first section called `name` of a 64-bit ELF file, or ``None``.

    A malformed file has no sections. The layout is that of elf(5).
    """
    sections = _Sections(data)
    for _, header in sections.named(name):
        if sections.kind(header) != _NOBITS:
            return sections.content(header)
    return None


def symbols(data: bytes, name: str) -> list[tuple[str, int, int]]:
    """Give the variables that the sections called `name` hold, static ones too: name, offset and size in bytes.

    The name of a variable that is static in a function has the function's before it, with a dot between.
    """
    sections = _Sections(data)
    wanted = {index for index, _ in sections.named(name)}
    return [
        (symbol, offset, size)
        for header in sections.of_kind(SYMTAB)
        for symbol, home, offset, size in sections.symbols(header, _OBJECT)
        if home in wanted
    ]


def has_core_relocations(data: bytes) -> bool:
    """Tell whether a BPF object has relocations for which libbpf needs the kernel's types (``.BTF.ext``)."""
    header = (section(data, ".BTF.ext") or b"")[:32]
    order = _Sections(data).order
    return int.from_bytes(header[4:8], order) >= len(header) == 32 and any(header[28:])


def source(data: bytes) -> str:
    """Give the name of the file that the first symbol of that kind names as the source, or an empty one."""
    sections = _Sections(data)
    for header in sections.of_kind(SYMTAB):
        for name, _, _, _ in sections.symbols(header, _FILE):
            return name
    return ""


def functions(data: bytes | mmap, *kinds: int) -> dict[str, int]:
    """Give the functions that a 64-bit ELF file defines, with where they are in the file.

    That is of the dynamic symbols and all others, or of tables of certain `kinds`.
    """
    sections = _Sections(data)
    found: dict[str, int] = {}
    for header in (each for kind in kinds or (SYMTAB, DYNSYM) for each in sections.of_kind(kind)):
        for name, index, address, _ in sections.symbols(header, _FUNC):
            home = sections.at(index)
            if index and home is not None:
                found[name] = address - sections.number(home + 16, 8) + sections.number(home + 24, 8)
    return found


def places(data: bytes | mmap, names: Collection[str], table: int) -> dict[str, int]:
    """Give where those functions are that a table has by certain names, but for names of several.

    As libbpf has it, a weak one gives way to another.
    """
    sections = _Sections(data)
    found: dict[str, dict[int, bool]] = {}
    for header in sections.of_kind(table):
        for name, _, symbol in sections.called(header, names):
            index = int.from_bytes(symbol[6:8], sections.order)
            home = sections.at(index)
            if symbol[4] & 0xF == _FUNC and index and home is not None:
                address = int.from_bytes(symbol[8:16], sections.order)
                place = address - sections.number(home + 16, 8) + sections.number(home + 24, 8)
                of_name = found.setdefault(name, {})
                of_name[place] = symbol[4] >> 4 == _WEAK and of_name.get(place, True)
    chosen: dict[str, int] = {}
    for name, of_name in found.items():
        strong = [place for place, weak in of_name.items() if not weak] or list(of_name)
        if len(strong) == 1:
            chosen[name] = strong[0]
    return chosen


def is_ifunc(data: bytes | mmap, name: str) -> bool:
    """Tell whether a file defines a function that is resolved at run time to one of several."""
    sections = _Sections(data)
    return any(
        symbol[4] & 0xF == IFUNC and any(symbol[6:8])
        for kind in (DYNSYM, SYMTAB)
        for header in sections.of_kind(kind)
        for _, _, symbol in sections.called(header, (name,))
    )


def versions(data: bytes | mmap, name: str, kind: int = _FUNC) -> list[str]:
    """Give the versions of a function, or an IFUNC, that a file defines, the default one first."""
    sections = _Sections(data)
    names = _version_names(sections)
    table = next(sections.of_kind(_VERSION_OF_SYMBOL), None)
    if table is None:
        return []
    of_symbol = sections.content(table)
    found: dict[str, bool] = {}
    for header in sections.of_kind(DYNSYM):
        for _, number, symbol in sections.called(header, (name,)):
            version = int.from_bytes(of_symbol[number * 2 : number * 2 + 2], sections.order)
            if symbol[4] & 0xF == kind and any(symbol[6:8]) and version & ~_NOT_DEFAULT in names:
                found[names[version & ~_NOT_DEFAULT]] = bool(version & _NOT_DEFAULT)
    return sorted(found, key=lambda each: found[each])


def _version_names(sections: _Sections) -> dict[int, str]:
    """Give the names of the versions that a file defines, by their number."""
    found: dict[int, str] = {}
    for header in sections.of_kind(_VERSIONS):
        strings, table, at = sections.strings(header), sections.content(header), 0
        if strings is None:
            continue
        while at + 20 <= len(table) and len(found) < _NOT_DEFAULT:
            # struct Elf64_Verdef and the first Elf64_Verdaux: the number, and the distances to name and successor.
            number, name_at, following = (
                int.from_bytes(table[at + place : at + place + size], sections.order)
                for place, size in ((4, 2), (12, 4), (16, 4))
            )
            name_at += at
            name = sections.name(strings, int.from_bytes(table[name_at : name_at + 4], sections.order))
            if name is None or number in found:
                break
            found[number] = name
            if not following:
                break
            at += following
    return found


def has_symbol_table(data: bytes | mmap) -> bool:
    """Tell whether an ELF file has not been stripped of its symbol table."""
    return any(True for _ in _Sections(data).of_kind(SYMTAB))


def usdts(data: bytes | mmap) -> list[tuple[str, str]]:
    """Give provider and name of each USDT probe of a 64-bit ELF file, in the order of its notes.

    The format is that of systemtap's wiki, UserSpaceProbeImplementation.
    """
    notes = section(data, ".note.stapsdt") or b""
    order = _Sections(data).order
    found = []
    at = 0
    while at + 12 <= len(notes):
        name_size, size = (int.from_bytes(notes[place : place + 4], order) for place in (at, at + 4))
        start = at + 12 + (name_size + 3) // 4 * 4
        # Three addresses, then three strings.
        strings = notes[start + 24 : start + size].split(b"\0", 2)
        if len(strings) > 2:
            found.append((strings[0].decode("utf-8", "replace"), strings[1].decode("utf-8", "replace")))
        at = start + (size + 3) // 4 * 4
    return found
