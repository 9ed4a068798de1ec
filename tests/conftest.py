"""What every test has: BPF objects compiled from sources, mounted file systems, and a check that nothing leaks.

``@pytest.mark.needs("kprobe", "map:ARENA")`` skips a test where the kernel lacks something; features.py knows how to
find out. ``LIBBPF_CFFI_NO_SKIP=1`` turns every skip into a failure. ``LIBBPF_CFFI_LEAK_CHECK=own`` looks for leaks in
this process alone, for a machine on which others load programs meanwhile. ``LIBBPF_CFFI_TEST_OBJECTS`` is a folder of
BPF objects that were compiled before. ``LIBBPF_CFFI_FEATURES`` is a file for what the kernel has and lacks.
``LIBBPF_CFFI_LAST_TEST`` is a file for the name of the test that began last.
``LIBBPF_CFFI_SANITIZED``: the package has sanitizers inside, and tests that are marked ``unsanitized`` are left out.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib.util
import json
import os
import platform
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import left_behind
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from lab import Lab

    import libbpf_cffi as bpf

TESTS = Path(__file__).resolve().parent
SOURCES = TESTS / "bpf"

# A shell's background jobs ignore the one, nohup the other, and what tests start would inherit that.
for _number, _action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _action)

IS_DEBIAN = "LIBBPF_CFFI_DEBIAN_MIRROR" in os.environ or platform.freedesktop_os_release().get("ID") == "debian"
"""Whether the machine has Debian's archive, or has been told where it is."""

os.environ.update([left_behind.MARK.decode().split("=")])

CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Fail what is skipped, when asked to; an expected failure is reported as a skip and stays one."""
    outcome = yield
    report = outcome.get_result()
    elsewhere = item.get_closest_marker("debian") is not None and not IS_DEBIAN
    asked = os.environ.get("LIBBPF_CFFI_NO_SKIP") == "1"
    if report.skipped and asked and not elsewhere and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but skips are failures here: {report.longrepr}"


@functools.cache
def _features() -> ModuleType:
    """Import features.py by its path, for tests are no package, and only when the wheel is wanted."""
    spec = importlib.util.spec_from_file_location("features", TESTS / "features.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_sessionstart(session: pytest.Session) -> None:
    """Write down which features the kernel has, for tools/vm-kernels to compare kernels by."""
    path = os.environ.get("LIBBPF_CFFI_FEATURES")
    if path is not None:
        found = {"kernel": os.uname().release, "features": _features().all_features()}
        Path(path).write_text(json.dumps(found, indent=1), encoding="utf-8")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Keep the name of the test that runs: one that hangs ends the run, and what tells it is a long dump ago."""
    path = os.environ.get("LIBBPF_CFFI_LAST_TEST")
    if path is not None:
        Path(path).write_text(f"{nodeid} at {time.strftime('%H:%M:%S')}\n", encoding="utf-8")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tell in a virtual machine at once why a test failed: it may not get to the end, where pytest tells it."""
    if report.failed and os.environ.get("LIBBPF_CFFI_VM") == "1":
        os.write(2, f"\n{report.nodeid}, {report.when}: {report.longreprtext[-3000:]}\n".encode())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what the kernel lacks, or the distribution."""
    if item.get_closest_marker("debian") is not None and not IS_DEBIAN:
        pytest.skip("its kernels are Debian's: on another distribution LIBBPF_CFFI_DEBIAN_MIRROR may name a mirror")
    unsanitized = item.get_closest_marker("unsanitized")
    if unsanitized is not None and "LIBBPF_CFFI_SANITIZED" in os.environ:
        pytest.skip(f"not with sanitizers: {unsanitized.args[0]}")
    features = [feature for mark in item.iter_markers("needs") for feature in mark.args]
    if features:
        require(*features)


def require(*features: str) -> None:
    """Skip what needs features that the kernel lacks."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    lacking = [feature for feature in features if not _features().kernel_has(feature)]
    if lacking:
        pytest.skip(f"kernel {os.uname().release} has no {', '.join(lacking)}")


@pytest.fixture(scope="session")
def requires() -> Callable[..., None]:
    """Skip what needs features that the kernel lacks: for fixtures, which can have no marker."""
    return require


@pytest.fixture(scope="session")
def kernel_has() -> Callable[[str], bool]:
    """Tell whether the kernel has a feature: for tests of what is said where it has not."""
    return _features().kernel_has


@pytest.fixture(scope="session")
def root() -> None:
    """Skip what needs root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(scope="session")
def private_mounts(root: None) -> None:
    """Give this process mounts of its own, so that what tests mount ends with it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        error = ctypes.get_errno()
        pytest.skip(f"no mount namespace of our own: {os.strerror(error)}")


@pytest.fixture(scope="session")
def tracefs(private_mounts: None) -> str:
    """Mount tracefs at its usual place."""
    return _mount("tracefs", "/sys/kernel/tracing", "trace_pipe")


@pytest.fixture(scope="session")
def bpffs(private_mounts: None) -> str:
    """Mount a BPF file system of our own at its usual place, over the machine's."""
    return _mount("bpf", "/sys/fs/bpf", None)


def _mount(kind: str, where: str, has: str | None) -> str:
    if has is None or not os.path.exists(os.path.join(where, has)):
        subprocess.run(["mount", "-t", kind, kind, where], check=True)
    return where


