"""What each thing needs: with those capabilities alone it works, without any one of them the error names that one.

capability_matrix.py does the things; `NEEDED` and what `probe.needed_capabilities` says of loading are the matrix. The
user is not root, and all that comes before a step was done with all privileges: it is the step alone that is measured.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys

import capability_matrix
import pytest

from libbpf_cffi import probe

# Older ones want CAP_BPF for every call of bpf(2).
pytestmark = pytest.mark.needs("use_without_privilege")

OBJECTS = (
    "basic", "rings", "perf_one", "kinds", "attach_user", "attach_net", "network", "struct_ops", "attach_kernel",
    "attach_iter", "fentry",
)  # fmt: skip

NEEDED = {
    # What is open already is used without any: descriptors are what the kernel asks for.
    "use a map": (),
    "run a program": (),
    "read a ring buffer": (),
    "pin in a folder of one's own": (),
    "attach a raw tracepoint": (),
    "attach a BTF tracepoint": (),
    "attach many uprobes": (),
    "attach to an interface (XDP)": (),
    "attach to an interface (TCX)": (),
    "attach a table of functions": (),
    "attach many kprobes": (),
    "attach to a function (fentry)": (),
    "attach and read an iterator": (),
    "attach to netfilter": (),
    # What makes something new in the kernel.
    "create a map": ("CAP_BPF",),
    "create a map of type devmap": ("CAP_BPF", "CAP_NET_ADMIN"),
    "create a map of type devmap_hash": ("CAP_BPF", "CAP_NET_ADMIN"),
    "create a map of type xskmap": ("CAP_BPF", "CAP_NET_ADMIN"),
    "create a map of type sockmap": ("CAP_BPF", "CAP_NET_ADMIN"),
    "create a map of type sockhash": ("CAP_BPF", "CAP_NET_ADMIN"),
    "load an object with a devmap": ("CAP_BPF", "CAP_NET_ADMIN"),
    "load types": ("CAP_BPF",),
    "attach to a control group": ("CAP_NET_ADMIN",),
    "attach to an interface (tc)": ("CAP_NET_ADMIN",),
    # Perf events.
    "attach a perf event": ("CAP_PERFMON",),
    "read a perf buffer": ("CAP_PERFMON",),
    "attach a uprobe": ("CAP_SYS_ADMIN",),
    "attach a kprobe": ("CAP_PERFMON",),
    "attach a tracepoint": ("CAP_DAC_READ_SEARCH", "CAP_PERFMON"),
    # Files of other users: tracefs is root's, and so is what root pins.
    "read the trace": ("CAP_DAC_READ_SEARCH",),
    "read a trace of one's own": ("CAP_DAC_OVERRIDE",),
    "open another user's pin": ("CAP_DAC_OVERRIDE",),
    # What is for the whole machine, or could be anybody's.
    "enable statistics": ("CAP_SYS_ADMIN",),
    "open by id": ("CAP_SYS_ADMIN",),
    "list what the kernel has": ("CAP_SYS_ADMIN",),
}
"""What a step needs of a process that is not root's."""

NOT_EVERYWHERE = {("attach a uprobe", "CAP_SYS_ADMIN")}
"""What some kernels ask for less for: perf_uprobe_event_init() of older ones for CAP_PERFMON."""

LOAD = "load a program of type "
NEEDS = {
    "run a program": "program:SYSCALL", "read a ring buffer": "program:SYSCALL",
    "attach many uprobes": "uprobe_multi", "attach to an interface (TCX)": "tcx", "attach a BTF tracepoint": "tp_btf",
    "attach a uprobe": "uprobe", "attach a table of functions": "struct_ops_link",
    **capability_matrix.ELSEWHERE, "attach to netfilter": "netfilter_link", LOAD + "netfilter": "netfilter_link",
    LOAD + "sk_lookup": "program:SK_LOOKUP", LOAD + "syscall": "program:SYSCALL",
}  # fmt: skip
"""Features of the kernel that a step needs."""

STEPS = capability_matrix.HERE


def needed(step: str) -> tuple[str, ...]:
    """What a step needs: of loading `probe` says it."""
    return tuple(probe.needed_capabilities(step.removeprefix(LOAD))) if step.startswith(LOAD) else NEEDED[step]


QUESTIONS = [
    (step, kept)
    for step in STEPS
    for kept in (needed(step), *(tuple(each for each in needed(step) if each != left) for left in needed(step)))
]
"""Each step with all that it needs, and without each of them."""

OTHERS = ("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_DAC_READ_SEARCH")
QUESTIONS.append(("enable statistics", OTHERS))


@pytest.fixture(scope="module")
def answers(tracefs, bpffs, compiled, tmp_path_factory):
    """Ask everything once; give what each step came to with the capabilities that were kept."""
    from libbpf_cffi.tracefs import find_cgroup2

    folder = tmp_path_factory.mktemp("objects")
    for name in OBJECTS:
        (folder / f"{name}.o").symlink_to(compiled(name))
    pins, cgroup = f"{bpffs}/matrix-{os.getpid()}", f"{find_cgroup2()}/matrix-{os.getpid()}"
    os.mkdir(pins, 0o700)
    os.mkdir(cgroup)

    @functools.cache
    def ask():
        done = subprocess.run(
            [sys.executable, "-bb", capability_matrix.__file__, folder, pins, cgroup],
            input=json.dumps([(step, [capability_matrix.NUMBERS[each] for each in kept]) for step, kept in QUESTIONS]),
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return dict(zip(QUESTIONS, map(json.loads, done.stdout.splitlines()), strict=True))

    yield ask()
    subprocess.run(["rm", "-rf", pins], check=True)
    os.rmdir(cgroup)


@pytest.fixture
def has(requires):
    """Skip a step that the kernel cannot do at all."""

    def check(step):
        if step in NEEDS:
            requires(NEEDS[step])

    return check


@pytest.mark.parametrize("step", STEPS)
def test_with_what_it_needs_it_works(answers, has, step):
    has(step)
    assert answers[step, needed(step)] is None


@pytest.mark.parametrize(
    ("step", "left_out"),
    [pytest.param(step, each, id=f"{step} without {each}") for step in STEPS for each in needed(step)],
)
def test_without_one_that_it_needs_the_error_names_that_one(answers, has, step, left_out):
    has(step)
    answer = answers[step, tuple(each for each in needed(step) if each != left_out)]
    if answer is None and (step, left_out) in NOT_EVERYWHERE:
        return
    assert answer is not None, f"it works without {left_out}"
    kind, _, text = answer
    assert kind in {"LibbpfPermissionError", "TracefsPermissionError"}, text
    assert left_out in text


@pytest.mark.parametrize(
    ("step", "left_out"),
    [(step, each) for step in STEPS if step.startswith("create a map") for each in needed(step)]
    + [("load an object with a devmap", "CAP_NET_ADMIN"), ("enable statistics", "CAP_SYS_ADMIN")],
)
def test_the_error_names_no_other_than_that_one(answers, step, left_out):
    _, _, text = answers[step, tuple(each for each in needed(step) if each != left_out)]
    assert re.search(r"this process lacks (CAP_\w+(?:(?:, | and )CAP_\w+)*)", text)[1] == left_out


def test_who_has_every_other_capability_is_told_what_statistics_need(answers):
    _, _, text = answers["enable statistics", OTHERS]
    assert "this process lacks CAP_SYS_ADMIN" in text


def test_every_step_says_what_it_needs():
    assert set(NEEDED) == {step for step in capability_matrix.STEPS if not step.startswith(LOAD)}
