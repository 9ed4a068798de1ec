"""Our walk through a ring against libbpf's: the same records, wrapped, discarded and busy ones included."""

from __future__ import annotations

import contextlib
import gc
import random
import struct
import threading
import time

import pytest
from sanitized import SLOWER

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib


class Theirs:
    """libbpf's reader of a map."""

    def __init__(self, ring_map: bpf.Map) -> None:
        self.records: list[bytes] = []
        # Kept: C holds a pointer to it.
        self._callback = ffi.callback("int(void *, void *, size_t)", self._take)
        self._ring = lib.ring_buffer__new(ring_map.fd, self._callback, ffi.NULL, ffi.NULL)
        assert self._ring

    def _take(self, _: object, data: object, size: int) -> int:
        self.records.append(ffi.buffer(data, size)[:])
        return 0

    def read(self) -> list[bytes]:
        """Read all there is."""
        self.records.clear()
        assert lib.ring_buffer__consume(self._ring) >= 0
        return list(self.records)

    def close(self) -> None:
        """Free it."""
        lib.ring_buffer__free(self._ring)


@pytest.fixture
def theirs(producer):
    """The readers that libbpf has of the same rings."""
    made = {name: Theirs(producer.obj.maps[name]) for name in ("plain", "small", "events")}
    yield made
    for each in made.values():
        each.close()


@pytest.mark.parametrize("name", ["plain", "small"])
def test_records_of_any_size_are_the_same_round_after_round(producer, theirs, name: str):
    chance = random.Random(4)
    with producer.obj.maps[name].ring_buffer() as reader:
        for _ in range(200):
            order = {"size": chance.randrange(16, 400), "step": chance.randrange(300), "first": chance.randrange(999)}
            count = chance.randrange(1, 20)
            # The scratch buffer's other bytes are zero: number and size tell a record.
            sent = producer(count, f"produce_{name}", **order)
            ours = reader.consume()
            assert sent == producer(count, f"produce_{name}", **order)
            assert ours == theirs[name].read()
            assert len(ours) == sent[0]


def test_a_record_that_wraps_around_is_whole(producer):
    with producer.obj.maps["small"].ring_buffer() as reader:
        for number in range(100):
            producer(1, "produce_small", size=1000, first=number)
            (record,) = reader.consume()
            assert struct.unpack_from("=QQ", record) == (number, number ^ (2**64 - 1))
            assert len(record) == 1000


def test_discarded_records_are_passed_over(producer, theirs):
    with producer.obj.maps["events"].ring_buffer(bytes) as reader:
        for every in (1, 2, 3, 7):
            producer(100, discard_every=every, first=0)
            ours = reader.consume()
            producer(100, discard_every=every, first=0)
            assert ours == theirs["events"].read()


def test_a_ring_full_of_discarded_records_is_emptied(producer):
    with producer.obj.maps["events"].ring_buffer() as reader:
        producer(14000, discard_every=1)
        assert reader.consume() == []
        assert reader.rings[0].avail_data_size == 0


def test_a_record_that_does_not_fit_behind_those_of_a_busy_ring_is_the_first_of_the_next_batch(producer, monkeypatch):
    monkeypatch.setattr("libbpf_cffi._stream_source.ROOM", 4096)
    maps = producer.obj.maps
    with bpf.RingBuffer({maps["events"]: bytes, maps["plain"]: bytes}) as reader:
        producer(60)
        producer(1, "produce_plain", size=1000)
        for first in (64, 1000):
            batch = next(reader.batches(timeout=0))
            assert len(batch[0]) == first
            producer(60)


def busy_producer(producer, loops: int, **order: int) -> threading.Thread:
    """Start a program that reserves a record, is long about it, and sends another one behind it meanwhile."""
    thread = threading.Thread(target=producer, args=(loops, "dawdle"), kwargs={"first": 0, **order})
    thread.start()
    return thread


@pytest.mark.parametrize("discard", [0, 1])
def test_a_reader_stops_at_a_busy_record_and_goes_on_when_it_is_committed(producer, until, discard: int):
    with producer.obj.maps["events"].ring_buffer() as reader:
        ring = reader.rings[0]
        # Some hundred milliseconds.
        thread = busy_producer(producer, 1 << 23, discard_every=discard)
        until(lambda: ring.avail_data_size == 144, "both records")
        early = reader.consume()
        position = ring.consumer_pos
        found = reader.read(timeout=10)
        thread.join()
        found += reader.consume()
        assert [event.number for event in early + found] == ([1] if discard else [0, 1])
        if not early:
            assert position == 0


