"""Reading what the kernel tells of each of its things, opened by its id for the moment."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import by_id_hint, check
from ._ffi import ffi
from ._kernel_holders import GONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NamedTuple, TypeVar

    Info = TypeVar("Info", bound=NamedTuple)

__all__ = ["each_of", "raw_info"]


def each_of(ids: Iterable[int], opening: Callable[..., int], read: Callable[[int, str], Info], kind: str) -> list[Info]:
    """Open each thing by its id, and read what the kernel says of it."""
    found = []
    _log.listen()
    for number in ids:
        action = f"open {kind} {number}"
        held: list[int] = []
        try:
            # One step opens and stores, so that no Ctrl-C loses the descriptor.
            held.extend(map(opening, (number,), (ffi.NULL,)))
            if -held[0] in GONE:
                continue
            check(held[0], action, by_id_hint)
            found.append(read(held[0], f"get the info of {kind} {number}"))
        except OSError as error:
            # The kernel tells nothing of a program whose network device is gone, but still lists it.
            if error.errno != errno.ENODEV:
                raise
        finally:
            for fd in held:
                if fd >= 0:
                    os.close(fd)
    return found


def raw_info(
    struct: str, function: Callable[..., int], fd: int, action: str, filled: Callable[[Any], object] | None = None
) -> Callable[..., Any]:
    """Give a function that has the kernel fill a struct, as those of `infos` want it."""

    def raw(info: Any = None) -> Any:
        if info is None:
            info = ffi.new(f"struct {struct} *")
            if filled is not None:
                filled(info)
        size = ffi.new("__u32 *", ffi.sizeof(info[0]))
        check(function(fd, info, size), action)
        return info

    return raw
