"""Hooks of the network that the machine's own kernel may lack: netkit, LSM of a control group."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from lab import Lab

import libbpf_cffi as bpf
from libbpf_cffi import net
from libbpf_cffi.tracefs import find_cgroup2


def order(obj: bpf.Object) -> str:
    """Say in what order programs have run since the last time."""
    found = obj.variables["order"][: obj.variables["ran"]]
    obj.variables["ran"] = 0
    return found


# Netkit


@pytest.mark.needs("netkit")
def test_both_programs_of_a_netkit_pair_run(private_mounts, only):
    obj = only("attach_net", "netkit_primary", "netkit_peer", "netkit_before")
    with Lab("netkit") as lab:
        # "here" has the primary device, "there" its peer, whose packets the peer's program sees.
        primary = obj.programs["netkit_primary"].attach_netkit("eth0", netns=lab.here)
        peer = obj.programs["netkit_peer"].attach_netkit("eth0", netns=lab.here)
        obj.programs["netkit_before"].attach_netkit("eth0", before=primary, netns=lab.here)
        lab.exchange(2)
        assert order(obj) == "rr"
        lab.send_back(1)
        assert order(obj) == "qp"
        assert [(each.hook, each.prog_name) for each in net.attached("eth0", netns=lab.here)] == [
            ("netkit/primary", "netkit_before"),
            ("netkit/primary", "netkit_primary"),
            ("netkit/peer", "netkit_peer"),
        ]
        peer.close()
        lab.exchange()
        assert order(obj) == ""
        with pytest.raises(bpf.LibbpfError, match="primary interface: name that"):
            obj.programs["netkit_peer"].attach_netkit("eth0", netns=lab.there)


@pytest.mark.needs("netkit")
def test_an_interface_that_is_no_netkit_is_explained(lab, only):
    with pytest.raises(bpf.LibbpfError, match="that interface is no netkit device"):
        only("attach_net", "netkit_peer").programs["netkit_peer"].attach_netkit("eth0", netns=lab.here)


@pytest.mark.needs("netkit")
def test_the_command_attaches_to_a_netkit_device(private_mounts, compiled):
    with Lab("netkit") as lab:
        options = ["-P", "netkit_primary", "--ifindex", "eth0", "-N", "--map", ".bss", "--json", "--duration", "0"]
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{lab.here}", sys.executable, "-m", "libbpf_cffi.run", *options,
             compiled("attach_net")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "attached program netkit_primary: link" in done.stderr


# LSM of a control group


@pytest.mark.needs("lsm_cgroup")
def test_lsm_of_a_control_group_runs_for_its_processes_alone(only, private_mounts):
    folder = os.path.join(find_cgroup2(), f"libbpf_cffi-test-{os.getpid()}")
    os.mkdir(folder)
    try:
        obj = only("attach_cgroup", "post_create")
        program = obj.programs["post_create"]
        with program.attach_cgroup(folder) as link:
            assert link.info.details["attach_type"] is bpf.AttachType.LSM_CGROUP
            assert [each.hook for each in net.attached_cgroup(folder)] == ["lsm_cgroup"]
            make_socket()
            assert obj.variables["hits"] == 0
            make_socket(folder)
            assert obj.variables["hits"] == 1
        make_socket(folder)
        assert obj.variables["hits"] == 1
    finally:
        os.rmdir(folder)


def make_socket(folder: str | None = None) -> None:
    """Make a socket, in a child process that is in a control group."""
    enter = "" if folder is None else f"open({folder + '/cgroup.procs'!r}, 'w').write('0'); "
    code = f"{enter}import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    subprocess.run([sys.executable, "-c", code], check=True)
