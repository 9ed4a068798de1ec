"""Maps: what they are, and what is set before load comes out in the kernel."""

from __future__ import annotations

import errno
import os
import resource

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

PAGE = resource.getpagesize()

SIZES = ("type", "key_size", "value_size", "max_entries", "map_flags", "numa_node", "map_extra", "ifindex")


# What it is


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inner_map", (bpf.MapType.ARRAY, 4, 4, 2)),
        ("outer", (bpf.MapType.ARRAY_OF_MAPS, 4, 4, 4)),
        ("jumps", (bpf.MapType.PROG_ARRAY, 4, 4, 4)),
        ("percpu", (bpf.MapType.PERCPU_ARRAY, 4, 8, 3)),
        ("recent", (bpf.MapType.LRU_HASH, 8, 8, 8)),
        ("bloom", (bpf.MapType.BLOOM_FILTER, 0, 8, 8)),
        ("lazy", (bpf.MapType.HASH, 4, 4, 8)),
    ],
)
def test_a_map_is_what_its_definition_says_in_the_kernel_too(loaded, name, expected):
    found = loaded("map_kinds").maps[name]
    assert (found.type, found.key_size, found.value_size, found.max_entries) == expected
    info = found.info
    assert (info.type, info.key_size, info.value_size, info.max_entries) == expected


def test_map_flags_are_flags_with_names(loaded):
    lazy = loaded("map_kinds").maps["lazy"]
    assert lazy.map_flags is bpf.MapFlags.NO_PREALLOC
    assert lazy.info.map_flags == bpf.MapFlags.NO_PREALLOC


def test_map_extra_is_the_types_own_setting(loaded):
    bloom = loaded("map_kinds").maps["bloom"]
    assert bloom.map_extra == bloom.info.map_extra == 3


def test_a_data_section_is_internal(opened):
    obj = opened("map_kinds")
    assert obj.maps[".bss"].is_internal
    assert obj.maps[".rodata"].is_internal
    assert not obj.maps["lazy"].is_internal


def test_a_data_section_with_a_name_of_its_own_is_called_so(opened):
    assert ".data.custom" in list(opened("map_kinds").maps)


def test_a_map_knows_its_types_in_the_objects_btf(opened):
    lazy = opened("map_kinds").maps["lazy"]
    assert lazy.btf_key_type_id > 0
    assert lazy.btf_value_type_id > 0


def test_a_map_without_btf_types_has_0(opened):
    events = opened("basic").maps["events"]
    assert events.btf_key_type_id == 0
    assert events.btf_value_type_id == 0


def test_repr_has_the_name(opened):
    assert "lazy" in repr(opened("map_kinds").maps["lazy"])


@pytest.mark.every_kernel
def test_the_initial_values_of_a_map_of_maps_are_in_the_kernel(loaded):
    obj = loaded("map_kinds")
    key = ffi.new("__u32 *", 1)
    value = ffi.new("__u32 *")
    assert lib.bpf_map_lookup_elem(obj.maps["outer"].fd, key, value) == 0
    assert value[0] == obj.maps["inner_map"].id


def test_the_initial_values_of_a_program_array_are_in_the_kernel(loaded):
    obj = loaded("map_kinds")
    key = ffi.new("__u32 *", 2)
    value = ffi.new("__u32 *")
    assert lib.bpf_map_lookup_elem(obj.maps["jumps"].fd, key, value) == 0
    assert value[0] == obj.programs["tail_target"].id


def test_the_initial_values_of_a_data_section_are_in_the_kernel(loaded, data):
    obj = loaded("map_kinds")
    assert [data(obj, ".data", 4, at) for at in (0, 4, 8, 12)] == [1, 2, 3, 4]
    assert data(obj, ".rodata", 4, 8) == 7
    assert data(obj, ".data.custom", 4) == 9


# Set before load


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("type", bpf.MapType.LRU_HASH),
        ("key_size", 16),
        ("value_size", 24),
        ("max_entries", 1000),
        ("map_flags", bpf.MapFlags.NO_PREALLOC),
    ],
)
def test_what_is_set_before_load_is_the_kernels(opened, setting, value):
    obj = opened("basic")
    # A program uses the map with the old sizes.
    for name in ("on_tracepoint", "on_raw"):
        obj.programs[name].autoload = False
    setattr(obj.maps["raw_hits"], setting, value)
    assert getattr(obj.maps["raw_hits"], setting) == value
    obj.load()
    assert getattr(obj.maps["raw_hits"].info, setting) == value


