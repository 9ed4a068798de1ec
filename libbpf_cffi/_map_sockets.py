"""Maps of sockets."""

from __future__ import annotations

import errno

from ._map_lend import Lending
from ._map_slots import LendingHash, Slots, number_codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._codec import Codec
    from ._map_lend import Borrowed

__all__ = ["ReuseportSockArray", "SockHash", "SockMap"]


class _Sockets(Lending):
    """A map of sockets, which are written by their descriptors and read as their cookies."""

    __slots__ = ()

    def _make_value_codec(self) -> Codec:
        if self._is_raw or self.value_size not in (4, 8):
            return super()._make_value_codec()
        return number_codec(self.value_size, "socket")

    def _lend(self, value: Any, borrowed: Borrowed) -> int:
        return borrowed.file(value, "a socket")

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.ENOSPC:
            return (
                f"to be read the values of this map must have 8 bytes, for the socket's cookie: they have "
                f"{self.value_size}"
            )
        if error == errno.EOPNOTSUPP:
            return (
                "the kernel takes TCP sockets that are connected (or listen, in a map that no program of SK_MSG or "
                "SK_SKB uses), UDP sockets that are bound (bind() it first) or connected, and connected UNIX or VSOCK "
                "sockets"
            )
        if error in (errno.ENOTSOCK, errno.EBADF):
            return "that is no socket"
        return super()._hint(error, flags)


class SockMap(_Sockets, Slots):
    """An array of sockets: ``m[0] = sock`` for a Python `socket`, or any descriptor.

    What is read is the socket's cookie (``SO_COOKIE``), if values have 8 bytes, and ``None`` of an empty place. A
    socket that is closed leaves the map by itself. Linux 4.14.
    """

    __slots__ = ()


class SockHash(_Sockets, LendingHash):
    """A hash of sockets: a mutable mapping, with values as in `SockMap`. Linux 4.18."""

    __slots__ = ()


class ReuseportSockArray(_Sockets, Slots):
    """An array of sockets that share a port, for ``bpf_sk_select_reuseport()``: ``m[0] = sock``.

    A socket must have ``SO_REUSEPORT`` and be bound (and listen, if it is of TCP), and can be in one such map at a
    time. What is read is its cookie, if values have 8 bytes. Linux 4.19.
    """

    __slots__ = ()

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EINVAL:
            return "the socket must have SO_REUSEPORT, and be bound, and listen if it is of TCP"
        if error == errno.EBUSY:
            return "the socket is in such a map already"
        return super()._hint(error, flags)
