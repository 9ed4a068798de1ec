"""Paths of pins: every folder on the way is checked, and those that are missing are made.

The root of a BPF file system is usually world-writable with the sticky bit. A pin below a folder or a
symbolic link that another user has planted there can be removed by that user, which detaches the program of a
process that trusted it.
"""

from __future__ import annotations

import errno
import os
import stat

from . import tracefs
from ._borrow import Descriptors
from ._check import absent, check, failure
from ._ffi import lib, path_bytes
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

__all__ = ["Folders", "absolute_path", "check_pin", "opening_hint", "pin_path", "pinning_hint", "remove_pin"]

MAX_SYMLINKS = 40
"""As many as the kernel follows (MAXSYMLINKS, include/linux/namei.h)."""


def _untrusted(path: str, status: os.stat_result) -> str | None:
    """Say why what is at `path` must not lead to a pin, or ``None``."""
    if status.st_uid not in (0, os.geteuid()):
        return f"{path!r} belongs to user {status.st_uid}, who could remove what is pinned below it"
    if stat.S_ISLNK(status.st_mode):
        return None
    if not stat.S_ISDIR(status.st_mode):
        return f"{path!r} is not a folder"
    if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
        return f"{path!r} can be written by other users (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _walk(folder: str, action: str) -> Iterator[str]:
    """Check each existing folder from the root down to `folder`; yield those that are missing."""
    todo = [part for part in folder.split("/") if part][::-1]
    at, links, missing = "/", 0, False
    while todo:
        part = todo.pop()
        if part == "..":
            at = os.path.dirname(at)
            continue
        if part == ".":
            continue
        here = os.path.join(at, part)
        try:
            status = None if missing else os.lstat(here)
        except FileNotFoundError:
            status = None
        except OSError as error:
            if error.errno == errno.EPERM:
                # What a BPF file system says to a dot in a name (kernel/bpf/inode.c).
                _refuse_dot(here, action)
            check(-refused(error), action, hint=f"{here!r}: {error.strerror}")
            raise
        if status is None:
            missing = True
            at = here
            yield here
            continue
        _refuse_untrusted(here, status, action)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MAX_SYMLINKS:
                check(-errno.ELOOP, action)
            target = os.readlink(here)
            todo += [part for part in target.split("/") if part][::-1]
            at = "/" if target.startswith("/") else at
            continue
        at = here


def _refuse_untrusted(path: str, status: os.stat_result, action: str) -> None:
    reason = _untrusted(path, status)
    if reason:
        check(-errno.EPERM, action, hint=f"{reason}; pin below a folder of your own")


def _refuse_dot(path: str, action: str) -> None:
    if "." in os.path.basename(path):
        raise ValueError(f"cannot {action}: a BPF file system allows no '.' in a name: {path!r}")


class Folders:
    """Check the way to pins in `folders`, and make what is missing of it (mode 0700); take that away again if
    pinning fails.

    Outside a BPF file system nothing is made.
    """

    def __init__(self, action: str, *folders: str) -> None:
        self._made: list[str] = []
        self._folders = folders
        self._action = action

    def __enter__(self) -> Self:
        try:
            for folder in self._folders:
                self._make(folder)
        except BaseException:
            self._remove()
            raise
        return self

    def _make(self, folder: str) -> None:
        missing = list(_walk(folder, self._action))
        if missing and not tracefs.is_bpffs(os.path.dirname(missing[0])):
            # libbpf would make the last folder first and then refuse it.
            check(-errno.EINVAL, self._action, _not_bpffs(folder))
        for path in missing:
            _refuse_dot(path, self._action)
            try:
                os.mkdir(path, 0o700)
            except OSError as error:
                check(-refused(error), self._action, hint=f"cannot make the folder {path!r}")
            self._made.append(path)

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            self._remove()

    def _remove(self) -> None:
        for path in reversed(self._made):
            try:
                os.rmdir(path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                    raise
        self._made.clear()


def _not_bpffs(folder: str) -> str:
    return f"{folder!r} is on no BPF file system; pins live on one: mount -t bpf bpf /sys/fs/bpf"


def check_pin(path: str, action: str) -> None:
    """Refuse what is at `path`, if anything is, when it is another user's: a link of theirs leads where they like."""
    try:
        status = os.lstat(path)
    except OSError as error:
        absent(error, action)
        return  # libbpf says what is wrong
    if status.st_uid not in (0, os.geteuid()):
        hint = f"{path!r} belongs to user {status.st_uid}, who could have put anything there"
        check(-errno.EPERM, action, hint)


def opening_hint(error: int, path: str) -> str | None:
    """Say why nothing could be opened at `path`, where that is not about BPF but about files."""
    if error not in (errno.EACCES, errno.ENOENT, errno.ENOTDIR):
        return None
    here = "/"
    for part in path.split("/")[1:]:
        try:
            os.stat(os.path.join(here, part))
        except PermissionError:
            return _closed(here)
        except FileNotFoundError:
            return f"there is no {part!r} in {here!r}"
        except OSError as wrong:
            refused(wrong)
            return f"{os.path.join(here, part)!r}: {wrong.strerror}"
        here = os.path.join(here, part)
    if not tracefs.is_bpffs(path):
        return f"{path!r} is no pin: it is on no BPF file system"
    if os.path.isdir(path):
        return f"{path!r} is a folder: give the path of a pin in it, which kernel.pins() lists"
    return None if error != errno.EACCES else _closed(path)


def _closed(path: str) -> str | None:
    try:
        status = os.stat(path)
    except OSError as error:
        refused(error)
        return None
    return (
        f"{path!r} belongs to user {status.st_uid} and has the mode {stat.S_IMODE(status.st_mode):04o}, which this "
        f"process, of user {os.geteuid()}, is not let through by: CAP_DAC_OVERRIDE would do"
    )


def pinning_hint(error: int, path: str) -> str | None:
    """Say why nothing could be pinned at `path`."""
    if error != errno.EEXIST:
        return None if tracefs.is_bpffs(os.path.dirname(path)) else _not_bpffs(os.path.dirname(path))
    return f"something is at {path!r} already: unpin or remove that first, or pin elsewhere"


def absolute_path(path: str, action: str) -> str:
    """Give the absolute path of a path; `LibbpfError` if it is relative to a folder that is gone."""
    try:
        return os.path.abspath(path)
    except OSError as error:
        raise failure(refused(error), action, _current_folder_hint) from None


def _current_folder_hint(error: int) -> str | None:
    return "the current folder has been removed: give an absolute path" if error == errno.ENOENT else None


def pin_path(path: str | os.PathLike[str], action: str) -> tuple[str, bytes]:
    """Give the absolute path of a pin, as text and as C's bytes; `ValueError` if no pin can have that name."""
    absolute = absolute_path(os.fsdecode(path_bytes(path)), action)
    _refuse_dot(absolute, action)
    return absolute, path_bytes(absolute)


def remove_pin(path: str, action: str, is_it: Callable[[int], bool]) -> None:
    """Remove the pin at a path, if what is pinned there is it: a function of the descriptor tells."""
    with Descriptors() as borrowed:
        fd = borrowed.make(lib.bpf_obj_get, path_bytes(path))
        if fd < 0:
            check(fd, action, lambda error: opening_hint(error, path))
        if not is_it(fd):
            check(-errno.EINVAL, action, "something else is pinned there")
    try:
        os.unlink(path)
    except OSError as error:
        raise failure(refused(error), action) from None
