"""Hashes: maps that are Python's mutable mappings."""

from __future__ import annotations

import errno
import sys
from _collections_abc import ItemsView, KeysView, MutableMapping, ValuesView

from ._check import ENOTSUPP
from ._ffi import ffi, lib
from ._map_access import LOOK_AGAIN, STEP, Chunk, Elements, progress
from ._map_bulk import WalkableMap
from ._map_elements import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    class Keys(KeysView[Any]):
        """What a view of ``collections.abc`` has, which types do not say."""

        _mapping: HashMap

    class Values(ValuesView[Any]):
        """The same."""

        _mapping: HashMap

    class Items(ItemsView[Any, Any]):
        """The same."""

        _mapping: HashMap

    Mutable = MutableMapping[Any, Any]
else:
    Keys, Values, Items, Mutable = KeysView, ValuesView, ItemsView, MutableMapping

__all__ = ["HashMap", "TwoStepHash", "number_sign"]

_GONE: Any = object()
"""What is taken of an entry that others were quicker to take."""

_LOOKUP = lib.lbc_lookup

_LOOKUPS = {
    "uu": lib.lbc_quick_lookup_uu,
    "us": lib.lbc_quick_lookup_us,
    "su": lib.lbc_quick_lookup_su,
    "ss": lib.lbc_quick_lookup_ss,
}
_UPDATES = {
    "uu": lib.lbc_quick_update_uu,
    "us": lib.lbc_quick_update_us,
    "su": lib.lbc_quick_update_su,
    "ss": lib.lbc_quick_update_ss,
}


def number_sign(codec: Any) -> str | None:
    """Tell whether a codec's values are plain integers, in this machine's byte order: ``u``, ``s`` or ``None``."""
    form = codec.format
    if form is None or len(form) != 2 or form[0] != ("<" if sys.byteorder == "little" else ">"):
        return None
    if form[1] not in "BHIQbhiq" or type(codec.decode(bytes(codec.size))) is not int:
        return None
    return "s" if form[1].islower() else "u"


class _KeysView(Keys):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)


class _ValuesView(Values):
    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iterate(self._mapping._value_lists())


class _ItemsView(Items):
    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iterate(self._mapping._pair_lists())


