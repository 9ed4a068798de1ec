"""Maps of a million entries, and single elements: against C on the same map with the same libbpf.

    python benchmarks/maps.py [--rounds N] [--entries N] [NAME…]

maps.c does what a C program would: it reads in steps of 65,536 entries into a buffer that it keeps. The variants take
turns in this process; what is measured is the CPU time of the thread; the ratios are medians of the rounds. "NumPy"
reads into the arrays that are there already (``out=``). "C, all kept" and "NumPy, new" store everything into memory
that is new each time: what that costs is the kernel's matter, and varies a lot.

BCC (Debian's python3-bpfcc, for /usr/bin/python3) and pylibbpf do the same work where they are installed, once.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import time

import _harness
import numpy as np

import libbpf_cffi as bpf
from libbpf_cffi import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

STEP = 65536
CALLS = 20000
"""How many single elements a round reads or writes."""

#: Ratios to C.
WANTED = {
    "numpy": 1.15,
    "pairs": 1.5,
    "dict": 3.0,
    "records": 4.0,
    "update numpy": 1.05,
    "update dict": 1.4,
    "m[key]": 1.7,
    "m[key] = value": 1.55,
    "mapped[i]": 0.4,
}


def library() -> ctypes.CDLL:
    """Compile maps.c."""
    _harness.compile_c(_harness.HERE / "maps.c", _harness.WORK / "maps.so", "-shared", "-fvisibility=hidden")
    found = ctypes.CDLL(str(_harness.WORK / "maps.so"))
    for name in ("maps_read", "maps_read_fresh", "maps_write", "maps_lookup", "maps_update"):
        getattr(found, name).restype = ctypes.c_longlong
    return found


def took(nanoseconds: int) -> float:
    """Give milliseconds; end the program if that was an error."""
    if nanoseconds < 0:
        _harness.stop(f"C: {os.strerror(-nanoseconds)}")
    return nanoseconds / 1e6


def timed(function: Callable[[], object]) -> Callable[[], float]:
    """Measure a function of Python in CPU milliseconds; what it made is thrown away outside the measurement."""

    def run() -> float:
        started = time.thread_time_ns()
        made = function()
        ended = time.thread_time_ns()
        del made
        return (ended - started) / 1e6

    return run


class Bench:
    """One map of maps.bpf.c, filled."""

    def __init__(self, c: ctypes.CDLL, path: str, name: str, entries: int) -> None:
        self.c = c
        self.obj = bpf.Object.open(path)
        for other in self.obj.maps.values():
            other.autocreate = other.name == name
        self.map: Any = self.obj.maps[name]
        if name != "mapped":
            self.map.max_entries = entries
        self.obj.load()
        self.name = name
        self.entries = entries
        self.values_size = self.map.value_size
        if name == "percpu":
            self.values_size = (self.values_size + 7) // 8 * 8 * lib.libbpf_num_possible_cpus()
        self.keys = np.random.default_rng(1).permutation(entries).astype(np.uint64) * 7919
        self.values: Any = None
        self.arrays: Any = None

    def fill(self) -> None:
        """Write as many entries as the map holds."""
        words = self.values_size // 8
        flat = np.arange(self.entries * words, dtype=np.uint64).reshape(self.entries, words)
        if self.name == "flows":
            values = flat.view(self.map.value_type.dtype).reshape(-1)
            values["comm"] = b"postgres"
        else:
            values = flat.reshape(-1) if words == 1 else flat
        self.values = values
        self.map.update_many(self.keys, values)

    # What C does

    def c_read(self) -> Callable[[], float]:
        """Read into a buffer that is kept."""
        keys, values = bytearray(STEP * 8), bytearray(STEP * self.values_size)
        at = [(ctypes.c_char * len(each)).from_buffer(each) for each in (keys, values)]
        total = ctypes.c_uint32()

        def run() -> float:
            spent = self.c.maps_read(self.map.fd, *at, 8, self.values_size, STEP, 0, ctypes.byref(total))
            assert total.value == self.entries
            return took(spent)

        return run

    def c_read_fresh(self) -> Callable[[], float]:
        """Read into new memory."""
        total = ctypes.c_uint32()
        return lambda: took(
            self.c.maps_read_fresh(self.map.fd, 8, self.values_size, STEP, self.entries, ctypes.byref(total))
        )

    def c_write(self) -> Callable[[], float]:
        """Write from arrays."""
        at = [each.ctypes.data_as(ctypes.c_void_p) for each in (self.keys, self.values)]
        return lambda: took(self.c.maps_write(self.map.fd, *at, 8, self.values_size, STEP, self.entries))

    # What Python does

    def read_numpy(self) -> Any:
        """Read into two arrays."""
        return self.map.to_numpy()

    def read_numpy_again(self) -> Any:
        """Read into two arrays that are there already."""
        if self.arrays is None:
            self.arrays = self.map.to_numpy()
        return self.map.to_numpy(out=self.arrays)

    def read_pairs(self) -> None:
        """Iterate over decoded pairs."""
        for _key, _value in self.map.items():
            pass

    def read_dict(self) -> Any:
        """Read into a dict."""
        return self.map.to_dict()


def report(title: str, results: Mapping[str, list[float]], goals: Mapping[str, str], unit: str = "ms") -> bool:
    """Print a table, and whether each variant is as wanted; the first variant is C."""
    reference = next(iter(results))
    rows = []
    for name, runs in results.items():
        ratio = _harness.median(run / c for run, c in zip(runs, results[reference], strict=True))
        rows.append([name, f"{_harness.median(runs):.3f}", f"{ratio:.2f}"])
    print(f"\n{title}: CPU {unit}, medians of {len(results[reference])} rounds")
    print(_harness.table(["", unit, "x C"], rows))
    good = True
    for (name, _, ratio_text) in rows:
        if name in goals:
            good &= _harness.verdict(f"{name} / C", float(ratio_text), WANTED[goals[name]])
    return good


def bulk(c: ctypes.CDLL, path: str, name: str, entries: int, rounds: int) -> bool:
    """Read a whole map."""
    bench = Bench(c, path, name, entries)
    with bench.obj:
        bench.fill()
        variants: dict[str, Callable[[], float]] = {
            "C": bench.c_read(),
            "C, all kept": bench.c_read_fresh(),
            "NumPy": timed(bench.read_numpy_again),
            "NumPy, new": timed(bench.read_numpy),
            "pairs": timed(bench.read_pairs),
            "dict": timed(bench.read_dict),
        }
        goals = {"NumPy": "numpy", "pairs": "pairs", "dict": "dict"}
        if name == "flows":
            goals = {"NumPy": "numpy", "pairs": "records", "dict": "records"}
        if name == "percpu":
            goals = {"NumPy": "numpy"}
        results = _harness.in_turn(variants, rounds, 1)
        good = report(f"{entries} entries of {name}, {bench.values_size} bytes a value, read", results, goals)
        others(bench)
        return good


def updates(c: ctypes.CDLL, path: str, name: str, entries: int, rounds: int) -> bool:
    """Write a whole map."""
    bench = Bench(c, path, name, entries)
    with bench.obj:
        bench.fill()
        mapping = dict(zip(bench.keys.tolist(), bench.values.tolist(), strict=True))
        variants = {
            "C": bench.c_write(),
            "NumPy": timed(lambda: bench.map.update_many(bench.keys, bench.values)),
            "dict": timed(lambda: bench.map.update_many(mapping)),
        }
        goals = {"NumPy": "update numpy", "dict": "update dict"}
        if name != "numbers":
            del goals["dict"]
        results = _harness.in_turn(variants, rounds, 1)
        return report(f"{entries} entries of {name}, {bench.values_size} bytes a value, updated", results, goals)


def each(function: Callable[[], object]) -> Callable[[], float]:
    """Give nanoseconds a call of what does CALLS of them."""
    run = timed(function)
    return lambda: run() * 1e6 / CALLS


def singles(c: ctypes.CDLL, path: str, entries: int, rounds: int) -> bool:
    """Read and write one element."""
    bench = Bench(c, path, "numbers", entries)
    mapped = Bench(c, path, "mapped", entries)
    flows = Bench(c, path, "flows", 1024)
    with bench.obj, mapped.obj, flows.obj:
        bench.fill()
        flows.fill()
        key, hot = int(bench.keys[0]), bench.map
        flow_key, some = int(flows.keys[0]), flows.map
        array = mapped.map
        raw, raw_key = hot.raw, key.to_bytes(8, sys.byteorder)

        def look() -> None:
            for _ in range(CALLS):
                hot[key]

        def look_raw() -> None:
            for _ in range(CALLS):
                raw[raw_key]

        def look_record() -> None:
            for _ in range(CALLS):
                some[flow_key]

        def store() -> None:
            for number in range(CALLS):
                hot[key] = number

        def peek() -> None:
            for _ in range(CALLS):
                array[5]

        def poke() -> None:
            for number in range(CALLS):
                array[5] = number

        reads = {
            "C": lambda: took(c.maps_lookup(hot.fd, ctypes.c_uint64(key), 0, CALLS)) * 1e6 / CALLS,
            "m[key]": each(look),
            "bytes: m.raw[key]": each(look_raw),
            "record: m[key]": each(look_record),
        }
        good = report("one lookup in a hash", _harness.in_turn(reads, rounds, 2), {"m[key]": "m[key]"}, "ns")
        writes = {
            "C": lambda: took(c.maps_update(hot.fd, ctypes.c_uint64(key), CALLS)) * 1e6 / CALLS,
            "m[key] = value": each(store),
        }
        goals = {"m[key] = value": "m[key] = value"}
        good &= report("one update of a hash", _harness.in_turn(writes, rounds, 2), goals, "ns")
        mapped_reads = {
            "C": lambda: took(c.maps_lookup(array.fd, ctypes.c_uint64(5), 1, CALLS)) * 1e6 / CALLS,
            "m[i]": each(peek),
            "m[i] = value": each(poke),
        }
        goals = {"m[i]": "mapped[i]"}
        good &= report(
            "one element of an mmap-able array", _harness.in_turn(mapped_reads, rounds, 2), goals, "ns"
        )
    return good


# Others

BCC = """
import ctypes, json, sys, time
from bcc.table import HashTable
number, words = int(sys.argv[1]), int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
class Attr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("id", "next", "flags", "rest")]
# BPF_MAP_GET_FD_BY_ID by hand: BCC has no call for it.
attr = Attr(id=number)
fd = libc.syscall(321, 14, ctypes.byref(attr), ctypes.sizeof(attr))
class Owner:
    module = None
