"""Where the kernel's file systems are that BPF needs, and what is raised when one is missing or refuses.

tracefs, bpffs and cgroup2: where they are mounted, and how to mount them; `tracefs` offers it. Nothing here needs
libbpf.
"""

from __future__ import annotations

import errno
import os

from . import _privileges
from ._arguments import path_bytes, path_name
from ._refusals import MOMENTARY, refused
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    PathLike: TypeAlias = "str | os.PathLike[str]"
    Mount: TypeAlias = tuple[str, str, int]

__all__ = [
    "BPFFS",
    "TRACEFS",
    "FilesystemError",
    "TracefsError",
    "TracefsPermissionError",
    "absent",
    "cgroup2_mounts",
    "device_of",
    "every_bpffs",
    "failure",
    "find_bpffs",
    "find_cgroup2",
    "find_tracefs",
    "is_bpffs",
    "mount_bpffs",
    "mount_tracefs",
    "status_of",
    "type_of",
]

TRACEFS = "/sys/kernel/tracing"
BPFFS = "/sys/fs/bpf"
CGROUP2 = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")

TRACEFS_MODULE = f"{__package__}.tracefs"
"""Where users find the exceptions, and what a traceback names."""


class FilesystemError(Error, OSError):
    """A file system of the kernel is missing, or refuses.

    `errno` and `strerror` are the kernel's, `action` says what was being done, `path` on what (or is
    ``None``), `hint` says what to do about it (or is ``None``).
    """

    __module__ = TRACEFS_MODULE

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

    __module__ = TRACEFS_MODULE


class TracefsPermissionError(TracefsError, PermissionError):
    """The process may not use tracefs, or the kernel is locked down."""

    __module__ = TRACEFS_MODULE


def failure(error: OSError, action: str, path: str, *, writing: bool = False) -> TracefsError:
    """Make of what the kernel said an exception that says what to do."""
    number = refused(error)
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


def absent(error: OSError, action: str, path: str | None = None) -> int:
    """Give the errno of a refusal that is an answer, as `_check.absent`; what is none is a `FilesystemError`."""
    number = refused(error)
    if number in MOMENTARY:
        hint = "raise `ulimit -n`" if number == errno.EMFILE else None
        raise FilesystemError(number, os.strerror(number), action, path, hint) from None
    return number


def _mounts(kind: str) -> list[Mount]:
    """Give the mounts of a type of file system: mount point, what of it is mounted there, device number.

    They come in the order of mounting (proc(5), /proc/PID/mountinfo).
    """
    try:
        return [(point, root, device) for each, point, root, device in _every_mount() if each == kind]
    except OSError as error:
        absent(error, f"find what is a {kind}")
        return []  # without /proc nothing can be said


def _every_mount() -> Iterator[tuple[str, str, str, int]]:
    """Give the type of each mount, and what `_mounts` gives."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = file.read().split(b"\n")
    for line in filter(None, lines):
        fields, _, source = line.partition(b" - ")
        _, _, device, root, point = fields.split(b" ")[:5]
        major, minor = device.split(b":")
        kind = os.fsdecode(source.split(b" ")[0])
        yield kind, _unescaped(point), _unescaped(root), os.makedev(int(major), int(minor))


def _unescaped(field: bytes) -> str:
    r"""Undo the kernel's ``\040`` for a blank, tab, newline or backslash."""
    first, *parts = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in parts))


def type_of(path: PathLike) -> str | None:
    """Give the type of the file system that a path is in."""
    real = os.path.realpath(os.fspath(path))
    best, found = "", None
    for kind, point, _, _ in _every_mount():
        # A later mount on the same place hides an earlier one.
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, found = point, kind
    return found


def status_of(path: PathLike) -> os.stat_result | None:
    try:
        return os.stat(path_bytes(path))
    except OSError as error:
        absent(error, f"look at {os.fspath(path)!r}")
        return None


def device_of(path: PathLike) -> int | None:
    status = status_of(path)
    return None if status is None else status.st_dev


def _find(kind: str, usual: tuple[str, ...]) -> str | None:
    """Give a place where such a file system is mounted and not hidden by another mount, a usual one first."""
    mounts = _visible(kind, usual)
    return mounts[0][0] if mounts else None


