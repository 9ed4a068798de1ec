"""Children made by fork: what is the parent's stays the parent's, whatever the child does or does not do."""

from __future__ import annotations

import contextlib
import copy
import gc
import os
import pickle
import re
import subprocess
import threading

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

SPEECH = "belongs to the process that forked this one"

# os.fork() warns in a process with threads (3.12); these tests are about just that.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def child():
    """Fork a child that does nothing until the test ends."""
    children = []

    def start():
        reading, writing = os.pipe()
        waiting, ready = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(writing)
            os.write(ready, b".")
            os.read(reading, 1)
            os._exit(0)
        # Until then the child may not have come to drop what is not its own.
        os.read(waiting, 1)
        for fd in (reading, waiting, ready):
            os.close(fd)
        children.append((pid, writing))

    yield start
    for _, writing in children:
        os.close(writing)
    for pid, _ in children:
        assert os.waitpid(pid, 0)[1] == 0


USES = {
    "name": lambda obj, link: obj.name,
    "load": lambda obj, link: obj.load(),
    "attach": lambda obj, link: obj.attach(),
    "programs": lambda obj, link: obj.programs["on_raw"],
    "program fd": lambda obj, link: link._owner.programs["on_raw"].fd,
    "link fd": lambda obj, link: link.fd,
    "link info": lambda obj, link: link.info,
    "detach": lambda obj, link: link.detach(),
    "disconnect": lambda obj, link: link.disconnect(),
    "pointer": lambda obj, link: bpf.pointer(obj).__enter__(),
}


@pytest.mark.parametrize("use", USES)
def test_use_in_a_child_is_a_closed_error_that_says_why(loaded, in_fork, use):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()

    def check():
        with pytest.raises(bpf.ClosedError, match=SPEECH):
            USES[use](obj, link)

    in_fork(check)
    assert not obj.closed


ENDS = {
    "os._exit": lambda obj, link: None,
    "close": lambda obj, link: (link.close(), obj.close()),
    "with": lambda obj, link: obj.__exit__(None, None, None),
    "collect": lambda obj, link: gc.collect(),
    "every descriptor closed": lambda obj, link: os.closerange(3, 1000),
}


@pytest.mark.parametrize("kind", [pytest.param("on_tracepoint", marks=pytest.mark.needs("perf_link")), "on_raw"])
@pytest.mark.parametrize("end", ENDS)
def test_whatever_a_child_does_the_parent_stays_attached(loaded, attached, counted, kind, end):
    obj = loaded("basic")
    link = obj.programs[kind].attach()
    pid = os.fork()
    if not pid:
        try:
            ENDS[end](obj, link)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert attached(obj.programs[kind].id) == [link.info.id]
    if kind == "on_tracepoint":
        assert counted(obj.maps["tracepoint_hits"]) == 3


@pytest.mark.parametrize(
    "name", ["of_tracepoint", "of_raw_tracepoint", "of_tp_btf", "of_uprobe", "of_uretprobe", "of_iterator"]
)
def test_what_the_parent_closes_is_detached_though_a_child_lives(loaded, attached, child, name):
    program = loaded("kinds").programs[name]
    link = program.attach()
    child()
    link.close()
    assert attached(program.id) == []


def test_a_whole_object_that_the_parent_closes_is_detached_though_children_live(loaded, attached, child):
    obj = loaded("basic")
    obj.attach()
    numbers = [obj.programs[name].id for name in ("on_tracepoint", "on_raw")]
    child()
    child()
    obj.close()
    assert [attached(number) for number in numbers] == [[], []]


@pytest.mark.every_kernel
def test_a_usdt_link_that_the_parent_closes_is_detached_though_a_child_lives(loaded, usdt_target, data, child):
    obj = loaded("usdt")
    link = obj.programs["on_probe"].attach()
    child()
    link.close()
    subprocess.run([usdt_target], check=True)
    assert data(obj, ".bss", 8) == 0


@pytest.mark.every_kernel
def test_an_opened_link_that_the_parent_closes_is_closed_though_a_child_lives(loaded, attached, child, pins, until):
    program = loaded("basic").programs["on_raw"]
    program.attach().pin(pins / "link")
    link = bpf.Link.open(pins / "link")
    link._handle
    child()
    link.unpin()
    link.close()
    for each in program._owner._handle.children:
        each.close()
    # What was pinned is let go of when no processor can be looking at the file any longer.
    until(lambda: attached(program.id) == [], "the link's end")


def test_a_grandchild_is_as_harmless_as_a_child(loaded, attached, in_fork):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()

    def check():
        pid = os.fork()
        if not pid:
            try:
                link.close()
                obj.close()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        with pytest.raises(bpf.ClosedError):
            _ = link.fd

    in_fork(check)
    assert attached(obj.programs["on_raw"].id) == [link.info.id]


def test_a_child_may_open_objects_of_its_own(loaded, compiled, in_fork, attached):
    outer = loaded("basic")
    outer.attach()

    def live():
        with bpf.Object.open(compiled("basic")) as obj:
            obj.load()
            return len(obj.attach())

    assert in_fork(live) == "2"
    assert len(attached(outer.programs["on_raw"].id)) == 1


def test_a_child_leaves_no_descriptor_of_the_parents_links_open(loaded, in_fork):
    obj = loaded("basic")
    obj.attach()

    def links():
        found = []
        for fd in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/self/fd/{fd}"))
        return [target for target in found if "bpf_link" in target or "perf_event" in target]

    assert in_fork(links) == "[]"


def test_a_child_closes_nothing_of_anybody_elses(loaded, in_fork):
    # A descriptor that was disconnected is the user's, in the child too.
    obj = loaded("basic")
    fd = obj.programs["on_raw"].attach().disconnect()
    try:
        assert in_fork(lambda: os.readlink(f"/proc/self/fd/{fd}")) == "anon_inode:bpf_link"
    finally:
        os.close(fd)


