"""Which of the kernel's helpers programs call. It imports nothing: the command asks before it attaches."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["calls"]

CALL = 0x85
"""``BPF_JMP | BPF_CALL`` (linux/bpf.h); the upper half of the next byte says what is called, 0 a helper."""


def calls(objects: Iterable[Any], helpers: frozenset[int]) -> bool:
    """Tell whether any program that is loaded calls one of these helpers."""
    import sys

    for obj in objects:
        for program in obj.programs.values():
            insns = program.insns if program.autoload else b""
            for at in range(0, len(insns), 8):
                helper = insns[at] == CALL and insns[at + 1] & 0xF0 == 0
                if helper and int.from_bytes(insns[at + 4 : at + 8], sys.byteorder) in helpers:
                    return True
    return False
