"""Kernel functions probed by SEC(): each kind of probe fires, which the build machine's kernel may not have."""

from __future__ import annotations

import os

import pytest

from libbpf_cffi import ffi, lib

CALLS = 3


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("by_kprobe", marks=pytest.mark.needs("kprobe")),
        pytest.param("by_kretprobe", marks=pytest.mark.needs("kprobe")),
        pytest.param("by_ksyscall", marks=pytest.mark.needs("kprobe")),
        pytest.param("by_kprobe_multi", marks=pytest.mark.needs("kprobe_multi")),
        pytest.param("by_fentry", marks=pytest.mark.needs("fentry")),
        pytest.param("by_fexit", marks=pytest.mark.needs("fentry")),
    ],
)
def test_a_probe_of_a_kernel_function_fires_at_every_call(opened, name):
    obj = opened("probes")
    obj.programs[name].autoload = True
    obj.load()
    obj.attach()
    for _ in range(CALLS):
        os.getpgid(0)
    key = ffi.new("__u32 *", os.getpid())
    value = ffi.new("__u64 *")
    assert lib.bpf_map_lookup_elem(obj.maps["hits"].fd, key, value) == 0
    assert value[0] == CALLS
