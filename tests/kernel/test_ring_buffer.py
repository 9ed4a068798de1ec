"""Ring buffers on the real kernel: what the events are, how they are read, and what is lost."""

from __future__ import annotations

import contextlib
import itertools
import struct
import time
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 10.0
"""Seconds in which anything that is to happen does."""


@pytest.fixture
def events(producer) -> Iterator[bpf.RingBuffer]:
    """A reader of the ring whose events are declared."""
    with producer.obj.maps["events"].ring_buffer() as reader:
        yield reader


def numbers(some) -> list[int]:
    return [event.number for event in some]


# What the events are


@pytest.mark.every_kernel
@pytest.mark.needs("program:SYSCALL")
def test_an_object_whose_ring_declares_its_type_loads_without_a_complaint(opened, caplog):
    obj = opened("rings")
    obj.load()
    assert not caplog.records


@pytest.mark.needs("program:SYSCALL")
def test_the_rings_of_a_map_of_rings_may_declare_their_type_too(opened):
    obj = opened("rings")
    inner = obj.maps["rings"].inner_map
    assert inner.value_type == obj.types["event"]
    inner.max_entries = 8192
    assert inner.max_entries == 8192
    obj.load()


def test_a_ring_that_belongs_to_no_object_is_read(root):
    with bpf.Map.create("ringbuf", max_entries=4096) as ring, ring.ring_buffer() as reader:
        assert reader.consume() == []


def test_the_declared_type_stays_known_after_load(producer):
    assert producer.obj.maps["events"].value_type == producer.obj.types["event"]


def test_events_are_of_the_declared_type(producer, events):
    producer(2)
    first, second = events.read(timeout=SOON)
    assert (first.number, first.pid, first.comm, second.more) == (0, 4711, "producer", (1, 1, 1, 2**64 - 2))


def test_events_without_a_declared_type_are_bytes(producer):
    with producer.obj.maps["plain"].ring_buffer() as reader:
        producer(2, "produce_plain", size=16, step=1)
        first, second = reader.read(timeout=SOON)
    assert first == bytes(8) + b"\xff" * 8
    assert len(second) == 17


def test_a_type_that_is_unknown_is_a_key_error_with_close_names(producer):
    with pytest.raises(KeyError, match="event"):
        producer.obj.maps["events"].ring_buffer("evnt")


def test_events_may_be_bytes_though_a_type_is_declared(producer):
    with producer.obj.maps["events"].ring_buffer(bytes) as reader:
        producer(1)
        assert len(reader.read(timeout=SOON)[0]) == 64


def test_events_of_a_raw_map_are_bytes(producer):
    with producer.obj.maps["events"].raw.ring_buffer() as reader:
        producer(1)
        assert len(reader.read(timeout=SOON)[0]) == 64


def test_a_place_tells_which_type_an_event_has(producer):
    with producer.obj.maps["plain"].ring_buffer({1: "event", 2: "named", 3: bytes}, discriminator=(12, 4)) as reader:
        producer(3, "produce_mixed")
        event, named, data = reader.read(timeout=SOON)
    assert (event.comm, named.name, type(data)) == ("mixed", "a name", bytes)


def test_a_field_that_is_not_in_the_same_place_in_all_types_is_refused(producer):
    with pytest.raises(ValueError, match=r"at byte 0 of struct event with 8 bytes, but at 4 of struct moved with 4"):
        producer.obj.maps["plain"].ring_buffer({1: "event", 2: "named", 3: "moved"}, discriminator="number")


def test_an_event_of_an_unknown_kind_is_an_error_in_its_place_and_the_others_come(producer):
    with producer.obj.maps["plain"].ring_buffer({1: "event", 2: "named"}, discriminator="kind") as reader:
        producer(6, "produce_mixed")
        assert numbers(reader.read(timeout=SOON)) == [0, 1]
        with pytest.raises(bpf.EventError, match="no type is given") as error:
            reader.read(timeout=SOON)
        assert error.value.record[:1] == b"\2"
        assert numbers(reader.read(timeout=SOON)) == [3, 4]


