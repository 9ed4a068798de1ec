"""What says nothing but of this moment (no descriptor, no memory) is nowhere taken for the absence of something."""

from __future__ import annotations

import builtins
import errno
import os
import socket
import subprocess
from types import SimpleNamespace

import pytest

from libbpf_cffi import (
    Btf,
    PerfEvent,
    Token,
    _borrow,
    _clang,
    _close_names,
    _dump,
    _event_find,
    _files,
    _kernel_holders,
    _kernel_table,
    _link_opts,
    _map_groups,
    _map_lend,
    _map_storage,
    _mounts,
    _pins,
    _program_code,
    _run_family,
    _targets,
    _trace_format,
    lib,
    linker,
    probe,
    tracefs,
)
from libbpf_cffi._check import absent, failure
from libbpf_cffi._refusals import MOMENTARY
from libbpf_cffi.errors import Error, LibbpfError, LibbpfPermissionError

PLACES = {
    "what is called": ((builtins, "open"), lambda: _dump._symbols({0})),
    "what is called by number": (
        (Btf, "kernel"), lambda: _program_code._kernel_function(SimpleNamespace(off=0, imm=1)),
    ),
    "the kernel's types": ((Btf, "kernel"), lambda: _event_find.not_the_kernels([SimpleNamespace(name="x", kind=1)])),
    "control groups": ((os, "scandir"), lambda: list(_kernel_table._cgroups())),
    "control groups above": ((os, "stat"), lambda: _targets.with_those_above(0)),
    "an interface": ((socket, "socket"), lambda: _targets.interface_name((1 << 31) - 1)),
    "a pidfd": ((os, "readlink"), lambda: _map_storage._is_pidfd(1)),
    "the owner of a pin": ((os, "lstat"), lambda: _pins.check_pin("/", "open a pin")),
    "folders of pins": ((os, "scandir"), _kernel_holders.pins),
    "compilers": ((os, "listdir"), lambda: _clang.find(None, "compile")),
    "a compiler's version": ((subprocess, "Popen"), lambda: _clang._version("/bin/none")),
    "events": ((tracefs, "open"), lambda: _trace_format.Events("/")._all()),
    "modules": ((os, "listdir"), probe.modules),
    "sources of events": ((os, "listdir"), probe._event_sources),
    "file systems": ((builtins, "open"), lambda: _mounts._mounts("bpf")),
    "stale instances": ((os, "listdir"), lambda: tracefs.remove_stale_instances(tracefs="/")),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_for_want_of_descriptors_nothing_is_said_to_be_absent(place, monkeypatch):
    def refuse(*arguments, **named):
        raise LibbpfError(errno.EMFILE, "none is left", "open it") if owner is Btf else OSError(errno.EMFILE, "none")

    (owner, name), call = PLACES[place]
    monkeypatch.setattr(_kernel_table, "find_cgroup2", lambda: "/")
    monkeypatch.setattr(_kernel_holders, "every_bpffs", lambda: ["/"])
    monkeypatch.setattr(_trace_format, "_names", lambda folder: ["proc"] if folder == "/events" else ["x"])
    monkeypatch.setattr(os.path, "isdir", lambda folder: True)
    monkeypatch.setattr(owner, name, refuse, raising=False)
    with pytest.raises(Error) as caught:
        call()
    monkeypatch.undo()
    assert caught.value.errno == errno.EMFILE


@pytest.mark.parametrize("function", [absent, _mounts.absent])
def test_a_refusal_is_an_answer_unless_it_is_of_this_moment(function):
    assert function(OSError(errno.ENOENT, "no"), "look") == errno.ENOENT
    assert function(OSError(errno.EACCES, "no"), "look") == errno.EACCES
    for number in MOMENTARY:
        with pytest.raises(Error, match="cannot look") as caught:
            function(OSError(number, "no"), "look")
        assert caught.value.errno == number


def test_a_hint_that_cannot_be_found_out_hides_no_error(monkeypatch):
    def refuse(*arguments):
        raise LibbpfError(errno.EMFILE, "none is left", "open it")

    monkeypatch.setattr(Btf, "kernel", refuse)
    assert _close_names.missing_in_btf("no_such") is None
    assert tracefs.in_use(lambda folder: tracefs.absent(OSError(errno.EMFILE, "none"), "look"), "/") == "it is in use"
    assert failure(errno.ENOENT, "attach", lambda _: _close_names.missing_in_btf("no_such")).errno == errno.ENOENT


def test_where_control_groups_are_not_mounted_that_is_the_hint(monkeypatch):
    monkeypatch.setattr(_mounts, "_mounts", lambda kind: [])
    with pytest.raises(LibbpfError, match=r"a mounted cgroup2 \(cannot find the file system 'cgroup2'"):
        _targets.cgroup("/none").__enter__()


def test_only_a_unit_of_perf_events_that_is_not_there_is_told_from_those_that_are(monkeypatch):
    with pytest.raises(LibbpfError) as caught:
        PerfEvent.dynamic("none", 0)
    assert "/sys/bus/event_source/devices has " in caught.value.hint

    def refuse(*arguments, **named):
        raise OSError(errno.EMFILE, "none")

    monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(LibbpfError) as caught:
        PerfEvent.dynamic("none", 0)
    monkeypatch.undo()
    assert "ulimit" in caught.value.hint


def test_a_pid_namespace_that_may_not_be_looked_at_is_not_said_to_be_another(monkeypatch):
    def refuse(*arguments):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "readlink", refuse)
    assert _run_family.check_namespace() is None


OPENED = {
    "a file": lambda: _files.regular_file("/none", "read it").__enter__(),
    "an object to write": lambda: linker._write("/none", b""),
    "a namespace": lambda: _targets.netns("/none").__enter__(),
    "a control group": lambda: _targets.cgroup("/none").__enter__(),
    "a group that is a value": lambda: _map_lend.Borrowed("a map").cgroup("/none"),
    "a group that is a key": lambda: _map_groups._inode("/none"),
    "a target": lambda: _link_opts.target_number("/none", lib.BPF_LIRC_MODE2, _borrow.Descriptors()),
    "the folder of a token": lambda: Token.create("/none"),
}


@pytest.mark.parametrize("what", OPENED)
def test_where_a_files_permissions_forbid_it_no_capability_is_said_to_be_lacking(what, monkeypatch):
    def refuse(*arguments, **named):
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(LibbpfPermissionError) as caught:
        OPENED[what]()
    monkeypatch.undo()
    assert caught.value.hint == "the file's own permissions, or those of a folder on the way, forbid it"
