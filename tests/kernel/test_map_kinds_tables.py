"""Tables of programs and of maps, tries, queues and their like: what Python writes is what programs find."""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import warnings

import pytest

import libbpf_cffi as bpf

pytestmark = pytest.mark.needs("map:BLOOM_FILTER", "btf")
"""What map_uses.bpf.c has; the youngest type of map in it came with Linux 5.16."""


# Tables of programs


def test_a_tail_call_jumps_to_the_program_of_the_table(loaded, run_packet):
    obj = loaded("map_uses")
    assert run_packet(obj.programs["jump"]) == 1
    obj.maps["jumps"][2] = obj.programs["target"]
    assert run_packet(obj.programs["jump"]) == 77


def test_a_tail_call_to_a_place_that_was_emptied_does_not_jump(loaded, run_packet):
    obj = loaded("map_uses")
    obj.maps["jumps"][2] = obj.programs["target"]
    del obj.maps["jumps"][2]
    assert run_packet(obj.programs["jump"]) == 1


def test_a_table_gives_the_ids_of_its_programs(loaded):
    obj = loaded("map_uses")
    jumps, target = obj.maps["jumps"], obj.programs["target"]
    jumps[2] = target
    assert list(jumps) == [None, None, target.id, None]
    assert jumps.to_dict() == dict(jumps.items()) == {2: target.id}
    assert jumps[-2] == target.id
    assert jumps[1:3] == [None, target.id]
    assert len(jumps) == 4


def test_a_program_is_given_by_a_descriptor_too(loaded):
    obj = loaded("map_uses")
    obj.maps["jumps"][0] = obj.programs["target"].fd
    assert obj.maps["jumps"][0] == obj.programs["target"].id


def test_assigning_none_empties_a_place(loaded):
    obj = loaded("map_uses")
    jumps = obj.maps["jumps"]
    jumps[0] = obj.programs["target"]
    jumps[0] = None
    jumps[0] = None
    assert jumps[0] is None


def test_deleting_an_empty_place_is_a_key_error(loaded):
    with pytest.raises(KeyError, match="3"):
        del loaded("map_uses").maps["jumps"][3]


@pytest.mark.parametrize("index", [4, -5])
def test_a_place_beyond_the_end_is_an_index_error(loaded, index):
    with pytest.raises(IndexError, match="has 4 places, and none at"):
        loaded("map_uses").maps["jumps"][index]


def test_clear_empties_every_place(loaded):
    obj = loaded("map_uses")
    jumps = obj.maps["jumps"]
    jumps.update_many({0: obj.programs["target"], 3: obj.programs["jump"]})
    assert set(jumps.keys()) == {0, 3}
    jumps.clear()
    assert jumps.to_dict() == {}


def test_a_program_of_another_type_is_refused_with_the_tables_type(loaded):
    obj = loaded("map_uses")
    with pytest.raises(bpf.LibbpfError, match="this table is one of XDP programs"):
        obj.maps["jumps"][0] = obj.programs["other_type"]


def test_a_map_is_no_program(loaded):
    obj = loaded("map_uses")
    with pytest.raises(TypeError, match="must be a Program, not a Queue"):
        obj.maps["jumps"][0] = obj.maps["queue"]


def test_a_descriptor_of_something_else_is_refused(loaded):
    with pytest.raises(bpf.LibbpfError, match="of one type"), open("/dev/null", "rb") as file:
        loaded("map_uses").maps["jumps"][0] = file


def test_a_closed_file_is_refused(loaded):
    with open("/dev/null", "rb") as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        loaded("map_uses").maps["jumps"][0] = file


def test_a_table_leaves_no_descriptor_open(loaded):
    obj = loaded("map_uses")
    before = os.listdir("/proc/self/fd")
    for index in range(4):
        obj.maps["jumps"][index] = obj.programs["target"]
    with pytest.raises(bpf.LibbpfError):
        obj.maps["jumps"][0] = obj.programs["other_type"]
    assert os.listdir("/proc/self/fd") == before


# Maps of maps


