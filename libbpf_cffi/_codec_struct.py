"""Codecs of structs, unions and bit fields."""

from __future__ import annotations

from _collections_abc import Mapping
from struct import Struct, error

from ._codec_base import INT_CODES, Codec, FloatCodec, IntCodec, Names, TextCodec, where
from ._record import Record, UnionValue, record_class, union_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from typing_extensions import Buffer

    from ._codec_base import Path

__all__ = ["BitFieldCodec", "Field", "OpaqueCodec", "StructCodec", "UnionCodec"]


class Field:
    """A member of a struct or union: `offset` in bytes; without a name it is an anonymous union."""

    __slots__ = ("codec", "name", "offset")

    def __init__(self, name: str, offset: int, codec: Codec) -> None:
        self.name = name
        self.offset = offset
        self.codec = codec


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

    def expression(self, names: Names) -> str:
        endian = "little" if self.order == "<" else "big"
        item = f"{names.constant(int.from_bytes)}({names.item()}, {endian!r})"
        return self.extract(item, self.shift(self.size, self.bit), names)

    def mask(self) -> int:
        """Give the bits that are the field's, in the integer that its bytes are."""
        return (1 << self.width) - 1 << self.shift(self.size, self.bit)

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        what = where(path, self.typename)
        # What the type cannot hold is told by itself: a bool that is a string, an enumerator that there is not.
        number = int.from_bytes(self._checked(value, path), "little", signed=self.is_signed)
        low, high = (-1 << self.width - 1, (1 << self.width - 1) - 1) if self.is_signed else (0, (1 << self.width) - 1)
        if not low <= number <= high:
            raise ValueError(f"{what} must be from {low} to {high}, not {number}")
        endian = "little" if self.order == "<" else "big"
        old = int.from_bytes(buffer[offset : offset + self.size], endian)  # type: ignore[arg-type]
        mask = self.mask()
        new = old & ~mask | number << self.shift(self.size, self.bit) & mask
        buffer[offset : offset + self.size] = new.to_bytes(self.size, endian)  # type: ignore[arg-type]

    def _checked(self, value: Any, path: Path) -> bytes:
        buffer = bytearray(self.inner.size)
        self.inner.put(buffer, 0, value, path)
        return bytes(buffer if self.order == "<" else reversed(buffer))

    def public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        return f"V{self.size}"


class OpaqueCodec(Codec):
    """A struct inside another one that is too long to be decoded by the outer one's expression."""

    def __init__(self, inner: Codec) -> None:
        super().__init__(inner.size, inner.typename, inner.order)
        self.inner = inner
        self.codes = f"{inner.size}s"
        self.put = inner.put  # type: ignore[method-assign]
        self.public_codes = inner.public_codes  # type: ignore[method-assign]
        self.numpy_type = inner.numpy_type  # type: ignore[method-assign]

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.inner.unpack)}({names.item()})"


class _Piece:
    """A stretch of a struct's bytes that is one member, or several bit fields that share bytes."""

    __slots__ = ("bits", "codes", "fields", "size", "start")

    def __init__(self, start: int, size: int, fields: list[Field]) -> None:
        self.start = start
        self.size = size
        self.fields = fields
        self.bits = isinstance(fields[0].codec, BitFieldCodec)
        if self.bits:
            self.codes = INT_CODES.get((size, False), f"{size}s")
        else:
            self.codes = fields[0].codec.codes


def _pieces(fields: Sequence[Field], size: int, typename: str) -> list[_Piece]:
    """Lay the members out by their offsets."""
    pieces: list[_Piece] = []
    end = 0
    for field in sorted(fields, key=lambda field: field.offset):
        last = field.offset + field.codec.size
        if last > size:
            raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies outside of it")
        shares = pieces and pieces[-1].bits and isinstance(field.codec, BitFieldCodec) and field.offset < end
        if shares:
            old = pieces.pop()
            pieces.append(_Piece(old.start, max(end, last) - old.start, [*old.fields, field]))
        elif field.offset < end:
            raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies over another one")
        else:
            pieces.append(_Piece(field.offset, field.codec.size, [field]))
        end = max(end, last)
    return pieces