@pytest.mark.needs("map:BLOOM_FILTER")
def test_map_extra_that_is_set_is_the_kernels(opened):
    obj = opened("map_kinds")
    obj.maps["bloom"].map_extra = 7
    obj.load()
    assert obj.maps["bloom"].info.map_extra == 7


def test_a_numa_node_that_is_set_reaches_the_kernel(opened):
    obj = opened("map_kinds")
    obj.maps["lazy"].numa_node = 4095
    obj.maps["lazy"].map_flags |= bpf.MapFlags.NUMA_NODE
    assert obj.maps["lazy"].numa_node == 4095
    # This machine has no such node.
    with pytest.raises(bpf.LibbpfError, match="lazy") as caught:
        obj.load()
    assert caught.value.errno == errno.EINVAL


def test_an_ifindex_that_is_set_reaches_the_kernel(opened):
    obj = opened("map_kinds")
    obj.maps["lazy"].map_flags = 0
    obj.maps["lazy"].ifindex = 1
    assert obj.maps["lazy"].ifindex == 1
    # The loopback device offloads nothing.
    with pytest.raises(bpf.LibbpfError, match="lazy"):
        obj.load()


@pytest.mark.every_kernel
def test_a_ring_buffer_is_made_as_many_pages_as_the_kernel_wants(opened):
    # bpf_map__set_max_entries() rounds up to a power of two of pages.
    obj = opened("basic")
    obj.maps["events"].max_entries = PAGE + 1
    assert obj.maps["events"].max_entries == 2 * PAGE
    obj.load()
    assert obj.maps["events"].info.max_entries == 2 * PAGE


@pytest.mark.every_kernel
def test_a_perf_event_array_has_an_entry_for_each_possible_cpu(loaded):
    # max_entries 0 means that to libbpf.
    assert loaded("map_kinds").maps["perf"].info.max_entries == lib.libbpf_num_possible_cpus()


@pytest.mark.needs("map:BLOOM_FILTER")
def test_a_data_section_can_grow(opened):
    obj = opened("map_kinds")
    obj.maps[".bss"].value_size = 4096
    obj.load()
    assert obj.maps[".bss"].info.value_size == 4096


@pytest.mark.needs("map:BLOOM_FILTER")
def test_a_data_section_cannot_shrink(opened):
    obj = opened("map_kinds")
    with pytest.raises(ValueError, match="64"):
        obj.maps[".bss"].value_size = 4
    assert obj.maps[".bss"].value_size == 64
    obj.load()


def test_a_data_section_stays_an_array(opened):
    obj = opened("map_kinds")
    with pytest.raises(ValueError, match="ARRAY"):
        obj.maps[".bss"].type = bpf.MapType.HASH
    assert obj.maps[".bss"].type is bpf.MapType.ARRAY


def test_autocreate_false_makes_no_map(opened):
    obj = opened("basic")
    for name in ("on_tracepoint", "on_raw"):
        obj.programs[name].autoload = False
    obj.maps["raw_hits"].autocreate = False
    obj.load()
    with pytest.raises(bpf.StateError, match="autocreate"):
        _ = obj.maps["raw_hits"].fd
    assert obj.maps["tracepoint_hits"].fd >= 0


def test_a_program_that_uses_a_map_without_autocreate_is_refused_with_the_maps_name(opened):
    obj = opened("basic")
    obj.maps["raw_hits"].autocreate = False
    with pytest.raises(bpf.VerifierError, match="raw_hits"):
        obj.load()


def test_a_type_of_another_kind_is_told_by_its_name(opened):
    with pytest.raises(ValueError, match="is declared as RINGBUF and cannot be STRUCT_OPS"):
        opened("rings").maps["events"].type = "struct_ops"


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (1 << 64, ValueError), ("1", TypeError), (1.0, TypeError), (None, TypeError)]
)
def test_a_bad_value_is_refused_and_changes_nothing(opened, name, value, error):
    events = opened("basic").maps["events"]
    before = getattr(events, name)
    # A type has names: text is of the right type there, and no name.
    with pytest.raises(ValueError if (name, value) == ("type", "1") else error, match=name):
        setattr(events, name, value)
    assert getattr(events, name) == before


