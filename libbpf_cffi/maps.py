"""Maps of every kind: which class a type has."""

from __future__ import annotations

from ._ffi import lib
from ._map import Map, kind_of, register
from ._map_array import ArrayMap
from ._map_hash import HashMap
from ._map_percpu import PercpuArrayMap, PercpuHashMap
from ._map_ring import RingBufferMap, UserRingBufferMap

__all__ = [
    "ArrayMap",
    "HashMap",
    "Map",
    "PercpuArrayMap",
    "PercpuHashMap",
    "RingBufferMap",
    "UserRingBufferMap",
    "kind_of",
]

register(Map, None)
register(HashMap, lib.BPF_MAP_TYPE_HASH, lib.BPF_MAP_TYPE_LRU_HASH)
register(ArrayMap, lib.BPF_MAP_TYPE_ARRAY)
register(PercpuHashMap, lib.BPF_MAP_TYPE_PERCPU_HASH, lib.BPF_MAP_TYPE_LRU_PERCPU_HASH)
register(PercpuArrayMap, lib.BPF_MAP_TYPE_PERCPU_ARRAY)
register(RingBufferMap, lib.BPF_MAP_TYPE_RINGBUF)
register(UserRingBufferMap, lib.BPF_MAP_TYPE_USER_RINGBUF)
