"""Classifiers that `tc` has added: of other chains than the one in which a packet begins, and for one protocol."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from lab import attribute

import libbpf_cffi as bpf
from libbpf_cffi import _netlink, net

if TYPE_CHECKING:
    from lab import Lab

RTM_NEWTFILTER, CREATE_EXCLUSIVE = 44, 0x605
TCA_KIND, TCA_OPTIONS, TCA_CHAIN = 1, 2, 11
TCA_BPF_FD, TCA_BPF_NAME = 6, 7
ALL, IP = 0x0003, 0x0800


@pytest.fixture
def hook(lab):
    """Make a hook at what comes in."""
    made = net.TcHook("eth0", "ingress", netns=lab.here)
    made.create()
    return made


def add_classifier(
    lab: Lab, program: bpf.Program, *, priority: int, chain: int = 0, protocol: int = ALL, handle: int = 1
) -> None:
    """Add a classifier to the ingress here as `tc filter add … chain … protocol …` does, which libbpf cannot."""
    device = struct.pack(
        "=BxxxiIII", 0, lab.number(lab.here), handle, _netlink.INGRESS, priority << 16 | socket.htons(protocol)
    )
    options = attribute(TCA_BPF_FD, struct.pack("=I", program.fd)) + attribute(TCA_BPF_NAME, b"test\0")
    body = device + attribute(TCA_KIND, b"bpf\0") + attribute(TCA_CHAIN, struct.pack("=I", chain))
    body += attribute(TCA_OPTIONS, options)
    request = struct.pack("=IHHII", 16 + len(body), RTM_NEWTFILTER, CREATE_EXCLUSIVE, 1, 0) + body
    with lab.socket(lab.here, socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(request)
        (error,) = struct.unpack_from("=i", sock.recv(4096), 16)
    assert error == 0, f"cannot add the classifier: {os.strerror(-error)}"


@pytest.mark.every_kernel
def test_classifiers_are_listed_by_their_chain_and_priority(lab, only, hook):
    program = only("attach_net", "tc_count").programs["tc_count"]
    add_classifier(lab, program, chain=5, priority=7)
    add_classifier(lab, program, chain=0, priority=9)
    add_classifier(lab, program, chain=5, priority=2)
    add_classifier(lab, program, chain=0, priority=3)
    expected = [(0, 3), (0, 9), (5, 2), (5, 7)]
    assert [(each.chain, each.priority) for each in hook.filters()] == expected
    assert [(each.chain, each.priority) for each in net.attached("eth0", netns=lab.here)] == expected


def test_a_classifier_of_another_chain_is_queried_by_its_record(lab, only, hook):
    obj = only("attach_net", "tc_count", "tc_other")
    add_classifier(lab, obj.programs["tc_count"], chain=5, priority=7)
    add_classifier(lab, obj.programs["tc_other"], chain=0, priority=7)
    ours, theirs = hook.filters()
    assert hook.query(theirs) == theirs
    assert hook.query(ours) == hook.query(handle=1, priority=7) == ours
    assert theirs.prog_id == obj.programs["tc_count"].id != ours.prog_id


def test_a_classifier_for_one_protocol_is_queried(lab, only, hook):
    add_classifier(lab, only("attach_net", "tc_count").programs["tc_count"], protocol=IP, priority=7)
    assert [hook.query(handle=1, priority=7)] == hook.filters()


def test_a_classifier_of_another_chain_is_not_detached_for_its_namesake(lab, only, hook):
    program = only("attach_net", "tc_count").programs["tc_count"]
    add_classifier(lab, program, chain=5, priority=7)
    add_classifier(lab, program, chain=0, priority=7)
    with pytest.raises(bpf.NotSupportedError, match=r"it is of chain 5: .*`tc filter del` the others"):
        hook.detach(hook.filters()[1])
    assert [each.chain for each in hook.filters()] == [0, 5]


@pytest.mark.parametrize(
    ("options", "why"), [({"chain": 5}, "it is of chain 5"), ({"protocol": IP}, "it is for one protocol")]
)
def test_a_classifier_that_libbpf_cannot_name_is_explained(lab, only, hook, options, why):
    add_classifier(lab, only("attach_net", "tc_count").programs["tc_count"], priority=7, **options)
    with pytest.raises(bpf.LibbpfError, match=f"hint: {why}: libbpf takes away"):
        hook.detach(handle=1, priority=7)


def test_destroying_a_direction_leaves_the_other_chains(lab, only, hook):
    program = only("attach_net", "tc_count").programs["tc_count"]
    add_classifier(lab, program, chain=5, priority=7)
    add_classifier(lab, program, chain=0, protocol=IP, priority=3)
    hook.destroy()
    assert [each.chain for each in hook.filters()] == [5]
    net.TcHook("eth0", "both", netns=lab.here).destroy()
    assert hook.filters() == []
