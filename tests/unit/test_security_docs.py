"""docs/security.md says of privileges what tests/kernel/test_capabilities.py finds out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from libbpf_cffi import probe

TESTS = Path(__file__).resolve().parent.parent
PAGE = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| ((?!task)[^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE))
"""The table: what each task needs."""

STEPS = {
    "create maps, load BTF": ("create a map", "load types"),
    "create maps of devices and sockets: `devmap`, `devmap_hash`, `xskmap`, `sockmap`, `sockhash`": (
        "create a map of type devmap", "create a map of type devmap_hash", "create a map of type xskmap",
        "create a map of type sockmap", "create a map of type sockhash", "load an object with a devmap",
    ),
    (
        "attach what is loaded: raw and BTF tracepoints, fentry, kprobe.multi, uprobe_multi, XDP, TCX, netfilter, "
        "struct_ops"
    ): (
        "attach a raw tracepoint", "attach a BTF tracepoint", "attach to a function (fentry)", "attach many kprobes",
        "attach many uprobes", "attach to an interface (XDP)", "attach to an interface (TCX)", "attach to netfilter",
        "attach a table of functions",
    ),
    "attach and read an iterator": ("attach and read an iterator",),
    "attach a tracepoint": ("attach a tracepoint",),
    "attach a perf event, read a perf buffer": ("attach a perf event", "read a perf buffer"),
    "attach a kprobe other than kprobe.multi": ("attach a kprobe",),
    "attach a uprobe other than uprobe_multi": ("attach a uprobe",),
    "attach to a control group, or with `net.TcHook`": ("attach to a control group", "attach to an interface (tc)"),
    "use a map, read a ring buffer, make a test run, once opened": (
        "use a map", "read a ring buffer", "run a program",
    ),
    "read `trace_pipe`": ("read the trace",),
    "read a trace instance of one's own": ("read a trace of one's own",),
    "pin in a folder of one's own": ("pin in a folder of one's own",),
    "open what another user has pinned": ("open another user's pin",),
    "list programs, maps, links; open them by id": ("list what the kernel has", "open by id"),
    "have the kernel count and time runs: `enable_stats()`": ("enable statistics",),
}  # fmt: skip
"""What the rows of the table are among the steps of the test."""

LOADED = {
    "load programs for sockets, `cgroup_skb`, `sk_lookup`, `syscall`": (
        "socket_filter", "cgroup_skb", "sk_lookup", "syscall",
    ),
    "load programs for tracing: tracepoints, probes, perf events, iterators": (
        "tracepoint", "raw_tracepoint", "kprobe", "perf_event", "tracing",
    ),
    "load programs for XDP, tc, netfilter, other control group hooks": (
        "xdp", "sched_cls", "netfilter", "cgroup_sock", "cgroup_device", "cgroup_sockopt",
    ),
}  # fmt: skip
"""And those of loading among the types of programs."""

NOT_MEASURED = {"create a token (Linux 6.9)"}


def needed() -> dict[str, tuple[str, ...]]:
    """The table of the test, which cannot be imported without its kernel."""
    tree = ast.parse((TESTS / "kernel" / "test_capabilities.py").read_text(encoding="utf-8"))
    found = [each.value for each in tree.body if isinstance(each, ast.Assign) and each.targets[0].id == "NEEDED"]
    return ast.literal_eval(found[0])


def capabilities(row: str) -> set[str]:
    return set(re.findall(r"CAP_\w+", ROWS[row]))


@pytest.mark.parametrize("row", STEPS)
def test_a_task_needs_what_was_measured(row):
    for step in STEPS[row]:
        assert capabilities(row) == set(needed()[step]), step


@pytest.mark.parametrize("row", LOADED)
def test_a_type_of_program_needs_what_probe_says(row):
    for kind in LOADED[row]:
        assert capabilities(row) == set(probe.needed_capabilities(kind)), kind


def test_every_row_of_the_table_is_checked():
    assert {*STEPS, *LOADED, *NOT_MEASURED} == set(ROWS)


def test_every_step_that_was_measured_is_in_the_table():
    assert {step for steps in STEPS.values() for step in steps} == set(needed())
