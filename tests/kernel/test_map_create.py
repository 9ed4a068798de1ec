"""Maps created by types said in Python."""

from __future__ import annotations

import pytest

import libbpf_cffi as bpf


@pytest.mark.parametrize(
    ("spec", "size", "value"),
    [
        ("u8", 1, 255),
        ("s8", 1, -1),
        ("u16", 2, 65535),
        ("s16", 2, -2),
        ("u32", 4, 4294967295),
        ("s32", 4, -3),
        ("i32", 4, -3),
        ("u64", 8, 18446744073709551615),
        ("s64", 8, -4),
        ("__u64", 8, 5),
        ("uint16_t", 2, 6),
        ("u128", 16, 1 << 127),
        ("bool", 1, True),
        ("float", 4, 0.5),
        ("double", 8, 0.1),
        ("char", 1, 65),
        ("char[16]", 16, "text"),
        ("u8[6]", 6, (1, 2, 3, 4, 5, 6)),
        ("u32[2][3]", 24, ((1, 2, 3), (4, 5, 6))),
        ("s16 [ 2 ]", 4, (-1, 1)),
        ({"a": "u8", "b": "u64"}, 16, (1, 2)),
        ({"a": "u8", "b": "u16", "c": "u8"}, 6, (1, 2, 3)),
        ({"pid": "u32", "comm": "char[16]", "pos": {"x": "s32", "y": "s64"}}, 40, (1, "me", (-1, -2))),
        (12, 12, b"twelve bytes"),
    ],
)
def test_a_value_is_of_the_type_that_was_said(create, spec, size, value):
    made = create("hash", key="u32", value=spec, max_entries=4)
    made[1] = value
    assert (made.value_size, made[1]) == (size, value)


def test_a_struct_is_laid_out_as_a_c_compiler_does(create, tmp_path):
    source = tmp_path / "layout.bpf.c"
    source.write_text(
        '#include "vmlinux.h"\n#include <bpf/bpf_helpers.h>\n'
        "struct value { u8 a; u64 b; char c[3]; u16 d; struct { u8 e; u32 f; } g; double h; u8 i; };\n"
        "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1); __type(key, u32); "
        '__type(value, struct value); } m SEC(".maps");\n'
    )
    spec = {
        "a": "u8", "b": "u64", "c": "char[3]", "d": "u16", "g": {"e": "u8", "f": "u32"}, "h": "double", "i": "u8",
    }  # fmt: skip
    with bpf.Object.open(bpf.compile_object(source)) as obj:
        theirs = obj.maps["m"].value_type
        ours = create("hash", key="u32", value=spec, max_entries=1).value_type
        assert ours.size == theirs.size
        assert [(each.name, each.bit_offset) for each in ours.members] == [
            (each.name, each.bit_offset) for each in theirs.members
        ]


def test_a_struct_of_keys_is_a_key(create):
    made = create("hash", key={"saddr": "u32", "port": "u16"}, value="u64", max_entries=4)
    made[1, 80] = 5
    assert list(made) == [(1, 80)]
    assert made[{"saddr": 1, "port": 80}] == 5


@pytest.mark.parametrize(
    ("kind", "rate"), [("u32", 5), pytest.param("double", 0.5, marks=pytest.mark.needs("btf_float"))]
)
def test_another_process_reads_the_types(create, python, kind, rate):
    made = create("hash", key="char[8]", value={"hits": "u64", "rate": kind}, max_entries=4, name="lbc_typed")
    made["abc"] = {"hits": 3, "rate": rate}
    code = """
import sys
import libbpf_cffi as bpf
with bpf.Map.from_id(int(sys.argv[1])) as found:
    value = found["abc"]
    print(value.hits, value.rate, list(found))
"""
    assert python(code, made.id).strip() == f"3 {rate} ['abc']"


@pytest.mark.every_kernel
def test_the_types_are_in_the_kernel(create):
    made = create("hash", key="u32", value="u64", max_entries=4)
    info = made.info
    assert info.btf_id > 0
    assert (info.btf_key_type_id, info.btf_value_type_id) == (made.btf_key_type_id, made.btf_value_type_id)


def test_a_structs_name_is_the_maps(create):
    made = create("hash", key="u32", value={"a": "u32"}, max_entries=4, name="my.map")
    assert made.value_type.name == "my_map_value"


def test_no_descriptor_is_left_but_the_maps(create):
    import os

    before = set(os.listdir("/proc/self/fd"))
    create("hash", key="u32", value={"a": "u32"}, max_entries=4)
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1


