"""The ways to read events, those of ring buffers and of perf buffers alike, and to say of what type they are."""

from __future__ import annotations

import copy
import itertools
import pickle
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
def events(source) -> Iterator[bpf.RingBuffer | bpf.PerfBuffer]:
    """A reader of the map whose events are declared."""
    with source.reader(**source.ROOMY) as reader:
        yield reader


@pytest.fixture
def plain(source) -> bpf.Map:
    """The map that says nothing of its events."""
    return source.obj.maps["plain"]


@pytest.fixture
def many(source) -> Iterator[bpf.RingBuffer | bpf.PerfBuffer]:
    """A reader of a buffer that holds more events than C moves at a time."""
    with source.reader(**source.LARGE) as reader:
        yield reader


def numbers(some) -> list[int]:
    return [event.number for event in some]


# What the events are


def test_an_enumeration_in_an_event_is_one(source, events):
    source(1)
    (event,) = events.read(timeout=SOON)
    assert event.kind.name == "KIND_NUMBER"


def test_a_type_may_be_named(source, plain):
    with source.reader(plain, "struct event") as reader:
        source(1, "produce_mixed")
        assert reader.read(timeout=SOON)[0].comm == "mixed"


def test_a_type_may_be_a_btf_type(source, plain):
    with source.reader(plain, source.obj.types["event"]) as reader:
        source(1, "produce_mixed")
        assert reader.read(timeout=SOON)[0].comm == "mixed"


def test_characters_may_be_bytes(source):
    with source.reader(chars="bytes") as reader:
        source(1)
        assert reader.read(timeout=SOON)[0].comm == b"producer".ljust(16, b"\0")


def test_a_field_tells_which_type_an_event_has(source, plain):
    types = {1: "event", "KIND_NAME": "named", 3: bytes}
    with source.reader(plain, types, discriminator="kind") as reader:
        source(3, "produce_mixed")
        event, named, data = reader.read(timeout=SOON)
    assert (event.comm, named.name, type(data)) == ("mixed", "a name", bytes)


def test_a_function_tells_which_type_an_event_has(source, plain):
    with source.reader(plain, lambda data: "named" if data[12] == 2 else None) as reader:
        source(3, "produce_mixed")
        event, named, data = reader.read(timeout=SOON)
    assert (type(event), named.name, type(data)) == (bytes, "a name", bytes)


# The ways to read


@pytest.mark.every_kernel
def test_to_iterate_gives_every_event_in_order(source, events):
    source(3000)
    assert numbers(itertools.islice(events, 3000)) == list(range(3000))


def test_a_list_is_no_longer_than_asked_for_and_the_rest_comes_next(source, events):
    source(10)
    assert numbers(events.read(4, SOON)) == [0, 1, 2, 3]
    assert numbers(events.consume(3)) == [4, 5, 6]
    assert numbers(events.consume()) == [7, 8, 9]


def test_to_consume_does_not_wait(events):
    assert events.consume() == []


def test_batches_are_sequences(source, events):
    source(2500)
    batch = next(iter(events.batches(timeout=SOON)))
    assert (len(batch), batch[7].number, batch[-1].number, numbers(batch[3:5])) == (2500, 7, 2499, [3, 4])
    assert numbers(batch) == numbers(batch.to_list()) == list(range(2500))
    assert numbers(batch[::1000]) == [0, 1000, 2000]
    assert batch.raw[3][:1] == b"\3"
    assert len(bytes(batch)) == 2500 * 64


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_batch_is_the_batch(source, events, way):
    source(3)
    batch = next(iter(events.batches(timeout=SOON)))
    assert way(batch) is batch


def test_a_batch_that_is_to_be_sent_to_another_process_says_what_can_be(source, events):
    source(3)
    batch = next(iter(events.batches(timeout=SOON)))
    with pytest.raises(TypeError, match=r"^<Batch of 3 events> cannot be sent .*: what its to_list\(\) or raw"):
        pickle.dumps(batch)
    assert pickle.loads(pickle.dumps(batch.raw)) == batch.raw


