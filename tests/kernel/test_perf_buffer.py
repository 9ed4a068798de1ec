"""Perf buffers on the real kernel: what the events are, the ways to read them, and what is lost."""

from __future__ import annotations

import itertools
import threading
import time
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


def test_an_enumeration_in_an_event_is_one(perf, events):
    perf(1)
    (event,) = events.read(timeout=SOON)
    assert event.kind.name == "KIND_NUMBER"


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


def test_a_type_may_be_named(perf):
    with perf.obj.maps["plain"].perf_buffer("struct event") as reader:
        perf(1, "produce_mixed")
        assert reader.read(timeout=SOON)[0].comm == "mixed"


def test_a_type_may_be_a_btf_type(perf):
    with perf.obj.maps["plain"].perf_buffer(perf.obj.types["event"]) as reader:
        perf(1, "produce_mixed")
        assert reader.read(timeout=SOON)[0].comm == "mixed"


def test_events_may_be_bytes_though_a_type_is_declared(perf):
    with perf.obj.maps["events"].perf_buffer(bytes) as reader:
        perf(1)
        assert len(reader.read(timeout=SOON)[0]) == 68


def test_events_of_a_raw_map_are_bytes(perf):
    with perf.obj.maps["events"].raw.perf_buffer() as reader:
        perf(1)
        assert len(reader.read(timeout=SOON)[0]) == 68


def test_characters_may_be_bytes(perf):
    with perf.obj.maps["events"].perf_buffer(chars="bytes") as reader:
        perf(1)
        assert reader.read(timeout=SOON)[0].comm == b"producer".ljust(16, b"\0")


def test_a_field_tells_which_type_an_event_has(perf):
    types = {1: "event", "KIND_NAME": "named", 3: bytes}
    with perf.obj.maps["plain"].perf_buffer(types, discriminator="kind") as reader:
        perf(3, "produce_mixed")
        event, named, data = reader.read(timeout=SOON)
    assert (event.comm, named.name, type(data)) == ("mixed", "a name", bytes)


def test_a_function_tells_which_type_an_event_has(perf):
    with perf.obj.maps["plain"].perf_buffer(lambda data: "named" if data[12] == 2 else None) as reader:
        perf(3, "produce_mixed")
        event, named, data = reader.read(timeout=SOON)
    assert (type(event), named.name, type(data)) == (bytes, "a name", bytes)


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


@pytest.mark.every_kernel
def test_to_iterate_gives_every_event_in_order(perf, events):
    perf(3000)
    assert numbers(itertools.islice(events, 3000)) == list(range(3000))


def test_a_list_is_no_longer_than_asked_for_and_the_rest_comes_next(perf, events):
    perf(10)
    assert numbers(events.read(4, SOON)) == [0, 1, 2, 3]
    assert numbers(events.consume(3)) == [4, 5, 6]
    assert numbers(events.consume()) == [7, 8, 9]


def test_to_consume_does_not_wait(events):
    assert events.consume() == []


def test_batches_are_sequences(perf, events):
    perf(2500)
    batch = next(iter(events.batches(timeout=SOON)))
    assert (len(batch), batch[7].number, batch[-1].number, numbers(batch[3:5])) == (2500, 7, 2499, [3, 4])
    assert numbers(batch) == list(range(2500))
    assert len(bytes(batch)) == 2500 * 64


def test_a_batch_is_an_array_with_columns_by_name(perf, events):
    numpy = pytest.importorskip("numpy")
    perf(1000)
    (array,) = (batch.to_numpy() for batch in events.batches(timeout=0))
    assert array["number"].sum() == sum(range(1000))
    assert array["more"].shape == (1000, 3)
    assert isinstance(array, numpy.ndarray)


def test_a_batch_keeps_its_events_when_later_ones_come(perf, events):
    kept = []
    for _ in range(8):
        perf(100)
        kept += list(events.batches(timeout=0))
    assert [batch[0].number for batch in kept] == list(range(0, 800, 100))


def test_batches_are_no_longer_than_asked_for(perf, events):
    perf(1000)
    assert [len(batch) for batch in events.batches(300, timeout=0.05)] == [300, 300, 300, 100]


def test_a_function_is_called_with_every_event(perf, events):
    perf(1500)
    seen = []
    assert events.call(seen.append, 0) == 1500
    assert numbers(seen) == list(range(1500))


def test_what_a_function_raises_comes_out_and_the_rest_comes_next(perf, events):
    perf(10)

    def refuse(event):
        if event.number == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        events.call(refuse)
    assert numbers(events.consume()) == [4, 5, 6, 7, 8, 9]


def test_events_left_by_an_exception_in_a_loop_come_next(perf, events):
    perf(5000)
    with pytest.raises(ZeroDivisionError):
        for event in events:
            if event.number == 2345:
                raise ZeroDivisionError
    assert numbers(itertools.islice(events, 5000 - 2346)) == list(range(2346, 5000))


def test_the_ways_to_read_can_be_mixed_and_hand_out_each_event_once_in_order(perf, events):
    perf(6000)
    found = []
    iteration = iter(events)
    while len(found) < 4500:
        found += itertools.islice(iteration, 700)
        found += events.read(150)
        found += itertools.chain.from_iterable(itertools.islice(events.batches(333), 1))
        events.call(found.append, 1e-9)
        found += events.buffers[0].consume(50)
        found += itertools.islice(events.records(SOON), 5)
    while rest := events.consume():
        found += rest
    assert numbers(found) == list(range(6000))


# Waiting


def test_to_read_nothing_ends_when_the_time_is_over(events):
    start = time.monotonic()
    assert events.read(timeout=0.2) == []
    assert list(events.records(0.2)) == []
    assert list(events.batches(timeout=0.2)) == []
    assert events.call(print, 0.2) == 0
    assert 0.8 <= time.monotonic() - start < 4


def test_an_event_that_comes_while_waiting_ends_the_wait(perf, events):
    threading.Timer(0.1, perf, (1,)).start()
    assert numbers(events.read(timeout=SOON)) == [0]


@pytest.mark.parametrize("way", ["iterate", "read", "batches", "call"])
def test_a_time_out_holds_under_a_flood(perf, events, way: str):
    # Each of them is slower than the program that sends.
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: [time.sleep(1e-5) for _ in events.records(0.5)],
        "read": lambda: [events.read(timeout=0.01) for _ in range(10)],
        "batches": lambda: [time.sleep(0.02) for _ in events.batches(timeout=0.5)],
        "call": lambda: events.call(lambda event: time.sleep(1e-5), 0.5),
    }
    with perf.flood(step=50_000, threads=3):
        start = time.monotonic()
        ways[way]()
        assert time.monotonic() - start < 3


def test_an_idle_reader_uses_no_time(events):
    start = time.thread_time()
    events.read(timeout=0.5)
    assert time.thread_time() - start < 0.05


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
