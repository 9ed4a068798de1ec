"""Maps under threads and signals: shared, closed by another, used and closed in the middle of a call."""

from __future__ import annotations

import os
import random
import threading

import pytest

import libbpf_cffi as bpf


def test_many_threads_write_and_read_their_own_keys(loaded, together):
    # A buffer that two calls shared would show up as another thread's value.
    maps = loaded("typed_maps").maps
    flows = maps["flows"]

    def work(number):
        for step in range(2000):
            flows[number, 1, "sh"] = (number << 32 | step, step)
            assert flows[number, 1, "sh"] == (number << 32 | step, step)

    assert together(*(lambda number=number: work(number) for number in range(6))) == []


def test_calls_on_elements_do_not_wait_for_the_trees_lock(loaded):
    numbers = loaded("typed_maps").maps["numbers"]
    numbers[1] = 2
    done = threading.Event()

    def read():
        assert numbers[1] == 2
        assert numbers.to_dict() == {1: 2}
        done.set()

    with numbers._handle.lock:
        thread = threading.Thread(target=read)
        thread.start()
        assert done.wait(20)
    thread.join()


def test_close_waits_for_the_calls_that_are_in_the_kernel(loaded):
    obj = loaded("typed_maps")
    numbers = obj.maps["numbers"]
    numbers[1] = 2
    elements = numbers._elements
    # As a call of another thread would count itself in.
    elements.c.users += 1
    thread = threading.Thread(target=obj.close)
    thread.start()
    while not elements.c.closed:
        pass
    thread.join(0.2)
    assert thread.is_alive()
    elements.c.users -= 1
    thread.join(20)
    assert obj.closed


CALLS = {
    "m[k]": lambda m: m[5],
    "m[k] = v": lambda m: m.__setitem__(5, 6),
    "bytes": lambda m: m.raw.lookup_elem(b"\5\0\0\0"),
    "to_dict": lambda m: m.to_dict(),
    "to_numpy": lambda m: m.to_numpy(),
    "items": lambda m: list(m.items()),
    "update_many": lambda m: m.update_many(dict.fromkeys(range(50), 1)),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["numbers", "mapped"])
def test_close_while_another_thread_is_inside_is_a_closed_error_there(compiled, root, together, call, name):
    for _ in range(20):
        obj = bpf.Object.open(compiled("typed_maps"))
        obj.load()
        found = obj.maps[name]
        found.update_many({key: key for key in range(500)})
        inside = threading.Barrier(3)

        def use(found=found, inside=inside):
            CALLS[call](found)
            inside.wait()
            while True:
                try:
                    CALLS[call](found)
                except bpf.ClosedError:
                    return

        def close(obj=obj, inside=inside):
            inside.wait()
            obj.close()

        assert together(use, use, close) == []


def test_a_stand_alone_map_is_closed_under_its_readers(root, together):
    for _ in range(30):
        found = bpf.Map.create("array", 4, 8, 64, map_flags=bpf.MapFlags.MMAPABLE)
        found[0] = b"12345678"
        inside = threading.Barrier(3)

        def read(found=found, inside=inside):
            inside.wait()
            while True:
                try:
                    assert found[0] == b"12345678"
                except bpf.ClosedError:
                    return

        def close(found=found, inside=inside):
            inside.wait()
            found.close()

        assert together(read, read, close) == []


def test_freeze_and_writes_from_other_threads_end_with_a_frozen_map(root, together):
    for _ in range(20):
        with bpf.Map.create("array", 4, 8, 64, map_flags=bpf.MapFlags.MMAPABLE) as found:
            inside = threading.Barrier(3)

            def write(found=found, inside=inside):
                inside.wait()
                while True:
                    try:
                        found[1] = b"12345678"
                    except bpf.LibbpfPermissionError:
                        return

            def freeze(found=found, inside=inside):
                inside.wait()
                found.freeze()

            assert together(write, write, freeze) == []
            assert found.info.frozen


