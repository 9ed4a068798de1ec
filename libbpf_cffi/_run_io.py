"""Signals and output of the command: neither may leave it stuck, half done, or with a traceback.

A signal does not interrupt what is being done. It is remembered, and makes the descriptor of the `Stopper`
readable; only around a call that may take for ever (a compiler, a write to a pipe that nobody empties) does
it raise `Interrupted`.
"""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from types import FrameType
else:
    # What `signal` adds enumerations to: importing `enum` would take longer than all else here.
    import _signal as signal

__all__ = [
    "Interrupted",
    "Output",
    "ReaderGoneError",
    "Reporter",
    "Sink",
    "Stopper",
    "printable",
    "wants_colour",
]

PIPE_BUF = 4096
"""As much as a pipe that poll() calls writable takes without blocking (PIPE_BUF of Linux, pipe(7))."""

PATIENCE_MS = 1000
"""How long all that is written after a signal may wait for its reader."""


class Interrupted(BaseException):
    """A signal has asked the command to end."""


class ReaderGoneError(Exception):
    """Nobody reads what is written any more."""


ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a command to end."""


class Stopper:
    """The first of SIGINT, SIGTERM and SIGHUP that came, if any.

    As a context manager it makes the signals that come meanwhile raise `Interrupted`. A signal that was
    ignored when the command was started (``nohup``, a shell's background job) stays ignored.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._raising = False
        self.fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before = {number: signal.getsignal(number) for number in (*ENDS, signal.SIGCHLD)}
        self._wakeup_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in ENDS:
            if self._before[number] != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
        if self._raising:
            self._raising = False
            raise Interrupted

    def __enter__(self) -> None:
        self._raising = True

    def __exit__(self, *exc: object) -> None:
        self._raising = False

    def check(self) -> None:
        """Raise `Interrupted` if a signal has come."""
        if self.signum is not None:
            raise Interrupted

    def watch_children(self) -> None:
        """Make the descriptor readable when a child of this process ends, too."""
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def drain(self) -> None:
        """Make the descriptor wait for the next signal."""
        try:
            while os.read(self.fd, 512):
                pass
        except BlockingIOError:
            pass

    def close(self, *, ends: bool) -> None:
        """Take no more signals, as there is nothing left to do; end the process by the one that came.

        Where the process goes on, since the command is a call of it, its own handlers are there again. To die of the
        signal is what tells a shell, and a service manager, that the end was asked for. Only after Ctrl-C, the usual
        way to end a trace, does the process go on to a normal end.
        """
        for number, before in self._before.items():
            if before is not None:  # C's own
                signal.signal(number, signal.SIG_IGN if ends and number in ENDS else before)
        signal.set_wakeup_fd(-1 if ends else self._wakeup_before)
        os.close(self.fd)
        os.close(self._write_fd)
        if self.signum is not None and self.signum != signal.SIGINT:
            signal.signal(self.signum, signal.SIG_DFL)
            os.kill(os.getpid(), self.signum)


class Sink:
    """A descriptor to write to, without getting stuck when its reader does not read."""

    def __init__(self, fd: int, stopper: Stopper) -> None:
        self.fd = fd
        self._stopper = stopper
        self._patience_ms = PATIENCE_MS
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._patient = select.poll()
        self._patient.register(fd, select.POLLOUT)
        self._patient.register(stopper.fd, select.POLLIN)

    def write(self, data: bytes) -> None:
        """Write all of `data`.

        `ReaderGoneError` if nobody reads any more, `Interrupted` by a signal while nobody reads just now.
        """
        view = memoryview(data)
        while view:
            if self._stopper.signum is None:
                ready = dict(self._patient.poll())
                if self.fd not in ready:
                    self._stopper.check()
                    self._stopper.drain()  # it was a child's end
                    continue
            elif not self._poll.poll(self._patience_ms):
                self._patience_ms = 0
                raise Interrupted
            try:
                with self._stopper:
                    view = view[os.write(self.fd, view[:PIPE_BUF]) :]
            except ConnectionError:
                raise ReaderGoneError from None


class Output:
    """Where the trace and the values go: stdout, or a file of the user's."""

    def __init__(self, path: str | None, stopper: Stopper) -> None:
        self.fd = 1
        self._path = path
        if path is not None:
            with stopper:  # a FIFO waits for its reader
                stopper.check()
                self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._sink = Sink(self.fd, stopper)

    def write(self, text: str) -> None:
        """Write text; exceptions as `Sink.write`, and an ``OSError`` that names the output."""
        try:
            self._sink.write(text.encode("utf-8", "backslashreplace"))
        except OSError as error:
            name = self._path or "stdout"
            raise OSError(error.errno, f"cannot write to {name}: {error.strerror}") from None

    def close(self) -> None:
        """Close the file."""
        if self._path is not None and self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in b"\t\n"}


