"""Do jobs of which one call fails, call after call, and say what went wrong.

    python fault_sweep.py --objects FOLDER --library FILE --netns NAME --cgroup FOLDER --pins FOLDER [--seconds S]
                          [--kinds KIND,…] [--errors N] [--verbose] [JOB…]

For each job (tests/support/fault_jobs.py) and each kind of call (tests/support/faults.py) call 1, 2, 3 … of the job
fails with one errno after the other; with `--seconds` so many of these cases, drawn at random, as so much time allows
for each job. What must hold of each case: an exception of the package's, or none; no descriptor, no memory of C's and
no event of a probe is left; and the same job done again succeeds. It is done in a child, so that a job that dies or
hangs is a failure like the others, and the next case has its turn all the same.

Prints a line a failure, and for each job how many calls of which kind failed; exits with 1 if there was a failure.
"""

from __future__ import annotations

import argparse
import collections
import errno
import faulthandler
import gc
import math
import os
import random
import select
import signal
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from fault_jobs import JOBS, World
from faults import ANSWERS, KINDS, Faults, build
from left_behind import probe_events

import libbpf_cffi as bpf

PATIENCE = 30.0
"""Seconds that one case may take."""

LEFT = "blocks of memory left"

AGAIN = 5
"""How often a case is done that may leak."""

MORE = 3
"""A job that meets a failure may make more calls than one that does not: so many are tried."""

Case = tuple[str, int, int]
"""A kind of call, the number of the call, and the errno."""


def descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # listdir()'s own
    return found


def fine(error: BaseException, number: int, kind: str) -> bool:
    """Tell whether an exception is one that a caller can expect, and says what could not be done."""
    if isinstance(error, (bpf.Error, MemoryError)):
        return True
    if kind == "bpf" and number in ANSWERS:
        # An AssertionError is the job's own: of something there was nothing.
        return isinstance(error, (KeyError, AssertionError, TypeError))
    return isinstance(error, OSError) and (error.filename is not None or "cannot" in str(error))


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-4:])


class Child:
    """What is done in the child: one case after the other, told to the parent line by line."""

    def __init__(self, world: World, faults: Faults, job: str, tell: int) -> None:
        self.world, self.faults, self.job, self.tell = world, faults, JOBS[job], tell

    def say(self, what: str, text: str = "") -> None:
        os.write(self.tell, f"{what}\t{text.encode('unicode_escape').decode()}\n".encode())

    def attempt(self) -> BaseException | None:
        try:
            self.job(self.world)
        except BaseException as error:
            return error
        return None

    def one(self, kind: str, count: int, error: int) -> None:
        """Do a case; one that has left memory, often: a leak grows, what a thread on its way out has does not."""
        happened, said, trouble = self.case(kind, count, error)
        if any(LEFT in each for each in trouble):
            since = self.faults.count_blocks()
            for _ in range(AGAIN):
                happened, said, trouble = self.case(kind, count, error)
            if self.faults.held(since)[0] < AGAIN:
                trouble = [each for each in trouble if LEFT not in each]
        self.say("done" if happened else "unmet", said)
        for each in trouble:
            self.say("bad", each)

    def case(self, kind: str, count: int, error: int) -> tuple[bool, str, list[str]]:
        faults, trouble = self.faults, []
        number = faults.count_blocks()
        before, events = descriptors(), probe_events()
        faults.arm(KINDS[kind], count, error)
        caught = self.attempt()
        happened = faults.disarm()
        where = faults.where
        if caught is not None and not happened:
            trouble.append(f"fails by itself: {shown(caught)}")
        elif caught is not None and not fine(caught, error, kind):
            trouble.append(shown(caught))
        said = "nothing raised" if caught is None else f"{type(caught).__name__}: {caught}"
        caught = None
        trouble += self.left(before)
        trouble += [f"event of a probe left: {each}" for each in sorted(probe_events() - events)]
        # What libbpf has taken for a lack of the kernel's is asked for again.
        between = faults.count_blocks()
        again = self.attempt()
        if again is not None:
            trouble.append(f"again: {shown(again)}")
            again = None
        trouble += self.held(number, between)
        return happened, f"{where}: {said}", [f"{where}: {each}" for each in trouble]

    def left(self, before: dict[str, str]) -> list[str]:
        """Look for descriptors."""
        for collect in (False, True):
            if collect:
                gc.collect()
            left = {name: to for name, to in descriptors().items() if before.get(name) != to}
            left = {name: to for name, to in left.items() if not to.endswith("/fd")}
            if not left:
                return []
        return [f"descriptors left: {left}"]

    def held(self, since: int, between: int) -> list[str]:
        """Look for memory that the first of two runs has left; what both have is a cache's."""
        # A thread of the package's that has done its work may still be on its way out.
        patience = time.monotonic() + 2
        while (held := self.faults.held(since)[0]) > self.faults.held(between)[0] and time.monotonic() < patience:
            gc.collect()
            time.sleep(0.01)
        held, who = self.faults.held(since)
        return [f"{held} {LEFT}:\n{who}"] if held > self.faults.held(between)[0] else []

    def run(self, cases: list[Case], start: int, until: float) -> None:
        for number, case in enumerate(cases[start:], start):
            if time.monotonic() > until:
                break
            self.say("case", str(number))
            self.one(*case)


