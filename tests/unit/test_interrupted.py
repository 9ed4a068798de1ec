"""What a Ctrl-C at one certain moment leaves: no descriptor open, and nothing destroyed that is not there."""

from __future__ import annotations

import gc
import os
import sys

import pytest

from libbpf_cffi import LibbpfError, _handle, ffi
from libbpf_cffi._borrow import Descriptors
from libbpf_cffi._handle import Handle
from libbpf_cffi._targets import Opened


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def interrupt_at(function):
    """Raise as a signal's handler does that runs before the first instruction of a function."""

    def trace(frame, event, argument):
        if frame.f_code is function.__code__:
            sys.settrace(None)
            raise KeyboardInterrupt

    sys.settrace(trace)


@pytest.fixture
def untraced():
    before = sys.gettrace()
    yield
    sys.settrace(before)


def test_a_descriptor_is_open_in_the_block_and_closed_after_it():
    with Descriptors() as held:
        fd = held.make(os.open, "/", os.O_PATH)
        assert is_open(fd)
        assert is_open(held.dup(fd))
    assert not is_open(fd)


def test_a_negative_errno_is_given_and_not_kept():
    with Descriptors() as held:
        assert held.make(int, -22) == -22
        assert not held._made


def test_a_number_that_cannot_be_duplicated_is_an_error_of_ours():
    with Descriptors() as held, pytest.raises(LibbpfError, match="use it"):
        held.dup(1 << 20, "use it")


def test_a_ctrl_c_at_the_end_of_the_block_does_not_keep_a_descriptor_open(untraced):
    def interrupted():
        with Descriptors() as held:
            made.append(held.make(os.open, "/", os.O_PATH))
            interrupt_at(Descriptors.__exit__)

    made = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    gc.collect()
    assert not is_open(made[0])


def test_a_ctrl_c_at_the_end_of_a_files_block_does_not_keep_it_open(untraced):
    def interrupted():
        with Opened("/", "folder") as fd:
            made.append(fd)
            interrupt_at(Opened.__exit__)

    made = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    gc.collect()
    assert not is_open(made[0])


def test_a_ctrl_c_as_a_file_is_opened_closes_it_at_once():
    class Interrupted(Descriptors):
        def make(self, function, *arguments):
            made.append(super().make(function, *arguments))
            raise KeyboardInterrupt

    made = []
    opened = Opened("/", "folder")
    opened._made = Interrupted()
    with pytest.raises(KeyboardInterrupt), opened:
        pass
    assert not is_open(made[0])


@pytest.mark.parametrize("address", [0, (1 << 64) - 22])
def test_what_cannot_be_a_pointer_is_not_destroyed_when_a_ctrl_c_ends_its_making(monkeypatch, address):
    def interrupt(pointer):
        raise KeyboardInterrupt

    destroyed = []
    handle = Handle(destroyed.append, name="a")
    with monkeypatch.context() as patch:
        patch.setattr(_handle, "wild", interrupt)
        with pytest.raises(KeyboardInterrupt):
            handle.make(lambda number: ffi.cast("void *", number), address)
    handle.close()
    assert handle.closed
    assert destroyed == []
