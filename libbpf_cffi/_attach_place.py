"""Where a program goes among those that are on a hook already."""

from __future__ import annotations

import errno

from ._attach_methods import advice, method_of
from ._borrow import Descriptors
from ._check import failure
from ._ffi import lib, unsigned
from .links import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from typing_extensions import Self

    from ._program import LoadedProgram

    Neighbour: TypeAlias = LoadedProgram | Link | int | None

__all__ = ["LinkId", "Place", "describe", "must_be_of", "wrong_type"]


class LinkId(int):
    """The kernel's number for a link, where a number is a program's."""

    __slots__ = ()


class Place(Descriptors):
    """The fields of an option struct that say where: `flags`, `relative_fd`, `relative_id`, `expected_revision`.

    A neighbour is a program, a link, or a program's id. Its descriptor is held for the block: two programs of two
    objects may be attached crosswise, so that no two locks are held at a time.
    """

    __slots__ = ("_neighbour", "_word", "fields")

    def __init__(
        self,
        flags: int,
        relative_fd: int,
        relative_id: int,
        expected_revision: int,
        before: Neighbour,
        after: Neighbour,
    ) -> None:
        super().__init__()
        self.fields = {
            "flags": unsigned(flags, 32, "flags"),
            "relative_fd": unsigned(relative_fd, 31, "relative_fd"),
            "relative_id": unsigned(relative_id, 32, "relative_id"),
            "expected_revision": unsigned(expected_revision, 64, "expected_revision"),
        }
        if relative_fd and relative_id:
            raise ValueError("relative_fd and relative_id both name a neighbour: give one")
        if before is not None and after is not None:
            raise ValueError("a program is attached before another, or after one: give one of the two")
        self._neighbour, self._word = (after, "after") if before is None else (before, "before")
        if self._neighbour is not None and (relative_fd or relative_id):
            raise ValueError(f"{self._word} names a neighbour, and so does relative_fd or relative_id: give one")

    def __enter__(self) -> Self:
        try:
            if self._neighbour is not None:
                self._put_beside(self._neighbour)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _put_beside(self, neighbour: Any) -> None:
        fields = self.fields
        fields["flags"] |= lib.BPF_F_BEFORE if self._word == "before" else lib.BPF_F_AFTER
        if isinstance(neighbour, Link):
            fields["flags"] |= lib.BPF_F_LINK
            with neighbour._handle.lock:
                fields["relative_fd"] = self.dup(neighbour.fd)
        elif hasattr(neighbour, "_loaded"):
            with neighbour._handle.lock:
                fields["relative_fd"] = self.dup(neighbour._loaded(f"be {self._word} program {neighbour.name!r}"))
        elif hasattr(neighbour, "__index__"):
            fields["flags"] |= lib.BPF_F_LINK if isinstance(neighbour, LinkId) else 0
            fields["relative_id"] = unsigned(neighbour, 32, f"the id of the program to be {self._word}")
            if not fields["relative_id"]:
                raise ValueError("0 is the id of no program")
        else:
            raise TypeError(f"{self._word} is a Program, a Link or a program's id, not {type(neighbour).__name__}")

    def __bool__(self) -> bool:
        return any(self.fields.values())


def describe(kind: int, attach_type: int) -> str:
    """Say in words what a program is."""
    from .enums import AttachType, ProgType

    words = f"of type {ProgType(kind).name}"
    # 0 is the attach type of a program without one, and CGROUP_INET_INGRESS.
    return f"{words}, to be attached to {AttachType(attach_type).name}" if attach_type else words


def wrong_type(kind: int, attach_type: int, section: str) -> str:
    """Say that a method is not for a program of a kind, and which is."""
    if method_of(kind, attach_type, section) == "test_run":
        return f"a program {describe(kind, attach_type)} is not attached but called: program(…), or test_run()"
    by = advice(kind, attach_type, section)
    after = f": {by} attaches it" if by else ": attach() attaches what its section names"
    return f"the program is {describe(kind, attach_type)}{after}"


def must_be_of(program: Any, kind: int, action: str) -> None:
    """Refuse a program of another type, whose number alone the kernel would judge (EINVAL); a descriptor is taken."""
    if not hasattr(program, "_loaded") or (found := int(program.type)) == kind:
        return
    attach_type = int(getattr(program, "expected_attach_type", 0))
    raise failure(errno.EINVAL, action, wrong_type(found, attach_type, getattr(program, "section_name", "")))
