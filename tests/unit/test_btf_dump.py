"""Types as C, and bytes as what their type makes of them."""

from __future__ import annotations

import errno
import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import Btf, lib

INT, PTR, ARRAY, STRUCT = range(1, 5)


@pytest.fixture
def btf() -> Btf:
    made = Btf.new()
    made.add_int("int", 4, lib.BTF_INT_SIGNED)
    char = made.add_int("char", 1)
    color = made.add_enum("color")
    made.add_enum_value("RED", 1)
    point = made.add_struct("point", 12)
    made.add_field("x", 1, 0)
    made.add_field("name", made.find("char").id + 3, 32)
    made.add_field("color", color, 64)
    assert made.add_array(1, char, 4).id == 5
    made.add_typedef("point_t", point)
    made.add_int("unused", 8)
    return made


POINT = "struct point {\n\tint x;\n\tchar name[4];\n\tenum color color;\n};\n\n"
COLOR = "enum color {\n\tRED = 1,\n};\n\n"
DATA = b"\1\0\0\0ab\0\0\1\0\0\0"


def test_a_type_is_dumped_after_what_it_needs(btf):
    assert btf.dump(btf["point_t"]) == COLOR + POINT + "typedef struct point point_t;\n\n"
    assert btf["struct point"].c == COLOR + POINT


def test_a_type_can_be_dumped_by_its_id(btf):
    assert btf.dump(3) == COLOR


def test_a_type_can_be_named(btf):
    assert btf.dump("enum color") == COLOR
    assert btf.declare("point_t", "where") == "point_t where"
    assert btf.format("int", b"\1\0\0\0" if btf.endianness == "little" else b"\0\0\0\1") == "(int)1"


def test_a_name_that_no_type_has_is_a_key_error(btf):
    for use in (btf.dump, btf.declare, lambda name: btf.format(name, b"")):
        with pytest.raises(KeyError, match="has no type 'pont'; close names: 'point'"):
            use("pont")


def test_the_whole_is_dumped_each_type_once(btf):
    assert btf.dump() == COLOR + POINT + "typedef struct point point_t;\n\n"


def test_what_has_no_types_is_dumped_as_nothing():
    assert Btf.new().dump() == ""
    assert Btf.new().dump(0) == ""


def test_a_declaration_is_as_c_writes_it(btf):
    handler = btf.add_ptr(btf.add_func_proto(1))
    array = btf.add_array(1, handler, 3)
    assert btf.declare(array, "handlers") == "int (*handlers[3])(void)"
    const = btf.add_const(1)
    assert (btf.declare(const), btf.declare(const, "n", strip_mods=True)) == ("const int x", "int n")


def test_bytes_are_formatted_by_their_type(btf):
    text = "(struct point){.x = (int)1,.name = (char[4])['a','b',],.color = (enum color)RED,}"
    assert btf.format(btf["point"], DATA, compact=True) == text


def test_the_keywords_are_those_of_libbpf(btf):
    point = btf["point"]
    assert btf.format(point, DATA, compact=True, skip_names=True) == "{1,['a','b',],RED,}"
    assert btf.format(point, DATA, compact=True, skip_names=True, emit_strings=True) == '{1,"ab"RED,}'
    assert btf.format(point, bytes(12), compact=True) == "(struct point){}"
    assert ".x = (int)0" in btf.format(point, bytes(12), compact=True, emit_zeroes=True)
    lines = btf.format(point, DATA, indent_level=1, indent_str="--").splitlines()
    assert lines[0] == "--(struct point){"
    assert lines[1] == "----.x = (int)1,"


def test_bytes_behind_the_type_are_not_looked_at(btf):
    assert btf.format(1, b"\1\0\0\0\xff\xff") == "(int)1"


@pytest.mark.parametrize("size", [0, 3])
def test_too_few_bytes_are_a_value_error(btf, size):
    with pytest.raises(ValueError, match=f"int has 4 bytes, not {size}"):
        btf.format(1, bytes(size))


def test_what_has_no_size_is_a_type_error(btf):
    with pytest.raises(TypeError, match="has no size"):
        btf.format(btf.add_fwd("later"), b"")


def test_a_bit_field_at_the_end_is_read_within_the_data(btf):
    packed = btf.add_struct("packed", 1)
    btf.add_field("bits", 1, 0, 3)
    assert btf.format(packed, b"\5", compact=True) == "(struct packed){.bits = (int)0x5,}"


def test_a_section_is_formatted_with_the_bytes_of_its_variables(btf):
    variable = btf.add_var("n", "static", 1)
    section = btf.add_datasec(".unlinked", 0)
    btf.add_datasec_var_info(variable, 4, 4)
    with pytest.raises(ValueError, match="has 8 bytes, not 7"):
        btf.format(section, bytes(7))
    assert btf.format(section, bytes(4) + b"\1\0\0\0") == 'SEC(".unlinked") static int n = (int)1;'


LINKS = 150_000
"""More than a stack of 8 MiB holds calls of libbpf."""


@pytest.fixture(scope="module")
def chains() -> bytes:
    """Two chains of structs alike, each of which points to an array of the next: C needs the next one before."""
    words = [1, INT << 24, 4, 32]
    for _ in range(2):
        for number in range(LINKS):
            at = 2 + (len(words) - 4) // 15 * 3
            words += [5 + 8 * number, STRUCT << 24 | 1, 8, 1, at + 1, 0]
            words += [0, PTR << 24, at + 2, 0, ARRAY << 24, 0, at + 3 if number < LINKS - 1 else 1, 1, 1]
    types = struct.pack(f"={len(words)}I", *words)
    strings = b"\0int\0" + b"".join(b"s%06d\0" % number for number in range(LINKS))
    return struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def test_a_chain_that_is_longer_than_a_stack_is_dumped(chains):
    text = Btf.from_bytes(chains).dump(2)
    assert text.startswith(f"struct s{LINKS - 1:06} {{\n\tint (*int)[1];")
    assert text.endswith("struct s000000 {\n\tstruct s000001 (*int)[1];\n};\n\n")


def test_chains_that_are_longer_than_a_stack_are_deduplicated(chains):
    assert len(Btf.from_bytes(chains).dedup()) == 2 + 3 * LINKS


@pytest.mark.parametrize("wrong", [-1, 1 << 31])
def test_an_id_that_cannot_be_is_refused(btf, wrong):
    with pytest.raises(ValueError):
        btf.dump(wrong)


def test_the_type_of_a_base_can_be_dumped_by_what_is_based_on_it(btf):
    split = Btf.new(btf)
    pointer = split.add_ptr(btf["point"])
    assert split.dump(btf["color"]) == COLOR
    assert split.declare(pointer, "p") == "struct point *p"


def test_a_cycle_that_c_cannot_write_is_an_error(btf):
    first = btf.add_struct("a", 8)
    btf.add_field("b", len(btf), 0)
    btf.add_ptr(len(btf) + 1)
    btf.add_array(1, first, 1)
    with pytest.raises(bpf.LibbpfError) as caught:
        btf.dump(first)
    assert caught.value.errno == errno.ELOOP
    assert "unsatisfiable type cycle" in str(caught.value)
