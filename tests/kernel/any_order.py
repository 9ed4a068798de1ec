"""Do what a user could do, in any order and with any value, and see whether the interpreter lives.

    python any_order.py FIRST-SEED LAST-SEED FOLDER-FOR-PINS OBJECT…

Each seed is one life of one object in a child process of its own: open, settings, phases, links, pins, close, all at
random. Any exception of the package's kind, a ``ValueError``, ``TypeError`` or ``KeyError`` is fine; a signal is not,
nor is any other exception. Prints one line a failure and the number of lives; exits with 1 if there was a failure.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import random
import shutil
import signal
import sys
import traceback
import warnings

import libbpf_cffi as bpf


class NothingThereError(Exception):
    """The object has no map, say."""


FINE = (bpf.Error, ValueError, TypeError, KeyError, OverflowError, NothingThereError)

NUMBERS = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    100,
    4095,
    4096,
    4097,
    8192,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 63) - 1,
    1 << 64,
    -1,
)
ODD = (None, "", "x", b"", 1.5, (), True, object())
PATIENCE = 60
"""Seconds that one life may take."""


def number(dice: random.Random) -> object:
    if dice.random() < 0.05:
        return dice.choice(ODD)
    if dice.random() < 0.5:
        return dice.choice(NUMBERS)
    return dice.randrange(1 << dice.choice((3, 6, 12, 20, 32)))


SETTINGS = {
    bpf.Object: ("kversion",),
    bpf.Program: ("type", "expected_attach_type", "flags", "autoload", "autoattach", "log_level"),
    bpf.Map: (
        "type",
        "key_size",
        "value_size",
        "max_entries",
        "map_flags",
        "numa_node",
        "map_extra",
        "ifindex",
        "autocreate",
        "autoattach",
    ),
}


def pick(dice: random.Random, things: object) -> object:
    things = list(things)
    if not things:
        raise NothingThereError
    return dice.choice(things)


def public(thing: object) -> list[str]:
    return [name for name in dir(type(thing)) if not name.startswith("_")]


def live(dice: random.Random, path: str, folder: str) -> None:
    """Live one life."""
    options = {}
    if dice.random() < 0.2:
        options["kernel_log_size"] = dice.choice((1, 64, 4096, 1 << 20))
        options["kernel_log_level"] = dice.choice((0, 1, 2, 4, 7))
    if dice.random() < 0.2:
        options["kconfig"] = 'CONFIG_FIRST="a"\nCONFIG_SECOND="b"\nCONFIG_THIRD="c"\nCONFIG_HZ=5\n'
    if dice.random() < 0.5 or "unknown" in path:
        options["relaxed_maps"] = True
    obj = bpf.Object.open(path, pin_root_path=folder, **options)
    links: list[bpf.Link] = []
    descriptors: list[int] = []

    def setting() -> None:
        thing = dice.choice([obj, *obj.programs.values(), *obj.maps.values(), *obj.maps.values()])
        names = next(names for kind, names in SETTINGS.items() if isinstance(thing, kind))
        setattr(thing, dice.choice(names), number(dice))

    def look() -> None:
        thing = dice.choice([obj, *obj.programs.values(), *obj.maps.values(), *links])
        for name in public(thing):
            if isinstance(getattr(type(thing), name), property):
                with contextlib.suppress(FINE):
                    getattr(thing, name)
        repr(thing)

    def variable() -> None:
        variables = obj.variables
        name = pick(dice, variables) + dice.choice(("", "", "", "[1]", "[0].x", ".low", ".limits.high[2]", ".first"))
        with contextlib.suppress(IndexError):
            if dice.random() < 0.5:
                variables[name] = dice.choice((number(dice), number(dice), "x", [1, 2, 3], (1, 2, 3, 4), {"low": 1}))
            variables[name]
            variables.describe(name)
            repr(variables)

    def attach_one() -> None:
        links.append(pick(dice, obj.programs.values()).attach())

    def attach_map() -> None:
        links.append(pick(dice, obj.maps.values()).attach_struct_ops())

    def with_link() -> None:
        link = pick(dice, links)
        what = dice.randrange(8)
        if what == 0:
            link.close()
        elif what == 1:
            link.detach()
        elif what == 2:
            descriptors.append(link.disconnect())
        elif what == 3:
            link.pin(place())
        elif what == 4:
            link.unpin()
        elif what == 5:
            link.update_program(pick(dice, obj.programs.values()))
        elif what == 6:
            links.remove(link)
        else:
            links.append(bpf.Link.open(place()))

    def place() -> str:
        return os.path.join(folder, *dice.choice((("a",), ("b",), ("c", "d"), ("a.b",), ("..", "e"))))

    def pins() -> None:
        thing = dice.choice([obj, *obj.programs.values(), *obj.maps.values()])
        verbs = [name for name in public(thing) if "pin" in name and callable(getattr(thing, name))]
        verb = getattr(thing, dice.choice(verbs))
        verb(*([place()] if dice.random() < 0.8 else []))

    def pin_path() -> None:
        pick(dice, obj.maps.values()).pin_path = dice.choice((None, place(), "", "relative", 5))

    def close() -> None:
        if dice.random() < 0.3:
            obj.close()

    steps = (
        [setting] * dice.choice((0, 1, 4, 12))
        + [look, look, variable, variable]
        + [obj.load] * 3
        + [obj.prepare, attach_one, attach_one, attach_map]
        + [lambda: links.extend(obj.attach().values()), with_link, with_link, with_link, pins, pin_path, close]
    )
    try:
        # The settings come first more often than not, or few would ever be tried.
        if dice.random() < 0.7:
            for _ in range(dice.randrange(6)):
                attempt(setting)
        for _ in range(dice.randrange(1, 30)):
            attempt(dice.choice(steps))
    finally:
        # A struct_ops without a link stays registered when its process ends, so that one is always closed.
        if "struct_ops" in path or dice.random() < 0.5:
            obj.close()


def attempt(step: object) -> None:
    with contextlib.suppress(FINE):
        step()


def main() -> int:
    """Live the lives that the command line asks for."""
    first, last, folder, *paths = sys.argv[1:]
    failures = 0
    for seed in range(int(first), int(last)):
        dice = random.Random(seed)
        path = dice.choice(sorted(paths))
        pid = os.fork()
        if not pid:
            status = 3
            try:
                faulthandler.enable()
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", ResourceWarning)
                signal.alarm(PATIENCE)
                mine = os.path.join(folder, f"life{seed}")
                os.mkdir(mine, 0o700)
                try:
                    live(dice, path, mine)
                finally:
                    shutil.rmtree(mine)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        if status:
            failures += 1
            ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
            print(f"FAILED: seed {seed} of {path}: {ended}", flush=True)
    print(f"{int(last) - int(first)} lives")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
