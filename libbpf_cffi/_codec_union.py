"""Codecs of bit fields and of unions."""

from __future__ import annotations

from _collections_abc import Mapping
from operator import index as as_integer

from ._codec_base import Codec, Names, as_bytes, in_numpy, no_member, structured, where
from ._record import UnionValue, union_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._codec_base import Path
    from ._codec_program import Program

__all__ = ["BitFieldCodec", "Field", "UnionCodec", "all_members", "fitter"]


class Field:
    """A member of a struct or union: `offset` in bytes; without a name it is an anonymous union."""

    __slots__ = ("codec", "name", "offset")

    def __init__(self, name: str, offset: int, codec: Codec) -> None:
        self.name = name
        self.offset = offset
        self.codec = codec

    @property
    def bits(self) -> tuple[int, int]:
        """The first bit of it in the whole, and the first one after it."""
        if isinstance(self.codec, BitFieldCodec):
            start = self.offset * 8 + self.codec.bit
            return start, start + self.codec.width
        return self.offset * 8, (self.offset + self.codec.size) * 8


def all_members(fields: Sequence[Field]) -> dict[str, tuple[int, Codec]]:
    """Give offset and codec of each member by name, those of anonymous unions among them."""
    members: dict[str, tuple[int, Codec]] = {}
    for field in fields:
        if field.name or not isinstance(field.codec, UnionCodec):
            members.setdefault(field.name, (field.offset, field.codec))
            continue
        for name, (offset, codec) in field.codec.members.items():
            members.setdefault(name, (field.offset + offset, codec))
    return members


