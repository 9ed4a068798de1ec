"""Few descriptors and little memory: whatever is asked for fails in words of ours or works, and works afterwards.

small_limits.py does each thing at each limit.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest
import small_limits

NEEDS = {
    "attach many uprobes": "uprobe_multi", "attach to an interface (TCX)": "tcx", "attach a BTF tracepoint": "tp_btf",
    "attach a uprobe": "uprobe", "attach a table of functions": "struct_ops_link", "run a program": "program:SYSCALL",
    "read a ring buffer": "program:SYSCALL", "load an object of struct_ops": "struct_ops_link",
    "load an object of many kinds": "tp_btf", "read an iterator": "tp_btf", "attach to netfilter": "netfilter_link",
    **small_limits.matrix.ELSEWHERE,
}  # fmt: skip
"""Features of the kernel that a step needs."""

ADDRESSES = pytest.mark.unsanitized("it limits addresses, and a sanitizer has some for each byte of memory")

OBJECTS = ("basic", "rings", "perf_one", "kinds", "attach_user", "attach_net", "network", "struct_ops", "attach_kernel",
           "attach_iter", "fentry")  # fmt: skip


@pytest.fixture(scope="module")
def limited(tracefs, bpffs, compiled, tmp_path_factory):
    """Do every step at every limit of a kind, once; give what came of each."""
    from libbpf_cffi.tracefs import find_cgroup2

    folder = tmp_path_factory.mktemp("objects")
    for name in OBJECTS:
        (folder / f"{name}.o").symlink_to(compiled(name))
    pins, cgroup = f"{bpffs}/limits-{os.getpid()}", f"{find_cgroup2()}/limits-{os.getpid()}"
    os.mkdir(pins, 0o700)
    os.mkdir(cgroup)
    done = {}

    def do(what):
        if what not in done:
            child = subprocess.run(
                [sys.executable, "-bb", small_limits.__file__, what, folder, pins, cgroup],
                capture_output=True, text=True, check=False, timeout=280,
            )  # fmt: skip
            # What is pinned there would be a leak of the test that came first.
            subprocess.run(["rm", "-rf", pins], check=True)
            os.mkdir(pins, 0o700)
            assert child.returncode == 0, child.stderr
            done[what] = {name: rest for name, *rest in map(json.loads, child.stdout.splitlines())}
        return done[what]

    yield do
    subprocess.run(["rm", "-rf", pins], check=True)
    os.rmdir(cgroup)


@pytest.mark.slow_emulated
@pytest.mark.parametrize("what", ["descriptors", pytest.param("memory", marks=ADDRESSES)])
@pytest.mark.parametrize("step", small_limits.STEPS)
def test_at_any_limit_it_works_or_says_why_not_and_works_afterwards(limited, requires, step, what):
    if step in NEEDS:
        requires(NEEDS[step])
    failed, worked, wrong = limited(what)[step]
    assert wrong == []
    assert worked > 0
    if what == "descriptors" and step not in {"use a map", "write many elements"}:
        assert failed > 0


@contextlib.contextmanager
def memory_group(limit):
    """Make a control group with a limit of memory, of either version; give its folder."""
    first = "/sys/fs/cgroup/memory"
    if os.path.exists(f"{first}/memory.limit_in_bytes"):
        root, file = first, "memory.limit_in_bytes"
    else:
        from libbpf_cffi.tracefs import find_cgroup2

        root, file = find_cgroup2(), "memory.max"
        try:
            with open(f"{root}/cgroup.subtree_control", "w", encoding="ascii") as control:
                control.write("+memory")
        except OSError as error:
            pytest.skip(f"no control group can limit memory here: {error}")
    folder = f"{root}/libbpf_cffi-{os.getpid()}"
    os.mkdir(folder)
    try:
        with open(f"{folder}/{file}", "w", encoding="ascii") as out:
            out.write(str(limit))
        yield folder
    finally:
        os.rmdir(folder)


MAPS_UNTIL_FULL = """
import errno, os, sys
import libbpf_cffi as bpf
size = 1 << 20
folder, pins = sys.argv[1:3]
with open(f"{folder}/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
# What the kernel cannot have for a map is ENOMEM; what it cannot have for a page of ours ends us: some is held ready.
ballast = bytearray(os.urandom(16)) * (8 << 16)
made = []
try:
    while len(made) < 512:
        made.append(bpf.Map.create("array", "u32", f"char[{size}]", 1))
        made[-1].pin(f"{pins}/{len(made)}")
except bpf.LibbpfError as error:
    del ballast
    assert error.errno == errno.ENOMEM, error
    print("full", "memory" in error.hint)
    # What was there is whole, pins included.
    made[0].raw[0] = b"x" * size
    for each in made:
        each.unpin()
        each.close()
with bpf.Map.create("array", "u32", f"char[{size}]", 1) as again:
    again.pin(f"{pins}/again")
    again.unpin()
print("and on")
with open(f"{os.path.dirname(folder)}/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
"""


@pytest.mark.unsanitized("what a sanitizer keeps is more than the group may have")
@pytest.mark.needs("charged_maps")
def test_a_control_group_without_memory_is_an_error_and_loses_no_pin(python, pins):
    with memory_group(64 << 20) as folder:
        assert python(MAPS_UNTIL_FULL, folder, pins).split("\n")[:2] == ["full True", "and on"]
