"""Let the calls of this process fail one by one: a hook in the tables of shared objects (faults.c), and the errnos.

A `Kind` is a group of calls with the errnos that they may have, from their manual pages.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SOURCE = os.path.join(os.path.dirname(__file__), "faults.c")


class Kind(NamedTuple):
    """Calls that fail for the same reasons: a bit of faults.c, and their errnos, the telling ones first."""

    bit: int
    errors: tuple[int, ...]


def _errors(names: str) -> tuple[int, ...]:
    return tuple(getattr(errno, name) for name in names.split())


KINDS = {
    "memory": Kind(1, _errors("ENOMEM")),
    "open": Kind(2, _errors("EMFILE EACCES ENOENT ENFILE ENOMEM EPERM EIO ELOOP ENODEV EBUSY")),
    "mmap": Kind(4, _errors("ENOMEM EPERM EACCES EAGAIN EINVAL ENODEV ENFILE EBADF")),
    "ioctl": Kind(8, _errors("EINVAL EPERM EACCES ENOMEM EBUSY EEXIST ENOTTY EFAULT E2BIG")),
    "epoll": Kind(16, _errors("ENOMEM ENOSPC EPERM EEXIST EINVAL EBADF")),
    "timer": Kind(32, _errors("EINVAL")),
    "clone": Kind(64, _errors("EAGAIN ENOMEM EPERM")),
    "socket": Kind(128, _errors("ENOBUFS ENOMEM EPERM EACCES EADDRINUSE")),
    "read": Kind(256, _errors("EIO EINVAL ENOMEM EACCES EFAULT EBADF")),
    "dup": Kind(512, _errors("EMFILE EINVAL EBADF")),
    "bpf": Kind(
        1024,
        _errors("ENOMEM EMFILE EINTR ENFILE EAGAIN")
        + _errors("EPERM EINVAL E2BIG ENOSPC EACCES EBUSY EEXIST ENOENT EFAULT EOPNOTSUPP"),
    ),
    "perf_event_open": Kind(
        2048, _errors("EINVAL EMFILE EACCES EBUSY ENODEV ENOENT ENOMEM ENOSPC ENOSYS EOPNOTSUPP EPERM ESRCH EINTR")
    ),
    "pidfd_open": Kind(4096, _errors("EMFILE EINVAL ENFILE ENODEV ENOMEM ESRCH ENOSYS")),
    "files": Kind(8192, _errors("EACCES ENOENT EIO ENOMEM EPERM EBUSY EROFS ENOSPC")),
    "wait": Kind(16384, _errors("EINTR EINVAL ENOMEM EFAULT")),
    "write": Kind(32768, _errors("EINVAL ENOSPC EIO EPERM EBUSY")),
    "create": Kind(65536, _errors("EMFILE ENFILE ENOMEM EPERM")),
}
"""``epoll_create1()``, ``eventfd()``, ``timerfd_create()``, ``pipe2()``, ``socket()`` are `create`, waits `wait`."""


ANSWERS = _errors("EAGAIN EPERM EINVAL E2BIG ENOSPC EACCES EBUSY EEXIST ENOENT EFAULT EOPNOTSUPP")
"""By which the kernel says of what bpf(2) is asked for that it is not there (yet), not so, or not for everybody.

Then nothing is an answer too: a map without such a key, an object without BTF, a listing without a link's number. By
the others of `KINDS` it says that it could not answer.
"""


def build(folder: str) -> str:
    """Compile faults.c; give the path of the library."""
    output = os.path.join(folder, "faults.so")
    if not os.path.exists(output):
        command = [os.environ.get("CC", "cc"), "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", output, SOURCE], check=True)
    return output


class Faults:
    """The hook, installed in the extension and in what it calls; `python` adds the interpreter's own system calls."""

    def __init__(self, library: str, *, python: bool) -> None:
        self._lib = ctypes.CDLL(library)
        self._lib.faults_arm.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
        self.where = ""
        self._text = ctypes.create_string_buffer(16384)
        assert self._lib.faults_install(b"/_libbpf.", 1) > 30
        for part in (b"/libelf", b"/libz."):
            self._lib.faults_install(part, 1)
        if python:
            for part in (b"/libpython3", b"/python3", b"/lib-dynload/"):
                self._lib.faults_install(part, 0)

    def arm(self, kind: Kind, count: int, error: int) -> None:
        """Let call `count` of a kind fail, from here on, in this process or a child that it makes from now on."""
        self._lib.faults_arm(kind.bit, count, error)

    def interrupt(self, kinds: Iterable[str], count: int) -> None:
        """Let a Ctrl-C come in call `count` of some kinds, which succeeds: Python sees the signal when C returns."""
        self._lib.faults_arm(sum(KINDS[name].bit for name in kinds), count, 0)

    def disarm(self) -> bool:
        """End it; tell whether a call has failed. `where` says which, and where it was called."""
        happened = bool(self._lib.faults_happened())
        self._lib.faults_where(self._text, len(self._text))
        self.where = self._text.value.decode()
        self._lib.faults_arm(0, 0, 0)
        return happened

    def calls(self, job: Callable[[], object]) -> dict[str, int]:
        """Give how many calls of each kind a job makes."""
        self._lib.faults_arm(-1, 0, 0)
        job()
        found = {name: int(self._lib.faults_seen(kind.bit)) for name, kind in KINDS.items()}
        self._lib.faults_arm(0, 0, 0)
        return found

    def count_blocks(self) -> int:
        """Begin to count the blocks of memory; give a number to ask with."""
        return int(self._lib.faults_count())

    def held(self, since: int) -> tuple[int, str]:
        """Give how many blocks taken since then are held, and by whom."""
        found = int(self._lib.faults_held(since, self._text, len(self._text)))
        return found, self._text.value.decode()
