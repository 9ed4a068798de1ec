"""How fast `TracePipe` reads, against the bare reads of C, which are what `cat trace_pipe` does.

    python benchmarks/trace_pipe.py [--rounds N] [--lines N]

An instance is filled with lines, then one reader empties it, and so in turn. What is measured is CPU time, the kernel's
included: to make the text takes it longer than anything that a reader does. Wanted of raw lines: at most 1.25 times the
bare reads; of parsed lines, all fields converted: at most twice; of the same records by ``raw=True``, which needs no
text of the kernel's: at most 0.3 times.

A second table is of lines each ten of which come from a thread of their own. They are dearer to parse; but no system
starts so many threads that it would matter.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import subprocess
import sys
import sysconfig
import time
from collections import deque
from itertools import islice
from pathlib import Path

import _harness

from libbpf_cffi import TracePipe, tracefs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WANTED_RAW = 1.25
WANTED_PARSED = 2.0
WANTED_DECODED = 0.3

BUFFER_KB = 16384
"""For each CPU: more than any number of lines that is worth measuring needs."""


def library() -> ctypes.CDLL:
    """Compile trace_pipe.c."""
    output = _harness.WORK / "trace_pipe.so"
    output.parent.mkdir(parents=True, exist_ok=True)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=hidden", "-pthread"]
    beside = output.with_name(f"{output.name}.{os.getpid()}")
    subprocess.run([*compiler, *flags, str(_harness.HERE / "trace_pipe.c"), "-o", str(beside)], check=True)
    beside.replace(output)
    found = ctypes.CDLL(str(output))
    found.trace_read.restype = ctypes.c_long
    return found


class Bench:
    """An instance, what fills it and what empties it."""

    def __init__(self, folder: str, lines: int, lines_a_thread: int) -> None:
        self._c = library()
        self._folder = folder
        self._lines = lines
        self._a_thread = lines_a_thread

    def fill(self) -> None:
        """Write the lines."""
        marker = os.fsencode(f"{self._folder}/trace_marker")
        error = self._c.trace_write(marker, self._lines, self._a_thread)
        if error:
            _harness.stop(f"cannot write to {self._folder}/trace_marker: {os.strerror(-error)}")

    def c(self) -> float:
        """Read in C; give the nanoseconds for each line."""
        self.fill()
        path = os.fsencode(f"{self._folder}/trace_pipe")
        start = time.thread_time_ns()
        size = self._c.trace_read(path)
        spent = time.thread_time_ns() - start
        if size < 40 * self._lines:
            _harness.stop(f"read {size} bytes of {self._lines} lines")
        return spent / self._lines

    def cat(self) -> float:
        """Run cat; its whole process counts."""
        self.fill()
        # Where nothing is left, a descriptor that does not block ends it, with a complaint.
        pipe = os.open(f"{self._folder}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
        cat = subprocess.Popen(["cat"], stdin=pipe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(pipe)
        _, _, usage = os.wait4(cat.pid, 0)
        cat.returncode = 0
        return (usage.ru_utime + usage.ru_stime) * 1e9 / self._lines

    def python(self, way: Callable[[TracePipe], Iterable[object]], *, raw: bool = False) -> Callable[[], float]:
        """Make a reader of one of the ways to iterate."""

        def read() -> float:
            self.fill()
            with TracePipe(os.path.basename(self._folder), backlog=True, raw=raw) as pipe:
                start = time.thread_time_ns()
                last = deque(islice(way(pipe), self._lines), maxlen=1)
                spent = time.thread_time_ns() - start
            number = str(last[0]).rpartition("pid=")[2].partition(" ")[0]
            if int(number) != self._lines - 1 or pipe.lost:
                _harness.stop(f"the last line of {self._lines} was {last[0]}, and {pipe.lost} were lost")
            return spent / self._lines

        return read


def chunks(pipe: TracePipe) -> Iterable[object]:
    """Iterate over lists, as a program does that takes what there is."""
    while True:
        yield from pipe.read()


def measure(folder: str, lines: int, lines_a_thread: int, rounds: int) -> dict[str, float]:
    """Measure all readers in turn, print the table, and return the ratios to C."""
    bench = Bench(folder, lines, lines_a_thread)
    variants = {
        "C, read()": bench.c,
        "cat": bench.cat,
        "raw_lines(), bytes": bench.python(TracePipe.raw_lines),
        "lines(), str": bench.python(TracePipe.lines),
        "parsed, one by one": bench.python(iter),
        "parsed, read() lists": bench.python(chunks),
        "raw=True, one by one": bench.python(iter, raw=True),
        "raw=True, read() lists": bench.python(chunks, raw=True),
        "raw=True, lines(), str": bench.python(TracePipe.lines, raw=True),
    }
    results = _harness.in_turn(variants, rounds)
    reference = results["C, read()"]
    ratios = {
        name: _harness.median(value / c for value, c in zip(values, reference, strict=True))
        for name, values in results.items()
    }
    rows = [
        [name, f"{_harness.median(values):.0f}", f"{1e3 / _harness.median(values):.2f}", f"{ratios[name]:.2f}"]
        for name, values in results.items()
    ]
    print(_harness.table(["", "ns a line", "million lines/s", "x C"], rows))
    return ratios


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often each reader is measured (default: 15)")
    parser.add_argument("--lines", type=int, default=20000, help="lines a round (default: 20000)")
    options = parser.parse_args()
    _harness.private_mounts()
    _harness.calm()
    folder = tracefs.make_instance()
    try:
        Path(folder, "buffer_size_kb").write_text(str(BUFFER_KB), encoding="utf-8")
        print(f"CPU time, medians of {options.rounds} rounds of {options.lines} lines from one thread")
        ratios = measure(folder, options.lines, options.lines, options.rounds)
        print("\nTen lines a thread")
        measure(folder, options.lines, 10, max(3, options.rounds // 3))
    finally:
        tracefs.remove_instance(folder)
    good = _harness.verdict("raw lines / C", ratios["raw_lines(), bytes"], WANTED_RAW)
    good &= _harness.verdict("text lines / C", ratios["lines(), str"], WANTED_RAW)
    good &= _harness.verdict("parsed lines / C", ratios["parsed, one by one"], WANTED_PARSED)
    good &= _harness.verdict("raw=True, records / C", ratios["raw=True, one by one"], WANTED_DECODED)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
