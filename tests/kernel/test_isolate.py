"""An object that is opened in a process of its own first: what libbpf does not survive there is an exception here."""

from __future__ import annotations

import errno
import os
import signal
import struct
import threading
import time

import pytest
from object_edit import EXEC, PROGBITS, Edited, Section, built, function, symbols

import libbpf_cffi as bpf
from libbpf_cffi import Btf, _isolate, objects
from libbpf_cffi import run as command

EXIT = b"\x95" + bytes(7)


@pytest.fixture
def unchecked(monkeypatch):
    """Let malformed objects reach libbpf: the checks are what would keep them away."""
    monkeypatch.setattr(objects, "check_object", lambda *_, **__: None)


@pytest.fixture(scope="module")
def good(compiled):
    return compiled("hostile").read_bytes()


@pytest.fixture
def deadly(good):
    """Give an object whose table of functions libbpf copies from 4 GB behind its section (init_struct_ops_maps())."""
    obj = Edited(good)
    found = Btf.from_bytes(obj.bytes_of(".BTF"))["section .struct_ops"].variables[0]
    # With a size the section has been linked: libbpf keeps the offsets.
    old = obj.words(0, found.type.id, found.offset, found.size)
    return bytes(obj.replace(".BTF", old, obj.words(16, found.type.id, 0xFFFFFFF0, found.size)).data)


def test_an_object_that_crashes_libbpf_is_an_exception_that_names_the_signal(unchecked, deadly):
    with pytest.raises(bpf.LibbpfError, match=r"cannot open object 'it'") as caught:
        bpf.Object.open(deadly, object_name="it", isolate=True)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.hint == "the file is malformed: it crashed libbpf (SIGSEGV), in a process of its own"


@pytest.mark.unsanitized("a sanitizer tells of the crash before it")
def test_without_it_that_object_ends_the_process(python, deadly, tmp_path):
    # Else the one above would say nothing.
    (tmp_path / "deadly.bpf.o").write_bytes(deadly)
    code = """
import os, sys
import libbpf_cffi as bpf
from libbpf_cffi import objects
objects.check_object = lambda *_, **__: None
if not (pid := os.fork()):
    import faulthandler
    faulthandler.disable()
    bpf.Object.open(sys.argv[1])
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert int(python(code, tmp_path / "deadly.bpf.o")) == -signal.SIGSEGV


def test_a_size_that_libbpf_returns_as_a_pointer_is_an_exception(unchecked, good):
    obj = Edited(good)
    content = obj.bytes_of(".BTF")
    start = obj.content(".BTF")[0] + content.index(obj.words(1 << 24, 4)) + 4
    obj.data[start : start + 4] = obj.words(0xFF000004)
    with pytest.raises(bpf.LibbpfError):
        bpf.Object.open(bytes(obj.data), isolate=True)


def test_an_object_that_takes_for_ever_is_an_exception(unchecked, monkeypatch):
    monkeypatch.setattr(_isolate, "SECONDS", 1)
    many = [Section("socket", PROGBITS, EXIT, EXEC)] * 60000
    data = built(*many, symbols(*[function(0, 0, 0)] * 500000))
    with pytest.raises(bpf.LibbpfError, match="libbpf came to no end with it, in a process of its own") as caught:
        bpf.Object.open(data, isolate=True)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_is_killed_from_outside_says_nothing_of_the_object(good, number):
    error = _isolate.not_survived(int(number), "open object 'it'", "the file is malformed", 10, 1 << 24)
    assert error.errno == errno.ECANCELED
    assert f"was killed from outside ({number.name})" in error.hint
    assert "malformed" not in str(error)


@pytest.fixture
def opened_with_little(python, tmp_path):
    """Open an object with so many MiB of memory; in a new process, for what an old one has freed it can use again."""

    def do(data, mebibytes):
        (tmp_path / "greedy.bpf.o").write_bytes(data)
        return python(
            """
import sys
import libbpf_cffi as bpf
from libbpf_cffi import _isolate, objects
objects.check_object = lambda *_, **__: None
_isolate.MEMORY = int(sys.argv[2]) << 20
try:
    bpf.Object.open(sys.argv[1], isolate=True)
except bpf.LibbpfError as error:
    print(error.errno, error)
""",
            tmp_path / "greedy.bpf.o",
            mebibytes,
        )

    return do


@pytest.mark.unsanitized("a sanitizer ends a process that has no addresses left")
def test_an_object_that_takes_all_memory_is_an_exception(opened_with_little):
    data = built(Section("socket", PROGBITS, EXIT * 10000, EXEC), symbols(*[function(1, 0, 80000)] * 2000))
    said = opened_with_little(data, 64)
    assert said.startswith(f"{errno.ENOMEM} ")
    assert "libbpf took 64 MiB of memory for it" in said


def test_types_that_there_is_no_memory_for_are_an_exception(opened_with_little):
    # Of those libbpf itself says that the object has none.
    size = 64 << 20
    types = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, size) + bytes(size)
    data = built(Section("socket", PROGBITS, EXIT, EXEC), Section(".BTF", PROGBITS, types), symbols(function(1, 0, 8)))
    assert "libbpf took 24 MiB of memory for it" in opened_with_little(data, 24)


@pytest.mark.unsanitized("a sanitizer ends a process that has no addresses left")
def test_what_stops_at_a_limit_of_memory_of_the_processs_own_names_that(python, tmp_path):
    data = built(Section("socket", PROGBITS, EXIT * 10000, EXEC), symbols(*[function(1, 0, 80000)] * 2000))
    (tmp_path / "greedy.bpf.o").write_bytes(data)
    said = python(
        """
