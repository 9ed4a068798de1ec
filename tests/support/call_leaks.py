"""Call every public function and method over and over, each for itself, and look whether memory grows: as psutil does.

    python call_leaks.py FOLDER-OF-OBJECTS FOLDER-OF-A-CGROUP [NAME…]

What there is to call is found by looking at the public classes and modules; call_table.py has one of each class, and
arguments. What a call raises of the expected kind is as good as a result: errors must not leak either. A call leaks if
each of several rounds leaves a block of Python's or some bytes of the C heap for every call, or a descriptor. Prints a
line for each call that leaks, or that has no arguments in the table, and how many were called.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import enum
import gc
import importlib
import inspect
import os
import sys
import time
import warnings
from typing import Any

import call_table

import libbpf_cffi as bpf
from libbpf_cffi import net

FINE = (bpf.Error, ValueError, TypeError, KeyError, IndexError, StopIteration, AttributeError, BufferError)
"""What a call may raise; a call that is not understood raises it too, and leaks no less."""

ROUNDS = 7
SECONDS = 0.02
"""For the first round of calls; there are at least `FEWEST` and at most `MOST`."""

FEWEST, MOST = 3, 200

CLONE_NEWNET = 0x40000000
MODULES = ("hist", "insns", "kernel", "net", "probe", "tracefs", "tracepoints")
SPECIAL = (
    "__contains__", "__getitem__", "__setitem__", "__delitem__", "__len__", "__repr__", "__iter__", "__eq__",
    "__call__",
)  # fmt: skip


def classes():
    """Give the public classes that are neither enumerations nor exceptions."""
    every = [getattr(bpf, name) for name in bpf.__all__] + [getattr(net, name) for name in net.__all__]
    return [each for each in every if inspect.isclass(each) and not issubclass(each, (enum.Enum, BaseException))]


def needs_arguments(function):
    """Tell whether a call without arguments would not do."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is each.empty and each.kind not in variable for each in parameters)


def operations(made):
    """Give all that there is to call: name, what calls it once, and what the table lacks of it."""
    found: dict[str, tuple[Any, str | None]] = {}

    def given(owner, name):
        what = call_table.ARGUMENTS.get(f"{owner}.{name}", call_table.ARGUMENTS.get(name))
        what = what(made) if callable(what) else what
        return ((), what) if isinstance(what, dict) else (what, {})

    def add(full, owner, name, function, get):
        if name in call_table.NOT_CALLED:
            return
        arguments, keywords = given(owner, name)
        lacks = arguments is None and not keywords and needs_arguments(function)
        found.setdefault(full, (lambda: get()(*(arguments or ()), **keywords), full if lacks else None))

    for thing in made.values():
        kind = type(thing)
        if not kind.__module__.startswith("libbpf_cffi"):
            continue
        for name in dir(kind):
            if name.startswith("_") and name not in SPECIAL:
                continue
            base = next(each for each in kind.__mro__ if name in vars(each))
            if base in {object, tuple, int, str} or name in call_table.NOT_CALLED:
                continue
            value, full = vars(base)[name], f"{base.__name__}.{name}"
            if hasattr(thing, "fileno") and name in call_table.WAITS:
                continue
            if isinstance(value, (classmethod, staticmethod)):
                add(full, base.__name__, name, getattr(kind, name), lambda kind=kind, name=name: getattr(kind, name))
            elif inspect.isfunction(value):
                owner = call_table.new_btf if name in call_table.GROWS else (lambda thing=thing: thing)
                add(full, base.__name__, name, getattr(thing, name), lambda o=owner, name=name: getattr(o(), name))
            else:
                found.setdefault(full, (lambda thing=thing, name=name: getattr(thing, name), None))
    for name in bpf.__all__:
        value = getattr(bpf, name)
        if inspect.isfunction(value) or value is bpf.pointer:
            add(f"bpf.{name}", "bpf", name, value, lambda value=value: value)
    for name in MODULES:
        module = importlib.import_module(f"libbpf_cffi.{name}")
        for each in module.__all__:
            value = getattr(module, each)
            if inspect.isfunction(value):
                add(f"{name}.{each}", name, each, value, lambda value=value: value)
    return found


loop = asyncio.new_event_loop()


def let_go(result):
    """Close what came out, or take from it what is there."""
    if inspect.iscoroutine(result):
        result = loop.run_until_complete(result)
    if type(result).__name__ == "Stream" or hasattr(result, "__next__"):
        with contextlib.suppress(*FINE):
            for _, _ in zip(range(3), result, strict=False):
                pass
    for each in result if isinstance(result, list) else result.values() if isinstance(result, dict) else [result]:
        for name in ("close", "discard"):
            if hasattr(type(each), name):
                with contextlib.suppress(*FINE):
                    getattr(each, name)()


class Mallinfo(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "used", "free", "top")
    ]


libc = ctypes.CDLL(None, use_errno=True)


def heap():
    """Bytes of the C heap that are in use; 0 where the C library does not tell."""
    if not hasattr(libc, "mallinfo2"):
        return 0
    libc.mallinfo2.restype = Mallinfo
    told = libc.mallinfo2()
    return told.used + told.hblkhd


def state():
    gc.collect()
    return sys.getallocatedblocks(), heap(), len(os.listdir("/proc/self/fd"))


def once(call, mine):
    """Call once, and tell whether it worked; what belongs to the table stays open."""
    try:
        result = call()
    except FINE:
        return False
    if not any(result is each for each in mine):
        let_go(result)
    return True


def leaks(call, mine):
    """Tell what each call leaves, or nothing."""
    once(call, mine)
    start = time.monotonic()
    once(call, mine)
    count = min(max(int(SECONDS / (time.monotonic() - start + 1e-9)), FEWEST), MOST)
    told = ""
    for number in range(ROUNDS):
        # What is a leak is one of more calls, too; tables and pools that grow now and then are none.
        count *= 1 + number % 2
        blocks, used, descriptors = state()
        for _ in range(count):
            once(call, mine)
        now = state()
        grown = [now[0] - blocks, now[1] - used, now[2] - descriptors]
        if grown[0] < count * 0.8 and grown[1] < count * 16 and grown[2] < count * 0.8:
            return ""
        told = f"{count} calls left {grown[0]} blocks, {grown[1]} bytes of the C heap, {grown[2]} descriptors"
    return told


def main():
    """Call everything."""
    call_table.folder, call_table.cgroup = sys.argv[1:3]
    warnings.simplefilter("ignore")
    assert libc.unshare(CLONE_NEWNET) == 0
    made = call_table.things()
    known = {base.__name__ for each in made.values() for base in type(each).__mro__} | set(call_table.NOT_MADE)
    wrong = [f"no thing of {each.__name__}" for each in classes() if each.__name__ not in known]
    found = operations(made)
    wrong += [f"no arguments for {lacks}" for _, lacks in found.values() if lacks]
    # What is there already is no longer looked through at each collection.
    gc.collect()
    gc.freeze()
    mine = [*made.values(), *call_table.objects]
    only = sys.argv[3:]
    worked = 0
    for name, (call, _) in found.items():
        worked += once(call, mine)
        if (not only or name in only) and (told := leaks(call, mine)):
            wrong.append(f"{name}: {told}")
    print("\n".join(wrong))
    print(f"{len(found)} called, of which {worked} worked at first; {len(wrong)} wrong")
    sys.stdout.flush()
    # Not one by one: that takes as long as all before.
    os._exit(bool(wrong))


if __name__ == "__main__":
    main()
