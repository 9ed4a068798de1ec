"""Maps in bulk: read, taken out, written, deleted; with and without the kernel's batches."""

from __future__ import annotations

import errno
import subprocess
import sys

import numpy as np
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import _map_bulk, _map_numpy, lib

MANY = {key: key * 3 for key in range(3000)}


@pytest.fixture
def numbers(loaded):
    """A hash of 3,000 entries, of 4,096 that fit."""
    found = loaded("typed_maps").maps["numbers"]
    found.update_many(MANY)
    return found


@pytest.fixture
def each(monkeypatch):
    """Have maps read a key at a time, as those are that have no batches."""
    cursor = _map_bulk.Cursor

    def per_key(*arguments, **options):
        return cursor(*arguments, **{**options, "each": True})

    monkeypatch.setattr(_map_bulk, "Cursor", per_key)


@pytest.fixture
def small_steps(monkeypatch):
    """Have calls take 16 entries at most."""
    monkeypatch.setattr("libbpf_cffi._map_access.STEP", 16)
    monkeypatch.setattr("libbpf_cffi._map_bulk.STEP", 16)
    monkeypatch.setattr("libbpf_cffi._map_hash.STEP", 16)


@pytest.fixture(params=["batch", "each", "small_steps"])
def way(request):
    """Each way of reading."""
    if request.param != "batch":
        request.getfixturevalue(request.param)


# Reading


@pytest.mark.every_kernel
def test_a_dict_has_every_entry(numbers, way):
    assert numbers.to_dict() == MANY


def test_keys_values_and_items_are_those_of_the_dict(numbers, way):
    assert sorted(numbers) == sorted(numbers.keys()) == sorted(MANY)
    assert sorted(numbers.values()) == sorted(MANY.values())
    assert sorted(numbers.items()) == sorted(MANY.items())


def test_len_counts_all(numbers, way):
    assert len(numbers) == 3000


def test_numpy_arrays_have_every_entry(numbers, way):
    keys, values = numbers.to_numpy()
    assert (keys.dtype, values.dtype) == ("<u4", "<u8")
    assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == MANY


def test_an_empty_map_is_read_as_empty(loaded, way):
    found = loaded("typed_maps").maps["numbers"]
    assert found.to_dict() == {}
    assert list(found) == []
    assert [len(each) for each in found.to_numpy()] == [0, 0]


def test_views_are_those_of_a_mapping(numbers):
    assert numbers.keys() & {1, 2, 5000} == {1, 2}
    assert (1, 3) in numbers.items()
    assert (1, 4) not in numbers.items()
    assert 6 in numbers.values()
    assert len(numbers.items()) == 3000


def test_a_full_map_is_read_to_its_end(loaded, way):
    found = loaded("typed_maps").maps["numbers"]
    full = dict.fromkeys(range(4096), 1)
    found.update_many(full)
    assert found.to_dict() == full
    keys, _ = found.to_numpy()
    assert len(keys) == 4096


def test_a_bucket_with_more_entries_than_a_step_makes_the_step_larger(loaded, monkeypatch):
    # Entries of one bucket are read together: with steps of one entry the kernel says ENOSPC.
    found = loaded("typed_maps").maps["numbers"]
    found.update_many({key: key for key in range(4096)})
    monkeypatch.setattr("libbpf_cffi._map_access.STEP", 1)
    assert len(found.to_dict()) == 4096
    assert len(found.to_numpy()[0]) == 4096


def test_numpy_arrays_grow_when_more_entries_come_than_were_expected(numbers, monkeypatch):
    monkeypatch.setattr("libbpf_cffi._map_numpy.RESERVE", 1)
    monkeypatch.setattr("libbpf_cffi._map_access.STEP", 16)
    keys, values = numbers.to_numpy()
    assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == MANY


