"""Arenas: memory that programs share, read and written without a signal, whoever closes it."""

from __future__ import annotations

import errno
import resource
import threading

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import MapFlags, ffi, lib

pytestmark = pytest.mark.needs("map:ARENA")

PAGE = resource.getpagesize()

FIXED = 1 << 45
"""An address for an arena that is free in these processes."""


def run_syscall(program: bpf.Program) -> None:
    """Run a program of SEC("syscall")."""
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof("struct bpf_test_run_opts")
    assert lib.bpf_prog_test_run_opts(program.fd, options) == 0
    assert options.retval == 0


def test_bytes_are_written_and_read_across_pages(create):
    arena = create("arena", max_entries=4)
    arena.write(PAGE - 3, b"across")
    assert arena.read(PAGE - 4, 8) == b"\0across\0"


def test_an_arena_knows_its_size(create):
    arena = create("arena", max_entries=4)
    assert (arena.page_count, arena.size, len(arena)) == (4, 4 * PAGE, 4 * PAGE)


def test_typed_values_are_put_and_got(create):
    arena = create("arena", max_entries=1)
    arena.put("s32[2]", 16, (-1, 2))
    assert arena.get("s32[2]", 16) == (-1, 2)
    assert arena.get("u64", 16) == 0x2FFFFFFFF


@pytest.mark.every_kernel
def test_python_reads_what_a_program_has_written(loaded):
    obj = loaded("arena_page")
    run_syscall(obj.programs["make"])
    arena = obj.maps["arena"]
    point = arena.get("struct point", arena.at(obj.variables["where"]))
    assert (point.x, point.y) == (3, 4)


def test_a_type_is_given_itself_too(loaded):
    obj = loaded("arena_page")
    run_syscall(obj.programs["make"])
    arena = obj.maps["arena"]
    where = arena.at(obj.variables["where"])
    arena.put(obj.btf["struct point"], where, {"x": 5, "y": -6})
    assert arena.get(obj.btf["struct point"], where) == (5, -6)


@pytest.mark.parametrize("touch", [lambda arena: arena.read(0, 8), lambda arena: arena.write(0, b"x")])
def test_a_page_that_no_program_has_made_is_an_error_and_no_signal(create, touch):
    arena = create("arena", max_entries=4, map_flags=MapFlags.SEGV_ON_FAULT)
    with pytest.raises(bpf.LibbpfError, match="a page of those from 0 to 0 is not there") as caught:
        touch(arena)
    assert caught.value.errno == errno.EFAULT


def test_the_missing_second_page_is_an_error_and_no_signal(loaded):
    obj = loaded("arena_page")
    run_syscall(obj.programs["make"])
    arena = obj.maps["arena"]
    where = arena.at(obj.variables["where"])
    with pytest.raises(bpf.LibbpfError, match="not there"):
        arena.read(0, arena.size)
    assert arena.read(where, PAGE)[:4] == b"\3\0\0\0"


@pytest.mark.parametrize(("offset", "size"), [(4 * PAGE, 1), (4 * PAGE - 1, 2), (0, 4 * PAGE + 1), (1 << 62, 1 << 62)])
def test_what_reaches_beyond_the_end_is_refused(create, offset, size):
    arena = create("arena", max_entries=4)
    with pytest.raises(ValueError, match="reach beyond its end"):
        arena.read(offset, size)


def test_nothing_can_be_read_before_the_start(create):
    with pytest.raises(ValueError, match="offset must be from 0"):
        create("arena", max_entries=4).read(-1, 1)


def test_a_closed_arena_says_so(create):
    arena = create("arena", max_entries=4)
    arena.write(0, b"x")
    arena.close()
    with pytest.raises(bpf.ClosedError):
        arena.read(0, 1)


def test_an_arena_that_is_closed_under_a_reader_ends_no_process(root, together):
    arena = bpf.Map.create("arena", max_entries=64)
    started = threading.Event()

    def read():
        with pytest.raises(bpf.ClosedError):
            while True:
                arena.read(0, 64 * PAGE)
                started.set()

    def close():
        started.wait(20)
        arena.close()

    assert together(read, read, close) == []


def test_a_loaded_object_that_is_closed_takes_its_arena_along(loaded):
    obj = loaded("arena_page")
    arena = obj.maps["arena"]
    run_syscall(obj.programs["make"])
    obj.close()
    with pytest.raises(bpf.ClosedError):
        arena.read(0, 1)


def test_an_arena_before_load_has_no_memory(opened):
    with pytest.raises(bpf.StateError, match="load it first"):
        opened("arena_page").maps["arena"].read(0, 1)


def test_closing_an_arena_unmaps_it(create):
    def mappings() -> int:
        with open("/proc/self/maps", encoding="ascii") as file:
            return file.read().count("bpf-map")

    arena = create("arena", max_entries=4)
    before = mappings()
    arena.write(0, b"x")
    during = mappings()
    arena.close()
    assert (during - before, mappings() - before) == (1, 0)


def test_another_process_shares_an_arena_at_its_address(create, python):
    arena = create("arena", max_entries=4, map_extra=FIXED)
    arena.write(10, b"from here")
    code = """
import sys
import libbpf_cffi as bpf
with bpf.Map.from_id(int(sys.argv[1])) as arena:
    print(arena.read(10, 9).decode())
    arena.write(100, b"from there")
"""
    assert python(code, arena.id).strip() == "from here"
    assert arena.read(100, 10) == b"from there"


def test_an_arena_of_no_address_is_mapped_once_in_a_process(create):
    arena = create("arena", max_entries=4)
    arena.write(0, b"x")
    with bpf.Map.from_id(arena.id) as again, pytest.raises(bpf.LibbpfError, match=r"to share an arena .* a map_extra"):
        again.read(0, 1)


def test_a_pointer_of_an_arena_is_an_offset(create):
    arena = create("arena", max_entries=4, map_extra=FIXED)
    assert arena.at(FIXED + 5) == 5
    # As a program has it: the lower half alone.
    assert arena.at((FIXED + 6) & 0xFFFFFFFF) == 6
    with pytest.raises(ValueError, match="is no address in map"):
        arena.at(FIXED + 4 * PAGE)


def test_an_arena_has_no_elements(create):
    arena = create("arena", max_entries=4)
    for call in (lambda: arena[0], lambda: arena.lookup_elem(0), arena.get_next_key, lambda: list(arena)):
        with pytest.raises(TypeError, match=r"an arena has no elements: use read\(\)"):
            call()
