"""The decoder of the trace's ring buffers, fed with sub-buffers: such as kernels make, and such as none does."""

from __future__ import annotations

import itertools
import random
import struct
import sys

import pytest

from libbpf_cffi import ffi, lib


def layout(**changes: int) -> object:
    values = {
        "commit_offset": 8, "commit_size": 8, "data_offset": 16, "data_max": 28, "padding": 29, "time_extend": 30,
        "time_stamp": 31, "common_size": 8, "type_offset": 0, "flags_offset": 2, "preempt_count_offset": 3,
        "pid_offset": 4, "printk_id": 50, "printk_text": 8, "print_id": 5, "print_ip": 8, "print_ip_size": 8,
        "print_text": 16, "in_ns": 1,
    }  # fmt: skip
    return ffi.new("struct lbc_trace_format *", {**values, **changes})


class Decoder:
    """A reader of two CPUs that is fed."""

    def __init__(self, **changes: int) -> None:
        made = lib.lbc_trace_reader__new(layout(**changes), ffi.new("int[]", [-1, -1]), ffi.new("__u32[]", [0, 1]), 2)
        assert made
        self.reader = ffi.gc(made, lib.lbc_trace_reader__free)
        self.losses: list[tuple[int, int]] = []

    def feed(self, page: bytes, cpu: int = 0) -> None:
        # Memory of exactly that size, so that AddressSanitizer would see a read past it.
        assert lib.lbc_trace_feed(self.reader, cpu, page, len(page)) in (0, -16)

    def read(self) -> list[tuple[float, bytes]]:
        found = []
        while lib.lbc_trace_read(self.reader) > 0:
            reader = self.reader
            texts = bytes(ffi.buffer(reader.text, reader.text_len)).split(b"\0")
            times = ffi.unpack(ffi.cast("double *", reader.times), reader.count) if reader.count else []
            found += zip(times, texts, strict=False)
            self.losses += [(reader.losses[i].count, reader.losses[i].uncounted) for i in range(reader.loss_count)]
            reader.count = reader.loss_count = 0
        return found


@pytest.fixture
def decoder() -> Decoder:
    return Decoder()


def word(kind: int, delta: int) -> bytes:
    value = kind | delta << 5 if sys.byteorder == "little" else kind << 27 | delta
    return struct.pack("=I", value)


