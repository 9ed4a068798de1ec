"""What only links of some kinds can: those of iterators are read."""

from __future__ import annotations

import errno
import os

from . import _log
from ._borrow import Descriptors
from ._check import check, failure
from ._ffi import lib
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

    from ._handle import Handle

__all__ = ["KindsOfLinks"]

MOST_EMPTY = 10_000
"""Reads that give nothing, one after the other: the kernel ends one after a million objects, or when it is asked to go
through the same object again.
"""

RETRIED = "the program returns 1, which asks for the same object again"


class KindsOfLinks:
    """What only links of some kinds can; each says so of the others."""

    __slots__ = ()

    _handle: Handle[Any]

    @property
    def fd(self) -> int:
        """The link's descriptor."""
        raise NotImplementedError

    def iter_create(self) -> FileIO:
        """Start an iteration of an iterator's link, and give the file that its program writes to.

        *Wraps* ``bpf_iter_create()``. It is the caller's to close. A read that gives ``None`` (EAGAIN) has walked over
        much of which the program wrote nothing: read again. Linux 5.8.
        """
        from io import FileIO

        action = f"start an iteration of {self._handle.name}"
        opened: list[int] = []
        files: list[FileIO] = []
        try:
            with self._handle.lock:
                fd = self.fd
                _log.listen()
                opened.extend(map(lib.bpf_iter_create, (fd,)))
            if opened[-1] < 0:
                check(opened.pop(), action, _iter_hint)
            # One step makes and stores: what a handler raises would end a file that is in no name yet, and with it the
            # descriptor, whose number is another's then.
            files.extend(map(FileIO, opened, ("r",)))
            return files[0]
        except BaseException:
            for file in files:
                file.close()
            if not files:
                # One that is negative is an errno, which has not come to be told.
                for fd in opened:
                    if fd >= 0:
                        os.close(fd)
            raise

    def read(self) -> str:
        """Run an iterator from beginning to end, and give what its program wrote (``bpf_seq_printf()``), as text.

        What is not UTF-8 comes as surrogate escapes. A program that returns 1 asks for the same object once more, as
        often as it does: one that goes on with that is a `LibbpfError` (EAGAIN). *Wraps* ``bpf_iter_create()``. Linux
        5.8.
        """
        from io import FileIO

        action = f"read {self._handle.name}"
        parts: list[bytes] = []
        empty = 0
        with Descriptors() as made:
            with self._handle.lock:
                link = self.fd
                _log.listen()
                fd = made.make(lib.bpf_iter_create, link)
            check(fd, action, _iter_hint)
            # It gives None for EAGAIN, which as an exception would be no other than what a handler may raise.
            file = FileIO(fd, "r", closefd=False)
            while empty < MOST_EMPTY:
                try:
                    part = file.read(1 << 16)
                except OSError as error:
                    raise failure(refused(error), action, "the program has ended the iteration") from None
                if part == b"":
                    return b"".join(parts).decode("utf-8", "surrogateescape")
                parts.append(part or b"")
                empty = 0 if part else empty + 1
        raise failure(errno.EAGAIN, action, RETRIED)


def _iter_hint(error: int) -> str | None:
    return 'only the link of an iterator (SEC("iter/…")) can be read' if error == errno.EINVAL else None
