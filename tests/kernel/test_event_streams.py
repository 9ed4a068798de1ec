"""Readers of ring and perf buffers among threads, signals, forks and event loops: nothing hangs or gets lost."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import gc
import itertools
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from sanitized import KEPT, SLOWER

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 10.0


@pytest.fixture
def events(source) -> Iterator[bpf.RingBuffer | bpf.PerfBuffer]:
    """A reader of it."""
    with source.reader() as reader:
        yield reader


def numbers(some) -> list[int]:
    return [event.number for event in some]


def in_thread(function: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Call a function in a thread; give it, and a list for what it returns or raises."""
    said: list[object] = []

    def call() -> None:
        try:
            said.append(function())
        except Exception as error:
            said.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread, said


# Closing


@pytest.mark.parametrize("what", ["reader", "object", "map"])
def test_to_close_in_another_thread_ends_a_read_with_an_error(source, what: str):
    event_map = source.obj.maps["events"]
    if what == "map":
        event_map = bpf.Map.from_id(event_map.id)
    reader = source.reader(event_map)
    thread, said = in_thread(reader.read)
    time.sleep(0.05)
    {"reader": reader, "object": source.obj, "map": event_map}[what].close()
    thread.join(SOON)
    assert isinstance(said[0], bpf.ClosedError)
    if what == "reader":
        return
    with pytest.raises(bpf.ClosedError):
        reader.consume()


@pytest.mark.parametrize("way", ["iterate", "batches", "call"])
def test_to_close_in_another_thread_ends_an_iteration(source, events, way: str):
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: numbers(events),
        "batches": lambda: [len(batch) for batch in events.batches()],
        "call": lambda: events.call(print),
    }
    thread, said = in_thread(ways[way])
    time.sleep(0.05)
    events.close()
    thread.join(SOON)
    assert said in ([[]], [0])


def test_to_close_in_the_middle_hands_out_what_was_taken_and_ends(source, events):
    source(3000)
    found = []
    for event in events:
        found.append(event.number)
        events.close()
    assert found == list(range(3000))


def test_to_close_and_to_read_at_the_same_time_does_no_harm(source):
    event_map = source.obj.maps["events"]
    with source.flood(step=500):
        for _ in range(100):
            reader = source.reader(event_map)
            thread, said = in_thread(lambda reader=reader: sum(len(batch) for batch in reader.batches()))
            reader.close()
            thread.join(SOON)
            assert isinstance(said[0], (int, bpf.ClosedError))


def test_to_close_twice_does_nothing(events):
    events.close()
    events.close()
    assert events.closed
    assert "closed" in repr(events)


def test_nothing_can_be_done_with_a_closed_reader(events):
    part = (events.rings if isinstance(events, bpf.RingBuffer) else events.buffers)[0]
    events.close()
    for act in (
        events.read, events.consume, events.fileno, lambda: iter(events), events.batches, events.records,
        lambda: events.call(print), events.__enter__, lambda: events.lost, lambda: part.avail_data_size,
    ):  # fmt: skip
        with pytest.raises(bpf.ClosedError):
            act()


def test_events_that_were_not_read_stay_in_a_ring_for_the_next_reader(producer):
    with producer.reader():
        producer(3)
    with producer.reader() as reader:
        assert numbers(reader.consume()) == [0, 1, 2]


def test_a_batch_outlives_its_reader_and_object(source, events):
    source(10)
    batch = next(iter(events.batches(timeout=SOON)))
    events.close()
    source.obj.close()
    gc.collect()
    assert numbers(batch) == list(range(10))


def test_a_reader_keeps_its_object(source):
    reader = source.reader()
    source.obj = None
    gc.collect()
    assert reader.consume() == []
    reader.close()


def test_a_reader_that_is_collected_is_closed(source, until):
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    # Often: freed memory that is still used is not noticed each time.
    for _ in range(200):
        reader = source.reader()
        reader.consume()
        del reader
    gc.collect()
    until(lambda: descriptors() == before, "the descriptors to be closed")


def test_a_second_thread_is_refused(events):
    thread, _ = in_thread(events.read)
    late = time.monotonic() + SOON
    with pytest.raises(bpf.StateError, match="one reads at a time"):
        while time.monotonic() < late:
            events.consume()
    events.close()
    thread.join()


# Signals


class Interrupted(Exception):  # noqa: N818 - it is no error
    """What the signal handler raises."""


