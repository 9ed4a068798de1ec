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


@pytest.fixture
def left_since():
    """Tell what of all that is new in the kernel since then stays."""

    def look(before, patience=left_behind.PATIENCE):
        suspects = left_behind.Suspects(patience)
        suspects.add(before, "this test")
        return suspects.wait()

    return look


def test_what_goes_by_and_by_is_not_left(left_since):
    before = left_behind.kernel_ids()
    bpf.Map.create("array", "u32", "u32", 1).close()
    assert left_since(before) == []


def test_what_is_held_here_or_pinned_is_left(left_since, pins):
    before = left_behind.kernel_ids()
    with bpf.Map.create("array", "u32", "u32", 1) as held:
        left = [f"map {held.id} of this test"]
        assert left_since(before, 0.5) == left
        held.pin(pins / "map")
    assert left_since(before, 0.5) == left


@pytest.mark.parametrize("how", [{}, {"start_new_session": True}], ids=["as all", "in its own session"])
def test_what_a_child_of_the_tests_holds_is_left(left_since, holder, how):
    before = left_behind.kernel_ids()
    assert left_since(before, 1.5) == []
    held = holder(**how)
    assert left_since(before, 1.5) == [f"map {held} of this test"]


def test_what_a_process_of_others_holds_is_theirs(left_since, holder):
    before = left_behind.kernel_ids()
    holder(start_new_session=True, env={})
    assert left_since(before) == []


def test_what_stays_is_told_after_a_later_test_and_once():
    suspects = left_behind.Suspects(0.2)
    before = left_behind.kernel_ids()
    with bpf.Map.create("array", "u32", "u32", 1) as held:
        suspects.add(before, "the first")
        suspects.add(left_behind.kernel_ids(), "the second")
        assert suspects.stayed() == []
        assert suspects.wait() == [f"map {held.id} of the first"]
        assert suspects.stayed() == []


def test_what_has_gone_is_suspected_no_more():
    suspects = left_behind.Suspects(0)
    before = left_behind.kernel_ids()
    made = bpf.Map.create("array", "u32", "u32", 1)
    suspects.add(before, "this test")
    number = made.id
    made.close()
    while number in left_behind.kernel_ids()["map"]:
        pass
    suspects.add(left_behind.kernel_ids(), "the next")
    assert suspects.stayed() == []