@pytest.fixture
def pins(bpffs: str) -> Iterator[Path]:
    """Give a folder for pins, and take away what is pinned there."""
    folder = Path(bpffs, f"test-{os.getpid()}")
    folder.mkdir(mode=0o700)
    yield folder
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compile a source of tests/bpf or examples by its name, once; return the object's path."""
    from libbpf_cffi import compile_object

    folder = tmp_path_factory.mktemp("objects")

    def compile_source(name: str) -> Path:
        ready = Path(os.environ.get("LIBBPF_CFFI_TEST_OBJECTS", folder), f"{name}.bpf.o")
        if ready.exists():
            return ready
        output = folder / f"{name}.bpf.o"
        if not output.exists():
            source = SOURCES / f"{name}.bpf.c"
            if not source.exists():
                source = TESTS.parent / "examples" / f"{name}.bpf.c"
            output.write_bytes(compile_object(source))
        return output

    return compile_source


OBJECTS_NEED = {
    "arena": "map:ARENA",
    "map_kinds": "map:BLOOM_FILTER",
    "perf": "bpf_loop",
    "rings": "program:SYSCALL",
    "runs": "program:SYSCALL",
    "struct_ops": "struct_ops_link",
    "user_ring": "map:USER_RINGBUF",
    "variables_arena": "map:ARENA",
}
"""What the kernel must have to load the whole of an object."""


@pytest.fixture
def opened(root: None, compiled: Callable[[str], Path]) -> Iterator[Callable[..., bpf.Object]]:
    """Open the object of a source by its name; it is closed after the test."""
    import libbpf_cffi as bpf

    objects = []

    def open_object(name: str, **options: object) -> bpf.Object:
        obj = bpf.Object.open(compiled(name), **options)
        objects.append(obj)
        return obj

    yield open_object
    for obj in objects:
        obj.close()


@pytest.fixture
def loaded(opened: Callable[..., bpf.Object], tracefs: str) -> Callable[..., bpf.Object]:
    """Open and load the object of a source by its name; it is closed after the test."""

    def load_object(name: str, **options: object) -> bpf.Object:
        if name in OBJECTS_NEED:
            require(OBJECTS_NEED[name])
        obj = opened(name, **options)
        obj.load()
        return obj

    return load_object


@pytest.fixture
def one_program(opened: Callable[..., bpf.Object], tracefs: str) -> Callable[..., tuple[bpf.Object, bpf.Program]]:
    """Load one program of a source's, with variables set, and give its object and itself."""

    def load(source: str, name: str, **variables: object) -> tuple[bpf.Object, bpf.Program]:
        obj = opened(source)
        for each in obj.programs.values():
            each.autoload = each.name == name
        for variable, value in variables.items():
            obj.variables[variable] = value
        obj.load()
        return obj, obj.programs[name]

    return load


@pytest.fixture
def create(root: None) -> Iterator[Callable[..., bpf.Map]]:
    """Create a map, closed after the test."""
    import libbpf_cffi as bpf

    made = []

    def create_map(*arguments: object, **keywords: object) -> bpf.Map:
        made.append(bpf.Map.create(*arguments, **keywords))
        return made[-1]

    yield create_map
    for each in made:
        each.close()


@pytest.fixture
def lab(private_mounts: None) -> Iterator[Lab]:
    """Make two network namespaces with a cable between them."""
    from lab import Lab

    with Lab() as made:
        yield made


@pytest.fixture
def only(opened: Callable[..., bpf.Object]) -> Callable[..., bpf.Object]:
    """Load an object with some of its programs only: those of newer kernels stay out."""

    def load(source: str, *names: str) -> bpf.Object:
        obj = opened(source)
        for program in obj.programs.values():
            program.autoload = program.name in names
        obj.load()
        return obj

    return load


def pytest_collection_finish(session: pytest.Session) -> None:
    """Take what pytest and the test files are made of out of each collection after a test: that is most of its time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def suspects() -> Iterator[left_behind.Suspects]:
    """Keep what may have been left in the kernel until it has gone, or until it should have."""
    kept = left_behind.Suspects()
    yield kept
    left = kept.wait()
    assert not left, f"tests left these in the kernel: {', '.join(left)}"


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a descriptor, a handler of a signal, a probe, a program, a map or a link behind."""
    if request.path.relative_to(TESTS).parts[0] not in {"kernel", "vm"} or request.node.get_closest_marker("may_leak"):
        yield
        return
    everywhere = os.environ.get("LIBBPF_CFFI_LEAK_CHECK") != "own"
    suspects = request.getfixturevalue("suspects") if everywhere else None
    before, signals, events = left_behind.descriptors(), left_behind.signals(), left_behind.probe_events()
    ids = left_behind.kernel_ids() if everywhere else {}
    yield
    gc.collect()
    after = left_behind.descriptors()
    leaked = {fd: target for fd, target in after.items() if before.get(fd) != target}
    assert not leaked, f"the test left descriptors open: {leaked}"
    assert left_behind.signals() == signals, "the test left other handlers of signals"
    assert left_behind.probe_events() <= events, "the test left events of probes in tracefs"
    if suspects is not None:
        suspects.add(ids, request.node.nodeid)
        left = suspects.stayed()
        assert not left, f"this test or one before it left these in the kernel: {', '.join(left)}"
