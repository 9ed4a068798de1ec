"""Arrays whose elements are there or not: of programs, maps, sockets, devices, descriptors."""

from __future__ import annotations

import errno
import sys
from _collections_abc import Sequence

from ._check import failure
from ._codec_base import Codec
from ._codec_scalar import IntCodec
from ._ffi import lib
from ._map_bulk import WalkableMap
from ._map_elements import MISSING
from ._map_hash import TwoStepHash
from ._map_lend import Lending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._codec_base import Path
    from ._map_access import Elements

    Base = Sequence[Any]
else:
    Base = Sequence

__all__ = ["ORDER", "LendingHash", "PlainCodec", "Slots", "number_codec"]

ORDER = "<" if sys.byteorder == "little" else ">"


class PlainCodec(Codec):
    """A codec of a map's own, written out: `unpack` gives one value."""

    def unpack(self, buffer: Any, offset: int = 0) -> Any:
        """Give the value at `offset` of a buffer that is long enough."""
        raise NotImplementedError

    def encode(self, value: Any) -> bytes:
        """Give the bytes of `value`."""
        raise TypeError(f"{self.typename} is written by programs only, not as {value!r}")

    def put(self, buffer: bytearray, offset: int, value: Any, path: Path) -> None:  # noqa: ARG002 - it is no part of a whole
        buffer[offset : offset + self.size] = self.encode(value)

    def decode(self, buffer: Any, offset: int = 0) -> Any:
        """Give the value of the `size` bytes from `offset` on."""
        return self.unpack(buffer, offset)

    def decode_many(self, buffer: Any, stride: int | None = None, count: int | None = None) -> list[Any]:
        """Give the values that follow one another."""
        step = self.size if stride is None else stride
        number = len(buffer) // step if count is None else count
        return [self.unpack(buffer, at) for at in range(0, number * step, step)]


def number_codec(size: int, typename: str) -> Codec:
    """Give the codec of an unsigned number."""
    return IntCodec(size, False, typename, ORDER)


class Slots(Lending, WalkableMap, Base):
    """An array with `max_entries` places, each of which is filled or empty.

    ``m[i] = value`` fills one, ``del m[i]`` empties one (`KeyError` if it is empty and the kernel tells), ``m[i] =
    None`` empties one if it is filled. ``m[i]`` is what is there, or ``None``; ``len()`` is `max_entries`, and
    iteration gives every place's. `keys`, `values`, `items` and `to_dict` have only those that are filled.
    """

    __slots__ = ()

    _own_key = True

    _readable = True
    """Whether the kernel tells what is there."""

    _tells_deletion = True
    """Whether the kernel says that a place which is to be emptied is empty."""

    _unreadable = "the kernel does not tell what is in a map of this type"

    def _make_key_codec(self) -> Codec:
        if self._is_raw:
            return super()._make_key_codec()
        return number_codec(4, "index")

    def _place(self, index: Any) -> int:
        if not hasattr(index, "__index__") or isinstance(index, type):
            raise TypeError(f"an index of {self._what} must be an integer, not {type(index).__name__}")
        number = at = index.__index__()
        length = len(self)
        if at < 0:
            at += length
        if not 0 <= at < length:
            raise IndexError(f"{self._what} has {length} places, and none at {number}")
        return int(at)

    def _slot(self, index: Any) -> Any:
        at = self._place(index)
        return at.to_bytes(4, sys.byteorder) if self._is_raw else at

    def _lookup(self, function: Any, verb: str, key: Any, flags: int) -> Any:
        if not self._readable:
            raise failure(errno.EOPNOTSUPP, f"{verb} {key!r} in {self._what}", self._unreadable)
        return super()._lookup(function, verb, key, flags)

    def _cursor(self, *, delete: bool = False, each: bool = False) -> Any:
        if not self._readable:
            raise failure(errno.EOPNOTSUPP, f"read {self._what}", self._unreadable)
        return super()._cursor(delete=delete, each=each)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        found = self._lookup(lib.lbc_lookup, "look up", self._slot(index), 0)
        return None if found is MISSING else found

    def __setitem__(self, index: Any, value: Any) -> None:
        slot = self._slot(index)
        if value is None:
            self._empty(slot)
        else:
            self._update(slot, value, 0)

    def __delitem__(self, index: Any) -> None:
        slot = self._slot(index)
        if not self._tells_deletion and self._readable and self[index] is None:
            raise KeyError(index)
        if not self._empty(slot):
            raise KeyError(index)

    def _empty(self, slot: Any) -> bool:
        """Empty a place; tell whether it was filled."""
        try:
            self.delete_elem(slot)
        except KeyError:
            return False
        return True

    def __len__(self) -> int:
        """How many places there are: `max_entries`."""
        elements = self._elements
        return self.max_entries if elements is None or elements.closed else elements.max_entries

    def __iter__(self) -> Iterator[Any]:
        return (self[at] for at in range(len(self)))

    def clear(self) -> None:
        """Empty every place."""
        for at in range(len(self)):
            self._empty(self._slot(at))


class LendingHash(Lending, TwoStepHash):
    """A hash whose values are written as descriptors."""

    __slots__ = ()

    def _bind(self, elements: Elements) -> None:
        # No value is a plain number.
        pass

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Give the value of `key`, after writing `default` if there is none."""
        if key not in self:
            self._update(key, default, 0)
        return self[key]
