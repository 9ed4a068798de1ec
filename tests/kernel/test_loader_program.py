"""`Object.gen_loader`: the program that it gives loads the object, with no libbpf."""

from __future__ import annotations

import hashlib
import os
import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

HEADER, MAP, PROGRAM = 24, 16, 4
"""Sizes of the structs that a loader's context is made of (skel_internal.h)."""


def run(loader: bpf.LoaderProgram, data: bytes | None = None, **settings: object) -> dict[str, int]:
    """Load and run a loader as light skeletons do; give the descriptors by the names of maps and programs."""
    data = loader.data if data is None else data
    size = HEADER + MAP * len(loader.maps) + PROGRAM * len(loader.programs)
    context = ffi.new("char[]", struct.pack("=IIIIQ", size, 0, 0, 0, 0) + bytes(size - HEADER))
    with bpf.Map.create("array", 4, len(data), 1, name="__loader.map", **settings) as each:
        value = ffi.new("char[]", data)
        assert lib.bpf_map_update_elem(each.fd, ffi.new("__u32 *"), value, 0) == 0
        assert lib.bpf_map_freeze(each.fd) == 0
        if settings:
            # The kernel works out the hash when it is asked for.
            info, digest = ffi.new("struct bpf_map_info *"), ffi.new("char[32]")
            info.hash, info.hash_size = int(ffi.cast("uintptr_t", digest)), 32
            assert lib.bpf_map_get_info_by_fd(each.fd, info, ffi.new("__u32 *", ffi.sizeof(info[0]))) == 0
        sleepable = bpf.ProgFlags.SLEEPABLE
        with bpf.KernelProgram.load("syscall", loader.insns, fd_array=[each], prog_flags=sleepable) as program:
            opts = ffi.new("struct bpf_test_run_opts *")
            opts.sz = ffi.sizeof(opts[0])
            opts.ctx_in, opts.ctx_size_in = context, size
            assert lib.bpf_prog_test_run_opts(program.fd, opts) == 0
            result = struct.unpack("=i", struct.pack("=I", opts.retval))[0]
            if result < 0:
                raise OSError(-result, os.strerror(-result))
    raw = ffi.buffer(context)[:]
    places = [(name, HEADER + MAP * at) for at, name in enumerate(loader.maps)]
    places += [(name, HEADER + MAP * len(loader.maps) + PROGRAM * at) for at, name in enumerate(loader.programs)]
    return {name: struct.unpack_from("=i", raw, at)[0] for name, at in places}


def close(descriptors: dict[str, int]) -> None:
    for fd in descriptors.values():
        if fd > 0:
            os.close(fd)


@pytest.mark.every_kernel
@pytest.mark.needs("program:SYSCALL")
def test_a_loader_loads_the_programs_and_maps_of_the_object(opened):
    obj = opened("basic")
    loader = obj.gen_loader()
    descriptors = run(loader)
    try:
        with bpf.Program.from_fd(descriptors["on_raw"]) as program, bpf.Map.from_fd(descriptors["raw_hits"]) as each:
            assert program.name == "on_raw"
            assert program.type is bpf.ProgType.RAW_TRACEPOINT
            assert each.id in program.info.map_ids
    finally:
        close(descriptors)


@pytest.mark.needs("program:SYSCALL")
def test_a_loader_outlives_its_object(opened):
    obj = opened("basic")
    loader = obj.gen_loader()
    obj.close()
    descriptors = run(loader)
    close(descriptors)
    assert descriptors["on_raw"] > 0


@pytest.mark.needs("exclusive_map", "program:SYSCALL")
def test_a_loader_with_a_hash_takes_its_own_data_alone(opened):
    loader = opened("basic").gen_loader(gen_hash=True)
    settings = {"excl_prog_hash": hashlib.sha256(loader.insns).digest()}
    close(run(loader, **settings))
    changed = bytearray(loader.data)
    changed[-1] ^= 1
    with pytest.raises(OSError, match=r"\[Errno 22\]"):
        run(loader, bytes(changed), **settings)


def test_an_object_that_was_made_into_a_loader_can_only_be_closed(opened):
    obj = opened("basic")
    obj.gen_loader()
    for function in (obj.load, obj.prepare, obj.attach, obj.gen_loader):
        with pytest.raises(bpf.StateError, match="is made into a loader"):
            function()
    with pytest.raises(bpf.StateError):
        obj.programs["on_raw"].fd
    with pytest.raises(bpf.StateError):
        obj.maps["raw_hits"].fd


def test_a_loaded_object_is_made_into_no_loader(loaded):
    with pytest.raises(bpf.StateError, match="that belongs between open and load"):
        loaded("basic").gen_loader()


def test_a_closed_object_is_made_into_no_loader(opened):
    obj = opened("basic")
    obj.close()
    with pytest.raises(bpf.ClosedError):
        obj.gen_loader()


def test_the_names_are_those_of_the_object(opened):
    obj = opened("basic")
    maps, programs = tuple(obj.maps), tuple(obj.programs)
    loader = obj.gen_loader()
    assert (loader.maps, loader.programs) == (maps, programs)
    assert len(loader.insns) % 8 == 0


def test_the_same_object_gives_the_same_loader(opened):
    assert opened("basic").gen_loader() == opened("basic").gen_loader()


def test_a_refused_generation_leaves_nothing(loaded):
    obj = loaded("basic")
    before = len(obj._handle.kept)
    for _ in range(3):
        with pytest.raises(bpf.StateError):
            obj.gen_loader()
    assert len(obj._handle.kept) == before


@pytest.mark.parametrize("name", ["struct_ops", "variables_arena"])
def test_what_libbpf_cannot_make_a_loader_of_is_said(opened, name):
    # libbpf itself dies of it.
    with pytest.raises(bpf.NotSupportedError, match="a loader cannot"):
        opened(name).gen_loader()


def test_no_descriptor_of_a_template_is_left(opened):
    before = set(os.listdir("/proc/self/fd"))
    with opened("rings") as obj:
        obj.gen_loader()
    assert set(os.listdir("/proc/self/fd")) == before
