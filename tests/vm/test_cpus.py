"""A machine with room for more CPUs than it has, and with one of its own taken offline."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import probe

CPU1 = "/sys/devices/system/cpu/cpu1/online"


def listed(file):
    """How many CPUs a file of /sys lists, such as 0-2,4."""
    with open(f"/sys/devices/system/cpu/{file}", encoding="ascii") as text:
        ranges = [part.split("-") for part in text.read().split(",")]
    return sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges)


POSSIBLE, ONLINE = listed("possible"), listed("online")
"""4 and 2, as tests/vm/test_newest.py boots it."""


@pytest.fixture(params=["all online", "one offline"])
def online(request):
    """Give how many CPUs are online."""
    if request.param == "all online":
        yield ONLINE
        return
    set_online("0")
    yield ONLINE - 1
    set_online("1")


def set_online(value: str) -> None:
    with open(CPU1, "w", encoding="ascii") as file:
        file.write(value)


def test_possible_and_online_cpus_are_told_apart(online):
    assert (probe.num_possible_cpus(), len(probe.possible_cpus())) == (POSSIBLE, POSSIBLE)
    assert len(probe.online_cpus()) == online < POSSIBLE


@pytest.mark.parametrize("kind", ["percpu_hash", "percpu_array", "lru_percpu_hash"])
def test_a_map_has_a_value_for_each_possible_cpu(online, kind):
    values = tuple(range(1, POSSIBLE + 1))
    with bpf.Map.create(kind, "u32", "u32", 4) as made:
        made[1] = values
        assert made[1] == values
        assert made.to_dict()[1] == values
        made.update_many({2: values[::-1]})
        assert dict(made.items())[2] == values[::-1]
        with pytest.raises(ValueError, match=f"{POSSIBLE} values, one for each possible CPU, not {POSSIBLE - 1}"):
            made[1] = values[:-1]


def test_what_a_cpu_has_counted_stays_when_it_goes_offline():
    with bpf.Map.create("percpu_array", "u32", "u64", 1) as made:
        values = tuple(range(1, POSSIBLE + 1))
        made[0] = values
        set_online("0")
        try:
            assert made[0] == values
        finally:
            set_online("1")


def test_a_perf_buffer_is_read_on_the_cpus_that_are_online(opened, online):
    obj = opened("perf_one")
    obj.load()
    with obj.maps["events"].perf_buffer() as reader:
        assert [each.cpu for each in reader.buffers] == list(range(online))
        assert reader.read(timeout=0) == []


def test_a_perf_event_array_has_an_entry_for_each_possible_cpu(opened, online):
    obj = opened("perf_one")
    obj.load()
    assert obj.maps["events"].max_entries == POSSIBLE


def test_the_command_adds_up_the_values_of_all_cpus(compiled, online, tmp_path):
    # Nothing of it needs tracefs, which a kernel that is locked down has not.
    script = tmp_path / "percpu.bpf.c"
    script.write_text(
        """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");
SEC("raw_tp/sys_enter")
int on_call(void *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&calls, &key);

	if (count)
		*count += 1;
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
""",
        encoding="ascii",
    )
    done = subprocess.run(
        [sys.executable, "-m", "libbpf_cffi.run", "--map", "calls", "-N", "-d", "1", script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(line.split()[-1].isdigit() and int(line.split()[-1]) > 0 for line in done.stdout.splitlines() if line)


def test_a_program_is_run_on_a_cpu_that_is_online_alone(opened, online):
    obj = opened("perf_one")
    obj.load()
    program = obj.programs["produce"]
    # Nobody reads what it sends.
    assert program.test_run(ctx_in=[1], cpu=online - 1).retval == -errno.ENOENT
    for cpu in range(online, POSSIBLE + 1):
        with pytest.raises(bpf.LibbpfError, match=f"CPU {cpu} is offline"):
            program.test_run(ctx_in=[1], cpu=cpu)