def test_an_event_shorter_than_its_type_is_an_error_that_names_both_sizes(producer):
    with producer.obj.maps["plain"].ring_buffer("event") as reader:
        producer(1, "produce_plain", size=40)
        with pytest.raises(ValueError, match=r"40 bytes, fewer than the 64 of its type struct event") as error:
            reader.read(timeout=SOON)
        assert len(error.value.record) == 40
        assert reader.consume() == []


def test_an_event_longer_than_its_type_is_an_error(producer):
    with producer.obj.maps["plain"].ring_buffer("event") as reader:
        producer(1, "produce_plain", size=72)
        with pytest.raises(ValueError, match=r"72 bytes, more than the 64"):
            reader.read(timeout=SOON)


def test_events_of_wrong_sizes_may_come_as_bytes(producer):
    with producer.obj.maps["plain"].ring_buffer("event", errors="bytes") as reader:
        producer(2, "produce_plain", size=40, step=24)
        short, right = reader.read(timeout=SOON)
    assert (len(short), right.number) == (40, 1)


def test_events_of_wrong_sizes_may_be_made_to_fit(producer):
    with producer.obj.maps["plain"].ring_buffer("event", errors="fit") as reader:
        producer(3, "produce_plain", size=16, step=100)
        assert numbers(reader.read(timeout=SOON)) == [0, 1, 2]


def test_a_type_that_ends_in_a_flexible_array_takes_events_of_any_length(producer):
    with producer.obj.maps["plain"].ring_buffer("text") as reader:
        producer(2, "produce_plain", size=8, step=8, first=0x41)
        first, second = reader.read(timeout=SOON)
    assert (first.len, second.len) == (0x41, 0x42)


# The ways to read


def test_an_array_keeps_its_values_when_later_batches_come(producer, events):
    pytest.importorskip("numpy")
    arrays = []
    for _ in range(8):
        producer(100)
        arrays += [batch.to_numpy() for batch in events.batches(timeout=0)]
    assert [array["number"][0] for array in arrays] == list(range(0, 800, 100))


def test_the_memory_of_a_batch_that_is_gone_is_used_again(producer, events):
    for _ in range(10):
        producer(100)
        for batch in events.batches(timeout=0):
            batch.to_list()
    assert len(events._pool) <= 2


def test_a_batch_may_be_larger_than_usual(producer, events):
    producer(14000)
    assert len(next(iter(events.batches(14000, timeout=SOON)))) == 14000


def test_an_array_of_events_of_several_sizes_is_refused(producer):
    pytest.importorskip("numpy")
    with producer.obj.maps["plain"].ring_buffer() as reader:
        producer(2, "produce_plain", step=8)
        batch = next(iter(reader.batches(timeout=SOON)))
        with pytest.raises(ValueError, match="different sizes"):
            batch.to_numpy()


# Waiting


def test_a_time_out_holds_for_a_slow_function_and_what_is_left_comes_next(producer, events):
    producer(1000)
    start = time.monotonic()
    called = events.call(lambda event: time.sleep(0.01), 0.1)
    assert time.monotonic() - start < 2
    assert numbers(events.consume()) == list(range(called, 1000))


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_time_out_that_is_none_is_refused(events, timeout: float):
    with pytest.raises(ValueError, match="timeout must be"):
        events.read(timeout=timeout)


def test_a_list_of_less_than_one_event_is_refused(events):
    with pytest.raises(ValueError, match="at least 1"):
        events.read(0)


@pytest.mark.parametrize("way", ["iterate", "read", "batches", "call"])
def test_a_reader_slower_than_its_producer_gets_all_that_was_sent(producer, events, way: str):
    found: list[int] = []
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: found.extend(numbers(events.records(0.05))),
        "read": lambda: found.extend(numbers(events.read(timeout=0.05))),
        "batches": lambda: [found.extend(numbers(batch)) for batch in events.batches(timeout=0.05)],
        "call": lambda: events.call(lambda event: found.append(event.number), 0.05),
    }
    with producer.flood(step=20_000):
        while producer.lost < 5000 or len(found) < 50000:
            producer.wait()
            ways[way]()
    # On a slow machine one time-out is not enough for what has been taken.
    before = -1
    while before < len(found) or events._rings[0].avail_data_size:
        before = len(found)
        ways[way]()
    assert len(found) == producer.sent
    assert all(a < b for a, b in itertools.pairwise(found))


# What is lost


