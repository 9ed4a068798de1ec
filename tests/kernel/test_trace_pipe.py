"""The trace pipe on the running kernel. What is read is written to the file trace_marker."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import os
import resource
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sanitized import SLOWER

from libbpf_cffi import ClosedError, StateError
from libbpf_cffi import tracefs as fs
from libbpf_cffi.trace_pipe import LostEvents, TraceLine, TracePipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 30.0
"""Seconds that nothing here takes on any machine; what hangs fails by it."""


@pytest.fixture(params=[False, True], ids=["text", "raw"])
def raw(request: pytest.FixtureRequest) -> bool:
    """Read the kernel's text, or the ring buffers."""
    return bool(request.param)


@pytest.fixture
def pipe(tracefs: str, raw: bool) -> Iterator[TracePipe]:
    """Give a pipe of our own, without the lines of BPF programs that happen to run meanwhile."""
    with TracePipe(instance=True, raw=raw) as pipe:
        without_bpf(pipe)
        yield pipe


def without_bpf(pipe: TracePipe) -> None:
    """Keep what bpf_printk() writes out. With its event switched off the kernel would not save the names of tasks."""
    fs.write_file(f"{pipe.path}/events/bpf_trace/bpf_trace_printk/filter", "common_pid == 0x7fffffff", "filter")
    pipe.read(0)


def mark(pipe: TracePipe, *texts: str | bytes) -> None:
    """Write entries. The file is closed again: an instance with an open file cannot be removed."""
    marker = os.open(f"{pipe.path}/trace_marker", os.O_WRONLY)
    try:
        for text in texts:
            data = text.encode() if isinstance(text, str) else text
            assert os.write(marker, data) == len(data)
    finally:
        os.close(marker)


def longest(pipe: TracePipe, wanted: int) -> int:
    """Give the length of the longest entry up to `wanted` that this kernel takes: before Linux 6.8 that is 1024."""
    marker = os.open(f"{pipe.path}/trace_marker", os.O_WRONLY)
    try:
        size = os.write(marker, b"x" * wanted)
    finally:
        os.close(marker)
    pipe.read(SOON)
    return size


def ours(tracefs: str) -> list[str]:
    """Give the instances of this process."""
    return [name for name in os.listdir(f"{tracefs}/instances") if f"-{os.getpid()}-" in name]


def numbered(count: int, start: int = 0) -> list[str]:
    """Make texts that can be told apart."""
    return [f"n{number}" for number in range(start, start + count)]


def messages(lines: object) -> list[str]:
    """Take the messages of lines."""
    return [line.message for line in lines]  # type: ignore[attr-defined]


@contextmanager
def flood(pipe: TracePipe) -> Iterator[None]:
    """Have a process write entries as fast as it can."""
    script = """
import os, sys
marker = os.open(sys.argv[1], os.O_WRONLY)
print(flush=True)
while True:
    os.write(marker, b"flood")
"""
    command = [sys.executable, "-c", script, f"{pipe.path}/trace_marker"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    try:
        writer.stdout.readline()
        yield
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()


@contextmanager
def later(action: Callable[[], object], pipe: TracePipe) -> Iterator[None]:
    """Do something in another thread once this one reads from the pipe."""
    trouble: list[BaseException] = []

    def run() -> None:
        end = time.monotonic() + SOON
        while pipe._held.reader is None and not pipe._awaited and time.monotonic() < end:
            time.sleep(0.001)
        try:
            action()
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not trouble, trouble


def in_a_program(script: str, *, check: bool = True, raw: bool = False) -> subprocess.CompletedProcess[str]:
    """Run Python."""
    head = """
import gc, os, signal, sys, threading, time
from libbpf_cffi import ClosedError, tracefs
from libbpf_cffi.trace_pipe import TracePipe as Pipe
def TracePipe(*args, **kwargs):
    return Pipe(*args, raw=RAW, **kwargs)
def without_bpf(pipe):
    tracefs.write_file(f"{pipe.path}/events/bpf_trace/bpf_trace_printk/enable", "0", "switch it off")
    pipe.read(0)
"""
    # That a process with threads forks is what is tested.
    program = f"RAW = {raw}\n{head}{textwrap.dedent(script)}"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SOON)
    assert not check or (done.returncode, done.stderr) == (0, ""), done
    return done


# Lines


@pytest.mark.every_kernel
def test_a_line_is_handed_out_without_waiting_for_the_next(pipe: TracePipe) -> None:
    mark(pipe, "hello")
    (line,) = pipe.read(SOON)
    assert (line.pid, line.event, line.message) == (os.getpid(), "tracing_mark_write", "hello")


def test_the_flags_and_the_cpu_of_a_line_are_the_kernels(pipe: TracePipe) -> None:
    cpu = min(os.sched_getaffinity(0))
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        mark(pipe, "hello")
    finally:
        os.sched_setaffinity(0, allowed)
    (line,) = pipe.read(SOON)
    assert (line.cpu, len(line.flags) >= 4) == (cpu, True)


