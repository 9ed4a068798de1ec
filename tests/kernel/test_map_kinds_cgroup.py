"""Maps of control groups: what programs keep on them, arrays of them, the storage of what is attached to one."""

from __future__ import annotations

import os
import socket
import subprocess
from types import SimpleNamespace

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachType, lib, tracefs

pytestmark = pytest.mark.needs("map:BLOOM_FILTER", "btf")
"""What map_uses.bpf.c has; the youngest type of map in it came with Linux 5.16."""

NO_PROCESS = str((1 << 22) - 1)
"""Beyond the highest id that this kernel gives by default."""


@pytest.fixture
def inside(cgroup):
    """Give the number of a process that is in the group, as a string."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        yield str(process.pid)


@pytest.mark.needs("map:CGRP_STORAGE")
def test_a_value_is_kept_with_a_control_group(create, cgroup):
    groups = create("cgrp_storage", value=8)
    groups[cgroup] = b"12345678"
    fd = os.open(cgroup, os.O_RDONLY)
    assert groups[fd] == b"12345678"
    os.close(fd)
    assert groups.pop(cgroup) == b"12345678"


@pytest.mark.needs("map:CGRP_STORAGE")
def test_a_folder_is_no_control_group(create, tmp_path):
    words = 'key of this map is the folder of a control group, its descriptor, or .*a process in it as a string, "1234"'
    with pytest.raises(bpf.LibbpfError, match=words):
        create("cgrp_storage", value="u64")[tmp_path]


@pytest.mark.needs("map:CGRP_STORAGE")
def test_a_value_is_kept_with_the_group_of_a_process(create, cgroup, inside):
    groups = create("cgrp_storage", value="u64")
    groups[inside] = 7
    assert (groups[cgroup], inside in groups) == (7, True)
    del groups[inside]
    assert cgroup not in groups


# Arrays of groups


def test_a_program_knows_whether_this_process_is_under_a_group(loaded, cgroup):
    obj = loaded("map_uses")
    obj.variables["pid"] = os.getpid()
    with obj.programs["on_call"].attach():
        # It is under the root, and in no new group.
        obj.maps["groups"][1] = tracefs.find_cgroup2()
        os.getppid()
        under_root = obj.variables["result"]
        obj.maps["groups"][1] = cgroup
        os.getppid()
        under_new = obj.variables["result"]
    assert (under_root, under_new) == (1, 0)


def test_a_group_is_put_into_an_array_and_taken_out(create, cgroup):
    groups = create("cgroup_array", max_entries=2)
    groups[0] = cgroup
    del groups[0]
    with pytest.raises(KeyError):
        del groups[0]


def test_the_group_of_a_process_is_put_into_an_array(loaded, inside):
    obj = loaded("map_uses")
    obj.variables["pid"] = os.getpid()
    with obj.programs["on_call"].attach():
        # The program looks at the place 1, in which its caller is, and the other is not.
        results = []
        for process in (str(os.getpid()), inside):
            obj.maps["groups"][1] = process
            os.getppid()
            results.append(obj.variables["result"])
    assert results == [1, 0]


def test_what_is_no_group_is_told_how_one_is_named(create):
    with pytest.raises(TypeError, match="folder of a control group, the number of a process in it as a string"):
        create("cgroup_array", max_entries=2)[0] = 1.5


def test_a_process_that_is_gone_has_no_group(create):
    with pytest.raises(bpf.LibbpfError, match=rf"(?s)control group of process {NO_PROCESS}.*there is no such process"):
        create("cgroup_array", max_entries=2)[0] = NO_PROCESS


def test_what_is_in_an_array_of_groups_is_not_told(create, cgroup):
    groups = create("cgroup_array", max_entries=2)
    groups[0] = cgroup
    for read in (lambda: groups[0], groups.to_dict, lambda: list(groups), lambda: groups.lookup_elem(0)):
        with pytest.raises(bpf.NotSupportedError, match="the kernel does not tell"):
            read()


def test_a_folder_that_is_no_group_is_explained(create, tmp_path):
    with pytest.raises(bpf.LibbpfError, match="no folder of a control group of version 2"):
        create("cgroup_array", max_entries=2)[0] = tmp_path


# Storage of programs that are attached to a group


@pytest.fixture
def attached_to(loaded, cgroup):
    """Attach the program to the control group, and give the object."""
    obj = loaded("map_uses")
    fd = os.open(cgroup, os.O_RDONLY)
    assert lib.bpf_prog_attach(obj.programs["on_socket"].fd, fd, lib.BPF_CGROUP_INET_SOCK_CREATE, 0) == 0
    yield obj
    lib.bpf_prog_detach2(obj.programs["on_socket"].fd, fd, lib.BPF_CGROUP_INET_SOCK_CREATE)
    os.close(fd)


def make_socket(cgroup: str) -> None:
    """Make a socket in a child that is in the group."""
    pid = os.fork()
    if not pid:
        try:
            with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")
            socket.socket().close()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_the_storage_of_a_group_is_looked_up_by_its_folder(attached_to, cgroup):
    sockets = attached_to.maps["sockets"]
    key = cgroup, AttachType.CGROUP_INET_SOCK_CREATE
    sockets[key] = 10
    make_socket(cgroup)
    assert sockets[key] == 11


def test_the_storage_of_a_group_is_looked_up_by_a_process_in_it(attached_to, cgroup, inside):
    sockets = attached_to.maps["sockets"]
    sockets[inside, AttachType.CGROUP_INET_SOCK_CREATE] = 10
    assert sockets[cgroup, AttachType.CGROUP_INET_SOCK_CREATE] == 10


def test_the_storages_of_groups_are_listed(attached_to, cgroup):
    sockets = attached_to.maps["sockets"]
    ((key, value),) = sockets.items()
    assert (key.cgroup_inode_id, key.attach_type) == (os.stat(cgroup).st_ino, AttachType.CGROUP_INET_SOCK_CREATE)
    assert (value, sockets[key], len(sockets)) == (0, 0, 1)


def test_a_storage_by_cpu_has_a_value_for_each(attached_to, cgroup):
    sockets = attached_to.maps["sockets_by_cpu"]
    make_socket(cgroup)
    (values,) = sockets.values()
    assert len(values) == lib.libbpf_num_possible_cpus()
    assert sum(values) == 1


def test_the_storage_of_a_group_is_not_made_by_hand(loaded, cgroup):
    sockets = loaded("map_uses").maps["sockets"]
    with pytest.raises(bpf.LibbpfError, match="no program that uses the map is attached to the group"):
        sockets[cgroup, AttachType.CGROUP_INET_SOCK_CREATE] = 1


def test_the_storage_of_a_group_is_not_deleted_by_hand(attached_to, cgroup):
    with pytest.raises(bpf.LibbpfError, match="it comes and goes with the attachment"):
        del attached_to.maps["sockets"][cgroup, AttachType.CGROUP_INET_SOCK_CREATE]


def test_a_descriptor_that_is_not_open_is_that_of_no_group(loaded):
    closed = SimpleNamespace(fileno=lambda: 999)
    with pytest.raises(bpf.LibbpfError, match=r"find the control group namespace\(.*Bad file descriptor"):
        loaded("map_uses").maps["sockets"][closed, AttachType.CGROUP_INET_SOCK_CREATE]


def test_the_key_of_a_groups_storage_has_an_attach_type(loaded, cgroup):
    with pytest.raises(ValueError, match="a pair of a control group and an AttachType"):
        loaded("map_uses").maps["sockets"][cgroup]
