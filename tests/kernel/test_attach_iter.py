"""Iterators: over tasks, a map's elements, control groups; read as text."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

import libbpf_cffi as bpf


@pytest.fixture
def only(one_program):
    def load(name):
        return one_program("attach_iter", name)

    return load


@pytest.mark.every_kernel
def test_an_iterator_walks_over_all_tasks(only):
    _, program = only("tasks")
    with program.attach_iter() as link:
        pids = {int(line.split()[1]) for line in link.read().splitlines()}
    assert os.getpid() in pids


def test_each_read_is_an_iteration_of_its_own(only):
    obj, program = only("elements")
    with program.attach_iter(map=obj.maps["numbers"]) as link:
        assert link.read() == "0=0\n1=0\n2=0\n"
        obj.maps["numbers"][1] = 7
        assert link.read() == "0=0\n1=7\n2=0\n"


def test_a_map_is_given_by_its_descriptor_as_well(only):
    obj, program = only("elements")
    with program.attach_iter(map=obj.maps["numbers"].fd) as link:
        assert len(link.read().splitlines()) == 3


def test_an_iterator_of_elements_needs_a_map(only):
    _, program = only("elements")
    with pytest.raises(bpf.LibbpfError, match="needs map="):
        program.attach_iter()


@pytest.fixture
def second_thread():
    """Start a thread, and give its number."""
    number: list[int] = []
    started, over = threading.Event(), threading.Event()

    def body():
        number.append(threading.get_native_id())
        started.set()
        over.wait()

    thread = threading.Thread(target=body)
    thread.start()
    started.wait()
    yield number[0]
    over.set()
    thread.join()


@pytest.mark.every_kernel
@pytest.mark.needs("task_iter_of_one")
def test_an_iterator_walks_over_the_tasks_of_a_process(only, second_thread):
    _, program = only("tasks")
    with program.attach_iter(pid=os.getpid()) as link:
        found = {tuple(map(int, line.split())) for line in link.read().splitlines()}
    assert {(os.getpid(), os.getpid()), (os.getpid(), second_thread)} <= found
    assert {process for process, _ in found} == {os.getpid()}


@pytest.mark.needs("task_iter_of_one")
def test_an_iterator_walks_over_one_thread(only, second_thread):
    _, program = only("tasks")
    with program.attach_iter(tid=second_thread) as link:
        assert link.read() == f"{os.getpid()} {second_thread}\n"


@pytest.mark.needs("task_iter_of_one")
def test_an_iterator_walks_over_the_process_of_a_descriptor(only):
    _, program = only("tasks")
    pid_fd = os.pidfd_open(os.getpid())
    try:
        with program.attach_iter(pid_fd=pid_fd) as link:
            assert {int(line.split()[0]) for line in link.read().splitlines()} == {os.getpid()}
    finally:
        os.close(pid_fd)


@pytest.mark.needs("cgroup_iter")
def test_an_iterator_walks_over_a_control_group_and_its_relatives(only, cgroup):
    _, program = only("cgroups")
    child = os.path.join(cgroup, "child")
    os.mkdir(child)
    try:
        own, inner, outer = (os.stat(each).st_ino for each in (cgroup, child, os.path.dirname(cgroup)))

        def walk(**options):
            with program.attach_iter(**options) as link:
                return [int(line) for line in link.read().splitlines()]

        order = bpf.CgroupIterOrder
        assert walk(cgroup=cgroup) == [own]
        assert walk(cgroup=cgroup, order=order.DESCENDANTS_PRE) == [own, inner]
        assert walk(cgroup=cgroup, order=order.DESCENDANTS_POST) == [inner, own]
        assert walk(cgroup_id=own, order=order.SELF_ONLY) == [own]
        assert walk(cgroup=cgroup, order="descendants_pre") == [own, inner]
        assert walk(cgroup=child, order=order.ANCESTORS_UP)[:3] == [inner, own, outer]
        with program.attach_iter(cgroup=cgroup, order=order.DESCENDANTS_POST) as link:
            assert link.info.details["cgroup"]["order"] is order.DESCENDANTS_POST
        fd = os.open(cgroup, os.O_RDONLY)
        try:
            assert walk(cgroup=fd) == [own]
        finally:
            os.close(fd)
    finally:
        os.rmdir(child)


@pytest.mark.needs("cgroup_iter")
def test_an_iterator_walks_over_the_control_group_of_a_process(only, cgroup):
    _, program = only("cgroups")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        with program.attach_iter(cgroup=str(process.pid)) as link:
            assert [int(line.split()[0]) for line in link.read().splitlines()] == [os.stat(cgroup).st_ino]


def test_the_name_of_no_order_is_answered_with_those_that_there_are(only, cgroup):
    _, program = only("tasks")
    said = r"^no order of control groups 'up'; there are: self_only, descendants_pre, .*, ancestors_up"
    with pytest.raises(ValueError, match=said):
        program.attach_iter(cgroup=cgroup, order="up")


def test_a_folder_that_is_no_control_group_is_refused(only, tmp_path):
    _, program = only("tasks")
    with pytest.raises(bpf.LibbpfError, match="mkdir makes a control group, in "):
        program.attach_iter(cgroup=tmp_path / "nothing")


def test_an_iterator_walks_over_one_kind_of_thing(only):
    obj, program = only("elements")
    with pytest.raises(TypeError, match="map and tasks"):
        program.attach_iter(map=obj.maps["numbers"], pid=1)


def test_what_an_iterator_cannot_be_told_is_an_error(only):
    _, program = only("tasks")
    with open("/dev/null", encoding="ascii") as no_process, pytest.raises(bpf.LibbpfError) as caught:
        program.attach_iter(pid_fd=no_process.fileno())
    assert caught.value.action.startswith("attach program 'tasks'")


@pytest.mark.needs("task_iter_of_one")
def test_a_descriptor_that_is_no_process_s_is_explained(only):
    _, program = only("tasks")
    with (
        open("/dev/null", encoding="ascii") as no_process,
        pytest.raises(bpf.LibbpfError, match=r"no descriptor of a process, which os\.pidfd_open\(\) makes"),
    ):
        program.attach_iter(pid_fd=no_process.fileno())


@pytest.mark.needs("cgroup_iter")
def test_the_number_of_no_control_group_is_explained(only):
    _, program = only("cgroups")
    with pytest.raises(bpf.LibbpfError, match="no control group of version 2 has that number") as caught:
        program.attach_iter(cgroup_id=1 << 40)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.needs("task_iter_of_one")
@pytest.mark.parametrize("name", ["pid", "tid"])
def test_no_task_is_walked_over_in_silence(only, name):
    _, program = only("tasks")
    what = {"pid": "process", "tid": "thread"}[name]
    for number in (4194303, 2**31):
        with pytest.raises(bpf.LibbpfError, match=f"there is no {what} {number}") as caught:
            program.attach_iter(**{name: number})
        assert caught.value.errno == errno.ESRCH


@pytest.mark.needs("task_iter_of_one")
def test_a_thread_is_not_taken_for_a_process(only, second_thread):
    _, program = only("tasks")
    with pytest.raises(bpf.LibbpfError, match=f"{second_thread} is a thread of a process: tid= is for one thread"):
        program.attach_iter(pid=second_thread)


def test_the_descriptor_0_is_not_taken_for_all_tasks(only):
    _, program = only("tasks")
    # Whatever it is here, it is no process.
    with pytest.raises(bpf.LibbpfError, match="attach program 'tasks'"):
        program.attach_iter(pid_fd=0)


@pytest.mark.parametrize("tasks", [{"pid": 1, "tid": 1}, {"pid": 1, "pid_fd": 9}, {"tid": 1, "pid_fd": 9}])
def test_tasks_are_named_in_one_way(only, tasks):
    _, program = only("tasks")
    with pytest.raises(TypeError, match="tid, pid and pid_fd each name the tasks"):
        program.attach_iter(**tasks)


@pytest.mark.parametrize("tasks", [{"pid": ""}, {"tid": None}, {"pid": 0.0}, {"cgroup_id": []}])
def test_what_is_no_number_does_not_stand_for_all_tasks(only, tasks):
    _, program = only("tasks")
    with pytest.raises(TypeError, match="must be an integer, not"):
        program.attach_iter(**tasks)


def test_a_program_that_writes_nothing_gives_no_text(only):
    _, program = only("quiet")
    with program.attach_iter() as link:
        assert link.read() == ""


@pytest.mark.every_kernel
def test_a_program_that_asks_for_the_same_object_for_ever_is_given_up(only):
    _, program = only("again")
    with program.attach_iter() as link, pytest.raises(bpf.LibbpfError, match="the same object") as caught:
        link.read()
    assert caught.value.errno == errno.EAGAIN


def test_a_handler_of_a_signal_ends_the_reading_of_an_iterator(only):
    def end(*_):
        raise TimeoutError("mine")

    _, program = only("again")
    before = signal.signal(signal.SIGALRM, end)
    try:
        with program.attach_iter() as link, pytest.raises(TimeoutError, match="mine"):
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            while True:
                # It may end before the signal comes.
                with contextlib.suppress(bpf.LibbpfError):
                    link.read()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.every_kernel
def test_what_a_handler_raises_is_not_taken_for_a_read_that_gives_nothing(only):
    def interrupt(frame, event, called):
        # As a signal does that comes during the call.
        if event == "c_return" and called.__name__ == "read" and frame.f_code is bpf.Link.read.__code__:
            sys.setprofile(None)
            raise BlockingIOError(errno.EAGAIN, "mine")

    _, program = only("quiet")
    with program.attach_iter() as link, pytest.raises(bpf.LibbpfError) as caught:
        sys.setprofile(interrupt)
        try:
            link.read()
        finally:
            sys.setprofile(None)
    assert caught.value.errno == errno.EAGAIN


def test_a_ctrl_c_is_not_lost_where_what_is_no_iterator_is_read(loaded):
    number = left = 0

    def interrupt(frame, event, called):
        nonlocal left
        if event in ("call", "c_return") and frame.f_code.co_filename.endswith("_link_kinds.py"):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    with loaded("basic").programs["on_raw"].attach() as link:
        while left <= 0:
            left = number = number + 1
            sys.setprofile(interrupt)
            try:
                with pytest.raises((KeyboardInterrupt, bpf.LibbpfError)) as caught:
                    link.iter_create()
            finally:
                sys.setprofile(None)
            assert caught.type is (KeyboardInterrupt if left <= 0 else bpf.LibbpfError)
    assert number > 3


def test_an_iteration_is_a_file(only):
    _, program = only("tasks")
    with program.attach_iter() as link:
        file = link.iter_create()
    # It holds the program itself.
    with file:
        assert b"%d %d\n" % (os.getpid(), os.getpid()) in file.readall()


def test_only_an_iterator_is_read(loaded):
    with loaded("basic").programs["on_raw"].attach() as link, pytest.raises(bpf.LibbpfError, match="iterator"):
        link.read()


def test_a_closed_link_is_not_read(only):
    _, program = only("tasks")
    link = program.attach_iter()
    link.close()
    for use in (link.read, link.iter_create):
        with pytest.raises(bpf.ClosedError):
            use()


@pytest.mark.every_kernel
def test_a_pinned_iterator_is_read(only, pins):
    _, program = only("quiet")
    program.attach_iter().pin(pins / "tasks")
    with bpf.Link.open(pins / "tasks") as link:
        assert link.read() == ""


@pytest.mark.parametrize("value", [-1, "1", 1.0, 1 << 40])
def test_a_thread_is_a_number(only, value):
    _, program = only("tasks")
    with pytest.raises((TypeError, ValueError)):
        program.attach_iter(tid=value)


@pytest.mark.parametrize("name", ["elements", pytest.param("cgroups", marks=pytest.mark.needs("cgroup_iter"))])
def test_what_must_be_told_its_target_is_left_out_by_the_object(opened, name):
    obj = opened("attach_iter")
    for program in obj.programs.values():
        program.autoload = program.name in ("tasks", name)
    obj.load()
    assert list(obj.attach()) == ["tasks"]
    assert list(obj.skipped) == [name]
    with pytest.raises(bpf.NotSupportedError, match=r"attached by attach_iter\(\) with (map|cgroup)="):
        obj.programs[name].attach()


@pytest.mark.every_kernel
def test_an_iterator_that_is_told_what_is_another_s_is_refused_and_nothing_is_attached(only):
    obj, program = only("tasks")
    with pytest.raises(ValueError, match=r"an iterator of 'task' takes tid=, pid=, pid_fd=, and cannot be told map="):
        program.attach_iter(map=obj.maps["numbers"])
    assert not bpf.Link.find_all(prog_id=program.id)


def test_the_number_of_a_thread_is_not_taken_for_the_descriptor_of_a_map(only):
    obj, program = only("elements")
    with pytest.raises(ValueError, match="takes map=, and cannot be told tid="):
        program.attach_iter(tid=obj.maps["numbers"].fd)


@pytest.mark.needs("cgroup_iter")
def test_a_folder_that_is_no_control_group_is_called_so(only, tmp_path):
    _, program = only("cgroups")
    with pytest.raises(bpf.LibbpfError, match="is no folder of a control group"):
        program.attach_iter(cgroup=tmp_path)


@pytest.mark.needs("cgroup_iter")
def test_a_control_group_is_given_in_one_way(only, cgroup):
    _, program = only("cgroups")
    with pytest.raises(TypeError, match="cgroup and cgroup_id each name a control group"):
        program.attach_iter(cgroup=cgroup, cgroup_id=os.stat(cgroup).st_ino)
