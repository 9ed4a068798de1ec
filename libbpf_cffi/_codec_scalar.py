"""Codecs of what has one value: numbers, truth, enumerations, text, bytes."""

from __future__ import annotations

from struct import Struct, error

from ._arguments import integer
from ._codec_base import WRONG, Codec, Names, as_bytes, in_numpy, where
from ._codec_program import NATIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._codec_base import Path
    from ._codec_program import Program

__all__ = ["BoolCodec", "BytesCodec", "EnumCodec", "FloatCodec", "IntCodec", "TextCodec", "WideIntCodec", "exactly"]

INT_CODES = {(1, False): "B", (1, True): "b", (2, False): "H", (2, True): "h"}
INT_CODES |= {(4, False): "I", (4, True): "i", (8, False): "Q", (8, True): "q"}
FLOAT_CODES = {2: "e", 4: "f", 8: "d"}


class _PackedCodec(Codec):
    """What `struct` packs, and refuses, by itself."""

    def __init__(self, size: int, typename: str, order: str, codes: str) -> None:
        super().__init__(size, typename, order)
        self.codes = codes
        layout = Struct(order + codes)
        self._pack, self._pack_into = layout.pack, layout.pack_into

    def expression(self, names: Names) -> str:
        return names.item()

    def pack_text(self, _: Names, value: str) -> str:
        return value

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        try:
            self._pack_into(buffer, offset, value)
        except (error, OverflowError):
            raise self._refused(value, path) from None

    def encode(self, value: Any) -> bytes:
        try:
            return self._pack(value)
        except (error, OverflowError):
            raise self._refused(value, ()) from None

    def _refused(self, value: Any, path: Path) -> Exception:
        """Give the exception for what `struct` has refused."""
        raise NotImplementedError

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        if stride is None or stride == self.size:
            listed = values.tolist() if in_numpy(values) else list(values)  # type: ignore[attr-defined]
            try:
                # One call for all.
                return Struct(f"{self.order}{len(listed)}{self.codes}").pack(*listed)
            except WRONG:
                return super().encode_many(listed)
        return super().encode_many(values, stride)


class IntCodec(_PackedCodec):
    """An integer of 1, 2, 4 or 8 bytes; a pointer is one."""

    def __init__(self, size: int, is_signed: bool, typename: str, order: str) -> None:
        super().__init__(size, typename, order, INT_CODES[size, is_signed])
        self.is_signed = is_signed
        self._native = order == NATIVE

    def add_node(self, program: Program, offset: int) -> bool:
        program.node("signed" if self.is_signed else "unsigned", offset, self.size)
        return self._native

    def _refused(self, value: Any, path: Path) -> Exception:
        what = where(path, self.typename)
        try:
            number = integer(value, what)
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
        number = integer(value, what)
        try:
            data = number.to_bytes(self.size, self._endian, signed=self.is_signed)  # type: ignore[arg-type]
        except OverflowError:
            bits = self.size * 8
            low, high = (f"-2**{bits - 1}", f"2**{bits - 1}-1") if self.is_signed else ("0", f"2**{bits}-1")
            raise ValueError(f"{what} must be from {low} to {high}, not {number}") from None
        buffer[offset : offset + self.size] = data

    def make_public_codes(self) -> str | None:
        return None

    def numpy_type(self) -> Any:
        # NumPy has none; two halves, in the order of the bytes, can at least be computed with.
        return (f"{self.order}u8", (2,)) if self.size == 16 else f"V{self.size}"


TRUTH = {False: False, True: True}


class BoolCodec(Codec):
    """A truth value of one byte; any byte but 0 is true."""

    codes = "?"

    def expression(self, names: Names) -> str:
        return names.item()

    def add_node(self, program: Program, offset: int) -> bool:
        program.node("truth", offset, 1)
        return True

    def pack_text(self, names: Names, value: str) -> str:
        # Of anything else than these and 0 and 1 the meaning is not its truth.
        return f"{names.constant(TRUTH)}[{value}]"

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        # NumPy's own truth values are no integers.
        if not hasattr(value, "__index__") and not (in_numpy(value) and value.dtype == bool):
            raise TypeError(f"{where(path, self.typename)} must be True or False, not {type(value).__name__}")
        if value not in TRUTH:
            raise ValueError(f"{where(path, self.typename)} must be True or False, not {value}")
        buffer[offset] = bool(value)

    def numpy_type(self) -> Any:
        return "?"


class FloatCodec(_PackedCodec):
    """A floating-point number of 2, 4 or 8 bytes."""

    def __init__(self, size: int, typename: str, order: str) -> None:
        super().__init__(size, typename, order, FLOAT_CODES[size])

    def add_node(self, program: Program, offset: int) -> bool:
        # One NaN is unequal to another, but not to itself: there must be two.
        program.node("float", offset, self.size, shared=False)
        return self.order == NATIVE and self.codes != "e"

    def _refused(self, value: Any, path: Path) -> Exception:
        what = where(path, self.typename)
        if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
            return TypeError(f"{what} must be a number, not {type(value).__name__}")
        return ValueError(f"{what} cannot hold {value}: it has {self.size} bytes")

    def numpy_type(self) -> Any:
        return f"{self.order}f{self.size}"


