"""The texts of headers are taken out of an object, and whatever is no such object comes back as it is."""

from __future__ import annotations

import random

import pytest

from libbpf_cffi import compile_object
from libbpf_cffi._elf import section
from libbpf_cffi._elf_embedded import without_headers

TEXT = '__attribute__((section("socket"), used))\nint passes(void *ctx)\n{\n\treturn 4321;\n}\n'


@pytest.fixture(scope="module")
def data() -> bytes:
    return compile_object(TEXT + "/* text */\n" * 200)


def test_what_is_not_the_source_is_taken_out(data):
    less = without_headers(data, b"other\n")
    assert (b"/* text */" in data, b"/* text */" in less, len(data) - len(less) > 2000) == (True, False, True)


def test_all_else_is_as_it_was(data):
    less = without_headers(data, b"other\n")
    for name in ("socket", ".BTF", ".BTF.ext", ".rel.BTF.ext", ".rel.debug_line", ".strtab", ".symtab", ".debug_info"):
        assert (section(less, name) == section(data, name), len(section(less, name) or b"") > 0) == (True, True), name


def test_an_object_whose_texts_are_all_wanted_stays_as_it_is(data):
    assert without_headers(data, (TEXT + "/* text */\n" * 200).encode()) == data


def test_an_object_without_debugging_information_stays_as_it_is():
    bare = compile_object(TEXT, flags=["-g0"])
    assert without_headers(bare, b"") == bare


def test_malformed_objects_raise_nothing(data):
    order = random.Random(7)
    for _ in range(2000):
        bad = bytearray(data[: order.choice((len(data), order.randrange(len(data))))])
        for _ in range(order.randrange(8)):
            if bad:
                # The header, and the section headers at the end, say the most.
                ends = order.randrange(min(64, len(bad))), -order.randrange(1, 2000)
                at = order.choice((*ends, order.randrange(len(bad))))
                bad[max(at, -len(bad))] = order.choice((0, 1, 0x7F, 0xFF, order.randrange(256)))
        without_headers(bytes(bad), b"other\n")
