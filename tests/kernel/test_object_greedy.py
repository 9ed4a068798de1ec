"""Small objects of which libbpf would make too much: an endless search, gigabytes of copies, a stack that overflows."""

from __future__ import annotations

import errno
import struct
import threading

import pytest
from object_edit import EXEC, PROGBITS, Section, built, function, symbols

import libbpf_cffi as bpf
from libbpf_cffi import Btf

REL = 9
EXIT = b"\x95" + bytes(7)
LOAD = b"\x18" + bytes(15)
TEXT, PROGRAMS = 2, 3
"""Numbers of the sections that `calling` makes."""


def call(imm: int = -1) -> bytes:
    return struct.pack("<BBhi", 0x85, 0x10, 0, imm)


def relocations(target: int, table: int, *every: tuple[int, int]) -> Section:
    """Make the table of relocations: where each is, and the number of its symbol."""
    content = b"".join(struct.pack("<QII", at, 10, symbol) for at, symbol in every)
    return Section(".rel", REL, content, link=table, info=target, entry=16)


def calling(text: bytes, functions: list[bytes], programs: int, *more: Section, code: bytes = call() + EXIT) -> bytes:
    """Build an object of programs that all have the same code, whose first instruction refers to the first function."""
    size = len(code)
    mains = [function(PROGRAMS, size * each, size, name=1) for each in range(programs)]
    return built(
        Section("license", PROGBITS, b"GPL\0"),
        Section(".text", PROGBITS, text, EXEC),
        Section("socket", PROGBITS, code * programs, EXEC),
        symbols(*functions, *mains),
        relocations(PROGRAMS, 4, *[(size * each, 1) for each in range(programs)]),
        *more,
        strings=b"main\0",
    )


def chain(length: int) -> tuple[bytes, list[bytes]]:
    """Make functions each of which calls the next one."""
    text = (call(1) + EXIT) * (length - 1) + EXIT * 2
    return text, [function(TEXT, 16 * each, 16) for each in range(length)]


def refused(data: bytes, reason: str) -> None:
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(data)
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__FORMAT
    assert caught.value.hint.startswith("the file is malformed: ")
    assert reason in caught.value.hint


DEEP = "the program at 0 calls functions that call each other more than 512 deep"


@pytest.mark.parametrize("length", [512, 10_000])
def test_functions_that_call_each_other_deeper_than_a_stack_holds_are_refused(length):
    refused(calling(*chain(length), 1), DEEP)


def test_functions_that_take_the_address_of_the_next_one_are_as_deep():
    functions = [function(TEXT, 24 * each, 24) for each in range(512)]
    table = relocations(TEXT, 4, *[(24 * each, each + 2) for each in range(511)])
    refused(calling((LOAD + EXIT) * 512, functions, 1, table), DEEP)


def test_functions_as_deep_as_is_opened_are_put_together_on_a_small_stack(root):
    # The kernel takes 256 of them, and says so.
    answers = []

    def load() -> None:
        with bpf.Object.open(calling(*chain(511), 1)) as obj:
            try:
                obj.load()
            except bpf.LibbpfError as error:
                answers.append(error.errno)

    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=load)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert len(answers) == 1


def test_relocations_of_one_instruction_do_not_hide_how_deep_functions_are():
    # Each function calls the one before it; from below there are never more than 400 until one is known.
    text = EXIT * 2 + (call(-3) + EXIT) * 999
    functions = [function(TEXT, 16 * each, 16) for each in range(1000)]
    others = relocations(PROGRAMS, 4, (0, 401), (0, 801), *[(0, 1000)] * 9)
    refused(calling(text, functions, 1, others), "section 3 'socket': instruction 0 has two relocations")


def test_a_relocation_of_something_else_does_not_hide_one_of_a_function():
    other = relocations(PROGRAMS, 4, (0, 2))
    refused(calling(EXIT, [function(TEXT, 0, 8)], 1, other), "section 3 'socket': instruction 0 has two relocations")


