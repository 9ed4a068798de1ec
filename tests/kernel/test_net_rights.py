"""Who may not look at what the network has is told so, and not that there is nothing."""

from __future__ import annotations

import errno
import os

import capability_matrix
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import _attach_cgroup, _net_query, lib, net

CAPABILITIES = ("CAP_BPF", "CAP_NET_ADMIN")
"""What attaching to the network needs."""


@pytest.fixture
def ask(in_fork, lab):
    """Ask in a child of another user, in a namespace of the lab, with some capabilities; give the answer as text."""

    def call(question, *capabilities):
        def child():
            capability_matrix.import_everything()
            with open(f"/run/netns/{lab.here}", "rb") as file:
                assert lib.lbc_enter_netns(file.fileno()) == 0
            capability_matrix.give_up([capability_matrix.NUMBERS[each] for each in capabilities])
            try:
                return question()
            except bpf.LibbpfError as error:
                return f"{type(error).__name__}: {error}"

        return in_fork(child)

    return call


@pytest.mark.every_kernel
def test_without_capabilities_nobody_is_told_that_an_interface_has_nothing(ask):
    said = ask(lambda: net.attached("lo"))
    assert said.startswith("LibbpfPermissionError: cannot ask for the programs of 'lo'")
    assert "CAP_NET_ADMIN" in said


@pytest.mark.every_kernel
def test_without_capabilities_nobody_is_told_that_a_namespace_has_nothing(ask):
    assert ask(net.attached_netns).startswith("LibbpfPermissionError: cannot ask for the programs of this network")


@pytest.mark.every_kernel
def test_without_capabilities_nobody_is_told_that_a_control_group_has_nothing(ask, cgroup):
    said = ask(lambda: net.attached_cgroup(cgroup))
    assert said.startswith(f"LibbpfPermissionError: cannot ask for the programs of control group {cgroup!r}")


def test_it_is_said_what_forbids_to_open_a_namespace(ask, tmp_path):
    assert ask(lambda: net.attached_netns(pid=os.getppid())).startswith(
        f"LibbpfPermissionError: cannot open the network namespace of process {os.getpid()}: Permission denied "
        "(errno 13)\n  hint: this process may not look at that one, which for another user's needs CAP_SYS_PTRACE"
    )
    for path in (f"/proc/{os.getpid()}/ns/net", f"/proc/{os.getpid()}/task/{os.getpid()}/ns/net"):
        assert "which for another user's needs CAP_SYS_PTRACE" in ask(lambda path=path: net.attached_netns(path))
    (tmp_path / "net").touch(0)
    assert "hint: the file's own permissions, or those of" in ask(lambda: net.attached_netns(tmp_path / "net"))
    assert "hint: the file's own permissions, or those of" in ask(lambda: net.attached_cgroup(tmp_path / "net"))


def test_an_interface_that_has_nothing_needs_no_right_to_look_at_programs(ask):
    assert ask(lambda: net.attached("lo"), *CAPABILITIES) == "[]"


@pytest.mark.every_kernel
def test_names_and_links_of_an_interface_that_may_not_be_looked_at_are_not_left_out(lab, ask, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", mode="skb", netns=lab.here):
        said = ask(lambda: net.attached("eth0"), *CAPABILITIES)
    assert said.startswith("LibbpfPermissionError: cannot list the links of the kernel")
    assert "lacks CAP_SYS_ADMIN" in said


@pytest.mark.needs("tcx")
def test_names_of_programs_that_may_not_be_looked_at_are_not_left_out(lab, ask, only):
    program = only("attach_net", "tcx_out").programs["tcx_out"]
    with program.attach_tcx("eth0", netns=lab.here):
        said = ask(lambda: net.attached("eth0"), *CAPABILITIES)
    assert said.startswith(f"LibbpfPermissionError: cannot ask for the name of program {program.id}")
    assert "lacks CAP_SYS_ADMIN" in said


def test_names_and_links_of_a_namespace_that_may_not_be_looked_at_are_not_left_out(lab, ask, only):
    with only("attach_net", "lookup").programs["lookup"].attach_netns(lab.here):
        assert ask(net.attached_netns, *CAPABILITIES).startswith("LibbpfPermissionError: cannot list the links")


def test_names_and_links_of_a_control_group_that_may_not_be_looked_at_are_not_left_out(ask, only, cgroup):
    with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(cgroup):
        said = ask(lambda: net.attached_cgroup(cgroup), *CAPABILITIES)
    assert said.startswith("LibbpfPermissionError: cannot list the links")


def test_who_may_look_at_everything_need_not_be_root(lab, ask, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", mode="skb", netns=lab.here) as link:
        said = ask(lambda: net.attached("eth0"), "CAP_NET_ADMIN", "CAP_SYS_ADMIN")
        assert said == str([net.Attached("xdp/skb", program.id, "xdp_count", link.info.id)])


def test_the_hint_of_a_place_that_is_taken_needs_no_right_to_look_at_programs(lab, ask, only):
    program = only("attach_net", "xdp_count").programs["xdp_count"]
    with program.attach_xdp("eth0", mode="skb", netns=lab.here):
        number, flags = program.fd, net.XdpFlags.UPDATE_IF_NOEXIST
        said = ask(lambda: net.xdp_attach("eth0", number, mode="skb", flags=flags), *CAPABILITIES)
    assert said.startswith("LibbpfError: ")
    assert f"program {program.id} in skb mode by a link is attached there already" in said


def test_the_link_of_a_neighbour_that_may_not_be_looked_for_is_no_refusal(ask):
    assert ask(lambda: _attach_cgroup._as_link(7, 0, 0), *CAPABILITIES) == "7"


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EOPNOTSUPP, 524])
def test_a_kind_that_the_kernel_lacks_has_none(lab, monkeypatch, error):
    monkeypatch.setattr(_net_query, "query", lambda *_: error)
    assert net.attached("lo", netns=lab.here) == []


@pytest.mark.parametrize("error", [errno.ENODEV, errno.EACCES, errno.EIO])
def test_any_other_answer_of_the_kernel_is_raised(lab, monkeypatch, error):
    monkeypatch.setattr(_net_query, "query", lambda *_: error)
    with pytest.raises(bpf.LibbpfError, match="cannot ask for the programs of 'lo'") as caught:
        net.attached("lo", netns=lab.here)
    assert caught.value.errno == error


def test_a_kind_of_control_groups_that_alone_is_refused_is_raised(cgroup, monkeypatch):
    query = _net_query.query

    def refuse(target, kind, flags):
        return errno.EPERM if kind == bpf.AttachType.LSM_CGROUP else query(target, kind, flags)

    monkeypatch.setattr(_net_query, "query", refuse)
    with pytest.raises(bpf.LibbpfPermissionError):
        net.attached_cgroup(cgroup)
