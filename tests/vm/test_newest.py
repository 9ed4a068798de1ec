"""The newest kernel: boot it in a virtual machine, and run there what this machine's kernel cannot."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

TIME_LIMIT = 900
"""Seconds. It takes one minute on two idle cores without KVM; a busy machine may take its time."""


def boot(*options):
    # pytest's own limit is for tests that hang; this one has its own, and shows how far it got.
    faulthandler.cancel_dump_traceback_later()
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "vm-test", "newest", f"--time-limit={TIME_LIMIT}", "--no-skip", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"tools/vm-test newest: status {done.returncode}\n{done.stdout}\n{done.stderr}"
    suite = ET.parse(ROOT / "build" / "vm" / "newest" / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert int(suite.attrib["tests"]) > 0


@pytest.mark.debian
def test_the_newest_kernel_passes(root):
    boot()


@pytest.mark.debian
def test_the_newest_kernel_passes_locked_down_and_with_room_for_cpus(root):
    boot("--cpus=4", "--append=maxcpus=2", "--append=lockdown=confidentiality")
