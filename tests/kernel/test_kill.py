"""SIGKILL before and after each call into C, and at any moment: nothing stays but what was pinned.

A child counts its calls into libbpf and into the system, and kills itself at one of them. ``LIBBPF_CFFI_KILLS`` is how
many of the moments of each job are tried, evenly spread; ``make kills`` tries all.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time

import pytest

import libbpf_cffi as bpf
import libbpf_cffi.run
from libbpf_cffi import kernel
from libbpf_cffi.tracefs import remove_stale_instances

KILLS = int(os.environ.get("LIBBPF_CFFI_KILLS", "24"))
"""Moments of each job."""

MARK = f"k{os.getpid()}"
"""Is in the name of every program and map, so that those of others are not taken for ours."""

SOURCE = f"""
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {{
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
}} {MARK}_hash SEC(".maps");

struct {{
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
}} {MARK}_ring SEC(".maps");

struct {{
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
}} {MARK}_perf SEC(".maps");

__u64 {MARK}_total;

SEC("raw_tp/sys_enter")
int {MARK}_raw(void *ctx)
{{
	volatile __u32 two = 1;
	__u32 key = two;

	{MARK}_total++;
	bpf_map_lookup_elem(&{MARK}_hash, &key);
	if (key == 2)
		bpf_perf_event_output(ctx, &{MARK}_perf, BPF_F_CURRENT_CPU, &key, sizeof(key));
	return 0;
}}

SEC("tracepoint/syscalls/sys_enter_getppid")
int {MARK}_tp(void *ctx)
{{
	bpf_printk("{MARK}");
	return 0;
}}

SEC("iter/task")
int {MARK}_iter(void *ctx)
{{
	return 0;
}}

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def marked(tmp_path_factory):
    """Compile an object whose programs and maps have names that nobody else's have."""
    path = tmp_path_factory.mktemp("kill") / f"{MARK}.bpf.o"
    bpf.compile_object(SOURCE, output=path)
    return path


def left():
    """The names of our programs and maps that are in the kernel."""
    return [each.name for each in (*kernel.programs(), *kernel.maps()) if each.name.startswith(MARK)]


def library(path, folder):
    """Do what a program of the library does."""
    with bpf.Object.open(path) as obj:
        obj.load()
        with (
            obj.maps[f"{MARK}_ring"].ring_buffer() as ring,
            obj.maps[f"{MARK}_perf"].perf_buffer() as perf,
            bpf.TracePipe(instance=True) as pipe,
        ):
            links = obj.attach()
            ring.consume()
            perf.consume()
            pipe.read(timeout=0)
            obj.maps[f"{MARK}_hash"][1] = 2
            assert obj.variables[f"{MARK}_total"] > 0
            links[f"{MARK}_iter"].read()
            links[f"{MARK}_raw"].close()


def pinning(path, folder):
    """Pin everything that can be pinned."""
    with bpf.Object.open(path) as obj:
        obj.load()
        links = obj.attach()
        links[f"{MARK}_raw"].pin(f"{folder}/all/link")
        obj.pin(f"{folder}/all/object")


def command(path, folder):
    """Run the command."""
    silent()
    assert libbpf_cffi.run.main(["-q", "-i", "-d", "0", str(path), "--", "true"]) == 0


def pinning_command(path, folder):
    """Run the command, and have it pin."""
    silent()
    assert libbpf_cffi.run.main(["-q", "-i", "-d", "0", "--pin", f"{folder}/all", str(path)]) == 0


def silent():
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)


JOBS = {"library": library, "pinning": pinning, "command": command, "command that pins": pinning_command}

OURS = ("bpf_", "btf_", "lbc_", "libbpf_", "ring_buffer_", "perf_buffer_")


