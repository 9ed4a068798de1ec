"""The clock of the machine is set while something waits: a time-out is as long as it was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

import libbpf_cffi as bpf

pytestmark = pytest.mark.parametrize("jump", [3600, -3600], ids=["forward", "back"])

WAIT = 0.6
"""Seconds."""

SLOW = 30.0
"""Seconds: an emulated processor takes its time, but no hour."""


@contextlib.contextmanager
def clock_that_jumps(seconds):
    """Set the clock of the machine forward or back, soon; and right again at the end."""
    real, steady = time.time(), time.monotonic()

    def jump():
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)

    timer = threading.Timer(WAIT / 3, jump)
    timer.start()
    try:
        yield
    finally:
        timer.join()
        time.clock_settime(time.CLOCK_REALTIME, real + time.monotonic() - steady)


def timed(function, jump):
    with clock_that_jumps(jump):
        start = time.monotonic()
        function()
        return time.monotonic() - start


def check(seconds):
    assert WAIT - 0.01 <= seconds < SLOW


def test_a_ring_buffer_waits_as_long_as_it_was_told_to(loaded, jump):
    with loaded("rings").maps["events"].ring_buffer() as reader:
        check(timed(lambda: reader.read(timeout=WAIT), jump))


def test_a_perf_buffer_waits_as_long_as_it_was_told_to(loaded, jump):
    with loaded("perf_one").maps["events"].perf_buffer() as reader:
        check(timed(lambda: reader.read(timeout=WAIT), jump))


def test_an_iteration_waits_as_long_as_it_was_told_to(loaded, jump):
    with loaded("rings").maps["events"].ring_buffer() as reader:
        check(timed(lambda: list(reader.records(timeout=WAIT)), jump))


def test_a_writer_waits_for_room_as_long_as_it_was_told_to(loaded, jump):
    with loaded("user_ring").maps["plain"].user_ring_buffer() as writer:
        with contextlib.suppress(bpf.LibbpfError):
            while True:
                writer.send(bytes(1000))

        def wait():
            with pytest.raises(bpf.LibbpfError, match="full"):
                writer.send(bytes(1000), timeout=WAIT)

        check(timed(wait, jump))


def test_a_trace_waits_as_long_as_it_was_told_to(tracefs, jump):
    with bpf.TracePipe(instance=True) as pipe:
        check(timed(lambda: pipe.read(timeout=WAIT), jump))


def test_an_event_loop_waits_as_long_as_it_was_told_to(loaded, jump):
    with loaded("rings").maps["events"].ring_buffer() as reader:
        check(timed(lambda: asyncio.run(reader.aread(timeout=WAIT)), jump))


def test_the_command_ends_after_its_duration(compiled, tracefs, jump):
    def run():
        subprocess.run(
            [sys.executable, "-m", "libbpf_cffi.run", "-q", "-i", "-d", f"{WAIT}s", compiled("printing")],
            check=True,
            env={**os.environ, "NO_COLOR": "1"},
        )

    check(timed(run, jump))
