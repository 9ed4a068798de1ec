"""Instructions as records, bytes and text; that the text is the kernel's is tests/kernel/test_program_code.py's."""

from __future__ import annotations

import pickle
import sys

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib
from libbpf_cffi.insns import as_bytes, decode, disassemble

LITTLE = pytest.mark.skipif(sys.byteorder != "little", reason="bytes of a little-endian machine")

TEXTS = [
    ("b700000002000000", "r0 = 2"),
    ("b4010000ffffffff", "w1 = -1"),
    ("bf16000000000000", "r6 = r1"),
    ("bc16000000000000", "w6 = w1"),
    ("bf11080000000000", "r1 = (s8)r1"),
    ("bf21100000000000", "r1 = (s16)r2"),
    ("bf21200000000000", "r1 = (s32)r2"),
    ("bc21080000000000", "w1 = (s8)w2"),
    ("0701000008000000", "r1 += 8"),
    ("1f21000000000000", "r1 -= r2"),
    ("2401000003000000", "w1 *= 3"),
    ("3f21000000000000", "r1 /= r2"),
    ("3f21010000000000", "r1 s/= r2"),
    ("3701010005000000", "r1 s/= 5"),
    ("4f21000000000000", "r1 |= r2"),
    ("57010000ff000000", "r1 &= 255"),
    ("6701000020000000", "r1 <<= 32"),
    ("7701000020000000", "r1 >>= 32"),
    ("c701000020000000", "r1 s>>= 32"),
    ("9701000005000000", "r1 %= 5"),
    ("9701010005000000", "r1 s%= 5"),
    ("a7010000ffffffff", "r1 ^= -1"),
    ("8701000000000000", "r1 = -r1"),
    ("8401000000000000", "w1 = -w1"),
    ("dc01000010000000", "r1 = be16 r1"),
    ("d401000020000000", "r1 = le32 r1"),
    ("d701000040000000", "r1 = bswap64 r1"),
    ("bf12010001000000", "r2 = addr_space_cast(r1, 0, 1)"),
    ("bf12010000000100", "r2 = addr_space_cast(r1, 1, 0)"),
    ("bf12ffff00000000", "r2 = &(void __percpu *)(r1)"),
    ("79a1f8ff00000000", "r1 = *(u64 *)(r10 -8)"),
    ("6112040000000000", "r2 = *(u32 *)(r1 +4)"),
    ("6912040000000000", "r2 = *(u16 *)(r1 +4)"),
    ("7112000000000000", "r2 = *(u8 *)(r1 +0)"),
    ("8112040000000000", "r2 = *(s32 *)(r1 +4)"),
    ("8912040000000000", "r2 = *(s16 *)(r1 +4)"),
    ("9112040000000000", "r2 = *(s8 *)(r1 +4)"),
    ("7b1af8ff00000000", "*(u64 *)(r10 -8) = r1"),
    ("631afcff00000000", "*(u32 *)(r10 -4) = r1"),
    ("720affff07000000", "*(u8 *)(r10 -1) = 7"),
    ("6a0afeff07000000", "*(u16 *)(r10 -2) = 7"),
    ("7a0af8fff6ffffff", "*(u64 *)(r10 -8) = -10"),
    ("c200000000000000", "nospec"),
    ("2000000006000000", "r0 = *(u32 *)skb[6]"),
    ("2800000006000000", "r0 = *(u16 *)skb[6]"),
    ("3020000006000000", "r0 = *(u8 *)skb[6]"),
    ("5010000006000000", "r0 = *(u8 *)skb[r1 + 6]"),
    ("db1af8ff00000000", "lock *(u64 *)(r10 -8) += r1"),
    ("c31afcff40000000", "lock *(u32 *)(r10 -4) |= r1"),
    ("db1af8ff50000000", "lock *(u64 *)(r10 -8) &= r1"),
    ("db1af8ffa0000000", "lock *(u64 *)(r10 -8) ^= r1"),
    ("db1af8ff01000000", "r1 = atomic64_fetch_add((u64 *)(r10 -8), r1)"),
    ("c31afcff41000000", "r1 = atomic_fetch_or((u32 *)(r10 -4), r1)"),
    ("db1af8ff51000000", "r1 = atomic64_fetch_and((u64 *)(r10 -8), r1)"),
    ("db1af8ffa1000000", "r1 = atomic64_fetch_xor((u64 *)(r10 -8), r1)"),
    ("db1af8ffe1000000", "r1 = atomic64_xchg((u64 *)(r10 -8), r1)"),
    ("c31afcfff1000000", "r0 = atomic_cmpxchg((u32 *)(r10 -4), r0, r1)"),
    ("dba1f8ff00010000", "r1 = load_acquire((u64 *)(r10 -8))"),
    ("c31afcff10010000", "store_release((u32 *)(r10 -4), r1)"),
    ("0500030000000000", "goto pc+3"),
    ("0500fdff00000000", "goto pc-3"),
    ("0600000003000000", "gotol pc+3"),
    ("06000000fdffffff", "gotol pc-3"),
    ("0d01000000000000", "gotox r1"),
    ("e500030000000000", "may_goto pc+3"),
    ("1501030005000000", "if r1 == 0x5 goto pc+3"),
    ("55010300ffffffff", "if r1 != 0xffffffff goto pc+3"),
    ("2d21030000000000", "if r1 > r2 goto pc+3"),
    ("3d21030000000000", "if r1 >= r2 goto pc+3"),
    ("ad21030000000000", "if r1 < r2 goto pc+3"),
    ("bd21030000000000", "if r1 <= r2 goto pc+3"),
    ("4d21030000000000", "if r1 & r2 goto pc+3"),
    ("6d21030000000000", "if r1 s> r2 goto pc+3"),
    ("7d21030000000000", "if r1 s>= r2 goto pc+3"),
    ("cd21030000000000", "if r1 s< r2 goto pc+3"),
    ("dd21030000000000", "if r1 s<= r2 goto pc+3"),
    ("1601feff05000000", "if w1 == 0x5 goto pc-2"),
    ("8500000001000000", "call bpf_map_lookup_elem#1"),
    ("850000000f270000", "call unknown#9999"),
    ("851000000a000000", "call pc+10"),
    ("85100000f6ffffff", "call pc-10"),
    ("852000000a000000", "call kernel-function#10"),
    ("8d01000000000000", "callx r1"),
    ("9500000000000000", "exit"),
]


