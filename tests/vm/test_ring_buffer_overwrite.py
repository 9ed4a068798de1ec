"""Ring buffers that overwrite their oldest events when they are full: what is left is read, what is not is counted."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

pytestmark = pytest.mark.needs("overwriting_ring")

SIZE = 4096
RECORD = 24
"""Bytes of an event of 16, with its header."""

FIT = SIZE // RECORD


@pytest.fixture
def overwriting(opened: Callable[..., bpf.Object], producer_of: Callable[[bpf.Object], Any]) -> Any:
    """Give what sends events of 16 bytes into a ring of 4096."""
    obj = opened("rings")
    obj.maps["small"].map_flags = bpf.MapFlags.RB_OVERWRITE
    obj.load()
    return producer_of(obj)


@pytest.fixture
def small(overwriting) -> Iterator[bpf.RingBuffer]:
    """Read the ring."""
    with overwriting.obj.maps["small"].ring_buffer() as reader:
        yield reader


def numbers(events: list[bytes]) -> list[int]:
    """Give the numbers of events, and see that each is in one piece."""
    found = [int.from_bytes(event[:8], "little") for event in events]
    assert [int.from_bytes(event[8:16], "little") for event in events] == [number ^ (1 << 64) - 1 for number in found]
    return found


def test_events_that_fit_are_all_read(overwriting, small):
    overwriting(100, "produce_small")
    assert (numbers(small.consume()), small.rings[0].overwritten) == (list(range(100)), 0)


def test_of_more_events_the_last_ones_are_read(overwriting, small):
    overwriting(1000, "produce_small")
    found = numbers(small.consume())
    assert found == list(range(1000 - len(found), 1000))
    assert len(found) in (FIT, FIT - 1)


def test_no_event_finds_no_room(overwriting):
    assert overwriting(1000, "produce_small") == (1000, 0)


def test_what_was_overwritten_is_counted(overwriting, small):
    overwriting(1000, "produce_small")
    before = small.rings[0].overwritten
    found = small.consume()
    assert before == small.rings[0].overwritten == (1000 - len(found)) * RECORD


def test_what_is_waiting_is_no_more_than_what_is_left(overwriting, small):
    overwriting(1000, "produce_small")
    waiting = small.rings[0].avail_data_size
    assert waiting == len(small.consume()) * RECORD
    assert small.rings[0].avail_data_size == 0


def test_reading_goes_on_behind_what_was_read(overwriting, small):
    overwriting(1000, "produce_small")
    small.consume()
    overwriting(10, "produce_small")
    assert numbers(small.consume()) == list(range(1000, 1010))


def test_a_reader_that_waits_is_woken_after_an_overwrite(overwriting, small):
    overwriting(1000, "produce_small")
    small.consume()
    threading.Timer(0.1, overwriting, (1, "produce_small")).start()
    assert numbers(small.read(timeout=10)) == [1000]


def test_each_event_read_under_a_flood_is_whole_and_in_order(overwriting, small):
    last, came = -1, 0
    end = time.monotonic() + 2
    with overwriting.flood("produce_small"):
        while time.monotonic() < end:
            for number in numbers(small.read(timeout=1)):
                assert number > last
                last = number
                came += 1
    rest = numbers(small.consume())
    assert came
    assert rest[-1:] in ([], [overwriting.sent - 1])
    assert (came + len(rest)) * RECORD + small.rings[0].overwritten == overwriting.sent * RECORD
