"""Maps of an object: what they are, and what may be set before load."""

from __future__ import annotations

import os

from . import _log
from ._check import check
from ._ffi import boolean, ffi, lib, text, unsigned
from ._handle import ObjectHandle
from ._pins import Folders, pin_path
from .errors import StateError
from .links import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._libbpf import CData, bpf_map
    from .enums import MapFlags, MapType
    from .infos import MapInfo

__all__ = ["Map"]

OPEN = ObjectHandle.OPEN
CREATED = (ObjectHandle.PREPARED, ObjectHandle.LOADED)


class Map:
    """A map of an object, borrowed from it: it keeps the object, and is as closed as the object is.

    The definition may be changed between open and load (or prepare, which creates the maps); later a change
    raises `StateError`.
    *Wraps* ``struct bpf_map``.
    """

    __slots__ = ("__weakref__", "_handle", "_map", "_name", "_owner")

    def __init__(self, owner: object, handle: ObjectHandle, pointer: bpf_map) -> None:
        self._owner = owner
        self._handle = handle
        self._map = pointer
        with handle.lock:
            handle.check()
            self._name = text(lib.bpf_map__name(pointer))

    @property
    def name(self) -> str:
        """The name, such as ``events``; stays known after close.

        A data section's is the object's name and the section's, such as ``prog.bss``, or only the section's if that is
        one of the program's own, such as ``.data.settings``. *Wraps* ``bpf_map__name()``.
        """
        return self._name

    @property
    def _pointer(self) -> bpf_map:
        self._handle.check()
        return self._map

    def _get(self, function: Callable[[bpf_map], Any]) -> Any:
        with self._handle.lock:
            return function(self._pointer)

    def _set(self, what: str, function: Callable[..., int], *arguments: object) -> None:
        with self._handle.lock:
            action = self._settable(what)
            _log.listen()
            check(function(self._pointer, *arguments), action)

    def _settable(self, what: str) -> str:
        """Raise unless the object is open and not loaded; give the action's words."""
        self._handle.check()
        action = f"set {what} of map {self.name!r}"
        self._handle.require(action, OPEN)
        return action

    @property
    def type(self) -> MapType:
        """The type; settable before load. *Wraps* ``bpf_map__type()``, ``bpf_map__set_type()``."""
        from .enums import MapType

        return MapType(self._get(lib.bpf_map__type))

    @type.setter
    def type(self, value: MapType | int) -> None:
        number = unsigned(value, 31, "type")
        with self._handle.lock:
            self._settable("type")
            old = self.type
            if self._kind(number) != self._kind(old) or (self.is_internal and number != old):
                raise ValueError(f"map {self.name!r} is declared as {old.name} and cannot be of type {number}")
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
        return int(self._get(lib.bpf_map__key_size))

    @key_size.setter
    def key_size(self, value: int) -> None:
        self._set("key_size", lib.bpf_map__set_key_size, unsigned(value, 32, "key_size"))

    @property
    def value_size(self) -> int:
        """Size of a value in bytes; settable before load, also to resize a data section.

        *Wraps* ``bpf_map__value_size()``, ``bpf_map__set_value_size()``.
        """
        return int(self._get(lib.bpf_map__value_size))

    @value_size.setter
    def value_size(self, value: int) -> None:
        number = unsigned(value, 32, "value_size")
        with self._handle.lock:
            self._settable("value_size")
            if self.is_internal and number < self.value_size:
                # Load writes what the object file has for the section, .kconfig's values too.
                raise ValueError(f"data section {self.name!r} has {self.value_size} bytes, and cannot have {number}")
            self._set("value_size", lib.bpf_map__set_value_size, number)

    @property
    def max_entries(self) -> int:
        """How many entries fit; settable before load. Of a ring buffer: its size in bytes.

        *Wraps* ``bpf_map__max_entries()``, ``bpf_map__set_max_entries()``.
        """
        return int(self._get(lib.bpf_map__max_entries))

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

        return MapFlags(self._get(lib.bpf_map__map_flags))

    @map_flags.setter
    def map_flags(self, value: MapFlags | int) -> None:
        self._set("map_flags", lib.bpf_map__set_map_flags, unsigned(value, 32, "map_flags"))

    @property
    def numa_node(self) -> int:
        """The NUMA node of the memory, with `MapFlags.NUMA_NODE`; settable before load.

        *Wraps* ``bpf_map__numa_node()``, ``bpf_map__set_numa_node()``.
        """
        return int(self._get(lib.bpf_map__numa_node))

    @numa_node.setter
    def numa_node(self, value: int) -> None:
        self._set("numa_node", lib.bpf_map__set_numa_node, unsigned(value, 32, "numa_node"))

    @property
    def map_extra(self) -> int:
        """The type's own setting, such as a bloom filter's number of hashes; settable before load. Linux
        5.16.

        *Wraps* ``bpf_map__map_extra()``, ``bpf_map__set_map_extra()``.
        """
        return int(self._get(lib.bpf_map__map_extra))

    @map_extra.setter
    def map_extra(self, value: int) -> None:
        self._set("map_extra", lib.bpf_map__set_map_extra, unsigned(value, 64, "map_extra"))

    @property
    def ifindex(self) -> int:
        """The network device that an offloaded map lives on, 0 for none; settable before load.

        *Wraps* ``bpf_map__ifindex()``, ``bpf_map__set_ifindex()``.
        """
        return int(self._get(lib.bpf_map__ifindex))

    @ifindex.setter
    def ifindex(self, value: int) -> None:
        self._set("ifindex", lib.bpf_map__set_ifindex, unsigned(value, 32, "ifindex"))

    @property
    def autocreate(self) -> bool:
        """Whether load creates the map; settable before load.

        *Wraps* ``bpf_map__autocreate()``, ``bpf_map__set_autocreate()``.
        """
        return bool(self._get(lib.bpf_map__autocreate))

    @autocreate.setter
    def autocreate(self, value: bool) -> None:
        self._set("autocreate", lib.bpf_map__set_autocreate, boolean(value, "autocreate"))

    @property
    def autoattach(self) -> bool:
        """Whether `Object.attach` attaches the map, if it is a struct_ops; settable until then.

        *Wraps* ``bpf_map__autoattach()``, ``bpf_map__set_autoattach()``.
        """
        return bool(self._get(lib.bpf_map__autoattach))

    @autoattach.setter
    def autoattach(self, value: bool) -> None:
        with self._handle.lock:
            pointer = self._pointer
            _log.listen()
            wanted = boolean(value, "autoattach")
            check(lib.bpf_map__set_autoattach(pointer, wanted), f"set autoattach of map {self.name!r}")

    @property
    def btf_key_type_id(self) -> int:
        """Id of the key's type in the object's BTF, 0 if it has none.

        *Wraps* ``bpf_map__btf_key_type_id()``.
        """
        return int(self._get(lib.bpf_map__btf_key_type_id))

    @property
    def btf_value_type_id(self) -> int:
        """Id of the value's type in the object's BTF, 0 if it has none.

        *Wraps* ``bpf_map__btf_value_type_id()``.
        """
        return int(self._get(lib.bpf_map__btf_value_type_id))

    @property
    def is_internal(self) -> bool:
        """Whether libbpf made the map of a section, such as ``.rodata``.

        *Wraps* ``bpf_map__is_internal()``.
        """
        return bool(self._get(lib.bpf_map__is_internal))

    @property
    def fd(self) -> int:
        """The descriptor, which stays the map's own; `StateError` until load or prepare has created the map.

        *Wraps* ``bpf_map__fd()``.
        """
        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(f"use map {self.name!r}", *CREATED)
            fd = lib.bpf_map__fd(pointer)
            if not lib.bpf_map__autocreate(pointer):
                raise StateError(f"map {self.name!r} was not created: its autocreate is False")
            return check(fd, f"get the descriptor of map {self.name!r}")

    @property
    def id(self) -> int:
        """The kernel's number for the map, unique until reboot."""
        return self.info.id

    @property
    def info(self) -> MapInfo:
        """What the kernel says of the map. *Wraps* ``bpf_map_get_info_by_fd()``. Linux 4.13."""
        self._handle.check()
        from .infos import map_info

        return map_info(self._raw_info)

    def _raw_info(self) -> CData:
        info = ffi.new("struct bpf_map_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_map_info"))
        with self._handle.lock:
            check(lib.bpf_map_get_info_by_fd(self.fd, info, size), f"get the info of map {self.name!r}")
        return info

    @property
    def pin_path(self) -> str | None:
        """Where the map is, or at load will be, pinned; settable before load, ``None`` for nowhere.

        Load reuses a map that is pinned there already. *Wraps* ``bpf_map__pin_path()``,
        ``bpf_map__set_pin_path()``.
        """
        with self._handle.lock:
            return text(lib.bpf_map__pin_path(self._pointer)) or None

    @pin_path.setter
    def pin_path(self, value: str | os.PathLike[str] | None) -> None:
        encoded = ffi.NULL if value is None else pin_path(value, f"set pin_path of map {self.name!r}")[1]
        self._set("pin_path", lib.bpf_map__set_pin_path, encoded)

    @property
    def is_pinned(self) -> bool:
        """Whether the map is pinned by this object. *Wraps* ``bpf_map__is_pinned()``."""
        return bool(self._get(lib.bpf_map__is_pinned))

    def pin(self, path: str | os.PathLike[str] | None = None) -> None:
        """Pin the map at `path`, or at its `pin_path`: it outlives the process until the pin is removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). *Wraps* ``bpf_map__pin()``.
        """
        with self._handle.lock:
            action, absolute, encoded = self._pin_target("pin", "at", path)
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):
                try:
                    check(lib.bpf_map__pin(self._pointer, encoded), action)
                except BaseException:
                    # libbpf keeps the path of a pin that failed, and would then refuse any other.
                    if not lib.bpf_map__is_pinned(self._pointer):
                        lib.bpf_map__set_pin_path(self._pointer, ffi.NULL if path is not None else encoded)
                    raise

    def unpin(self, path: str | os.PathLike[str] | None = None) -> None:
        """Remove the pin at `path`, or at `pin_path`. *Wraps* ``bpf_map__unpin()``."""
        with self._handle.lock:
            action, _, encoded = self._pin_target("unpin", "from", path)
            _log.listen()
            check(lib.bpf_map__unpin(self._pointer, encoded), action)

    def _pin_target(self, verb: str, where: str, path: str | os.PathLike[str] | None) -> tuple[str, str, bytes]:
        action = f"{verb} map {self.name!r}"
        self._handle.require(action, *CREATED)
        target = path if path is not None else self.pin_path
        if target is None:
            raise ValueError(f"cannot {action}: it has no pin_path, so a path is needed")
        action += f" {where} {os.fspath(target)!r}"
        return action, *pin_path(target, action)

    def attach_struct_ops(self) -> Link:
        """Attach a struct_ops map: the kernel starts to call its programs.

        *Wraps* ``bpf_map__attach_struct_ops()``. Linux 5.6. A map of the section ``.struct_ops.link`` is detached
        when its link is closed or the process ends; one of the older ``.struct_ops`` only when it is closed: the
        kernel keeps it registered after a process that was killed.
        """
        action = f"attach struct_ops map {self.name!r}"
        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(action, ObjectHandle.LOADED)
            _log.listen()
            return Link._make(
                lib.bpf_map__attach_struct_ops,
                pointer,
                action=action,
                name=f"the link of struct_ops map {self.name!r}",
                parent=self._handle,
                owner=self._owner,
            )

    def __repr__(self) -> str:
        return f"<Map {self.name!r} of {self._handle.name}{' (closed)' if self._handle.closed else ''}>"
