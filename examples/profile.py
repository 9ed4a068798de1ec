"""Sample what all CPUs do, and show the most frequent stacks, of the kernel and of user space, by name.

python profile.py [SECONDS [PID]]
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import libbpf_cffi as bpf
from libbpf_cffi import probe


def main(seconds: float, pid: int) -> None:
    """Take 99 samples a second on each CPU, and print ten stacks, the most frequent one last."""
    source = Path(__file__).with_name("profile.bpf.c")
    with contextlib.ExitStack() as held:
        obj = held.enter_context(bpf.Object.open(bpf.compile_object(source)))
        obj.variables["only"] = pid
        obj.load()
        for cpu in probe.online_cpus():
            event = held.enter_context(bpf.PerfEvent.software("cpu_clock", cpu=cpu, sample_freq=99))
            held.enter_context(obj.programs["sample"].attach_perf_event(event))
        time.sleep(seconds)
        symbols, stacks = bpf.Symbolizer(), obj.maps["stacks"]
        for where, count in sorted(obj.maps["counts"].items(), key=lambda entry: entry[1])[-10:]:
            print(f"\n{count} samples of {where.comm} ({where.pid})")
            for number in (where.kernel, where.user):
                for address in stacks[number] if number >= 0 else ():
                    print("   ", symbols.find(address, where.pid))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
