"""Small objects that use few long names again and again: gigabytes of copies, and searches that take hours."""

from __future__ import annotations

import resource
import struct

import pytest
from object_edit import EXEC, NOBITS, PROGBITS, SECTION, Edited, Section, built, function, symbols

import libbpf_cffi as bpf
from libbpf_cffi import Btf

EXIT = b"\x95" + bytes(7)
LENGTH = 1 << 17
LONG = "a" * LENGTH
WRITABLE = 3


def elsewhere(name: int) -> bytes:
    """Build the symbol of something that the object has not, and that need not be."""
    return struct.pack("<IBBHQQ", name, 0x20, 0, 0, 0, 0)


def absolute(name: int) -> bytes:
    return struct.pack("<IBBHQQ", name, 0, 0, 0xFFF1, 0, 0)


def licensed(*sections: Section, strings: bytes = b"") -> bytes:
    return built(Section("license", PROGBITS, b"GPL\0"), *sections, strings=strings)


def typed(types: Btf, *sections: Section, strings: bytes = b"") -> bytes:
    return licensed(*sections, Section(".BTF", PROGBITS, types.raw), strings=strings)


def data_of_one_name(count: int) -> bytes:
    """Let sections of data have the same name."""
    sections = [Section(".data", PROGBITS, bytes(8), WRITABLE)] * count
    changed = Edited(licensed(Section(f".data.{LONG}", PROGBITS, bytes(8), WRITABLE), *sections, symbols()))
    at, size = SECTION["sh_name"]
    name = changed.section(2) + at
    for each in range(3, 3 + count):
        changed.put(changed.section(each), (at, size), int.from_bytes(changed.data[name : name + size], "little"))
    return bytes(changed.data)


def programs_of_one_section(count: int) -> bytes:
    code = Section(f"socket/{LONG}", PROGBITS, EXIT * count, EXEC)
    mains = [function(2, 8 * each, 8, name=1 + 3 * each) for each in range(count)]
    return licensed(code, symbols(*mains), strings=b"".join(b"%02d\0" % each for each in range(count)))


def tables_of_symbols(count: int) -> bytes:
    return licensed(*[symbols(*[absolute(1)] * 4)] * count, strings=LONG.encode() + b"\0")


def maps_of_one_name(count: int) -> bytes:
    types = Btf.new()
    kind = types.add_struct("map", 4)
    one = types.add_var(LONG, "global", kind)
    types.add_datasec(".maps", 8 * count)
    for each in range(count):
        types.add_datasec_var_info(one, 8 * each, 8)
    return typed(types, Section(".maps", PROGBITS, bytes(8 * count), WRITABLE), symbols())


def tables_of_functions(names: list[str], *sections: Section) -> bytes:
    """Build an object of variables of a struct, in sections for those that the kernel calls."""
    types = Btf.new()
    kind = types.add_struct("ops", 4)
    variables = [types.add_var(each, "global", kind) for each in names]
    types.add_datasec(".struct_ops", 4 * len(names))
    for place, each in enumerate(variables):
        types.add_datasec_var_info(each, 4 * place, 4)
    one = struct.pack("<IBBHQQ", 1, 0x11, 0, 2, 0, 4)
    return typed(types, *sections, symbols(one), strings=names[0].encode() + b"\0")


def tables_of_one_name(count: int) -> bytes:
    return tables_of_functions([LONG], *[Section(".struct_ops", PROGBITS, bytes(4), WRITABLE)] * count)


def records_of_sections(count: int) -> bytes:
    """Let records be of a section that is none of two, as only the ends of the names say."""
    types = Btf.new()
    content = struct.pack("<I", 16) + struct.pack("<6I", types.add_str(LONG), 1, 0, 0, 0, 0) * count
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, 0, 0, 0, len(content), 0, 0) + content
    sections = [Section(f"{LONG}{each}", PROGBITS) for each in "bc"]
    return typed(types, *sections, symbols(), Section(".BTF.ext", PROGBITS, ext))


def names_elsewhere(count: int) -> bytes:
    types = Btf.new()
    number = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED)
    for _ in range(1 << 12):
        types.add_var("a" * 2047 + "b", "extern", number)
    found = types.add_var("a" * 2048, "extern", number)
    types.add_datasec(".ksyms", 0)
    types.add_datasec_var_info(found, 0, 8)
    return typed(types, symbols(*[elsewhere(1)] * count), strings=b"a" * 2048 + b"\0")


def symbols_of_variables(count: int) -> bytes:
    types = Btf.new()
    one = types.add_var("v", "static", types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED))
    types.add_datasec(".data", 4)
    for _ in range(20_000):
        types.add_datasec_var_info(one, 0, 4)
    data = Section(".data", PROGBITS, bytes(4), WRITABLE)
    return typed(types, data, symbols(*[absolute(1)] * count), strings=LONG.encode() + b"\0")


def data_and_types(count: int) -> bytes:
    types = Btf.new()
    number = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED)
    for _ in range(40_000):
        types.add_typedef("t", number)
    return typed(types, *[Section(".data", PROGBITS, bytes(8), WRITABLE)] * count, symbols())


