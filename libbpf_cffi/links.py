"""Links: programs that are attached, until they are closed."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import by_id_hint, check, failure, not_null
from ._ffi import ffi, lib, path_bytes, text, unsigned
from ._handle import Handle
from ._pins import Folders, pin_path, pinning_hint
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from typing_extensions import Self

    from ._check import Hint
    from ._libbpf import CData, bpf_link
    from .infos import LinkInfo

    class AttachedProgram(Protocol):
        """What `Link.update_program` needs of a program."""

        @property
        def name(self) -> str: ...
        @property
        def _handle(self) -> Handle[Any]: ...
        def _loaded(self, action: str) -> int: ...


__all__ = ["Link", "ids"]


class Link:
    """A program that is attached to something.

    Four words, four meanings: `close` detaches and frees, `detach` takes the program off its hook and leaves
    the link, `disconnect` frees and leaves the program attached, and what was given a `pin` outlives the process.

    A link made by an object is the object's child: it stays attached, even if nobody keeps the `Link`, until
    it is closed or the object is. *Wraps* ``struct bpf_link``.
    """

    __slots__ = ("__weakref__", "_handle", "_owner")

    _handle: Handle[bpf_link]
    _owner: object

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Program.attach(), Object.attach(), Link.open(), Link.from_id() or Link.from_fd()")

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
    ) -> Link:
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
    def open(cls, path: str | os.PathLike[str]) -> Link:
        """Open the link that is pinned at `path`.

        *Wraps* ``bpf_link__open()``. Raises `LibbpfError` when there is nothing, or (errno EINVAL) something
        else than a link. Closing it leaves the pin, and so the attachment, in place. Linux 5.7.
        """
        action = f"open the link pinned at {os.fspath(path)!r}"
        _log.listen()
        name = f"the link pinned at {os.fspath(path)!r}"
        link = cls._make(lib.bpf_link__open, path_bytes(path), action=action, name=name)
        if "link" not in _target(lib.bpf_link__fd(link._handle.pointer)):
            # bpf_link__open() takes the pin of anything.
            link.close()
            check(-errno.EINVAL, action, "something other than a link is pinned there")
        return link

    @classmethod
    def from_id(cls, id: int) -> Link:
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
    def from_fd(cls, fd: int) -> Link:
        """Open the link of the descriptor `fd`, which is duplicated and stays the caller's."""
        number = unsigned(fd, 31, "fd")
        action = f"open the link of descriptor {number}"
        _log.listen()
        name = f"link of descriptor {number}"
        link = cls._make(lib.lbc_link__from_fd, number, action=action, name=name, hint=_by_descriptor_hint)
        if _own_descriptor(link._handle.pointer) < 0:
            link.close()
            check(-errno.EINVAL, action, "that is something other than a link")
        return link

    @classmethod
    def find_all(cls, prog_id: int | None = None) -> list[Link]:
        """Open all links of the kernel that attach the program with the number `prog_id`, or simply all.

        Close each of them. Needs CAP_SYS_ADMIN. Linux 5.8.
        """
        found: list[Link] = []
        try:
            for number in ids():
                try:
                    link = cls.from_id(number)
                except OSError as error:
                    if error.errno == errno.ENOENT:
                        continue  # gone meanwhile
                    raise
                found.append(link)
                if prog_id is not None and link._raw_info().prog_id != prog_id:
                    found.pop().close()
        except BaseException:
            for each in found:
                each.close()
            raise
        return found

    @property
    def _pointer(self) -> bpf_link:
        return self._handle.pointer

    @property
    def closed(self) -> bool:
        """Whether the link has been closed or disconnected."""
        return self._handle.closed

    def close(self) -> None:
        """Detach the program, unless a pin or another descriptor keeps the link, and free the link. Twice
        does nothing.

        *Wraps* ``bpf_link__destroy()``. Detaching from a tracepoint or a probe waits for RCU, some 60 ms.
        """
        check(self._handle.close(), f"detach {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def detach(self) -> None:
        """Take the program off its hook now, for everybody who holds the link; the link itself stays.

        *Wraps* ``bpf_link__detach()``. Linux 5.9; `NotSupportedError` for the kinds that the kernel can only
        detach by closing (among them tracepoints, probes and perf events).
        """
        with self._handle.lock:
            pointer = self._handle.pointer
            # What has no descriptor of its own has descriptor 0 for libbpf.
            _ = self.fd
            _log.listen()
            hint = "links of this kind are detached by close()"
            check(
                lib.bpf_link__detach(pointer),
                f"detach {self._handle.name}",
                lambda error: hint if error == errno.EOPNOTSUPP else None,
            )

    def disconnect(self) -> int:
        """Free the link and leave the program attached for as long as its descriptor, which is returned,
        stays open.

        The descriptor is the caller's from now on; an ``os.close()`` of it detaches. *Wraps*
        ``bpf_link__disconnect()``.
        """
        with self._handle.lock:
            fd = self.fd
            perf_event = lib.lbc_link_perf_event_fd(self._handle.pointer)
            lib.bpf_link__disconnect(self._handle.pointer)
            self._handle.gone = "was disconnected"
            self._handle._close()
            if perf_event not in (-1, fd):
                # libbpf leaves it open for ever. The kernel's link holds the event itself.
                os.close(perf_event)
        return fd

    def update_program(self, program: AttachedProgram) -> None:
        """Put `program` in the place of the one that is attached, in one step in which no event is missed.

        *Wraps* ``bpf_link__update_program()``. The program must be loaded and of the same type. Linux 5.7;
        `NotSupportedError` or `LibbpfError` (EINVAL) for the kinds that the kernel cannot update.
        """
        if not hasattr(program, "_loaded"):
            raise TypeError(f"program must be a Program, not {type(program).__name__}")
        action = f"update {self._handle.name} to program {program.name!r}"
        # One after the other, never both locks: two links of two objects may be updated crosswise.
        with program._handle.lock:
            fd = os.dup(program._loaded(action))
        try:
            with self._handle.lock:
                _log.listen()
                # What bpf_link__update_program() does, with the program's descriptor held by us.
                check(lib.bpf_link_update(self.fd, fd, ffi.NULL), action)
        finally:
            os.close(fd)

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Pin the link at `path` below a BPF file system: the program stays attached until the pin is
        removed.

        Missing folders are made with mode 0700; a path through a folder or symbolic link of another user, or
        one that others can write, is refused (EPERM). *Wraps* ``bpf_link__pin()``.
        """
        action = f"pin {self._handle.name} at {os.fspath(path)!r}"
        absolute, encoded = pin_path(path, action)
        with self._handle.lock:
            pointer = self._handle.pointer
            if self.pin_path is not None:
                raise StateError(f"cannot {action}: it is pinned at {self.pin_path!r} already")
            _ = self.fd
            _log.listen()
            with Folders(action, os.path.dirname(absolute)):
                check(lib.bpf_link__pin(pointer, encoded), action, lambda error: pinning_hint(error, absolute))

    def unpin(self) -> None:
        """Remove the pin; the program then stays attached for as long as this link.

        *Wraps* ``bpf_link__unpin()``.
        """
        action = f"unpin {self._handle.name}"
        with self._handle.lock:
            pointer = self._handle.pointer
            if self.pin_path is None:
                raise StateError(f"cannot {action}: it is not pinned")
            _log.listen()
            check(lib.bpf_link__unpin(pointer), action)

    @property
    def pin_path(self) -> str | None:
        """Where the link is pinned, or ``None``. *Wraps* ``bpf_link__pin_path()``."""
        with self._handle.lock:
            return text(lib.bpf_link__pin_path(self._handle.pointer)) or None

    @property
    def fd(self) -> int:
        """The descriptor, which stays the link's own. *Wraps* ``bpf_link__fd()``.

        `StateError` for a link that has none of its own: a USDT link is made of several links, and a struct_ops
        map that is registered without ``BPF_F_LINK`` is no link of the kernel's.
        """
        with self._handle.lock:
            fd = _own_descriptor(self._handle.pointer)
        if fd < 0:
            raise StateError(f"{self._handle.name} has no descriptor of its own")
        return fd

    @property
    def info(self) -> LinkInfo:
        """What the kernel says of the link: type, id, program's id, and what it is attached to.

        *Wraps* ``bpf_link_get_info_by_fd()``. Linux 5.8.
        """
        self._handle.check()
        from .infos import link_info

        return link_info(self._raw_info)

    def _raw_info(self, action: str = "", hint: str | None = None, info: CData | None = None) -> CData:
        with self._handle.lock:
            if info is None:
                info = ffi.new("struct bpf_link_info *")
            size = ffi.new("__u32 *", ffi.sizeof("struct bpf_link_info"))
            action = action or f"get the info of {self._handle.name}"
            check(lib.bpf_link_get_info_by_fd(self.fd, info, size), action, hint)
        return info

    def __repr__(self) -> str:
        return f"<Link: {self._handle.name}{' (closed)' if self.closed else ''}>"


def ids() -> Iterator[int]:
    """Give the id of every link of the kernel."""
    following = ffi.new("__u32 *")
    at = 0
    while True:
        result = lib.bpf_link_get_next_id(at, following)
        if result == -errno.ENOENT:
            return
        if result < 0:
            raise failure(-result, "list the links of the kernel", by_id_hint)
        at = following[0]
        yield at


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


def _own_descriptor(pointer: bpf_link) -> int:
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
    return tuple({fd for fd in (_own_descriptor(pointer), lib.lbc_link_perf_event_fd(pointer)) if fd >= 0})
