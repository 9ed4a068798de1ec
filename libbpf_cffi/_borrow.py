"""Descriptors that one call needs: made before it and closed after it, whatever happens."""

from __future__ import annotations

import errno
import fcntl
from itertools import starmap

from ._check import failure
from ._ffi import ffi, lib, unsigned
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import CData

__all__ = ["LEAST", "Descriptors"]

LEAST = 3
"""No duplicate takes the place of a standard stream."""


class Descriptors:
    """Descriptors that were made for one call, closed at the end of the block.

    A duplicate spares holding the lock of its owner during the call, and two locks at once.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[CData] = []
        """Numbers that close their descriptors when they go: also those of a block whose end a Ctrl-C has kept out."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._made.clear()

    def make(self, function: Callable[..., int], *arguments: object) -> int:
        """Call the C function that makes a descriptor, and keep that for the block; give it, or a negative errno.

        One step of Python's, in which no Ctrl-C comes, as it could in a function that is written in Python.
        """
        made = map(ffi.cast, ("int",), starmap(function, (arguments,)))
        self._made.extend(map(ffi.gc, made, (lib.lbc_descriptor__close,)))
        fd = int(self._made[-1])
        if fd < 0:
            self._made.pop()
        return fd

    def dup(self, fd: int, action: str = "") -> int:
        """Duplicate a descriptor for an action, or raise `LibbpfError`: there may be no more of them."""
        try:
            return self.make(fcntl.fcntl, fd, fcntl.F_DUPFD_CLOEXEC, LEAST)
        except OSError as error:
            # A limit that is below `LEAST` is EINVAL.
            number = errno.EMFILE if refused(error) == errno.EINVAL else refused(error)
            raise failure(number, action or "duplicate a descriptor") from None

    def of(self, thing: Any, action: str = "") -> int:
        """Duplicate the descriptor of a program, a map, a link or BTF; a program says what could not be done."""
        with thing._handle.lock:
            fd = thing._loaded(action) if action and hasattr(thing, "_loaded") else thing.fd
            return self.dup(fd, action)

    def any(self, value: Any, what: str, wanted: str) -> int:
        """Give the descriptor that a thing has, or that a number is: that one stays the caller's."""
        if hasattr(value, "__index__"):
            return unsigned(value, 31, what)
        if hasattr(value, "_handle") and hasattr(type(value), "fd"):
            with value._handle.lock:
                if value.fd is None:
                    raise ValueError(f"{what}: {value!r} has no descriptor: load() gives it one")
                return self.of(value)
        if hasattr(value, "fileno"):
            return unsigned(value.fileno(), 31, what)
        raise TypeError(f"{what} must be {wanted}, or a descriptor, not {type(value).__name__}")