import resource, sys
import libbpf_cffi as bpf
from libbpf_cffi import objects
objects.check_object = lambda *_, **__: None
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
limit = pages * resource.getpagesize() + (50 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    bpf.Object.open(sys.argv[1], isolate=True)
except bpf.LibbpfError as error:
    print(error.errno, limit, error.hint)
""",
        tmp_path / "greedy.bpf.o",
    )
    number, limit, hint = said.split(maxsplit=2)
    assert int(number) == errno.ENOMEM
    assert f"this process's own limit, RLIMIT_AS of {limit} bytes, leaves " in hint
    assert "malformed" not in hint
    assert 20 < int(hint.partition(" leaves ")[2].split()[0]) <= 50


def test_what_ends_at_a_limit_of_a_files_size_of_the_processs_own_names_that(python, compiled):
    said = python(
        """
import resource, sys
import libbpf_cffi as bpf
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for call in (lambda: bpf.Object.open(sys.argv[1], isolate=True), lambda: bpf.link_objects(sys.argv[1])):
    try:
        call()
    except bpf.LibbpfError as error:
        found = (error.errno, error.hint)
    # Else nothing can be written to the report of the test either.
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    print(*found)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
""",
        compiled("basic"),
    )
    hint = "this process's own limit, RLIMIT_FSIZE of 0 bytes, ended the process that this is done in (SIGXFSZ): raise"
    assert said.count(f"{errno.ECANCELED} {hint}") == 2


def test_what_ends_at_a_limit_of_time_of_the_processs_own_names_that(python, tmp_path):
    many = [Section("socket", PROGBITS, EXIT, EXEC)] * 60000
    (tmp_path / "long.bpf.o").write_bytes(built(*many, symbols(*[function(0, 0, 0)] * 500000)))
    said = python(
        """
import resource, sys, time
import libbpf_cffi as bpf
from libbpf_cffi import objects
objects.check_object = lambda *_, **__: None
limit = int(time.process_time()) + 2
# Both, as `ulimit -t` does.
resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
try:
    bpf.Object.open(sys.argv[1], isolate=True)
except bpf.LibbpfError as error:
    print(limit, error.errno, error.hint)
""",
        tmp_path / "long.bpf.o",
    )
    limit, number, hint = said.split(maxsplit=2)
    assert int(number) == errno.ECANCELED
    assert f"own limit, RLIMIT_CPU of {limit} seconds, ended the process that this is done in (SIGXCPU)" in hint


def test_a_child_that_somebody_stops_goes_on():
    if not (pid := os.fork()):
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(7)
    assert os.waitstatus_to_exitcode(_isolate._wait(pid)) == 7


def test_ctrl_c_ends_the_wait_for_a_child_and_the_child(unchecked):
    many = [Section("socket", PROGBITS, EXIT, EXEC)] * 60000
    data = built(*many, symbols(*[function(0, 0, 0)] * 500000))
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bpf.Object.open(data, isolate=True)
    assert time.monotonic() - start < 5
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_good_object_is_the_same(good):
    with (
        bpf.Object.open(good, isolate=True, object_name="tool") as one,
        bpf.Object.open(good, object_name="tool") as two,
    ):
        assert list(one.maps) == list(two.maps)
        assert list(one.programs) == list(two.programs)


def test_what_libbpf_refuses_by_itself_is_said_in_its_words(good):
    changed = Edited(good).of_symbol("program", "st_size", 0)
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(bytes(changed.data), isolate=True)
    assert "corrupted program" in "".join(caught.value.messages)


def test_no_process_and_no_descriptor_stays(unchecked, good, deadly):
    before = os.listdir("/proc/self/fd")
    bpf.Object.open(good, isolate=True).close()
    with pytest.raises(bpf.LibbpfError):
        bpf.Object.open(deadly, isolate=True)
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_somebody_else_may_ask_for_the_childs_status(python, compiled):
    code = "import signal, sys, libbpf_cffi as bpf; signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    said = python(f"{code}; bpf.Object.open(sys.argv[1], isolate=True).close()", compiled("hostile"))
    assert not said


def test_many_threads_may_do_it_at_once(python, compiled):
    python(
        """
import sys, threading
import libbpf_cffi as bpf
failed = []
def work():
    try:
        for _ in range(20):
            bpf.Object.open(sys.argv[1], isolate=True).close()
    except BaseException as error:
        failed.append(error)
threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
assert not failed, failed
""",
        compiled("hostile"),
    )


def test_the_command_opens_its_objects_so(unchecked, deadly, tmp_path, capfd):
    (tmp_path / "deadly.bpf.o").write_bytes(deadly)
    assert command.main(["--load-only", str(tmp_path / "deadly.bpf.o")]) == 1
    assert "it crashed libbpf (SIGSEGV)" in capfd.readouterr().err


def test_the_command_can_be_told_not_to(monkeypatch, root, compiled):
    monkeypatch.setattr(_isolate, "open_in_child", lambda *_: pytest.fail("it did"))
    assert command.main(["--load-only", "--no-isolate", str(compiled("basic"))]) == 0
