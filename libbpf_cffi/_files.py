"""Read and write the files that a user names."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO

from ._borrow import Descriptors
from ._check import check, failure, path_hint
from ._refusals import refused
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["IS_SOURCE", "MOST", "Parts", "file_parts", "read_file", "regular_file", "system_errors", "write_file"]

IS_SOURCE = "this is C: compile it first, with compile_object()"

MOST = 1 << 31
"""Bytes of a file that is read whole: a kernel with all its symbols has half of it, an object a few megabytes."""


MOST_PARTS = 1 << 30
"""Bytes that are read of a file of which only parts are wanted."""
_BLOCK = 1 << 16


class Parts:
    """What a regular file has, as its bytes: they are read as they are looked at.

    What somebody cuts off meanwhile is not there any more, where memory that is mapped would end this process.
    """

    def __init__(self, fd: int, size: int, action: str) -> None:
        self._fd = fd
        self._size = size
        self._action = action
        self._left = MOST_PARTS
        self._start, self._block = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        if stop - start > _BLOCK:
            self._left -= stop - start
            if self._left < 0:
                raise failure(errno.EFBIG, self._action, f"more than {MOST_PARTS} bytes of it were to be read")
            return self._read(start, stop - start)
        # Numbers are next to each other.
        if start < self._start or stop > self._start + len(self._block):
            self._start, self._block = start, self._read(start, _BLOCK)
        return self._block[start - self._start : max(stop - self._start, 0)]

    def _read(self, start: int, size: int) -> bytes:
        data = os.pread(self._fd, size, start)
        if len(data) == size or start + len(data) >= self._size:
            return data
        parts = [data]
        while data:
            # One call reads at most 2 GB, and some file systems less.
            start, size = start + len(data), size - len(data)
            data = os.pread(self._fd, size, start)
            parts.append(data)
        return b"".join(parts)


@contextmanager
def file_parts(path: str, action: str) -> Iterator[Parts]:
    """Open a regular file to read parts of it."""
    with _opened(path, action) as (fd, size):
        yield Parts(fd, size, action)


def read_file(path: str, action: str) -> bytes:
    """Read a regular file whole; a device or a FIFO would never end, nor a terabyte that nobody has written."""
    with _opened(path, action) as (fd, size):
        return _read_open(fd, size, action)


@contextmanager
def _opened(path: str, action: str) -> Iterator[tuple[int, int]]:
    """Open a regular file, and give its size too; what is refused in the block is `LibbpfError`."""
    with Descriptors() as made:
        try:
            # Without O_NONBLOCK the open itself waits for a FIFO's writer.
            fd = made.make(os.open, path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            status = os.fstat(fd)
            _check_regular(status.st_mode, action, "it is not a regular file")
            yield fd, status.st_size
        except Error:
            raise
        except OSError as error:
            check(-refused(error), action, hint=path_hint)
            raise
        except MemoryError:
            raise failure(errno.ENOMEM, action) from None


def _check_regular(mode: int, action: str, hint: str) -> None:
    if not stat.S_ISREG(mode):
        raise failure(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, action, hint)


def _read_open(fd: int, size: int, action: str) -> bytes:
    if size <= MOST:
        data = os.read(fd, size + 1)
        if len(data) == size > 0:
            return data
        # It grows, has no size (in /proc), or has more than one read gives.
        with FileIO(fd, closefd=False) as file:
            parts = [data]
            while size <= MOST and (part := file.read(1 << 20)) != b"":
                if part is None:
                    # Such as /proc/kmsg, which is no file to end.
                    check(-errno.EAGAIN, action)
                parts.append(part)
                size += len(part)
        if size <= MOST:
            return b"".join(parts)
    raise failure(errno.EFBIG, action, f"it has {size} bytes or more, and {MOST} are read")


@contextmanager
def system_errors(action: str) -> Iterator[None]:
    """Turn an ``OSError`` into the package's own, which says what was being done."""
    try:
        yield
    except Error:
        raise
    except OSError as error:
        number = refused(error)
        place = error.filename if isinstance(error.filename, (str, bytes)) else ""
        name = os.fsdecode(place)
        where = f"the file is {name!r}" if name and repr(name) not in action else None
        raise failure(number, action, hint=where or path_hint) from error


@contextmanager
def regular_file(path: str, action: str) -> Iterator[BinaryIO]:
    """Open a regular file to read it; a device or a FIFO would never end."""
    # Not with an opener of Python's: a Ctrl-C at its end would lose the descriptor.
    with system_errors(action), Descriptors() as made:
        # Without O_NONBLOCK the open itself waits for a FIFO's writer.
        fd = made.make(os.open, path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        _check_regular(os.fstat(fd).st_mode, action, f"{path!r} is not a regular file")
        with open(fd, "rb", closefd=False) as file:
            yield file


def write_file(path: str, data: bytes, mode: int = 0o666) -> None:
    """Write a file whole or not at all: what was there stays until all of `data` is written.

    `mode` is that of a new file, less the umask. A symbolic link is followed, and what is no regular file, such as
    a terminal or ``/dev/null``, is written to as it is.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "wb") as file:
                file.write(data)
            return
    path = os.path.realpath(path)
    name = f".{os.path.basename(path)[:50]}.{os.urandom(6).hex()}"
    temporary = os.path.join(os.path.dirname(path), name)
    try:
        # The opener is C's alone: a Ctrl-C at the end of one of Python's would lose the descriptor.
        with open(temporary, "xb", opener=partial(os.open, mode=mode)) as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            error.filename = path
        raise
