"""Where the kernel's file systems are that BPF needs, and the instances of tracefs.

tracefs, bpffs and cgroup2: where they are mounted, and how to mount them. An instance is a trace buffer of
its own, with settings of its own (Documentation/trace/ftrace.rst of Linux). Nothing here needs libbpf.
"""

from __future__ import annotations

import errno
import os
from itertools import count

from . import _mounts
from ._arguments import c_string
from ._mounts import (
    FilesystemError,
    TracefsError,
    TracefsPermissionError,
    absent,
    device_of,
    find_bpffs,
    find_cgroup2,
    find_tracefs,
    is_bpffs,
    mount_bpffs,
    mount_tracefs,
    status_of,
)
from ._refusals import MOMENTARY, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    PathLike: TypeAlias = "str | os.PathLike[str]"

__all__ = [
    "FilesystemError",
    "TracefsError",
    "TracefsPermissionError",
    "find_bpffs",
    "find_cgroup2",
    "find_tracefs",
    "instance_users",
    "is_bpffs",
    "make_instance",
    "mount_bpffs",
    "mount_tracefs",
    "pipe_readers",
    "remove_instance",
    "remove_stale_instances",
]

TRACEFS = _mounts.TRACEFS
BPFFS = _mounts.BPFFS
failure = _mounts.failure
INSTANCE_PREFIX = "libbpf_cffi-"

# Files of tracefs


