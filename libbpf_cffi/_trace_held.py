"""What a reader of a trace pipe holds of the system: descriptors, and perhaps an instance of tracefs.

It is apart from `TracePipe` so that it can be let go when that has been collected, in whatever order things
end: by ``close()``, by another thread's or a signal handler's, by the garbage collector, at the interpreter's
end, in the child of a fork.
"""

from __future__ import annotations

import atexit
import errno
import os
import weakref
from _thread import RLock
from itertools import islice
from time import sleep

from . import _close_later, tracefs
from ._refusals import refused
from .errors import ClosedError
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from collections.abc import Callable

__all__ = ["Held"]


class Held:
    """The descriptors of a pipe, the instance made for it, and who uses them."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.path = ""
        self.pipe = -1
        self.wake = -1
        self.epoll: select.epoll | None = None
        self.descriptors: list[int] = []
        """What has to be closed. A number is taken out before it is closed, so none is closed twice."""
        self.instance = ""
        """The instance that has to be removed."""
        self.lock = RLock()
        """Held while a read goes on, and while everything is let go of."""
        self.gate = RLock()
        """Held while the eventfd is written to or closed; never while waiting."""
        self.reader: int | None = None
        """The thread that is reading."""
        self.closing = False
        self.deferred = False
        """Whether the read that goes on has to finish a `close` that a signal handler of its own thread began."""
        self.wakers: set[Callable[[], object]] = set()
        """What wakes the tasks that wait."""
        self.forgotten: bool | None = None
        """As a handle's."""

    def open(self, folder: str) -> None:
        import select

        self.path = path = os.path.join(folder, "trace_pipe")
        try:
            self.pipe = self._hold(os.open, path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            self.wake = self._hold(os.eventfd, 0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            self.epoll = select.epoll()
            self.epoll.register(self.pipe, select.EPOLLIN)
            self.epoll.register(self.wake, select.EPOLLIN)
        except OSError as error:
            failure = tracefs.failure(error, f"open {path!r}", path)
            if error.errno == errno.EBUSY:
                who = tracefs.in_use(tracefs.pipe_readers, folder)
                failure.hint = f"{who}; a pipe has one reader; TracePipe(instance=True) makes one of its own"
            raise failure from None

    def open_cpus(self, folder: str) -> list[tuple[int, int]]:
        """Open the ring buffer of each CPU; give the CPUs' numbers with the descriptors."""
        found = []
        for cpu in tracefs.cpus(folder):
            path = os.path.join(folder, "per_cpu", f"cpu{cpu}", "trace_pipe_raw")
            found.append((cpu, self.open_file(path)))
        return found

    def open_file(self, path: str) -> int:
        """Open a file of tracefs, and keep it open."""
        try:
            return self._hold(os.open, path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise tracefs.failure(error, f"open {path!r}", path) from None

    def _hold(self, function: Callable[..., int], *arguments: object) -> int:
        self.descriptors.extend(map(function, *((argument,) for argument in arguments)))
        return self.descriptors[-1]

    def close_with(self, owner: object) -> None:
        """Close this with a `ResourceWarning` if `owner` is collected first."""
        live.add(self)
        _close_later.watch(owner, self, exclusive=True)

    # What a handle has too, for `_close_later`.

    quiet = asked = _closing = False

    @property
    def name(self) -> str:
        """What the warning names."""
        return f"the reader of {self.path!r}"

    @property
    def closed(self) -> bool:
        """Whether nothing is left to let go of in this process."""
        return self.gone or self.pid != os.getpid()

    def close_forgotten(self) -> str:
        """Close this when its owner has been collected; say what went wrong."""
        try:
            self.close(patience=2.0)
        except TracefsError as error:
            return str(error)
        return ""

    def close_unused(self) -> str:
        """Do the same where the caller has the lock."""
        self.closing = True
        try:
            self.finish()
        except TracefsError as error:
            return str(error)
        return ""

    def check(self) -> None:
        """Raise `ClosedError` if the pipe is closed, or the parent's."""
        if self.pid != os.getpid():
            raise ClosedError(f"{self.path!r} belongs to process {self.pid}, which forked this one: open it anew")
        if self.closing:
            raise ClosedError(f"the reader of {self.path!r} is closed")

    def close(self, patience: float = -1) -> None:
        """Close and remove everything, once another thread's read has ended; wait for that `patience` seconds."""
        if self.pid != os.getpid():
            return
        self.closing = True
        with self.gate:
            if self.wake >= 0:
                os.eventfd_write(self.wake, 1)
        for waker in list(self.wakers):
            waker()
        if self.lock._is_owned():  # type: ignore[attr-defined]
            # A signal handler in the middle of a read of this very thread.
            self.deferred = True
            return
        taken: list[bool] = []
        try:
            # One step of Python's takes the lock and tells: no Ctrl-C leaves it taken, which nobody could close then.
            taken.extend(map(self.lock.acquire, (True,), (patience,)))
            if taken[0]:
                self._close_descriptors()
        finally:
            if taken and taken[0]:
                self.lock.release()
        if taken[0]:
            # Not under the lock: it can take a while, and whoever reads then is to see at once that all is over.
            self._remove_instance()

    @property
    def gone(self) -> bool:
        """Whether nothing is left to let go of."""
        return not self.descriptors and not self.instance

    def finish(self) -> None:
        """Let go of everything at the end of a read, whose own thread has asked for it. The caller has the lock."""
        self.deferred = False
        self._close_descriptors()
        self._remove_instance()

    def _remove_instance(self) -> None:
        if self.instance:
            _remove(self.instance)
            self.instance = ""

    def _close_descriptors(self) -> None:
        with self.gate:
            self.pipe = self.wake = -1
            if self.epoll is not None:
                self.epoll.close()
            # One call: between pop() and close() there is no place for an interrupt.
            any(map(os.close, islice(iter(self.descriptors.pop, None), len(self.descriptors))))

    def forget(self) -> None:
        """Let go in a forked child: what is the parent's stays, but the child must not keep the instance busy."""
        self.lock = RLock()
        self.gate = RLock()
        self.reader = None
        self.closing = True
        self.instance = ""
        self._close_descriptors()


live: weakref.WeakSet[Held] = weakref.WeakSet()
"""All that are open, for the child of a fork."""


def _forget_all() -> None:
    for held in list(live):
        held.forget()
    live.clear()


os.register_at_fork(after_in_child=_forget_all)


def _end() -> None:
    """Remove the instances that are left at the interpreter's end, which closes what is open anyhow."""
    for held in list(live):
        if held.instance:
            _close_later.let_go(held)


atexit.register(_end)


def _remove(folder: str) -> None:
    """Remove an instance whose pipe has just been closed.

    It may be busy for a moment: the child of a thread that forks has the pipe open until it runs its program.
    """
    for _ in range(20):
        try:
            os.rmdir(folder)
        except OSError as error:
            if refused(error) != errno.EBUSY:
                break
            sleep(0.01)
        else:
            break
    tracefs.remove_instance(folder)
