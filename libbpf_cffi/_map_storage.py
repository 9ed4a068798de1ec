"""Storage of programs on tasks, sockets, inodes and control groups."""

from __future__ import annotations

import errno
import os

from ._check import absent, failure
from ._codec_scalar import IntCodec
from ._ffi import lib, unsigned
from ._map import Map
from ._map_elements import MISSING
from ._map_lend import Borrowed, Stand
from ._map_slots import ORDER
from ._refusals import refused

TRIES = 100
"""How often a value is given to what the kernel takes an earlier one from, that of a map that has gone (EAGAIN)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._codec import Codec

__all__ = ["CgrpStorage", "InodeStorage", "SkStorage", "Storage", "TaskStorage"]


class Storage(Map):
    """What programs keep on things of the kernel: ``storage[thing]`` reads and writes the value that one has.

    The thing is lent for the call: its descriptor is made before and closed after it. Keys cannot be listed. A value
    goes with its thing. Keys of a `raw` map are descriptors, as bytes.
    """

    __slots__ = ()

    _own_key = True

    _thing = "a thing"

    def _lend_key(self, key: Any, borrowed: Borrowed) -> int:
        raise NotImplementedError

    def _make_key_codec(self) -> Codec:
        return super()._make_key_codec() if self._is_raw else IntCodec(4, True, "descriptor", ORDER)

    def _with(self, key: Any, call: Callable[[Any], Any]) -> Any:
        """Call with the key as the codec takes it."""
        if self._is_raw:
            return call(key)
        with Borrowed(self._what) as borrowed:
            try:
                return call(Stand(self._lend_key(key, borrowed), key))
            except KeyError:
                raise KeyError(key) from None

    def _lookup(self, function: Callable[..., int], verb: str, key: Any, flags: int) -> Any:
        over = super()._lookup
        return self._with(key, lambda lent: over(function, verb, lent, flags))

    def _update(self, key: Any, value: Any, flags: int) -> None:
        over = super()._update

        def update(lent: Any) -> None:
            for _ in range(TRIES):
                try:
                    return over(lent, value, flags)
                except OSError as error:
                    if error.errno != errno.EAGAIN:
                        raise
                os.sched_yield()
            return over(lent, value, flags)

        self._with(key, update)

    def delete_elem(self, key: Any, flags: int = 0) -> None:
        """Delete what `key` has; `KeyError` if it has nothing. *Wraps* ``bpf_map_delete_elem_flags()``."""
        over = super().delete_elem
        self._with(key, lambda lent: over(lent, flags))

    def get_next_key(self, key: Any = None) -> Any:  # noqa: ARG002 - the verb of all maps
        """Raise `TypeError`: a storage's keys cannot be listed."""
        self._handle.check()
        raise TypeError(f"the keys of {self._what} cannot be listed: each value is kept with what it belongs to")

    def __getitem__(self, key: Any) -> Any:
        found = self._lookup(lib.lbc_lookup, "look up", key, 0)
        if found is MISSING:
            raise KeyError(key)
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        self._update(key, value, 0)

    def __delitem__(self, key: Any) -> None:
        self.delete_elem(key)

    def __contains__(self, key: object) -> bool:
        return self._lookup(lib.lbc_lookup, "look up", key, 0) is not MISSING

    def __iter__(self) -> Any:
        return self.get_next_key()

    def get(self, key: Any, default: Any = None) -> Any:
        """Give the value of `key`, or `default`."""
        found = self._lookup(lib.lbc_lookup, "look up", key, 0)
        return default if found is MISSING else found

    def pop(self, key: Any, default: Any = MISSING) -> Any:
        """Give the value of `key` and delete it, in two steps; `default`, or `KeyError`, if it has none."""
        found = self._lookup(lib.lbc_lookup, "look up", key, 0)
        if found is MISSING:
            if default is MISSING:
                raise KeyError(key)
            return default
        self.delete_elem(key)
        return found

    def _hint(self, error: int, flags: int) -> str | None:
        if error in (errno.EBADF, errno.ENOTSOCK):
            return f"a key of this map is {self._thing}"
        return super()._hint(error, flags)


class TaskStorage(Storage):
    """What programs keep on tasks. A key is the id of a process or thread, or a pidfd.

    A number that is a pidfd of this process (`os.pidfd_open`) is taken for that, not for an id. Threads other than a
    process's first need Linux 6.9. Linux 5.11.
    """

    __slots__ = ()

    _thing = "a process or thread: its id or a pidfd"

    def _lend_key(self, key: Any, borrowed: Borrowed) -> int:
        if hasattr(key, "fileno"):
            return borrowed.file(key, self._thing)
        if not hasattr(key, "__index__"):
            raise TypeError(f"a key of {self._what} is {self._thing}, not {type(key).__name__}")
        number = unsigned(key, 31, "the id of a process")
        if _is_pidfd(number):
            return number
        try:
            try:
                return borrowed.make(os.pidfd_open, number)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOENT):
                    raise
                # A thread: PIDFD_THREAD.
                return borrowed.make(os.pidfd_open, number, os.O_EXCL)
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise failure(errno.ESRCH, f"find the process {number}", "it has ended, or never was") from None
            raise failure(refused(error), f"open the process {number}") from None


def _is_pidfd(number: int) -> bool:
    """Tell whether a number is a pidfd of this process: ``anon_inode:[pidfd]``, since Linux 6.9 ``pidfd:[…]``."""
    try:
        return "pidfd" in os.readlink(f"/proc/self/fd/{number}")
    except OSError as error:
        absent(error, f"find out what descriptor {number} is")
        return False


class SkStorage(Storage):
    """What programs keep on sockets. A key is a `socket`, or its descriptor. Linux 5.2."""

    __slots__ = ()

    _thing = "a socket, or its descriptor"

    def _lend_key(self, key: Any, borrowed: Borrowed) -> int:
        return borrowed.file(key, self._thing)


class InodeStorage(Storage):
    """What programs keep on inodes. A key is a path, whose links are followed, an open file, or a descriptor.

    Needs CONFIG_BPF_LSM, and ``bpf`` among the security modules that the kernel was started with. Linux 5.10.
    """

    __slots__ = ()

    _thing = "a path, an open file or its descriptor"

    def _lend_key(self, key: Any, borrowed: Borrowed) -> int:
        # Nothing is read, and no FIFO waits for a writer.
        return borrowed.path(key, os.O_PATH, self._thing)

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.EBADF:
            return f"a key of this map is {self._thing}; or bpf is not in /sys/kernel/security/lsm (kernel option lsm=)"
        return super()._hint(error, flags)


class CgrpStorage(Storage):
    """What programs keep on control groups. A key is the folder of one, its descriptor, or the number of a process in
    it as a string, ``"1234"``. Linux 6.2.
    """

    __slots__ = ()

    _thing = 'the folder of a control group, its descriptor, or the number of a process in it as a string, "1234"'

    def _lend_key(self, key: Any, borrowed: Borrowed) -> int:
        return borrowed.cgroup(key)