@pytest.mark.parametrize("name", [name for name in SIZES if name != "map_extra"])
def test_a_value_of_more_than_32_bits_is_refused(opened, name):
    with pytest.raises(ValueError, match=name):
        setattr(opened("basic").maps["raw_hits"], name, 1 << 32)


def test_map_extra_has_64_bits(opened):
    bloom = opened("map_kinds").maps["bloom"]
    bloom.map_extra = (1 << 64) - 1
    assert bloom.map_extra == (1 << 64) - 1


@pytest.mark.every_kernel
def test_a_type_of_a_newer_kernel_is_taken_and_refused_by_this_one(opened):
    obj = opened("basic")
    obj.maps["raw_hits"].type = 1000
    assert obj.maps["raw_hits"].type.name == "UNKNOWN_1000"
    with pytest.raises(bpf.LibbpfError, match="raw_hits"):
        obj.load()


@pytest.mark.parametrize("value", [5, b"\0", "a\0b", ""])
def test_a_bad_pin_path_is_refused_and_changes_nothing(opened, value):
    events = opened("basic").maps["events"]
    with pytest.raises((TypeError, ValueError)):
        events.pin_path = value
    assert events.pin_path is None


@pytest.mark.parametrize(
    "name", ["name", "fd", "id", "info", "is_pinned", "is_internal", "btf_key_type_id", "btf_value_type_id"]
)
def test_what_cannot_be_set_cannot_be_set(opened, name):
    with pytest.raises(AttributeError):
        setattr(opened("basic").maps["events"], name, 1)


# Once created


@pytest.mark.parametrize("advance", ["prepare", "load"])
def test_fd_is_the_maps_descriptor_after(opened, advance):
    obj = opened("basic")
    getattr(obj, advance)()
    assert os.readlink(f"/proc/self/fd/{obj.maps['events'].fd}") == "anon_inode:bpf-map"


def test_the_id_leads_to_the_map_in_the_kernel(loaded):
    events = loaded("basic").maps["events"]
    fd = lib.bpf_map_get_fd_by_id(events.id)
    assert fd >= 0
    os.close(fd)


@pytest.mark.every_kernel
def test_info_is_what_the_kernel_says(loaded):
    obj = loaded("basic")
    info = obj.maps["raw_hits"].info
    assert info.name == "raw_hits"
    assert info.id == obj.maps["raw_hits"].id
    assert info.btf_id > 0
    assert info.btf_key_type_id == obj.maps["raw_hits"].btf_key_type_id


def test_info_is_immutable(loaded):
    with pytest.raises(AttributeError):
        loaded("basic").maps["raw_hits"].info.id = 1


def test_what_other_maps_have_is_told_with_their_classes(create):
    with create("hash", "u32", "u32", 1) as table:
        assert not hasattr(table, "push")
        with pytest.raises(AttributeError, match=r"'HashMap' object has no push: that is of Queue, Stack$"):
            table.push(1)
        with pytest.raises(AttributeError, match=r"'HashMap' object has no attribute 'pusch'$"):
            table.pusch(1)
    # Closed, too.
    assert not hasattr(table, "push")


# struct_ops


def test_a_struct_ops_map_is_attached_and_detached(loaded):
    def available():
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
            return file.read().split()

    with loaded("struct_ops").maps["with_link"].attach_struct_ops() as link:
        assert "lbc_with_link" in available()
        assert link.info.type is bpf.LinkType.STRUCT_OPS
    assert "lbc_with_link" not in available()


def test_a_struct_ops_map_without_a_link_is_attached_and_detached(loaded):
    def available():
        with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
            return file.read().split()

    with loaded("struct_ops").maps["without_link"].attach_struct_ops():
        assert "lbc_no_link" in available()
    assert "lbc_no_link" not in available()


def test_only_a_struct_ops_map_is_attached(loaded):
    with pytest.raises(bpf.LibbpfError, match="events") as caught:
        loaded("basic").maps["events"].attach_struct_ops()
    assert caught.value.errno == errno.EINVAL
