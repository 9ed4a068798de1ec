"""Perf buffers on the real kernel: what the events are, the ways to read them, and what is lost."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 10.0
"""Seconds in which anything that is to happen does."""


@pytest.fixture
def events(perf) -> Iterator[bpf.PerfBuffer]:
    """A reader of the map whose events are declared."""
    with perf.obj.maps["events"].perf_buffer(page_cnt=128) as reader:
        yield reader


def numbers(some) -> list[int]:
    return [event.number for event in some]


# What the events are


@pytest.mark.every_kernel
@pytest.mark.needs("bpf_loop")
def test_an_object_whose_map_declares_the_type_of_its_events_loads_without_a_complaint(opened, caplog):
    obj = opened("perf")
    assert obj.maps["events"].value_type == obj.types["event"]
    obj.load()
    assert not caplog.records
    assert obj.maps["events"].value_type == obj.types["event"]


def test_a_map_that_says_nothing_of_its_keys_loads_too(loaded):
    assert loaded("perf").maps["few"].key_size == 4


def test_events_are_of_the_declared_type(perf, events):
    perf(2)
    first, second = events.read(timeout=SOON)
    assert (first.number, first.pid, first.comm, second.more) == (0, 4711, "producer", (1, 1, 2**64 - 2))


def test_a_type_without_padding_is_read_too(perf):
    with perf.obj.maps["few"].perf_buffer(cpus=[0]) as reader:
        perf(3, "produce_exact")
        assert numbers(reader.read(timeout=SOON)) == [0, 1, 2]


def test_events_without_a_declared_type_are_bytes_as_the_kernel_pads_them(perf):
    with perf.obj.maps["plain"].perf_buffer() as reader:
        perf(2, "produce_plain", size=16, step=4)
        first, second = reader.read(timeout=SOON)
    assert first[:16] == bytes(8) + b"\xff" * 8
    assert (len(first), len(second)) == (20, 20)


def test_events_may_be_bytes_though_a_type_is_declared(perf):
    with perf.obj.maps["events"].perf_buffer(bytes) as reader:
        perf(1)
        assert len(reader.read(timeout=SOON)[0]) == 68


def test_events_of_a_raw_map_are_bytes(perf):
    with perf.obj.maps["events"].raw.perf_buffer() as reader:
        perf(1)
        assert len(reader.read(timeout=SOON)[0]) == 68


@pytest.mark.parametrize(("size", "wrong"), [(40, "44 bytes, fewer"), (72, "76 bytes, more")])
def test_an_event_that_is_not_as_large_as_its_type_is_an_error_in_its_place(perf, size: int, wrong: str):
    with perf.obj.maps["plain"].perf_buffer("event") as reader:
        perf(1, "produce_mixed", first=7)
        perf(1, "produce_plain", size=size)
        perf(1, "produce_mixed", first=8)
        assert numbers(reader.read(timeout=SOON)) == [7]
        with pytest.raises(bpf.EventError, match=f"{wrong} than the 64 of its type struct event"):
            reader.read(timeout=SOON)
        assert numbers(reader.read(timeout=SOON)) == [8]


def test_events_of_wrong_sizes_may_come_as_bytes_or_be_made_to_fit(perf):
    events = perf.obj.maps["plain"]
    for errors in ("bytes", "fit"):
        with events.perf_buffer("event", errors=errors) as reader:
            perf(2, "produce_plain", size=40, step=24, first=0)
            short, right = reader.read(timeout=SOON)
        assert (len(short) == 44) if errors == "bytes" else (short.number == 0)
        assert right.number == 1


def test_a_type_that_ends_in_a_flexible_array_takes_events_of_any_length(perf):
    with perf.obj.maps["plain"].perf_buffer("text") as reader:
        perf(2, "produce_plain", size=12, step=8, first=0x41)
        first, second = reader.read(timeout=SOON)
    assert (first.len, second.len) == (0x41, 0x42)


# The ways to read


# Waiting


@pytest.mark.parametrize("way", ["iterate", "read", "batches", "call", "buffers"])
def test_a_reader_slower_than_its_producer_gets_or_counts_all_that_was_sent(perf, events, way: str):
    found: list[int] = []
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: found.extend(numbers(events.records(0.05))),
        "read": lambda: found.extend(numbers(events.read(timeout=0.05))),
        "batches": lambda: [found.extend(numbers(batch)) for batch in events.batches(timeout=0.05)],
        "call": lambda: events.call(lambda event: found.append(event.number), 0.05),
        "buffers": lambda: found.extend(numbers(events.buffers[0].consume())),
    }
    with perf.flood(step=50_000):
        while perf.lost < 5000 or len(found) < 30000:
            # On a busy machine the reader may keep up for ever: each event that comes lets it run first.
            perf.wait()
            ways[way]()
    while events.buffers[0].avail_data_size or ways[way]():
        ways[way]()
    found += numbers(events.consume())
    assert len(found) == perf.sent
    assert events.lost == perf.lost
    assert all(a < b for a, b in itertools.pairwise(found))


# What is lost


@pytest.mark.every_kernel
def test_events_that_found_no_room_are_counted_on_their_cpu(perf, events):
    perf(20000, cpu=1)
    assert perf.lost > 0
    assert (events.lost, events.lost_by_cpu) == (perf.lost, {1: perf.lost})
    assert [each.lost for each in events.buffers] == [0, perf.lost]


def test_the_stream_says_on_request_where_events_were_lost(perf):
    with perf.obj.maps["events"].perf_buffer(cpus=[0], losses=True) as reader:
        perf(5000)
        before = perf.sent
        seen = numbers(reader.read())
        perf(2)
        lost, *after = reader.read() + reader.read()
    assert seen == list(range(before))
    assert lost == (0, perf.lost)
    assert isinstance(lost, bpf.LostEvents)
    assert numbers(after) == [5000, 5001]


def test_a_loss_is_of_its_cpu(perf):
    with perf.obj.maps["events"].perf_buffer(losses=True) as reader:
        perf(5000, cpu=1)
        while reader.read()[-1].number != perf.sent - 1:
            pass
        perf(1, cpu=1)
        assert reader.read() == [bpf.LostEvents(1, perf.lost)]


@pytest.mark.parametrize("way", ["iterate", "read", "batches", "call"])
def test_losses_in_the_stream_are_all_there_are(perf, way: str):
    found: list[object] = []
    with perf.obj.maps["events"].perf_buffer(losses=True) as events:
        ways: dict[str, Callable[[], object]] = {
            "iterate": lambda: found.extend(events.records(0.05)),
            "read": lambda: found.extend(events.read(timeout=0.05)),
            "batches": lambda: [found.extend(batch) for batch in events.batches(timeout=0.05)],
            "call": lambda: events.call(found.append, 0.05),
        }
        with perf.flood(step=20_000):
            while perf.lost < 5000 or len(found) < 10000:
                perf.wait()
                ways[way]()
        while events.buffers[0].avail_data_size:
            ways[way]()
        # The last loss is told with the next event.
        perf(1)
        found += events.read(timeout=SOON)
        found += events.consume()
        while rest := events.consume():
            found += rest
        lost = [each for each in found if isinstance(each, bpf.LostEvents)]
        assert sum(each.events for each in lost) == perf.lost == events.lost
    at = 0
    for each in found:
        if isinstance(each, bpf.LostEvents):
            at += each.events
        else:
            assert each.number == at
            at += 1


def test_an_array_of_a_loss_is_refused(perf):
    pytest.importorskip("numpy")
    with perf.obj.maps["events"].perf_buffer(losses=True) as reader:
        perf(5000)
        while reader.buffers[0].avail_data_size:
            reader.consume()
        perf(1)
        lost, event = itertools.islice(reader.batches(timeout=SOON), 2)
        assert (len(lost), lost.sources, len(event.to_numpy())) == (1, (0,), 1)
        with pytest.raises(ValueError, match="how many were lost"):
            lost.to_numpy()
