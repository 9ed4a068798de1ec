"""Hand thousands of malformed files to one entry point: the process that may die of it, started by fuzz.py.

Each input is in the shared file before it is used, so that whoever finds this process dead or stuck has it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import random
import sys
import time
import traceback
from pathlib import Path

import entries
from places import places

import libbpf_cffi as bpf

COUNTERS = ("tried", "accepted", "checked", "refused", "contained")
"""Inputs; those that were taken, refused by the package's own checks, refused later, and fatal to a child of ours."""

SIZE_AT, DATA_AT = 8 * len(COUNTERS), 4096
ROOM = 1 << 20

UNEXPECTED = 3
"""The exit status after an exception that is none of the package's."""


def main() -> None:
    """``child.py ENTRY SEEDS SHARED LIBRARY STATE SECONDS COUNT``."""
    name, folder, shared, library, state, seconds, count = sys.argv[1:]
    faulthandler.enable()
    end = time.monotonic() + float(seconds)
    make = ctypes.CDLL(library).fuzz_make
    make.restype = ctypes.c_uint32
    make.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_char_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32]
    rng = ctypes.c_uint64(int(state))
    seeds = Path(folder)
    entry = (entries.ENTRIES | entries.PLANTED)[name]
    good = []
    for path in (path for kind in entry.seeds for path in sorted((seeds / kind).iterdir())):
        data = path.read_bytes()
        found = [number for place in places(data) for number in place]
        good.append((data, len(data), (ctypes.c_uint32 * len(found))(*found), len(found) // 3))
    with open(shared, "r+b") as file:
        memory = mmap.mmap(file.fileno(), DATA_AT + ROOM)
    # Last, since it may give up privileges.
    take = entry.make(seeds)
    counters = (ctypes.c_uint64 * len(COUNTERS)).from_buffer(memory)
    size = ctypes.c_uint64.from_buffer(memory, SIZE_AT)
    room = ctypes.addressof(ctypes.c_char.from_buffer(memory, DATA_AT))
    tried = 0
    choice = random.Random(int(state))
    while tried < int(count) and (tried == 0 or time.monotonic() < end):
        # By chance: what an entry point does depends on the number of the input.
        data, length, where, count_of = choice.choice(good)
        size.value = made = make(ctypes.byref(rng), room, data, length, where, count_of)
        tried += 1
        counters[0] += 1
        try:
            take(memory[DATA_AT : DATA_AT + made], tried)
            counters[1] += 1
        except bpf.LibbpfError as error:
            counters[2 if error.errno == bpf.lib.LIBBPF_ERRNO__FORMAT else 3] += 1
        except bpf.Error:
            counters[3] += 1
        except entries.ContainedError as error:
            counters[4] += 1
            print(f"contained: {error}", file=sys.stderr)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(UNEXPECTED)


if __name__ == "__main__":
    main()
