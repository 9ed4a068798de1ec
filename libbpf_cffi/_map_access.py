"""The elements of a map as bytes: one at a time, and many in a call.

Nothing here holds the lock of the tree of handles while it is in the kernel: `Elements` are a child of the map's
handle, and closing them waits in C for the calls that are using them (csrc/map.c). A buffer belongs to one call at a
time: taking one off a list and putting it back are one step each, whatever threads and signal handlers do.
"""

from __future__ import annotations

from ._arguments import boolean
from ._ffi import ffi, lib
from ._handle import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._libbpf import CData, lbc_cursor, lbc_elements, lbc_progress

__all__ = ["CLOSED", "LOOK_AGAIN", "STEP", "Chunk", "Cursor", "Elements", "close_elements", "progress"]

CLOSED = lib.LBC_CLOSED
"""What a call of C returns whose elements have been closed."""

LOOK_AGAIN = lib.LBC_LOOK_AGAIN
"""What a lookup of a number returns when something is out of the ordinary."""

STEP = 65536
"""Entries a call: fewer cost up to a quarter more time, more gain nothing (measured with a million entries)."""

CHUNK_BYTES = 1 << 24
"""But no more bytes than these a call, if that is at least one entry."""


BUCKETS = frozenset(
    (lib.BPF_MAP_TYPE_HASH, lib.BPF_MAP_TYPE_LRU_HASH, lib.BPF_MAP_TYPE_PERCPU_HASH, lib.BPF_MAP_TYPE_LRU_PERCPU_HASH)
)
"""The types whose batches go from bucket to bucket (kernel/bpf/hashtab.c)."""


def _opened(elements: lbc_elements) -> lbc_elements:
    lib.lbc_elements_open(elements)
    return elements


class Elements:
    """The way to the elements of a map that has been created.

    `value_size` is what the kernel copies, which of a per-CPU map is the values of all CPUs.
    """

    __slots__ = ("buffers", "c", "child", "key_size", "max_entries", "memory_refused", "type", "value_size")

    def __init__(
        self, handle: Handle[Any], name: str, fd: int, type: int, key_size: int, value_size: int, max_entries: int
    ) -> None:
        elements: Any = ffi.new("struct lbc_elements *")
        elements.fd = fd
        elements.key_size = key_size
        elements.value_size = value_size
        elements.max_entries = max_entries
        # The memory is Python's, and stays for as long as anybody can call with it.
        self.c: lbc_elements = elements
        self.type = type
        self.key_size = key_size
        self.value_size = value_size
        self.max_entries = max_entries
        self.buffers: list[tuple[CData, bytearray]] = []
        self.memory_refused = False
        self.child = Handle(lib.lbc_elements_close, handle, name=name)
        self.child.make(_opened, elements)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be done with these."""
        return self.child.closed

    def map_memory(self, size: int, writable: bool) -> bool:
        """Map the values of an array; tell whether that went well."""
        refused = lib.lbc_elements_map_memory(self.c, size, writable) < 0
        self.memory_refused = refused
        return not refused

    def buffer(self) -> tuple[CData, bytearray]:
        """Take a buffer for one value: where C writes, and the same memory for Python. Put it back in `buffers`."""
        try:
            return self.buffers.pop()
        except IndexError:
            memory = bytearray(self.value_size)
            return ffi.from_buffer(memory), memory


def close_elements(handle: Handle[Any]) -> None:
    """Close all elements below `handle`, when the calls that are using them have ended. Hold the tree's lock."""
    while handle.elements:
        _, elements = handle.elements.popitem()
        elements.child._close()


class Chunk:
    """Memory for keys and values of some entries, used again for the next ones."""

    __slots__ = ("capacity", "keys", "keys_at", "values", "values_at")

    def __init__(self, elements: Elements, capacity: int) -> None:
        self.capacity = capacity
        self.keys = bytearray(capacity * elements.key_size)
        self.values = bytearray(capacity * elements.value_size)
        self.keys_at = ffi.from_buffer(self.keys)
        self.values_at = ffi.from_buffer(self.values)


class Cursor:
    """Where a reader is in a map. The memory that C uses is kept here.

    Its budget bounds how many keys are walked in a map that others change meanwhile: where the kernel goes on from a
    key, and not from a bucket, it starts again at the first one when that key is gone.
    """

    __slots__ = ("_kept", "c", "capacity")

    def __init__(
        self, elements: Elements, *, take: bool, each: bool = False, elem_flags: int = 0
    ) -> None:
        cursor: Any = ffi.new("struct lbc_cursor *")
        # The kernel writes 4 bytes, or a key if that is more.
        size = max(elements.key_size, 8)
        self._kept = ffi.new("char[]", size), ffi.new("char[]", size)
        cursor.at, cursor.next = self._kept
        cursor.take = boolean(take, "delete")
        cursor.bounded = elements.type in BUCKETS
        cursor.elem_flags = elem_flags
        cursor.budget = 2 * elements.max_entries + STEP
        cursor.way = 2 if each else 0
        entry = elements.key_size + elements.value_size
        self.capacity = max(1, min(STEP, CHUNK_BYTES // max(entry, 1), max(elements.max_entries, 1)))
        self.c: lbc_cursor = cursor


def progress() -> lbc_progress:
    """Make what a call that writes many counts in."""
    made: lbc_progress = ffi.new("struct lbc_progress *")  # type: ignore[assignment]
    return made
