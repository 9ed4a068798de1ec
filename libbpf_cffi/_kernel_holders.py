"""Who holds what of the kernel's BPF: processes by their descriptors, and pins."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from . import _log
from ._arguments import path_name
from ._check import MOMENTARY, absent, by_id_hint, check, failure
from ._ffi import ffi, lib, path_bytes, text
from ._mounts import every_bpffs
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, TypeAlias

    Kind: TypeAlias = Literal["prog", "map", "link", "btf"]

__all__ = ["GONE", "Holder", "PerfEvent", "Pin", "holders", "perf_events", "pinned", "pins"]

GONE = (errno.ENOENT, errno.EAGAIN)
"""What the kernel says of a thing that is gone, and of a link that is not whole yet."""


class Holder(NamedTuple):
    """A process that has a descriptor of something: its number, its name, the descriptor.

    Of a thread that has descriptors of its own it is one of those.
    """

    pid: int
    comm: str
    fd: int


class Pin(NamedTuple):
    """What is pinned at a path: `kind` is ``prog``, ``map`` or ``link``; both it and `id` are ``None`` if it may not be
    opened.
    """

    path: str
    kind: str | None
    id: int | None


class PerfEvent(NamedTuple):
    """A program that a process has attached, by a descriptor, to a tracepoint, raw tracepoint, kprobe or uprobe.

    `type` is ``tracepoint``, ``raw_tracepoint``, ``kprobe``, ``kretprobe``, ``uprobe`` or ``uretprobe``; `name` that of
    the tracepoint, function or file; `offset` in bytes; `address` that of a kprobe without a name.
    """

    pid: int
    comm: str
    fd: int
    prog_id: int
    type: str
    name: str
    offset: int
    address: int


_TARGETS: dict[str, Kind] = {
    "anon_inode:bpf-prog": "prog",
    "anon_inode:bpf-map": "map",
    "anon_inode:bpf_link": "link",
    "anon_inode:bpf-link": "link",
    "anon_inode:btf": "btf",
}
"""What /proc/PID/fd says of a descriptor."""

_READ = "read what descriptors processes have"

_PERF_EVENT = "anon_inode:[perf_event]"


def _descriptors() -> Iterator[tuple[int, int, int, str]]:
    """Give every descriptor of every process that this one may look at.

    That is the process, a thread that has it, its number, and what it is.
    """
    for entry in _listed("/proc"):
        if not entry.isdecimal():
            continue
        for thread in _tables(int(entry)):
            folder = f"/proc/{thread}/fd"
            for fd in _listed(folder):
                try:
                    yield int(entry), thread, int(fd), os.readlink(f"{folder}/{fd}")
                except OSError as error:
                    absent(error, _READ)
                    continue  # gone meanwhile


def _tables(pid: int) -> list[int]:
    """Give the process, and a thread of it for each further table of descriptors.

    Threads have a table of their own after ``unshare(CLONE_FILES)``, and the process has none after its first thread's
    end.
    """
    folder = f"/proc/{pid}/task"
    try:
        # Beside itself and the one above a folder for each thread.
        if os.stat(folder).st_nlink <= 3:
            return [pid]
    except OSError as error:
        absent(error, _READ)
        return []  # gone meanwhile
    found = [pid]
    for thread in map(int, _listed(folder)):
        # The kernel orders tables; an errno is of a thread that is gone, or of a kernel without CONFIG_KCMP.
        if thread != pid and all(lib.lbc_descriptor_tables(each, thread) > 0 for each in found):
            found.append(thread)
    return found


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder), key=lambda name: (len(name), name))
    except OSError as error:
        absent(error, _READ)
        return []  # gone meanwhile, or another user's


def _facts(path: str) -> dict[str, str]:
    try:
        with open(path, "rb") as file:
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError as error:
        absent(error, _READ)
        return {}  # gone meanwhile
    # The first of a name counts: behind them may be the path of a file, with lines in it that seem to say the same.
    return {name: value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().rstrip(b"\n").decode("utf-8", "surrogateescape")
    except OSError as error:
        absent(error, _READ)
        return ""


def holders() -> dict[tuple[str, int], tuple[Holder, ...]]:
    """Tell which processes have descriptors of programs, maps, links and BTF: by ``("prog", id)`` and so on.

    From /proc/PID/fdinfo, of the processes that this one may look at: with CAP_SYS_PTRACE all of its PID namespace.
    What is only pinned, attached or used by another has no holder. A link's id is told since Linux 5.7, that of BTF
    since 4.20.
    """
    found: dict[tuple[str, int], list[Holder]] = {}
    names: dict[int, str] = {}
    for pid, thread, fd, target in _descriptors():
        kind = _TARGETS.get(target)
        if kind is None:
            continue
        number = _facts(f"/proc/{thread}/fdinfo/{fd}").get(f"{kind}_id", "")
        if number.isdecimal():
            if pid not in names:
                names[pid] = _comm(pid)
            holder = Holder(pid, names[pid], fd)
            if holder not in (held := found.setdefault((kind, int(number)), [])):
                held.append(holder)
    return {key: tuple(each) for key, each in found.items()}


_FD_TYPES = {
    lib.BPF_FD_TYPE_RAW_TRACEPOINT: "raw_tracepoint",
    lib.BPF_FD_TYPE_TRACEPOINT: "tracepoint",
    lib.BPF_FD_TYPE_KPROBE: "kprobe",
    lib.BPF_FD_TYPE_KRETPROBE: "kretprobe",
    lib.BPF_FD_TYPE_UPROBE: "uprobe",
    lib.BPF_FD_TYPE_URETPROBE: "uretprobe",
}


def perf_events() -> list[PerfEvent]:
    """List the programs that processes have attached to tracepoints, raw tracepoints, kprobes and uprobes.

    With links or without. Those of ``SEC("perf_event")`` the kernel does not tell (bpf_get_perf_event_info() of
    kernel/trace/bpf_trace.c): what attaches them is among `links`, since Linux 5.15.
    *Wraps* ``bpf_task_fd_query()``. Of the processes that this one may look at. Linux 4.18.
    """
    found = []
    for pid, thread, fd, target in _descriptors():
        if target == _PERF_EVENT or _TARGETS.get(target) == "link" or target == "anon_inode:bpf-raw-tracepoint":
            event = _event(pid, thread, fd)
            if event is not None:
                found.append(event)
    return found


def _event(pid: int, thread: int, fd: int) -> PerfEvent | None:
    name = ffi.new("char[4096]")
    size, prog_id, kind = (ffi.new("__u32 *", value) for value in (len(name), 0, 0))
    offset, address = ffi.new("__u64 *"), ffi.new("__u64 *")
    result = lib.bpf_task_fd_query(thread, fd, 0, name, size, prog_id, kind, offset, address)
    if -result in (*MOMENTARY, errno.EPERM, errno.EACCES):
        check(result, "list the programs of perf events", by_id_hint)
    if result < 0:
        return None  # no program, another kind of link, or gone meanwhile
    type_name = _FD_TYPES.get(kind[0], f"unknown_{kind[0]}")
    return PerfEvent(pid, _comm(pid), fd, prog_id[0], type_name, text(name), offset[0], address[0])


# Where they are pinned


def pins(folder: str | os.PathLike[str] | None = None) -> list[Pin]:
    """List what is pinned below a folder; by default on every BPF file system that is mounted here.

    *Wraps* ``bpf_obj_get()``. Where no such file system is mounted nothing is pinned. Folders that this process may not
    read are left out, all but `folder` itself.
    """
    found: dict[str, Pin] = {}
    for start in every_bpffs() if folder is None else (path_name(folder, "folder"),):
        if folder is not None:
            _readable(start)
        for where, _, names in sorted(os.walk(start, onerror=_left_out)):
            for name in sorted(names):
                path = os.path.join(where, name)
                # One that is mounted below another is walked with it.
                what = None if path in found else pinned(path)
                if what is None or what in GONE:
                    continue
                if what in MOMENTARY:
                    raise failure(what, f"open what is pinned at {path!r}")
                found[path] = Pin(path, None, None) if isinstance(what, int) else Pin(path, *what)
    return list(found.values())


def _readable(folder: str) -> None:
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise failure(refused(error), f"list what is pinned below {folder!r}") from None


def _left_out(error: OSError) -> None:
    absent(error, "list what is pinned")


def pinned(path: str) -> tuple[str, int] | int | None:
    """Give kind and id of what is pinned at a path, an errno, or ``None`` for what is neither program, map nor link."""
    _log.listen()
    held: list[int] = []
    try:
        held.extend(map(lib.bpf_obj_get, (path_bytes(path),)))
        if held[0] < 0:
            return -held[0]
        try:
            kind = _TARGETS.get(os.readlink(f"/proc/self/fd/{held[0]}"))
        except OSError as error:
            return refused(error)
        number = _facts(f"/proc/self/fdinfo/{held[0]}").get(f"{kind}_id", "")
        return (kind, int(number)) if kind is not None and number.isdecimal() else None
    finally:
        for fd in held:
            if fd >= 0:
                os.close(fd)
