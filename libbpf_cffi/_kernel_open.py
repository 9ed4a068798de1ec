"""What maps and programs have in common that are opened by an id, a pin or a descriptor, or are made."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import by_id_hint, check, device_hint, failure, not_null
from ._ffi import c_string, ffi, path_bytes, text, unsigned
from ._handle import Handle
from ._pins import absolute_path, check_pin, opening_hint
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._check import Hint
    from ._libbpf import CData

__all__ = ["NAME_MAX", "Kind", "descriptor", "descriptors", "ids"]

NAME_MAX = 15
"""Bytes of a name in the kernel (BPF_OBJ_NAME_LEN, less the NUL)."""


def descriptor(handle: Handle[Any]) -> int:
    """Give the descriptor of a stand-alone map or program; hold the lock."""
    return int(handle.pointer.fd)


def descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return (int(pointer.fd),)


def ids(next_id: Callable[[int, CData], int], what: str) -> Iterator[int]:
    """Give the id of every such thing of the kernel."""
    following = ffi.new("__u32 *")
    at = 0
    while True:
        result = next_id(at, following)
        if result == -errno.ENOENT:
            return
        if result < 0:
            raise failure(-result, f"list the {what} of the kernel", by_id_hint)
        at = following[0]
        yield at


class Kind:
    """Maps, or programs: the C functions that open one, and that ask the kernel about it."""

    __slots__ = (
        "_close", "_from_fd", "_from_id", "_from_pin", "_get_info", "_gone", "_info", "_next_id", "_target", "what",
    )  # fmt: skip

    def __init__(
        self,
        what: str,
        target: str,
        info: str,
        *,
        close: Callable[[Any], None],
        from_id: Callable[..., Any],
        from_pin: Callable[..., Any],
        from_fd: Callable[..., Any],
        get_info: Callable[..., int],
        next_id: Callable[..., int],
        gone: Callable[[int, int], str | None],
    ) -> None:
        self.what = what
        self._target = target
        self._info = info
        self._close = close
        self._from_id = from_id
        self._from_pin = from_pin
        self._from_fd = from_fd
        self._get_info = get_info
        self._next_id = next_id
        self._gone = gone

    def make(
        self,
        function: Callable[..., Any],
        *arguments: object,
        action: str,
        name: str,
        hint: Hint = None,
        log: CData | None = None,
    ) -> tuple[Handle[Any], CData]:
        """Call the C function that makes the descriptor; give the handle, and what the kernel says of what it is.

        `log` is the buffer that the verifier writes to.
        """
        handle: Handle[Any] = Handle(self._close, name=name, fds=descriptors)
        info = ffi.new(f"{self._info} *")
        # Whatever interrupts the making of what will hold this, nothing is lost.
        handle.close_with(info)
        try:
            _log.listen()
            made = handle.make(function, *arguments)
            if log is None:
                not_null(made, action, hint, handle.errno)
            elif handle.closed:
                raise failure(handle.errno, action, hint, text(log), program=name)  # noqa: TRY301 - closes it, too
            fd = descriptor(handle)
            if not self._is_one(fd):
                # Also a link or BTF can be pinned, or be behind a descriptor.
                check(-errno.EINVAL, action, f"that is something other than a {self.what}")
            size = ffi.new("__u32 *", ffi.sizeof(self._info))
            check(self._get_info(fd, info, size), action, device_hint)
        except BaseException:
            handle._close()
            raise
        handle.name = f"{self.what} {text(info.name)!r}" if info.name[0] != b"\0" else f"{self.what} {info.id}"
        return handle, info

    def _is_one(self, fd: int) -> bool:
        try:
            return os.readlink(f"/proc/self/fd/{fd}") == self._target
        except FileNotFoundError:
            # No /proc: the kernel refuses later what is none.
            return True

    def from_id(self, number: int, *flags: int) -> tuple[Handle[Any], CData]:
        """Open the one that has an id."""
        number = unsigned(number, 32, "id")
        name = f"{self.what} {number}"

        def hint(error: int) -> str | None:
            return self._gone(error, number) or by_id_hint(error)

        return self.make(self._from_id, number, *flags, action=f"open {name}", name=name, hint=hint)

    def from_pin(self, path: str | os.PathLike[str], *flags: int) -> tuple[tuple[Handle[Any], CData], str]:
        """Open the one that is pinned at a path; give the absolute path too."""
        given = os.fsdecode(path_bytes(path))
        absolute = absolute_path(given, f"open the {self.what} pinned at {given!r}")
        name = f"the {self.what} pinned at {absolute!r}"
        action = f"open {name}"
        check_pin(absolute, action)
        made = self.make(
            self._from_pin,
            path_bytes(absolute),
            *flags,
            action=action,
            name=name,
            hint=lambda error: opening_hint(error, absolute),
        )
        return made, absolute

    def from_fd(self, fd: int) -> tuple[Handle[Any], CData]:
        """Duplicate a descriptor."""
        number = unsigned(fd, 31, "fd")
        name = f"{self.what} of descriptor {number}"
        return self.make(self._from_fd, number, action=f"open the {name}", name=name)

    def ids(self) -> Iterator[int]:
        """Give the id of every one that the kernel has."""
        return ids(self._next_id, f"{self.what}s")

    def encode(self, name: str) -> bytes:
        """Give a name as the kernel takes it."""
        encoded = c_string(name, "name")
        if len(encoded) > NAME_MAX:
            raise ValueError(f"name has {len(encoded)} bytes, more than the {NAME_MAX} that the kernel keeps: {name!r}")
        return encoded

    def close_names(self, name: str, *flags: int) -> str:
        """Say which of those that the kernel has are called something like that, for a message."""
        import difflib

        names = set()
        for number in self.ids():
            try:
                handle, facts = self.from_id(number, *flags)
            except OSError as error:
                refused(error)
                continue  # gone meanwhile, or not ours to open
            names.add(text(facts.name))
            handle.close()
        close = difflib.get_close_matches(name[:NAME_MAX], names - {""}, n=3, cutoff=0.5)
        return f"; close names: {', '.join(close)}" if close else ""
