"""The trace's ring buffers read as they are, compared with the kernel's own text of the same entries."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from libbpf_cffi import tracefs as fs
from libbpf_cffi.trace_pipe import LostEvents, TraceLine, TracePipe, parse_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import libbpf_cffi as bpf

SOON = 30.0


@pytest.fixture
def pipe(tracefs: str) -> Iterator[TracePipe]:
    """Give a raw reader, without the lines of BPF programs that happen to run meanwhile."""
    with TracePipe(raw=True) as pipe:
        without_bpf(pipe)
        yield pipe


def without_bpf(pipe: TracePipe) -> None:
    fs.write_file(f"{pipe.path}/events/bpf_trace/bpf_trace_printk/filter", "common_pid == 0x7fffffff", "filter")
    pipe.read(0)


def mark(pipe: TracePipe, *texts: bytes) -> None:
    marker = os.open(f"{pipe.path}/trace_marker", os.O_WRONLY)
    try:
        for text in texts:
            os.write(marker, text)
    finally:
        os.close(marker)


def from_other_processes(pipe: TracePipe, count: int, lines: int) -> None:
    """Have processes write at the same time, each on a CPU of its own if there are as many."""
    script = """
import os, sys
cpus = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cpus[int(sys.argv[2]) % len(cpus)]})
marker = os.open(sys.argv[1], os.O_WRONLY)
for number in range(int(sys.argv[3])):
    os.write(marker, b"%s: %d" % (sys.argv[2].encode(), number))
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", script, f"{pipe.path}/trace_marker", str(number), str(lines)])
        for number in range(count)
    ]
    for writer in writers:
        assert writer.wait() == 0


def settled(pipe: TracePipe) -> bytes:
    """Give the kernel's text of what is in the buffer, which stays there."""
    with open(f"{pipe.path}/trace", "rb") as file:
        return file.read()


def all_of(pipe: TracePipe, count: int) -> list[TraceLine]:
    """Read lines until there are as many."""
    found: list[TraceLine] = []
    end = time.monotonic() + SOON
    while len(found) < count and time.monotonic() < end:
        found += pipe.read(0.1)
    return found


def nameless(lines: list[TraceLine]) -> list[TraceLine]:
    """Leave the names of tasks out, which the kernel looks up anew each time."""
    return [line._replace(task="") for line in lines]


# The same as the text


@pytest.mark.every_kernel
def test_the_records_are_those_of_the_kernels_text(pipe: TracePipe) -> None:
    from_other_processes(pipe, 4, 500)
    text = settled(pipe)
    found = all_of(pipe, 2000)
    assert len(found) == 2000
    assert nameless(found) == nameless(parse_trace(text))  # type: ignore[arg-type]


@pytest.mark.every_kernel
def test_the_text_is_that_of_the_kernel(pipe: TracePipe) -> None:
    from_other_processes(pipe, 2, 50)
    wanted = [line.partition("-")[2] for line in settled(pipe).decode().split("\n") if line and line[0] != "#"]
    found: list[str] = []
    while len(found) < len(wanted):
        found += [line.partition("-")[2] for line in pipe.read_lines(SOON)]
    assert found == wanted


def test_names_and_processes_are_those_of_the_kernels_text(pipe: TracePipe) -> None:
    fs.write_file(f"{pipe.path}/trace_options", "record-tgid", "record processes")
    script = "import os, sys, threading\nfd = os.open(sys.argv[1], os.O_WRONLY)\n"
    script += "t = threading.Thread(target=os.write, args=(fd, b'x')); t.start(); t.join(); os.write(fd, b'y')"
    subprocess.run([sys.executable, "-c", script, f"{pipe.path}/trace_marker"], check=True)
    time.sleep(0.1)  # until both have been switched from: the kernel notes names then, and tells nobody
    wanted = parse_trace(settled(pipe))
    assert pipe.read(SOON) == wanted
    assert len({line.tgid for line in wanted if isinstance(line, TraceLine)}) == 1


@pytest.mark.parametrize(
    "text",
    [
        b"", b"\n", b"a\n", b"a\n\n", b"a\nb\n\nc", b"%s%n%d%%", b"\x01\x02\x1b[31m\t\r", b"\xff\xfe\x80",
        "äöü€😀".encode(), b"x" * 900, b"CPU:0 [LOST 5 EVENTS]", b"a: b: c", b"\xf0\x9f",
    ],
)  # fmt: skip
def test_a_message_of_any_kind_is_the_one_of_the_text(pipe: TracePipe, text: bytes) -> None:
    mark(pipe, b"before", text, b"after")
    wanted = parse_trace(settled(pipe))
    assert nameless(pipe.read(SOON)) == nameless(wanted)  # type: ignore[arg-type]


