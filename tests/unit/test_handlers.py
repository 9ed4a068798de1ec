"""What a handler of a signal raises goes on to the caller: a TimeoutError is an OSError, but no refusal."""

from __future__ import annotations

import ast
import builtins
import errno
import fcntl
import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from libbpf_cffi import (
    PerfEvent,
    Token,
    _alternative_names,
    _attach_tracing,
    _borrow,
    _check,
    _clang,
    _close_later,
    _close_names,
    _isolate,
    _kernel_open,
    _kernel_table,
    _link_opts,
    _map_groups,
    _map_lend,
    _map_open,
    _mounts,
    _netlink,
    _perf_settings,
    _pin_paths,
    _pins,
    _sections,
    _targets,
    _vmlinux,
    errors,
    lib,
    link_objects,
    perf_events,
)
from libbpf_cffi.btf import Btf

PACKAGE = Path(__file__).resolve().parent.parent.parent / "libbpf_cffi"


def _close_names_of_maps():
    kind = SimpleNamespace(ids=lambda: [1], from_id=lambda number: os.open("/", os.O_RDONLY))
    return _kernel_open.Kind.close_names(kind, "x")


def _mapped():
    start = _sections.ffi.new("char[8]")
    memory = SimpleNamespace(_initial=lambda: start, name=".bss", size=8, _handle=SimpleNamespace(name="x"))
    return _sections.Section._find_mapped(memory)


