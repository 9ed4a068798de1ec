"""Read a file that a user names."""

from __future__ import annotations

import errno
import os
import stat
from io import FileIO

from ._check import check
from .errors import Error

__all__ = ["read_file"]


def read_file(path: str, action: str) -> bytes:
    """Read a regular file whole; a device or a FIFO would never end."""
    opened: list[int] = []
    try:
        try:
            # Without O_NONBLOCK the open itself waits for a FIFO's writer. One step opens and stores, so that no Ctrl-C
            # loses the descriptor.
            opened.extend(map(os.open, (path,), (os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK,)))
            (fd,) = opened
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                error = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
                check(-error, action, hint="it is not a regular file")
            data = os.read(fd, status.st_size + 1)
            if len(data) == status.st_size > 0:
                return data
            # It grows, has no size (in /proc), or has more than one read gives (2 GiB).
            return data + FileIO(fd, closefd=False).readall()
        finally:
            for fd in opened:
                os.close(fd)
    except Error:
        raise
    except OSError as error:
        check(-(error.errno or errno.EIO), action, hint=_file_hint)
        raise


def _file_hint(error: int) -> str | None:
    return "the file's own permissions, or those of a folder on the way, forbid it" if error == errno.EACCES else None
