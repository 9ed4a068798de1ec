"""A global variable of a loaded object, read and set in Python, against the lookup and update calls of C.

    python benchmarks/variables.py [--rounds N]

variables.c does the calls in C, as a library in this process, with a libbpf of its own that is built with the same
flags: one number of 8 bytes, alone in its section, so that the kernel copies nothing else. The two take turns; CPU time
of the thread. libbpf maps the memory of such a section, so that Python reads it without a system call. What is wanted
of that: at most 0.4 of what C's lookup takes. The rest is shown for what it is.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import time

import _harness

import libbpf_cffi as bpf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = r"""
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct totals {
    __u64 packets;
    __u64 bytes;
    __u32 errors;
    __u32 drops;
};

__u64 hits SEC(".data.hits");
struct totals totals SEC(".data.totals");

SEC("raw_tracepoint/sys_enter")
int count(void *ctx)
{
    hits++;
    totals.packets++;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""

#: Reading ``variables["hits"]``, to C's ``bpf_map_lookup_elem()``.
WANTED_RATIO = 0.4

COUNT = 20_000
"""How often each does it in one round."""


def in_c(library: ctypes.CDLL, name: str, fd: int) -> Callable[[], float]:
    """Give what does COUNT calls in C, and returns the nanoseconds of one."""
    function = getattr(library, name)
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_long]
    function.restype = ctypes.c_longlong
    value = ctypes.create_string_buffer(64)

    def run() -> float:
        took: int = function(fd, value, COUNT)
        if took < 0:
            _harness.stop(f"{name}: {os.strerror(-took)}")
        return took / COUNT

    return run


def in_python(statement: str, obj: bpf.Object) -> Callable[[], float]:
    """Give what does a statement COUNT times, and returns the nanoseconds of one; the loop itself counts as well."""
    loop = f"for _ in times:\n        {statement}"
    source = f"def run(obj, variables, clock, times):\n    start = clock()\n    {loop}\n    return clock() - start"
    made: dict[str, Callable[..., int]] = {}
    exec(source, made)  # noqa: S102 - a statement of ours, measured without the cost of a call

    def run() -> float:
        return made["run"](obj, obj.variables, time.thread_time_ns, range(COUNT)) / COUNT

    return run


READS = {
    'variables["hits"]': "a number",
    'obj.variables["hits"]': "the same by way of the object",
    'variables["totals"]': "a struct",
    'variables["totals.bytes"]': "a member",
}
WRITES = {'variables["hits"] = 1': "a number", 'variables["totals.bytes"] = 1': "a member"}


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=101, help="how often each is measured (default: 101)")
    options = parser.parse_args()
    _harness.need_root()
    flags = ("-shared", "-fvisibility=hidden")
    library = _harness.compile_c(_harness.HERE / "variables.c", _harness.WORK / "variables.so", *flags)
    reference = ctypes.CDLL(str(library))
    _harness.calm()
    with bpf.Object.open(bpf.compile_object(SOURCE), object_name="variables") as obj:
        obj.load()
        fd = obj.maps[".data.hits"].fd
        runs = {
            "C's lookup": in_c(reference, "variables_lookup", fd),
            "C's update": in_c(reference, "variables_update", fd),
        }
        runs |= {statement: in_python(statement, obj) for statement in (*READS, *WRITES)}
        results = _harness.in_turn(runs, options.rounds)

    ratios = {
        name: _harness.median(mine / its for mine, its in zip(values, results[base], strict=True))
        for base, names in (("C's lookup", ("C's lookup", *READS)), ("C's update", ("C's update", *WRITES)))
        for name, values in results.items()
        if name in names
    }
    rows = [
        [name, (READS | WRITES).get(name, ""), f"{_harness.median(results[name]):.0f}", f"{ratio:.2f}"]
        for name, ratio in ratios.items()
    ]
    print(f"nanoseconds, medians of {options.rounds} rounds of {COUNT:,}")
    print(_harness.table(["", "what", "ns", "to C"], rows))
    return 0 if _harness.verdict('variables["hits"] / C\'s lookup', ratios['variables["hits"]'], WANTED_RATIO) else 1


if __name__ == "__main__":
    sys.exit(main())