def test_functions_that_nobody_calls_may_call_each_other_as_they_like():
    text, functions = chain(1000)
    bpf.Object.open(calling(text, functions, 0)).close()


def test_a_function_that_calls_itself_is_left_to_the_kernel():
    bpf.Object.open(calling(call(-1) + EXIT, [function(TEXT, 0, 16)], 1)).close()


COPIED = "each has a copy of what it calls, 1 GiB in all"


@pytest.mark.parametrize(("programs", "is_refused"), [(1000, False), (1100, True)])
def test_a_thousand_programs_share_a_megabyte_of_functions_but_not_for_ever(programs, is_refused):
    data = calling(bytes((1 << 20) - 8) + EXIT, [function(TEXT, 0, 1 << 20)], programs)
    if is_refused:
        refused(data, COPIED)
    else:
        bpf.Object.open(data).close()


def test_relocations_are_copied_as_well():
    many = relocations(TEXT, 4, *[(0, 2)] * 20_000)
    refused(calling(call() + EXIT, [function(TEXT, 0, 16)], 2500, many), COPIED)


@pytest.mark.unsanitized("a sanitizer's realloc() copies libbpf's list of programs for each of the 150,000")
def test_functions_that_any_program_may_end_in_are_not_looked_for_among_all_programs():
    # For each program the others were looked at, too: minutes.
    types = Btf.new()
    types.add_str("exception_callback:name")
    tagged = Section(".BTF", PROGBITS, types.raw)
    bpf.Object.open(calling(EXIT, [function(TEXT, 0, 8)], 150_000, tagged)).close()


def test_functions_that_any_program_may_end_in_are_copied_to_each():
    types = Btf.new()
    types.add_str("exception_callback:name")
    functions = [function(TEXT, 8 * each, 8) for each in range(16_000)]
    refused(calling(EXIT * 16_000, functions, 10_000, Section(".BTF", PROGBITS, types.raw)), COPIED)


def with_records(
    part: int,
    records: bytes,
    size: int,
    programs: int,
    types: Btf | None = None,
    text: bytes = EXIT * 2,
    *more: Section,
) -> bytes:
    """Build an object with records of .text: of functions (0), of lines (1), or relocations (2)."""
    types = types or Btf.new()
    name = types.add_str(".text")
    content = struct.pack("<III", size, name, len(records) // size) + records
    places = [value for each in range(3) for value in (0, len(content) if each == part else 0)]
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, *places) + content
    return calling(
        text, [function(TEXT, 0, 16)], programs, Section(".BTF", PROGBITS, types.raw),
        Section(".BTF.ext", PROGBITS, ext), *more,
    )  # fmt: skip


@pytest.mark.parametrize("part", [0, 1])
def test_records_of_functions_and_lines_are_copied_as_well(part):
    refused(with_records(part, bytes(16) * 50_000, 16, 1400), COPIED)


def test_records_that_are_looked_through_for_ever_are_refused():
    # They are all behind the function.
    records = struct.pack("<IIII", 800, 0, 0, 0) * 900_000
    refused(with_records(1, records, 16, 10_000), "each has a copy of the lines of what it calls")


def test_records_of_too_many_sections_are_refused():
    types = Btf.new()
    content = struct.pack("<I", 16) + struct.pack("<6I", types.add_str("."), 1, 0, 0, 0, 0) * 54_000
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, 0, 0, 0, len(content), 0, 0) + content
    empty = [Section(".", PROGBITS)] * 5_000
    refused(
        built(*empty, symbols(), Section(".BTF", PROGBITS, types.raw), Section(".BTF.ext", PROGBITS, ext)),
        "records are of ",
    )


