"""A kernel that was started with lockdown=confidentiality: what still works, and that the rest says why it does not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

import libbpf_cffi as bpf
from libbpf_cffi.tracefs import TracefsPermissionError

SECURITY = "/sys/kernel/security"


@pytest.fixture(params=["with securityfs", "without"])
def securityfs(request, private_mounts):
    """Have the file that says that the kernel is locked down, or have it not."""
    while os.path.ismount(SECURITY):
        subprocess.run(["umount", "-l", SECURITY], check=True)
    if request.param == "with securityfs":
        subprocess.run(["mount", "-t", "securityfs", "securityfs", SECURITY], check=True)


def test_programs_that_do_not_look_into_the_kernel_load_and_run(opened):
    with opened("rings") as obj:
        obj.load()
        with obj.maps["events"].ring_buffer() as events:
            obj.programs["produce"](first=7, count=2, size=64)
            assert [event.number for event in events.consume()] == [7, 8]


def test_a_tracepoint_that_cannot_be_attached_to_says_that_the_kernel_is_locked_down(opened, securityfs):
    obj = opened("basic")
    obj.load()
    with pytest.raises(bpf.LibbpfError, match="on_tracepoint") as caught:
        obj.programs["on_tracepoint"].attach()
    assert "locked down" in caught.value.hint


def test_a_trace_that_cannot_be_read_says_that_the_kernel_is_locked_down(securityfs):
    with pytest.raises(TracefsPermissionError, match="locked down") as caught:
        bpf.TracePipe()
    assert caught.value.errno == errno.EPERM


def test_a_program_that_looks_into_the_kernel_is_refused_and_says_that_the_kernel_is_locked_down(securityfs):
    # r1 = r10 - 8; r2 = 8; r3 = 0; bpf_probe_read_kernel(r1, r2, r3); r0 = 0
    code = "bfa1000000000000 07010000f8ffffff b702000008000000 b703000000000000 8500000071000000 b700000000000000"
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.KernelProgram.load("raw_tracepoint", bytes.fromhex(f"{code} 9500000000000000"))
    assert "locked down" in str(caught.value)


def test_the_command_says_that_the_kernel_is_locked_down(compiled, securityfs):
    done = subprocess.run(
        [sys.executable, "-m", "libbpf_cffi.run", compiled("execve")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "locked down" in done.stderr
    assert "Traceback" not in done.stderr