@pytest.mark.parametrize(("code", "text"), TEXTS)
@LITTLE
def test_an_instruction_as_text(code, text):
    (insn,) = decode(bytes.fromhex(code))
    assert str(insn) == text
    assert disassemble(bytes.fromhex(code)) == [f"0: ({code[:2]}) {text}"]


@pytest.mark.parametrize(("code", "_"), TEXTS)
@LITTLE
def test_an_instruction_as_bytes_is_what_it_was(code, _):
    (insn,) = decode(bytes.fromhex(code))
    assert bytes(insn).hex() == code


@LITTLE
def test_a_load_of_64_bits_is_two_places_and_one_text():
    data = bytes.fromhex("1801000078563412 00000000f0debc9a") + bytes.fromhex("9500000000000000")
    assert [insn.is_wide for insn in decode(data)] == [True, False, False]
    assert disassemble(data) == ["0: (18) r1 = 0x9abcdef012345678", "2: (95) exit"]


@LITTLE
def test_the_fields_of_an_instruction():
    (insn,) = decode(bytes.fromhex("7b1af8ff04030201"))
    assert insn == bpf.Insn(code=0x7B, dst_reg=10, src_reg=1, off=-8, imm=0x01020304)


def test_an_instruction_is_built_of_names():
    move = bpf.Insn(lib.BPF_ALU64 | lib.BPF_MOV | lib.BPF_K, dst_reg=3, imm=-7)
    assert str(move) == "r3 = -7"
    assert decode(bytes(move)) == (move,)


@pytest.mark.parametrize("code", range(256))
def test_every_code_has_a_text(code):
    for imm in (0, 1, 0x10, 0xF1, 0x100, 0x110, -1):
        for off in (0, 1, 8, 7, -1):
            for src_reg in (0, 1, 2, 3):
                assert str(bpf.Insn(code, 15, src_reg, off, imm))


def test_what_is_no_instruction_is_called_a_bug():
    assert str(bpf.Insn(0x63 | 0x80)) == "BUG_e3"
    assert str(bpf.Insn(0xDB, imm=0x7777)) == "BUG_db"


def test_names_take_the_place_of_numbers():
    wide = [bpf.Insn(0x18, 1, 1, 0, 12), bpf.Insn(0)]
    code = [*wide, bpf.Insn(0x85, src_reg=1, imm=5), bpf.Insn(0x85, src_reg=2, imm=7), bpf.Insn(0x95)]
    names = {0: "map[id:12]", 2: "+5#sub", 3: "bpf_kfunc"}
    assert disassemble(code, opcodes=False, names=names) == [
        "0: r1 = map[id:12]", "2: call pc+5#sub", "3: call bpf_kfunc#7", "4: exit",
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, 7, 9])
def test_instructions_have_8_bytes_each(size):
    with pytest.raises(ValueError, match="8 bytes"):
        as_bytes(bytes(size))


@pytest.mark.parametrize(
    "code", [[bpf.Insn(0x18)], [bpf.Insn(0x18), bpf.Insn(0x95)], [bpf.Insn(0x18), bpf.Insn(0), bpf.Insn(0x18)]]
)
def test_half_a_load_of_64_bits_is_refused(code):
    with pytest.raises(ValueError, match="second half"):
        as_bytes(code)


def test_the_program_of_a_malformed_object_may_have_half_a_load_of_64_bits():
    source = '__attribute__((section("socket"), used)) int f(void *context) { return 4321; }\n'
    good = bytes(bpf.Insn(0xB4, imm=4321))
    data = bpf.compile_object(source).replace(good, b"\x18" + good[1:])
    with bpf.Object.open(data) as obj:
        assert obj.programs["f"].disassemble() == "0: (18) r0 = 0x10e1"


@pytest.mark.parametrize("wrong", ["text", [1], [(1, 2)], 5, [b"12345678"], None])
def test_what_is_no_instruction_is_a_type_error(wrong):
    with pytest.raises(TypeError):
        as_bytes(wrong)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("code", 256, ValueError),
        ("dst_reg", 16, ValueError),
        ("src_reg", -1, ValueError),
        ("off", 1 << 15, ValueError),
        ("imm", 1 << 31, ValueError),
        ("imm", 1.5, TypeError),
    ],
)
def test_a_field_that_does_not_fit_is_an_error_with_its_name(field, value, error):
    with pytest.raises(error, match=field):
        as_bytes([bpf.Insn(0)._replace(**{field: value})])


def test_an_instruction_can_be_pickled():
    insn = bpf.Insn(0x95)
    assert pickle.loads(pickle.dumps(insn)) == insn
