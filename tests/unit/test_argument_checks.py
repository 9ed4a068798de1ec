"""The checks of arguments: what they take, what they refuse, and that they name what is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from libbpf_cffi import _arguments, _map_groups, _map_lend, _type_numbers, net


@pytest.mark.parametrize("value", [None, 1.0, "1", int, object(), b"1", [1]])
def test_what_is_no_integer_is_a_type_error_with_its_type(value):
    with pytest.raises(TypeError, match=rf"port must be an integer, not {type(value).__name__}"):
        _arguments.unsigned(value, 16, "port")


@pytest.mark.parametrize("value", [-1, 1 << 16, 1 << 300])
def test_a_number_out_of_range_is_a_value_error_with_the_range(value):
    with pytest.raises(ValueError, match="port must be from 0 to 65535, not"):
        _arguments.unsigned(value, 16, "port")


def test_a_number_that_python_does_not_write_out_is_told_by_its_bits():
    with pytest.raises(ValueError, match="port must be from -32768 to 32767, not a number of 50001 bits"):
        _arguments.signed(1 << 50_000, 16, "port")


@pytest.mark.parametrize("value", ["\ud800", "a\0b"])
@pytest.mark.parametrize("check", [_arguments.c_string, _arguments.path_bytes, _arguments.path_name])
def test_text_that_c_cannot_have_is_a_value_error_with_the_name(check, value):
    with pytest.raises(ValueError, match="title has a") as caught:
        check(value, "title")
    assert type(caught.value) is ValueError


def test_a_letter_whose_capital_is_one_of_ascii_is_not_taken_for_that():
    assert _type_numbers.map_type_number("hash") == 1
    with pytest.raises(ValueError, match="no map type 'ha\u017fh'"):
        _type_numbers.map_type_number("ha\u017fh")


@pytest.mark.parametrize("path", ["/x/y", b"/x/y", Path("/x/y")])
def test_a_path_is_text_or_bytes_or_a_path(path):
    assert _arguments.path_name(path) == "/x/y"
    assert _arguments.path_bytes(path) == b"/x/y"


def test_a_path_of_any_bytes_comes_back_as_them():
    assert os.fsencode(_arguments.path_name(b"/\xff")) == b"/\xff"


@pytest.mark.parametrize("value", [8, "text", None, [1], object()])
def test_what_has_no_bytes_is_a_type_error_and_no_zeros(value):
    with pytest.raises(TypeError, match="data must be bytes"):
        _arguments.buffer(value, "data")


@pytest.mark.parametrize("value", [float("nan"), -1, -0.5, -(1 << 2000)])
def test_a_time_out_below_0_or_that_is_no_number_is_a_value_error(value):
    with pytest.raises(ValueError, match="timeout must be"):
        _arguments.deadline_of(value)


def test_a_time_out_that_no_float_holds_never_ends():
    assert _arguments.deadline_of(1 << 2000) == float("inf")


@pytest.mark.parametrize("value", ["abc", b"abc", 5, None, list])
def test_text_and_what_has_no_items_are_no_sequence(value):
    with pytest.raises(TypeError, match="cpus must be a sequence"):
        _arguments.iterable(value, "cpus")


@pytest.mark.parametrize("given", [1 << 40, 1 << 31, -(1 << 70), -1, 3.0, "3", None])
def test_what_fileno_gives_is_a_descriptor_or_an_error_in_words(given):
    file = SimpleNamespace(fileno=lambda: given)
    takers = (
        net.attached_netns,
        net.attached_cgroup,
        lambda value: net.attached("lo", netns=value),
        lambda value: net.prog_query(value, "cgroup_inet_egress"),
        _map_groups._inode,
        lambda value: _map_lend.Borrowed("a map").file(value, "a file"),
    )
    for take in takers:
        with pytest.raises((TypeError, ValueError), match=r"what fileno\(\) gives must be|is closed$"):
            take(file)
