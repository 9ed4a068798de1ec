"""What the kernel tests have: objects by name, what the kernel says of programs, child processes, a control group."""

from __future__ import annotations

import errno
import os
import platform
import struct
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from producer import Producer

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE = 20.0
"""Seconds to wait for what the kernel does by and by and tells nobody."""


def hits(counter: bpf.Map, pid: int | None = None) -> int:
    """What a map of basic.bpf.c has counted for a process, by default this one."""
    key = ffi.new("__u32 *", os.getpid() if pid is None else pid)
    value = ffi.new("__u64 *")
    if lib.bpf_map_lookup_elem(counter.fd, key, value) < 0:
        assert ffi.errno == errno.ENOENT
        return 0
    return int(value[0])


@pytest.fixture
def counted() -> Callable[..., int]:
    """Call getppid() and give by how much a map of basic.bpf.c has grown."""

    def call(counter: bpf.Map, times: int = 3) -> int:
        before = hits(counter)
        for _ in range(times):
            os.getppid()
        return hits(counter) - before

    return call


def variable(obj: bpf.Object, section: str, size: int, offset: int = 0) -> int:
    """Read an integer of a data section."""
    found = obj.maps[section]
    key = ffi.new("__u32 *", 0)
    value = ffi.new("char[]", found.value_size)
    assert lib.bpf_map_lookup_elem(found.fd, key, value) == 0
    return int.from_bytes(ffi.buffer(value)[offset : offset + size], sys.byteorder)


@pytest.fixture
def data() -> Callable[..., int]:
    """Read an integer of a data section: object, section, size in bytes, offset."""
    return variable


def run_with_packet(program: bpf.Program, packet: bytes = bytes(64)) -> int:
    """Run a program on a packet, as the kernel lets one, and give what it returned."""
    memory = ffi.new("char[]", packet)
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof("struct bpf_test_run_opts")
    options.data_in, options.data_size_in = memory, len(packet)
    assert lib.bpf_prog_test_run_opts(program.fd, options) == 0
    return int(options.retval)


@pytest.fixture
def run_packet() -> Callable[..., int]:
    """Run a program on a packet: the program, and the bytes if they matter."""
    return run_with_packet


def links_of(program_id: int) -> list[int]:
    """The ids of the kernel's links that attach a program."""
    found = []
    following = ffi.new("__u32 *")
    at = 0
    while lib.bpf_link_get_next_id(at, following) == 0:
        at = following[0]
        fd = lib.bpf_link_get_fd_by_id(at)
        if fd < 0:
            continue  # gone meanwhile
        info = ffi.new("struct bpf_link_info *")
        size = ffi.new("__u32 *", ffi.sizeof("struct bpf_link_info"))
        if lib.bpf_link_get_info_by_fd(fd, info, size) == 0 and info.prog_id == program_id:
            found.append(at)
        os.close(fd)
    return found


@pytest.fixture
def attached() -> Callable[[int], list[int]]:
    """Give the ids of the kernel's links that attach the program of an id."""
    return links_of


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Wait for what nobody announces."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
        time.sleep(0.002)


@pytest.fixture
def until() -> Callable[[Callable[[], object], str], None]:
    """Wait for what the kernel does by and by: a predicate, and what it is."""
    return wait_until


def program_exists(program_id: int) -> bool:
    """Tell whether the kernel has a program of that id."""
    fd = lib.bpf_prog_get_fd_by_id(program_id)
    if fd >= 0:
        os.close(fd)
    return fd >= 0


@pytest.fixture
def exists() -> Callable[[int], bool]:
    """Tell whether the kernel has a program of an id."""
    return program_exists


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., str]:
    """Run a piece of Python in a child, with warnings as errors; give what it printed.

    A child that fails, by an exception or a signal, fails the test; one that writes to stderr too.
    """

    def run(code: str, *arguments: object, quiet: bool = True, before: tuple[str, ...] = (), **environment: str) -> str:
        command = [
            *before,
            sys.executable,
            "-bb",
            "-X",
            "faulthandler",
            "-W",
            "error",
            "-c",
            code,
            *map(str, arguments),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=240, env={**os.environ, **environment}, check=False
        )
        assert done.returncode == 0, f"the child ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        if quiet:
            assert not done.stderr
        return done.stdout

    return run


@pytest.fixture
def in_fork() -> Callable[[Callable[[], object]], object]:
    """Call a function in a forked child and give what it returned, as text; its exception is the test's failure."""

    def call(function: Callable[[], object]) -> str:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                os.close(reading)
                try:
                    said = f"={function()}"
                    status = 0
                except BaseException as error:
                    said = f"!{type(error).__name__}: {error}"
                with open(writing, "w", encoding="utf-8") as file:
                    file.write(said)
            finally:
                os._exit(status)
        os.close(writing)
        with open(reading, encoding="utf-8") as file:
            said = file.read()
        _, status = os.waitpid(pid, 0)
        assert status == 0, said or f"the child ended with wait status {status}"
        return said[1:]

    return call


