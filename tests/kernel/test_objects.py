"""Objects: opened from anything, with every option; configured, loaded, attached and closed, in that order only."""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import gc
import io
import os
import shutil
import sys
import weakref
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

BASIC_PROGRAMS = ["on_tracepoint", "on_raw", "optional", "pass"]


# Open


@pytest.mark.parametrize("kind", [str, Path, lambda path: path.read_bytes(), lambda path: bytearray(path.read_bytes())])
def test_an_object_is_opened_from_a_path_or_its_content(compiled, kind):
    with bpf.Object.open(kind(compiled("basic"))) as obj:
        assert list(obj.programs) == BASIC_PROGRAMS


@pytest.mark.parametrize(
    "view",
    [
        memoryview,
        lambda content: memoryview(array.array("B", content)),
        lambda content: memoryview(content).toreadonly(),
        lambda content: memoryview(bytes(byte for byte in content for _ in range(2)))[::2],
    ],
    ids=["bytes", "array", "read-only", "every other byte"],
)
def test_an_object_is_opened_from_any_memoryview(compiled, view):
    with bpf.Object.open(view(compiled("basic").read_bytes())) as obj:
        assert list(obj.programs) == BASIC_PROGRAMS


def test_what_was_opened_from_memory_does_not_change_with_it(compiled):
    content = bytearray(compiled("basic").read_bytes())
    with bpf.Object.open(content) as obj:
        content[:] = bytes(len(content))
        content.clear()
        obj.load()
        assert obj.programs["on_raw"].fd >= 0


def test_what_was_opened_from_a_file_does_not_change_with_it(compiled, tmp_path):
    path = tmp_path / "basic.o"
    shutil.copy(compiled("basic"), path)
    with bpf.Object.open(path) as obj:
        os.truncate(path, 0)
        obj.load()
        assert obj.programs["on_raw"].fd >= 0


@pytest.mark.parametrize("source", [None, 5, 1.5, ["basic.o"], io.BytesIO(b"\x7fELF"), object()])
def test_what_is_neither_path_nor_content_is_a_type_error(source):
    with pytest.raises(TypeError):
        bpf.Object.open(source)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("no-such-file.o", errno.ENOENT),
        (".", errno.EISDIR),
        ("/dev/zero", errno.EINVAL),
        ("/proc/self/mem/nothing", errno.ENOTDIR),
    ],
)
def test_a_path_that_cannot_be_read_is_an_error_that_names_it(path, error):
    with pytest.raises(bpf.LibbpfError, match=path) as caught:
        bpf.Object.open(path)
    assert caught.value.errno == error


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(bpf.LibbpfError, match="not a regular file"):
        bpf.Object.open(tmp_path / "fifo")


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_cannot_be_one_is_a_value_error(path):
    with pytest.raises(ValueError, match="path"):
        bpf.Object.open(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"x" * 4096, b"\x7fELF", b"\x7fELF" + bytes(60), b"#!/bin/sh\n"], ids=range(6)
)
def test_what_is_no_elf_file_gives_libbpfs_format_error(content):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(content)
    assert caught.value.errno == lib.LIBBPF_ERRNO__FORMAT
    assert "clang" in caught.value.hint


def test_an_empty_file_gives_libbpfs_format_error(tmp_path):
    (tmp_path / "empty.o").touch()
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(tmp_path / "empty.o")
    assert caught.value.errno == lib.LIBBPF_ERRNO__FORMAT


def test_a_program_of_this_machine_is_no_bpf_object():
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(sys.executable)
    assert caught.value.errno == lib.LIBBPF_ERRNO__FORMAT


def test_an_object_of_the_other_byte_order_says_so(compiled):
    content = bytearray(compiled("basic").read_bytes())
    # e_ident[EI_DATA] of elf(5): 1 is little, 2 is big.
    content[5] = 3 - content[5]
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Object.open(content)
    # libelf may find the swapped header malformed before libbpf looks at the order.
    assert caught.value.errno in (lib.LIBBPF_ERRNO__ENDIAN, lib.LIBBPF_ERRNO__FORMAT)


def test_an_object_cut_anywhere_is_an_error_or_opens(compiled):
    content = compiled("basic").read_bytes()
    for size in range(0, len(content), 7):
        try:
            bpf.Object.open(content[:size]).close()
        except bpf.LibbpfError as error:
            assert error.errno > 0  # noqa: PT017 - either outcome is right


def test_an_object_cannot_be_made_without_open():
    with pytest.raises(TypeError, match="open"):
        bpf.Object()


def test_an_object_of_a_subclass_is_of_the_subclass(compiled):
    class Mine(bpf.Object):
        pass

    with Mine.open(compiled("basic")) as obj:
        assert type(obj) is Mine


@pytest.mark.every_kernel
def test_an_object_without_btf_loads_and_attaches(tracefs):
    # As plain `clang -O2 -target bpf -c` makes it.
    source = Path(__file__).parents[2] / "examples" / "execve.bpf.c"
    with bpf.Object.open(bpf.compile_object(source, flags=["-g0"])) as obj:
        obj.load()
        assert obj.btf_fd is None
        assert list(obj.attach()) == ["execve"]


# What it is


def test_the_name_is_the_files_up_to_its_first_dot(compiled):
    with bpf.Object.open(compiled("basic")) as obj:
        assert obj.name == "basic"


def test_a_content_is_named_after_its_source(root, tmp_path):
    source = tmp_path / "own_tool.bpf.c"
    source.write_text("int x;\n")
    with bpf.Object.open(bpf.compile_object(source)) as obj:
        assert (obj.name, list(obj.maps)) == ("own_tool", ["own_tool.bss"])
        assert repr(obj).startswith("<Object 'own_tool' (open)")