class Alarm:
    """Raises `Interrupted` every 0.23 ms or so, as Ctrl-C raises KeyboardInterrupt, as often as `armed` says."""

    def __init__(self) -> None:
        self.armed = 0
        self.patience = 0
        """So many signals pass first."""
        self.raised = 0
        """How often it has."""

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        if self.armed and self.patience:
            self.patience -= 1
        elif self.armed:
            self.armed -= 1
            self.raised += 1
            raise Interrupted


@pytest.fixture
def alarm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Alarm]:
    """Have a timer run."""
    alarm = Alarm()
    # Where nobody can catch it, in a finalizer or a weak reference's callback, Python hands it to the hook, in whose
    # Python code, pytest's, the next one would come. One in C takes all.
    unraisable: collections.deque[sys.UnraisableHookArgs] = collections.deque()
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.00023 * SLOWER)
    yield alarm
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert {each.exc_type for each in unraisable} <= {Interrupted}
    unraisable.clear()


# CPython 3.10 may interrupt between the return of a function that hands out a batch and its caller.
WAYS = ["iterate", "read", "batches", "mixed"][: 4 if sys.version_info >= (3, 11) else 2]


@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_at_any_moment_loses_no_event(source, events, alarm, way: str):
    found: list[object] = []
    # C alone stands between the reader and the list: nothing is interrupted there.
    ways: dict[str, Callable[[], object]] = {
        "iterate": lambda: found.extend(events.records(0)),
        "read": lambda: found.extend(itertools.chain.from_iterable(map(events.read, [40] * 9, [0] * 9))),
        "batches": lambda: found.extend(events.batches(30, 0)),
    }
    turns = itertools.cycle(ways.values()) if way == "mixed" else itertools.repeat(ways[way])
    late = time.monotonic() + SOON
    came: list[int] = []

    def take() -> None:
        try:
            # In CPython 3.10 a second interrupt can keep a `finally` from running for the first.
            alarm.armed = 3 if sys.version_info >= (3, 11) else 1
            next(turns)()
        finally:
            alarm.armed = 0

    end = 0
    # As many more as are needed for some interrupts: a slow machine has few while C works.
    while end < 20000 or alarm.raised < 4:
        source(500)
        end += 500
        while len(came) < end:
            with contextlib.suppress(Interrupted):
                take()
            for some in found:
                came += numbers(some) if isinstance(some, bpf.Batch) else [some.number]
            found.clear()
            assert time.monotonic() < late, f"events were lost: {len(came)} of {end} came, {alarm.raised} interrupts"
    assert came == list(range(end))


def test_an_interrupt_in_the_middle_of_a_large_list_loses_no_event(source, alarm):
    found: list[object] = []
    with source.reader(**source.LARGE) as reader:
        for end in range(14000, 5 * 14000 + 1, 14000):
            source(14000)
            # Later each time, until it is over before.
            moments = (int(1.3**number) for number in itertools.count())
            late = time.monotonic() + SOON
            while len(found) < end:
                with contextlib.suppress(Interrupted):
                    try:
                        alarm.patience = next(moments)
                        alarm.armed = 3 if sys.version_info >= (3, 11) else 1
                        found.extend(itertools.chain.from_iterable(map(reader.read, [20000], [0])))
                    finally:
                        alarm.armed = 0
                assert time.monotonic() < late, f"events were lost: {len(found)} of {end} came"
    assert numbers(found) == list(range(5 * 14000))
    assert alarm.raised > 3


def test_ctrl_c_ends_a_read_that_waits_at_once(events):
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        events.read()
    assert time.monotonic() - start < 3


def test_ctrl_c_ends_a_loop_in_a_flood_at_once(source, events):
    with source.flood():
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            for _ in events:
                pass
        assert time.monotonic() - start < 3


def test_a_signal_handler_may_close_the_reader_that_it_interrupts(events):
    before = signal.signal(signal.SIGALRM, lambda *_: events.close())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(bpf.ClosedError):
            events.read(timeout=SOON)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_signal_handler_may_not_read_from_the_reader_that_it_interrupts(events):
    said: list[object] = []

    def read(*_: object) -> None:
        try:
            events.consume()
        except bpf.StateError as error:
            said.append(str(error))

    before = signal.signal(signal.SIGALRM, read)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert events.read(timeout=0.3) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert said[0].startswith("this thread is reading")


# Forks and the interpreter's end


def test_a_forked_child_cannot_read_and_takes_nothing_from_its_parent(source, events, in_fork):
    source(5)
    assert numbers(events.read(2)) == [0, 1]

    def child() -> str:
        said = []
        for act in (events.consume, lambda: list(events), events.fileno):
            try:
                act()
            except bpf.ClosedError as error:
                said.append("forked" in str(error))
        events.close()
        return str(said)

    assert in_fork(child) == "[True, True, True]"
    source(1)
    assert numbers(events.read()) == [2, 3, 4]
    assert numbers(events.read(timeout=SOON)) == [5]