def test_a_ring_that_does_not_move_does_not_keep_the_list_of_all_that_there_are_from_ending(producer, monkeypatch):
    maps = producer.obj.maps
    with bpf.RingBuffer({maps["events"]: bytes, maps["plain"]: bytes}) as reader:
        moved: list[int] = []
        move, places = bpf.RingBuffer._move, bpf.RingBuffer._places

        def move_and_send(self, batch, milliseconds) -> int:
            moved.append(move(self, batch, milliseconds))
            producer(1, "produce_plain")
            assert len(moved) < 20
            return moved[-1]

        # As with a record that is being written for long.
        monkeypatch.setattr(bpf.RingBuffer, "_places", lambda self: {**places(self), 0: (0, 144)})
        monkeypatch.setattr(bpf.RingBuffer, "_move", move_and_send)
        producer(2, "produce_plain")
        reader.read(1)
        assert 1 < len(reader.consume()) < 20


def test_all_rings_of_a_reader_are_emptied(producer):
    maps = producer.obj.maps
    with bpf.RingBuffer({maps["events"]: bytes, maps["plain"]: bytes}) as reader:
        producer(12000)
        producer(2500, "produce_plain")
        assert sorted(map(len, reader.consume())) == [16] * 2500 + [64] * 12000


def test_a_reader_that_waits_at_a_busy_record_does_not_spin(producer, until):
    with producer.obj.maps["events"].ring_buffer() as reader:
        thread = busy_producer(producer, 1 << 23)
        until(lambda: reader.rings[0].avail_data_size, "a record")
        before = time.thread_time()
        assert reader.read(timeout=10)
        assert time.thread_time() - before < 0.05 * SLOWER
        thread.join()


def test_a_record_longer_than_the_memory_of_a_batch_comes_whole(producer):
    with producer.obj.maps["plain"].ring_buffer() as reader:
        from libbpf_cffi._batch import Memory

        reader._memory = reader._keep(Memory(100, 10, several=False))
        producer(3, "produce_plain", size=80, step=900)
        records = reader.read(timeout=1) + reader.consume() + reader.consume()
        assert [len(record) for record in records] == [80, 980, 1880]


def test_a_ring_that_makes_no_sense_is_an_error_and_not_a_crash(producer):
    # As after another process has read the ring at the same time: positions that are none.
    import mmap
    import os

    ring_map = producer.obj.maps["events"]
    with ring_map.ring_buffer() as reader, mmap.mmap(ring_map.fd, mmap.PAGESIZE) as page:
        producer(10)
        for wrong in (1 << 40, 8, 3, 64):
            page[:8] = struct.pack("=Q", wrong)
            try:
                records = reader.consume()
            except (bpf.LibbpfError, bpf.EventError):
                continue
            assert len(records) <= 10
        page[:8] = struct.pack("=Q", 0)
        assert [event.number for event in reader.consume()] == list(range(10))
        assert os.getpid()


def test_a_position_beyond_the_producers_is_an_error_that_says_why(producer):
    import mmap

    ring_map = producer.obj.maps["events"]
    with ring_map.ring_buffer() as reader, mmap.mmap(ring_map.fd, mmap.PAGESIZE) as page:
        page[:8] = struct.pack("=Q", 1 << 40)
        with pytest.raises(bpf.LibbpfError, match="another process is reading it"):
            reader.consume()


def test_two_readers_of_one_ring_may_take_turns(producer):
    ring_map = producer.obj.maps["events"]
    with ring_map.ring_buffer() as one, ring_map.ring_buffer() as other:
        producer(1)
        assert len(one.consume()) == 1
        producer(1)
        assert len(other.consume()) == 1


def test_two_readers_of_one_ring_at_once_are_refused(producer):
    ring_map = producer.obj.maps["events"]
    with ring_map.ring_buffer() as one, ring_map.ring_buffer() as other:
        started = threading.Event()

        def wait() -> None:
            started.set()
            while True:
                # Whoever comes second is refused, which may be this one.
                with contextlib.suppress(bpf.StateError):
                    one.read()
                    return

        thread = threading.Thread(target=wait)
        thread.start()
        started.wait()
        late = time.monotonic() + 10
        with pytest.raises(bpf.StateError, match="another reader"):
            while time.monotonic() < late:
                assert other.consume() == []
        producer(1)
        thread.join()


# Several rings


