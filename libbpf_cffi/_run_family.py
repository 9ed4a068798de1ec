"""Processes and all that they start: the kernel's own record of it, for events that say whose they are.

A private trace buffer has every ``fork()`` of the chosen tasks, and of the tasks that come of it. A task is in there
before it can cause any event, so that events that have been read are judged by what is read of the buffer after them.
"""

from __future__ import annotations

import os

import libbpf_cffi as bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._run_io import Reporter

__all__ = ["Family", "check_namespace", "follow", "threads", "write_setting"]

INIT_PID_NAMESPACE = "pid:[4026531836]"
"""The first PID namespace, whose numbers tracefs speaks of (PROC_PID_INIT_INO, include/linux/proc_ns.h)."""

FORK = "events/sched/sched_process_fork"


class Family:
    """The numbers of chosen processes, of their threads, and of all that they have started since."""

    def __init__(self, pids: list[int], more: list[int], report: Reporter) -> None:
        check_namespace()
        self._report = report
        self._told = False
        self.pids: set[int] = set(pids)
        self._pipe = bpf.TracePipe(instance=True)
        try:
            # What other programs print comes into every buffer.
            write_setting(self._pipe, "events/bpf_trace/enable", "0")
            write_setting(self._pipe, "options/event-fork", "1")
            write_setting(self._pipe, f"{FORK}/enable", "1")
            self.pids |= follow(self._pipe, pids, more)
        except BaseException:
            self._pipe.close()
            raise

    def fileno(self) -> int:
        """Give what becomes readable when there is one more."""
        return self._pipe.fileno()

    def show(self) -> bool:
        """Take in those that have come."""
        found = False
        while lines := self._pipe.read(timeout=0):
            found = True
            for line in lines:
                if line.event == "sched_process_fork":
                    number = line.message.rpartition("child_pid=")[2]
                    if number.isdecimal():
                        self.pids.add(int(number))
        if self._pipe.lost and not self._told:
            self._told = True
            self._report.warning("processes are started faster than that is recorded: events of some are not shown")
        return found

    def close(self) -> None:
        """Remove the buffer."""
        self._pipe.close()


def check_namespace() -> None:
    """Refuse to choose processes by numbers that are not the kernel's."""
    try:
        ours = os.readlink("/proc/self/ns/pid")
    except (FileNotFoundError, PermissionError):
        return  # nobody says that it is another
    if ours != INIT_PID_NAMESPACE:
        import errno

        raise OSError(
            errno.ENOTSUP,
            "this process is in a PID namespace of its own (a container), and tracefs knows processes by "
            "their numbers outside it: use --task, or run the command outside",
        )


def write_setting(pipe: bpf.TracePipe, name: str, text: str) -> None:
    """Write to a setting of a private buffer; what a list holds already stays in it."""
    path = os.path.join(pipe.path, name)
    opened: list[int] = []
    try:
        try:
            # One step, see tracefs.write_file().
            opened.extend(map(os.open, (path,), (os.O_WRONLY | os.O_CLOEXEC,)))
            os.write(opened[0], f"{text}\n".encode())
        finally:
            for fd in opened:
                os.close(fd)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {text!r}: {error.strerror}", path) from None


def follow(pipe: bpf.TracePipe, pids: Iterable[int], more: Iterable[int]) -> set[int]:
    """Have a private buffer record what the threads of processes do, and `more` tasks; give them all."""
    tasks = [*more]
    for pid in pids:
        tasks += threads(pid)
    seen: set[int] = set()
    while tasks:
        write_setting(pipe, "set_event_pid", " ".join(map(str, tasks)))
        seen.update(tasks)
        # Threads made between listing and filtering.
        tasks = [task for pid in pids for task in threads(pid, gone=True) if task not in seen]
    return seen


def threads(pid: int, *, gone: bool = False) -> list[int]:
    """Give the numbers of a process's threads; ``OSError`` if there is no such process, unless it may be `gone`."""
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        if gone:
            return []
        import errno

        raise OSError(errno.ESRCH, f"there is no process {pid}") from None