def test_a_content_without_a_source_has_the_same_name_every_time(root):
    with bpf.Object.open(bpf.compile_object("int x;\n")) as obj:
        assert (obj.name, list(obj.maps)) == ("object", ["object.bss"])
        assert repr(obj).startswith("<Object object of ")


def test_errors_call_a_content_without_a_source_by_its_first_program(root):
    text = 'char LICENSE[] __attribute__((section("license"))) = "GPL";\n'
    text += 'int counted(void *ctx) __attribute__((section("xdp")));\nint counted(void *ctx) { return 2; }\n'
    with bpf.Object.open(bpf.compile_object(text)) as obj, pytest.raises(KeyError, match="of program 'counted' has no"):
        _ = obj.maps["events"]


def test_object_name_names_the_object_and_its_data_sections(compiled):
    with bpf.Object.open(compiled("basic"), object_name="other") as obj:
        assert obj.name == "other"
        assert "other.bss" in obj.maps


def test_a_name_is_cut_to_15_bytes_as_libbpf_does(compiled):
    with bpf.Object.open(compiled("basic"), object_name="x" * 40) as obj:
        assert obj.name == "x" * 15


def test_programs_are_in_the_files_order(opened):
    assert list(opened("basic").programs) == BASIC_PROGRAMS


def test_maps_are_in_libbpfs_order(opened):
    obj = opened("basic")
    with bpf.pointer(obj) as pointer:
        names, each = [], lib.bpf_object__next_map(pointer, ffi.NULL)
        while each:
            names.append(ffi.string(lib.bpf_map__name(each)).decode())
            each = lib.bpf_object__next_map(pointer, each)
    assert list(obj.maps) == names
    assert names[:3] == ["tracepoint_hits", "raw_hits", "events"]


@pytest.mark.parametrize("section", [".bss", ".rodata"])
def test_a_data_section_is_found_by_the_sections_name_as_in_libbpf(opened, section):
    obj = opened("basic")
    assert obj.maps[section].name == f"basic{section}"


def test_a_missing_program_is_a_key_error_with_close_names(opened):
    with pytest.raises(KeyError, match="on_raw"):
        opened("basic").programs["on_rav"]


def test_a_missing_map_is_a_key_error_with_close_names(opened):
    with pytest.raises(KeyError, match="raw_hits"):
        opened("basic").maps["raw_hit"]


def test_a_missing_name_is_asked_for_without_an_exception(opened):
    assert opened("basic").programs.get("none") is None
    assert "none" not in opened("basic").maps


def test_the_same_program_is_the_same_object(opened):
    obj = opened("basic")
    assert obj.programs["on_raw"] is obj.programs["on_raw"]
    assert obj.maps["events"] is obj.maps["events"]


def test_the_mappings_cannot_be_written(opened):
    with pytest.raises(TypeError):
        opened("basic").programs["new"] = None


def test_the_licence_is_the_objects(opened):
    assert opened("basic").license == "GPL"


def test_an_object_without_a_licence_has_an_empty_one(root):
    content = bpf.compile_object('__attribute__((section("socket"), used))\nint f(void *c) { return 0; }\n')
    with bpf.Object.open(content) as obj:
        assert obj.license == ""


def test_kversion_is_settable_before_load(opened):
    obj = opened("basic")
    obj.kversion = 6 << 16 | 18 << 8
    assert obj.kversion == 6 << 16 | 18 << 8


@pytest.mark.parametrize(
    ("value", "error"), [(-1, ValueError), (1 << 32, ValueError), ("5", TypeError), (1.0, TypeError)]
)
def test_a_bad_kversion_changes_nothing(opened, value, error):
    obj = opened("basic")
    obj.kversion = 7
    with pytest.raises(error):
        obj.kversion = value
    assert obj.kversion == 7


@pytest.mark.every_kernel
def test_btf_fd_is_a_btf_of_the_kernel_after_load(loaded):
    fd = loaded("basic").btf_fd
    assert os.readlink(f"/proc/self/fd/{fd}") == "anon_inode:btf"


def test_btf_fd_is_none_before_load(opened):
    assert opened("basic").btf_fd is None


def test_token_fd_is_none_without_a_token(loaded):
    assert loaded("basic").token_fd is None


def test_repr_says_name_and_phase(opened):
    obj = opened("basic")
    assert "basic" in repr(obj)
    assert "open" in repr(obj)
    obj.load()
    assert "loaded" in repr(obj)
    obj.close()
    assert "closed" in repr(obj)


# Options


def test_an_attribute_that_libbpf_does_not_know_is_refused(compiled):
    with pytest.raises(bpf.NotSupportedError, match="attribute_of_the_future"):
        bpf.Object.open(compiled("unknown_attribute"))


def test_relaxed_maps_ignores_an_attribute_that_libbpf_does_not_know(compiled):
    with bpf.Object.open(compiled("unknown_attribute"), relaxed_maps=True) as obj:
        obj.load()
        assert obj.maps["odd"].info.max_entries == 1


@pytest.mark.every_kernel
def test_pin_root_path_is_where_load_pins_by_name(loaded, pins):
    obj = loaded("options", pin_root_path=pins / "root")
    assert (pins / "root" / "shared").exists()
    assert obj.maps["shared"].pin_path == str(pins / "root" / "shared")
    assert obj.maps["shared"].is_pinned
    obj.maps["shared"].unpin()


def test_without_pin_root_path_load_pins_below_sys_fs_bpf(loaded, bpffs):
    obj = loaded("options")
    try:
        assert Path("/sys/fs/bpf/shared").exists()
    finally:
        obj.maps["shared"].unpin()


