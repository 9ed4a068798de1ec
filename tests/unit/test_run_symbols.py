"""Addresses of stacks as text."""

from __future__ import annotations

import pytest

from libbpf_cffi import StackFrame, _run_symbols

LIST = """\
ffffffff81000200 T second
ffffffff81000100 t first
ffffffff81000150 d no_function
ffffffffc0000000 t of_module\t[module]
"""


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0xFFFFFFFF81000100, "first+0x0"),
        (0xFFFFFFFF810001FF, "first+0xff"),
        (0xFFFFFFFF81000200, "second+0x0"),
        (0xFFFFFFFFC0000010, "of_module [module]+0x10"),
        (0xFFFFFFFF80000000, ""),
    ],
)
def test_an_address_is_that_of_the_last_function_before_it(address, text):
    assert _run_symbols.symbol(address, *_run_symbols.parse(LIST.splitlines(keepends=True))) == text


def test_addresses_that_the_kernel_hides_are_none():
    assert _run_symbols.parse(["0000000000000000 T first\n", "0000000000000000 t second\n"]) == ([], [])


def test_an_address_of_a_process_is_hexadecimal():
    assert _run_symbols.frame(0x401000) == "0x0000000000401000"


def test_a_frame_with_a_build_id_is_a_place_in_that_file():
    assert _run_symbols.frame(StackFrame(b"\xab\xcd", 0x10, None)) == "abcd+0x10"
    assert _run_symbols.frame(StackFrame(None, None, 0x401000)) == "0x0000000000401000"
