"""What the kernel has made of a program."""

from __future__ import annotations

from ._program import LoadedProgram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._dump import JitedFunction, Xlated

__all__ = ["ProgramDump"]


class ProgramDump(LoadedProgram):
    """What the kernel has made of a program."""

    __slots__ = ()

    def xlated(self) -> Xlated:
        """Give the instructions as the verifier has left them, with names and lines: ``print(program.xlated())``.

        *Wraps* ``bpf_prog_get_info_by_fd()`` (``xlated_prog_insns``, ``func_info``, ``line_info``). Empty where the
        kernel does not show them. Linux 4.16; names and lines 5.0.
        """
        from ._dump import xlated

        return xlated(self)

    def jited(self) -> tuple[JitedFunction, ...]:
        """Give the machine code of each function of the program, with the lines of the source.

        *Wraps* ``bpf_prog_get_info_by_fd()`` (``jited_prog_insns``, ``jited_ksyms``, ``jited_func_lens``,
        ``jited_line_info``). Empty if the program is interpreted, or the kernel does not show it. Linux 4.13; lines
        5.0.
        """
        from ._dump import jited

        return jited(self)