@pytest.mark.every_kernel
def test_a_second_object_reuses_the_map_that_is_pinned_by_name(loaded, pins):
    first = loaded("options", pin_root_path=pins)
    second = loaded("options", pin_root_path=pins)
    assert first.maps["shared"].id == second.maps["shared"].id


def test_a_pinned_map_of_another_shape_is_not_reused(opened, loaded, pins):
    loaded("options", pin_root_path=pins)
    second = opened("options", pin_root_path=pins)
    second.maps["shared"].max_entries = 5
    with pytest.raises(bpf.LibbpfError, match="shared") as caught:
        second.load()
    assert caught.value.errno == errno.EINVAL


def test_a_map_whose_pin_path_is_none_is_not_pinned(opened, pins):
    obj = opened("options", pin_root_path=pins)
    obj.maps["shared"].pin_path = None
    obj.load()
    assert list(pins.iterdir()) == []


def values(obj):
    """Attach read_options for a moment and read what it stored: hz, task_size."""
    with obj.programs["read_options"].attach():
        os.getppid()
    found = obj.maps[".bss"]
    key = ffi.new("__u32 *", 0)
    value = ffi.new("__u64[]", found.value_size // 8)
    assert lib.bpf_map_lookup_elem(found.fd, key, value) == 0
    return list(value)


def test_kconfig_overrides_the_kernels_own_setting(loaded, pins):
    assert 4321 in values(loaded("options", pin_root_path=pins, kconfig="CONFIG_HZ=4321\n"))


@pytest.mark.every_kernel
def test_without_kconfig_a_setting_is_the_running_kernels(loaded, pins):
    assert 4321 not in values(loaded("options", pin_root_path=pins))


def test_kconfig_that_is_not_understood_fails_the_load_with_the_line(opened, pins):
    obj = opened("options", pin_root_path=pins, kconfig="CONFIG_HZ=wat\n")
    with pytest.raises(bpf.LibbpfError, match="CONFIG_HZ"):
        obj.load()


@pytest.mark.every_kernel
def test_btf_custom_path_stands_for_the_kernels_btf(loaded, pins, tmp_path):
    # A kernel whose task_struct is an int wide: the relocation takes its size from here.
    (tmp_path / "kernel.btf").write_bytes(bpf.compile_object("struct task_struct { int a; } task;\n"))
    assert 4 in values(loaded("options", pin_root_path=pins, btf_custom_path=tmp_path / "kernel.btf"))
    assert 4 not in values(loaded("options", pin_root_path=pins))


def test_btf_custom_path_that_is_no_file_fails_the_load(opened, pins):
    obj = opened("options", pin_root_path=pins, btf_custom_path="/no/such/btf")
    with pytest.raises(bpf.LibbpfError, match="btf_custom_path"):
        obj.load()


@pytest.mark.every_kernel
def test_kernel_log_buf_receives_the_log_of_a_refusal(opened):
    buffer = bytearray(1 << 16)
    obj = opened("refused", kernel_log_buf=buffer)
    with pytest.raises(bpf.VerifierError) as caught:
        obj.load()
    assert buffer.startswith(caught.value.log.encode())
    assert caught.value.program == "wild_read"
    assert obj.kernel_log == caught.value.log


def test_kernel_log_size_alone_gives_the_object_a_buffer_of_its_own(opened):
    obj = opened("refused", kernel_log_size=1 << 16)
    with pytest.raises(bpf.VerifierError) as caught:
        obj.load()
    assert obj.kernel_log == caught.value.log
    assert "R1 invalid mem access" in obj.kernel_log


def test_kernel_log_level_logs_what_is_accepted_too(opened, tracefs):
    quiet = opened("kinds", kernel_log_size=1 << 20)
    quiet.load()
    told = opened("kinds", kernel_log_size=1 << 20, kernel_log_level=2)
    told.load()
    assert quiet.kernel_log == ""
    assert "processed" in told.kernel_log


def test_kernel_log_level_is_that_of_each_program(opened):
    assert {program.log_level for program in opened("basic", kernel_log_level=2).programs.values()} == {2}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kernel_log_buf": b"read-only"}, TypeError),
        ({"kernel_log_buf": "text"}, TypeError),
        ({"kernel_log_buf": bytearray(8), "kernel_log_size": 9}, ValueError),
        ({"kernel_log_size": -1}, ValueError),
        ({"kernel_log_size": 1 << 32}, ValueError),
        ({"kernel_log_level": -1}, ValueError),
        ({"kernel_log_level": "2"}, TypeError),
        ({"object_name": b"bytes"}, TypeError),
        ({"object_name": "a\0b"}, ValueError),
        ({"kconfig": b"CONFIG_X=y"}, TypeError),
        ({"kconfig": "CONFIG_X=y\0"}, ValueError),
        ({"pin_root_path": 5}, TypeError),
        ({"pin_root_path": ""}, ValueError),
        ({"btf_custom_path": "a\0b"}, ValueError),
        ({"bpf_token_path": 5}, TypeError),
        ({"bpf_token_path": "a\0b"}, ValueError),
        ({"no_such_option": 1}, TypeError),
    ],
    ids=str,
)
def test_a_bad_option_is_refused_before_anything_is_opened(compiled, options, error):
    with pytest.raises(error):
        bpf.Object.open(compiled("basic"), **options)


def test_a_log_buffer_stays_where_it_is_while_the_object_is_open(opened):
    buffer = bytearray(4096)
    opened("basic", kernel_log_buf=buffer)
    with pytest.raises(BufferError):
        buffer.extend(b"more")


def test_a_log_buffer_is_free_again_once_the_object_is_closed(opened):
    buffer = bytearray(4096)
    opened("basic", kernel_log_buf=buffer).close()
    buffer.extend(b"more")