def read_file(path: str, action: str) -> str:
    """Read a small file of tracefs."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()
    except OSError as error:
        raise failure(error, action, path) from None


def write_file(path: str, text: str, action: str) -> None:
    """Write a small file of tracefs."""
    opened: list[int] = []
    try:
        try:
            # One step opens and stores, so that no Ctrl-C loses the descriptor: it would keep an instance busy.
            opened.extend(map(os.open, (path,), (os.O_WRONLY | os.O_CLOEXEC,)))
            os.write(opened[0], text.encode())
        finally:
            for fd in opened:
                os.close(fd)
    except OSError as error:
        raise failure(error, action, path, writing=True) from None


def pipe_readers(folder: PathLike) -> list[tuple[int, str]]:
    """Give the pid and name of each process that has the trace pipe in `folder`, or one of its CPUs' pipes, open.

    `folder` is tracefs or one of its instances. Processes of other users are seen by root only, those outside
    the PID namespace by nobody.
    """
    folder = os.fspath(folder)
    pipes = set()
    for path in (folder, *_cpu_folders(folder)):
        status = status_of(os.path.join(path, "trace_pipe"))
        if status is not None:
            pipes.add((status.st_dev, status.st_ino))
    return _holders("/trace_pipe", lambda status: (status.st_dev, status.st_ino) in pipes)


def instance_users(folder: PathLike) -> list[tuple[int, str]]:
    """Give the pid and name of each process that has a file of an instance open, which keeps it from being removed."""
    folder = os.fspath(folder)
    device = device_of(folder)
    return _holders(f"/instances/{os.path.basename(folder)}/", lambda status: status.st_dev == device)


def _holders(part: str, belongs: Callable[[os.stat_result], bool]) -> list[tuple[int, str]]:
    """Find the processes that have a file open whose path has `part` in it and which `belongs`."""
    found = []
    action = "read what files processes have open"
    for pid in _numbers("/proc"):
        for fd in _numbers(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{fd}"
            try:
                # Nothing is asked of files on other file systems, some of which may not answer.
                if part not in os.readlink(link):
                    continue
            except OSError as error:
                absent(error, action)
                continue  # closed meanwhile
            status = status_of(link)
            if status is not None and belongs(status):
                found.append((pid, _process_name(pid)))
                break
    return found


def buffered_entries(folder: PathLike) -> list[int]:
    """Give for each CPU how many entries of the trace buffer in `folder` have not been read."""
    found = []
    for cpu in _cpu_folders(os.fspath(folder)):
        path = os.path.join(cpu, "stats")
        for line in read_file(path, f"read {path!r}").split("\n"):
            name, _, value = line.partition(": ")
            if name == "entries":
                found.append(int(value))
    return found


def cpus(folder: PathLike) -> list[int]:
    """Give the numbers of the CPUs that the trace buffer in `folder` has a part for."""
    path = os.path.join(os.fspath(folder), "per_cpu")
    try:
        names = os.listdir(path)
    except OSError as error:
        raise failure(error, f"list {path!r}", path) from None
    return sorted(int(name[3:]) for name in names if name[:3] == "cpu" and name[3:].isdigit())


def _cpu_folders(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(os.path.join(folder, "per_cpu"))]
    except OSError as error:
        absent(error, f"list the CPUs of {folder!r}", folder)
        return []


def _numbers(folder: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(folder) if name.isdigit())
    except OSError as error:
        absent(error, f"list {folder}")
        return []


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as file:
            return file.read().rstrip("\n")
    except OSError as error:
        absent(error, f"find the name of process {pid}")
        return "?"


# Instances

_serial = count(1)
_made: set[str] = set()
"""The instances that this process has made and not removed."""


def make_instance(name: str | None = None, *, tracefs: PathLike | None = None) -> str:
    """Make an instance, a trace buffer of its own with its own settings, and return its folder.

    Without a name it is libbpf_cffi-PID-N, and what processes that are gone have left of such instances is
    removed first.
    """
    root = os.path.join(find_tracefs() if tracefs is None else os.fspath(tracefs), "instances")
    if name is None:
        try:
            remove_stale_instances(tracefs=os.path.dirname(root))
        except FilesystemError as error:
            # No descriptor is left to look for them: what the new one needs is said when that fails.
            if error.errno not in MOMENTARY:
                raise
    else:
        check_name(name)
    while True:
        folder = os.path.join(root, name or f"{INSTANCE_PREFIX}{os.getpid()}-{next(_serial)}")
        _made.add(folder)  # first, so that no other thread takes it for something left behind
        try:
            os.mkdir(folder)
        except OSError as error:
            _made.discard(folder)
            if name is None and error.errno == errno.EEXIST:
                continue
            raise failure(error, f"make the trace instance {folder!r}", folder, writing=True) from None
        except BaseException:
            # A Ctrl-C right after mkdir(); only a name of our own making can be nobody else's.
            if name is None:
                try:  # noqa: SIM105 - contextlib would be one more import
                    os.rmdir(folder)
                except OSError:
                    pass  # it had not been made
            _made.discard(folder)
            raise
        return folder


def check_name(name: str) -> None:
    """Refuse what cannot be the name of an instance."""
    encoded = c_string(name, "instance")
    if not name or name in (".", "..") or "/" in name or len(encoded) > 255:
        raise ValueError(f"not the name of a trace instance: {name!r}")


def remove_instance(folder: PathLike) -> None:
    """Remove an instance. One that is in use, even for a moment, is refused with EBUSY."""
    folder = os.fspath(folder)
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        trouble = failure(error, f"remove the trace instance {folder!r}", folder, writing=True)
        if error.errno == errno.EBUSY:
            trouble.hint = in_use(instance_users, folder)
        raise trouble from None
    _made.discard(folder)


def in_use(find_users: Callable[[str], list[tuple[int, str]]], folder: str) -> str:
    """Say which processes have a pipe or an instance open."""
    try:
        users = find_users(folder)
    except FilesystemError:
        return "it is in use"  # no descriptor is left to find out by whom
    if not users:
        return "it is in use by a process that cannot be seen from here (another user's, or in another PID namespace)"
    names = [
        f"process {pid} ({name})" if pid != os.getpid() else f"this very process ({pid}, {name})"
        for pid, name in users
    ]
    return f"it is in use by {', '.join(names)}"


def remove_stale_instances(*, tracefs: PathLike | None = None) -> list[str]:
    """Remove the instances that processes which are gone made with `make_instance`, and return their folders.

    Only such as the package names by itself, and the kernel refuses to remove any that is open somewhere, as
    those are whose maker lives in another PID namespace.
    """
    root = os.path.join(find_tracefs() if tracefs is None else os.fspath(tracefs), "instances")
    removed = []
    try:
        names = os.listdir(root)
    except OSError as error:
        absent(error, f"list {root!r}", root)
        return []  # who may not look may not remove either
    for name in names:
        folder = os.path.join(root, name)
        if folder not in _made and _is_stale(name):
            try:
                os.rmdir(folder)
            except OSError as error:
                absent(error, f"remove the trace instance {folder!r}", folder)
                continue  # in use, or removed by somebody else just now
            removed.append(folder)
    return removed


def _is_stale(name: str) -> bool:
    pid, _, serial = name.removeprefix(INSTANCE_PREFIX).partition("-")
    if not name.startswith(INSTANCE_PREFIX) or not (pid + serial).isdecimal() or not pid or not serial:
        return False
    if int(pid) == os.getpid():
        return True  # an earlier program in this process, before exec()
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError as error:
        refused(error)
    return False