class _Members(dict):  # type: ignore[type-arg] # subscripts cost an import of `typing`
    """The members of an enumeration by value; unknown ones are made when they come, and so many of them kept."""

    KEPT = 1000

    def __init__(self, kind: Any) -> None:
        super().__init__({int(member): member for member in kind})
        self._kind = kind
        self._most = len(self) + self.KEPT

    def __missing__(self, value: int) -> Any:
        # Not by a call, which an enumeration without members refuses.
        member = self._kind._missing_(value)
        if len(self) < self._most:
            self[value] = member
        return member


class EnumCodec(IntCodec):
    """An enumeration: members of an `IntEnum`, which takes unknown values too; encoding takes their names as well."""

    in_c = True

    def __init__(self, size: int, is_signed: bool, typename: str, order: str, kind: Any) -> None:
        super().__init__(size, is_signed, typename, order)
        self.record = kind
        """The `IntEnum`."""
        self.members = _Members(kind)

    def expression(self, names: Names) -> str:
        return f"{names.constant(self.members)}[{names.item()}]"

    def add_node(self, program: Program, offset: int) -> bool:
        program.node("signed enum" if self.is_signed else "enum", offset, self.size, constant=self.members)
        return self._native

    def named(self, value: Any, path: Path) -> Any:
        """Give the enumerator that a text names, or the value as it is."""
        if not isinstance(value, str):
            return value
        # Not the members: Python keeps some names for itself.
        enumerators = dict(self.record._description[1])
        try:
            return enumerators[value]
        except KeyError:
            known = ", ".join(list(enumerators)[:10]) or "none"
            raise ValueError(f"{where(path, self.typename)} has no enumerator {value!r}; it has {known}") from None

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        super().put(buffer, offset, self.named(value, path), path)

    def encode(self, value: Any) -> bytes:
        return super().encode(self.named(value, ()))

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        return Codec._make_decode_many(self, step)


def exactly(value: Any, size: int, what: str) -> bytes:
    """Give the bytes of a value, which must be `size` of them."""
    data = as_bytes(value)
    if data is None:
        raise TypeError(f"{what} must be bytes, not {type(value).__name__}")
    if len(data) != size:
        raise ValueError(f"{what} must have {size} bytes, not {len(data)}")
    return data


class BytesCodec(Codec):
    """Bytes of one length, for what has no type or none that Python could hold."""

    def __init__(self, size: int, typename: str = "") -> None:
        super().__init__(size, typename or f"bytes[{size}]", "<")
        self.codes = f"{size}s"

    def expression(self, names: Names) -> str:
        return names.item()

    def add_node(self, program: Program, offset: int) -> bool:
        program.node("bytes", offset, self.size)
        return True

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        data = exactly(value, self.size, where(path, self.typename))
        buffer[offset : offset + self.size] = data

    def encode(self, value: Any) -> bytes:
        if type(value) is bytes and len(value) == self.size:
            return value
        return exactly(value, self.size, self.typename)

    def numpy_type(self) -> Any:
        return f"V{self.size}"


class TextCodec(Codec):
    """A ``char[N]``: text up to the first NUL (or, with `raw`, all N bytes as they are).

    What is not UTF-8 comes as surrogate escapes, as names of files do. Encoding takes text or bytes of at most N
    bytes, and fills up with NULs.
    """

    in_c = True

    def __init__(self, size: int, raw: bool) -> None:
        super().__init__(size, f"char[{size}]", "<")
        self.raw = raw
        self.codes = f"{size}s"

    def expression(self, names: Names) -> str:
        item = names.item()
        return item if self.raw else f'{item}.partition(b"\\0")[0].decode("utf-8", "surrogateescape")'

    def add_node(self, program: Program, offset: int) -> bool:
        program.node("bytes" if self.raw else "text", offset, self.size)
        return True

    def pack_text(self, names: Names, value: str) -> str:
        # `struct` fills up.
        return f"{names.constant(self._short)}({value})"

    def _short(self, value: Any) -> bytes:
        """Give the bytes of a value without what fills up, for values as they should be."""
        if type(value) is bytes and len(value) <= self.size:
            return value
        data: bytes = str.encode(value, "utf-8", "surrogateescape")
        if len(data) > self.size or 0 in data:
            raise ValueError(data)
        return data

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        data = text_bytes(value, path, self.typename)
        if len(data) > self.size:
            what = where(path, self.typename)
            raise ValueError(f"{what} has room for {self.size} bytes, not {len(data)}: {value!r}")
        buffer[offset : offset + self.size] = data.ljust(self.size, b"\0")

    def numpy_type(self) -> Any:
        return f"S{self.size}"


def text_bytes(value: Any, path: Path, typename: str) -> bytes:
    """Give the bytes of a text, or of what is bytes already."""
    what = where(path, typename)
    if not isinstance(value, str):
        given = as_bytes(value)
        if given is None:
            raise TypeError(f"{what} must be str or bytes, not {type(value).__name__}")
        return given
    try:
        data: bytes = str.encode(value, "utf-8", "surrogateescape")
    except UnicodeEncodeError as wrong:
        raise ValueError(f"{what} cannot hold {value!r}: {wrong.reason}") from None
    if b"\0" in data.rstrip(b"\0"):
        raise ValueError(f"{what} has a NUL character in it: {value!r}")
    return data
