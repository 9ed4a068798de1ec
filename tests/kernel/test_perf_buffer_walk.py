"""Our walk through perf buffers against libbpf's: the same records, wrapped ones and losses included; order of time."""

from __future__ import annotations

import itertools
import os
import random
import struct
import time
from typing import TYPE_CHECKING

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = os.sysconf("SC_PAGE_SIZE")


class Theirs:
    """libbpf's reader of a map: `records` are whole, with their headers."""

    def __init__(self, event_map: bpf.PerfEventArray, page_cnt: int) -> None:
        self.records: list[bytes] = []
        # Kept: C holds a pointer to it.
        self._callback = ffi.callback(
            "enum bpf_perf_event_ret(void *, int, struct perf_event_header *)", self._take
        )
        attr = ffi.new("struct perf_event_attr *")
        attr.size = ffi.sizeof(attr[0])
        attr.type, attr.config = lib.PERF_TYPE_SOFTWARE, lib.PERF_COUNT_SW_BPF_OUTPUT
        attr.sample_type, attr.wakeup_events = lib.PERF_SAMPLE_RAW, 1
        self._buffer = lib.perf_buffer__new_raw(event_map.fd, page_cnt, attr, self._callback, ffi.NULL, ffi.NULL)
        assert self._buffer

    def _take(self, _: object, __: int, header: object) -> int:
        self.records.append(ffi.buffer(header, header.size)[:])
        return int(lib.LIBBPF_PERF_EVENT_CONT)

    def read(self) -> list[bytes]:
        """Read all there is."""
        self.records.clear()
        assert lib.perf_buffer__consume(self._buffer) == 0
        return list(self.records)

    def close(self) -> None:
        """Free it."""
        lib.perf_buffer__free(self._buffer)


def orders(seed: int) -> list[tuple[int, dict[str, int]]]:
    """What a program is asked for, which a buffer of two pages has no room for now and then."""
    chance = random.Random(seed)
    return [
        (
            chance.randrange(1, 40),
            {"size": chance.randrange(16, 400), "step": chance.randrange(300), "first": chance.randrange(999)},
        )
        for _ in range(200)
    ]


def payload(record: bytes) -> bytes:
    """What is in a sample."""
    (size,) = struct.unpack_from("=I", record, 8)
    return record[12 : 12 + size]


def all_of(read: Callable[[], list[object]]) -> list[object]:
    found: list[object] = []
    while some := read():
        found += some
    return found


def test_whole_records_of_any_size_are_the_same_round_after_round(perf):
    events = perf.obj.maps["plain"]
    with events.perf_buffer(page_cnt=2, raw=True) as reader:
        ours = [(perf(count, "produce_plain", **order), all_of(reader.consume)) for count, order in orders(4)]
    theirs = Theirs(events, 2)
    again = [(perf(count, "produce_plain", **order), theirs.read()) for count, order in orders(4)]
    theirs.close()

    def same(record: bytes) -> bytes:
        # A loss has the number of its perf event in it.
        return record[:8] + record[16:24] if record[0] == lib.PERF_RECORD_LOST else record

    assert [(sent, [same(each) for each in records]) for sent, records in ours] == [
        (sent, [same(each) for each in records]) for sent, records in again
    ]
    assert any(record[0] == lib.PERF_RECORD_LOST for _, records in ours for record in records)


def test_samples_and_losses_are_those_of_the_whole_records(perf):
    events = perf.obj.maps["plain"]
    with events.perf_buffer(page_cnt=2, losses=True) as reader:
        ours = [(perf(count, "produce_plain", **order), all_of(reader.consume)) for count, order in orders(5)]
        lost = reader.lost
    theirs = Theirs(events, 2)
    lost_again = 0
    for (count, order), (sent, found) in zip(orders(5), ours, strict=True):
        assert perf(count, "produce_plain", **order) == sent
        lost_again += sent[1]
        wanted = [
            payload(each) if each[0] == lib.PERF_RECORD_SAMPLE else (0, struct.unpack_from("=Q", each, 16)[0])
            for each in theirs.read()
        ]
        assert found == wanted
    theirs.close()
    assert lost == lost_again > 0


