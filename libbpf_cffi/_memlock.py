"""How much memory the kernel may lock for BPF: a limit of kernels before 5.11."""

from __future__ import annotations

import errno

from ._check import check
from ._ffi import lib, unsigned

__all__ = ["set_memlock_rlim"]


def set_memlock_rlim(memlock_bytes: int) -> None:
    """Say what RLIMIT_MEMLOCK libbpf gives this process before its first load; 0 for leaving it alone.

    *Wraps* ``libbpf_set_memlock_rlim()``. By default it takes the limit away, in kernels that count BPF's memory by it
    (before 5.11). Raises `LibbpfError` (EBUSY) once that has happened.
    """
    number = unsigned(memlock_bytes, 64, "memlock_bytes")
    check(lib.libbpf_set_memlock_rlim(number), "set the limit of locked memory", _hint)


def _hint(error: int) -> str | None:
    return "libbpf has raised the limit already: set it before the first load" if error == errno.EBUSY else None
