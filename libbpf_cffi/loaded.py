"""Programs that the kernel has without an object of ours: opened by id, name, tag or pin, or loaded by instructions."""

from __future__ import annotations

import errno
import os

from . import _log, _program_open
from ._arguments import buffer, iterable, path_name
from ._borrow import Descriptors
from ._check import check
from ._ffi import c_string, ffi, lib, text, unsigned
from ._handle import uncopied
from ._kernel_open import NAME_MAX, descriptor
from ._pins import Folders, pin_path, pinning_hint, remove_pin
from ._program import argument_type
from ._program_dump import ProgramDump
from ._program_kernel import ProgramKernel
from ._program_open import PROGRAMS
from ._program_run import ProgramRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from typing_extensions import Self

    from ._btf_type import BtfType
    from ._handle import Handle
    from ._libbpf import CData, lbc_prog
    from .btf import Btf
    from .enums import AttachType, ProgType
    from .insns import Insn

__all__ = ["KernelProgram"]


class KernelProgram(ProgramDump, ProgramKernel, ProgramRun):
    """A program that the kernel has, by a descriptor of its own: it belongs to no object.

    It comes from `from_id`, `from_pin`, `from_fd`, `find` or `find_all`, which are methods of `Program` as well, or
    from `load`. It is closed by `close` or at the end of a ``with`` block; the kernel keeps a program for as long as
    anything holds it: a descriptor, a link, a pin, a map.
    """

    __slots__ = ("__weakref__", "_btf", "_facts", "_handle", "_log", "_pin")
    __reduce_ex__ = uncopied

    _handle: Handle[lbc_prog]
    _facts: CData
    _log: str
    _pin: str | None
    _btf: Btf | None

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError(
            "use KernelProgram.load(), Program.from_id(), Program.from_pin(), Program.from_fd() or Program.find()"
        )

    @classmethod
    def _of(cls, made: tuple[Handle[lbc_prog], CData], pin: str | None = None, log: str = "") -> Self:
        self = object.__new__(cls)
        # With the last of what holds these facts the handle is closed.
        self._handle, self._facts = made
        self._pin = pin
        self._log = log
        self._btf = None
        return self

    @classmethod
    def load(
        cls,
        type: ProgType | str | int,
        insns: bytes | Iterable[Insn],
        license: str = "GPL",
        *,
        name: str = "",
        expected_attach_type: AttachType | str | int = 0,
        prog_flags: int = 0,
        prog_ifindex: int = 0,
        kern_version: int = 0,
        attach_btf_id: int = 0,
        attach_prog_fd: int = 0,
        attach_btf_obj_fd: int = 0,
        prog_btf_fd: int = 0,
        func_info: bytes = b"",
        func_info_rec_size: int = 8,
        line_info: bytes = b"",
        line_info_rec_size: int = 16,
        fd_array: Sequence[Any] = (),
        fd_array_cnt: int = 0,
        log_level: int = 0,
        token_fd: int | None = None,
        attempts: int = 0,
    ) -> Self:
        """Load a program of instructions: `Insn` records, or their bytes, 8 each (``struct bpf_insn``).

        *Wraps* ``bpf_prog_load()``. `type` is a `ProgType`, or its name such as ``"socket_filter"``; `name` has at most
        15 bytes. The other keywords are the fields of ``struct bpf_prog_load_opts``: `fd_array` holds maps, BTF or
        descriptors, by whose place instructions name them (with `fd_array_cnt` the kernel looks at so many of them
        itself, Linux 6.14); `func_info` and `line_info` are records as the kernel takes them. `VerifierError` if the
        verifier refuses it; what it told of an accepted program at a `log_level` is in `log`.
        """
        from ._type_numbers import attach_type_number, prog_type_number
        from .insns import as_bytes

        code = as_bytes(insns)
        number = prog_type_number(type)
        flags = unsigned(prog_flags, 32, "prog_flags") | (lib.BPF_F_TOKEN_FD if token_fd is not None else 0)
        fields: dict[str, Any] = {
            "expected_attach_type": attach_type_number(expected_attach_type, "expected_attach_type"),
            "prog_flags": flags,
            "prog_ifindex": unsigned(prog_ifindex, 32, "prog_ifindex"),
            "kern_version": unsigned(kern_version, 32, "kern_version"),
            "attach_btf_id": unsigned(attach_btf_id, 32, "attach_btf_id"),
            "attach_prog_fd": unsigned(attach_prog_fd, 31, "attach_prog_fd"),
            "attach_btf_obj_fd": unsigned(attach_btf_obj_fd, 31, "attach_btf_obj_fd"),
            "prog_btf_fd": unsigned(prog_btf_fd, 31, "prog_btf_fd"),
            "token_fd": 0 if token_fd is None else unsigned(token_fd, 31, "token_fd"),
            "attempts": unsigned(attempts, 31, "attempts"),
        }
        entries = list(iterable(fd_array, "fd_array"))
        if unsigned(fd_array_cnt, 32, "fd_array_cnt") > len(entries):
            raise ValueError(f"fd_array_cnt is {fd_array_cnt}, but fd_array has {len(entries)} entries")
        for what, given, size in (
            ("func_info", func_info, func_info_rec_size),
            ("line_info", line_info, line_info_rec_size),
        ):
            if data := buffer(given, what):
                step = unsigned(size, 16, f"{what}_rec_size")
                if not step or len(data) % step:
                    raise ValueError(f"{what} has {len(data)} bytes, which is no multiple of {what}_rec_size, {step}")
                memory = ffi.new("char[]", data)
                fields |= {what: memory, f"{what}_cnt": len(data) // step, f"{what}_rec_size": step}
        level = unsigned(log_level, 32, "log_level")
        with Descriptors() as borrowed:
            if entries:
                numbers = [borrowed.any(each, "fd_array", "maps or BTF") for each in entries]
                fields |= {"fd_array": ffi.new("int[]", numbers), "fd_array_cnt": fd_array_cnt}
            made, log = _program_open.load(number, code, license, name, fields, level)
        return cls._of(made, log=log)

    @classmethod
    def from_id(cls, id: int) -> Self:
        """Open the program with the kernel's number `id`.

        *Wraps* ``bpf_prog_get_fd_by_id()``. Needs CAP_SYS_ADMIN. Linux 4.13.
        """
        return cls._of(PROGRAMS.from_id(id))

    @classmethod
    def from_pin(cls, path: str | os.PathLike[str]) -> Self:
        """Open the program that is pinned at `path`; the pin stays.

        *Wraps* ``bpf_obj_get()``. A pin of another user is refused (EPERM).
        """
        made, where = PROGRAMS.from_pin(path)
        return cls._of(made, where)

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Open the program of the descriptor `fd`, which is duplicated and stays the caller's."""
        return cls._of(PROGRAMS.from_fd(fd))

    @classmethod
    def find(cls, name: str | None = None, *, tag: str | None = None) -> Self:
        """Open the program of the kernel that has this `name` or `tag`, or both.

        Of a longer name the first 15 bytes count, which is what the kernel keeps. Raises `KeyError` if there is none,
        and `ValueError`, with their ids, if there are several. Needs CAP_SYS_ADMIN.
        """
        if name is None and tag is None:
            raise TypeError("find() needs a name or a tag")
        found = cls.find_all(name, tag=tag)
        if len(found) == 1:
            return found[0]
        listed = ", ".join(str(each.id) for each in found)
        for each in found:
            each.close()
        wanted = " with the tag ".join(repr(each) for each in (name, tag) if each is not None)
        wanted = wanted if name is not None else f"with the tag {wanted}"
        if not found:
            raise KeyError(f"the kernel has no program {wanted}{'' if name is None else PROGRAMS.close_names(name)}")
        raise ValueError(f"the kernel has {len(found)} programs {wanted}, with the ids {listed}: use from_id()")

    @classmethod
    def find_all(cls, name: str | None = None, *, tag: str | None = None) -> list[Self]:
        """Open all programs of the kernel that have this `name` and `tag`, or simply all; close each of them.

        Needs CAP_SYS_ADMIN.
        """
        wanted = None if name is None else c_string(name, "name")[:NAME_MAX]
        tagged = None if tag is None else c_string(tag, "tag").lower()
        found: list[Self] = []
        try:
            for number in PROGRAMS.ids():
                try:
                    handle, facts = made = PROGRAMS.from_id(number)
                except OSError as error:
                    if error.errno in (errno.ENOENT, errno.ENODEV):
                        continue  # gone meanwhile, or its network device is
                    raise
                named = wanted is None or ffi.string(facts.name) == wanted
                if named and (tagged is None or bytes(facts.tag).hex().encode() == tagged):
                    found.append(cls._of(made))
                else:
                    handle.close()
        except BaseException:
            for each in found:
                each.close()
            raise
        return found

    @property
    def name(self) -> str:
        """The name, of at most 15 bytes, which is what the kernel keeps; stays known after close."""
        return text(self._facts.name)

    @property
    def type(self) -> ProgType:
        """The type; stays known after close."""
        from .enums import ProgType

        return ProgType(self._facts.type)

    @property
    def id(self) -> int:
        """The kernel's number for the program, unique until reboot; stays known after close."""
        return int(self._facts.id)

    @property
    def tag(self) -> str:
        """The kernel's hash of the instructions, in hexadecimal; stays known after close."""
        return bytes(self._facts.tag).hex()

    @property
    def log(self) -> str:
        """The verifier's log of `load`, whole; empty if its `log_level` was 0."""
        return self._log

    @property
    def pin_path(self) -> str | None:
        """Where the program was opened, or has been pinned; ``None`` for nowhere that is known."""
        return self._pin

    @property
    def btf(self) -> Btf | None:
        """The types that the program was loaded with; ``None`` if it has none. Needs CAP_SYS_ADMIN. Linux 5.0."""
        with self._handle.lock:
            self._handle.check()
            if self._btf is None and self._facts.btf_id:
                from .btf import Btf

                self._btf = Btf.from_id(self._facts.btf_id)
            return self._btf

    def _program_btf(self) -> Btf | None:
        try:
            return self.btf
        except PermissionError:
            # Without CAP_SYS_ADMIN what is known of the program is known without names.
            return None

    def _argument_type(self) -> BtfType | None:
        btf = self._program_btf()
        if btf is None:
            return None
        from ._program_info import func_info

        infos = func_info(self, btf)
        return argument_type(infos[0].type) if infos else None

    def _loaded(self, action: str) -> int:  # noqa: ARG002 - it is always loaded
        return descriptor(self._handle)

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Pin the program at `path`: it outlives the process until the pin is removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). *Wraps* ``bpf_obj_pin()``.
        """
        action = f"pin {self._handle.name} at {path_name(path)!r}"
        absolute, encoded = pin_path(path, action)
        with self._handle.lock:
            fd = self._loaded(action)
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):
                check(lib.bpf_obj_pin(fd, encoded), action, lambda error: pinning_hint(error, absolute))
            self._pin = absolute

    def unpin(self, path: str | os.PathLike[str] | None = None) -> None:
        """Remove the pin at `path`, or at `pin_path`."""
        where = path if path is not None else self._pin
        action = f"unpin {self._handle.name}"
        if where is None:
            raise ValueError(f"cannot {action}: it has no pin_path, so a path is needed")
        absolute, _ = pin_path(where, action)
        with self._handle.lock:
            self._loaded(action)
            remove_pin(absolute, f"{action} from {absolute!r}", self._is_this)
            self._pin = None if absolute == self._pin else self._pin

    def _is_this(self, fd: int) -> bool:
        info = ffi.new("struct bpf_prog_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_prog_info"))
        return lib.bpf_prog_get_info_by_fd(fd, info, size) == 0 and int(info.id) == self.id

    @property
    def closed(self) -> bool:
        """Whether the program's descriptor has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Close the program's descriptor. Twice does nothing."""
        check(self._handle.close(), f"close {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<KernelProgram{name} ({self.type.name}), id {self.id}{' (closed)' if self.closed else ''}>"
