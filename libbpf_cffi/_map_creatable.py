"""How a map gets its class: one that is created, and one that is taken out of an object.

Of a type that is known where the code is read, ``"hash"`` or ``MapType.HASH``, so is the class: for type checkers
`create` says it type by type, as `maps` says it at run time.
"""

from __future__ import annotations

from . import _map_create, _map_open
from ._arguments import string
from ._borrow import Descriptors
from ._ffi import lib, unsigned
from ._map_related import Related
from ._named import Named
from ._type_numbers import map_type_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict, overload

    from typing_extensions import Self, Unpack

    from ._handle import Handle
    from ._libbpf import CData
    from ._map import Map
    from ._map_arena import Arena
    from ._map_array import ArrayMap
    from ._map_groups import CgroupArray, CgroupStorage, PercpuCgroupStorage, PerfEventArray
    from ._map_hash import HashMap
    from ._map_insns import InsnArray
    from ._map_lpm import LpmTrie
    from ._map_of_maps import ArrayOfMaps, HashOfMaps
    from ._map_percpu import PercpuArrayMap, PercpuHashMap
    from ._map_programs import ProgArray
    from ._map_queues import BloomFilter, Queue, Stack
    from ._map_redirect import CpuMap, DevMap, DevMapHash, XskMap
    from ._map_ring import RingBufferMap, UserRingBufferMap
    from ._map_sockets import ReuseportSockArray, SockHash, SockMap
    from ._map_stacks import StackTrace
    from ._map_storage import CgrpStorage, InodeStorage, SkStorage, TaskStorage
    from ._map_struct_ops import StructOps
    from .enums import MapType
    from .objects import Object

    class _Options(TypedDict, total=False):
        """The keywords of `Creatable.create`."""

        name: str
        map_flags: int
        map_extra: int
        numa_node: int | None
        map_ifindex: int
        inner: Map | None
        token_fd: int | None
        excl_prog_hash: bytes | None


__all__ = ["Creatable"]


