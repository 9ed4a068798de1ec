"""Python's values made into C's, and refused when they cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libbpf_cffi import ffi
from libbpf_cffi._ffi import Options, boolean, c_string, path_bytes, text, unsigned, wild

# Text


@given(st.text().filter(lambda value: "\0" not in value and value.isprintable()))
def test_text_comes_back_as_it_went(value):
    assert text(ffi.new("char[]", c_string(value, "name"))) == value


@given(st.binary().filter(lambda value: b"\0" not in value))
def test_bytes_that_are_no_text_come_back_too(value):
    assert c_string(text(ffi.new("char[]", value)), "name") == value


def test_null_is_the_empty_string():
    assert text(ffi.NULL) == ""


@pytest.mark.parametrize("value", ["\0", "a\0", "a\0b"])
def test_a_nul_in_a_string_is_a_value_error_that_names_it(value):
    with pytest.raises(ValueError, match="kconfig"):
        c_string(value, "kconfig")


@pytest.mark.parametrize("value", [b"bytes", None, 5, Path("a")])
def test_a_string_of_another_type_is_a_type_error_that_names_it(value):
    with pytest.raises(TypeError, match="kconfig"):
        c_string(value, "kconfig")


# Paths


@pytest.mark.parametrize("path", ["/a/b", Path("/a/b")])
def test_a_path_is_text_or_pathlike(path):
    assert path_bytes(path) == b"/a/b"


def test_a_path_is_in_the_file_systems_encoding():
    assert path_bytes("/\N{SNOWMAN}\udcff") == os.fsencode("/\N{SNOWMAN}\udcff")


@pytest.mark.parametrize("path", ["", "\0", "a\0b"])
def test_what_cannot_be_a_path_is_a_value_error_that_names_it(path):
    with pytest.raises(ValueError, match="pin_root_path"):
        path_bytes(path, "pin_root_path")


@pytest.mark.parametrize("path", [None, 5, object()])
def test_a_path_of_another_type_is_a_type_error(path):
    with pytest.raises(TypeError):
        path_bytes(path)


# Numbers


@given(st.integers(min_value=1, max_value=64), st.integers())
def test_a_number_fits_its_bits_or_is_refused_with_the_range(bits, value):
    if 0 <= value < 1 << bits:
        assert unsigned(value, bits, "flags") == value
    else:
        with pytest.raises(ValueError, match=f"flags must be from 0 to {(1 << bits) - 1}, not {value}"):
            unsigned(value, bits, "flags")


class Index:
    """What can stand for an integer, as those of other libraries do."""

    def __index__(self) -> int:
        return 7


def test_what_can_stand_for_an_integer_is_one():
    assert unsigned(Index(), 8, "flags") == 7
    assert unsigned(True, 8, "flags") == 1


@pytest.mark.parametrize("value", [None, "1", b"1", 1.0, [], int])
def test_a_number_of_another_type_is_a_type_error(value):
    with pytest.raises(TypeError):
        unsigned(value, 32, "flags")


@pytest.mark.parametrize(("value", "truth"), [(True, True), (False, False), (1, True), (0, False)])
def test_a_truth_value_is_a_bool_or_a_number(value, truth):
    assert boolean(value, "autoload") is truth


@pytest.mark.parametrize("value", ["no", "", None, [], 0.0])
def test_what_only_happens_to_be_true_or_false_is_a_type_error(value):
    with pytest.raises(TypeError, match="autoload"):
        boolean(value, "autoload")


# Pointers


@pytest.mark.parametrize(
    "address", [0, 1, 22, 4095, 65535, (1 << 64) - 1, (1 << 64) - 4095, 0xFFFFFFFFFF000004, 1 << 63]
)
def test_what_cannot_be_an_address_of_this_process_is_wild(address):
    assert wild(ffi.cast("void *", address))


def test_what_was_allocated_is_not_wild():
    assert not wild(ffi.new("int *"))
    assert not wild(ffi.cast("void *", (1 << 47) - 4096))


# Option structs


def test_an_option_struct_has_its_size():
    options = Options("bpf_object_open_opts")
    assert options.pointer.sz == ffi.sizeof("struct bpf_object_open_opts")


def test_an_option_that_is_none_stays_zero():
    options = Options("bpf_object_open_opts", object_name=None, kernel_log_level=0)
    assert options.pointer.object_name == ffi.NULL


def test_a_string_lives_as_long_as_the_options():
    options = [Options("bpf_object_open_opts", object_name=b"name%d" % number) for number in range(200)]
    for number, each in enumerate(options):
        assert ffi.string(each.pointer.object_name) == b"name%d" % number


def test_an_empty_string_is_not_the_same_as_none():
    assert Options("bpf_object_open_opts", bpf_token_path=b"").pointer.bpf_token_path != ffi.NULL


def test_an_option_that_libbpf_does_not_have_is_an_error():
    with pytest.raises(AttributeError):
        Options("bpf_object_open_opts", no_such_field=1)