def test_functions_are_not_looked_through_for_each_section_that_has_records():
    # 400,000 for some 12,000 sections: that took minutes. When so many have been counted there is a record too many.
    types = Btf.new()
    names = [types.add_str(f"s{each}") for each in range((1 << 14) - 8)]
    content = struct.pack("<I", 8) + b"".join(struct.pack("<IIII", name, 1, 0, 0) for name in [*names, *[0] * 11])
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, 0, len(content), 0, 0, 0, 0) + content
    empty = [Section(f"s{each}", PROGBITS) for each in range(len(names))]
    index, count = len(names) + 1, 400_000
    code = Section("socket", PROGBITS, EXIT * count, EXEC)
    functions = [function(index, 8 * each, 8, name=1) for each in range(count)]
    records = Section(".BTF", PROGBITS, types.raw), Section(".BTF.ext", PROGBITS, ext)
    refused(built(*empty, code, symbols(*functions), *records, strings=b"main\0"), "records are of 12297 sections, ")


def roots(count: int, kind: int) -> bytes:
    """Build an object of relocations, each of a type of its own."""
    types = Btf.new()
    numbers = [types.add_struct(f"none{each}", 4).id for each in range(count)]
    zero = types.add_str("0")
    records = b"".join(struct.pack("<IIII", 0, each, zero, kind) for each in numbers)
    return with_records(2, records, 16, 1, types)


EXISTS, LOCAL, MATCHES = 8, 6, 12


def test_relocations_of_so_many_types_that_their_search_takes_minutes_are_refused():
    bpf.Object.open(roots(4096, EXISTS)).close()
    refused(roots(4097, EXISTS), "section 7 '.BTF.ext': relocations are of more than 4096 types")


def test_types_that_are_not_searched_for_may_be_more():
    bpf.Object.open(roots(4097, LOCAL)).close()


def compared(types: Btf, number: int, times: int, kind: int = MATCHES) -> bytes:
    """Build an object that asks as often whether the kernel has a type."""
    record = struct.pack("<IIII", 0, number, types.add_str("0"), kind)
    return with_records(2, record * times, 16, 1, types, bytes.fromhex("b700000001000000") + EXIT)


def named_alike(levels: int, members: int) -> Btf:
    """Make structs that consist of structs, all members having the same name; the last one ends otherwise."""
    types = Btf.new()
    inner = types.add_int("int", 4).id
    for level in range(levels):
        size = 4 * members**level * members
        struct_ = types.add_struct(f"level{level}", size)
        for each in range(members):
            types.add_field("m", inner, bit_offset=each * size // members * 8)
        inner = struct_.id
    return types


def never_compared(data: bytes, **options: object) -> None:
    with bpf.Object.open(data, **options) as obj, pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    assert caught.value.errno == errno.E2BIG
    assert "comparing them would not end" in caught.value.hint


def test_a_type_that_matches_is_found(root):
    types = Btf.new()
    pid = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED).id
    number = types.add_struct("task_struct", 4).id
    types.add_field("pid", pid, bit_offset=0)
    with bpf.Object.open(compared(types, number, 3)) as obj:
        obj.load()
        assert obj.programs["main"].test_run(bytes(14)).retval == 1


def test_a_match_that_is_asked_for_too_often_is_refused(root):
    types = Btf.new()
    pid = types.add_int("int", 4, bpf.lib.BTF_INT_SIGNED).id
    number = types.add_struct("task_struct", 4).id
    for _ in range(100):
        types.add_field("pid", pid, bit_offset=0)
    never_compared(compared(types, number, 60_000))


def test_types_that_match_in_many_ways_are_not_compared_for_ever(root, tmp_path):
    types = named_alike(4, 16)
    (tmp_path / "kernel.btf").write_bytes(types.raw)
    number = types.find("level3").id
    with bpf.Object.open(compared(types, number, 1), btf_custom_path=tmp_path / "kernel.btf") as obj:
        obj.load()
    never_compared(compared(types, number, 2000), btf_custom_path=tmp_path / "kernel.btf")


