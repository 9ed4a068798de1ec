"""Codecs of single values and arrays: bytes of C memory to Python values and back.

A codec decodes through one `struct` format and one Python expression that turns its items into the value. A struct's
codec joins the formats and expressions of its members and compiles them once, so that a million records are one loop
over `struct.Struct.iter_unpack`. Names out of BTF never become part of a compiled text.

Encoding is done by `put`, member by member: it checks every value, and says where it stands when it is wrong.
"""

from __future__ import annotations

import sys
from struct import Struct, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from typing_extensions import Buffer

    Path = tuple[str, ...]

__all__ = [
    "ArrayCodec",
    "BoolCodec",
    "BytesCodec",
    "Codec",
    "EnumCodec",
    "FloatCodec",
    "IntCodec",
    "Names",
    "TextCodec",
    "WideIntCodec",
    "where",
]

INLINE = 16
"""As many items of an array or of a struct in a struct are decoded by the outer one's expression."""

INT_CODES = {(1, False): "B", (1, True): "b", (2, False): "H", (2, True): "h"}
INT_CODES |= {(4, False): "I", (4, True): "i", (8, False): "Q", (8, True): "q"}
FLOAT_CODES = {2: "e", 4: "f", 8: "d"}


class Names:
    """The names that a compiled expression uses: items are ``v0``, ``v1``, …, constants ``c0``, ``c1``, …."""

    def __init__(self) -> None:
        self.items = 0
        self.constants: dict[str, object] = {"new": tuple.__new__}

    def item(self) -> str:
        """Give the name of the next item of the format."""
        self.items += 1
        return f"v{self.items - 1}"

    def constant(self, value: object) -> str:
        """Give a name for something that the expression uses."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name


def where(path: Path, typename: str) -> str:
    """Say in words which value is meant: ``a.b[2] (u32)``, or only the type if it is the whole."""
    text = "".join(path).lstrip(".")
    return f"{text} ({typename})" if text else typename


class Codec:
    """One type: its size in bytes, and what turns bytes into a value and a value into bytes."""

    size: int
    """In bytes; of a struct with a flexible array, without that."""
    typename: str
    """As C has it, such as ``struct event``, for messages."""
    flexible = False
    """Whether it ends in a flexible array, so that its values have different lengths."""
    items = 1
    """How many items of a format it is."""
    order: str
    """``<`` or ``>``."""
    codes: str
    """Its part of a format, without the byte order."""

    def __init__(self, size: int, typename: str, order: str) -> None:
        self.size = size
        self.typename = typename
        self.order = order
        self._strides: dict[int, Callable[[Any], list[Any]]] = {}

    # What a kind of type says of itself

    def expression(self, names: Names) -> str:
        """Give the Python expression for the value, made of the items of `codes`, which it takes from `names`."""
        raise NotImplementedError

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        """Write `value` at `offset` of a buffer that is large enough; `path` says where in the whole it stands."""
        raise NotImplementedError

    @property
    def format(self) -> str | None:
        """The `struct` format of the whole, byte order and padding included; ``None`` where there is none."""
        public = self.public_codes()
        return None if public is None else self.order + public

    def public_codes(self) -> str | None:
        """Give what a user may unpack with: nothing for bit fields, unions and integers of 16 bytes."""
        return self.codes

    @property
    def dtype(self) -> Any:
        """The NumPy dtype; imports NumPy."""
        import numpy as np

        return np.dtype(self.numpy_type())

    def numpy_type(self) -> Any:
        """Give what ``numpy.dtype()`` takes."""
        raise NotImplementedError

    # Bytes to values

    def _compile(self) -> tuple[Struct, str, Names]:
        names = Names()
        text = self.expression(names)
        return Struct(self.order + self.codes), text, names

    def _make_decode(self) -> Callable[..., Any]:
        """Compile what decodes one value."""
        layout, text, names = self._compile()
        constants = {"unpack_from": layout.unpack_from, **names.constants}
        items = "".join(f"v{index}, " for index in range(names.items))
        left = f"({items}) = unpack_from(buffer, offset)" if items else "pass"
        source = f"def decode(buffer, offset=0):\n    {left}\n    return {text}\n"
        # The text is made of names of our own and of constants' names, never of what BTF says.
        exec(source, constants)  # noqa: S102
        return constants["decode"]  # type: ignore[return-value]

    def __getattr__(self, name: str) -> Any:
        # Compiled when first used: most types of a BTF are never decoded.
        if name == "unpack":
            self.unpack = self._make_decode()
            return self.unpack
        raise AttributeError(name)

    unpack: Callable[..., Any]
    """`decode` without its checks: what the fast paths call on buffers of their own; `struct.error` for a short one."""

    def decode(self, buffer: Buffer, offset: int = 0) -> Any:
        """Give the value of the `size` bytes from `offset` on."""
        try:
            return self.unpack(buffer, offset)
        except error:
            raise self._too_short(memoryview(buffer).nbytes - offset) from None

    def _too_short(self, given: int) -> ValueError:
        return ValueError(f"{self.typename} has {self.size} bytes, not {given}")

    def decode_many(self, buffer: Buffer, stride: int | None = None, count: int | None = None) -> list[Any]:
        """Give the values at the buffer's start and at every `stride` bytes (by default its size) from there on."""
        step = self.size if stride is None else stride
        if step < self.size:
            raise ValueError(f"{self.typename} has {self.size} bytes, more than the {step} from one to the next")
        view = memoryview(buffer).cast("B")
        if count is None:
            if not step or len(view) % step:
                raise ValueError(f"{len(view)} bytes are no whole number of {self.typename}, {step} bytes each")
        elif len(view) < count * step:
            raise ValueError(f"{count} of {self.typename}, {step} bytes each, need more than {len(view)} bytes")
        else:
            if not step:
                return [self.decode(view) for _ in range(count)]
            view = view[: count * step]
        many = self._strides.get(step)
        if many is None:
            many = self._strides[step] = self._make_decode_many(step)
        return many(view)

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        """Compile what decodes the values of a buffer, `step` bytes from one to the next."""
        _, text, names = self._compile()
        layout = Struct(f"{self.order}{self.codes}{step - self.size}x")
        constants = {"iter_unpack": layout.iter_unpack, **names.constants}
        items = "".join(f"v{index}, " for index in range(names.items))
        source = f"def decode_many(buffer):\n    return [{text} for ({items}) in iter_unpack(buffer)]\n"
        exec(source, constants)  # noqa: S102 - see above
        return constants["decode_many"]  # type: ignore[return-value]

    # Values to bytes

    def make(self, *values: Any, **members: Any) -> Any:
        """Give the value that `values` or `members` make, checked, and with zeroes for what was not given."""
        if members or len(values) > 1:
            raise TypeError(f"{self.typename} is made of one value")
        return self.decode(self.encode(values[0]) if values else bytes(self.size))

    def encode(self, value: Any) -> bytes:
        """Give the bytes of `value`; `TypeError` or `ValueError` for what the type cannot hold."""
        buffer = bytearray(self.size)
        self.put(buffer, 0, value, ())
        return bytes(buffer)

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        """Give the bytes of `values` one after the other, each filled up to `stride` bytes with zeroes."""
        step = self.size if stride is None else stride
        if step < self.size:
            raise ValueError(f"{self.typename} has {self.size} bytes, more than the {step} from one to the next")
        fill = bytes(step - self.size)
        if not fill:
            return b"".join(map(self.encode, values))
        return b"".join([part for value in values for part in (self.encode(value), fill)])

    def __repr__(self) -> str:
        return f"<codec of {self.typename}, {self.size} bytes>"


