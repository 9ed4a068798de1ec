"""Attaching to control groups: every hook is run by a process in the group; order, flags, and what cannot be."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachFlags, AttachType, net
from libbpf_cffi.tracefs import find_cgroup2

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM
SOL_IP, IP_TTL = 0, 2
DEADLINE = 20.0


def udp(family: int = socket.AF_INET) -> None:
    """Send a datagram to oneself, and receive it."""
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family, UDP) as one, socket.socket(family, UDP) as other:
        one.bind((address, 0))
        one.settimeout(DEADLINE)
        other.sendto(b"x", one.getsockname())
        assert one.recvfrom(10)[0] == b"x"


def tcp(family: int = socket.AF_INET) -> None:
    """Connect to oneself, and ask for both names."""
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with (
        socket.create_server((address, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
        server.accept()[0],
    ):
        client.getpeername()
        client.getsockname()


def udp6() -> None:
    udp(socket.AF_INET6)


def tcp6() -> None:
    tcp(socket.AF_INET6)


def unix() -> None:
    """Do the same by a UNIX socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with socket.socket(socket.AF_UNIX, TCP) as server, socket.socket(socket.AF_UNIX, TCP) as client:
            server.bind(path)
            server.listen()
            client.connect(path)
            client.getpeername()
            server.getsockname()
        os.unlink(path)
        with socket.socket(socket.AF_UNIX, UDP) as receiver, socket.socket(socket.AF_UNIX, UDP) as sender:
            receiver.bind(path)
            sender.bind(f"{path}2")
            sender.sendto(b"x", path)
            receiver.recvfrom(10)


def options() -> None:
    with socket.socket(socket.AF_INET, UDP) as sock:
        sock.setsockopt(SOL_IP, IP_TTL, 9)
        assert sock.getsockopt(SOL_IP, IP_TTL) == 9


def read_sysctl() -> None:
    with open("/proc/sys/kernel/ostype", encoding="utf-8") as file:
        assert file.read() == "Linux\n"


def open_device() -> None:
    with open("/dev/null", "rb") as file:
        assert file.read() == b""


HOOKS = [
    ("skb_ingress", udp),
    ("skb_egress", udp),
    ("sock_create", udp),
    ("sock_release", udp),
    ("post_bind4", udp),
    ("post_bind6", udp6),
    ("bind4", udp),
    ("bind6", udp6),
    ("connect4", tcp),
    ("connect6", tcp6),
    ("sendmsg4", udp),
    ("sendmsg6", udp6),
    ("recvmsg4", udp),
    ("recvmsg6", udp6),
    ("getpeername4", tcp),
    ("getpeername6", tcp6),
    ("getsockname4", tcp),
    ("getsockname6", tcp6),
    ("get_option", options),
    ("set_option", options),
    ("sysctl", read_sysctl),
    ("device", open_device),
    ("sock_ops", tcp),
]

UNIX_HOOKS = ["connect_unix", "sendmsg_unix", "recvmsg_unix", "getpeername_unix", "getsockname_unix"]


@pytest.fixture
def within(cgroup, in_fork):
    """Call a function in a child process that is in the group."""

    def call(function):
        def body():
            with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="utf-8") as file:
                file.write("0")
            return function()

        return in_fork(body)

    return call


@pytest.mark.parametrize(
    ("name", "act"),
    [
        *HOOKS,
        *(pytest.param(name, unix, marks=pytest.mark.needs("unix_hooks")) for name in UNIX_HOOKS),
    ],
    ids=[name for name, _ in HOOKS] + UNIX_HOOKS,
)
def test_a_hook_runs_its_program_until_the_link_is_closed(only, cgroup, within, name, act):
    obj = only("attach_cgroup", name)
    program = obj.programs[name]
    with program.attach_cgroup(cgroup) as link:
        within(act)
        hits = obj.variables["hits"]
        assert hits > 0
        kind = program.expected_attach_type
        assert link.info.details == {"cgroup_id": os.stat(cgroup).st_ino, "attach_type": kind}
        assert net.attached_cgroup(cgroup) == [
            net.Attached(kind.name.lower(), program.id, program.name[:15], link.info.id)
        ]
    within(act)
    assert obj.variables["hits"] == hits
    assert net.attached_cgroup(cgroup) == []


