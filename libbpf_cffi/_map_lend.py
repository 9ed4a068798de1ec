"""Maps whose values, or keys, are handed to the kernel as descriptors: of programs, maps, sockets, files, processes.

What a descriptor of ours is needed for is one call: it is made before and closed after it, whatever happens.
"""

from __future__ import annotations

import errno
import os

from ._arguments import descriptor, iterable
from ._borrow import Descriptors
from ._cgroup_process import cgroup_folder
from ._check import by_id_hint, check, failure, path_hint
from ._ffi import lib, path_bytes, unsigned
from ._map import Map
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from typing_extensions import Self

__all__ = ["Borrowed", "Lending", "ProgramId", "Stand"]


class ProgramId(int):
    """The kernel's number for a program, as maps of programs give it; what takes a `Program` takes it too.

    That opens the program by its number, which needs CAP_SYS_ADMIN.
    """

    __slots__ = ()


class Borrowed(Descriptors):
    """The descriptors that one call needs. Those that were made for it are closed at the end of the block."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def program(self, value: Any) -> int:
        """Give a descriptor of a `Program`, or what `file` takes."""
        if isinstance(value, Map):
            raise TypeError(f"a value of {self._what} must be a Program, not a {type(value).__name__}")
        if isinstance(value, ProgramId):
            return self._program_of(int(value))
        if not hasattr(value, "section_name"):
            return self.file(value, "a Program")
        with value._handle.lock:
            return self.dup(value.fd, f"put program {value.name!r} into {self._what}")

    def _program_of(self, number: int) -> int:
        def hint(error: int) -> str | None:
            if error == errno.ENOENT:
                return f"no program has the id {number} any more"
            return by_id_hint(error)

        fd = self.make(lib.bpf_prog_get_fd_by_id, number)
        return check(fd, f"open program {number} for {self._what}", hint)

    def map(self, value: Any) -> int:
        """Give a descriptor of a `Map`, or what `file` takes."""
        if not isinstance(value, Map):
            if hasattr(value, "section_name"):
                raise TypeError(f"a value of {self._what} must be a Map, not a {type(value).__name__}")
            return self.file(value, "a Map")
        return value._dup(self, f"put {value._what} into {self._what}")

    def file(self, value: Any, wanted: str) -> int:
        """Give the descriptor that `value` is, or that its ``fileno()`` is: it stays the caller's."""
        if hasattr(value, "fileno"):
            return descriptor(value, f"{value!r} for {self._what}")
        if not hasattr(value, "__index__"):
            raise TypeError(
                f"{self._what} takes {wanted}, an object with fileno(), or a descriptor, not {type(value).__name__}"
            )
        return unsigned(value, 31, "a descriptor")

    def path(self, value: Any, flags: int, wanted: str) -> int:
        """Open a path for the block; anything else is what `file` takes."""
        if not isinstance(value, (str, bytes)) and not hasattr(value, "__fspath__"):
            return self.file(value, wanted)
        try:
            return self.make(os.open, path_bytes(value), flags | os.O_CLOEXEC)
        except OSError as error:
            raise failure(refused(error), f"open {os.fsdecode(value)!r} for {self._what}", path_hint) from None

    def cgroup(self, value: Any) -> int:
        """Open the folder of a control group, or that of the group of a process whose number is given as digits."""
        wanted = 'the folder of a control group, the number of a process in it as a string ("1234")'
        return self.path(cgroup_folder(value), os.O_RDONLY | os.O_DIRECTORY, wanted)


class Stand(int):
    """A number that stands for something in messages."""

    _shown: str

    def __new__(cls, number: int, shown: object) -> Self:
        """Make one that is shown as the `repr` of what it stands for."""
        self = int.__new__(cls, number)
        self._shown = repr(shown)
        return self

    def __repr__(self) -> str:
        return self._shown


class Lending(Map):
    """A map whose values are written as descriptors."""

    __slots__ = ()

    _own_value = True

    def _lend(self, value: Any, borrowed: Borrowed) -> Any:
        """Give what the codec of values encodes."""
        raise NotImplementedError

    def _update(self, key: Any, value: Any, flags: int) -> None:
        if self._is_raw:
            super()._update(key, value, flags)
            return
        with Borrowed(self._what) as borrowed:
            super()._update(key, self._lend(value, borrowed), flags)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EBADF:
            return "the descriptor is not open, or not one of such a thing: a plain integer is a descriptor, not an id"
        return super()._hint(error, flags)

    def update_many(
        self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]], values: Iterable[Any] | None = None, *, flags: int =
        0 ) -> None:
        """Write many entries, of a mapping, of pairs, or of keys and `values` apart; one by one, in their order.

        What comes before one that is refused has been written.
        """
        number = unsigned(flags, 64, "flags")
        if values is not None:
            keys, given = list(iterable(other, "keys")), list(iterable(values, "values"))
            if len(keys) != len(given):
                raise ValueError(f"there are {len(given)} values for {len(keys)} keys")
            pairs: Any = zip(keys, given, strict=True)
        else:
            pairs = other.items() if hasattr(other, "items") else iterable(other, "entries")
        for pair in pairs:
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise TypeError(f"each of the entries must be a key and a value, not {pair!r}")
            key, value = pair
            self._update(key, value, number)