def printk(text: bytes, delta: int = 0, *, long: bool = False, pid: int = 7) -> bytes:
    data = struct.pack("=HBBiI", 50, 1, 2, pid, 12 | (len(text) + 1) << 16) + text + b"\0"
    data += b"\0" * (-len(data) % 4)
    if long or len(data) > 112:
        return word(0, delta) + struct.pack("=I", len(data) + 4) + data
    return word(len(data) // 4, delta) + data


def page(*events: bytes, time: int = 1000, flags: int = 0, after: bytes = b"", size: int = 4096) -> bytes:
    data = b"".join(events)
    return (struct.pack("=QQ", time, len(data) | flags) + data + after).ljust(size, b"\0")


def test_events_of_both_lengths_are_decoded(decoder: Decoder) -> None:
    decoder.feed(page(printk(b"short", 1000), printk(b"long", 2000, long=True), printk(b"y" * 200, 3000)))
    assert decoder.read() == [(2e-6, b"short"), (4e-6, b"long"), (7e-6, b"y" * 200)]


def test_extensions_and_absolute_times_count(decoder: Decoder) -> None:
    extend = word(30, 5) + struct.pack("=I", 1)
    stamp = word(31, 8) + struct.pack("=I", 3)
    decoder.feed(page(extend, printk(b"a", 1), stamp, printk(b"b"), time=0))
    assert decoder.read() == [
        (((1 << 27) + 6 + 500) // 1000 / 1e6, b"a"),
        (((3 << 27) + 8 + 500) // 1000 / 1e6, b"b"),
    ]


def test_an_absolute_time_takes_its_top_bits_from_the_time_before(decoder: Decoder) -> None:
    decoder.feed(page(word(31, 0) + struct.pack("=I", 1), printk(b"a"), time=(1 << 60) + (5 << 27)))
    ((time, _),) = decoder.read()
    assert time == (((1 << 60) + (1 << 59) + (1 << 27)) + 500) // 1000 / 1e6


def test_discarded_events_and_the_padding_at_the_end_are_passed_over(decoder: Decoder) -> None:
    discarded = word(29, 5000) + struct.pack("=I", 12) + b"\xff" * 8
    decoder.feed(page(discarded, printk(b"a", 1000), word(29, 0), b"\xff" * 100))
    assert decoder.read() == [(2e-6, b"a")]


def test_what_was_missed_is_counted_where_it_is_stored(decoder: Decoder) -> None:
    decoder.feed(page(printk(b"a"), flags=3 << 30, after=struct.pack("=Q", 12345)))
    decoder.read()
    decoder.feed(page(printk(b"a"), flags=1 << 31))
    decoder.read()
    assert decoder.losses == [(12345, 0), (0, 1)]


def test_cpus_are_merged_by_time_and_equals_by_number(decoder: Decoder) -> None:
    decoder.feed(page(printk(b"a", 0), printk(b"c", 2000), printk(b"e", 2000)), 0)
    decoder.feed(page(printk(b"a2", 0), printk(b"b", 1000), printk(b"d", 2000)), 1)
    assert [text for _, text in decoder.read()] == [b"a", b"a2", b"b", b"c", b"d", b"e"]


def test_what_makes_no_sense_is_a_loss_and_the_next_sub_buffer_is_read(decoder: Decoder) -> None:
    broken = [
        b"", b"x" * 15, page(printk(b"a"), size=0)[:-4], page(word(0, 1)), page(word(0, 1) + struct.pack("=I", 3)),
        page(word(28, 1)), page(word(29, 1)), page(word(30, 1)), page(word(0, 0) + b"\xff" * 4),
        page(word(1, 0) + b"abcd"),
    ]  # fmt: skip
    for each in broken:
        decoder.losses = []
        decoder.feed(each)
        decoder.feed(page(printk(b"next")))
        assert decoder.read()[-1][1] == b"next"
        assert [count for count, uncounted in decoder.losses if uncounted] == [0], each[:32]


@pytest.mark.parametrize(
    "changes",
    [
        {"commit_size": 3}, {"data_offset": 4}, {"data_offset": 9999}, {"data_max": 31}, {"type_offset": 7},
        {"pid_offset": 5}, {"print_ip_size": 2}, {"print_text": 4}, {"common_size": 0xFFFFFFFF}, {"printk_text": 5000},
    ],
)  # fmt: skip
def test_a_layout_that_makes_no_sense_is_refused(changes: dict[str, int]) -> None:
    made = lib.lbc_trace_reader__new(layout(**changes), ffi.new("int[]", [-1]), ffi.new("__u32[]", [0]), 1)
    assert not made


def test_hostile_sub_buffers_never_do_harm() -> None:
    chance = random.Random(1)
    good = page(*(printk(b"text %d" % number, number, long=number % 3 == 0) for number in range(100)), flags=3 << 30)
    for seed in range(3000):
        if seed % 100 == 0:
            decoder = Decoder(
                printk_relative=seed // 100 % 2, in_ns=seed // 200 % 2, print_id=chance.choice([5, 50, 0]),
                printk_text=chance.choice([8, 40, 4096]),
            )  # fmt: skip
        data = bytearray(good)
        for _ in range(chance.randrange(1, 40)):
            at = chance.randrange(chance.choice([16, 64, len(data)]))
            data[at] = chance.choice([0, 0xFF, 0x80, chance.randrange(256)])
        cut = chance.choice([len(data), chance.randrange(len(data))])
        decoder.feed(bytes(data[:cut]), seed % 2)
        decoder.read()


def test_more_heads_than_are_numbered_at_once_are_decoded(decoder: Decoder) -> None:
    pids = iter(range(1, 30001))
    for batch in iter(lambda: list(itertools.islice(pids, 100)), []):
        decoder.feed(page(*(printk(b"%d" % pid, pid=pid) for pid in batch)))
        while lib.lbc_trace_read(decoder.reader) > 0:
            reader = decoder.reader
            found = [reader.heads[reader.numbers[index]].pid for index in range(reader.count)]
            texts = bytes(ffi.buffer(reader.text, reader.text_len)).split(b"\0")
            assert found == [int(text) for text in texts[:-1]] == batch
            reader.count = 0
