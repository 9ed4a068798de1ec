"""Where the kernel's file systems are that BPF needs, and the instances of tracefs.

tracefs, bpffs and cgroup2: where they are mounted, and how to mount them. An instance is a trace buffer of
its own, with settings of its own (Documentation/trace/ftrace.rst of Linux). Nothing here needs libbpf.
"""

from __future__ import annotations

import errno
import os
from itertools import count

from . import _privileges
from ._arguments import c_string, path_bytes
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    PathLike: TypeAlias = "str | os.PathLike[str]"
    Mount: TypeAlias = tuple[str, str, int]

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

TRACEFS = "/sys/kernel/tracing"
BPFFS = "/sys/fs/bpf"
INSTANCE_PREFIX = "libbpf_cffi-"


class FilesystemError(Error, OSError):
    """A file system of the kernel is missing, or refuses.

    `errno` and `strerror` are the kernel's, `action` says what was being done, `path` on what (or is
    ``None``), `hint` says what to do about it (or is ``None``).
    """

    def __init__(
        self, errno: int, strerror: str, action: str, path: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(errno, strerror, *([path] if path is not None else []))
        self.action = action
        self.path = path
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # OSError's own would lose the action and the hint.
        return type(self), (self.errno, self.strerror, self.action, self.path, self.hint)

    def __str__(self) -> str:
        text = f"cannot {self.action}: {self.strerror} (errno {self.errno})"
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class TracefsError(FilesystemError):
    """tracefs is missing, or refuses."""


class TracefsPermissionError(TracefsError, PermissionError):
    """The process may not use tracefs, or the kernel is locked down."""


# Mounts


def _mounts(kind: str) -> list[Mount]:
    """Give the mounts of a type of file system: mount point, what of it is mounted there, device number.

    They come in the order of mounting (proc(5), /proc/PID/mountinfo).
    """
    found = []
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            lines = file.read().split(b"\n")
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            # Says nothing of mounts.
            hint = "raise `ulimit -n`" if error.errno == errno.EMFILE else None
            raise FilesystemError(error.errno, os.strerror(error.errno), f"find what is a {kind}", None, hint) from None
        return []  # without /proc nothing can be said
    for line in lines:
        fields, _, source = line.partition(b" - ")
        if source.split(b" ")[0] == os.fsencode(kind):
            _, _, device, root, point = fields.split(b" ")[:5]
            major, minor = device.split(b":")
            found.append((_unescaped(point), _unescaped(root), os.makedev(int(major), int(minor))))
    return found


def _unescaped(field: bytes) -> str:
    r"""Undo the kernel's ``\040`` for a blank, tab, newline or backslash."""
    first, *parts = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in parts))


def _status(path: PathLike) -> os.stat_result | None:
    try:
        return os.stat(path_bytes(path))
    except OSError:
        return None


def _device(path: PathLike) -> int | None:
    status = _status(path)
    return None if status is None else status.st_dev


def _find(kind: str, usual: tuple[str, ...]) -> str | None:
    """Give a place where such a file system is mounted and not hidden by another mount, a usual one first."""
    mounts = [(point, root) for point, root, device in _mounts(kind) if _device(point) == device]
    mounts.sort(key=lambda mount: (mount[0] not in usual, mount[1] != "/"))
    return mounts[0][0] if mounts else None


def find_tracefs() -> str:
    """Give the folder where tracefs is mounted.

    It is looked for at /sys/kernel/tracing, in debugfs, where the kernel mounts it by itself, and among all
    mounts. Linux 4.1.
    """
    for folder in (TRACEFS, "/sys/kernel/debug/tracing"):
        if _is_tracefs(folder):
            return folder
    mounts = [point for point, root, _ in _mounts("tracefs") if root == "/"]
    debugfs = [os.path.join(point, "tracing") for point, root, _ in _mounts("debugfs") if root == "/"]
    for folder in mounts + debugfs:
        if _is_tracefs(folder):
            return folder
    action = "find tracefs"
    if locked_down():
        raise TracefsPermissionError(errno.EPERM, os.strerror(errno.EPERM), action, None, _LOCKED_DOWN)
    for folder in mounts:
        if not _may_search(folder):
            raise failure(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), action, folder)
    why, hint = "it is not mounted", f"mount -t tracefs tracefs {TRACEFS}"
    if not _kernel_has("tracefs"):
        why, hint = "this kernel has none", "tracing is CONFIG_TRACING in the kernel's configuration"
    elif mounts:
        why = f"what is mounted at {mounts[0]} is empty, or hidden by another mount"
    elif not _may_search("/sys/kernel/debug"):
        hint += " (or it is in /sys/kernel/debug, which this process may not search)"
    raise TracefsError(errno.ENOENT, why, action, None, hint)


def _is_tracefs(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "trace_pipe"))


def _may_search(folder: str) -> bool:
    try:
        os.stat(os.path.join(folder, "."))
    except PermissionError:
        return False
    except OSError:
        pass
    return True


def _kernel_has(kind: str) -> bool:
    try:
        with open("/proc/filesystems", encoding="utf-8") as file:
            return any(line.split()[-1:] == [kind] for line in file)
    except OSError:
        return True


def locked_down() -> bool:
    """Tell whether the kernel is locked down to "confidentiality", which closes tracefs to everybody. Linux 5.4."""
    return _privileges.lockdown() == "confidentiality"


_LOCKED_DOWN = (
    'the kernel is locked down ("confidentiality", see /sys/kernel/security/lockdown), which closes tracefs '
    "even to root; the boot parameter lockdown= sets it"
)


