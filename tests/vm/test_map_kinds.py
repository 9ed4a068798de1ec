"""Maps of newer kernels, by their classes: instructions, values of one CPU, maps for one program alone."""

from __future__ import annotations

import hashlib
import os
import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

MAP_VALUE = 2
"""BPF_PSEUDO_MAP_VALUE: the instruction loads the address of a map's value."""

LOAD_64 = 0x18
"""BPF_LD | BPF_IMM | BPF_DW: the instruction that takes two places."""

CALLS = 3


# Instructions


def instruction(code: int, registers: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    """One struct bpf_insn; the registers are the destination, and the source from bit 4 on."""
    return struct.pack("<BBhi", code, registers, offset, immediate)


def load(targets: bpf.Map) -> None:
    """Load a program that jumps to the second instruction of the map, and unload it."""
    code = b"".join((
        instruction(LOAD_64, 1 | MAP_VALUE << 4, immediate=targets.fd), instruction(0, immediate=8),  # r1 = &map[1]
        instruction(0x79, 1 | 1 << 4),                                                                # r1 = *(u64 *)r1
        instruction(0x0D, 1),                                                                         # gotox r1
        instruction(0xB7, 0, immediate=1), instruction(0x95),                                         # return 1
        instruction(0xB7, 0, immediate=2), instruction(0x95),                                         # return 2
    ))  # fmt: skip
    memory = ffi.cast("struct bpf_insn *", ffi.from_buffer(code))
    fd = lib.bpf_prog_load(lib.BPF_PROG_TYPE_XDP, b"jump", b"GPL", memory, len(code) // 8, ffi.NULL)
    assert fd >= 0
    os.close(fd)


@pytest.mark.needs("map:INSN_ARRAY")
def test_an_array_of_instructions_is_a_sequence(create):
    targets = create("insn_array", max_entries=2)
    assert type(targets) is bpf.InsnArray
    targets[0] = 4
    targets[1] = 6
    assert [place.orig_off for place in targets] == [4, 6]
    assert len(targets) == 2


@pytest.mark.needs("map:INSN_ARRAY")
def test_an_array_of_instructions_is_of_the_same_class_when_it_is_opened_again(create):
    with bpf.Map.from_id(create("insn_array", max_entries=2).id) as again:
        assert type(again) is bpf.InsnArray


@pytest.mark.needs("map:INSN_ARRAY")
def test_a_load_tells_where_an_instruction_has_gone(create):
    targets = create("insn_array", max_entries=2)
    targets[0], targets[1] = 4, 6
    targets.freeze()
    load(targets)
    assert targets[0] == (4, None, None)
    assert targets[1].orig_off == 6
    assert 0 < targets[1].xlated_off <= 6
    assert targets[1].jitted_off > 0


@pytest.mark.needs("map:INSN_ARRAY")
def test_what_is_frozen_cannot_be_written(create):
    targets = create("insn_array", max_entries=2)
    targets.freeze()
    with pytest.raises(bpf.LibbpfPermissionError, match="the map is frozen"):
        targets[0] = 1


# One CPU's value


PERCPU = pytest.mark.parametrize(("kind", "keywords"), [("percpu_array", {}), ("percpu_hash", {"key": "u32"})])


@pytest.mark.needs("percpu_flags")
@PERCPU
def test_a_value_is_written_for_all_cpus_and_read_of_one(create, kind, keywords):
    made = create(kind, value="u64", max_entries=1, **keywords)
    made.update_elem(0, 7, all_cpus=True)
    made.update_elem(0, 9, cpu=1)
    assert made.lookup_elem(0, cpu=0) == 7
    assert made.lookup_elem(0, cpu=1) == 9
    assert made[0] == (7, 9, *[7] * (lib.libbpf_num_possible_cpus() - 2))


@pytest.mark.needs("percpu_flags")
@PERCPU
def test_a_value_of_a_few_bytes_is_written_and_read_of_one_cpu(create, kind, keywords):
    made = create(kind, value={"a": "u16", "b": "u8"}, max_entries=1, **keywords)
    made.update_elem(0, (0, 0), all_cpus=True)
    made.update_elem(0, (500, 5), cpu=1)
    assert made.lookup_elem(0, cpu=1) == (500, 5)


@pytest.mark.needs("percpu_flags")
def test_a_missing_key_has_no_value_of_one_cpu(create):
    assert create("percpu_hash", key="u32", value="u64", max_entries=1).lookup_elem(0, cpu=1) is None


@pytest.mark.needs("percpu_flags")
@PERCPU
def test_what_a_program_counts_is_read_of_its_cpu(loaded, kind, keywords):
    made = loaded("percpu").maps["in_array" if kind == "percpu_array" else "in_hash"]
    made.update_elem(0, 0, all_cpus=True)
    allowed = os.sched_getaffinity(0)
    last = max(allowed)
    os.sched_setaffinity(0, {last})
    try:
        with made._owner.programs["on_getppid"].attach():
            before = made.lookup_elem(0, cpu=last)
            for _ in range(CALLS):
                os.getppid()
            assert made.lookup_elem(0, cpu=last) - before == CALLS
    finally:
        os.sched_setaffinity(0, allowed)


# Maps for one program alone


def hash_of(program: bpf.Program) -> bytes:
    """What the kernel knows a loaded program by: its instructions, without the descriptors of maps."""
    code = bytearray(program.insns)
    at = 0
    while at < len(code):
        if code[at] == LOAD_64:
            if code[at + 1] >> 4:
                code[at + 4 : at + 8] = code[at + 12 : at + 16] = bytes(4)
            at += 8
        at += 8
    return hashlib.sha256(code).digest()


@pytest.mark.needs("exclusive_map")
def test_the_program_that_an_object_says_uses_the_map(opened, tracefs):
    obj = opened("exclusive")
    obj.maps["secret"].exclusive_program = obj.programs["owner"]
    assert obj.maps["secret"].exclusive_program.name == "owner"
    obj.load()
    obj.attach()
    for _ in range(CALLS):
        os.getppid()
    assert obj.maps["secret"][0] >= CALLS


@pytest.mark.needs("exclusive_map")
def test_another_program_does_not_use_the_map_of_an_object(opened):
    obj = opened("exclusive")
    obj.maps["secret"].exclusive_program = obj.programs["owner"]
    obj.programs["other"].autoload = True
    with pytest.raises(bpf.LibbpfError):
        obj.load()


@pytest.fixture
def hashed(loaded):
    """Give the hash of the owner."""
    return hash_of(loaded("exclusive").programs["owner"])


@pytest.mark.needs("exclusive_map")
def test_the_program_of_a_hash_uses_a_map_that_is_created_for_it(hashed, create, opened, tracefs):
    secret = create("array", value="u64", max_entries=1, excl_prog_hash=hashed)
    obj = opened("exclusive")
    obj.maps["secret"].reuse(secret)
    obj.load()
    obj.attach()
    for _ in range(CALLS):
        os.getppid()
    assert secret[0] >= CALLS


@pytest.mark.needs("exclusive_map")
def test_another_program_does_not_use_a_map_that_is_created_for_one(hashed, create, opened):
    secret = create("array", value="u64", max_entries=1, excl_prog_hash=hashed)
    obj = opened("exclusive")
    obj.maps["secret"].reuse(secret)
    obj.programs["owner"].autoload = False
    obj.programs["other"].autoload = True
    with pytest.raises(bpf.LibbpfError):
        obj.load()


@pytest.mark.needs("exclusive_map")
def test_a_hash_of_another_length_is_refused(create):
    with pytest.raises(bpf.LibbpfError, match="the kernel refuses this definition"):
        create("array", value="u64", max_entries=1, excl_prog_hash=b"short")
