"""What the network's programs are attached to, by the names that people use: interfaces, namespaces, control groups."""

from __future__ import annotations

import errno
import os
from _operator import index

from ._alternative_names import LONGEST, by_alternative_name
from ._arguments import descriptor
from ._borrow import Descriptors
from ._cgroup_process import cgroup_folder, is_process
from ._check import absent, check, failure, path_hint
from ._ffi import lib, path_bytes, unsigned
from ._handle import Handle
from ._refusals import no_thread, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar


    Result = TypeVar("Result")
    Netns = str | os.PathLike[str] | int | None

__all__ = [
    "Opened",
    "cgroup",
    "cgroup_hint",
    "in_netns",
    "inode",
    "interface",
    "interface_name",
    "netns",
    "no_netns_hint",
    "no_socket",
    "with_those_above",
]

NETNS_FOLDER = "/run/netns"
"""Where ``ip netns`` has a file for each namespace that it has made; /var/run is /run."""


def interface(value: Any) -> int:
    """Give a network device's number, of this thread's namespace, by its name or one of its alternative names."""
    if isinstance(value, str):
        import socket

        try:
            # The kernel leaves out a colon and what follows, so that another name is found: no name has a slash.
            return socket.if_nametoindex(value.replace(":", "/"))
        except TimeoutError:
            raise  # a handler's
        except (OSError, ValueError) as error:
            if len(value) > LONGEST and (index := by_alternative_name(value)) > 0:
                return index
            action = f"find the network device {value!r}"
            if (number := no_socket(error)) is not None:
                raise failure(number, action) from None
            raise failure(errno.ENODEV, action, _others(value)) from None
    if not hasattr(value, "__index__"):
        raise TypeError(f"a device is named, or given by its number, not by {type(value).__name__}")
    number = unsigned(value, 31, "the number of a device")
    if not number:
        raise ValueError("0 is the number of no device")
    return number


def no_socket(error: Exception) -> int | None:
    """Give the errno if there is no descriptor for a socket, by which the C library finds devices.

    Python says of every failure that there is no such device.
    """
    import socket

    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return error.errno  # type: ignore[attr-defined, no-any-return]
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).close()
    except OSError as none:
        return refused(none)
    return None


def interface_name(ifindex: int) -> str | None:
    """Give the name of a device's number in this thread's namespace, or ``None``."""
    import socket

    try:
        return socket.if_indextoname(ifindex)
    except TimeoutError:
        raise  # a handler's
    except OSError as error:
        if (number := no_socket(error)) is not None:
            raise failure(number, f"find the name of network device {ifindex}") from None
        return None


def _others(name: str) -> str:
    import socket

    return _known(name, [each for _, each in socket.if_nameindex()], "this network namespace has")


def _known(name: str, names: list[str], has: str) -> str:
    """Say which names come close to one that is not there, or which there are."""
    import difflib

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"{has} no {name!r}; close names: {', '.join(map(repr, close))}"
    if not names:
        return f"{has} none"
    return f"{has} {', '.join(map(repr, sorted(names)[:10]))}{', …' if len(names) > 10 else ''}"


class Opened:
    """A file, open for as long as the block takes: the caller's own descriptor, or one that is opened by a path.

    `name` is what messages call it. `hint` is a function of the path and the errno of an open that failed.
    """

    __slots__ = ("_fd", "_flags", "_hint", "_made", "_path", "name")

    def __init__(
        self,
        value: Any,
        what: str,
        flags: int = os.O_RDONLY,
        hint: Callable[[str, int], str | None] | None = None,
        *,
        paths: bool = True,
    ) -> None:
        self._made = Descriptors()
        # Without O_NONBLOCK the open of a FIFO, which it should not be, waits for its writer.
        self._flags = flags | os.O_CLOEXEC | os.O_NONBLOCK
        self._hint = hint
        self._path: bytes | None = None
        self._fd = -1
        if paths and (isinstance(value, (str, bytes)) or hasattr(value, "__fspath__")):
            self._path = path_bytes(value, what)
            self.name = f"{what} {os.fsdecode(value)!r}"
        elif hasattr(value, "fileno"):
            self._fd = descriptor(value, repr(value))
            self.name = f"{what} {value!r}"
        elif hasattr(value, "__index__"):
            self._fd = unsigned(value, 31, "a descriptor")
            self.name = f"{what} of descriptor {self._fd}"
        else:
            ways = "by a path or a descriptor" if paths else "as an object with fileno() or by a descriptor"
            raise TypeError(f"{what} is given {ways}, not by {type(value).__name__}")

    def __enter__(self) -> int:
        if self._path is None:
            return self._fd
        try:
            return self._made.make(os.open, self._path, self._flags)
        except OSError as error:
            number = refused(error)
            hint = self._hint and self._hint(os.fsdecode(self._path), number)
            raise failure(number, f"open {self.name}", hint or path_hint) from None
        except BaseException:
            # A Ctrl-C: of a block that was not entered nobody ends it.
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        self._made.__exit__()