def test_names_that_are_long_are_not_compared_for_ever(root):
    # Each of 213 of the kernel's with each of these, which took minutes: they are the last one's, with a flavor.
    types = Btf.new()
    kernels = [each.name for each in Btf.kernel()["enum bpf_func_id"].enumerators]
    number = types.add_enum("bpf_func_id", 4).id
    for each in range(len(kernels)):
        types.add_enum_value(f"{kernels[-1]}___{'x' * (1 << 20)}", each)
    never_compared(compared(types, number, 1))


def changed(*others: Section) -> bytes:
    """Build an object whose first instruction takes the address of a function, and is of a CO-RE relocation."""
    types = Btf.new()
    number, zero, name = types.add_struct("s", 4).id, types.add_str("0"), types.add_str("socket")
    content = struct.pack("<III", 16, name, 1) + struct.pack("<IIII", 0, number, zero, EXISTS)
    ext = struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, 0, 0, 0, 0, 0, len(content)) + content
    more = Section(".BTF", PROGBITS, types.raw), Section(".BTF.ext", PROGBITS, ext), *others
    return calling(EXIT * 2, [function(TEXT, 0, 16)], 1, *more, code=LOAD + EXIT)


CHANGED = "section 7 '.BTF.ext': relocation 0 is of the address of a function"


def test_an_address_of_a_function_that_the_kernels_types_change_is_refused():
    refused(changed(), CHANGED)


def test_an_address_that_is_of_other_symbols_too_is_one_of_a_function():
    refused(changed(relocations(PROGRAMS, 4, *[(0, 2)] * 10)), CHANGED)


def test_relocations_of_one_instruction_are_not_looked_through_for_each_of_the_kernels_types():
    # 200,000 of each: that took minutes. What libbpf makes of them is an error of its own.
    types = Btf.new()
    number, zero = types.add_struct("s", 4).id, types.add_str("0")
    many = relocations(TEXT, 4, *[(0, 2)] * 200_000)
    data = with_records(2, struct.pack("<IIII", 0, number, zero, EXISTS) * 200_000, 16, 1, types, EXIT * 2, many)
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(data)
    assert caught.value.errno == bpf.lib.LIBBPF_ERRNO__RELOC


def test_relocations_that_are_each_looked_for_among_many_maps_are_refused():
    types = Btf.new()
    number = types.add_struct("map", 4)
    variables = [types.add_var(f"m{each}", "global", number) for each in range(4000)]
    types.add_datasec(".maps", 4 * 4000)
    for place, each in enumerate(variables):
        types.add_datasec_var_info(each, 4 * place, 4)
    more = Section(".BTF", PROGBITS, types.raw), Section(".maps", PROGBITS, bytes(4 * 4000))
    many = relocations(TEXT, 4, *[(0, 1)] * 70_000)
    refused(
        calling(EXIT * 2, [function(TEXT, 0, 16)], 1, *more, many),
        "there are 70001 relocations, 4000 maps and 0 symbols elsewhere",
    )


def test_relocations_that_are_each_looked_for_among_many_symbols_elsewhere_are_refused():
    elsewhere = [struct.pack("<IBBHQQ", 1, 0x10, 0, 0, 0, 0)] * 4000
    many = relocations(TEXT, 4, *[(0, 1)] * 70_000)
    refused(
        calling(EXIT * 2, [function(TEXT, 0, 16), *elsewhere], 1, many),
        "there are 70001 relocations, 0 maps and 4000 symbols elsewhere",
    )


NESTED = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
%s
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, int); __type(value, struct s199); }
m SEC(".maps");
"""


def test_a_map_of_values_that_are_nested_too_deeply_for_python_is_used_with_bytes(root):
    structs = "\n".join(["struct s0 { int x; };", *[f"struct s{n} {{ struct s{n - 1} s; }};" for n in range(1, 200)]])
    with bpf.Object.open(bpf.compile_object(NESTED % structs)) as obj:
        obj.load()
        values = obj.maps["m"]
        with pytest.raises(ValueError, match="is nested too deeply for Python's stack: "):
            values[1] = bytes(4)
        values.raw[bytes(4)] = b"1234"
        assert values.raw.to_dict() == {bytes(4): b"1234"}
