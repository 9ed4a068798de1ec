"""BPF tokens: what a BPF file system delegates to processes of a user namespace."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import NamedTuple

from . import _log
from ._arguments import path_name
from ._borrow import Descriptors
from ._check import check, failure, not_null, path_hint
from ._ffi import Options, ffi, lib, path_bytes, unsigned
from ._handle import Handle
from ._refusals import refused
from .enums import AttachType, MapType, ProgType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import lbc_token

__all__ = ["Token", "TokenInfo"]


class TokenInfo(NamedTuple):
    """``struct bpf_token_info``: what a token allows; `allowed_cmds` has a bit for each ``BPF_…`` command of bpf(2)."""

    allowed_cmds: int
    allowed_maps: frozenset[MapType]
    allowed_progs: frozenset[ProgType]
    allowed_attachs: frozenset[AttachType]


class Token:
    """A BPF token: with it a process may do what the file system that it comes from was mounted to delegate.

    `fd` goes to the `token_fd` of `Map.create` and `KernelProgram.load`; an object takes a token by itself, of the
    `bpf_token_path` of `Object.open`. Closed by `close` or at the end of a ``with`` block.
    """

    __slots__ = ("__weakref__", "_handle")

    _handle: Handle[lbc_token]

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use Token.create()")

    @classmethod
    def create(cls, bpffs: str | os.PathLike[str] | int, *, flags: int = 0) -> Self:
        """Create a token of a BPF file system: where it is mounted, or a descriptor of that folder.

        *Wraps* ``bpf_token_create()``. The file system must have been mounted with ``delegate_cmds`` and the like, in
        the user namespace that this process is in; the initial one has no tokens. Linux 6.9.
        """
        name = f"the token of {bpffs!r}" if isinstance(bpffs, int) else f"the token of {path_name(bpffs, 'bpffs')!r}"
        action = f"create {name}"
        opts = Options("bpf_token_create_opts", flags=unsigned(flags, 32, "flags"))
        self = object.__new__(cls)
        self._handle = handle = Handle(lib.lbc_token__close, name=name, fds=_descriptors)
        handle.close_with(self)
        # Of fsmount(2) comes one that only names the folder (O_PATH), which the kernel does not take here.
        path = b"." if isinstance(bpffs, int) else path_bytes(bpffs, "bpffs")
        within = unsigned(bpffs, 31, "bpffs") if isinstance(bpffs, int) else None
        try:
            with Descriptors() as borrowed:
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
                try:
                    folder = borrowed.make(partial(os.open, dir_fd=within), path, flags)
                except OSError as error:
                    raise failure(refused(error), action, path_hint) from None
                _log.listen()
                not_null(handle.make(lib.lbc_token__create, folder, opts.pointer), action, _hint, handle.errno)
        except BaseException:
            handle._close()
            raise
        return self

    @property
    def fd(self) -> int:
        """The descriptor, which stays the token's own."""
        with self._handle.lock:
            return int(self._handle.pointer.fd)

    @property
    def info(self) -> TokenInfo:
        """What the token allows. *Wraps* ``bpf_obj_get_info_by_fd()``. Linux 6.17."""
        info = ffi.new("struct bpf_token_info *")
        size = ffi.new("__u32 *", ffi.sizeof(info[0]))
        with self._handle.lock:
            action = f"get the info of {self._handle.name}"
            check(
                lib.bpf_obj_get_info_by_fd(self.fd, info, size),
                action,
                lambda error: "the kernel tells since Linux 6.17" if error == errno.EINVAL else None,
            )
        return TokenInfo(
            info.allowed_cmds,
            frozenset(map(MapType, _bits(info.allowed_maps))),
            frozenset(map(ProgType, _bits(info.allowed_progs))),
            frozenset(map(AttachType, _bits(info.allowed_attachs))),
        )

    @property
    def closed(self) -> bool:
        """Whether the token has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Close the token; what was made with it stays. Twice does nothing."""
        check(self._handle.close(), f"close {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Token: {self._handle.name}{' (closed)' if self.closed else ''}>"


def _bits(mask: int) -> list[int]:
    return [number for number in range(64) if mask >> number & 1]


def _descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return (int(pointer.fd),)


def _hint(error: int) -> str | None:
    if error == errno.EINVAL:
        return "it is no mount point of a BPF file system, or the kernel has no tokens (Linux 6.9)"
    if error == errno.EOPNOTSUPP:
        return "tokens are for processes of a user namespace: the initial one has none"
    if error == errno.ENOENT:
        return "the file system delegates nothing: it is mounted with delegate_cmds and the like"
    if error == errno.EPERM:
        return "the file system must have been mounted in the user namespace of this process, which needs CAP_BPF there"
    return None