def test_bpf_token_path_that_gives_no_token_fails_the_load(opened, tmp_path):
    obj = opened("basic", bpf_token_path=tmp_path)
    with pytest.raises(bpf.LibbpfError, match="token"):
        obj.load()


def test_the_environment_names_a_token_path_too(opened, monkeypatch):
    monkeypatch.setenv("LIBBPF_BPF_TOKEN_PATH", "/no/such/bpffs")
    obj = opened("basic")
    with pytest.raises(bpf.LibbpfError, match="LIBBPF_BPF_TOKEN_PATH"):
        obj.load()


def test_an_empty_bpf_token_path_ignores_the_environment(opened, monkeypatch):
    monkeypatch.setenv("LIBBPF_BPF_TOKEN_PATH", "/no/such/bpffs")
    obj = opened("basic", bpf_token_path="")
    obj.load()
    assert obj.token_fd is None


@pytest.mark.parametrize("size", [1, 64, 4096])
def test_a_log_buffer_that_is_too_small_is_a_plain_error(opened, size):
    obj = opened("long_log", kernel_log_size=size)
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    # Before Linux 6.4 a buffer of less than 128 bytes is not valid.
    assert caught.value.errno in {errno.ENOSPC, errno.EACCES, *([errno.EINVAL] if size < 128 else [])}


# Phases


def test_prepare_creates_maps_and_loads_no_program(opened):
    obj = opened("basic")
    obj.prepare()
    assert obj.maps["events"].info.max_entries == 4096
    with pytest.raises(bpf.StateError, match="load it first"):
        _ = obj.programs["on_raw"].fd


@pytest.mark.every_kernel
def test_load_follows_prepare(opened, tracefs, counted):
    obj = opened("basic")
    obj.prepare()
    obj.load()
    with obj.programs["on_tracepoint"].attach():
        assert counted(obj.maps["tracepoint_hits"]) == 3


ACTIONS = {
    "prepare": lambda obj: obj.prepare(),
    "load": lambda obj: obj.load(),
    "attach": lambda obj: obj.attach(),
    "pin": lambda obj: obj.pin("/sys/fs/bpf/never"),
    "unpin": lambda obj: obj.unpin("/sys/fs/bpf/never"),
    "pin_maps": lambda obj: obj.pin_maps("/sys/fs/bpf/never"),
    "unpin_maps": lambda obj: obj.unpin_maps("/sys/fs/bpf/never"),
    "pin_programs": lambda obj: obj.pin_programs("/sys/fs/bpf/never"),
    "unpin_programs": lambda obj: obj.unpin_programs("/sys/fs/bpf/never"),
    "kversion": lambda obj: setattr(obj, "kversion", 1),
    "program.attach": lambda obj: obj.programs["on_raw"].attach(),
    "program.pin": lambda obj: obj.programs["on_raw"].pin("/sys/fs/bpf/never"),
    "program.unpin": lambda obj: obj.programs["on_raw"].unpin("/sys/fs/bpf/never"),
    "program.fd": lambda obj: obj.programs["on_raw"].fd,
    "program.id": lambda obj: obj.programs["on_raw"].id,
    "program.tag": lambda obj: obj.programs["on_raw"].tag,
    "program.info": lambda obj: obj.programs["on_raw"].info,
    "program.type": lambda obj: setattr(obj.programs["on_raw"], "type", 1),
    "program.expected_attach_type": lambda obj: setattr(obj.programs["on_raw"], "expected_attach_type", 1),
    "program.flags": lambda obj: setattr(obj.programs["on_raw"], "flags", 1),
    "program.autoload": lambda obj: setattr(obj.programs["on_raw"], "autoload", False),
    "program.log_level": lambda obj: setattr(obj.programs["on_raw"], "log_level", 1),
    "program.insns": lambda obj: setattr(obj.programs["on_raw"], "insns", bytes(8)),
    "program.set_ifindex": lambda obj: obj.programs["on_raw"].set_ifindex(0),
    "program.unload": lambda obj: obj.programs["on_raw"].unload(),
    "program.test_run": lambda obj: obj.programs["on_raw"].test_run(),
    "program.xlated": lambda obj: obj.programs["on_raw"].xlated(),
    "program.stream_read": lambda obj: obj.programs["on_raw"].stream_read(),
    "program.bind_map": lambda obj: obj.programs["on_raw"].bind_map(obj.maps["events"]),
    "map.pin": lambda obj: obj.maps["events"].pin("/sys/fs/bpf/never"),
    "map.unpin": lambda obj: obj.maps["events"].unpin("/sys/fs/bpf/never"),
    "map.fd": lambda obj: obj.maps["events"].fd,
    "map.id": lambda obj: obj.maps["events"].id,
    "map.info": lambda obj: obj.maps["events"].info,
    "map.attach_struct_ops": lambda obj: obj.maps["events"].attach_struct_ops(),
    "map.type": lambda obj: setattr(obj.maps["events"], "type", 1),
    "map.key_size": lambda obj: setattr(obj.maps["events"], "key_size", 8),
    "map.value_size": lambda obj: setattr(obj.maps["events"], "value_size", 8),
    "map.max_entries": lambda obj: setattr(obj.maps["events"], "max_entries", 8192),
    "map.map_flags": lambda obj: setattr(obj.maps["events"], "map_flags", 1),
    "map.numa_node": lambda obj: setattr(obj.maps["events"], "numa_node", 1),
    "map.map_extra": lambda obj: setattr(obj.maps["events"], "map_extra", 1),
    "map.ifindex": lambda obj: setattr(obj.maps["events"], "ifindex", 1),
    "map.autocreate": lambda obj: setattr(obj.maps["events"], "autocreate", False),
    "map.pin_path": lambda obj: setattr(obj.maps["events"], "pin_path", "/sys/fs/bpf/never"),
    "map.inner_map": lambda obj: setattr(obj.maps["events"], "inner_map", obj.maps["raw_hits"]),
    "map.exclusive_program": lambda obj: setattr(obj.maps["events"], "exclusive_program", obj.programs["on_raw"]),
}

