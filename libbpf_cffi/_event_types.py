"""What the records of an event stream are: bytes, values of one type, or of several that a field or a function tells.

A decoder turns a stretch of a `Block` into a list. It stops before a record that does not fit its type, and says what
is wrong with that one: what came before it is handed out first, and what comes after it next.
"""

from __future__ import annotations

from itertools import pairwise
from struct import Struct

from ._codec import part
from .errors import EventError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ._batch import Block
    from ._codec import Codec

    Decoded = tuple[list[Any], Exception | None]
    Resolve = Callable[[Any], Codec | None]
    """Turns a type, or a type's name, into its codec; ``None`` for bytes."""

__all__ = ["ERRORS", "Decoder", "make_decoder", "of_rings"]

ERRORS = ("raise", "bytes", "fit")
"""What to do with a record that has not the size of its type."""


class Decoder:
    """What turns records into events."""

    codec: Codec | None = None
    """The one type of all, if there is one."""
    is_raw = False
    chunk = 256
    """How many records are to be decoded at a time to be handed out one by one: a few hundred do not yet call for
    Python's garbage collector, which would look at every one."""
    _dtype: Any = None

    @property
    def dtype(self) -> Any:
        """The type's for NumPy."""
        if self._dtype is None:
            assert self.codec is not None
            self._dtype = self.codec.dtype
        return self._dtype

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        """Give the events from number `start` up to `stop`, or fewer, and then what is wrong with the next one."""
        raise NotImplementedError

    def some(self, block: Block, start: int, stop: int) -> tuple[Sequence[Any], Exception | None]:
        """Do as `many`, for who takes one event after the other: they may be made only then."""
        return self.many(block, start, stop)


class RawDecoder(Decoder):
    """Records as bytes."""

    is_raw = True
    chunk = 2048

    def __init__(self) -> None:
        self._layout = Struct("")
        self._made_for = 0, 0

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        size, count = block.size, stop - start
        if count == 1 and size >= 0:
            return [bytes(block.data[start * size : stop * size])], None
        if size <= 0 or count < 16:
            return block.raw(start, stop), None
        if self._made_for != (size, count):
            # One call makes all of them.
            self._layout = Struct(f"{size}s" * count)
            self._made_for = size, count
        return list(self._layout.unpack(block.view(start, stop))), None


class TypedDecoder(Decoder):
    """Records of one type. One that is longer is only right where that ends in a flexible array.

    Up to `slack` bytes more than the type has are none of the record's: perf samples come padded.
    """

    def __init__(self, codec: Codec, errors: str, slack: int = 0, why: str = "") -> None:
        self.codec = codec
        self._why = f" ({why}; type= tells another, and bytes takes all)" if why else ""
        self._codec = codec
        self._errors = errors
        self._slack = slack
        if codec.decoder is not None:
            # Nothing is decoded before it is taken; but other tasks have their turn between two chunks.
            self.chunk = 1024

    def _fits(self, block: Block) -> bool:
        codec = self._codec
        return codec.size <= block.size <= codec.size + self._slack and not codec.flexible

    def some(self, block: Block, start: int, stop: int) -> tuple[Sequence[Any], Exception | None]:
        decoder = self._codec.decoder
        if decoder is None or not self._fits(block):
            return self.many(block, start, min(stop, start + Decoder.chunk))
        return decoder.values(block.data, start * block.size, block.size, stop - start), None

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        codec = self._codec
        if self._fits(block):
            return codec.decode_part(block.data, start * block.size, stop - start, block.size), None
        view = block.view(start, stop)
        edges = block.edges(start, stop)
        found: list[Any] = []
        for first, last in pairwise(edges):
            try:
                found.append(self.one(view[first:last]))
            except ValueError as error:
                return found, error
        return found, None

    def one(self, record: memoryview) -> Any:
        """Give the event of one record."""
        codec = self._codec
        size, given = codec.size, len(record)
        if size <= given <= size + self._slack and not codec.flexible:
            return codec.unpack(record, 0)
        if codec.flexible:
            try:
                return codec.decode(record)
            except ValueError:
                pass
        if self._errors == "bytes":
            return bytes(record)
        if self._errors == "fit":
            return codec.decode(bytes(record[:size]).ljust(size, b"\0"))
        more = f"{given} bytes, fewer" if given < size else f"{given} bytes, more"
        raise EventError(f"an event has {more} than the {size} of its type {codec.typename}{self._why}", bytes(record))


class ChoiceDecoder(Decoder):
    """Records of several types: `choose` gives the decoder of a record, or raises `EventError`."""

    def __init__(self, choose: Callable[[memoryview], TypedDecoder | None]) -> None:
        self._choose = choose

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        view = block.view(start, stop)
        edges = block.edges(start, stop)
        found: list[Any] = []
        for first, last in pairwise(edges):
            record = view[first:last]
            try:
                decoder = self._choose(record)
                found.append(bytes(record) if decoder is None else decoder.one(record))
            except Exception as error:  # noqa: BLE001 - it is raised when its turn comes
                return found, error
        return found, None


class RingsDecoder(Decoder):
    """Records of several rings, each with its own decoder."""

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders

    def many(self, block: Block, start: int, stop: int) -> Decoded:
        assert block.rings is not None
        rings = block.rings[start:stop].tolist()
        found: list[Any] = []
        at = 0
        while at < len(rings):
            end = at + 1
            while end < len(rings) and rings[end] == rings[at]:
                end += 1
            some, error = self._decoders[rings[at]].many(block, start + at, start + end)
            found += some
            if error is not None:
                return found, error
            at = end
        return found, None


