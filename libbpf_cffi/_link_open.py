"""How links come about: made by a call of libbpf's or the kernel's, or opened by a pin, a number or a descriptor."""

from __future__ import annotations

import errno
import os

from . import _log
from ._arguments import path_name
from ._check import by_id_hint, check, not_null
from ._ffi import ffi, lib, path_bytes, text, unsigned
from ._handle import Handle, program_title, uncopied
from ._kernel_open import ids
from ._pins import absolute_path, check_pin, opening_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from typing_extensions import Self

    from ._check import Hint
    from ._libbpf import bpf_link
    from .enums import AttachType

    class AttachedProgram(Protocol):
        """What links need of a program."""

        @property
        def name(self) -> str: ...
        @property
        def _handle(self) -> Handle[Any]: ...
        def _loaded(self, action: str) -> int: ...


__all__ = ["LinkOpening", "is_perf_event", "legacy_event", "own_descriptor"]


class LinkOpening:
    """How links come about."""

    __slots__ = ("__weakref__", "_handle", "_owner")
    __reduce_ex__ = uncopied

    _handle: Handle[bpf_link]
    _owner: object

    def close(self) -> None:
        """Detach the program, and free the link."""
        raise NotImplementedError

    @classmethod
    def _make(
        cls,
        function: Callable[..., bpf_link],
        *arguments: object,
        action: str,
        name: str,
        hint: Hint = None,
        parent: Handle[Any] | None = None,
        owner: object = None,
    ) -> Self:
        """Call the C function that makes a link, and give the link a name; with no `parent` it is a root."""
        self = object.__new__(cls)
        self._handle = Handle(lib.bpf_link__destroy, parent, name=name, fds=_descriptors)
        # An object is collected only when none of its links is held either.
        self._owner = owner
        if parent is None:
            self._handle.close_with(self)
        try:
            not_null(self._handle.make(function, *arguments), action, hint, self._handle.errno)
        except BaseException:
            self._handle._close()
            raise
        return self

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open the link that is pinned at `path`.

        *Wraps* ``bpf_link__open()``. Raises `LibbpfError` when there is nothing, or (errno EINVAL) something
        else than a link. A pin of another user's is refused (EPERM), as for programs and maps. Closing it leaves the
        pin, and so the attachment, in place. Linux 5.7.
        """
        given = path_name(path)
        absolute = absolute_path(given, f"open the link pinned at {given!r}")
        name = f"the link pinned at {absolute!r}"
        action = f"open {name}"
        check_pin(absolute, action)
        encoded = path_bytes(absolute)
        _log.listen()
        link = cls._make(
            lib.bpf_link__open, encoded, action=action, name=name, hint=lambda error: opening_hint(error, absolute)
        )
        if "link" not in _target(lib.bpf_link__fd(link._handle.pointer)):
            # bpf_link__open() takes the pin of anything.
            link.close()
            check(-errno.EINVAL, action, "something other than a link is pinned there")
        return link

    @classmethod
    def from_id(cls, id: int) -> Self:
        """Open the link with the kernel's number `id`: it stays attached for at least as long as this is open.

        *Wraps* ``bpf_link_get_fd_by_id()``. Needs CAP_SYS_ADMIN. Linux 5.8.
        """
        number = unsigned(id, 32, "id")

        def hint(error: int) -> str | None:
            return f"no link has the id {number}" if error == errno.ENOENT else _by_descriptor_hint(error)

        _log.listen()
        return cls._make(
            lib.lbc_link__from_id, number, action=f"open link {number}", name=f"link {number}", hint=hint
        )

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """Open the link of the descriptor `fd`, which is duplicated and stays the caller's."""
        number = unsigned(fd, 31, "fd")
        action = f"open the link of descriptor {number}"
        _log.listen()
        name = f"link of descriptor {number}"
        link = cls._make(lib.lbc_link__from_fd, number, action=action, name=name, hint=_by_descriptor_hint)
        if own_descriptor(link._handle.pointer) < 0:
            link.close()
            check(-errno.EINVAL, action, "that is something other than a link")
        return link

    @classmethod
    def find_all(cls, prog_id: int | None = None) -> list[Self]:
        """Open all links of the kernel that attach the program with the number `prog_id`, or simply all.

        Close each of them. Needs CAP_SYS_ADMIN. Linux 5.8.
        """
        found: list[Self] = []
        try:
            for number in ids(lib.bpf_link_get_next_id, "links"):
                try:
                    link = cls.from_id(number)
                except OSError as error:
                    if error.errno == errno.ENOENT:
                        continue  # gone meanwhile
                    raise
                found.append(link)
                if prog_id is not None and _program_of(link) != prog_id:
                    found.pop().close()
        except BaseException:
            for each in found:
                each.close()
            raise
        return found

    @classmethod
    def create(
        cls,
        program: AttachedProgram,
        target: Any = None,
        attach_type: AttachType | str | int | None = None,
        *,
        flags: int = 0,
        target_btf_id: int = 0,
        iter_info: Mapping[str, Mapping[str, Any]] | None = None,
        perf_event: Mapping[str, Any] | None = None,
        kprobe_multi: Mapping[str, Any] | None = None,
        uprobe_multi: Mapping[str, Any] | None = None,
        tracing: Mapping[str, Any] | None = None,
        netfilter: Mapping[str, Any] | None = None,
        tcx: Mapping[str, Any] | None = None,
        netkit: Mapping[str, Any] | None = None,
        cgroup: Mapping[str, Any] | None = None,
    ) -> Self:
        """Attach any program, also one of the kernel, as the system call does.

        *Wraps* ``bpf_link_create()``: for what has no ``attach_…()``, or a program that has no object. `target` is a
        descriptor, what has one, or a path that is opened; for XDP, TCX and netkit an interface by name or number, for
        control groups and network namespaces what `Program.attach_cgroup` and `attach_netns` take.
        Without `attach_type` it is the program's expected one. The other keywords are the fields of ``struct
        bpf_link_create_opts``: each a mapping of its fields, ``kprobe_multi={"syms": ["a", "b"], "cookies": [1, 2]}``
        (how many there are is counted); where a field is a descriptor, a map, program or link will do.

        The link of a program of an object is the object's child. Linux 5.7.
        """
        from ._borrow import Descriptors
        from ._link_opts import options, target_number
        from ._type_numbers import attach_type_number

        if not hasattr(program, "_loaded"):
            raise TypeError(f"program must be a Program or KernelProgram, not {type(program).__name__}")
        if attach_type is None:
            attach_type = getattr(program, "expected_attach_type", None)
            if attach_type is None:
                raise TypeError("attach_type must be given: of a program of the kernel it is not known")
        kind = attach_type_number(attach_type)
        groups = {
            "perf_event": perf_event, "kprobe_multi": kprobe_multi, "uprobe_multi": uprobe_multi, "tracing": tracing,
            "netfilter": netfilter, "tcx": tcx, "netkit": netkit, "cgroup": cgroup,
        }  # fmt: skip
        action = f"attach {program_title(program)}" + (f" to {target!r}" if isinstance(target, (str, int)) else "")
        with Descriptors() as borrowed:
            opts = options(kind, flags, target_btf_id, groups, iter_info, borrowed)
            number = target_number(target, kind, borrowed)

            def hint(error: int) -> str | None:
                if error not in (errno.EINVAL, errno.EBADF):
                    return None
                as_type = attach_type if isinstance(attach_type, str) else getattr(attach_type, "name", kind)
                return (
                    f"the kernel attaches this program to something else than a {as_type}, or to another target, or "
                    "not by a link, or has other options for it"
                )

            return cls._of_program(program, lib.lbc_link__create, number, kind, opts.pointer, action=action, hint=hint)

    @classmethod
    def raw_tracepoint_open(cls, program: AttachedProgram, tp_name: str | None = None, *, cookie: int = 0) -> Self:
        """Attach a program to the raw tracepoint `tp_name`; one that knows its target (``tp_btf``, fentry) to that.

        *Wraps* ``bpf_raw_tracepoint_open_opts()``. Linux 4.17; `cookie` 6.10.
        """
        from ._ffi import Options, c_string

        if not hasattr(program, "_loaded"):
            raise TypeError(f"program must be a Program or KernelProgram, not {type(program).__name__}")
        name = None if tp_name is None else c_string(tp_name, "tp_name")
        opts = Options("bpf_raw_tp_opts", tp_name=name, cookie=unsigned(cookie, 64, "cookie"))
        action = f"attach {program_title(program)}" + (f" to raw tracepoint {tp_name!r}" if tp_name else "")

        def hint(error: int) -> str | None:
            return f"this kernel has no raw tracepoint {tp_name!r}" if error == errno.ENOENT and tp_name else None

        return cls._of_program(program, lib.lbc_link__raw_tracepoint, opts.pointer, action=action, hint=hint)

    @classmethod
    def _of_program(
        cls,
        program: AttachedProgram,
        function: Callable[..., bpf_link],
        *arguments: object,
        action: str,
        hint: Hint = None,
    ) -> Self:
        handle = program._handle
        owner = getattr(program, "_owner", None)

        def why(error: int) -> str | None:
            return (hint(error) if callable(hint) else hint) or _by_descriptor_hint(error)

        with handle.lock:
            fd = program._loaded(action)
            _log.listen()
            return cls._make(
                function,
                fd,
                *arguments,
                action=action,
                name=f"the link of {program_title(program)}",
                hint=why,
                parent=None if owner is None else handle,
                owner=owner,
            )


