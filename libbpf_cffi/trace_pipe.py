"""The kernel's trace pipe, where the lines of ``bpf_printk()`` come out.

A pipe has one reader (since Linux 6.6). Who opens it, or that of one CPU, while another has it open gets EBUSY.
"""

from __future__ import annotations

import errno
import os
import warnings
from _thread import get_ident

from . import tracefs as _tracefs
from ._arguments import check_limit, deadline_of, path_name
from ._handle import uncopied
from ._trace_async import AsyncReader, Steps
from ._trace_instance import configure, drop_backlog, silencers, tracing_on
from ._trace_lines import LostEvents, TraceLine, parse_trace
from ._trace_source import ALL, BYTES, LINES, TEXT
from .tracefs import TracefsError

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class TracePipe(AsyncReader):
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

    ``raw=True`` is for floods: the entries are taken from the ring buffers as they are, and decoded here, several
    times as fast as the kernel makes text. It gives the same lines, and without `instance` implies
    ``instance=True``. What is read is then no text of the kernel's: `lines` makes it of the records. Of the
    buffer's options ``irq-info`` and ``record-tgid`` count; an event that is no text shows its fields as
    ``name=value``. Names of functions, for what the kernel's own ``trace_printk()`` and the file
    ``trace_marker`` write, take CAP_SYSLOG. Who writes another clock into the instance's file ``trace_clock``, by
    which the kernel drops what is in the buffer, gets times in the unit of that one.

    To iterate gives every line as a `TraceLine`, for ever. `records` takes a time-out as well, `lines` and
    `raw_lines` give text, `read` and `read_lines` lists. They can be mixed: each line is handed out once, in
    order, and what has been read from the kernel but not been handed out, for a time-out, an exception or a
    cancelled task, comes first the next time. ``async for`` does the same without blocking the event loop.

    One thread or task reads at a time; another gets `StateError`. Any thread may `close`: a `read` that waits
    raises `ClosedError`, an iteration hands out what had been read, and ends. In a forked child the pipe is
    closed.
    """

    __reduce_ex__ = uncopied

    def __init__(
        self,
        instance: str | bool | None = None,
        *,
        backlog: bool = False,
        buffer_size_kb: int | None = None,
        clock: str | None = None,
        raw: bool = False,
        tracefs: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(instance, str | bool | None):
            raise TypeError(f"instance is True, False, None or a name, not {instance!r}")
        if raw and instance is None:
            instance = True
        settings = {"buffer_size_kb": buffer_size_kb, "trace_clock": clock}
        super().__init__()
        held = self._held
        root = _tracefs.find_tracefs() if tracefs is None else path_name(tracefs, "tracefs")
        shared = instance is None or instance is False
        name = instance if isinstance(instance, str) else None
        if name is not None:
            _tracefs.check_name(name)
        self._path = root if shared or name is None else os.path.join(root, "instances", name)
        ours = not shared and (name is None or not os.path.isdir(self._path))
        if not ours and any(value is not None for value in settings.values()):
            raise ValueError("buffer_size_kb and clock are settings for an instance that is made here")
        # First, so that an interrupt from here on leaves nothing behind.
        held.close_with(self)
        try:
            if ours:
                self._make_instance(root, name, settings, raw=raw)
            else:
                held.open(self._path)
                if not backlog:
                    drop_backlog(self._path, held.pipe)
                if raw:
                    self._read_raw(root)
        except BaseException:
            try:  # noqa: SIM105 - contextlib would be one more import
                held.close()
            except TracefsError:
                pass  # what came first is told, above all a Ctrl-C; who collects this tries again, and warns
            raise

    def _make_instance(
        self, root: str, name: str | None, settings: dict[str, int | str | None], *, raw: bool
    ) -> None:
        for attempt in range(3):
            self._path = self._held.instance = _tracefs.make_instance(name, tracefs=root)
            try:
                # The pipe after the clock: how times are printed is settled when it is opened.
                configure(self._path, settings)
                self._held.open(self._path)
                if raw:
                    self._read_raw(root)
            except TracefsError as error:
                # Until the pipe is open, a reader in another container may take it for one that was left behind.
                # While it goes, its files answer ENODEV.
                going = error.errno == errno.ENODEV or (error.errno == errno.ENOENT and not os.path.isdir(self._path))
                if attempt == 2 or not going:
                    raise
            else:
                return

    def _read_raw(self, root: str) -> None:
        from ._trace_raw import RawSource  # only who wants it needs the compiled extension

        self._source = RawSource(self._held, self._path, root)

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
        return tracing_on(self._path)

    @tracing_on.setter
    def tracing_on(self, on: bool) -> None:
        self._held.check()
        _tracefs.write_file(self._file("tracing_on"), "1" if on else "0", "write tracing_on")

    def silenced_by(self) -> list[str]:
        """Give, in words, the settings of the buffer that may keep lines of ``bpf_printk()`` out; mostly none."""
        self._held.check()
        return silencers(self._path)

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

    # Reading

    def __iter__(self) -> Iterator[TraceLine]:
        self._held.check()
        return self._iterate(LINES, None)

    def __aiter__(self) -> AsyncIterator[TraceLine]:
        return self.records().__aiter__()

    def records(self, timeout: float | None = None) -> Stream[TraceLine]:
        """Iterate over the lines, for at most `timeout` seconds from now."""
        return self._stream(LINES, timeout)

    def entries(self, timeout: float | None = None) -> Stream[TraceLine | LostEvents]:
        """Do as `records`, with the losses where they happened, as `LostEvents`."""
        return self._stream(ALL, timeout)

    def lines(self, timeout: float | None = None) -> Stream[str]:
        r"""Iterate over the kernel's text, losses and all: lines without their newlines, bad UTF-8 as ``\xff``."""
        return self._stream(TEXT, timeout)

    def raw_lines(self, timeout: float | None = None) -> Stream[bytes]:
        """Iterate over the kernel's text, a line at a time without its newline, byte for byte."""
        return self._stream(BYTES, timeout)

    def read(self, timeout: float | None = None, max: int | None = None) -> list[TraceLine]:
        """Wait up to `timeout` seconds, or for ever, for a line; return those there are, at most `max`.

        Nothing is waited for once there is a line, and without `max` some thousand are enough: a flood does
        not keep it from returning. An empty list means that the time is over.
        """
        held, me = self._held, get_ident()
        self._refuse_another()
        try:
            found: list[TraceLine] = self._read(LINES, deadline_of(timeout), max)
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
            found: list[str] = self._read(TEXT, deadline_of(timeout), max)
            self._taken = None
            return found
        finally:
            if held.reader == me:
                held.reader = None

    async def aread(self, timeout: float | None = None, max: int | None = None) -> list[TraceLine]:
        """Do as `read`, without blocking the event loop."""
        self._held.check()
        check_limit(max)
        if not await self._fill_later(LINES, deadline_of(timeout)):
            self._held.check()
            return []
        return self.read(0, max)

    def _stream(self, kind: int, timeout: float | None) -> Stream[Any]:
        self._held.check()
        return Steps(self, kind, deadline_of(timeout))
