"""Perf buffers on kernels of any age, and with a CPU that is offline: what needs a machine of its own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CPU1 = "/sys/devices/system/cpu/cpu1/online"


class Sender:
    """Runs the program of perf_one.bpf.c."""

    def __init__(self, obj: bpf.Object) -> None:
        self.events = obj.maps["events"]
        self._program = obj.programs["produce"]

    def __call__(self, *numbers: int, cpu: int = 0) -> int:
        """Send events; give how many found no room."""
        lost = 0
        for number in numbers:
            arguments = struct.pack("=Q", number)
            opts = ffi.new("struct bpf_test_run_opts *")
            opts.sz = ffi.sizeof(opts[0])
            memory = ffi.from_buffer(arguments)
            opts.ctx_in, opts.ctx_size_in = memory, len(arguments)
            opts.flags, opts.cpu = lib.BPF_F_TEST_RUN_ON_CPU, cpu
            assert lib.bpf_prog_test_run_opts(self._program.fd, opts) == 0
            lost += opts.retval != 0
        return lost


@pytest.fixture
def send(loaded: Callable[..., bpf.Object]) -> Sender:
    """Load perf_one.bpf.c."""
    return Sender(loaded("perf_one"))


def test_events_are_read(send):
    with send.events.perf_buffer() as reader:
        assert send(7, 8) == 0
        assert [event.number for event in reader.read(timeout=5)] == [7, 8]


def test_losses_are_counted_when_the_next_event_tells_of_them_at_the_latest(send):
    with send.events.perf_buffer(page_cnt=1, cpus=[0], losses=True) as reader:
        lost = send(*range(300))
        found = []
        while some := reader.consume():
            found += some
        assert send(300) == 0
        while some := reader.consume():
            found += some
        assert reader.lost == lost > 0
    assert found.index((0, lost)) == 300 - lost
    assert len(found) + lost == 300 + 2


def test_events_of_several_cpus_come_in_the_order_of_time(send):
    with send.events.perf_buffer(ordered=0.2) as reader:
        for number in range(20):
            send(number, cpu=number % 2)
        found = []
        while len(found) < 20:
            found += reader.read(timeout=5)
    assert [event.number for event in found] == list(range(20))


@pytest.fixture
def cpu1_offline() -> Iterator[None]:
    """Take a CPU away."""
    set_online("0")
    yield
    set_online("1")


def set_online(value: str) -> None:
    with open(CPU1, "w", encoding="ascii") as file:
        file.write(value)


def test_a_cpu_that_is_offline_is_left_out(send, cpu1_offline):
    with send.events.perf_buffer() as reader:
        assert [each.cpu for each in reader.buffers] == [0]
        send(1)
        assert len(reader.read(timeout=5)) == 1


def test_a_cpu_that_is_offline_cannot_be_chosen(send, cpu1_offline):
    with pytest.raises(bpf.LibbpfError, match="CPU 1 is offline"):
        send.events.perf_buffer(cpus=[0, 1])


def test_a_reader_whose_cpu_goes_offline_reads_the_others(send):
    with send.events.perf_buffer() as reader:
        send(1, cpu=1)
        set_online("0")
        try:
            send(2)
            found = [event.number for event in reader.read(timeout=5)]
            assert sorted(found) == [1, 2]
            assert reader.read(timeout=0.1) == []
            assert reader.lost == 0
        finally:
            set_online("1")