@pytest.mark.every_kernel
def test_what_bpf_prints_is_the_same_in_both_ways(loaded: Callable[..., bpf.Object], tracefs: str) -> None:
    obj = loaded("execve")
    with TracePipe(raw=True) as raw:
        with obj.programs["execve"].attach():
            subprocess.run(["true"], check=True)
        wanted = parse_trace(settled(raw))
        found = all_of(raw, len(wanted))
    assert wanted
    assert nameless(found) == nameless(wanted)  # type: ignore[arg-type]
    assert {line.event for line in found} == {"bpf_trace_printk"}


@pytest.mark.every_kernel
@pytest.mark.parametrize("clock", ["mono", "global", "counter", "boot"])
def test_times_are_those_of_the_text_with_any_clock(tracefs: str, clock: str) -> None:
    with TracePipe(raw=True, clock=clock) as pipe:
        without_bpf(pipe)
        for number in range(50):
            mark(pipe, b"%d" % number)
            time.sleep(0.0005 * (number % 3))
        wanted = parse_trace(settled(pipe))
        found = all_of(pipe, 50)
    assert nameless(found) == nameless(wanted)  # type: ignore[arg-type]
    assert type(found[0].timestamp) is (int if clock == "counter" else float)


@pytest.mark.parametrize(("first", "then"), [("mono", "counter"), ("counter", "mono")])
def test_times_are_those_of_the_text_with_another_clock_than_at_first(tracefs: str, first: str, then: str) -> None:
    with TracePipe(raw=True, clock=first) as pipe:
        without_bpf(pipe)
        mark(pipe, b"before")
        assert len(pipe.read(SOON)) == 1
        fs.write_file(f"{pipe.path}/trace_clock", then, "set the clock")
        mark(pipe, b"after", b"at last")
        wanted = parse_trace(settled(pipe))
        assert nameless(all_of(pipe, 2)) == nameless(wanted)  # type: ignore[arg-type]


def test_a_pause_longer_than_a_delta_can_say_is_in_the_times(pipe: TracePipe) -> None:
    mark(pipe, b"a")
    time.sleep(0.2)  # 27 bits of nanoseconds are 0.134 s: the kernel writes a time extension
    mark(pipe, b"b")
    wanted = parse_trace(settled(pipe))
    first, second = pipe.read(SOON)
    assert nameless([first, second]) == nameless(wanted)  # type: ignore[arg-type]
    assert second.timestamp - first.timestamp >= 0.2


@pytest.mark.every_kernel
def test_another_event_shows_its_fields(pipe: TracePipe) -> None:
    fs.write_file(f"{pipe.path}/events/sched/sched_process_exec/enable", "1", "enable an event")
    subprocess.run(["true"], check=True)
    fs.write_file(f"{pipe.path}/events/sched/sched_process_exec/enable", "0", "disable an event")
    line = next(line for line in pipe.read(SOON) if line.message.startswith("filename=/"))
    assert line.event == "sched_process_exec"
    assert f" pid={line.pid} " in f"{line.message} "


def test_events_that_a_filter_discards_leave_the_others_their_times(pipe: TracePipe) -> None:
    events = f"{pipe.path}/events/sched/sched_switch"
    fs.write_file(f"{events}/filter", "prev_prio == 9999", "filter")
    fs.write_file(f"{events}/enable", "1", "enable an event")
    for number in range(100):
        mark(pipe, b"%d" % number)
        time.sleep(0.0003)
    fs.write_file(f"{events}/enable", "0", "disable an event")
    wanted = parse_trace(settled(pipe))
    assert nameless(all_of(pipe, 100)) == nameless(wanted)  # type: ignore[arg-type]


# Sub-buffers


@pytest.fixture
def sizes(pipe: TracePipe) -> str:
    path = f"{pipe.path}/buffer_subbuf_size_kb"
    if not os.path.exists(path):
        pytest.skip("sub-buffers have one size before Linux 6.8")
    return path


