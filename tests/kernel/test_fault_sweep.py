"""Each system call and each allocation of a job fails once: see fault_sweep.py, which `make faults` runs at length.

Here each job has some seconds, in which so many of its calls fail as there is time for, the same ones each time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_jobs import JOBS, OBJECTS

SWEEP = Path(__file__).resolve().parent / "fault_sweep.py"
TARGET = Path(__file__).resolve().parent.parent / "bpf" / "attach_target.c"

SECONDS = float(os.environ.get("LIBBPF_CFFI_FAULT_SECONDS", "3"))
"""For each job; 0 is for as long as all its calls take."""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    (folder / "versions").write_text("LBC_1 { global: lbc_*; };\nLBC_2 { } LBC_1;\n")
    path = folder / "liblbctarget.so.1"
    command = ["cc", "-shared", "-fPIC", "-O1", f"-Wl,--version-script={folder}/versions", "-o", path, TARGET]
    subprocess.run(command, check=True)
    return path


@pytest.mark.unsanitized("what makes calls fail would stand between the extension and the sanitizer")
@pytest.mark.slow_emulated
@pytest.mark.parametrize("job", JOBS)
def test_whatever_call_of_a_job_fails_it_raises_leaves_nothing_and_can_be_done_again(
    job, library, lab, cgroup, tracefs, pins, compiled
):
    for name in OBJECTS:
        objects = compiled(name).parent
    command = [sys.executable, "-bb", "-W", "error", SWEEP, "--objects", objects, "--library", library]
    command += ["--netns", lab.here, "--cgroup", cgroup, "--pins", pins, "--build", library.parent]
    if SECONDS:
        command += ["--seconds", str(SECONDS)]
    done = subprocess.run([*command, job], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    print(done.stdout)