@pytest.fixture
def x86() -> None:
    """Skip what knows a number of a system call of x86-64."""
    if platform.machine() != "x86_64":
        pytest.skip("knows the system calls of x86-64 only")


@pytest.fixture
def cgroup(root: None) -> Iterator[str]:
    """Make a control group (version 2) and give its folder."""
    from libbpf_cffi import tracefs as places

    folder = os.path.join(places.find_cgroup2(), f"libbpf_cffi-test-{os.getpid()}")
    os.mkdir(folder)
    yield folder
    os.rmdir(folder)


@pytest.fixture(scope="session")
def usdt_target(requires: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compile the target of usdt.bpf.c and let PATH lead to it, as libbpf looks for it."""
    requires("attach_cookie")
    folder = tmp_path_factory.mktemp("usdt")
    target = folder / "libbpf_cffi_usdt"
    source = os.path.join(os.path.dirname(__file__), "..", "bpf", "usdt_target.c")
    subprocess.run(["cc", "-o", str(target), source], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        yield target


@pytest.fixture
def together() -> Callable[..., list[BaseException]]:
    """Run functions in threads that start at once; give the exceptions that came out of them."""

    def run(*functions: Callable[[], object]) -> list[BaseException]:
        failures: list[BaseException] = []
        start = threading.Barrier(len(functions))

        def body(function: Callable[[], object]) -> None:
            try:
                start.wait()
                function()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=body, args=(function,), daemon=True) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE * 6)
            assert not thread.is_alive(), "a thread hangs"
        return failures

    return run


@pytest.fixture
def producer_of() -> type[Producer]:
    """Give what makes a producer of rings.bpf.c, however it was loaded."""
    return Producer


@pytest.fixture
def producer(loaded: Callable[..., bpf.Object]) -> Producer:
    """Load rings.bpf.c, and give what has its programs send events."""
    return Producer(loaded("rings"))


class PerfProducer(Producer):
    """Runs the programs of perf.bpf.c, each of which fills a perf buffer: that of one CPU, wherever this thread is."""

    ROOMY: ClassVar[dict[str, int]] = {"page_cnt": 128}
    LARGE: ClassVar[dict[str, int]] = {"page_cnt": 512}

    def reader(self, event_map: Any = None, *arguments: Any, **keywords: Any) -> Any:
        """Open a reader of the events, or of another map of them."""
        return (event_map or self.obj.maps["events"]).perf_buffer(*arguments, **keywords)

    def __call__(
        self, count: int, program: str = "produce", *, size: int = 16, step: int = 0, first: int | None = None,
        cpu: int = 0,
    ) -> tuple[int, int]:  # fmt: skip
        """Have `count` events sent on a CPU; give how many were, and how many found no room."""
        number = self.sent + self.lost if first is None else first
        order = struct.pack("=4Q", number, count, size, step)
        opts = ffi.new("struct bpf_test_run_opts *")
        opts.sz = ffi.sizeof(opts[0])
        memory = ffi.from_buffer(order)
        opts.ctx_in = memory
        opts.ctx_size_in = len(order)
        opts.flags = lib.BPF_F_TEST_RUN_ON_CPU
        opts.cpu = cpu
        result = lib.bpf_prog_test_run_opts(self.obj.programs[program].fd, opts)
        assert result == 0, os.strerror(-result)
        lost = int(opts.retval)
        return self._counted(count - lost, lost)


@pytest.fixture
def perf(requires: Callable[..., None], loaded: Callable[..., bpf.Object]) -> PerfProducer:
    """Load perf.bpf.c, and give what has its programs send events."""
    requires("bpf_loop")
    return PerfProducer(loaded("perf"))


@pytest.fixture(params=["producer", "perf"])
def source(request: pytest.FixtureRequest, private_mounts: None) -> Producer:
    """Give what sends events, into a ring buffer or into a perf buffer.

    The mounts come before the check of leaks: in a virtual machine they change the names of what is open.
    """
    found: Producer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def call_all(
    requires: Callable[..., None], compiled: Callable[[str], Path], tracefs: str, cgroup: str, tmp_path: Path
) -> Callable[[str], None]:
    """Run a script of tests/support that calls every public function, and fail with what it prints if it fails."""
    requires("struct_ops_link", "tcx", "map:BLOOM_FILTER", "map:ARENA", "map:CGRP_STORAGE", "bpf_loop")
    for name in ("basic", "rings", "perf_one", "user_ring", "values", "variables", "attach_net", "struct_ops"):
        (tmp_path / f"{name}.o").symlink_to(compiled(name))

    def call(script: str) -> None:
        command = [sys.executable, "-bb", script, str(tmp_path), str(cgroup)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    return call
