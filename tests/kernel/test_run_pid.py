"""``python -m libbpf_cffi.run --pid`` with user probes whose section says where: they see that process alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from run_command import run

import libbpf_cffi as bpf

SOURCE = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/usdt.bpf.h>

int hits;

SEC("?uprobe/libc:getpgrp") int at_entry(void *ctx) { __sync_fetch_and_add(&hits, 1); return 0; }
SEC("?uretprobe/libc:getpgrp") int at_return(void *ctx) { __sync_fetch_and_add(&hits, 1); return 0; }
SEC("?uprobe.multi/libc:getpgrp") int at_many(void *ctx) { __sync_fetch_and_add(&hits, 1); return 0; }
SEC("?uprobe.session/libc:getpgrp") int in_session(void *ctx) { __sync_fetch_and_add(&hits, 1); return 0; }
SEC("?usdt/FILE:lbc:args") int at_usdt(struct pt_regs *ctx) { __sync_fetch_and_add(&hits, 1); return 0; }
SEC("?uretprobe/libc:getpgrp+4") int amid(void *ctx) { return 0; }

char LICENSE[] SEC("license") = "GPL";
"""
CALLER = """
import ctypes, os, sys
libc, library = ctypes.CDLL(None), ctypes.CDLL(sys.argv[1])
for line in sys.stdin:
    for _ in range(int(line)):
        libc.getpgrp()
        library.lbc_probe(1, 2)
    print("called", flush=True)
"""
LIBRARY = os.path.join(os.path.dirname(__file__), "..", "bpf", "attach_target.c")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Compile a library with a USDT probe."""
    folder = tmp_path_factory.mktemp("probed")
    path = folder / "liblbctarget.so"
    (folder / "versions").write_text("LBC_1 { global: lbc_*; };\nLBC_2 { } LBC_1;\n")
    script = f"-Wl,--version-script={folder}/versions"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", script, "-o", path, LIBRARY], check=True)
    return path


@pytest.fixture(scope="module")
def probes(library):
    """Compile the programs, one of which probes that library."""
    path = library.with_name("probes.bpf.o")
    path.write_bytes(bpf.compile_object(SOURCE.replace("FILE", str(library))))
    return path


@pytest.fixture
def callers(library):
    """Start three processes that call what is probed as often as they are told."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    yield processes
    for process in processes:
        process.communicate(timeout=30)


def call(callers, *often):
    """Have each process call so often, and wait until it has."""
    for process, times in zip(callers, often, strict=True):
        process.stdin.write(f"{times}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "called\n"


def hits(probes, program, callers, pids):
    """Give how often a program was run when the processes called 5, 20 and 100 times."""
    call(callers, 1, 1, 1)
    options = [part for process in pids for part in ("--pid", process.pid)]
    status, out, said = run(
        "-P", program, *options, "--map", ".bss", "--json", probes, meanwhile=lambda: call(callers, 5, 20, 100)
    )
    assert status == 0, said
    assert "tracing" not in said
    return json.loads(out)["value"]["hits"]


@pytest.mark.needs("uprobe", "perf_link")
@pytest.mark.parametrize(
    "program",
    [
        "at_entry",
        "at_return",
        pytest.param("at_many", marks=pytest.mark.needs("uprobe_multi")),
        pytest.param("in_session", marks=pytest.mark.needs("uprobe_session")),
        pytest.param("at_usdt", marks=pytest.mark.needs("attach_cookie")),
    ],
)
def test_a_probe_whose_section_says_where_sees_the_given_process_alone(probes, callers, program):
    twice = 2 if program == "in_session" else 1
    assert hits(probes, program, callers, callers[:1]) == 5 * twice


@pytest.mark.needs("uprobe", "perf_link")
def test_a_probe_whose_section_says_where_sees_each_of_several_processes(probes, callers):
    assert hits(probes, "at_entry", callers, callers[:2]) == 25


@pytest.mark.needs("uprobe", "perf_link")
def test_without_pid_a_probe_sees_every_process(probes, callers):
    assert hits(probes, "at_entry", callers, []) >= 125


@pytest.mark.needs("uprobe", "perf_link")
def test_the_process_of_a_probe_may_be_given_where_nothing_is_shown(probes, callers):
    status, _, said = run("-P", "at_entry", "--pid", callers[0].pid, "-N", "--no-events", probes)
    assert status == 0, said


def test_a_process_is_given_for_nothing_where_nothing_is_for_it(compiled):
    status, _, said = run("--pid", os.getpid(), "-N", "--no-events", "--map", "raw_hits", compiled("basic"))
    assert status == 2
    assert "--pid is about the trace and events" in said


@pytest.mark.needs("uprobe", "perf_link")
def test_a_named_target_is_not_added_to_that_of_the_section(probes, callers):
    options = ("--pid", callers[0].pid, "--uprobe", "at_entry=libc:getsid", "-N")
    status, _, said = run("-P", "at_entry", *options, probes)
    assert status == 0, said
    assert said.count("attached program at_entry") == 1


@pytest.mark.needs("uprobe")
def test_what_libbpf_refuses_of_a_section_is_refused_with_pid_too(probes, callers):
    status, _, said = run("-P", "amid", "--pid", callers[0].pid, probes)
    assert status == 1
    assert "uretprobes do not support offset" in said
