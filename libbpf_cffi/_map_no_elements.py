"""Maps that have no elements: memory of another kind."""

from __future__ import annotations

from ._map import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["NoElements"]


class NoElements(Map):
    """A map whose memory is no elements: asked for one, it says what to do instead."""

    __slots__ = ()

    _instead = ""

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
