"""What a handler of a signal raises goes on to the caller: a TimeoutError is an OSError, but no refusal."""

from __future__ import annotations

import builtins
import fcntl
import os
import socket

import pytest

from libbpf_cffi import (
    PerfEvent,
    Token,
    _alternative_names,
    _borrow,
    _kernel_table,
    _link_opts,
    _map_groups,
    _map_lend,
    _map_open,
    _mounts,
    _netlink,
    _perf_settings,
    _pins,
    _targets,
    lib,
    link_objects,
)

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