def of_rings(decoders: Sequence[Decoder]) -> Decoder:
    """Give the decoder for records of several rings."""
    first = decoders[0]
    same = all(each.codec is first.codec and each.is_raw == first.is_raw for each in decoders)
    if len(decoders) == 1 or (same and (first.is_raw or first.codec is not None)):
        return first
    return RingsDecoder(decoders)


def make_decoder(
    type: Any,
    discriminator: Any,
    errors: str,
    resolve: Resolve,
    declared: Any,
    what: str,
    slack: int = 0,
    why: str = "",
) -> Decoder:
    """Make the decoder for a `type` as `RingBuffer` takes it; `declared` is what stands for ``None``.

    `why` says how that was found, if nobody has declared it.
    """
    if errors not in ERRORS:
        raise ValueError(f"errors must be one of {', '.join(map(repr, ERRORS))}, not {errors!r}")
    if discriminator is not None and not isinstance(type, dict):
        raise TypeError("discriminator belongs to a type that is a dict of the types by its values")
    wanted = declared if type is None else type
    if isinstance(wanted, dict):
        return _by_field(wanted, discriminator, errors, resolve, what, slack)
    if wanted is None or wanted is bytes:
        return RawDecoder()
    if isinstance(wanted, str) or hasattr(wanted, "codec"):
        codec = resolve(wanted)
        return RawDecoder() if codec is None else TypedDecoder(codec, errors, slack, "" if wanted is type else why)
    if callable(wanted):
        return _by_function(wanted, errors, resolve, slack)
    raise TypeError(f"type must be a name, a BtfType, bytes, a dict or a function, not {wanted!r}")


def _by_function(function: Callable[[bytes], Any], errors: str, resolve: Resolve, slack: int) -> Decoder:
    known: dict[Any, TypedDecoder | None] = {None: None, bytes: None}

    def choose(record: memoryview) -> TypedDecoder | None:
        chosen = function(bytes(record))
        try:
            return known[chosen]
        except KeyError:
            codec = resolve(chosen)
            made = known[chosen] = None if codec is None else TypedDecoder(codec, errors, slack)
            return made

    return ChoiceDecoder(choose)


def _by_field(
    types: Mapping[Any, Any], discriminator: Any, errors: str, resolve: Resolve, what: str, slack: int
) -> Decoder:
    if not types:
        raise ValueError("type is an empty dict: no event can be of any type")
    if discriminator is None:
        raise TypeError(
            "a dict of types needs a discriminator: the name of a field that all of them have in the same place, or "
            "its offset and size in bytes"
        )
    decoders: dict[Any, TypedDecoder | None] = {}
    codecs: list[Codec] = []
    for value, each in types.items():
        codec = resolve(each)
        decoders[value] = None if codec is None else TypedDecoder(codec, errors, slack)
        if codec is not None:
            codecs.append(codec)
    if isinstance(discriminator, str):
        offset, field = _common_field(codecs, discriminator)
        size, unpack = field.size, field.unpack
        by_name = getattr(field, "record", None)
        decoders = {_value(value, by_name, discriminator): decoder for value, decoder in decoders.items()}
        name = f"field {discriminator!r}"
    else:
        offset, size = _place(discriminator)
        unpack = Struct({1: "=B", 2: "=H", 4: "=I", 8: "=Q"}[size]).unpack_from
        name = f"the {size} bytes at {offset}"
    end = offset + size
    plain = not isinstance(discriminator, str)

    def choose(record: memoryview) -> TypedDecoder | None:
        if len(record) < end:
            if errors != "raise":
                return None
            raise EventError(f"an event of {what} has {len(record)} bytes: it ends before {name}", bytes(record))
        value = unpack(record, offset)
        if plain:
            value = value[0]
        try:
            return decoders[value]
        except KeyError:
            if errors != "raise":
                return None
        known = ", ".join(map(str, list(decoders)[:20]))
        raise EventError(f"no type is given for an event of {what} with {value!r} in {name}: {known}", bytes(record))

    return ChoiceDecoder(choose)


def _place(discriminator: Any) -> tuple[int, int]:
    if isinstance(discriminator, tuple) and len(discriminator) == 2:
        offset, size = discriminator
        if isinstance(offset, int) and offset >= 0 and size in (1, 2, 4, 8):
            return offset, size
    raise TypeError(
        f"discriminator is a field's name, or an offset and a size of 1, 2, 4 or 8 bytes, not {discriminator!r}"
    )


def _common_field(codecs: Sequence[Codec], path: str) -> tuple[int, Codec]:
    """Find a field that all types have in the same place."""
    if not codecs:
        raise ValueError(f"none of the types has a field {path!r}: give its offset and size as discriminator")
    places = [(codec, *part(codec, path, codec.typename)) for codec in codecs]
    first, offset, field = places[0]
    for codec, at, other in places[1:]:
        if (at, other.size) != (offset, field.size):
            raise ValueError(
                f"field {path!r} is at byte {offset} of {first.typename} with {field.size} bytes, but at {at} of "
                f"{codec.typename} with {other.size}: it must be in the same place in all"
            )
    return offset, field


def _value(value: Any, by_name: Any, path: str) -> Any:
    if not isinstance(value, str) or by_name is None or not hasattr(by_name, "__members__"):
        return value
    try:
        return by_name[value]
    except KeyError:
        known = ", ".join(list(by_name.__members__)[:10])
        raise ValueError(f"{path!r} has no enumerator {value!r}; it has {known}") from None