WRONG = {
    "open": {
        "attach", "pin", "unpin", "pin_maps", "unpin_maps", "pin_programs", "unpin_programs", "program.attach",
        "program.pin", "program.unpin", "program.fd", "program.id", "program.tag", "program.info", "map.pin",
        "map.unpin", "map.fd", "map.id", "map.info", "map.attach_struct_ops",
        "program.unload", "program.test_run", "program.xlated", "program.stream_read", "program.bind_map",
    },
    "prepared": {
        "program.unload", "program.test_run", "program.xlated", "program.stream_read", "program.bind_map",
        "prepare", "attach", "pin", "unpin", "pin_programs", "unpin_programs", "program.attach", "program.pin",
        "program.unpin", "program.fd", "program.id", "program.tag", "program.info", "map.attach_struct_ops",
        "map.type", "map.key_size", "map.value_size", "map.max_entries", "map.map_flags", "map.numa_node",
        "map.map_extra", "map.ifindex", "map.autocreate", "map.pin_path", "map.inner_map", "map.exclusive_program",
    },
    "loaded": {
        "prepare", "load", "kversion", "program.type", "program.expected_attach_type", "program.flags",
        "program.autoload", "program.log_level", "program.insns", "program.set_ifindex",
        "map.type", "map.key_size", "map.value_size", "map.max_entries", "map.map_flags", "map.numa_node",
        "map.map_extra", "map.ifindex", "map.autocreate", "map.pin_path", "map.inner_map", "map.exclusive_program",
    },
    "failed to load": set(ACTIONS),
}  # fmt: skip


def facts(obj):
    """Everything that a setting could change."""
    settings = ("type", "expected_attach_type", "flags", "autoload", "autoattach", "log_level", "insn_cnt")
    shapes = (
        "type", "key_size", "value_size", "max_entries", "map_flags", "numa_node", "map_extra", "ifindex", "autocreate",
        "autoattach", "pin_path", "is_pinned",
    )  # fmt: skip
    return (
        obj.kversion,
        [[getattr(program, name) for name in settings] for program in obj.programs.values()],
        [[getattr(each, name) for name in shapes] for each in obj.maps.values()],
    )


def in_phase(opened, phase):
    """Bring an object to a phase."""
    obj = opened("basic")
    if phase == "prepared":
        obj.prepare()
    elif phase == "loaded":
        obj.load()
    elif phase == "failed to load":
        obj.maps["raw_hits"].key_size = 0
        with pytest.raises(bpf.LibbpfError, match="raw_hits"):
            obj.load()
    return obj


@pytest.mark.parametrize(("phase", "action"), [(phase, action) for phase in WRONG for action in sorted(WRONG[phase])])
def test_the_wrong_phase_is_a_state_error_that_changes_nothing(opened, bpffs, phase, action):
    obj = in_phase(opened, phase)
    before = facts(obj)
    with pytest.raises(bpf.StateError, match=phase):
        ACTIONS[action](obj)
    assert facts(obj) == before
    assert not os.path.exists("/sys/fs/bpf/never")


def test_the_list_of_actions_has_every_setter():
    found = {f"{kind.__name__.lower()}.{name}" for kind in (bpf.Object, bpf.Program, bpf.Map) for name in setters(kind)}
    listed = {action if "." in action else f"object.{action}" for action in ACTIONS}
    # These two may be set at any time.
    assert found - {"program.autoattach", "map.autoattach"} <= listed


def setters(kind):
    """The properties of a class that can be set."""
    every = {name: value for base in kind.__mro__ for name, value in vars(base).items()}
    return [name for name, value in every.items() if isinstance(value, property) and value.fset]


@pytest.mark.needs("struct_ops_link")
@pytest.mark.parametrize("phase", ["open", "prepared", "loaded"])
def test_autoattach_is_settable_in_any_phase(opened, phase):
    obj = opened("struct_ops")
    if phase != "open":
        obj.prepare()
    if phase == "loaded":
        obj.load()
    obj.programs["cc_init"].autoattach = False
    obj.maps["with_link"].autoattach = False
    assert not obj.programs["cc_init"].autoattach
    assert not obj.maps["with_link"].autoattach


def test_autoattach_of_a_map_that_is_no_struct_ops_is_refused(opened):
    with pytest.raises(bpf.LibbpfError, match="events"):
        opened("basic").maps["events"].autoattach = False


def test_a_load_that_failed_is_explained_when_it_is_tried_again(opened):
    obj = in_phase(opened, "failed to load")
    with pytest.raises(bpf.StateError, match="open it again"):
        obj.load()


def test_a_prepare_that_failed_is_a_load_that_failed(opened):
    obj = opened("basic")
    obj.maps["raw_hits"].key_size = 0
    with pytest.raises(bpf.LibbpfError):
        obj.prepare()
    with pytest.raises(bpf.StateError, match="failed to load"):
        obj.load()