def test_a_line_has_a_process_id_when_the_instance_shows_it(pipe: TracePipe) -> None:
    with open(f"{pipe.path}/options/record-tgid", "w", encoding="utf-8") as option:
        option.write("1")
    script = "import os, sys, threading\nfd = os.open(sys.argv[1], os.O_WRONLY)\n"
    script += "t = threading.Thread(target=os.write, args=(fd, b'x')); t.start(); t.join(); print(os.getpid())"
    command = [sys.executable, "-c", script, f"{pipe.path}/trace_marker"]
    process = int(subprocess.run(command, capture_output=True, check=True).stdout)
    (line,) = pipe.read(SOON)
    assert line.pid != process
    assert line.tgid == process


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["a b", "a-1 [000]", "x: y: z", "[x] (y) -", "ünïcödé", "a\nb", "fifteen letters"])
def test_a_task_of_any_name_is_read(pipe: TracePipe, name: str) -> None:
    script = "import os, sys\nopen('/proc/self/comm', 'w').write(sys.argv[1])\n"
    script += "fd = os.open(sys.argv[2], os.O_WRONLY)\nos.write(fd, b'first')\nos.write(fd, b'second')"
    subprocess.run([sys.executable, "-c", script, name, f"{pipe.path}/trace_marker"], check=True)
    lines = pipe.read(SOON)
    assert messages(lines) == ["first", "second"]
    assert {line.task for line in lines} == {name}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a\nb\n\nc", "a\nb\n\nc"),
        (b"", ""),
        (b"\n", ""),
        (b"a\n", "a"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("äöü€😀".encode(), "äöü€😀"),
        (b"CPU:0 [LOST 5 EVENTS]", "CPU:0 [LOST 5 EVENTS]"),
        (b"\x1b[31m\t\r", "\x1b[31m\t\r"),
    ],
)
def test_a_message_of_any_kind_is_read(pipe: TracePipe, text: bytes, message: str) -> None:
    mark(pipe, "before", text, "after")
    assert messages(pipe.read(SOON)) == ["before", message, "after"]


def test_a_long_message_is_read(pipe: TracePipe) -> None:
    texts = ["before", "x" * longest(pipe, 3000), "after"]
    mark(pipe, *texts)
    assert messages(pipe.read(SOON)) == texts


def test_an_entry_without_a_newline_is_handed_out_at_once_and_is_not_part_of_the_next(pipe: TracePipe) -> None:
    # The kernel prints such an entry up to its NUL, newline and all that follows left out.
    mark(pipe, b"a\0")
    assert messages(pipe.read(SOON)) == ["a"]
    mark(pipe, b"b\0", b"c\0", "d", b"e\0", "f")
    assert messages(pipe.read(SOON)) == ["b", "c", "d", "e", "f"]


