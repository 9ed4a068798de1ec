"""Instructions of programs: their text is the verifier's, they can be replaced, and the kernel's own can be seen."""

from __future__ import annotations

import re
import sys

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib
from libbpf_cffi.insns import disassemble

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="instructions of a little-endian machine")

STEP = re.compile(r"^(\d+): (\([0-9a-f]{2}\) [^;\t]*?)\s*(?:(?:[;\t]|//).*)?$", re.MULTILINE)
"""An instruction in the verifier's log, behind which newer kernels say what it did to the registers."""

EXIT = "9500000000000000"
RETURN_7 = f"b700000007000000 {EXIT}"


def same(said: str, ours: str) -> bool:
    """Tell whether two texts are the same but for addresses of the kernel, which it hides or replaces."""
    if said.startswith("(18)"):
        return said.split("= ", maxsplit=1)[0] == ours.split("= ", maxsplit=1)[0]
    if said.startswith("(05) goto ") and " if " in ours:
        # Linux 7.3 makes a jump whose way is clear one without a condition: to where it went, or to the next.
        return said in (f"(05) goto {ours.rpartition(' goto ')[2]}", "(05) goto pc+0")
    return said == ours


def compare(log: str, ours: list[str]) -> int:
    """Compare every instruction of a log, and give how many different ones there are."""
    texts = dict(line.split(": ", 1) for line in ours)
    steps = STEP.findall(log)
    for number, said in steps:
        assert same(said, texts[number]), f"{number}: {said!r} is {texts[number]!r}"
    return len({number for number, _ in steps})


# Text

OBJECTS = ["basic", "kinds", "network", "rings", "map_uses", "runs", "tail_calls", "user_ring", "typed_maps", "values"]


@pytest.mark.parametrize("name", OBJECTS)
def test_the_text_of_every_instruction_is_the_verifiers(opened, tracefs, requires, name):
    requires("program:SYSCALL", "map:BLOOM_FILTER", "btf")
    obj = opened(name)
    for program in obj.programs.values():
        program.log_level = 2
    obj.load()
    seen = [compare(each.log, each.disassemble().splitlines()) for each in obj.programs.values() if each.autoload]
    assert min(seen) > 0


SNIPPETS = {
    "alu64": "b702000003000000 bf26000000000000 0f62000000000000 1f62000000000000 2f62000000000000 3f62000000000000 "
    "9f62000000000000 4f62000000000000 5f62000000000000 af62000000000000 8702000000000000 a702000005000000 "
    "6702000003000000 7702000003000000 c702000003000000 3702000003000000 9702000003000000 1702000003000000",
    "alu32": "b402000003000000 bc26000000000000 0c62000000000000 1c62000000000000 2c62000000000000 3c62000000000000 "
    "9c62000000000000 4c62000000000000 5c62000000000000 ac62000000000000 8402000000000000 a402000005000000 "
    "6402000003000000 7402000003000000 c402000003000000 3402000003000000 9402000003000000 1402000003000000",
    "endian": "b702000003000000 dc02000010000000 dc02000020000000 dc02000040000000 d402000010000000 d402000020000000",
    "memory": "7a0af8ff03000000 620af8ff03000000 6a0af8ff03000000 720af8ff03000000 b701000003000000 7b1af8ff00000000 "
    "631af8ff00000000 6b1af8ff00000000 731af8ff00000000 79a2f8ff00000000 61a2f8ff00000000 69a2f8ff00000000 "
    "71a2f8ff00000000",
    "skb": "bf16000000000000 b707000001000000 2000000006000000 2800000006000000 3000000006000000 5070000006000000",
    "add": "7a0af8ff03000000 b701000003000000 db1af8ff00000000 c31af8ff00000000",
    # On a number that the verifier does not know: that of Linux 7.3 folds jumps whose way is clear.
    "jumps": "8500000007000000 bf02000000000000 bf03000000000000 1502000003000000 "
    "1d32000000000000 2502000003000000 2d32000000000000 "
    "3502000003000000 a502000003000000 b502000003000000 4502000003000000 5502000003000000 6502000003000000 "
    "7502000003000000 c502000003000000 d502000003000000 1602000003000000 1e32000000000000 0500000000000000",
    "wide": "1801000078563412 00000000f0debc9a",
    "helper": "8500000007000000 8500000005000000",
}

