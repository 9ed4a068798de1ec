"""Arrays as sequences, in mapped memory and without."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import numpy as np
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib


@pytest.fixture
def maps(loaded):
    """The maps of typed_maps.bpf.c, created."""
    return loaded("typed_maps").maps


@pytest.fixture(params=["plain", "mapped"])
def array(request, maps):
    """An array of 64-bit numbers, by system calls and in mapped memory."""
    return maps[request.param]


def test_an_array_is_a_sequence_of_all_its_elements(array):
    assert isinstance(array, Sequence)
    assert len(array) == array.max_entries
    assert list(array) == [0] * len(array)


def test_an_element_that_is_written_is_read(array):
    array[5] = (1 << 64) - 1
    assert array[5] == array.lookup_elem(5) == (1 << 64) - 1
    assert list(array)[4:7] == [0, (1 << 64) - 1, 0]


@pytest.mark.every_kernel
def test_what_is_written_through_the_kernel_is_read(array):
    _ = array[0]
    array[1] = 1
    array.update_elem(5, 6)
    assert array[5] == 6


def test_negative_indexes_count_from_the_end(array):
    array[-1] = 7
    assert array[len(array) - 1] == array[-1] == 7
    array[-len(array)] = 8
    assert array[0] == 8


@pytest.mark.parametrize("index", [600, -601, 1 << 32, 1 << 64, -(1 << 64)])
def test_an_index_beyond_the_end_is_an_index_error_with_the_length(array, index):
    with pytest.raises(IndexError, match=f"{len(array)} elements, and none at {index}"):
        array[index]
    with pytest.raises(IndexError, match=f"none at {index}"):
        array[index] = 1


@pytest.mark.parametrize("index", ["1", 1.0, None, b"\1\0\0\0"])
def test_what_is_no_integer_is_no_index(array, index):
    with pytest.raises(TypeError, match="an integer or a slice"):
        array[index]
    with pytest.raises(TypeError, match="an integer or a slice"):
        array[index] = 1


@pytest.mark.parametrize("value", [-1, 1 << 64])
def test_a_value_that_does_not_fit_is_refused(array, value):
    with pytest.raises(ValueError, match=str(value)):
        array[1] = value
    assert array[1] == 0


@pytest.mark.parametrize("value", ["1", 1.0, None])
def test_a_value_of_another_type_is_refused(array, value):
    with pytest.raises(TypeError):
        array[1] = value
    assert array[1] == 0


@pytest.mark.parametrize("part", [slice(2, 5), slice(None, None, 2), slice(-3, None), slice(5, 2), slice(90, 2, -7)])
def test_slices_are_those_of_a_list(array, part):
    array.update_many({index: index for index in range(len(array))})
    expected = list(range(len(array)))
    assert array[part] == expected[part]
    replaced = [value + 1000 for value in expected[part]]
    array[part] = replaced
    expected[part] = replaced
    assert list(array) == expected


def test_a_slice_takes_as_many_values_as_it_has(array):
    with pytest.raises(ValueError, match="has 3 elements, not 2"):
        array[0:3] = [1, 2]
    assert array[0] == 0


def test_a_sequence_is_searched(array):
    array[7] = 5
    assert 5 in array
    assert array.index(5) == 7
    assert array.count(0) == len(array) - 1
    assert list(reversed(array))[-8] == 5


@pytest.mark.every_kernel
def test_an_array_is_read_and_written_in_bulk(array):
    array.update_many(np.arange(len(array)), np.arange(len(array)) * 2)
    keys, values = array.to_numpy()
    assert values.tolist() == [2 * key for key in keys.tolist()]
    assert array.to_dict() == {index: 2 * index for index in range(len(array))}
    assert list(array.items())[:2] == [(0, 0), (1, 2)]
    assert list(array.keys()) == list(range(len(array)))


def test_an_index_of_the_update_that_is_beyond_the_end_says_which(array):
    with pytest.raises(bpf.LibbpfError, match=f"update key {len(array)} of map .* after 1 that are done") as caught:
        array.update_many([(0, 1), (len(array), 1)])
    assert "max_entries" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deltas", -5),
        ("mapped_signed", -(1 << 31)),
        ("mapped_bytes", 255),
        ("mapped_signed", lib.LBC_LOOK_AGAIN),
        ("records", (1, -2)),
        ("mapped_records", (1, 2, "sh")),
    ],
)
def test_elements_of_every_type_keep_their_value(maps, name, value):
    found = maps[name]
    found[2] = value
    assert found[2] == value
    assert found[1] != value
    assert found[3] != value
    assert list(found)[2] == value


@pytest.mark.parametrize(("name", "value"), [("mapped_signed", 1 << 31), ("mapped_bytes", 256), ("mapped_bytes", -1)])
def test_a_number_in_mapped_memory_is_checked(maps, name, value):
    _ = maps[name][0]
    maps[name][1] = 1
    with pytest.raises(ValueError, match=str(value)):
        maps[name][1] = value
    assert maps[name][1] == 1


def test_raw_elements_are_bytes_by_index(array):
    array[1] = 2
    raw = array.raw
    assert raw[1] == b"\2" + bytes(7)
    raw[3] = b"\4" + bytes(7)
    raw[4:6] = [b"\5" + bytes(7), b"\6" + bytes(7)]
    assert array[3:6] == [4, 5, 6]
    assert next(iter(raw.to_dict())) == bytes(4)


def test_an_array_without_types_has_bytes_by_index(root):
    with bpf.Map.create("array", 4, 3, 5) as found:
        found[1] = b"abc"
        assert found[1] == b"abc"
        assert list(found.items())[1] == (1, b"abc")


# Mapped memory


def mappings(name="bpf-map"):
    """How much of this process's memory is mapped from maps."""
    with open("/proc/self/maps", encoding="utf-8") as file:
        return [line.split()[1] for line in file if name in line]


