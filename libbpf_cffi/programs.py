"""Programs of an object: what they are, what may be set before load, and attaching them."""

from __future__ import annotations

import errno
import os

from . import _log, _prog_handlers
from ._arguments import path_name
from ._attach_iter import NEEDED
from ._attach_methods import advice, method_of
from ._attach_net import NetAttach
from ._attach_tracing import NO_FPROBES, TracingAttach, function_hint, tracepoint_hint
from ._attach_user import UserAttach
from ._check import check, failure
from ._ffi import boolean, lib, unsigned
from ._handle import ObjectHandle
from ._pins import Folders, pin_path, pinning_hint
from ._program import UNLOADED
from ._program_code import ProgramCode
from ._program_dump import ProgramDump
from ._program_kernel import ProgramKernel
from ._program_run import ProgramRun
from .errors import LibbpfError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .enums import AttachType, ProgFlags, ProgType
    from .links import Link
    from .loaded import KernelProgram

__all__ = ["Program"]

_MULTI = ("kprobe.multi", "kretprobe.multi", "kprobe.session")
_KPROBES = ("kprobe", "kretprobe", "ksyscall", "kretsyscall", *_MULTI)
"""Sections of what only a kernel with kprobes can attach."""


class Program(TracingAttach, UserAttach, NetAttach, ProgramCode, ProgramDump, ProgramKernel, ProgramRun):
    """A program of an object, borrowed from it: it keeps the object, and is as closed as the object is.

    It may be configured between open and load; later that raises `StateError`. *Wraps* ``struct bpf_program``.

    What the kernel has of another origin, opened by id, name or pin, is a `KernelProgram`.
    """

    __slots__ = ()

    @classmethod
    def from_id(cls, id: int) -> KernelProgram:
        """Open the program of the kernel with the number `id`, as `KernelProgram.from_id` does."""
        return _kernel_program().from_id(id)

    @classmethod
    def from_pin(cls, path: str | os.PathLike[str]) -> KernelProgram:
        """Open the program that is pinned at `path`, as `KernelProgram.from_pin` does."""
        return _kernel_program().from_pin(path)

    @classmethod
    def from_fd(cls, fd: int) -> KernelProgram:
        """Open the program of the descriptor `fd`, as `KernelProgram.from_fd` does."""
        return _kernel_program().from_fd(fd)

    @classmethod
    def find(cls, name: str | None = None, *, tag: str | None = None) -> KernelProgram:
        """Open the program of the kernel that has this `name` or `tag`, as `KernelProgram.find` does."""
        return _kernel_program().find(name, tag=tag)

    @classmethod
    def find_all(cls, name: str | None = None, *, tag: str | None = None) -> list[KernelProgram]:
        """Open all programs of the kernel that have this `name` and `tag`, as `KernelProgram.find_all` does."""
        return _kernel_program().find_all(name, tag=tag)

    @property
    def type(self) -> ProgType:
        """The type; settable before load, by its name too. *Wraps* ``bpf_program__type()``,
        ``bpf_program__set_type()``.

        A program whose type has been changed is attached by none of its section's rules.
        """
        from .enums import ProgType

        return ProgType(self._get(lib.bpf_program__type))

    @type.setter
    def type(self, value: ProgType | str | int) -> None:
        from ._type_numbers import prog_type_number

        self._set("type", lib.bpf_program__set_type, prog_type_number(value))

    @property
    def expected_attach_type(self) -> AttachType:
        """What the program will be attached to; settable before load, by its name too.

        *Wraps* ``bpf_program__expected_attach_type()``, ``bpf_program__set_expected_attach_type()``.
        """
        from .enums import AttachType

        return AttachType(self._get(lib.bpf_program__expected_attach_type))

    @expected_attach_type.setter
    def expected_attach_type(self, value: AttachType | str | int) -> None:
        from ._type_numbers import attach_type_number

        number = attach_type_number(value, "expected_attach_type")
        self._set("expected_attach_type", lib.bpf_program__set_expected_attach_type, number)

    @property
    def flags(self) -> ProgFlags:
        """The flags of load; settable before load.

        *Wraps* ``bpf_program__flags()``, ``bpf_program__set_flags()``.
        """
        from .enums import ProgFlags

        return ProgFlags(self._get(lib.bpf_program__flags))

    @flags.setter
    def flags(self, value: ProgFlags | int) -> None:
        self._set("flags", lib.bpf_program__set_flags, unsigned(value, 32, "flags"))

    @property
    def autoload(self) -> bool:
        """Whether load loads the program; settable before load.

        *Wraps* ``bpf_program__autoload()``, ``bpf_program__set_autoload()``.
        """
        return bool(self._get(lib.bpf_program__autoload))

    @autoload.setter
    def autoload(self, value: bool) -> None:
        self._set("autoload", lib.bpf_program__set_autoload, boolean(value, "autoload"))

    @property
    def autoattach(self) -> bool:
        """Whether `Object.attach` attaches the program; settable at any time.

        *Wraps* ``bpf_program__autoattach()``, ``bpf_program__set_autoattach()``.
        """
        return bool(self._get(lib.bpf_program__autoattach))

    @autoattach.setter
    def autoattach(self, value: bool) -> None:
        with self._handle.lock:
            lib.bpf_program__set_autoattach(self._pointer, boolean(value, "autoattach"))

    def attach(self) -> Link:
        """Attach the program to what its section names, and return the link.

        *Wraps* ``bpf_program__attach()``. `NotSupportedError` if it is a kprobe and the kernel has none, or if the
        section does not say enough, such as ``SEC("xdp")``: then the target goes to the method of that kind, which the
        hint names. The object keeps the link, so that the program stays attached until the link or the object is
        closed. A section of one's own is attached by what `register_prog_handler` says.
        """
        by_handler = _prog_handlers.attach(self)
        if by_handler is not None:
            return by_handler
        with self._handle.lock:
            self._loaded(f"attach program {self.name!r} (section {self.section_name!r})")
        kind, _, target = self.section_name.lstrip("?").partition("/")
        if kind in ("iter", "iter.s") and target in NEEDED:
            # libbpf would try, and the kernel would not say what is missing.
            _log.listen()
            check(-errno.EOPNOTSUPP, f"attach program {self.name!r} (section {self.section_name!r})", self._attach_hint)
        link = self._by_section()
        if link is not None:
            return link
        try:
            return self._link(lib.bpf_program__attach, hint=self._attach_hint)
        except LibbpfError as error:
            why = self._no_kprobes() if kind in _KPROBES and target else None
            if why is None:
                raise
            # What libbpf says is kept: without it `Object.attach` would take it for a section that names no target.
            action, messages = error.action, [(lib.LIBBPF_WARN, each) for each in error.messages]
        raise failure(errno.EOPNOTSUPP, action, why, messages=messages)

    def _attach_hint(self, error: int) -> str | None:
        kind, _, target = self.section_name.partition("/")
        kind = kind.lstrip("?")
        if error == errno.EOPNOTSUPP and kind in _MULTI and target:
            return NO_FPROBES
        if error == errno.EOPNOTSUPP and kind in ("iter", "iter.s"):
            return f"an iterator of {target!r} is attached by attach_iter() with {NEEDED[target]}"
        if error == errno.EOPNOTSUPP and self.type == lib.BPF_PROG_TYPE_STRUCT_OPS:
            return "it is attached with the map that has it as a member: Map.attach_struct_ops()"
        if error == errno.EOPNOTSUPP:
            if method_of(self.type, self.expected_attach_type, self.section_name) == "test_run":
                return "a program of this kind is not attached but called: program(…), or test_run()"
            use = advice(self.type, self.expected_attach_type, self.section_name) or "the function of lib for that kind"
            return f"section {self.section_name!r} does not say what to attach to: {use} takes the target"
        if error == errno.EEXIST:
            return "this program is attached there already: close that link first"
        if kind in ("raw_tp", "raw_tracepoint", "raw_tp.w", "raw_tracepoint.w") and error == errno.ENOENT:
            from ._close_names import missing_raw_tracepoint

            return missing_raw_tracepoint(target)
        if kind in ("kprobe", "kretprobe"):
            return function_hint(error, target.partition("+")[0])
        return tracepoint_hint(error, target) if kind in ("tp", "tracepoint") else None

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Pin the program at `path`: it outlives the process until the pin is removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). A pinned program is kept, not attached: for that pin
        its link. *Wraps* ``bpf_program__pin()``.
        """
        action = f"pin program {self.name!r} at {path_name(path)!r}"
        absolute, encoded = pin_path(path, action)
        with self._handle.lock:
            self._loaded(action)
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):
                check(lib.bpf_program__pin(self._pointer, encoded), action, lambda error: pinning_hint(error, absolute))

    def unpin(self, path: str | os.PathLike[str]) -> None:
        """Remove the program's pin at `path`. *Wraps* ``bpf_program__unpin()``."""
        action = f"unpin program {self.name!r} from {path_name(path)!r}"
        _, encoded = pin_path(path, action)
        with self._handle.lock:
            self._loaded(action)
            _log.listen()
            check(lib.bpf_program__unpin(self._pointer, encoded), action)

    def unload(self) -> None:
        """Let the kernel forget the program, unless a link, a pin or a map still holds it; the object stays loaded.

        Afterwards it is as if its `autoload` had been ``False``: `StateError` for what needs it loaded, and
        `Object.attach` leaves it out. `StateError` for a program of struct_ops, which its map names. Twice does
        nothing. *Wraps* ``bpf_program__unload()``.
        """
        action = f"unload program {self.name!r}"
        with self._handle.lock:
            pointer = self._pointer
            if self._handle.phase == ObjectHandle.LOADED and lib.bpf_program__fd(pointer) < 0:
                return
            self._loaded(action)
            if lib.bpf_program__type(pointer) == lib.BPF_PROG_TYPE_STRUCT_OPS:
                raise StateError(f"cannot {action}: its struct_ops map names it by its descriptor")
            lib.bpf_program__unload(pointer)
            lib.bpf_program__set_autoattach(pointer, False)

    def set_ifindex(self, ifindex: int) -> None:
        """Say for which network device load is to compile the program, by number: for hardware that runs BPF.

        Settable before load. *Wraps* ``bpf_program__set_ifindex()``.
        """
        action = f"set the ifindex of program {self.name!r}"
        number = unsigned(ifindex, 32, "ifindex")
        with self._handle.lock:
            pointer = self._pointer
            self._handle.require(action, *UNLOADED)
            lib.bpf_program__set_ifindex(pointer, number)

    def __repr__(self) -> str:
        closed = " (closed)" if self._handle.closed else ""
        return f"<Program {self.name!r} ({self.section_name}) of {self._handle.name}{closed}>"


def _kernel_program() -> type[KernelProgram]:
    from .loaded import KernelProgram

    return KernelProgram
