"""A program on a socket, until it is closed."""

from __future__ import annotations

from . import _log
from ._check import check, not_null
from ._ffi import ffi, lib
from ._handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    from ._check import Hint
    from ._libbpf import lbc_socket_program

__all__ = ["SocketProgram"]


class SocketProgram:
    """A program that is attached to a socket, which the kernel has no link for: made by `Program.attach_socket`.

    It is the object's child, as a `Link` is. It does not keep the socket open: once that is closed, nothing is left
    to be detached.
    """

    __slots__ = ("__weakref__", "_handle", "_owner")

    _handle: Handle[lbc_socket_program]
    _owner: object

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Program.attach_socket()")

    @classmethod
    def _make(
        cls,
        fd: int,
        prog_fd: int,
        reuseport: bool,
        *,
        action: str,
        name: str,
        hint: Hint,
        parent: Handle[Any],
        owner: object,
    ) -> Self:
        self = object.__new__(cls)
        self._handle = handle = Handle(lib.lbc_socket_program__detach, parent, name=name)
        self._owner = owner
        memory = ffi.new("struct lbc_socket_program *")
        # C's pointer into it is the handle's.
        handle.kept.append(memory)
        try:
            _log.listen()
            attach = lib.lbc_socket_program__attach
            not_null(handle.make(attach, memory, fd, prog_fd, reuseport), action, hint, handle.errno)
        except BaseException:
            handle._close()
            raise
        return self

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Take the program off the socket, if that is still open. Twice does nothing.

        If another program has taken its place, it is that one which goes: the kernel does not tell them apart.
        """
        check(self._handle.close(), f"detach {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SocketProgram: {self._handle.name}{' (closed)' if self.closed else ''}>"
