"""Much of everything: many objects at once, more programs on one event than the kernel takes, other interpreters."""

from __future__ import annotations

import errno
import sys

import pytest

import libbpf_cffi as bpf

MOST = 64
"""Programs on one event: BPF_TRACE_MAX_PROGS of kernel/trace/bpf_trace.c."""


def test_a_program_that_is_attached_to_a_tracepoint_already_is_said_to_be(only, tracefs):
    program = only("attach_kernel", "by_plain_tracepoint").programs["by_plain_tracepoint"]
    with (
        program.attach_tracepoint("syscalls", "sys_enter_swapoff"),
        pytest.raises(bpf.LibbpfError, match="already, and an event takes a program once") as caught,
    ):
        program.attach_tracepoint("syscalls", "sys_enter_swapoff")
    assert caught.value.errno == errno.EEXIST


@pytest.mark.slow_emulated
def test_more_programs_than_a_tracepoint_takes_are_refused_with_the_number(only, tracefs):
    with pytest.raises(bpf.LibbpfError) as caught:
        for _ in range(MOST + 1):
            program = only("attach_kernel", "by_plain_tracepoint").programs["by_plain_tracepoint"]
            program.attach_tracepoint("syscalls", "sys_enter_swapoff")
    assert caught.value.errno == errno.E2BIG
    assert f"{MOST} programs" in caught.value.hint


@pytest.mark.slow_emulated
def test_many_objects_are_loaded_at_once_and_closed(compiled, tracefs, counted):
    objects = []
    try:
        for _ in range(48):
            objects.append(bpf.Object.open(compiled("basic")))
            objects[-1].load()
            objects[-1].programs["on_raw"].attach()
        assert [counted(obj.maps["raw_hits"], 1) for obj in objects] == [1] * len(objects)
    finally:
        for obj in objects:
            obj.close()


def test_an_interpreter_beside_the_main_one_uses_it_or_is_refused_and_nothing_crashes(python, compiled):
    said = python(
        """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import libbpf_cffi as bpf
use = "import libbpf_cffi as bpf; obj = bpf.Object.open(%r); obj.load(); obj.close()" % sys.argv[1]
exec(use)
other = interpreters.create()
try:
    interpreters.run_string(other, use)
except Exception as error:
    # cffi's own module says so where interpreters are isolated.
    assert "ImportError" in repr(error), error
interpreters.destroy(other)
exec(use)
print("fine")
""",
        compiled("basic"),
    )
    assert said == "fine\n"


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="cffi's modules are not for isolated interpreters")
def test_what_an_interpreter_beside_the_main_one_leaves_open_ends_with_it(python, compiled, tracefs):
    said = python(
        """
import _xxsubinterpreters as interpreters, os, sys
import libbpf_cffi as bpf

def left():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass
    folder = "/sys/kernel/tracing/instances"
    return sorted(found) + [each for each in os.listdir(folder) if f"-{os.getpid()}-" in each]

use = f"path = {sys.argv[1]!r}" + '''
import warnings
import libbpf_cffi as bpf
warnings.simplefilter("ignore")
obj = bpf.Object.open(path)
obj.load()
reader = obj.maps["events"].ring_buffer()
pipe = bpf.TracePipe(instance=True)
'''
before = left()
other = interpreters.create()
interpreters.run_string(other, use)
print(len(left()) > len(before) + 5)
interpreters.destroy(other)
print(left() == before)
""",
        compiled("basic"),
    )
    assert said.split() == ["True", "True"]
