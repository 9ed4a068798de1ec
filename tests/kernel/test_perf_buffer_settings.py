"""What a perf buffer's reader is opened with: CPUs, when it is woken, and what is refused."""

from __future__ import annotations

import itertools
import os
import select
import threading
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = os.sysconf("SC_PAGE_SIZE")


# CPUs


def test_events_of_all_cpus_are_read_and_tell_theirs(perf):
    with perf.obj.maps["events"].perf_buffer() as reader:
        for cpu in (1, 0, 1):
            perf(2, cpu=cpu)
        batch = next(iter(reader.batches(timeout=1)))
        cpus = [reader.buffers[source].cpu for source in batch.sources]
        found = [(cpu, event.number) for cpu, event in zip(cpus, batch, strict=True)]
    assert sorted(found) == [(0, 2), (0, 3), (1, 0), (1, 1), (1, 4), (1, 5)]


def test_only_the_chosen_cpus_are_read(perf):
    with perf.obj.maps["events"].perf_buffer(cpus=[1]) as reader:
        assert perf(2, cpu=0) == (0, 2)
        perf(2, cpu=1)
        assert [event.number for event in reader.consume()] == [2, 3]
        assert [each.cpu for each in reader.buffers] == [1]


def test_a_cpu_may_have_another_place_in_the_map(perf):
    with perf.obj.maps["few"].perf_buffer(cpus=[1], map_keys=[0]) as reader:
        (buffer,) = reader.buffers
        assert (buffer.cpu, buffer.map_key) == (1, 0)


def test_each_thread_may_read_its_cpu(perf):
    events = perf.obj.maps["events"]
    with events.perf_buffer(cpus=[0]) as one, events.perf_buffer(cpus=[1]) as other:
        perf(1, cpu=0)
        perf(1, cpu=1)
        assert [event.number for event in one.consume() + other.consume()] == [0, 1]


def test_one_buffer_can_be_read_alone(perf):
    with perf.obj.maps["events"].perf_buffer() as reader:
        perf(2, cpu=0)
        perf(2, cpu=1)
        assert [event.number for event in reader.buffers[1].consume()] == [2, 3]
        assert [event.number for event in reader.buffers[1].consume()] == []
        assert [event.number for event in reader.consume()] == [0, 1]


def test_a_buffer_tells_what_it_has(perf):
    with perf.obj.maps["events"].perf_buffer(page_cnt=4) as reader:
        perf(3, cpu=1)
        _, mine = reader.buffers
        assert (mine.cpu, mine.map_key, mine.size, mine.avail_data_size, mine.lost) == (1, 1, 4 * PAGE, 240, 0)
        assert os.readlink(f"/proc/self/fd/{mine.fd}") == "anon_inode:[perf_event]"
        assert len(mine.copy()) == 5 * PAGE
        assert b"producer" in mine.copy()


def test_a_busy_cpu_does_not_keep_others_from_being_read(perf):
    with perf.obj.maps["events"].perf_buffer() as reader:
        perf(200, cpu=0)
        perf(1, cpu=1)
        # However small the batches are.
        first, second = (batch.sources for batch in itertools.islice(reader.batches(20), 2))
        assert 1 in first + second


# Waking


def test_a_watermark_wakes_when_more_bytes_than_that_are_there(perf):
    with perf.obj.maps["events"].perf_buffer(watermark=799) as reader:
        poll = reader_poll(reader)
        perf(9)
        assert not poll(20)
        perf(1)
        assert poll(10_000)
        assert len(reader.read()) == 10


def test_a_reader_may_be_woken_by_every_tenth_event_only(perf):
    with perf.obj.maps["events"].perf_buffer(wakeup_events=10) as reader:
        poll = reader_poll(reader)
        perf(9)
        assert not poll(20)
        perf(1)
        assert poll(10_000)


def test_what_is_below_the_watermark_is_there_when_the_time_is_over(perf):
    with perf.obj.maps["events"].perf_buffer(watermark=1 << 16) as reader:
        timer = threading.Timer(0.1, perf, (3,))
        timer.start()
        assert len(reader.read(timeout=0.5)) == 3
        timer.join()