class BitFieldCodec(Codec):
    """A bit field: `width` bits from `bit` on, counted in the `size` bytes that hold them.

    Counted from the lowest bit where the byte order is little-endian, from the highest where it is big-endian, as the
    compilers lay them out. `put` leaves the other bits alone.
    """

    def __init__(self, bit: int, width: int, inner: Codec, order: str) -> None:
        super().__init__((bit + width + 7) // 8, f"{inner.typename}:{width}", order)
        self.bit = bit
        self.width = width
        self.inner = inner
        self.codes = f"{self.size}s"
        self.is_signed = bool(getattr(inner, "is_signed", False))
        self._endian = "little" if order == "<" else "big"

    def limits(self) -> tuple[int, int]:
        """Give the lowest and the highest number that it holds."""
        return (-1 << self.width - 1, (1 << self.width - 1) - 1) if self.is_signed else (0, (1 << self.width) - 1)

    def shift(self, size: int, bit: int) -> int:
        """Give how far up the lowest bit is in an integer of `size` bytes that holds the field from `bit` on."""
        return bit if self.order == "<" else size * 8 - bit - self.width

    def extract(self, item: str, shift: int, names: Names) -> str:
        """Give the expression for the field's value, `shift` bits up in the integer `item`."""
        text = f"({item} >> {shift} & {(1 << self.width) - 1})"
        if self.is_signed:
            sign = 1 << self.width - 1
            text = f"(({text} ^ {sign}) - {sign})"
        members = getattr(self.inner, "members", None)
        if members is not None:
            return f"{names.constant(members)}[{text}]"
        return f"({text} != 0)" if self.inner.codes == "?" else text

    def add_bits(self, program: Program, offset: int, size: int, shift: int) -> None:
        """Add to a program what does the same as `extract`, in an integer of `size` bytes at `offset`."""
        members = getattr(self.inner, "members", None)
        kind = "truth" if self.inner.codes == "?" else "enum" if members is not None else ""
        signed = "signed" if self.is_signed and kind != "truth" else ""
        program.node(" ".join(filter(None, (signed, kind, "bits"))), offset, size, shift | self.width << 8, members)

    def expression(self, names: Names) -> str:
        item = f"{names.constant(int.from_bytes)}({names.item()}, {self._endian!r})"
        return self.extract(item, self.shift(self.size, self.bit), names)

    def mask(self) -> int:
        """Give the bits that are the field's, in the integer that its bytes are."""
        return (1 << self.width) - 1 << self.shift(self.size, self.bit)

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        # What the type cannot hold is told by itself: a bool that is a string, an enumerator that there is not.
        alone = bytearray(self.inner.size)
        self.inner.put(alone, 0, value, path)
        number = int.from_bytes(alone, self._endian, signed=self.is_signed)  # type: ignore[arg-type]
        low, high = self.limits()
        if not low <= number <= high:
            raise ValueError(f"{where(path, self.typename)} must be from {low} to {high}, not {number}")
        old = int.from_bytes(buffer[offset : offset + self.size], self._endian)  # type: ignore[arg-type]
        mask = self.mask()
        new = old & ~mask | number << self.shift(self.size, self.bit) & mask
        buffer[offset : offset + self.size] = new.to_bytes(self.size, self._endian)  # type: ignore[arg-type]

    def make_public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        return f"V{self.size}"


def fitter(low: int, high: int) -> Callable[[Any], int]:
    """Give what raises for a number outside of a bit field's range, and makes a Python integer of any other."""

    def fit(value: Any) -> int:
        number = as_integer(value)
        if not low <= number <= high:
            raise ValueError(number)
        return number

    return fit


class UnionCodec(Codec):
    """A union: its bytes, and its members as what they are as each.

    It takes such a value, its bytes, or members by name; several together must agree on the bits that they share.
    """

    def __init__(self, typename: str, size: int, fields: Sequence[Field], order: str) -> None:
        super().__init__(size, typename, order)
        self.codes = f"{size}s"
        for field in fields:
            if field.offset + field.codec.size > size:
                raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies outside of it")
        self.members = all_members(fields)
        self.names = tuple(self.members)
        decoders = tuple(_decoder(offset, codec) for offset, codec in self.members.values())
        self.record = union_class(typename.removeprefix("union "), self.names, decoders, self.overlay)

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.record)}({names.item()})"

    def overlay(self, data: bytes, given: Mapping[str, Any], path: Path = ()) -> bytes:
        """Write members over the union's bytes."""
        whole, written = int.from_bytes(data, "little"), 0
        names: list[str] = []
        for name, value in given.items():
            if name not in self.members:
                raise ValueError(no_member(where(path, self.typename), name, self.members))
            offset, codec = self.members[name]
            piece = bytearray(self.size)
            codec.put(piece, offset, value, (path, name))
            mask = self._mask(offset, codec)
            new = int.from_bytes(piece, "little")
            if (new ^ whole) & mask & written:
                others = " or ".join(names)
                raise ValueError(f"{where(path, self.typename)}: {name} differs from {others} in bits that they share")
            whole = whole & ~mask | new & mask
            written |= mask
            names.append(name)
        return whole.to_bytes(self.size, "little")

    def make(self, /, *values: Any, **members: Any) -> Any:
        if members and values:
            raise TypeError(f"{self.typename} is made of its bytes or of members by name, not of both")
        return super().make(*values) if values else self.decode(self.encode(members))

    @staticmethod
    def _mask(offset: int, codec: Codec) -> int:
        """Give the bits that a member is, with the union's bytes taken as a little-endian integer."""
        if isinstance(codec, BitFieldCodec):
            own = codec.mask().to_bytes(codec.size, "little" if codec.order == "<" else "big")
            return int.from_bytes(own, "little") << offset * 8
        return (1 << codec.size * 8) - 1 << offset * 8

    def encode(self, value: Any) -> bytes:
        if type(value) is self.record:
            return bytes(value)
        return self._put_alone(value, ())

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        data: bytes | None
        if isinstance(value, UnionValue):
            if value._fields != self.names:
                raise TypeError(f"{where(path, self.typename)} cannot be of another union, {value!r}")
            data = bytes(value)
        elif isinstance(value, Mapping):
            data = self.overlay(bytes(self.size), value, path)
        elif in_numpy(value) and value.dtype.names and value.dtype != self.dtype:
            data = None
        else:
            data = as_bytes(value)
        if data is None:
            what, kind = where(path, self.typename), type(value).__name__
            raise TypeError(f"{what} must be a value of the union, members by name, or bytes, not {kind}")
        if len(data) != self.size:
            raise ValueError(f"{where(path, self.typename)} has {self.size} bytes, not {len(data)}")
        buffer[offset : offset + self.size] = data

    def make_public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        return structured([(name, codec, offset) for name, (offset, codec) in self.members.items()], self.size)


def _decoder(offset: int, codec: Codec) -> Callable[[bytes], object]:
    return lambda data: codec.decode(data, offset)
