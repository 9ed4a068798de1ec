"""A map in the kernel: its descriptor, its number, what the kernel says of it, and its pins."""

from __future__ import annotations

import errno
import os

from . import _log, _map_open
from ._arguments import path_name
from ._check import check, device_hint
from ._ffi import ffi, lib, text
from ._handle import ObjectHandle
from ._kernel_open import descriptor
from ._map_settings import Settings
from ._pin_paths import PinPaths, pin_gone
from ._pins import Folders, pin_path, pinning_hint, remove_pin
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._borrow import Descriptors
    from ._libbpf import CData
    from .infos import MapInfo

__all__ = ["CREATED", "Identity"]

CREATED = (ObjectHandle.PREPARED, ObjectHandle.LOADED)


class Identity(Settings):
    """What a map that has been created is to the kernel."""

    __slots__ = ("_pin",)

    _pin: str | None
    """Where a stand-alone map was opened, or has been pinned."""

    @property
    def fd(self) -> int:
        """The descriptor, which stays the map's own; `StateError` until load or prepare has created the map.

        *Wraps* ``bpf_map__fd()``.
        """
        with self._handle.lock:
            if self._facts is not None:
                return descriptor(self._handle)
            pointer = self._pointer
            self._require(f"use {self._what}", *CREATED)
            fd = lib.bpf_map__fd(pointer)
            if not lib.bpf_map__autocreate(pointer):
                raise StateError(f"{self._what} was not created: its autocreate is False")
            return check(fd, f"get the descriptor of {self._what}")

    def _dup(self, held: Descriptors, action: str) -> int:
        """Duplicate the descriptor for the block, for a call on something with another lock."""
        with self._handle.lock:
            self._require(action, *CREATED)
            return held.dup(self.fd, action)

    @property
    def id(self) -> int:
        """The kernel's number for the map, unique until reboot."""
        if self._facts is not None:
            self._handle.check()
            return int(self._facts.id)
        return int(self._raw_info().id)

    @property
    def info(self) -> MapInfo:
        """What the kernel says of the map now, its use of memory included.

        *Wraps* ``bpf_map_get_info_by_fd()``. Linux 4.13.
        """
        self._handle.check()
        from .infos import map_info

        with self._handle.lock:
            return map_info(self._raw_info, _map_open.fdinfo(self.fd))

    def _raw_info(self, info: CData | None = None) -> CData:
        if info is None:
            info = ffi.new("struct bpf_map_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_map_info"))
        with self._handle.lock:
            check(lib.bpf_map_get_info_by_fd(self.fd, info, size), f"get the info of {self._what}", device_hint)
        return info

    # Pins

    @property
    def pin_path(self) -> str | None:
        """Where the map is, or at load will be, pinned; settable before load, ``None`` for nowhere.

        Load reuses a map that is pinned there already. *Wraps* ``bpf_map__pin_path()``,
        ``bpf_map__set_pin_path()``.
        """
        with self._handle.lock:
            if self._facts is not None:
                self._handle.check()
                return self._pin
            return text(lib.bpf_map__pin_path(self._pointer)) or None

    @pin_path.setter
    def pin_path(self, value: str | os.PathLike[str] | None) -> None:
        encoded = ffi.NULL if value is None else pin_path(value, f"set pin_path of {self._what}")[1]
        self._set("pin_path", lib.bpf_map__set_pin_path, encoded)

    @property
    def is_pinned(self) -> bool:
        """Whether the map is pinned by this object, or was opened from or given a pin as a stand-alone map.

        *Wraps* ``bpf_map__is_pinned()``.
        """
        with self._handle.lock:
            return self.pin_path is not None if self._facts is not None else bool(lib.bpf_map__is_pinned(self._pointer))

    def pin(self, path: str | os.PathLike[str] | None = None) -> None:
        """Pin the map at `path`, or at its `pin_path`: it outlives the process until the pin is removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). A map of an object has one pin at a time (EINVAL). *Wraps*
        ``bpf_map__pin()``, ``bpf_obj_pin()``.
        """
        with self._handle.lock:
            action, absolute, encoded = self._pin_target("pin", "at", path)
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):
                if self._facts is not None:
                    check(lib.bpf_obj_pin(self.fd, encoded), action, lambda error: pinning_hint(error, absolute))
                    self._pin = absolute
                    return
                assert isinstance(self._handle, ObjectHandle)
                with PinPaths(self._handle, [self._pointer], anew=path is not None):
                    result = lib.bpf_map__pin(self._pointer, encoded)
                    check(result, action, lambda error: self._pin_hint(error, absolute))
                    if pin_gone(absolute) is not None:
                        # Another has removed it, and libbpf has left it at that.
                        check(lib.bpf_obj_pin(self.fd, encoded), action)

    def _pin_hint(self, error: int, wanted: str) -> str | None:
        if error == errno.EINVAL and self.is_pinned and self.pin_path != wanted:
            if (gone := pin_gone(self.pin_path or "")) is not None:
                return gone
            return (
                f"it is pinned at {self.pin_path!r}, and a map of an object has one pin: unpin it first, or pin "
                "Map.from_fd(map.fd)"
            )
        return pinning_hint(error, wanted)

    def unpin(self, path: str | os.PathLike[str] | None = None) -> None:
        """Remove the pin at `path`, or at `pin_path`, which is then what it was before `pin`.

        *Wraps* ``bpf_map__unpin()``.
        """
        with self._handle.lock:
            action, absolute, encoded = self._pin_target("unpin", "from", path)
            _log.listen()
            if self._facts is None:
                assert isinstance(self._handle, ObjectHandle)
                with PinPaths(self._handle, [self._pointer], anew=False):
                    result = lib.bpf_map__unpin(self._pointer, encoded)
                    still = result < 0 and self.is_pinned and self.pin_path == absolute
                    check(result, action, pin_gone(absolute) if still else None)
                return
            remove_pin(absolute, action, self._is_this)
            self._pin = None if absolute == self._pin else self._pin

    def _is_this(self, fd: int) -> bool:
        info = ffi.new("struct bpf_map_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_map_info"))
        return lib.bpf_map_get_info_by_fd(fd, info, size) == 0 and int(info.id) == self.id

    def _pin_target(self, verb: str, where: str, path: str | os.PathLike[str] | None) -> tuple[str, str, bytes]:
        action = f"{verb} {self._what}"
        self._require(action, *CREATED)
        target = path if path is not None else self.pin_path
        if target is None:
            raise ValueError(f"cannot {action}: it has no pin_path, so a path is needed")
        action += f" {where} {path_name(target)!r}"
        return action, *pin_path(target, action)