NEWER = {
    "atomics": "7a0af8ff03000000 b701000003000000 db1af8ff00000000 db1af8ff40000000 db1af8ff50000000 db1af8ffa0000000",
    "isa_v4": "b702000003000000 bf26080000000000 bf26100000000000 bf26200000000000 bc26080000000000 bc26100000000000 "
    "d706000010000000 d706000020000000 d706000040000000 3f62010000000000 9f62010000000000 3c62010000000000 "
    "3702010003000000 9702010003000000 0600000000000000 7a0af8ff03000000 91a2f8ff00000000 89a2f8ff00000000 "
    "81a2f8ff00000000",
    "load_acquire": "7a0af8ff03000000 dba1f8ff00010000 db1af8ff10010000 c3a1f8ff00010000 d31af8ff10010000",
    "may_goto": "e500000000000000",
}

FETCHING = (
    "7a0af8ff03000000 b701000003000000 b700000003000000 db1af8ff01000000 db1af8ff41000000 db1af8ff51000000 "
    "db1af8ffa1000000 db1af8ffe1000000 db1af8fff1000000 b701000003000000 c31af8ff01000000 c31af8ffe1000000 "
    "c31af8fff1000000"
)


@pytest.mark.parametrize(
    "code",
    [
        *(pytest.param(code, id=name) for name, code in SNIPPETS.items()),
        *(pytest.param(code, id=name, marks=pytest.mark.needs(name)) for name, code in NEWER.items()),
        pytest.param(FETCHING, id="fetching", marks=pytest.mark.needs("program:SYSCALL")),
    ],
)
def test_the_text_of_instructions_of_each_class_is_the_verifiers(root, code):
    insns = bytes.fromhex(f"{code} {RETURN_7}")
    # Where no packet is left, the verifier does not go on: each instruction is before that.
    with bpf.KernelProgram.load("socket_filter", insns, log_level=2) as program:
        ours = disassemble(insns)
        assert compare(program.log, ours) == len(ours)


def test_a_function_of_the_kernel_is_named(opened, requires):
    requires("map:ARENA")
    obj = opened("arena_page")
    program = obj.programs["make"]
    program.log_level = 2
    obj.load()
    assert "call bpf_arena_alloc_pages#" in program.disassemble()
    assert compare(program.log, program.disassemble().splitlines()) > 5


def test_a_text_without_opcodes(opened):
    text = opened("network").programs["pass"].disassemble(opcodes=False)
    assert text.splitlines() == ["0: w0 = 2", "1: exit"] or text.splitlines() == ["0: r0 = 2", "1: exit"]


# Replaced


@pytest.fixture
def prepared(opened):
    obj = opened("network")
    obj.prepare()
    return obj


RETURN_1 = [bpf.Insn(lib.BPF_ALU64 | lib.BPF_MOV, imm=1), bpf.Insn(lib.BPF_JMP | lib.BPF_EXIT)]


def test_instructions_are_replaced_before_load(opened):
    obj = opened("network")
    program = obj.programs["pass"]
    program.insns = RETURN_1
    assert program.insns == b"".join(map(bytes, RETURN_1))
    obj.load()
    assert program.test_run(bytes(64)).retval == 1


def test_instructions_are_replaced_by_fewer_between_prepare_and_load(prepared):
    program = prepared.programs["first"]
    assert program.insn_cnt > 2
    program.insns = RETURN_1
    assert program.insn_cnt == 2
    prepared.load()
    assert program.info.xlated_prog_len == 16
    assert program.test_run(bytes(64)).retval == 1


def test_instructions_are_replaced_by_more_between_prepare_and_load(prepared):
    program = prepared.programs["pass"]
    program.insns = [*[bpf.Insn(lib.BPF_ALU64 | lib.BPF_MOV, imm=3)] * 50, *RETURN_1]
    prepared.load()
    assert program.insn_cnt == 52
    assert program.test_run(bytes(64)).retval == 1


def test_one_instruction_of_many_is_replaced(prepared):
    program = prepared.programs["first"]
    code = bytearray(program.insns)
    # r0 = 1 in the last place but one.
    assert program.disassemble().splitlines()[-2].endswith("w0 = 1")
    code[-12:-8] = (0).to_bytes(4, "little")
    program.insns = code
    prepared.load()
    assert program.test_run(bytes(64)).retval == 0
    assert prepared.variables["first_hits"] == 1


def test_fewer_before_prepare_are_refused(opened):
    # libbpf would write the addresses of maps behind the end.
    program = opened("network").programs["first"]
    before = program.insns
    with pytest.raises(ValueError, match="not be fewer"):
        program.insns = RETURN_1
    assert program.insns == before