def _integer(value: Any, what: str) -> int:
    if not hasattr(value, "__index__"):
        raise TypeError(f"{what} must be an integer, not {type(value).__name__}")
    number: int = value.__index__()
    return number


class IntCodec(Codec):
    """An integer of 1, 2, 4 or 8 bytes; a pointer is one."""

    def __init__(self, size: int, is_signed: bool, typename: str, order: str) -> None:
        super().__init__(size, typename, order)
        self.codes = INT_CODES[size, is_signed]
        self.is_signed = is_signed
        layout = Struct(order + self.codes)
        self._pack, self._pack_into = layout.pack, layout.pack_into
        self._native = order == ("<" if sys.byteorder == "little" else ">")

    def expression(self, names: Names) -> str:
        return names.item()

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        try:
            self._pack_into(buffer, offset, value)
        except error:
            raise self._refused(value, path) from None

    def encode(self, value: Any) -> bytes:
        try:
            return self._pack(value)
        except error:
            raise self._refused(value, ()) from None

    def _refused(self, value: Any, path: Path) -> Exception:
        what = where(path, self.typename)
        try:
            number = _integer(value, what)
        except TypeError as wrong:
            return wrong
        bits = self.size * 8
        low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if self.is_signed else (0, (1 << bits) - 1)
        return ValueError(f"{what} must be from {low} to {high}, not {number}")

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        if step == self.size and self._native:
            # The quickest there is: no tuple a value.
            return lambda view: view.cast(self.codes).tolist()  # type: ignore[call-overload]
        return super()._make_decode_many(step)

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        if stride is not None and stride != self.size:
            return super().encode_many(values, stride)
        if not isinstance(values, (list, tuple)):
            values = list(values)
        try:
            # One call for all.
            return Struct(f"{self.order}{len(values)}{self.codes}").pack(*values)
        except error:
            return super().encode_many(values)

    def numpy_type(self) -> Any:
        return f"{self.order}{'i' if self.is_signed else 'u'}{self.size}"


