"""Arrays of instructions, which programs jump by."""

from __future__ import annotations

import errno
from collections import namedtuple
from struct import Struct

from ._ffi import unsigned
from ._map_array import ArrayMap
from ._map_slots import PlainCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from ._codec import Codec
    from ._map_access import Elements

    class InsnPlace(NamedTuple):
        """Where an instruction is: in the program as given, as the kernel has it, in the machine code (in bytes).

        ``None`` for an instruction that the verifier has left out, or as long as no program is loaded.
        """

        orig_off: int
        xlated_off: int | None
        jitted_off: int | None
else:
    # `typing` costs as much as the rest of the module.
    InsnPlace = namedtuple("InsnPlace", "orig_off xlated_off jitted_off")  # noqa: PYI024
    InsnPlace.__doc__ = "Where an instruction is: in the program as given, as the kernel has it, in the machine code."

__all__ = ["InsnArray", "InsnPlace"]

GONE = 0xFFFFFFFF
"""Of an instruction that the verifier has left out (INSN_DELETED in the kernel)."""


class _PlaceCodec(PlainCodec):
    """``struct bpf_insn_array_value``."""

    def __init__(self) -> None:
        super().__init__(16, "the place of an instruction", "=")
        self.codes = "III4x"
        self._layout = Struct(self.order + self.codes)

    def unpack(self, buffer: Any, offset: int = 0) -> InsnPlace:
        original, translated, compiled = self._layout.unpack_from(buffer, offset)
        gone = translated == GONE
        return InsnPlace(original, None if gone else translated, None if gone else compiled)

    def encode(self, value: Any) -> bytes:
        if isinstance(value, tuple) and len(value) == 3:
            # As it was read: the rest is the kernel's.
            value = value[0]
        return self._layout.pack(unsigned(value, 32, "the number of an instruction"), 0, 0)

    def numpy_type(self) -> Any:
        return [("orig_off", "=u4"), ("xlated_off", "=u4"), ("jitted_off", "=u4"), ("unused", "=u4")]


class InsnArray(ArrayMap):
    """An array of instructions, which a program jumps by: a sequence.

    An instruction is written by its number in the program; then `freeze` the map and load the program, which says where
    each has gone: what is read is an `InsnPlace`. Linux 6.19.
    """

    __slots__ = ()

    _own_value = True

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw or self.value_size != 16 else _PlaceCodec()

    def _bind(self, elements: Elements) -> None:
        # No value is a plain number.
        pass

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EBUSY:
            return "a program uses the map: an instruction's place is set before the load"
        return super()._hint(error, flags)