def test_more_before_prepare_are_taken(opened):
    obj = opened("network")
    program = obj.programs["first"]
    program.insns = program.insns + bytes(bpf.Insn(lib.BPF_JMP | lib.BPF_EXIT)) * 3
    with pytest.raises(bpf.VerifierError, match="unreachable"):
        obj.load()


@pytest.mark.parametrize("wrong", [b"", b"1234567", [], "text", 5, [bpf.Insn(0x18)]])
def test_instructions_that_are_none_are_refused(prepared, wrong):
    program = prepared.programs["first"]
    before = program.insns
    with pytest.raises((TypeError, ValueError)):
        program.insns = wrong
    assert program.insns == before


def test_instructions_of_a_loaded_program_are_not_replaced(loaded):
    with pytest.raises(bpf.StateError):
        loaded("network").programs["pass"].insns = RETURN_1


def test_what_the_verifier_refuses_of_the_new_ones_is_its_error(prepared):
    prepared.programs["pass"].insns = [bpf.Insn(lib.BPF_JMP | lib.BPF_EXIT)]
    with pytest.raises(bpf.VerifierError, match="pass"):
        prepared.load()


# As the kernel has them


@pytest.fixture
def add(loaded):
    return loaded("runs").programs["add"]


@pytest.mark.every_kernel
def test_translated_instructions_have_their_functions_and_lines(add):
    made = add.xlated()
    assert [each.type.name for each in made.functions] == ["add", "twice", "thrice"]
    assert made.insns[0].is_wide is False
    assert any("twice(sum->a)" in line.line for line in made.lines)
    assert len(made.insns) * 8 == add.info.xlated_prog_len


def test_translated_instructions_as_text_name_functions_maps_and_lines(add):
    text = str(add.xlated())
    assert text.startswith("add:\n; ")
    assert re.search(r"call pc\+\d+#twice", text)
    assert f"map[id:{add.info.map_ids[0]}][0]+0" in text
    assert re.search(r"^; return twice\(sum->a\) - thrice\(sum->b\); @ runs\.bpf\.c:\d+$", text, re.MULTILINE)
    assert "; " not in add.xlated().text(lines=False, opcodes=False)
    assert "(95)" not in add.xlated().text(opcodes=False)


@pytest.mark.every_kernel
def test_translated_instructions_of_a_helper_name_it(loaded):
    assert "call bpf_xdp_adjust_head#" in str(loaded("runs").programs["grow"].xlated())


@pytest.mark.every_kernel
def test_machine_code_has_its_functions_and_lines(add):
    functions = add.jited()
    assert [each.name for each in functions] == ["add", "twice", "thrice"]
    assert sum(len(each.code) for each in functions) == add.info.jited_prog_len
    assert len({each.address for each in functions}) == len({each.code for each in functions}) == 3
    for each in functions:
        assert each.lines[0][0] >= 0
        assert all(0 <= at < len(each.code) for at, _ in each.lines)
    assert "return number * 2" in functions[1].lines[1][1].line
    assert str(functions[0]).startswith("add:\n")


def test_what_the_kernel_has_is_the_same_for_whoever_opens_it(add):
    with bpf.Program.from_id(add.id) as opened:
        assert str(opened.xlated()) == str(add.xlated())
        assert [each.code for each in opened.jited()] == [each.code for each in add.jited()]


def test_a_program_without_types_has_instructions_and_one_function(root):
    with bpf.KernelProgram.load("socket_filter", bytes.fromhex(RETURN_7), name="seven") as program:
        made = program.xlated()
        assert (made.functions, made.lines) == ((), ())
        assert made.text() == "   0: (b7) r0 = 7\n   1: (95) exit"
        assert [each.name for each in program.jited()] == ["seven"]


def test_what_is_not_loaded_has_nothing_in_the_kernel(opened):
    with pytest.raises(bpf.StateError):
        opened("runs").programs["add"].xlated()


def test_the_kernel_shows_nothing_to_whom_it_may_not(add, python):
    said = python(
        """
import ctypes, sys
import libbpf_cffi as bpf
with bpf.Program.from_id(int(sys.argv[1])) as program:
    # No capability is left, but the descriptor.
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
    print(program.jited(), program.xlated().functions)
""",
        add.id,
    )
    assert said.split() == ["()", "()"]
