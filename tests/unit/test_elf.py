"""The reader of one ELF section, on files made here byte by byte."""

from __future__ import annotations

import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_elf import DYNSYM as LINKED
from made_elf import STRTAB, library, symbol

from libbpf_cffi import _elf
from libbpf_cffi._elf import section, source, symbols


def elf(order: str = "<", *, content: bytes = b"GPL\0", name: bytes = b"license", extended: bool = False) -> bytes:
    """Make an ELF file with two sections: its string table and one called `name`."""
    strings = b"\0.shstrtab\0" + name + b"\0"
    body = strings + content
    headers_at = 64 + len(body)
    null = struct.pack(order + "IIQQQQIIQQ", 0, 0, 0, 0, 0, 3 if extended else 0, 1 if extended else 0, 0, 0, 0)
    table = struct.pack(order + "IIQQQQIIQQ", 1, 3, 0, 0, 64, len(strings), 0, 0, 1, 0)
    wanted = struct.pack(order + "IIQQQQIIQQ", 11, 1, 0, 0, 64 + len(strings), len(content), 0, 0, 1, 0)
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    count, names = (0, 0xFFFF) if extended else (3, 1)
    head = struct.pack(order + "HHIQQQIHHHHHH", 1, 247, 1, 0, 0, headers_at, 0, 64, 0, 0, 64, count, names)
    return ident + head + body + null + table + wanted


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extended", [False, True])
def test_a_section_is_found_by_its_name(order: str, extended: bool) -> None:
    """Both byte orders, and files whose numbers of sections do not fit 16 bits."""
    assert section(elf(order, extended=extended), "license") == b"GPL\0"


def test_a_missing_section_is_none() -> None:
    """No section of that name, or a name that only begins so, is no section."""
    assert section(elf(), "version") is None
    assert section(elf(name=b"license2"), "license") is None


@pytest.mark.parametrize("length", range(0, len(elf()), 7))
def test_a_truncated_file_has_no_section(length: int) -> None:
    """Every prefix is answered, never an error."""
    assert section(elf()[:length], "license") is None


def test_another_class_has_no_sections() -> None:
    """A 32-bit file is none of ours."""
    data = bytearray(elf())
    data[4] = 1
    assert section(data, "license") is None


@given(data=st.data())
def test_any_mutation_is_answered(data: st.DataObject) -> None:
    """Whatever the headers say, the answer is bytes of the file or ``None``, and comes at once."""
    mutant = bytearray(elf())
    for _ in range(data.draw(st.integers(1, 8))):
        mutant[data.draw(st.integers(4, len(mutant) - 1))] = data.draw(st.integers(0, 255))
    found = section(mutant, "license")
    assert found is None or found in bytes(mutant)


def test_this_python_has_no_license_section() -> None:
    """A real, large ELF file is read to its end."""
    with open(sys.executable, "rb") as file:
        assert section(file.read(), "no such section") is None


def test_section_headers_of_no_size_are_refused() -> None:
    """An entry size of 0 would divide by zero, or never end."""
    data = bytearray(elf())
    struct.pack_into("<H", data, 0x3A, 0)
    assert section(data, "license") is None


def with_symbols(order: str, *entries: tuple[str, int, int, int, int]) -> bytes:
    """Make an ELF file with a section ``.data`` and symbols: name, offset, size, type, section."""
    strings, table = b"\0", struct.pack(order + "IBBHQQ", 0, 0, 0, 0, 0, 0)
    for name, offset, size, kind, index in entries:
        table += struct.pack(order + "IBBHQQ", len(strings), kind, 0, index, offset, size)
        strings += name.encode() + b"\0"
    names = b"\0.data\0"
    bodies = [names, bytes(64), table, strings]
    kinds = [(3, 0, 0), (1, 0, 1), (2, 4, 0), (3, 0, 0)]
    headers = struct.pack(order + "IIQQQQIIQQ", *(0,) * 10)
    at = 64
    for body, (kind, link, name) in zip(bodies, kinds, strict=True):
        headers += struct.pack(order + "IIQQQQIIQQ", name, kind, 0, 0, at, len(body), link, 0, 1, 0)
        at += len(body)
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    head = struct.pack(order + "HHIQQQIHHHHHH", 1, 247, 1, 0, 0, at, 0, 64, 0, 0, 64, 5, 1)
    return ident + head + b"".join(bodies) + headers