def test_a_child_forked_while_another_thread_reads_does_no_harm(source, events, in_fork):
    found: list[int] = []
    with source.flood(step=200):
        thread, said = in_thread(lambda: [found.append(event.number) for event in events.records(1.0)] and None)
        while thread.is_alive():
            assert in_fork(lambda: events.closed) == "True"
        assert said == [None]
    assert all(a < b for a, b in itertools.pairwise(found))
    assert found


def test_a_forked_child_may_open_the_buffer_itself(source, in_fork):
    number = source.obj.maps["events"].id
    with source.reader() as reader:
        thread, said = in_thread(lambda: reader.read(timeout=SOON))
        time.sleep(0.05)

        def child() -> int:
            # What the parent's thread has claimed is not the child's affair.
            with bpf.Map.from_id(number) as again, source.reader(again) as own:
                return len(own.consume())

        assert in_fork(child) == "0"
        if isinstance(reader, bpf.RingBuffer):
            source(1)
        else:
            # The child has had the places in the map, and taken its own out again.
            reader.close()
        thread.join()
        assert len(said) == 1


ENDING = """
import sys, threading, time
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])
obj.load()
events = obj.maps["events"]
is_ring = sys.argv[3] == "rings"
reader = events.ring_buffer() if is_ring else events.perf_buffer()
def read():
    for event in reader:
        pass
threading.Thread(target=read, daemon=True).start()
if sys.argv[2] == "flood":
    from libbpf_cffi import ffi, lib
    import struct
    order = bytearray(struct.pack(*("=QIIIIQQQ", 0, 1000, 0, 0, 0, 0, 0, 0) if is_ring else ("=4Q", 0, 1000, 0, 0)))
    opts = ffi.new("struct bpf_test_run_opts *")
    opts.sz = ffi.sizeof(opts[0])
    opts.ctx_in = memory = ffi.from_buffer(order)
    opts.ctx_size_in = len(order)
    fd = obj.programs["produce"].fd
    def send():
        while True:
            lib.bpf_prog_test_run_opts(fd, opts)
    threading.Thread(target=send, daemon=True).start()
time.sleep(0.1)
print("the end")
"""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("rings", marks=pytest.mark.needs("program:SYSCALL")),
        pytest.param("perf", marks=pytest.mark.needs("bpf_loop")),
    ],
)
@pytest.mark.parametrize("how", ["idle", "flood"])
def test_a_program_may_end_while_a_daemon_thread_reads(root, compiled, python, how: str, kind: str):
    for _ in range(5):
        # The object is not closed: a warning says so, and the interpreter may be too far gone to print it whole.
        assert python(ENDING, compiled(kind), how, kind, quiet=False) == "the end\n"


# Event loops


def test_the_descriptor_is_readable_exactly_when_there_are_events(source, events):
    poll = select.poll()
    poll.register(events.fileno(), select.POLLIN)

    def readable() -> bool:
        return bool(poll.poll(0))

    assert not readable()
    for _ in range(3):
        source(5)
        assert poll.poll(SOON * 1000)
        assert len(events.read(2)) == 2
        assert readable()
        assert len(events.read()) == 3
        assert not readable()
    assert events.consume() == []
    assert not readable()


def test_the_descriptor_tells_of_events_that_a_small_batch_has_left_in_the_ring(source, events):
    poll = select.poll()
    poll.register(events.fileno(), select.POLLIN)
    threading.Timer(0.1, source, (5,)).start()
    # The wait has seen the kernel's event; what it leaves must be told all the same.
    first = len(next(iter(events.batches(2))))
    assert len(next(iter(events.batches(2 - first)))) + first == 2 if first < 2 else True
    for left in (3, 2, 1):
        assert poll.poll(SOON * 1000), left
        assert len(next(iter(events.batches(1)))) == 1
    assert events.consume() == []
    assert not poll.poll(0)


def test_a_close_makes_a_loop_of_ones_own_stop(source, events):
    # What an event loop watches is a descriptor that it may have duplicated.
    watched = events._duplicates()
    poll = select.poll()
    poll.register(watched[0], select.POLLIN)
    events.close()
    assert poll.poll(0)
    for fd in watched:
        os.close(fd)


def test_events_are_iterated_over_in_an_event_loop(source, events):
    async def read() -> list[int]:
        found = []
        async for event in events:
            found.append(event.number)
            if len(found) == 3000:
                break
        return found

    threading.Timer(0.1, source, (3000,)).start()
    assert asyncio.run(asyncio.wait_for(read(), SOON)) == list(range(3000))


