"""A process that lives the life of a world: steps come through a pipe, and if it dies, what it did is known."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import faulthandler
import json
import os
import select
import shutil
import tempfile
import time
import traceback
import warnings
from typing import Any

from machine_left import open_things
from machine_world import Defect, World

from libbpf_cffi import ffi, lib
from libbpf_cffi.tracefs import find_cgroup2

PATIENCE = 60.0
"""Seconds that one step may take."""

TAIL = 60
"""How many lines of what a child did are shown when it dies."""

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A forked process with a `World`, and its own network namespace."""

    def __init__(self, objects: dict[str, str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="lbc-machine-")
        self.cgroup = os.path.join(find_cgroup2(), os.path.basename(self.folder))
        os.mkdir(self.cgroup)
        self._log = os.path.join(self.folder + ".log")
        self._poll = select.poll()
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self.steps = 0
        self.pid = os.fork()
        if not self.pid:
            os.close(self._orders)
            os.close(self._answers)
            _serve(objects, self.folder, self.cgroup, self._log, orders, answers)
        os.close(orders)
        os.close(answers)
        self._poll.register(self._answers, select.POLLIN)
        self._buffer = b""

    def __call__(self, verb: str, *arguments: Any) -> Any:
        """Have a step done; raises `Defect` if the child dies, hangs, or something is wrong."""
        self.steps += 1
        with contextlib.suppress(BrokenPipeError):
            os.write(self._orders, json.dumps([verb, *arguments]).encode() + b"\n")
        deadline = time.monotonic() + PATIENCE + 10
        while b"\n" not in self._buffer:
            if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                # faulthandler has had its ten seconds.
                os.kill(self.pid, 9)
                raise Defect(f"{verb} {arguments} hangs\n{self._end()}")
            some = os.read(self._answers, 1 << 16)
            if not some:
                raise Defect(f"{verb} {arguments}: the process died\n{self._end()}")
            self._buffer += some
        line, self._buffer = self._buffer.split(b"\n", 1)
        status, answer = json.loads(line)
        if status == "defect":
            raise Defect(f"{verb} {arguments}: {answer}\n{self._end()}")
        return answer

    def close(self) -> dict[str, Any]:
        """End the life; give what was done in it."""
        try:
            told = self("end")
            self._end()
            gone({tuple(each) for each in told.pop("own")})
        finally:
            self._end()
        return told

    def _end(self) -> str:
        """Take the child away; give how it ended and what it did last."""
        if self.pid is None:
            return ""
        for fd in (self._orders, self._answers):
            os.close(fd)
        deadline = time.monotonic() + 10
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                os.kill(self.pid, 9)
                _, status = os.waitpid(self.pid, 0)
                break
            time.sleep(0.002)
        self.pid = None
        with open(self._log, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
        os.unlink(self._log)
        shutil.rmtree(self.folder, ignore_errors=True)
        for _ in range(200):
            with contextlib.suppress(OSError):
                os.rmdir(self.cgroup)
                break
            time.sleep(0.01)
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
        return f"ended with {ended}; what it did last:\n{''.join(lines[-TAIL:])}"


def gone(own: set[tuple[str, int]]) -> None:
    """Wait until the kernel has let go of what a process had, by its numbers; `Defect` if it does not."""
    by = {"map_id": lib.bpf_map_get_fd_by_id, "prog_id": lib.bpf_prog_get_fd_by_id,
          "link_id": lib.bpf_link_get_fd_by_id}  # fmt: skip
    deadline = time.monotonic() + 30
    while own:
        for kind, number in list(own):
            fd = by[kind](number)
            if fd >= 0:
                os.close(fd)
            elif ffi.errno == errno.ENOENT or fd == -errno.ENOENT:
                own.discard((kind, number))
        if time.monotonic() > deadline:
            raise Defect(f"these stayed in the kernel: {sorted(own)}")
        if own:
            time.sleep(0.005)


def _serve(objects: dict[str, str], folder: str, cgroup: str, log: str, orders: int, answers: int) -> None:
    status = 1
    try:
        fd = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        # Whatever has taken the place of sys.stderr.
        faulthandler.enable(fd)
        _watch(fd)
        own_places()
        warnings.simplefilter("ignore")
        _work(World(objects, folder, cgroup, fd), fd, orders, answers)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _watch(log: int) -> None:
    """Have a step that hangs end the process, and tell where.

    Not with a sanitizer inside: the thread that waits begins in its allocator, and a step that forks at that moment has
    a child in which the allocator is locked for ever. There whoever waits for the step ends the process.
    """
    if "LIBBPF_CFFI_SANITIZED" not in os.environ:
        faulthandler.dump_traceback_later(PATIENCE, exit=True, file=log)


def own_mounts() -> None:
    """Give this process mounts of its own, with tracefs among them."""
    if _libc.unshare(CLONE_NEWNS) or _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mounts of our own")
    if not os.path.exists("/sys/kernel/tracing/trace_pipe"):
        _libc.mount(b"tracefs", b"/sys/kernel/tracing", b"tracefs", 0, None)


def own_places() -> None:
    """Give this process a network and a BPF file system of its own, which end with it."""
    called = [_libc.unshare(CLONE_NEWNET | CLONE_NEWNS), _libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None),
              _libc.mount(b"bpf", b"/sys/fs/bpf", b"bpf", 0, b"mode=0700")]  # fmt: skip
    if any(called):
        raise OSError(ctypes.get_errno(), f"no places of our own: {called}")


def _work(world: World, log: int, orders: int, answers: int) -> None:
    # Its watch is a thread.
    _watch(log)
    before, tasks = open_things(), len(os.listdir("/proc/self/task"))
    buffer = b""
    while True:
        while b"\n" not in buffer:
            some = os.read(orders, 1 << 16)
            if not some:
                return
            buffer += some
        line, buffer = buffer.split(b"\n", 1)
        verb, *arguments = json.loads(line)
        _watch(log)
        try:
            if verb == "end":
                world.sample()
                world.end(before, tasks)
                answer = {"done": world.done, "well": world.well, "own": sorted(world.own)}
            else:
                answer = getattr(world, verb)(*arguments)
                world.sample()
                world.check()
            said = ["ok", answer]
        except BaseException:
            said = ["defect", traceback.format_exc()]
        faulthandler.cancel_dump_traceback_later()
        os.write(answers, json.dumps(said).encode() + b"\n")
