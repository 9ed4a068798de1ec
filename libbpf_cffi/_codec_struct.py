"""Codecs of structs."""

from __future__ import annotations

from _collections_abc import Mapping
from itertools import repeat, starmap
from operator import itemgetter
from struct import Struct

from ._codec_base import MAX_FORMAT, WRONG, Codec, Names, as_bytes, in_numpy, no_member, structured, where
from ._codec_program import NATIVE
from ._codec_scalar import INT_CODES, TRUTH
from ._codec_union import BitFieldCodec, Field, UnionCodec, all_members, fitter
from ._record import Record, UnionValue, record_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ._codec_base import Path
    from ._codec_program import Program

__all__ = ["OpaqueCodec", "StructCodec"]


class OpaqueCodec(Codec):
    """A struct inside another one that is too long to be decoded by the outer one's expression."""

    def __init__(self, inner: Codec) -> None:
        super().__init__(inner.size, inner.typename, inner.order)
        self.inner = inner
        self.codes = f"{inner.size}s"
        self.put = inner.put  # type: ignore[method-assign]
        self.public_codes = inner.public_codes  # type: ignore[method-assign]
        if not inner.flexible:
            self.encode = inner.encode  # type: ignore[method-assign]

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.inner.unpack)}({names.item()})"

    def add_node(self, program: Program, offset: int) -> bool:
        return program.add(self.inner, offset)

    def numpy_type(self) -> Any:
        return self.inner.dtype


class _Piece:
    """A stretch of a struct's bytes that is one member, or several bit fields."""

    __slots__ = ("bits", "fields", "size", "start")

    def __init__(self, field: Field) -> None:
        self.start = field.offset
        self.size = field.codec.size
        self.fields = [field]
        self.bits = isinstance(field.codec, BitFieldCodec)

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def codes(self) -> str:
        """Its part of the format."""
        if self.bits:
            return INT_CODES.get((self.size, False), f"{self.size}s")
        return self.fields[0].codec.codes

    def takes(self, field: Field) -> bool:
        """Tell whether a bit field belongs here: it shares a byte, or the unit that its type is stored in."""
        codec = field.codec
        if not self.bits or not isinstance(codec, BitFieldCodec):
            return False
        last, unit = field.offset + codec.size, codec.inner.size
        return field.offset < self.end or (unit <= MAX_UNIT and self.start // unit == (last - 1) // unit)

    def add(self, field: Field) -> None:
        self.fields.append(field)
        self.size = max(self.end, field.offset + field.codec.size) - self.start


MAX_EMPTY = 1000
"""Members of a struct without bytes; those of others are bounded by their size, these can double with each level."""

MAX_UNIT = 8
"""Bytes of the largest integer that `struct` and NumPy know."""


def _pieces(fields: Sequence[Field], size: int, typename: str) -> list[_Piece]:
    """Lay the members out by their offsets."""
    pieces: list[_Piece] = []
    end = 0
    for field in sorted(fields, key=lambda field: field.bits[0]):
        start, last = field.bits
        if last > size * 8:
            raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies outside of it")
        if start < end:
            raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} lies over another one")
        if pieces and pieces[-1].takes(field):
            pieces[-1].add(field)
        elif pieces and field.offset < pieces[-1].end:
            raise ValueError(f"the BTF of {typename} is malformed: member {field.name!r} shares a byte")
        else:
            pieces.append(_Piece(field))
        end = max(end, last)
    following = size
    for piece in reversed(pieces):
        if piece.bits:
            # An integer that Python and NumPy know, if there is room.
            room = following - piece.start
            piece.size = next((each for each in (1, 2, 4, 8) if piece.size <= each <= room), piece.size)
        following = piece.start
    return pieces


