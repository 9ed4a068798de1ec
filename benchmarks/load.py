"""What libbpf_cffi adds to libbpf: open, load, attach, detach and close, against the same in C.

    python benchmarks/load.py [--rounds N] [OBJECT…]

loader.c does the same in C, as a library in this process, with a libbpf of its own that is built with the
same flags. The two take turns. What is measured is the CPU time of the thread, step by step: attaching and
detaching also wait for the kernel, which no loader can help.

The objects: the execve tracer of examples/, which needs nothing of the kernel's BTF, and the programs of bpf/,
whose accesses to the kernel's structures libbpf relocates (CO-RE). Wanted of those: at most 5 % more than C.
Of an object that is loaded in a fraction of a millisecond a ratio says little; what Python adds is the same.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import _harness

import libbpf_cffi as bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = ("open", "load", "attach", "detach", "close")

#: Of CO-RE objects, in CPU time, Python to C.
WANTED_RATIO = 1.05


def c_cycle(library: ctypes.CDLL, path: str) -> Callable[[], list[float]]:
    """Give the cycle in C; it returns the milliseconds of each step."""
    steps = (ctypes.c_longlong * len(STEPS))()
    encoded = os.fsencode(path)

    def cycle() -> list[float]:
        error = library.loader_cycle(encoded, steps)
        if error:
            _harness.stop(f"{path}: {os.strerror(-error)}")
        return [value / 1e6 for value in steps]

    return cycle


def python_cycle(path: str) -> Callable[[], list[float]]:
    """Give the same with libbpf_cffi."""
    clock = time.thread_time_ns

    def cycle() -> list[float]:
        started = clock()
        obj = bpf.Object.open(path)
        opened = clock()
        obj.load()
        loaded = clock()
        links = obj.attach()
        attached = clock()
        for link in reversed(links.values()):
            link.close()
        detached = clock()
        obj.close()
        closed = clock()
        times = (started, opened, loaded, attached, detached, closed)
        return [(after - before) / 1e6 for before, after in pairwise(times)]

    return cycle


def compare(library: ctypes.CDLL, path: str, rounds: int) -> tuple[list[list[str]], float, float]:
    """Measure one object; return the rows of the table, the ratio and the difference of the whole."""
    results = _harness.in_turn({"C": c_cycle(library, path), "Python": python_cycle(path)}, rounds)
    rows = []
    for name, runs in results.items():
        columns = [*zip(*runs, strict=True), [sum(run) for run in runs]]
        rows.append([name, *(f"{_harness.median(column):.3f}" for column in columns)])
    # Round by round, so that what slows both down drops out.
    pairs = list(zip(results["C"], results["Python"], strict=True))
    more = [[after - before for before, after in zip(c, python, strict=True)] for c, python in pairs]
    columns = [*zip(*more, strict=True), [sum(each) for each in more]]
    rows.append(["Python adds", *(f"{_harness.median(column):+.3f}" for column in columns)])
    return rows, _harness.median(sum(python) / sum(c) for c, python in pairs), _harness.median(columns[-1])


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("objects", nargs="*", help="compiled objects to measure instead (taken as CO-RE)")
    parser.add_argument("--rounds", type=int, default=61, help="how often each is measured (default: 61)")
    options = parser.parse_args()
    _harness.private_mounts()
    library = ctypes.CDLL(str(_harness.loader(shared=True)))
    _harness.calm()
    objects = [(path, True) for path in options.objects] or _harness.objects()

    good = True
    for path, core in objects:
        rows, ratio, more = compare(library, str(path), options.rounds)
        print(f"\n{Path(path).name}: CPU milliseconds, medians of {options.rounds} rounds")
        print(_harness.table(["", *STEPS, "all"], rows))
        if core:
            good &= _harness.verdict("Python / C", ratio, WANTED_RATIO)
        else:
            print(f"Python - C: {more:.2f} ms")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