def test_batches_and_lists_are_read_in_an_event_loop(source, events):
    async def read() -> list[object]:
        found: list[object] = [await events.aread(2, SOON)]
        found += [batch async for batch in events.batches(2, 0.2)]
        return found

    threading.Timer(0.1, source, (5,)).start()
    assert [numbers(some) for some in asyncio.run(read())] == [[0, 1], [2, 3], [4]]


def test_a_time_out_holds_in_an_event_loop(source, events):
    async def read() -> list[object]:
        empty = await events.aread(timeout=0.1)
        records = [event async for event in events.records(0.1)]
        return [*empty, *records, *[batch async for batch in events.batches(timeout=0.1)]]

    start = time.monotonic()
    assert asyncio.run(read()) == []
    assert 0.3 <= time.monotonic() - start < 3


def test_an_event_that_comes_as_an_event_loop_begins_to_watch_is_not_missed(source, events, monkeypatch):
    kind = type(events)
    duplicates = kind._duplicates

    def duplicate_and_send(self) -> tuple[int, ...]:
        fds = duplicates(self)
        source(1)
        return fds

    monkeypatch.setattr(kind, "_duplicates", duplicate_and_send)

    async def read() -> list[int]:
        return numbers(await events.aread(timeout=SOON))

    start = time.monotonic()
    assert asyncio.run(read()) == [0]
    assert time.monotonic() - start < SOON / 2


def test_a_task_that_is_cancelled_loses_no_event(source, events):
    async def read() -> list[int]:
        found = []
        iteration = events.records()
        late = time.monotonic() + SOON
        while len(found) < 2000 and time.monotonic() < late:
            source(100)
            try:
                while True:
                    found.append((await asyncio.wait_for(iteration.__anext__(), 0.01)).number)
            except asyncio.TimeoutError:  # before Python 3.11 they are two
                pass
        return found

    found = asyncio.run(read())
    assert found == list(range(len(found)))


def test_a_flood_does_not_keep_other_tasks_from_running(source, events):
    async def run() -> tuple[int, int]:
        ticks = seen = 0
        over = False

        async def tick() -> None:
            nonlocal ticks
            while not over:
                await asyncio.sleep(0.01)
                ticks += 1

        task = asyncio.create_task(tick())
        async for _ in events.records(1.0):
            seen += 1
        over = True
        await task
        return ticks, seen

    with source.flood():
        ticks, seen = asyncio.run(run())
    assert ticks > 20 // SLOWER
    assert seen > 1000


@pytest.mark.parametrize("what", ["reader", "object"])
def test_to_close_ends_an_iteration_in_an_event_loop(source, events, what: str):
    async def read() -> list[int]:
        return [event.number async for event in events]

    threading.Timer(0.1, (events if what == "reader" else source.obj).close).start()
    assert asyncio.run(asyncio.wait_for(read(), SOON)) == []


def test_to_close_ends_a_read_in_an_event_loop_with_an_error(events):
    threading.Timer(0.1, events.close).start()
    with pytest.raises(bpf.ClosedError):
        asyncio.run(asyncio.wait_for(events.aread(), SOON))


def test_a_second_task_is_refused(events):
    async def read() -> None:
        first = asyncio.create_task(events.aread(timeout=0.5))
        await asyncio.sleep(0.05)
        with pytest.raises(bpf.StateError, match="one reads at a time"):
            await events.aread(timeout=0.1)
        await first

    asyncio.run(read())


def test_an_event_loop_does_not_keep_the_descriptors_that_were_waited_for(events):
    async def read() -> int:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            await events.aread(timeout=0.001)
        return len(os.listdir("/proc/self/fd")) - before

    assert asyncio.run(read()) == 0


# A small soak; the large ones are benchmarks/ring_buffer.py --soak and benchmarks/perf_buffer.py --soak


def test_every_event_is_accounted_for_and_memory_does_not_grow(source, events):
    def resident() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    received = 0
    sizes = []
    with source.flood(step=20000):
        while source.sent + source.lost < 600_000:
            received += len(events.read(timeout=SOON))
            received += sum(len(batch) for batch in itertools.islice(events.batches(timeout=0.01), 1))
            sizes.append(resident())
    while found := events.consume():
        received += len(found)
    assert received == source.sent
    assert events.lost == source.lost
    assert max(sizes[len(sizes) // 2 :]) - sizes[len(sizes) // 4] < (1 << 22) + KEPT
