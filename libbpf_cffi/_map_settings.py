"""What a map is, and what may be set of an object's map before load."""

from __future__ import annotations

from . import _log
from ._check import check
from ._ffi import boolean, ffi, lib, unsigned
from ._handle import ObjectHandle, uncopied
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._handle import Handle
    from ._libbpf import CData, bpf_map
    from .enums import MapFlags, MapType

__all__ = ["Settings", "address_of", "kind_of", "kinds", "register"]

OPEN = ObjectHandle.OPEN

_KINDS: dict[int | None, type[Any] | str] = {}


def register(kind: type[Any] | str, *numbers: int | None) -> None:
    """Make `kind` the class of the maps of these types; ``None`` stands for all others.

    It may be given by name, as ``"_module.Class"``: the module is imported when there is such a map.
    """
    for number in numbers:
        _KINDS[number] = kind


def kind_of(number: int) -> type[Any]:
    """Give the class of the maps of a type."""
    kind = _KINDS.get(number) or _KINDS[None]
    if isinstance(kind, str):
        from importlib import import_module

        module, _, name = kind.partition(".")
        found: type[Any] | None = getattr(import_module(f"{__package__}.{module}"), name, None)
        if found is None:
            why = "a signal handler has interrupted the first use of such a map"
            raise StateError(f"cannot import {name}: {why}; a program whose handlers use maps names bpf.{name} before")
        _KINDS[number] = kind = found
    return kind


def kinds() -> list[type[Any]]:
    """Give every class that maps of some type have."""
    return sorted({kind_of(number) for number in _KINDS if number is not None}, key=lambda kind: kind.__name__)


def address_of(pointer: CData) -> int:
    """Give a C pointer's address."""
    return int(ffi.cast("uintptr_t", pointer))


