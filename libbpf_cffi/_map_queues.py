"""Maps without keys: queues, stacks, Bloom filters."""

from __future__ import annotations

import errno

from ._arguments import iterable
from ._ffi import ffi, lib
from ._map import Map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["BloomFilter", "Keyless", "Queue", "Stack"]


class Keyless(Map):
    """A map whose elements have no keys: libbpf's verbs for elements by key are refused."""

    __slots__ = ()

    _instead = ""
    """What there is in their place."""

    def _refused(self) -> TypeError:
        self._handle.check()
        return TypeError(f"{self._what} has no keys: use {self._instead}")

    def _key_bytes(self, key: Any) -> bytes:  # noqa: ARG002 - the verb of all maps
        raise self._refused()

    def _lookup(self, function: Any, verb: str, key: Any, flags: int) -> Any:  # noqa: ARG002 - the verb of all maps
        raise self._refused()

    def get_next_key(self, key: Any = None) -> Any:  # noqa: ARG002 - the verb of all maps
        """Raise `TypeError`: there are no keys."""
        raise self._refused()

    def _take(self, function: Callable[..., int], verb: str) -> Any:
        elements = self._elements or self._open_elements()
        buffer = pointer, memory = elements.buffer()
        result = self._call(function, ffi.NULL, pointer, 0)
        value = self._value_codec.decode(memory) if result == 0 else None
        elements.buffers.append(buffer)
        if result == -errno.ENOENT:
            raise IndexError(f"{self._what} is empty")
        if result < 0:
            raise self._failure(-result, f"{verb} {self._what}")
        return value

    def _put(self, value: Any, verb: str, flags: int) -> None:
        encoded = self._value_bytes(value)
        result = self._call(lib.lbc_update, ffi.NULL, encoded, flags)
        if result < 0:
            raise self._failure(-result, f"{verb} {self._what}", flags)


class Queue(Keyless):
    """A queue: the value that was pushed first comes first. The kernel does not tell how many there are."""

    __slots__ = ()

    _instead = "push(), pop() and peek()"

    def push(self, value: Any, *, replace: bool = False) -> None:
        """Put a value in. A full map refuses it (`LibbpfError` with E2BIG), or with `replace` forgets its oldest value.

        *Wraps* ``bpf_map_update_elem()``; `replace` is ``BPF_EXIST``. Linux 4.20.
        """
        self._put(value, "push into", lib.BPF_EXIST if replace else lib.BPF_ANY)

    def pop(self) -> Any:
        """Take the next value out; `IndexError` if there is none. *Wraps* ``bpf_map_lookup_and_delete_elem()``."""
        return self._take(lib.lbc_lookup_and_delete, "pop from")

    def peek(self) -> Any:
        """Give the next value, which stays; `IndexError` if there is none. *Wraps* ``bpf_map_lookup_elem()``."""
        return self._take(lib.lbc_lookup, "peek into")

    def clear(self) -> None:
        """Take values out until there is none, but no more than fit in: programs may be pushing."""
        for _ in range(self.max_entries):
            try:
                self.pop()
            except IndexError:
                return

    def _hint(self, error: int, flags: int) -> str | None:
        if error == errno.E2BIG:
            return f"it is full, its max_entries is {self.max_entries}: push(…, replace=True) forgets the oldest value"
        return super()._hint(error, flags)


class Stack(Queue):
    """A stack: the value that was pushed last comes first. The kernel does not tell how many there are."""

    __slots__ = ()


class BloomFilter(Keyless):
    """A Bloom filter: ``add`` a value, ask ``value in filter``.

    What was added is always found; what was not is found now and then, more often the more was added beyond
    `max_entries`. `map_extra` is the number of hash functions. Nothing can be taken out or listed. Linux 5.16.
    """

    __slots__ = ()

    _instead = "add(value) and `value in map`"

    def add(self, value: Any) -> None:
        """Add a value. *Wraps* ``bpf_map_update_elem()``."""
        self._put(value, "add to", lib.BPF_ANY)

    def update(self, *others: Any) -> None:
        """Add the values of iterables, as of a `set`."""
        for other in others:
            for value in iterable(other, "values"):
                self.add(value)

    def __contains__(self, value: object) -> bool:
        encoded = bytearray(self._value_bytes(value))
        result = self._call(lib.lbc_lookup, ffi.NULL, ffi.from_buffer(encoded), 0)
        if result not in (0, -errno.ENOENT):
            raise self._failure(-result, f"look for {value!r} in {self._what}")
        return result == 0

    def __iter__(self) -> Any:
        raise TypeError(f"a Bloom filter such as {self._what} cannot be listed")