def test_a_batch_is_an_array_with_columns_by_name(source, events):
    numpy = pytest.importorskip("numpy")
    source(1000)
    (array,) = (batch.to_numpy() for batch in events.batches(timeout=0))
    assert array["number"].sum() == sum(range(1000))
    assert array["more"].shape == (1000, source.obj.types["event"].member("more").type.nelems)
    assert isinstance(array, numpy.ndarray)
    assert not array.flags.writeable


def test_a_batch_keeps_its_events_when_later_ones_come(source, events):
    kept = []
    for _ in range(8):
        source(100)
        kept += list(events.batches(timeout=0))
    assert [batch[0].number for batch in kept] == list(range(0, 800, 100))


def test_batches_are_no_longer_than_asked_for(source, events):
    source(1000)
    assert [len(batch) for batch in events.batches(300, timeout=0.05)] == [300, 300, 300, 100]


def test_a_function_is_called_with_every_event(source, events):
    source(1500)
    seen = []
    assert events.call(seen.append, 0) >= 1000
    events.call(seen.append, 0)
    assert numbers(seen) == list(range(1500))


def test_what_a_function_raises_comes_out_and_the_rest_comes_next(source, events):
    source(10)

    def refuse(event):
        if event.number == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        events.call(refuse)
    assert numbers(events.consume()) == [4, 5, 6, 7, 8, 9]


def test_events_left_by_an_exception_in_a_loop_come_next(source, events):
    source(5000)
    with pytest.raises(ZeroDivisionError):
        for event in events:
            if event.number == 2345:
                raise ZeroDivisionError
    assert numbers(itertools.islice(events, 5000 - 2346)) == list(range(2346, 5000))


def test_the_ways_to_read_can_be_mixed_and_hand_out_each_event_once_in_order(source, events):
    source(6000)
    found = []
    iteration = iter(events)
    while len(found) < 4500:
        found += itertools.islice(iteration, 700)
        found += events.read(150)
        found += itertools.chain.from_iterable(itertools.islice(events.batches(333), 1))
        events.call(found.append, 1e-9)
        if isinstance(events, bpf.PerfBuffer):
            found += events.buffers[0].consume(50)
        found += itertools.islice(events.records(SOON), 5)
    while rest := events.consume():
        found += rest
    assert numbers(found) == list(range(6000))


# More than C moves at a time


def test_to_consume_gives_all_that_there_are(source, many):
    source(14000)
    assert numbers(many.consume()) == list(range(14000))
    assert many.consume() == []


def test_to_consume_so_many_gives_them_if_there_are_as_many(source, many):
    source(14000)
    assert [numbers(many.consume(13000)), numbers(many.consume(13000))] == [[*range(13000)], [*range(13000, 14000)]]


def test_to_read_so_many_gives_them_if_there_are_as_many(source, many):
    source(14000)
    assert [len(many.read(13000, SOON)), len(many.read(13000, SOON))] == [13000, 1000]


def test_to_read_without_a_number_gives_so_many_at_a_time(source, many):
    source(14000)
    assert [len(many.read()), len(many.read())] == [8192, 14000 - 8192]


def test_a_function_is_called_with_all_that_there_are(source, many):
    source(14000)
    seen: list[object] = []
    assert many.call(seen.append, 0) == 14000
    assert numbers(seen) == list(range(14000))


def test_what_came_after_an_event_that_was_left_is_consumed_with_it(source, many):
    source(100)
    assert numbers(many.read(3)) == [0, 1, 2]
    source(10000)
    assert numbers(many.consume()) == list(range(3, 10100))


def test_a_descriptor_that_is_watched_changes_nothing_of_that(source, many):
    many.fileno()
    source(14000)
    assert [len(many.consume(9000)), len(many.consume())] == [9000, 5000]


