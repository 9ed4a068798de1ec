"""Where the maps of an object are pinned: libbpf keeps the path of a pin that is gone, and takes no other then."""

from __future__ import annotations

import os

from ._ffi import ffi, lib, path_bytes, text
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._handle import ObjectHandle
    from ._libbpf import bpf_map

__all__ = ["PinPaths", "pin_all", "pin_gone", "pinned_elsewhere", "unpin_all"]


class PinPaths:
    """Set the paths of maps right around a call that pins or unpins them.

    With `anew` it pins at a path that is given: a map that is not pinned forgets for it where it was to be. Afterwards
    one that is not pinned, unpinned or refused, has the path that it had before it was pinned.
    """

    def __init__(self, handle: ObjectHandle, maps: Iterable[bpf_map], *, anew: bool) -> None:
        self._before = handle.pin_paths
        self._anew = anew
        self._maps = [(_address(each), each) for each in maps]

    def __enter__(self) -> None:
        try:
            for address, each in self._maps:
                if not lib.bpf_map__is_pinned(each):
                    # Noted before it is changed: what a signal's handler raises may come at any step.
                    self._before.setdefault(address, _path(each))
                    if self._anew and _path(each):
                        lib.bpf_map__set_pin_path(each, ffi.NULL)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        for address, each in self._maps:
            if lib.bpf_map__is_pinned(each):
                continue
            wanted = self._before.get(address)
            if wanted is not None and _path(each) != wanted:
                lib.bpf_map__set_pin_path(each, path_bytes(wanted) if wanted else ffi.NULL)
            self._before.pop(address, None)


def _address(map: bpf_map) -> int:
    return int(ffi.cast("uintptr_t", map))


def _path(map: bpf_map) -> str:
    return text(lib.bpf_map__pin_path(map))


def _place(folder: str, map: bpf_map) -> str:
    # libbpf's sanitize_pin_path() changes the dots of the folder, too, which is another folder then.
    return f"{folder}/{text(lib.bpf_map__name(map)).replace('.', '_')}"


def pin_all(maps: Iterable[bpf_map], folder: str | None, rest: Iterable[int]) -> int:
    """Pin the maps that are not yet, in a folder or where each is to be, then the rest; give 0, or a negative errno.

    The rest is pinned when its status is asked for. What fails takes away what it has pinned. bpf_object__pin_maps()
    and bpf_object__pin() take away the pins that were there before, too.
    """
    made = [
        each
        for each in maps
        if lib.bpf_map__autocreate(each)
        and (folder is not None or _path(each))
        # A pin that another has removed is made anew; libbpf takes the map for pinned.
        and (not lib.bpf_map__is_pinned(each) or pin_gone(_path(each)) is not None)
    ]
    pinned: list[int] = []
    try:
        for each in made:
            path = path_bytes(_path(each) if folder is None else _place(folder, each))
            if lib.bpf_map__is_pinned(each):
                status = lib.bpf_obj_pin(lib.bpf_map__fd(each), path)
            else:
                status = lib.bpf_map__pin(each, path)
            if status < 0:
                return status
        # One step pins and stores: with the rest pinned, a handler that raises does not take the maps' pins away.
        pinned.extend(rest)
        return pinned[-1]
    finally:
        if not pinned or pinned[-1] < 0:
            for each in made:
                if lib.bpf_map__is_pinned(each):
                    lib.bpf_map__unpin(each, ffi.NULL)


def unpin_all(maps: Iterable[bpf_map], folder: str | None) -> tuple[int, str | None]:
    """Unpin all maps that `pin_all` would pin; give 0, or the first failure, a negative errno, and a hint.

    bpf_object__unpin_maps() ends at that, and fails for every map that has not been created.
    """
    failed, hint = 0, None
    for each in maps:
        path = _path(each) if folder is None else _place(folder, each)
        if lib.bpf_map__autocreate(each) and path:
            status = lib.bpf_map__unpin(each, path_bytes(path))
            if status < 0 and not failed:
                failed = status
                if lib.bpf_map__is_pinned(each) and (gone := pin_gone(_path(each))) is not None:
                    hint = f"map {text(lib.bpf_map__name(each))!r}: {gone}"
    return failed, hint


def pin_gone(path: str) -> str | None:
    """Say of a pin that was not removed by its map, which libbpf takes for pinned from then on, that it is gone."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return (
            f"its pin at {path!r} has been removed by another, and libbpf takes it for pinned: pin it there again and "
            "unpin it, or pin Map.from_fd(map.fd)"
        )
    except OSError as error:
        refused(error)
    return None


def pinned_elsewhere(maps: Iterable[bpf_map], folder: str) -> str | None:
    """Say which map has a pin already, and not the one that it is to have in a folder."""
    for each in maps:
        name, path = text(lib.bpf_map__name(each)), _path(each)
        if lib.bpf_map__autocreate(each) and lib.bpf_map__is_pinned(each) and path != _place(folder, each):
            why = f"map {name!r} is pinned at {path!r}, and a map of an object has one pin: unpin it first"
            return f"map {name!r}: {gone}" if (gone := pin_gone(path)) is not None else why
    return None