def test_the_programs_of_a_group_leave_other_processes_alone(only, cgroup):
    obj = only("attach_cgroup", "sock_create")
    with obj.programs["sock_create"].attach_cgroup(cgroup):
        udp()
        assert obj.variables["hits"] == 0


def test_a_group_is_given_by_a_descriptor(only, cgroup):
    fd = os.open(cgroup, os.O_RDONLY)
    with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(fd):
        os.close(fd)
        assert [each.hook for each in net.attached_cgroup(cgroup)] == ["cgroup_inet_sock_create"]


def test_the_object_detaches_what_is_still_attached(only, cgroup):
    obj = only("attach_cgroup", "sock_create")
    obj.programs["sock_create"].attach_cgroup(cgroup)
    obj.close()
    assert net.attached_cgroup(cgroup) == []


# Order


@pytest.fixture
def abc(only):
    """Load three programs for the same hook."""
    return only("attach_cgroup", "create_a", "create_b", "create_c")


@pytest.fixture
def three(abc):
    """Give the three programs."""
    return [abc.programs[name] for name in ("create_a", "create_b", "create_c")]


@pytest.fixture
def order(abc, within):
    """Say in what order the programs run when a socket is made."""

    def run():
        abc.variables["ran"] = 0
        within(lambda: socket.socket(socket.AF_INET, UDP).close())
        return abc.variables["order"][: abc.variables["ran"]]

    return run


@pytest.mark.every_kernel
@pytest.mark.needs("cgroup_order")
@pytest.mark.parametrize("kind", ["program", "link", "id"])
@pytest.mark.parametrize(("direction", "wanted"), [("before", "cab"), ("after", "acb")])
def test_a_program_is_put_beside_another(three, cgroup, order, kind, direction, wanted):
    a, b, c = three
    link = a.attach_cgroup(cgroup)
    b.attach_cgroup(cgroup)
    c.attach_cgroup(cgroup, **{direction: {"program": a, "link": link, "id": a.id}[kind]})
    assert order() == wanted


@pytest.mark.needs("cgroup_order")
def test_a_revision_that_is_no_more_is_refused_with_the_one_that_is(three, cgroup):
    a, b, _ = three
    before = net.prog_query(cgroup, AttachType.CGROUP_INET_SOCK_CREATE).revision
    a.attach_cgroup(cgroup, expected_revision=before)
    with pytest.raises(bpf.LibbpfError, match=f"their revision is {before + 1}") as caught:
        b.attach_cgroup(cgroup, expected_revision=before)
    assert caught.value.errno == errno.ESTALE


@pytest.mark.needs("cgroup_preorder")
def test_a_flag_puts_a_program_before_those_without(three, cgroup, order):
    a, b, c = three
    a.attach_cgroup(cgroup)
    b.attach_cgroup(cgroup, flags=AttachFlags.PREORDER)
    c.attach_cgroup(cgroup)
    assert order() == "bac"


@pytest.mark.every_kernel
def test_programs_run_in_the_order_in_which_they_came(three, cgroup, order):
    for program in reversed(three):
        program.attach_cgroup(cgroup)
    assert order() == "cba"


# Without links


@pytest.mark.every_kernel
def test_a_program_without_a_link_stays_until_it_is_detached(abc, cgroup, order):
    a = abc.programs["create_a"]
    net.prog_attach(a, cgroup)
    assert order() == "a"
    assert net.prog_query(cgroup, a.expected_attach_type).prog_ids == (a.id,)
    net.prog_detach(a, cgroup)
    assert order() == ""


