"""What the kernel says of a program or a map only to who brings room for it, or only of some."""

from __future__ import annotations

import hashlib

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import kernel


@pytest.mark.every_kernel
def test_a_program_of_one_function_has_its_tag_once(loaded):
    program = loaded("basic").programs["on_raw"]
    assert program.info.prog_tags == (program.tag,)


def test_a_program_has_a_tag_for_each_of_its_functions(loaded):
    program = loaded("attach_freplace").programs["whole"]
    tags = program.info.prog_tags
    assert [len(bytes.fromhex(tag)) for tag in tags] == [8, 8, 8]
    assert len(set(tags)) == 3
    (listed,) = kernel.find_programs(id=program.id)
    assert listed.prog_tags == tags


@pytest.mark.needs("exclusive_map")
def test_an_array_has_a_hash_once_it_is_frozen(root):
    with bpf.Map.create("array", 4, 8, 3) as made:
        made[1] = bytes(range(8))
        assert made.info.hash == ""
        made.freeze()
        assert made.info.hash == hashlib.sha256(bytes(8) + bytes(range(8)) + bytes(8)).hexdigest()
        assert kernel.find_maps(id=made.id)[0].hash == made.info.hash


@pytest.mark.every_kernel
def test_what_the_kernel_makes_no_hash_of_has_none(root):
    with bpf.Map.create("hash", 4, 8, 3) as made:
        made.freeze()
        assert made.info.frozen
        assert made.info.hash == ""
    with bpf.Map.create("array", 4, 8, 3) as made:
        made.freeze()
        assert len(made.info.hash) in (0, 64)


@pytest.mark.needs("struct_ops_link")
def test_a_map_of_struct_ops_tells_whose_types_its_value_is_of(loaded):
    info = loaded("attach_struct_ops").maps["first"].info
    (own,) = kernel.find_btfs(name="vmlinux")
    assert info.btf_vmlinux_value_type_id
    assert info.btf_vmlinux_id == own.id
