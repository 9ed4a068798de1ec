"""Hand malformed bytes to everything that takes them, in child processes, and keep what one dies of.

    fuzz.py [--seconds S] [--inputs N] [--seed N] [--jobs N] [--patience S] [--only ENTRY]... [--sanitized SITE] OUTPUT

They are changed copies (mutate.c) of good ones (seeds.py); what takes them is in entries.py.
What is found is in the folder OUTPUT, an input with what the child said beside it; the exit status is then 1.
With the package of SITE, which has sanitizers inside (`make fuzz`), children end at the first thing that one sees.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from entries import ENTRIES, PLANTED
from seeds import make_seeds

HERE = Path(__file__).resolve().parent

COUNTERS = ("tried", "accepted", "checked", "refused", "contained")
SIZE_AT, DATA_AT, ROOM = 8 * len(COUNTERS), 4096, 1 << 20

SLICE, SHORTEST = 10.0, 0.5
"""Seconds that a child works."""

LAST_LINES = 12
"""What is printed of what a child that died had said."""


class Found(NamedTuple):
    """An input that something went wrong with."""

    entry: str
    how: str
    path: Path


def compile_mutator(folder: Path) -> Path:
    """Compile mutate.c."""
    library = folder / "mutate.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "mutate.c"], check=True)
    return library


def sanitized(site: Path) -> dict[str, str]:
    """Give the environment for a package with sanitizers inside; tools/test-sanitized says why."""
    libraries = [
        subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    return {
        "PYTHONPATH": str(site),
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1",
    }


class Fuzzer:
    """One run: the good files, what was counted, what was found."""

    def __init__(self, work: Path, output: Path, seed: int, patience: float, site: Path | None) -> None:
        self.totals = {name: dict.fromkeys((*COUNTERS, "crashes", "hangs", "seconds"), 0.0) for name in ENTRIES}
        self.found: list[Found] = []
        self._seeds, self._output, self._work = work / "seeds", output, work
        make_seeds(self._seeds)
        self._library = compile_mutator(work)
        self._state = seed
        self._patience = patience
        self._environment = dict(os.environ) | (sanitized(site) if site else {})

    def slice(self, entry: str, seconds: float, inputs: int) -> None:
        """Let one child work for some time, and keep what it died of."""
        self._state += 1
        state = self._state
        shared, said = self._work / f"shared-{state}", self._work / f"said-{state}"
        shared.write_bytes(bytes(DATA_AT + ROOM))
        arguments = [entry, self._seeds, shared, self._library, state << 32, seconds, inputs]
        started = time.monotonic()
        with open(said, "wb") as errors, open(shared, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
            child = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", HERE / "child.py", *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=self._environment,
            )  # fmt: skip
            hung = _watch(child, memory, self._patience)
            counted = struct.unpack_from(f"{len(COUNTERS)}Q", memory)
            (size,) = struct.unpack_from("Q", memory, SIZE_AT)
            data = memory[DATA_AT : DATA_AT + size]
        totals = self.totals.setdefault(entry, dict.fromkeys((*COUNTERS, "crashes", "hangs", "seconds"), 0.0))
        for name, number in zip(COUNTERS, counted, strict=True):
            totals[name] += number
        totals["seconds"] += time.monotonic() - started
        if child.returncode:
            how = "hang" if hung else f"signal {-child.returncode}" if child.returncode < 0 else "exception"
            totals["hangs" if hung else "crashes"] += 1
            self._keep(entry, how, state, int(counted[0]), data, said)
        elif counted[COUNTERS.index("contained")]:
            shutil.copy(said, self._output / f"{entry}-{state}-contained.txt")
        shared.unlink()
        said.unlink()

    def _keep(self, entry: str, how: str, state: int, number: int, data: bytes, said: Path) -> None:
        path = self._output / f"{entry}-{state}-{number}-{how.replace(' ', '-')}"
        path.write_bytes(data)
        shutil.copy(said, path.with_name(f"{path.name}.txt"))
        self.found.append(Found(entry, how, path))
        print(f"{entry}: {how} at input {number} of state {state}: {path}")
        # Where a log is all that is left of a run, with what the child said at last.
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
        print("".join(f"    {line}\n" for line in lines), end="", flush=True)

    def table(self) -> str:
        """Say what was done, an entry point a line."""
        heads = ("entry point", *COUNTERS, "crashes", "hangs", "a second")
        rows = [heads]
        total = dict.fromkeys((*COUNTERS, "crashes", "hangs", "seconds"), 0.0)
        for name, counts in self.totals.items():
            if not counts["seconds"]:
                continue
            rows.append((name, *_shown(counts)))
            total = {key: total[key] + counts[key] for key in total}
        rows.append(("all", *_shown(total)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
        )


def _shown(counts: dict[str, float]) -> tuple[str, ...]:
    numbers = [f"{int(counts[name]):,}" for name in (*COUNTERS, "crashes", "hangs")]
    return (*numbers, f"{counts['tried'] / max(counts['seconds'], 0.01):,.0f}")


def _watch(child: subprocess.Popen[bytes], memory: mmap.mmap, patience: float) -> bool:
    """Wait for a child; end it, and tell so, if it works at one input for too long."""
    last, since = -1, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
        if child.returncode is not None:
            return False
        (tried,) = struct.unpack_from("Q", memory)
        if tried != last:
            last, since = tried, time.monotonic()
        elif time.monotonic() - since > patience:
            # With the place in Python, by faulthandler.
            child.send_signal(signal.SIGABRT)
            child.wait()
            return True


def main() -> int:
    """Run the command line and return the exit status."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="fuzz.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--inputs", type=int, default=1 << 60, help="of each entry point at most")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", action="append", choices=[*ENTRIES, *PLANTED], metavar="ENTRY")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds for one input")
    parser.add_argument("--sanitized", type=Path, metavar="SITE")
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    chosen = {name: (ENTRIES | PLANTED)[name].share for name in options.only or ENTRIES}
    with tempfile.TemporaryDirectory(prefix="libbpf-cffi-fuzz-") as work:
        fuzzer = Fuzzer(Path(work), options.output, options.seed, options.patience, options.sanitized)
        print(f"seed {options.seed}", flush=True)
        end = time.monotonic() + options.seconds

        def worker(_: int) -> None:
            # The time is up when each has had its turn, however slow the machine is.
            while (left := end - time.monotonic()) > 0 or not all(started.values()):
                # Whoever is most behind its share is next.
                open_to = {n: s for n, s in chosen.items() if fuzzer.totals.get(n, {}).get("tried", 0) < options.inputs}
                if not open_to:
                    return
                entry = min(open_to, key=lambda name: started[name] / open_to[name])
                seconds = max(min(SLICE, left, options.seconds / len(chosen) / 2), SHORTEST)
                started[entry] += seconds
                tried = int(fuzzer.totals.get(entry, {}).get("tried", 0))
                fuzzer.slice(entry, seconds, options.inputs - tried)

        started = dict.fromkeys(chosen, 0.0)
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(worker, range(options.jobs)))
    print(fuzzer.table())
    idle = [name for name in chosen if not fuzzer.totals[name]["tried"]]
    if idle:
        print(f"nothing was tried of {', '.join(idle)}")
    return 1 if fuzzer.found or idle else 0


if __name__ == "__main__":
    sys.exit(main())
