"""The check that each test here is under: what it takes for left behind, and what for somebody else's."""

from __future__ import annotations

import subprocess
import sys

import left_behind
import pytest

import libbpf_cffi as bpf

HOLDER = """
import sys
import libbpf_cffi as bpf
made = bpf.Map.create("array", "u32", "u32", 1)
print(made.id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(root):
    started = []

    def start(**how):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **how
        )
        started.append(process)
        return int(process.stdout.readline())

    yield start
    for process in started:
        with process:
            process.stdin.close()


def test_what_goes_by_and_by_is_not_left():
    before = left_behind.kernel_ids()
    bpf.Map.create("array", "u32", "u32", 1).close()
    assert left_behind.left_since(before) == {}


def test_what_is_held_here_or_pinned_is_left(pins):
    before = left_behind.kernel_ids()
    with bpf.Map.create("array", "u32", "u32", 1) as held:
        left = {"map": [held.id]}
        assert left_behind.left_since(before, 0.5) == left
        held.pin(pins / "map")
    assert left_behind.left_since(before, 0.5) == left


@pytest.mark.parametrize("how", [{}, {"start_new_session": True}], ids=["as all", "in its own session"])
def test_what_a_child_of_the_tests_holds_is_left(holder, how):
    before = left_behind.kernel_ids()
    assert left_behind.left_since(before, 0.5) == {}
    held = holder(**how)
    assert left_behind.left_since(before, 0.5) == {"map": [held]}


def test_what_a_process_of_others_holds_is_theirs(holder):
    before = left_behind.kernel_ids()
    holder(start_new_session=True, env={})
    assert left_behind.left_since(before) == {}
