"""Per-CPU maps: a value is a tuple with one value for each possible CPU."""

from __future__ import annotations

import errno

from ._check import ENOTSUPP, check, failure
from ._ffi import lib, unsigned
from ._map import Map
from ._map_array import ArrayMap
from ._map_elements import MISSING
from ._map_hash import HashMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._codec import Codec

__all__ = ["PercpuArrayMap", "PercpuCodec", "PercpuHashMap", "num_possible_cpus"]


class PercpuCodec:
    """The values of all CPUs, each of which takes a multiple of eight bytes, as a tuple."""

    format = None
    flexible = False

    def __init__(self, inner: Codec, cpus: int) -> None:
        self.inner = inner
        self.cpus = cpus
        self.stride = (inner.size + 7) // 8 * 8
        self.size = self.stride * cpus
        self.typename = f"{inner.typename} for each of {cpus} CPUs"

    def decode(self, buffer: Any, offset: int = 0) -> tuple[Any, ...]:
        """Give the values that are at `offset`."""
        return tuple(self.inner.decode_many(memoryview(buffer)[offset : offset + self.size], self.stride, self.cpus))

    def decode_many(self, buffer: Any, _stride: None = None, count: int | None = None) -> list[tuple[Any, ...]]:
        """Give the values of many entries, which follow one another."""
        entries = len(buffer) // self.size if count is None else count
        flat = iter(self.inner.decode_many(buffer, self.stride, entries * self.cpus))
        return list(zip(*[flat] * self.cpus, strict=True))

    def encode(self, value: Any) -> bytes:
        """Give the bytes of one value a CPU."""
        return self.inner.encode_many(self._values(value), self.stride)

    def encode_many(self, values: Iterable[Any]) -> bytes:
        """Give the bytes of many entries."""
        return self.inner.encode_many([one for value in values for one in self._values(value)], self.stride)

    def _values(self, value: Any) -> Any:
        if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__") or not hasattr(value, "__iter__"):
            kind = type(value).__name__
            raise TypeError(f"a value must be a sequence of {self.cpus} values, one for each possible CPU, not {kind}")
        if len(value) != self.cpus:
            raise ValueError(f"a value must have {self.cpus} values, one for each possible CPU, not {len(value)}")
        return value


class _Percpu(Map):
    """What per-CPU maps have in common."""

    __slots__ = ()

    def _one_size(self) -> int:
        return (self.value_size + 7) // 8 * 8

    def _copied_size(self) -> int:
        return self._one_size() * num_possible_cpus()

    def _make_value_codec(self) -> Any:
        return PercpuCodec(super()._make_value_codec(), num_possible_cpus())

    def lookup_elem(self, key: Any, flags: int = 0, *, cpu: int | None = None) -> Any:
        """Give the values of `key`, one a possible CPU, or ``None``; with `cpu` the value of that CPU alone.

        *Wraps* ``bpf_map_lookup_elem_flags()``. `cpu` is ``BPF_F_CPU`` (Linux 7.0; `NotSupportedError` before).
        """
        number = unsigned(flags, 64, "flags")
        if cpu is None:
            value = self._lookup(lib.lbc_lookup, "look up", key, number)
            return None if value is MISSING else value
        encoded = self._key_bytes(key)
        elements = self._elements or self._open_elements()
        buffer = pointer, memory = elements.buffer()
        result = self._call(lib.lbc_lookup, encoded, pointer, number | self._cpu_flags(cpu))
        value = self._inner().decode(memory) if result == 0 else None
        elements.buffers.append(buffer)
        if result < 0 and result != -errno.ENOENT:
            raise self._cpu_failure(-result, f"look up {key!r} on CPU {cpu} in {self._what}")
        return value

    def update_elem(
        self, key: Any, value: Any, flags: int = 0, *, cpu: int | None = None, all_cpus: bool = False
    ) -> None:
        """Write the values of `key`, one a possible CPU.

        With `cpu` write one value on that CPU alone, with `all_cpus` the same one on all. *Wraps*
        ``bpf_map_update_elem()``. `cpu` and `all_cpus` are ``BPF_F_CPU`` and ``BPF_F_ALL_CPUS`` (Linux 7.0;
        `NotSupportedError` before).
        """
        number = unsigned(flags, 64, "flags")
        if cpu is None and not all_cpus:
            self._update(key, value, number)
            return
        if cpu is not None and all_cpus:
            raise ValueError("cpu and all_cpus exclude each other")
        encoded = self._key_bytes(key)
        # The kernel takes one value then, and nothing behind it.
        data = self._fitting(self._inner(), value, "value")
        number |= lib.BPF_F_ALL_CPUS if cpu is None else self._cpu_flags(cpu)
        result = self._call(lib.lbc_update, encoded, data, number)
        if result == -errno.ENOENT and flags & lib.BPF_EXIST:
            raise KeyError(key)
        if result < 0:
            where = "all CPUs" if cpu is None else f"CPU {cpu}"
            raise self._cpu_failure(-result, f"update {key!r} on {where} in {self._what}")

    def _inner(self) -> Codec:
        codec: Any = self._value_codec
        inner: Codec = codec.inner
        return inner

    @staticmethod
    def _cpu_flags(cpu: int) -> int:
        number = unsigned(cpu, 32, "cpu")
        cpus = num_possible_cpus()
        if number >= cpus:
            raise ValueError(f"cpu must be from 0 to {cpus - 1}, not {number}")
        return lib.BPF_F_CPU | number << 32

    def _cpu_failure(self, error: int, action: str) -> Exception:
        if error != errno.EINVAL:
            return self._failure(error, action)
        return failure(ENOTSUPP, action, "the values of single CPUs need Linux 7.0")


class PercpuHashMap(_Percpu, HashMap):
    """A per-CPU hash, or a per-CPU LRU hash: a mutable mapping whose values are tuples, one value a possible CPU."""

    __slots__ = ()


class PercpuArrayMap(_Percpu, ArrayMap):
    """A per-CPU array: a sequence whose elements are tuples, one value a possible CPU."""

    __slots__ = ()


def num_possible_cpus() -> int:
    """Give how many CPUs the kernel can have, so many values as a per-CPU map has for each key.

    That may be more than those that are there. *Wraps* ``libbpf_num_possible_cpus()``.
    """
    return check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")
