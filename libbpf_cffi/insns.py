"""BPF instructions: as records, and as the text that the kernel and bpftool write them in.

The encoding is that of RFC 9669 and of the kernel's Documentation/bpf/standardization/instruction-set.rst. The text is
that of the verifier's log, by which this is tested.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ._arguments import buffer, items, signed, unsigned
from ._ffi import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

__all__ = ["Insn", "as_bytes", "decode", "disassemble"]

_LAYOUT = Struct("=BBhi")
_LITTLE = Struct("=H").pack(1)[0] == 1

WIDE = lib.BPF_LD | lib.BPF_IMM | lib.BPF_DW
"""The code of the only instruction that takes two places; the second one has the code 0."""


class Insn(NamedTuple):
    """One instruction: ``struct bpf_insn``. ``bytes(insn)`` are its 8 bytes, ``str(insn)`` is its text.

    A load of 64 bits takes two, of which the second has only an `imm`, the upper half.
    """

    code: int
    dst_reg: int = 0
    src_reg: int = 0
    off: int = 0
    imm: int = 0

    def __bytes__(self) -> bytes:
        self._check()
        registers = self.dst_reg | self.src_reg << 4 if _LITTLE else self.dst_reg << 4 | self.src_reg
        return _LAYOUT.pack(self.code, registers, self.off, self.imm)

    def __str__(self) -> str:
        self._check()
        return text(self)

    def _check(self) -> None:
        """Refuse what has no place in the 8 bytes of an instruction."""
        unsigned(self.code, 8, "code of an instruction")
        unsigned(self.dst_reg, 4, "dst_reg of an instruction")
        unsigned(self.src_reg, 4, "src_reg of an instruction")
        signed(self.off, 16, "off of an instruction")
        signed(self.imm, 32, "imm of an instruction")

    @property
    def is_wide(self) -> bool:
        """Whether it is the first half of a load of 64 bits."""
        return self.code == WIDE


def decode(data: bytes | bytearray | memoryview) -> tuple[Insn, ...]:
    """Give the instructions that bytes are; `ValueError` unless there are 8 bytes for each."""
    code_bytes = buffer(data, "instructions")
    if len(code_bytes) % _LAYOUT.size:
        raise ValueError(f"instructions have {_LAYOUT.size} bytes each: {len(code_bytes)} bytes will not do")
    found = []
    for code, registers, off, imm in _LAYOUT.iter_unpack(code_bytes):
        low, high = registers & 15, registers >> 4
        found.append(Insn(code, low, high, off, imm) if _LITTLE else Insn(code, high, low, off, imm))
    return tuple(found)


def as_bytes(insns: Any, what: str = "instructions") -> bytes:
    """Give instructions as bytes, and see to it that there is one, and that none is only half there."""
    if isinstance(insns, str) or not (hasattr(insns, "__iter__") or hasattr(insns, "__buffer__")):
        raise TypeError(f"{what} must be bytes or Insn records, not {type(insns).__name__}")
    try:
        data = bytes(memoryview(insns))
    except TypeError:
        data = b"".join(map(_packed, insns))
    if not data or len(data) % _LAYOUT.size:
        raise ValueError(f"{what} have {_LAYOUT.size} bytes each, and there is at least one: {len(data)} will not do")
    halves = 0
    for at in range(0, len(data), _LAYOUT.size):
        if halves:
            halves = 0
            if data[at]:
                break
        elif data[at] == WIDE:
            halves = 1
    else:
        if not halves:
            return data
    raise ValueError(f"{what}: a load of 64 bits lacks its second half")


def _packed(insn: Any) -> bytes:
    if not isinstance(insn, tuple) or len(insn) != 5:
        raise TypeError(f"an instruction must be an Insn, not {type(insn).__name__}")
    return bytes(Insn(*insn))


# As text

_ALU = {
    lib.BPF_ADD: "+=",
    lib.BPF_SUB: "-=",
    lib.BPF_MUL: "*=",
    lib.BPF_DIV: "/=",
    lib.BPF_OR: "|=",
    lib.BPF_AND: "&=",
    lib.BPF_LSH: "<<=",
    lib.BPF_RSH: ">>=",
    lib.BPF_MOD: "%=",
    lib.BPF_XOR: "^=",
    lib.BPF_MOV: "=",
    lib.BPF_ARSH: "s>>=",
}
_SIGNED = {lib.BPF_DIV: "s/=", lib.BPF_MOD: "s%="}
_JUMPS = {
    lib.BPF_JEQ: "==",
    lib.BPF_JGT: ">",
    lib.BPF_JLT: "<",
    lib.BPF_JGE: ">=",
    lib.BPF_JLE: "<=",
    lib.BPF_JSET: "&",
    lib.BPF_JNE: "!=",
    lib.BPF_JSGT: "s>",
    lib.BPF_JSLT: "s<",
    lib.BPF_JSGE: "s>=",
    lib.BPF_JSLE: "s<=",
}
_SIZES = {lib.BPF_W: "u32", lib.BPF_H: "u16", lib.BPF_B: "u8", lib.BPF_DW: "u64"}
_EXTENDED = {lib.BPF_W: "s32", lib.BPF_H: "s16", lib.BPF_B: "s8", lib.BPF_DW: "s64"}
_ATOMIC = {lib.BPF_ADD: "add", lib.BPF_OR: "or", lib.BPF_AND: "and", lib.BPF_XOR: "xor"}

PERCPU = -1
"""The offset of a move that makes an address of this CPU's (BPF_ADDR_PERCPU, only in what the kernel has made)."""

