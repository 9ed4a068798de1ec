"""User ring buffers on the real kernel: what a program takes is what was sent."""

from __future__ import annotations

import errno
import gc
import os
import signal
import struct
import threading
import time

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

SOON = 10.0


class Taker:
    """Runs the programs that take samples."""

    def __init__(self, obj: bpf.Object) -> None:
        self.obj = obj

    def __call__(self, program: str = "drain") -> int:
        """Run one; give what it returned: how many samples there were."""
        opts = ffi.new("struct bpf_test_run_opts *")
        opts.sz = ffi.sizeof(opts[0])
        assert lib.bpf_prog_test_run_opts(self.obj.programs[program].fd, opts) == 0
        return int(ffi.cast("int", opts.retval))

    @property
    def last(self):
        """The last command that a program has taken."""
        return self.obj.variables["last"]

    @property
    def sum(self) -> int:
        """The sum of all numbers that programs have taken."""
        return self.obj.variables["sum"]


@pytest.fixture
def taker(loaded) -> Taker:
    """Load user_ring.bpf.c."""
    return Taker(loaded("user_ring"))


@pytest.fixture
def commands(taker):
    """A writer of the buffer whose type is declared."""
    with taker.obj.maps["commands"].user_ring_buffer() as out:
        yield out


@pytest.fixture
def plain(taker):
    """A writer of bytes."""
    with taker.obj.maps["plain"].user_ring_buffer() as out:
        yield out


def fill(out, size: int = 8) -> int:
    """Send until there is no room."""
    sent = 0
    while True:
        try:
            out.send(bytes(size))
        except bpf.LibbpfError as error:
            if error.errno != errno.ENOSPC:
                raise
            return sent
        sent += 1


def test_a_record_arrives(taker, commands):
    commands.send({"verb": 7, "pid": 4711, "name": "halt"})
    assert taker() == 1
    assert (taker.last.verb, taker.last.pid, taker.last.name) == (7, 4711, "halt")


def test_a_record_is_checked_before_anything_is_sent(taker, commands):
    with pytest.raises(ValueError, match="pid"):
        commands.send({"verb": 7, "pid": -1})
    assert taker() == 0


def test_bytes_arrive(taker, plain):
    plain.send(struct.pack("=Q", 12345))
    taker("drain_plain")
    assert taker.sum == 12345


def test_what_is_no_bytes_is_refused_where_there_is_no_type(plain):
    with pytest.raises(TypeError, match="bytes"):
        plain.send("text")


def test_a_sample_is_submitted_at_the_end_of_its_block(taker, plain):
    with plain.reserve(8) as sample:
        struct.pack_into("=Q", sample.data, 0, 77)
        assert taker("drain_plain") == 0
    assert taker("drain_plain") == 1
    assert taker.sum == 77


def test_the_bytes_of_a_sample_are_filled_and_not_replaced(taker, plain):
    with plain.reserve(8) as sample:
        with pytest.raises(TypeError, match=r"sample\.data\[:5\] ="):
            sample.data = b"hello"
        sample.data[:] = struct.pack("=Q", 3)
        sample.data.release()
    assert taker("drain_plain") == 1
    assert taker.sum == 3


def test_a_sample_of_the_type_has_its_size(commands):
    sample = commands.reserve()
    assert len(sample) == 24
    sample.discard()


def test_an_exception_in_the_block_discards_the_sample(taker, plain):
    with pytest.raises(ZeroDivisionError), plain.reserve(8):
        raise ZeroDivisionError
    plain.send(struct.pack("=Q", 5))
    assert taker("drain_plain") == 1
    assert taker.sum == 5


def test_a_sample_may_be_submitted_in_the_middle_of_its_block(taker, plain):
    with plain.reserve(8) as sample:
        sample[:] = struct.pack("=Q", 9)
        sample.submit()
    assert taker("drain_plain") == 1


def test_a_sample_is_submitted_only_once(plain):
    sample = plain.reserve(8)
    sample.submit()
    with pytest.raises(bpf.StateError, match="already"):
        sample.submit()
    sample.discard()


def test_a_sample_is_not_submitted_while_a_call_on_its_object_is_under_way(taker, plain):
    # As in a signal handler that has interrupted the sample's own submit(): what that goes on with would be freed.
    sample = plain.reserve(8)
    with bpf.pointer(taker.obj), pytest.raises(bpf.StateError, match=r"cannot submit .*: a signal handler"):
        sample.submit()
    sample.submit()
    assert taker("drain_plain") == 1


def test_a_sample_that_is_dropped_is_discarded(taker, plain):
    plain.reserve(8)
    gc.collect()
    plain.send(struct.pack("=Q", 5))
    assert taker("drain_plain") == 1


