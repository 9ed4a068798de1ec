"""Small objects of which libbpf would make too much: an endless search."""

from __future__ import annotations

import struct

import pytest
from object_edit import EXEC, PROGBITS, Section, built, function, symbols

import libbpf_cffi as bpf
from libbpf_cffi import Btf

REL = 9
EXIT = b"\x95" + bytes(7)
TEXT, PROGRAMS = 2, 3
"""Numbers of the sections that `calling` makes."""


def call(imm: int = -1) -> bytes:
    return struct.pack("<BBhi", 0x85, 0x10, 0, imm)


def relocations(target: int, table: int, *every: tuple[int, int]) -> Section:
    """Make the table of relocations: where each is, and the number of its symbol."""
    content = b"".join(struct.pack("<QII", at, 10, symbol) for at, symbol in every)
    return Section(".rel", REL, content, link=table, info=target, entry=16)


def calling(text: bytes, functions: list[bytes], programs: int, *more: Section, code: bytes = call() + EXIT) -> bytes:
    """Build an object of programs that all have the same code, whose first instruction refers to the first function."""
    size = len(code)
    mains = [function(PROGRAMS, size * each, size, name=1) for each in range(programs)]
    return built(
        Section("license", PROGBITS, b"GPL\0"),
        Section(".text", PROGBITS, text, EXEC),
        Section("socket", PROGBITS, code * programs, EXEC),
        symbols(*functions, *mains),
        relocations(PROGRAMS, 4, *[(size * each, 1) for each in range(programs)]),
        *more,
        strings=b"main\0",
    )


def refused(data: bytes, reason: str) -> None:
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(data)
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__FORMAT
    assert caught.value.hint.startswith("the file is malformed: ")
    assert reason in caught.value.hint


def test_relocations_that_are_each_looked_for_among_many_maps_are_refused():
    types = Btf.new()
    number = types.add_struct("map", 4)
    variables = [types.add_var(f"m{each}", "global", number) for each in range(4000)]
    types.add_datasec(".maps", 4 * 4000)
    for place, each in enumerate(variables):
        types.add_datasec_var_info(each, 4 * place, 4)
    more = Section(".BTF", PROGBITS, types.raw), Section(".maps", PROGBITS, bytes(4 * 4000))
    many = relocations(TEXT, 4, *[(0, 1)] * 70_000)
    refused(
        calling(EXIT * 2, [function(TEXT, 0, 16)], 1, *more, many),
        "there are 70001 relocations, 4000 maps and 0 symbols elsewhere",
    )


def test_relocations_that_are_each_looked_for_among_many_symbols_elsewhere_are_refused():
    elsewhere = [struct.pack("<IBBHQQ", 1, 0x10, 0, 0, 0, 0)] * 4000
    many = relocations(TEXT, 4, *[(0, 1)] * 70_000)
    refused(
        calling(EXIT * 2, [function(TEXT, 0, 16), *elsewhere], 1, many),
        "there are 70001 relocations, 0 maps and 4000 symbols elsewhere",
    )