@pytest.fixture
def inner(create):
    """Make a map that is like the template of map_uses.bpf.c."""
    return create("hash", key="u32", value="u64", max_entries=8)


def test_a_program_reads_the_map_that_was_put_into_another(loaded, run_packet, inner):
    obj = loaded("map_uses")
    assert run_packet(obj.programs["read_inner"]) == 1
    inner[1] = 42
    obj.maps["by_tenant"][7] = inner
    assert run_packet(obj.programs["read_inner"]) == 42
    inner[1] = 43
    assert run_packet(obj.programs["read_inner"]) == 43
    del obj.maps["by_tenant"][7]
    assert run_packet(obj.programs["read_inner"]) == 1


def test_an_inner_map_is_read_as_a_map_with_types(create, inner):
    outer = create("hash_of_maps", key="char[8]", max_entries=4, inner=inner)
    inner[1] = 5
    outer["mine"] = inner
    with outer["mine"] as found:
        assert found.id == inner.id
        assert dict(found.items()) == {1: 5}


def test_an_inner_map_outlives_its_maker(create):
    with bpf.Map.create("hash", "u32", "u64", 8) as made:
        outer = create("array_of_maps", max_entries=4, inner=made)
        made[1] = 6
        outer[0] = made
    with outer[0] as found:
        assert found[1] == 6


def test_an_inner_map_that_is_read_closes_itself_without_a_warning(create, inner):
    outer = create("array_of_maps", max_entries=4, inner=inner)
    outer[0] = inner
    before = os.listdir("/proc/self/fd")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outer[0].id
        gc.collect()
    assert os.listdir("/proc/self/fd") == before


def test_ids_open_no_map(create, inner):
    outer = create("hash_of_maps", key="u32", max_entries=4, inner=inner)
    outer.update({1: inner, 2: inner})
    before = os.listdir("/proc/self/fd")
    assert outer.ids() == {1: inner.id, 2: inner.id}
    assert os.listdir("/proc/self/fd") == before


def test_values_are_opened_one_after_the_other(create, inner):
    outer = create("hash_of_maps", key="u32", max_entries=100, inner=inner)
    outer.update_many((number, inner) for number in range(100))
    most = 0
    for each in outer.values():
        with each:
            most = max(most, len(os.listdir("/proc/self/fd")))
    assert most - len(os.listdir("/proc/self/fd")) < 5


def test_an_array_of_maps_is_a_sequence_with_empty_places(create, inner):
    outer = create("array_of_maps", max_entries=3, inner=inner)
    outer[1] = inner
    found = list(outer)
    assert [each if each is None else each.id for each in found] == [None, inner.id, None]


def test_a_hash_of_maps_is_a_mutable_mapping(create, inner):
    outer = create("hash_of_maps", key="u32", max_entries=4, inner=inner)
    outer[1] = inner
    assert 1 in outer
    assert 2 not in outer
    assert outer.get(2) is None
    assert outer.setdefault(1, inner).id == inner.id
    assert outer.pop(1).id == inner.id
    assert len(outer) == 0
    with pytest.raises(KeyError):
        outer[1]
    with pytest.raises(KeyError):
        outer.popitem()


def test_a_map_of_another_shape_is_refused_with_the_difference(create, inner):
    outer = create("array_of_maps", max_entries=3, inner=inner)
    outer[0] = inner
    with pytest.raises(bpf.LibbpfError, match="it has value_size 4, not 8; an inner map must have") as caught:
        outer[1] = create("hash", key="u32", value="u32", max_entries=8)
    assert caught.value.errno == errno.EINVAL


def test_a_map_of_another_shape_is_refused_by_an_empty_map_with_the_rule(create, inner):
    outer = create("array_of_maps", max_entries=3, inner=inner)
    with pytest.raises(bpf.LibbpfError, match=r"not like the template .* value_size 4.*an inner map must have"):
        outer[1] = create("hash", key="u32", value="u32", max_entries=8)


def test_a_program_is_no_map(loaded):
    obj = loaded("map_uses")
    with pytest.raises(TypeError, match="must be a Map, not a Program"):
        obj.maps["by_tenant"][0] = obj.programs["target"]


