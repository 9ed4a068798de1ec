"""Codecs of arrays."""

from __future__ import annotations

from struct import Struct, error

from ._codec_base import INLINE, MAX_FORMAT, Codec, Names, where
from ._codec_scalar import BoolCodec, EnumCodec, FloatCodec, IntCodec, exactly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._codec_base import Path
    from ._codec_program import Program

__all__ = ["ArrayCodec", "put_elements", "sequence"]


class ArrayCodec(Codec):
    """An array of `count` elements: a tuple."""

    in_c = True

    def __init__(self, element: Codec, count: int) -> None:
        # C writes the outer dimension first.
        inner, bracket, dimensions = element.typename.partition("[")
        super().__init__(element.size * count, f"{inner}[{count}]{bracket}{dimensions}", element.order)
        self.element = element
        self.count = count
        self._plain = isinstance(element, (IntCodec, FloatCodec, BoolCodec)) and not isinstance(element, EnumCodec)
        self._layout = f"{count}{element.codes}" if self._plain else ""
        self._inlined = element.weight * count <= INLINE and element.size > 0
        if self._inlined:
            self.weight = max(element.weight * count, 1)
            self.codes = self._layout or element.codes * count
        else:
            self.codes = f"{self.size}s"
        self._pack = Struct(self.order + self._layout) if self._plain and not isinstance(element, BoolCodec) else None

    def expression(self, names: Names) -> str:
        if self._inlined:
            return f"({''.join(f'{self.element.expression(names)}, ' for _ in range(self.count))})"
        if self._plain:
            return f"{names.constant(Struct(self.order + self._layout).unpack)}({names.item()})"
        if not self.size:
            # Of nothing there are no elements to tell apart, however many the type says.
            return f"()[:len({names.item()})]"
        return f"tuple({names.constant(self.element.decode_many)}({names.item()}))"

    def add_node(self, program: Program, offset: int) -> bool:
        number = program.node("array", offset, self.size, self.count)
        return self.size > 0 and program.add(self.element, 0) and program.close(number)

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        if self._inlined and self._plain:
            # The items of the format are the tuple already.
            unpacked = Struct(f"{self.order}{self.codes}{step - self.size}x").iter_unpack
            return lambda view: list(unpacked(view))
        return super()._make_decode_many(step)

    def pack_text(self, names: Names, value: str) -> str:
        if not self._inlined:
            return super().pack_text(names, value)
        if self._pack is not None:
            return f"*{names.constant(self._short)}({value})"
        inner = Names()
        items = "".join(f"{self.element.pack_text(inner, f'e{index}')}, " for index in range(self.count))
        values = "".join(f"e{index}, " for index in range(self.count))
        source = f"def items(value):\n    [{values}] = check(value)\n    return ({items})\n"
        return f"*{names.constant(inner.compile('items', source, check=self._short))}({value})"

    def _short(self, value: Any) -> Any:
        """Give a sequence of the elements, for values as they should be."""
        if not isinstance(value, (tuple, list)) or len(value) != self.count:
            raise TypeError(value)
        return value

    def encode(self, value: Any) -> bytes:
        if self._pack is not None and isinstance(value, (tuple, list)):
            try:
                return self._pack.pack(*value)
            except (error, OverflowError):
                pass  # `put` finds out why
        return self._put_alone(value, ())

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        if self.element.size == 1 and (isinstance(value, (bytes, bytearray, memoryview))):
            buffer[offset : offset + self.size] = exactly(value, self.size, where(path, self.typename))
            return
        elements = sequence(value, path, self.typename)
        if len(elements) != self.count and (self.size or len(elements)):
            raise ValueError(f"{where(path, self.typename)} has {self.count} elements, not {len(elements)}")
        if self._pack is not None:
            try:
                self._pack.pack_into(buffer, offset, *elements)
            except (error, OverflowError):
                pass  # below it is found out which
            else:
                return
        put_elements(self.element, buffer, offset, elements, path)

    def make_public_codes(self) -> str | None:
        if self._layout:
            return self._layout
        inner = self.element.public_codes()
        return None if inner is None or len(inner) * self.count > MAX_FORMAT else inner * self.count

    def numpy_type(self) -> Any:
        # NumPy has no arrays of arrays without bytes.
        return (self.element.dtype, (self.count,)) if self.size else (self.element.dtype.base, (0,))


def sequence(value: Any, path: Path, typename: str) -> Sequence[Any]:
    """Take what can be an array: a list, a tuple, a range, an array of NumPy, but not text or a mapping."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (str, bytes, bytearray)) or hasattr(value, "keys") or not (
        hasattr(value, "__len__") and hasattr(value, "__getitem__")
    ):
        kind = type(value).__name__
        raise TypeError(f"{where(path, typename)} must be a sequence of its elements, not {kind}")
    return list(value)


def put_elements(element: Codec, buffer: bytearray, offset: int, values: Sequence[Any], path: Path) -> None:
    """Write one element after the other."""
    put, size = element.put, element.size
    for index, value in enumerate(values):
        put(buffer, offset + index * size, value, (path, index))