def test_samples_are_read_in_the_order_of_their_reservation(taker, plain):
    first, second = plain.reserve(8), plain.reserve(8)
    second.submit()
    assert taker("drain_plain") <= 0
    first.submit()
    assert taker("drain_plain") == 2


def test_a_full_buffer_is_an_error_that_says_so(plain):
    assert fill(plain) == 4096 // 16
    with pytest.raises(bpf.LibbpfError, match="4096 bytes are full") as error:
        plain.reserve(8)
    assert error.value.errno == errno.ENOSPC


def test_more_than_the_buffer_holds_is_an_error_that_says_so(plain):
    with pytest.raises(bpf.LibbpfError, match="raise its max_entries") as error:
        plain.send(bytes(4096))
    assert error.value.errno == errno.E2BIG
    with pytest.raises(bpf.LibbpfError, match="raise its max_entries"):
        plain.reserve(1 << 31)


@pytest.mark.parametrize("way", ["send", "reserve"])
def test_a_wait_for_room_ends_when_the_time_is_over(plain, way: str):
    fill(plain)
    start = time.monotonic()
    with pytest.raises(bpf.LibbpfError, match="full"):
        plain.send(bytes(8), 0.3) if way == "send" else plain.reserve(8, 0.3)
    assert 0.3 <= time.monotonic() - start < 3


@pytest.mark.parametrize("program", ["drain_plain", "drain_silently"])
def test_a_wait_ends_when_a_program_makes_room(taker, plain, program: str):
    fill(plain)
    threading.Timer(0.1, taker, (program,)).start()
    plain.send(bytes(8), SOON)


def test_a_wait_does_not_spin(plain):
    fill(plain, 40)
    start = time.thread_time()
    with pytest.raises(bpf.LibbpfError):
        plain.send(bytes(100), 0.5)
    assert time.thread_time() - start < 0.1


def test_ctrl_c_ends_a_wait_at_once(plain):
    fill(plain)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        plain.send(bytes(8), SOON)
    assert time.monotonic() - start < 3


def test_to_close_in_another_thread_ends_a_wait(plain):
    fill(plain)
    threading.Timer(0.1, plain.close).start()
    with pytest.raises(bpf.ClosedError):
        plain.send(bytes(8), SOON)


def test_threads_may_share_a_writer(taker, plain):
    def send() -> None:
        for _ in range(500):
            plain.send(struct.pack("=Q", 1), SOON)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taker("drain_plain")
    taker("drain_plain")
    assert taker.sum == 2000


def test_nothing_can_be_done_with_a_closed_writer(taker):
    out = taker.obj.maps["plain"].user_ring_buffer()
    sample = out.reserve(8)
    out.close()
    out.close()
    for act in (lambda: out.send(b""), lambda: out.reserve(1), sample.submit, out.__enter__):
        with pytest.raises(bpf.ClosedError):
            act()
    sample.discard()
    assert "closed" in repr(out)


def test_what_is_reserved_is_discarded_when_the_writer_is_closed(taker, plain):
    with taker.obj.maps["plain"].user_ring_buffer() as other:
        sample = other.reserve(8)
    assert len(sample) == 8
    plain.send(struct.pack("=Q", 3))
    assert taker("drain_plain") == 1


def test_writers_that_are_collected_do_no_harm(taker):
    for _ in range(200):
        out = taker.obj.maps["plain"].user_ring_buffer()
        sample = out.reserve(8)
        del out
        sample.data[0] = 1
        del sample
    with taker.obj.maps["plain"].user_ring_buffer() as out:
        out.send(struct.pack("=Q", 3))
        assert taker("drain_plain") == 1


def test_a_writer_is_closed_with_its_object(taker):
    out = taker.obj.maps["plain"].user_ring_buffer()
    taker.obj.close()
    with pytest.raises(bpf.ClosedError):
        out.send(b"")


def test_a_forked_child_cannot_write(plain, taker, in_fork):
    def child() -> str:
        try:
            plain.send(bytes(8))
        except bpf.ClosedError as error:
            return str(error)
        return "sent"

    assert "forked" in in_fork(child)
    plain.send(bytes(8))
    assert taker("drain_plain") == 1


def test_a_reservation_that_finds_no_room_leaves_nothing(plain):
    samples = []
    with pytest.raises(bpf.LibbpfError, match="full"):
        while True:
            samples.append(plain.reserve(512))
    for _ in range(3):
        with pytest.raises(bpf.LibbpfError, match="full"):
            plain.reserve(512)
    assert len(plain._handle._children) == len(samples)
