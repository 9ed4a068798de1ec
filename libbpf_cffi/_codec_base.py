"""What every codec has: bytes of C memory to Python values and back.

A codec decodes through one `struct` format and one Python expression that turns its items into the value. A struct's
codec joins the formats and expressions of its members and compiles them once, so that a million records are one loop
over `struct.Struct.iter_unpack`. Names out of BTF never become part of a compiled text.

Encoding is done by `put`, member by member: it checks every value, and says where it stands when it is wrong. What is
encoded often has a short way for values that are as they should be (`pack_text`), and leaves all others to `put`.
"""

from __future__ import annotations

from struct import Struct, error

from ._codec_program import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from typing_extensions import Buffer

    from ._libbpf import Decoder

    Path = tuple[Any, str | int] | tuple[()]
    """Where a value stands in the whole: the path of what it is in, and its name or index in there."""

__all__ = [
    "INLINE",
    "MAX_FORMAT",
    "WRONG",
    "Codec",
    "Names",
    "as_bytes",
    "buffer_of",
    "in_numpy",
    "no_member",
    "structured",
    "where",
]

INLINE = 16
"""An array or struct of so many values is decoded by the expression of the struct that it is in."""

MAX_FORMAT = 1 << 16
"""Characters of a `struct` format: it cannot say "as often" of a struct, so an array of structs is written out."""

WRONG = (error, TypeError, ValueError, LookupError, AttributeError, OverflowError)
"""What the short ways raise of a value that is not as it should be; `put` then finds out what is wrong."""


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
        name = f"c{len(self.constants) - 1}"
        self.constants[name] = value
        return name

    def all_items(self) -> str:
        """Give the names of all items, a comma after each."""
        return "".join(f"v{index}, " for index in range(self.items))

    def compile(self, name: str, source: str, **more: object) -> Any:
        """Compile a function that uses the constants."""
        namespace = {**self.constants, **more}
        # The text is made of names of our own and of constants' names, never of what BTF says.
        exec(source, namespace)  # noqa: S102
        return namespace[name]


def where(path: Path, typename: str) -> str:
    """Say in words which value is meant: ``a.b[2] (u32)``, or only the type if it is the whole."""
    steps: list[str] = []
    while path:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    text = "".join(reversed(steps)).lstrip(".")
    return f"{text} ({typename})" if text else typename