PLACES = {
    "a descriptor": ((fcntl, "fcntl"), lambda: _borrow.Descriptors().dup(0)),
    "a file": ((os, "open"), lambda: _targets.netns("x").__enter__()),
    "a file for a map": ((os, "open"), lambda: _map_lend.Borrowed("a map").path("/", os.O_RDONLY, "a folder")),
    "a target": ((os, "open"), lambda: _link_opts.target_number("/", lib.BPF_LIRC_MODE2, _borrow.Descriptors())),
    "a token": ((os, "open"), lambda: Token.create("/")),
    "a group": ((os, "stat"), lambda: _map_groups._inode("/")),
    "an inode": ((os, "fstat"), lambda: _targets.inode(0)),
    "an interface": ((socket, "if_nametoindex"), lambda: _targets.interface("lo")),
    "an interface of a long name": ((socket, "socket"), lambda: _alternative_names.by_alternative_name("lo")),
    "the name of an interface": ((socket, "if_indextoname"), lambda: _targets.interface_name(1)),
    "interfaces": ((socket, "if_nameindex"), _kernel_table._interfaces),
    "classifiers": ((socket, "socket"), lambda: _netlink.classifiers(1, [1])),
    "facts of a map": ((builtins, "open"), lambda: _map_open.fdinfo(0)),
    "processors": ((builtins, "open"), lambda: _perf_settings._online("find them")),
    "a unit of perf events": ((builtins, "open"), lambda: PerfEvent.dynamic("x", 0, cpu=0)),
    "an object": ((os, "fstat"), lambda: link_objects(0)),
    "the way to a pin": ((os, "lstat"), lambda: list(_pins._walk("/x", "pin it"))),
    "the current folder": ((os, "getcwd"), lambda: _pins.absolute_path("x", "pin it")),
    "a folder to mount at": ((os.path, "realpath"), lambda: _mounts.mount_bpffs("x")),
    "a socket to find an interface by": ((socket, "socket"), lambda: _targets.no_socket(OSError("no interface"))),
    "the file system of a path": ((os.path, "realpath"), lambda: _targets.cgroup_hint("/")),
    "names of namespaces": ((os, "listdir"), lambda: _targets._no_name("x", errno.ENOENT)),
    "what is wrong with a path": ((os, "stat"), lambda: _pins.opening_hint(errno.EACCES, "/x")),
    "whether a pin is there": ((os, "lstat"), lambda: _pin_paths.pin_gone("/x")),
    "whose a file is": ((os, "stat"), lambda: _pins._closed("/x")),
    "units of perf events": ((os, "listdir"), lambda: perf_events._units(errno.ENOENT)),
    "the most samples": ((builtins, "open"), perf_events._most_samples),
    "functions": ((builtins, "open"), _close_names._kernel_functions),
    "the kernel's types": ((Btf, "kernel"), lambda: _close_names.missing_in_btf("x")),
    "categories of tracepoints": ((os, "listdir"), lambda: _close_names.tracepoints_called("/", "x")),
    "tracepoints": ((os, "scandir"), lambda: _close_names.close_tracepoints("/", "x/y")),
    "security modules": ((builtins, "open"), _attach_tracing._lsm_hint),
    "whose memory counts": ((builtins, "open"), _check._charges_cgroups),
    "names of maps": ((os, "open"), _close_names_of_maps),
    "the memory of a map": ((builtins, "open"), _mapped),
    "the memory of this process": ((builtins, "open"), lambda: _isolate._own_memory(0)),
    "a folder for the cache": ((os, "mkdir"), lambda: _vmlinux._made("/no_such")),
    "folders above the cache": ((os, "lstat"), lambda: _vmlinux._private("/x")),
    "a header in the cache": ((builtins, "open"), lambda: _vmlinux._cached("/x")),
    "a header for the cache": ((os, "makedirs"), lambda: _vmlinux._store("/x", "y", b"")),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_no_refusal(place, monkeypatch):
    mine = TimeoutError("mine")

    def interrupted(*arguments, **named):
        raise mine

    (owner, name), call = PLACES[place]
    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(TimeoutError) as caught:
        call()
    monkeypatch.undo()
    assert caught.value is mine


@pytest.mark.parametrize("name", ["utime", "scandir"])
def test_in_the_cache_what_is_refused_does_not_matter_but_what_a_handler_raises_does(name, monkeypatch, tmp_path):
    errors = [OSError(errno.EROFS, "read-only"), TimeoutError("mine")]

    def refuse(*arguments):
        raise errors.pop(0)

    def use():
        return _vmlinux._store(tmp_path, "x", _vmlinux._TAIL) and _vmlinux._cached(tmp_path / "x")

    monkeypatch.setattr(os, name, refuse)
    assert use()
    with pytest.raises(TimeoutError, match="mine"):
        use()


TELLING = {"refused", "absent", "passing", "_passing", "_pass_on"}
"""What raises what is no refusal."""

DROPPING = {
    "_command_text.room": "a command's",
    "compile.main": "the end of a command",
    "tracefs.make_instance": "what came first is raised",
}
"""Where whatever an ``OSError`` is, it may be dropped; in the command bpf-run the handlers are its own."""


def _asks(node, name):
    """Tell whether an ``except`` raises what it has caught, or asks what it is."""
    if isinstance(node, ast.Raise):
        return node.exc is None
    if not isinstance(node, ast.Call):
        return False
    called = getattr(node.func, "id", getattr(node.func, "attr", ""))
    return called in TELLING or (called == "failure" and ast.unparse(node.args[0]) == name)


def _dropping(node, function=""):
    """Give the functions that catch any ``OSError`` and may drop it."""
    function = getattr(node, "name", function) if isinstance(node, ast.FunctionDef) else function
    handlers = node.handlers if isinstance(node, ast.Try) else []
    caught = [ast.unparse(each.type) if each.type else "" for each in handlers]
    for each, kinds in zip(handlers, caught, strict=True):
        told = "TimeoutError" in caught or any(_asks(part, each.name) for part in ast.walk(each))
        if "OSError" in kinds and not told:
            yield function
    if isinstance(node, ast.Call) and "suppress(OSError" in ast.unparse(node):
        yield function
    for child in ast.iter_child_nodes(node):
        yield from _dropping(child, function)


def test_nowhere_else_it_is_dropped():
    found = {
        f"{path.stem}.{function}"
        for path in PACKAGE.glob("*.py")
        if not path.stem.startswith(("run", "_run_"))
        for function in _dropping(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set(DROPPING)


class HandlerError(RuntimeError):
    """What a handler raises."""


NO_THREAD = "can't start new thread"

STARTS = {
    "another namespace": lambda: _targets.in_netns("/proc/self/ns/net", list),
    "clang": lambda: _clang._run(["/bin/true"]),
    "closing": lambda: _close_later.close_soon(type("Held", (), {"close": None})()),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("error", [RuntimeError("mine"), HandlerError(NO_THREAD)])
def test_only_what_python_says_is_that_no_thread_can_be_started(start, error, monkeypatch):
    def interrupted(*arguments):
        raise error

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(_close_later, "start_new_thread", interrupted)
    monkeypatch.setattr(_close_later, "waiting", [])
    with pytest.raises(RuntimeError) as caught:
        STARTS[start]()
    assert caught.value is error
    error = RuntimeError(NO_THREAD)
    if start == "closing":
        STARTS[start]()
        assert len(_close_later.waiting) == 2
    else:
        with pytest.raises(errors.LibbpfError) as caught:
            STARTS[start]()
        assert caught.value.errno == errno.EAGAIN
