"""The kernel's trace pipe, where the lines of ``bpf_printk()`` come out.

How it is read rests on facts of the kernel (``tracing_read_pipe()`` in kernel/trace/trace.c), seen on Linux
6.18:

- A read of two pages gives whole entries, as many as fit. By the source, one byte can stay behind when their
  text fills the kernel's own buffer to the last byte; the next read then gives what stayed and nothing else. So
  what one read has brought, or two where the first does not end in a newline, can be cut up and handed out at
  once: no entry goes on in a later read, and no line has to wait for the one after it.
- Not every entry ends in a newline. A text that does not, and after which the pipe is empty, is complete all
  the same.
- A pipe has one reader (since Linux 6.6). Who opens it, or that of one CPU, while another has it open gets
  EBUSY.

Reads never block. A reader waits on an epoll descriptor with the pipe and an eventfd in it; the eventfd says
that the pipe is being closed. What has been read and not been handed out stays with the `TracePipe`, as the
bytes that the kernel gave.

Ctrl-C may come between any two of Python's instructions. So whatever takes something away, from the kernel or
from what is kept, is one call of C that leaves it in its next place (``list.extend(map(os.read, …))``), or
plain assignments in a row, between which Python runs no signal handler.
"""

from __future__ import annotations

import errno
import os
import warnings
from _thread import get_ident
from itertools import islice
from time import monotonic

from . import tracefs as _tracefs
from ._trace_held import Held
from ._trace_lines import LineParser, LostEvents, TraceLine, parse_trace
from .errors import StateError
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType
    from typing import Any, Protocol, TypeVar

    from typing_extensions import Self

    T_co = TypeVar("T_co", covariant=True)

    class Stream(Protocol[T_co]):
        """What a `TracePipe` hands out one by one, with ``for`` or ``async for``."""

        def __iter__(self) -> Iterator[T_co]: ...
        def __next__(self) -> T_co: ...
        def __aiter__(self) -> AsyncIterator[T_co]: ...
        async def __anext__(self) -> T_co: ...


__all__ = ["LostEvents", "TraceLine", "TracePipe", "parse_trace"]

READ_SIZE = 2 * os.sysconf("SC_PAGE_SIZE")
"""No read gives more: the kernel's buffer for the text is two pages, less a few bytes (before Linux 6.8 one page)."""

_GATHER = 16
"""How many of the kernel's chunks, of some hundred lines each, `TracePipe.read` gathers at most: from much longer lists
the garbage collector takes its toll."""

_BACKLOG = 1024
"""After so many chunks, or some 200 ms, the rest of a backlog is thrown away as a whole. That loses, too, what comes
in the 15 ms that it takes, and other programs that write to ``trace_marker`` then get EBADF."""

_LONGEST_WAIT = 3600.0
"""Seconds: epoll_wait(2) counts milliseconds in an int."""

_NOW = 0.0
"""A deadline that has passed."""

# What a chunk of text is cut into: lines and losses, lines, text, bytes.
_ALL, _LINES, _TEXT, _BYTES = range(4)

_OPTIONS = {
    "noannotate", "nobin", "noblock", "context-info", "nofields", "nohex", "irq-info", "nolatency-format",
    "noprintk-msg-only", "noraw", "nostacktrace", "nouserstacktrace", "noverbose",
}  # fmt: skip
"""How an instance of ours prints. It starts with the shared buffer's options, which anybody may have changed."""


class _Seen(bytes):
    """Text that was cut up before and has been put back: it is complete, and its losses have been counted."""

    __slots__ = ()


class _Batch:
    """A chunk of the kernel's text, cut up. All who hand it out take from `rest`."""

    __slots__ = ("chunk", "items", "kind", "rest")

    def __init__(self, kind: int, chunk: bytes, items: list[Any]) -> None:
        self.kind = kind
        self.chunk = chunk
        self.items = items
        self.rest: Iterator[Any] = iter(items)

    def handed_out(self) -> int:
        """How many items have been taken."""
        return len(self.items) - self.left()

    def left(self) -> int:
        """How many items have not been taken."""
        left: int = self.rest.__length_hint__()  # type: ignore[attr-defined]
        return left


