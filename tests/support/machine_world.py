"""One life: what a process has of the package's things, and what it does with them, whatever that may be.

`World.step` does one operation; what it raises that is no error of the package's is a `Defect`. `World.end` lets go of
everything and says what has stayed all the same.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
import traceback
import types
from typing import TYPE_CHECKING, Any

from machine_left import kernel_numbers, open_things
from machine_makers import MAKERS, MAPS
from machine_surface import COMMON, HEAVY, OPERATIONS, OPERATORS, Operation
from machine_values import anything, arguments, awaited, setting

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable

FINE = (bpf.Error, ValueError, TypeError, KeyError, IndexError)
"""What may come out of a call: the package's own errors, and Python's for arguments and keys."""

MOST = 40
"""How many things a world keeps."""


class Defect(Exception):  # noqa: N818 - a finding, not a failure of this code
    """Something came out that must not, or stayed behind."""


class World:
    """The things of one process."""

    def __init__(self, objects: dict[str, str], folder: str, cgroup: str, log: int, *, waits: float = 0.0) -> None:
        self.objects, self.folder, self.cgroup = objects, folder, cgroup
        self.things: list[Any] = []
        self.descriptors: list[int] = []
        self.at_end: list[Callable[[], object]] = []
        self.own: set[tuple[str, int]] = set()
        self.defects: list[str] = []
        self.done: dict[str, int] = {}
        self.well: dict[str, int] = {}
        self._log = log
        self._waits = waits
        self._inside = 0
        self._made: dict[str, type] = {}
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._in_thread

    # What happens where no caller sees it

    def _unraisable(self, told: Any) -> None:
        if not isinstance(told.exc_value, (ResourceWarning, *FINE)) or isinstance(told.exc_value, NameError):
            text = "".join(traceback.format_exception(told.exc_type, told.exc_value, told.exc_traceback))
            self.defects.append(f"unraisable, in {told.object!r}: {text}")

    def _in_thread(self, told: Any) -> None:
        text = "".join(traceback.format_exception(told.exc_type, told.exc_value, told.exc_traceback))
        self.defects.append(f"in a thread: {text}")

    def say(self, text: str) -> None:
        """Write what is about to be done where it is found should the process die of it."""
        os.write(self._log, f"{threading.get_native_id()} {text}\n".encode(errors="replace"))

    # Things

    def of(self, kind: type) -> list[Any]:
        """Give the things of a kind."""
        return [each for each in list(self.things) if isinstance(each, kind)]

    def keep(self, thing: Any) -> Any:
        """Take something into the world."""
        self.things.append(thing)
        while len(self.things) > MOST:
            with contextlib.suppress(IndexError):
                self.things.pop(random.Random(len(self.things)).randrange(MOST))
        return thing

    def make(self, maker: str, dice: random.Random) -> Any:
        """Make something new."""
        self.say(f"  make {maker}")
        made = MAKERS[maker][1](self, dice)
        self._made[maker] = type(made)
        return self.keep(made)

    def make_of(self, owner: type, dice: random.Random) -> Any:
        """Give a thing of a class, a new one if there is none."""
        there = self.of(owner)
        usable = [each for each in there if not _is_closed(each)]
        if usable and dice.random() < 0.9:
            return dice.choice(usable)
        if there and dice.random() < 0.15:
            return dice.choice(there)
        makers = [name for name, (kind, _) in MAKERS.items() if kind is not object and issubclass(kind, owner)]
        if not makers:
            makers = [name for name in MAPS if issubclass(self._made.get(name, owner), owner)]
        dice.shuffle(makers)
        for maker in makers:
            try:
                made = self.make(maker, dice)
            except FINE:
                continue
            if isinstance(made, owner):
                return made
        return None

    def quietly(self, act: Callable[[], object]) -> None:
        """Do something that may fail."""
        with contextlib.suppress(*FINE):
            act()

    # Places and payloads

    def place(self, dice: random.Random) -> str:
        """Give a path for a pin."""
        return os.path.join("/sys/fs/bpf", *dice.choice((("a",), ("b",), ("c", "d"), ("a.b",), ("c", "..", "e"))))

    def file(self, dice: random.Random) -> str:
        """Give a path for a file."""
        return os.path.join(self.folder, dice.choice(("a.o", "b.o", "none/c.o")))

    @staticmethod
    def ring_order(count: int) -> bytes:
        """Give what the producer of rings.bpf.c is told."""
        return struct.pack("=QIIIIQQQ", 0, count, 16, 0, 0, 0, 0, 0)

    @staticmethod
    def perf_order(count: int) -> bytes:
        """Give what the producer of perf.bpf.c is told."""
        return struct.pack("=4Q", 0, count, 16, 0)

    # Steps

    def step_inside(self, seed: int) -> None:
        """Do something in the middle of something else, as a callback may."""
        if self._inside < 2:
            self._inside += 1
            try:
                self.step(random.Random(seed).choice(list(OPERATIONS)), seed)
            finally:
                self._inside -= 1

    def step(self, name: str, seed: int) -> str:
        """Do one operation; give what came of it."""
        dice = random.Random(seed)
        if name in HEAVY and dice.random() < 0.9:
            return "not now"
        self.done[name] = self.done.get(name, 0) + 1
        self.say(f"{name} {seed}")
        try:
            act = self._prepare(name, OPERATIONS[name], dice)
            if act is None:
                return "no thing"
            result = act()
            self._keep_result(name, result, dice)
        except FINE as error:
            return type(error).__name__
        except (StopIteration, StopAsyncIteration) as error:
            return type(error).__name__
        self.well[name] = self.well.get(name, 0) + 1
        return "ok"

    def _prepare(self, name: str, operation: Operation, dice: random.Random) -> Callable[[], object] | None:
        kind, owner, member, _ = operation
        thing = None
        if kind in {"call", "get", "set"}:
            thing = self.make_of(owner, dice)
            if thing is None:
                return None
        if kind == "get":
            return lambda: getattr(thing, member)
        if kind == "set":
            new = setting(self, dice, thing) if dice.random() < 0.85 else anything(self, dice)
            self.say(f"  of {type(thing).__name__} {id(thing):x} = {_short(new)}")
            return lambda: setattr(thing, member, new)
        positional, named = arguments(name, operation, self, dice, thing)
        shown = [*map(_short, positional), *(f"{each}={_short(what)}" for each, what in named.items())]
        self.say(f"  of {type(thing).__name__} {id(thing):x} ({', '.join(shown)})")
        function = getattr(owner, member) if kind not in {"new", "call"} else owner if kind == "new" else None
        if member in OPERATORS:
            return lambda: OPERATORS[member](thing, *positional)
        if function is None:
            return lambda: getattr(thing, member)(*positional, **named)
        return lambda: function(*positional, **named)

    def _keep_result(self, name: str, result: Any, dice: random.Random) -> None:
        if inspect.iscoroutine(result):
            result = awaited(result)
        if "find" in name and not name.startswith(("Finding", "Building")):
            self._let_go(result)
        elif name == "Link.disconnect":
            self.descriptors.append(result)
        elif name.endswith("__enter__"):
            self._leave(name, result, dice)
        elif name.endswith(("__aiter__", ".__iter__")) and name.startswith(("EventStream", "TracePipe")):
            # The next event may never come.
            pass
        elif isinstance(result, (list, tuple, dict)) and not isinstance(result, bpf.Record):
            some = list(result.values() if isinstance(result, dict) else result)
            for each in some[:3]:
                self._keep_one(each)
        else:
            self._keep_one(result)
            if hasattr(result, "__next__"):
                self._advance(result, dice)
        if dice.random() < 0.2:
            repr(result)

    def _keep_one(self, each: Any) -> None:
        if type(each).__module__.startswith("libbpf_cffi") or hasattr(type(each), "close"):
            self.keep(each)

    def _let_go(self, found: Any) -> None:
        """Close what may be others'."""
        for each in found if isinstance(found, (list, tuple)) else [found]:
            if isinstance(each, (bpf.Map, bpf.Link, bpf.KernelProgram)):
                each.close()

    def _leave(self, name: str, result: Any, dice: random.Random) -> None:
        manager = self.of(bpf.pointer)[-1:] if name.startswith("pointer") else [result]
        for each in manager:
            each.__exit__(None, None, None)

    def _advance(self, iterator: Any, dice: random.Random) -> None:
        for _ in range(dice.randrange(6)):
            self._keep_one(next(iterator))

    # Steps that are no operation

    def make_one(self, maker: str, seed: int) -> str:
        """Make something."""
        self.say(f"make {maker} {seed}")
        try:
            self.make(maker, random.Random(seed))
        except FINE as error:
            return type(error).__name__
        return "ok"

    def close_one(self, seed: int) -> str:
        """Close something."""
        dice = random.Random(seed)
        there = [each for each in self.of(object) if hasattr(type(each), "close")]
        if not there:
            return "nothing"
        thing = dice.choice(there)
        self.say(f"close {type(thing).__name__} {id(thing):x}")
        try:
            thing.close()
        except FINE as error:
            return type(error).__name__
        return "ok"

    def forget_one(self, seed: int) -> str:
        """Drop a reference, perhaps in a cycle."""
        dice = random.Random(seed)
        if not self.things:
            return "nothing"
        with contextlib.suppress(IndexError):
            thing = self.things.pop(dice.randrange(len(self.things)))
            self.say(f"forget {type(thing).__name__} {id(thing):x}")
            if dice.random() < 0.5:
                cycle: list[Any] = [thing]
                cycle.append(cycle)
        return "ok"

    def collect(self, seed: int = 0) -> str:
        """Collect garbage."""
        self.say("collect")
        gc.collect()
        return "ok"

    def advance_one(self, seed: int) -> str:
        """Take from an iterator that is there."""
        dice = random.Random(seed)
        there = [each for each in self.of(object) if hasattr(type(each), "__next__")]
        if not there:
            return "nothing"
        iterator = dice.choice(there)
        self.say(f"advance {type(iterator).__name__}")
        try:
            self._advance(iterator, dice)
        except (*FINE, StopIteration) as error:
            return type(error).__name__
        return "ok"

    def fork(self, seed: int) -> str:
        """Let a forked child do something, and end."""
        self.say(f"fork {seed}")
        pid = os.fork()
        if not pid:
            status = 1
            try:
                dice = random.Random(seed)
                for _ in range(dice.randrange(8)):
                    self.any_step(dice)
                    gc.collect()
                status = 2 if self.defects else 0
            except BaseException:
                self.say(traceback.format_exc())
            finally:
                self.say("".join(self.defects))
                os._exit(status)
        deadline = time.monotonic() + 60
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > deadline:
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                raise Defect("a forked child hung")
            time.sleep(0.002)
        if status:
            raise Defect(f"a forked child ended with wait status {status}")
        return "ok"

    def threads(self, seed: int, count: int = 4, steps: int = 12) -> str:
        """Let threads do things, all with the same ones."""
        self.say(f"threads {seed}")
        start = threading.Barrier(count)

        def body(number: int) -> None:
            dice = random.Random(seed * 64 + number)
            start.wait()
            for _ in range(steps):
                self.any_step(dice, may_fork=False)

        started = [threading.Thread(target=body, args=(number,)) for number in range(count)]
        for each in started:
            each.start()
        for each in started:
            each.join()
        return "ok"

    def any_step(self, dice: random.Random, *, may_fork: bool = True) -> str:
        """Do anything."""
        way, seed = dice.random(), dice.randrange(1 << 30)
        if way < 0.12:
            return self.make_one(dice.choice(list(MAKERS)), seed)
        if way < 0.2:
            return self.close_one(seed)
        if way < 0.25:
            return self.forget_one(seed)
        if way < 0.26:
            return self.collect()
        if way < 0.3:
            return self.advance_one(seed)
        if way < 0.55:
            return self.step(dice.choice(COMMON), seed)
        return self.step(dice.choice(list(OPERATIONS)), seed)

    # The end

    def sample(self) -> None:
        """Note the numbers of what this process has in the kernel."""
        self.own |= kernel_numbers()

    def end(self, before: dict[str, str], tasks: int) -> None:
        """Let go of everything, and raise a `Defect` if something stays or has come up."""
        self.say("end")
        dice = random.Random(0)
        things, self.things = self.things, []
        dice.shuffle(things)
        for act in [*self.at_end, *(each.close for each in things if hasattr(type(each), "close"))]:
            with contextlib.suppress(*FINE, RuntimeError):
                act()
            del act
        for fd in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(fd)
        del things
        self.at_end.clear()
        for each in os.listdir("/sys/fs/bpf"):
            subprocess.run(["rm", "-rf", os.path.join("/sys/fs/bpf", each)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        deadline = time.monotonic() + 10
        while True:
            gc.collect()
            after = open_things()
            left = {each: what for each, what in after.items() if before.get(each) != what}
            # Handles that were in use when they were dropped are closed by threads of their own.
            now = len(os.listdir("/proc/self/task"))
            if not left and now <= tasks:
                break
            if time.monotonic() > deadline:
                stacks = "".join("".join(traceback.format_stack(each)) for each in sys._current_frames().values())
                self.defects.append(f"stayed open: {left}; threads: {tasks} before, {now} now:\n{stacks}")
                break
            time.sleep(0.01)
        self.check()

    def check(self) -> None:
        """Raise what has come up where no caller sees it."""
        if self.defects:
            raise Defect("\n".join(self.defects))


def _is_closed(thing: Any) -> bool:
    handle = getattr(thing, "_handle", None)
    return bool(getattr(thing, "closed", False) or getattr(handle, "closed", False))


def _short(what: Any) -> str:
    if isinstance(what, (types.NoneType, bool, int, float, str, bytes)):
        return repr(what)[:80]
    return f"<{type(what).__name__} {id(what):x}>"
