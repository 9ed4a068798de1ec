"""BTF of the running kernel and of loaded objects."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import Btf, BtfKind
from libbpf_cffi._elf import section

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def kernel() -> Btf:
    return Btf.kernel()


@pytest.mark.every_kernel
def test_the_kernel_has_the_types_that_it_is_made_of(kernel):
    task = kernel["struct task_struct"]
    comm = next(member for member in task.members if member.name == "comm")
    assert (comm.type.kind, comm.type.size, comm.type.type.is_char) == (BtfKind.ARRAY, 16, True)
    assert (kernel.base, kernel.pointer_size) == (None, ctypes.sizeof(ctypes.c_void_p))
    assert kernel["pid_t"].resolve() == kernel["int"]


def test_every_type_of_the_kernel_can_be_read(kernel):
    for each in kernel.own_types():
        if each.kind in (BtfKind.STRUCT, BtfKind.UNION):
            assert each.alignment >= 1
            for member in each.members:
                assert member.offset + (member.type.size if not member.bitfield_size else 0) <= each.size
        elif each.kind in (BtfKind.ENUM, BtfKind.ENUM64):
            assert all(each.name for each in each.enumerators)
        elif each.kind is BtfKind.FUNC:
            assert each.type.params == each.params
        each.resolve()


def test_the_kernels_types_pass_as_those_of_a_stranger_do(kernel):
    again = Btf.from_bytes(kernel.raw)
    assert len(again) == len(kernel)
    assert again["struct task_struct"].members[5].offset == kernel["struct task_struct"].members[5].offset


def test_the_kernels_types_pass_in_the_other_byte_order(kernel):
    copy = Btf.from_bytes(kernel.raw)
    copy.endianness = "big" if copy.endianness == "little" else "little"
    assert len(Btf.from_bytes(copy.raw)) == len(kernel)


@pytest.mark.parametrize("module", sorted(set(os.listdir("/sys/kernel/btf")) - {"vmlinux"}) or [None])
def test_every_module_of_this_kernel_passes_as_that_of_a_stranger(kernel, module):
    if module is None:
        # A kernel without modules has none to try; split types are tested in tests/unit.
        assert os.listdir("/sys/kernel/btf") == ["vmlinux"]
        return
    loaded = Btf.module(module, kernel)
    assert loaded.base is kernel
    assert len(Btf.from_bytes(loaded.raw, kernel)) == len(loaded)


def test_a_module_that_is_not_loaded_has_no_types(kernel):
    for base in (kernel, None):
        with pytest.raises(bpf.LibbpfError, match="no such module is loaded") as caught:
            Btf.module("no_such_module", base)
        assert caught.value.errno == errno.ENOENT


def test_the_kernels_enumerations_are_those_of_its_headers(kernel):
    values = dict(kernel["enum bpf_map_type"].enumerators)
    known = {f"BPF_MAP_TYPE_{member.name}": member.value for member in bpf.MapType}
    assert values["BPF_MAP_TYPE_HASH"] == bpf.MapType.HASH
    assert {name: value for name, value in values.items() if name in known}.items() <= known.items()


@pytest.mark.every_kernel
def test_types_can_be_loaded_and_got_back_by_their_id():
    btf = Btf.new()
    btf.add_struct("mine", 4)
    assert (btf.fd, btf.id) == (None, None)
    assert btf.load() is btf
    assert btf.fd > 2
    again = Btf.from_id(btf.id)
    assert (again.id, again["mine"].size, again.raw) == (btf.id, 4, btf.raw)
    fd = btf.fd
    btf.close()
    again.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_the_kernel_refuses_is_an_error_with_its_reason():
    btf = Btf.new()
    btf.add_struct("not a name", 4)
    with pytest.raises(bpf.LibbpfError, match=r"(?s)cannot load a new BTF into the kernel.*Invalid name"):
        btf.load()


def test_an_id_that_there_is_not_is_an_error():
    with pytest.raises(bpf.LibbpfError, match="cannot get BTF 4294967295 from the kernel") as caught:
        Btf.from_id(0xFFFFFFFF)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.needs("btf_names")
def test_the_kernels_own_types_have_an_id_too(kernel):
    assert len(Btf.from_id(1)) == len(kernel)


# Of objects


def test_an_objects_types_are_found_by_name(opened):
    obj = opened("basic")
    assert obj.types["xdp_md"].kind is BtfKind.STRUCT
    assert obj.types["struct xdp_md"] == obj.types["xdp_md"]
    assert obj.types["__u32"].resolve().name == "unsigned int"
    assert obj.btf is obj.btf
    with pytest.raises(KeyError, match="has no type 'xdp_mdd'; close names: 'xdp_md'"):
        obj.types["xdp_mdd"]


def test_an_objects_functions_and_sections_are_not_among_its_types(opened):
    obj = opened("basic")
    assert "on_raw" in obj.btf
    assert "on_raw" not in obj.types
    assert set(obj.types) == {each for each in obj.types if obj.types[each].name == each}
    assert {"xdp_md", "__u32"} < set(obj.types)


def test_an_object_without_btf_has_no_types():
    data = bpf.compile_object('__attribute__((section("xdp"))) int f(void *x) { return 2; }\n', flags=["-g0"])
    with bpf.Object.open(data) as obj:
        assert obj.btf is None
        assert dict(obj.types) == {}
        with pytest.raises(KeyError, match="it has no types"):
            obj.types["int"]


def test_an_objects_types_are_closed_with_it(opened):
    obj = opened("basic")
    btf, known, unknown = obj.btf, obj.types["xdp_md"], obj.types["bpf_raw_tracepoint_args"]
    members = known.members
    btf.close()
    assert unknown.size == 0
    obj.close()
    assert (known.members, btf.closed) == (members, True)
    for use in (lambda: unknown.members, lambda: obj.btf, lambda: obj.types, btf.dump):
        with pytest.raises(bpf.ClosedError):
            use()


@pytest.mark.parametrize(
    "change",
    [
        lambda btf: btf.add_int("n", 4),
        lambda btf: btf.add_str("x"),
        lambda btf: btf.load(),
        lambda btf: setattr(btf, "endianness", "big"),
        lambda btf: setattr(btf, "pointer_size", 4),
    ],
)
def test_an_objects_types_cannot_be_changed(opened, change):
    with pytest.raises(bpf.StateError):
        change(opened("basic").btf)


def test_what_is_based_on_an_objects_types_is_read_until_the_object_is_closed(opened):
    obj = opened("basic")
    copy = Btf.from_bytes(obj.btf.raw)
    more = Btf.new(copy)
    more.add_ptr(copy["xdp_md"])
    split = Btf.from_bytes(more.raw, obj.btf)
    assert split.base is obj.btf
    assert next(split.own_types()).type.name == "xdp_md"
    # The object has pointers into its types, which libbpf would move.
    for change in (lambda: split.add_ptr(1), lambda: split.find_str("x"), split.dedup):
        with pytest.raises(bpf.StateError, match="the object uses it"):
            change()
    obj.close()
    with pytest.raises(bpf.ClosedError):
        split.dump()


def test_the_types_are_there_after_load(loaded):
    obj = loaded("basic")
    assert obj.types["xdp_md"].c.startswith("typedef") or "struct xdp_md {" in obj.types["xdp_md"].c


def test_a_loaded_program_knows_its_functions_and_lines(loaded):
    obj = loaded("basic")
    program = obj.programs["on_raw"]
    assert [(each.insn_off, each.type.name) for each in program.func_info] == [(0, "on_raw")]
    assert program.func_info[0].type.btf is obj.btf
    first = program.line_info[0]
    assert (first.insn_off, first.line.strip()) == (0, "if (ctx->args[1] == 110)")
    assert first.file_name.endswith("basic.bpf.c")
    assert all(0 <= each.insn_off < program.insn_cnt for each in program.line_info)


def test_a_program_that_is_not_loaded_does_not_know_them(opened):
    with pytest.raises(bpf.StateError, match="read the func_info of program 'on_raw'"):
        opened("basic").programs["on_raw"].func_info


def replaced(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the section .BTF of an object."""
    content = section(data, ".BTF")
    other = change(content)
    assert len(other) == len(content)
    return data.replace(content, other)