def test_a_record_that_wraps_around_is_whole(perf):
    scratch = perf.obj.maps["scratch"].raw
    with perf.obj.maps["plain"].perf_buffer(page_cnt=1) as reader:
        for number in range(100):
            filled = bytes((number + at) % 251 for at in range(2048))
            scratch[0] = [filled] * bpf.num_possible_cpus()
            perf(1, "produce_plain", size=1000, first=number)
            (record,) = reader.consume()
            assert struct.unpack_from("=QQ", record) == (number, number ^ (2**64 - 1))
            assert (len(record), record[16:1000]) == (1004, filled[16:1000])


def test_a_record_longer_than_the_memory_of_a_batch_comes_whole(perf):
    with perf.obj.maps["plain"].perf_buffer() as reader:
        from libbpf_cffi._batch import Memory

        reader._memory = reader._keep(Memory(100, 10, several=True))
        perf(3, "produce_plain", size=80, step=900)
        records = reader.read(timeout=1) + reader.consume() + reader.consume()
        assert [len(record) for record in records] == [84, 980, 1884]


def test_losses_and_events_are_consumed_together(perf):
    with perf.obj.maps["events"].perf_buffer(page_cnt=1, losses=True) as reader:
        perf(100)
        assert len(reader.consume()) == 100 - perf.lost
        perf(2)
        assert [getattr(each, "number", None) for each in reader.consume()] == [None, 100, 101]


def test_a_record_that_does_not_fit_behind_those_of_a_busy_cpu_is_the_first_of_the_next_batch(perf, monkeypatch):
    monkeypatch.setattr("libbpf_cffi._stream_source.ROOM", 4096)
    with perf.obj.maps["plain"].perf_buffer(bytes) as reader:
        perf(50, "produce_plain", size=64, cpu=0)
        perf(1, "produce_plain", size=1000, cpu=1)
        for shortest in (64, 1000):
            batch = next(reader.batches(timeout=0))
            assert shortest <= len(batch[0]) < shortest + 8
            perf(50, "produce_plain", size=64, cpu=0)


def test_the_buffer_of_one_cpu_is_emptied_and_the_others_are_left(perf):
    with perf.obj.maps["events"].perf_buffer(page_cnt=512) as reader:
        mine, other = reader.buffers
        perf(14000, cpu=0)
        perf(10, cpu=1)
        assert (len(mine.consume()), other.avail_data_size) == (14000, 800)


def test_a_small_batch_leaves_the_rest_in_the_buffer(perf):
    with perf.obj.maps["events"].perf_buffer() as reader:
        perf(10)
        (mine, _) = reader.buffers
        assert mine.avail_data_size == 800
        assert len(next(iter(reader.batches(3)))) == 3
        assert (mine.avail_data_size, mine.data_tail, mine.data_head) == (560, 240, 800)


@pytest.mark.parametrize("ordered", [None, 1e-6])
def test_a_buffer_that_makes_no_sense_is_an_error_and_not_a_crash(perf, ordered: float | None):
    with perf.obj.maps["events"].perf_buffer(cpus=[0], ordered=ordered) as reader:
        perf(10)
        page = ffi.cast("struct perf_event_mmap_page *", reader._rings_c[0].base)
        # The rest of the memory the kernel lets nobody write.
        for wrong in (1 << 40, 8, 3, 72):
            page.data_tail = wrong
            with pytest.raises(bpf.LibbpfError, match="makes no sense"):
                reader.consume()
        page.data_tail = 0
        assert [event.number for event in reader.consume()] == list(range(10))