class HashMap(WalkableMap, Mutable):
    """A hash, or an LRU hash: a mutable mapping.

    ``len()`` and iteration read the map in batches; ``dict(m)`` looks up key by key, `to_dict` does not. Two maps are
    equal only if they are the same object: compare `to_dict`.
    """

    __slots__ = ()

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _bind(self, elements: Elements) -> None:
        key, value = number_sign(self._key_codec), number_sign(self._value_codec)
        if key is not None and value is not None:
            self._number_elements = elements.c
            self._look = _LOOKUPS[key + value]
            self._store = _UPDATES[key + value]

    def __getitem__(self, key: Any) -> Any:
        look = self._look
        if look is not None:
            try:
                value = look(self._number_elements, key)
            except (TypeError, OverflowError):
                pass  # the long way finds out
            else:
                if value != LOOK_AGAIN:
                    return value
        value = self._lookup(_LOOKUP, "look up", key, 0)
        if value is MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        store = self._store
        if store is not None:
            try:
                if not store(self._number_elements, key, value):
                    return
            except (TypeError, OverflowError):
                pass
        self._update(key, value, 0)

    def __delitem__(self, key: Any) -> None:
        self.delete_elem(key)

    def __contains__(self, key: object) -> bool:
        return self._lookup(_LOOKUP, "look up", key, 0) is not MISSING

    def __bool__(self) -> bool:
        """Whether the map has any entry."""
        return self.get_next_key() is not None

    def __len__(self) -> int:
        """How many entries there are: the kernel keeps no count, so all are read."""
        return sum(count for _, count in self._chunks())

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._key_lists())

    def get(self, key: Any, default: Any = None) -> Any:
        """Give the value of `key`, or `default`."""
        look = self._look
        if look is not None:
            try:
                value = look(self._number_elements, key)
            except (TypeError, OverflowError):
                pass
            else:
                if value != LOOK_AGAIN:
                    return value
        value = self._lookup(_LOOKUP, "look up", key, 0)
        return default if value is MISSING else value

    def pop(self, key: Any, default: Any = MISSING) -> Any:
        """Give the value of `key` and delete the entry, in one step; `default`, or `KeyError`, if there is none."""
        value = self._lookup(lib.lbc_lookup_and_delete, "take", key, 0)
        if value is not MISSING:
            return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[Any, Any]:
        """Take some entry out of the map; `KeyError` if there is none."""
        # As often as others are quicker, but not for ever.
        for _ in range(1000):
            key = self.get_next_key()
            if key is None:
                break
            value = self._lookup(lib.lbc_lookup_and_delete, "take", key, 0)
            if value is not MISSING:
                return key, value
        raise KeyError(f"{self._what} is empty")

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Give the value of `key`, after writing `default` if there is none."""
        while True:
            result = self._call(lib.lbc_update, self._key_bytes(key), self._value_bytes(default), lib.BPF_NOEXIST)
            if result == 0:
                return default
            if result != -errno.EEXIST:
                raise self._failure(-result, f"update {key!r} in {self._what}")
            value = self._lookup(_LOOKUP, "look up", key, 0)
            if value is not MISSING:
                return value

    def keys(self, *, delete: bool = False) -> Any:
        """Give a view of the keys; with `delete` an iterator that takes the entries out of the map.

        What it has taken, up to 65,536 entries ahead, is lost if it is not used up.
        """
        return super().keys(delete=True) if delete else _KeysView(self)

    def values(self, *, delete: bool = False) -> Any:
        """Give a view of the values; `delete` as in `keys`."""
        return super().values(delete=True) if delete else _ValuesView(self)

    def items(self, *, delete: bool = False) -> Any:
        """Give a view of the pairs of key and value; `delete` as in `keys`."""
        return super().items(delete=True) if delete else _ItemsView(self)

    def delete_many(self, keys: Iterable[Any]) -> int:
        """Delete the entries of many keys, a list or a NumPy array; give how many of them were there.

        *Wraps* ``bpf_map_delete_batch()``. Linux 5.6; before that, a key at a time.
        """
        if self._elements is None:
            self._open_elements()
        done = deleted = 0
        counts = progress()
        for data, count in self._encoded_keys(keys):
            result = self._call(lib.lbc_delete_many, ffi.from_buffer(data), count, 0, counts)
            deleted += counts.done - counts.missing
            if result < 0:
                key = self._key_codec.decode(data, counts.done * self._key_codec.size)
                raise self._failure(-result, f"delete key {key!r} from {self._what}, after {done + counts.done}")
            done += count
        return deleted

    def _encoded_keys(self, keys: Any) -> Iterator[tuple[Any, int]]:
        if hasattr(keys, "dtype"):
            from ._map_numpy import encoded_keys

            yield from encoded_keys(self, keys)
            return
        from itertools import islice

        following = iter(keys)
        while some := list(islice(following, STEP)):
            yield self._encode_list(self._key_codec, some), len(some)

    def clear(self) -> None:
        """Delete all entries, in batches. *Wraps* ``bpf_map_lookup_and_delete_batch()``."""
        elements, cursor = self._cursor(delete=True)
        chunk = Chunk(elements, cursor.capacity)
        while not cursor.c.done:
            if not self._read(cursor, chunk.keys_at, chunk.values_at, chunk.capacity) and not cursor.c.done:
                chunk = Chunk(elements, cursor.c.step)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == ENOTSUPP:
            return (
                "the kernel takes nothing out of this map in one step (hashes since Linux 5.14, none in hardware): "
                "look it up, then delete it"
            )
        return super()._hint(error, flags)


class TwoStepHash(HashMap):
    """A hash from which the kernel takes nothing in one step: what is looked up is deleted after that."""

    __slots__ = ()

    def pop(self, key: Any, default: Any = MISSING) -> Any:
        """Give the value of `key` and delete the entry, in two steps; `default`, or `KeyError`, if there is none."""
        value = self._lookup(lib.lbc_lookup, "look up", key, 0)
        if value is not MISSING:
            try:
                # Others may have been quicker; of a trie another, shorter prefix may have matched.
                self.delete_elem(key)
            except KeyError:
                pass
            else:
                return value
        if default is MISSING:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[Any, Any]:
        """Take some entry out of the map, in two steps; `KeyError` if there is none."""
        # As often as others are quicker, but not for ever.
        for _ in range(1000):
            key = self.get_next_key()
            if key is None:
                break
            value = self.pop(key, _GONE)
            if value is not _GONE:
                return key, value
        raise KeyError(f"{self._what} is empty")
