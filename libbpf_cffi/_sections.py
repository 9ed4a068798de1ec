"""Data sections as bytes: where the variables of one section are, and how they are read and written there.

Before load that is memory of libbpf's, with the initial values. Load makes a map of one element:

- libbpf maps its memory where the initial values were: it is read without a system call;
- of a section of static variables alone, and of a map that was there before (pinned, reused), there is no memory here:
  the kernel's calls read and write it whole;
- variables in an arena are in its first or last pages, which the program may free at any time.
"""

from __future__ import annotations

import errno
import os

from . import _log
from ._check import check
from ._ffi import ffi, lib
from ._handle import ObjectHandle
from ._refusals import refused
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._libbpf import CData, bpf_map

__all__ = ["ARENA", "KCONFIG", "Section"]

KCONFIG = ".kconfig"
ARENA = ".addr_space.1"
"""The section of variables that live in the object's arena (``__arena`` globals; libbpf's ``ARENA_SEC``)."""

CREATED = (ObjectHandle.PREPARED, ObjectHandle.LOADED)

_MAPPED = b"anon_inode:bpf-map"
"""What /proc/self/maps calls a map's memory (kernel/bpf/syscall.c, bpf_map_new_fd())."""

_FREED = "the program has freed that page of the arena, or it never was one"


class Section:
    """One data section of an object: the map that holds it. Whoever calls holds the object's lock."""

    __slots__ = ("_handle", "_home", "_map", "name", "size")

    def __init__(self, handle: ObjectHandle, name: str, pointer: bpf_map, size: int) -> None:
        self._handle = handle
        self._map = pointer
        self.name = name
        self.size = size
        self._home: tuple[CData | None, bool] | None = None
        """Once loaded: its memory, if there is any, and whether that may be written."""

    def current_size(self) -> int:
        """Give the size as it is now: until load it may be changed, or another map take this one's place."""
        return self.size if self.name == ARENA else lib.bpf_map__value_size(self._map)

    def view(self) -> memoryview | None:
        """Give the memory of the section, good as long as the object is open; ``None`` where that is not safe.

        What must not be written is read-only: the kernel answers a write with a SIGSEGV.
        """
        if self.name == ARENA or self._handle.phase not in CREATED:
            return None
        memory, writable = self._memory()
        if memory is None:
            return None
        view = memoryview(ffi.buffer(memory, self.size))
        return view if writable else view.toreadonly()

    def read(self, offset: int, size: int, action: str) -> bytes:
        """Copy `size` bytes from `offset` on."""
        self._require_map(action)
        memory, _ = self._memory()
        if memory is None:
            return self._lookup(action)[offset : offset + size]
        if self.name != ARENA:
            return ffi.buffer(memory + offset, size)[:]
        data = ffi.new("char[]", size)
        check(lib.lbc_memory_copy(data, memory + offset, size, False), action, _hint)
        return ffi.buffer(data, size)[:]

    def write(self, offset: int, data: bytes, action: str) -> None:
        """Write `data` at `offset`."""
        self._require_map(action)
        memory, writable = self._memory()
        if memory is None or not writable:
            whole = bytearray(self._lookup(action))
            whole[offset : offset + len(data)] = data
            key = ffi.new("__u32 *", 0)
            _log.listen()
            check(lib.bpf_map__update_elem(self._map, key, 4, bytes(whole), len(whole), lib.BPF_ANY), action)
        elif self.name != ARENA:
            ffi.memmove(memory + offset, data, len(data))
        else:
            check(lib.lbc_memory_copy(ffi.from_buffer(data), memory + offset, len(data), True), action, _hint)

    def _require_map(self, action: str) -> None:
        phase = self._handle.phase
        if phase == ObjectHandle.FAILED:
            self._handle.require(action, ObjectHandle.OPEN, *CREATED)
        if phase in CREATED and not lib.bpf_map__autocreate(self._map):
            raise StateError(f"cannot {action}: the map of {self.name} was not created, its autocreate is False")

    def _lookup(self, action: str) -> bytes:
        key, value = ffi.new("__u32 *", 0), ffi.new("char[]", self.size)
        _log.listen()
        check(lib.bpf_map__lookup_elem(self._map, key, 4, value, self.size, 0), action)
        return ffi.buffer(value, self.size)[:]

    def _memory(self) -> tuple[CData | None, bool]:
        """Give the section's memory in this process, if it has any, and whether it may be written."""
        if self._handle.phase in CREATED:
            if self._home is None:
                self._home = self._find_mapped()
            return self._home
        start = self._initial()
        # A map that is there already takes the place of what libbpf has prepared.
        return (None, False) if start is None or lib.bpf_map__fd(self._map) >= 0 else (start, True)

    def _initial(self) -> CData | None:
        size = ffi.new("size_t *")
        memory = lib.bpf_map__initial_value(self._map, size)
        start: CData | None = ffi.cast("char *", memory) if memory else None
        return start

    def _find_mapped(self) -> tuple[CData | None, bool]:
        """Find the map's memory; what libbpf has for a map that was there before, is not the map's."""
        start = self._initial()
        if start is None:
            return None, False
        # libbpf tells where an arena begins, not that it puts the variables at its end where the kernel can.
        action = f"find section {self.name} of {self._handle.name}"
        if self.name == ARENA and check(lib.lbc_features_arena_data_at_end(), action):
            page = os.sysconf("SC_PAGESIZE")
            start += lib.bpf_map__max_entries(self._map) * page - -(-self.size // page) * page
        first = int(ffi.cast("uintptr_t", start))
        try:
            with open("/proc/self/maps", "rb") as file:
                lines = [line.split(None, 2) for line in file if _MAPPED in line]
        except OSError as error:
            # No /proc: slower, and as right.
            refused(error)
            return None, False
        for span, access, *_ in lines:
            low, _, high = span.partition(b"-")
            if int(low, 16) <= first and first + self.size <= int(high, 16):
                return start, access[1:2] == b"w"
        return None, False


def _hint(error: int) -> str | None:
    return _FREED if error == errno.EFAULT else None
