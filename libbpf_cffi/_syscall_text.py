"""Calls of bpf(2) as text, in the form of strace(1): a line a call, or every attribute and instruction."""

from __future__ import annotations

import errno
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from .enums import BpfCmd

    class Call(Protocol):
        """What is written here of a `Syscall`."""

        command: BpfCmd
        size: int
        result: int
        errno: int

        @property
        def attributes(self) -> dict[str, Any]: ...
        @property
        def changed(self) -> dict[str, Any]: ...


__all__ = ["line", "listing"]

_PREFIXES = {"map_type": "BPF_MAP_TYPE_", "prog_type": "BPF_PROG_TYPE_", "attach_type": "BPF_"}
_FLAGS = ("map_flags", "prog_flags")

# linux/bpf_common.h and linux/bpf.h: `struct bpf_insn`.
_CLASSES = ("LD", "LDX", "ST", "STX", "ALU", "JMP", "JMP32", "ALU64")
_SIZES = {0x00: "W", 0x08: "H", 0x10: "B", 0x18: "DW"}
_MODES = {0x00: "IMM", 0x20: "ABS", 0x40: "IND", 0x60: "MEM", 0x80: "MEMSX", 0xC0: "ATOMIC"}
_ALU = ("ADD", "SUB", "MUL", "DIV", "OR", "AND", "LSH", "RSH", "NEG", "MOD", "XOR", "MOV", "ARSH", "END")
_JMP = ("JA", "JEQ", "JGT", "JGE", "JSET", "JNE", "JSGT", "JSGE", "CALL", "EXIT", "JLT", "JLE", "JSLT", "JSLE", "JCOND")


def line(call: Call, kinds: dict[str, str]) -> str:
    """Give a call on one line, without the attributes that are zero."""
    shown = ", ".join(f"{path}={_value(value, kinds[path])}" for path, value in call.attributes.items() if value)
    return f"bpf({_command(call.command)}, {{{shown}}}, {call.size}) = {_result(call)}"


def listing(call: Call, kinds: dict[str, str]) -> str:
    """Give a call with every attribute on a line of its own."""
    lines = [f"bpf({_command(call.command)},", "{"]
    for path, value in call.attributes.items():
        if kinds[path] == "insns":
            lines.append(f"\t{path}=[")
            lines += _insns(value)
            lines.append("\t],")
        else:
            lines.append(f"\t{path}={_value(value, kinds[path])},")
    return "\n".join([*lines, f"}}, {call.size}) = {_result(call)}"])


def _command(command: BpfCmd) -> str:
    name: str = command.name
    return name if name.startswith("UNKNOWN") else f"BPF_{name}"


def _result(call: Call) -> str:
    result = str(call.result)
    if call.result < 0:
        from ._check import strerror

        # ENOTSUP is the same number, and nobody's name for it.
        name = "EOPNOTSUPP" if call.errno == errno.EOPNOTSUPP else errno.errorcode.get(call.errno, call.errno)
        result = f"-1 {name} ({strerror(call.errno)})"
    # A batch that comes to the end of a map fails, and has been filled.
    wrote = ", ".join(f"{path}={value}" for path, value in call.changed.items())
    return f"{result} ({wrote})" if wrote else result


def _value(value: Any, kind: str) -> str:
    if kind in _PREFIXES:
        name: str = value.name
        return name if name.startswith("UNKNOWN") else _PREFIXES[kind] + name
    if kind in _FLAGS:
        return "|".join(_flag_names(value)) or "0"
    if kind in ("text", "name"):
        return f'"{value.encode("unicode_escape").decode()}"'
    if kind == "insns":
        return f"[{len(value) // 8} instructions]"
    return hex(value) if kind in ("hex", "address") and value else str(value)


def _flag_names(value: Any) -> Iterator[str]:
    left = int(value)
    for name, member in type(value).__members__.items():
        if member and left & member == member:
            yield f"BPF_F_{name}"
            left &= ~int(member)
    if left:
        yield hex(left)


def _insns(code: bytes) -> Iterator[str]:
    for opcode, registers, off, imm in struct.iter_unpack("=BBhI", code):
        # The nibbles of the registers are in the order of the machine's bit fields.
        low, high = registers & 15, registers >> 4
        dst, src = (low, high) if sys.byteorder == "little" else (high, low)
        yield "\t{"
        yield f"\t\tcode={_opcode(opcode)},"
        yield f"\t\tdst_reg=BPF_REG_{dst},"
        yield f"\t\tsrc_reg=BPF_REG_{src},"
        yield f"\t\toff={off},"
        yield f"\t\timm={hex(imm) if imm else 0}"
        yield "\t},"


def _opcode(code: int) -> str:
    kind = _CLASSES[code & 7]
    if kind in ("LD", "LDX", "ST", "STX"):
        mode = _name(_MODES.get(code & 0xE0), code & 0xE0)
        return f"BPF_{kind}|BPF_{_SIZES[code & 0x18]}|{mode}"
    names = _ALU if kind.startswith("ALU") else _JMP
    number = code >> 4
    operation = _name(names[number] if number < len(names) else None, code & 0xF0)
    return f"BPF_{kind}|BPF_{'X' if code & 8 else 'K'}|{operation}"


def _name(name: str | None, bits: int) -> str:
    return hex(bits) if name is None else f"BPF_{name}"
