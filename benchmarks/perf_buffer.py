"""How fast perf buffers are read, against libbpf's ``perf_buffer__consume()`` with a callback that counts.

    python benchmarks/perf_buffer.py [--rounds N] [--events N] [--wakeup-events N] [--soak N]

A BPF program fills the buffer of one CPU with events of 64 bytes, then one reader empties it, and so in turn. What is
measured is the CPU time of the thread for each event. Wanted, in terms of C: typed records with all fields read at most
20. The other figures are for comparison. As is libbpf's default, each event makes the kernel wake the reader, and those
interrupts leave the CPU's caches cold for all readers alike; --wakeup-events 1000000 is without them.

A reader that waits where nothing is sent must not wake up.

With --soak a program sends so many events, from a thread, faster than they are read: those received and those that
found no room must be all of them, in order, and the memory of the process must not grow.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import struct
import sys
from contextlib import ExitStack

import _events
import _harness

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

WANTED = {"typed, all fields read": 20.0}

ARGUMENTS = struct.Struct("=QQ")

PAGES = 256
"""Of a buffer."""


def library() -> ctypes.CDLL:
    """Compile perf_buffer.c."""
    path = _harness.compile_c(
        _harness.HERE / "perf_buffer.c", _harness.WORK / "perf_buffer.so", "-shared", "-fvisibility=hidden"
    )
    found = ctypes.CDLL(str(path))
    found.perf_open.restype = ctypes.c_void_p
    found.perf_open.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_uint32]
    found.perf_consume.argtypes = [ctypes.c_void_p]
    found.perf_run.restype = ctypes.c_int64
    return found


class Bench:
    """Perf buffers, what fills them and what empties them: a map has one reader, so that each has an object."""

    def __init__(self, stack: ExitStack, code: bytes, events: int, wakeup_events: int = 1) -> None:
        self._c = library()
        self._stack = stack
        self._code = code
        self._events = events
        self._wakeup_events = wakeup_events

    def load(self) -> bpf.Object:
        """Load the program and its map."""
        obj = self._stack.enter_context(bpf.Object.open(self._code, object_name="perf"))
        obj.load()
        return obj

    def send(self, obj: bpf.Object, cpu: int, first: int, count: int) -> tuple[int, int]:
        """Run the program on a CPU; give how many events were sent, and how many found no room."""
        arguments = ARGUMENTS.pack(first, count)
        lost = self._c.perf_run(obj.programs["produce"].fd, cpu, arguments, ARGUMENTS.size)
        if lost < 0:
            _harness.stop(f"the producer: {os.strerror(-lost)}")
        return count - lost, lost

    def filler(self, obj: bpf.Object) -> Callable[[], None]:
        """Give what has the events sent."""
        cpu = max(os.sched_getaffinity(0))

        def fill() -> None:
            sent, lost = self.send(obj, cpu, 0, self._events)
            if lost:
                _harness.stop(f"{lost} of {sent + lost} events found no room")

        return fill

    def c(self) -> _events.Read:
        """Give libbpf's reader."""
        obj = self.load()
        buffer = self._c.perf_open(obj.maps["events"].fd, PAGES, self._wakeup_events)
        return _events.timed(self.filler(obj), lambda: self._c.perf_consume(buffer), self._events)

    def python(
        self, kind: object, way: Callable[[_events.Reader, int], int], ordered: float | None = None
    ) -> _events.Read:
        """Give one of ours; `way` reads so many events and returns how many they were."""
        obj = self.load()
        reader = obj.maps["events"].perf_buffer(
            kind, page_cnt=PAGES, wakeup_events=self._wakeup_events, ordered=ordered
        )
        return _events.timed(self.filler(obj), lambda: way(reader, self._events), self._events)

    def callback(self) -> _events.Read:
        """Give libbpf's reader with a callback in Python, which is how others do it."""
        obj = self.load()
        seen = [0]

        def take(_: object, __: int, data: object, size: int) -> None:
            _events.EVENT.unpack_from(ffi.buffer(data, size))
            seen[0] += 1

        kept = ffi.callback("void(void *, int, void *, __u32)", take)
        opts = ffi.new("struct perf_buffer_opts *", {"sample_period": self._wakeup_events})
        opts.sz = ffi.sizeof(opts[0])
        buffer = lib.perf_buffer__new(obj.maps["events"].fd, PAGES, kept, ffi.NULL, ffi.NULL, opts)

        def read(_kept: object = kept) -> int:
            seen[0] = 0
            lib.perf_buffer__consume(buffer)
            return seen[0]

        return _events.timed(self.filler(obj), read, self._events)


def measure(bench: Bench, rounds: int) -> dict[str, float]:
    """Measure all readers in turn, print the table, and return the ratios to C."""
    reference = "C, perf_buffer__consume()"
    variants = {reference: bench.c()}
    variants |= {name: bench.python(kind, way) for name, (kind, way) in _events.WAYS.items()}
    variants["NumPy, by time"] = bench.python(None, _events.numpy_sum, ordered=1e-9)
    variants["libbpf's reader, a callback each"] = bench.callback()
    return _events.measure(variants, reference, rounds)


def wakeups(bench: Bench) -> int:
    """Count how often a reader wakes up in a second without events."""
    with bench.load().maps["events"].perf_buffer() as reader:
        reader.read(timeout=0.01)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        reader.read(timeout=1)
        # The end of the second is one.
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before - 1


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=61, help="how often each reader is measured (default: 61)")
    parser.add_argument("--events", type=int, default=5000, help="events a round (default: 5000)")
    parser.add_argument("--wakeup-events", type=int, default=1, metavar="N", help="when a reader is woken (default: 1)")
    parser.add_argument("--soak", type=int, default=0, metavar="N", help="send and receive so many events as well")
    options = parser.parse_args()
    _harness.need_root()
    good = True
    with ExitStack() as stack:
        code = bpf.compile_object(_harness.HERE / "bpf" / "perf.bpf.c")
        bench = Bench(stack, code, options.events, options.wakeup_events)
        if options.soak:
            obj = bench.load()
            cpu = max(os.sched_getaffinity(0))
            reader = obj.maps["events"].perf_buffer(page_cnt=PAGES)
            good &= _events.soak(reader, lambda first, count: bench.send(obj, cpu, first, count), options.soak)
        good &= _harness.verdict("wake-ups of an idle reader in a second", wakeups(bench), 0)
        _harness.calm()
        print(f"\nCPU time, medians of {options.rounds} rounds of {options.events} events of {_events.SIZE} bytes")
        ratios = measure(bench, options.rounds)
    for name, wanted in WANTED.items():
        good &= _harness.verdict(f"{name} / C", ratios[name], wanted)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
