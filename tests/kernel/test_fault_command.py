"""Each system call of the command fails once, by strace: one message and status 1, or it goes on; nothing stays.

With LIBBPF_CFFI_FAULT_SECONDS=0 (`make faults`) all calls of all kinds, else some of each, the same ones each time.
"""

from __future__ import annotations

import collections
import errno
import os
import random
import re
import signal
import subprocess
import sys

import pytest

from libbpf_cffi import tracefs as places

EXHAUSTIVE = os.environ.get("LIBBPF_CFFI_FAULT_SECONDS") == "0"
SAMPLE = 1
"""Calls of each kind that fail, if not all do."""

DEADLINE = 60
PACKAGE = os.path.dirname(os.path.dirname(places.__file__))

ERRORS = {
    "bpf": ("ENOMEM", "EMFILE", "EPERM", "EINVAL", "EINTR", "EBUSY"),
    "perf_event_open": ("EMFILE", "EACCES", "ENODEV", "ENOMEM", "EBUSY"),
    "mmap": ("ENOMEM", "EPERM"),
    "epoll_create1": ("EMFILE", "ENOMEM"),
    "epoll_ctl": ("ENOMEM", "ENOSPC"),
    "epoll_wait": ("EINTR", "EINVAL"),
    "openat": ("EMFILE", "ENFILE", "EACCES", "ENOENT"),
    "ioctl": ("EPERM", "ENOMEM", "EEXIST"),
    "clone,clone3,fork,vfork": ("EAGAIN", "ENOMEM"),
    "socket": ("EMFILE", "ENOBUFS"),
    "sendto": ("ENOBUFS",),
    "recvmsg": ("ENOMEM",),
    "read": ("EIO", "EINTR"),
    "pread64": ("EIO",),
    "eventfd2": ("EMFILE", "ENOMEM"),
    "pipe2": ("EMFILE",),
    "mkdir,mkdirat": ("EACCES", "ENOSPC"),
    "statx,newfstatat,fstat": ("EIO",),
}
"""The telling errnos of each kind of call."""

COMMANDS = {
    "trace": ("printing", ["--duration", "0.05", "--instance"]),
    "raw trace": ("printing", ["--duration", "0.05", "--raw"]),
    "events and maps": ("streams", ["--duration", "0.05", "--json", "--map", ".bss=20ms"]),
    "pins": ("basic", ["--duration", "0.05", "--no-trace", "--pin", "PINS"]),
    "a target": ("runs", ["--duration", "0.05", "--no-trace", "-P", "drop", "--ifindex", "lo"]),
    "a command": ("basic", ["--no-trace", "--", "true"]),
}


def run(pins, arguments, *before):
    command = [*before, sys.executable, "-bb", "-m", "libbpf_cffi.run", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": PACKAGE, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            # What strace has started would live on without it.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def calls_of(listing, path):
    """Count the calls of the main thread, all of them and those before it opens the object."""
    first, counts, start = "", collections.Counter(), None
    for line in listing.splitlines():
        pid, _, rest = line.partition(" ")
        first = first or pid
        if pid != first:
            continue
        name = re.match(r"\s*(\w+)\(", rest)
        if name is None:
            continue
        if start is None and str(path) in rest and "openat" in rest:
            start = counts.copy()
        counts[name[1]] += 1
    assert start is not None
    return counts, start


def cases_of(counts, start):
    found = []
    for names, errors in ERRORS.items():
        for name in names.split(","):
            each = [(name, number, error) for number in range(start[name] + 1, counts[name] + 1) for error in errors]
            random.Random(name).shuffle(each)
            found += each if EXHAUSTIVE else each[:SAMPLE]
    return found


def left_by(output, tracefs):
    """The trace instances of the process that strace has written of: they have its number, others' have others."""
    pid = output.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    return [name for name in os.listdir(f"{tracefs}/instances") if name.startswith(f"libbpf_cffi-{pid}-")]


def trouble_of(done):
    """Say what is wrong with an end of the command."""
    if done.returncode not in (0, 1):
        return f"ends with {done.returncode}"
    if "Traceback" in done.stderr or "a fault of bpf-run" in done.stderr:
        return "has no words for it"
    errors = [line for line in done.stderr.splitlines() if line.startswith("bpf-run: error: ")]
    if len(errors) != done.returncode:
        return f"says {len(errors)} errors"
    return ""


@pytest.mark.unsanitized("strace would look at what the sanitizer starts")
@pytest.mark.slow_emulated
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_call_of_the_command_fails_it_says_so_and_leaves_nothing(
    name, root, tracefs, pins, compiled, private_mounts, tmp_path
):
    source, options = COMMANDS[name]
    path = compiled(source)
    folder = pins / "command"
    arguments = [*options]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    arguments[at:at] = [path]
    arguments = [folder if each == "PINS" else each for each in arguments]
    output = tmp_path / "strace"
    kinds = ",".join(f"?{each}" for names in ERRORS for each in names.split(","))
    clean = run(pins, arguments, "strace", "-f", "-o", output, "-e", f"trace={kinds}")
    assert clean.returncode == 0, clean.stderr
    subprocess.run(["rm", "-rf", folder], check=True)
    bad, failed = [], 0
    for call, number, error in cases_of(*calls_of(output.read_text(errors="replace"), path)):
        what = f"{call} {number} {error}"
        try:
            done = run(
                pins, arguments, "strace", "-f", "-o", output, "-e", f"trace={call}",
                "-e", f"inject={call}:error={error}:when={number}",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            bad.append(f"{what}: hangs")
            continue
        failed += 1
        trouble = trouble_of(done)
        if done.returncode and os.path.exists(folder):
            trouble += " leaves pins"
        subprocess.run(["rm", "-rf", folder], check=True)
        if left := left_by(output, tracefs):
            trouble += f" leaves instances {left}"
        if trouble:
            bad.append(f"{what}: {trouble}\n{done.stderr}")
    assert not bad, "\n".join(bad)
    assert failed >= 8
    print(f"{name}: {failed} calls failed")


assert all(hasattr(errno, each) for errors in ERRORS.values() for each in errors)
