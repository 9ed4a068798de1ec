"""From a BTF type to its codec: the one place that knows how BTF describes a type.

    BTF                                Python
    ──────────────────────────────     ─────────────────────────────────────────────────────────
    integer, pointer                   int
    bool                               bool
    floating point                     float
    char[N]                            str up to the first NUL (bytes with chars="bytes")
    other array                        tuple, nested as declared
    struct, data section               a record with the members as attributes
    union                              a `UnionValue`: its bytes, and each member of them
    enumeration                        an `IntEnum` that takes unknown values
    typedef, const, volatile, …        what they stand for
    void, forward, what has no size    bytes, none at all

A malformed type is a `ValueError`, and so is one that is nested too deeply; no type makes this run for ever.
"""

from __future__ import annotations

from ._codec_array import ArrayCodec
from ._codec_base import INLINE, Codec, no_member
from ._codec_flexible import FlexibleCodec, Tail
from ._codec_scalar import (
    FLOAT_CODES,
    INT_CODES,
    BoolCodec,
    BytesCodec,
    EnumCodec,
    FloatCodec,
    IntCodec,
    TextCodec,
    WideIntCodec,
)
from ._codec_struct import OpaqueCodec, StructCodec
from ._codec_union import BitFieldCodec, Field, UnionCodec
from ._ffi import lib
from ._record import enum_class
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Codec", "bytes_codec", "is_deep", "make_codec", "part", "steps"]

MAX_FIELDS = 1 << 17
"""More members than any struct has, those of its anonymous structs included: BTF allows 65,535 a type."""

DEEP = 200
"""Frames of Python's stack: more than 32 types within each other take, which is as many as the kernel follows."""


def bytes_codec(size: int) -> BytesCodec:
    """Give the codec for what has no BTF."""
    return BytesCodec(size)


def make_codec(type: Any, chars: str = "str") -> Codec:
    """Make the codec of a `BtfType`; with ``chars="bytes"`` a ``char[N]`` is bytes, all N of them."""
    if chars not in ("str", "bytes"):
        raise ValueError(f"chars must be 'str' or 'bytes', not {chars!r}")
    try:
        return _Builder(type, chars).make()
    except RecursionError as error:
        # A type in which this one is asks again, with more frames.
        if not is_deep(error):
            raise
        wrong = _why_deep(type)
    except LibbpfError as error:
        wrong = f"is malformed: {error}"
    raise ValueError(f"the BTF of type {type.id} ({type.name!r}) {wrong}")


def is_deep(error: RecursionError) -> bool:
    """Tell whether it is types within types that have filled the stack, and not the caller of who asks."""
    traceback, frames = error.__traceback__, 0
    while traceback is not None and frames <= DEEP:
        traceback = traceback.tb_next
        frames += 1
    return frames > DEEP


def _why_deep(type: Any) -> str:
    try:
        type.btf._check_shape("make a codec")
    except LibbpfError:
        return "is malformed: it is nested too deeply, or within itself"
    return "is nested too deeply for Python's stack: decode a part of it, or take bytes (a map's `raw`)"


