"""What `probe` says of a kernel that has what this machine's may lack."""

from __future__ import annotations

import pytest

from libbpf_cffi import probe


@pytest.mark.needs("kprobe_multi")
def test_a_kernel_with_multi_kprobes_says_so(root):
    assert probe.attach_type("trace_kprobe_multi")


@pytest.mark.needs("fentry")
def test_a_kernel_with_fentry_says_so(root):
    assert probe.attach_type("trace_fentry")
    assert probe.attach_type("trace_fexit")
    assert probe.attach_type("modify_return")