@pytest.mark.every_kernel
@pytest.mark.parametrize("kind", ["queue", "sockhash", "devmap_hash"])
def test_where_the_kernel_takes_no_btf_the_creator_knows_the_types(create, kind):
    # A hash of devices or sockets may have any key; a queue has none.
    keywords = {"value": "u16"} if kind == "queue" else {"key": {"a": "u16", "b": "u16"}}
    made = create(kind, max_entries=4, **keywords)
    assert made.info.btf_id == 0
    assert (made.value_type if kind == "queue" else made.key_type) is not None


def test_a_type_of_an_object_is_the_type_of_a_map(opened, create):
    obj = opened("map_uses")
    made = create("lpm_trie", key=obj.btf["struct ipv4_prefix"], value="u32", max_entries=4)
    assert made.key_type.c == obj.btf["struct ipv4_prefix"].c


@pytest.mark.every_kernel
def test_a_type_of_the_kernel_is_the_type_of_a_map(create):
    task = bpf.Btf.kernel()["struct list_head"]
    made = create("hash", key="u32", value=task, max_entries=4)
    made[1] = (1, 2)
    assert made.info.btf_id > 0
    assert made[1] == (1, 2)


def test_a_large_type_of_the_kernel_is_copied_with_what_it_needs(create):
    task = bpf.Btf.kernel()["struct task_struct"]
    made = create("hash", key="u32", value=task, max_entries=1)
    assert made.value_size == task.size
    assert [each.name for each in made.value_type.members] == [each.name for each in task.members]


@pytest.mark.every_kernel
def test_bit_fields_enumerations_and_unions_are_copied(create):
    source = bpf.Btf.new()
    number = source.add_int("int", 4, bpf.lib.BTF_INT_SIGNED)
    colour = source.add_enum("colour")
    source.add_enum_value("RED", 1)
    wide = source.add_enum64("wide")
    source.add_enum64_value("HUGE", 1 << 40)
    union = source.add_union("either", 4)
    source.add_field("a", number, 0)
    source.add_field("b", colour, 0)
    struct = source.add_struct("all", 24)
    source.add_field("low", number, 0, 3)
    source.add_field("high", number, 3, 5)
    source.add_field("colour", colour, 32)
    source.add_field("wide", wide, 64)
    source.add_field("either", union, 128)
    value = struct(low=-1, high=7, colour=1, wide=1 << 40, either={"a": 5})
    made = create("hash", key="u32", value=struct, max_entries=4)
    made[1] = value
    assert made.raw[(1).to_bytes(4, "little")] == struct.encode(value)
    assert made[1]._asdict() == value._asdict()


def test_numbers_of_bytes_stay_bytes(create):
    made = create("hash", key=4, value="u64", max_entries=4)
    made[b"\1\0\0\0"] = 5
    assert list(made.items()) == [(b"\1\0\0\0", 5)]


def test_an_array_needs_no_key(create):
    made = create("array", value="u64", max_entries=3)
    made[2] = 7
    assert list(made) == [0, 0, 7]


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        ("u33", ValueError, "value: no type 'u33'.*close names: u32"),
        ("unsigned int", ValueError, "the types are char, bool, u8"),
        ("u8[", ValueError, "an array's length is a number"),
        ("u8[0]", ValueError, "an array's length is a number"),
        ("u8[3]x", ValueError, "'x' behind its ']'"),
        ("char[2147483647][2]", ValueError, "more than a map can hold"),
        ("", ValueError, "no type ''"),
        ({}, ValueError, "a struct needs a member"),
        ({"a b": "u8"}, ValueError, "'a b' cannot be the name"),
        ({1: "u8"}, TypeError, "must be str, not int"),
        ({"a": {"b": "u9"}}, ValueError, r"value\.a\.b: no type 'u9'"),
        ({"a": 3}, TypeError, r"value\.a: .*'u8\[3\]'"),
        (3.5, TypeError, "value must be the name of a type .* not float"),
        (["u8"], TypeError, "not list"),
    ],
)
def test_a_type_that_is_none_is_explained(create, spec, error, text):
    with pytest.raises(error, match=text):
        create("hash", key="u32", value=spec, max_entries=4)


def test_a_type_without_a_size_is_refused(create):
    with pytest.raises(TypeError, match="nothing can be of the type"):
        create("hash", key="u32", value=bpf.Btf.kernel()["func schedule"], max_entries=4)