class _Tail:
    """A flexible array at the end of a struct."""

    def __init__(self, offset: int, element: Codec) -> None:
        self.offset = offset
        self.element = element
        self.text = isinstance(element, TextCodec)
        # What the member is where the array has no room: in another struct, in a map's value.
        self.none = repr(b"" if element.raw else "") if isinstance(element, TextCodec) else "()"

    def decode(self, view: memoryview) -> Any:
        """Give as many elements as there is room for."""
        if isinstance(self.element, TextCodec):
            return TextCodec(len(view), self.element.raw).decode(view)
        size = self.element.size
        return tuple(self.element.decode_many(view, count=len(view) // size if size else 0))

    def encode(self, value: Any, path: Path) -> bytes:
        """Give the bytes of as many elements as the value has."""
        if isinstance(self.element, TextCodec):
            data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            length = len(data) if isinstance(data, (bytes, bytearray, memoryview)) else 0
            buffer = bytearray(length)
            TextCodec(length, raw=True).put(buffer, 0, value, path)
            return bytes(buffer)
        if isinstance(value, (bytes, bytearray, memoryview)) and self.element.size == 1:
            return bytes(value)
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__len__"):
            kind = type(value).__name__
            raise TypeError(f"{where(path, f'{self.element.typename}[]')} must be a sequence of elements, not {kind}")
        buffer = bytearray(self.element.size * len(value))
        for index, element in enumerate(value):
            self.element.put(buffer, index * self.element.size, element, (*path, f"[{index}]"))
        return bytes(buffer)


class StructCodec(Codec):
    """A struct: a record.

    `fields` are its members in their order, those of anonymous structs among them. A last member that is a flexible
    array (`tail_name`, its offset and element) makes the struct flexible.
    """

    def __init__(
        self,
        typename: str,
        size: int,
        fields: Sequence[Field],
        order: str,
        tail: tuple[str, int, Codec] | None = None,
    ) -> None:
        super().__init__(size, typename, order)
        self.fields = list(fields)
        self._pieces = _pieces(self.fields, size, typename)
        self._tail: _Tail | None = None
        elements: list[str | tuple[str, ...]] = []
        self.members: dict[str, tuple[int, Codec]] = {}
        """Offset and codec of each member by name, those of anonymous unions among them."""
        self._index: dict[str, int] = {}
        for index, field in enumerate(self.fields):
            if field.name or not isinstance(field.codec, UnionCodec):
                elements.append(field.name)
                self.members.setdefault(field.name, (field.offset, field.codec))
                self._index.setdefault(field.name, index)
                continue
            elements.append(field.codec.names)
            for name, (offset, codec) in field.codec.members.items():
                self.members.setdefault(name, (field.offset + offset, codec))
                self._index.setdefault(name, index)
        if tail is not None:
            name, offset, element = tail
            if offset > size or any(each.offset + each.codec.size > offset for each in self.fields):
                raise ValueError(f"the BTF of {typename} is malformed: flexible array {name!r} is not at its end")
            self._tail = _Tail(offset, element)
            self.flexible = True
            self._index.setdefault(name, len(elements))
            elements.append(name)
        self.elements = tuple(elements)
        self.record = record_class(typename.removeprefix("struct "), self.elements)
        self.codes, self.items = self._lay_out()
        plain = all(isinstance(field.codec, (IntCodec, FloatCodec)) for field in self.fields)
        self._pack = Struct(order + self.codes).pack if plain and tail is None else None

    def _lay_out(self) -> tuple[str, int]:
        codes = []
        items = end = 0
        for piece in self._pieces:
            codes += [f"{piece.start - end}x" if piece.start > end else "", piece.codes]
            items += 1 if piece.bits else piece.fields[0].codec.items
            end = piece.start + piece.size
        codes.append(f"{self.size - end}x" if self.size > end else "")
        return "".join(codes), items

    def expression(self, names: Names) -> str:
        texts: dict[Field, str] = {}
        for piece in self._pieces:
            if not piece.bits:
                texts[piece.fields[0]] = piece.fields[0].codec.expression(names)
                continue
            item = names.item()
            if piece.codes.endswith("s"):
                endian = "little" if self.order == "<" else "big"
                item = f"{names.constant(int.from_bytes)}({item}, {endian!r})"
            for field in piece.fields:
                codec = field.codec
                assert isinstance(codec, BitFieldCodec)
                bit = (field.offset - piece.start) * 8 + codec.bit
                texts[field] = codec.extract(item, codec.shift(piece.size, bit), names)
        values = [texts[field] for field in self.fields]
        if self._tail is not None:
            values.append(self._tail.none)
        return f"new({names.constant(self.record)}, ({''.join(f'{value}, ' for value in values)}))"

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        if self._tail is not None:
            return lambda view: [self.decode(view[at : at + step]) for at in range(0, len(view), step)]
        return super()._make_decode_many(step)

    def decode(self, buffer: Buffer, offset: int = 0) -> Any:
        if self._tail is None:
            return super().decode(buffer, offset)
        view = memoryview(buffer).cast("B")[offset:]
        if len(view) < self._tail.offset:
            raise self._too_short(len(view))
        # The array begins before the struct's own padding ends.
        record = self.unpack(view if len(view) >= self.size else bytes(view).ljust(self.size, b"\0"))
        return tuple.__new__(self.record, (*record[:-1], self._tail.decode(view[self._tail.offset :])))

    def encode(self, value: Any) -> bytes:
        if self._pack is not None and isinstance(value, tuple) and len(value) == len(self.fields):
            try:
                if type(value) is self.record or not hasattr(value, "_fields"):
                    return self._pack(*value)
            except (error, OverflowError):
                pass  # below it is found out why
        if self._tail is None:
            return super().encode(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            if len(value) < self._tail.offset:
                raise self._too_short(len(value))
            return bytes(value)
        values = self._values(value, ())
        last = len(self.elements) - 1
        tail = self._tail.encode(values.pop(last), (self._path(last),)) if last in values else b""
        buffer = bytearray(self.size)
        self._put_values(buffer, 0, values, ())
        return bytes(buffer[: self._tail.offset]) + tail

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        if isinstance(value, (bytes, bytearray, memoryview)):
            if len(value) != self.size:
                raise ValueError(f"{where(path, self.typename)} has {self.size} bytes, not {len(value)}")
            buffer[offset : offset + self.size] = value
            return
        values = self._values(value, path)
        if self._tail is not None and values.pop(len(self.elements) - 1, None):
            raise ValueError(f"{where(path, self.typename)} has no room for its flexible array here")
        self._put_values(buffer, offset, values, path)

    def _put_values(self, buffer: bytearray, offset: int, values: dict[int, Any], path: Path) -> None:
        for index, value in values.items():
            field = self.fields[index]
            # Members of an anonymous union are named as the struct's own.
            inner = (*path, f".{field.name}") if field.name else path
            field.codec.put(buffer, offset + field.offset, value, inner)

    def _path(self, index: int) -> str:
        return f".{self.elements[index]}"

    def _values(self, value: Any, path: Path) -> dict[int, Any]:
        """Give what was given of the elements, by index; what was not given stays zero."""
        what = where(path, self.typename)
        if isinstance(value, Record):
            if value._elements == self.elements:
                return dict(enumerate(value))
            value = value._asdict()
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            value = {name: getattr(value, name) for name in value._fields}
        if isinstance(value, Mapping):
            return self._by_name(value, what)
        if not isinstance(value, (tuple, list)):
            kind = type(value).__name__
            raise TypeError(f"{what} must be a record, a mapping, a tuple or bytes, not {kind}")
        if len(value) != len(self.elements) and len(value) != len(self.fields):
            names = ", ".join(element if isinstance(element, str) else " | ".join(element) for element in self.elements)
            raise ValueError(f"{what} has {len(self.elements)} members ({names}), not {len(value)}")
        return dict(enumerate(value))

    def _by_name(self, given: Mapping[Any, Any], what: str) -> dict[int, Any]:
        values: dict[int, Any] = {}
        for name, value in given.items():
            index = self._index.get(name)
            if index is None:
                raise ValueError(no_member(what, name, self._index))
            if isinstance(self.elements[index], str):
                values[index] = value
            else:
                values.setdefault(index, {})[name] = value
        return values

    def make(self, *values: Any, **members: Any) -> Any:
        if len(values) > len(self.elements):
            raise TypeError(f"{self.typename} has {len(self.elements)} members, not {len(values)}")
        given: dict[str, Any] = {}
        for element, value in zip(self.elements, values, strict=False):
            given |= {element: value} if isinstance(element, str) else value
        twice = given.keys() & members.keys()
        if twice:
            raise TypeError(f"{self.typename} is given {', '.join(sorted(twice))} twice")
        return self.decode(self.encode({**given, **members}))

    def public_codes(self) -> str | None:
        codes = []
        end = 0
        for piece in self._pieces:
            inner = None if piece.bits else piece.fields[0].codec.public_codes()
            if inner is None:
                return None
            codes += [f"{piece.start - end}x" if piece.start > end else "", inner]
            end = piece.start + piece.size
        codes.append(f"{self.size - end}x" if self.size > end else "")
        return "".join(codes)

    def numpy_type(self) -> Any:
        """Give a structured type; bit fields that share bytes are one integer, named after all of them with ``|``."""
        found: list[tuple[str, Any, int]] = []
        for piece in self._pieces:
            if piece.bits:
                name = "|".join(field.name for field in piece.fields)
                code = f"{self.order}u{piece.size}" if (piece.size, False) in INT_CODES else f"V{piece.size}"
                found.append((name, code, piece.start))
                continue
            field = piece.fields[0]
            if field.name or not isinstance(field.codec, UnionCodec):
                found.append((field.name, field.codec, field.offset))
            else:
                found += [(n, codec, field.offset + at) for n, (at, codec) in field.codec.members.items()]
        return _structured(found, self.size)


def _structured(found: Iterable[tuple[str, Any, int]], size: int) -> dict[str, Any]:
    """Give what ``numpy.dtype()`` takes for members at offsets; what has no bytes or no name is left out."""
    members: dict[str, tuple[Any, int]] = {}
    for name, kind, offset in found:
        if isinstance(kind, Codec):
            if not kind.size:
                continue
            kind = kind.dtype  # noqa: PLW2901 - a codec stands for its dtype
        if name:
            members.setdefault(name, (kind, offset))
    formats, offsets = [kind for kind, _ in members.values()], [offset for _, offset in members.values()]
    return {"names": list(members), "formats": formats, "offsets": offsets, "itemsize": size}


def no_member(what: str, name: object, known: Iterable[str]) -> str:
    """Say that a type has no such member, and which come close."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    rest = f"close names: {', '.join(close)}" if close else f"it has: {', '.join(names[:20]) or 'none'}"
    return f"{what} has no member {name!r}; {rest}"


class UnionCodec(Codec):
    """A union: its bytes, and its members as what they are as each.

    It takes such a value, its bytes, or members by name; several together must agree on the bits that they share.
    """

    def __init__(self, typename: str, size: int, fields: Sequence[Field], order: str) -> None:
        super().__init__(size, typename, order)
        self.codes = f"{size}s"
        self.members: dict[str, tuple[int, Codec]] = {}
        for field in fields:
            if field.offset + field.codec.size > size:
                raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies outside of it")
            if field.name or not isinstance(field.codec, UnionCodec):
                self.members.setdefault(field.name, (field.offset, field.codec))
                continue
            for name, (offset, codec) in field.codec.members.items():
                self.members.setdefault(name, (field.offset + offset, codec))
        self.names = tuple(self.members)
        decoders = tuple(_decoder(offset, codec) for offset, codec in self.members.values())
        name = typename.removeprefix("union ")
        self.record = union_class(name, self.names, decoders, self.overlay)

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.record)}({names.item()})"

    def overlay(self, data: bytes, given: Mapping[str, Any], path: Path = ()) -> bytes:
        """Write members over the union's bytes."""
        whole, written, first = int.from_bytes(data, "little"), 0, ""
        for name, value in given.items():
            if name not in self.members:
                raise ValueError(no_member(where(path, self.typename), name, self.members))
            offset, codec = self.members[name]
            piece = bytearray(self.size)
            codec.put(piece, offset, value, (*path, f".{name}"))
            mask = self._mask(offset, codec)
            new = int.from_bytes(piece, "little")
            if (new ^ whole) & mask & written:
                raise ValueError(f"{where(path, self.typename)}: {first} and {name} differ in bytes that they share")
            whole = whole & ~mask | new & mask
            written |= mask
            first = first or name
        return whole.to_bytes(self.size, "little")

    def make(self, *values: Any, **members: Any) -> Any:
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

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        what = where(path, self.typename)
        if isinstance(value, (UnionValue, bytes, bytearray, memoryview)):
            data = bytes(value)
            if len(data) != self.size:
                raise ValueError(f"{what} has {self.size} bytes, not {len(data)}")
        elif isinstance(value, Mapping):
            data = self.overlay(bytes(self.size), value, path)
        else:
            kind = type(value).__name__
            raise TypeError(f"{what} must be a value of the union, members by name, or bytes, not {kind}")
        buffer[offset : offset + self.size] = data

    def public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        return _structured([(name, codec, offset) for name, (offset, codec) in self.members.items()], self.size)


def _decoder(offset: int, codec: Codec) -> Callable[[bytes], object]:
    return lambda data: codec.decode(data, offset)
