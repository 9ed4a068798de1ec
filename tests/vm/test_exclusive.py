"""Maps for one program alone, of Linux 6.18."""

from __future__ import annotations

import os

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

pytestmark = pytest.mark.needs("exclusive_map")

CALLS = 3


@pytest.fixture
def exclusive(opened):
    """Open the object, with its map for `owner` alone."""
    obj = opened("exclusive")
    assert lib.bpf_map__set_exclusive_program(obj.maps["secret"]._pointer, obj.programs["owner"]._pointer) == 0
    return obj


def test_the_program_that_a_map_is_for_uses_it(exclusive, tracefs):
    exclusive.load()
    exclusive.attach()
    for _ in range(CALLS):
        os.getppid()
    value = ffi.new("__u64 *")
    assert lib.bpf_map_lookup_elem(exclusive.maps["secret"].fd, ffi.new("__u32 *", 0), value) == 0
    # Others may call it too.
    assert value[0] >= CALLS


def test_another_program_is_refused_a_map_that_is_not_for_it(exclusive):
    exclusive.programs["other"].autoload = True
    with pytest.raises(bpf.LibbpfError):
        exclusive.load()
