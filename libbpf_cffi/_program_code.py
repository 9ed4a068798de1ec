"""The instructions of a program: read, replaced, as text; the verifier's log of them."""

from __future__ import annotations

from . import _log
from ._check import absent, check
from ._ffi import ffi, lib, unsigned
from ._handle import ObjectHandle
from ._program import RELOCATED, UNLOADED, ProgramBase, argument_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._btf_type import BtfType
    from .btf import Btf
    from .btf_ext import BtfFuncInfo, BtfLineInfo
    from .insns import Insn

__all__ = ["ProgramCode"]


class ProgramCode(ProgramBase):
    """The instructions of a program: read, replaced, as text; the verifier's log of them."""

    __slots__ = ()

    @property
    def log_level(self) -> int:
        """How much the verifier tells: 1 for branches, 2 for every instruction, 4 for statistics, added up;
        settable before load.

        What it told is in `log` afterwards. *Wraps* ``bpf_program__log_level()``,
        ``bpf_program__set_log_level()``.
        """
        return int(self._get(lib.bpf_program__log_level))

    @log_level.setter
    def log_level(self, value: int) -> None:
        self._set("log_level", lib.bpf_program__set_log_level, unsigned(value, 32, "log_level"))

    @property
    def log(self) -> str:
        """The verifier's log of the load, whole; empty if `log_level` was 0 and the program was accepted."""
        return self._logs.get(self.name, "")

    @property
    def insn_cnt(self) -> int:
        """How many instructions the program has; load adds those of its subprograms.

        *Wraps* ``bpf_program__insn_cnt()``.
        """
        return int(self._get(lib.bpf_program__insn_cnt))

    @property
    def insns(self) -> bytes:
        """The instructions as they are now, 8 bytes each (``struct bpf_insn``); prepare or load relocates them.

        They can be replaced before load, by bytes or `Insn` records. Between prepare and load they are what the kernel
        will be given, and may be any; their lines and functions are forgotten if their number changes. Before prepare
        libbpf will still write to where the file says that maps, variables and functions are named, so there must not
        be fewer of them. *Wraps* ``bpf_program__insns()``, ``bpf_program__set_insns()``.
        """
        with self._handle.lock:
            pointer = self._pointer
            insns = lib.bpf_program__insns(pointer)
            count = lib.bpf_program__insn_cnt(pointer)
            return ffi.buffer(insns, count * ffi.sizeof("struct bpf_insn"))[:] if insns else b""

    @insns.setter
    def insns(self, value: bytes | Iterable[Insn]) -> None:
        from .insns import as_bytes

        self._handle.check()
        action = f"replace the instructions of program {self.name!r}"
        data = as_bytes(value, "insns")
        count = len(data) // ffi.sizeof("struct bpf_insn")
        memory = ffi.new("struct bpf_insn[]", count)
        ffi.memmove(memory, data, len(data))
        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(action, *UNLOADED)
            before = lib.bpf_program__insn_cnt(pointer)
            if self._handle.phase == ObjectHandle.OPEN and count < before:
                raise ValueError(
                    f"cannot {action}: before prepare() there must not be fewer than its {before}: {count} will not do"
                )
            _log.listen()
            check(lib.bpf_program__set_insns(pointer, memory, count), action)
            if self._handle.phase == ObjectHandle.PREPARED and count != before:
                # The kernel refuses a line of an instruction that is not there.
                lib.lbc_program_forget_infos(pointer)

    def disassemble(self, *, opcodes: bool = True) -> str:
        """Give the instructions as they are now as text, as the verifier's log has them: ``0: (b7) r0 = 2``.

        Without `opcodes` the numbers in parentheses are left out. What the kernel makes of them is in `xlated`.
        """
        from .insns import decode, lines

        insns = decode(self.insns)
        names = {}
        for at, insn in enumerate(insns):
            if insn.code == lib.BPF_JMP | lib.BPF_CALL and insn.src_reg == lib.BPF_PSEUDO_KFUNC_CALL:
                name = _kernel_function(insn) if self._handle.phase != ObjectHandle.OPEN else None
                if name is not None:
                    names[at] = name
        return "\n".join(lines(insns, opcodes, names))

    @property
    def func_info(self) -> tuple[BtfFuncInfo, ...]:
        """The functions that the program is made of, after load; empty for an object without BTF.

        *Wraps* ``bpf_program__func_info()``.
        """
        return tuple(self._infos("func_info"))

    @property
    def line_info(self) -> tuple[BtfLineInfo, ...]:
        """The lines of the source that its instructions come from, after load; empty for an object without BTF.

        *Wraps* ``bpf_program__line_info()``.
        """
        return tuple(self._infos("line_info"))

    def _program_btf(self) -> Btf | None:
        return self._owner.btf

    def _argument_type(self) -> BtfType | None:
        infos = self.func_info
        return argument_type(infos[0].type) if infos else None

    def _infos(self, what: str) -> tuple[Any, ...]:
        from . import btf_ext

        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(f"read the {what} of program {self.name!r}", *RELOCATED)
            btf = self._owner.btf
            if btf is None:
                return ()
            if what == "func_info":
                funcs = lib.bpf_program__func_info(pointer)
                return btf_ext.func_infos(btf, funcs, lib.bpf_program__func_info_cnt(pointer)) if funcs else ()
            lines = lib.bpf_program__line_info(pointer)
            return btf_ext.line_infos(btf, lines, lib.bpf_program__line_info_cnt(pointer)) if lines else ()


def _kernel_function(insn: Insn) -> str | None:
    """Name a function of the kernel, not a module's, that an instruction calls by the number of its type."""
    if insn.off:
        return None
    from .btf import Btf
    from .errors import LibbpfError

    try:
        with Btf.kernel() as kernel:
            return kernel[insn.imm].name
    except LibbpfError as error:
        absent(error, "name a function of the kernel")
        return None
    except (LookupError, ValueError):
        return None