def find_bpffs() -> str:
    """Give the folder where a BPF file system is mounted, /sys/fs/bpf if there are several. Linux 4.4."""
    return _found("bpf", (BPFFS,), f"mount -t bpf bpf {BPFFS}")


def find_cgroup2() -> str:
    """Give the folder where cgroup version 2 is mounted. Linux 4.5."""
    usual = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    return _found("cgroup2", usual, "mount -t cgroup2 cgroup2 /sys/fs/cgroup")


def _found(kind: str, usual: tuple[str, ...], hint: str) -> str:
    folder = _find(kind, usual)
    if folder is not None:
        return folder
    if not _kernel_has(kind):
        hint = f"this kernel was built without the file system {kind!r}"
    raise FilesystemError(errno.ENOENT, "it is not mounted", f"find the file system {kind!r}", None, hint)


def is_bpffs(path: PathLike) -> bool:
    """Tell whether `path` exists and is on a BPF file system."""
    device = _device(path)
    return device is not None and any(other == device for _, _, other in _mounts("bpf"))


def mount_tracefs(folder: PathLike = TRACEFS) -> str:
    """Mount tracefs, unless it is mounted anywhere, and return its folder. For commands; a library asks first."""
    try:
        return find_tracefs()
    except TracefsPermissionError:
        raise
    except TracefsError:
        _mount("tracefs", os.fspath(folder), TracefsError)
    return find_tracefs()


def mount_bpffs(folder: PathLike = BPFFS) -> str:
    """Mount a BPF file system, unless one is mounted anywhere, and return its folder. For commands."""
    folder = os.fspath(folder)
    found = _find("bpf", (folder,))
    if found is not None:
        return found
    _mount("bpf", folder, FilesystemError)
    return find_bpffs()


def _mount(kind: str, folder: str, exception: type[FilesystemError]) -> None:
    """Run mount(8): it, not the caller's PATH, decides what is run as root."""
    import subprocess

    action = f"mount {kind} at {folder!r}"
    command = ["mount", "-t", kind, "-o", "nosuid,nodev,noexec", kind, folder]
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    try:
        done = subprocess.run(
            command,
            env={"PATH": path, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise exception(errno.ENOENT, f"no mount command in {path}", action, folder) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        error = errno.ENOENT if not os.path.isdir(folder) else errno.EPERM
        hint = f"it needs CAP_SYS_ADMIN; the command was: {' '.join(command)}" if error == errno.EPERM else None
        raise exception(error, said or f"mount ended with status {done.returncode}", action, folder, hint)


# Files of tracefs


def failure(error: OSError, action: str, path: str, *, writing: bool = False) -> TracefsError:
    """Make of what the kernel said an exception that says what to do."""
    number = error.errno or errno.EIO
    strerror = os.strerror(number)
    if number in (errno.EACCES, errno.EPERM):
        if locked_down():
            hint = _LOCKED_DOWN
        elif writing:
            hint = "run as root, or with CAP_DAC_OVERRIDE"
        else:
            hint = (
                "run as root, or with CAP_DAC_READ_SEARCH (to make an instance or set something CAP_DAC_OVERRIDE), "
                f"or let a group in: mount -o remount,gid=GROUP,mode=750 {TRACEFS}"
            )
        return TracefsPermissionError(number, strerror, action, path, hint)
    return TracefsError(number, strerror, action, path)


def read_file(path: str, action: str) -> str:
    """Read a small file of tracefs."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()
    except OSError as error:
        raise failure(error, action, path) from None


def write_file(path: str, text: str, action: str) -> None:
    """Write a small file of tracefs."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
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
        status = _status(os.path.join(path, "trace_pipe"))
        if status is not None:
            pipes.add((status.st_dev, status.st_ino))
    return _holders("/trace_pipe", lambda status: (status.st_dev, status.st_ino) in pipes)


def instance_users(folder: PathLike) -> list[tuple[int, str]]:
    """Give the pid and name of each process that has a file of an instance open, which keeps it from being removed."""
    folder = os.fspath(folder)
    device = _device(folder)
    return _holders(f"/instances/{os.path.basename(folder)}/", lambda status: status.st_dev == device)


def _holders(part: str, belongs: Callable[[os.stat_result], bool]) -> list[tuple[int, str]]:
    """Find the processes that have a file open whose path has `part` in it and which `belongs`."""
    found = []
    for pid in _numbers("/proc"):
        for fd in _numbers(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{fd}"
            try:
                # Nothing is asked of files on other file systems, some of which may not answer.
                if part not in os.readlink(link):
                    continue
            except OSError:
                continue  # closed meanwhile
            status = _status(link)
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
    except OSError:
        return []


def _numbers(folder: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(folder) if name.isdigit())
    except OSError:
        return []


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="backslashreplace") as file:
            return file.read().rstrip("\n")
    except OSError:
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
        remove_stale_instances(tracefs=os.path.dirname(root))
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
            trouble.hint = in_use(instance_users(folder))
        raise trouble from None
    _made.discard(folder)


def in_use(users: list[tuple[int, str]]) -> str:
    """Say which processes have a pipe or an instance open."""
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
    except OSError:
        return []  # who may not look may not remove either
    for name in names:
        folder = os.path.join(root, name)
        if folder not in _made and _is_stale(name):
            try:
                os.rmdir(folder)
            except OSError:
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
    except OSError:
        pass
    return False