@pytest.mark.parametrize("buffer", [4096, 8192])
def test_entries_that_fill_the_kernels_buffer_to_any_byte_stay_whole(pipe: TracePipe, buffer: int) -> None:
    # Before Linux 6.8 it is one page, since then two.
    mark(pipe, "x" * 100)
    (text,) = pipe.read_lines(SOON)
    overhead = len(text) + 1 - 100
    for total in range(buffer - 62, buffer - 2):
        sizes = [900] * (buffer // 1024)
        texts = [letter * (size - overhead) for letter, size in zip("abcdefgh", sizes, strict=False)]
        texts.append("z" * (total - sum(sizes) - overhead))
        mark(pipe, *texts)
        found: list[str] = []
        while len(found) < len(texts):
            found += messages(pipe.read(SOON))
        assert found == texts


def test_thousands_of_lines_come_all_and_in_order(pipe: TracePipe) -> None:
    mark(pipe, *numbered(5000))
    assert messages(itertools.islice(pipe, 5000)) == numbered(5000)


def test_a_clock_that_counts_gives_whole_numbers(tracefs: str, raw: bool) -> None:
    with TracePipe(instance=True, clock="counter", raw=raw) as pipe:
        without_bpf(pipe)
        mark(pipe, "a", "b")
        first, second = pipe.read(SOON)
        assert (type(first.timestamp), second.timestamp - first.timestamp) == (int, 1)


def test_the_clock_mono_is_the_one_of_python(tracefs: str, raw: bool) -> None:
    with TracePipe(instance=True, clock="mono", raw=raw) as pipe:
        without_bpf(pipe)
        before = time.monotonic()
        mark(pipe, "a")
        after = time.monotonic()
        (line,) = pipe.read(SOON)
        assert before - 1e-6 <= line.timestamp <= after


# Waiting


def test_to_read_nothing_ends_when_the_time_is_over(pipe: TracePipe) -> None:
    start = time.monotonic()
    assert pipe.read(0.2) == []
    assert time.monotonic() - start >= 0.2


def test_to_read_without_time_does_not_wait(pipe: TracePipe) -> None:
    assert pipe.read(0) == []
    mark(pipe, "a", "b")
    assert messages(pipe.read(0)) == ["a", "b"]


def test_an_iteration_ends_when_the_time_is_over(pipe: TracePipe) -> None:
    start = time.monotonic()
    assert list(pipe.records(0.2)) == []
    assert time.monotonic() - start >= 0.2


def test_a_line_that_comes_while_waiting_ends_the_wait(pipe: TracePipe) -> None:
    with later(lambda: mark(pipe, "a"), pipe):
        assert messages(pipe.read()) == ["a"]


@pytest.mark.every_kernel
def test_a_time_out_holds_under_a_flood(pipe: TracePipe) -> None:
    with flood(pipe):
        start = time.monotonic()
        assert pipe.read(0.1)
        assert list(pipe.records(0.3))
        assert list(pipe.lines(0.3))
        assert time.monotonic() - start < SOON


def test_a_time_out_holds_for_a_slow_taker_and_what_is_left_comes_next(pipe: TracePipe) -> None:
    mark(pipe, *numbered(300))
    taken = []
    for line in pipe.records(0.05):
        taken.append(line.message)
        time.sleep(0.02)  # it is slow
    assert 0 < len(taken) < 300
    assert taken + messages(pipe.read(SOON)) == numbered(300)


def test_a_list_is_no_longer_than_asked_for(pipe: TracePipe) -> None:
    mark(pipe, *numbered(250))
    sizes = [len(pipe.read(SOON, max=100)) for _ in range(3)]
    assert sizes == [100, 100, 50]


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_time_out_that_is_none_is_refused(pipe: TracePipe, timeout: float) -> None:
    for read in (pipe.read, pipe.records, pipe.lines, pipe.raw_lines, pipe.read_lines):
        with pytest.raises(ValueError, match="timeout must be"):
            read(timeout)


def test_a_time_out_may_be_longer_than_the_kernel_can_count(pipe: TracePipe) -> None:
    for timeout in (1e9, float("inf")):
        with later(lambda: mark(pipe, "a"), pipe):
            assert messages(pipe.read(timeout)) == ["a"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_list_of_less_than_one_line_is_refused(pipe: TracePipe, limit: int) -> None:
    with pytest.raises(ValueError, match="max must be at least 1"):
        pipe.read(0, max=limit)


# Nothing is lost


def test_lines_left_by_an_exception_come_next(pipe: TracePipe) -> None:
    mark(pipe, *numbered(500))
    taken = []
    with pytest.raises(KeyError):
        for line in pipe:
            taken.append(line.message)
            if len(taken) == 3:
                raise KeyError
    assert taken + messages(pipe.read(SOON)) == numbered(500)


def test_the_ways_to_read_can_be_mixed_and_hand_out_each_line_once_in_order(pipe: TracePipe) -> None:
    mark(pipe, *numbered(600))
    seen: list[str] = []
    iterator = iter(pipe)
    while len(seen) < 600:
        seen += messages([next(iterator)])
        seen += [next(pipe.lines()).rpartition(" ")[2]]
        seen += [next(pipe.raw_lines()).decode().rpartition(" ")[2]]
        seen += messages(pipe.read(SOON, max=2))
        seen += [line.rpartition(" ")[2] for line in pipe.read_lines(SOON, max=3)]
        seen += messages(next(pipe.entries()) for _ in range(2))
    assert seen == numbered(600)


def test_lines_left_with_newlines_in_their_messages_come_whole(pipe: TracePipe) -> None:
    texts = [f"n{number}\nmore\n\nand more" for number in range(100)]
    mark(pipe, *texts)
    assert messages([next(pipe.records())]) == texts[:1]
    text = pipe.read_lines(SOON, max=4)
    assert [line.rpartition(": ")[2] for line in text] == ["n1", "more", "", "and more"]
    assert messages(pipe.read(SOON)) == texts[2:]


class Interrupted(Exception):  # noqa: N818 - as KeyboardInterrupt
    """What the signal handler raises."""


class Alarm:
    """Raises `Interrupted` every 0.7 ms, as Ctrl-C raises KeyboardInterrupt, as often as `armed` says."""

    def __init__(self) -> None:
        self.armed = 0
        self.raised = 0
        """How often it has."""

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        if self.armed:
            self.armed -= 1
            self.raised += 1
            raise Interrupted


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    """Have a timer run."""
    alarm = Alarm()
    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0007 * SLOWER)
    yield alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("way", ["iterate", "read", "lines", "next", "mixed"])
def test_an_interrupt_at_any_moment_loses_no_line(pipe: TracePipe, alarm: Alarm, way: str) -> None:
    found: list[object] = []
    # C alone stands between the pipe and the list: nothing is interrupted there.
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: found.extend(pipe.records(0)),
        "read": lambda: found.extend(itertools.chain.from_iterable(map(pipe.read, [0] * 9, [40] * 9))),
        "lines": lambda: found.extend(pipe.lines(0)),
        "next": lambda: found.extend(map(next, itertools.repeat(pipe.records(0), 20))),
    }
    turns = itertools.cycle(ways.values()) if way == "mixed" else itertools.repeat(ways[way])

    late = time.monotonic() + SOON

    def take(end: int) -> None:
        # A loop within the `try` below would not be covered by it: CPython 3.13 forgets its jumps.
        while len(found) < end:
            next(turns)()
            assert time.monotonic() < late, f"lines were lost: {len(found)} of {end} came"

    end, least = 0, 6 if SLOWER == 1 else 0
    # A busy machine may be done with a turn before the next alarm, an emulated processor always.
    while end < 4000 or alarm.raised < least:
        mark(pipe, *numbered(500, end))
        end += 500
        while len(found) < end:
            try:
                try:
                    # In CPython 3.10 a second interrupt can keep a `finally` from running for the first.
                    alarm.armed = 3 if sys.version_info >= (3, 11) else 1
                    take(end)
                finally:
                    alarm.armed = 0
            except Interrupted:
                pass
    texts = [item.message if isinstance(item, TraceLine) else str(item).rpartition(" ")[2] for item in found]
    assert texts == numbered(end)


@pytest.fixture
def small(tracefs: str, raw: bool) -> Iterator[TracePipe]:
    """Give a pipe with the smallest buffer there is."""
    with TracePipe(instance=True, buffer_size_kb=1, raw=raw) as pipe:
        without_bpf(pipe)
        yield pipe


@pytest.mark.every_kernel
def test_lost_entries_are_counted_in_all_and_for_each_cpu(small: TracePipe) -> None:
    mark(small, *numbered(3000))
    lines = small.read(SOON)
    assert small.lost > 0
    assert len(lines) + small.lost == 3000
    assert sum(small.lost_by_cpu.values()) == small.lost


def test_lost_entries_are_in_the_stream_when_asked_for(small: TracePipe) -> None:
    mark(small, *numbered(3000))
    entries = list(itertools.islice(small.entries(SOON), 2))
    assert isinstance(entries[0], LostEvents)
    assert isinstance(entries[1], TraceLine)
    assert small.lost_by_cpu[entries[0].cpu] >= (entries[0].events or 0) > 0


