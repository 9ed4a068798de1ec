"""Objects that somebody has tampered with: an exception that names the section, the field and the value."""

from __future__ import annotations

import re
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from object_edit import NOBITS, Edited

import libbpf_cffi as bpf
from libbpf_cffi import Btf

SOURCES = Path(__file__).resolve().parent.parent / "bpf"


@pytest.fixture(scope="module")
def good(compiled):
    """Give the object that all are made of."""
    return compiled("hostile").read_bytes()


def variable(of: str, **changes: int):
    """Change what the types say of a section's first variable: its type, offset or size."""

    def change(obj: Edited) -> Edited:
        found = Btf.from_bytes(obj.bytes_of(".BTF"))[f"section {of}"].variables[0]
        fields = {"type": found.type.id, "offset": found.offset, "size": found.size}
        return obj.replace(".BTF", obj.words(*fields.values()), obj.words(*(fields | changes).values()))

    return change


def kind_of(of: str, kind: int, size: int):
    """Change kind and size of a type by its name; what follows it stays."""

    def change(obj: Edited) -> Edited:
        types = Btf.from_bytes(obj.bytes_of(".BTF"))
        strings = obj.bytes_of(".BTF")
        _, types_size = struct.unpack_from(f"{obj.order}II", strings, 8)
        start, length = struct.unpack_from(f"{obj.order}II", strings, 16)
        assert types_size == start
        names = strings[24 + start : 24 + start + length]
        found = types[of]
        old = names.index(b"\0" + of.rsplit(maxsplit=1)[-1].encode() + b"\0") + 1
        content = obj.bytes_of(".BTF")
        for at in range(24, 24 + types_size, 4):
            name, info, was = struct.unpack_from(f"{obj.order}III", content, at)
            if (name, was) == (old, found.size):
                new = obj.words(name, info & 0xFFFFFF | kind << 24, size)
                return obj.replace(".BTF", content[at : at + 12], new)
        raise AssertionError(of)

    return change


def last_instruction(obj: Edited) -> Edited:
    """Let a program end in the first half of a load of 64 bits, which a relocation changes both halves of."""
    at, size = obj.content("struct_ops/test_1")
    obj.data[at + size - 8 : at + size] = b"\x18" + bytes(7)
    return obj


def cut_short(obj: Edited) -> Edited:
    """Let a program end behind the first half of its first load of an address."""
    start, _ = obj.content(".relraw_tp/sys_enter")
    return obj.of_symbol("program", "st_size", int.from_bytes(obj.data[start : start + 8], "little") + 8)


def lines_as_relocations(obj: Edited) -> Edited:
    """Let the records of lines be those of relocations as well: libbpf would change their byte order twice."""
    start, _ = obj.content(".BTF.ext")
    obj.data[start + 24 : start + 32] = obj.data[start + 16 : start + 24]
    return obj


def unended(section: str):
    def change(obj: Edited) -> Edited:
        at, size = obj.content(section)
        obj.data[at + size - 1] = ord("x")
        return obj

    return change


def header(field: str, value: int):
    return lambda obj: obj.header(field, value)


def section(name: str, field: str, value: int):
    return lambda obj: obj.of_section(name, field, value)


def symbol(name: str | int, field: str, value: int):
    return lambda obj: obj.of_symbol(name, field, value)


def relocation(name: str, number: int, field: str, value: int):
    return lambda obj: obj.of_relocation(name, number, field, value)