def printable(text: str) -> str:
    r"""Show control characters as ``\x1b``: a terminal would obey them, and the text is other people's."""
    return text.translate(_CONTROL)


def wants_colour(fd: int) -> bool:
    """Tell whether `fd` is a terminal whose user has not refused colours (https://no-color.org)."""
    return os.isatty(fd) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


class Reporter:
    """What the command tells about itself, on stderr: tables on a terminal, elsewhere a fact a line."""

    def __init__(self, stopper: Stopper, prog: str) -> None:
        self.quiet = False
        self._prog = prog
        self._sink: Sink | None = Sink(2, stopper)
        self._terminal = os.isatty(2)
        self._colour = wants_colour(2)

    def _write(self, text: str) -> None:
        if self._sink is None:
            return
        try:
            self._sink.write(text.encode("utf-8", "backslashreplace"))
        except Interrupted:
            pass  # the stopper remembers it
        except (OSError, ReaderGoneError):
            # There is nobody left to tell.
            self._sink = None

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text

    def plain(self, text: str) -> None:
        """Write text that another program has made, such as a compiler, unchanged."""
        self._write(text if text.endswith("\n") or not text else f"{text}\n")

    def fact(self, text: str) -> None:
        """Tell how it goes."""
        if not self.quiet:
            self._write(
                f"{self._prog}: {printable(text)}\n" if not self._terminal else f"{printable(text)}\n"
            )

    def warning(self, text: str) -> None:
        """Tell what the user should know, even if `quiet`."""
        self._write(f"{self._prog}: {self._paint('warning', '1;33')}: {printable(text)}\n")

    def error(self, text: str) -> None:
        """Tell why the command ends."""
        self._write(f"{self._prog}: {self._paint('error', '1;31')}: {printable(text)}\n")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Tell several things of one kind; the first column names them, one without a value is left out."""
        if self.quiet or not rows:
            return
        used = [number for number in range(len(columns)) if any(row[number] for row in rows)]
        names = [columns[number] for number in used]
        cells = [[printable(row[number]) for number in used] for row in rows]
        if self._terminal:
            self._write(self._table(title, names, cells))
            return
        for row in cells:
            facts = ", ".join(
                f"{name} {value}" for name, value in zip(names[1:], row[1:], strict=True) if value
            )
            self.fact(f"{f'{title} ' if title else ''}{names[0]} {row[0]}: {facts}")

    def _table(self, title: str, names: list[str], rows: list[list[str]]) -> str:
        columns = list(zip(*rows, strict=True))
        widths = [max(len(name), *map(len, column)) for name, column in zip(names, columns, strict=True)]
        right = [all(value.isdecimal() for value in column if value) for column in columns]

        def line(cells: Sequence[str]) -> str:
            padded = [
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(cells, widths, right, strict=True)
            ]
            return f"  {'  '.join(padded)}".rstrip()

        head = [self._paint(title, "1")] if title else []
        return "\n".join(
            [*head, self._paint(line([name.upper() for name in names]), "2"), *map(line, rows), ""]
        )