class Settings:
    """The definition of a map: of one of an object what libbpf has, of a stand-alone one what the kernel said."""

    __slots__ = ("_facts", "_handle", "_map", "_name", "_numa_node", "_owner")
    __reduce_ex__ = uncopied

    _owner: Any
    """What must live as long as the map: its object, or the map that this is a view of."""
    _handle: Handle[Any]
    _map: bpf_map | None
    """Of an object's map."""
    _facts: CData | None
    """Of a stand-alone map, what never changes: ``struct bpf_map_info``."""
    _name: str
    _numa_node: int

    @property
    def name(self) -> str:
        """The name, such as ``events``; stays known after close.

        A data section's is the object's name and the section's, such as ``prog.bss``, or only the section's if that is
        one of the program's own, such as ``.data.settings``. A stand-alone map's is the kernel's, at most 15 bytes.
        *Wraps* ``bpf_map__name()``.
        """
        return self._name

    @property
    def _pointer(self) -> bpf_map:
        self._handle.check()
        if self._map is None:
            raise StateError(f"{self._what} belongs to no object: it has no struct bpf_map")
        return self._map

    @property
    def _what(self) -> str:
        # A stand-alone map without a name goes by its id.
        return f"map {self._name!r}" if self._name or self._facts is None else f"map {self._facts.id}"

    def _get(self, function: Callable[[bpf_map], Any], field: str) -> Any:
        with self._handle.lock:
            if self._facts is not None:
                self._handle.check()
                return getattr(self._facts, field)
            return function(self._pointer)

    def _set(self, what: str, function: Callable[..., int], *arguments: object) -> None:
        with self._handle.lock:
            action = self._settable(what)
            _log.listen()
            check(function(self._pointer, *arguments), action)

    def _settable(self, what: str) -> str:
        """Raise unless the object is open and not loaded; give the action's words."""
        self._handle.check()
        action = f"set {what} of {self._what}"
        self._require(action, OPEN)
        return action

    def _require(self, action: str, *phases: str) -> None:
        """Raise `StateError` unless the map's object is in one of `phases`; a stand-alone map has been created."""
        if isinstance(self._handle, ObjectHandle):
            self._handle.require(action, *phases)
        elif ObjectHandle.LOADED not in phases:
            raise StateError(f"cannot {action}: the map exists already, and belongs to no object")

    @property
    def type(self) -> MapType:
        """The type; settable before load, by its name too. *Wraps* ``bpf_map__type()``, ``bpf_map__set_type()``."""
        from .enums import MapType

        return MapType(self._get(lib.bpf_map__type, "type"))

    @type.setter
    def type(self, value: MapType | str | int) -> None:
        from ._type_numbers import map_type_number

        number = map_type_number(value)
        with self._handle.lock:
            self._settable("type")
            old = self.type
            if self._kind(number) != self._kind(old) or (self.is_internal and number != old):
                raise ValueError(f"{self._what} is declared as {old.name} and cannot be {type(old)(number).name}")
            self._set("type", lib.bpf_map__set_type, number)

    @staticmethod
    def _kind(number: int) -> object:
        """Tell apart what libbpf has prepared, when it opened the file, for maps of a type.

        Its load follows pointers of that preparation by the map's type alone.
        """
        if number in (lib.BPF_MAP_TYPE_STRUCT_OPS, lib.BPF_MAP_TYPE_ARENA, lib.BPF_MAP_TYPE_PROG_ARRAY):
            return number
        return "maps" if number in (lib.BPF_MAP_TYPE_ARRAY_OF_MAPS, lib.BPF_MAP_TYPE_HASH_OF_MAPS) else "other"

    @property
    def key_size(self) -> int:
        """Size of a key in bytes; settable before load.

        *Wraps* ``bpf_map__key_size()``, ``bpf_map__set_key_size()``.
        """
        return int(self._get(lib.bpf_map__key_size, "key_size"))

    @key_size.setter
    def key_size(self, value: int) -> None:
        self._set("key_size", lib.bpf_map__set_key_size, unsigned(value, 32, "key_size"))

    @property
    def value_size(self) -> int:
        """Size of a value in bytes; settable before load, also to resize a data section.

        *Wraps* ``bpf_map__value_size()``, ``bpf_map__set_value_size()``.
        """
        return int(self._get(lib.bpf_map__value_size, "value_size"))

    @value_size.setter
    def value_size(self, value: int) -> None:
        number = unsigned(value, 32, "value_size")
        with self._handle.lock:
            self._settable("value_size")
            if self.is_internal and number < self.value_size:
                # Load writes what the object file has for the section, .kconfig's values too.
                raise ValueError(f"data section {self.name!r} has {self.value_size} bytes, and cannot have {number}")
            self._set("value_size", lib.bpf_map__set_value_size, number)
            if self.is_internal and self._owner.btf is not None:
                # libbpf has changed the section's type in place.
                self._owner.btf._age += 1

    @property
    def max_entries(self) -> int:
        """How many entries fit; settable before load. Of a ring buffer: its size in bytes.

        *Wraps* ``bpf_map__max_entries()``, ``bpf_map__set_max_entries()``.
        """
        return int(self._get(lib.bpf_map__max_entries, "max_entries"))

    @max_entries.setter
    def max_entries(self, value: int) -> None:
        number = unsigned(value, 32, "max_entries")
        with self._handle.lock:
            self._settable("max_entries")
            if self.is_internal and number != self.max_entries:
                # libbpf would map that many values over what lies behind the one.
                raise ValueError(f"data section {self.name!r} is an array of one: its max_entries is 1")
            if self.type == lib.BPF_MAP_TYPE_ARENA and number < self.max_entries:
                raise ValueError(f"arena {self.name!r} has {self.max_entries} pages and cannot shrink to {number}")
            self._set("max_entries", lib.bpf_map__set_max_entries, number)

    @property
    def map_flags(self) -> MapFlags:
        """The flags of creation; settable before load.

        *Wraps* ``bpf_map__map_flags()``, ``bpf_map__set_map_flags()``.
        """
        from .enums import MapFlags

        return MapFlags(self._get(lib.bpf_map__map_flags, "map_flags"))

    @map_flags.setter
    def map_flags(self, value: MapFlags | int) -> None:
        self._set("map_flags", lib.bpf_map__set_map_flags, unsigned(value, 32, "map_flags"))

    @property
    def numa_node(self) -> int:
        """The NUMA node of the memory, with `MapFlags.NUMA_NODE`; settable before load. The kernel tells nobody of
        it: of a stand-alone map this is what `create` was given, or 0.

        *Wraps* ``bpf_map__numa_node()``, ``bpf_map__set_numa_node()``.
        """
        return int(self._get(lib.bpf_map__numa_node, "numa_node")) if self._facts is None else self._numa_node

    @numa_node.setter
    def numa_node(self, value: int) -> None:
        self._set("numa_node", lib.bpf_map__set_numa_node, unsigned(value, 32, "numa_node"))

    @property
    def map_extra(self) -> int:
        """The type's own setting, such as a bloom filter's number of hashes; settable before load. Linux
        5.16.

        *Wraps* ``bpf_map__map_extra()``, ``bpf_map__set_map_extra()``.
        """
        return int(self._get(lib.bpf_map__map_extra, "map_extra"))

    @map_extra.setter
    def map_extra(self, value: int) -> None:
        self._set("map_extra", lib.bpf_map__set_map_extra, unsigned(value, 64, "map_extra"))

    @property
    def ifindex(self) -> int:
        """The network device that an offloaded map lives on, 0 for none; settable before load.

        *Wraps* ``bpf_map__ifindex()``, ``bpf_map__set_ifindex()``.
        """
        return int(self._get(lib.bpf_map__ifindex, "ifindex"))

    @ifindex.setter
    def ifindex(self, value: int) -> None:
        self._set("ifindex", lib.bpf_map__set_ifindex, unsigned(value, 32, "ifindex"))

    @property
    def autocreate(self) -> bool:
        """Whether load creates the map; settable before load.

        *Wraps* ``bpf_map__autocreate()``, ``bpf_map__set_autocreate()``.
        """
        return self._facts is not None or bool(self._get(lib.bpf_map__autocreate, "autocreate"))

    @autocreate.setter
    def autocreate(self, value: bool) -> None:
        self._set("autocreate", lib.bpf_map__set_autocreate, boolean(value, "autocreate"))

    @property
    def autoattach(self) -> bool:
        """Whether `Object.attach` attaches the map, if it is a struct_ops; settable until then.

        *Wraps* ``bpf_map__autoattach()``, ``bpf_map__set_autoattach()``.
        """
        return self._facts is None and bool(self._get(lib.bpf_map__autoattach, "autoattach"))

    @autoattach.setter
    def autoattach(self, value: bool) -> None:
        with self._handle.lock:
            pointer = self._pointer
            _log.listen()
            wanted = boolean(value, "autoattach")
            check(lib.bpf_map__set_autoattach(pointer, wanted), f"set autoattach of {self._what}")

    @property
    def btf_key_type_id(self) -> int:
        """Id of the key's type in the BTF of the object, or of the stand-alone map, 0 if it has none.

        *Wraps* ``bpf_map__btf_key_type_id()``.
        """
        return self._get(lib.bpf_map__btf_key_type_id, "btf_key_type_id") or self._forgotten_types()[0]

    @property
    def btf_value_type_id(self) -> int:
        """Id of the value's type in the BTF of the object, or of the stand-alone map, 0 if it has none.

        *Wraps* ``bpf_map__btf_value_type_id()``.
        """
        return self._get(lib.bpf_map__btf_value_type_id, "btf_value_type_id") or self._forgotten_types()[1]

    def _forgotten_types(self) -> tuple[int, int]:
        """Give the ids that an object's map had before load; libbpf sets them to 0 where the kernel takes no BTF.

        Of some types (such as a queue) it takes none; and what goes wrong with the first attempt to create a map, it
        puts down to the BTF.
        """
        if not isinstance(self._handle, ObjectHandle) or self._map is None:
            return 0, 0
        return self._handle.map_types.get(address_of(self._map), (0, 0))

    @property
    def is_internal(self) -> bool:
        """Whether libbpf made the map of a section, such as ``.rodata``.

        *Wraps* ``bpf_map__is_internal()``.
        """
        return self._facts is None and bool(self._get(lib.bpf_map__is_internal, "is_internal"))