def test_a_number_that_a_program_counts_is_read_at_once(loaded, x86):
    obj = loaded("typed_maps")
    mapped = obj.maps["mapped"]
    with obj.programs["count"].attach():
        before = mapped[3]
        os.getppid()
        assert mapped[3] > before


def test_memory_is_mapped_for_reading_until_something_is_written(maps):
    _ = maps["mapped"][0]
    assert mappings().count("r--s") == 1
    maps["mapped"][0] = 1
    assert "rw-s" in mappings()
    assert "r--s" not in mappings()


def test_close_unmaps(loaded):
    before = len(mappings())
    obj = loaded("typed_maps")
    obj.maps["mapped"][0] = 1
    obj.close()
    assert len(mappings()) == before


@pytest.mark.every_kernel
def test_a_mapped_array_can_be_frozen_and_is_read_afterwards(maps):
    mapped = maps["mapped"]
    mapped[1] = 2
    mapped.freeze()
    assert mapped[1] == 2
    with pytest.raises(bpf.LibbpfPermissionError) as caught:
        mapped[1] = 3
    assert "frozen" in caught.value.hint
    with pytest.raises(bpf.LibbpfPermissionError):
        mapped[1] = 3
    assert mapped[1] == 2


def test_a_freeze_while_the_map_is_mapped_says_so(loaded):
    # libbpf has mapped .bss for writing.
    with pytest.raises(bpf.LibbpfError) as caught:
        loaded("basic").maps[".bss"].freeze()
    assert caught.value.errno == errno.EBUSY
    assert "mapped for writing" in caught.value.hint


def test_a_mapped_array_that_was_opened_read_only_is_read(maps):
    maps["mapped"][1] = 2
    with bpf.Map.from_id(maps["mapped"].id, read_only=True) as same:
        assert same[1] == 2
        for _ in range(2):
            with pytest.raises(bpf.LibbpfPermissionError) as caught:
                same[1] = 3
            assert "read-only" in caught.value.hint


def test_a_mapped_array_that_was_opened_write_only_is_written(maps):
    with bpf.Map.from_id(maps["mapped"].id, write_only=True) as same:
        same[1] = 2
        with pytest.raises(bpf.LibbpfPermissionError) as caught:
            same[1]
        assert "write-only" in caught.value.hint
    assert maps["mapped"][1] == 2


def test_views_see_the_same_memory_after_it_is_mapped_anew(maps):
    mapped, raw = maps["mapped"], maps["mapped"].raw
    assert raw[1] == bytes(8)
    mapped[1] = 2
    assert raw[1] == b"\2" + bytes(7)
    raw[1] = b"\3" + bytes(7)
    assert mapped[1] == 3


def test_a_child_has_no_mapping_of_its_parents_map(maps, in_fork):
    maps["mapped"][1] = 2
    assert mappings()
    assert in_fork(lambda: "rw-s" in mappings()) == "False"


def test_a_data_section_is_an_array_of_one(loaded):
    bss = loaded("basic").maps[".bss"]
    assert len(bss) == 1
    assert bss[0].total == 0


@pytest.mark.parametrize(("type", "flags"), [("array", 0), ("array", bpf.MapFlags.MMAPABLE), ("percpu_array", 0)])
def test_clear_writes_zeroes_over_every_element(root, type, flags):
    with bpf.Map.create(type, value="u32", max_entries=5, map_flags=flags) as found:
        before = found.to_dict()
        one = 7 if type == "array" else (7,) * len(found[0])
        found.update({0: one, 4: one})
        assert found[4] == one
        found.clear()
        assert found.to_dict() == before


def test_an_array_that_cannot_be_written_cannot_be_cleared(root):
    with bpf.Map.create("array", value="u32", max_entries=5) as found:
        found.freeze()
        with pytest.raises(bpf.LibbpfPermissionError, match="cannot clear map"):
            found.clear()


@pytest.mark.parametrize("way", ["update_elem", "update_many"])
def test_an_index_beyond_the_end_is_told_as_that_by_libbpfs_verbs_too(create, way):
    with create("array", "u32", "u32", 5) as found, pytest.raises(bpf.LibbpfError, match="the index is beyond its end"):
        found.update_elem(5, 1) if way == "update_elem" else found.update_many([5], [1])
