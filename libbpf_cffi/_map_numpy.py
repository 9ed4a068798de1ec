"""Maps as NumPy arrays. Imported when an array is asked for or given: NumPy is optional, and costs 115 ms."""

from __future__ import annotations

import errno
from typing import Any

import numpy as np

from ._check import failure
from ._ffi import ffi
from ._map_access import STEP, Chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._libbpf import CData

__all__ = ["encoded", "encoded_keys", "read"]

RESERVE = 1 << 30
"""Bytes of address space that are taken at once, for as many entries as the map can have: pages come when written."""


class _Column:
    """An array of entries that is filled by the kernel."""

    def __init__(self, size: int, capacity: int) -> None:
        self.size = size
        self.reserve(capacity)

    def reserve(self, capacity: int) -> None:
        """Take memory without touching it."""
        self.array = np.empty(capacity * self.size, np.uint8)

    def grow(self, capacity: int) -> None:
        self.array.resize(capacity * self.size, refcheck=False)

    def at(self, index: int) -> CData:
        return ffi.from_buffer(self.array) + index * self.size

    def done(self, count: int, codec: Any) -> np.ndarray[Any, Any]:
        """Cut off what was not needed, and give the bytes their type; of a per-CPU value one row has all CPUs."""
        self.array.resize(count * self.size, refcheck=False)
        cpus = getattr(codec, "cpus", None)
        dtype = codec.inner.dtype if cpus else codec.dtype
        rows = (count, cpus, *dtype.shape) if cpus else (count, *dtype.shape)
        if not cpus or dtype.itemsize == codec.stride:
            typed: np.ndarray[Any, Any] = self.array.view(dtype.base)
            return typed.reshape(rows)
        spaced = np.dtype({"names": ["value"], "formats": [dtype], "itemsize": codec.stride})
        padded: np.ndarray[Any, Any] = self.array.view(spaced)["value"]
        return padded.reshape(rows)


def _given_column(codec: Any, array: Any, rows: int, what: str) -> np.ndarray[Any, Any]:
    """Check that an array of the user's is as this module would have made it, and large enough."""
    wanted = _Column(codec.size, 1).done(1, codec)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"out must be two arrays, not {type(array).__name__}")
    if array.dtype != wanted.dtype or array.shape[1:] != wanted.shape[1:] or array.nbytes != len(array) * codec.size:
        raise ValueError(f"{what} of out must have the dtype {wanted.dtype} and the shape {('N', *wanted.shape[1:])}")
    if len(array) < rows:
        raise ValueError(f"{what} of out must have {rows} rows, as many as the map's max_entries, not {len(array)}")
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise ValueError(f"{what} of out must be contiguous and writable")
    return array


