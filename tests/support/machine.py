"""The state machine: hypothesis draws what a process does with the package, and makes what fails short.

    python machine.py TIME|COUNT [SEED [shrink]]
    python machine.py same COUNT TIME
    python machine.py each

lives as many lives as are asked for, or for ``90s``, ``20m``, ``8h``, and prints each seed; with ``same`` they are the
same ones every time, as many as the time allows. `hypothesis` draws the steps; another process does them
(machine_child.py), so that one that dies is a failure like any other. ``each`` does each operation once, and prints
those for which there was no thing.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from machine_child import Child, own_mounts
from machine_makers import MAKERS, SOURCES
from machine_surface import COMMON, OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 60
"""The most steps of one life."""

seeds = st.integers(0, (1 << 30) - 1)


class AnyOrder(RuleBasedStateMachine):
    """One life."""

    objects: ClassVar[dict[str, str]] = {}
    until = math.inf
    """When to stop: further lives are empty."""
    lives = 0
    steps = 0
    done: ClassVar[Counter[str]] = Counter()
    well: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.child = Child(self.objects) if time.monotonic() < self.until else None

    def _do(self, *step: Any) -> None:
        if self.child is not None:
            self.child(*step)

    @rule(maker=st.sampled_from(sorted(MAKERS)), seed=seeds)
    def make(self, maker: str, seed: int) -> None:
        """Make something."""
        self._do("make_one", maker, seed)

    @rule(name=st.sampled_from(sorted(OPERATIONS)), seed=seeds)
    def use(self, name: str, seed: int) -> None:
        """Do one operation."""
        self._do("step", name, seed)

    @rule(name=st.sampled_from(COMMON), seed=seeds)
    def use_common(self, name: str, seed: int) -> None:
        """Do one of the operations that are drawn more often."""
        self._do("step", name, seed)

    @rule(what=st.sampled_from(("close_one", "close_one", "forget_one", "collect", "advance_one")), seed=seeds)
    def other(self, what: str, seed: int) -> None:
        """Close or drop something, collect garbage, take from an iterator."""
        self._do(what, seed)

    @rule(what=st.sampled_from(("fork", "threads")), seed=seeds)
    def aside(self, what: str, seed: int) -> None:
        """Let a forked child do things, or threads."""
        self._do(what, seed)

    def teardown(self) -> None:
        """End the life, and look at what stays."""
        if self.child is None or self.child.pid is None:
            return
        told = self.child.close()
        kind = type(self)
        kind.lives += 1
        kind.steps += self.child.steps
        kind.done.update(told["done"])
        kind.well.update(told["well"])


def live(objects: dict[str, str], lives: int, number: int | None = None, *, shrink: bool = False) -> None:
    """Live some lives, those of a number, or the ones that are always the same.

    A failure says what the process did. To `shrink` it takes long, and what threads do is not the same every time.
    """
    AnyOrder.objects = objects
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    chosen = settings(
        max_examples=lives, stateful_step_count=STEPS, deadline=None, derandomize=number is None, database=None,
        suppress_health_check=list(HealthCheck), phases=phases, print_blob=True, report_multiple_bugs=False,
    )  # fmt: skip
    machine = AnyOrder if number is None else seed(number)(AnyOrder)
    run_state_machine_as_test(machine, settings=chosen)


def compiled(folder: str) -> dict[str, str]:
    """Compile the objects of tests/bpf, with names of their own for what the whole kernel shares."""
    import libbpf_cffi as bpf

    found = {}
    for name in SOURCES:
        source = os.path.join(os.path.dirname(__file__), "..", "bpf", f"{name}.bpf.c")
        with open(source, encoding="utf-8") as file:
            text = file.read().replace('"lbc_', '"lbm_')
        found[name] = os.path.join(folder, f"{name}.bpf.o")
        with open(found[name], "wb") as file:
            file.write(bpf.compile_object(text, name=f"{name}.bpf.c"))
    return found


def seconds(asked: str) -> float:
    """Read ``90s``, ``20m`` or ``8h``."""
    return float(asked[:-1]) * {"s": 1, "m": 60, "h": 3600}[asked[-1]]


def _long(asked: str) -> Callable[[int], bool]:
    if asked.isdecimal():
        return lambda lives: lives < int(asked)
    end = time.monotonic() + seconds(asked)
    return lambda _: time.monotonic() < end


def do_each(objects: dict[str, str]) -> list[str]:
    """Do each operation once; give those for which there was no thing."""
    names = sorted(OPERATIONS)
    without = []
    for at in range(0, len(names), 100):
        child = Child(objects)
        without += [name for name in names[at : at + 100] if child("step", name, at) == "no thing"]
        child.close()
    return without


def main() -> int:
    """Live for as long as the command line says."""
    own_mounts()
    with tempfile.TemporaryDirectory(prefix="lbc-objects-") as folder:
        objects = compiled(folder)
        if sys.argv[1] == "each":
            print(*do_each(objects))
            return 0
        if sys.argv[1] == "same":
            AnyOrder.until = time.monotonic() + seconds(sys.argv[3])
            live(objects, int(sys.argv[2]))
            print(f"{AnyOrder.lives} lives, {AnyOrder.steps} steps")
            return 0
        return _lives(objects, *sys.argv[1:])


def _lives(objects: dict[str, str], long: str, first: str = "", shrink: str = "") -> int:
    go_on = _long(long)
    number = int(first or time.time())
    failures = started = 0
    while go_on(started):
        print(f"seed {number}", flush=True)
        try:
            live(objects, 20, number, shrink=bool(shrink))
        except Exception:
            failures += 1
            traceback.print_exc()
        number += 1
        started += 20
    done, well = AnyOrder.done, AnyOrder.well
    print(f"{AnyOrder.lives} lives, {AnyOrder.steps} steps; operations: {done.total()} of {len(done)} kinds, "
          f"{well.total()} without an error, of {len(well)} kinds")  # fmt: skip
    print(f"{failures} seeds failed")
    print("never drawn:", *sorted(OPERATIONS.keys() - AnyOrder.done))
    print("never without an error:", *sorted(OPERATIONS.keys() - AnyOrder.well))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
