"""How fast ring buffers are read, against libbpf's ``ring_buffer__consume()`` with a callback that does nothing.

    python benchmarks/ring_buffer.py [--rounds N] [--events N] [--soak N]

A BPF program fills the ring with events of 64 bytes, then one reader empties it, and so in turn. What is measured is
the CPU time of the thread for each event. Wanted, in terms of C: a column's sum by NumPy at most 4, typed records with
all fields read at most 30, bytes that are handed to a function at most 20. The other figures are for comparison.

BCC's own reader (Debian's python3-bpfcc, for /usr/bin/python3) takes its turn, in a process of its own, on the same
ring: reading typed records is wanted to be at least 10 times faster.

Then the time from sending an event until a reader that waits has it, against ``ring_buffer__poll()``: at most 1.5.

With --soak a program sends so many events, from a thread, faster than they are read: those received and those that
found no room must be all of them, in order, and the memory of the process must not grow.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import struct
import subprocess
import sys
import time

import _events
import _harness

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WANTED = {"NumPy, a column's sum": 4.0, "typed, all fields read": 30.0, "bytes, a function each": 20.0}
WANTED_LATENCY = 1.5

WANTED_OF_BCC = 0.1
"""Typed records, in terms of BCC's."""

BCCS = "BCC's reader, typed, all fields read"

ORDER = struct.Struct("=QQQQQ")

NO_WAKEUP = 1

PAUSE_US = 1000
"""Microseconds between events whose latency is measured: the reader sleeps in between."""


def library() -> ctypes.CDLL:
    """Compile ring_buffer.c."""
    path = _harness.compile_c(
        _harness.HERE / "ring_buffer.c", _harness.WORK / "ring_buffer.so", "-shared", "-fvisibility=hidden", "-pthread"
    )
    found = ctypes.CDLL(str(path))
    found.ring_open.restype = found.sender_start.restype = ctypes.c_void_p
    found.ring_close.argtypes = found.ring_consume.argtypes = found.sender_join.argtypes = [ctypes.c_void_p]
    found.sender_sent_at.argtypes = [ctypes.c_void_p]
    found.sender_sent_at.restype = ctypes.c_uint64
    found.ring_latencies.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    return found


BCC = """
import ctypes, sys, time
from bcc.table import RingBuf
from bcc.libbcc import lib
libc = ctypes.CDLL(None, use_errno=True)
class Attr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("id", "next", "flags", "rest")]
# BPF_MAP_GET_FD_BY_ID by hand: BCC has no call for it.
attr = Attr(id=int(sys.argv[1]))
fd = libc.syscall(321, 14, ctypes.byref(attr), ctypes.sizeof(attr))
class Event(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint64), ("time", ctypes.c_uint64), ("pid", ctypes.c_uint32),
                ("tgid", ctypes.c_uint32), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("latency", ctypes.c_uint64), ("result", ctypes.c_int32), ("cpu", ctypes.c_uint32),
                ("flags", ctypes.c_uint64)]
class Owner:
    module = None
    def _open_ring_buffer(self, fd, function, context):
        self.manager = lib.bpf_new_ringbuf(fd, function, context)
owner = Owner()
ring = RingBuf(owner, 0, fd, ctypes.c_uint32, ctypes.c_uint32)
# What BCC makes of the C that it compiles.
ring._event_class = Event
seen = 0
def take(context, data, size):
    global seen
    event = ring.event(data)
    _ = event.number, event.time, event.pid, event.tgid, event.address
    _ = event.size, event.latency, event.result, event.cpu, event.flags
    seen += 1
ring.open_ring_buffer(take)
print("ready", flush=True)
for line in sys.stdin:
    seen = 0
    before = time.thread_time_ns()
    lib.bpf_consume_ringbuf(owner.manager)
    print(time.thread_time_ns() - before, seen, flush=True)
"""