def test_what_is_taken_out_of_a_map_of_maps_cannot_be_opened(create, inner):
    outer = create("hash_of_maps", key="u32", max_entries=4, inner=inner)
    outer[1] = inner
    with pytest.raises(ValueError, match="use clear"):
        outer.to_dict(delete=True)
    outer.clear()
    assert outer.ids() == {}


# Tries


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed + bytes(60)


def test_a_program_finds_the_longest_prefix_of_those_that_python_wrote(loaded, run_packet):
    obj = loaded("map_uses")
    obj.maps["routes"].update({"10.0.0.0/8": 10, "10.1.0.0/16": 11, "10.1.2.3": 12})
    addresses = ("10.9.9.9", "10.1.9.9", "10.1.2.3", "8.8.8.8")
    assert [run_packet(obj.programs["route"], address(text)) for text in addresses] == [10, 11, 12, 2]


def test_a_lookup_finds_the_longest_prefix(create):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=10)
    trie.update([(ipaddress.ip_network("10.0.0.0/8"), 1), ("10.1.0.0/16", 2)])
    assert (trie["10.1.2.3"], trie["10.2.2.3"], trie[ipaddress.ip_address("10.1.0.1")]) == (2, 1, 2)
    assert trie["10.0.0.0/12"] == 1
    assert "11.0.0.1" not in trie
    assert trie.get("11.0.0.1") is None
    with pytest.raises(KeyError):
        trie["11.0.0.1"]


def test_keys_of_16_bytes_are_of_ipv6(create):
    trie = create("lpm_trie", key="ipv6", value="u32", max_entries=10)
    trie["2001:db8::/32"] = 1
    assert trie["2001:db8::1"] == 1
    assert list(trie) == [ipaddress.ip_network("2001:db8::/32")]


def test_networks_come_back_as_networks(loaded):
    routes = loaded("map_uses").maps["routes"]
    networks = {ipaddress.ip_network("10.0.0.0/8"): 1, ipaddress.ip_network("0.0.0.0/0"): 2}
    routes.update_many(networks)
    assert routes.to_dict() == networks
    with bpf.Map.from_id(routes.id) as same:
        assert dict(same.items()) == networks


def test_a_key_of_bytes_is_a_network_by_its_size(loaded):
    # What the kernel has no BTF of: the same sizes.
    with bpf.Map.create("lpm_trie", key=20, value=4, max_entries=4) as trie:
        trie["::/0"] = b"abcd"
        assert dict(trie.items()) == {ipaddress.ip_network("::/0"): b"abcd"}


def test_data_of_several_members_is_a_record(loaded):
    tagged = loaded("map_uses").maps["tagged"]
    tagged[{"prefixlen": 24, "zone": 1, "address": (10, 0)}] = 5
    ((key, value),) = tagged.items()
    assert (key.prefixlen, key.zone, key.address, value) == (24, 1, (10, 0), 5)
    assert tagged[key] == 5


def test_data_of_another_size_is_a_pair(create):
    trie = create("lpm_trie", key=4 + 6, value="u32", max_entries=4)
    trie[24, b"\x02\x42\xac\0\0\0"] = 7
    assert trie[48, b"\x02\x42\xac\x11\0\2"] == 7
    assert list(trie) == [(24, b"\x02\x42\xac\0\0\0")]


def test_what_a_struct_has_at_its_end_is_no_part_of_its_data(opened, create):
    kind = bpf.Btf.new()
    number, byte = kind.add_int("unsigned int", 4), kind.add_int("unsigned char", 1)
    address = kind.add_array(number, byte, 6)
    struct = kind.add_struct("mac_prefix", 12)
    kind.add_field("prefixlen", number, 0)
    kind.add_field("address", address, 32)
    trie = create("lpm_trie", key=struct, value="u32", max_entries=4)
    trie[24, b"\x02\x42\xac\0\0\0"] = 7
    assert dict(trie.items()) == {(24, b"\x02\x42\xac\0\0\0"): 7}