def test_one_reader_reads_several_rings_each_with_its_type(producer):
    maps = producer.obj.maps
    with bpf.RingBuffer({maps["events"]: None, maps["plain"]: bytes}) as reader:
        producer(2)
        producer(2, "produce_plain", size=20)
        batch = next(iter(reader.batches(timeout=1)))
        names = [reader.rings[source].name for source in batch.sources]
        kinds = {name: type(event).__name__ for name, event in zip(names, batch, strict=True)}
        assert kinds == {"events": "event", "plain": "bytes"}
        assert len(batch) == 4


def test_several_rings_of_one_type_make_one_array(producer):
    pytest.importorskip("numpy")
    maps = producer.obj.maps
    with bpf.RingBuffer(maps["events"], maps["plain"], type="event") as reader:
        producer(2)
        producer(1, "produce_mixed")
        assert len(next(iter(reader.batches(timeout=1))).to_numpy()) == 3


def test_a_busy_ring_does_not_keep_others_from_being_read(producer):
    maps = producer.obj.maps
    with bpf.RingBuffer(maps["events"], maps["plain"], type=bytes) as reader, producer.flood(step=5000):
        late = time.monotonic() + 10
        seen = 0
        while seen < 5 and time.monotonic() < late:
            producer(1, "produce_plain", size=16, first=7)
            seen += sum(len(record) == 16 for record in reader.read(timeout=1))
        assert seen >= 5


def test_small_batches_are_not_all_of_one_ring(producer):
    maps = producer.obj.maps
    with bpf.RingBuffer(maps["events"], maps["plain"], type=bytes) as reader:
        producer(200)
        producer(1, "produce_plain", size=16)
        first, second = (next(iter(reader.batches(20))).sources for _ in range(2))
        assert 1 in first + second


def test_a_ring_that_is_there_twice_is_refused(producer):
    ring_map = producer.obj.maps["events"]
    with pytest.raises(bpf.LibbpfError, match="twice"):
        bpf.RingBuffer(ring_map, ring_map)


def test_no_ring_at_all_is_refused():
    with pytest.raises(TypeError, match="at least one"):
        bpf.RingBuffer()


def test_a_map_of_another_type_is_refused(producer):
    with pytest.raises(TypeError, match="RINGBUF"):
        bpf.RingBuffer(producer.obj.maps["scratch"])


def test_a_ring_tells_what_it_holds(producer):
    with producer.obj.maps["events"].ring_buffer() as reader:
        (ring,) = reader.rings
        assert (ring.name, ring.size, ring.avail_data_size, ring.consumer_pos) == ("events", 1 << 20, 0, 0)
        producer(10)
        assert (ring.avail_data_size, ring.producer_pos) == (720, 720)
        reader.consume()
        assert (ring.avail_data_size, ring.consumer_pos) == (0, 720)


def test_a_stand_alone_map_is_read_too(producer):
    with bpf.Map.from_id(producer.obj.maps["events"].id) as again, again.ring_buffer() as reader:
        producer(1)
        assert [len(record) for record in reader.read(timeout=1)] == [64]
    with bpf.Map.from_id(producer.obj.maps["events"].id) as again:
        event = producer.obj.types["event"]
        with again.ring_buffer(event) as reader:
            producer(1)
            assert reader.read(timeout=1)[0].comm == "producer"
        with pytest.raises(ValueError, match="BtfType"):
            again.ring_buffer("event")


def test_rings_of_several_objects_are_read_together_and_closed_with_either(loaded, producer):
    other = loaded("rings")
    reader = bpf.RingBuffer(producer.obj.maps["events"], other.maps["events"])
    producer(1)
    assert len(reader.read(timeout=1)) == 1
    other.close()
    assert reader.closed
    with pytest.raises(bpf.ClosedError):
        reader.consume()
    reader.close()


def test_a_reader_of_several_objects_that_is_collected_leaves_nothing_in_them(loaded, producer, until):
    other = loaded("rings")
    handles = [producer.obj._handle, other._handle]
    before = [len(handle.children) for handle in handles]
    reader = bpf.RingBuffer(producer.obj.maps["events"], other.maps["events"])
    assert reader.consume() == []
    del reader
    gc.collect()
    until(lambda: [len(handle.children) for handle in handles] == before, "the handles to be gone")


def test_a_map_that_is_not_created_yet_cannot_be_read(opened):
    with pytest.raises(bpf.StateError, match="load it first"):
        opened("rings").maps["events"].ring_buffer()


def test_a_map_that_was_opened_read_only_cannot_be_read(producer):
    with (
        bpf.Map.from_id(producer.obj.maps["events"].id, read_only=True) as again,
        pytest.raises(bpf.LibbpfError, match="read-only"),
    ):
        again.ring_buffer()