FIELDS = {
    "EI_CLASS": (header("EI_CLASS", 3), "the header: EI_CLASS is 3"),
    "EI_CLASS of 32 bits": (header("EI_CLASS", 1), "the header: "),
    "EI_DATA": (header("EI_DATA", 0), "the header: EI_DATA is 0"),
    "the other byte order": (header("EI_DATA", 2), "the header: e_shentsize is"),
    "e_type": (header("e_type", 2), "the header: e_type is 2, e_machine is 247"),
    "e_machine": (header("e_machine", 62), "the header: e_type is 1, e_machine is 62"),
    "e_shoff": (header("e_shoff", 1 << 63), "the header: e_shoff is 9223372036854775808"),
    "e_shoff at the end": (lambda obj: obj.header("e_shoff", len(obj.data) - 63), "the header: e_shoff is"),
    "no e_shoff": (header("e_shoff", 0), "the header: e_shnum is #, and e_shoff is 0"),
    "e_shentsize": (header("e_shentsize", 40), "the header: e_shentsize is 40"),
    "e_shnum": (header("e_shnum", 60000), "the header: e_shnum is 60000"),
    "e_shnum elsewhere": (
        lambda obj: obj.put(obj.section(0), (32, 8), 1 << 58).header("e_shnum", 0),
        "the header: e_shnum is 288230376151711744",
    ),
    "e_shnum nowhere": (header("e_shnum", 0), "the header: e_shnum is 0"),
    "e_shstrndx": (header("e_shstrndx", 99), "the header: e_shstrndx is 99, and there are # sections"),
    "e_shstrndx of no strings": (lambda obj: obj.header("e_shstrndx", obj.index(".text")), "section #: sh_type is 1"),
    "e_shstrndx elsewhere": (
        lambda obj: obj.put(obj.section(0), (40, 4), 98).header("e_shstrndx", 0xFFFF),
        "the header: e_shstrndx is 98",
    ),
    "no e_shstrndx": (header("e_shstrndx", 0), "the header: e_shstrndx: the sections have no names"),
    "sh_name": (section(".data", "sh_name", 1 << 20), "section #: sh_name is 1048576"),
    "sh_offset": (section(".data", "sh_offset", 1 << 40), "section # '.data': sh_offset is 1099511627776"),
    "sh_offset and sh_size of 64 bits": (
        section(".data", "sh_offset", (1 << 64) - 2),
        "section # '.data': sh_offset is 18446744073709551614, sh_size is 4",
    ),
    "sh_size": (section(".data", "sh_size", 1 << 40), "section # '.data': sh_offset is #, sh_size is 1099511627776"),
    "sh_size of nothing": (
        section(".bss", "sh_size", 1 << 32),
        "section # '.bss': sh_size is 4294967296, more than 2147483647",
    ),
    "sh_size of symbols": (
        section(".symtab", "sh_size", 100),
        "section # '.symtab': sh_size is 100, no multiple of 24",
    ),
    "sh_entsize of symbols": (section(".symtab", "sh_entsize", 0), "section # '.symtab': sh_entsize is 0, not 24"),
    "sh_entsize of relocations": (
        section(".rel.maps", "sh_entsize", 0),
        "section # '.rel.maps': sh_entsize is 0, not 16",
    ),
    "sh_link of symbols": (
        section(".symtab", "sh_link", 1 << 31),
        "section # '.symtab': sh_link is 2147483648, and there are # sections",
    ),
    "sh_link of symbols to no strings": (
        lambda obj: obj.of_section(".symtab", "sh_link", obj.index(".text")),
        "section # '.text': sh_type is 1",
    ),
    "sh_link of relocations": (section(".rel.maps", "sh_link", 60000), "section # '.rel.maps': sh_link is 60000"),
    "sh_info of relocations": (section(".rel.maps", "sh_info", 60000), "section # '.rel.maps': sh_info is 60000"),
    "sh_info of relocations of nothing": (
        lambda obj: obj.of_section(".rel.maps", "sh_info", obj.index(".bss")),
        "section # '.rel.maps': sh_info is #, a section without content",
    ),
    "sh_flags": (section(".symtab", "sh_flags", 0x800), "section # '.symtab': sh_flags is 0x800"),
    "sh_flags of the strings": (section(".strtab", "sh_flags", 0x800), "section #: sh_type is 3, sh_flags is 0x800"),
    "sh_flags of the types": (section(".BTF", "sh_flags", 0x800), "section # '.BTF': sh_flags is 0x800"),
    "sh_type of the license": (section("license", "sh_type", NOBITS), "section # 'license': sh_type is 8"),
    "sh_type of the version": (section("version", "sh_type", NOBITS), "section # 'version': sh_type is 8"),
    "strings that do not end": (unended(".strtab"), "section #: the last string does not end"),
    "st_name": (symbol("program", "st_name", 1 << 31), "section # '.symtab': symbol #: st_name is 2147483648"),
    "st_shndx": (symbol("program", "st_shndx", 60000), "symbol #: st_shndx is 60000, and there are # sections"),
    "st_shndx of a section": (
        lambda obj: obj.of_symbol(obj.section_symbol(), "st_shndx", 0xFFF1),
        "symbol #: st_shndx is 0xfff1",
    ),
    "st_value": (symbol("program", "st_value", 8), "symbol #: st_value is 8, st_size is #, and section # has #"),
    "st_value of a variable": (symbol("number", "st_value", 1 << 32), "symbol #: st_value is 4294967296"),
    "st_value and st_size of 64 bits": (
        symbol("number", "st_value", (1 << 64) - 4),
        "symbol #: st_value is 18446744073709551612",
    ),
    "st_size": (
        symbol("program", "st_size", (1 << 64) - 8),
        "symbol #: st_value is 0, st_size is 18446744073709551608",
    ),
    "half an instruction": (
        last_instruction,
        "symbol #: st_value is 0, st_size is 16: the function ends in half an instruction",
    ),
    "half an instruction by st_size": (
        cut_short,
        "symbol #: st_value is 0, st_size is #: the function ends in half",
    ),
    "r_offset": (
        relocation(".relraw_tp/sys_enter", 0, "r_offset", 4096),
        "section # '.relraw_tp/sys_enter': relocation 0: r_offset is 4096, and section # has #",
    ),
    "r_offset of 64 bits": (
        relocation(".rel.maps", 1, "r_offset", (1 << 64) - 8),
        "section # '.rel.maps': relocation 1: r_offset is 18446744073709551608",
    ),
    "r_offset of a table of functions": (
        relocation(".rel.struct_ops", 0, "r_offset", 16),
        "section # '.rel.struct_ops': relocation 0: r_offset is 16",
    ),
    "the symbol of a relocation": (
        relocation(".rel.text", 1, "symbol", 9999),
        "section # '.rel.text': relocation 1: r_info is of symbol 9999, and there are #",
    ),
    "the header of the types": (
        lambda obj: obj.put(obj.content(".BTF")[0], (4, 4), 20),
        "section # '.BTF': its header has 20 bytes",
    ),
    "an integer of 4 gigabytes, where a setting is one": (
        kind_of("int", 1, 0xFF000004),
        "section # '.BTF': type # 'int' is an integer of 4278190084 bytes",
    ),
    "records of two kinds": (lines_as_relocations, "section # '.BTF.ext': records lie at"),
    "the offset of a table of functions": (
        variable(".struct_ops", offset=0xFFFFFF80),
        "a variable of 16 bytes at 4294967168, and section # has 16 bytes",
    ),
    "the offset of a map": (
        variable(".maps", offset=0x60),
        "a variable of 32 bytes at 96, and section # has # bytes",
    ),
    "the offset of a variable": (variable(".data", offset=1), "a variable of 4 bytes at 1, and section # has 4 bytes"),
    "the size of a variable": (variable(".data", size=5), "a variable of 5 bytes at 0, and section # has 4 bytes"),
    "a setting that is a function": (variable(".kconfig", type=1), "section # '.BTF': "),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_leads_astray_is_named_with_its_value(good, name):
    change, reason = FIELDS[name]
    changed = bytes(change(Edited(good)).data)
    assert changed != good
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(changed)
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__FORMAT
    # Another compiler numbers the sections otherwise.
    assert re.match(f"the file is malformed: .*{re.escape(reason)}".replace(r"\#", r"\d+"), caught.value.hint)


OTHER_ORDER = {
    "records of two kinds": (lines_as_relocations, "section # '.BTF.ext': records lie at"),
    "sh_entsize": (section(".symtab", "sh_entsize", 0), "sh_entsize is 0, not 24"),
    "st_value": (symbol("program", "st_value", 8), "symbol #: st_value is 8"),
    "r_offset": (relocation(".rel.maps", 1, "r_offset", 1 << 40), "relocation 1: r_offset is 1099511627776"),
    "the size of a variable": (variable(".data", size=5), "a variable of 5 bytes at 0"),
}


@pytest.fixture(scope="module")
def foreign():
    """Compile the same for the other byte order."""
    target = "bpfeb" if sys.byteorder == "little" else "bpfel"
    return bpf.compile_object(SOURCES / "hostile.bpf.c", flags=["-target", target])


def test_an_object_of_the_other_byte_order_is_opened(foreign):
    with bpf.Object.open(foreign) as obj:
        assert set(obj.programs) == {"program", "test_1"}


@pytest.mark.parametrize("name", OTHER_ORDER)
def test_a_field_of_the_other_byte_order_is_checked_as_well(foreign, name):
    change, reason = OTHER_ORDER[name]
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(bytes(change(Edited(foreign)).data))
    assert re.match(f"the file is malformed: .*{re.escape(reason)}".replace(r"\#", r"\d+"), caught.value.hint)


@pytest.mark.parametrize("align", [1 << 62, 3])
def test_a_section_whose_alignment_would_fill_memory_is_not_linked(good, align):
    changed = bytes(Edited(good).of_section(".data", "sh_addralign", align).data)
    with pytest.raises(bpf.LibbpfError, match=f"section 9 '.data': sh_addralign is {align}"):
        bpf.link_objects(good, changed)
    bpf.Object.open(changed).close()


def test_the_error_names_the_file(good, tmp_path):
    path = tmp_path / "tool.bpf.o"
    path.write_bytes(Edited(good).of_section(".symtab", "sh_entsize", 0).data)
    with pytest.raises(bpf.LibbpfError, match=r"cannot open object '.*tool\.bpf\.o': [^\n]+\n  hint: the file"):
        bpf.Object.open(path)


def test_what_they_are_made_of_is_opened_and_prepared(root, good):
    with bpf.Object.open(good) as obj:
        assert set(obj.programs) == {"program", "test_1"}
        assert {"first", "outer", "dummy"} <= set(obj.maps)
        obj.maps["dummy"].autocreate = False
        obj.programs["test_1"].autoload = False
        obj.prepare()


def test_every_beginning_of_an_object_is_refused(good):
    # The headers of its sections are the last thing in it.
    for length in range(len(good)):
        with pytest.raises(bpf.LibbpfError):
            bpf.Object.open(good[:length])


@pytest.mark.parametrize("where", [".BTF", ".BTF.ext", ".symtab", ".strtab", ".maps", "license"])
def test_a_section_that_is_cut_short_is_refused_or_makes_sense(good, where):
    size = Edited(good).content(where)[1]
    for length in range(size):
        with suppress(bpf.LibbpfError):
            bpf.Object.open(bytes(Edited(good).of_section(where, "sh_size", length).data)).close()
