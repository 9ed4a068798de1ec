"""The COMMAND that the trace is about: started when all is attached, and followed with its children."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._run_io import Stopper

__all__ = ["Child", "find_command"]


class Child:
    """A process that waits until it is told to run its command, so that the trace misses nothing of it."""

    def __init__(self, path: str, command: list[str]) -> None:
        self.command = command
        self.status: int | None = None
        go_read, self._go = os.pipe()
        self._failed, failed_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._go)
                os.close(self._failed)
                _run(path, command, go_read, failed_write)
            finally:
                os._exit(127)
        os.close(go_read)
        os.close(failed_write)

    def start(self, stopper: Stopper) -> None:
        """Run the command; ``OSError`` if it cannot be run."""
        try:
            os.write(self._go, b"\n")
        except BrokenPipeError:
            return  # somebody has killed it: `ended` will tell
        with stopper:
            number = os.read(self._failed, 16)
        if number:
            raise OSError(int(number), f"cannot run {self.command[0]!r}: {os.strerror(int(number))}")

    def ended(self) -> bool:
        """Tell whether the command has ended; then `status` is its exit status, or minus its signal."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def close(self) -> None:
        """Ask the command to end, if it has not, and let go of it."""
        for fd in (self._go, self._failed):
            os.close(fd)
        if not self.ended():
            os.kill(self.pid, signal.SIGTERM)


def find_command(program: str) -> str:
    """Find a program as a shell does; ``OSError`` if there is none.

    Beforehand, so that nothing is loaded for nothing, and because the trace would show every attempt as an
    execve() of its own.
    """
    from shutil import which

    path = which(program)
    if path is None:
        import errno

        number = errno.EACCES if os.path.exists(program) else errno.ENOENT
        raise OSError(number, f"cannot run {program!r}: {os.strerror(number)}")
    return path


def _run(path: str, command: list[str], go: int, failed: int) -> None:
    """In the child: wait for the word, and become the command."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    # Python ignores these, and what is ignored stays so.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if os.read(go, 1):
        try:
            os.execv(path, command)  # noqa: S606 - no shell: the arguments are as the user gave them
        except OSError as error:
            os.write(failed, str(error.errno).encode())
