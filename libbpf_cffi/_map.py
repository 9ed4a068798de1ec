"""Maps: the class that every kind is a class of.

A kind says in `_make_key_codec` and `_make_value_codec` how its keys and values become bytes and back (a codec has
`size`, `typename`, `format`, `decode`, `decode_many`, `encode`, `encode_many` and `dtype`, as in `_codec`), and has the
operations that it has. Everything else is here, or in what `Map` is made of: what a map is (`_map_settings`,
`_map_identity`), how it is created (`_map_creatable`) and opened (`_map_open`), libbpf's verbs for its elements
(`_map_elements`), and what it has to do with other maps and programs (`_map_related`).
"""

from __future__ import annotations

import errno

from . import _log, _map_create, _map_open
from ._check import check
from ._ffi import c_string, ffi, lib, text
from ._handle import Handle, ObjectHandle
from ._kernel_open import NAME_MAX
from ._map_creatable import Creatable
from ._map_open import MAPS
from ._map_settings import kind_of, kinds, register
from .errors import StateError
from .links import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import CData, bpf_map

__all__ = ["Map", "kind_of", "register"]


class Map(Creatable):
    """A map, of an object or stand-alone. The class of a map goes by its type: `HashMap`, `ArrayMap` and so on.

    A map of an object is borrowed from it: it keeps the object, and is as closed as the object is. Its definition may
    be changed between open and load (or prepare, which creates the maps); later a change raises `StateError`. *Wraps*
    ``struct bpf_map``.

    A stand-alone map, from `create`, `from_id`, `from_pin`, `from_fd` or `find`, has a descriptor of its own, and is
    closed by `close` or at the end of a ``with`` block.

    Keys and values are Python's, by the types that the map's BTF says; without BTF they are `bytes`. Threads may share
    a map: their calls on its elements run side by side.
    """

    __slots__ = ("__weakref__", "_outer")

    _outer: Map | None
    """The map of maps that this is the template of."""

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Object.maps, Map.create(), Map.from_id(), Map.from_pin(), Map.from_fd() or Map.find()")

    @classmethod
    def _new(cls, owner: object, handle: Handle[Any], name: str) -> Self:
        self = object.__new__(cls)
        self._owner = owner
        self._handle = handle
        self._name = name
        self._map = self._facts = self._elements = self._look = self._store = self._number_elements = None
        self._outer = self._pin = self._btf = None
        self._types = None, None
        self._numa_node = 0
        self._is_raw = False
        return self

    @classmethod
    def _of_object(cls, owner: object, handle: ObjectHandle, pointer: bpf_map) -> Self:
        with handle.lock:
            handle.check()
            self = cls._new(owner, handle, text(lib.bpf_map__name(pointer)))
            self._map = pointer
            return self

    @classmethod
    def _stand_alone(cls, made: tuple[Handle[Any], CData]) -> Self:
        handle, facts = made
        self: Self = kind_of(facts.type)._new(None, handle, text(facts.name))
        # With the last of what holds these facts, this map and views of it, the handle is closed.
        self._facts = facts
        if not issubclass(type(self), cls):
            self.close()
            raise TypeError(f"{handle.name} is of class {type(self).__name__}, not {cls.__name__}")
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say of what other maps have which ones have it. `AnyMap` is what a type checker is told."""
            if not name.startswith("_"):
                others = [kind.__name__ for kind in kinds() if hasattr(kind, name)]
                if others:
                    what = f"{type(self).__name__!r} object has no {name}: that is of {', '.join(others)}"
                    raise AttributeError(what, name=name, obj=self)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    @property
    def _pointer(self) -> bpf_map:
        pointer = super()._pointer
        if self._outer is not None and lib.bpf_map__inner_map(self._outer._pointer) != pointer:
            # Load has destroyed it, or another one has taken its place.
            raise StateError(f"{self._what}, what the maps of {self._outer._what} are like, is gone")
        return pointer

    # Stand-alone maps

    @classmethod
    def from_id(
        cls, id: int, *, read_only: bool = False, write_only: bool = False, key: Any = None, value: Any = None
    ) -> Self:
        """Open the map with the kernel's number `id`; `key` and `value` as in `typed`.

        *Wraps* ``bpf_map_get_fd_by_id_opts()``. Needs CAP_SYS_ADMIN. Linux 4.13.
        """
        return cls._stand_alone(_map_open.from_id(id, read_only, write_only))._with_types(key, value)

    @classmethod
    def from_pin(
        cls,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        write_only: bool = False,
        key: Any = None,
        value: Any = None,
    ) -> Self:
        """Open the map that is pinned at `path`; the pin stays. `key` and `value` as in `typed`.

        *Wraps* ``bpf_obj_get_opts()``. A pin of another user is refused (EPERM).
        """
        made, where = _map_open.from_pin(path, read_only, write_only)
        self = cls._stand_alone(made)
        self._pin = where
        return self._with_types(key, value)

    @classmethod
    def from_fd(cls, fd: int, *, key: Any = None, value: Any = None) -> Self:
        """Open the map of the descriptor `fd`, which is duplicated and stays the caller's.

        `key` and `value` as in `typed`.
        """
        return cls._stand_alone(MAPS.from_fd(fd))._with_types(key, value)

    @classmethod
    def find(
        cls, name: str, *, read_only: bool = False, write_only: bool = False, key: Any = None, value: Any = None
    ) -> Self:
        """Open the map of the kernel that is called `name`; `key` and `value` as in `typed`.

        Of a longer name the first 15 bytes count, which is what the kernel keeps. Raises `KeyError` if there is none,
        and `ValueError`, with their ids, if there are several. Needs CAP_SYS_ADMIN.
        """
        found = cls.find_all(name, read_only=read_only, write_only=write_only)
        if len(found) == 1:
            return found[0]._with_types(key, value)
        numbers = [each.id for each in found]
        for each in found:
            each.close()
        if not found:
            raise KeyError(f"the kernel has no map {name!r}{MAPS.close_names(name, 0)}")
        listed = ", ".join(map(str, numbers))
        raise ValueError(f"the kernel has {len(numbers)} maps {name!r}, with the ids {listed}: use from_id()")

    @classmethod
    def find_all(
        cls,
        name: str | None = None,
        *,
        read_only: bool = False,
        write_only: bool = False,
        key: Any = None,
        value: Any = None,
    ) -> list[Self]:
        """Open all maps of the kernel that are called `name`, or simply all; close each of them.

        `key` and `value` as in `typed`. On a class other than `Map` only those of its types count. Needs CAP_SYS_ADMIN.
        """
        wanted = None if name is None else c_string(name, "name")[:NAME_MAX]
        found: list[Self] = []
        try:
            for number in MAPS.ids():
                try:
                    made = _map_open.from_id(number, read_only, write_only)
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ENODEV):
                        continue  # gone meanwhile, or its network device is
                    raise
                handle, facts = made
                if (wanted is None or ffi.string(facts.name) == wanted) and issubclass(kind_of(facts.type), cls):
                    found.append(cls._stand_alone(made)._with_types(key, value))
                else:
                    handle.close()
        except BaseException:
            for each in found:
                each.close()
            raise
        return found

    def _require_stand_alone(self, action: str) -> None:
        if self._facts is None:
            raise StateError(f"cannot {action}: it belongs to {self._handle.name}, which closes it")

    @property
    def closed(self) -> bool:
        """Whether the map, or the object that it belongs to, has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Close a stand-alone map's descriptor. Twice does nothing; `StateError` for a map of an object."""
        self._require_stand_alone(f"close {self._what}")
        check(self._handle.close(), f"close {self._what}")

    def __enter__(self) -> Self:
        self._require_stand_alone(f"close {self._what} at the end of a block")
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def raw(self) -> Self:
        """The same map, with `bytes` for keys and values."""
        self._handle.check()
        if self._is_raw:
            return self
        view = self._view()
        view._is_raw = True
        return view

    def _view(self) -> Self:
        view = self._new(self._owner, self._handle, self._name)
        view._map, view._facts, view._outer, view._pin = self._map, self._facts, self._outer, self._pin
        view._numa_node, view._btf, view._types = self._numa_node, self._btf, self._types
        return view

    def typed(self, *, key: Any = None, value: Any = None) -> Self:
        """Give the same map with other types for its keys or values: for one that has no BTF, or not the wanted one.

        `key` and `value` are as in `create`; what is ``None`` stays as it is. ``ValueError`` for a type of another
        size than the map's, ``TypeError`` where the kind of map says what its keys or values are.
        """
        self._handle.check()
        view = self._view()
        view._types = _map_create.given_types(self, key, value)
        return view

    def _with_types(self, key: Any, value: Any) -> Self:
        """Give a map that has just been opened its types; close it if they do not suit."""
        try:
            self._types = _map_create.given_types(self, key, value)
        except BaseException:
            self.close()
            raise
        return self

    # Maps of functions

    def _fill_struct_ops(self, action: str) -> None:
        """Write its table of functions into a struct_ops map, as attaching does: then it can take another's place."""
        with self._handle.lock:
            if self._facts is not None:
                return  # it is as whoever loaded it has left it
            pointer = self._pointer
            self._require(action, ObjectHandle.LOADED)
            check(
                lib.lbc_map_fill_struct_ops(pointer),
                action,
                lambda error: "with the system's libbpf this cannot be done" if error == errno.EOPNOTSUPP else None,
            )

    def attach_struct_ops(self) -> Link:
        """Attach a struct_ops map: the kernel starts to call its programs.

        *Wraps* ``bpf_map__attach_struct_ops()``. Linux 5.6. A map of the section ``.struct_ops.link`` is detached
        when its link is closed or the process ends; one of the older ``.struct_ops`` only when it is closed: the
        kernel keeps it registered after a process that was killed.
        """
        action = f"attach struct_ops {self._what}"
        with self._handle.lock:
            pointer = self._pointer
            self._require(action, ObjectHandle.LOADED)
            _log.listen()
            linked = bool(lib.bpf_map__map_flags(pointer) & lib.BPF_F_LINK)
            return Link._make(
                lib.bpf_map__attach_struct_ops,
                pointer,
                action=action,
                name=f"the link of struct_ops {self._what}",
                hint=lambda error: _registered_hint(error, linked=linked),
                parent=self._handle,
                owner=self._owner,
            )

    def __repr__(self) -> str:
        closed = " (closed)" if self._handle.closed else ""
        if self._facts is not None:
            return f"<{type(self).__name__} {self._name!r}, id {self._facts.id}{closed}>"
        return f"<{type(self).__name__} {self._name!r} of {self._handle.name}{closed}>"


def _registered_hint(error: int, *, linked: bool) -> str | None:
    if error == errno.EEXIST:
        return (
            "it is attached already, or another of its name is: close that link first, or give it another name before "
            "load, by set_initial_value()"
        )
    if error == errno.EBUSY and linked:
        # scx_enable() of kernel/sched/ext.c.
        return (
            "the kernel has one table of these functions at a time, and has another now: of sched_ext_ops the "
            "scheduler that /sys/kernel/sched_ext/root/ops names"
        )
    if error == errno.EBUSY:
        # bpf_struct_ops_map_update_elem() of kernel/bpf/bpf_struct_ops.c.
        return (
            'a table of functions in SEC(".struct_ops") is attached once after a load, and this one has been: open and '
            'load its object anew; in SEC(".struct_ops.link") it can be attached again'
        )
    if error == errno.EINVAL:
        return (
            "the table lacks a function that the kernel wants, of tcp_congestion_ops ssthresh, undo_cwnd, and "
            "cong_avoid or cong_control; or it has a value that the kernel refuses, of which its log (dmesg) may tell"
        )
    return None
