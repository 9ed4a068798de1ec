"""Every function that libbpf exports has something in Python that uses it, or a reason why not.

What uses a function is found in the package's Python and C (tests/support/libbpf_uses.py, which prints the table), from
the public names on.
"""

from __future__ import annotations

import importlib

import pytest
from libbpf_uses import exported, uses, wrapped

import libbpf_cffi

INSTEAD = {
    "bpf_btf_load": ("Btf.load", "btf__load_into_kernel() makes the same call, and asks again with a log"),
    "bpf_link__update_program": ("Link.update_program", "bpf_link_update(), of a descriptor that is held meanwhile"),
    "bpf_link_detach": ("Link.detach", "bpf_link__detach() is that, of the link's descriptor"),
    "bpf_linker__add_fd": ("link_objects", "the file is read first, as nobody may change it meanwhile"),
    "bpf_linker__add_file": ("link_objects", "the file is read first, as nobody may change it meanwhile"),
    "bpf_linker__new": ("link_objects", "it truncates the output before anything is linked"),
    "bpf_map__delete_elem": ("HashMap.delete_elem", "the call on the descriptor, once the sizes have been compared"),
    "bpf_map__get_next_key": ("Map.get_next_key", "the call on the descriptor, once the sizes have been compared"),
    "bpf_map__lookup_and_delete_elem": ("HashMap.pop", "the call on the descriptor, once the sizes were compared"),
    "bpf_map__set_initial_value": ("Variables", "each variable is written where bpf_map__initial_value() has it"),
    "bpf_map_get_fd_by_id": ("Map.from_id", "bpf_map_get_fd_by_id_opts() does it, and can ask for less"),
    "bpf_map_lookup_and_delete_elem": ("HashMap.pop", "bpf_map_lookup_and_delete_elem_flags() does it, with flags"),
    "bpf_map_lookup_elem": ("HashMap.get", "bpf_map_lookup_elem_flags() does it; numbers take it in csrc/map.c"),
    "bpf_obj_pin_opts": ("Map.pin", "it pins below a descriptor; each folder of a path is checked by us instead"),
    "bpf_object__find_map_fd_by_name": ("Object.maps", "`Map.fd` of the map by that name"),
    "bpf_object__find_program_by_name": ("Object.programs", "the names are gathered once"),
    "bpf_object__open": ("Object.open", "bpf_object__open_mem() opens what was read and checked before"),
    "bpf_object__open_file": ("Object.open", "bpf_object__open_mem() opens what was read and checked before"),
    "bpf_object__pin": ("Object.pin", "where it fails it removes the pins that were there before it, too"),
    "bpf_object__pin_maps": ("Object.pin_maps", "where it fails it removes the pins that were there before it, too"),
    "bpf_object__unpin": ("Object.unpin", "it ends at the first map that it cannot unpin, or that was not created"),
    "bpf_object__unpin_maps": ("Object.unpin_maps", "it ends at the first map that it cannot unpin"),
    "bpf_object__prev_map": ("Object.maps", "a mapping, which `reversed` walks backwards"),
    "bpf_object__prev_program": ("Object.programs", "a mapping, which `reversed` walks backwards"),
    "bpf_object__attach_skeleton": ("Object.attach", "it does the same, and tells what was left out"),
    "bpf_object__detach_skeleton": ("Object.close", "or `Link.close` of those that `Object.attach` has given"),
    "bpf_program__get_expected_attach_type": ("Program.expected_attach_type", "the old name of another function"),
    "bpf_program__get_type": ("Program.type", "the old name of another function"),
    "bpf_map__get_pin_path": ("Map.pin_path", "the old name of another function"),
    "btf__find_by_name": ("Btf.find", "btf__find_by_name_kind(), of one kind after the other, as C looks names up"),
    "btf__get_raw_data": ("Btf.raw", "the old name of another function"),
    "btf__parse_elf": ("Btf.from_file", "btf__new() reads what was checked before"),
    "btf__parse_elf_split": ("Btf.from_file", "btf__new_split() reads what was checked before"),
    "btf__parse_raw": ("Btf.from_file", "btf__new() reads what was checked before"),
    "btf__parse_raw_split": ("Btf.from_file", "btf__new_split() reads what was checked before"),
    "btf__parse_split": ("Btf.from_file", "btf__new_split() reads what was checked before"),
    "btf__resolve_type": ("BtfType.resolve", "it gives up after 32 typedefs and modifiers"),
    "btf_ext__get_raw_data": ("BtfExt.raw", "the old name of another function"),
    "libbpf_find_kernel_btf": ("Btf.kernel", "the old name of btf__load_vmlinux_btf()"),
    "ring__avail_data_size": ("Ring.avail_data_size", "the reader's mapping is ours (csrc/ringbuf.c says why)"),
    "ring__consume": ("RingBuffer.read", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring__consume_n": ("RingBuffer.read", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring__consumer_pos": ("Ring.consumer_pos", "the reader's mapping is ours (csrc/ringbuf.c says why)"),
    "ring__map_fd": ("RingBuffer.maps", "the maps themselves are kept"),
    "ring__producer_pos": ("Ring.producer_pos", "the reader's mapping is ours (csrc/ringbuf.c says why)"),
    "ring__size": ("RingBuffer.maps", "`Map.max_entries` is the size"),
    "ring_buffer__add": ("RingBuffer", "it takes several maps; the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__consume": ("RingBuffer.read", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__consume_n": ("RingBuffer.read", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__epoll_fd": ("RingBuffer.fileno", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__free": ("RingBuffer.close", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__new": ("RingBuffer", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__poll": ("RingBuffer.read", "the reader is ours (csrc/ringbuf.c says why)"),
    "ring_buffer__ring": ("RingBuffer.rings", "the reader is ours (csrc/ringbuf.c says why)"),
    "user_ring_buffer__reserve_blocking": (
        "UserRingBuffer.reserve",
        "it waits deaf to Ctrl-C and to close(); a time-out does it with user_ring_buffer__reserve()",
    ),
    "perf_buffer__buffer_cnt": ("PerfBuffer.buffers", "a tuple with one for each CPU that is read"),
    "perf_buffer__consume": ("PerfBuffer.consume", "the reader is ours (csrc/perfbuf_read.c says why)"),
    "perf_buffer__consume_buffer": ("CpuBuffer.consume", "the reader is ours (csrc/perfbuf_read.c says why)"),
    "perf_buffer__new": ("PerfBuffer", "perf_buffer__new_raw() is that and more"),
    "perf_buffer__poll": ("PerfBuffer.read", "the reader is ours (csrc/perfbuf_read.c says why)"),
    "bpf_prog_linfo__free": ("Program.jited", "the lines are taken from the program's info, all of them"),
    "bpf_prog_linfo__lfind": ("Program.xlated", "the lines are taken from the program's info, all of them"),
    "bpf_prog_linfo__lfind_addr_func": ("Program.jited", "the lines are taken from the program's info, all of them"),
    "bpf_prog_linfo__new": ("Program.jited", "the lines are taken from the program's info, all of them"),
    "bpf_program__assoc_struct_ops": (
        "Program.assoc_struct_ops",
        "bpf_prog_assoc_struct_ops() does it, on programs that others have loaded too",
    ),
    "bpf_link__update_map": ("Link.update_map", "it reads what a link does not have that was opened"),
    "bpf_program__log_buf": ("Program.log", "libbpf's own buffer grows as the log does; it comes whole"),
    "bpf_program__set_log_buf": ("Program.log", "libbpf's own buffer grows as the log does; it comes whole"),
    "libbpf_register_prog_handler": (
        "register_prog_handler",
        "its table moves while open objects point into it, and its callbacks would be Python inside C",
    ),
    "libbpf_unregister_prog_handler": ("ProgHandler.unregister", "see libbpf_register_prog_handler()"),
    "bpf_program__attach_kprobe": ("Program", "bpf_program__attach_kprobe_opts() is that and more"),
    "bpf_program__attach_perf_event": ("Program", "bpf_program__attach_perf_event_opts() is that and more"),
    "bpf_program__attach_raw_tracepoint": ("Program", "bpf_program__attach_raw_tracepoint_opts() is that and more"),
    "bpf_program__attach_trace": ("Program", "bpf_program__attach_trace_opts() is that and more"),
    "bpf_program__attach_tracepoint": ("Program", "bpf_program__attach_tracepoint_opts() is that and more"),
    "bpf_program__attach_uprobe": ("Program", "bpf_program__attach_uprobe_opts() is that and more"),
    "bpf_raw_tracepoint_open": ("Program", "bpf_raw_tracepoint_open_opts() is that and more"),
    "bpf_prog_attach": ("Program", "bpf_prog_attach_opts() is that and more"),
    "bpf_prog_query": ("Program", "bpf_prog_query_opts() is that and more"),
    "bpf_prog_detach": ("Program", "bpf_prog_detach_opts() is the same, of a certain program"),
    "bpf_prog_detach2": ("Program", "bpf_prog_detach_opts() is that and more"),
    "bpf_object__open_subskeleton": ("Object.variables", "variables, maps and programs are found by name at run time"),
}
"""By function: the Python that makes it superfluous, and why it is not what that uses."""

WITHOUT = {
    "bpf_object__open_skeleton": "a skeleton is C that was generated of an object; Python takes the object",
    "bpf_object__load_skeleton": "a skeleton is C that was generated of an object; Python takes the object",
    "bpf_object__destroy_skeleton": "a skeleton is C that was generated of an object; Python takes the object",
    "bpf_object__destroy_subskeleton": "a skeleton is C that was generated of an object; Python takes the object",
    "btf__set_fd": "it lends a BTF a descriptor that others close: what Python has it takes by `Btf.from_id`",
    "libbpf_get_error": "libbpf 1.x returns NULL and sets errno: of pointers it says nothing any more",
    "libbpf_set_strict_mode": "it does nothing since libbpf 1.0",
}
"""By function: why Python has no use for it."""


def test_every_function_is_used_or_has_a_reason():
    told = INSTEAD.keys() | WITHOUT.keys()
    assert sorted(exported() - uses().keys() - told) == []


def test_the_reasons_are_given_for_functions_that_are_there():
    assert sorted((INSTEAD.keys() | WITHOUT.keys()) - exported()) == []


@pytest.mark.parametrize("name", sorted(INSTEAD.keys() | WITHOUT.keys()))
def test_what_has_a_reason_not_to_be_used_is_not_used(name):
    assert name not in uses()


def test_no_function_has_two_reasons():
    assert not INSTEAD.keys() & WITHOUT.keys()


@pytest.mark.parametrize("name", sorted({where for where, _ in INSTEAD.values()}))
def test_what_makes_a_function_superfluous_is_public(name):
    head, _, rest = name.partition(".")
    if head in libbpf_cffi.__all__:
        thing = getattr(libbpf_cffi, head)
    else:
        thing = importlib.import_module(f"libbpf_cffi.{head}")
    if rest:
        assert callable(getattr(thing, rest)) or isinstance(getattr(thing, rest), property)


def test_what_is_said_to_be_wrapped_is_used_or_made_superfluous():
    inline = {"bpf_core_read"}
    names = {name for name in wrapped() if name.startswith(("bpf_", "btf_", "libbpf_", "ring_", "user_ring_"))}
    functions = {name for name in names if name in exported()} - inline
    assert sorted(functions - uses().keys() - INSTEAD.keys()) == []


def test_a_function_that_nothing_leads_to_is_not_used():
    # Else everything below would hold of anything.
    assert "libbpf_set_strict_mode" not in uses()
    assert "links.Link.pin" in uses()["bpf_link__pin"]
    assert "linker._link (lbc_link__start)" in uses()["bpf_linker__finalize"]