def test_the_types_that_load_forgets_are_known(loaded):
    obj = loaded("map_uses")
    assert obj.maps["queue"].value_type.name == "__u32"
    assert obj.maps["by_tenant"].key_type.name == "__u32"


def test_a_pair_will_do_for_a_network(create):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=4)
    trie[8, b"\x0a\0\0\0"] = 1
    assert list(trie) == [ipaddress.ip_network("10.0.0.0/8")]


def test_a_prefix_with_host_bits_in_the_kernel_is_read_as_its_network(create):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=4)
    trie[8, b"\x0a\1\2\3"] = 1
    assert list(trie) == [ipaddress.ip_network("10.0.0.0/8")]
    del trie["10.0.0.0/8"]
    assert len(trie) == 0


@pytest.mark.parametrize(
    ("key", "error", "text"),
    [
        ("10.1.2.3/8", ValueError, "has host bits set: the network is '10.0.0.0/8'"),
        ("::1", ValueError, "is IPv6, and the keys of the map are IPv4"),
        ("example.org", ValueError, "neither an IP address nor a network"),
        ("10.0.0.0/33", ValueError, "neither an IP address nor a network"),
        (7, TypeError, "must be a network or address of ipaddress"),
        ((33, b"abcd"), ValueError, "from 0 to 32, not 33"),
        ((8, b"abc"), ValueError, "must have 4 bytes, not 3"),
    ],
)
def test_a_key_that_is_no_prefix_is_explained(create, key, error, text):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=4)
    with pytest.raises(error, match=text):
        trie[key] = 1


def test_deleting_and_taking_are_of_exactly_that_prefix(create):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=4)
    trie["10.0.0.0/8"] = 1
    with pytest.raises(KeyError):
        del trie["10.1.0.0/16"]
    assert trie.pop("10.1.0.0/16", None) is None
    assert trie.pop("10.0.0.0/8") == 1
    assert len(trie) == 0


def test_a_full_trie_says_so(create):
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=1)
    trie["10.0.0.0/8"] = 1
    with pytest.raises(bpf.LibbpfError, match="its max_entries is 1"):
        trie["11.0.0.0/8"] = 1


def test_a_list_of_networks_is_written_and_deleted_in_bulk(create):
    trie = create("lpm_trie", key="ipv4", value="u8", max_entries=1000)
    networks = list(ipaddress.ip_network("10.0.0.0/8").subnets(new_prefix=17))[:500]
    trie.update_many(networks, [1] * 500)
    assert set(trie) == set(networks)
    assert trie.delete_many(networks[:400]) == 400
    assert len(trie) == 100
    assert trie.popitem()[0] in networks


def test_a_trie_becomes_arrays(create):
    numpy = pytest.importorskip("numpy")
    trie = create("lpm_trie", key="ipv4", value="u32", max_entries=4)
    trie["10.0.0.0/8"] = 5
    keys, values = trie.to_numpy()
    assert numpy.array_equal(keys["prefixlen"], [8])
    assert numpy.array_equal(keys["data"], [[10, 0, 0, 0]])
    assert numpy.array_equal(values, [5])


def test_ipaddress_is_imported_for_tries_alone(python):
    code = """
import sys
import libbpf_cffi as bpf
with bpf.Map.create("hash", "u32", "u64", 1) as made:
    made[1] = 1
print("ipaddress" in sys.modules)
"""
    assert python(code).strip() == "False"


# Queues, stacks, Bloom filters


def test_what_is_pushed_first_leaves_a_queue_first(create):
    queue = create("queue", value={"a": "u32"}, max_entries=3)
    for number in (1, 2, 3):
        queue.push({"a": number})
    assert queue.peek() == (1,)
    assert [queue.pop().a for _ in range(3)] == [1, 2, 3]


def test_what_is_pushed_last_leaves_a_stack_first(create):
    stack = create("stack", value="u32", max_entries=3)
    for number in (1, 2, 3):
        stack.push(number)
    assert stack.peek() == 3
    assert [stack.pop() for _ in range(3)] == [3, 2, 1]


