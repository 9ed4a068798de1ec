"""An old kernel, one in the middle and the newest: boot each in a virtual machine, and run there what it can run."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

KERNELS = ("5.10", "6.12", "newest")
"""`make test-kernels` has more, and runs more on each."""

SELECTION = "every_kernel and not slow_emulated"

UNUSUAL = ("--cpus=4", "--append=maxcpus=2", "--append=lockdown=confidentiality")
"""A machine that is locked down and has room for more CPUs than it has."""

TIME_LIMIT = 1500
"""Seconds for each. It takes some five minutes on two idle cores without KVM; a busy machine may take its time."""


def run(tool, *arguments, status=0):
    # pytest's own limit is for tests that hang; these have their own, and show how far they got.
    faulthandler.cancel_dump_traceback_later()
    command = [sys.executable, ROOT / "tools" / tool, f"--time-limit={TIME_LIMIT}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"tools/{tool}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.mark.debian
def test_an_old_a_middle_and_the_newest_kernel_pass_and_none_lacks_what_an_older_one_has(root):
    run("vm-kernels", *KERNELS, "--", "-m", SELECTION, ROOT / "tests" / "kernel", ROOT / "tests" / "vm")


@pytest.mark.debian
def test_the_newest_kernel_passes_locked_down_and_with_room_for_cpus(root):
    run("vm-test", "newest", "--no-skip", f"--into={ROOT / 'build' / 'vm' / 'unusual'}", *UNUSUAL)


@pytest.mark.debian
def test_a_machine_that_dies_at_boot_is_started_once_more_and_then_given_up(root):
    into = ROOT / "build" / "vm" / "dead"
    done = run("vm-test", "newest", f"--into={into}", "--append=rdinit=/no", ROOT / "tests" / "vm", status=70)
    assert done.stdout.count("died before the tests began") == 1
    assert "Kernel panic" in (into / "console.died").read_text(errors="replace")
    assert "the virtual machine ended before the tests did" in done.stderr
