"""Every type of map that libbpf 1.7 knows: it is created, has the class of its kind, and is opened again as that."""

from __future__ import annotations

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import MapType

CREATED = {
    MapType.HASH: (bpf.HashMap, {"key": "u32", "value": "u64", "max_entries": 4}),
    MapType.ARRAY: (bpf.ArrayMap, {"value": "u64", "max_entries": 4}),
    MapType.PROG_ARRAY: (bpf.ProgArray, {"max_entries": 4}),
    MapType.PERF_EVENT_ARRAY: (bpf.PerfEventArray, {}),
    MapType.PERCPU_HASH: (bpf.PercpuHashMap, {"key": "u32", "value": "u64", "max_entries": 4}),
    MapType.PERCPU_ARRAY: (bpf.PercpuArrayMap, {"value": "u64", "max_entries": 4}),
    MapType.STACK_TRACE: (bpf.StackTrace, {"max_entries": 8}),
    MapType.CGROUP_ARRAY: (bpf.CgroupArray, {"max_entries": 2}),
    MapType.LRU_HASH: (bpf.HashMap, {"key": "u32", "value": "u64", "max_entries": 4}),
    MapType.LRU_PERCPU_HASH: (bpf.PercpuHashMap, {"key": "u32", "value": "u64", "max_entries": 4}),
    MapType.LPM_TRIE: (bpf.LpmTrie, {"key": "ipv4", "value": "u32", "max_entries": 4}),
    MapType.ARRAY_OF_MAPS: (bpf.ArrayOfMaps, {"max_entries": 4}),
    MapType.HASH_OF_MAPS: (bpf.HashOfMaps, {"key": "u32", "max_entries": 4}),
    MapType.DEVMAP: (bpf.DevMap, {"max_entries": 4}),
    MapType.SOCKMAP: (bpf.SockMap, {"max_entries": 4}),
    MapType.CPUMAP: (bpf.CpuMap, {"max_entries": 4}),
    MapType.XSKMAP: (bpf.XskMap, {"max_entries": 4}),
    MapType.SOCKHASH: (bpf.SockHash, {"key": "u32", "max_entries": 4}),
    MapType.CGROUP_STORAGE: (bpf.CgroupStorage, {"value": "u64"}),
    MapType.REUSEPORT_SOCKARRAY: (bpf.ReuseportSockArray, {"max_entries": 4}),
    MapType.PERCPU_CGROUP_STORAGE: (bpf.PercpuCgroupStorage, {"value": "u64"}),
    MapType.QUEUE: (bpf.Queue, {"value": "u32", "max_entries": 4}),
    MapType.STACK: (bpf.Stack, {"value": "u32", "max_entries": 4}),
    MapType.SK_STORAGE: (bpf.SkStorage, {"value": "u64"}),
    MapType.DEVMAP_HASH: (bpf.DevMapHash, {"max_entries": 4}),
    MapType.RINGBUF: (bpf.RingBufferMap, {"max_entries": 4096}),
    MapType.INODE_STORAGE: (bpf.InodeStorage, {"value": "u64"}),
    MapType.TASK_STORAGE: (bpf.TaskStorage, {"value": "u64"}),
    MapType.BLOOM_FILTER: (bpf.BloomFilter, {"value": "u32", "max_entries": 4}),
    MapType.USER_RINGBUF: (bpf.UserRingBufferMap, {"max_entries": 4096}),
    MapType.CGRP_STORAGE: (bpf.CgrpStorage, {"value": "u64"}),
    MapType.ARENA: (bpf.Arena, {"max_entries": 4}),
}
"""The class, and what `Map.create` needs to be told."""

ELSEWHERE = {
    MapType.UNSPEC: "is no type",
    MapType.STRUCT_OPS: "comes with an object that has its programs: test_map_kinds_struct_ops.py",
    MapType.INSN_ARRAY: "needs Linux 6.19: tests/vm/test_map_kinds.py",
}

EVERY = [pytest.param(kind, marks=pytest.mark.needs(f"map:{kind.name}"), id=kind.name) for kind in CREATED]

