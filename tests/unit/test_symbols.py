"""Names for addresses: how lists of symbols are read, and how a frame is shown."""

from __future__ import annotations

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import symbols

LIST = """\
ffffffff81000200 T second
ffffffff81000100 t first
ffffffff81000150 d no_function
ffffffffc0000000 t of_module\t[module]
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(symbols, "KALLSYMS", tmp_path / "kallsyms")
    (tmp_path / "kallsyms").write_text(LIST)
    return bpf.Symbolizer()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0xFFFFFFFF81000100, "first+0x0"),
        (0xFFFFFFFF810001FF, "first+0xff"),
        (0xFFFFFFFF81000200, "second+0x0"),
        (0xFFFFFFFFC0000010, "of_module+0x10 [module]"),
        (0xFFFFFFFF80000000, "0xffffffff80000000"),
    ],
)
def test_an_address_of_the_kernel_is_that_of_the_last_function_before_it(kernel, address, text):
    assert str(kernel.find(address)) == text


def test_the_kernels_list_is_read_once(kernel, tmp_path):
    found = kernel.find(0xFFFFFFFF81000100)
    (tmp_path / "kallsyms").unlink()
    assert kernel.find(0xFFFFFFFF81000100) == found
    assert str(bpf.Symbolizer().find(0xFFFFFFFF81000100)) == "0xffffffff81000100"


def test_addresses_that_the_kernel_hides_are_none():
    assert symbols.parse(["0000000000000000 T first\n", "0000000000000000 t second\n"]) == ([], [])


def test_an_address_of_no_process_has_no_name():
    assert bpf.Symbolizer().find(0x401000) == (0x401000, None, None, None)
    assert str(bpf.Symbolizer().find(0x401000)) == "0x0000000000401000"


def test_a_frame_with_a_build_id_is_a_place_in_that_file():
    found = bpf.Symbolizer().find(bpf.StackFrame(b"\xab\xcd", 0x10, None))
    assert (found.module, found.offset, str(found)) == ("abcd", 0x10, "abcd+0x10")
    assert str(bpf.Symbolizer().find(bpf.StackFrame(None, None, 0x401000))) == "0x0000000000401000"


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("main",), TypeError, "address must be an integer, not str"),
        ((-1,), ValueError, "address"),
        ((1 << 64,), ValueError, "address"),
        ((1, "self"), TypeError, "pid must be an integer, not str"),
    ],
)
def test_what_is_no_address_or_no_process_is_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        bpf.Symbolizer().find(*arguments)