def open_files():
    """What is behind the descriptors of this process."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return found


def test_a_load_that_failed_leaves_no_map_in_the_kernel(opened):
    obj = in_phase(opened, "failed to load")
    assert "anon_inode:bpf-map" not in open_files()
    assert obj.maps["events"].max_entries == 4096


def test_another_object_of_the_same_file_loads_after_one_has_failed(opened):
    in_phase(opened, "failed to load")
    opened("basic").load()


# Attach


@pytest.mark.every_kernel
def test_attach_returns_the_links_by_name_in_the_files_order(loaded):
    assert list(loaded("basic").attach()) == ["on_tracepoint", "on_raw"]


def test_attach_names_what_it_left_out_because_its_section_does_not_say_enough(loaded):
    obj = loaded("basic")
    obj.attach()
    assert list(obj.skipped) == ["pass"]
    assert obj.skipped["pass"].errno == errno.EOPNOTSUPP


def test_attach_leaves_out_what_is_not_loaded(loaded):
    obj = loaded("basic")
    assert "optional" not in obj.attach()
    assert "optional" not in obj.skipped


def test_attach_leaves_out_what_has_no_autoattach(loaded):
    obj = loaded("basic")
    obj.programs["on_raw"].autoattach = False
    assert list(obj.attach()) == ["on_tracepoint"]


@pytest.mark.every_kernel
def test_what_is_attached_sees_its_events(loaded, counted, x86):
    obj = loaded("basic")
    obj.attach()
    assert counted(obj.maps["tracepoint_hits"], 5) == 5
    assert counted(obj.maps["raw_hits"], 5) == 5


def test_when_one_program_cannot_be_attached_the_others_are_detached_again(loaded, attached):
    obj = loaded("half_attachable")
    with pytest.raises(bpf.LibbpfError, match="has_no_event"):
        obj.attach()
    assert [attached(program.id) for program in obj.programs.values()] == [[], [], []]


def test_after_an_attach_that_failed_the_rest_can_be_attached(loaded):
    obj = loaded("half_attachable")
    with pytest.raises(bpf.LibbpfError):
        obj.attach()
    obj.programs["has_no_event"].autoattach = False
    assert list(obj.attach()) == ["comes_first", "comes_second"]


@pytest.mark.every_kernel
def test_a_tracepoint_that_the_kernel_lacks_is_explained(loaded):
    with pytest.raises(bpf.LibbpfError) as caught:
        loaded("half_attachable").programs["has_no_event"].attach()
    assert caught.value.errno == errno.ENOENT
    assert "no_such_category/no_such_event" in caught.value.hint


def test_a_section_without_a_target_is_not_supported(loaded):
    with pytest.raises(bpf.NotSupportedError, match="does not say what to attach to"):
        loaded("basic").programs["pass"].attach()


def test_a_section_without_a_target_names_what_takes_it(only):
    with pytest.raises(bpf.NotSupportedError, match=r"attach_tcx\(\), or net\.TcHook, takes the target"):
        only("attach_net", "tc_count").programs["tc_count"].attach()


@pytest.mark.needs("raw_tracepoint_twice")
@pytest.mark.parametrize(
    ("program", "errors"), [("on_raw", []), ("on_tracepoint", [errno.EEXIST])], ids=["raw_tracepoint", "tracepoint"]
)
def test_attach_called_again_attaches_once_more_what_the_kernel_takes_twice(one_program, attached, program, errors):
    obj, chosen = one_program("basic", program)
    obj.attach()
    raised = []
    try:
        obj.attach()
    except bpf.LibbpfError as error:
        raised.append(error.errno)
    assert raised == errors
    assert len(attached(chosen.id)) == 2 - len(errors)


def test_struct_ops_maps_are_attached_too(loaded):
    links = loaded("struct_ops").attach()
    assert list(links) == ["with_link", "without_link"]
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control", encoding="ascii") as file:
        assert {"lbc_with_link", "lbc_no_link"} <= set(file.read().split())


def test_a_struct_ops_map_without_autoattach_is_left_alone(loaded):
    obj = loaded("struct_ops")
    obj.maps["with_link"].autoattach = False
    assert list(obj.attach()) == ["without_link"]


# Close


def public(kind):
    """What a class offers, less what is a class method."""
    return [
        name for name in dir(kind)
        if not name.startswith("_") and not isinstance(getattr(kind, name), type(bpf.Object.open))
    ]  # fmt: skip


FACTS_THAT_STAY = {
    # Whether it is closed, and closing again.
    "closed", "close",
    # Read once, at open, load or attach, and remembered in Python: of use after the object has gone.
    "name", "section_name", "license", "log", "kernel_log", "skipped",
}  # fmt: skip

ARGUMENTS = {
    "pin": ("/sys/fs/bpf/never",), "unpin": ("/sys/fs/bpf/never",), "pin_programs": ("/sys/fs/bpf/never",),
    "unpin_programs": ("/sys/fs/bpf/never",), "pin_maps": (), "unpin_maps": (),
    "lookup_elem": (b"",), "lookup_and_delete_elem": (b"",), "update_elem": (b"", b""), "delete_elem": (b"",),
    "reuse": (None,), "bind_map": (None,), "assoc_struct_ops": (None,), "set_ifindex": (0,), "update_map": (None,),
    "attach_kprobe": ("f",), "attach_kprobe_multi": ("f",), "attach_ksyscall": ("f",),
    "attach_tracepoint": ("a", "b"), "attach_raw_tracepoint": ("a",), "attach_perf_event": (0,),
    "attach_uprobe": ("libc", "f"), "attach_uprobe_multi": ("libc", "f"), "attach_usdt": ("libc", "a", "b"),
    "set_attach_target": (None, "f"), "attach_cgroup": ("/sys/fs/cgroup",), "attach_netkit": ("lo",),
    "attach_socket": (0,), "attach_tcx": ("lo",), "attach_xdp": ("lo",),
}  # fmt: skip


def use(thing, name):
    """Read a property, call a method."""
    value = getattr(thing, name)
    if callable(value):
        arguments = ARGUMENTS.get(name, ())
        if isinstance(thing, bpf.Link) and name == "unpin":
            arguments = ()
        if name == "update_program":
            arguments = (thing._owner.programs["on_raw"],)
        if name in ("update_map", "attach_sockmap"):
            arguments = (thing._owner.maps["events"],)
        keywords = {"pf": "ipv4", "hooknum": "local_in"} if name == "attach_netfilter" else {}
        value(*arguments, **keywords)


def closed_things(loaded):
    """A closed object with a closed thing of each kind."""
    obj = loaded("basic")
    things = {
        bpf.Program: obj.programs["on_raw"],
        bpf.Map: obj.maps["events"],
        bpf.Link: obj.programs["on_raw"].attach(),
    }
    obj.close()
    return {bpf.Object: obj, **things}


USES = [(kind, name) for kind in (bpf.Object, bpf.Program, bpf.Map, bpf.Link) for name in public(kind)]


@pytest.mark.parametrize(
    ("kind", "name"), [(k, n) for k, n in USES if n not in FACTS_THAT_STAY or (k, n) == (bpf.Object, "name")]
)
def test_every_use_of_what_is_closed_is_a_closed_error(loaded, bpffs, kind, name):
    with pytest.raises(bpf.ClosedError):
        use(closed_things(loaded)[kind], name)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in (bpf.Object, bpf.Program, bpf.Map) for name in setters(kind)]
)
def test_every_setter_of_what_is_closed_is_a_closed_error(loaded, kind, name):
    with pytest.raises(bpf.ClosedError):
        setattr(closed_things(loaded)[kind], name, 1 if name != "pin_path" else None)


@pytest.mark.parametrize("kind", [bpf.Object, bpf.Link])
def test_a_with_block_of_what_is_closed_is_a_closed_error(loaded, kind):
    with pytest.raises(bpf.ClosedError), closed_things(loaded)[kind]:
        pass


@pytest.mark.parametrize("kind", [bpf.Object, bpf.Program, bpf.Map, bpf.Link])
def test_repr_of_what_is_closed_says_so(loaded, kind):
    assert "closed" in repr(closed_things(loaded)[kind])


def test_repr_of_the_types_of_what_is_closed_says_so(opened):
    obj = opened("basic")
    types = obj.types
    obj.close()
    assert repr(types) == "<types of object 'basic' (closed)>"


@pytest.mark.parametrize("kind", [bpf.Object, bpf.Program, bpf.Map, bpf.Link])
def test_no_pointer_is_lent_of_what_is_closed(loaded, kind):
    with pytest.raises(bpf.ClosedError), bpf.pointer(closed_things(loaded)[kind]):
        pass


def test_programs_and_maps_that_nobody_had_asked_for_are_closed_too(loaded):
    obj = loaded("basic")
    programs, maps = obj.programs, obj.maps
    obj.close()
    with pytest.raises(bpf.ClosedError):
        programs["on_tracepoint"]
    with pytest.raises(bpf.ClosedError):
        maps["raw_hits"]


def test_programs_and_maps_that_were_in_use_are_closed_too(loaded):
    obj = loaded("basic")
    programs, maps = obj.programs, obj.maps
    kept = programs["on_raw"], maps["events"]
    obj.close()
    with pytest.raises(bpf.ClosedError):
        programs["on_raw"]
    with pytest.raises(bpf.ClosedError):
        maps["events"]
    del kept


def test_closing_twice_does_nothing(loaded):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()
    for _ in range(3):
        link.close()
        obj.close()
    assert obj.closed
    assert link.closed


def test_a_with_block_closes_also_after_an_exception(compiled):
    with pytest.raises(ZeroDivisionError), bpf.Object.open(compiled("basic")) as obj:
        1 / 0
    assert obj.closed


@pytest.mark.every_kernel
def test_closing_detaches_and_unloads_everything(opened, tracefs, exists, attached, until):
    obj = opened("basic")
    obj.load()
    obj.attach()
    ids = [program.id for program in obj.programs.values() if program.autoload]
    obj.close()
    assert [attached(each) for each in ids] == [[], [], []]
    until(lambda: not any(exists(each) for each in ids), "the programs to go")


def test_a_discarded_link_stays_attached_until_the_object_closes(loaded, attached):
    obj = loaded("basic")
    program = obj.programs["on_raw"]
    program.attach()
    gc.collect()
    assert len(attached(program.id)) == 1
    number = program.id
    obj.close()
    assert attached(number) == []


def test_a_program_keeps_its_object(compiled):
    program = bpf.Object.open(compiled("basic")).programs["on_raw"]
    gc.collect()
    assert program.insn_cnt > 0
    program._owner.close()


def test_a_link_keeps_its_object(compiled, attached):
    obj = bpf.Object.open(compiled("basic"))
    obj.load()
    number = obj.programs["on_raw"].id
    link = obj.programs["on_raw"].attach()
    reference = weakref.ref(obj)
    del obj
    gc.collect()
    assert len(attached(number)) == 1
    assert not link.closed
    reference().close()


def test_an_object_that_is_not_closed_is_closed_when_it_is_collected_with_a_warning(compiled, attached):
    obj = bpf.Object.open(compiled("basic"))
    obj.load()
    number = obj.programs["on_raw"].id
    obj.programs["on_raw"].attach()
    with pytest.warns(ResourceWarning, match="basic.*was not closed"):
        del obj
        gc.collect()
    assert attached(number) == []


def test_an_object_in_a_cycle_is_closed_when_it_is_collected(compiled):
    obj = bpf.Object.open(compiled("basic"))
    obj.load()
    fd = obj.programs["on_raw"].fd
    cycle = [obj]
    cycle.append(cycle)
    with pytest.warns(ResourceWarning):
        del obj, cycle
        gc.collect()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_an_object_that_was_closed_is_collected_in_silence(compiled):
    obj = bpf.Object.open(compiled("basic"))
    obj.close()
    del obj
    gc.collect()


def test_where_warnings_are_errors_a_forgotten_object_is_closed_all_the_same(python, compiled, tracefs):
    said = python(
        """
