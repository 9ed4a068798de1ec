"""What a process has mapped of files that it may execute, and whether it has that still. No C."""

from __future__ import annotations

import errno
import os
from bisect import bisect_right

from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Mapped", "ProcessMaps", "file_key"]

_GONE = (errno.ENOENT, errno.ESRCH)


def file_key(status: os.stat_result) -> tuple[int, ...]:
    """Give what tells a file, as it is, from others."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class Mapped:
    """A part of a file in the memory of a process."""

    __slots__ = ("end", "file", "inode", "line", "name", "offset", "place", "start")

    def __init__(self, pid: int, line: str) -> None:
        self.line = line
        place, _, offset, _, inode, *name = line.split(None, 5)
        self.start, self.end = (int(each, 16) for each in place.split("-"))
        self.offset, self.inode = int(offset, 16), int(inode)
        self.name = name[0] if name else ""
        self.place = f"/proc/{pid}/map_files/{self.start:x}-{self.end:x}"
        """This is the file itself, whatever has its name now."""
        self.file: tuple[str, tuple[int, ...]] | None = None
        """Where the file can be opened, if anywhere, and what it was like when it was last looked at.

        It is set in one step: another thread may be about to read the file.
        """

    def is_there(self, pid: int, passing: Callable[[OSError], None], *, fresh: bool = False) -> bool:
        """Tell whether the process has the same part of the same file at the same place still.

        What has just been read is there: on file systems that are made of others, inodes have other numbers there.
        """
        if not self.inode:
            return fresh
        try:
            status = os.stat(self.place)
        except OSError as error:
            passing(error)
            if refused(error) in _GONE:
                return False
            return self._is_called_so(pid, passing)
        known = self.file
        same = status.st_ino == self.inode if known is None else known[1][:2] == (status.st_dev, status.st_ino)
        if same or fresh:
            self.file = self.place, file_key(status)
        return same or fresh

    def _is_called_so(self, pid: int, passing: Callable[[OSError], None]) -> bool:
        """Look by the name: without CAP_SYS_ADMIN the file itself may not be opened."""
        try:
            if os.readlink(self.place) != self.name:
                return False
        except OSError as error:
            passing(error)
            return False
        path = f"/proc/{pid}/root{self.name}"
        found = None
        try:
            status = os.stat(path)
            if status.st_ino == self.inode:
                found = path, file_key(status)
        except OSError as error:
            passing(error)
        self.file = found
        return True


class ProcessMaps:
    """The parts of files that a process may execute, by their addresses; read again when they have changed.

    What was found last is asked of the kernel each time: that needs no list, and tells of another program of the
    process (execve()), or of another process of that number. Where nothing was found, the list is read again only if
    the process has more or less memory than before: a list takes milliseconds, and there may be many addresses
    of what a process has compiled itself.
    """

    def __init__(self, pid: int, passing: Callable[[OSError], None]) -> None:
        self._pid = pid
        self._passing = passing
        """Raises what says nothing of the process, but of this moment."""
        self._found: tuple[list[int], list[Mapped]] = [], []
        self._memory: tuple[int | bytes, ...] | None = None

    def at(self, address: int) -> Mapped | None:
        """Give what is at an address; of a process that has ended what was there when it was last looked at."""
        mapped = self._at(address)
        if mapped is not None and mapped.is_there(self._pid, self._passing):
            return mapped
        memory = self._memory_now()
        if mapped is not None and mapped.inode:
            # It is no more, or perhaps another.
            changed = self._read(memory)
        else:
            changed = memory is not None and memory != self._memory and self._read(memory)
        if not changed:
            return mapped
        mapped = self._at(address)
        if mapped is not None:
            mapped.is_there(self._pid, self._passing, fresh=True)
        return mapped

    def _at(self, address: int) -> Mapped | None:
        starts, found = self._found
        number = bisect_right(starts, address) - 1
        return found[number] if number >= 0 and address < found[number].end else None

    def _memory_now(self) -> tuple[int | bytes, ...] | None:
        """Give how much memory the process has, with what tells it from others; ``None`` if it has ended.

        The directory of a process has another number if it is another's.
        """
        try:
            number = os.stat(f"/proc/{self._pid}").st_ino
            with open(f"/proc/{self._pid}/statm", "rb", buffering=0) as file:
                size, _, _, text, _, data, _ = (file.read(200) or b"0 0 0 0 0 0 0").split()
        except OSError as error:
            self._passing(error)
            return None
        return number, size, text, data

    def _read(self, memory: tuple[int | bytes, ...] | None) -> bool:
        """Read the list; tell whether there is one, or there may be."""
        found: list[Mapped] = []
        # What was learnt of those that have stayed is kept.
        known = {each.line: each for each in self._found[1]}
        some = False
        try:
            # A name may have a carriage return in it: that ends no line.
            with open(f"/proc/{self._pid}/maps", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                for each in file:
                    some = True
                    line = each.rstrip("\n")
                    if "x" in line.split(None, 2)[1]:
                        mapped = known.get(line) or Mapped(self._pid, line)
                        if mapped.name:
                            found.append(mapped)
        except OSError as error:
            self._passing(error)
            if refused(error) in _GONE:
                return False
            # It is not to be looked at: perhaps it is another.
            found.clear()
        else:
            if not some:
                # It has ended, but nobody has asked how (a zombie), or is a thread of the kernel.
                return False
        self._found = [each.start for each in found], found
        self._memory = memory
        return True