def test_sub_buffers_of_any_size_are_read_while_that_changes(pipe: TracePipe, sizes: str) -> None:
    texts = [b"%d %s" % (number, b"x" * (number % 700)) for number in range(200)]
    for size in (4, 16, 8, 64, 4, 32):
        fs.write_file(sizes, str(size), "set the size")
        mark(pipe, *texts)
        assert [line.message.encode() for line in all_of(pipe, 200)] == texts, size
    assert pipe.lost == 0


@pytest.mark.parametrize("size", [20, 24, 40, 41, 100, 900])
def test_full_sub_buffers_tell_exactly_what_was_lost(tracefs: str, size: int) -> None:
    # Of entries that fill sub-buffers to the last byte the count of what was lost would not fit in any more.
    with TracePipe(raw=True, buffer_size_kb=16) as pipe:
        without_bpf(pipe)
        count = 4000
        mark(pipe, *(b"%08d%s" % (number, b"x" * (size - 8)) for number in range(count)))
        entries = list(pipe.entries(0.3))
        losses = [entry for entry in entries if isinstance(entry, LostEvents)]
        assert losses
        assert all(loss.events is not None for loss in losses)
        assert sum(1 for entry in entries if isinstance(entry, TraceLine)) + pipe.lost == count
        assert pipe.lost == sum(loss.events or 0 for loss in losses) == sum(pipe.lost_by_cpu.values())


@pytest.mark.every_kernel
def test_losses_stand_where_they_happened(tracefs: str) -> None:
    with TracePipe(raw=True, buffer_size_kb=16) as pipe:
        without_bpf(pipe)
        cpu = min(os.sched_getaffinity(0))
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {cpu})
        try:
            mark(pipe, *(b"%d" % number for number in range(3000)))
        finally:
            os.sched_setaffinity(0, allowed)
        expected = 0
        for entry in pipe.entries(0.3):
            if isinstance(entry, LostEvents):
                assert entry.cpu == cpu
                expected += entry.events or 0
            else:
                assert int(entry.message) == expected
                expected += 1
        assert expected == 3000


def test_lines_of_all_cpus_come_in_the_order_of_their_times(tracefs: str) -> None:
    with TracePipe(raw=True, buffer_size_kb=4096, clock="global") as pipe:
        without_bpf(pipe)
        over = threading.Event()
        found: list[TraceLine] = []

        def read() -> None:
            while not over.is_set():
                found.extend(pipe.read(0.05))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            from_other_processes(pipe, 3, 5000)
        finally:
            over.set()
            reader.join()
        found += all_of(pipe, 15000 - len(found))
        assert len(found) == 15000
        times = [line.timestamp for line in found]
        assert times == sorted(times)
        for writer in range(3):
            numbers = [int(line.message.partition(": ")[2]) for line in found if line.message[0] == str(writer)]
            assert numbers == list(range(5000))


# Left-overs


def test_the_descriptor_tells_of_lines_that_were_read_ahead(pipe: TracePipe) -> None:
    import select

    mark(pipe, *(b"%d" % number for number in range(900)))
    found = pipe.read(SOON, max=320)  # a batch of the decoder's, which has taken all from the kernel
    assert sum(fs.buffered_entries(pipe.path)) == 0
    assert select.select([pipe], [], [], 0)[0]
    assert len(found + pipe.read(0)) == 900


def test_lines_read_ahead_are_handed_out_after_close(pipe: TracePipe) -> None:
    mark(pipe, *(b"%d" % number for number in range(900)))
    lines = iter(pipe)
    found = [next(lines).message]
    pipe.close()
    found += [line.message for line in lines]
    assert found == [str(number) for number in range(900)]


def test_any_part_of_a_multi_line_message_can_be_left_to_another_way_to_read(pipe: TracePipe) -> None:
    for taken in range(1, 6):
        mark(pipe, b"a\nb\nc", b"d\ne", b"f")
        texts = [line.rpartition(": ")[2] for line in pipe.read_lines(SOON, max=taken)]
        texts += [part for line in all_of(pipe, 1) for part in line.message.split("\n")]
        assert texts == list("abcdef")


def test_raw_implies_an_instance_of_its_own(pipe: TracePipe, tracefs: str) -> None:
    assert pipe.path.startswith(f"{tracefs}/instances/")


def test_the_shared_buffer_is_read_raw_when_asked_for(tracefs: str) -> None:
    with TracePipe(instance=False, raw=True) as pipe:
        assert pipe.path == tracefs
        text = f"hello from {os.getpid()}"
        mark(pipe, text.encode())
        assert text in [line.message for line in pipe.records(1.0)]