import gc, os, sys
import libbpf_cffi as bpf
sys.unraisablehook = lambda told: print(type(told.exc_value).__name__)
before = len(os.listdir("/proc/self/fd"))
obj = bpf.Object.open(sys.argv[1])
obj.load()
obj.attach()
del obj
gc.collect()
print(len(os.listdir("/proc/self/fd")) - before)
""",
        compiled("basic"),
    )
    assert said.split() == ["ResourceWarning", "0"]


def test_a_whole_program_that_forgets_its_objects_ends_well(python, compiled, tracefs):
    python(
        """
import sys
import libbpf_cffi as bpf
forgotten = bpf.Object.open(sys.argv[1])
forgotten.load()
links = forgotten.attach()
sys.modules["kept"] = (forgotten, links)
""",
        compiled("basic"),
    )


# What a pointer is lent for


def test_a_pointer_is_lent_for_calls_of_lib(loaded):
    obj = loaded("basic")
    with bpf.pointer(obj.programs["on_raw"]) as program:
        assert lib.bpf_program__fd(program) == obj.programs["on_raw"].fd
    with bpf.pointer(obj.maps["events"]) as each:
        assert lib.bpf_map__fd(each) == obj.maps["events"].fd
    with bpf.pointer(obj) as whole, bpf.pointer(obj.programs["on_raw"].attach()) as link:
        assert ffi.string(lib.bpf_object__name(whole)) == b"basic"
        assert lib.bpf_link__fd(link) >= 0


def test_a_close_inside_the_block_waits_for_its_end(loaded, until):
    obj = loaded("basic")
    with bpf.pointer(obj) as whole:
        obj.close()
        assert ffi.string(lib.bpf_object__name(whole)) == b"basic"
    until(lambda: obj.closed, "the object to close")


# Crashes that libbpf has


def hostile_kconfig(content):
    """Give an object's content with an int of 4 GiB in its BTF: the size of .kconfig turns negative."""
    whole = bytearray(content)
    start = whole.index(b"\x9f\xeb\x01\x00")
    header, type_off = 24, int.from_bytes(whole[start + 8 : start + 12], sys.byteorder)
    at, end = (
        start + header + type_off,
        start + header + type_off + int.from_bytes(whole[start + 12 : start + 16], sys.byteorder),
    )
    changed = 0
    # struct btf_type of linux/btf.h: name, info (kind in bits 24..28, vlen in 0..15), size; then what the kind has.
    extra = {
        1: (4, 0),
        3: (12, 0),
        4: (0, 12),
        5: (0, 12),
        6: (0, 8),
        13: (0, 8),
        14: (4, 0),
        15: (0, 12),
        17: (4, 0),
        19: (0, 12),
    }
    while at < end:
        info = int.from_bytes(whole[at + 4 : at + 8], sys.byteorder)
        kind, count = info >> 24 & 0x1F, info & 0xFFFF
        if kind == 1 and int.from_bytes(whole[at + 8 : at + 12], sys.byteorder) == 4:
            whole[at + 8 : at + 12] = (0xFF000004).to_bytes(4, sys.byteorder)
            changed += 1
        fixed, each = extra.get(kind, (0, 0))
        at += 12 + fixed + each * count
    assert changed
    return bytes(whole)