def test_programs_of_several_are_attached_and_replaced(three, cgroup, order):
    a, b, c = three
    net.prog_attach(a, cgroup, flags=AttachFlags.ALLOW_MULTI)
    net.prog_attach(b, cgroup, flags=AttachFlags.ALLOW_MULTI)
    net.prog_attach(c, cgroup, flags=AttachFlags.ALLOW_MULTI, replace_fd=a)
    assert order() == "cb"
    assert net.prog_query(cgroup, a.expected_attach_type).attach_flags == AttachFlags.ALLOW_MULTI
    for program in (b, c):
        net.prog_detach(program, cgroup)
    assert net.attached_cgroup(cgroup) == []


def test_a_program_that_takes_none_beside_it_is_explained(three, cgroup):
    a, b, _ = three
    net.prog_attach(a, cgroup)
    with pytest.raises(bpf.LibbpfError, match="takes no other beside it"):
        b.attach_cgroup(cgroup)
    net.prog_detach(a, cgroup)


def test_a_group_below_overrides_where_it_may(three, cgroup, order):
    below = os.path.join(cgroup, "below")
    os.mkdir(below)
    a, b, _ = three
    try:
        net.prog_attach(a, cgroup, flags=AttachFlags.ALLOW_OVERRIDE)
        net.prog_attach(b, below, flags=AttachFlags.ALLOW_OVERRIDE)
        kind = a.expected_attach_type
        assert net.prog_query(below, kind, query_flags=bpf.lib.BPF_F_QUERY_EFFECTIVE).prog_ids == (b.id,)
        net.prog_detach(b, below)
        assert net.prog_query(below, kind, query_flags=bpf.lib.BPF_F_QUERY_EFFECTIVE).prog_ids == (a.id,)
        assert [each.prog_id for each in net.attached_cgroup(below)] == []
        assert [each.prog_id for each in net.attached_cgroup(below, query_flags=1)] == [a.id]
        net.prog_detach(a, cgroup)
    finally:
        os.rmdir(below)


def test_what_is_not_there_is_not_detached(abc, cgroup):
    with pytest.raises(bpf.LibbpfError, match="it is not attached there"):
        net.prog_detach(abc.programs["create_a"], cgroup)


@pytest.mark.needs("cgroup_order")
def test_a_neighbour_of_another_hook_is_explained(three, only, cgroup):
    a, _, _ = three
    other = only("attach_cgroup", "connect4").programs["connect4"]
    other.attach_cgroup(cgroup)
    a.attach_cgroup(cgroup)
    with pytest.raises(bpf.LibbpfError, match=rf"program {other.id} \('connect4'\), is not on that hook"):
        a.attach_cgroup(cgroup, before=other)


@pytest.mark.needs("cgroup_order")
def test_a_neighbour_without_a_link_is_explained(three, cgroup):
    a, b, _ = three
    net.prog_attach(a, cgroup, flags=AttachFlags.ALLOW_MULTI)
    with pytest.raises(bpf.LibbpfError, match="the neighbour is there without a link"):
        b.attach_cgroup(cgroup, before=a)
    net.prog_detach(a, cgroup)


@pytest.mark.needs("cgroup_order")
def test_a_neighbour_without_a_side_is_explained(three, cgroup):
    a, b, _ = three
    a.attach_cgroup(cgroup)
    with pytest.raises(bpf.LibbpfError, match="says on which side"):
        b.attach_cgroup(cgroup, relative_id=a.id)


@pytest.mark.every_kernel
def test_a_flag_that_is_for_programs_without_links_is_explained(three, cgroup):
    with pytest.raises(bpf.LibbpfError, match="a link takes no ALLOW_OVERRIDE"):
        three[0].attach_cgroup(cgroup, flags=AttachFlags.ALLOW_OVERRIDE)


# Links


def links_of(group, **options):
    """Say which links a group's programs are said to have, in their order."""
    return [each.link_id for each in net.attached_cgroup(group, **options)]