NAMES = {
    "sections of data": (data_of_one_name, 40, "the names of sections have more than"),
    "the section of programs": (programs_of_one_section, 40, "'.symtab': the names have more than"),
    "symbols of several tables": (tables_of_symbols, 40, "'.symtab': the names have more than"),
    "maps": (maps_of_one_name, 40, "'.BTF': the names of variables have more than"),
    "tables of functions": (tables_of_one_name, 40, "'.BTF': the names of variables have more than"),
    "sections that records are of": (records_of_sections, 20_000, "records are of "),
    "what is elsewhere": (names_elsewhere, 600, "there are 4100 types, and 600 symbols elsewhere"),
    "sections of data, among types": (data_and_types, 6500, "there are 40002 types, and 6500 sections of data"),
    "symbols that variables have": (symbols_of_variables, 12, "whose names have 1572864 bytes"),
}


@pytest.mark.parametrize("name", NAMES)
def test_long_names_that_are_used_again_and_again_are_refused(name):
    make, count, reason = NAMES[name]
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(make(count))
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__FORMAT
    assert reason in caught.value.hint


@pytest.mark.parametrize("make", [data_of_one_name, programs_of_one_section, tables_of_one_name, names_elsewhere])
def test_a_long_name_that_is_used_a_few_times_is_taken(make):
    bpf.Object.open(make(4)).close()


@pytest.mark.slow_emulated
def test_eleven_thousand_variables_with_names_as_people_give_are_taken():
    names = [f"variable_of_some_name_{each:05}" for each in range(11_000)]
    types = Btf.new()
    number = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED)
    variables = [types.add_var(each, "global", number) for each in names]
    types.add_datasec(".bss", 4 * len(names))
    for place, each in enumerate(variables):
        types.add_datasec_var_info(each, 4 * place, 4)
    length = len(names[0]) + 1
    each = [struct.pack("<IBBHQQ", 1 + length * n, 0x11, 0, 2, 4 * n, 4) for n in range(len(names))]
    data = Section(".bss", NOBITS, b"", WRITABLE, size=4 * len(names))
    bpf.Object.open(typed(types, data, symbols(*each), strings="\0".join([*names, ""]).encode())).close()


def with_externs(count: int, info: int) -> bytes:
    types = Btf.new()
    number = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED)
    found = types.add_var("none", "extern", number)
    types.add_datasec(".ksyms", 0)
    types.add_datasec_var_info(found, 0, 8)
    every = [struct.pack("<IBBHQQ", 1, info, 0, 0, 0, 0)] * count
    return typed(types, symbols(*every), strings=b"none\0")


def test_what_is_looked_for_in_the_kernel_has_an_end():
    bpf.Object.open(with_externs(4096, 0x20)).close()
    with pytest.raises(bpf.LibbpfError, match="there are 4097 symbols elsewhere, more than 4096"):
        bpf.Object.open(with_externs(4097, 0x20))


@pytest.mark.parametrize("info", [0x00, 0x11, 0x22])
def test_what_libbpf_does_not_look_for_may_be_more(info):
    # It is local, or said to be a variable or a function.
    bpf.Object.open(with_externs(5000, info)).close()


@pytest.fixture
def many_descriptors():
    """Allow for a descriptor per map, which libbpf opens with an object."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 13, max(limits[1], 1 << 13)))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_tables_of_functions_that_are_looked_for_in_the_kernel_have_an_end(many_descriptors):
    def data(count: int) -> bytes:
        return tables_of_functions(["v"] * count, Section(".struct_ops", PROGBITS, bytes(4 * count), WRITABLE))

    bpf.Object.open(data(4096)).close()
    with pytest.raises(bpf.LibbpfError, match="there are more than 4096 tables of functions"):
        bpf.Object.open(data(4097))


def test_more_sections_than_the_linker_finds_each_other_among_are_not_linked():
    def data(count: int) -> bytes:
        return licensed(*[Section(f"s{each}", PROGBITS, bytes(8), WRITABLE) for each in range(count)], symbols())

    assert bpf.link_objects(data(4000))
    with pytest.raises(bpf.LibbpfError, match="there are 32004 sections, whose names have "):
        bpf.link_objects(data(32_000))


def test_more_symbols_than_the_linker_finds_each_other_among_are_not_linked():
    def data(count: int) -> bytes:
        types = Btf.new()
        proto = types.add_func_proto(types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED))
        for each in range(count):
            types.add_func(f"f{each:06d}", "global", proto)
        names = b"".join(b"f%06d\0" % each for each in range(count))
        mains = [function(2, 8 * each, 8, name=1 + 8 * each) for each in range(count)]
        return typed(types, Section("socket", PROGBITS, EXIT * count, EXEC), symbols(*mains), strings=names)

    assert bpf.link_objects(data(4000))
    with pytest.raises(bpf.LibbpfError, match="there are 20000 symbols that are not of it alone, and "):
        bpf.link_objects(data(20_000))