def test_numpy_arrays_grow_by_less_where_there_is_no_memory_for_twice_as_much(numbers, monkeypatch):
    grow = _map_numpy._Column.grow

    def limited(self, capacity):
        if capacity > 3200:
            raise MemoryError
        grow(self, capacity)

    monkeypatch.setattr(_map_numpy._Column, "grow", limited)
    monkeypatch.setattr(_map_numpy, "RESERVE", 1)
    monkeypatch.setattr("libbpf_cffi._map_access.STEP", 16)
    keys, values = numbers.to_numpy()
    assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == MANY


@pytest.mark.unsanitized("a sanitizer has addresses for each byte of memory")
def test_numpy_arrays_need_no_more_addresses_than_the_entries_that_there_are(root, python):
    said = python(
        """
import resource
import numpy
import libbpf_cffi as bpf
flags = bpf.MapFlags.NO_PREALLOC
with bpf.Map.create("hash", key=8, value=64 << 10, max_entries=60_000, map_flags=flags) as found:
    found[bytes(8)] = bytes([7]) * (64 << 10)
    found.to_dict()
    with open("/proc/self/statm") as file:
        limit = int(file.read().split()[0]) * resource.getpagesize() + (50 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    keys, values = found.to_numpy()
    print(len(keys), bytes(values[0]) == bytes([7]) * (64 << 10))
"""
    )
    assert said.split() == ["1", "True"]


def test_records_are_read_in_bulk(loaded):
    flows = loaded("typed_maps").maps["flows"]
    flows.update_many({(number, 1, "sh"): (number, -number) for number in range(50)})
    assert {key.saddr: value.delta for key, value in flows.items()} == {number: -number for number in range(50)}
    keys, values = flows.to_numpy()
    assert sorted(keys["saddr"].tolist()) == list(range(50))
    assert values["delta"].sum() == -sum(range(50))


