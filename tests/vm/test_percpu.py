"""A per-CPU map's value of one CPU, and one value for all: the flags BPF_F_CPU and BPF_F_ALL_CPUS of Linux 7.0."""

from __future__ import annotations

import os

import pytest

from libbpf_cffi import ffi, lib

pytestmark = pytest.mark.needs("percpu_flags")

MAPS = pytest.mark.parametrize("name", ["in_array", "in_hash"])

CALLS = 3


def one_cpu(cpu: int) -> int:
    """The flags for the value of one CPU."""
    return cpu << 32 | lib.BPF_F_CPU


def store(fd: int, number: int, flags: int) -> None:
    """Store one number, for one CPU or for all."""
    assert lib.bpf_map_update_elem(fd, ffi.new("__u32 *", 0), ffi.new("__u64 *", number), flags) == 0


def stored(fd: int, cpu: int) -> int:
    """Look up the number of one CPU; nothing is written beyond it."""
    value = ffi.new("__u64[2]", [0, 0xABCD])
    assert lib.bpf_map_lookup_elem_flags(fd, ffi.new("__u32 *", 0), value, one_cpu(cpu)) == 0
    assert value[1] == 0xABCD
    return int(value[0])


@pytest.fixture
def on_last_cpu():
    """Keep this thread on the last CPU, and give its number."""
    allowed = os.sched_getaffinity(0)
    last = max(allowed)
    assert last > 0, "the virtual machine has one CPU"
    os.sched_setaffinity(0, {last})
    yield last
    os.sched_setaffinity(0, allowed)


@MAPS
def test_a_number_for_all_cpus_is_stored_for_each(loaded, name):
    fd = loaded("percpu").maps[name].fd
    store(fd, 7, lib.BPF_F_ALL_CPUS)
    assert [stored(fd, cpu) for cpu in range(lib.libbpf_num_possible_cpus())] == [7] * lib.libbpf_num_possible_cpus()


@MAPS
def test_a_number_for_one_cpu_leaves_the_others(loaded, name):
    fd = loaded("percpu").maps[name].fd
    store(fd, 7, lib.BPF_F_ALL_CPUS)
    store(fd, 9, one_cpu(1))
    assert (stored(fd, 0), stored(fd, 1)) == (7, 9)


@MAPS
def test_what_a_program_counts_on_one_cpu_is_looked_up_for_that_cpu(loaded, on_last_cpu, name):
    obj = loaded("percpu")
    fd = obj.maps[name].fd
    store(fd, 0, lib.BPF_F_ALL_CPUS)
    with obj.programs["on_getppid"].attach():
        before = stored(fd, on_last_cpu)
        for _ in range(CALLS):
            os.getppid()
        assert stored(fd, on_last_cpu) - before == CALLS


@MAPS
def test_a_cpu_that_cannot_be_is_out_of_range(loaded, name):
    fd = loaded("percpu").maps[name].fd
    value = ffi.new("__u64 *")
    assert lib.bpf_map_lookup_elem_flags(fd, ffi.new("__u32 *", 0), value, one_cpu(100_000)) < 0
