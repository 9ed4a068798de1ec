"""User ring buffers: send to BPF programs what they take with ``bpf_user_ringbuf_drain()``.

::

    with obj.maps["commands"].user_ring_buffer(type="command") as out:
        out.send({"verb": 1, "pid": 4711})
"""

from __future__ import annotations

import errno
from time import monotonic

from . import _log
from ._arguments import buffer, deadline_of
from ._borrow import Descriptors
from ._check import check, not_null
from ._ffi import ffi, lib, unsigned
from ._handle import Handle, uncopied
from ._map_access import CLOSED
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from typing_extensions import Self

    from ._btf_type import BtfType
    from ._codec import Codec
    from ._libbpf import lbc_user_ring, lbc_user_sample
    from ._map_ring import UserRingBufferMap

__all__ = ["UserRingBuffer", "UserSample"]

_SLICE = 0.1
"""Seconds: a program may drain the ring without telling (``BPF_RB_NO_WAKEUP``), so one looks again by oneself."""


class UserSample:
    """Room that is reserved in a user ring buffer: fill `data`, then submit it, or discard it.

    A ``with`` block submits at its end, and discards when it is left by an exception. The kernel reads samples in the
    order of their reservation: it waits at one that is neither submitted nor discarded. One that is collected is
    discarded.
    """

    __slots__ = ("__weakref__", "_buffer", "_bytes", "_data", "_handle")
    __reduce_ex__ = uncopied

    _handle: Handle[lbc_user_sample]

    def __init__(self, buffer: UserRingBuffer, size: int) -> None:
        self._buffer = buffer
        self._bytes = bytearray(size)
        self._data = memoryview(self._bytes)
        self._handle = Handle(lib.lbc_user_sample__free, buffer._handle, name=f"a sample of {buffer._name}")
        self._handle.gone = "has been submitted or discarded"
        self._handle.close_with(self, quietly=True)

    @property
    def data(self) -> memoryview:
        """The bytes to send, zeroes at first: memory of Python's, copied when they are submitted.

        It is filled, as in ``sample.data[:5] = b"hello"``, and cannot be another.
        """
        return self._data

    @data.setter
    def data(self, value: object) -> None:
        kind = type(value).__name__
        raise TypeError(f"data is filled, as in sample.data[:5] = b'hello', and not replaced by another {kind}")

    def submit(self) -> None:
        """Send the bytes. *Wraps* ``user_ring_buffer__submit()``.

        `StateError` in a signal handler that has interrupted another call on the same object.
        """
        self._handle.refuse_reentry(f"submit {self._handle.name}")
        with self._handle.lock:
            self._buffer._handle.check()
            if self._handle.closed:
                raise StateError(f"{self._handle.name} has been submitted or discarded already")
            result = lib.lbc_user_sample__submit(self._handle.pointer, ffi.from_buffer(self._bytes))
            check(result, f"submit {self._handle.name}")
            check(self._handle._close(), f"submit {self._handle.name}")

    def discard(self) -> None:
        """Give the room back; twice, or after `submit`, does nothing. *Wraps* ``user_ring_buffer__discard()``."""
        check(self._handle.close(), f"discard {self._handle.name}")

    def __setitem__(self, place: int | slice, value: Any) -> None:
        try:
            self.data[place] = value
        except (IndexError, TypeError, ValueError) as wrong:
            raise type(wrong)(f"bytes {place!r} of a sample of {len(self.data)} cannot be {value!r}: {wrong}") from None

    def __len__(self) -> int:
        return len(self.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()
        elif not self._handle.closed or self._buffer.closed:
            self.submit()


class UserRingBuffer:
    """A writer of a user ring buffer.

    `type` is the type of what is sent: its name in the map's object, or a `BtfType`; ``None`` stands for the one that
    the map declares, ``__type(value, …)``, or for bytes if it declares none; ``bytes`` for bytes.

    Threads may share a writer. It is closed by itself, with the map's object, or when it is collected. *Wraps* ``struct
    user_ring_buffer``. Linux 6.1.
    """

    __slots__ = ("__weakref__", "_c", "_codec", "_handle", "_map", "_name", "_size")
    __reduce_ex__ = uncopied

    _handle: Handle[lbc_user_ring]

    def __init__(
        self, map: UserRingBufferMap, type: str | BtfType | type[bytes] | None = None, *, chars: str = "str"
    ) -> None:
        if not hasattr(map, "user_ring_buffer"):
            raise TypeError(f"a UserRingBuffer writes to a map of the type USER_RINGBUF, not {map!r}")
        resolve, declared = map._event_types(chars)
        self._codec: Codec | None = resolve(declared if type is None else type)
        self._map = map
        self._name = f"user ring buffer {map.name!r}"
        self._size = map.max_entries
        action = f"write to {self._name}"
        ring: Any = ffi.new("struct lbc_user_ring *")
        # The memory is Python's, and stays for as long as anybody can call with it.
        self._c: lbc_user_ring = ring
        parent = map._handle
        self._handle = Handle(lib.lbc_user_ring__close, parent, name=f"the writer of {self._name}", fds=_descriptors)
        # When the writer is collected, it is closed after its own memory is gone.
        self._handle.kept.append(ring)
        self._handle.close_with(self, quietly=True)
        with Descriptors() as held:
            fd = map._dup(held, action)
            with parent.lock:
                parent.check()
                _log.listen()
                try:
                    pointer = self._handle.make(lib.lbc_user_ring__open, ring, fd)
                    not_null(pointer, action, _open_hint, self._handle.errno)
                except BaseException:
                    self._handle._close()
                    raise

    @property
    def map(self) -> UserRingBufferMap:
        """The map that is written to."""
        return self._map

    @property
    def size(self) -> int:
        """Size of the data area in bytes."""
        return self._size

    @property
    def closed(self) -> bool:
        """Whether it has been closed, by itself or with its map or object, or belongs to the parent process."""
        return self._handle.closed

    def close(self) -> None:
        """Close it; what is reserved is discarded, who waits for room is woken. Closing twice does nothing."""
        check(self._handle.close(), f"close {self._handle.name}")

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def send(self, value: Any, timeout: float | None = 0) -> None:
        """Send a value of the type, or bytes if there is none; wait up to `timeout` seconds for room, or for ever.

        `LibbpfError` (ENOSPC) if there is none then, and (E2BIG) for more than the whole buffer can hold.
        """
        deadline = deadline_of(timeout)
        data = self._encode(value)
        memory = ffi.from_buffer(data)
        while True:
            with self._handle.lock:
                result = lib.lbc_user_ring__send(self._handle.pointer, memory, len(data))
            if result != -errno.ENOSPC or not self._wait(deadline):
                break
        check(result, f"send {len(data)} bytes to {self._name}", lambda error: self._hint(error, len(data)))

    def reserve(self, size: int | None = None, timeout: float | None = 0) -> UserSample:
        """Reserve `size` bytes, or those of the type; wait up to `timeout` seconds for room, or for ever.

        ::

            with out.reserve(16) as sample:
                struct.pack_into("=QQ", sample.data, 0, 1, 2)

        Errors are those of `send`. *Wraps* ``user_ring_buffer__reserve()``; its blocking form could not be interrupted.
        """
        deadline = deadline_of(timeout)
        if size is None:
            if self._codec is None:
                raise TypeError(f"{self._name} has no type: give the size to reserve")
            size = self._codec.size
        number = unsigned(size, 32, "size")
        if number > self._size:
            # Before memory is made for it.
            check(-errno.E2BIG, f"reserve {number} bytes in {self._name}", self._hint(errno.E2BIG, number))
        action = f"reserve {number} bytes in {self._name}"
        sample = UserSample(self, number)
        handle = sample._handle
        try:
            while True:
                with handle.lock:
                    pointer = handle.make(lib.lbc_user_sample__reserve, self._handle.pointer, number)
                    error = handle.errno
                if pointer or error != errno.ENOSPC or not self._wait(deadline):
                    break
            not_null(pointer, action, lambda number_: self._hint(number_, number), error)
        except BaseException:
            # Or else the writer would keep the handle of a sample that never was, one for each try.
            handle.close()
            raise
        return sample

    def _encode(self, value: Any) -> bytes:
        if self._codec is not None:
            return self._codec.encode(value)
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{self._name} has no type: send bytes, not {type(value).__name__}")
        return buffer(value, "value")

    def _wait(self, deadline: float | None) -> bool:
        """Wait for room; tell whether it is worth to try again."""
        left = _SLICE if deadline is None else min(_SLICE, deadline - monotonic())
        if left <= 0:
            return False
        result = lib.lbc_user_ring__wait(self._c, int(left * 1000) + 1)
        if result == CLOSED:
            self._handle.check()
        elif result < 0 and result != -errno.EINTR:
            check(result, f"wait for room in {self._name}")
        return True

    def _hint(self, error: int, size: int) -> str | None:
        if error == errno.ENOSPC:
            return f"its {self._size} bytes are full: a program must drain it; timeout= waits for that"
        if error == errno.E2BIG:
            return f"it has {self._size} bytes, and {size} with the header of 8 do not fit: raise its max_entries"
        return None

    def __repr__(self) -> str:
        return f"<UserRingBuffer: {self._name}{' (closed)' if self.closed else ''}>"


def _descriptors(pointer: Any) -> tuple[int, ...]:
    """Give what a forked child has to close."""
    return pointer.fd, pointer.epoll_fd, pointer.wake_fd


def _open_hint(error: int) -> str | None:
    if error in (errno.EPERM, errno.EACCES):
        return "to write, its memory is mapped: the map is frozen, or was opened read-only"
    return None