def inode(fd: int) -> int:
    """Give the number by which the kernel tells a control group or namespace; 0, which is none's, of no open file."""
    try:
        return os.fstat(fd).st_ino
    except OSError as error:
        if error.errno != errno.EBADF:
            raise failure(refused(error), f"look at descriptor {fd}") from None
        return 0


# Control groups


def cgroup(value: Any) -> Opened:
    """Give the folder of a control group, to be opened; digits that name none are a process's number, and its group."""
    folder = cgroup_folder(value)
    opened = Opened(folder, "control group", os.O_RDONLY | os.O_DIRECTORY, _cgroup_missing)
    if folder is not value:
        opened.name = f"the control group of process {value}"
    return opened


def _cgroup_missing(_: str, error: int) -> str | None:
    if error == errno.ENOENT:
        return f"mkdir makes a control group, in {_cgroup2()}"
    if error == errno.ENOTDIR:
        return "a control group is a folder"
    return None


def _cgroup2() -> str:
    from .tracefs import FilesystemError, find_cgroup2

    try:
        return find_cgroup2()
    except FilesystemError as trouble:
        return f"a mounted cgroup2 ({trouble})"


def with_those_above(fd: int) -> list[int]:
    """Give the numbers of a control group and of those above it, as far as its file system shows them."""
    numbers = [inode(fd)]
    path = "."
    try:
        device = os.stat(path, dir_fd=fd).st_dev
        while True:
            path = os.path.join(path, "..")
            above = os.stat(path, dir_fd=fd)
            if above.st_dev != device or above.st_ino == numbers[-1]:
                return numbers
            numbers.append(above.st_ino)
    except OSError as error:
        absent(error, "find the control groups above another")
        # No folder, which the kernel says of it; or one above that this process may not search.
        return numbers


def cgroup_hint(value: Any) -> str:
    """Say why the kernel does not take a folder, or a descriptor, for that of a control group."""
    path = os.fsdecode(value) if isinstance(value, (str, bytes)) or hasattr(value, "__fspath__") else None
    kind = None if path is None else _file_system(path)
    if kind == "cgroup":
        why = f"{path!r} is of version 1 of control groups, on which no program can be"
    elif path is not None:
        why = f"{path!r} is no folder of a control group, but of a file system of type {kind}"
    elif hasattr(value, "__index__"):
        number = index(value)
        why = f"descriptor {number} is not that of a control group's folder; a process's is given as '{number}'"
    else:
        why = "the descriptor is not that of a control group's folder"
    return f"{why}: those of version 2 are in {_cgroup2()}"


def _file_system(path: str) -> str | None:
    """Give the type of the file system that a path is in, if that can be found out."""
    from ._mounts import type_of

    try:
        return type_of(path)
    except OSError as error:
        refused(error)
        return None


# Network namespaces