def fork(
    world: World, faults: Faults, job: str, cases: list[Case], start: int, until: float
) -> tuple[int, int]:
    """Start a child that goes through the cases, from one on; give its number and what it tells them by."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.close(reading)
        for _ in range(2):
            JOBS[job](world)
        Child(world, faults, job, writing).run(cases, start, until)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


class Sweep:
    """All cases of a job, or those that there is time for."""

    def __init__(self, world: World, faults: Faults, job: str, seconds: float | None, verbose: bool) -> None:
        self.world, self.faults, self.job, self.verbose = world, faults, job, verbose
        self.seconds = seconds
        self.until = math.inf
        self.failed: collections.Counter[str] = collections.Counter()
        self.bad: list[str] = []

    def cases(self, kinds: list[str], errors: int) -> list[Case]:
        JOBS[self.job](self.world)
        calls = self.faults.calls(lambda: JOBS[self.job](self.world))
        found = [
            (kind, count, error)
            for kind in kinds
            if calls[kind]
            for error in KINDS[kind].errors[:errors]
            for count in range(1, calls[kind] + MORE + 1)
        ]
        if self.seconds is not None:
            self.until = time.monotonic() + self.seconds
            # The same ones each time: a commit is not to fail by what another one has done.
            random.Random(self.job).shuffle(found)
        return found

    def go(self, cases: list[Case]) -> None:
        number = 0
        while number < len(cases) and time.monotonic() < self.until:
            number = self.part(cases, number) + 1

    def part(self, cases: list[Case], number: int) -> int:
        """Follow one child to its end; give the last case that it came to."""
        pid, reading = fork(self.world, self.faults, self.job, cases, number, self.until)
        rest, hangs = b"", False
        with open(reading, "rb", buffering=0) as pipe:
            while True:
                ready, _, _ = select.select([pipe], [], [], PATIENCE)
                if not ready:
                    hangs = True
                    os.kill(pid, signal.SIGKILL)
                    break
                data = pipe.read(1 << 16)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    what, _, text = line.decode().partition("\t")
                    if what == "case":
                        number = int(text)
                    else:
                        self.note(cases[number], what, text.encode().decode("unicode_escape"))
        _, status = os.waitpid(pid, 0)
        status = os.waitstatus_to_exitcode(status)
        if hangs or status:
            self.faults.disarm()
            self.note(cases[number], "bad", f"{self.faults.where}: {'hangs' if hangs else f'ends with {status}'}")
        return number if hangs or status else len(cases)

    def note(self, case: Case, what: str, text: str) -> None:
        kind, count, error = case
        name = f"{self.job}: {kind} {count} fails with {errno.errorcode[error]}, {text.rstrip()}"
        if what == "done":
            self.failed[kind] += 1
        elif what == "bad":
            self.bad.append(name)
        if what == "bad" or self.verbose:
            print("BAD" if what == "bad" else what, name, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("objects", "library", "netns", "cgroup", "pins"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--errors", type=int, default=1000)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--build", default="/tmp")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("jobs", nargs="*")
    options = parser.parse_args()
    faulthandler.enable()
    world = World(options.objects, options.pins, options.netns, options.cgroup, options.library)
    faults = Faults(build(options.build), python=True)
    total: collections.Counter[str] = collections.Counter()
    bad = 0
    for job in options.jobs or JOBS:
        started = time.monotonic()
        sweep = Sweep(world, faults, job, options.seconds, options.verbose)
        cases = sweep.cases(options.kinds.split(","), options.errors)
        sweep.go(cases)
        total += sweep.failed
        bad += len(sweep.bad)
        kinds = ", ".join(f"{count} {kind}" for kind, count in sweep.failed.items())
        took = time.monotonic() - started
        print(f"{job}: {sweep.failed.total()} of {len(cases)} in {took:.1f} s: {kinds}", flush=True)
    print(f"all: {total.total()} calls failed, {bad} badly: {', '.join(f'{n} {kind}' for kind, n in total.items())}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
