"""``python -m libbpf_cffi.run --map`` with a map of stacks."""

from __future__ import annotations

import os

import pytest
from run_command import run

import libbpf_cffi as bpf

SOURCE = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 64);
    __uint(key_size, 4);
    __uint(value_size, 8 * 16);
} stacks SEC(".maps");

/* Those of syscalls/ have the registers of user space in old kernels, and so no stack of the kernel. */
SEC("tp/raw_syscalls/sys_enter") int on_call(void *ctx) { bpf_get_stackid(ctx, &stacks, 0); return 0; }

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.usefixtures("root", "tracefs")
def test_stacks_are_shown_with_the_kernels_symbols(tmp_path):
    path = tmp_path / "stacks.bpf.o"
    path.write_bytes(bpf.compile_object(SOURCE))
    status, out, said = run("--map", "stacks", path, meanwhile=os.getppid)
    assert status == 0, said
    head, *lines = out.splitlines()
    assert head.startswith("stacks: ")
    assert any(line.startswith("  0xffff") and "do_syscall_64+0x" in line for line in lines), out
