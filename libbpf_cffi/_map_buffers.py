"""Ring buffers, as maps: what they are and how large; what is in them is not elements."""

from __future__ import annotations

from ._map import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["RingBufferMap", "UserRingBufferMap"]


class RingBufferMap(Map):
    """A ring buffer as a map: its settings and info. It has no elements: programs write records, readers consume them.

    `max_entries` is its size in bytes, a power of two and a multiple of a page. Linux 5.8.
    """

    __slots__ = ()

    _instead = "a ring buffer has no elements: programs write records into it, which a reader consumes"

    def _refused(self) -> TypeError:
        self._handle.check()
        return TypeError(f"{self._what}: {self._instead}")

    def _open_elements(self) -> Any:
        raise self._refused()

    def get_next_key(self, key: Any = None) -> Any:  # noqa: ARG002 - the verb of all maps
        """Raise `TypeError`: there are no elements."""
        raise self._refused()

    def __getitem__(self, key: Any) -> Any:
        raise self._refused()

    def __setitem__(self, key: Any, value: Any) -> None:
        raise self._refused()

    def __delitem__(self, key: Any) -> None:
        raise self._refused()

    def __contains__(self, key: object) -> bool:
        raise self._refused()

    def __iter__(self) -> Any:
        raise self._refused()

    def __len__(self) -> int:
        raise self._refused()

    def __bool__(self) -> bool:
        return True


class UserRingBufferMap(RingBufferMap):
    """A user ring buffer as a map: user space writes records, a program consumes them. Linux 6.1."""

    __slots__ = ()

    _instead = "a user ring buffer has no elements: user space writes records into it, which a program drains"