def test_a_child_of_a_process_with_a_closed_object_closes_nothing(loaded, in_fork):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()
    number = link.fd
    link.close()
    reading, writing = os.pipe()
    try:
        assert number in (reading, writing)
        assert "pipe" in in_fork(lambda: os.readlink(f"/proc/self/fd/{number}"))
    finally:
        os.close(reading)
        os.close(writing)


def test_a_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child(loaded, in_fork):
    obj = loaded("basic")
    obj.attach()
    holding, finish = threading.Event(), threading.Event()

    def hold():
        with bpf.pointer(obj):
            holding.set()
            finish.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait()

    def check():
        with pytest.raises(bpf.ClosedError, match=SPEECH):
            obj.load()
        obj.close()

    try:
        in_fork(check)
    finally:
        finish.set()
        thread.join()
    assert not obj.closed


def test_a_fork_inside_a_block_with_a_pointer_is_left_well(loaded):
    obj = loaded("basic")
    with bpf.pointer(obj):
        pid = os.fork()
        if not pid:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_child_that_leaves_the_block_with_a_pointer_ends_well(python, compiled):
    said = python(
        """
import os, sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    with bpf.pointer(obj):
        pid = os.fork()
    if pid:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
        compiled("basic"),
    )
    assert said == "0\n"


@pytest.mark.slow_emulated
@pytest.mark.parametrize("kind", ["on_tracepoint", "on_raw"])
def test_forks_while_other_threads_attach_and_close_harm_nobody(python, compiled, tracefs, kind):
    said = python(
        """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])
obj.load()
done = threading.Event()
failures = []

def work():
    try:
        while not done.is_set():
            with obj.programs[sys.argv[2]].attach() as link:
                link.info
    except bpf.LibbpfError as error:
        # Two of them at one tracepoint.
        if error.errno != 17:
            failures.append(error)

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
statuses = set()
for _ in range(60):
    pid = os.fork()
    if not pid:
        try:
            obj.close()
            with bpf.Object.open(sys.argv[1]) as own:
                own.load()
                own.programs["on_raw"].attach()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    statuses.add(os.waitpid(pid, 0)[1])
done.set()
for thread in threads:
    thread.join()
obj.close()
print(statuses, failures)
""",
        compiled("basic"),
        kind,
    )
    assert said == "{0} []\n"


@pytest.mark.needs("raw_tracepoint_twice")
@pytest.mark.slow_emulated
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_use_objects_of_their_own(python, compiled, tracefs, tmp_path, method):
    (tmp_path / "work.py").write_text(
        """
import multiprocessing, sys
import libbpf_cffi as bpf

def work(path):
    with bpf.Object.open(path) as obj:
        obj.load()
        return sorted(obj.attach())

if __name__ == "__main__":
    with bpf.Object.open(sys.argv[1]) as outer:
        outer.load()
        outer.attach()
        with multiprocessing.get_context(sys.argv[2]).Pool(3) as pool:
            print(pool.map(work, [sys.argv[1]] * 6) == [["on_raw", "on_tracepoint"]] * 6)
            pool.close()
            pool.join()
        print(len(outer.programs["on_raw"].attach().info.details) > 0)
"""
    )
    # From a file: a worker that is spawned imports it again.
    said = python(
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-W', 'error', *sys.argv[1:]]).returncode)",
        tmp_path / "work.py",
        compiled("basic"),
        method,
    )
    assert said.split() == ["True", "True"]


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_no_handle_of_ours_can_be_copied_or_sent_to_another_process(loaded, way):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()
    reader = obj.maps["events"].ring_buffer()
    for thing in (obj, obj.programs["on_raw"], obj.maps["events"], link, reader, bpf.Btf.new()):
        with pytest.raises(TypeError, match=f"^{re.escape(repr(thing))} cannot be copied"):
            way(thing)


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nor_can_a_pipe_or_what_counts_and_records(tracefs, way):
    with bpf.TracePipe(instance=True) as pipe, bpf.enable_stats() as stats, bpf.record_syscalls() as calls:
        for thing in (pipe, stats, calls):
            with pytest.raises(TypeError, match=f"^{re.escape(repr(thing))} cannot be copied"):
                way(thing)


@pytest.mark.needs("map:USER_RINGBUF")
@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nor_can_a_writer_and_its_samples(create, way):
    with create("user_ringbuf", max_entries=4096).user_ring_buffer() as writer, writer.reserve(8) as sample:
        for thing in (writer, sample):
            with pytest.raises(TypeError, match=f"^{re.escape(repr(thing))} cannot be copied"):
                way(thing)


@pytest.mark.parametrize("way", [lambda calls: pickle.loads(pickle.dumps(calls)), copy.copy, copy.deepcopy])
def test_calls_that_have_been_recorded_can_and_are_its_own(create, way):
    with bpf.record_syscalls() as calls:
        create("array", "u32", "u64", 1)
    again = way(calls)
    said = str(calls)
    with calls:
        create("array", "u32", "u64", 1)
    assert len(str(calls)) > len(said) > 0
    assert str(again) == said


def test_descriptors_are_not_inherited_by_programs_that_are_started(loaded):
    obj = loaded("basic")
    links = obj.attach()
    numbers = [
        obj.programs["on_raw"].fd,
        obj.maps["events"].fd,
        links["on_raw"].fd,
        links["on_tracepoint"].fd,
        obj.btf_fd,
    ]
    assert not any(os.get_inheritable(number) for number in numbers)


def test_lib_is_whole_in_a_child(in_fork):
    assert in_fork(lambda: bpf.ffi.string(lib.libbpf_version_string()).decode()).startswith("v1.")