class Bench:
    """A ring, what fills it and what empties it."""

    def __init__(self, obj: bpf.Object, events: int) -> None:
        self._c = library()
        self._map = obj.maps["events"]
        self._prog_fd = obj.programs["produce"].fd
        self._events = events

    def send(self, first: int, count: int, flags: int = NO_WAKEUP) -> tuple[int, int]:
        """Run the program; give how many events were sent, and how many found no room."""
        order = ctypes.create_string_buffer(ORDER.pack(first, count, flags, 0, 0), ORDER.size)
        error = self._c.ring_run(self._prog_fd, order, ORDER.size)
        if error:
            _harness.stop(f"the producer: {os.strerror(-error)}")
        return ORDER.unpack(order.raw)[3:]

    def fill(self) -> None:
        """Have the events sent."""
        sent, lost = self.send(0, self._events)
        if lost:
            _harness.stop(f"{lost} of {sent + lost} events found no room")

    def c(self) -> _events.Read:
        """Give libbpf's reader."""
        ring = self._c.ring_open(self._map.fd)
        return _events.timed(self.fill, lambda: self._c.ring_consume(ring), self._events)

    def python(self, type: object, way: Callable[[_events.Reader, int], int]) -> _events.Read:
        """Give one of ours; `way` reads so many events and returns how many they were."""
        reader = bpf.RingBuffer(self._map, type=type)
        return _events.timed(self.fill, lambda: way(reader, self._events), self._events)

    def callback(self) -> Callable[[], float]:
        """Give libbpf's reader with a callback in Python, which is how others do it."""
        seen = [0]

        def take(_: object, data: object, size: int) -> int:
            _events.EVENT.unpack(ffi.buffer(data, size))
            seen[0] += 1
            return 0

        kept = ffi.callback("int(void *, void *, size_t)", take)
        ring = lib.ring_buffer__new(self._map.fd, kept, ffi.NULL, ffi.NULL)
        clock = time.thread_time_ns

        def read(_kept: object = kept) -> float:
            self.fill()
            start = clock()
            lib.ring_buffer__consume(ring)
            return (clock() - start) / self._events

        return read

    def bcc(self) -> Callable[[], float] | None:
        """Give BCC's reader, if it is installed."""
        python = shutil.which("/usr/bin/python3")
        command = [python or "python3", "-c", BCC, str(self._map.id)]
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        asked, told = child.stdin, child.stdout
        if told.readline() != "ready\n":
            print(f"BCC: not measured ({(child.stderr.read().strip().splitlines() or ['?'])[-1]})")
            return None

        def once() -> tuple[int, int]:
            self.fill()
            asked.write("read\n")
            asked.flush()
            spent, count = map(int, told.readline().split())
            return spent, count

        def read() -> float:
            once()
            spent, count = once()
            if count != self._events:
                _harness.stop(f"BCC read {count} of {self._events} events")
            return spent / self._events

        return read

    def c_latencies(self, count: int) -> list[float]:
        """Give the microseconds from sending an event until C has it."""
        ring = self._c.ring_open(self._map.fd)
        values = (ctypes.c_uint64 * count)()
        sender = self._c.sender_start(self._prog_fd, count, PAUSE_US)
        error = self._c.ring_latencies(ring, sender, values, count)
        error = self._c.sender_join(sender) or error
        self._c.ring_close(ring)
        if error:
            _harness.stop(f"latency in C: {os.strerror(-error)}")
        return [value / 1e3 for value in values if value]

    def python_latencies(self, count: int) -> list[float]:
        """Give the same until Python has it, as bytes."""
        found = []
        seen = 0
        with bpf.RingBuffer(self._map, type=bytes) as reader:
            sender = self._c.sender_start(self._prog_fd, count, PAUSE_US)
            sent_at = self._c.sender_sent_at
            # The first one pays for what is imported and compiled.
            while seen < count - 1 and (events := reader.read(timeout=5)):
                found.append((time.monotonic_ns() - sent_at(sender)) / 1e3)
                seen += len(events)
            if self._c.sender_join(sender):
                _harness.stop("latency in Python: the producer failed")
        return found


def measure(bench: Bench, rounds: int) -> dict[str, float]:
    """Measure all readers in turn, print the table, and return the ratios to C."""
    reference = "C, ring_buffer__consume()"
    variants = {reference: bench.c()}
    variants |= {name: bench.python(kind, way) for name, (kind, way) in _events.WAYS.items()}
    variants["libbpf's reader, a callback each"] = bench.callback()
    bcc = bench.bcc()
    if bcc is not None:
        variants[BCCS] = bcc
    return _events.measure(variants, reference, rounds)


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=61, help="how often each reader is measured (default: 61)")
    parser.add_argument("--events", type=int, default=5000, help="events a round (default: 5000)")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="send and receive so many events as well")
    options = parser.parse_args()
    _harness.need_root()
    with bpf.Object.open(bpf.compile_object(_harness.HERE / "bpf" / "rings.bpf.c"), object_name="rings") as obj:
        obj.load()
        ring = obj.maps["events"]
        bench = Bench(obj, options.events)
        good = True
        if options.soak:
            good &= _events.soak(ring.ring_buffer(), lambda first, count: bench.send(first, count, 0), options.soak)
        _harness.calm(one_cpu=False)
        waits = _harness.in_turn(
            {"C": lambda: bench.c_latencies(100), "Python": lambda: bench.python_latencies(100)}, 8
        )
        medians = {name: [_harness.median(each) for each in runs] for name, runs in waits.items()}
        in_c, in_python = (_harness.median(medians[name]) for name in ("C", "Python"))
        print(f"\nFrom sending to having, medians of 8 rounds of 100: C {in_c:.1f} us, Python {in_python:.1f} us")
        ratio = _harness.median(python / c for c, python in zip(medians["C"], medians["Python"], strict=True))
        good &= _harness.verdict("Python / C", ratio, WANTED_LATENCY)
        _harness.calm()
        print(f"\nCPU time, medians of {options.rounds} rounds of {options.events} events of {_events.SIZE} bytes")
        ratios = measure(bench, options.rounds)
    for name, wanted in WANTED.items():
        good &= _harness.verdict(f"{name} / C", ratios[name], wanted)
    if BCCS in ratios:
        ratio = ratios["typed, all fields read"] / ratios[BCCS]
        good &= _harness.verdict("typed, all fields read / BCC", ratio, WANTED_OF_BCC)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