def reader_poll(reader: bpf.PerfBuffer) -> Callable[[int], bool]:
    poll = select.poll()
    poll.register(reader.fileno(), select.POLLIN)
    return lambda milliseconds: bool(poll.poll(milliseconds))


# What is refused


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"page_cnt": 3}, ValueError, "page_cnt must be a power of two, not 3"),
        ({"page_cnt": 0}, ValueError, "page_cnt must be a power of two, not 0"),
        ({"page_cnt": 1 << 52}, ValueError, "page_cnt must be at most 262144"),
        ({"watermark": 0}, ValueError, "watermark must be at least 1 byte"),
        ({"wakeup_events": 0}, ValueError, "wakeup_events must be at least 1"),
        ({"watermark": 1, "wakeup_events": 1}, ValueError, "give one"),
        ({"cpus": []}, ValueError, "names no CPU"),
        ({"cpus": [1 << 20]}, ValueError, "there is no CPU 1048576"),
        ({"cpus": [-1]}, ValueError, "a CPU must be from 0"),
        ({"cpus": [0, 0]}, ValueError, "twice"),
        ({"map_keys": [0]}, TypeError, "belongs to cpus"),
        ({"cpus": [0, 1], "map_keys": [0]}, ValueError, "1 map_keys for 2 cpus"),
        ({"ordered": 0}, ValueError, "ordered"),
        ({"ordered": float("nan")}, ValueError, "ordered"),
        ({"attr": {"sampel_type": 1}}, ValueError, "no field 'sampel_type'"),
        ({"attr": {"sample_type": 0}}, ValueError, "PERF_SAMPLE_RAW"),
        ({"attr": {"write_backward": 1}}, ValueError, "overwritten"),
        ({"attr": {"config": -1}}, ValueError, "'config'"),
        ({"attr": {"type": 12345}}, bpf.LibbpfError, "no such attr"),
        ({"errors": "ignore"}, ValueError, "errors must be one of"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(perf, options: dict[str, object], error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        perf.obj.maps["events"].perf_buffer(**options)
    # And nothing of it stays.
    with perf.obj.maps["events"].perf_buffer():
        pass


def test_a_map_with_fewer_places_than_cpus_is_refused_unless_they_are_chosen(perf):
    with pytest.raises(ValueError, match=r"map 'few' has 1 places, but none at 1 for CPU 1: .* would be lost"):
        perf.obj.maps["few"].perf_buffer()
    with perf.obj.maps["few"].perf_buffer(cpus=[0]):
        pass


def test_a_second_reader_of_a_cpu_is_refused_until_the_first_is_closed(perf):
    events = perf.obj.maps["events"]
    with events.perf_buffer(cpus=[1]):
        with pytest.raises(bpf.LibbpfError, match="a place of a map has one reader"):
            events.perf_buffer()
        with (
            bpf.Map.from_id(events.id) as again,
            pytest.raises(bpf.LibbpfError, match="a place of a map has one reader"),
        ):
            again.perf_buffer()
    with events.perf_buffer() as reader:
        perf(1)
        assert len(reader.consume()) == 1


def test_a_map_of_another_type_is_refused(perf):
    with pytest.raises(TypeError, match="PERF_EVENT_ARRAY"):
        bpf.PerfBuffer(perf.obj.maps["scratch"])


def test_a_map_that_is_not_created_yet_cannot_be_read(opened):
    with pytest.raises(bpf.StateError, match="load it first"):
        opened("perf").maps["events"].perf_buffer()


def test_a_stand_alone_map_is_read_too(perf):
    event = perf.obj.types["event"]
    with bpf.Map.from_id(perf.obj.maps["events"].id) as again:
        with again.perf_buffer() as reader:
            perf(1)
            assert [len(record) for record in reader.read(timeout=1)] == [68]
        with again.perf_buffer(event) as reader:
            perf(1)
            assert reader.read(timeout=1)[0].comm == "producer"
        with pytest.raises(ValueError, match="BtfType"):
            again.perf_buffer("event")


def test_a_map_that_was_made_without_an_object_is_read(root):
    with bpf.Map.create("perf_event_array") as events, events.perf_buffer() as reader:
        assert reader.consume() == []
