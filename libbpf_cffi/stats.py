"""Statistics that the kernel collects only while somebody asks for them."""

from __future__ import annotations

import errno

from . import _log, _privileges
from ._borrow import Descriptors
from ._check import check, not_null
from ._ffi import lib, unsigned
from ._handle import Handle, uncopied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self

    from ._libbpf import lbc_prog

__all__ = ["Stats", "enable_stats"]


class Stats:
    """Statistics that are collected until this is closed: by `close`, or at the end of a ``with`` block."""

    __slots__ = ("__weakref__", "_handle")
    __reduce_ex__ = uncopied

    _handle: Handle[lbc_prog]

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use enable_stats()")

    @property
    def closed(self) -> bool:
        """Whether this has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Let the kernel stop, unless others want the statistics too. Twice does nothing."""
        check(self._handle.close(), f"close {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Stats{' (closed)' if self.closed else ''}>"


def enable_stats(type: int = lib.BPF_STATS_RUN_TIME) -> Stats:
    """Have the kernel count the runs of every program, and the time that they take, until that is closed.

    ::

        with bpf.enable_stats():
            ...
            print(program.info.run_cnt, program.info.run_time_ns)

    *Wraps* ``bpf_enable_stats()``. It makes each run some 20 ns slower. `type` is a ``BPF_STATS_…`` of `lib`; there is
    one. Needs CAP_SYS_ADMIN. Linux 5.8.
    """
    number = unsigned(type, 31, "type")
    action = "enable statistics of programs"
    self = object.__new__(Stats)
    self._handle = handle = Handle(lib.lbc_prog__close, name="statistics of programs", fds=_descriptors)
    handle.close_with(self)
    try:
        with Descriptors() as borrowed:
            _log.listen()
            fd = check(
                borrowed.make(lib.bpf_enable_stats, number) if number == lib.BPF_STATS_RUN_TIME else -errno.EINVAL,
                action,
                lambda error: _stats_hint(error, number),
            )
            not_null(handle.make(lib.lbc_prog__from_fd, fd), action, None, handle.errno)
    except BaseException:
        handle._close()
        raise
    return self


def _stats_hint(error: int, number: int) -> str | None:
    if error == errno.EINVAL:
        return f"there are no statistics {number}"
    if error == errno.EPERM and _privileges.missing("CAP_SYS_ADMIN"):
        return "this process lacks CAP_SYS_ADMIN, which statistics of all programs need"
    return None


def _descriptors(pointer: lbc_prog) -> tuple[int, ...]:
    return (int(pointer.fd),)
