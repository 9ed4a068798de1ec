"""Files that user space probes go into: found as libbpf finds them, opened once, checked before libbpf reads them."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager

from . import _log
from ._borrow import Descriptors
from ._check import MOMENTARY, absent, check, failure
from ._ffi import c_string, ffi, lib, path_bytes, text
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

    from typing_extensions import Self

__all__ = ["Target", "find_binary"]

_LIBRARY_FOLDERS = "/usr/lib64:/usr/lib"
_PROGRAM_FOLDERS = "/usr/bin:/usr/sbin"


class Target:
    """A file that is open for as long as the block takes; `path` leads to it, whatever takes its name meanwhile.

    With a `pid` its name is that process's: in its mount namespace, below its root.
    """

    def __init__(self, binary_path: str | os.PathLike[str], pid: int, action: str) -> None:
        self.named = binary_path
        """As it was given."""
        self._pid = pid
        self._action = action
        self._fd = self.copy = -1
        """The file, and the copy of it that was checked, for libbpf to read."""
        self._made = Descriptors()
        self._found = b""
        self._root = -1
        """That of the process, if it has another."""

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._made.__exit__()

    def _open(self) -> None:
        encoded = path_bytes(self.named, "binary_path")
        # What /proc itself leads to is no file of a root's: another one does not let it out.
        root = self._other_root() if self._pid > 0 and not _is_of_proc(encoded) else -1
        if b"/" not in encoded:
            encoded = os.fsencode(find_binary(os.fsdecode(encoded), self._action, root))
        elif root >= 0 and not os.path.isabs(encoded):
            raise ValueError(
                f"cannot {self._action}: process {self._pid} has another root, in which the path must begin with /"
            )
        self._found, self._root = encoded, root
        self._fd = self._made.make(lib.lbc_target_open, root, encoded)
        check(self._fd, self._action, lambda error: self._missing(error, os.fsdecode(encoded)))
        try:
            regular = stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as error:
            raise failure(refused(error), self._action, f"{os.fsdecode(encoded)!r} is to be probed") from None
        if not regular:
            check(-errno.EINVAL, self._action, f"{os.fsdecode(encoded)!r} is not a regular file")

    def _missing(self, error: int, path: str) -> str:
        whose = f", which is looked for in the mount namespace of process {self._pid}" if self._root >= 0 else ""
        if error == errno.ENOENT:
            return f"there is no file {path!r}{whose}"
        return f"{path!r} cannot be opened to be probed{whose}"

    def _other_root(self) -> int:
        """Open the root of the process, unless it is ours as well: then -1."""
        ours, theirs = "/proc/self", f"/proc/{self._pid}"
        try:
            same_mounts = os.stat(f"{ours}/ns/mnt").st_ino == os.stat(f"{theirs}/ns/mnt").st_ino
            if same_mounts and os.readlink(f"{theirs}/root") == os.readlink(f"{ours}/root"):
                return -1
            return self._made.make(os.open, f"{theirs}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise failure(errno.ESRCH, self._action, f"there is no process {self._pid}") from None
        except OSError as error:
            hint = f"this process may not look at process {self._pid}, which for another user's needs CAP_SYS_PTRACE"
            raise failure(refused(error), self._action, hint) from None

    @property
    def path(self) -> bytes:
        """What leads to the open file."""
        return b"/proc/self/fd/%d" % self._fd

    @property
    def lasting_path(self) -> bytes:
        """The file's own path, if it still leads there from here: the kernel shows it to everybody.

        Below another root it is that of /proc, as long as the process lives.
        """
        try:
            path = self._found_elsewhere() if self._root >= 0 else self._found
            if os.path.samestat(os.stat(path), os.fstat(self._fd)):
                return path
        except OSError as error:
            absent(error, self._action)
        return self.path

    def _found_elsewhere(self) -> bytes:
        """Give the path by way of the process's root; without links on it, of which absolute ones begin at ours."""
        root, path = (os.readlink(b"/proc/self/fd/%d" % fd) for fd in (self._root, self._fd))
        inside = path[len(root.rstrip(b"/")) :] if path.startswith(root.rstrip(b"/") + b"/") else self._found
        return b"/proc/%d/root%b" % (self._pid, inside)

    def symbol(self, name: bytes, hint: Callable[[int], str | None]) -> int | None:
        """Find where a function is in the file; ``None``: libbpf must look for it itself."""
        _log.listen()
        offset: int = lib.lbc_target_symbol(self.copy, self.path, name)
        if offset == -errno.EOPNOTSUPP:
            _log.take()
            return None
        if offset == -lib.LIBBPF_ERRNO__FORMAT:
            messages = _log.take()
            several = any("ambiguous match" in text for _, text in messages)
            raise failure(errno.EINVAL if several else -offset, self._action, hint, messages=messages)
        return check(offset, self._action, hint)

    def check_elf(self) -> None:
        """Copy what libbpf will read of the file: `LibbpfError` if it could not be trusted to, or it is no ELF file.

        Of a copy, since whoever owns the file may write to it while libbpf reads.
        """
        why = ffi.new("char[]", 256)
        copy = self._made.make(lib.lbc_target_copy, self._fd, why, len(why))
        self.copy = check(copy, self._action, text(why) or None)

    def beyond(self, *offsets: int) -> str | None:
        """Say which place is not in the file: all that the kernel says is EINVAL."""
        size = os.fstat(self._fd).st_size
        for offset in offsets:
            if offset >= size:
                return f"the place {offset:#x} is behind the end of the file, which has {size:#x} bytes"
        return None

    @property
    def status(self) -> os.stat_result:
        """What the kernel says of the open file."""
        return os.fstat(self._fd)

    def tables(self) -> mmap:
        """Give what was checked of the file, to say what is in it; nobody can cut it short meanwhile."""
        from mmap import PROT_READ, mmap

        return mmap(self.copy, 0, prot=PROT_READ)