OBJECT, FUNCTION, FILE, DATA = 1, 2, 4, 2
"""Types of symbols, and the index of ``.data``."""


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_variables_of_a_section_are_those_of_its_symbols_that_are_objects(order: str) -> None:
    """Functions, and what is in other sections, are left out."""
    data = with_symbols(
        order,
        ("one", 0, 4, OBJECT, DATA),
        ("function.two", 8, 8, OBJECT, DATA),
        ("function", 0, 16, FUNCTION, DATA),
        ("other", 0, 4, OBJECT, 1),
    )
    assert symbols(data, ".data") == [("one", 0, 4), ("function.two", 8, 8)]
    assert symbols(data, ".bss") == []


@given(st.data())
def test_a_file_that_was_cut_or_changed_has_some_symbols_or_none(data: st.DataObject) -> None:
    """Nothing that a file says makes the reader fail."""
    whole = bytearray(with_symbols("<", ("one", 0, 4, OBJECT, DATA), ("two", 4, 4, OBJECT, DATA)))
    for _ in range(data.draw(st.integers(0, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    assert len(symbols(cut, ".data")) <= len(whole)
    assert isinstance(source(cut), str)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_source_is_what_the_first_file_symbol_names(order: str) -> None:
    """Other symbols are left out; a file without such a symbol has no source."""
    variable = ("one", 0, 4, OBJECT, DATA)
    assert source(with_symbols(order, variable, ("a.c", 0, 0, FILE, 0), ("b.c", 0, 0, FILE, 0))) == "a.c"
    assert source(with_symbols(order, variable)) == ""


class Counted(bytes):
    """A file that counts how many of its bytes are read, in how many parts."""

    read = parts = 0

    def __getitem__(self, place):
        part = super().__getitem__(place)
        if isinstance(place, slice):
            self.read += len(part)
            self.parts += 1
        return part


READERS = [
    _elf.functions,
    lambda data: _elf.places(data, {"foo"}, LINKED),
    lambda data: _elf.is_ifunc(data, "foo"),
    lambda data: _elf.versions(data, "foo"),
]
LONG = b"\0foo\0" + bytes(1 << 20)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("table", [b"", symbol(1)])
def test_the_names_that_many_tables_have_in_common_are_read_once(read, table) -> None:
    """A table of no symbols, or of one, costs next to nothing, whatever its names are."""
    data = Counted(library((".dynstr", STRTAB, LONG, 0, 0), (".dynsym", LINKED, table, 2, 24), again=(3, 1000)))
    read(data)
    assert data.read < 2 * len(data)


@pytest.mark.parametrize("read", READERS)
def test_names_that_are_the_same_bytes_again_and_again_are_not_read_for_each_table(read) -> None:
    """Hundreds of sections of names could be one as well."""
    tables = [(f".dynsym{number}", LINKED, symbol(1), 204 + number, 24) for number in range(200)]
    data = Counted(library((".dynstr", STRTAB, LONG, 0, 0), *tables, again=(2, 200)))
    read(data)
    assert data.read < 2 * len(data)


def test_names_are_looked_through_only_if_they_end() -> None:
    """Each symbol would look for the end of its name to the end of the file."""
    table = symbol(1) + symbol(9)
    data = library((".dynstr", STRTAB, b"\0foo\0" + b"a" * 100, 0, 0), (".dynsym", LINKED, table, 2, 24))
    sections = _elf._Sections(data)
    (header,) = sections.of_kind(LINKED)
    assert sections.strings(header) == b"\0foo\0"
    assert set(_elf.functions(data)) == {"foo", ""}
