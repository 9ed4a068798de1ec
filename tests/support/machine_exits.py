"""Interpreters that end at any moment, in any way, with threads in the middle of anything.

    python machine_exits.py COUNT [FIRST-SEED]

Each seed is an interpreter whose daemon threads use one world of things (machine_world.py), wait for events that never
come, load, parse and close, until its main thread ends it after a random moment: by its last line, ``sys.exit``, an
exception, SIGINT or SIGTERM. Its exit status must be what that way gives and no other signal's, in time, with nothing
said of a fatal error and nothing left in the kernel. `be` is what runs in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

from any_moment import ENDS_AT_ANY_MOMENT
from machine_child import PATIENCE, gone, own_mounts, own_places
from machine_left import kernel_numbers

WAYS = {
    "last line": {0},
    "sys.exit": {7},
    "exception": {1},
    # Python forgets that it was one where another thread runs exec() meanwhile.
    "interrupt": {-signal.SIGINT, 1},
    "terminate": {-signal.SIGTERM},
}
"""How an interpreter ends, and its exit status."""

PR_SET_PDEATHSIG = 1


def be(seed: int, way: str, folder: str, cgroup: str, said: str, objects: dict[str, str]) -> None:
    """Be the interpreter that ends."""
    from machine_makers import MAKERS
    from machine_world import World

    own_places()
    warnings.simplefilter("ignore")
    dice = random.Random(seed)
    log = os.open(said + ".log", os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    world = World(objects, folder, cgroup, log)
    # What a test process forgets is not what is looked for here.
    sys.unraisablehook = sys.__unraisablehook__
    for maker in ("ring buffer", "perf buffer", "trace pipe", "loaded basic", "btf", "link"):
        world.make_one(maker, dice.randrange(1 << 30))
    for maker in dice.sample(sorted(MAKERS), 3):
        world.make_one(maker, dice.randrange(1 << 30))

    # Before the threads: what they find may be others'.
    with open(said, "w", encoding="ascii") as file:
        json.dump(sorted(kernel_numbers()), file)

    def use(number: int) -> None:
        mine = random.Random(seed * 64 + number)
        while True:
            world.any_step(mine)

    def wait(number: int) -> None:
        mine = random.Random(seed * 64 + number)
        while True:
            readers = [each for each in list(world.things) if hasattr(type(each), "records")]
            with contextlib.suppress(Exception):
                if readers:
                    for _ in mine.choice(readers):
                        pass

    threading.excepthook = lambda told: world.say(f"thread: {told.exc_type.__name__}: {told.exc_value}")
    for number in range(dice.randrange(1, 6)):
        threading.Thread(target=dice.choice((use, use, wait)), args=(number,), daemon=True).start()
    time.sleep(dice.random() ** 2 * 0.6)
    if way == "sys.exit":
        sys.exit(7)
    elif way == "exception":
        raise ZeroDivisionError
    elif way == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(PATIENCE)
    elif way == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE)


def one(seed: int, objects: dict[str, str], cgroups: str) -> str | None:
    """Have one interpreter end; say what is wrong with it."""
    way = random.Random(seed).choice(sorted(WAYS))
    folder = tempfile.mkdtemp(prefix="lbc-exit-")
    cgroup = os.path.join(cgroups, os.path.basename(folder))
    os.mkdir(cgroup)
    said = folder + ".json"
    command = [sys.executable, "-bb", "-X", "faulthandler", __file__, "be", str(seed), way, folder, cgroup, said,
               json.dumps(objects)]  # fmt: skip
    wrong = None
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False,
            env={**os.environ, **ENDS_AT_ANY_MOMENT},
        )  # fmt: skip
        if done.returncode not in WAYS[way]:
            wrong = f"ended with {done.returncode} and not {WAYS[way]}:\n{done.stderr}"
        elif "Fatal Python error" in done.stderr:
            wrong = done.stderr
        else:
            with open(said, encoding="ascii") as file:
                gone({tuple(each) for each in json.load(file)})
    except subprocess.TimeoutExpired as error:
        wrong = f"hung: {error.stderr}"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    finally:
        if wrong is not None:
            with contextlib.suppress(OSError), open(said + ".log", encoding="utf-8", errors="replace") as file:
                wrong += "\nwhat it did last:\n" + "".join(file.readlines()[-40:])
        shutil.rmtree(folder, ignore_errors=True)
        for path in (said, said + ".log"):
            with contextlib.suppress(OSError):
                os.unlink(path)
        for _ in range(200):
            with contextlib.suppress(OSError):
                os.rmdir(cgroup)
                break
            time.sleep(0.01)
    return None if wrong is None else f"seed {seed}, {way}: {wrong}"


def main() -> int:
    """Have as many interpreters end as the command line says."""
    from machine import compiled

    from libbpf_cffi.tracefs import find_cgroup2

    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    own_mounts()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    failures = 0
    with tempfile.TemporaryDirectory(prefix="lbc-objects-") as folder:
        objects = compiled(folder)
        for seed in range(first, first + count):
            wrong = one(seed, objects, find_cgroup2())
            if wrong is not None:
                failures += 1
                print(wrong, flush=True)
    print(f"{count} interpreters ended, {failures} of them wrongly")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1] == "be":
        seed, way, *places, objects = sys.argv[2:]
        be(int(seed), way, *places, json.loads(objects))
    else:
        sys.exit(main())
