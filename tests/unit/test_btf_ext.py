"""`.BTF.ext`: the functions and lines of a compiled object, and what is malformed."""

from __future__ import annotations

import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import BtfExt

SOURCE = """\
__attribute__((section("socket"), used))
int first(void *ctx)
{
	return 4321;
}
__attribute__((section("xdp"), used))
int second(void *ctx)
{
	return 2;
}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("ext") / "two.o"
    made.write_bytes(bpf.compile_object(SOURCE, name="two.bpf.c"))
    return made


@pytest.fixture
def ext(path) -> BtfExt:
    return BtfExt.from_file(path)


def test_the_functions_of_each_section_have_their_types(ext):
    found = {name: [(each.insn_off, str(each.type)) for each in every] for name, every in ext.func_info.items()}
    assert found == {"socket": [(0, "func first")], "xdp": [(0, "func second")]}


def test_the_lines_of_each_section_have_their_text_and_place(ext):
    lines = {name: [each[2:] for each in every] for name, every in ext.line_info.items()}
    assert lines == {"socket": [("\treturn 4321;", 4, 2)], "xdp": [("\treturn 2;", 9, 2)]}
    assert ext.line_info["xdp"][0].file_name.endswith("two.bpf.c")


def test_another_byte_order_holds_the_same(ext):
    before = ext.line_info, ext.func_info
    ext.endianness = "big"
    assert ext.raw[:2] == b"\xeb\x9f"
    again = BtfExt.from_bytes(ext.raw, ext.btf)
    assert (again.endianness, again.line_info, again.func_info) == ("big", *before)


def test_a_function_of_a_type_that_there_is_not_is_refused(ext):
    with bpf.Btf.new() as few:
        of_few = BtfExt.from_bytes(ext.raw, few)
        with pytest.raises(bpf.LibbpfError, match=r"the function at 0 is of type \d+, and there are 1"):
            of_few.func_info


@pytest.mark.parametrize("wrong", ["middle", 1])
def test_a_byte_order_that_there_is_not_is_refused(ext, wrong):
    with pytest.raises(ValueError, match="must be 'little' or 'big'"):
        ext.endianness = wrong


def test_a_file_without_it_is_refused(tmp_path):
    (tmp_path / "x").write_bytes(b"text")
    with pytest.raises(bpf.LibbpfError, match=r"no section .BTF.ext"):
        BtfExt.from_file(tmp_path / "x")


def changed(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + struct.pack("=I", value) + data[at + 4 :]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: b"", "does not begin as .BTF.ext does"),
        (lambda data: data[:20], "its header has 32 bytes of 20"),
        (lambda data: changed(data, 4, 4), "its header has 4 bytes"),
        (lambda data: changed(data, 12, 1 << 31), "records lie at"),
        (lambda data: changed(data, 8, 2), "records lie at"),
        (lambda data: changed(data, 32, 0), "its records have 0 bytes"),
        (lambda data: changed(data, 32, 7), "its records have 7 bytes"),
        (lambda data: changed(data, 40, 0), "has no records"),
        (lambda data: changed(data, 40, 1 << 30), "records end at"),
        (lambda data: changed(data, 12, 4), "records of no section"),
    ],
)
def test_what_leads_out_of_the_section_is_refused_with_the_reason(ext, change, why):
    with pytest.raises(bpf.LibbpfError, match=why):
        BtfExt.from_bytes(change(ext.raw), ext.btf)


def test_a_closed_btf_has_no_names(ext):
    ext.btf.close()
    with pytest.raises(bpf.ClosedError):
        ext.line_info


def test_there_is_none_without_a_constructor():
    with pytest.raises(TypeError, match="from_file"):
        BtfExt()


@pytest.mark.parametrize("order", ["<", ">"])
def test_records_of_two_kinds_in_one_place_are_refused(ext, order):
    # Their byte order would be changed twice, by counts that are no counts any more.
    functions, lines = (struct.pack(f"{order}III", size, 1, 1) + bytes(size) for size in (8, 16))
    for relocations, refused in ((48, False), (20, True)):
        head = struct.pack(f"{order}HBBIIIIIII", 0xEB9F, 1, 0, 32, 0, 20, 20, 28, relocations, 28)
        data = head + functions + lines + lines
        if refused:
            with pytest.raises(bpf.LibbpfError, match="records lie at 20 to 48, and others at 20 to 48"):
                BtfExt.from_bytes(data, ext.btf)
        else:
            BtfExt.from_bytes(data, ext.btf)
