"""Live the lives of objects, maps, links and readers over and over, and tell whether anything grows.

    python leaks.py COUNT FOLDER-OF-OBJECTS

A cycle opens an object, loads, attaches and reads it, and closes all; every so many cycles more than that (`PARTS`).
The first half warms up: allocators and caches come to rest. After the second, descriptors, threads, and the programs,
maps, links and BTF of this process must be as many as before it, and resident memory may have grown by `BOUND`. Prints
a line at each tenth, and exits with 1 if anything has grown.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import sys
import time

import libbpf_cffi as bpf
import libbpf_cffi.run

BOUND = (32 if "LIBBPF_CFFI_SANITIZED" in os.environ else 1) << 20
"""Bytes that resident memory may grow by in the second half, however many cycles that is.

A sanitizer keeps what was freed for a while, some more and some less of it.
"""

CLONE_NEWNET = 0x40000000

folder = ""


def path(name):
    return os.path.join(folder, f"{name}.bpf.o")


@functools.cache
def struct_ops():
    """Give struct_ops.bpf.c with names of this process's own: the kernel has one of a name."""
    with open(path("struct_ops"), "rb") as file:
        content = file.read()
    for name in (b"lbc_with_link", b"lbc_no_link"):
        own = name[:5] + b"%07d" % (os.getpid() % 10**7)
        content = content.replace(name, own[: len(name)].ljust(len(name), b"x"))
    return content


def an_object(number):
    with bpf.Object.open(path("basic")) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == "on_raw"
        obj.load()
        with obj.programs["on_raw"].attach() as link:
            os.getppid()
            assert link.info.prog_id == obj.programs["on_raw"].id
            with obj.maps["events"].ring_buffer() as events:
                assert events.consume() == []
            hits = obj.maps["raw_hits"]
            assert hits[os.getpid()] >= 1
            hits[1] = number
            assert dict(hits.items())[1] == number
        assert obj.variables["total"] == 0
        obj.variables["total"] = number


def a_map(number):
    with bpf.Map.create("hash", key="u32", value={"count": "u64", "name": "char[8]"}, max_entries=64) as made:
        made[number] = (number, "name")
        made.update_many({key: (key, "many") for key in range(32)})
        assert made[31].name == "many"
        made.clear()
        with bpf.Map.from_id(made.id) as again:
            assert len(again) == 0


def a_ring(number):
    with bpf.Object.open(path("rings")) as obj:
        obj.load()
        with obj.maps["events"].ring_buffer() as events:
            obj.programs["produce"](first=number, count=100, size=64)
            assert [event.number for event in events.consume()] == list(range(number, number + 100))


def a_perf_buffer(number):
    with bpf.Object.open(path("perf_one")) as obj:
        obj.load()
        with obj.maps["events"].perf_buffer() as events:
            obj.programs["produce"].test_run(ctx_in=[number], cpu=0)
            assert [event.number for event in events.consume()] == [number]


def types(number):
    with bpf.Btf.new() as btf:
        btf.add_int("int", 4)
        btf.add_struct("one", 8)
        btf.add_field("field", 1, 0)
        with bpf.Btf.from_bytes(btf.raw) as again:
            again.load()
            assert again.find("one").size == 8


def links(number):
    with bpf.Object.open(path("kinds")) as obj:
        obj.load()
        for link in obj.attach().values():
            assert link.info.id
            link.close()
        obj.attach()
    with bpf.Object.open(path("attach_net")) as obj:
        for program in obj.programs.values():
            program.autoload = program.name == "xdp_count"
        obj.load()
        obj.programs["xdp_count"].attach_xdp("lo").close()
    with bpf.KernelProgram.load("sched_cls", bytes.fromhex("b700000000000000 9500000000000000")) as program:
        bpf.Link.create(program, "lo", bpf.AttachType.TCX_INGRESS).close()
    with bpf.Object.open(struct_ops()) as obj:
        obj.load()
        obj.attach()


def the_trace(number):
    with bpf.TracePipe(instance=True) as pipe:
        pipe.read(timeout=0)


def the_command(number):
    assert libbpf_cffi.run.main(["-q", "-N", "-d", "0", "-P", "on_raw", path("basic")]) == 0
    with bpf.record_syscalls() as calls:
        assert libbpf_cffi.run.main(["-q", "-L", path("basic")]) == 0
    assert list(calls)


def failures(number):
    for content in (b"", b"no ELF" * 10):
        with contextlib.suppress(bpf.LibbpfError):
            bpf.Object.open(content)
    with bpf.Object.open(path("refused")) as obj, contextlib.suppress(bpf.VerifierError):
        obj.load()


PARTS = (
    (an_object, 1), (a_map, 1), (a_ring, 5), (a_perf_buffer, 50), (types, 5), (failures, 20), (links, 100),
    (the_trace, 100), (the_command, 50),
)  # fmt: skip
"""What is done, and in how many cycles once: detaching a perf event takes the kernel 60 ms, a trace buffer more."""


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def threads():
    return len(os.listdir("/proc/self/task"))


def ours():
    """How many programs, maps, links and BTF of the kernel this process holds."""
    held = {"program": 0, "map": 0, "link": 0, "btf": 0}
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        for kind, text in (("program", "bpf-prog"), ("map", "bpf-map"), ("link", "bpf_link"), ("btf", "btf")):
            held[kind] += text in target
    return held


def state():
    gc.collect()
    return {"descriptors": len(os.listdir("/proc/self/fd")), "threads": threads(), **ours()}


def main():
    """Run the cycles."""
    global folder
    count, folder = int(sys.argv[1]), sys.argv[2]
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNET) == 0
    report = max(count // 10, 1)
    half: tuple[dict[str, int], int] = ({}, 0)
    began = time.monotonic()
    for number in range(count):
        for part, every in PARTS:
            # Every part in the first cycle, so that all is imported, and some times more in the first half.
            if number % min(every, max(count // 8, 1)) == 0:
                part(number)
        if (number + 1) % report == 0:
            print(
                f"{number + 1} cycles, {time.monotonic() - began:.0f} s: {state()}, resident {resident() >> 10} KiB",
                flush=True,
            )
        if number + 1 == count // 2:
            half = state(), resident()
    before, memory = half
    grown = resident() - memory
    print(f"the second half: resident memory {grown >> 10:+d} KiB, bound {BOUND >> 10} KiB")
    if state() != before or grown > BOUND:
        print(f"grown: {before} is {state()}")
        sys.exit(1)


if __name__ == "__main__":
    main()