def _read_into(map: Any, delete: bool, out: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    elements, cursor = map._cursor(delete=delete)
    rows = elements.max_entries
    keys = _given_column(map._key_codec, out[0], rows, "the keys")
    values = _given_column(map._value_codec, out[1], rows, "the values")
    keys_at, values_at = ffi.from_buffer(keys), ffi.from_buffer(values)
    rows = min(len(keys), len(values))
    filled, step = 0, cursor.capacity
    while not cursor.c.done:
        room = min(step, rows - filled)
        if not room:
            # Where the kernel goes from key to key it says of the last one only afterwards that it was that.
            cursor.c.take = 0
            spare = Chunk(elements, 1)
            count = map._read(cursor, spare.keys_at, spare.values_at, 1)
        else:
            at = keys_at + filled * elements.key_size, values_at + filled * elements.value_size
            count = map._read(cursor, *at, room)
        ended = bool(cursor.c.done) and not (count and not room)
        # No entry, and yet not the end: those of one bucket are more than there is room for.
        if not ended and (not room or (not count and room == rows - filled)):
            action = f"read {map._what} into the arrays given as out"
            hint = f"others add entries meanwhile; the first {filled} rows are filled"
            raise failure(errno.ENOSPC, action, hint)
        filled += count if room else 0
        step = max(step, cursor.c.step)
    return keys[:filled], values[:filled]


def _as_many(make: Callable[[int], None], wanted: int, least: int) -> int:
    """Make room for as many entries as are wanted, or for fewer where addresses are limited (RLIMIT_AS)."""
    while True:
        try:
            make(wanted)
        except MemoryError:
            if wanted == least:
                raise
            wanted = least + (wanted - least) // 4
        else:
            return wanted


def read(map: Any, delete: bool, out: Any = None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Read a map into two arrays."""
    if out is not None:
        return _read_into(map, delete, out)
    elements, cursor = map._cursor(delete=delete)
    step = cursor.capacity
    entry = max(elements.key_size + elements.value_size, 1)
    # One more: where the kernel goes from key to key it says of the last one only afterwards that it was that.
    capacity = max(step, min(elements.max_entries, RESERVE // entry)) + 1
    keys, values = _Column(elements.key_size, 0), _Column(elements.value_size, 0)

    def reserve(count: int) -> None:
        keys.reserve(count)
        values.reserve(count)

    def grow(count: int) -> None:
        keys.grow(count)
        values.grow(count)

    capacity = _as_many(reserve, capacity, step + 1)
    filled = needed = 0
    while not cursor.c.done:
        if capacity - filled <= needed:
            # A moved array costs its pages a second time: not before it is full.
            capacity = _as_many(grow, max(capacity * 2, filled + step), max(capacity + 1, filled + step))
        room = min(step, capacity - filled)
        count = map._read(cursor, keys.at(filled), values.at(filled), room)
        filled += count
        # So many did not do for the entries of one bucket.
        needed = 0 if count else room
        step = max(step, cursor.c.step)
    return keys.done(filled, map._key_codec), values.done(filled, map._value_codec)


def _as_bytes(map: Any, given: Any, what: str) -> np.ndarray[Any, Any]:
    """Give an array as the codec's bytes lie in memory, one row an entry; without a copy if it is so already."""
    codec = map._key_codec if what == "key" else map._value_codec
    better = f"{what}_type.dtype"
    what = f"{what} of {map._what}:"
    per_cpu = getattr(codec, "cpus", None)
    dtype = codec.inner.dtype if per_cpu else codec.dtype
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise ValueError(f"{what} must be an array without masked elements; its compressed() has none")
    array = np.asarray(given)
    if array.dtype != dtype:
        array = _converted(array, dtype, what, better)
    inner = dtype.shape
    wanted = (per_cpu,) if per_cpu else ()
    if array.shape[1:] != (*wanted, *inner):
        raise ValueError(f"{what} must be an array of shape {('N', *wanted, *inner)}, not {array.shape}")
    count = len(array)
    array = np.ascontiguousarray(array)
    rows = array.view(np.uint8).reshape(count, -1) if count else np.empty((0, codec.size), np.uint8)
    if per_cpu and rows.shape[1] != codec.size:
        spaced = np.zeros((count, per_cpu, codec.stride), np.uint8)
        spaced[:, :, : dtype.itemsize] = rows.reshape(count, per_cpu, dtype.itemsize)
        rows = spaced.reshape(count, codec.size)
    if rows.shape[1] != codec.size:
        raise ValueError(f"{what} must have {codec.size} bytes each, not {rows.shape[1]}")
    return rows


def _converted(array: np.ndarray[Any, Any], dtype: Any, what: str, better: str) -> np.ndarray[Any, Any]:
    base = dtype.base
    if array.dtype == base:
        return array
    if array.dtype.kind in "iu" and base.kind in "iu":
        limits = np.iinfo(base)
        if array.size and not (int(array.min()) >= limits.min and int(array.max()) <= limits.max):
            bad = next(int(each) for each in array.flat if not limits.min <= int(each) <= limits.max)
            raise ValueError(f"{what} must be from {limits.min} to {limits.max}, not {bad}")
        return array.astype(base)
    if array.dtype.kind in "biuf" and base.kind == "f":
        with np.errstate(over="ignore"):
            converted = array.astype(base)
        if bool((np.isinf(converted) & ~np.isinf(array)).any()):
            raise ValueError(f"{what} cannot hold {np.abs(array).max()}: it has {base.itemsize} bytes")
        return converted
    if base.kind == "V" and base.names is None and array.dtype.itemsize == base.itemsize:
        return array
    # The text of a structured one is that of a dict, and long.
    wanted = f"{better} of the map, with the members {', '.join(base.names)}" if base.names else str(dtype)
    given = f"one with the members {', '.join(array.dtype.names)}" if array.dtype.names else str(array.dtype)
    raise TypeError(f"{what} must have the dtype {wanted}, not {given}")


def encoded(map: Any, keys: Any, values: Any) -> Iterator[tuple[Any, CData, CData, int]]:
    """Give where the keys and values of two arrays are, some at a time; a list is made an array."""
    if values is None:
        raise TypeError("an array of keys needs an array of values beside it")
    first = _given(map, keys, "key")
    second = _given(map, values, "value")
    if len(first) != len(second):
        raise ValueError(f"there are {len(first)} keys and {len(second)} values")
    for start in range(0, len(first), STEP):
        some, theirs = first[start : start + STEP], second[start : start + STEP]
        yield some.reshape(-1), ffi.from_buffer(some), ffi.from_buffer(theirs), len(some)


def encoded_keys(map: Any, keys: Any) -> Iterator[tuple[Any, int]]:
    """Give the bytes of an array of keys, some at a time."""
    rows = _as_bytes(map, keys, "key")
    for start in range(0, len(rows), STEP):
        some = rows[start : start + STEP]
        yield some.reshape(-1), len(some)


def _given(map: Any, given: Any, what: str) -> np.ndarray[Any, Any]:
    if hasattr(given, "dtype"):
        return _as_bytes(map, given, what)
    codec = map._key_codec if what == "key" else map._value_codec
    data = map._encode_list(codec, list(given))
    return np.frombuffer(data, np.uint8).reshape(-1, codec.size)