def test_numpy_is_imported_only_when_it_is_asked_for():
    code = """
import sys
import libbpf_cffi as bpf
with bpf.Map.create("hash", 4, 4, 10) as m:
    m.update_many({b"1234": b"5678"})
    m.to_dict(), list(m), m.delete_many([b"1234"]), m.clear()
print("numpy" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


def test_the_garbage_collector_works_again_after_a_dict(numbers):
    import gc

    assert gc.isenabled()
    numbers.to_dict()
    assert gc.isenabled()
    gc.disable()
    try:
        numbers.to_dict()
        assert not gc.isenabled()
    finally:
        gc.enable()


# Into arrays that are there


def test_numpy_reads_into_the_arrays_of_an_earlier_call(numbers, way):
    room = np.empty(4096, np.uint32), np.empty(4096, np.uint64)
    keys, values = numbers.to_numpy(out=room)
    assert dict(zip(keys.tolist(), values.tolist(), strict=True)) == MANY
    assert np.shares_memory(keys, room[0])
    assert np.shares_memory(values, room[1])


def test_a_full_map_fits_into_arrays_of_max_entries(loaded, way):
    found = loaded("typed_maps").maps["numbers"]
    found.update_many(dict.fromkeys(range(4096), 1))
    first = found.to_numpy()
    keys, _ = found.to_numpy(out=first)
    assert sorted(keys.tolist()) == list(range(4096))


def test_a_whole_array_fits_into_arrays_of_max_entries(loaded, way):
    plain = loaded("typed_maps").maps["plain"]
    plain.update_many(range(100), range(100))
    first = plain.to_numpy()
    assert first[1].tolist() == list(range(100))
    keys, values = plain.to_numpy(out=first)
    assert values.tolist() == keys.tolist() == list(range(100))


def test_more_entries_than_there_is_room_for_are_an_error(numbers, way, monkeypatch):
    # Which others must have added meanwhile: the arrays have max_entries rows.
    numbers.to_numpy()
    numbers._elements.max_entries = 100
    room = np.empty(100, np.uint32), np.empty(100, np.uint64)
    with pytest.raises(bpf.LibbpfError, match="into the arrays given as out") as caught:
        numbers.to_numpy(out=room)
    assert caught.value.errno == errno.ENOSPC


def test_percpu_values_are_read_into_earlier_arrays(loaded):
    found = loaded("typed_maps").maps["percpu_recent"]
    cpus = lib.libbpf_num_possible_cpus()
    found.update_many({key: [key] * cpus for key in range(20)})
    room = np.empty(64, np.uint32), np.empty((64, cpus), np.uint64)
    keys, values = found.to_numpy(out=room)
    assert (values[:, 0] == keys).all()
    assert np.shares_memory(values, room[1])


@pytest.mark.parametrize(
    ("keys", "values", "text"),
    [
        (np.empty(4095, np.uint32), np.empty(4096, np.uint64), "keys of out must have 4096 rows"),
        (np.empty(4096, np.uint32), np.empty(4095, np.uint64), "values of out must have 4096 rows"),
        (np.empty(4096, np.uint64), np.empty(4096, np.uint64), "dtype uint32"),
        (np.empty(4096, np.uint32), np.empty((4096, 2), np.uint64), "shape"),
        (np.empty(8192, np.uint32)[::2], np.empty(4096, np.uint64), "contiguous"),
        (np.frombuffer(bytes(4096 * 4), np.uint32), np.empty(4096, np.uint64), "writable"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(numbers, keys, values, text):
    with pytest.raises(ValueError, match=text):
        numbers.to_numpy(out=(keys, values))


def test_what_is_no_array_cannot_be_read_into(numbers):
    with pytest.raises(TypeError, match="two arrays, not list"):
        numbers.to_numpy(out=([], []))


# Taking out


@pytest.mark.every_kernel
@pytest.mark.parametrize(
    "take",
    [
        lambda m: m.to_dict(delete=True),
        lambda m: dict(m.items(delete=True)),
        lambda m: dict(zip(*(part.tolist() for part in m.to_numpy(delete=True)), strict=True)),
    ],
)
def test_read_and_delete_gives_all_and_leaves_nothing(numbers, way, take):
    assert take(numbers) == MANY
    assert not numbers


def test_keys_and_values_can_be_taken_out_too(numbers):
    assert sorted(numbers.keys(delete=True)) == sorted(MANY)
    numbers.update_many(MANY)
    assert sorted(numbers.values(delete=True)) == sorted(MANY.values())
    assert not numbers


@pytest.mark.every_kernel
def test_clear_deletes_all(numbers, way):
    numbers.clear()
    assert not numbers
    numbers.clear()


def test_elements_of_an_array_cannot_be_taken_out(loaded):
    plain = loaded("typed_maps").maps["plain"]
    with pytest.raises(bpf.NotSupportedError, match="plain") as caught:
        plain.to_dict(delete=True)
    assert "only be replaced" in caught.value.hint


# Writing


@pytest.mark.parametrize(
    "given",
    [
        lambda m: m.update_many(MANY),
        lambda m: m.update(MANY),
        lambda m: m.update_many(MANY.items()),
        lambda m: m.update_many(list(MANY), list(MANY.values())),
        lambda m: m.update_many(iter(MANY), iter(MANY.values())),
        lambda m: m.update_many(pair for pair in MANY.items()),
        lambda m: m.update_many(np.array(list(MANY), np.uint32), np.array(list(MANY.values()), np.uint64)),
        lambda m: m.update_many(np.array(list(MANY)), np.array(list(MANY.values()))),
        lambda m: m.update_many(np.array(list(MANY) * 2)[: len(MANY)][::-1], np.array(list(MANY.values()))[::-1]),
        lambda m: m.update_many(np.array(list(MANY)), list(MANY.values())),
        lambda m: m.update_many(list(MANY), np.array(list(MANY.values()))),
    ],
)
def test_update_many_takes_mappings_pairs_lists_and_arrays(loaded, small_steps, given):
    found = loaded("typed_maps").maps["numbers"]
    given(found)
    assert found.to_dict() == MANY


def test_a_map_is_copied_from_another(numbers, loaded):
    other = loaded("typed_maps").maps["recent"]
    with bpf.Map.from_id(numbers.id) as same:
        other.update({key: value for key, value in same.items() if key < 10})
    assert other.to_dict() == {key: MANY[key] for key in range(10)}


@pytest.mark.parametrize("flags", [bpf.UpdateFlags.NOEXIST, bpf.UpdateFlags.EXIST])
def test_flags_that_the_kernels_batch_has_not_work_key_by_key(numbers, flags):
    some = {5000: 1} if flags is bpf.UpdateFlags.NOEXIST else {5: 1}
    numbers.update_many(some, flags=flags)
    assert numbers.to_dict() == MANY | some


@pytest.mark.every_kernel
def test_an_update_that_fails_says_how_many_are_done_and_which_key_it_was(loaded):
    found = loaded("typed_maps").maps["signed_numbers"]
    with pytest.raises(bpf.LibbpfError, match=r"update key 116 of map 'signed_numbers', after 16 that") as caught:
        found.update_many(dict.fromkeys(range(100, 200), 0))
    assert caught.value.errno == errno.E2BIG
    assert "max_entries is 16" in caught.value.hint
    assert sorted(found) == list(range(100, 116))


def test_an_update_key_by_key_that_fails_says_the_same(numbers):
    with pytest.raises(bpf.LibbpfError, match=r"update key 7 of map 'numbers', after 1 that are done") as caught:
        numbers.update_many([(5000, 1), (7, 1)], flags=bpf.UpdateFlags.NOEXIST)
    assert caught.value.errno == errno.EEXIST


def test_the_count_goes_on_over_many_calls(loaded, small_steps):
    found = loaded("typed_maps").maps["numbers"]
    with pytest.raises(bpf.LibbpfError, match=r"key 4096 of map 'numbers', after 4096 that are done"):
        found.update_many((key, 0) for key in range(5000))


@pytest.mark.parametrize(
    ("keys", "values", "text"),
    [
        ([1, 2], [1], "cannot be updated with 2 keys and 1 values"),
        ([1], [1, 2], "cannot be updated with 1 keys and 2 values"),
        (np.array([1, 2]), np.array([1]), "2 keys and 1 values"),
        (np.array([-1]), np.array([1]), "key of map 'numbers': must be from 0 to 4294967295, not -1"),
        (np.array([1 << 32]), np.array([1]), "not 4294967296"),
        (np.array([1]), np.array([-5]), "value of map 'numbers': must be from 0"),
        (np.array([[1]]), np.array([1]), "shape"),
        (np.array([1]), np.array([[1, 2]]), "shape"),
        ([1], [-1], "from 0 to"),
        ([-1], [1], "from 0 to"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(loaded, keys, values, text):
    found = loaded("typed_maps").maps["numbers"]
    with pytest.raises(ValueError, match=text):
        found.update_many(keys, values)
    assert not found


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        (np.array([1.5]), np.array([1])),
        (np.array([1]), np.array(["a"])),
        (np.array([1]), None),
        ([1], ["a"]),
        (5, None),
    ],
)
def test_what_has_the_wrong_type_is_refused(loaded, keys, values):
    found = loaded("typed_maps").maps["numbers"]
    with pytest.raises(TypeError):
        found.update_many(keys, values)
    assert not found


def test_an_array_of_records_is_written_as_it_is(loaded):
    flows = loaded("typed_maps").maps["flows"]
    keys = np.zeros(3, flows.key_type.dtype)
    keys["saddr"] = [1, 2, 3]
    keys["comm"] = b"sh"
    values = np.zeros(3, flows.value_type.dtype)
    values["delta"] = [-1, -2, -3]
    flows.update_many(keys, values)
    assert flows[2, 0, "sh"].delta == -2


# Deleting


@pytest.mark.every_kernel
@pytest.mark.parametrize("keys", [range(0, 6000, 2), np.arange(0, 6000, 2), (key for key in range(0, 6000, 2))])
def test_delete_many_counts_what_was_there(numbers, keys):
    assert numbers.delete_many(keys) == 1500
    assert numbers.to_dict() == {key: value for key, value in MANY.items() if key % 2}


def test_delete_many_in_small_steps(numbers, small_steps):
    assert numbers.delete_many([5, 9999, 6, 5, *range(100, 200)]) == 102
    assert len(numbers) == 3000 - 102


def test_delete_many_of_nothing_deletes_nothing(numbers):
    assert numbers.delete_many([]) == 0
    assert len(numbers) == 3000


def test_delete_many_in_a_map_that_forbids_it_says_how_far_it_came(numbers):
    numbers.freeze()
    with pytest.raises(bpf.LibbpfPermissionError, match=r"delete key 5 from map 'numbers', after 0") as caught:
        numbers.delete_many([5, 6])
    assert "frozen" in caught.value.hint


# Others change the map meanwhile


def test_keys_that_are_deleted_while_they_are_read_do_no_harm(numbers, way):
    seen = []
    for key in numbers:
        seen.append(key)
        numbers.delete_many([key, (key * 7) % 3000])
    assert set(seen) <= set(MANY)


def test_an_iterator_ends_though_a_key_comes_for_every_one_that_is_read(loaded, way, together):
    found = loaded("typed_maps").maps["numbers"]
    found.update_many(dict.fromkeys(range(1000), 0))
    done = []

    def change():
        number = 1000
        while not done:
            found.delete_many(range(number - 1000, number - 900))
            found.update_many(dict.fromkeys(range(number, number + 100), 0))
            number += 100

    def read():
        try:
            for _ in range(30):
                try:
                    assert len(list(found)) <= 2 * 4096 + 65536
                except bpf.LibbpfError as error:
                    # A reader that goes from key to key may have to give up.
                    if error.errno != errno.EAGAIN:
                        raise
        finally:
            done.append(True)

    assert together(change, read) == []


def test_a_reader_that_meets_too_many_keys_gives_up(numbers, each, monkeypatch):
    elements, cursor = numbers._cursor()
    cursor.c.budget = 100
    monkeypatch.setattr(numbers.__class__, "_cursor", lambda self, **_: (elements, cursor))
    found = []
    with pytest.raises(bpf.LibbpfError, match="read map 'numbers'") as caught:
        for key in numbers:
            found.append(key)  # noqa: PERF402 - extend() would keep nothing
    assert caught.value.errno == errno.EAGAIN
    # What it had read is not lost.
    assert len(found) == 100


def test_every_entry_that_is_taken_out_is_taken_once(loaded, together):
    found = loaded("typed_maps").maps["numbers"]
    taken = []
    done = []

    def write():
        for number in range(20000):
            while True:
                try:
                    found[number] = number
                    break
                except bpf.LibbpfError as error:
                    if error.errno != errno.E2BIG:
                        raise
        done.append(True)

    def take():
        while not done:
            taken.extend(found.items(delete=True))
        taken.extend(found.items(delete=True))

    assert together(write, take) == []
    assert sorted(taken) == [(number, number) for number in range(20000)]


# Without batches


@pytest.fixture
def devices(root, monkeypatch):
    """A hash of devices, for which the kernel has no batches, as a plain mapping."""
    from libbpf_cffi import _map_settings

    monkeypatch.setitem(_map_settings._KINDS, lib.BPF_MAP_TYPE_DEVMAP_HASH, bpf.HashMap)
    with bpf.Map.create("devmap_hash", 4, 4, 8, name="devices") as found:
        found.update_many({number.to_bytes(4, "little"): b"\1\0\0\0" for number in range(5)})
        yield found


def test_a_map_without_batches_is_written_and_read_key_by_key(devices):
    assert sorted(devices.to_dict()) == [number.to_bytes(4, "little") for number in range(5)]


def test_a_map_without_batches_is_deleted_from_key_by_key(devices):
    assert devices.delete_many([b"\1\0\0\0", b"\7\0\0\0"]) == 1
    assert len(devices) == 4


def test_a_map_without_lookup_and_delete_is_emptied_in_two_steps(devices):
    assert len(devices.to_dict(delete=True)) == 5
    assert not devices


def test_a_lookup_and_delete_that_the_kernel_has_not_is_not_supported(devices):
    with pytest.raises(bpf.NotSupportedError):
        devices.pop(b"\1\0\0\0")


def test_an_update_key_by_key_without_batches_says_which_key_failed(devices):
    with pytest.raises(bpf.LibbpfError, match=r"update key .* after 1 that are done"):
        devices.update_many([(b"1234", b"\1\0\0\0"), (b"5678", b"\xff\xff\xff\x7f")])


def test_a_batch_from_key_to_key_is_bounded_too(loaded, small_steps, monkeypatch):
    plain = loaded("typed_maps").maps["plain"]
    elements, cursor = plain._cursor()
    cursor.c.budget = 40
    monkeypatch.setattr(plain.__class__, "_cursor", lambda self, **_: (elements, cursor))
    with pytest.raises(bpf.LibbpfError, match="read map 'plain'") as caught:
        list(plain)
    assert caught.value.errno == errno.EAGAIN


def test_arrays_that_lie_apart_in_memory_are_written_as_they_are(loaded):
    found = loaded("typed_maps").maps["numbers"]
    found.update_many(np.arange(20, dtype=np.uint32)[::2], np.arange(30, dtype=np.uint64)[::3])
    assert found.to_dict() == dict(zip(range(0, 20, 2), range(0, 30, 3), strict=True))


class Short:
    """A codec that gives a byte too few."""

    typename = "short"
    flexible = False

    def __init__(self, size):
        self.size = size

    def encode(self, value):
        """Encode one."""
        return bytes(self.size - 1)

    def encode_many(self, values):
        """Encode many."""
        return bytes(self.size * len(values) - 1)


@pytest.mark.parametrize("part", ["_key_codec", "_value_codec"])
def test_bytes_of_another_length_never_reach_the_kernel(loaded, part):
    # It would read what lies behind them.
    flows = loaded("typed_maps").maps["flows"]
    key, value = (1, 2, "sh"), (3, 4)
    flows[key] = value
    short = Short(getattr(flows, part).size)
    setattr(flows, part, short)
    if part == "_key_codec":
        flows._encode_key = short.encode
        for call in (lambda: flows[key], lambda: flows.delete_elem(key), lambda: flows.delete_many([key])):
            with pytest.raises(ValueError, match=str(short.size - 1)):
                call()
    for call in (lambda: flows.update_elem(key, value), lambda: flows.update_many([(key, value)])):
        with pytest.raises(ValueError, match=str(short.size - 1)):
            call()


def test_a_dtype_that_does_not_suit_is_told_in_words(loaded):
    found = loaded("typed_maps").maps["flows"]
    keys = np.zeros(1, np.dtype([("other", "u4")]))
    with pytest.raises(TypeError, match=r"^key of map 'flows': .*key_type\.dtype of the map.*not one with the members"):
        found.update_many(keys, keys)


def test_a_key_that_is_not_there_is_a_key_error_for_many_as_for_one(numbers):
    for update in (lambda: numbers.update_elem(7777, 1, bpf.UpdateFlags.EXIST),
                   lambda: numbers.update_many({7777: 1}, flags=bpf.UpdateFlags.EXIST)):  # fmt: skip
        with pytest.raises(KeyError, match=r"^7777$"):
            update()


@pytest.fixture
def floats(root):
    with bpf.Map.create("hash", "u32", "float", 4) as made:
        yield made


def test_a_number_that_a_float_cannot_hold_is_refused_in_an_array_too(floats):
    for update in (lambda: floats.update_elem(1, 1e300), lambda: floats.update_many([1], np.array([1e300]))):
        with pytest.raises(ValueError, match=r"cannot hold 1e\+300"):
            update()
    assert len(floats) == 0
    floats.update_many([1], np.array([np.inf]))
    assert floats[1] == float("inf")


def test_masked_elements_are_not_written(floats):
    with pytest.raises(ValueError, match="without masked elements"):
        floats.update_many(np.ma.array([1, 2], mask=[True, False]), [1.0, 2.0])
    assert len(floats) == 0
