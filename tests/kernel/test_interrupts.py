"""A Ctrl-C in any system call comes through as it is, and no descriptor or trace instance is left."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from faults import build

import libbpf_cffi as bpf
from libbpf_cffi import trace_pipe
from libbpf_cffi._trace_held import Held

SUPPORT = Path(__file__).resolve().parent.parent / "support"

SCRIPT = """
import gc, os, sys, warnings
support, library, job, *rest = sys.argv[1:]
sys.path.insert(0, support)
from faults import Faults
import libbpf_cffi as bpf
from libbpf_cffi import net

RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")

def types():
    made = bpf.Map.create("hash", "u32", {"count": "u64"}, 4)
    return lambda: bpf.Btf.from_id(made.info.btf_id)

def ring_buffer():
    made = bpf.Map.create("ringbuf", max_entries=4096)
    return lambda: made.ring_buffer().close()

def user_ring_buffer():
    made = bpf.Map.create("user_ringbuf", max_entries=4096)
    return lambda: made.user_ring_buffer().close()

def map_of_maps():
    inner = bpf.Map.create("hash", "u32", "u64", 4)
    outer = bpf.Map.create("hash_of_maps", "u32", max_entries=4, inner=inner)
    def work():
        bpf.Map.create("hash_of_maps", "u32", max_entries=4, inner=inner).close()
        outer[1] = inner
    return work

def program_array():
    table = bpf.Map.create("prog_array", max_entries=4)
    obj = bpf.Object.open(rest[1])
    obj.load()
    (program,) = (each for each in obj.programs.values() if each.section_name == "xdp")
    def work():
        table[0] = program
        table[1] = table[0]
    return work

def test_run():
    program = bpf.KernelProgram.load("xdp", RETURN_2)
    return lambda: program.test_run(bytes(64))

def statistics():
    return lambda: bpf.enable_stats().close()

def namespace():
    return net.attached_netns

def control_group():
    return lambda: net.attached_cgroup(rest[0])

def cgroup_link():
    obj = bpf.Object.open(rest[1])
    obj.load()
    return lambda: obj.programs["first"].attach_cgroup(rest[0]).close()

def iterator(name, **of):
    obj = bpf.Object.open(rest[2])
    program = obj.programs[name]
    program.autoload = True
    obj.load()
    if name == "elements":
        of["map"] = obj.maps["numbers"]
    return lambda: program.attach_iter(**of).close()

def map_iterator():
    return iterator("elements")

def cgroup_iterator():
    return iterator("cgroups", cgroup=rest[0])

def task_iterator():
    return iterator("tasks", pid=os.getpid())

def group_of_process():
    return lambda: net.attached_cgroup(str(os.getpid()))

def symbols():
    return lambda: bpf.Symbolizer().find(id(os), 0)

def trace():
    return lambda: bpf.TracePipe(instance=True, buffer_size_kb=64).close()

def raw_trace():
    return lambda: bpf.TracePipe(instance=True, raw=True).close()

def left():
    gc.collect()
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass  # listdir()'s own
    folder = "/sys/kernel/tracing/instances"
    if os.path.isdir(folder):
        found += [each for each in os.listdir(folder) if f"-{os.getpid()}-" in each]
    return sorted(found)

# Python closes a file itself that it has opened for nobody.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
work = globals()[job]()
work()
work()
faults = Faults(library, python=True)
kinds = "open", "dup", "bpf", "create", "files", "pidfd_open", "read", "write"
before = left()
number = 0
happened = True
while happened:
    number += 1
    said = None
    try:
        faults.interrupt(kinds, number)
        work()
    except KeyboardInterrupt:
        said = KeyboardInterrupt
    except BaseException as error:
        said = repr(error)
    happened = faults.disarm()
    if happened and said is not KeyboardInterrupt:
        print(f"call {number}, {faults.where}: {said}")
    after = left()
    if after != before:
        print(f"call {number}, {faults.where}: left {after}, and before that {before}")
        before = after
