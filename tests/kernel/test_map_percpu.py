"""Per-CPU maps: a value for each possible CPU."""

from __future__ import annotations

import numpy as np
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib


@pytest.fixture
def maps(loaded):
    """The maps of typed_maps.bpf.c, created."""
    return loaded("typed_maps").maps


CPUS = lib.libbpf_num_possible_cpus()


def values(start=1):
    """A number for each CPU."""
    return tuple(range(start, start + CPUS))


@pytest.mark.parametrize("name", ["percpu", "percpu_recent"])
def test_a_value_is_a_tuple_with_one_value_for_each_possible_cpu(maps, name):
    found = maps[name]
    found[1] = values()
    assert found[1] == found.get(1) == found.lookup_elem(1) == values()
    found[2] = list(values(100))
    assert found.to_dict() == {1: values(), 2: values(100)}
    assert sorted(found.items()) == [(1, values()), (2, values(100))]


def test_numbers_that_are_no_multiple_of_eight_bytes_lie_apart(maps):
    found = maps["percpu_array"]
    found[2] = [-number for number in range(CPUS)]
    assert found[2] == tuple(-number for number in range(CPUS))
    assert list(found)[1:3] == [(0,) * CPUS, tuple(-number for number in range(CPUS))]


def test_records_come_for_each_cpu(maps):
    maps["percpu_records"][1] = [{"packets": number, "delta": -1} for number in values()]
    assert [each.packets for each in maps["percpu_records"][1]] == list(values())
    assert sum(each.packets for (each, *_) in maps["percpu_records"].values()) == 1


@pytest.mark.parametrize("value", [values()[:-1], (*values(), 1), ()])
def test_another_number_of_values_is_refused_with_both_numbers(maps, value):
    with pytest.raises(ValueError, match=f"{CPUS} values, one for each possible CPU, not {len(value)}"):
        maps["percpu"][1] = value
    assert not maps["percpu"]


@pytest.mark.parametrize("value", [1, None, "12", b"12"])
def test_what_is_no_sequence_is_refused(maps, value):
    with pytest.raises(TypeError, match="one for each possible CPU"):
        maps["percpu"][1] = value


def test_a_value_of_one_cpu_that_does_not_fit_is_refused(maps):
    with pytest.raises(ValueError, match="-1"):
        maps["percpu"][1] = [-1] * CPUS


@pytest.mark.every_kernel
def test_many_are_written_read_and_deleted(maps):
    some = {key: values(key) for key in range(60)}
    maps["percpu"].update_many(some)
    assert maps["percpu"].to_dict() == some
    assert maps["percpu"].delete_many(range(30)) == 30
    assert maps["percpu"].to_dict(delete=True) == {key: values(key) for key in range(30, 60)}


@pytest.mark.parametrize("name", ["percpu", "percpu_recent", "percpu_records", "percpu_array"])
def test_numpy_has_a_row_an_entry_and_a_column_a_cpu(maps, name):
    found = maps[name]
    dtype = found.value_type.dtype
    given = np.zeros((5, CPUS), dtype)
    flat = given["packets"] if dtype.names else given
    flat[:] = np.arange(5 * CPUS).reshape(5, CPUS)
    found.update_many(np.arange(5), given)
    keys, read = found.to_numpy()
    assert read.shape == (5, CPUS)
    assert read.dtype == dtype
    assert (read[np.argsort(keys)] == given).all()


def test_numpy_of_another_number_of_cpus_is_refused(maps):
    with pytest.raises(ValueError, match="shape"):
        maps["percpu"].update_many(np.arange(2), np.zeros((2, CPUS + 1), np.uint32))


def test_raw_values_are_bytes_for_each_cpu(maps):
    maps["percpu"][1] = values()
    expected = tuple(number.to_bytes(4, "little") for number in values())
    assert maps["percpu"].raw[b"\1\0\0\0"] == expected


@pytest.mark.parametrize("name", ["percpu", "percpu_array"])
def test_a_single_cpus_value_is_read_and_written_since_linux_7_0_and_not_supported_before(maps, name, kernel_has):
    found = maps[name]
    found[1] = values()
    if kernel_has("percpu_flags"):
        assert [found.lookup_elem(1, cpu=cpu) for cpu in range(CPUS)] == list(values())
        found.update_elem(1, 5, cpu=1)
        assert list(found[1]) == [5 if cpu == 1 else number for cpu, number in enumerate(values())]
        found.update_elem(1, 6, all_cpus=True)
        assert list(found[1]) == [6] * CPUS
        return
    for call in (
        lambda: found.lookup_elem(1, cpu=0),
        lambda: found.update_elem(1, 5, cpu=0),
        lambda: found.update_elem(1, 5, all_cpus=True),
    ):
        with pytest.raises(bpf.NotSupportedError) as caught:
            call()
        assert "Linux 7.0" in caught.value.hint
    assert found[1] == values()


def test_a_cpu_that_cannot_be_is_refused(maps):
    with pytest.raises(ValueError, match=f"from 0 to {CPUS - 1}, not {CPUS}"):
        maps["percpu"].lookup_elem(1, cpu=CPUS)
    with pytest.raises(ValueError, match="cpu"):
        maps["percpu"].update_elem(1, 1, cpu=-1)


def test_one_cpu_and_all_cpus_exclude_each_other(maps):
    with pytest.raises(ValueError, match="exclude"):
        maps["percpu"].update_elem(1, 1, cpu=0, all_cpus=True)


def test_flags_work_with_all_values(maps):
    maps["percpu"].update_elem(1, values(), bpf.UpdateFlags.NOEXIST)
    with pytest.raises(bpf.LibbpfError):
        maps["percpu"].update_elem(1, values(), bpf.UpdateFlags.NOEXIST)


def test_a_value_has_as_many_parts_as_cpus_are_possible(root):
    with bpf.Map.create("percpu_array", value="u32", max_entries=1) as found:
        assert len(found[0]) == bpf.num_possible_cpus() == lib.libbpf_num_possible_cpus()
