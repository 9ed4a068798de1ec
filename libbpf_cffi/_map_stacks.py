"""Stacks that programs have taken."""

from __future__ import annotations

import errno
from _collections_abc import ItemsView, KeysView, Mapping, ValuesView
from collections import namedtuple
from struct import Struct

from ._codec_scalar import IntCodec
from ._ffi import lib
from ._map_bulk import WalkableMap
from ._map_elements import MISSING
from ._map_slots import ORDER, PlainCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NamedTuple

    from ._codec import Codec

    class StackFrame(NamedTuple):
        """A frame of a stack with build ids: `offset` in the file of that id, or without an id the address `ip`."""

        build_id: bytes | None
        offset: int | None
        ip: int | None

    Base = Mapping[Any, Any]
else:
    # `typing` costs as much as the rest of the module.
    StackFrame = namedtuple("StackFrame", "build_id offset ip")  # noqa: PYI024
    StackFrame.__doc__ = "A frame of a stack with build ids: `offset` in the file of that id, or the address `ip`."
    Base = Mapping

__all__ = ["StackFrame", "StackTrace"]

_FRAME = Struct("=i20sQ")
"""``struct bpf_stack_build_id``."""


class _IdCodec(IntCodec):
    """The id of a stack."""

    def encode(self, value: Any) -> bytes:
        if isinstance(value, int) and value < 0:
            name = errno.errorcode.get(-value, "an error")
            why = " (another stack has its place)" if name == "EEXIST" else ""
            raise ValueError(f"{value} is no id of a stack: bpf_get_stackid() has failed with {name}{why}")
        return super().encode(value)


class _AddressesCodec(PlainCodec):
    """Addresses up to the first zero."""

    def __init__(self, size: int) -> None:
        super().__init__(size, "a stack", "=")
        self.codes = f"{size // 8}Q"
        self._layout = Struct(self.order + self.codes)

    def unpack(self, buffer: Any, offset: int = 0) -> tuple[Any, ...]:
        return _until(self._layout.unpack_from(buffer, offset), 0)

    def numpy_type(self) -> Any:
        return ("=u8", (self.size // 8,))


class _FramesCodec(_AddressesCodec):
    """Frames up to the first one that is empty."""

    def unpack(self, buffer: Any, offset: int = 0) -> tuple[Any, ...]:
        data = memoryview(buffer)[offset : offset + self.size]
        return _until(tuple(_frame(*each) for each in _FRAME.iter_unpack(data)), None)

    def numpy_type(self) -> Any:
        return ([("status", "=i4"), ("build_id", "V20"), ("offset", "=u8")], (self.size // _FRAME.size,))


def _frame(status: int, build_id: bytes, number: int) -> StackFrame | None:
    if status == lib.BPF_STACK_BUILD_ID_VALID:
        return StackFrame(build_id, number, None)
    return StackFrame(None, None, number) if status == lib.BPF_STACK_BUILD_ID_IP else None


def _until(values: tuple[Any, ...], end: Any) -> tuple[Any, ...]:
    try:
        return values[: values.index(end)]
    except ValueError:
        return values


class StackTrace(WalkableMap, Base):
    """The stacks that ``bpf_get_stackid()`` has put there, by their ids: a mapping.

    A stack is a tuple of addresses, the innermost first; with `MapFlags.STACK_BUILD_ID` of `StackFrame`. A stack stays
    until it is deleted, or until another one takes its place (``BPF_F_REUSE_STACKID``). Linux 4.6.
    """

    __slots__ = ()

    _own_key = _own_value = True

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _make_key_codec(self) -> Codec:
        return super()._make_key_codec() if self._is_raw else _IdCodec(4, False, "id of a stack", ORDER)

    def _make_value_codec(self) -> Codec:
        if self._is_raw:
            return super()._make_value_codec()
        frames = self._get(lib.bpf_map__map_flags, "map_flags") & lib.BPF_F_STACK_BUILD_ID
        return _FramesCodec(self.value_size) if frames else _AddressesCodec(self.value_size)

    def __getitem__(self, key: Any) -> Any:
        found = self._lookup(lib.lbc_lookup, "look up", key, 0)
        if found is MISSING:
            raise KeyError(key)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self._update(key, value, 0)

    def __delitem__(self, key: Any) -> None:
        self.delete_elem(key)

    def _update(self, key: Any, value: Any, flags: int) -> None:  # noqa: ARG002 - the verb of all maps
        raise TypeError(f"only programs put stacks into {self._what}: they can be read and deleted")

    def update_many(self, *_: object, **__: object) -> None:
        """Raise `TypeError`: only programs put stacks there."""
        self._update(None, None, 0)

    def __contains__(self, key: object) -> bool:
        return self._lookup(lib.lbc_lookup, "look up", key, 0) is not MISSING

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._key_lists())

    def __len__(self) -> int:
        """How many stacks there are: the kernel keeps no count, so all are read."""
        return sum(count for _, count in self._chunks())

    def keys(self, *, delete: bool = False) -> Any:
        """Give a view of the ids; with `delete` an iterator that takes the stacks out of the map."""
        return super().keys(delete=True) if delete else KeysView(self)

    def values(self, *, delete: bool = False) -> Any:
        """Give a view of the stacks; `delete` as in `keys`."""
        return super().values(delete=True) if delete else ValuesView(self)

    def items(self, *, delete: bool = False) -> Any:
        """Give a view of the pairs of id and stack; `delete` as in `keys`."""
        return super().items(delete=True) if delete else ItemsView(self)

    def clear(self) -> None:
        """Delete all stacks."""
        for key in list(self):
            try:
                self.delete_elem(key)
            except KeyError:
                # A program was quicker.
                continue
