"""What Python costs a tool that is started: the import, and the time to the first attached program.

    python benchmarks/startup.py [--rounds N] [--importtime]

Whole processes, in turn. The import: CPU time of ``python -c 'import libbpf_cffi'`` less that of
``python -c pass``. The first attach: time from the start of the process to the line that says "attached", of
a Python program of four lines and of loader.c, a C program with the same libbpf linked into it. What a user
waits is wall time; on a machine that is busy with something else it is that something that is measured, and
then the CPU time beside it, and the least wall time, say more.

--importtime shows what ``python -X importtime`` has to say of the import.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

import _harness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: CPU milliseconds that the import may add.
WANTED_IMPORT = 12.0

#: Wall milliseconds that Python may need more than C until the program is attached.
WANTED_ATTACH = 20.0

PROGRAM = """\
import sys, time, libbpf_cffi
obj = libbpf_cffi.Object.open(sys.argv[1])
obj.load(); obj.attach()
print("attached", time.process_time(), flush=True); sys.stdin.read(); obj.close()
"""


def started(*command: str, stdin: int, stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Start a process that may keep the bytecode of what it imports, as an installed package's is kept."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout)


def ended(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process to end, and return the CPU milliseconds that it took."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        _harness.stop(f"{process.args!r} ended with status {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def whole(*command: str) -> Callable[[], float]:
    """Give a run of a whole process; it returns its CPU milliseconds."""
    return lambda: ended(started(*command, stdin=subprocess.DEVNULL))


def to_attached(*command: str) -> Callable[[], tuple[float, float]]:
    """Give a run until "attached"; it returns the milliseconds until then, wall and CPU."""

    def run() -> tuple[float, float]:
        start = time.perf_counter_ns()
        process = started(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = (time.perf_counter_ns() - start) / 1e6
        process.stdin.close()
        process.stdout.close()
        ended(process)
        attached, _, cpu = line.partition(b" ")
        if attached != b"attached":
            _harness.stop(f"{command[0]} said {line!r}")
        return wall, float(cpu) * 1000

    return run


def imports(rounds: int) -> bool:
    """Measure the import."""
    python = sys.executable
    results = _harness.in_turn(
        {
            "python -c pass": whole(python, "-c", "pass"),
            "python -c 'import libbpf_cffi'": whole(python, "-c", "import libbpf_cffi"),
        },
        rounds,
    )
    print(f"\nthe import: CPU milliseconds of the process, {rounds} rounds")
    rows = [[name, f"{_harness.median(runs):.2f}", f"{min(runs):.2f}"] for name, runs in results.items()]
    print(_harness.table(["", "median", "least"], rows))
    more = _harness.median(package - bare for bare, package in zip(*results.values(), strict=True))
    return _harness.verdict("the import adds", more, WANTED_IMPORT, " ms")


def attaches(path: Path, loader: Path, rounds: int) -> bool:
    """Measure the time to the first attach."""
    results = _harness.in_turn(
        {
            "C": to_attached(str(loader), str(path)),
            "python": to_attached(sys.executable, "-c", PROGRAM, str(path)),
        },
        rounds,
    )
    print(f"\n{path.name}: milliseconds from the start to the first attach, {rounds} rounds")
    rows = []
    for name, runs in results.items():
        wall, cpu = zip(*runs, strict=True)
        figures = (_harness.median(wall), min(wall), _harness.median(cpu))
        rows.append([name, *(f"{value:.1f}" for value in figures)])
    # Round by round, so that what slows both down drops out.
    pairs = list(zip(results["C"], results["python"], strict=True))
    more, cpu_more = (_harness.median(python[kind] - c[kind] for c, python in pairs) for kind in (0, 1))
    least = min(python[0] for _, python in pairs) - min(c[0] for c, _ in pairs)
    rows.append(["python - C", f"{more:.1f}", f"{least:.1f}", f"{cpu_more:.1f}"])
    print(_harness.table(["", "wall median", "wall least", "CPU median"], rows))
    return _harness.verdict("python - C", more, WANTED_ATTACH, " ms")


def main() -> int:
    """Measure and report; the exit status is 1 if something is not as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=41, help="how often each is measured (default: 41)")
    parser.add_argument("--importtime", action="store_true", help="only show the times of the imports inside")
    options = parser.parse_args()
    if options.importtime:
        command = [sys.executable, "-X", "importtime", "-c", "import libbpf_cffi"]
        return subprocess.run(command, check=False).returncode
    _harness.private_mounts()
    loader = _harness.loader(shared=False)
    _harness.calm(one_cpu=False)
    good = imports(options.rounds)
    for path, _ in _harness.objects():
        good &= attaches(path, loader, options.rounds)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