def test_a_wild_pointer_of_libbpf_is_an_error(root):
    content = bpf.compile_object(
        """
extern int CONFIG_HZ __attribute__((section(".kconfig")));
__attribute__((section("socket"), used)) int f(void *ctx) { return CONFIG_HZ; }
"""
    )
    hostile = hostile_kconfig(content)
    with pytest.raises(bpf.LibbpfError):
        bpf.Object.open(hostile)
    # That it was this fault, and no other error that came before it.
    pointer = lib.bpf_object__open_mem(hostile, len(hostile), ffi.NULL)
    assert int(ffi.cast("intptr_t", pointer)) < 0


def test_a_map_cannot_become_a_struct_ops(opened):
    with pytest.raises(ValueError, match="events"):
        opened("basic").maps["events"].type = bpf.MapType.STRUCT_OPS


def test_a_struct_ops_cannot_become_a_map(opened):
    with pytest.raises(ValueError, match="with_link"):
        opened("struct_ops").maps["with_link"].type = bpf.MapType.HASH


@pytest.mark.parametrize("section", [".bss", ".rodata"])
def test_a_data_section_has_one_entry(opened, section):
    obj = opened("basic")
    with pytest.raises(ValueError, match="1"):
        obj.maps[section].max_entries = 100_000
    assert obj.maps[section].max_entries == 1


def test_kernel_settings_cannot_be_given_less_room_than_they_need(opened):
    obj = opened("kernel_settings", kconfig='CONFIG_FIRST="a"\nCONFIG_SECOND="b"\nCONFIG_THIRD="c"\n')
    with pytest.raises(ValueError, match="555000"):
        obj.maps[".kconfig"].value_size = 1
    obj.load()


@pytest.mark.needs("map:ARENA")
def test_an_arena_cannot_be_given_less_room_than_its_variables_need(opened):
    obj = opened("arena")
    with pytest.raises(ValueError, match="arena"):
        obj.maps["arena"].max_entries = 1
    obj.load()


def test_an_arena_is_not_laid_over_memory_that_is_in_use(opened):
    memory = bytearray(1 << 20)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    obj = opened("arena")
    obj.maps["arena"].map_extra = address & ~0xFFF
    with pytest.raises(bpf.Error):
        obj.load()
    assert memory == bytes(1 << 20)