@pytest.mark.parametrize("kind", ["queue", "stack"])
@pytest.mark.parametrize("verb", ["pop", "peek"])
def test_an_empty_queue_or_stack_is_an_index_error(create, kind, verb):
    with pytest.raises(IndexError, match="is empty"):
        getattr(create(kind, value="u32", max_entries=3), verb)()


@pytest.mark.parametrize("kind", ["queue", "stack"])
def test_a_full_queue_or_stack_refuses_a_value(create, kind):
    made = create(kind, value="u32", max_entries=1)
    made.push(1)
    with pytest.raises(bpf.LibbpfError, match=r"full, its max_entries is 1: push\(…, replace=True\)") as caught:
        made.push(2)
    assert caught.value.errno == errno.E2BIG


def test_a_full_queue_forgets_its_oldest_value_when_told(create):
    queue = create("queue", value="u32", max_entries=2)
    queue.push(1)
    queue.push(2)
    queue.push(3, replace=True)
    assert [queue.pop(), queue.pop()] == [2, 3]


def test_clear_empties_a_queue(create):
    queue = create("queue", value="u32", max_entries=2)
    queue.push(1)
    queue.push(2)
    queue.clear()
    with pytest.raises(IndexError):
        queue.peek()


@pytest.mark.parametrize(
    "call",
    [
        lambda each: each.lookup_elem(0),
        lambda each: each.update_elem(0, 1),
        lambda each: each.delete_elem(0),
        lambda each: each.get_next_key(),
    ],
)
@pytest.mark.parametrize("kind", ["queue", "stack", "bloom_filter"])
def test_elements_without_keys_are_not_looked_up_by_one(create, kind, call):
    with pytest.raises(TypeError, match="has no keys: use"):
        call(create(kind, value="u32", max_entries=3))


def test_a_program_takes_from_a_queue_and_pushes_onto_a_stack(loaded, run_packet):
    obj = loaded("map_uses")
    assert run_packet(obj.programs["transfer"]) == 1
    obj.maps["queue"].push(5)
    assert run_packet(obj.programs["transfer"]) == 2
    assert obj.maps["stack"].pop() == 5


def test_a_program_finds_what_was_added_to_a_bloom_filter(loaded, run_packet):
    obj = loaded("map_uses")
    obj.maps["known"].add(6)
    obj.maps["queue"].push(6)
    assert run_packet(obj.programs["transfer"]) == 3


def test_a_bloom_filter_has_what_was_added(create):
    known = create("bloom_filter", value="char[8]", max_entries=1000)
    known.update(["a", "b"], ["c"])
    assert all(each in known for each in "abc")
    # Of a thousand bits and more the chance is small.
    assert "d" not in known


def test_a_bloom_filter_cannot_be_listed(create):
    with pytest.raises(TypeError, match="cannot be listed"):
        list(create("bloom_filter", value="u32", max_entries=3))


def test_the_number_of_hashes_is_map_extra(create):
    assert create("bloom_filter", value="u32", max_entries=3, map_extra=4).info.map_extra == 4


def test_what_is_read_of_a_table_can_be_written(loaded):
    obj = loaded("map_uses")
    jumps, target = obj.maps["jumps"], obj.programs["target"]
    jumps[2] = target
    jumps[1] = jumps[2]
    jumps.update_many({0: next(iter(jumps.values()))})
    assert list(jumps) == [target.id, target.id, target.id, None]
    assert type(jumps[1]) is bpf.ProgramId


def test_an_id_of_a_program_that_is_gone_is_told(loaded):
    with pytest.raises(bpf.LibbpfError, match="no program has the id 2147483647 any more"):
        loaded("map_uses").maps["jumps"][0] = bpf.ProgramId(2147483647)


def test_a_plain_number_is_told_to_be_a_descriptor(loaded):
    with pytest.raises(bpf.LibbpfError, match="a plain integer is a descriptor, not an id"):
        loaded("map_uses").maps["jumps"][0] = 1_000_000