@pytest.mark.parametrize(
    ("kind", "keywords", "text"),
    [
        ("hash", {"key": "u32", "value": "u32"}, "max_entries is 1 or more"),
        ("ringbuf", {"max_entries": 1000}, "a power of two, whole pages"),
        ("lpm_trie", {"key": 4, "value": 4, "max_entries": 1}, "1 to 256 bytes of data"),
        ("array_of_maps", {"max_entries": 4}, "it needs inner="),
        pytest.param(
            "task_storage", {"value": "u32", "max_entries": 3}, "max_entries is 0",
            marks=pytest.mark.needs("map:TASK_STORAGE"),
        ),
        ("struct_ops", {"value": 4}, "comes with the object"),
    ],
)  # fmt: skip
def test_a_definition_that_the_kernel_refuses_is_explained(create, kind, keywords, text):
    with pytest.raises(bpf.LibbpfError, match=text):
        create(kind, **keywords)


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        *((kind, 4, 4) for kind in (
            "array", "percpu_array", "prog_array", "cgroup_array", "hash", "percpu_hash", "lru_hash", "lru_percpu_hash",
            "sockmap", "sockhash", "devmap", "devmap_hash", "cpumap", "xskmap", "reuseport_sockarray", "array_of_maps",
            "hash_of_maps",
        )),
        ("lpm_trie", 8, 4), ("queue", 0, 4), ("stack", 0, 4), ("stack_trace", 4, 8),
        pytest.param("bloom_filter", 0, 4, marks=pytest.mark.needs("map:BLOOM_FILTER")),
    ],
)  # fmt: skip
def test_a_map_without_room_for_an_entry_is_explained(create, kind, key, value):
    more = {"inner": create("hash", key=4, value=4, max_entries=1)} if kind.endswith("_of_maps") else {}
    with pytest.raises(bpf.LibbpfError, match=r"max_entries is (its length, )?1 or more"):
        create(kind, key=key, value=value, max_entries=0, **more)


@pytest.mark.parametrize(("kind", "key"), [("array", 4), ("percpu_array", 4), ("lpm_trie", 8), ("queue", 0)])
def test_a_map_without_room_for_a_value_is_explained(create, kind, key):
    with pytest.raises(bpf.LibbpfError, match=r"a value (has )?at least a byte"):
        create(kind, key=key, value=0, max_entries=1)


# A struct that ends in a flexible array

FLEXIBLE = """
#include <vmlinux.h>

struct flexible {
	__u64 number;
	__u8 count;
	__u8 data[];
} flexible;
"""


@pytest.fixture
def flexible(root):
    """Make a map whose values end in an array that has the room of the struct's own padding."""
    with bpf.Object.open(bpf.compile_object(FLEXIBLE)) as obj:
        btf = bpf.Btf.from_bytes(obj.btf.raw)
    with bpf.Map.create("hash", key="u32", value=btf["struct flexible"], max_entries=4) as made:
        yield made


def test_a_value_that_is_shorter_than_the_maps_is_filled_up(flexible):
    flexible[1] = {"number": 5, "count": 2, "data": [6, 7]}
    flexible.update_many({2: {"number": 5, "count": 2, "data": b"\6\7"}})
    assert flexible.raw[b"\1\0\0\0"] == flexible.raw[b"\2\0\0\0"] == b"\5" + bytes(7) + b"\2\6\7" + bytes(5)


def test_one_value_and_all_values_are_decoded_alike(flexible):
    flexible[1] = {"number": 5, "count": 2, "data": [6, 7]}
    assert flexible[1].data == (6, 7, 0, 0, 0, 0, 0)
    assert flexible.to_dict() == {1: flexible[1]}


@pytest.mark.parametrize("write", [lambda m, v: m.update_elem(1, v), lambda m, v: m.update_many({1: v})])
def test_a_value_that_is_longer_than_the_maps_is_refused(flexible, write):
    with pytest.raises(ValueError, match=r"17 bytes.*16|16 bytes, not 17"):
        write(flexible, {"data": bytes(8)})
    assert len(flexible) == 0


# What has no end


def looping() -> bpf.BtfType:
    btf = bpf.Btf.new()
    btf.add_typedef("a", 2)
    btf.add_typedef("b", 1)
    return btf[1]


def within_itself() -> dict[str, object]:
    spec: dict[str, object] = {}
    spec["inner"] = spec
    return spec


def twice_and_twice_again() -> dict[str, object]:
    spec: dict[str, object] = {"x": "u8"}
    for _ in range(40):
        spec = {"a": spec, "b": spec}
    return spec


@pytest.mark.parametrize("make", [looping, within_itself, twice_and_twice_again])
def test_a_type_without_an_end_is_refused(root, make):
    with pytest.raises(ValueError, match=r"within itself|at most 65535 members"):
        bpf.Map.create("hash", "u32", make(), 1)