def _visible(kind: str, usual: tuple[str, ...]) -> list[tuple[str, str]]:
    """Give the places where such a file system is not hidden by another mount, and what of it is mounted there."""
    # Of two mounts at one place the later one is seen; both may be of one device.
    last = {point: (root, device) for point, root, device in _mounts(kind)}
    mounts = [(point, root) for point, (root, device) in last.items() if device_of(point) == device]
    return sorted(mounts, key=lambda mount: (mount[0] not in usual, mount[1] != "/"))


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
    return status_of(os.path.join(folder, "trace_pipe")) is not None


def _may_search(folder: str) -> bool:
    try:
        os.stat(os.path.join(folder, "."))
    except PermissionError:
        return False
    except OSError as error:
        refused(error)
    return True


def _kernel_has(kind: str) -> bool:
    try:
        with open("/proc/filesystems", encoding="utf-8") as file:
            return any(line.split()[-1:] == [kind] for line in file)
    except OSError as error:
        refused(error)
        return True


def locked_down() -> bool:
    """Tell whether the kernel is locked down to "confidentiality", which closes tracefs to everybody. Linux 5.4."""
    return _privileges.lockdown() == "confidentiality"


_LOCKED_DOWN = (
    'the kernel is locked down ("confidentiality", see /sys/kernel/security/lockdown), which closes tracefs '
    "even to root; the boot parameter lockdown= sets it"
)


def every_bpffs() -> list[str]:
    """Give a folder for each BPF file system that is mounted and not hidden by another mount, the usual one first."""
    found: dict[int, dict[str, str]] = {}
    for point, root, device in _mounts("bpf"):
        if device_of(point) == device:
            roots = found.setdefault(device, {})
            if roots.get(root) != BPFFS:
                roots[root] = point
    # What is mounted as a whole is not listed by parts.
    folders = [point for roots in found.values() for root, point in roots.items() if root == "/" or "/" not in roots]
    return sorted(folders, key=lambda folder: (folder != BPFFS, folder))


def find_bpffs() -> str:
    """Give the folder where a BPF file system is mounted, /sys/fs/bpf if there are several. Linux 4.4."""
    return _found("bpf", (BPFFS,), f"mount -t bpf bpf {BPFFS}")


def find_cgroup2() -> str:
    """Give the folder where cgroup version 2 is mounted. Linux 4.5."""
    return _found("cgroup2", CGROUP2, "mount -t cgroup2 cgroup2 /sys/fs/cgroup")


def cgroup2_mounts() -> list[tuple[str, str]]:
    """Give the folders where cgroup version 2 is mounted, at least one, and the group that each of them shows.

    The group is told as /proc/PID/cgroup tells those of processes (cgroup_namespaces(7)).
    """
    find_cgroup2()
    return _visible("cgroup2", CGROUP2)


def _found(kind: str, usual: tuple[str, ...], hint: str) -> str:
    folder = _find(kind, usual)
    if folder is not None:
        return folder
    if not _kernel_has(kind):
        hint = f"this kernel was built without the file system {kind!r}"
    raise FilesystemError(errno.ENOENT, "it is not mounted", f"find the file system {kind!r}", None, hint)


def is_bpffs(path: PathLike) -> bool:
    """Tell whether `path` exists and is on a BPF file system."""
    device = device_of(path)
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


def mount_bpffs(folder: PathLike | None = None) -> str:
    """Mount a BPF file system at `folder`, unless one is mounted there, and return where. For commands.

    Without `folder` one that is mounted anywhere will do, and is else mounted at /sys/fs/bpf.
    """
    if folder is None:
        found = _find("bpf", (BPFFS,))
        if found is not None:
            return found
        folder = BPFFS
    try:
        path = os.path.realpath(path_name(folder, "folder"))
    except OSError as error:
        number, hint = refused(error), "the current folder has been removed: give an absolute path"
        raise FilesystemError(number, os.strerror(number), f"mount bpf at {folder!r}", None, hint) from None
    if path not in [point for point, _, _ in _mounts("bpf")]:
        _mount("bpf", path, FilesystemError)
    return path


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
