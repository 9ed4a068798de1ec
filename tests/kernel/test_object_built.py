"""Objects and types that no compiler makes: of too many things, of the same things, of types that make no sense."""

from __future__ import annotations

import pytest
from object_edit import EXEC, PROGBITS, Section, built, function, symbols

import libbpf_cffi as bpf
from libbpf_cffi import Btf

EXIT = b"\x95" + bytes(7)


def licensed(*sections: Section, strings: bytes = b"") -> bytes:
    return built(Section("license", PROGBITS, b"GPL\0"), *sections, strings=strings)


def test_what_is_built_here_is_opened():
    code = Section("socket", PROGBITS, EXIT * 2, EXEC)
    data = licensed(code, symbols(function(2, 0, 16, name=1)), strings=b"both\0")
    with bpf.Object.open(data) as obj:
        assert list(obj.programs) == ["both"]


MANY = {
    "functions that are the same megabyte": (
        lambda: licensed(Section("socket", PROGBITS, EXIT * 1000, EXEC), symbols(*[function(2, 0, 8000)] * 5000)),
        "the functions have 40000000 bytes",
    ),
    "functions that call each other, perhaps": (
        lambda: licensed(Section(".text", PROGBITS, EXIT, EXEC), symbols(*[function(2, 0, 8)] * 16385)),
        "there are 16385 functions in .text",
    ),
    "names that are the same megabyte": (
        lambda: licensed(symbols(*[function(0, 0, 0, name=1)] * 1000), strings=b"x" * 10000 + b"\0"),
        "the names have more than",
    ),
    "programs and sections of programs": (
        lambda: licensed(*[Section("socket", PROGBITS, EXIT, EXEC)] * 30000, symbols(*[function(0, 0, 0)] * 150000)),
        "there are 150001 symbols, and 30000 sections with programs",
    ),
    "sections of the same bytes": (
        lambda: licensed(
            *[Section(".data", PROGBITS, size=9000)] * 9, Section(".data", PROGBITS, bytes(9000)), symbols()
        ),
        "sections overlap",
    ),
    "tables of jumps": (
        lambda: licensed(*[Section(".jumptables", PROGBITS, bytes(8))] * 2, symbols()),
        "section 3 '.jumptables': there are two of that name",
    ),
    "types": (
        lambda: licensed(*[Section(".BTF", PROGBITS, Btf.new().raw)] * 2, symbols()),
        "section 3 '.BTF': there are two of that name",
    ),
    "lines": (
        lambda: licensed(*[Section(".BTF.ext", PROGBITS, bytes(8))] * 2, symbols()),
        "section 3 '.BTF.ext': there are two of that name",
    ),
    "lines of which there are none": (
        lambda: licensed(Section(".BTF.ext", PROGBITS), symbols()),
        "section 2 '.BTF.ext': it is empty",
    ),
    "symbols that are called something else": (
        lambda: licensed(symbols()._replace(name=".debug_symbols", entry=0)),
        "section 2 '.debug_symbols': sh_entsize is 0",
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_what_is_there_too_often_is_refused(name):
    make, reason = MANY[name]
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(make())
    assert caught.value.hint.startswith("the file is malformed: ")
    assert reason in caught.value.hint


def with_types(make, *sections: Section) -> bytes:
    """Build an object of types."""
    types = Btf.new()
    make(types)
    return licensed(Section(".BTF", PROGBITS, types.raw), *sections, symbols())


def settings_of(number: int, size: int):
    """Make a section of settings, each an array of characters."""

    def make(types: Btf) -> None:
        char = types.add_int("char", 1)
        array = types.add_array(char, char, size)
        names = [types.add_var(f"CONFIG_{each}", "extern", array) for each in range(number)]
        types.add_datasec(".kconfig", 0)
        for each in names:
            types.add_datasec_var_info(each, 0, size)

    return make


def tiny_tristate(types: Btf) -> None:
    types.add_enum64("libbpf_tristate", 1)
    types.add_enum64_value("TRI_NO", 0)
    types.add_var("CONFIG_X", "extern", 1)
    types.add_datasec(".kconfig", 0)
    types.add_datasec_var_info(2, 0, 1)


def function_as_setting(types: Btf) -> None:
    types.add_func_proto(0)
    types.add_func("CONFIG_X", "extern", 1)
    types.add_datasec(".kconfig", 0)
    types.add_datasec_var_info(2, 0, 1)


def endless_setting(types: Btf) -> None:
    types.add_struct("loop", 4)
    types.add_field("again", 1, 0)
    types.add_var("CONFIG_X", "extern", 1)
    types.add_datasec(".kconfig", 0)
    types.add_datasec_var_info(2, 0, 4)


def many_tables(types: Btf) -> None:
    types.add_struct("ops", 64)
    for each in range(40):
        types.add_var(f"ops{each}", "global", 1)
    types.add_datasec(".struct_ops", 64)
    for each in range(40):
        types.add_datasec_var_info(2 + each, 0, 64)


TYPES = {
    "settings of two gigabytes": (settings_of(5, 1 << 29), (), ".kconfig has 2684354560 bytes"),
    "a setting whose alignment is its own": (endless_setting, (), "type 1 'loop' contains itself"),
    "a setting with too little room": (tiny_tristate, (), "in .kconfig is type 2, an enumeration of 1 bytes"),
    "a function as a setting": (function_as_setting, (), "in .kconfig is type 2, which is no variable"),
    "tables of functions in the same place": (
        many_tables, (Section(".struct_ops", PROGBITS, bytes(64)),), "variables have 2560 bytes, and section 3 has 64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_types_that_say_too_much_of_the_object_are_refused(name):
    make, sections, reason = TYPES[name]
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(with_types(make, *sections))
    assert reason in caught.value.hint


def test_an_integer_that_makes_pointers_small_does_not_make_those_of_an_object_small():
    def make(types: Btf) -> None:
        types.add_int("long", 4)
        types.add_ptr(0)
        types.add_struct("ops", 4)
        types.add_field("call", 2, 0)

    with pytest.raises(bpf.LibbpfError, match="'ops' of 4 bytes has a member 'call' of 64 bits at bit 0"):
        bpf.Object.open(with_types(make))


def test_what_another_object_has_may_be_larger_than_the_section():
    def make(types: Btf) -> None:
        types.add_int("int", 4)
        types.add_array(1, 1, 100)
        types.add_var("theirs", "extern", 2)
        types.add_datasec(".data", 0)
        types.add_datasec_var_info(3, 0, 400)

    assert bpf.link_objects(with_types(make, Section(".data", PROGBITS, bytes(8))))


def made(make) -> bytes:
    types = Btf.new()
    make(types)
    return types.raw


def endless(types: Btf) -> None:
    """Make a task_struct whose first member is a typedef of itself: libbpf looks through it for ever."""
    types.add_int("int", 4)
    types.add_struct("task_struct", 4)
    types.add_field("pid", 3, 0)
    types.add_typedef("loop", 3)


RELOCATED = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
struct task_struct { int pid; } __attribute__((preserve_access_index));
SEC("socket") int program(struct task_struct *task) { return bpf_core_field_offset(task->pid); }
"""


@pytest.fixture(scope="module")
def relocated():
    return bpf.compile_object(RELOCATED)


def test_relocating_against_types_that_never_end_is_refused(root, relocated, tmp_path):
    (tmp_path / "kernel.btf").write_bytes(made(endless))
    with (
        bpf.Object.open(relocated, btf_custom_path=tmp_path / "kernel.btf") as obj,
        pytest.raises(bpf.LibbpfError, match=r"hint: btf_custom_path: [^!]+ 'loop' contains itself"),
    ):
        obj.prepare()


@pytest.mark.parametrize("content", [None, b"", b"x" * 100, b"\x7fELF" + bytes(100)])
def test_types_that_cannot_be_read_are_told_of(root, relocated, tmp_path, content):
    if content is not None:
        (tmp_path / "kernel.btf").write_bytes(content)
    with (
        bpf.Object.open(relocated, btf_custom_path=tmp_path / "kernel.btf") as obj,
        pytest.raises(bpf.LibbpfError, match="btf_custom_path"),
    ):
        obj.load()


def test_types_that_are_not_needed_are_not_read(root):
    source = RELOCATED.replace("bpf_core_field_offset(task->pid)", "1")
    with bpf.Object.open(bpf.compile_object(source), btf_custom_path="/no/such/btf") as obj:
        obj.load()