def test_lost_entries_are_counted_whatever_way_the_text_is_read(small: TracePipe) -> None:
    mark(small, *numbered(3000))
    (first,) = small.read_lines(SOON, max=1)
    assert first.endswith(" EVENTS]")
    assert small.lost > 0
    lines = len(small.read(SOON))
    assert small.lost + lines == 3000


def test_lost_entries_are_counted_once_though_a_read_is_interrupted(
    small: TracePipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        if small._taken:
            raise Interrupted

    mark(small, *numbered(3000))
    with monkeypatch.context() as patch:
        patch.setattr(small, "_signal", interrupt)
        with pytest.raises(Interrupted):
            small.read(SOON)
    lost = small.lost
    lines = len(small.read(SOON))
    assert (small.lost, lost + lines) == (lost, 3000)


def test_lines_and_losses_stay_in_order_when_the_ways_are_mixed(small: TracePipe) -> None:
    mark(small, *numbered(3000))
    (first,) = small.read(SOON, max=1)
    mark(small, *numbered(3000, 3000))
    rest = list(small.entries(0.2))
    numbers = [int(entry.message[1:]) for entry in [first, *rest] if isinstance(entry, TraceLine)]
    assert numbers == sorted(numbers)
    assert len(numbers) + small.lost == 6000


# Ending


def test_to_close_from_another_thread_ends_an_iteration(pipe: TracePipe) -> None:
    with later(pipe.close, pipe):
        assert list(pipe) == []


def test_to_close_from_another_thread_ends_a_read_with_an_error(pipe: TracePipe) -> None:
    with later(pipe.close, pipe), pytest.raises(ClosedError, match="is closed"):
        pipe.read()


def test_to_close_in_the_middle_hands_out_what_was_read_and_ends(pipe: TracePipe) -> None:
    mark(pipe, "a", "b", "c")
    lines = iter(pipe)
    first = next(lines)
    pipe.close()
    assert messages([first, *lines]) == ["a", "b", "c"]


def test_a_signal_handler_may_close_the_pipe_that_it_interrupts(pipe: TracePipe) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: pipe.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert list(pipe) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not os.path.exists(pipe.path)


def test_a_signal_handler_may_not_read_from_the_pipe_that_it_interrupts(pipe: TracePipe) -> None:
    trouble: list[str] = []

    def handler(*_: object) -> None:
        for _ in range(2):
            try:
                pipe.read(0)
            except StateError as error:
                trouble.append(str(error))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        pipe.read(0.2)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(trouble) == 2
    assert "this thread is reading" in trouble[1]


@pytest.mark.every_kernel
def test_all_is_closed_and_removed_after_close(tracefs: str, raw: bool) -> None:
    before = os.listdir("/proc/self/fd")
    pipe = TracePipe(instance=True, raw=raw)
    pipe.fileno()
    pipe.close()
    assert (os.listdir("/proc/self/fd"), os.path.exists(pipe.path), pipe.closed) == (before, False, True)


def test_to_close_twice_does_nothing(pipe: TracePipe) -> None:
    pipe.close()
    pipe.close()


def test_threads_may_close_at_the_same_time(tracefs: str, raw: bool) -> None:
    for _ in range(10):
        pipe = TracePipe(instance=True, raw=raw)
        threads = [threading.Thread(target=pipe.close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not os.path.exists(pipe.path)


def test_nothing_can_be_done_with_a_closed_pipe(pipe: TracePipe) -> None:
    pipe.close()
    for action in (
        pipe.read, pipe.read_lines, pipe.records, pipe.entries, pipe.lines, pipe.raw_lines, pipe.fileno,
        pipe.silenced_by, pipe.__iter__, pipe.__aiter__, pipe.__enter__, lambda: pipe.tracing_on,
    ):  # fmt: skip
        with pytest.raises(ClosedError, match="is closed"):
            action()


def test_a_second_thread_is_refused(pipe: TracePipe) -> None:
    def second() -> None:
        with pytest.raises(StateError, match="is reading from"):
            pipe.read(0)

    with later(second, pipe):
        pipe.read(0.3)


def test_the_pipe_can_be_read_by_one_thread_after_the_other(pipe: TracePipe) -> None:
    mark(pipe, *numbered(300))
    found: list[TraceLine] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: found.extend(pipe.read(SOON, max=100)))
        thread.start()
        thread.join()
    assert messages(found) == numbered(300)


def test_a_pipe_that_is_collected_is_closed_with_a_warning(tracefs: str, raw: bool) -> None:
    pipe = TracePipe(instance=True, raw=raw)
    path = pipe.path
    with pytest.warns(ResourceWarning, match="was not closed"):
        del pipe
        gc.collect()
    assert not os.path.exists(path)


def test_an_iteration_keeps_its_pipe_open(tracefs: str, raw: bool) -> None:
    pipe = TracePipe(instance=True, raw=raw)
    without_bpf(pipe)
    path = pipe.path
    mark(pipe, "a")
    lines = iter(pipe)
    del pipe
    gc.collect()
    assert next(lines).message == "a"
    with pytest.warns(ResourceWarning, match="was not closed"):
        del lines
        gc.collect()
    assert not os.path.exists(path)


def test_ctrl_c_ends_a_program_that_waits_and_nothing_stays(tracefs: str, raw: bool) -> None:
    script = """
        with TracePipe(instance=True) as pipe:
            print(pipe.path, flush=True)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                for line in pipe:
                    pass
            except KeyboardInterrupt:
                print("interrupted")
    """
    path, said = in_a_program(script, raw=raw).stdout.split()
    assert (said, os.path.exists(path)) == ("interrupted", False)


def test_ctrl_c_ends_a_program_in_a_flood(tracefs: str, raw: bool) -> None:
    script = """
        with TracePipe(instance=True) as pipe:
            fd = os.open(pipe.path + "/trace_marker", os.O_WRONLY)
            stop = False
            def write():
                while not stop:
                    os.write(fd, b"flood")
            writer = threading.Thread(target=write)
            writer.start()
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                for line in pipe:
                    pass
            except KeyboardInterrupt:
                print("interrupted")
            stop = True
            writer.join()
            os.close(fd)
    """
    assert in_a_program(script, raw=raw).stdout == "interrupted\n"


def test_a_program_that_ends_without_closing_removes_its_instance(tracefs: str, raw: bool) -> None:
    path = in_a_program("pipe = TracePipe(instance=True)\nprint(pipe.path)", raw=raw).stdout.strip()
    assert not os.path.exists(path)


@pytest.mark.parametrize("instance", [True, False])
def test_a_program_may_end_while_a_daemon_thread_reads(tracefs: str, raw: bool, instance: bool) -> None:
    script = f"""
        pipe = TracePipe(instance={instance})
        print(pipe.path, flush=True)
        threading.Thread(target=list, args=(pipe,), daemon=True).start()
        while pipe._held.reader is None:
            time.sleep(0.001)
    """
    path = in_a_program(script, raw=raw).stdout.strip()
    assert os.path.exists(path) is not instance


def test_a_program_may_end_while_a_daemon_thread_reads_a_flood(tracefs: str, raw: bool) -> None:
    script = """
        pipe = TracePipe(instance=True)
        print(pipe.path, flush=True)
        def write():
            try:
                while True:
                    with open(pipe.path + "/trace_marker", "wb", buffering=0) as marker:
                        marker.write(b"flood")
            except OSError:
                # Gone with the program's end. A traceback then would be CPython's own end: stderr is locked.
                pass
        for target in (lambda: list(pipe), write):
            threading.Thread(target=target, daemon=True).start()
        while pipe._held.reader is None:
            time.sleep(0.001)
    """
    # The writer may have its file open at the very end: a warning says so.
    assert in_a_program(script, check=False, raw=raw).returncode == 0
    fs.remove_stale_instances()


# Processes


def test_a_forked_child_cannot_use_the_pipe_and_takes_nothing_from_its_parent(tracefs: str, raw: bool) -> None:
    script = """
        pipe = TracePipe(instance=True)
        without_bpf(pipe)
        with open(pipe.path + "/trace_marker", "wb", buffering=0) as marker:
            for number in range(300):
                marker.write(b"n%d" % number)
        lines = iter(pipe)
        found = [next(lines).message]
        child = os.fork()
        if child == 0:
            for action in (pipe.read, pipe.fileno, pipe.records, lambda: list(lines)):
                try:
                    action()
                except ClosedError as error:
                    assert "forked this one" in str(error), error
                else:
                    os._exit(1)
            assert pipe.closed
            pipe.close()
            assert os.path.exists(pipe.path)
            del pipe, lines
            gc.collect()
            sys.exit(0)  # runs what is to run at exit, in the child
        assert os.waitpid(child, 0)[1] == 0
        found += [line.message for line in pipe.read(5)]
        assert found == [f"n{number}" for number in range(300)], len(found)
        pipe.close()
        print(os.path.exists(pipe.path))
    """
    assert in_a_program(script, raw=raw).stdout == "False\n"


def test_a_parent_can_remove_its_instance_while_a_forked_child_lives(tracefs: str, raw: bool) -> None:
    script = """
        pipe = TracePipe(instance=True)
        ready, go = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            os.close(go[1])
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        pipe.close()
        print(os.path.exists(pipe.path))
        os.write(go[1], b"x")
        os.waitpid(child, 0)
    """
    assert in_a_program(script, raw=raw).stdout == "False\n"


def test_a_child_forked_while_another_thread_reads_does_no_harm(tracefs: str, raw: bool) -> None:
    script = """
        pipe = TracePipe(instance=True)
        thread = threading.Thread(target=list, args=(pipe,))
        thread.start()
        while pipe._held.reader is None:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            try:
                pipe.read(0)
            except ClosedError:
                os._exit(0)
            os._exit(1)
        print(os.waitpid(child, 0)[1])
        pipe.close()
        thread.join()
    """
    assert in_a_program(script, raw=raw).stdout == "0\n"


def test_a_program_started_meanwhile_inherits_nothing(pipe: TracePipe) -> None:
    program = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=False)
    try:
        # While it begins it opens and closes libraries.
        program.stdin.write(b"begun")
        assert program.stdout.read(5) == b"begun"
        links = [os.readlink(f"/proc/{program.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{program.pid}/fd")]
        assert not [link for link in links if "trac" in link]
    finally:
        program.kill()
        program.communicate()


# The shared pipe and other instances


@pytest.fixture
def named(tracefs: str) -> Iterator[str]:
    """Give an instance that somebody else has made."""
    folder = f"{tracefs}/instances/test-{os.getpid()}"
    os.mkdir(folder)
    yield os.path.basename(folder)
    os.rmdir(folder)


def test_the_shared_pipe_is_read_without_an_instance(tracefs: str) -> None:
    with TracePipe() as pipe:
        assert pipe.path == tracefs
        mark(pipe, f"hello from {os.getpid()}")
        assert f"hello from {os.getpid()}" in messages(pipe.records(1.0))


def test_what_was_in_the_pipe_before_is_dropped(named: str) -> None:
    with TracePipe(named) as pipe:
        mark(pipe, *numbered(100))
    with TracePipe(named) as pipe:
        mark(pipe, "new")
        assert messages(pipe.read(SOON)) == ["new"]


def test_what_was_in_the_pipe_before_is_kept_when_asked_for(named: str) -> None:
    with TracePipe(named) as pipe:
        mark(pipe, *numbered(100))
    with TracePipe(named, backlog=True) as pipe:
        assert messages(pipe.read(SOON)) == numbered(100)


def test_a_large_backlog_is_dropped_as_well(named: str) -> None:
    with TracePipe(named) as pipe:
        mark(pipe, *["x" * 1000] * 900)
    with TracePipe(named) as pipe:
        mark(pipe, "new")
        assert messages(pipe.read(SOON)) == ["new"]


def test_a_pipe_can_be_opened_in_a_flood(named: str) -> None:
    with TracePipe(named) as pipe, flood(pipe):
        pipe.close()
        with TracePipe(named) as again:
            assert again.read(SOON)


def test_a_large_backlog_is_dropped_by_who_may_only_read(tracefs: str) -> None:
    # A group that was let in by mode and gid may read trace_pipe, but not write to the file trace.
    script = """
        import ctypes, encodings.idna, select
        with TracePipe(instance=True, buffer_size_kb=4000) as pipe:
            without_bpf(pipe)
            instance = os.path.basename(pipe.path)
            with open(pipe.path + "/trace_marker", "wb", buffering=0) as marker:
                for _ in range(300):
                    marker.write(b"x" * 3000)
                pipe._held._close_descriptors()
                child = os.fork()
                if child == 0:
                    libc = ctypes.CDLL(None, use_errno=True)
                    libc.prctl(8, 1, 0, 0, 0)
                    os.setresuid(65534, 65534, 65534)
                    data = (ctypes.c_uint32 * 6)(4, 4, 0, 0, 0, 0)  # CAP_DAC_READ_SEARCH
                    assert libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), data) == 0
                    reader = TracePipe(instance)
                    marker.write(b"new")
                    print([line.message for line in reader.read(5)], flush=True)
                    reader.close()
                    os._exit(0)
                os.waitpid(child, 0)
    """
    assert in_a_program(script).stdout == "['new']\n"


def test_an_instance_that_exists_is_left_there(named: str, tracefs: str) -> None:
    with TracePipe(named) as pipe:
        assert pipe.path == f"{tracefs}/instances/{named}"
    assert os.path.isdir(f"{tracefs}/instances/{named}")


def test_an_instance_that_exists_is_left_as_it_is(named: str) -> None:
    with TracePipe(named) as pipe:
        assert any(reason.endswith("is 0 (in the shared buffer, until a program that prints is loaded)")
                   for reason in pipe.silenced_by())  # fmt: skip


def test_settings_for_an_instance_that_exists_are_refused(named: str) -> None:
    for settings in ({"buffer_size_kb": 64}, {"clock": "mono"}):
        with pytest.raises(ValueError, match="are settings for an instance that is made here"):
            TracePipe(named, **settings)  # type: ignore[arg-type]


def test_settings_for_the_shared_pipe_are_refused(tracefs: str) -> None:
    with pytest.raises(ValueError, match="are settings for an instance that is made here"):
        TracePipe(buffer_size_kb=64)


def test_an_instance_by_name_is_made_and_removed(tracefs: str) -> None:
    with TracePipe(f"test-made-{os.getpid()}", buffer_size_kb=64) as pipe:
        without_bpf(pipe)
        mark(pipe, "a")
        assert messages(pipe.read(SOON)) == ["a"]
    assert not os.path.exists(pipe.path)


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_what_is_no_name_is_refused(tracefs: str, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a trace instance"):
        TracePipe(name)


def test_what_is_neither_a_name_nor_a_choice_is_refused(tracefs: str) -> None:
    with pytest.raises(TypeError, match="instance is True, False, None or a name, not 1"):
        TracePipe(1)  # type: ignore[arg-type]


@pytest.mark.every_kernel
def test_an_instance_has_bpf_printk_switched_on(tracefs: str) -> None:
    enable = "events/bpf_trace/bpf_trace_printk/enable"
    with TracePipe(instance=True) as pipe, open(f"{pipe.path}/{enable}", encoding="utf-8") as file:
        assert (file.read().strip(), pipe.silenced_by()) == ("1", [])


def test_an_instance_has_the_size_that_was_asked_for(tracefs: str) -> None:
    with TracePipe(instance=True, buffer_size_kb=256) as pipe:
        size = fs.read_file(f"{pipe.path}/buffer_size_kb", "read the size")
        assert 256 <= int(size) < 300


def test_a_setting_that_the_kernel_refuses_is_an_error_and_leaves_nothing(tracefs: str) -> None:
    before = os.listdir("/proc/self/fd"), ours(tracefs)
    with pytest.raises(fs.TracefsError, match="trace_clock no-such-clock") as caught:
        TracePipe(instance=True, clock="no-such-clock")
    assert caught.value.errno == errno.EINVAL
    assert (os.listdir("/proc/self/fd"), ours(tracefs)) == before


def test_an_instance_prints_as_usual_though_the_shared_buffer_does_not(tracefs: str) -> None:
    option = f"{tracefs}/options/context-info"
    with open(option, "w", encoding="utf-8") as file:
        file.write("0")
    try:
        pipe = TracePipe(instance=True)
        without_bpf(pipe)
    finally:
        with open(option, "w", encoding="utf-8") as file:
            file.write("1")
    with pipe:
        mark(pipe, "a")
        assert pipe.read(SOON)[0].pid == os.getpid()


@pytest.mark.parametrize("raw", [False], indirect=True)
def test_lines_without_headers_are_read_as_text(pipe: TracePipe) -> None:
    with open(f"{pipe.path}/options/context-info", "w", encoding="utf-8") as file:
        file.write("0")
    mark(pipe, "a", "b")
    assert [(line.pid, line.event, line.message) for line in pipe.read(SOON)] == [
        (-1, "tracing_mark_write", "a"),
        (-1, "tracing_mark_write", "b"),
    ]


def test_a_pipe_that_this_process_reads_is_an_error_that_says_so(named: str) -> None:
    with TracePipe(named), pytest.raises(fs.TracefsError) as caught:
        TracePipe(named)
    assert caught.value.errno == errno.EBUSY
    assert f"this very process ({os.getpid()}, " in str(caught.value)
    assert "TracePipe(instance=True)" in str(caught.value)


def test_a_pipe_that_another_process_reads_is_an_error_that_names_it(named: str, tracefs: str) -> None:
    with open(f"{tracefs}/instances/{named}/trace_pipe", "rb") as file:
        reader = subprocess.Popen(["sleep", "infinity"], stdin=file)
    try:
        with pytest.raises(fs.TracefsError, match=rf"process {reader.pid} \(sleep\)"):
            TracePipe(named)
    finally:
        reader.kill()
        reader.wait()


def test_a_pipe_of_one_cpu_that_is_being_read_is_an_error_that_names_the_reader(named: str, tracefs: str) -> None:
    with open(f"{tracefs}/instances/{named}/per_cpu/cpu0/trace_pipe", "rb"), pytest.raises(fs.TracefsError) as caught:
        TracePipe(named)
    assert f"this very process ({os.getpid()}, " in str(caught.value)


def test_an_instance_that_somebody_has_open_is_an_error_that_names_him_and_can_be_closed_again(tracefs: str) -> None:
    pipe = TracePipe(instance=True)
    with open(f"{pipe.path}/trace_marker", "wb"):
        with pytest.raises(fs.TracefsError, match="it is in use by this very process") as caught:
            pipe.close()
        assert (caught.value.errno, pipe.closed, os.path.exists(pipe.path)) == (errno.EBUSY, True, True)
    pipe.close()
    assert not os.path.exists(pipe.path)


def test_an_instance_that_cannot_be_removed_does_not_hide_what_went_wrong_before(tracefs: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(KeyError), TracePipe(instance=True) as pipe:
            marker = os.open(f"{pipe.path}/trace_marker", os.O_WRONLY)
            raise KeyError
    os.close(marker)
    pipe.close()
    assert any("it is in use by" in str(warning.message) for warning in caught)


def test_tracefs_may_be_mounted_elsewhere(tracefs: str, tmp_path: object) -> None:
    subprocess.run(["mount", "-t", "tracefs", "x", str(tmp_path)], check=True)
    try:
        with TracePipe(instance=True, tracefs=str(tmp_path)) as pipe:
            assert pipe.path.startswith(f"{tmp_path}/instances/libbpf_cffi-")
            without_bpf(pipe)
            mark(pipe, "a")
            assert messages(pipe.read(SOON)) == ["a"]
        assert not os.path.exists(pipe.path)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_without_descriptors_it_is_an_error_and_leaves_nothing(tracefs: str) -> None:
    before = os.listdir("/proc/self/fd"), ours(tracefs)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, before[0])) + 8, limits[1]))
    spare = []
    try:
        with pytest.raises(OSError, match="Too many open files"):
            spare.extend(map(os.dup, itertools.repeat(0)))
        # It takes three: the pipe, the eventfd and the epoll descriptor.
        for _ in range(3):
            with pytest.raises(fs.TracefsError, match="Too many open files") as caught:
                TracePipe(instance=True)
            assert caught.value.errno == errno.EMFILE
            os.close(spare.pop())
        TracePipe(instance=True).close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in spare:
            os.close(fd)
    assert (os.listdir("/proc/self/fd"), ours(tracefs)) == before


