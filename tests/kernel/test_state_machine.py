"""Every public operation, in any order, with any argument, in threads, forked children and at the interpreter's end.

The steps are drawn by `hypothesis` (tests/support/machine.py) and done by processes of their own. Exceptions of the
package's may come out of them, and Python's for wrong arguments; no signal, and nothing stays behind. `make
state-machine TIME=20m` goes on for longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from machine_surface import MADE_BY_USERS, NOT_DRAWN, OPERATIONS, operations

SUPPORT = Path(__file__).parents[1] / "support"

EXITS = int(os.environ.get("LIBBPF_CFFI_EXITS", "30"))
"""How many interpreters end."""

LIVES = 100
"""As many as can be, in a minute."""


@pytest.fixture
def machine(tracefs):
    """Run the machine with some arguments, in a process of its own; give what it prints."""

    def run(*arguments, script="machine.py"):
        # A thread of a library's would look like one of ours that has stayed.
        alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-bb", SUPPORT / script, *map(str, arguments)],
            capture_output=True, text=True, check=False, env=alone,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.slow_emulated
def test_nothing_a_user_does_in_any_order_crashes_hangs_or_stays(machine):
    assert " lives, " in machine("same", LIVES, "45s")


@pytest.mark.slow_emulated
def test_every_operation_has_a_thing_to_be_done_with(machine):
    assert machine("each").split() == []


@pytest.mark.slow_emulated
def test_an_interpreter_ends_well_whatever_its_threads_are_doing(machine):
    said = machine(EXITS, script="machine_exits.py")
    assert said.endswith(f"{EXITS} interpreters ended, 0 of them wrongly\n")


def test_every_public_operation_is_drawn_or_has_a_reason():
    public = {name for name, each in operations().items() if each.kind != "new"} | MADE_BY_USERS
    assert public == OPERATIONS.keys() | NOT_DRAWN.keys()


def test_the_reasons_are_given_for_operations_that_are_there():
    assert NOT_DRAWN.keys() <= operations().keys()