@pytest.fixture
def below(cgroup):
    """Give a group below the test's own."""
    folder = os.path.join(cgroup, "below")
    os.mkdir(folder)
    yield folder
    os.rmdir(folder)


@pytest.mark.every_kernel
def test_each_of_several_links_of_a_program_is_told(abc, cgroup):
    a = abc.programs["create_a"]
    with a.attach_cgroup(cgroup) as first, a.attach_cgroup(cgroup) as second:
        assert sorted(links_of(cgroup)) == sorted([first.info.id, second.info.id])


@pytest.mark.every_kernel
def test_no_link_is_told_of_a_program_that_is_there_without_one_too(three, cgroup):
    a, b, _ = three
    with a.attach_cgroup(cgroup), a.attach_cgroup(cgroup), b.attach_cgroup(cgroup) as link:
        net.prog_attach(a, cgroup, flags=AttachFlags.ALLOW_MULTI)
        told = [(each.prog_id, each.link_id) for each in net.attached_cgroup(cgroup)]
        assert sorted(told, key=str) == sorted([(a.id, None)] * 3 + [(b.id, link.info.id)], key=str)
        net.prog_detach(a, cgroup)


@pytest.mark.every_kernel
def test_the_links_of_the_groups_above_are_told(three, cgroup, below):
    a, b, _ = three
    with a.attach_cgroup(cgroup) as above, b.attach_cgroup(cgroup) as other, a.attach_cgroup(below) as here:
        assert links_of(below) == [here.info.id]
        assert links_of(below, query_flags=1) == [here.info.id, above.info.id, other.info.id]


# What cannot be


def test_a_folder_that_is_no_group_is_explained(only, tmp_path):
    program = only("attach_cgroup", "sock_create").programs["sock_create"]
    with pytest.raises(bpf.LibbpfError, match="is no folder of a control group, but of a file system of type"):
        program.attach_cgroup(tmp_path)
    with pytest.raises(bpf.LibbpfError, match="is no folder of a control group"):
        net.attached_cgroup(tmp_path)


def test_a_descriptor_that_is_no_group_is_explained(only):
    program = only("attach_cgroup", "sock_create").programs["sock_create"]
    with open("/dev/null", "rb") as file, pytest.raises(bpf.LibbpfError, match="is not that of a control group"):
        program.attach_cgroup(file.fileno())
    with pytest.raises(bpf.LibbpfError, match="is not that of a control group"):
        net.attached_cgroup(999)
    with pytest.raises(bpf.LibbpfError, match=r"descriptor 1 is not that of .*; a process's is given as '1'"):
        net.attached_cgroup(True)


