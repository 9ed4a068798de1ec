"""Threads: many objects in many threads, one object in many threads, and an end at any moment."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading

import pytest
from any_moment import ENDS_AT_ANY_MOMENT

import libbpf_cffi as bpf


@pytest.mark.slow_emulated
def test_many_objects_live_in_many_threads(compiled, tracefs, together):
    path = compiled("basic")

    def live():
        for _ in range(15):
            with bpf.Object.open(path) as obj:
                obj.load()
                links = obj.attach()
                assert {link.info.prog_id for link in links.values()} == {obj.programs[name].id for name in links}

    assert together(*[live] * 6) == []


def test_two_threads_that_each_count_their_own_object_count_apart(compiled, tracefs, together, counted):
    # hits are counted by process: an object sees all threads' calls while it is attached, and none afterwards.
    objects = [bpf.Object.open(compiled("basic")) for _ in range(4)]

    def live(obj):
        with obj:
            obj.load()
            with obj.programs["on_tracepoint"].attach():
                assert counted(obj.maps["tracepoint_hits"]) >= 3

    assert together(*(lambda obj=obj: live(obj) for obj in objects)) == []


def meddle(obj, links, seed):
    """Do at random what can be done with an object."""
    dice = random.Random(seed)

    def some_link():
        return dice.choice(links) if links else None

    steps = (
        lambda: links.append(obj.programs["on_raw"].attach()),
        lambda: links.extend(obj.attach().values()),
        lambda: some_link() and some_link().close(),
        lambda: some_link() and some_link().info,
        lambda: some_link() and os.close(some_link().disconnect()),
        lambda: some_link() and some_link().update_program(obj.programs["on_raw"]),
        lambda: some_link() and some_link().detach(),
        lambda: [program.info for program in obj.programs.values()],
        lambda: [each.info for each in obj.maps.values()],
        lambda: [program.insns for program in obj.programs.values()],
        lambda: setattr(obj.maps["events"], "max_entries", 8192),
        lambda: setattr(obj.programs["on_raw"], "log_level", 1),
        lambda: (repr(obj), obj.name, obj.btf_fd, obj.kversion),
        obj.load,
        obj.prepare,
    )
    for _ in range(60):
        with contextlib.suppress(bpf.Error):
            dice.choice(steps)()


@pytest.mark.parametrize("seed", range(4))
def test_one_object_in_many_threads_raises_errors_of_ours_and_nothing_else(compiled, tracefs, together, seed):
    obj = bpf.Object.open(compiled("basic"))
    links = []
    failures = together(*(lambda number=number: meddle(obj, links, (seed, number).__hash__()) for number in range(5)))
    obj.close()
    assert failures == []
    assert all(link.closed for link in links)


@pytest.mark.parametrize("seed", range(4))
def test_one_object_that_is_closed_by_one_thread_is_closed_for_all(compiled, tracefs, together, seed):
    obj = bpf.Object.open(compiled("basic"))
    links = []
    users = [lambda number=number: meddle(obj, links, seed * 100 + number) for number in range(4)]

    def close():
        for _ in range(random.Random(seed).randrange(2000)):
            obj.closed
        obj.close()

    failures = together(*users, close)
    assert failures == []
    assert obj.closed
    assert all(link.closed for link in links)


def test_a_link_that_two_threads_close_is_closed_once(loaded, together, attached):
    obj = loaded("basic")
    for _ in range(20):
        link = obj.programs["on_raw"].attach()
        assert together(link.close, link.close, link.close) == []
    assert attached(obj.programs["on_raw"].id) == []


def test_an_object_that_two_threads_close_is_closed_once(compiled, tracefs, together):
    for _ in range(20):
        obj = bpf.Object.open(compiled("basic"))
        obj.load()
        obj.attach()
        assert together(obj.close, obj.close, obj.close) == []


def test_two_threads_that_load_one_object_load_it_once(compiled, together):
    for _ in range(10):
        with bpf.Object.open(compiled("basic")) as obj:
            failures = together(obj.load, obj.load, obj.load)
            assert [type(failure) for failure in failures] == [bpf.StateError] * 2
            assert obj.programs["on_raw"].id > 0


def test_the_same_program_is_the_same_object_in_every_thread(opened, together):
    obj = opened("basic")
    seen = []
    together(*[lambda: seen.append(obj.programs["on_raw"])] * 8)
    assert len(set(map(id, seen))) == 1


def test_two_links_updated_crosswise_do_not_wait_for_each_other(loaded, together):
    first, second = loaded("kinds"), loaded("kinds")
    links = [obj.programs["of_iterator"].attach() for obj in (first, second)]

    def update(link, other):
        for _ in range(300):
            link.update_program(other.programs["of_iterator_too"])

    assert together(lambda: update(links[0], second), lambda: update(links[1], first)) == []


def test_another_threads_call_goes_on_while_a_program_is_verified(compiled, together):
    # The interpreter's lock is released during a load.
    ticks = itertools.count()
    done = threading.Event()
    counted = []

    def load():
        with bpf.Object.open(compiled("slow")) as obj:
            before = next(ticks)
            obj.load()
            counted.append(next(ticks) - before)
        done.set()

    def tick():
        while not done.is_set():
            next(ticks)

    assert together(load, tick) == []
    assert counted[0] > 1000


def test_a_block_with_a_pointer_keeps_other_threads_from_closing(opened):
    obj = opened("basic")
    closed = threading.Event()

    def close():
        obj.close()
        closed.set()

    with bpf.pointer(obj):
        thread = threading.Thread(target=close)
        thread.start()
        assert not closed.wait(0.05)
        assert not obj.closed
    thread.join(20)
    assert obj.closed


@pytest.mark.slow_emulated
def test_a_thread_that_is_inside_when_the_interpreter_ends_does_not_crash_it(python, compiled, tracefs):
    for _ in range(5):
        python(
            """
import sys, threading
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])
obj.load()
started = threading.Event()

def work():
    while True:
        with obj.programs["on_raw"].attach() as link:
            link.info
            started.set()

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
""",
            compiled("basic"),
            **ENDS_AT_ANY_MOMENT,
        )


def test_a_thread_that_loads_when_the_interpreter_ends_does_not_crash_it(python, compiled):
    for path in (compiled("slow"), compiled("long_log")):
        python(
            """
import sys, threading
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])
started = threading.Event()

def work():
    started.set()
    obj.load()

threading.Thread(target=work, daemon=True).start()
started.wait()
""",
            path,
            **ENDS_AT_ANY_MOMENT,
        )
