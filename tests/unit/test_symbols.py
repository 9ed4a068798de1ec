"""Names for addresses: how lists of symbols are read, and how a frame is shown."""

from __future__ import annotations

import ctypes
import errno
import os

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import _process_maps, symbols

LIST = """\
ffffffff81000200 T second
ffffffff81000200 t another_name
ffffffff81000100 t first
ffffffff81000180 d no_function
ffffffff81000300 T _etext
ffffffff81000400 D __start_data
ffffffff81000800 T _sinittext
ffffffff81000900 T _einittext
ffffffffc0000000 t $x\t[module]
ffffffffc0000000 t of_module\t[module]
ffffffffc0000008 t $d\t[module]
ffffffffc0000ff0 t last_of_module\t[module]
ffffffffc0003000 t of_other\t[other]
ffffffffc0003010 d data_of_other\t[other]
ffffffffc0004010 t bpf_trampoline_1\t[bpf]
ffffffffc0008000 t ftrace_trampoline\t[__builtin__ftrace]
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(symbols.os, "sysconf", lambda _: 4096)
    monkeypatch.setattr(symbols, "KALLSYMS", tmp_path / "kallsyms")
    (tmp_path / "kallsyms").write_text(LIST)
    return bpf.Symbolizer()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (0xFFFFFFFF81000100, "first+0x0"),
        (0xFFFFFFFF8100017F, "first+0x7f"),
        (0xFFFFFFFF81000200, "second+0x0"),
        (0xFFFFFFFF810002FF, "second+0xff"),
        (0xFFFFFFFF810008FF, "_sinittext+0xff"),
        (0xFFFFFFFFC0000010, "of_module+0x10 [module]"),
        (0xFFFFFFFFC0000FEF, "of_module+0xfef [module]"),
        (0xFFFFFFFFC0001FFF, "last_of_module+0x100f [module]"),
        (0xFFFFFFFFC000300F, "of_other+0xf [other]"),
        (0xFFFFFFFFC000500F, "bpf_trampoline_1+0xfff [bpf]"),
        (0xFFFFFFFFC0008FFF, "ftrace_trampoline+0xfff [__builtin__ftrace]"),
    ],
)
def test_an_address_of_the_kernel_is_that_of_the_function_that_it_is_in(kernel, address, text):
    assert str(kernel.find(address)) == text


@pytest.mark.parametrize(
    "address",
    [
        1 << 63,
        0xFFFFFFFF80000000,
        0xFFFFFFFF81000180,
        0xFFFFFFFF81000300,
        0xFFFFFFFF81000400,
        0xFFFFFFFF81000900,
        0xFFFFFFFFC0002000,
        0xFFFFFFFFC0003010,
        0xFFFFFFFFC0005010,
        0xFFFFFFFFC0009000,
        (1 << 64) - 1,
    ],
)
def test_what_is_behind_a_function_of_the_kernel_has_no_name(kernel, address):
    assert kernel.find(address) == (address, None, None, None)


def test_the_kernels_list_is_read_once(kernel, tmp_path):
    found = kernel.find(0xFFFFFFFF81000100)
    (tmp_path / "kallsyms").unlink()
    assert kernel.find(0xFFFFFFFF81000100) == found
    assert str(bpf.Symbolizer().find(0xFFFFFFFF81000100)) == "0xffffffff81000100"


def test_addresses_that_the_kernel_hides_are_none():
    assert symbols.parse(["0000000000000000 T first\n", "0000000000000000 t second\n"], 4096) == ([], [])


def test_a_function_whose_size_is_known_ends_there():
    lines = ["ffffffffc0000000 t bpf_prog_1_long\t[bpf]\n", "ffffffffc0009000 t bpf_prog_2_short\t[bpf]\n"]
    found = symbols.parse(lines, 4096).with_sizes({0xFFFFFFFFC0000000: 0x8000, 0xFFFFFFFFC0009000: 16, 1: 1})
    assert found.at(0xFFFFFFFFC0007FFF) == (0xFFFFFFFFC0000000, "bpf_prog_1_long\t[bpf]")
    assert found.at(0xFFFFFFFFC000900F) == (0xFFFFFFFFC0009000, "bpf_prog_2_short\t[bpf]")
    assert found.at(0xFFFFFFFFC0008000) is found.at(0xFFFFFFFFC0009010) is None


def refusing(error):
    def refuse(*_, **__):
        raise OSError(error, os.strerror(error))

    return refuse


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_is_refused_for_a_moment_is_raised_and_not_kept(kernel, monkeypatch, error):
    with monkeypatch.context() as patched:
        patched.setattr(symbols, "open", refusing(error), raising=False)
        with pytest.raises(bpf.LibbpfError, match="cannot find the name of an address") as caught:
            kernel.find(0xFFFFFFFF81000100)
        assert caught.value.errno == error
    assert str(kernel.find(0xFFFFFFFF81000100)) == "first+0x0"


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENOMEM])
def test_what_is_refused_for_a_moment_of_a_process_is_raised_and_not_kept(monkeypatch, error):
    symbolizer = bpf.Symbolizer()
    address = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    for module, name in ((_process_maps, "open"), (symbols, "table_of")):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, refusing(error), raising=False)
            with pytest.raises(bpf.LibbpfError) as caught:
                symbolizer.find(address, os.getpid())
            assert caught.value.errno == error
    assert symbolizer.find(address, os.getpid()).name == "getpid"


def test_a_list_that_may_not_be_read_is_asked_for_again(kernel, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(symbols, "open", refusing(errno.EACCES), raising=False)
        assert str(kernel.find(0xFFFFFFFF81000100)) == "0xffffffff81000100"
    assert str(kernel.find(0xFFFFFFFF81000100)) == "first+0x0"


def test_process_0_is_this_one():
    address = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    assert bpf.Symbolizer().find(address, 0) == bpf.Symbolizer().find(address, os.getpid())
    assert bpf.Symbolizer().find(address, 0).name == "getpid"


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
        ((bpf.StackFrame,), TypeError, "address must be an integer, not type"),
        ((-1,), ValueError, "address"),
        ((1 << 64,), ValueError, "address"),
        ((1, "self"), TypeError, "pid must be an integer, not str"),
    ],
)
def test_what_is_no_address_or_no_process_is_refused(arguments, error, said):
    with pytest.raises(error, match=said):
        bpf.Symbolizer().find(*arguments)
