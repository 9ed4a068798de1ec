"""The arrays of ``struct bpf_prog_info``: what the kernel has made of a program. Imported when one is asked for."""

from __future__ import annotations

from ._ffi import ffi
from .btf_ext import func_infos, line_infos

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._libbpf import CData
    from ._program import LoadedProgram
    from .btf import Btf
    from .btf_ext import BtfFuncInfo, BtfLineInfo

__all__ = ["ARRAYS", "arrays", "func_info", "line_info"]

ARRAYS: dict[str, tuple[str, str | int]] = {
    "jited_prog_insns": ("jited_prog_len", 1),
    "xlated_prog_insns": ("xlated_prog_len", 1),
    "jited_ksyms": ("nr_jited_ksyms", 8),
    "jited_func_lens": ("nr_jited_func_lens", 4),
    "func_info": ("nr_func_info", "func_info_rec_size"),
    "line_info": ("nr_line_info", "line_info_rec_size"),
    "jited_line_info": ("nr_jited_line_info", "jited_line_info_rec_size"),
    "prog_tags": ("nr_prog_tags", 8),
}
"""By the field that points to an array: the field that counts its elements, and their size or the field that has it."""


def arrays(raw: Callable[..., CData], *names: str) -> dict[str, CData]:
    """Give arrays as bytes of C; one that the kernel does not show, or has not, is empty.

    `raw` has the kernel fill the struct, a new one or the one that it is given.
    """
    counted = raw()
    again = ffi.new("struct bpf_prog_info *")
    found = {}
    for name in names:
        count, size = ARRAYS[name]
        step = getattr(counted, size) if isinstance(size, str) else size
        found[name] = ffi.new("char[]", getattr(counted, count) * step)
        setattr(again, count, getattr(counted, count))
        if isinstance(size, str):
            setattr(again, size, step)
        setattr(again, name, int(ffi.cast("uintptr_t", found[name])))
    info = raw(again)
    for name in names:
        count, size = ARRAYS[name]
        # Where it shows nothing, for want of a capability or by a sysctl, the kernel zeroes the pointer or the count.
        if not getattr(info, name) or getattr(info, count) < getattr(counted, count):
            found[name] = ffi.new("char[]", 0)
    return found


def func_info(program: LoadedProgram, btf: Btf) -> tuple[BtfFuncInfo, ...]:
    """Give the functions of the program as the kernel has it."""
    return func_infos(btf, *_records(program, "func_info"))


def line_info(program: LoadedProgram, btf: Btf) -> tuple[BtfLineInfo, ...]:
    """Give the lines of the program as the kernel has it."""
    return line_infos(btf, *_records(program, "line_info"))


def _records(program: LoadedProgram, what: str) -> tuple[CData, int]:
    struct = f"struct bpf_{what}"
    data = arrays(program._raw_info, what)[what]
    # Of the size that was counted: this kernel's, which knows all members and maybe more.
    step = getattr(program._raw_info(), f"{what}_rec_size")
    if not step:
        return ffi.new(f"{struct}[]", 0), 0
    count = len(data) // step
    made = ffi.new(f"{struct}[]", count)
    for index in range(count):
        ffi.memmove(ffi.addressof(made, index), data + index * step, min(step, ffi.sizeof(struct)))
    return made, count