@pytest.mark.every_kernel
def test_a_group_of_version_1_is_explained(only, private_mounts, tmp_path):
    command = ["mount", "-t", "cgroup", "-o", f"none,name=lbc{os.getpid()}", "cgroup", str(tmp_path)]
    subprocess.run(command, check=True)
    try:
        program = only("attach_cgroup", "sock_create").programs["sock_create"]
        with pytest.raises(bpf.LibbpfError, match="is of version 1 of control groups"):
            program.attach_cgroup(tmp_path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_group_that_is_not_there_is_explained(only, cgroup):
    program = only("attach_cgroup", "sock_create").programs["sock_create"]
    with pytest.raises(bpf.LibbpfError, match="mkdir makes a control group, in ") as caught:
        program.attach_cgroup(f"{cgroup}-no")
    assert caught.value.errno == errno.ENOENT


def test_a_process_in_the_place_of_a_descriptor_is_told_how_its_group_is_given(only):
    program = only("attach_cgroup", "sock_create").programs["sock_create"]
    with pytest.raises(bpf.LibbpfError, match="a process's is given as '4194303'"):
        program.attach_cgroup(4194303)


def test_a_group_is_that_of_a_process_by_its_number(only, cgroup):
    program = only("attach_cgroup", "sock_create").programs["sock_create"]
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        with program.attach_cgroup(str(process.pid)):
            assert [each.prog_id for each in net.attached_cgroup(cgroup)] == [program.id]
            assert net.attached_cgroup(str(process.pid)) == net.attached_cgroup(cgroup)
    with pytest.raises(bpf.LibbpfError, match=r"(?s)control group of process 4194303.*there is no such process"):
        program.attach_cgroup("4194303")
    with pytest.raises(bpf.LibbpfError, match="File name too long"):
        program.attach_cgroup("9" * 5000)


WHICH = """
import os, sys
from libbpf_cffi._targets import cgroup
try:
    with cgroup(sys.argv[1] if sys.argv[1:] else str(os.getpid())) as fd:
        print(os.fstat(fd).st_ino)
except OSError as error:
    print(error)
"""


def group_seen_from(folder, *prefix, of=()):
    """Give the inode of a process's group, or the error, as a process in `folder` and a cgroup namespace finds it."""
    inside = ["sh", "-c", 'echo 0 > "$1/cgroup.procs"; shift; exec "$@"', "sh", folder, *prefix]
    command = [*inside, sys.executable, "-c", WHICH, *map(str, of)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE).stdout.strip()


def test_a_group_that_the_mount_has_under_unknown_names_is_no_other_group(below):
    # The mount shows the machine's root; the namespace calls "below" the root, and says no names above it.
    said = group_seen_from(below, "unshare", "--cgroup")
    assert "its group is '/' as this process's cgroup namespace has it" in said
    assert "/../..'" in said


def test_a_group_is_found_in_the_mount_that_shows_it(below, tmp_path):
    script = f"""mount -t cgroup2 none '{tmp_path}' && exec "$@" """
    said = group_seen_from(below, "unshare", "--cgroup", "--mount", "sh", "-c", script, "sh")
    assert said == str(os.stat(below).st_ino)


def test_a_group_is_found_in_a_mount_of_a_part_of_the_tree(cgroup, below):
    script = f"""mount --bind '{cgroup}' '{find_cgroup2()}' && exec "$@" """
    said = group_seen_from(below, "unshare", "--mount", "sh", "-c", script, "sh")
    assert said == str(os.stat(below).st_ino)


def test_a_group_outside_the_cgroup_namespace_is_explained(below):
    top = find_cgroup2()
    script = f"""umount '{top}' && mount -t cgroup2 none '{top}' && exec "$@" """
    prefix = ("unshare", "--cgroup", "--mount", "sh", "-c", script, "sh")
    said = group_seen_from(below, *prefix, of=(os.getpid(),))
    assert "find the control group of process" in said
    assert "its group is '/.." in said


def test_a_group_that_has_been_removed_is_explained(cgroup):
    folder = f"{cgroup}/removed"
    os.mkdir(folder)
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        process.stdin.close()
        # It has ended, and stays there until somebody waits for it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        os.rmdir(folder)
        with pytest.raises(bpf.LibbpfError, match=r"its group '/.*removed' has been removed"):
            net.attached_cgroup(str(process.pid))
    finally:
        process.wait()


def test_a_program_of_another_kind_is_told_its_method(only, cgroup):
    # As a number, the group's descriptor would be that of an interface.
    with pytest.raises(bpf.LibbpfError, match=r"of type XDP, .*attach_xdp\(\), or net\.xdp_attach\(\), attaches it"):
        only("attach_net", "xdp_count").programs["xdp_count"].attach_cgroup(cgroup)


def test_the_descriptor_of_the_group_is_closed(only, cgroup):
    before = os.listdir("/proc/self/fd")
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    during = len(os.listdir("/proc/self/fd"))
    with suppress(bpf.LibbpfError):
        program.attach_cgroup(cgroup)
    assert len(os.listdir("/proc/self/fd")) == during > len(before)