NOSPEC = 0xC0
"""The mode of a store that stops speculation (BPF_NOSPEC, only in what the kernel has made)."""


def disassemble(
    insns: bytes | Iterable[Insn], *, opcodes: bool = True, names: Mapping[int, str] | None = None
) -> list[str]:
    """Give the text of each instruction behind its number, as in the verifier's log: ``0: (b7) r0 = 2``.

    Without `opcodes` the number in parentheses is left out. `names` may have, by an instruction's number, the name of
    what it refers to: of a function that it calls, or a map whose address it loads.
    """
    return lines(decode(as_bytes(insns)), opcodes, dict(items({} if names is None else names, "names")))


def lines(insns: tuple[Insn, ...], opcodes: bool, names: Mapping[int, str]) -> list[str]:
    """Do as `disassemble`; a malformed object's program may have half a load of 64 bits."""
    return [
        f"{at}: {f'({insn.code:02x}) ' if opcodes else ''}{text(insn, second, names.get(at))}"
        for at, insn, second in _pairs(insns)
    ]


def _pairs(insns: tuple[Insn, ...]) -> Iterator[tuple[int, Insn, Insn | None]]:
    """Give each instruction with its place, and the second half of a wide one."""
    at = 0
    while at < len(insns):
        wide = insns[at].is_wide and at + 1 < len(insns)
        yield at, insns[at], insns[at + 1] if wide else None
        at += 2 if wide else 1


def text(insn: Insn, second: Insn | None = None, name: str | None = None) -> str:
    """Give an instruction as text, of a wide one with its second half; `name` is that of what it refers to."""
    return _TEXTS[insn.code & 7](insn, second, name)


def _unknown(insn: Insn, where: str = "") -> str:
    return f"BUG_{where}{insn.code:02x}"


def _alu(insn: Insn, _: Insn | None, __: str | None) -> str:
    op, wide = insn.code & 0xF0, insn.code & 7 == lib.BPF_ALU64
    register = "r" if wide else "w"
    to = f"{register}{insn.dst_reg}"
    if op == lib.BPF_END:
        kind = "bswap" if wide else "be" if insn.code & lib.BPF_X else "le"
        return f"r{insn.dst_reg} = {kind}{insn.imm} r{insn.dst_reg}"
    if op == lib.BPF_NEG:
        return f"{to} = -{to}"
    if op not in _ALU:
        return _unknown(insn, "alu_")
    sign = _SIGNED.get(op) if insn.off == 1 else None
    operation = sign or _ALU[op]
    if not insn.code & lib.BPF_X:
        return f"{to} {operation} {insn.imm}"
    source = f"{register}{insn.src_reg}"
    if op == lib.BPF_MOV:
        if wide and insn.off == lib.BPF_ADDR_SPACE_CAST:
            return f"{to} = addr_space_cast({source}, {insn.imm >> 16 & 0xFFFF}, {insn.imm & 0xFFFF})"
        if wide and insn.off == PERCPU:
            return f"{to} = &(void __percpu *)({source})"
        if insn.off in (8, 16, 32):
            source = f"(s{insn.off}){source}"
    return f"{to} {operation} {source}"


def _memory(size: str, register: int, off: int) -> str:
    return f"({size} *)(r{register} {off:+d})"


