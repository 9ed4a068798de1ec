"""A map and others before load: the one that it becomes, those that it holds, and the program that it is for."""

from __future__ import annotations

from . import _log
from ._borrow import Descriptors
from ._check import check, not_null
from ._ffi import lib, text
from ._handle import Handle, ObjectHandle
from ._kernel_open import descriptor, descriptors
from ._map_elements import Accessible
from ._map_settings import kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._map import Map
    from .programs import Program

__all__ = ["Related"]


class Related(Accessible):
    """The part of `Map` that names other maps, and a program."""

    __slots__ = ()

    def reuse(self, other: Map) -> None:
        """Let load take an existing map instead of creating this one, whose definition becomes that of `other`.

        *Wraps* ``bpf_map__reuse_fd()``. `other` stays open and its owner's; it must be of the same type.
        """
        self._handle.check()
        if not isinstance(other, Related):
            raise TypeError(f"other must be a Map, not {type(other).__name__}")
        action = f"reuse {other._what} as {self._what}"
        # One lock after the other: two maps may be reused crosswise.
        with Descriptors() as held:
            fd = other._dup(held, action)
            with other._handle.lock:
                theirs = other._raw_info()
            with self._handle.lock:
                self._handle.check()
                self._require(action, ObjectHandle.OPEN)
                # By the type alone load follows pointers that opening the file has prepared.
                same = ("type", "key_size", "value_size", "max_entries") if self.is_internal else ("type",)
                for field in same:
                    mine, its = int(getattr(self, field)), int(getattr(theirs, field))
                    if mine != its:
                        raise ValueError(f"cannot {action}: its {field} is {its}, not {mine}")
                _log.listen()
                check(lib.bpf_map__reuse_fd(self._pointer, fd), action)

    @property
    def inner_map(self) -> Map | None:
        """The map that those which this map of maps holds must be like; settable before load to an existing map.

        It can be configured like any map of the object, and is gone after load: ``None``, as for a map of another type.
        *Wraps* ``bpf_map__inner_map()``, ``bpf_map__set_inner_map_fd()``.
        """
        with self._handle.lock:
            if self._facts is not None:
                return None
            inner = lib.bpf_map__inner_map(self._pointer)
            if not inner:
                return None
            handle: Any = self._handle
            found: Map = kind_of(lib.bpf_map__type(inner))._of_object(self._owner, handle, inner)
            found._outer = self  # type: ignore[assignment]  # parts are of Map alone
            return found

    @inner_map.setter
    def inner_map(self, value: Map) -> None:
        self._handle.check()
        if not isinstance(value, Related):
            raise TypeError(f"inner_map must be a Map, not {type(value).__name__}")
        action = f"set inner_map of {self._what}"
        with Descriptors() as held:
            fd = value._dup(held, action)
            with self._handle.lock:
                self._settable("inner_map")
                # libbpf does not duplicate it, and does not close it either: it is kept until the object is closed.
                kept = Handle(lib.lbc_map__close, self._handle, name=action, fds=descriptors)
                try:
                    not_null(kept.make(lib.lbc_map__from_fd, fd), action, None, kept.errno)
                    _log.listen()
                    check(lib.bpf_map__set_inner_map_fd(self._pointer, descriptor(kept)), action)
                except BaseException:
                    kept._close()
                    raise

    @property
    def exclusive_program(self) -> Program | None:
        """The only program that may use the map; settable before load, to one of the same object. Linux 6.18.

        *Wraps* ``bpf_map__exclusive_program()``, ``bpf_map__set_exclusive_program()``.
        """
        with self._handle.lock:
            if self._facts is not None:
                return None
            program = lib.bpf_map__exclusive_program(self._pointer)
            found: Program | None = self._owner.programs[text(lib.bpf_program__name(program))] if program else None
            return found

    @exclusive_program.setter
    def exclusive_program(self, value: Program) -> None:
        self._handle.check()
        if getattr(value, "_handle", None) is not self._handle or not hasattr(value, "_loaded"):
            raise ValueError(f"exclusive_program of {self._what} must be a Program of {self._handle.name}")
        self._set("exclusive_program", lib.bpf_map__set_exclusive_program, value._pointer)