OUTER = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)


@pytest.mark.parametrize("name", MapType.__members__)
def test_every_type_is_created_here_or_is_said_where(name):
    # The two names of a deprecated type are one member.
    assert (MapType[name] in CREATED) != (MapType[name] in ELSEWHERE)


@pytest.fixture
def create(root):
    """Create a map of a type by what the table says, with a template where one is needed; it is closed afterwards."""
    made = []

    def create_map(kind, **more):
        keywords = {**CREATED[kind][1], **more}
        if kind in OUTER:
            with bpf.Map.create("array", value="u32", max_entries=2) as inner:
                made.append(bpf.Map.create(kind, **keywords, inner=inner))
        else:
            made.append(bpf.Map.create(kind, **keywords))
        return made[-1]

    yield create_map
    for each in made:
        each.close()


@pytest.mark.parametrize("kind", EVERY)
def test_a_map_that_is_created_is_of_its_type_in_the_kernel(create, kind):
    assert create(kind).info.type is kind


@pytest.mark.parametrize("kind", EVERY)
def test_a_map_that_is_created_is_of_the_class_of_its_kind(create, kind):
    assert type(create(kind)) is CREATED[kind][0]


@pytest.mark.parametrize("kind", EVERY)
def test_a_map_is_of_the_same_class_when_it_is_opened_again(create, kind):
    with bpf.Map.from_id(create(kind).id) as again:
        assert type(again) is CREATED[kind][0]


def test_a_type_is_given_by_name_too(root):
    with bpf.Map.create("lru_percpu_hash", "u32", "u64", 4) as made:
        assert made.type is MapType.LRU_PERCPU_HASH


def test_a_type_that_the_kernel_lacks_is_named(root):
    with pytest.raises(bpf.LibbpfError, match="this kernel has no maps of the type UNKNOWN_9999"):
        bpf.Map.create(9999, 4, 4, 1)


@pytest.mark.parametrize("kind", EVERY)
def test_the_raw_view_of_a_map_is_of_its_class(create, kind):
    assert type(create(kind).raw) is CREATED[kind][0]


@pytest.mark.parametrize("kind", EVERY)
def test_a_closed_map_of_any_kind_says_so(create, kind):
    made = create(kind)
    made.close()
    with pytest.raises(bpf.ClosedError):
        made.info


CALLS = [
    (MapType.PROG_ARRAY, lambda m: m[0]),
    (MapType.ARRAY_OF_MAPS, lambda m: m[0]),
    (MapType.HASH_OF_MAPS, lambda m: m[0]),
    (MapType.LPM_TRIE, lambda m: m["10.0.0.1"]),
    (MapType.QUEUE, lambda m: m.push(1)),
    (MapType.STACK, lambda m: m.pop()),
    (MapType.BLOOM_FILTER, lambda m: m.add(1)),
    (MapType.DEVMAP, lambda m: m[0]),
    (MapType.CPUMAP, lambda m: m[0]),
    (MapType.SOCKMAP, lambda m: m[0]),
    (MapType.TASK_STORAGE, lambda m: m[1]),
    (MapType.STACK_TRACE, lambda m: m[0]),
    (MapType.ARENA, lambda m: m.read(0, 1)),
]

SOME = [pytest.param(kind, call, marks=pytest.mark.needs(f"map:{kind.name}"), id=kind.name) for kind, call in CALLS]


@pytest.mark.parametrize(("kind", "call"), SOME)
def test_the_elements_of_a_closed_map_are_closed(create, kind, call):
    made = create(kind)
    made.close()
    with pytest.raises(bpf.ClosedError):
        call(made)


@pytest.mark.parametrize(("kind", "call"), SOME)
def test_a_forked_child_has_no_use_of_its_parents_map(create, in_fork, kind, call):
    made = create(kind)

    def use():
        with pytest.raises(bpf.ClosedError, match="belongs to the process that forked this one"):
            call(made)
        return "refused"

    assert in_fork(use) == "refused"
