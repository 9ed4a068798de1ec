"""Hashes as mutable mappings: one element at a time."""

from __future__ import annotations

import errno
from collections.abc import MutableMapping
from decimal import Decimal

import pytest

import libbpf_cffi as bpf


@pytest.fixture
def maps(loaded):
    """The maps of typed_maps.bpf.c, created."""
    return loaded("typed_maps").maps


@pytest.mark.every_kernel
def test_a_hash_is_a_mutable_mapping(maps):
    assert isinstance(maps["numbers"], MutableMapping)


def test_a_value_that_is_written_is_read(maps):
    numbers = maps["numbers"]
    numbers[5] = 7
    assert numbers[5] == 7


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("numbers", 0, 0),
        ("numbers", (1 << 32) - 1, (1 << 64) - 1),
        ("signed_numbers", -1, -1),
        ("signed_numbers", -(1 << 31), -(1 << 15)),
        ("signed_numbers", (1 << 31) - 1, (1 << 15) - 1),
        ("signed_keys", -(1 << 63), 255),
        ("signed_keys", (1 << 63) - 1, 0),
        ("signed_values", 65535, -128),
        ("signed_values", 0, 127),
        # What a lookup of a number returns when it wants to be asked again.
        ("numbers", 1, bpf.lib.LBC_LOOK_AGAIN),
    ],
)
def test_integers_of_every_size_and_sign_keep_their_value(maps, name, key, value):
    found = maps[name]
    found[key] = value
    assert found[key] == found.get(key) == found.lookup_elem(key) == value
    assert found.to_dict() == {key: value}


