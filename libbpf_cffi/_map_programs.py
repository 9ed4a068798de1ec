"""Arrays of programs, for tail calls."""

from __future__ import annotations

import errno

from ._codec_base import Codec
from ._codec_scalar import IntCodec
from ._map_lend import ProgramId
from ._map_slots import ORDER, Slots

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._codec_base import Names
    from ._map_lend import Borrowed

__all__ = ["ProgArray"]


class _IdCodec(IntCodec):
    """The id of a program."""

    def expression(self, names: Names) -> str:
        return f"{names.constant(ProgramId)}({names.item()})"

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        return Codec._make_decode_many(self, step)


class ProgArray(Slots):
    """A table of programs, which ``bpf_tail_call()`` jumps by: ``jumps[2] = program``.

    A value is a loaded `Program`; a descriptor or an object with ``fileno()`` will do. What is read is a `ProgramId`,
    the program's number, which can be written as well, or ``None``; any other number is a descriptor. All programs of
    a table are of one type, and use the same helpers and storage (`MapInfo.owner_prog_type`). When the last process
    closes the map and no pin is left, the kernel empties it, though programs may still use it.
    """

    __slots__ = ()

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw else _IdCodec(4, False, "id of a program", ORDER)

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.program(value)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EINVAL:
            owner = self.info.owner_prog_type
            table = f"this table is one of {owner.name} programs" if owner is not None else "the table has no type yet"
            return (
                f"the programs of a table must be of one type, and of one expected_attach_type and storage: {table}; "
                "and none of them may be extended by a freplace"
            )
        return super()._hint(error, flags)
