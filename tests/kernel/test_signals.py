"""Signals break no load and are not lost, and whatever their handlers do, nothing crashes or stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import build

SUPPORT = Path(__file__).resolve().parent.parent / "support"


def test_a_periodic_signal_does_not_fail_a_long_load(python, compiled):
    said = python(
        """
import signal, sys, time
import libbpf_cffi as bpf
ticks = []
signal.signal(signal.SIGALRM, lambda *told: ticks.append(time.monotonic()))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
with bpf.Object.open(sys.argv[1]) as obj:
    start = time.monotonic()
    obj.load()
    end = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0)
    inside = [tick for tick in ticks if start < tick < end - 0.05]
    # A busy machine may have it wait before it is in C.
    print(end - start > 0.1, obj.programs["slow"].id > 0, len(inside) * 0.05 < (end - start) / 2)
print(len(ticks) > 0)
""",
        compiled("slow"),
    )
    assert said.split() == ["True"] * 4


def test_a_load_without_the_blocking_fails(python, compiled):
    # That the test above tests what it says: libbpf alone gives up under the same signals.
    said = python(
        """
import signal, sys
import libbpf_cffi as bpf
signal.signal(signal.SIGALRM, lambda *told: None)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
with bpf.Object.open(sys.argv[1]) as obj, bpf.pointer(obj) as pointer:
    print(bpf.lib.bpf_object__load(pointer))
    signal.setitimer(signal.ITIMER_REAL, 0)
""",
        compiled("slow"),
    )
    assert said == "-11\n"


def test_ctrl_c_during_a_load_comes_after_it_and_the_object_is_loaded(python, compiled):
    said = python(
        """
import os, signal, sys, threading, time
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        obj.load()
    except KeyboardInterrupt:
        print("interrupted")
    timer.join()
    print(obj.programs["slow"].id > 0)
    obj.attach()
""",
        compiled("slow"),
    )
    assert said.split() == ["interrupted", "True"]


def test_ctrl_c_during_a_load_that_fails_leaves_an_object_that_has_failed(python, compiled):
    said = python(
        """
import os, signal, sys, threading
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        obj.load()
    except (KeyboardInterrupt, bpf.VerifierError) as error:
        print(type(error).__name__)
    for _ in range(2):
        try:
            timer.join()
            obj.load()
        except KeyboardInterrupt:
            pass  # it has come late
        except bpf.StateError as error:
            print("failed to load" in str(error))
            break
""",
        compiled("long_log"),
    )
    assert said.split()[-1] == "True"


def test_the_signal_mask_is_as_before_after_a_load(python, compiled):
    said = python(
        """
import signal, sys
import libbpf_cffi as bpf
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
for path in sys.argv[1:]:
    with bpf.Object.open(path) as obj:
        try:
            obj.load()
        except bpf.LibbpfError:
            pass
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGUSR1})
""",
        compiled("basic"),
        compiled("refused"),
    )
    assert said == "True\n"


RAISING = """
import gc, os, random, signal, sys, time, warnings
import libbpf_cffi as bpf
from libbpf_cffi._elf_target import Target
what, path, folder = sys.argv[1:4]

class Stop(Exception):
    pass

armed = False

def handler(*told):
    if armed:
        raise Stop

signal.signal(signal.SIGALRM, handler)
unraisable = []
sys.unraisablehook = lambda told: unraisable.append(repr(told.exc_value))
warnings.simplefilter("ignore", ResourceWarning)

def left():
    gc.collect()
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass
    return sorted(found)

before = left()
dice = random.Random(what)
# Seconds that it takes: a child longer than the rest, and on each machine another time.
longest = 2e-4
in_a_child = {"linked": lambda: bpf.link_objects(path), "isolated": lambda: bpf.Object.open(path, isolate=True).close()}
if what in in_a_child:
    began = time.perf_counter()
    in_a_child[what]()
    longest = time.perf_counter() - began
stops = 0
for _ in range(60):
    obj = bpf.Object.open(path)
    if what != "open":
        obj.load()
        program = obj.programs["on_tracepoint" if what.startswith("tracepoint") else "on_raw"]
        link = program.attach() if what.endswith(("close", "pin", "disconnect")) else None
    fd = -1
    try:
        signal.setitimer(signal.ITIMER_REAL, dice.uniform(5e-6, longest))
        armed = True
        if what == "open":
            bpf.Object.open(path).close()
        elif what.endswith("attach"):
            program.attach()
        elif what == "all attach":
            obj.attach()
        elif what.endswith("close"):
            link.close()
        elif what == "object close":
            obj.close()
        elif what == "pin":
            link.pin(folder + "/one/two/pin")
        elif what == "dropped":
            program = obj = None
        elif what in in_a_child:
            in_a_child[what]()
        elif what == "probed":
            with Target(path, -1, "probe it") as target:
                target.check_elf()
        # What was raised in the close of what is collected comes where Python looks for signals next, as here.
        for _ in range(2):
            pass
        armed = False
    except Stop:
        stops += 1
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    link = None
    if obj is not None:
        obj.close()
    for _ in range(2):
        if os.path.exists(folder + "/one/two/pin"):
            os.unlink(folder + "/one/two/pin")
