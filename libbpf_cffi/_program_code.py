"""Instructions of a program: read, replaced, as text."""

from __future__ import annotations

from ._program import ProgramBase

__all__ = ["ProgramCode"]


class ProgramCode(ProgramBase):
    """Instructions of a program: read, replaced, as text."""

    __slots__ = ()