# Silence


def test_tracing_can_be_seen_and_switched(pipe: TracePipe) -> None:
    assert pipe.tracing_on
    pipe.tracing_on = False
    assert not pipe.tracing_on
    assert f"tracing is off: {pipe.path}/tracing_on is 0" in pipe.silenced_by()
    pipe.tracing_on = True
    mark(pipe, "a")
    assert messages(pipe.read(SOON)) == ["a"]


def test_a_filter_by_process_is_told(pipe: TracePipe) -> None:
    with open(f"{pipe.path}/set_event_pid", "w", encoding="utf-8") as file:
        file.write("1")
    assert f"{pipe.path}/set_event_pid lets some processes through only" in pipe.silenced_by()


def test_a_reader_of_a_buffer_that_is_off_waits(pipe: TracePipe) -> None:
    mark(pipe, "a")
    pipe.read(SOON)
    pipe.tracing_on = False
    assert pipe.read(0.1) == []


def test_an_idle_reader_does_not_spin_though_the_option_block_is_on(
    pipe: TracePipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With it poll(2) says at all times that there is something to read; epoll notices once there has been something.
    fs.write_file(f"{pipe.path}/options/block", "1", "set block")
    mark(pipe, "a")
    pipe.read(SOON)
    waits = []
    wait = pipe._wait
    monkeypatch.setattr(pipe, "_wait", lambda *arguments: waits.append(None) or wait(*arguments))
    assert pipe.read(0.5) == []
    assert len(waits) < 30
    mark(pipe, "a")
    assert messages(pipe.read(SOON)) == ["a"]


# Descriptors and event loops


def readable(pipe: TracePipe) -> bool:
    """Tell whether poll(2) says that there are lines."""
    poll = select.poll()
    poll.register(pipe.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def test_the_descriptor_is_readable_exactly_when_there_are_lines(pipe: TracePipe) -> None:
    assert not readable(pipe)
    mark(pipe, "a", "b", "c")
    assert readable(pipe)
    pipe.read(0, max=1)
    assert readable(pipe)  # though the kernel has given all it had
    pipe.read(0)
    assert pipe.read(0) == []
    assert not readable(pipe)


def test_the_descriptor_is_readable_while_an_iteration_has_lines_left(pipe: TracePipe) -> None:
    mark(pipe, "a", "b")
    pipe.fileno()
    next(iter(pipe))
    assert readable(pipe)


def test_the_descriptor_works_with_select(pipe: TracePipe) -> None:
    mark(pipe, "a")
    assert select.select([pipe], [], [], SOON)[0] == [pipe]


def run(coroutine: object) -> object:
    """Run a coroutine; none takes for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, SOON))  # type: ignore[arg-type]


def test_lines_are_iterated_over_in_an_event_loop(pipe: TracePipe) -> None:
    async def main() -> list[str]:
        asyncio.get_running_loop().call_later(0.05, mark, pipe, "a")
        asyncio.get_running_loop().call_later(0.1, mark, pipe, "b")
        found = []
        async for line in pipe:
            found.append(line.message)
            if len(found) == 2:
                break
        return found

    assert run(main()) == ["a", "b"]


def test_text_is_iterated_over_in_an_event_loop(pipe: TracePipe) -> None:
    async def main() -> list[str]:
        mark(pipe, "a", "b")
        return [line async for line in pipe.lines(0.1)]

    assert [line[-1] for line in run(main())] == ["a", "b"]  # type: ignore[attr-defined]


def test_a_list_is_read_in_an_event_loop(pipe: TracePipe) -> None:
    async def main() -> list[object]:
        nothing = await pipe.aread(0.05)
        asyncio.get_running_loop().call_later(0.05, mark, pipe, *numbered(20))
        return [nothing, messages(await pipe.aread(max=5)), messages(await pipe.aread(0))]

    assert run(main()) == [[], numbered(5), numbered(15, 5)]


def test_a_task_that_is_cancelled_loses_no_line(pipe: TracePipe) -> None:
    async def main() -> list[str]:
        found: list[str] = []
        lines = pipe.__aiter__()
        for number in range(50):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(lines.__anext__(), 0.002)
            mark(pipe, *numbered(3, 3 * number))
            found.append((await lines.__anext__()).message)
            found += messages(await pipe.aread(0))
        return found

    assert run(main()) == numbered(150)


def test_lines_left_by_an_event_loop_come_next(pipe: TracePipe) -> None:
    mark(pipe, *numbered(200))

    async def main() -> list[str]:
        async for line in pipe:
            return [line.message]
        return []

    assert run(main()) + messages(pipe.read(SOON)) == numbered(200)  # type: ignore[operator]


def test_many_lines_do_not_keep_other_tasks_from_running(pipe: TracePipe) -> None:
    mark(pipe, *numbered(5000))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    async def main() -> list[str]:
        ticker = asyncio.ensure_future(tick())
        found = []
        async for line in pipe:
            found.append(line.message)
            if len(found) == 5000:
                break
        ticker.cancel()
        return found

    assert run(main()) == numbered(5000)
    assert ticks > 10


def test_an_event_loop_does_not_keep_the_descriptors_that_were_waited_for(pipe: TracePipe) -> None:
    async def main() -> None:
        watched = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
        before = list(watched)
        await pipe.aread(0.05)
        assert list(watched) == before

    run(main())


@pytest.mark.parametrize("where", ["thread", "loop"])
def test_to_close_ends_an_iteration_in_an_event_loop(pipe: TracePipe, where: str) -> None:
    async def main() -> list[TraceLine]:
        if where == "loop":
            asyncio.get_running_loop().call_later(0.05, pipe.close)
        return [line async for line in pipe]

    if where == "loop":
        assert run(main()) == []
    else:
        with later(pipe.close, pipe):
            assert run(main()) == []


def test_to_close_ends_a_read_in_an_event_loop_with_an_error(pipe: TracePipe) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, pipe.close)
        with pytest.raises(ClosedError):
            await pipe.aread()

    run(main())


def test_a_second_task_is_refused(pipe: TracePipe) -> None:
    async def main() -> None:
        first = asyncio.ensure_future(pipe.aread())
        await asyncio.sleep(0.05)
        with pytest.raises(StateError, match="another task is waiting"):
            await pipe.aread(0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    run(main())


def test_an_event_loop_that_ends_while_a_task_waits_leaves_nothing(pipe: TracePipe) -> None:
    before = os.listdir("/proc/self/fd")

    async def main() -> None:
        asyncio.ensure_future(pipe.aread())  # noqa: RUF006 - that is the point
        await asyncio.sleep(0.05)

    run(main())
    assert os.listdir("/proc/self/fd") == before
    mark(pipe, "a")
    assert messages(pipe.read(SOON)) == ["a"]


# Small things


def test_a_pipe_says_what_it_is(pipe: TracePipe) -> None:
    assert repr(pipe) == f"<TracePipe of {pipe.path!r}>"
    pipe.close()
    assert repr(pipe) == f"<TracePipe of {pipe.path!r}, closed>"


def test_text_shows_bytes_that_are_not_utf_8(pipe: TracePipe) -> None:
    mark(pipe, b"\xff")
    assert next(pipe.lines(SOON)).endswith(r": \xff")


@pytest.mark.parametrize("raw", [False], indirect=True)
def test_raw_lines_are_the_kernels_bytes(pipe: TracePipe) -> None:
    mark(pipe, b"\xff\n\n", b"b")
    first, second, third = itertools.islice(pipe.raw_lines(SOON), 3)
    assert (first[-2:], second, third[-3:]) == (b" \xff", b"", b": b")


def test_a_stream_is_an_iterator(pipe: TracePipe) -> None:
    mark(pipe, "a", "b")
    stream = pipe.records(0.05)
    assert next(stream).message == "a"
    assert messages(stream) == ["b"]
    assert list(stream) == []
