"""Codecs of structs that end in a flexible array."""

from __future__ import annotations

from struct import Struct

from ._codec_array import put_elements, sequence
from ._codec_base import as_bytes, buffer_of, where
from ._codec_scalar import text_bytes
from ._codec_struct import StructCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from typing_extensions import Buffer

    from ._codec_base import Codec, Path
    from ._codec_union import Field

__all__ = ["FlexibleCodec", "Tail"]


class Tail:
    """A flexible array at the end of a struct; of ``char`` (no `element`) it is text, or bytes if `raw`."""

    def __init__(self, name: str, offset: int, element: Codec | None, raw: bool) -> None:
        self.name = name
        self.offset = offset
        self.element = element
        self.raw = raw
        # What the member is where the array has no room: in another struct, in a map's value.
        self.none = "()" if element is not None else repr(b"" if raw else "")

    def decode(self, view: memoryview) -> Any:
        """Give as many elements as there is room for."""
        if self.element is None:
            data = bytes(view)
            return data if self.raw else data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        size = self.element.size
        return tuple(self.element.decode_many(view, count=len(view) // size if size else 0))

    def encode(self, value: Any, path: Path) -> bytes:
        """Give the bytes of as many elements as the value has."""
        if self.element is None:
            return text_bytes(value, path, "char[]")
        typename = f"{self.element.typename}[]"
        if self.element.size == 1 and isinstance(value, (bytes, bytearray, memoryview)):
            return as_bytes(value) or b""
        values = sequence(value, path, typename)
        buffer = bytearray(self.element.size * len(values))
        put_elements(self.element, buffer, 0, values, path)
        return bytes(buffer)


class FlexibleCodec(StructCodec):
    """A struct that ends in a flexible array: its values are as long as their elements."""

    flexible = True

    def __init__(self, typename: str, size: int, fields: Sequence[Field], order: str, tail: Tail) -> None:
        if tail.offset > size or any(each.offset + each.codec.size > tail.offset for each in fields):
            raise ValueError(f"the BTF of {typename} is malformed: flexible array {tail.name!r} is not at its end")
        super().__init__(typename, size, fields, order, tail.name)
        self._tail = tail

    def _tail_text(self) -> str:
        return f"{self._tail.none}, "

    def decode(self, buffer: Buffer, offset: int = 0) -> Any:
        view = memoryview(buffer_of(buffer))
        view = view.cast("B")[offset:] if view.nbytes else memoryview(b"")
        if len(view) < self._tail.offset:
            raise self._too_short(len(view))
        # The array begins before the struct's own padding ends.
        record = self.unpack(view if len(view) >= self.size else bytes(view).ljust(self.size, b"\0"))
        return tuple.__new__(self.record, (*record[:-1], self._tail.decode(view[self._tail.offset :])))

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        return lambda view: [self.decode(view[at : at + step]) for at in range(0, len(view), step)]

    def short(self, value: Any) -> tuple[Any, ...]:
        # Inside another one: without the array.
        buffer = bytearray(self.size)
        self.put(buffer, 0, value, ())
        return Struct(self.order + self.codes).unpack(buffer)

    def encode(self, value: Any) -> bytes:
        return self._put_alone(value, ())

    def _put_alone(self, value: Any, path: Path) -> bytes:
        values = self._values(value, path)
        if isinstance(values, bytes):
            if len(values) < self._tail.offset:
                raise ValueError(f"{where(path, self.typename)} has {self.size} bytes, not {len(values)}")
            return values
        last = len(self.elements) - 1
        data = self._tail.encode(values.pop(last), (path, self._tail.name)) if last in values else b""
        buffer = bytearray(self.size)
        self._put_values(buffer, 0, values, path)
        return bytes(buffer[: self._tail.offset]) + data

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        step = self._step(stride)
        pieces = []
        for index, value in enumerate(values):
            piece = self._put_alone(value, ((), index))
            if len(piece) > step:
                what = where(((), index), self.typename)
                raise ValueError(f"{what} has {len(piece)} bytes, more than the {step} from one to the next")
            pieces.append(piece.ljust(step, b"\0"))
        return b"".join(pieces)

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        values = self._values(value, path)
        if isinstance(values, dict) and values.pop(len(self.elements) - 1, None):
            raise ValueError(f"{where(path, self.typename)} has no room for its flexible array here")
        self._put_values(buffer, offset, values, path)
