"""The table of bpf(2)'s commands against the kernel's header, and calls as text."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from libbpf_cffi import _syscall_attrs, _syscall_text, ffi, lib
from libbpf_cffi.enums import BpfCmd, MapFlags, MapType

COMMANDS = [member for name, member in BpfCmd.__members__.items() if name != "PROG_RUN"]

ALIASES = {
    "target_ifindex", "relative_id", "query.target_ifindex", "query.count", "attach_btf_obj_fd",
    "link_create.target_ifindex", "link_create.tcx.relative_id", "link_create.netkit.relative_id",
    "link_create.cgroup.relative_id", "link_update.new_map_fd", "link_update.old_map_fd",
}  # fmt: skip
"""Second names of fields: the same bytes of the same command."""


def leaves(struct_type: Any, prefix: str = "") -> set[str]:
    """The paths of all fields of a C type that are no struct or union themselves."""
    found = set()
    for name, field in struct_type.fields:
        if not name:
            found |= leaves(field.type, prefix)
        elif field.type.kind in ("struct", "union"):
            found |= leaves(field.type, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def link_paths() -> set[str]:
    """The fields of a link of every attach type."""
    attr = ffi.new("union bpf_attr *")
    found = set()
    for attach_type in range(lib.__MAX_BPF_ATTACH_TYPE):
        attr.link_create.attach_type = attach_type
        found |= {path for path, _ in _syscall_attrs.fields_of(lib.BPF_LINK_CREATE, attr[0])}
    return found


def test_every_command_has_its_fields() -> None:
    """The table has each command of the header, and no other."""
    assert set(_syscall_attrs.FIELDS) == {int(command) for command in COMMANDS}


def test_every_field_of_the_union_belongs_to_a_command() -> None:
    """No field of ``union bpf_attr`` is left out but second names, and none is invented."""
    attr = ffi.new("union bpf_attr *")
    known = {path for command in COMMANDS for path, _ in _syscall_attrs.fields_of(int(command), attr[0])} | link_paths()
    assert leaves(ffi.typeof("union bpf_attr")) - known == ALIASES
    assert known <= leaves(ffi.typeof("union bpf_attr"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_fields_are_read_where_they_are(command: BpfCmd) -> None:
    """The end of a field is after its last byte and no earlier: bytes from there on do not change its value."""
    size = ffi.sizeof("union bpf_attr")
    zero = ffi.new("union bpf_attr *")
    for path, kind in _syscall_attrs.fields_of(int(command), zero[0]):
        _, end = _syscall_attrs.value_of(zero[0], path, kind)
        before, after = ffi.new("union bpf_attr *"), ffi.new("union bpf_attr *")
        ffi.buffer(before)[end - 1 : end] = b"\1"
        ffi.memmove(after, b"\0" * end + b"\1" * (size - end), size)
        if kind != "name":
            assert _syscall_attrs.value_of(before[0], path, kind)[0] != 0, path
        assert _syscall_attrs.value_of(after[0], path, kind)[0] in (0, ""), path


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0xBF, "BPF_ALU64|BPF_X|BPF_MOV"),
        (0x6B, "BPF_STX|BPF_H|BPF_MEM"),
        (0x85, "BPF_JMP|BPF_K|BPF_CALL"),
        (0x95, "BPF_JMP|BPF_K|BPF_EXIT"),
        (0x18, "BPF_LD|BPF_DW|BPF_IMM"),
        (0xDB, "BPF_STX|BPF_DW|BPF_ATOMIC"),
        (0x81, "BPF_LDX|BPF_W|BPF_MEMSX"),
        (0x26, "BPF_JMP32|BPF_K|BPF_JGT"),
        (0xD4, "BPF_ALU|BPF_K|BPF_END"),
        (0xF5, "BPF_JMP|BPF_K|0xf0"),
    ],
)
def test_opcodes_have_the_names_of_the_header(code: int, text: str) -> None:
    """Class, size or source, and mode or operation, as linux/bpf_common.h and linux/bpf.h have them."""
    assert _syscall_text._opcode(code) == text


def test_every_opcode_has_a_text() -> None:
    """Also those that no kernel knows."""
    assert all(_syscall_text._opcode(code).startswith("BPF_") for code in range(256))


def test_an_instruction_shows_all_its_fields() -> None:
    """As in a listing of strace: registers by name, the offset signed, a constant in hexadecimal."""
    instruction = ffi.new("struct bpf_insn *")
    instruction.code, instruction.dst_reg, instruction.src_reg, instruction.off, instruction.imm = 0x6B, 10, 1, -24, -16
    assert "".join(_syscall_text._insns(bytes(ffi.buffer(instruction)))).split() == [
        "{", "code=BPF_STX|BPF_H|BPF_MEM,", "dst_reg=BPF_REG_10,", "src_reg=BPF_REG_1,", "off=-24,",
        "imm=0xfffffff0", "},",
    ]  # fmt: skip


def test_flags_without_a_name_are_numbers() -> None:
    """Known bits by name, the rest in one number."""
    flags = MapFlags(lib.BPF_F_MMAPABLE | 1 << 30)
    assert _syscall_text._value(flags, "map_flags") == "BPF_F_MMAPABLE|0x40000000"


def test_a_type_without_a_name_says_its_number() -> None:
    """Of a kernel that is newer than the header."""
    assert _syscall_text._value(MapType(999), "map_type") == "UNKNOWN_999"


def test_text_stays_on_its_line() -> None:
    """Line ends and quotes of a path do not end the line."""
    assert _syscall_text._value('a"\n', "text") == r'"a"\n"'


def test_an_instruction_is_eight_bytes() -> None:
    """What `_insns` walks by."""
    assert struct.calcsize("=BBhI") == ffi.sizeof("struct bpf_insn")
