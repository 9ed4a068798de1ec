"""Arrays: maps that are Python's sequences."""

from __future__ import annotations

import errno
import os
import sys
from _collections_abc import Sequence

from ._check import failure
from ._codec_scalar import IntCodec
from ._ffi import lib
from ._map_access import LOOK_AGAIN, STEP, Elements, progress
from ._map_bulk import WalkableMap
from ._map_hash import number_sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._codec import Codec
    from ._map_access import Cursor

    Base = Sequence[Any]
else:
    Base = Sequence

__all__ = ["ArrayMap"]

ORDER = "<" if sys.byteorder == "little" else ">"

MANY = 64
"""A slice of more elements is taken out of all, which are read in batches."""

_LOOKUPS = {"u": lib.lbc_quick_lookup_uu, "s": lib.lbc_quick_lookup_us}
_UPDATES = {"u": lib.lbc_quick_update_uu, "s": lib.lbc_quick_update_us}
_PEEKS = {"u": lib.lbc_quick_peek_u, "s": lib.lbc_quick_peek_s}
_POKES = {"u": lib.lbc_quick_poke_u, "s": lib.lbc_quick_poke_s}


class ArrayMap(WalkableMap, Base):
    """An array: a sequence of `max_entries` values that can be replaced, but neither added nor deleted.

    Of an array with `MapFlags.MMAPABLE` the elements are read and written in mapped memory, without a system call
    (Linux 5.5); a number of 1, 2, 4 or 8 bytes in one piece, whatever a program does at the same time.
    """

    __slots__ = ()

    def _make_key_codec(self) -> Codec:
        if self._is_raw or self.btf_key_type_id or self._types[0] is not None:
            return super()._make_key_codec()
        return IntCodec(4, False, "unsigned int", ORDER)

    # The memory

    def _make_elements(self, fd: int) -> Elements:
        elements = super()._make_elements(fd)
        self._map_memory(elements, writable=False)
        return elements

    def _map_memory(self, elements: Elements, *, writable: bool) -> bool:
        if not self._get(lib.bpf_map__map_flags, "map_flags") & lib.BPF_F_MMAPABLE:
            return False
        page = os.sysconf("SC_PAGESIZE")
        # An element takes a multiple of eight bytes, all of them whole pages (array_map_alloc() in the kernel).
        size = (elements.value_size + 7) // 8 * 8 * elements.max_entries
        return elements.map_memory((size + page - 1) // page * page, writable)

    def _make_writable(self) -> bool:
        """Map the memory for writing, if it is mapped for reading; tell whether it is so now."""
        with self._handle.lock:
            old = self._open_elements()
            if not old.c.memory or old.memory_refused:
                return False
            if old.c.writable:
                return True
            new = super()._make_elements(self.fd)
            if not self._map_memory(new, writable=True):
                # A frozen map, one of constants, or one opened read-only: the system call says what is wrong.
                new.child._close()
                old.memory_refused = True
                self._bind(old)
                return False
            self._handle.elements[self._address()] = new
            old.child._close()
            self._elements = new
            self._bind(new)
            return True

    def _bind(self, elements: Elements) -> None:
        sign = number_sign(self._value_codec)
        if sign is not None and not self._is_raw:
            self._number_elements = elements.c
            self._look = (_PEEKS if elements.c.memory else _LOOKUPS)[sign]
            self._store = (_POKES if elements.c.memory and not elements.memory_refused else _UPDATES)[sign]

    # One element

    def _index(self, index: Any) -> int:
        if not hasattr(index, "__index__") or isinstance(index, type):
            raise TypeError(f"an index of {self._what} must be an integer or a slice, not {type(index).__name__}")
        number = at = index.__index__()
        length = len(self)
        if at < 0:
            at += length
        if not 0 <= at < length:
            raise IndexError(f"{self._what} has {length} elements, and none at {number}")
        return int(at)

    def __getitem__(self, index: Any) -> Any:
        look = self._look
        if look is not None:
            try:
                value = look(self._number_elements, index)
            except (TypeError, OverflowError):
                pass  # a slice, or from the end
            else:
                if value != LOOK_AGAIN:
                    return value
        if isinstance(index, slice):
            some = range(*index.indices(len(self)))
            if len(some) > MANY:
                return list(self.values())[index]
            return [self._element(at) for at in some]
        return self._element(self._index(index))

    def _element(self, at: int) -> Any:
        elements = self._elements or self._open_elements()
        buffer = pointer, memory = elements.buffer()
        result = self._call(lib.lbc_peek, at, pointer) if elements.c.memory else -errno.ENODEV
        if result == -errno.ENODEV:
            result = self._call(lib.lbc_lookup, at.to_bytes(4, sys.byteorder), pointer, 0)
        if result < 0:
            elements.buffers.append(buffer)
            raise self._failure(-result, f"look up {at} in {self._what}")
        value = self._value_codec.decode(memory)
        elements.buffers.append(buffer)
        return value

    def __setitem__(self, index: Any, value: Any) -> None:
        store = self._store
        if store is not None:
            try:
                if not store(self._number_elements, index, value):
                    return
            except (TypeError, OverflowError):
                pass
        if isinstance(index, slice):
            some = range(*index.indices(len(self)))
            values = list(value)
            if len(values) != len(some):
                raise ValueError(f"the slice of {self._what} has {len(some)} elements, not {len(values)}")
            if self._is_raw:
                self.update_many([at.to_bytes(4, sys.byteorder) for at in some], values)
            else:
                self.update_many(some, values)
            return
        at = self._index(index)
        encoded = self._value_bytes(value)
        result = -errno.ENODEV
        elements = self._elements or self._open_elements()
        if elements.c.memory and not elements.memory_refused and (elements.c.writable or self._make_writable()):
            result = self._call(lib.lbc_poke, at, encoded)
        if result == -errno.ENODEV:
            result = self._call(lib.lbc_update, at.to_bytes(4, sys.byteorder), encoded, 0)
        if result < 0:
            raise self._failure(-result, f"update {at} in {self._what}")

    # All of them

    def clear(self) -> None:
        """Write zeroes over all elements, many a call."""
        elements = self._elements or self._open_elements()
        step = min(STEP, elements.max_entries)
        values = bytes(step * elements.value_size)
        counts = progress()
        for start in range(0, elements.max_entries, step):
            some = range(start, min(start + step, elements.max_entries))
            keys = b"".join([at.to_bytes(4, sys.byteorder) for at in some])
            result = self._call(lib.lbc_update_many, keys, values, len(some), 0, counts)
            if result < 0:
                raise self._failure(-result, f"clear {self._what}")

    def __len__(self) -> int:
        """How many elements there are: `max_entries`."""
        elements = self._elements
        return self.max_entries if elements is None or elements.closed else elements.max_entries

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._value_lists())

    def _cursor(self, *, delete: bool = False, each: bool = False) -> tuple[Elements, Cursor]:
        if delete:
            action = f"take elements out of {self._what}"
            raise failure(errno.EOPNOTSUPP, action, "those of an array can only be replaced")
        return super()._cursor(each=each)