def test_a_load_that_comes_after_elements_were_used_keeps_them_usable(opened, together):
    obj = opened("typed_maps")
    obj.prepare()
    numbers = obj.maps["numbers"]
    numbers[1] = 2
    loaded = threading.Event()

    def read():
        while not loaded.is_set():
            assert numbers[1] == 2

    def load():
        obj.load()
        loaded.set()

    assert together(read, read, load) == []


HANDLER = """
import random, signal, sys, time
import libbpf_cffi as bpf
bpf.MapInfo, bpf.UpdateFlags
obj = bpf.Object.open(sys.argv[1])
obj.load()
flows, numbers, mapped, percpu = (obj.maps[name] for name in ("flows", "numbers", "mapped", "percpu"))
wanted = {number: (number * 1000, -number) for number in range(20)}
for number, value in wanted.items():
    flows[number, 1, "sh"] = value
    numbers[number] = number << 40
    mapped[number] = number << 40
ran = depth = 0

def handler(*told):
    global ran, depth
    if depth > 2:
        # The next signal may interrupt the handler itself, and so on.
        return
    depth += 1
    ran += 1
    number = ran % 20
    assert flows[number, 1, "sh"] == wanted[number]
    assert numbers[number] == number << 40
    assert mapped[number] == number << 40
    percpu[number] = [number] * bpf.lib.libbpf_num_possible_cpus()
    if ran % 7 == 0:
        assert len(numbers.to_dict()) == 20
    depth -= 1

signal.signal(signal.SIGALRM, handler)
handler()
began = time.perf_counter()
handler()
# Where a handler takes longer than the time between two signals, nothing else would ever be done.
signal.setitimer(signal.ITIMER_REAL, 1e-4, max(5e-5, 2 * (time.perf_counter() - began)))
for _ in range(3000):
    for number in (3, 9, 15):
        assert flows[number, 1, "sh"] == wanted[number]
        assert numbers[number] == number << 40
        assert mapped[number] == number << 40
        numbers[number] = number << 40
    assert len(percpu) <= 20
signal.setitimer(signal.ITIMER_REAL, 0)
obj.close()
print(ran > 100)
"""


def test_a_handler_that_uses_the_map_in_the_middle_of_a_lookup_disturbs_nothing(python, compiled):
    assert python(HANDLER, compiled("typed_maps")) == "True\n"


CLOSING = """
import random, signal, sys
import libbpf_cffi as bpf
dice = random.Random(int(sys.argv[1]))
closed = 0

def handler(*told):
    found.close()

signal.signal(signal.SIGALRM, handler)
for turn in range(150):
    flags = bpf.MapFlags.MMAPABLE if turn % 2 else 0
    found = bpf.Map.create("array" if turn % 2 else "hash", 4, 8, 64, map_flags=flags)
    found.update_many({(number if turn % 2 else number.to_bytes(4, "little")): bytes(8) for number in range(64)})
    key = 3 if turn % 2 else b"\\3\\0\\0\\0"
    signal.setitimer(signal.ITIMER_REAL, dice.uniform(5e-6, 3e-4))
    try:
        while True:
            found[key]
            found[key] = bytes(8)
            list(found.items())
    except bpf.ClosedError:
        closed += 1
print(closed)
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_handler_that_closes_the_map_in_the_middle_makes_the_next_call_a_closed_error(python, root, seed):
    assert python(CLOSING, seed) == "150\n"


RAISING = """
import gc, os, random, signal, sys, warnings
import libbpf_cffi as bpf
warnings.simplefilter("ignore", ResourceWarning)
what, folder = sys.argv[1:3]

class Stop(Exception):
    pass

armed = False

def handler(*told):
    if armed:
        raise Stop

signal.signal(signal.SIGALRM, handler)
sys.unraisablehook = lambda told: None
bpf.MapInfo

def left():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass
    with open("/proc/self/maps") as file:
        found += [line for line in file if "bpf" in line]
    return sorted(target for target in found if "bpf-map" in target or "btf" in target)

