"""What the kernel has made of a program: translated instructions, machine code, and their lines of the source.

Not imported until one of them is asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from ._check import absent
from ._ffi import ffi, lib
from ._program_info import arrays, func_info, line_info
from .insns import Insn, decode, disassemble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._program import LoadedProgram
    from .btf_ext import BtfFuncInfo, BtfLineInfo

__all__ = ["JitedFunction", "Xlated", "jited", "xlated"]

KALLSYMS = "/proc/kallsyms"


class Xlated(NamedTuple):
    """A program as the verifier has left it. ``str()`` gives it as text, with the lines of the source.

    `insns` are the instructions; `functions` and `lines` say where the functions and the lines of the source begin
    (empty for a program without BTF). `names` has, by an instruction's number, the name of the function that it calls
    or the map that it loads. What the kernel shows to nobody without CAP_BPF and CAP_PERFMON, or under
    ``kptr_restrict``, is empty.
    """

    insns: tuple[Insn, ...]
    functions: tuple[BtfFuncInfo, ...]
    lines: tuple[BtfLineInfo, ...]
    names: dict[int, str]

    def text(self, *, lines: bool = True, opcodes: bool = True) -> str:
        """Give the text, a line an instruction: with `lines` behind those of the source, with `opcodes` their codes."""
        heads = {each.insn_off: f"{each.type.name}:" for each in self.functions}
        sources = {each.insn_off: located(each) for each in self.lines} if lines else {}
        shown: list[str] = []
        last = ""
        for line in disassemble(self.insns, opcodes=opcodes, names=self.names) if self.insns else []:
            number, _, rest = line.partition(": ")
            if int(number) in heads:
                shown.append(heads[int(number)])
                last = ""
            # A line of several expressions is shown once.
            source = sources.get(int(number), last)
            if source != last:
                shown.append(source)
                last = source
            shown.append(f"{number:>4}: {rest}")
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.text()


class JitedFunction(NamedTuple):
    """The machine code of one function of a program. ``str()`` gives it in hexadecimal, with the lines of the source.

    `address` is where it is in the kernel, `code` its bytes; `lines` are the lines of the source, each behind the
    offset in bytes of the code that it begins.
    """

    name: str
    address: int
    code: bytes
    lines: tuple[tuple[int, BtfLineInfo], ...]

    def text(self, *, lines: bool = True) -> str:
        """Give the code in hexadecimal, 16 bytes a line: with `lines` behind those of the source."""
        sources = dict(self.lines) if lines else {}
        begins = sorted({0, *(at for at in sources if at < len(self.code))})
        shown = [f"{self.name}:"]
        last = ""
        for begin, end in zip(begins, [*begins[1:], len(self.code)], strict=True):
            source = located(sources[begin]) if begin in sources else last
            if source != last:
                shown.append(source)
                last = source
            shown += [f"{at:4x}: {self.code[at : min(at + 16, end)].hex(' ')}" for at in range(begin, end, 16)]
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.text()


def located(line: BtfLineInfo) -> str:
    """Give a line of the source, and where that is."""
    return f"; {line.line.strip()} @ {line.file_name.rpartition('/')[2]}:{line.line_num}"


def xlated(program: LoadedProgram) -> Xlated:
    """Do what `LoadedProgram.xlated` says."""
    btf = program._program_btf()
    insns = decode(bytes(ffi.buffer(arrays(program._raw_info, "xlated_prog_insns")["xlated_prog_insns"])))
    functions = func_info(program, btf) if btf is not None else ()
    lines = line_info(program, btf) if btf is not None else ()
    return Xlated(insns, functions, lines, _names(insns, functions))


def _names(insns: tuple[Insn, ...], functions: Iterable[BtfFuncInfo]) -> dict[int, str]:
    """Name what instructions refer to; the kernel gives ids of maps, and of functions its own the addresses."""
    own = {each.insn_off: each.type.name for each in functions}
    found: dict[int, str] = {}
    addresses: dict[int, int] = {}
    for at, insn in enumerate(insns):
        if insn.is_wide and insn.src_reg:
            second = insns[at + 1].imm if at + 1 < len(insns) else 0
            name = _WIDE.get(insn.src_reg, "").format(insn.imm, second)
            if name:
                found[at] = name
        elif insn.code == lib.BPF_JMP | lib.BPF_CALL:
            if insn.src_reg == lib.BPF_PSEUDO_CALL:
                # With machine code `imm` is the number of the function, and `off` the way to it.
                way = insn.off or insn.imm
                found[at] = f"{way:+d}" + (f"#{own[at + way + 1]}" if at + way + 1 in own else "")
            elif insn.imm:
                addresses[at] = insn.imm
    if addresses:
        symbols = _symbols(set(addresses.values()))
        found |= {at: symbols[imm] for at, imm in addresses.items() if imm in symbols}
    return found


_WIDE = {
    lib.BPF_PSEUDO_MAP_FD: "map[id:{0}]",
    lib.BPF_PSEUDO_MAP_VALUE: "map[id:{0}][0]+{1}",
    lib.BPF_PSEUDO_FUNC: "subprog[{0:+d}]",
}
"""What bpftool writes for a load of 64 bits, by its source register; formatted with the two immediate values."""


def _symbols(offsets: set[int]) -> dict[int, str]:
    """Name the kernel's functions that lie so far from where calls are counted from, if it shows its addresses."""
    try:
        with open(KALLSYMS, "rb") as file:
            data = file.read()
    except OSError as error:
        absent(error, "read the kernel's symbols")
        return {}
    end = data.find(b" __bpf_call_base\n")
    if end < 0:
        return {}
    base = int(data[data.rfind(b"\n", 0, end) + 1 : end].split()[0], 16)
    if not base:
        return {}
    found = {}
    for offset in offsets:
        line = b"\n%016x " % ((base + offset) & ((1 << 64) - 1))
        at = data.find(line)
        if at >= 0:
            found[offset] = data[at + 1 : data.find(b"\n", at + 1)].split()[2].decode()
    return found


def jited(program: LoadedProgram) -> tuple[JitedFunction, ...]:
    """Do what `LoadedProgram.jited` says."""
    btf = program._program_btf()
    found = arrays(program._raw_info, "jited_prog_insns", "jited_ksyms", "jited_func_lens", "jited_line_info")
    code = bytes(ffi.buffer(found["jited_prog_insns"]))
    addresses = _numbers(found["jited_ksyms"], "uint64_t")
    places = _numbers(found["jited_line_info"], "uint64_t")
    functions = func_info(program, btf) if btf is not None else ()
    sources = line_info(program, btf) if btf is not None else ()
    made = []
    begin = 0
    for index, length in enumerate(_numbers(found["jited_func_lens"], "uint32_t")):
        name = functions[index].type.name if index < len(functions) else program.name
        address = addresses[index] if index < len(addresses) else 0
        lines = tuple(
            (place - address, line)
            for place, line in zip(places, sources, strict=False)
            if address and address <= place < address + length
        )
        made.append(JitedFunction(name, address, code[begin : begin + length], lines))
        begin += length
    return tuple(made) if code else ()


def _numbers(data: object, kind: str) -> list[int]:
    size = ffi.sizeof(kind)
    return list(ffi.cast(f"{kind} *", data)[0 : len(data) // size])  # type: ignore[arg-type]