class TracePipe:
    """Read the lines that ``bpf_printk()`` and events write to a trace buffer.

    Without `instance` it is the one buffer that the whole system shares. Its pipe has one reader at a time:
    `TracefsError` (EBUSY) names the one it has.

    ``instance=True`` makes a buffer of its own, an instance of tracefs, switches ``bpf_printk()`` on in it
    and removes it in the end: no other reader is disturbed. It needs Linux 5.9 and the right to make folders
    in tracefs. ``instance="name"`` is the instance of that name: one that exists is read as it is and stays;
    any other is made as before and removed. In every one of them are the lines of all programs.

    What is in the buffer from before is dropped, unless `backlog` is true. `buffer_size_kb`, for each CPU,
    and `clock` are settings for an instance that is made here; with the clock ``"mono"`` times are those of
    ``time.monotonic()``. `tracefs` is the folder where tracefs is mounted, if not the one that `find_tracefs`
    finds.

    To iterate gives every line as a `TraceLine`, for ever. `records` takes a time-out as well, `lines` and
    `raw_lines` give text, `read` and `read_lines` lists. They can be mixed: each line is handed out once, in
    order, and what has been read from the kernel but not been handed out, for a time-out, an exception or a
    cancelled task, comes first the next time. ``async for`` does the same without blocking the event loop.

    One thread or task reads at a time; another gets `StateError`. Any thread may `close`: a `read` that waits
    raises `ClosedError`, an iteration hands out what had been read, and ends. In a forked child the pipe is
    closed.
    """

    def __init__(
        self,
        instance: str | bool | None = None,
        *,
        backlog: bool = False,
        buffer_size_kb: int | None = None,
        clock: str | None = None,
        tracefs: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(instance, str | bool | None):
            raise TypeError(f"instance is True, False, None or a name, not {instance!r}")
        settings = {"buffer_size_kb": buffer_size_kb, "trace_clock": clock}
        self._parser = LineParser()
        self._reads: list[bytes] = []
        self._batch: _Batch | None = None
        self._taken: list[tuple[_Batch, int]] | None = None
        """What a `read` that is going on has taken."""
        self._lost: dict[int, int] = {}
        self._exported = False
        self._signalled = False
        self._awaited = False
        self._held = held = Held()
        root = _tracefs.find_tracefs() if tracefs is None else os.fspath(tracefs)
        shared = instance is None or instance is False
        name = instance if isinstance(instance, str) else None
        if name is not None:
            _tracefs.check_name(name)
        self._path = root if shared or name is None else os.path.join(root, "instances", name)
        ours = not shared and (name is None or not os.path.isdir(self._path))
        if not ours and any(value is not None for value in settings.values()):
            raise ValueError("buffer_size_kb and clock are settings for an instance that is made here")
        # First, so that an interrupt from here on leaves nothing behind.
        self._finalizer = held.close_with(self)
        try:
            if ours:
                self._make_instance(root, name, settings)
            else:
                held.open(self._path)
                if not backlog:
                    self._drop_backlog()
        except BaseException:
            held.close()
            raise

    def _make_instance(self, root: str, name: str | None, settings: dict[str, int | str | None]) -> None:
        for attempt in range(3):
            self._path = self._held.instance = _tracefs.make_instance(name, tracefs=root)
            # The interpreter's end closes descriptors anyhow; only an instance would stay.
            self._finalizer.atexit = True
            try:
                # The pipe after the clock: how times are printed is settled when it is opened.
                self._configure(settings)
                self._held.open(self._path)
            except TracefsError as error:
                # Until the pipe is open, a reader in another container may take it for one that was left behind.
                # While it goes, its files answer ENODEV.
                going = error.errno == errno.ENODEV or (error.errno == errno.ENOENT and not os.path.isdir(self._path))
                if attempt == 2 or not going:
                    raise
            else:
                return

    def _configure(self, settings: dict[str, int | str | None]) -> None:
        action = f"set up the trace instance {self._path!r}"
        options = _tracefs.read_file(self._file("trace_options"), action).split()
        for option in _OPTIONS.difference(options):
            if _opposite(option) in options:  # this kernel has it
                _tracefs.write_file(self._file("trace_options"), option, action)
        for name, value in settings.items():
            if value is not None:
                _tracefs.write_file(self._file(name), str(value), f"{action}: {name} {value}")
        try:
            _tracefs.write_file(self._file(_BPF_PRINTK, "enable"), "1", action)
        except TracefsError as error:
            if error.errno == errno.ENOENT:
                error.hint = "before Linux 5.9 the lines of bpf_printk() come in the shared pipe only: TracePipe()"
            raise

    def _drop_backlog(self) -> None:
        """Drop what was in the pipe when it was opened, and of what comes meanwhile no more than a chunk."""
        left = 0
        for chunk in range(_BACKLOG):
            try:
                text = os.read(self._held.pipe, READ_SIZE)
            except BlockingIOError:
                return
            if chunk == 0:
                left = sum(_tracefs.buffered_entries(self._path))
            else:
                left -= sum(1 for record in self._parser.parse(text) if isinstance(record, TraceLine))
            if left <= 0:
                return
        path = self._file("trace")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC))
        except OSError as error:
            raise _tracefs.failure(error, f"empty {path!r}", path, writing=True) from None

    def _file(self, *names: str) -> str:
        return os.path.join(self._path, *names)

    def __repr__(self) -> str:
        return f"<TracePipe of {self._path!r}{', closed' if self.closed else ''}>"

    def __enter__(self) -> Self:
        self._held.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.close()
        except TracefsError as error:
            if kind is None:
                raise
            # What went wrong first is not to be hidden.
            warnings.warn(str(error), ResourceWarning, stacklevel=2)

    # What it is

    @property
    def path(self) -> str:
        """The folder of tracefs that is read: tracefs itself or an instance, with all its settings in it."""
        return self._path

    @property
    def closed(self) -> bool:
        """Whether the pipe has been closed, or belongs to the process that forked this one."""
        return self._held.closing or self._held.pid != os.getpid()

    @property
    def lost(self) -> int:
        """How many entries the kernel has overwritten before they were read; a loss of unknown size counts as one."""
        return sum(self._lost.values())

    @property
    def lost_by_cpu(self) -> dict[int, int]:
        """How many entries were lost on each CPU where any were."""
        return dict(self._lost)

    @property
    def tracing_on(self) -> bool:
        """Whether the buffer takes new entries: the file tracing_on. It can be set."""
        self._held.check()
        return _tracefs.read_file(self._file("tracing_on"), "read tracing_on").strip() != "0"

    @tracing_on.setter
    def tracing_on(self, on: bool) -> None:
        self._held.check()
        _tracefs.write_file(self._file("tracing_on"), "1" if on else "0", "write tracing_on")

    def silenced_by(self) -> list[str]:
        """Give, in words, the settings of the buffer that may keep lines of ``bpf_printk()`` out; mostly none."""
        self._held.check()
        reasons = []
        if not self.tracing_on:
            reasons.append(f"tracing is off: {self._file('tracing_on')} is 0")
        for names, quiet, says in (
            ((_BPF_PRINTK, "enable"), "0", "is 0 (in the shared buffer, until a program that prints is loaded)"),
            ((_BPF_PRINTK, "filter"), None, "filters"),
            (("set_event_pid",), None, "lets some processes through only"),
            (("set_event_notrace_pid",), None, "keeps some processes out"),
        ):
            path = self._file(*names)
            try:
                text = _tracefs.read_file(path, f"read {path!r}").strip()
            except TracefsError as error:
                if error.errno != errno.ENOENT:
                    raise
                continue
            if text == quiet or (quiet is None and text not in {"", "none"}):
                reasons.append(f"{path} {says}")
        return reasons

    def fileno(self) -> int:
        """Give a descriptor for ``select`` and the like: readable when there may be lines. Read nothing from it.

        It knows of lines that have been read from the kernel and not been handed out, too.
        """
        self._held.check()
        assert self._held.epoll is not None
        self._exported = True
        self._signal()
        return self._held.epoll.fileno()

    def close(self) -> None:
        """Close the pipe, and remove the instance if it was made here. Closing twice does nothing.

        Lines not handed out are dropped. An instance that somebody else has open cannot be removed: that is a
        `TracefsError` (EBUSY) that says who; to close again tries again.
        """
        self._held.close()
        if self._held.gone:
            self._finalizer.detach()

    # Reading

    def __iter__(self) -> Iterator[TraceLine]:
        self._held.check()
        return self._iterate(_LINES, None)

    def __aiter__(self) -> AsyncIterator[TraceLine]:
        return self.records().__aiter__()

    def records(self, timeout: float | None = None) -> Stream[TraceLine]:
        """Iterate over the lines, for at most `timeout` seconds from now."""
        return self._stream(_LINES, timeout)

    def entries(self, timeout: float | None = None) -> Stream[TraceLine | LostEvents]:
        """Do as `records`, with the losses where they happened, as `LostEvents`."""
        return self._stream(_ALL, timeout)

    def lines(self, timeout: float | None = None) -> Stream[str]:
        r"""Iterate over the kernel's text, losses and all: lines without their newlines, bad UTF-8 as ``\xff``."""
        return self._stream(_TEXT, timeout)

    def raw_lines(self, timeout: float | None = None) -> Stream[bytes]:
        """Iterate over the kernel's text, a line at a time without its newline, byte for byte."""
        return self._stream(_BYTES, timeout)

    def read(self, timeout: float | None = None, max: int | None = None) -> list[TraceLine]:
        """Wait up to `timeout` seconds, or for ever, for a line; return those there are, at most `max`.

        Nothing is waited for once there is a line, and without `max` some thousand are enough: a flood does
        not keep it from returning. An empty list means that the time is over.
        """
        held, me = self._held, get_ident()
        self._refuse_another()
        try:
            found: list[TraceLine] = self._read(_LINES, _deadline(timeout), max)
            # From here to the caller there is no place for an interrupt: not in a function of its own.
            self._taken = None
            return found
        finally:
            if held.reader == me:
                held.reader = None

    def read_lines(self, timeout: float | None = None, max: int | None = None) -> list[str]:
        """Do as `read`, but return text as `lines` does."""
        held, me = self._held, get_ident()
        self._refuse_another()
        try:
            found: list[str] = self._read(_TEXT, _deadline(timeout), max)
            self._taken = None
            return found
        finally:
            if held.reader == me:
                held.reader = None

    async def aread(self, timeout: float | None = None, max: int | None = None) -> list[TraceLine]:
        """Do as `read`, without blocking the event loop."""
        self._held.check()
        _check_limit(max)
        if not await self._fill_later(_LINES, _deadline(timeout)):
            self._held.check()
            return []
        return self.read(0, max)

    def _stream(self, kind: int, timeout: float | None) -> Stream[Any]:
        self._held.check()
        return _Stream(self, kind, _deadline(timeout))

    def _iterate(self, kind: int, deadline: float | None) -> Iterator[Any]:
        """Hand out one item after the other. What is not taken stays in the batch, whatever becomes of this."""
        while self._fill(kind, deadline):
            batch = self._batch
            if batch is None:
                continue
            if deadline is None:
                yield from batch.rest
            else:
                for item in batch.rest:
                    yield item
                    if monotonic() >= deadline:
                        return

    def _read(self, kind: int, deadline: float | None, limit: int | None) -> list[Any]:
        """Gather items. Until the caller says otherwise, they are taken on trial, and this thread is the reader."""
        held = self._held
        held.check()
        _check_limit(limit)
        with held.lock:
            try:
                self._refuse_another()
                held.reader = get_ident()
                self._recover()
                return self._gather(kind, deadline, limit)
            finally:
                if held.deferred:
                    held.finish()

    def _gather(self, kind: int, deadline: float | None, limit: int | None) -> list[Any]:
        found: list[Any] = []
        taken: list[tuple[_Batch, int]] = []
        for _ in range(_GATHER):
            if not self._fill_alone(kind, _NOW if found else deadline):
                break
            batch = self._batch
            if batch is None:
                continue
            self._taken = taken
            taken.append((batch, batch.handed_out()))
            found.extend(islice(batch.rest, None if limit is None else limit - len(found)))
            if limit is not None and len(found) >= limit:
                break
        self._signal()
        if not found:
            self._held.check()
        return found

    def _recover(self) -> None:
        """Put back what a `read` had taken when an exception ended it."""
        if self._taken:
            self._put_back(self._taken)

    def _put_back(self, taken: list[tuple[_Batch, int]]) -> None:
        """Make the pipe as if what was taken had not been. It can be interrupted, and done again."""
        texts = [self._text_from(batch, start) for batch, start in taken]
        batch = self._batch
        items: list[Any] = []
        if batch is not None:
            items = batch.items
            if all(batch is not other for other, _ in taken):
                texts.append(self._text_from(batch, batch.handed_out()))
        reads = [*(_Seen(text) for text in texts if text), *self._reads]
        # These belong together, whatever interrupt comes.
        self._reads = reads
        self._batch = self._taken = None
        # An iteration under way takes no more from what will come again.
        del items[:]

    def _text_from(self, batch: _Batch, start: int) -> bytes:
        """Give what of a batch's text makes its items from number `start` on."""
        if start == 0:
            return batch.chunk
        if batch.kind in (_TEXT, _BYTES):
            return b"\n".join(batch.chunk.split(b"\n")[start:])
        for offset, record in self._parser.entries(batch.chunk):
            if start == 0:
                return batch.chunk[offset:]
            if batch.kind == _ALL or isinstance(record, TraceLine):
                start -= 1
        return b""

    def _fill(self, kind: int, deadline: float | None) -> bool:
        """Give the batch items of this kind; tell whether it has any by the deadline or the pipe's end."""
        if self._has(kind):
            return True
        self._refuse_another()
        held = self._held
        me = get_ident()
        try:
            # An interrupt between acquire() and `try` would leave the lock locked; `with` has no such place.
            with held.lock:
                try:
                    self._refuse_another()
                    held.reader = me
                    self._recover()
                    return self._fill_alone(kind, deadline)
                finally:
                    if held.deferred:
                        held.finish()
        finally:
            if held.reader == me:
                held.reader = None

    def _has(self, kind: int) -> bool:
        batch = self._batch
        return batch is not None and batch.kind == kind and batch.left() > 0 and not self._taken

    def _refuse_another(self) -> None:
        held = self._held
        if held.reader is not None:
            who = "this thread" if held.reader == get_ident() else f"thread {held.reader}"
            raise StateError(f"{who} is reading from {held.path!r} already: one reads at a time")

    def _fill_alone(self, kind: int, deadline: float | None) -> bool:
        held = self._held
        if held.pid != os.getpid():
            held.check()
        batch = self._batch
        if batch is not None and batch.left():
            if batch.kind == kind:
                return True
            self._put_back([])
        in_vain = 0
        while True:
            if self._cut(kind, complete=held.closing):
                self._signal()
                return True
            if held.closing:
                return False
            try:
                self._reads.extend(map(os.read, (held.pipe,), (READ_SIZE,)))
            except BlockingIOError:
                pass
            except OSError as error:
                raise _tracefs.failure(error, f"read {held.path!r}", held.path) from None
            else:
                if self._reads[-1]:
                    in_vain = 0
                    continue
                del self._reads[-1]
            if self._reads:
                # The pipe is empty after it, so this is a whole entry without a newline.
                self._parser.glued = True
                if self._cut(kind, complete=True):
                    self._signal()
                    return True
            if not self._wait(deadline, in_vain):
                return False
            in_vain += 1

    def _cut(self, kind: int, *, complete: bool) -> bool:
        """Make the next batch of what was read; tell whether there is anything in it.

        `complete` says that nothing of the last entry can be missing.
        """
        while self._reads:
            chunk, used, glued = self._reads[0], 1, self._parser.glued
            counted = isinstance(chunk, _Seen)
            if not (counted or complete or chunk.endswith(b"\n")):
                if len(self._reads) < 2:
                    return False
                if self._parser.starts_entry(self._reads[1]):
                    glued = True
                else:
                    chunk += self._reads[1]
                    used = 2
            self._parser.glued = glued
            items: list[Any]
            losses: list[LostEvents] = []
            if kind in (_ALL, _LINES):
                items = self._parser.parse(chunk)
                if self._parser.lossy:
                    losses = [record for record in items if isinstance(record, LostEvents)]
                    if kind == _LINES:
                        items = [record for record in items if not isinstance(record, LostEvents)]
            else:
                items = _split(chunk, kind)
                losses = self._parser.losses(chunk)
            lost = self._lost if counted or not losses else _sum(self._lost, losses)
            batch = _Batch(kind, chunk, items)
            self._lost = lost
            self._batch = batch
            del self._reads[:used]
            if items:
                return True
        return False

    def _wait(self, deadline: float | None, in_vain: int) -> bool:
        """Wait until there may be something to read, or the pipe is being closed, or the deadline: then say False.

        `in_vain` is how often in a row there was nothing after all. With the option ``block`` the kernel says
        at any time that there is something; then it is asked again after a while.
        """
        held = self._held
        assert held.epoll is not None
        if self._signalled:
            self._calm()
        if in_vain > 3:
            import select

            poll = select.poll()
            poll.register(held.wake, select.POLLIN)
            pause = min(0.05, 0.001 * 2 ** min(in_vain - 4, 6))
            if deadline is not None:
                pause = min(pause, max(0.0, deadline - monotonic()))
            poll.poll(pause * 1000)
        while not held.closing:
            left = _LONGEST_WAIT if deadline is None else deadline - monotonic()
            if left <= 0:
                return False
            ready = held.epoll.poll(min(left, _LONGEST_WAIT), 2)
            if any(fd == held.wake for fd, _ in ready):
                self._calm()
            if ready:
                return True
        return True

    def _calm(self) -> None:
        """Take back what `_signal` has written, unless the pipe is being closed."""
        self._signalled = False
        try:  # noqa: SIM105 - to import contextlib takes a millisecond
            os.eventfd_read(self._held.wake)
        except BlockingIOError:
            pass

    def _signal(self) -> None:
        """Make the descriptor of `fileno` readable if there is something left to hand out."""
        held = self._held
        if self._exported and not self._signalled:
            batch = self._batch
            if self._reads or (batch is not None and batch.left()):
                with held.gate:
                    if held.wake >= 0:
                        self._signalled = True
                        os.eventfd_write(held.wake, 1)

    # Reading in an event loop

    async def _fill_later(self, kind: int, deadline: float | None) -> bool:
        """Do as `_fill`, without blocking the event loop."""
        import asyncio

        # A flood of lines must not starve the other tasks.
        await asyncio.sleep(0)
        in_vain = 0
        while not self._fill(kind, _NOW):
            if self._held.closing or (deadline is not None and monotonic() >= deadline):
                return False
            if in_vain > 3:
                await asyncio.sleep(min(0.05, 0.001 * 2 ** min(in_vain - 4, 6)))
            await self._readable(deadline)
            in_vain += 1
        return True

    async def _readable(self, deadline: float | None) -> None:
        """Wait until there may be something to read, or the pipe is closed, or the deadline."""
        import asyncio

        held = self._held
        if self._awaited:
            raise StateError(f"another task is waiting for {held.path!r}: one reads at a time")
        loop = asyncio.get_running_loop()
        # A descriptor of its own: the pipe's may be closed, and its number used again, before the loop forgets it.
        with held.gate:
            if held.closing or held.epoll is None:
                return
            watched = os.dup(held.epoll.fileno())
        done = loop.create_future()
        timer = None if deadline is None else loop.call_later(max(0.0, deadline - monotonic()), _set, done)
        waker = _Waker(loop, done)
        held.wakers.add(waker)
        self._awaited = True
        try:
            loop.add_reader(watched, _set, done)
            if not held.closing:  # since before there was a waker
                await done
        finally:
            self._awaited = False
            held.wakers.discard(waker)
            if timer is not None:
                timer.cancel()
            if not loop.is_closed():
                loop.remove_reader(watched)
            os.close(watched)