def _stx(insn: Insn, _: Insn | None, __: str | None) -> str:
    mode, size = insn.code & 0xE0, _SIZES[insn.code & 0x18]
    if mode == lib.BPF_MEM:
        return f"*{_memory(size, insn.dst_reg, insn.off)} = r{insn.src_reg}"
    if mode != lib.BPF_ATOMIC:
        return _unknown(insn)
    place, source = _memory(size, insn.dst_reg, insn.off), insn.src_reg
    bits = "64" if insn.code & 0x18 == lib.BPF_DW else ""
    operation = _ATOMIC.get(insn.imm & 0xF0)
    if operation is not None and insn.imm & ~0xF0 == 0:
        return f"lock *{place} {_ALU[insn.imm]} r{source}"
    if operation is not None and insn.imm & ~0xF0 == lib.BPF_FETCH:
        return f"r{source} = atomic{bits}_fetch_{operation}({place}, r{source})"
    if insn.imm == lib.BPF_CMPXCHG:
        return f"r0 = atomic{bits}_cmpxchg({place}, r0, r{source})"
    if insn.imm == lib.BPF_XCHG:
        return f"r{source} = atomic{bits}_xchg({place}, r{source})"
    if insn.imm == lib.BPF_LOAD_ACQ:
        return f"r{insn.dst_reg} = load_acquire({_memory(size, source, insn.off)})"
    if insn.imm == lib.BPF_STORE_REL:
        return f"store_release({place}, r{source})"
    return _unknown(insn)


def _st(insn: Insn, _: Insn | None, __: str | None) -> str:
    mode = insn.code & 0xE0
    if mode == lib.BPF_MEM:
        return f"*{_memory(_SIZES[insn.code & 0x18], insn.dst_reg, insn.off)} = {insn.imm}"
    return "nospec" if mode == NOSPEC else _unknown(insn, "st_")


def _ldx(insn: Insn, _: Insn | None, __: str | None) -> str:
    mode = insn.code & 0xE0
    if mode not in (lib.BPF_MEM, lib.BPF_MEMSX):
        return _unknown(insn, "ldx_")
    size = (_EXTENDED if mode == lib.BPF_MEMSX else _SIZES)[insn.code & 0x18]
    return f"r{insn.dst_reg} = *{_memory(size, insn.src_reg, insn.off)}"


def _ld(insn: Insn, second: Insn | None, name: str | None) -> str:
    mode, size = insn.code & 0xE0, _SIZES[insn.code & 0x18]
    if mode == lib.BPF_ABS:
        return f"r0 = *({size} *)skb[{insn.imm}]"
    if mode == lib.BPF_IND:
        return f"r0 = *({size} *)skb[r{insn.src_reg} + {insn.imm}]"
    if not insn.is_wide:
        return _unknown(insn, "ld_")
    upper = second.imm & 0xFFFFFFFF if second is not None else 0
    return f"r{insn.dst_reg} = {name or f'{upper << 32 | insn.imm & 0xFFFFFFFF:#x}'}"


def _jump(insn: Insn, _: Insn | None, name: str | None) -> str:
    op, short = insn.code & 0xF0, insn.code & 7 == lib.BPF_JMP32
    register = "w" if short else "r"
    by_register = insn.code & lib.BPF_X
    if op == lib.BPF_CALL:
        return _call(insn, name)
    if op == lib.BPF_EXIT:
        return "exit"
    if op == lib.BPF_JA:
        if by_register:
            return f"gotox r{insn.dst_reg}"
        return f"gotol pc{insn.imm:+d}" if short else f"goto pc{insn.off:+d}"
    if op == lib.BPF_JCOND and insn.src_reg == lib.BPF_MAY_GOTO:
        return f"may_goto pc{insn.off:+d}"
    if op not in _JUMPS:
        return _unknown(insn, "jmp_")
    other = f"{register}{insn.src_reg}" if by_register else f"{insn.imm & 0xFFFFFFFF:#x}"
    return f"if {register}{insn.dst_reg} {_JUMPS[op]} {other} goto pc{insn.off:+d}"


def _call(insn: Insn, name: str | None) -> str:
    if insn.code & lib.BPF_X:
        return f"callx r{insn.dst_reg}"
    if insn.src_reg == lib.BPF_PSEUDO_CALL:
        return f"call pc{name or f'{insn.imm:+d}'}"
    if name is None:
        name = "kernel-function" if insn.src_reg == lib.BPF_PSEUDO_KFUNC_CALL else _helpers().get(insn.imm, "unknown")
    return f"call {name}#{insn.imm}"


_TEXTS = {
    lib.BPF_LD: _ld,
    lib.BPF_LDX: _ldx,
    lib.BPF_ST: _st,
    lib.BPF_STX: _stx,
    lib.BPF_ALU: _alu,
    lib.BPF_JMP: _jump,
    lib.BPF_JMP32: _jump,
    lib.BPF_ALU64: _alu,
}

_helper_names: dict[int, str] = {}


def _helpers() -> dict[int, str]:
    """Give the names of the helper functions by their numbers."""
    if not _helper_names:
        prefix = "BPF_FUNC_"
        for name in dir(lib):
            if name.startswith(prefix):
                _helper_names[getattr(lib, name)] = f"bpf_{name.removeprefix(prefix)}"
    return _helper_names
