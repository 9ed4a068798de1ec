"""Iterators of iterables, for ``chain.from_iterable()``: two may ask one at the same time.

``chain`` gives up what it takes its iterables from when that raises, though another thread, or the call that a signal
handler has interrupted, is inside of it: a generator is freed while it runs, and the process dies (seen with CPython
3.10 to 3.13). So nothing is raised there. Whoever comes second is handed an iterator that raises `StateError`, and the
first goes on.
"""

from __future__ import annotations

from itertools import chain, repeat

from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

__all__ = ["chained"]


def _refuse(_: None) -> NoReturn:
    raise StateError("this iterator is in use, by another thread or by the call that was interrupted here")


_REFUSAL: Iterator[Any] = map(_refuse, repeat(None))
"""Of C: between the step that returns it and its first one no other thread runs."""


class _Alone:
    __slots__ = ("_source",)

    def __init__(self, source: Iterator[Iterable[Any]]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Iterable[Any]]:
        return self

    def __next__(self) -> Iterable[Any]:
        try:
            return next(self._source)
        except ValueError as error:
            if str(error) != "generator already executing":
                raise
            return _REFUSAL


def chained(source: Iterator[Iterable[Any]]) -> Iterator[Any]:
    """Give what is in the iterables that a generator gives, one after the other, with no Python between them."""
    return chain.from_iterable(_Alone(source))