def _is_of_proc(path: bytes) -> bool:
    parts = path.split(b"/")
    return len(parts) > 3 and parts[:2] == [b"", b"proc"] and (parts[2].isdigit() or parts[2] == b"self")


def find_binary(name: str, action: str, root: int = -1) -> str:
    """Find a program or library by its name alone, as libbpf does: a library in the folders of libraries.

    ``libc`` is ``libc.so.6`` or whatever its number is: libbpf itself wants the number. Of another `root`, which is a
    descriptor, the paths that are given begin there, and links lead there.
    """
    c_string(name, "binary_path")
    is_library = name.endswith(".so") or ".so." in name
    if not is_library:
        for folder in _folders(os.environ.get("PATH"), _PROGRAM_FOLDERS):
            if _is_there(root, f"{folder}/{name}", action, executable=True):
                return f"{folder}/{name}"
    folders = _folders(os.environ.get("LD_LIBRARY_PATH"), _LIBRARY_FOLDERS, *_own_library_folders())
    for folder in folders:
        if is_library and _is_there(root, f"{folder}/{name}", action):
            return f"{folder}/{name}"
        if not is_library and name.startswith("lib") and (found := _numbered(root, folder, name, action)):
            return f"{folder}/{found}"
    kind = "library in the folders of libraries" if is_library else "program in PATH"
    if not is_library and name.startswith("lib"):
        kind += ", nor a library,"
    check(-errno.ENOENT, action, f"there is no {kind} called {name!r}: a path has a / in it")
    raise AssertionError


@contextmanager
def _opened(root: int, path: str, action: str) -> Iterator[int | None]:
    """Open a file or folder below a root for a moment; ``None``: it cannot be."""
    with Descriptors() as made:
        fd = made.make(lib.lbc_target_open, root, os.fsencode(path))
        if -fd in MOMENTARY:
            # Says nothing of the file.
            check(fd, action)
        yield fd if fd >= 0 else None


def _is_there(root: int, path: str, action: str, *, executable: bool = False) -> bool:
    """Tell whether a file can be read, and perhaps executed."""
    with _opened(root, path, action) as fd:
        if fd is None:
            return False
        mode = os.fstat(fd).st_mode
        return not stat.S_ISDIR(mode) and (not executable or bool(mode & 0o111))


def _folders(*lists: str | None) -> list[str]:
    return [folder for each in lists if each for folder in each.split(":") if folder]


def _own_library_folders() -> list[str]:
    """Give the folder of this machine's architecture, on a distribution that has one (Debian's multiarch)."""
    import sys

    triplet = getattr(sys.implementation, "_multiarch", "")
    return [f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else ["/lib"]


def _numbered(root: int, folder: str, name: str, action: str) -> str | None:
    """Find ``name.so`` or the highest ``name.so.N`` that is an ELF file: some are scripts of the linker."""
    with _opened(root, folder, action) as fd:
        try:
            there = [] if fd is None else os.listdir(fd)
        except OSError as error:
            absent(error, action)
            return None
    names = [each for each in there if each == f"{name}.so" or each.startswith(f"{name}.so.")]
    for each in sorted(names, key=lambda each: [int(part) for part in each.split(".") if part.isdigit()], reverse=True):
        with _opened(root, f"{folder}/{each}", action) as fd:
            try:
                if fd is not None and os.read(fd, 4) == b"\x7fELF":
                    return each
            except OSError as error:
                absent(error, action)
    return None