def netns(value: Netns, pid: int | None = None) -> Opened:
    """Give a network namespace, to be opened: this thread's, one of ``ip netns``, a process's, a file's.

    Digits are a name of ``ip netns`` if there is one, and else a process's number, as for ``ip link set … netns``.
    """
    if pid is not None:
        if value is not None:
            raise ValueError("a network namespace is given by pid or by netns, not by both")
        return _of_process(unsigned(pid, 31, "pid"))
    if value is None:
        opened = Opened("/proc/thread-self/ns/net", "network namespace")
        opened.name = "this network namespace"
        return opened
    if isinstance(value, str) and "/" not in value:
        if value in ("", ".", ".."):
            raise ValueError(f"{value!r} is not the name of a network namespace")
        if is_process(value) and not os.path.lexists(f"{NETNS_FOLDER}/{value}"):
            return _of_process(int(value))
        opened = Opened(f"{NETNS_FOLDER}/{value}", "network namespace", hint=_no_name)
        opened.name = f"network namespace {value!r}"
        return opened
    return Opened(value, "network namespace", hint=_of_another)


def _of_process(pid: int) -> Opened:
    opened = Opened(f"/proc/{pid}/ns/net", "network namespace", hint=_no_process)
    opened.name = f"the network namespace of process {pid}"
    return opened


def _no_process(_: str, error: int) -> str | None:
    if error == errno.EACCES:
        return "this process may not look at that one, which for another user's needs CAP_SYS_PTRACE"
    return "there is no such process" if error == errno.ENOENT else None


def _of_another(path: str, error: int) -> str | None:
    """Say what is wrong with a file of /proc that is a process's namespace: its permissions are not asked."""
    _, proc, process, *_ = (*path.split("/"), "", "")
    folder, kind = os.path.split(os.path.dirname(path))
    if proc != "proc" or kind != "ns" or not (process.isdecimal() or process.endswith("self")):
        return None
    gone = os.path.lexists("/proc/self") and not os.path.lexists(folder)
    return _no_process(path, error) if error == errno.EACCES or gone else None


def _no_name(path: str, error: int) -> str | None:
    if error != errno.ENOENT:
        return None
    try:
        names = os.listdir(NETNS_FOLDER)
    except FileNotFoundError:
        names = []
    except OSError as trouble:
        refused(trouble)
        return None
    return _known(os.path.basename(path), names, "`ip netns` has")


def in_netns(value: Netns, function: Callable[..., Result], *arguments: Any, uses: tuple[Any, ...] = ()) -> Result:
    """Call a function in a network namespace; ``None`` is this thread's own.

    In a thread of its own, which ends there: whatever comes in between, this thread never is in another namespace.
    `uses` are the programs, links and maps whose locks the other thread will want: it would wait for ever for one that
    this thread has.
    """
    if value is None:
        return function(*arguments)
    for each in uses:
        if isinstance(handle := getattr(each, "_handle", None), Handle):
            handle.refuse_reentry("enter another network namespace")
    import threading

    results: list[Result] = []
    errors: list[BaseException] = []
    given_up: list[bool] = []

    def body() -> None:
        try:
            # A Ctrl-C ends the wait for this thread, not the thread.
            with opened as fd:
                check(lib.lbc_enter_netns(fd), f"enter {opened.name}", lambda error: no_netns_hint(error, value))
            results.append(function(*arguments))
            if given_up:
                _close(results)
        except BaseException as error:  # noqa: BLE001 - the caller's
            errors.append(error)

    opened = netns(value)
    thread = threading.Thread(target=body, name="libbpf_cffi-netns")
    try:
        try:
            thread.start()
        except RuntimeError as error:
            if not no_thread(error):
                raise
            raise failure(errno.EAGAIN, f"start a thread for {opened.name}") from None
        thread.join()
    except BaseException:
        # A Ctrl-C. What comes of the call is nobody's: it is closed by whoever sees both.
        given_up.append(True)
        _close(results)
        raise
    if errors:
        # The traceback keeps the frames of that thread, and so this list, alive.
        raise errors.pop()
    return results[0]


def _close(results: list[Any]) -> None:
    for each in results:
        if hasattr(each, "close"):
            each.close()


def no_netns_hint(error: int, value: Any) -> str | None:
    """Say what is wrong with what was given as a network namespace, a number perhaps meant as a process'."""
    if error not in (errno.EINVAL, errno.EBADF):
        return None
    if not hasattr(value, "__index__"):
        return "that file is no network namespace"
    number = index(value)
    return f"{number} is not that of a network namespace; that of process {number} is '/proc/{number}/ns/net'"
