"""An ordered mapping by name, whose `KeyError` names what comes close."""

from __future__ import annotations

from _collections_abc import Mapping

from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Generic, TypeVar

    Item = TypeVar("Item")

    class _Base(Mapping[str, Item], Generic[Item]):
        """`Mapping` has no subscript at run time without importing `typing`."""
else:

    class _Base(Mapping):
        def __class_getitem__(cls, item: object) -> type:
            return cls


__all__ = ["Named", "missing_name"]


def missing_name(name: object, names: list[str], kind: str, where: str) -> KeyError:
    """Make the `KeyError` for a name that `where` does not have, with the close ones that it has."""
    import difflib

    close = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    if close:
        known = f"; close names: {', '.join(map(repr, close))}"
    elif names:
        known = f"; there are: {', '.join(map(repr, names[:10]))}{', …' if len(names) > 10 else ''}"
    else:
        known = f"; it has no {kind}s"
    return KeyError(f"{where} has no {kind} {name!r}{known}")


class Named(_Base["Item"]):
    """Things by name, in the order of the object file.

    `find` gives the thing of a name, or ``None``; `names` the names.
    """

    __slots__ = ("_find", "_kind", "_names", "_where")

    def __init__(
        self, names: Callable[[], list[str]], find: Callable[[str], Item | None], kind: str, where: str
    ) -> None:
        self._names = names
        self._find = find
        self._kind = kind
        self._where = where

    def __getitem__(self, name: str) -> Item:
        item = self._find(name)
        if item is None:
            raise missing_name(name, self._names(), self._kind, self._where)
        return item

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            why = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_"):
                why += f": a {self._kind} is had by its name, …[{name!r}]"
            raise AttributeError(why, name=name, obj=self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """Give the thing of a name, or `default`."""
        item = self._find(name)
        return default if item is None else item

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        try:
            return f"<{self._kind}s of {self._where}: {', '.join(self._names()) or 'none'}>"
        except Error:
            return f"<{self._kind}s of {self._where} (closed)>"