def test_the_other_ways_to_read_go_on_behind_a_large_list(source, many):
    source(14000)
    # The first has taken all of them.
    with pytest.raises(ZeroDivisionError):
        many.call(lambda event: 1 // (event.number - 5), 0)
    found = numbers(itertools.islice(many.records(SOON), 1000))
    found += numbers(next(iter(many.batches(2000))))
    found += numbers(many.read(2000))
    found += numbers(many.read())
    found += numbers(itertools.islice(many.records(SOON), 14000 - 6 - len(found)))
    assert found == list(range(6, 14000))


def test_what_cannot_be_decoded_comes_out_behind_all_before_it(source):
    wrong = 5000

    def choose(data: bytes) -> str:
        if int.from_bytes(data[:8], "little") == wrong:
            raise ZeroDivisionError
        return "event"

    with source.reader(None, choose, **source.LARGE) as reader:
        source(14000)
        assert numbers(reader.consume()) == list(range(5000))
        with pytest.raises(ZeroDivisionError):
            reader.consume()
        wrong = -1
        assert numbers(reader.consume()) == list(range(5000, 14000))


@pytest.mark.parametrize("way", ["consume", "read", "call"])
def test_events_that_come_meanwhile_do_not_keep_a_large_list_from_ending(source, many, monkeypatch, way: str):
    kind = type(many)
    move = kind._move
    moved: list[int] = []

    def move_and_send(self, batch, milliseconds) -> int:
        moved.append(move(self, batch, milliseconds))
        source(8192)
        assert len(moved) < 20
        return moved[-1]

    source(14000)
    monkeypatch.setattr(kind, "_move", move_and_send)
    seen: list[object] = []
    if way == "call":
        many.call(seen.append, 0)
    else:
        seen += many.consume() if way == "consume" else many.read(10**9)
    assert numbers(seen)[:14000] == list(range(14000))


def test_to_consume_ends_under_a_flood(source, many):
    with source.flood(step=50_000, threads=3):
        for _ in range(3):
            # As many as the buffer holds at once, and two times what C moves.
            assert len(many.consume()) < 45_000


def test_to_close_in_the_middle_of_a_large_list_hands_out_what_was_taken(source, many, monkeypatch):
    kind = type(many)
    move = kind._move

    def move_and_close(self, batch, milliseconds) -> int:
        moved = move(self, batch, milliseconds)
        self.close()
        return moved

    source(14000)
    monkeypatch.setattr(kind, "_move", move_and_close)
    assert numbers(many.consume()) == list(range(8192))


# Waiting


def test_to_read_nothing_ends_when_the_time_is_over(events):
    start = time.monotonic()
    assert events.read(timeout=0.2) == []
    assert list(events.records(0.2)) == []
    assert list(events.batches(timeout=0.2)) == []
    assert events.call(print, 0.2) == 0
    assert 0.8 <= time.monotonic() - start < 4


def test_an_event_that_comes_while_waiting_ends_the_wait(source, events):
    threading.Timer(0.1, source, (1,)).start()
    assert numbers(events.read(timeout=SOON)) == [0]


@pytest.mark.parametrize("source", [pytest.param("producer", marks=pytest.mark.every_kernel), "perf"], indirect=True)
@pytest.mark.parametrize("way", ["iterate", "read", "batches", "call"])
def test_a_time_out_holds_under_a_flood(source, events, way: str):
    # Each of them is slower than the program that sends.
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: [time.sleep(1e-5) for _ in events.records(0.5)],
        "read": lambda: [events.read(timeout=0.01) for _ in range(10)],
        "batches": lambda: [time.sleep(0.02) for _ in events.batches(timeout=0.5)],
        "call": lambda: events.call(lambda event: time.sleep(1e-5), 0.5),
    }
    with source.flood(step=50_000, threads=3):
        start = time.monotonic()
        ways[way]()
        # It would never end; three programs at work leave Python little of two CPUs.
        assert time.monotonic() - start < 2 * SOON


def test_an_idle_reader_uses_no_time(events):
    start = time.thread_time()
    events.read(timeout=0.5)
    assert time.thread_time() - start < 0.05