program = obj = None
print(stops > 0, left() == before or left(), unraisable)
"""


@pytest.mark.slow_emulated
@pytest.mark.parametrize(
    "what",
    [
        "open",
        "attach",
        "tracepoint attach",
        "all attach",
        "close",
        "tracepoint close",
        "object close",
        "pin",
        "dropped",
        "linked",
        "isolated",
        "probed",
    ],
)
def test_a_handler_that_raises_anywhere_leaves_nothing_after_close(python, compiled, pins, tracefs, what):
    assert python(RAISING, what, compiled("basic"), pins) == "True True []\n"


MEDDLING = """
import os, random, signal, sys
import libbpf_cffi as bpf
# A handler cannot import what it has interrupted the import of.
bpf.ProgramInfo, bpf.MapType, bpf.HashMap, bpf.ArrayMap
path, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
obj = links = None
fine = bpf.Error, ValueError, KeyError
ran = depth = 0

def meddle(*told):
    global ran, depth
    if depth > 2:
        # While it waits for a lock, the next signal interrupts the handler itself.
        return
    ran += 1
    depth += 1
    try:
        what = dice.randrange(9)
        if obj is None:
            return
        if what == 0:
            obj.close()
        elif what == 1:
            obj.load()
        elif what == 2:
            links.append(obj.programs["on_raw"].attach())
        elif what == 3:
            links and dice.choice(links).close()
        elif what == 4:
            links and os.close(dice.choice(links).disconnect())
        elif what == 5:
            [each.info for each in obj.maps.values()]
        elif what == 6:
            obj.attach()
        elif what == 7:
            list(obj.programs.values())[0].insns
        else:
            links and dice.choice(links).info
    except fine:
        pass
    finally:
        depth -= 1

signal.signal(signal.SIGALRM, meddle)
for _ in range(20):
    obj, links = bpf.Object.open(path), []
    try:
        signal.setitimer(signal.ITIMER_REAL, 2e-4, 1e-4)
        obj.load()
        for _ in range(6):
            links.append(obj.programs["on_raw"].attach())
            links[-1].info
            links[-1].close()
            links.extend(obj.attach().values())
            obj.maps["events"].info
        obj.close()
    except fine:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        obj.close()
print(ran > 30)
"""


@pytest.mark.parametrize("seed", range(3))
def test_a_handler_may_use_and_close_what_it_interrupts(python, compiled, tracefs, seed):
    assert python(MEDDLING, compiled("basic"), seed) == "True\n"


@pytest.mark.slow_emulated
def test_a_handler_that_attaches_while_its_object_closes_leaves_no_link_behind(python, compiled, tracefs, usdt_target):
    # A USDT link that outlived its object would be a use after free.
    said = python(
        """
import os, signal, sys
import libbpf_cffi as bpf
attached = 0
refused = 0

def meddle(*told):
    global attached, refused
    try:
        obj.programs["on_probe"].attach()
        attached += 1
    except bpf.ClosedError:
        refused += 1
    except bpf.Error:
        pass

signal.signal(signal.SIGALRM, meddle)
for _ in range(30):
    obj = bpf.Object.open(sys.argv[1])
    obj.load()
    for _ in range(3):
        obj.programs["on_probe"].attach()
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    obj.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
targets = []
for fd in os.listdir("/proc/self/fd"):
    try:
        targets.append(os.readlink("/proc/self/fd/" + fd))
    except FileNotFoundError:
        pass
print(refused > 0, [target for target in targets if "bpf" in target])
""",
        compiled("usdt"),
    )
    assert said == "True []\n"


def test_a_load_in_a_handler_that_interrupts_the_same_objects_call_is_refused(python, compiled):
    said = python(
        """
import signal, sys
import libbpf_cffi as bpf
obj = bpf.Object.open(sys.argv[1])

def handler(*told):
    try:
        obj.load()
    except bpf.StateError as error:
        print(error)

signal.signal(signal.SIGUSR1, handler)
with bpf.pointer(obj):
    signal.raise_signal(signal.SIGUSR1)
obj.close()
""",
        compiled("basic"),
    )
    assert "signal handler" in said


HANDLED = """
import signal, sys, warnings
support, library, module, name, *rest = sys.argv[1:]
sys.path.insert(0, support)
from faults import Faults
import libbpf_cffi as bpf
from libbpf_cffi import kernel, probe

def end(*told):
    raise mine

# Python closes a file itself that it has opened for nobody.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
mine = TimeoutError("mine")
signal.signal(signal.SIGINT, end)
function = getattr({"kernel": kernel, "probe": probe}[module], name)
work = lambda: function(*rest)
faults = Faults(library, python=True)
kinds = "open", "dup", "bpf", "create", "files", "read"
work()
found = faults.calls(work)
count = sum(found[each] for each in kinds)
# Some sixty of all.
step = max(count // 60, 1)
for number in range(1, count + 1, step):
    said = None
    try:
        faults.interrupt(kinds, number)
        said = f"answered {work()!r:.100}"
    except BaseException as error:
        said = None if error is mine else repr(error)
    if faults.disarm() and said is not None:
        print(f"call {number} of {count}, {faults.where}: {said}")
print(count > 0)
"""


@pytest.mark.slow_emulated
@pytest.mark.unsanitized("what interrupts calls would stand between the extension and the sanitizer")
@pytest.mark.parametrize(
    "work",
    [
        ("probe", "map_types"),
        ("probe", "attach_types"),
        ("probe", "attach_type", "tcx_ingress"),
        ("probe", "isa_version"),
        ("probe", "event_sources"),
        ("probe", "capabilities"),
        ("probe", "functions"),
        ("probe", "syscalls"),
        ("probe", "symbols", "libc"),
        ("probe", "kernel_config"),
        ("probe", "jit"),
        ("kernel", "holders"),
    ],
    ids="-".join,
)
def test_what_a_handler_raises_is_no_answer_of_the_system(root, python, tmp_path, work):
    # A TimeoutError is an OSError too.
    assert python(HANDLED, SUPPORT, build(str(tmp_path)), *work) == "True\n"
