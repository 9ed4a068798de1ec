"""Arguments of a kind that no call can use: a `TypeError` or `ValueError` at once, and never another exception."""

from __future__ import annotations

import pytest
import wrong_arguments

import libbpf_cffi as bpf
from libbpf_cffi import insns, net, tracepoints

pytestmark = pytest.mark.usefixtures("root")

CALLS = {
    "a map's name": lambda: bpf.Map.find(5),
    "maps' name": lambda: bpf.Map.find_all(b"events"),
    "the map that others are like": lambda: bpf.Map.create("array_of_maps", max_entries=1, inner=5),
    "a type's name": lambda: bpf.Btf.new().find(5),
    "a program's name": lambda: bpf.Program.find_all(5),
    "a program's tag": lambda: bpf.Program.find(tag=5),
    "a tracepoint's name": lambda: tracepoints.tracepoint_id("syscalls", 5),
    "a tracepoint's category": lambda: tracepoints.tracepoint_format(None, "x"),
    "a classifier": lambda: net.TcHook("lo").detach(5),
    "names of instructions": lambda: insns.disassemble(bytes(8), names=5),
}


@pytest.mark.parametrize("what", CALLS)
def test_an_argument_of_the_wrong_type_is_a_type_error(what):
    with pytest.raises(TypeError):
        CALLS[what]()


def test_fields_of_a_perf_event_that_are_no_mapping_are_a_type_error():
    with (
        bpf.Map.create("perf_event_array", max_entries=2) as made,
        pytest.raises(TypeError),
    ):
        made.perf_buffer(attr=5)


def test_a_stack_is_not_assigned():
    with (
        bpf.Map.create("stack_trace", value=64, max_entries=4) as made,
        pytest.raises(TypeError, match="only programs put stacks"),
    ):
        made[0] = (1, 2)


@pytest.mark.parametrize("kind", ["devmap_hash", "lpm_trie"])
def test_keys_that_are_none_are_a_type_error_all_at_once_too(kind):
    settings = {"key": "ipv4", "value": "u32"} if kind == "lpm_trie" else {}
    with bpf.Map.create(kind, max_entries=4, **settings) as made, pytest.raises((TypeError, ValueError)):
        made.delete_many([object()])


def test_asking_a_control_group_with_flags_that_are_none_is_an_error_of_the_kernels(cgroup):
    with pytest.raises(bpf.LibbpfError):
        net.attached_cgroup(cgroup, query_flags=4)


@pytest.mark.slow_emulated
def test_each_argument_of_each_public_function_is_refused_in_words_of_ours(call_all):
    call_all(wrong_arguments.__file__)