def _by_descriptor_hint(error: int) -> str | None:
    """Say why a link cannot be made of a descriptor."""
    if error == errno.EOPNOTSUPP:
        return "with the system's libbpf a link is opened by its pin only"
    return by_id_hint(error)


def _target(fd: int) -> str:
    """Say what is behind a descriptor, such as ``anon_inode:bpf_link``; without /proc, a name that fits all."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return "anon_inode:bpf_link"


def is_perf_event(fd: int) -> bool:
    """Tell whether a descriptor is that of a perf event."""
    return "perf_event" in _target(fd)


def legacy_event(pointer: bpf_link) -> str | None:
    """Give the name of the event that a legacy probe has in tracefs, whose lists keep it until it is removed."""
    name = lib.lbc_link_legacy_event(pointer)
    return text(name) if name else None


def own_descriptor(pointer: bpf_link) -> int:
    """Give a link's own descriptor, or -1."""
    if lib.lbc_link_usdt_parts(pointer, ffi.NULL, 0) >= 0:
        return -1
    fd = lib.bpf_link__fd(pointer)
    target = _target(fd)
    return fd if fd >= 0 and target.startswith("anon_inode:") and ("link" in target or "perf_event" in target) else -1


def _descriptors(pointer: bpf_link) -> tuple[int, ...]:
    """Give every descriptor that keeps a link attached."""
    count = lib.lbc_link_usdt_parts(pointer, ffi.NULL, 0)
    if count >= 0:
        parts = ffi.new("struct bpf_link *[]", count)
        lib.lbc_link_usdt_parts(pointer, parts, count)
        return tuple(fd for part in parts for fd in _descriptors(part))
    return tuple({fd for fd in (own_descriptor(pointer), lib.lbc_link_perf_event_fd(pointer)) if fd >= 0})


def _program_of(link: LinkOpening) -> int:
    """Give the number of the program that a link attaches."""
    info = ffi.new("struct bpf_link_info *")
    size = ffi.new("__u32 *", ffi.sizeof("struct bpf_link_info"))
    with link._handle.lock:
        fd = lib.bpf_link__fd(link._handle.pointer)
        check(lib.bpf_link_get_info_by_fd(fd, info, size), f"get the info of {link._handle.name}")
    return int(info.prog_id)
