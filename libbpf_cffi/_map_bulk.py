"""Many elements in a call: what every kind of map has that can be walked from key to key."""

from __future__ import annotations

import errno
import gc
from itertools import islice

from ._alone import chained
from ._ffi import ffi, lib, unsigned
from ._map import Map
from ._map_access import STEP, Chunk, Cursor, Elements, progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    import numpy as np

    from ._codec import Codec
    from ._libbpf import CData

__all__ = ["WalkableMap"]

PART = 1024
"""Entries that are decoded at a time. A million records are decoded in half the time that they take in one piece."""


class WalkableMap(Map):
    """A map whose keys the kernel lists.

    Reading takes many entries a call, through the kernel's batches (Linux 5.6 and later, by type) or, where there are
    none, a key at a time in C. Other threads run meanwhile.

    A map that changes while it is read is never read for ever. Of a hash each bucket is read in one piece and once, so
    that no key comes twice, and a key that is there all the time comes. Other types are walked from key to key: when
    the one that comes next is deleted, the kernel goes on at the first key again, so that keys may come twice (not in
    a `dict`), and a reader that has met more than twice ``max_entries`` of them gives up with EAGAIN.
    """

    __slots__ = ()

    def _cursor(self, *, delete: bool = False, each: bool = False) -> tuple[Elements, Cursor]:
        elements = self._elements or self._open_elements()
        return elements, Cursor(elements, take=delete, each=each)

    def _read(self, cursor: Cursor, keys: CData, values: CData, capacity: int) -> int:
        """Read the next entries; give how many. None, unless the cursor is done, means that more room is needed."""
        result = self._call(lib.lbc_read, cursor.c, keys, values, capacity)
        if result < 0:
            raise self._failure(-result, f"{'take the entries out of' if cursor.c.take else 'read'} {self._what}")
        return int(cursor.c.filled)

    def _chunks(self, *, delete: bool = False) -> Iterator[tuple[Chunk, int]]:
        """Read the map chunk by chunk, each in the same memory; give the chunk and how many entries it has."""
        elements, cursor = self._cursor(delete=delete)
        chunk = Chunk(elements, cursor.capacity)
        while not cursor.c.done:
            count = self._read(cursor, chunk.keys_at, chunk.values_at, chunk.capacity)
            if count:
                yield chunk, count
            elif not cursor.c.done:
                chunk = Chunk(elements, cursor.c.step)

    def _key_lists(self, *, delete: bool = False) -> Iterator[list[Any]]:
        for chunk, count in self._chunks(delete=delete):
            for start, number in _parts(count):
                yield _decoded(self._key_codec, chunk.keys, start, number)

    def _value_lists(self, *, delete: bool = False) -> Iterator[list[Any]]:
        for chunk, count in self._chunks(delete=delete):
            for start, number in _parts(count):
                yield _decoded(self._value_codec, chunk.values, start, number)

    def _pair_lists(self, *, delete: bool = False) -> Iterator[Iterator[tuple[Any, Any]]]:
        for chunk, count in self._chunks(delete=delete):
            yield from self._decoded(chunk, count)

    def _decoded(self, chunk: Chunk, count: int) -> Iterator[Iterator[tuple[Any, Any]]]:
        for start, number in _parts(count):
            keys = _decoded(self._key_codec, chunk.keys, start, number)
            yield zip(keys, _decoded(self._value_codec, chunk.values, start, number), strict=True)

    def _iterate(self, lists: Iterator[Iterable[Any]]) -> Iterator[Any]:
        # What is wrong with the map is said now, not at the first step.
        if self._elements is None:
            self._open_elements()
        # In C: a generator would cost as much as reading and decoding together.
        return chained(lists)

    def keys(self, *, delete: bool = False) -> Iterable[Any]:
        """Give the keys, read in batches; with `delete` an iterator that takes the entries out of the map.

        What it has taken, up to 65,536 entries ahead, is lost if it is not used up.
        """
        return self._iterate(self._key_lists(delete=delete))

    def values(self, *, delete: bool = False) -> Iterable[Any]:
        """Give the values, read in batches; `delete` as in `keys`."""
        return self._iterate(self._value_lists(delete=delete))

    def items(self, *, delete: bool = False) -> Iterable[tuple[Any, Any]]:
        """Give pairs of key and value, read in batches; `delete` as in `keys`."""
        return self._iterate(self._pair_lists(delete=delete))

    def to_dict(self, *, delete: bool = False) -> dict[Any, Any]:
        """Read the whole map; with `delete` take everything out of it.

        An exception such as Ctrl-C in the middle of that loses what has been taken. *Wraps*
        ``bpf_map_lookup_batch()``, ``bpf_map_lookup_and_delete_batch()``.
        """
        found: dict[Any, Any] = {}
        for chunk, count in self._chunks(delete=delete):
            collects = gc.isenabled()
            try:
                # It would look again and again at all the records, which have no cycles: half of the whole time.
                gc.disable()
                for pairs in self._decoded(chunk, count):
                    found.update(pairs)
            finally:
                if collects:
                    gc.enable()
        return found

    def to_numpy(
        self, *, delete: bool = False, out: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None = None
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Read the whole map into two NumPy arrays, of keys and of values; `delete` as in `to_dict`.

        The dtypes are those of the types (`BtfType.dtype`). Nothing is decoded: the kernel writes into the arrays.
        Reading into those that are there already, given as `out`, is up to a fifth quicker than into new memory: they
        must have `max_entries` rows, and the front parts that were filled are returned.
        """
        from ._map_numpy import read

        return read(self, delete, out)

    def update_many(
        self, other: Mapping[Any, Any] | Iterable[Any], values: Iterable[Any] | None = None, *, flags: int = 0
    ) -> None:
        """Write many entries: of a mapping, of pairs, or keys and `values` apart, as lists or as NumPy arrays.

        *Wraps* ``bpf_map_update_batch()``. `flags` as in `update_elem`; with ``NOEXIST`` or ``EXIST`` the kernel has no
        batch, and entries are written one by one, in C. Entries are encoded and written 65,536 at a time, in their
        order: what comes before one that is refused has been written, and the error says how many that were. With
        ``EXIST`` a key that is not there is a `KeyError`, as in `update_elem`.
        """
        number = unsigned(flags, 64, "flags")
        if self._elements is None:
            self._open_elements()
        done = 0
        counts = progress()
        for keys, keys_at, values_at, count in self._encoded(other, values):
            result = self._call(lib.lbc_update_many, keys_at, values_at, count, number, counts)
            if result < 0:
                size = self._key_codec.size
                at = counts.done
                key = self._key_codec.decode(keys, at * size)
                if result == -errno.ENOENT and number & lib.BPF_EXIST:
                    raise KeyError(key)
                raise self._failure(
                    -result, f"update key {key!r} of {self._what}, after {done + at} that are done", number
                )
            done += count

    if TYPE_CHECKING:

        def update(self, *args: Any, **keywords: Any) -> None:
            """Be like that of a ``MutableMapping``, which hashes are as well."""

    else:

        def update(self, other: Any = (), values: Any = None, *, flags: int = 0, **named: object) -> None:
            """Write many entries, as `update_many` does; unlike a `dict`'s it takes none as keywords."""
            if named:
                name, value = next(iter(named.items()))
                given = f"{{{name!r}: {value!r}}}"
                raise TypeError(f"{self._what} is updated with a mapping or pairs, {given}, not with keywords")
            self.update_many(other, values, flags=flags)

    def _encoded(
        self, other: Any, values: Iterable[Any] | None
    ) -> Iterator[tuple[Any, CData, CData, int]]:
        """Encode entries: give the keys' memory, where keys and values are for C, and how many."""
        if hasattr(other, "dtype") or hasattr(values, "dtype"):
            from ._map_numpy import encoded

            yield from encoded(self, other, values)
            return
        for keys, their_values in self._lists(other, values):
            encoded_keys = self._encode_list(self._key_codec, keys)
            encoded_values = self._encode_list(self._value_codec, their_values)
            yield encoded_keys, ffi.from_buffer(encoded_keys), ffi.from_buffer(encoded_values), len(keys)

    def _lists(self, other: Any, values: Any) -> Iterator[tuple[list[Any], list[Any]]]:
        """Give the keys and the values of what `update_many` takes, some at a time."""
        what = self._what
        if values is None and not isinstance(other, dict):
            pairs = iter(_iterable(other.items() if hasattr(other, "items") else other, f"what {what} is to get"))
            done = 0
            while some := list(islice(pairs, STEP)):
                yield _unzipped(some, what, done)
                done += len(some)
            return
        keys = iter(_iterable(other, f"the keys for {what}"))
        their_values = iter(_iterable(other.values() if values is None else values, f"the values for {what}"))
        done = 0
        while True:
            first, second = list(islice(keys, STEP)), list(islice(their_values, STEP))
            if len(first) != len(second):
                # The longer ones are counted to their end, unless they have none.
                counts = [done + len(first) + _rest(keys), done + len(second) + _rest(their_values)]
                raise ValueError(f"{what} cannot be updated with {counts[0]} keys and {counts[1]} values")
            if not first:
                return
            yield first, second
            done += len(first)

    def _encode_list(self, codec: Any, values: list[Any]) -> bytes:
        try:
            data: bytes = codec.encode_many(values)
        except (TypeError, ValueError) as wrong:
            self._explain(wrong, codec, "key" if codec is self._key_codec else "value")
            raise
        wanted = codec.size * len(values)
        if len(data) != wanted:
            raise ValueError(f"{len(values)} of {codec.typename} have {wanted} bytes, not {len(data)}")
        return data


def _parts(count: int) -> Iterator[tuple[int, int]]:
    """Cut so many entries into parts whose decoded values stay in the processor's caches until they are used.

    Give the first number of each, and how many it has.
    """
    for start in range(0, count, PART):
        yield start, min(PART, count - start)


def _decoded(codec: Codec, memory: bytearray, start: int, number: int) -> list[Any]:
    """Decode so many keys, or values, of a chunk."""
    if getattr(codec, "decoder", None) is not None:
        return codec.decode_part(memory, start * codec.size, number)
    return codec.decode_many(memoryview(memory)[start * codec.size : (start + number) * codec.size], None, number)


def _iterable(given: Any, what: str) -> Any:
    if not hasattr(given, "__iter__") and not hasattr(given, "__getitem__"):
        raise TypeError(f"{what} must be a mapping, pairs, or keys and values apart, not {type(given).__name__}")
    return given


def _unzipped(pairs: list[Any], what: str, done: int) -> tuple[list[Any], list[Any]]:
    """Give the keys and values of pairs."""
    try:
        return [key for key, _ in pairs], [value for _, value in pairs]
    except (TypeError, ValueError):
        for number, pair in enumerate(pairs, done):
            if isinstance(pair, (str, bytes)) or not hasattr(pair, "__len__") or len(pair) != 2:
                message = f"{what} is updated with pairs of key and value: the one at {number} is {pair!r}"
                raise TypeError(message) from None
        raise


def _rest(values: Iterator[Any]) -> int:
    return sum(1 for _ in islice(values, STEP * 64))