def child(job, path, folder, moment):
    """Do a job in a fork, which kills itself at a moment; without one, give how many there are."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            said = file.read()
        return pid, os.waitpid(pid, 0)[1], int(said or 0)
    status = 1
    seen = 0

    def count(frame, event, function):
        nonlocal seen
        if event not in {"c_call", "c_return"}:
            return
        name = getattr(function, "__name__", "")
        if name.startswith(OURS) or (getattr(function, "__module__", "") == "posix" and name != "kill"):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    with contextlib.suppress(BaseException):
        os.close(reading)
        sys.setprofile(count)
        job(path, folder)
        sys.setprofile(None)
        os.write(writing, str(seen).encode())
        status = 0
    os._exit(status)


@pytest.fixture
def moments(marked, pins, tracefs):
    """Give the moments of a job that are tried; what is imported during the first run is no longer imported then."""

    def find(job):
        os.mkdir(pins / "first")
        # In this process as well: what it imports and remembers, its forks have.
        if job in (library, pinning):
            job(marked, pins / "first")
        else:
            _, status, _ = child(job, marked, pins / "first", None)
            assert status == 0
        clear(pins)
        os.mkdir(pins / "second")
        _, status, count = child(job, marked, pins / "second", None)
        assert status == 0
        clear(pins)
        assert count > 50
        step = max(1, count // KILLS)
        return range(1, count + 1, step)

    return find


def clear(folder):
    for each in os.listdir(folder):
        shutil.rmtree(folder / each)


@pytest.mark.slow_emulated
@pytest.mark.parametrize("name", JOBS)
def test_whatever_it_was_doing_when_it_was_killed_nothing_stays_but_pins(marked, moments, pins, tracefs, until, name):
    job = JOBS[name]
    killed = pinned = 0
    chosen = moments(job)
    for moment in chosen:
        pid, status, _ = child(job, marked, pins, moment)
        killed += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if os.path.exists(pins / "all"):
            # What was pinned stays until that is removed.
            pinned += 1
            clear(pins)
        assert os.listdir(pins) == []
        until(lambda: not left(), f"moment {moment}: {left()}")
        # A trace buffer of its own is the one thing that no process holds: the next one that makes one removes it.
        remove_stale_instances()
        assert not [each for each in os.listdir(f"{tracefs}/instances") if f"-{pid}-" in each]
    assert killed > len(chosen) // 2
    assert bool(pinned) == ("pin" in name)


@pytest.mark.slow_emulated
def test_a_command_that_is_killed_at_any_time_leaves_nothing(marked, tracefs, until):
    dice = random.Random(6)
    for _ in range(min(max(4, KILLS // 4), 100)):
        process = subprocess.Popen(
            [sys.executable, "-m", "libbpf_cffi.run", "-i", marked, "--", "sleep", "60"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(dice.random() * 0.4)
        process.kill()
        process.wait()
        until(lambda: not left(), f"{left()} to go")
    remove_stale_instances()


def test_the_command_that_was_to_be_traced_is_not_run_when_the_tracer_is_killed_first(marked, tracefs, tmp_path):
    # It waits for the word, and nobody is left to give it.
    os.mkfifo(tmp_path / "alive")
    reading = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    code = """
import os, signal, sys
import libbpf_cffi as bpf, libbpf_cffi.run
def attach(self):
    assert os.waitpid(-1, os.WNOHANG) == (0, 0), "there is no child"
    os.kill(os.getpid(), signal.SIGKILL)
bpf.Object.attach = attach
libbpf_cffi.run.main(sys.argv[1:])
"""
    writing = os.open(tmp_path / "alive", os.O_WRONLY)
    with subprocess.Popen(
        [sys.executable, "-c", code, marked, "--", "touch", tmp_path / "run"],
        stderr=subprocess.DEVNULL, pass_fds=(writing,),
    ) as process:  # fmt: skip
        os.close(writing)
        assert process.wait() == -signal.SIGKILL
    poll = select.poll()
    poll.register(reading, 0)
    assert poll.poll(20_000) == [(reading, select.POLLHUP)], "the child of a killed command lives on"
    os.close(reading)
    assert not os.path.exists(tmp_path / "run")


def test_a_table_of_functions_without_a_link_stays_until_its_element_is_deleted(python, compiled, requires):
    requires("struct_ops_link")
    said = python(
        """
import os, signal, sys
import libbpf_cffi as bpf
with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
    assert "lbc_" not in file.read()
reading, writing = os.pipe()
if not os.fork():
    obj = bpf.Object.open(sys.argv[1])
    obj.load()
    obj.attach()
    os.write(writing, str(obj.maps["without_link"].id).encode())
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
    print(sorted(each for each in file.read().split() if each.startswith("lbc_")))
with bpf.Map.from_id(int(os.read(reading, 20))) as left:
    key = bpf.ffi.new("__u32 *")
    assert bpf.lib.bpf_map_delete_elem(left.fd, key) == 0
with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
    assert "lbc_" not in file.read()
""",
        compiled("struct_ops"),
    )
    assert said == "['lbc_no_link']\n"
