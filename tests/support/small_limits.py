"""Do one thing after the other with few descriptors or little memory, and see that each fails well or works.

    python small_limits.py descriptors|memory FOLDER-OF-OBJECTS FOLDER-FOR-PINS FOLDER-OF-A-CGROUP

Each step (those of capability_matrix.py and some more) is done in a child of its own at each limit of a range: from
less than is in use to more than enough. It works, or raises an exception of the package (or MemoryError); it leaves no
descriptor; and without the limit it works afterwards. Prints a line of JSON a step: its name, how often it failed, how
often it worked, and what was wrong (an empty list if nothing).
"""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import sys
import traceback

import capability_matrix as matrix

import libbpf_cffi as bpf
from libbpf_cffi import kernel, probe

PLENTY = 512
"""Descriptors."""

ENOUGH = 2
"""A step that has worked at so many limits one after the other works at all that are higher."""


def open_an_object():
    return lambda: bpf.Object.open(matrix.objects["basic"]).close()


def open_a_file():
    path = os.path.join(sys.argv[2], "basic.o")
    return lambda: bpf.Object.open(path).close()


def load_types():
    def do():
        with bpf.Btf.new() as btf:
            btf.add_int("int", 4)
            btf.load()

    return do


def load_an_object(name):
    def prepare():
        def do():
            with bpf.Object.open(matrix.objects[name]) as obj:
                obj.load()

        return do

    return prepare


def attach_an_object():
    obj = bpf.Object.open(matrix.objects["basic"])
    obj.load()

    def do():
        links = obj.attach()
        for link in links.values():
            link.close()

    return do


def pin_and_unpin():
    made = bpf.Map.create("hash", "u32", "u32", 1)

    def do():
        made.pin(f"{matrix.pins}/here/made")
        made.unpin()
        os.rmdir(f"{matrix.pins}/here")

    return do


def read_an_iterator():
    program = matrix.loaded("kinds", "of_iterator").programs["of_iterator"]

    def do():
        with program.attach() as link:
            link.read()

    return do


def read_the_kernels_types():
    def do():
        with bpf.Btf.kernel() as btf:
            btf.find("task_struct", bpf.BtfKind.STRUCT)

    return do


def probe_the_kernel():
    return lambda: (probe.map_type("hash"), probe.prog_type("xdp"), probe.helper("xdp", "bpf_ktime_get_ns"))


def list_everything():
    return lambda: (kernel.programs(), kernel.maps(), kernel.links())


def write_many():
    made = bpf.Map.create("hash", "u32", "u32", 4096)

    def do():
        made.update_many({number: number for number in range(4096)})
        assert len(made.to_dict()) == 4096

    return do


def record():
    def do():
        with bpf.record_syscalls() as calls, bpf.Map.create("hash", "u32", "u32", 1):
            pass
        assert list(calls)

    return do


NOT_LIMITED = ("load a pr", "pin in", "list what")

STEPS = {
    **{name: step for name, step in matrix.STEPS.items() if name in matrix.HERE and not name.startswith(NOT_LIMITED)},
    "load types": load_types,
    "load a program": matrix.load_kind("xdp"),
    "open an object": open_an_object,
    "open a file": open_a_file,
    "load an object": load_an_object("basic"),
    "load an object of many kinds": load_an_object("kinds"),
    "load an object of struct_ops": load_an_object("struct_ops"),
    "attach an object": attach_an_object,
    "pin and unpin": pin_and_unpin,
    "read an iterator": read_an_iterator,
    "read the kernel's types": read_the_kernels_types,
    "probe the kernel": probe_the_kernel,
    "list everything": list_everything,
    "write many elements": write_many,
    "record calls": record,
}


def limits(what):
    """Give the limits of a range, and what sets one."""
    if what == "descriptors":
        used = len(os.listdir("/proc/self/fd")) - 1
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (PLENTY, hard))
        kind, plenty = resource.RLIMIT_NOFILE, PLENTY
        found = range(3, used + 68)
    else:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        kind, plenty = resource.RLIMIT_AS, resource.RLIM_INFINITY
        # Kilobytes beyond what is in use: small allocations, large ones, mappings, a verifier's log.
        steps = *range(0, 64, 4), *range(64, 1024, 64), *range(1024, 16384, 1024), *range(16384, 98304, 8192)
        found = [used + 1024 * step for step in steps]
    _, hard = resource.getrlimit(kind)
    return found, lambda limit: resource.setrlimit(kind, (plenty if limit is None else limit, hard))


def fine(error, what):
    """Tell whether an exception is one that the user can expect."""
    if what == "memory":
        return isinstance(error, (MemoryError, bpf.Error)) or getattr(error, "errno", None) == errno.ENOMEM
    return isinstance(error, bpf.Error) and getattr(error, "errno", errno.EMFILE) == errno.EMFILE


def run(name, what):
    """Do a step at every limit; give how often it failed and worked, and what was wrong."""
    do = STEPS[name]()
    # What is imported and remembered at the first time is so before the limit.
    do()
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    found, set_limit = limits(what)
    failed = worked = in_a_row = 0
    wrong = []
    for limit in found:
        caught = None
        set_limit(limit)
        try:
            do()
        except BaseException as error:
            caught = error
        set_limit(None)
        if caught is None:
            worked += 1
            in_a_row += 1
        else:
            failed += 1
            in_a_row = 0
            if not fine(caught, what):
                wrong.append(f"{limit}: {''.join(traceback.format_exception(caught))}")
        del caught
        gc.collect()
        if sorted(os.listdir("/proc/self/fd")) != before:
            wrong.append(f"{limit}: descriptors {sorted(os.listdir('/proc/self/fd'))}, before {before}")
        try:
            do()
        except BaseException:
            wrong.append(f"after {limit}: {traceback.format_exc()}")
        if len(wrong) > 2 or in_a_row == ENOUGH:
            break
    return failed, worked, wrong


def main():
    """Do every step, or those named."""
    what, folder, matrix.pins, matrix.cgroup = sys.argv[1:5]
    matrix.read_objects(folder)
    matrix.import_everything()
    for name in sys.argv[5:] or STEPS:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            said = ""
            try:
                said = json.dumps([name, *run(name, what)])
            except BaseException:
                said = json.dumps([name, 0, 0, [traceback.format_exc()]])
            finally:
                os.write(writing, said.encode()[:60000])
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            said = file.read()
        _, status = os.waitpid(pid, 0)
        print(said.decode() if status == 0 else json.dumps([name, 0, 0, [f"ended with {status}"]]), flush=True)


if __name__ == "__main__":
    main()
