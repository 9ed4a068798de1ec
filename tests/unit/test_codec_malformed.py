"""Malformed BTF: no type makes the codec crash, hang or read beside the point."""

from __future__ import annotations

import sys
import time

import pytest
from made_btf import Made
from sanitized import SLOWER

from libbpf_cffi._type_spec import TypeSpecs

SOON = 30.0 * SLOWER
"""Seconds; the slowest of these takes one. What doubles with each level would take minutes, what hangs for ever."""


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture(autouse=True)
def soon():
    start = time.monotonic()
    yield
    assert time.monotonic() - start < SOON


def refused(kind, match: str = "malformed") -> None:
    with pytest.raises(ValueError, match=match):
        kind.codec()


def test_a_struct_that_contains_itself_is_refused(made):
    kind = made.struct("s", 8, ("a", 0, 0))
    made.change_member(kind, 0, type=kind)
    refused(made[kind])


def test_a_struct_whose_anonymous_member_is_itself_is_refused(made):
    kind = made.struct("s", 8, ("", 0, 0), ("", 0, 0))
    made.change_member(kind, 0, type=kind)
    made.change_member(kind, 1, type=kind)
    refused(made[kind])


def test_unions_that_contain_each_other_are_refused(made):
    one = made.struct("one", 8, ("a", 0, 0), union=True)
    other = made.struct("other", 8, ("", one, 0), union=True)
    made.change_member(one, 0, type=other)
    refused(made[one])
    refused(made[other])


def test_an_array_of_itself_is_refused(made):
    made.int()
    kind = made.array(1, 2)
    made.change_array(kind, type=kind)
    refused(made[kind])


def test_a_struct_that_is_in_an_array_in_itself_is_refused(made):
    made.int()
    kind = made.struct("s", 8, ("a", 1, 0))
    array = made.array(kind, 2)
    made.change_member(kind, 0, type=array)
    refused(made[kind])


def test_a_flexible_array_of_the_struct_itself_is_refused(made):
    made.int()
    kind = made.struct("s", 4, ("a", 1, 0), ("rest", 1, 32))
    made.change_member(kind, 1, type=made.array(kind, 0))
    refused(made[kind])


def test_typedefs_of_each_other_are_refused(made):
    one = made.typedef("one", 0)
    other = made.typedef("other", one)
    made.change(one, type=other)
    refused(made[one])
    refused(made[made.struct("s", 8, ("a", other, 0))])


def test_modifiers_of_each_other_are_refused(made):
    one = made.const(0)
    made.change(one, type=made.const(one))
    refused(made[one])


def test_structs_nested_without_end_are_refused(made):
    inner = made.int()
    for _ in range(5000):
        inner = made.struct("s", 4, ("a", inner, 0))
    refused(made[inner], "nested too deeply")


def test_anonymous_structs_nested_without_end_are_refused(made):
    inner = made.int()
    for _ in range(5000):
        inner = made.struct("", 4, ("", inner, 0))
    refused(made[inner], "nested too deeply")


def at_every_depth(function) -> set[type[BaseException]]:
    """Call a function where the stack is nearly full, with less and less left; give the exceptions."""

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            function()

    depth, frame = 0, sys._getframe()
    while frame := frame.f_back:
        depth += 1
    found = set()
    for left in range(1, 80):
        try:
            deep(sys.getrecursionlimit() - depth - left)
        except (RecursionError, ValueError) as error:
            found.add(type(error))
    return found


def test_a_good_type_is_not_called_malformed_where_the_stack_is_full_already():
    def decode() -> None:
        made = Made()
        made[made.struct("s", 8, ("a", made.struct("t", 4, ("b", made.int(), 0)), 0))].codec()

    assert at_every_depth(decode) == {RecursionError}


def test_nor_is_one_that_is_said_in_python():
    assert at_every_depth(lambda: TypeSpecs({"a": {"b": "u32"}}, "u64", "m")) == {RecursionError}


@pytest.mark.parametrize("bit", [32, 33, 56, 1 << 23])
def test_a_member_that_ends_outside_is_refused(made, bit):
    made.int()
    kind = made.struct("s", 7, ("a", 1, 0), ("b", 1, 32))
    made.change_member(kind, 1, offset=bit)
    refused(made[kind])


def test_a_member_that_is_larger_than_its_union_is_refused(made):
    made.int()
    refused(made[made.struct("u", 2, ("a", 1, 0), union=True)], "outside")


def test_members_over_each_other_are_refused(made):
    made.int()
    refused(made[made.struct("s", 8, ("a", 1, 0), ("b", 1, 16))], "over another")


def test_bit_fields_over_each_other_are_refused(made):
    made.int()
    refused(made[made.struct("s", 8, ("a", 1, 0, 5), ("b", 1, 4, 5))], "over another")


def test_a_bit_field_in_the_byte_of_another_member_is_refused(made):
    made.int("char", 1)
    made.int()
    refused(made[made.struct("s", 8, ("a", 1, 0), ("b", 2, 7, 5))], "over another")


def test_a_member_that_is_no_bit_field_and_starts_within_a_byte_is_refused(made):
    made.int()
    kind = made.struct("t", 8, ("a", 1, 0))
    made.change_member(kind, 0, offset=5)
    refused(made[kind], "within a byte")


