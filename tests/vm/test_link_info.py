"""What the kernel tells of the links that only other kernels have; tests/kernel has the rest."""

from __future__ import annotations

import pytest
from lab import Lab

import libbpf_cffi as bpf

FUNCTION = "__x64_sys_getpgid"


@pytest.fixture
def only(one_program):
    def load(name):
        return one_program("attach_kernel", name)

    return load


@pytest.mark.needs("fentry", "trace_cookie")
def test_a_link_to_a_function_names_it_by_its_number_in_btf(only):
    _, program = only("by_fexit")
    with program.attach() as link:
        info = link.info
    function = bpf.Btf.kernel().find("security_task_getpgid", bpf.BtfKind.FUNC)
    assert function is not None
    assert info.type is bpf.LinkType.TRACING
    assert info.details["attach_type"] is bpf.AttachType.TRACE_FEXIT
    assert info.details["target_btf_id"] == function.id
    assert info.details["target_obj_id"] > 0  # the kernel's own BTF


@pytest.mark.needs("kprobe", "perf_link_info")
@pytest.mark.parametrize("retprobe", [False, True])
def test_a_link_to_a_probe_names_the_function(only, retprobe):
    _, program = only("by_kretprobe" if retprobe else "by_kprobe")
    with program.attach_kprobe(FUNCTION, retprobe=retprobe) as link:
        info = link.info
    kind = bpf.PerfEventType.KRETPROBE if retprobe else bpf.PerfEventType.KPROBE
    assert info.type is bpf.LinkType.PERF_EVENT
    assert info.details["perf_event_type"] is kind
    assert info.details["func_name"] == FUNCTION
    assert info.details["addr"] > 1 << 63


@pytest.mark.needs("netkit")
def test_a_link_to_a_netkit_device_has_the_number_of_the_interface(private_mounts, opened):
    obj = opened("attach_net")
    for each in obj.programs.values():
        each.autoload = each.name == "netkit_primary"
    obj.load()
    with Lab("netkit") as lab, obj.programs["netkit_primary"].attach_netkit("eth0", netns=lab.here) as link:
        info = link.info
        assert info.type is bpf.LinkType.NETKIT
        assert info.details == {"ifindex": lab.number(lab.here), "attach_type": bpf.AttachType.NETKIT_PRIMARY}