base = bpf.Map.create("hash", 4, 8, 64, name="lbc_raising")
before = left()
dice = random.Random(what)
stops = 0
for _ in range(300):
    found = None
    try:
        signal.setitimer(signal.ITIMER_REAL, dice.uniform(5e-6, 2e-4))
        armed = True
        if what == "create":
            found = bpf.Map.create("array", 4, 8, 64, map_flags=bpf.MapFlags.MMAPABLE)
            found[1] = bytes(8)
        elif what == "from_id":
            found = bpf.Map.from_id(base.id)
        elif what == "find":
            found = bpf.Map.find("lbc_raising")
        else:
            found = bpf.Map.create("array", 4, 8, 64, map_flags=bpf.MapFlags.MMAPABLE)
            found[1] = bytes(8)
            found.freeze()
            found[1]
        found.close()
        armed = False
    except Stop:
        stops += 1
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    if found is not None:
        found.close()
    found = None
gc.collect()
print(stops > 0, left() == before or left())
"""


@pytest.mark.parametrize("what", ["create", "from_id", "find", "freeze"])
def test_a_handler_that_raises_anywhere_leaves_no_descriptor_and_no_mapping(python, pins, what):
    assert python(RAISING, what, pins) == "True True\n"


def test_an_exception_in_the_middle_of_a_lookup_costs_one_buffer_and_nothing_else(python, compiled):
    said = python(
        """
import random, signal, sys
import libbpf_cffi as bpf
class Stop(Exception):
    pass
def handler(*told):
    raise Stop
signal.signal(signal.SIGALRM, handler)
obj = bpf.Object.open(sys.argv[1])
obj.load()
flows = obj.maps["flows"]
flows[1, 1, "sh"] = (5, 6)
stops = 0
for _ in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 2e-5)
        while True:
            assert flows[1, 1, "sh"] == (5, 6)
    except Stop:
        stops += 1
print(stops, flows[1, 1, "sh"], len(flows._elements.buffers) <= 2)
obj.close()
""",
        compiled("typed_maps"),
    )
    assert said == "300 counter(packets=5, delta=6) True\n"


def test_a_thread_that_reads_when_the_interpreter_ends_does_not_crash_it(python, compiled):
    for _ in range(3):
        python(
            """
import sys, threading
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])
obj.load()
numbers, mapped = obj.maps["numbers"], obj.maps["mapped"]
numbers.update_many({key: key for key in range(4000)})
started = threading.Event()

def work():
    while True:
        numbers[1], mapped[1], numbers.to_dict()
        mapped[1] = 2
        started.set()

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
""",
            compiled("typed_maps"),
        )


def meddle(maps, seed):
    """Do at random what can be done with the elements of maps."""
    dice = random.Random(seed)
    names = ["numbers", "recent", "plain", "mapped", "percpu", "flows"]
    for _ in range(200):
        found = maps[dice.choice(names)]
        try:
            what = dice.randrange(8)
            key = dice.randrange(64)
            if what == 0:
                found[key]
            elif what == 1:
                found[key] = dice.choice((1, (1, 2), [1] * 64))
            elif what == 2:
                found.to_dict()
            elif what == 3:
                found.to_numpy()
            elif what == 4:
                found.raw.update_many({bytes(4): bytes(8)})
            elif what == 5:
                found.clear()
            elif what == 6:
                list(found.items(delete=dice.random() < 0.5))
            else:
                repr(found), found.info, found.get_next_key()
        except (bpf.Error, ValueError, TypeError, KeyError, IndexError, AttributeError):
            pass


@pytest.mark.parametrize("seed", range(3))
def test_anything_from_many_threads_while_the_object_is_closed_crashes_nothing(compiled, root, together, seed):
    obj = bpf.Object.open(compiled("typed_maps"))
    obj.load()
    maps = dict(obj.maps.items())
    pid = os.getpid()

    def close():
        for _ in range(random.Random(seed).randrange(20000)):
            pass
        obj.close()

    assert together(*(lambda number=number: meddle(maps, seed * 10 + number) for number in range(4)), close) == []
    assert os.getpid() == pid
