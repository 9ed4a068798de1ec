"""Attaching to programs and libraries of user space: uprobes and USDT."""

from __future__ import annotations

from ._program import ProgramBase

__all__ = ["UserAttach"]


class UserAttach(ProgramBase):
    """Attaching to programs and libraries of user space: uprobes and USDT."""

    __slots__ = ()
