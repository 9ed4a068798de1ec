"""How long the functions of BPF programs are that the kernel has compiled, which its list of symbols does not say."""

from __future__ import annotations

from typing import NamedTuple

from ._dump import _numbers
from ._ffi import lib
from ._kernel_listing import each_of, raw_info
from ._program_info import arrays
from ._program_open import PROGRAMS

__all__ = ["jited_sizes"]


class _Functions(NamedTuple):
    addresses: list[int]
    sizes: list[int]


def jited_sizes() -> dict[int, int]:
    """Give the sizes of the functions of all programs, by their addresses; it needs CAP_SYS_ADMIN."""
    found: dict[int, int] = {}
    for addresses, sizes in each_of(PROGRAMS.ids(), lib.bpf_prog_get_fd_by_id_opts, _functions, "program"):
        found.update(zip(addresses, sizes, strict=False))
    return found


def _functions(fd: int, action: str) -> _Functions:
    raw = raw_info("bpf_prog_info", lib.bpf_prog_get_info_by_fd, fd, action)
    found = arrays(raw, "jited_ksyms", "jited_func_lens")
    return _Functions(_numbers(found["jited_ksyms"], "uint64_t"), _numbers(found["jited_func_lens"], "uint32_t"))
