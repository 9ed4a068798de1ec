"""What Python makes of a type: bytes of it become values, records and arrays, and these become bytes."""

from __future__ import annotations

from ._arguments import unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .btf import Btf

__all__ = ["Values"]


class Values:
    """The part of `BtfType` that knows Python's values."""

    __slots__ = ()

    _btf: Btf
    _id: int

    def codec(self, chars: str = "str") -> Any:
        """Give what turns bytes of this type into Python's values and back; made once.

        `chars` is what an array of char becomes: ``str`` or ``bytes``.
        """
        btf = self._btf
        if not isinstance(chars, str):
            raise TypeError(f"chars must be 'str' or 'bytes', not {type(chars).__name__}")
        key = (self._id, btf._age, chars)
        try:
            return btf._codecs[key]
        except KeyError:
            pass
        from ._codec import make_codec

        return btf._codecs.setdefault(key, make_codec(self, chars))

    @property
    def record(self) -> Any:
        """The class of this type's values: of records for a struct or union, an ``IntEnum`` for an enumeration.

        ``TypeError`` for any other kind.
        """
        record = getattr(self.codec(), "record", None)
        if record is None:
            raise TypeError(f"{self} has no record: only a struct, union or enumeration has")
        return record

    @property
    def format(self) -> str | None:
        """The format for Python's `struct` module, or ``None`` where there is none."""
        found: str | None = self.codec().format
        return found

    @property
    def dtype(self) -> Any:
        """The NumPy dtype; imports NumPy."""
        return self.codec().dtype

    def decode(self, data: Any, offset: int | None = None) -> Any:
        """Give the value that bytes of this type stand for, such as a record or an int.

        ``ValueError`` for another number of bytes than the type has, unless it ends in a flexible array. With `offset`
        they are those from there on, and what lies behind them is not looked at.
        """
        codec = self.codec()
        if offset is None and not codec.flexible:
            from ._codec_base import buffer_of

            data = buffer_of(data)
            try:
                given = memoryview(data).nbytes
            except TypeError:
                raise TypeError(f"data must be bytes, not {type(data).__name__}") from None
            if given > codec.size:
                raise ValueError(f"{codec.typename} has {codec.size} bytes, not {given}: with offset= it may be a part")
        return codec.decode(data, 0 if offset is None else unsigned(offset, 63, "offset"))

    def encode(self, value: object) -> bytes:
        """Give the bytes of a value; what does not fit raises ``ValueError`` or ``TypeError`` with the field's name."""
        data: bytes = self.codec().encode(value)
        return data

    def __call__(self, /, *args: object, **fields: object) -> Any:
        """Make a value, checked, with zeroes for what is not given: ``obj.types["event"](pid=1, comm="x")``."""
        return self.codec().make(*args, **fields)