class Creatable(Related):
    """The part of `Map` that gives maps by what they are to be."""

    __slots__ = ()

    if TYPE_CHECKING:

        @classmethod
        def _stand_alone(cls, made: tuple[Handle[Any], CData]) -> Self: ...

    @classmethod
    def of(cls, obj: Object, name: str) -> Self:
        """Give the map of an object that is called `name`, and is of this class: ``HashMap.of(obj, "uses")``.

        It is the same as ``obj.maps[name]``, with the same `KeyError`; but type checkers know its class, and it is a
        `TypeError` that names the other class if it has another.
        """
        maps = getattr(obj, "maps", None)
        if not isinstance(maps, Named):
            raise TypeError(f"obj must be an Object, not {type(obj).__name__}")
        found = maps[string(name, "name")]
        if not isinstance(found, cls):
            raise TypeError(f"{found._what} is of class {type(found).__name__}, not {cls.__name__}")
        return found

    if TYPE_CHECKING:

        @overload
        @classmethod
        def create(
            cls, type: Literal["hash", "lru_hash", MapType.HASH, MapType.LRU_HASH],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> HashMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["array", MapType.ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> ArrayMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["prog_array", MapType.PROG_ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> ProgArray: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["perf_event_array", MapType.PERF_EVENT_ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> PerfEventArray: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["percpu_hash", "lru_percpu_hash", MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> PercpuHashMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["percpu_array", MapType.PERCPU_ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> PercpuArrayMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["stack_trace", MapType.STACK_TRACE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> StackTrace: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["cgroup_array", MapType.CGROUP_ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> CgroupArray: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["lpm_trie", MapType.LPM_TRIE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> LpmTrie: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["array_of_maps", MapType.ARRAY_OF_MAPS],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> ArrayOfMaps: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["hash_of_maps", MapType.HASH_OF_MAPS],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> HashOfMaps: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["devmap", MapType.DEVMAP],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> DevMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["sockmap", MapType.SOCKMAP],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> SockMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["cpumap", MapType.CPUMAP],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> CpuMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["xskmap", MapType.XSKMAP],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> XskMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["sockhash", MapType.SOCKHASH],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> SockHash: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["cgroup_storage", MapType.CGROUP_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> CgroupStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["reuseport_sockarray", MapType.REUSEPORT_SOCKARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> ReuseportSockArray: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["percpu_cgroup_storage", MapType.PERCPU_CGROUP_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> PercpuCgroupStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["queue", MapType.QUEUE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> Queue: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["stack", MapType.STACK],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> Stack: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["sk_storage", MapType.SK_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> SkStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["devmap_hash", MapType.DEVMAP_HASH],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> DevMapHash: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["struct_ops", MapType.STRUCT_OPS],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> StructOps: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["ringbuf", MapType.RINGBUF],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> RingBufferMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["inode_storage", MapType.INODE_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> InodeStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["task_storage", MapType.TASK_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> TaskStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["bloom_filter", MapType.BLOOM_FILTER],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> BloomFilter: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["user_ringbuf", MapType.USER_RINGBUF],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> UserRingBufferMap: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["cgrp_storage", MapType.CGRP_STORAGE],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> CgrpStorage: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["arena", MapType.ARENA],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> Arena: ...

        @overload
        @classmethod
        def create(
            cls, type: Literal["insn_array", MapType.INSN_ARRAY],
            key: Any = None, value: Any = None, max_entries: int = 0, **options: Unpack[_Options]
        ) -> InsnArray: ...

        @overload
        @classmethod
        def create(
            cls, type: MapType | str | int, key: Any = None, value: Any = None, max_entries: int = 0,
            **options: Unpack[_Options],
        ) -> Self: ...

    @classmethod
    def create(
        cls,
        type: MapType | str | int,
        key: Any = None,
        value: Any = None,
        max_entries: int = 0,
        *,
        name: str = "",
        map_flags: int = 0,
        map_extra: int = 0,
        numa_node: int | None = None,
        map_ifindex: int = 0,
        inner: Map | None = None,
        token_fd: int | None = None,
        excl_prog_hash: bytes | None = None,
    ) -> Self:
        """Create a map that belongs to no object.

        *Wraps* ``bpf_map_create()``. `type` is a `MapType`, or its name such as ``"percpu_hash"``. `key` and `value`
        are each the name of a type (``"u8"`` to ``"u64"``, ``"s8"`` to ``"s64"``, ``"bool"``, ``"float"``,
        ``"double"``, ``"char[16]"``, ``"u32[2][3]"``), a dict of a struct's members, laid out as in C (``{"pid": "u32",
        "comm": "char[16]"}``), a `BtfType`, or a number of bytes; ``None`` is what maps of the type have anyway. The
        types are kept with the map as BTF where the kernel takes it (not for every type of map), for whoever opens it
        later. `name` has at most 15 bytes. `inner` is a map that those which a map of maps holds must be like. The
        other keywords are the fields of ``struct bpf_map_create_opts``; a `numa_node` sets its flag, and so does what
        the kernel wants of a type in any case. The map lives as long as this `Map`, a pin or a program holds it.
        """
        flags = unsigned(map_flags, 32, "map_flags")
        if numa_node is not None:
            flags |= lib.BPF_F_NUMA_NODE
        if token_fd is not None:
            flags |= lib.BPF_F_TOKEN_FD
        fields = {
            "map_flags": flags,
            "map_extra": unsigned(map_extra, 64, "map_extra"),
            "numa_node": None if numa_node is None else unsigned(numa_node, 32, "numa_node"),
            "map_ifindex": unsigned(map_ifindex, 32, "map_ifindex"),
            "token_fd": None if token_fd is None else unsigned(token_fd, 31, "token_fd"),
            "excl_prog_hash": excl_prog_hash,
        }
        kind = map_type_number(type)
        if not (inner is None or isinstance(inner, Related)):
            raise TypeError(f"inner must be a Map, not {inner.__class__.__name__}")
        with Descriptors() as held:
            if inner is not None:
                fields["inner_map_fd"] = inner._dup(held, _map_open.creation(name))
            made, types = _map_create.create(kind, key, value, max_entries, name, fields)
        self = cls._stand_alone(made)
        self._btf = types
        self._numa_node = numa_node or 0
        return self
