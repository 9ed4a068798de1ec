"""What only links of some kinds can: those of iterators are read."""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import check
from ._ffi import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

    from ._handle import Handle

__all__ = ["KindsOfLinks"]


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
        try:
            with self._handle.lock:
                fd = self.fd
                _log.listen()
                opened.extend(map(lib.bpf_iter_create, (fd,)))
            if opened[-1] < 0:
                check(opened.pop(), action, _iter_hint)
            file = FileIO(opened[-1], "r")
            opened.clear()
            return file
        finally:
            for fd in opened:
                os.close(fd)

    def read(self) -> str:
        """Run an iterator from beginning to end, and give what its program wrote (``bpf_seq_printf()``), as text.

        What is not UTF-8 comes as surrogate escapes. *Wraps* ``bpf_iter_create()``. Linux 5.8.
        """
        parts = []
        with self.iter_create() as file:
            try:
                while (part := file.read(1 << 16)) != b"":
                    parts.append(part or b"")
            except OSError as error:
                check(-(error.errno or errno.EIO), f"read {self._handle.name}", "the program has ended the iteration")
        return b"".join(parts).decode("utf-8", "surrogateescape")


def _iter_hint(error: int) -> str | None:
    return 'only the link of an iterator (SEC("iter/…")) can be read' if error == errno.EINVAL else None
