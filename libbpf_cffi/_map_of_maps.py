"""Maps whose values are maps."""

from __future__ import annotations

import errno

from . import _map_open
from ._ffi import lib
from ._map import Map
from ._map_bulk import WalkableMap
from ._map_elements import MISSING
from ._map_lend import Lending
from ._map_slots import LendingHash, Slots, number_codec
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._codec import Codec
    from ._map_lend import Borrowed

__all__ = ["ArrayOfMaps", "HashOfMaps", "MapOfMaps"]

TRIES = 100
"""How often a map that was replaced while it was opened is looked up again."""


class MapOfMaps(Lending, WalkableMap):
    """A map whose values are maps: ``outer[key] = inner``.

    A value that is read is a stand-alone `Map`, opened by its id, which needs CAP_SYS_ADMIN; it is of the class of its
    type, and typed by its own BTF. Close it when its descriptor is worth something to you: collected unclosed it is
    closed without a warning. `values` and `items` open one map after the other, `ids` none. Programs look maps up and
    cannot replace them; an inner map lives as long as it is in an outer one, whoever has made it.

    Every inner map must be like the template, which is what ``Map.create(inner=…)`` was given, or what the object's
    source declares.
    """

    __slots__ = ()

    def _make_value_codec(self) -> Codec:
        return super()._make_value_codec() if self._is_raw else number_codec(4, "id of a map")

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.map(value)

    @staticmethod
    def _open_inner(number: int) -> Map | None:
        """Open the map of an id; ``None`` if that is gone."""
        try:
            made = _map_open.from_id(number, read_only=False, write_only=False)
        except LibbpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        found = Map._stand_alone(made)
        found._handle.quiet = True
        return found

    def _lookup(self, function: Callable[..., int], verb: str, key: Any, flags: int) -> Any:
        for _ in range(TRIES):
            found = super()._lookup(function, verb, key, flags)
            if self._is_raw or found is MISSING:
                return found
            inner = self._open_inner(found)
            if inner is not None:
                return inner
        raise self._failure(errno.EAGAIN, f"open the map at {key!r} in {self._what}")

    def ids(self) -> dict[Any, int]:
        """Give the ids of the maps, by key; none is opened. Needs no privilege beyond the map's descriptor."""
        codec = number_codec(4, "id")
        lists = super()._pair_lists()
        return {key: codec.decode(found) if self._is_raw else found for pairs in lists for key, found in pairs}

    def _value_lists(self, *, delete: bool = False) -> Iterator[Iterable[Any]]:  # type: ignore[override]
        for pairs in self._pair_lists(delete=delete):
            yield (inner for _, inner in pairs)

    def _pair_lists(self, *, delete: bool = False) -> Iterator[Iterator[tuple[Any, Any]]]:
        if delete and not self._is_raw:
            raise ValueError(f"maps that are taken out of {self._what} may be gone before they are opened: use clear()")
        lists = super()._pair_lists(delete=delete)
        return lists if self._is_raw else map(self._opened, lists)

    def to_dict(self, *, delete: bool = False) -> dict[Any, Any]:
        """Read the whole map, and open every map in it; see `ids` for what is cheaper."""
        return super().to_dict(delete=delete) if self._is_raw else dict(self._iterate(self._pair_lists(delete=delete)))

    def _opened(self, pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Map]]:
        for key, number in pairs:
            inner = self._open_inner(number)
            if inner is not None:
                yield key, inner

    def _update(self, key: Any, value: Any, flags: int) -> None:
        try:
            super()._update(key, value, flags)
        except LibbpfError as error:
            if error.errno == errno.EINVAL and isinstance(value, Map):
                error.hint = self._misfit(value)
            raise

    def _misfit(self, value: Map) -> str:
        """Say why a map cannot be in this one, by comparison with one that is, if there is any."""
        given = value._raw_info()
        if given.type in (lib.BPF_MAP_TYPE_ARRAY_OF_MAPS, lib.BPF_MAP_TYPE_HASH_OF_MAPS):
            return "the kernel allows no maps of maps in maps of maps"
        for number in self.ids().values():
            inner = self._open_inner(number)
            if inner is None:
                continue
            with inner:
                like = inner._raw_info()
            differing = [name for name in _SHAPE if getattr(given, name) != getattr(like, name)]
            if differing:
                said = ", ".join(f"{name} {getattr(given, name)}, not {getattr(like, name)}" for name in differing)
                return f"{value._what} is not like the maps that are in {self._what}: it has {said}; {_RULE}"
        has = ", ".join(f"{name} {getattr(given, name)}" for name in _SHAPE)
        return f"{value._what} is not like the template of {self._what}: it has {has}; {_RULE}"


_SHAPE = ("type", "key_size", "value_size", "max_entries", "map_flags")

_RULE = (
    "an inner map must have the template's type, key_size, value_size and map_flags, and the same spin locks, timers "
    "and kptrs in its values; an array also its max_entries, unless both have MapFlags.INNER_MAP (Linux 5.10)"
)
"""bpf_map_meta_equal() and array_map_meta_equal() in the kernel."""


class ArrayOfMaps(MapOfMaps, Slots):
    """An array of maps: ``outer[3] = inner``, ``del outer[3]``; an empty place is ``None``."""

    __slots__ = ()


class HashOfMaps(MapOfMaps, LendingHash):
    """A hash of maps: a mutable mapping."""

    __slots__ = ()

    def __contains__(self, key: object) -> bool:
        # No map is opened for that.
        return LendingHash._lookup(self, lib.lbc_lookup, "look up", key, 0) is not MISSING