@pytest.mark.parametrize(
    ("name", "key", "value", "text"),
    [
        ("numbers", -1, 0, "0 to 4294967295, not -1"),
        ("numbers", 1 << 32, 0, "not 4294967296"),
        ("numbers", 0, -1, "not -1"),
        ("numbers", 0, 1 << 64, "not 18446744073709551616"),
        ("signed_numbers", 1 << 31, 0, "not 2147483648"),
        ("signed_numbers", 0, -32769, "-32768 to 32767"),
        ("signed_numbers", 0, 32768, "-32768 to 32767"),
        ("signed_values", -1, 0, "0 to 65535"),
        ("signed_values", 0, 128, "-128 to 127"),
        ("signed_values", 0, -129, "-128 to 127"),
        ("signed_keys", 0, 256, "0 to 255"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_with_the_limits(maps, name, key, value, text):
    found = maps[name]
    found[1] = 1
    with pytest.raises(ValueError, match=text):
        found[key] = value
    assert found.to_dict() == {1: 1}


@pytest.mark.parametrize("key", [-1, 1 << 32, 1 << 64])
def test_a_key_that_does_not_fit_is_not_looked_up(maps, key):
    numbers = maps["numbers"]
    _ = numbers.get(1)
    with pytest.raises(ValueError, match=str(key)):
        numbers[key]


@pytest.mark.parametrize("key", ["5", 5.0, Decimal(5), None, b"\5\0\0\0", (5,)])
def test_what_is_no_integer_is_no_key(maps, key):
    numbers = maps["numbers"]
    numbers[5] = 1
    with pytest.raises(TypeError, match="unsigned int"):
        numbers[key]
    with pytest.raises(TypeError):
        numbers[key] = 1
    with pytest.raises(TypeError):
        numbers[5] = key
    assert numbers.to_dict() == {5: 1}


def test_an_object_that_can_be_an_index_is_a_key(maps):
    class Index:
        def __index__(self):
            return 5

    maps["numbers"][Index()] = 6
    assert maps["numbers"][5] == 6


def test_a_missing_key_is_a_key_error_with_the_key(maps):
    with pytest.raises(KeyError) as caught:
        maps["numbers"][4711]
    assert caught.value.args == (4711,)


def test_get_gives_none_or_the_default_for_a_missing_key(maps):
    assert maps["numbers"].get(1) is None
    assert maps["numbers"].get(1, "nothing") == "nothing"
    assert maps["numbers"].lookup_elem(1) is None


def test_a_key_that_is_there_is_in_the_map(maps):
    maps["numbers"][1] = 0
    assert 1 in maps["numbers"]
    assert 2 not in maps["numbers"]


def test_del_deletes_and_a_missing_key_is_a_key_error(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    del numbers[1]
    assert 1 not in numbers
    with pytest.raises(KeyError):
        del numbers[1]
    with pytest.raises(KeyError):
        numbers.delete_elem(1)


@pytest.mark.every_kernel
@pytest.mark.needs("hash_taking")
def test_pop_takes_the_value_out(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    assert numbers.pop(1) == 2
    assert 1 not in numbers
    assert numbers.pop(1, None) is None
    with pytest.raises(KeyError):
        numbers.pop(1)


@pytest.mark.every_kernel
@pytest.mark.needs("hash_taking")
def test_lookup_and_delete_elem_takes_the_value_out(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    assert numbers.lookup_and_delete_elem(1) == 2
    assert numbers.lookup_and_delete_elem(1) is None


@pytest.mark.needs("hash_taking")
def test_popitem_empties_the_map(maps):
    numbers = maps["numbers"]
    numbers.update({1: 2, 3: 4})
    assert dict([numbers.popitem(), numbers.popitem()]) == {1: 2, 3: 4}
    with pytest.raises(KeyError, match="empty"):
        numbers.popitem()


def test_setdefault_writes_only_what_is_missing(maps):
    numbers = maps["numbers"]
    assert numbers.setdefault(1, 2) == 2
    assert numbers.setdefault(1, 3) == 2
    assert numbers[1] == 2


def test_a_map_is_true_if_it_has_an_entry(maps):
    assert not maps["numbers"]
    maps["numbers"][0] = 0
    assert maps["numbers"]


def test_two_maps_are_equal_only_if_they_are_the_same(maps):
    assert maps["numbers"] == maps["numbers"]
    assert maps["numbers"] != maps["recent"]
    assert {maps["numbers"]: 1}[maps["numbers"]] == 1


def test_get_next_key_goes_through_all_keys(maps):
    numbers = maps["numbers"]
    numbers.update(dict.fromkeys(range(10), 0))
    found = [numbers.get_next_key()]
    while (key := numbers.get_next_key(found[-1])) is not None:
        found.append(key)
    assert sorted(found) == list(range(10))


def test_after_a_key_that_is_not_there_comes_the_first(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    assert numbers.get_next_key(99) == numbers.get_next_key() == 1


# Flags


def test_noexist_refuses_a_key_that_is_there_and_says_so(maps):
    numbers = maps["numbers"]
    numbers.update_elem(1, 2, bpf.UpdateFlags.NOEXIST)
    with pytest.raises(bpf.LibbpfError, match="update 1 in map 'numbers'") as caught:
        numbers.update_elem(1, 3, bpf.UpdateFlags.NOEXIST)
    assert caught.value.errno == errno.EEXIST
    assert "NOEXIST" in caught.value.hint
    assert numbers[1] == 2


def test_exist_refuses_a_key_that_is_not_there(maps):
    numbers = maps["numbers"]
    with pytest.raises(KeyError):
        numbers.update_elem(1, 2, bpf.UpdateFlags.EXIST)
    numbers[1] = 2
    numbers.update_elem(1, 3, bpf.UpdateFlags.EXIST)
    assert numbers[1] == 3


@pytest.mark.every_kernel
def test_lock_reads_and_writes_a_value_with_a_spin_lock(maps):
    locks = maps["locks"]
    locks.update_elem(1, {"value": 5}, bpf.UpdateFlags.ANY)
    locks.update_elem(1, {"value": 6}, bpf.UpdateFlags.LOCK)
    assert locks.lookup_elem(1, bpf.UpdateFlags.LOCK).value == 6


def test_lock_on_a_value_without_one_says_what_is_missing(maps):
    maps["numbers"][1] = 2
    with pytest.raises(bpf.LibbpfError) as caught:
        maps["numbers"].lookup_elem(1, bpf.UpdateFlags.LOCK)
    assert "bpf_spin_lock" in caught.value.hint


@pytest.mark.parametrize("flags", [-1, 1 << 64, "any", None])
def test_bad_flags_are_refused(maps, flags):
    with pytest.raises((TypeError, ValueError), match="flags"):
        maps["numbers"].update_elem(1, 2, flags)
    with pytest.raises((TypeError, ValueError), match="flags"):
        maps["numbers"].lookup_elem(1, flags)


# Errors


def test_a_full_map_says_how_many_fit(maps):
    found = maps["signed_numbers"]
    found.update(dict.fromkeys(range(16), 0))
    with pytest.raises(bpf.LibbpfError, match="update 16 in map 'signed_numbers'") as caught:
        found[16] = 0
    assert caught.value.errno == errno.E2BIG
    assert "the map is full: its max_entries is" in str(caught.value)
    assert "max_entries is 16" in caught.value.hint


def test_an_lru_hash_is_never_full(maps):
    recent = maps["recent"]
    for key in range(500):
        recent[key] = key
    assert recent[499] == 499
    assert len(recent) <= 64


ELEMENT_CALLS = {
    "m[k]": lambda m: m[1],
    "m[k] = v": lambda m: m.__setitem__(1, 2),
    "del m[k]": lambda m: m.__delitem__(1),
    "in": lambda m: 1 in m,
    "get": lambda m: m.get(1),
    "len": len,
    "bool": bool,
    "iter": list,
    "items": lambda m: list(m.items()),
    "pop": lambda m: m.pop(1),
    "popitem": lambda m: m.popitem(),
    "setdefault": lambda m: m.setdefault(1, 2),
    "lookup_elem": lambda m: m.lookup_elem(1),
    "update_elem": lambda m: m.update_elem(1, 2),
    "delete_elem": lambda m: m.delete_elem(1),
    "get_next_key": lambda m: m.get_next_key(),
    "update": lambda m: m.update({1: 2}),
    "update_many": lambda m: m.update_many([(1, 2)]),
    "delete_many": lambda m: m.delete_many([1]),
    "clear": lambda m: m.clear(),
    "to_dict": lambda m: m.to_dict(),
    "to_numpy": lambda m: m.to_numpy(),
    "freeze": lambda m: m.freeze(),
    "raw": lambda m: m.raw[b"1234"],
}


@pytest.mark.parametrize("call", ELEMENT_CALLS)
def test_a_map_that_is_not_created_has_no_elements(opened, call):
    with pytest.raises(bpf.StateError, match="load it first"):
        ELEMENT_CALLS[call](opened("typed_maps").maps["numbers"])


@pytest.mark.parametrize("call", ELEMENT_CALLS)
@pytest.mark.parametrize("used", [False, True])
def test_a_closed_map_has_no_elements(loaded, call, used):
    obj = loaded("typed_maps")
    numbers = obj.maps["numbers"]
    if used:
        numbers[1] = 1
    obj.close()
    with pytest.raises(bpf.ClosedError, match="closed"):
        ELEMENT_CALLS[call](numbers)


@pytest.mark.parametrize("call", ELEMENT_CALLS)
def test_in_a_child_the_parents_map_is_a_closed_error(loaded, in_fork, call):
    numbers = loaded("typed_maps").maps["numbers"]
    numbers[1] = 1

    def check():
        with pytest.raises(bpf.ClosedError, match="forked"):
            ELEMENT_CALLS[call](numbers)

    in_fork(check)
    assert numbers[1] == 1


def test_a_map_that_autocreate_leaves_out_has_no_elements(opened):
    obj = opened("typed_maps")
    obj.maps["numbers"].autocreate = False
    obj.load()
    with pytest.raises(bpf.StateError, match="autocreate"):
        obj.maps["numbers"][1]


def test_a_prepared_map_has_elements_and_keeps_them_through_load(opened):
    obj = opened("typed_maps")
    obj.prepare()
    numbers = obj.maps["numbers"]
    numbers[1] = 2
    obj.load()
    assert numbers[1] == 2


def test_after_a_load_that_failed_the_prepared_maps_are_gone(opened):
    # libbpf closes their descriptors, whose numbers others may have by then.
    obj = opened("refused_typed")
    obj.prepare()
    numbers = obj.maps["numbers"]
    numbers[1] = 2
    with pytest.raises(bpf.VerifierError):
        obj.load()
    with pytest.raises(bpf.StateError, match="open it again"):
        numbers[1]


@pytest.mark.every_kernel
def test_a_frozen_map_says_that_it_is(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    numbers.freeze()
    with pytest.raises(bpf.LibbpfPermissionError) as caught:
        numbers[1] = 3
    assert "frozen" in caught.value.hint
    assert numbers[1] == 2
    assert numbers.info.frozen


# Types


def test_structs_are_records_on_both_sides(maps):
    flows = maps["flows"]
    flows[{"saddr": 1, "port": 2, "comm": "sh"}] = {"packets": 3, "delta": -4}
    ((key, value),) = flows.items()
    assert (key.saddr, key.port, key.comm) == (1, 2, "sh")
    assert value == (3, -4)
    assert flows[key] == flows[1, 2, "sh"] == value


def test_enums_and_booleans_come_as_such(maps):
    colors = maps["colors"]
    colors["GREEN"] = True
    ((key, value),) = colors.items()
    assert key.name == "GREEN"
    assert key == 5
    assert value is True
    assert colors[5] is True


def test_a_map_knows_its_types(maps):
    assert maps["flows"].key_type.name == "flow"
    assert maps["flows"].value_type.name == "counter"


def test_raw_is_the_same_map_in_bytes(maps):
    numbers = maps["numbers"]
    numbers[1] = 2
    assert numbers.raw[b"\1\0\0\0"] == b"\2" + bytes(7)
    numbers.raw[b"\3\0\0\0"] = b"\4" + bytes(7)
    assert numbers[3] == 4
    assert numbers.raw.to_dict() == {b"\1\0\0\0": b"\2" + bytes(7), b"\3\0\0\0": b"\4" + bytes(7)}
    assert numbers.raw.raw.name == "numbers"


@pytest.mark.parametrize(("key", "value"), [(b"123", bytes(8)), (b"1234", bytes(7)), (b"12345", bytes(8))])
def test_raw_bytes_of_another_length_are_refused(maps, key, value):
    with pytest.raises(ValueError, match="bytes"):
        maps["numbers"].raw[key] = value


def test_values_of_another_size_than_their_type_are_bytes(opened):
    # The kernel refuses the map with its types, and libbpf creates it without; that of the key fits still.
    obj = opened("typed_maps")
    obj.maps["numbers"].value_size = 16
    obj.load()
    obj.maps["numbers"][1] = bytes(range(16))
    assert obj.maps["numbers"].to_dict() == {1: bytes(range(16))}


# The class goes by the type


def test_a_map_whose_type_is_set_to_another_kind_has_its_class(opened):
    obj = opened("typed_maps")
    before = obj.maps["numbers"]
    before.type = bpf.MapType.PERCPU_HASH
    after = obj.maps["numbers"]
    assert type(before) is bpf.HashMap
    assert type(after) is bpf.PercpuHashMap
    obj.load()
    after[1] = [7] * bpf.lib.libbpf_num_possible_cpus()
    with pytest.raises(bpf.StateError, match="another type"):
        before[1]


def test_a_map_whose_type_is_set_to_the_same_kind_stays_the_same(opened):
    obj = opened("typed_maps")
    before = obj.maps["numbers"]
    before.type = bpf.MapType.LRU_HASH
    assert obj.maps["numbers"] is before
    obj.load()
    before[1] = 2
    assert before[1] == 2


def test_clearing_a_map_that_is_read_only_says_what_it_could_not_do(root):
    with bpf.Map.create("hash", 4, 4, 4, name="lbc_clear") as found:
        found[bytes(4)] = bytes(4)
        with (
            bpf.Map.from_id(found.id, read_only=True) as same,
            pytest.raises(bpf.LibbpfPermissionError, match="cannot take the entries out of map 'lbc_clear'"),
        ):
            same.clear()


def test_update_takes_no_entries_as_keywords_and_says_so(root):
    with bpf.Map.create("hash", "char[4]", "u32", 4, name="lbc_words") as found:
        with pytest.raises(TypeError, match=r"^map 'lbc_words' is updated with .*, \{'a': 1\}, not with keywords"):
            found.update(a=1)
        found.update()
        found.update({"a": 1}, flags=bpf.UpdateFlags.NOEXIST)
        assert found.to_dict() == {"a": 1}