def no_member(what: str, name: object, known: Iterable[str]) -> str:
    """Say that a type has no such member, and which come close."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    rest = f"close names: {', '.join(close)}" if close else f"it has: {', '.join(names[:20]) or 'none'}"
    return f"{what} has no member {name!r}; {rest}"


def as_bytes(value: Any) -> bytes | None:
    """Give the bytes of what is made of bytes, such as a bytearray; ``None`` of anything else."""
    if type(value) is bytes:
        return value
    if isinstance(value, bytes):
        # C takes as many bytes as len() says, which a class may make up.
        return bytes.__getitem__(value, slice(None))
    if in_numpy(value):
        # Its numbers have bytes too, but are none.
        made_of_bytes = value.dtype.kind in "SV" or (value.ndim > 0 and value.itemsize == 1)
        return value.tobytes() if made_of_bytes else None
    try:
        view = memoryview(value)
    except TypeError:
        return None
    return view.tobytes() if view.itemsize == 1 or isinstance(value, memoryview) else None


def buffer_of(value: Any) -> Any:
    """Give what is a buffer; of an array of NumPy whose dtype Python's buffers cannot say, such as a union's, a copy.

    What is no buffer comes back as it is.
    """
    if in_numpy(value):
        try:
            memoryview(value)
        except ValueError:
            return value.tobytes()
    return value


def in_numpy(value: Any) -> bool:
    """Tell whether a value is an array or a number of NumPy, which has not been imported if it is not."""
    return type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "dtype")


class Codec:
    """One type: its size in bytes, and what turns bytes into a value and a value into bytes.

    A codec can be used by several threads at once, and lives on when its `Btf` is closed.
    """

    size: int
    """In bytes; of a struct with a flexible array, without that."""
    typename: str
    """As C has it, such as ``struct event``, for messages."""
    flexible = False
    """Whether it ends in a flexible array, so that its values have different lengths."""
    weight = 1
    """How many values its expression is made of."""
    in_c = False
    """Whether C is to decode its values, if it can: not those of plain numbers, which Python's own C decodes."""
    order: str
    """``<`` or ``>``."""
    codes: str
    """Its part of a format, without the byte order."""

    def __init__(self, size: int, typename: str, order: str) -> None:
        self.size = size
        self.typename = typename
        self.order = order
        self._strides: dict[int, Callable[[Any], list[Any]]] = {}
        self._public: str | bool | None = False
        self._dtype: Any = None

    # What a kind of type says of itself

    def expression(self, names: Names) -> str:
        """Give the Python expression for the value, made of the items of `codes`, which it takes from `names`."""
        raise NotImplementedError

    def add_node(self, program: Program, offset: int) -> bool:
        """Add to a program what makes the same value as `expression`; tell whether C can."""
        raise NotImplementedError

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:
        """Write `value` at `offset` of a buffer that is large enough; `path` says where in the whole it stands."""
        raise NotImplementedError

    def pack_text(self, names: Names, value: str) -> str:
        """Give the Python expression for the items of `codes`, made of the value, for values as they should be.

        It raises one of `WRONG` for all others. Several items have a star before them.
        """
        return f"{names.constant(self.encode)}({value})"

    def make_public_codes(self) -> str | None:
        """Give what a user may unpack with: nothing for bit fields, unions and integers of 16 bytes."""
        return self.codes

    def numpy_type(self) -> Any:
        """Give what ``numpy.dtype()`` takes."""
        raise NotImplementedError

    # What users of several packages share

    def public_codes(self) -> str | None:
        """Give the `format` without its byte order."""
        if isinstance(self._public, bool):
            self._public = self.make_public_codes()
        return self._public

    @property
    def format(self) -> str | None:
        """The `struct` format of the whole, byte order and padding included; ``None`` where there is none."""
        public = self.public_codes()
        return None if public is None else self.order + public

    @property
    def dtype(self) -> Any:
        """The NumPy dtype; imports NumPy."""
        if self._dtype is None:
            import numpy as np

            self._dtype = np.dtype(self.numpy_type())
        return self._dtype

    # Bytes to values

    def _compile(self) -> tuple[str, Names]:
        names = Names()
        return self.expression(names), names

    def _make_decode(self) -> Callable[..., Any]:
        """Compile what decodes one value."""
        text, names = self._compile()
        unpack_from = Struct(self.order + self.codes).unpack_from
        items = names.all_items()
        left = f"({items}) = unpack_from(buffer, offset)" if items else "unpack_from(buffer, offset)"
        source = f"def decode(buffer, offset=0):\n    {left}\n    return {text}\n"
        return names.compile("decode", source, unpack_from=unpack_from)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        # Compiled when first used: most types of a BTF are never decoded.
        if name == "unpack":
            self.unpack = self._make_decode()
            return self.unpack
        if name == "decoder":
            self.decoder = self._make_decoder()
            return self.decoder
        if name == "quick":
            self.quick = self.unpack if self.decoder is None else self.decoder.one
            return self.quick
        raise AttributeError(name)

    def _make_decoder(self) -> Decoder | None:
        """Make what decodes in C, if C can."""
        program = Program()
        if not self.in_c or not program.add(self, 0):
            return None
        return program.make(self.unpack)

    decoder: Decoder | None
    """What decodes in C, if C can."""
    quick: Callable[..., Any]
    """`unpack`, in C if it can: quicker for bytes and bytearrays, slower for other buffers."""

    unpack: Callable[..., Any]
    """`decode` without its checks: what the fast paths call on buffers of their own; `struct.error` for a short one."""

    def decode(self, buffer: Buffer, offset: int = 0) -> Any:
        """Give the value of the `size` bytes from `offset` on."""
        try:
            return self.unpack(buffer, offset)
        except error:
            raise self._too_short(memoryview(buffer).nbytes - offset) from None
        except ValueError:
            data = buffer_of(buffer)
            if data is buffer:
                raise
            return self.decode(data, offset)

    def _too_short(self, given: int) -> ValueError:
        return ValueError(f"{self.typename} has {self.size} bytes, not {max(given, 0)}")

    def decode_many(self, buffer: Buffer, stride: int | None = None, count: int | None = None) -> list[Any]:
        """Give the values at the buffer's start and at every `stride` bytes (by default its size) from there on.

        `count` is how many there are; by default as many as the buffer holds, which must then end with the last.
        """
        step = self._step(stride)
        if type(buffer) in (bytes, bytearray) and step and self.decoder is not None:
            whole, rest = divmod(len(buffer), step)  # type: ignore[arg-type]
            if not rest if count is None else 0 <= count <= whole:
                return self.decoder.many(buffer, 0, step, whole if count is None else count)  # type: ignore[arg-type]
        view = memoryview(buffer_of(buffer))
        # Python casts no view without elements.
        view = view.cast("B") if view.nbytes else memoryview(b"")
        if count is None:
            if not step or len(view) % step:
                raise ValueError(f"{len(view)} bytes are no whole number of {self.typename}, {step} bytes each")
        elif count < 0 or len(view) < count * step:
            raise ValueError(f"{count} of {self.typename}, {step} bytes each, are not in {len(view)} bytes")
        elif not step:
            return [self.decode(view) for _ in range(count)]
        else:
            view = view[: count * step]
        many = self._strides.get(step)
        if many is None:
            many = self._strides[step] = self._make_decode_many(step)
        return many(view)

    def decode_part(self, buffer: bytes | bytearray, offset: int, count: int, stride: int | None = None) -> list[Any]:
        """Give `count` values from `offset` on."""
        step = self.size if stride is None else stride
        if self.decoder is not None:
            return self.decoder.many(buffer, offset, step, count)
        return self.decode_many(memoryview(buffer)[offset : offset + count * step], step, count)

    def _step(self, stride: int | None) -> int:
        if stride is None:
            return self.size
        if stride < self.size:
            raise ValueError(f"{self.typename} has {self.size} bytes, more than the {stride} from one to the next")
        return stride

    def _make_decode_many(self, step: int) -> Callable[[memoryview], list[Any]]:
        """Compile what decodes the values of a buffer, `step` bytes from one to the next."""
        text, names = self._compile()
        layout = Struct(f"{self.order}{self.codes}{step - self.size}x")
        source = f"def decode_many(buffer):\n    return [{text} for ({names.all_items()}) in iter_unpack(buffer)]\n"
        return names.compile("decode_many", source, iter_unpack=layout.iter_unpack)  # type: ignore[no-any-return]

    # Values to bytes

    def make(self, /, *values: Any, **members: Any) -> Any:
        """Give the value that `values` or `members` make, checked, and with zeroes for what was not given."""
        if members or len(values) > 1:
            raise TypeError(f"{self.typename} is made of one value")
        return self.decode(self.encode(values[0]) if values else bytes(self.size))

    def encode(self, value: Any) -> bytes:
        """Give the bytes of `value`; `TypeError` or `ValueError` for what the type cannot hold."""
        return self._put_alone(value, ())

    def _put_alone(self, value: Any, path: Path) -> bytes:
        buffer = bytearray(self.size)
        self.put(buffer, 0, value, path)
        return bytes(buffer)

    def encode_many(self, values: Iterable[Any], stride: int | None = None) -> bytes:
        """Give the bytes of `values` one after the other, each filled up to `stride` bytes with zeroes.

        An array of NumPy may be among the values' kinds: one with the codec's dtype is taken as it is.
        """
        step = self._step(stride)
        if in_numpy(values):
            if step == self.size and getattr(values, "ndim", 0) == 1 and values.dtype == self.dtype:  # type: ignore[attr-defined]
                return values.tobytes()  # type: ignore[attr-defined, no-any-return]
        elif not isinstance(values, (list, tuple)):
            values = list(values)
        try:
            pieces = self._encode_all(values)
        except WRONG:
            # Once more, slowly: what is wrong raises with its number.
            pieces = [self._put_alone(value, ((), index)) for index, value in enumerate(values)]
        if step == self.size:
            return b"".join(pieces)
        fill = bytes(step - self.size)
        return b"".join([part for piece in pieces for part in (piece, fill)])

    def _encode_all(self, values: Any) -> Iterable[bytes]:
        return [self.encode(value) for value in values]

    def __repr__(self) -> str:
        return f"<codec of {self.typename}, {self.size} bytes>"


def structured(found: Iterable[tuple[str, Any, int]], size: int) -> dict[str, Any]:
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
