"""Running a program by hand."""

from __future__ import annotations

from ._program import LoadedProgram

__all__ = ["ProgramRun"]


class ProgramRun(LoadedProgram):
    """Running a program by hand."""

    __slots__ = ()
