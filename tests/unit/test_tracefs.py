"""What can be said of tracefs without one: formats, names, errors."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys

import pytest

from libbpf_cffi import Error, _mounts, tracefs, tracepoints
from libbpf_cffi.tracefs import FilesystemError, TracefsError, TracefsPermissionError
from libbpf_cffi.tracepoints import TracepointField, parse_format

FORMAT = """\
name: sched_process_exec
ID: 309
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
%s
print fmt: "filename=%%s pid=%%d", __get_str(filename), REC->pid
"""


def field(declaration: str, size: int = 8) -> TracepointField:
    """Parse one declaration."""
    return parse_format(FORMAT % f"\tfield:{declaration};\toffset:16;\tsize:{size};\tsigned:0;\n").fields[-1]


def test_a_format_has_a_name_an_id_and_what_prints_it() -> None:
    parsed = parse_format(FORMAT % "")
    assert (parsed.name, parsed.id) == ("sched_process_exec", 309)
    assert parsed.print_format == '"filename=%s pid=%d", __get_str(filename), REC->pid'


def test_the_fields_of_a_format_are_in_order_the_common_ones_first() -> None:
    names = [field.name for field in parse_format(FORMAT % "").fields]
    assert names == ["common_type", "common_pid", "filename", "pid"]


def test_a_field_has_a_type_a_place_and_a_sign() -> None:
    assert parse_format(FORMAT % "").field("pid") == TracepointField("pid", "pid_t", 12, 4, True, None, "")


def test_a_field_with_its_data_elsewhere_says_so() -> None:
    assert parse_format(FORMAT % "").field("filename") == ("filename", "char", 8, 4, False, 0, "__data_loc")


def test_a_field_with_its_data_elsewhere_relative_to_itself_says_so() -> None:
    assert field("__rel_loc u32[] values", 4)[-2:] == (0, "__rel_loc")


@pytest.mark.parametrize(
    ("declaration", "name", "type_", "length"),
    [
        ("char comm[16]", "comm", "char", 16),
        ("const char *const * argv", "argv", "const char *const *", None),
        ("const void*base", "base", "const void*", None),
        ("unsigned long args[6]", "args", "unsigned long", 6),
        ("u8 mac[2][6]", "mac", "u8", 12),
        ("char buf[]", "buf", "char", 0),
        ("char comm[TASK_COMM_LEN]", "comm", "char", 0),
        ("char[] name", "name", "char", 0),
        ("enum skb_drop_reason reason", "reason", "enum skb_drop_reason", None),
        ("int (*fn)(void)", "fn", "int (*fn)(void)", None),
        ("void __seg_gs * p", "p", "void __seg_gs *", None),
    ],
)
def test_a_declaration_is_taken_apart(declaration: str, name: str, type_: str, length: int | None) -> None:
    parsed = field(declaration)
    assert (parsed.name, parsed.type, parsed.length) == (name, type_, length)


def test_a_field_that_is_not_there_is_a_key_error_with_names_like_it() -> None:
    with pytest.raises(KeyError, match="has no field 'filenam'; it has filename"):
        parse_format(FORMAT % "").field("filenam")


def test_a_format_without_signs_is_of_an_old_kernel_and_fine() -> None:
    text = (FORMAT % "").replace("\tsigned:0;", "").replace("\tsigned:1;", "")
    assert parse_format(text).field("pid").offset == 12


def test_what_is_no_format_is_refused() -> None:
    with pytest.raises(ValueError, match="not the format of a tracepoint: 'nonsense'"):
        parse_format("nonsense")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b", "x" * 256])
def test_what_cannot_name_an_instance_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"not the name of a trace instance|instance has a NUL"):
        tracefs.make_instance(name, tracefs="/nowhere")


@pytest.mark.parametrize(("category", "name"), [("..", "x"), ("sched", ".."), ("a/b", "c"), ("", "c"), ("a", "b\0")])
def test_what_cannot_name_a_tracepoint_is_refused(category: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"not the name of a tracepoint|the name of a tracepoint has a NUL"):
        tracepoints.tracepoint_id(category, name, tracefs="/nowhere")


def test_a_mount_point_may_have_blanks_newlines_and_backslashes_in_its_name() -> None:
    assert _mounts._unescaped(rb"/a\040b\012c\134d\011e\134040") == "/a b\nc\\d\te\\040"


def test_the_type_of_a_file_system_is_found_by_a_mount_with_a_blank_in_its_name(monkeypatch, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(
        b"1 0 0:1 / / rw - ext4 /dev/sda rw\n"
        b"2 1 0:2 / /no\\040such rw shared:1 - tmpfs none rw\n"
        b"3 2 0:3 / /no\\040such/a\\134b rw - proc none rw\n"
        b"4 3 0:4 / /no\\040such/a\\134b rw - cgroup cgroup rw\n"
    )
    monkeypatch.setattr(_mounts, "open", lambda path, *how: mounts.open("rb"), raising=False)
    kinds = {"/no such": "tmpfs", "/no such/x": "tmpfs", "/no such/a\\b/c": "cgroup", "/no suchlike": "ext4"}
    assert {path: _mounts.type_of(path) for path in kinds} == kinds


def test_an_instance_of_a_process_that_is_gone_is_stale() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert tracefs._is_stale(f"libbpf_cffi-{gone.pid}-1")


def test_an_instance_of_a_process_that_lives_is_not_stale() -> None:
    assert not tracefs._is_stale(f"libbpf_cffi-{os.getppid()}-1")


@pytest.mark.parametrize(
    "name",
    ["foo", "libbpf_cffi-", "libbpf_cffi-1", "libbpf_cffi-1-", "libbpf_cffi--1", "libbpf_cffi-x-1", "libbpf_cffi-1-x",
     "libbpf_cffi-999999999-1-2", "xlibbpf_cffi-999999999-1", "libbpf_cffi-²-1"],
)  # fmt: skip
def test_an_instance_with_another_name_is_never_stale(name: str) -> None:
    assert not tracefs._is_stale(name)


def test_an_instance_of_a_number_that_is_no_process_is_stale() -> None:
    assert tracefs._is_stale("libbpf_cffi-99999999999999999999-1")


def test_an_error_says_what_failed_why_and_what_to_do() -> None:
    error = TracefsError(errno.EBUSY, "Device or resource busy", "open '/x'", "/x", "ask somebody")
    assert str(error) == "cannot open '/x': Device or resource busy (errno 16)\n  hint: ask somebody"
    assert (error.errno, error.strerror, error.filename, error.path) == (16, "Device or resource busy", "/x", "/x")


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(TracefsError(16, "busy", "open '/x'", "/x", "ask")))
    assert (type(error), str(error), error.path, error.hint) == (TracefsError, str(error), "/x", "ask")


def test_the_errors_are_os_errors_and_the_packages_own() -> None:
    assert issubclass(TracefsError, FilesystemError)
    assert issubclass(FilesystemError, Error)
    assert issubclass(FilesystemError, OSError)
    assert issubclass(TracefsPermissionError, TracefsError)
    assert issubclass(TracefsPermissionError, PermissionError)


def test_what_is_on_no_bpf_file_system_is_told() -> None:
    assert not tracefs.is_bpffs("/")
    assert not tracefs.is_bpffs("/no/such/path")