def test_an_object_whose_types_make_no_sense_is_not_opened(compiled):
    def smaller(content: bytes) -> bytes:
        good = Btf.from_bytes(content)["xdp_md"]
        at = content.index(struct.pack("=II", 4 << 24 | len(good.members), good.size)) + 4
        return content[:at] + struct.pack("=I", 3) + content[at + 4 :]

    with pytest.raises(bpf.LibbpfError, match=r"section \d+ '.BTF': type \d+ 'xdp_md' of 3 bytes"):
        bpf.Object.open(replaced(compiled("basic").read_bytes(), smaller))


def test_an_integer_of_4_gigabytes_in_an_object_with_settings_is_no_wild_pointer(compiled):
    def larger(content: bytes) -> bytes:
        at = content.index(struct.pack("=II", 1 << 24, 4)) + 4
        return content[:at] + struct.pack("=I", 0xFF000004) + content[at + 4 :]

    with pytest.raises(bpf.LibbpfError, match="is an integer of 4278190084 bytes"):
        bpf.Object.open(replaced(compiled("kernel_settings").read_bytes(), larger))


@pytest.mark.parametrize("size", [None, 0])
def test_a_struct_ops_variable_outside_its_section_is_not_copied(compiled, size):
    def elsewhere(content: bytes) -> bytes:
        btf = Btf.from_bytes(content)
        found = btf["section .struct_ops"].variables[0]
        at = content.index(struct.pack("=III", found.type.id, found.offset, found.size))
        content = content[: at + 4] + struct.pack("=I", 0xFFFFFF80) + content[at + 8 :]
        return content if size is None else content[: at - 4] + struct.pack("=I", size) + content[at:]

    with pytest.raises(bpf.LibbpfError, match=r"'.struct_ops' of \d+ bytes has in it"):
        bpf.Object.open(replaced(compiled("struct_ops").read_bytes(), elsewhere))