@pytest.mark.every_kernel
def test_events_that_found_no_room_are_counted(producer, events):
    producer(20000)
    assert (events.lost, producer.obj.maps["events"].lost) == (producer.lost, producer.lost)
    assert producer.lost > 0


def test_copies_that_found_no_room_are_counted(producer):
    with producer.obj.maps["small"].ring_buffer() as reader:
        producer(1000, "produce_small", size=64)
        assert reader.lost == producer.lost > 0


def test_nothing_is_said_of_losses_that_nobody_counts(producer):
    with producer.obj.maps["plain"].ring_buffer() as reader:
        assert reader.lost is None


# Types that nobody declares

PORTED = """
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
struct {type} {{ u32 pid; u32 number; }};
{more}
struct {{ __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); }} {name} SEC(".maps");
SEC("syscall")
int produce(void *ctx)
{{
    struct {type} *e = bpf_ringbuf_reserve(&{name}, sizeof(*e), 0);
    if (!e)
        return 0;
    e->pid = 1;
    e->number = 7;
    bpf_ringbuf_submit(e, 0);
    return 0;
}}
char LICENSE[] SEC("license") = "GPL";
"""
UNUSED = "const struct {} *unused __attribute__((unused));"


@pytest.fixture
def ported(root) -> Iterator[Callable[..., bpf.Map]]:
    """The ring buffer of a program that was written for C, with one event."""
    with contextlib.ExitStack() as stack:

        def make(type: str = "event", name: str = "rb", more: str = "") -> bpf.Map:
            source = PORTED.format(type=type, name=name, more=more)
            obj = stack.enter_context(bpf.Object.open(bpf.compile_object(source), object_name="snoop"))
            obj.load()
            obj.programs["produce"].test_run()
            return obj.maps[name]

        yield make


@pytest.mark.needs("program:SYSCALL")
@pytest.mark.parametrize(
    ("type", "name"), [("event", "rb"), ("exec_info", "exec_info"), ("exec_info", "exec_infos"), ("data_t", "rb")]
)
def test_a_type_that_the_map_does_not_declare_is_found_as_the_command_finds_it(ported, type, name):
    with ported(type, name, UNUSED.format(type)).ring_buffer() as reader:
        assert numbers(reader.consume()) == [7]


@pytest.mark.needs("program:SYSCALL")
def test_events_of_which_nothing_is_known_are_bytes(ported):
    with ported().ring_buffer() as reader:
        assert reader.consume() == [struct.pack("II", 1, 7)]


@pytest.mark.needs("program:SYSCALL")
def test_events_that_may_be_of_several_types_are_bytes(ported):
    more = "struct other_data { u32 x; };" + UNUSED.format("some_data") + "const struct other_data *more;"
    with ported("some_data", more=more).ring_buffer() as reader:
        assert reader.consume() == [struct.pack("II", 1, 7)]


@pytest.mark.needs("program:SYSCALL")
def test_events_of_a_type_that_was_found_may_be_bytes_for_who_wants_them(ported):
    ring = ported(more=UNUSED.format("event"))
    with ring.ring_buffer(bytes) as reader:
        assert reader.consume() == [struct.pack("II", 1, 7)]
    with ring.raw.ring_buffer() as reader:
        assert reader.consume() == []


@pytest.mark.needs("program:SYSCALL")
def test_an_event_that_is_not_of_the_type_that_was_found_says_how_it_was(ported):
    more = "struct event { u64 a[4]; };" + UNUSED.format("event")
    with (
        ported("shorter", more=more).ring_buffer() as reader,
        pytest.raises(
            bpf.EventError,
            match=r"8 bytes, fewer than the 32 of its type struct event \(by its name; type= tells another",
        ),
    ):
        reader.consume()


@pytest.mark.needs("program:SYSCALL")
def test_a_type_that_clang_has_left_out_is_a_key_error_that_says_how_to_keep_it(ported):
    with pytest.raises(KeyError) as error:
        ported().ring_buffer("event")
    (said,) = error.value.args
    assert "has no type 'event'" in said
    assert "clang leaves out types that no map, global variable or function names: " in said
    assert "add `__type(value, struct event)` to the map" in said
    assert "`const struct event *unused __attribute__((unused));`, which C loaders accept too" in said