print(number > 2)
"""


@pytest.mark.slow_emulated
@pytest.mark.unsanitized("what interrupts calls would stand between the extension and the sanitizer")
@pytest.mark.parametrize(
    "job",
    [
        "types",
        "ring_buffer",
        pytest.param("user_ring_buffer", marks=pytest.mark.needs("map:USER_RINGBUF")),
        "map_of_maps",
        "program_array",
        "test_run",
        "statistics",
        "namespace",
        "control_group",
        "cgroup_link",
        "map_iterator",
        pytest.param("cgroup_iterator", marks=pytest.mark.needs("cgroup_iter")),
        pytest.param("task_iterator", marks=pytest.mark.needs("task_iter_of_one")),
        "group_of_process",
        "symbols",
        "trace",
        "raw_trace",
    ],
)
def test_a_ctrl_c_in_a_system_call_leaves_nothing(root, python, compiled, cgroup, tracefs, tmp_path, job):
    library = build(str(tmp_path))
    said = python(SCRIPT, SUPPORT, library, job, cgroup, compiled("network"), compiled("attach_iter"))
    assert said == "True\n"


AFTER_CALLS = """
import dis, gc, os, sys, warnings
import libbpf_cffi as bpf
from libbpf_cffi._elf_target import Target
from libbpf_cffi._files import regular_file, write_file
job, path, out = sys.argv[1:]
names = {"_elf_target.py", "_isolate.py", "linker.py", "_files.py", "_borrow.py", "_link_kinds.py"}
done, points = set(), {}

def target():
    with Target(path, -1, "probe it") as found:
        found.check_elf()

def link():
    bpf.link_objects(path)

def isolated():
    bpf.Object.open(path, isolate=True).close()

def written():
    write_file(out, b"text", 0o600)

def read():
    with regular_file(path, "read it") as file:
        file.read()

def iterated():
    iterator.iter_create().close()
    iterator.read()

def where(code):
    # A Ctrl-C comes at the start of a function and at the end of a call.
    if code not in points:
        found = list(dis.get_instructions(code))
        points[code] = {
            after.offset
            for before, after in zip(found, found[1:])
            if before.opname == "RESUME" or before.opname.startswith("CALL")
        }
    return points[code]

def at(frame, event, argument):
    point = frame.f_code, frame.f_lasti
    if event == "opcode" and frame.f_lasti in where(frame.f_code) and point not in done:
        sys.settrace(None)
        done.add(point)
        raise KeyboardInterrupt
    return at

def trace(frame, event, argument):
    if os.path.basename(frame.f_code.co_filename) not in names:
        return None
    frame.f_trace_opcodes = True
    return at

def left():
    gc.collect()
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink("/proc/self/fd/" + fd))
        except FileNotFoundError:
            pass  # listdir()'s own
    return sorted(found) + os.listdir(os.path.dirname(out))

# Python closes a file itself that it has opened for nobody.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
if job == "iterated":
    obj = bpf.Object.open(path)
    for program in obj.programs.values():
        program.autoload = program.name == "quiet"
    obj.load()
    iterator = obj.programs["quiet"].attach_iter()
work = globals()[job]
work()
work()
before, number = left(), -1
while number < len(done):
    number = len(done)
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(None)
    if left() != before:
        print(sys.exc_info(), [(code.co_filename, code.co_name, at) for code, at in done][-1], left())
        break
print(number > 10)
"""


@pytest.mark.slow_emulated
@pytest.mark.parametrize("job", ["target", "link", "isolated", "written", "read", "iterated"])
def test_a_ctrl_c_after_any_call_leaves_no_file_open(root, python, compiled, tmp_path, job):
    (tmp_path / "out").mkdir()
    path = sys.executable if job == "target" else compiled("attach_iter" if job == "iterated" else "basic")
    assert python(AFTER_CALLS, job, path, tmp_path / "out" / "file") == "True\n"


def test_a_ctrl_c_comes_through_though_the_instance_is_busy_which_is_removed_later(root, tracefs, monkeypatch):
    def interrupted(folder, settings):
        busy.append(Path(folder, "trace_options").open())  # noqa: SIM115 - closed below
        raise KeyboardInterrupt

    busy = []
    monkeypatch.setattr(trace_pipe, "configure", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        bpf.TracePipe(instance=True)
    folder = os.path.dirname(busy[0].name)
    busy.pop().close()
    del caught
    with pytest.warns(ResourceWarning, match="closed"):
        gc.collect()
    assert not os.path.exists(folder)


def test_a_ctrl_c_as_close_takes_its_lock_leaves_a_pipe_that_can_be_closed(root, tracefs):
    def at(frame, event, argument):
        if event == "line" and pipe._held.lock._is_owned():
            sys.settrace(None)
            raise KeyboardInterrupt
        return at

    def trace(frame, event, argument):
        return at if frame.f_code is Held.close.__code__ else None

    pipe = bpf.TracePipe(instance=True)
    folder = pipe.path
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            pipe.close()
    finally:
        sys.settrace(before)
    pipe.close()
    assert not os.path.exists(folder)
