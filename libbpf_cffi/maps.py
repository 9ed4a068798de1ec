"""Maps of every kind: which class a type has."""

from __future__ import annotations

from ._ffi import lib
from ._map import Map, kind_of, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    class AnyMap(Map):
        """A map of an object: of which kind the object file says, where a type checker cannot read it.

        Nothing but a type: what maps of every kind have is checked, and what only some have is taken to be there.
        ``isinstance()`` narrows it to a kind, and `Map.of` gives one.
        """

        def __getitem__(self, key: Any) -> Any: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __delitem__(self, key: Any) -> None: ...
        def __contains__(self, key: object) -> bool: ...
        def __iter__(self) -> Iterator[Any]: ...
        def __len__(self) -> int: ...
        def __getattr__(self, name: str) -> Any: ...

__all__ = ["Map", "kind_of"]

register(Map, None)
# Each costs an import when there is a map of it.
register("_map_hash.HashMap", lib.BPF_MAP_TYPE_HASH, lib.BPF_MAP_TYPE_LRU_HASH)
register("_map_array.ArrayMap", lib.BPF_MAP_TYPE_ARRAY)
register("_map_percpu.PercpuHashMap", lib.BPF_MAP_TYPE_PERCPU_HASH, lib.BPF_MAP_TYPE_LRU_PERCPU_HASH)
register("_map_percpu.PercpuArrayMap", lib.BPF_MAP_TYPE_PERCPU_ARRAY)
register("_map_programs.ProgArray", lib.BPF_MAP_TYPE_PROG_ARRAY)
register("_map_of_maps.ArrayOfMaps", lib.BPF_MAP_TYPE_ARRAY_OF_MAPS)
register("_map_of_maps.HashOfMaps", lib.BPF_MAP_TYPE_HASH_OF_MAPS)
register("_map_lpm.LpmTrie", lib.BPF_MAP_TYPE_LPM_TRIE)
register("_map_queues.Queue", lib.BPF_MAP_TYPE_QUEUE)
register("_map_queues.Stack", lib.BPF_MAP_TYPE_STACK)
register("_map_queues.BloomFilter", lib.BPF_MAP_TYPE_BLOOM_FILTER)
register("_map_redirect.DevMap", lib.BPF_MAP_TYPE_DEVMAP)
register("_map_redirect.DevMapHash", lib.BPF_MAP_TYPE_DEVMAP_HASH)
register("_map_redirect.CpuMap", lib.BPF_MAP_TYPE_CPUMAP)
register("_map_redirect.XskMap", lib.BPF_MAP_TYPE_XSKMAP)
register("_map_sockets.SockMap", lib.BPF_MAP_TYPE_SOCKMAP)
register("_map_sockets.SockHash", lib.BPF_MAP_TYPE_SOCKHASH)
register("_map_sockets.ReuseportSockArray", lib.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY)
register("_map_groups.CgroupArray", lib.BPF_MAP_TYPE_CGROUP_ARRAY)
register("_map_groups.PerfEventArray", lib.BPF_MAP_TYPE_PERF_EVENT_ARRAY)
register("_map_groups.CgroupStorage", lib.BPF_MAP_TYPE_CGROUP_STORAGE)
register("_map_groups.PercpuCgroupStorage", lib.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE)
register("_map_storage.TaskStorage", lib.BPF_MAP_TYPE_TASK_STORAGE)
register("_map_storage.SkStorage", lib.BPF_MAP_TYPE_SK_STORAGE)
register("_map_storage.InodeStorage", lib.BPF_MAP_TYPE_INODE_STORAGE)
register("_map_storage.CgrpStorage", lib.BPF_MAP_TYPE_CGRP_STORAGE)
register("_map_stacks.StackTrace", lib.BPF_MAP_TYPE_STACK_TRACE)
register("_map_struct_ops.StructOps", lib.BPF_MAP_TYPE_STRUCT_OPS)
register("_map_arena.Arena", lib.BPF_MAP_TYPE_ARENA)
register("_map_ring.RingBufferMap", lib.BPF_MAP_TYPE_RINGBUF)
register("_map_ring.UserRingBufferMap", lib.BPF_MAP_TYPE_USER_RINGBUF)
register("_map_insns.InsnArray", lib.BPF_MAP_TYPE_INSN_ARRAY)