def test_a_bit_field_that_is_wider_than_its_type_is_refused(made):
    made.int()
    refused(made[made.struct("s", 8, ("a", 1, 0, 33))], "33 bits of int")


def test_a_bit_field_of_a_struct_is_refused(made):
    made.int()
    inner = made.struct("i", 4, ("a", 1, 0))
    refused(made[made.struct("s", 8, ("a", inner, 0, 3))], "3 bits of struct i")


@pytest.mark.parametrize("count", [1 << 30, (1 << 32) - 1])
def test_an_array_of_4_gigabytes_is_refused(made, count):
    made.int()
    refused(made[made.array(1, count)], "4 GiB")


def test_an_array_of_countless_structs_without_members_is_nothing(made):
    made.int()
    kind = made[made.array(made.struct("empty", 0), (1 << 32) - 1)]
    assert kind.decode(b"") == ()
    assert kind.encode(()) == b""
    assert kind.dtype.itemsize == 0


def test_an_array_of_arrays_without_elements_has_a_dtype(made):
    kind = made[made.array(made.array(made.int(), 0), 0)]
    assert kind.dtype.itemsize == 0
    assert kind.decode(b"") == ()


def test_arrays_of_arrays_whose_size_overflows_are_refused(made):
    inner = made.int()
    for _ in range(6):
        inner = made.array(inner, 1 << 16)
    refused(made[inner], "4 GiB")


@pytest.mark.parametrize("name", ["a", ""])
def test_a_struct_that_doubles_with_each_level_is_made_quickly(made, name):
    """2^27 numbers, in named members, take no 2^28 steps; of anonymous ones there may not be so many."""
    inner = made.int()
    for level in range(27):
        size = 4 << level
        inner = made.struct(f"s{level}", size * 2, (name, inner, 0), (name and "b", inner, size * 8))
    if name:
        codec = made[inner].codec()
        assert codec.format is None
        assert codec.dtype.itemsize == codec.size == 4 << 27
    elif level:
        # Of the innermost ones the int has no name, so nothing is in there.
        refused(made[inner], "too many")


def test_a_struct_without_bytes_that_doubles_with_each_level_is_refused(made):
    made.int()
    inner = made.struct("s", 0)
    for level in range(40):
        inner = made.struct(f"s{level}", 0, ("a", inner, 0), ("b", inner, 0))
        if level == 6:
            codec = made[inner].codec()
            assert codec.encode(codec.decode(b"")) == b""
            assert codec.dtype.itemsize == 0
            assert codec.format == "<"
    refused(made[inner], "no bytes, but countless members")


def test_unions_that_double_with_each_level_are_made_quickly(made):
    inner = made.int()
    for level in range(40):
        inner = made.struct(f"u{level}", 4, ("a", inner, 0), ("b", inner, 0), union=True)
    value = made[inner].decode(b"\1\0\0\0")
    assert value.a.b.a.b == value.b.a.b.a
    assert made[inner].dtype.itemsize == 4


def test_anonymous_unions_that_double_with_each_level_are_made_quickly(made):
    inner = made.int()
    inner = made.struct("", 4, ("number", inner, 0), union=True)
    for _ in range(40):
        inner = made.struct("", 4, ("", inner, 0), ("", inner, 0), union=True)
    assert made[inner].decode(b"\1\0\0\0").number == 1


@pytest.mark.parametrize("size", [0, 3, 5])
def test_an_integer_of_an_odd_size_is_a_number(made, size):
    kind = made.int()
    made.change(kind, size=size)
    codec = made[kind].codec()
    assert codec.decode(b"\xff" * size) == (-1 if size else 0)
    assert codec.encode(-1 if size else 0) == b"\xff" * size


@pytest.mark.parametrize("size", [0, 3, 16])
def test_an_enumeration_of_an_odd_size_is_refused(made, size):
    kind = made.enum("e", 4, ("A", 1))
    made.change(kind, size=size)
    refused(made[kind], f"an enumeration of {size} bytes")


def test_a_floating_point_number_of_an_odd_size_is_bytes(made):
    assert made[made.float("long double", 16)].decode(bytes(range(16))) == bytes(range(16))


def test_a_type_that_is_not_there_is_refused(made):
    made.int()
    with pytest.raises(IndexError):
        made[made.struct("s", 8, ("a", 99, 0))].codec()


def test_a_forward_declaration_in_a_struct_is_no_bytes(made):
    kind = made[made.struct("s", 4, ("a", made.forward("f"), 0), ("b", made.int(), 0))]
    assert kind.decode(bytes(4))._asdict() == {"a": b"", "b": 0}


def test_many_bit_fields_of_one_bit_are_made_quickly(made):
    made.int("unsigned int", 4, 0)
    kind = made.struct("s", 512, *((f"b{bit}", 1, bit, 1) for bit in range(4096)))
    codec = made[kind].codec()
    record = codec.decode(b"\x55" * 512)
    assert list(record) == [1, 0] * 2048
    assert codec.encode(record) == b"\x55" * 512


def test_as_many_members_as_btf_has_room_for_are_decoded_quickly(made):
    kind = made.int()
    made.struct("s", 4 * 65535, *((f"b{index}", kind, index * 32) for index in range(65535)))
    codec = made[2].codec()
    assert list(codec.decode(bytes(4 * 65535)))[:2] == [0, 0]
    assert codec.encode({"b65534": 1})[-4:] == b"\1\0\0\0"
