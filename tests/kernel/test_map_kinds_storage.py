"""What programs keep on tasks, sockets and inodes; arrays of perf events; stacks."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import threading

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import MapFlags, lib

NO_PROCESS = (1 << 22) - 1
"""Beyond the highest id that this kernel gives by default."""

pytestmark = pytest.mark.needs("map:BLOOM_FILTER", "btf")
"""What map_uses.bpf.c has; the youngest type of map in it came with Linux 5.16."""


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd")


# Tasks


def test_a_value_is_kept_with_a_process(create):
    tasks = create("task_storage", value={"calls": "u64", "name": "char[16]"})
    tasks[os.getpid()] = {"calls": 3, "name": "me"}
    assert tasks[os.getpid()] == (3, "me")
    assert os.getpid() in tasks
    assert tasks.pop(os.getpid()) == (3, "me")
    assert os.getpid() not in tasks
    assert tasks.get(os.getpid(), "none") == "none"


def test_a_process_without_a_value_is_a_key_error(create):
    tasks = create("task_storage", value="u64")
    for use in (tasks.__getitem__, tasks.__delitem__, tasks.pop):
        with pytest.raises(KeyError, match=r"^1$"):
            use(1)


def test_a_process_is_given_by_a_pidfd(create):
    class Pidfd:
        def __init__(self):
            self.fd = os.pidfd_open(os.getpid())

        def fileno(self):
            return self.fd

    tasks = create("task_storage", value="u64")
    pidfd = Pidfd()
    tasks[pidfd] = 4
    assert tasks[os.getpid()] == 4
    os.close(pidfd.fd)


def test_a_number_that_is_a_pidfd_is_not_taken_for_an_id(create):
    tasks = create("task_storage", value="u64")
    pidfd = os.pidfd_open(os.getpid())
    tasks[pidfd] = 4
    assert tasks[os.getpid()] == tasks[pidfd] == 4
    os.close(pidfd)


# Descriptors of threads came with Linux 6.9, as arenas did.
@pytest.mark.needs("map:ARENA")
def test_a_thread_has_a_value_of_its_own(create):
    tasks = create("task_storage", value="u64")
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        tasks[thread.native_id] = 5
        assert tasks[thread.native_id] == 5
        assert os.getpid() not in tasks
    finally:
        done.set()
        thread.join()


def test_a_process_that_has_ended_is_explained(create):
    tasks = create("task_storage", value="u64")
    with pytest.raises(bpf.LibbpfError, match="it has ended, or never was") as caught:
        tasks[NO_PROCESS]
    assert caught.value.errno == errno.ESRCH


def test_what_is_no_process_is_refused(create):
    with pytest.raises(TypeError, match="is a process or thread"):
        create("task_storage", value="u64")["1"]


def test_a_storage_cannot_be_listed(create):
    with pytest.raises(TypeError, match="cannot be listed"):
        list(create("task_storage", value="u64"))


def test_a_program_counts_in_the_storage_of_this_process(loaded):
    obj = loaded("map_uses")
    calls = obj.maps["calls"]
    calls[os.getpid()] = 1000
    obj.variables["pid"] = os.getpid()
    with obj.programs["on_call"].attach():
        for _ in range(5):
            os.getppid()
    assert 1005 <= calls[os.getpid()] < 2000


def test_the_flag_noexist_asks_for_a_new_value(create):
    tasks = create("task_storage", value="u64")
    tasks[os.getpid()] = 1
    with pytest.raises(bpf.LibbpfError, match=f"update {os.getpid()} in map .*: File exists"):
        tasks.update_elem(os.getpid(), 2, bpf.UpdateFlags.NOEXIST)


def test_keys_of_a_raw_storage_are_descriptors(create):
    tasks = create("task_storage", value="u64")
    tasks[os.getpid()] = 7
    fd = os.pidfd_open(os.getpid())
    assert tasks.raw[struct.pack("i", fd)] == struct.pack("Q", 7)
    os.close(fd)


# Sockets, inodes, groups


def test_a_value_is_kept_with_a_socket(create):
    sockets = create("sk_storage", value="u64")
    with socket.socket() as one, socket.socket() as other:
        sockets[one] = 5
        assert (sockets[one], sockets[one.fileno()], sockets.get(other)) == (5, 5, None)
        del sockets[one]
        assert one not in sockets


def test_a_file_is_no_socket(create):
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="a key of this map is a socket"):
        create("sk_storage", value="u64")[file]


@pytest.mark.every_kernel
@pytest.mark.needs("map:INODE_STORAGE")
def test_a_value_is_kept_with_an_inode(create, tmp_path):
    inodes = create("inode_storage", value="u64")
    path = tmp_path / "file"
    path.touch()
    os.link(path, tmp_path / "same")
    (tmp_path / "link").symlink_to(path)
    inodes[path] = 6
    with path.open() as file:
        keys = (str(path), tmp_path / "same", tmp_path / "link", file, file.fileno())
        assert [inodes[key] for key in keys] == [6] * 5
    assert tmp_path not in inodes


@pytest.mark.needs("map:INODE_STORAGE")
def test_a_fifo_without_a_writer_is_a_key_too(create, tmp_path):
    inodes = create("inode_storage", value="u64")
    os.mkfifo(tmp_path / "fifo")
    inodes[tmp_path / "fifo"] = 1
    assert inodes[tmp_path / "fifo"] == 1


@pytest.mark.needs("map:INODE_STORAGE")
def test_a_path_that_is_not_there_is_explained(create):
    with pytest.raises(bpf.LibbpfError, match=r"open '/no/such' for map .*: No such file") as caught:
        create("inode_storage", value="u64", name="files")["/no/such"]
    assert caught.value.errno == errno.ENOENT


@pytest.mark.needs("map:CGRP_STORAGE")
def test_storages_leave_no_descriptor_open(create, cgroup, tmp_path):
    tasks, inodes, groups = (create(f"{what}_storage", value="u64") for what in ("task", "inode", "cgrp"))
    before = descriptors()
    for storage, key in ((tasks, os.getpid()), (inodes, tmp_path), (groups, cgroup)):
        storage[key] = 1
        storage[key]
        assert key in storage
        del storage[key]
        with pytest.raises(KeyError):
            storage[key]
        with pytest.raises(ValueError, match="from 0 to"):
            storage[key] = -1
    with pytest.raises(bpf.LibbpfError):
        groups[tmp_path]
    assert descriptors() == before


# Perf events


def open_event() -> int:
    """Open a counter of context switches, which every machine has."""
    attributes = struct.pack("IIQ", 1, 120, 3) + bytes(104)
    fd = ctypes.CDLL(None, use_errno=True).syscall(298, attributes, 0, -1, -1, 8)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


def test_a_perf_event_is_put_into_an_array_and_taken_out(create, x86):
    events = create("perf_event_array")
    fd = open_event()
    events[0] = fd
    os.close(fd)
    del events[0]
    with pytest.raises(KeyError):
        del events[0]


def test_an_array_of_perf_events_has_a_place_a_cpu(create):
    assert len(create("perf_event_array")) == lib.libbpf_num_possible_cpus()


def test_a_file_is_no_perf_event(create):
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="no descriptor of perf_event_open"):
        create("perf_event_array")[0] = file


def test_what_is_in_an_array_of_perf_events_is_not_told(create):
    with pytest.raises(bpf.NotSupportedError, match="the kernel does not tell"):
        create("perf_event_array")[0]


# Stacks


@pytest.fixture
def taken(loaded):
    """Let the program take the stack of a system call of this process; give the object."""
    obj = loaded("map_uses")
    obj.variables["pid"] = os.getpid()
    with obj.programs["on_call"].attach():
        os.getppid()
    return obj


def test_a_stack_is_a_tuple_of_addresses_without_zeroes(taken):
    stack = taken.maps["stacks"][taken.variables["stack_id"]]
    assert 0 < len(stack) <= 16
    assert all(address > 1 << 63 for address in stack)


def test_a_stack_with_build_ids_is_a_tuple_of_frames(taken):
    stack = taken.maps["user_stacks"][taken.variables["user_stack_id"]]
    assert 0 < len(stack) <= 16
    assert all(frame.build_id is None or len(frame.build_id) == 20 for frame in stack)
    assert all((frame.offset is None) != (frame.ip is None) for frame in stack)


def test_stacks_are_a_mapping_by_id(taken):
    stacks = taken.maps["stacks"]
    number = taken.variables["stack_id"]
    assert number in stacks
    assert number in list(stacks)
    assert dict(stacks.items()) == stacks.to_dict()
    assert len(stacks) == len(list(stacks.values())) == len(list(stacks.keys()))
    del stacks[number]
    assert number not in stacks
    with pytest.raises(KeyError):
        del stacks[number]
    stacks.clear()
    assert not list(stacks)


def test_a_negative_id_is_the_programs_error(taken):
    with pytest.raises(ValueError, match=r"-14 is no id of a stack: .* has failed with EFAULT"):
        taken.maps["stacks"][-errno.EFAULT]


def test_only_programs_put_stacks_there(taken):
    for put in (lambda m: m.update_elem(0, ()), lambda m: m.update_many({0: ()})):
        with pytest.raises(TypeError, match="only programs put stacks"):
            put(taken.maps["stacks"])


def test_stacks_become_arrays(taken):
    pytest.importorskip("numpy")
    keys, values = taken.maps["stacks"].to_numpy()
    assert values.shape == (len(keys), 16)


def test_a_map_of_stacks_is_created_without_an_object(create):
    assert create("stack_trace", max_entries=4).value_size == 127 * 8
    with_ids = create("stack_trace", value=32 * 20, max_entries=4, map_flags=MapFlags.STACK_BUILD_ID)
    assert with_ids.to_dict() == {}
