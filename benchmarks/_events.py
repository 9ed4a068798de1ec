"""What the benchmarks of ring and perf buffers share: the ways to read, the table, and the soak."""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path

import _harness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    import libbpf_cffi as bpf

    Reader: TypeAlias = bpf.RingBuffer | bpf.PerfBuffer
    Read: TypeAlias = Callable[[], float]

EVENT = struct.Struct("=QQIIQQQiIQ")

SIZE = 64
"""Bytes of an event."""

SOAK_STEP = 200_000
"""Events that one run of the program sends."""

WANTED_GROWTH_KB = 4096
"""Of the resident memory, over a soak: what the allocator keeps to itself."""


def timed(fill: Callable[[], None], read: Callable[[], int], events: int) -> Read:
    """Give what has the buffer filled and times one reading of it, an event's share in nanoseconds of CPU time."""
    clock = time.thread_time_ns

    def run() -> float:
        # What counts is a reader at work: the first round brings its code and memory into the caches.
        fill()
        read()
        fill()
        start = clock()
        count = read()
        spent = clock() - start
        if count != events:
            _harness.stop(f"read {count} of {events} events")
        return spent / events

    return run


def numpy_sum(reader: Reader, _: int) -> int:
    """Sum a column of what there is, in NumPy."""
    count = 0
    for batch in reader.batches(timeout=0):
        array = batch.to_numpy()
        array["size"].sum()
        count += len(array)
    return count


def fields_read(reader: Reader, events: int) -> int:
    """Iterate over records and read every field."""
    count = 0
    for event in reader:
        _ = event.number, event.time, event.pid, event.tgid, event.address
        _ = event.size, event.latency, event.result, event.cpu, event.flags
        count += 1
        if count == events:
            break
    return count


def batch_unpacked(reader: Reader, _: int) -> int:
    """Unpack the records of batches."""
    count = 0
    for batch in reader.batches(timeout=0):
        for _number, _time, _pid, _tgid, _address, _size, _latency, _result, _cpu, _flags in batch:
            pass
        count += len(batch)
    return count


def fields_unpacked(reader: Reader, events: int) -> int:
    """Iterate over records and unpack them, which are tuples."""
    count = 0
    for _number, _time, _pid, _tgid, _address, _size, _latency, _result, _cpu, _flags in reader:
        count += 1
        if count == events:
            break
    return count


def tuples(reader: Reader, _: int) -> int:
    """Unpack the bytes with `struct` alone: what the numbers cost that a record is made of."""
    count = 0
    for batch in reader.batches(timeout=0):
        for _number, _time, _pid, _tgid, _address, _size, _latency, _result, _cpu, _flags in EVENT.iter_unpack(
            bytes(batch)
        ):
            count += 1
    return count


def records(reader: Reader, events: int) -> int:
    """Iterate over records, and nothing else."""
    count = 0
    for _ in reader:
        count += 1
        if count == events:
            break
    return count


def read_list(reader: Reader, _: int) -> int:
    """Take lists."""
    count = 0
    while found := reader.consume():
        count += len(found)
    return count


def nothing(_: object) -> None:
    """Stand for the user's function."""


def called(reader: Reader, _: int) -> int:
    """Have a function called with each."""
    return reader.call(nothing, 0)


def handed(reader: Reader, events: int) -> int:
    """Iterate, and call a function with each."""
    count = 0
    for event in reader:
        nothing(event)
        count += 1
        if count == events:
            break
    return count


WAYS: dict[str, tuple[object, Callable[[Reader, int], int]]] = {
    "NumPy, a column's sum": (None, numpy_sum),
    "typed, all fields read": (None, batch_unpacked),
    "typed, one loop that counts": (None, fields_unpacked),
    "typed, each field an attribute": (None, fields_read),
    "typed, no field read": (None, records),
    "no records, tuples of struct's": (None, tuples),
    "typed, lists": (None, read_list),
    "bytes, a function each": (bytes, called),
    "bytes, a loop and a function": (bytes, handed),
    "bytes, lists": (bytes, read_list),
}
"""The ways to read, each with the type of the events."""


def measure(variants: Mapping[str, Read], reference: str, rounds: int) -> dict[str, float]:
    """Measure all readers in turn, print the table, and return the ratios to the reference."""
    results = _harness.in_turn(variants, rounds)
    ratios = {
        name: _harness.median(value / c for value, c in zip(values, results[reference], strict=True))
        for name, values in results.items()
    }
    rows = [
        [name, f"{_harness.median(values):.1f}", f"{1e3 / _harness.median(values):.2f}", f"{ratios[name]:.1f}"]
        for name, values in results.items()
    ]
    print(_harness.table(["", "ns an event", "million/s", "x C"], rows))
    return ratios


def resident_kb() -> int:
    """Give the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def soak(reader: Reader, send: Callable[[int, int], tuple[int, int]], events: int) -> bool:
    """Receive what a thread sends without a pause, and count.

    `send` has so many events sent, from a number on; it gives how many were, and how many found no room.
    """
    totals = [0, 0]
    done = threading.Event()

    def send_all() -> None:
        first = 0
        while first < events:
            sent, lost = send(first, min(SOAK_STEP, events - first))
            totals[0] += sent
            totals[1] += lost
            first += sent + lost
        done.set()

    received = out_of_order = 0
    last = -1
    sizes: list[int] = []
    thread = threading.Thread(target=send_all)
    start = time.monotonic()
    with reader:
        thread.start()
        turn = 0
        while True:
            ended = done.is_set()
            turn += 1
            # All ways in turn.
            way = turn % 3
            if way == 0:
                batch = next(iter(reader.batches(timeout=0.1)), None)
                numbers = [] if batch is None else batch.to_numpy()["number"].tolist()
            elif way == 1:
                numbers = [event.number for event in reader.read(timeout=0.1)]
            else:
                numbers = []
                reader.call(lambda event, keep=numbers.append: keep(event.number), 0)
            if numbers:
                received += len(numbers)
                deque_of = [last, *numbers]
                out_of_order += sum(1 for a, b in zip(deque_of, numbers, strict=False) if a >= b)
                last = numbers[-1]
            elif ended:
                break
            if turn % 64 == 0:
                sizes.append(resident_kb())
        thread.join()
        lost = reader.lost
    spent = time.monotonic() - start
    grown = sizes[-1] - sizes[len(sizes) // 10] if sizes else 0
    print(f"\nSoak: {events} events in {spent:.1f} s: received {received}, lost {lost}")
    exact = received == totals[0] and lost == totals[1] and received + lost == events and not out_of_order
    print(f"received + lost = sent, in order: {'yes' if exact else 'NO'}")
    return _harness.verdict("memory grew", grown, WANTED_GROWTH_KB, " kB") and exact
