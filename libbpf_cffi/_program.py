"""What every part of `Program` stands on: its pointer in the object's tree, its phase, and how it makes links."""

from __future__ import annotations

from . import _log
from ._check import check, device_hint
from ._ffi import ffi, lib, text
from ._handle import ObjectHandle, uncopied
from .errors import StateError
from .links import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._btf_type import BtfType
    from ._check import Hint
    from ._handle import Handle
    from ._libbpf import CData, bpf_link, bpf_program
    from .btf import Btf
    from .enums import ProgType
    from .infos import ProgramInfo
    from .objects import Object

__all__ = ["RELOCATED", "UNLOADED", "LoadedProgram", "ProgramBase", "argument_type"]

UNLOADED = (ObjectHandle.OPEN, ObjectHandle.PREPARED)
RELOCATED = (ObjectHandle.PREPARED, ObjectHandle.LOADED)


class LoadedProgram:
    """What can be said of any program that the kernel has, whether an object of ours loaded it or not."""

    __slots__ = ()

    _handle: Handle[Any]
    """What closes it, and whose lock is held while its descriptor is used."""

    @property
    def name(self) -> str:
        """The name, as far as it is known."""
        raise NotImplementedError

    def _loaded(self, action: str) -> int:
        """Give the descriptor, or say why there is none; hold the lock."""
        raise NotImplementedError

    @property
    def type(self) -> ProgType:
        """The type."""
        raise NotImplementedError

    def _program_btf(self) -> Btf | None:
        """Give the types that the program was loaded with."""
        raise NotImplementedError

    def _argument_type(self) -> BtfType | None:
        """Give the struct that the program's argument points to, as far as BTF says so."""
        raise NotImplementedError

    @property
    def fd(self) -> int:
        """The descriptor, which stays the program's own; `StateError` if the program is not loaded.

        *Wraps* ``bpf_program__fd()``.
        """
        with self._handle.lock:
            return self._loaded(f"use program {self.name!r}")

    @property
    def id(self) -> int:
        """The kernel's number for the program, unique until reboot."""
        return self.info.id

    @property
    def tag(self) -> str:
        """The kernel's hash of the instructions, in hexadecimal: equal programs have equal tags."""
        return self.info.tag

    @property
    def info(self) -> ProgramInfo:
        """What the kernel says of the program. *Wraps* ``bpf_prog_get_info_by_fd()``. Linux 4.13."""
        self._handle.check()
        from .infos import program_info

        return program_info(self._raw_info)

    def _raw_info(self, info: CData | None = None) -> CData:
        if info is None:
            info = ffi.new("struct bpf_prog_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
        action = f"get the info of program {self.name!r}"
        with self._handle.lock:
            check(lib.bpf_prog_get_info_by_fd(self.fd, info, size), action, device_hint)
        return info


class ProgramBase(LoadedProgram):
    """A program of an object: who it is, and what the methods of every kind need."""

    __slots__ = ("__weakref__", "_handle", "_logs", "_name", "_owner", "_program", "_section_name")
    __reduce_ex__ = uncopied

    _handle: ObjectHandle

    def __init__(self, owner: Object, handle: ObjectHandle, pointer: bpf_program, logs: dict[str, str]) -> None:
        self._owner = owner
        self._handle = handle
        self._program = pointer
        self._logs = logs
        with handle.lock:
            handle.check()
            self._name = text(lib.bpf_program__name(pointer))
            self._section_name = text(lib.bpf_program__section_name(pointer))

    @property
    def name(self) -> str:
        """The C function's name; stays known after close. *Wraps* ``bpf_program__name()``."""
        return self._name

    @property
    def section_name(self) -> str:
        """The ``SEC()``, such as ``tracepoint/syscalls/sys_enter_execve``; stays known after close.

        *Wraps* ``bpf_program__section_name()``.
        """
        return self._section_name

    @property
    def _pointer(self) -> bpf_program:
        self._handle.check()
        return self._program

    def _get(self, function: Callable[[bpf_program], Any]) -> Any:
        with self._handle.lock:
            return function(self._pointer)

    def _set(self, what: str, function: Callable[..., int], value: int) -> None:
        action = f"set {what} of program {self.name!r}"
        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(action, *UNLOADED)
            _log.listen()
            check(function(pointer, value), action)

    def _loaded(self, action: str) -> int:
        pointer = self._pointer
        self._handle.require(action, ObjectHandle.LOADED)
        fd = lib.bpf_program__fd(pointer)
        if fd < 0:
            why = "its autoload is False" if not lib.bpf_program__autoload(pointer) else "or was unloaded again"
            raise StateError(f"cannot {action}: it was not loaded, {why}")
        return fd

    def _link(self, function: Callable[..., bpf_link], *arguments: object, to: str = "", hint: Hint = None) -> Link:
        """Attach by one of libbpf's functions, whose first argument is the program; `to` says to what, in words.

        The link is the object's child.
        """
        action = f"attach program {self.name!r}" + (f" to {to}" if to else f" (section {self.section_name!r})")
        with self._handle.lock:
            pointer = self._pointer
            self._loaded(action)
            _log.listen()
            return Link._make(
                function,
                pointer,
                *arguments,
                action=action,
                name=f"the link of program {self.name!r}" + (f" to {to}" if to else ""),
                hint=hint,
                parent=self._handle,
                owner=self._owner,
            )


def argument_type(func: BtfType) -> BtfType | None:
    """Give the struct that the first argument of a function points to, or ``None``."""
    params = func.type.params
    pointer = params[0].type.resolve() if params else None
    if pointer is None or pointer.kind != lib.BTF_KIND_PTR:
        return None
    target = pointer.type.resolve()
    return target if target.kind == lib.BTF_KIND_STRUCT and target.size else None