class WideIntCodec(Codec):
    """An integer of any other size, such as ``__int128``."""

    def __init__(self, size: int, is_signed: bool, typename: str, order: str) -> None:
        super().__init__(size, typename, order)
        self.is_signed = is_signed
        self.codes = f"{size}s"
        self._endian = "little" if order == "<" else "big"

    def expression(self, names: Names) -> str:
        convert = names.constant(int.from_bytes)
        return f"{convert}({names.item()}, {self._endian!r}, signed={self.is_signed})"

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        what = where(path, self.typename)
        number = _integer(value, what)
        try:
            data = number.to_bytes(self.size, self._endian, signed=self.is_signed)  # type: ignore[arg-type]
        except OverflowError:
            bits = self.size * 8
            low, high = (f"-2**{bits - 1}", f"2**{bits - 1}-1") if self.is_signed else ("0", f"2**{bits}-1")
            raise ValueError(f"{what} must be from {low} to {high}, not {number}") from None
        buffer[offset : offset + self.size] = data

    def public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        # NumPy has none; two halves, in the order of the bytes, can at least be computed with.
        return (f"{self.order}u8", (2,)) if self.size == 16 else f"V{self.size}"


class BoolCodec(Codec):
    """A truth value of one byte; any byte but 0 is true."""

    codes = "?"

    def expression(self, names: Names) -> str:
        return names.item()

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        what = where(path, self.typename)
        if not hasattr(value, "__index__") and type(value).__name__ not in ("bool_", "bool"):
            # Of a string such as "no" the meaning is not its truth.
            raise TypeError(f"{what} must be True or False, not {type(value).__name__}")
        buffer[offset] = bool(value)

    def numpy_type(self) -> Any:
        return "?"


class FloatCodec(Codec):
    """A floating-point number of 2, 4 or 8 bytes."""

    def __init__(self, size: int, typename: str, order: str) -> None:
        super().__init__(size, typename, order)
        self.codes = FLOAT_CODES[size]
        self._pack_into = Struct(order + self.codes).pack_into

    def expression(self, names: Names) -> str:
        return names.item()

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        try:
            self._pack_into(buffer, offset, value)
        except error:
            kind = type(value).__name__
            raise TypeError(f"{where(path, self.typename)} must be a number, not {kind}") from None
        except OverflowError:
            raise ValueError(f"{where(path, self.typename)} cannot hold {value}: it has {self.size} bytes") from None

    def numpy_type(self) -> Any:
        return f"{self.order}f{self.size}"


class _Members(dict):  # type: ignore[type-arg] # subscripts cost an import of `typing`
    """The members of an enumeration by value; unknown ones are made and forgotten."""

    def __init__(self, kind: Any) -> None:
        super().__init__({int(member): member for member in kind})
        self._kind = kind

    def __missing__(self, value: int) -> Any:
        return self._kind(value)


class EnumCodec(IntCodec):
    """An enumeration: members of an `IntEnum`, which takes unknown values too."""

    def __init__(self, size: int, is_signed: bool, typename: str, order: str, kind: Any) -> None:
        super().__init__(size, is_signed, typename, order)
        self.record = kind
        """The `IntEnum`."""
        self.members = _Members(kind)

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.members)}[{names.item()}]"

    def _named(self, value: Any, path: Path) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.record[value]
        except KeyError:
            known = ", ".join(list(self.record.__members__)[:10])
            raise ValueError(f"{where(path, self.typename)} has no enumerator {value!r}; it has {known}") from None

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        super().put(buffer, offset, self._named(value, path), path)

    def encode(self, value: Any) -> bytes:
        return super().encode(self._named(value, ()))

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        return Codec._make_decode_many(self, step)


class BytesCodec(Codec):
    """Bytes of one length, for what has no type or none that Python could hold."""

    def __init__(self, size: int, typename: str = "") -> None:
        super().__init__(size, typename or f"bytes[{size}]", "<")
        self.codes = f"{size}s"

    def expression(self, names: Names) -> str:
        return names.item()

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        data = _exact(value, self.size, where(path, self.typename))
        buffer[offset : offset + self.size] = data

    def encode(self, value: Any) -> bytes:
        if type(value) is bytes and len(value) == self.size:
            return value
        return _exact(value, self.size, self.typename)

    def numpy_type(self) -> Any:
        return f"V{self.size}"


