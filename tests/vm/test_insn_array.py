"""Maps of instructions, of Linux 6.19: a program jumps where its map says."""

from __future__ import annotations

import os
import struct

import pytest

from libbpf_cffi import ffi, lib

pytestmark = pytest.mark.needs("map:INSN_ARRAY")

MAP_VALUE = 2
"""BPF_PSEUDO_MAP_VALUE: the instruction loads the address of a map's value."""

GONE = 0xFFFFFFFF
"""Where an instruction is that the verifier has left out, because nothing leads to it."""

TARGETS = (4, 6)
"""The instructions of `program()` that a jump may lead to."""


def instruction(code: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One struct bpf_insn; the registers are the destination, and the source from bit 4 on."""
    return struct.pack("<BBhi", code, registers, offset, immediate)


def program(fd: int, entry: int) -> bytes:
    """Jump to the instruction of an entry of the map; return 1 from the first, 2 from the second."""
    return b"".join((
        instruction(0x18, 1 | MAP_VALUE << 4, immediate=fd), instruction(0, immediate=entry * 8),  # r1 = &map[entry]
        instruction(0x79, 1 | 1 << 4),                                                             # r1 = *(u64 *)r1
        instruction(0x0D, 1),                                                                      # gotox r1
        instruction(0xB7, 0, immediate=1), instruction(0x95),                                      # return 1
        instruction(0xB7, 0, immediate=2), instruction(0x95),                                      # return 2
    ))  # fmt: skip


@pytest.fixture
def targets(root):
    """Make a map of the two targets, frozen as the kernel wants it, and give its descriptor."""
    fd = lib.bpf_map_create(lib.BPF_MAP_TYPE_INSN_ARRAY, b"targets", 4, 16, len(TARGETS), ffi.NULL)
    assert fd >= 0
    for entry, target in enumerate(TARGETS):
        value = ffi.new("char[16]", struct.pack("<IIII", target, 0, 0, 0))
        assert lib.bpf_map_update_elem(fd, ffi.new("__u32 *", entry), value, 0) == 0
    assert lib.bpf_map_freeze(fd) == 0
    yield fd
    os.close(fd)


def load(fd: int, entry: int) -> int:
    """Load the program, for packets, and return its descriptor."""
    code = program(fd, entry)
    log = ffi.new("char[]", 65536)
    options = ffi.new("struct bpf_prog_load_opts *")
    options.sz = ffi.sizeof("struct bpf_prog_load_opts")
    options.log_level, options.log_buf, options.log_size = 1, log, len(log)
    loaded = lib.bpf_prog_load(
        lib.BPF_PROG_TYPE_XDP,
        b"jump",
        b"GPL",
        ffi.cast("struct bpf_insn *", ffi.from_buffer(code)),
        len(code) // 8,
        options,
    )
    assert loaded >= 0, ffi.string(log).decode()
    return int(loaded)


@pytest.mark.parametrize("entry", [0, 1])
def test_a_program_jumps_where_its_map_says(targets, entry):
    fd = load(targets, entry)
    packet = ffi.new("char[64]")
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof("struct bpf_test_run_opts")
    options.data_in, options.data_size_in = packet, len(packet)
    assert lib.bpf_prog_test_run_opts(fd, options) == 0
    os.close(fd)
    assert options.retval == entry + 1


def places(fd: int, entry: int) -> tuple[int, int, int]:
    """Look up an entry: the instruction as it was, in the kernel's program, and in the machine code."""
    value = ffi.new("char[16]")
    assert lib.bpf_map_lookup_elem(fd, ffi.new("__u32 *", entry), value) == 0
    original, translated, compiled, _ = struct.unpack("<IIII", ffi.buffer(value))
    return original, translated, compiled


def test_loading_a_program_tells_where_an_instruction_has_gone(targets):
    os.close(load(targets, 0))
    original, translated, compiled = places(targets, 0)
    assert original == TARGETS[0]
    assert 0 < translated <= TARGETS[0]
    assert compiled > 0


def test_loading_a_program_tells_that_an_instruction_is_gone(targets):
    os.close(load(targets, 0))
    original, translated, _ = places(targets, 1)
    assert (original, translated) == (TARGETS[1], GONE)
