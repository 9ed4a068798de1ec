"""ELF files made of given sections, symbols and segments, for what no compiler makes."""

from __future__ import annotations

import struct

SYMTAB, STRTAB, NOTE, DYNSYM, VERDEF, VERSYM = 2, 3, 7, 11, 0x6FFFFFFD, 0x6FFFFFFF
NOTES = ".note.stapsdt"
CODE = 0x1000
"""Where the code of 64 bytes is, which is section 1."""


def symbol(name: int, address: int = CODE) -> bytes:
    """Give the entry of a global function; the name is a place in the strings."""
    return struct.pack("<IBBHQQ", name, 0x12, 0, 1, address, 16)


def note(provider: bytes = b"p", name: bytes = b"n", arguments: bytes = b"") -> bytes:
    """Give a note of USDT's."""
    text = struct.pack("<3Q", CODE, 0, 0) + b"\0".join((provider, name, arguments, b""))
    return struct.pack("<III", 8, len(text), 3) + b"stapsdt\0" + text + bytes(-len(text) % 4)


def versions(count: int) -> bytes:
    """Give a chain of definitions of versions, none of which is the one that symbols have."""
    one = struct.Struct("<HHHHIII")
    return one.pack(1, 0, 5, 1, 0, 0, 20) * (count - 1) + one.pack(1, 0, 5, 1, 0, 0, 0) + bytes(20)


def segment(address: int, size: int, offset: int = 0, flags: int = 5) -> bytes:
    """Give the header of a part that is loaded."""
    return struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, size, size, 16)


def library(
    *sections: tuple[str, int, bytes, int, int], segments: bytes = b"", again: tuple[int, int] = (0, 0)
) -> bytes:
    """Make a shared library of x86-64: of each section, behind the code, the name, type, content, link and entry size.

    `again` repeats the header of a section that many times: all of them are the same bytes.
    """
    every = [(".text", 1, bytes(64), 0, 0), *sections]
    names = b"\0" + b"\0".join(each[0].encode() for each in every) + b"\0.shstrtab\0"
    data, headers = bytes(64) + segments, [bytes(64)]
    for name, kind, content, link, entry in [*every, (".shstrtab", STRTAB, names, 0, 0)]:
        data += bytes(-len(data) % 8)
        flags, address, align = (6, CODE, 16) if kind == 1 else (0, 0, 4)
        headers.append(
            struct.pack(
                "<IIQQQQIIQQ", names.index(b"\0" + name.encode() + b"\0") + 1, kind, flags, address, len(data),
                len(content), link, 0, align, entry,
            )
        )  # fmt: skip
        data += content
    names_at = len(headers) - 1
    index, times = again
    headers += [headers[index]] * times
    data += bytes(-len(data) % 8)
    head = struct.pack(
        "<4s12B2HIQQQI6H", b"\x7fELF", 2, 1, 1, *bytes(9), 3, 62, 1, 0, 64 if segments else 0, len(data), 0, 64, 56,
        len(segments) // 56, 64, len(headers), names_at,
    )  # fmt: skip
    return head + data[64:] + b"".join(headers)


def with_functions(strings: bytes, symbols: bytes, *more: tuple[str, int, bytes, int, int], **others: object) -> bytes:
    """Make a library with symbols, whose table is section 3."""
    table = (".dynsym", DYNSYM, bytes(24) + symbols, 2, 24)
    return library((".dynstr", STRTAB, strings, 0, 0), table, *more, **others)  # type: ignore[arg-type]