def _exact(value: Any, size: int, what: str) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{what} must be bytes, not {type(value).__name__}")
    data = bytes(value)
    if len(data) != size:
        raise ValueError(f"{what} must have {size} bytes, not {len(data)}")
    return data


class TextCodec(Codec):
    """A ``char[N]``: text up to the first NUL (or, with `raw`, all N bytes as they are).

    What is not UTF-8 comes as surrogate escapes, as names of files do. Encoding takes text or bytes of at most N
    bytes, and fills up with NULs.
    """

    def __init__(self, size: int, raw: bool) -> None:
        super().__init__(size, f"char[{size}]", "<")
        self.raw = raw
        self.codes = f"{size}s"

    def expression(self, names: Names) -> str:
        item = names.item()
        return item if self.raw else f'{item}.partition(b"\\0")[0].decode("utf-8", "surrogateescape")'

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        what = where(path, self.typename)
        if isinstance(value, str):
            try:
                data = value.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError as wrong:
                raise ValueError(f"{what} cannot hold {value!r}: {wrong.reason}") from None
            if b"\0" in data.rstrip(b"\0"):
                raise ValueError(f"{what} has a NUL character in it: {value!r}")
        elif isinstance(value, (bytes, bytearray, memoryview)):
            data = bytes(value)
        else:
            raise TypeError(f"{what} must be str or bytes, not {type(value).__name__}")
        if len(data) > self.size:
            raise ValueError(f"{what} has room for {self.size} bytes, not {len(data)}: {value!r}")
        buffer[offset : offset + self.size] = data.ljust(self.size, b"\0")

    def numpy_type(self) -> Any:
        return f"S{self.size}"


class ArrayCodec(Codec):
    """An array of `count` elements: a tuple."""

    def __init__(self, element: Codec, count: int) -> None:
        super().__init__(element.size * count, f"{element.typename}[{count}]", element.order)
        self.element = element
        self.count = count
        self._plain = isinstance(element, (IntCodec, FloatCodec, BoolCodec)) and not isinstance(element, EnumCodec)
        self._layout = f"{count}{element.codes}" if self._plain else ""
        self._inlined = element.items * count <= INLINE and element.size > 0
        if self._inlined:
            self.items = element.items * count
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

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        if self._inlined and self._plain:
            # The items of the format are the tuple already.
            unpacked = Struct(f"{self.order}{self.codes}{step - self.size}x").iter_unpack
            return lambda view: list(unpacked(view))
        return super()._make_decode_many(step)

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        if isinstance(value, (bytes, bytearray, memoryview)) and self.element.size == 1:
            buffer[offset : offset + self.size] = _exact(value, self.size, where(path, self.typename))
            return
        elements = self.elements(value, path)
        if len(elements) != (self.count if self.size else 0):
            raise ValueError(f"{where(path, self.typename)} has {self.count} elements, not {len(elements)}")
        if self._pack is not None:
            try:
                self._pack.pack_into(buffer, offset, *elements)
            except (error, OverflowError):
                pass  # below it is found out which
            else:
                return
        self.put_elements(buffer, offset, elements, path)

    def put_elements(self, buffer: bytearray, offset: int, elements: Sequence[Any], path: Path) -> None:
        """Write one element after the other."""
        put, size = self.element.put, self.element.size
        for index, element in enumerate(elements):
            put(buffer, offset + index * size, element, (*path, f"[{index}]"))

    def elements(self, value: Any, path: Path) -> Sequence[Any]:
        """Take what can be an array: a list, a tuple, a range, an array of NumPy, but not text or a mapping."""
        if isinstance(value, (list, tuple)):
            return value
        if isinstance(value, (str, bytes, bytearray, dict)) or not (
            hasattr(value, "__len__") and hasattr(value, "__getitem__")
        ):
            kind = type(value).__name__
            raise TypeError(f"{where(path, self.typename)} must be a sequence of its elements, not {kind}")
        return list(value)

    def public_codes(self) -> str | None:
        if self._layout:
            return self._layout
        inner = self.element.public_codes()
        return None if inner is None else inner * self.count if self.count <= MAX_REPEATED else None

    def numpy_type(self) -> Any:
        return (self.element.dtype, (self.count,))


MAX_REPEATED = 1024
"""A `struct` format cannot say "as often": an array of structs is written out, up to so many."""