_BPF_PRINTK = "events/bpf_trace/bpf_trace_printk"


class _Waker:
    """Wake the task that waits for `done`, from whatever thread."""

    def __init__(self, loop: AbstractEventLoop, done: Future[None]) -> None:
        self._loop = loop
        self._done = done

    def __call__(self) -> None:
        try:
            self._loop.call_soon_threadsafe(_set, self._done)
        except RuntimeError:
            if not self._loop.is_closed():
                raise


def _set(done: Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class _Stream:
    """An iteration, for ``for`` or ``async for``."""

    def __init__(self, pipe: TracePipe, kind: int, deadline: float | None) -> None:
        self._pipe = pipe
        self._kind = kind
        self._deadline = deadline
        self._steps: Iterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._steps is None:
            self._steps = self._pipe._iterate(self._kind, self._deadline)
        return self._steps

    def __next__(self) -> Any:
        # Not next(): between its return and this one's, an interrupt would lose the item.
        for item in self.__iter__():
            return item
        raise StopIteration

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        # No generator: that would end for good when a task is cancelled as it waits, as asyncio.wait_for() does.
        pipe = self._pipe
        while True:
            batch = pipe._batch
            if batch is not None and pipe._has(self._kind):
                for item in batch.rest:
                    return item
            if self._deadline is not None and monotonic() >= self._deadline:
                raise StopAsyncIteration
            if not await pipe._fill_later(self._kind, self._deadline):
                raise StopAsyncIteration


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if not timeout >= 0:  # NaN neither
        raise ValueError(f"a time-out is a number of seconds from 0 up, or None for ever, not {timeout!r}")
    return monotonic() + timeout


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise ValueError(f"max must be at least 1, not {limit}")


def _split(chunk: bytes, kind: int) -> list[Any]:
    lines: list[Any]
    lines = chunk.decode("utf-8", "backslashreplace").split("\n") if kind == _TEXT else chunk.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _sum(lost: dict[int, int], losses: list[LostEvents]) -> dict[int, int]:
    lost = dict(lost)
    for cpu, count in losses:
        lost[cpu] = lost.get(cpu, 0) + (1 if count is None else count)
    return lost


def _opposite(option: str) -> str:
    return option.removeprefix("no") if option.startswith("no") else f"no{option}"