def test_what_comes_before_the_payload_is_passed_over(perf):
    bits = ["IDENTIFIER", "IP", "TID", "TIME", "ADDR", "ID", "STREAM_ID", "CPU", "PERIOD", "READ", "CALLCHAIN"]
    kinds = [getattr(lib, f"PERF_SAMPLE_{bit}") for bit in bits]
    formats = lib.PERF_FORMAT_TOTAL_TIME_ENABLED | lib.PERF_FORMAT_TOTAL_TIME_RUNNING | lib.PERF_FORMAT_ID
    for chosen in (*((kind,) for kind in kinds), kinds, kinds[:-1], kinds[1:9]):
        for read_format in (0, formats, formats | lib.PERF_FORMAT_GROUP):
            attr = {"sample_type": sum(chosen) | lib.PERF_SAMPLE_RAW, "read_format": read_format}
            with perf.obj.maps["events"].perf_buffer(attr=attr) as reader:
                perf(2, first=5)
                assert [(event.number, event.comm) for event in reader.consume()] == [(5, "producer"), (6, "producer")]
                assert reader.lost == 0


def test_whole_records_have_what_attr_asks_for(perf):
    attr = {"sample_type": lib.PERF_SAMPLE_TIME | lib.PERF_SAMPLE_CPU | lib.PERF_SAMPLE_RAW}
    with perf.obj.maps["events"].perf_buffer(attr=attr, raw=True) as reader:
        perf(1, first=77, cpu=1)
        (record,) = reader.consume()
    kind, _, size, _, cpu, _, length, number = struct.unpack_from("=IHHQIIIQ", record)
    assert (kind, size, cpu, length, number) == (lib.PERF_RECORD_SAMPLE, len(record), 1, 68, 77)


# By time


@pytest.mark.parametrize("limit", [None, 7])
def test_events_of_several_cpus_come_in_the_order_of_time(perf, limit: int | None):
    chance = random.Random(6)
    with perf.obj.maps["events"].perf_buffer(ordered=0.05) as reader:
        for _ in range(300):
            perf(chance.randrange(1, 6), cpu=chance.randrange(2))
        found = []
        while len(found) < perf.sent:
            found += reader.read(limit, timeout=1)
    assert [event.number for event in found] == list(range(perf.sent))


def test_events_of_several_cpus_come_in_the_order_of_time_under_a_flood(perf):
    times: list[int] = []
    with perf.obj.maps["events"].perf_buffer(ordered=0.02, page_cnt=512, losses=True) as reader:
        lost = 0
        with perf.flood(step=1000, cpu=0), perf.flood(step=1000, cpu=1):
            for event in reader.records(1.0):
                if isinstance(event, bpf.LostEvents):
                    lost += event.events
                else:
                    times.append(event.time)
        left = []
        while any(each.avail_data_size for each in reader.buffers):
            left += reader.read(timeout=0.1)
        while some := reader.consume():
            left += some
        times += [event.time for event in left if not isinstance(event, bpf.LostEvents)]
        assert len(times) == perf.sent
        assert reader.lost == perf.lost
    # The program looks at the clock a moment before the kernel does.
    latest = list(itertools.accumulate(times, max))
    assert max(high - at for high, at in zip(latest, times, strict=True)) < 20_000_000


def test_an_event_comes_when_it_is_old_enough_and_not_before(perf):
    with perf.obj.maps["events"].perf_buffer(ordered=0.2) as reader:
        perf(1)
        assert reader.consume() == []
        assert reader.read(timeout=0.05) == []
        (event,) = reader.read(timeout=5)
        assert 0.2 <= time.monotonic() - event.time / 1e9 < 2
        perf(1)
        assert reader.consume() == []


def test_to_wait_for_events_to_become_old_enough_takes_no_time(perf):
    with perf.obj.maps["events"].perf_buffer(ordered=0.5) as reader:
        perf(1)
        before = time.thread_time()
        assert len(reader.read()) == 1
        assert time.thread_time() - before < 0.05


def test_a_loss_has_its_place_in_the_order_of_time(perf):
    with perf.obj.maps["events"].perf_buffer(page_cnt=1, ordered=0.01, losses=True) as reader:
        perf(1, cpu=1)
        perf(100, cpu=0)
        found = []
        while len(found) < perf.sent:
            found += reader.read(timeout=1)
        perf(1, cpu=1)
        perf(1, cpu=0)
        later = []
        while len(later) < 3:
            later += reader.read(timeout=1)
    assert [getattr(each, "number", None) for each in later] == [101, None, 102]