leaf = ctypes.c_uint64 if words == 1 else ctypes.c_uint64 * words
table = HashTable(Owner(), 0, fd, ctypes.c_uint64, leaf, name=b"x")
table.max_entries = int(sys.argv[3])
def took(function):
    before = time.thread_time_ns()
    made = function()
    return (time.thread_time_ns() - before) / 1e6
out = {"items()": took(lambda: [None for _ in table.items()])}
out["items_lookup_batch()"] = took(lambda: list(table.items_lookup_batch()))
key = next(iter(table.keys()))
def look():
    for _ in range(20000):
        table[key]
out["table[key], ns"] = took(look) * 1e6 / 20000
print(json.dumps(out))
"""


def others(bench: Bench) -> None:
    """Do the same with BCC and pylibbpf."""
    if bench.name not in ("numbers", "arrays"):
        return
    words = bench.values_size // 8
    command = ["/usr/bin/python3", "-c", BCC, str(bench.map.id), str(words), str(bench.entries)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        print(f"BCC: not measured ({(done.stderr.strip().splitlines() or ['?'])[-1]})")
    else:
        print("BCC:", ", ".join(f"{name} {value:.0f}" for name, value in json.loads(done.stdout).items()))
    try:
        import pylibbpf
    except ImportError as error:
        print(f"pylibbpf: not measured ({error})")
        return
    if bench.name == "numbers":
        print("pylibbpf:", ", ".join(f"{name} {value:.0f}" for name, value in with_pylibbpf(pylibbpf, bench)))


def with_pylibbpf(pylibbpf: Any, bench: Bench) -> Iterator[tuple[str, float]]:
    """Let it load an object of its own, whose map is filled through its descriptor."""
    sized = _harness.WORK / "maps.sized.o"
    bpf.compile_object(_harness.HERE / "maps.bpf.c", output=sized, defines={"ENTRIES": bench.entries})
    obj = pylibbpf.BpfObject(str(sized))
    obj.load()
    theirs = obj["numbers"]
    with bpf.Map.from_fd(theirs.get_fd()) as mine:
        mine.update_many(bench.keys, bench.values)
    yield "items()", timed(lambda: [None for _ in theirs.items()])()
    key = int(bench.keys[0])

    def look() -> None:
        for _ in range(CALLS):
            theirs[key]

    yield "m[key], ns", timed(look)() * 1e6 / CALLS


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help="only these: numbers, arrays, flows, percpu, updates, singles")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default: 7)")
    parser.add_argument("--entries", type=int, default=1_000_000, help="of the large maps (default: 1000000)")
    options = parser.parse_args()
    _harness.need_root()
    c = library()
    _harness.calm()
    path = _harness.WORK / "maps.o"
    bpf.compile_object(_harness.HERE / "maps.bpf.c", output=path)
    jobs: dict[str, Callable[[], bool]] = {
        "singles": lambda: singles(c, str(path), 4096, options.rounds * 5),
        "numbers": lambda: bulk(c, str(path), "numbers", options.entries, options.rounds),
        "arrays": lambda: bulk(c, str(path), "arrays", options.entries, options.rounds),
        "flows": lambda: bulk(c, str(path), "flows", options.entries, options.rounds),
        "percpu": lambda: bulk(c, str(path), "percpu", options.entries // 5, options.rounds),
        "updates": lambda: updates(c, str(path), "numbers", options.entries, options.rounds)
        & updates(c, str(path), "flows", options.entries, options.rounds),
    }
    good = True
    for name, job in jobs.items():
        if not options.names or name in options.names:
            good &= job()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