class StructCodec(Codec):
    """A struct: a record. `fields` are its members in their order, those of anonymous structs among them."""

    in_c = True

    def __init__(self, typename: str, size: int, fields: Sequence[Field], order: str, tail: str = "") -> None:
        super().__init__(size, typename, order)
        self.fields = list(fields)
        self._pieces = _pieces(self.fields, size, typename)
        self.members = all_members(self.fields)
        """Offset and codec of each member by name, those of anonymous unions among them."""
        elements: list[str | tuple[str, ...]] = []
        for field in self.fields:
            codec = field.codec
            elements.append(codec.names if isinstance(codec, UnionCodec) and not field.name else field.name)
        if tail:
            elements.append(tail)
        self.elements = tuple(elements)
        self._index: dict[str, int] = {}
        for index, element in enumerate(elements):
            for name in (element,) if isinstance(element, str) else element:
                self._index.setdefault(name, index)
        self.record = record_class(typename.removeprefix("struct "), self.elements)
        self.codes = self._join(lambda piece: piece.codes) or ""
        self.weight = 1 + sum(1 if piece.bits else piece.fields[0].codec.weight for piece in self._pieces)
        if not size and self.weight > MAX_EMPTY:
            raise ValueError(f"the BTF of {typename} is malformed: it has no bytes, but countless members")
        self._plain = False
        self._getter: Callable[[Any], Any] | None = None

    def _join(self, codes: Callable[[_Piece], str | None]) -> str | None:
        """Give the format of the whole, or ``None`` if a piece has none."""
        found = []
        end = 0
        for piece in self._pieces:
            inner = codes(piece)
            if inner is None:
                return None
            found += [f"{piece.start - end}x" if piece.start > end else "", inner]
            end = piece.end
        found.append(f"{self.size - end}x" if self.size > end else "")
        return "".join(found)

    # Bytes to values

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
                texts[field] = codec.extract(item, self._shift(piece, field), names)
        values = "".join(f"{texts[field]}, " for field in self.fields)
        return f"new({names.constant(self.record)}, ({values}{self._tail_text()}))"

    def add_node(self, program: Program, offset: int) -> bool:
        if self.order != NATIVE or not self.size or self.flexible:
            return False
        number = program.node("record", offset, self.size, len(self.fields), self.record)
        bits = {field: piece for piece in self._pieces if piece.bits for field in piece.fields}
        for field in self.fields:
            piece = bits.get(field)
            if piece is None:
                if not program.add(field.codec, field.offset):
                    return False
                continue
            codec = field.codec
            assert isinstance(codec, BitFieldCodec)
            if piece.codes.endswith("s"):
                return False
            codec.add_bits(program, piece.start, piece.size, self._shift(piece, field))
        return program.close(number)

    def _tail_text(self) -> str:
        """Give the expression for a flexible array, which has no room here."""
        return ""

    @staticmethod
    def _shift(piece: _Piece, field: Field) -> int:
        codec = field.codec
        assert isinstance(codec, BitFieldCodec)
        return codec.shift(piece.size, field.bits[0] - piece.start * 8)

    def _is_tuple(self, text: str, names: Names) -> bool:
        """Tell whether the record is made of just the items of the format, in their order."""
        return text == f"new(c0, ({names.all_items()}))"

    def _make_decode(self) -> Callable[..., Any]:
        text, names = self._compile()
        if not self._is_tuple(text, names):
            return super()._make_decode()
        source = "def decode(buffer, offset=0): return new(c0, unpack_from(buffer, offset))\n"
        return names.compile("decode", source, unpack_from=Struct(self.order + self.codes).unpack_from)  # type: ignore[no-any-return]

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        text, names = self._compile()
        if self._is_tuple(text, names):
            # A record of just the items of the format: no Python code runs for each.
            unpack = Struct(f"{self.order}{self.codes}{step - self.size}x").iter_unpack
            return lambda view: list(map(tuple.__new__, repeat(self.record), unpack(view)))
        return super()._make_decode_many(step)

    # Values to bytes, the short way: one call of `struct`, for values as they should be

    def __getattr__(self, name: str) -> Any:
        if name == "_items":
            self._items = self._make_items()
            return self._items
        if name == "_pack":
            self._pack = Struct(self.order + self.codes).pack
            return self._pack
        return super().__getattr__(name)

    _items: Callable[[Any], tuple[Any, ...]]
    """Gives the items of the format, made of the values of the elements in their order."""
    _pack: Callable[..., bytes]

    def _make_items(self) -> Callable[[Any], tuple[Any, ...]]:
        """Compile `_items`."""
        names = Names()
        place = {field: f"e{index}" for index, field in enumerate(self.fields)}
        texts = [
            self._bits_text(names, piece, place) if piece.bits
            else piece.fields[0].codec.pack_text(names, place[piece.fields[0]])
            for piece in self._pieces
        ]  # fmt: skip
        self._plain = texts == list(place.values())
        if all(isinstance(element, str) for element in self.elements) and len(self._index) == len(self.elements) > 1:
            self._getter = itemgetter(*self._index)
        left, items = ("".join(f"{each}, " for each in every) for every in (place.values(), texts))
        return names.compile("items", f"def items(values):\n    [{left}] = values\n    return ({items})\n")  # type: ignore[no-any-return]

    def _bits_text(self, names: Names, piece: _Piece, place: dict[Field, str]) -> str:
        """Give the expression for the item that several bit fields are."""
        parts = []
        for field in piece.fields:
            codec = field.codec
            assert isinstance(codec, BitFieldCodec)
            if codec.inner.codes == "?":
                # NumPy's truth values are no integers.
                fitted = f"{names.constant(TRUTH)}[{place[field]}]"
            else:
                fitted = f"{names.constant(fitter(*codec.limits()))}({place[field]})"
            parts.append(f"({fitted} & {(1 << codec.width) - 1}) << {self._shift(piece, field)}")
        text = " | ".join(parts)
        if piece.codes.endswith("s"):
            endian = "little" if self.order == "<" else "big"
            return f"({text}).to_bytes({piece.size}, {endian!r})"
        return text

    def short(self, value: Any) -> tuple[Any, ...]:
        """Give the items of the format for a record, or a tuple or dict of all members, as they should be."""
        items = self._items
        if type(value) is not self.record:
            if type(value) is dict and self._getter is not None and len(value) == len(self.elements):
                value = self._getter(value)
            elif type(value) is not tuple or len(value) != len(self.elements):
                raise TypeError(value)
        return items(value)

    def pack_text(self, names: Names, value: str) -> str:
        return f"*{names.constant(self.short)}({value})"

    def encode(self, value: Any) -> bytes:
        try:
            if type(value) is self.record:
                return self._pack(*(value if self._plain else self._items(value)))
            return self._pack(*self.short(value))
        except WRONG:
            return self._put_alone(value, ())

    def _encode_all(self, values: Any) -> Iterable[bytes]:
        items, kinds = self._items, set(map(type, values))
        if kinds == {dict} and self._getter is not None and set(map(len, values)) == {len(self.elements)}:
            values = map(self._getter, values)
        elif kinds != {self.record}:
            return [self.encode(value) for value in values]
        return list(starmap(self._pack, values if self._plain else map(items, values)))

    # Values to bytes, member by member

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        self._put_values(buffer, offset, self._values(value, path), path)

    def _put_values(self, buffer: bytearray, offset: int, values: dict[int, Any] | bytes, path: Path) -> None:
        if isinstance(values, bytes):
            if len(values) != self.size:
                raise ValueError(f"{where(path, self.typename)} has {self.size} bytes, not {len(values)}")
            buffer[offset : offset + self.size] = values
            return
        for index, value in values.items():
            field = self.fields[index]
            # Members of an anonymous union are named as the struct's own.
            field.codec.put(buffer, offset + field.offset, value, (path, field.name) if field.name else path)

    def _values(self, value: Any, path: Path) -> dict[int, Any] | bytes:
        """Give what was given of the elements, by index, or bytes; what was not given stays zero."""
        if isinstance(value, Record):
            if value._elements == self.elements:
                return dict(enumerate(value))
            value = value._asdict()
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            value = {name: getattr(value, name) for name in value._fields}
        elif in_numpy(value) and value.dtype.names and value.dtype != self.dtype:
            value = {name: value[name] for name in value.dtype.names}
        if isinstance(value, Mapping):
            return self._by_name(value, path)
        if not isinstance(value, (tuple, list)):
            data = as_bytes(value)
            if data is None:
                kind = type(value).__name__
                what = where(path, self.typename)
                raise TypeError(f"{what} must be a record, a mapping, a tuple or bytes, not {kind}")
            return data
        if len(value) not in (len(self.elements), len(self.fields)):
            names = ", ".join(element if isinstance(element, str) else " | ".join(element) for element in self.elements)
            what = where(path, self.typename)
            raise ValueError(f"{what} has {len(self.elements)} members ({names}), not {len(value)}")
        return dict(enumerate(value))

    def _by_name(self, given: Mapping[Any, Any], path: Path) -> dict[int, Any]:
        values: dict[int, Any] = {}
        for name, value in given.items():
            index = self._index.get(name)
            if index is None:
                raise ValueError(no_member(where(path, self.typename), name, self._index))
            if isinstance(self.elements[index], str):
                values[index] = value
            else:
                values.setdefault(index, {})[name] = value
        return values

    def make(self, /, *values: Any, **members: Any) -> Any:
        if len(values) > len(self.elements):
            raise TypeError(f"{self.typename} has {len(self.elements)} members, not {len(values)}")
        given: dict[str, Any] = {}
        for element, value in zip(self.elements, values, strict=False):
            if isinstance(element, str):
                given[element] = value
            elif isinstance(value, (UnionValue, Mapping)):
                # An anonymous union stands there as a value of its own.
                given |= value._asdict() if isinstance(value, UnionValue) else value
            else:
                names, kind = " | ".join(element), type(value).__name__
                raise TypeError(f"{self.typename}: {names} must be a value of the union or members by name, not {kind}")
        twice = given.keys() & members.keys()
        if twice:
            raise TypeError(f"{self.typename} is given {', '.join(sorted(twice))} twice")
        return self.decode(self.encode({**given, **members}))

    # What it is elsewhere

    def make_public_codes(self) -> str | None:
        codes = self._join(lambda piece: None if piece.bits else piece.fields[0].codec.public_codes())
        return None if codes is None or len(codes) > MAX_FORMAT else codes

    def numpy_type(self) -> Any:
        """Give a structured type; bit fields stored together are one integer, named after all of them with ``|``."""
        found: list[tuple[str, Any, int]] = []
        for piece in self._pieces:
            field = piece.fields[0]
            if piece.bits:
                name = "|".join(field.name for field in piece.fields)
                code = f"{self.order}u{piece.size}" if (piece.size, False) in INT_CODES else f"V{piece.size}"
                found.append((name, code, piece.start))
            elif isinstance(field.codec, UnionCodec) and not field.name:
                found += [(n, codec, field.offset + at) for n, (at, codec) in field.codec.members.items()]
            else:
                found.append((field.name, field.codec, field.offset))
        return structured(found, self.size)