# Against C


HEADER = """\
struct inner { char tag; long long wide; } __attribute__((packed));
union either { int number; char text[12]; double real; };
enum colour { RED = 1, DARK = -7 };
enum huge { HUGE = 1LL << 40 };
struct bits { unsigned int a : 3, b : 13; unsigned long long c : 40; int d : 1; };
struct outer {
	char first;
	short second;
	struct inner inner;
	union either either;
	enum colour colour;
	enum huge huge;
	struct { int x, y; } point;
	union { char small; long large; };
	int matrix[3][5];
	void (*handler)(int, ...);
	const volatile char *text;
	_Bool flag;
	__int128 widest;
	struct bits bits;
	struct outer *next;
	int flexible[];
};
"""

FIELDS = [
    "first", "second", "inner", "either", "colour", "huge", "point", "small", "large", "matrix", "handler", "text",
    "flag", "widest", "bits", "next", "flexible",
]  # fmt: skip

TYPES = ["struct inner", "union either", "enum colour", "enum huge", "struct bits", "struct outer"]


@pytest.fixture(scope="module")
def compiled_both(tmp_path_factory):
    """What cc says of the header, and the BTF that clang makes of it."""
    folder = tmp_path_factory.mktemp("layout")
    places = "".join(f'printf("{name} %zu\\n", offsetof(struct outer, {name}));' for name in FIELDS)
    sizes = "".join(f'printf("{name}=%zu %zu\\n", sizeof({name}), _Alignof({name}));' for name in TYPES)
    program = f"#include <stddef.h>\n#include <stdio.h>\n{HEADER}int main(void) {{ {places}{sizes} return 0; }}\n"
    (folder / "facts.c").write_text(program)
    subprocess.run(["cc", "-o", folder / "facts", folder / "facts.c"], check=True)
    facts = subprocess.run([folder / "facts"], capture_output=True, text=True, check=True).stdout.splitlines()
    (folder / "object.o").write_bytes(bpf.compile_object(f"{HEADER}struct outer outer; struct bits b;\n"))
    return facts, Btf.from_file(folder / "object.o")


def test_fields_are_where_c_has_them(compiled_both):
    facts, btf = compiled_both
    expected = dict(line.split() for line in facts if "=" not in line)
    outer = btf["struct outer"]
    places = {member.name: member.offset for member in outer.members}
    unnamed = next(member for member in outer.members if not member.name)
    places |= {member.name: unnamed.offset + member.offset for member in unnamed.type.members}
    assert {name: str(places[name]) for name in FIELDS} == expected


def test_sizes_and_alignments_are_those_of_c(compiled_both):
    facts, btf = compiled_both
    for line in facts:
        if "=" in line:
            name, _, numbers = line.partition("=")
            size, alignment = map(int, numbers.split())
            # libbpf aligns nothing to more than a pointer's size.
            assert (btf[name].size, btf[name].alignment) == (size, min(alignment, btf.pointer_size)), name


def test_bit_fields_are_as_declared(compiled_both):
    _, btf = compiled_both
    assert [(each.name, each.bit_offset, each.bitfield_size) for each in btf["struct bits"].members] == [
        ("a", 0, 3), ("b", 3, 13), ("c", 16, 40), ("d", 56, 1),
    ]  # fmt: skip


def test_what_is_dumped_compiles_to_the_same_layout(compiled_both):
    _, btf = compiled_both
    again = section_of(bpf.compile_object(btf["struct outer"].c + "struct outer outer;\n"))
    old, new = btf["struct outer"], again["struct outer"]
    places = [(each.name, each.bit_offset) for each in old.members]
    assert [(each.name, each.bit_offset) for each in new.members] == places
    assert new.size == old.size


def section_of(data: bytes) -> Btf:
    return Btf.from_bytes(section(data, ".BTF"))