class _Builder:
    """What one type is made of; the codecs of inner types come from the types themselves, which keep them."""

    def __init__(self, type: Any, chars: str) -> None:
        self._chars = chars
        self._order = "<" if type.btf.endianness == "little" else ">"
        self._type = type
        self._seen = 0

    def make(self) -> Codec:
        target, name = self._type, self._type.name
        kind = target.kind
        if kind in (lib.BTF_KIND_TYPEDEF, lib.BTF_KIND_VAR, *_MODIFIERS):
            target = target.type
            # A struct may have only the name that a typedef gives it.
            if target.name or target.kind not in _NAMED or kind != lib.BTF_KIND_TYPEDEF:
                return self._inner(target)
        make = _MAKERS.get(int(target.kind))
        if make is None:
            return BytesCodec(0, _NOTHING.get(int(kind), "void"))
        return make(self, target, name)

    def _inner(self, type: Any) -> Codec:
        codec: Codec = type.codec(self._chars)
        return codec

    def _malformed(self, what: str) -> ValueError:
        return ValueError(f"the BTF of type {self._type.id} ({self._type.name!r}) is malformed: {what}")

    def integer(self, type: Any, name: str) -> Codec:
        """Make the codec of an integer."""
        if type.is_bool and type.size == 1:
            return BoolCodec(1, name, self._order)
        if (type.size, False) in INT_CODES:
            return IntCodec(type.size, type.is_signed, name, self._order)
        return WideIntCodec(type.size, type.is_signed, name, self._order)

    def pointer(self, type: Any, _: str) -> Codec:
        """Make the codec of a pointer: a number."""
        size = type.btf.pointer_size
        return IntCodec(size, False, "pointer", self._order)

    def float(self, type: Any, name: str) -> Codec:
        """Make the codec of a floating-point number; of a size that Python has none of, bytes."""
        return FloatCodec(type.size, name, self._order) if type.size in FLOAT_CODES else BytesCodec(type.size, name)

    def enum(self, type: Any, name: str) -> Codec:
        """Make the codec of an enumeration; one that is only declared has no values."""
        if type.size is None:
            return BytesCodec(0, _NOTHING[lib.BTF_KIND_FWD])
        if (type.size, False) not in INT_CODES:
            raise self._malformed(f"an enumeration of {type.size} bytes")
        kind = enum_class(name, tuple((each.name, each.value) for each in type.enumerators))
        return EnumCodec(type.size, type.is_signed, f"enum {name}".rstrip(), self._order, kind)

    def array(self, type: Any, _: str) -> Codec:
        """Make the codec of an array."""
        if self._is_char(type.type):
            return TextCodec(type.nelems, raw=self._chars == "bytes")
        element = self._inner(type.type)
        if element.size * type.nelems >= 1 << 32:
            raise self._malformed(f"{element.typename}[{type.nelems}] has 4 GiB or more")
        return ArrayCodec(element, type.nelems)

    @staticmethod
    def _is_char(type: Any) -> bool:
        resolved = type.resolve()
        # Compilers mark `char` by its name; the encoding that BTF has for it is set by none.
        return bool(
            resolved.kind == lib.BTF_KIND_INT and resolved.size == 1 and (resolved.is_char or resolved.name == "char")
        )

    def struct(self, type: Any, name: str) -> Codec:
        """Make the codec of a struct."""
        members = list(type.members)
        tail = self._flexible(members[-1]) if members else None
        if tail is not None:
            members.pop()
        fields: list[Field] = []
        self._add_fields(fields, members, 0)
        typename = f"struct {name}".rstrip()
        if tail is not None:
            return FlexibleCodec(typename, type.size, fields, self._order, tail)
        return StructCodec(typename, type.size, fields, self._order)

    def union(self, type: Any, name: str) -> Codec:
        """Make the codec of a union."""
        fields: list[Field] = []
        self._add_fields(fields, type.members, 0)
        return UnionCodec(f"union {name}".rstrip(), type.size, fields, self._order)

    def section(self, type: Any, name: str) -> Codec:
        """Make the codec of a data section: a record of its variables."""
        fields = []
        for each in type.variables:
            variable = each.type
            codec: Codec = self._inner(variable) if variable.kind == lib.BTF_KIND_VAR else BytesCodec(each.size)
            # A variable whose type has no size, or a flexible array's, is as large as the section says.
            if codec.flexible or codec.size != each.size:
                codec = BytesCodec(each.size)
            fields.append(Field(variable.name, each.offset, _member(codec)))
        return StructCodec(name, type.size or 0, fields, self._order)

    def _flexible(self, member: Any) -> Tail | None:
        """Give the flexible array that a last member is, if it is one."""
        array = member.type.resolve()
        if not member.name or array.kind != lib.BTF_KIND_ARRAY or array.nelems:
            return None
        element = None if self._is_char(array.type) else self._inner(array.type)
        return Tail(member.name, member.bit_offset // 8, element, self._chars == "bytes")

    def _add_fields(self, fields: list[Field], members: Any, base: int) -> None:
        """Add the members, those of anonymous structs in their place; `base` is the offset in bits of the whole."""
        for member in members:
            self._seen += 1
            if self._seen > MAX_FIELDS:
                raise self._malformed("it has too many members")
            at = base + member.bit_offset
            inner = member.type.resolve()
            width = member.bitfield_size
            if not width and inner.kind == lib.BTF_KIND_INT and inner.bits < inner.size * 8:
                # Compilers before the member's own size was in BTF gave each bit field a type of its own.
                width = inner.bits
            if width:
                if member.name:
                    fields.append(Field(member.name, at // 8, self._bit_field(at, width, inner, member.name)))
            elif at % 8:
                raise self._malformed(f"member {member.name!r} starts within a byte")
            elif not member.name and inner.kind == lib.BTF_KIND_STRUCT:
                self._add_fields(fields, inner.members, at)
            elif not member.name and inner.kind == lib.BTF_KIND_UNION:
                # Its name is the struct's: its members are.
                fields.append(Field("", at // 8, self._inner(inner)))
            elif member.name:
                fields.append(Field(member.name, at // 8, _member(self._inner(member.type))))

    def _bit_field(self, at: int, width: int, type: Any, name: str) -> BitFieldCodec:
        inner = self._inner(type)
        if not isinstance(inner, (IntCodec, BoolCodec, WideIntCodec)) or width > inner.size * 8:
            raise self._malformed(f"bit field {name!r} has {width} bits of {inner.typename}")
        return BitFieldCodec(at % 8, width, inner, self._order)


def _member(codec: Codec) -> Codec:
    """Give what a codec is inside another one."""
    is_long = isinstance(codec, StructCodec) and codec.size > 0 and codec.weight > INLINE
    return OpaqueCodec(codec) if is_long else codec


_MODIFIERS = (lib.BTF_KIND_VOLATILE, lib.BTF_KIND_CONST, lib.BTF_KIND_RESTRICT, lib.BTF_KIND_TYPE_TAG)
_NAMED = (lib.BTF_KIND_STRUCT, lib.BTF_KIND_UNION, lib.BTF_KIND_ENUM, lib.BTF_KIND_ENUM64)
_NOTHING = {lib.BTF_KIND_FWD: "forward declaration", lib.BTF_KIND_FUNC: "function", lib.BTF_KIND_FUNC_PROTO: "function"}
_MAKERS = {
    lib.BTF_KIND_INT: _Builder.integer,
    lib.BTF_KIND_PTR: _Builder.pointer,
    lib.BTF_KIND_FLOAT: _Builder.float,
    lib.BTF_KIND_ENUM: _Builder.enum,
    lib.BTF_KIND_ENUM64: _Builder.enum,
    lib.BTF_KIND_ARRAY: _Builder.array,
    lib.BTF_KIND_STRUCT: _Builder.struct,
    lib.BTF_KIND_UNION: _Builder.union,
    lib.BTF_KIND_DATASEC: _Builder.section,
}


def part(codec: Codec, path: str, what: str) -> tuple[int, Codec]:
    """Find a part of a value, such as ``limits.low`` or ``[3].name``: its offset in bytes, and its codec.

    `what` names the whole in messages. A missing member is a `KeyError`, an index out of range an `IndexError`.
    """
    offset = 0
    for step in steps(path, what):
        inner = codec.inner if isinstance(codec, OpaqueCodec) else codec
        if isinstance(step, str):
            if not isinstance(inner, (StructCodec, UnionCodec)):
                raise KeyError(f"{what} is of type {inner.typename}, which has no member {step!r}")
            if step not in inner.members:
                raise KeyError(no_member(what, step, inner.members))
            at, codec = inner.members[step]
            what += f".{step}"
        else:
            if not isinstance(inner, ArrayCodec):
                raise KeyError(f"{what} is of type {inner.typename}, which has no elements")
            if not 0 <= step < inner.count:
                raise IndexError(f"{what} has {inner.count} elements: there is no [{step}]")
            at, codec = step * inner.element.size, inner.element
            what += f"[{step}]"
        offset += at
    return offset, codec


def steps(path: str, what: str) -> Iterator[str | int]:
    """Take a path apart: members as text, indexes as numbers."""
    rest = path
    while rest:
        if rest[0] == "[":
            number, bracket, rest = rest[1:].partition("]")
            if not bracket or not (number.isascii() and number.isdecimal()):
                raise KeyError(f"{what}{path} is not a part: an index is a number in brackets, such as [3]")
            yield int(number)
            continue
        rest = rest.removeprefix(".")
        end = min((at for at in (rest.find("."), rest.find("[")) if at >= 0), default=len(rest))
        name, rest = rest[:end], rest[end:]
        if not name:
            raise KeyError(f"{what}{path} is not a part: a member's name is missing")
        yield name
