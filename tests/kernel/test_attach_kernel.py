"""Attaching to tracepoints and perf events, what is refused, and the hints: what each kernel has."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import subprocess
import time

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

COOKIE = 0x1122334455667788

GETPGID = 121
"""The number of that system call on x86-64."""


@pytest.fixture
def only(one_program):
    """Load one program of attach_kernel.bpf.c, which counts what this process does."""

    def load(name, **variables):
        return one_program("attach_kernel", name, tgid=os.getpid(), number=GETPGID, **variables)

    return load


def fires(obj, link, times=3):
    """Give how often the program runs in so many calls, and check that it does not after the link is closed."""
    before = obj.variables["hits"]
    for _ in range(times):
        os.getpgid(0)
    found = obj.variables["hits"] - before
    link.close()
    os.getpgid(0)
    assert obj.variables["hits"] - before == found
    return found


def burn(seconds=0.05):
    """Keep the processor busy, so that its clock ticks for this process."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


PAGES = 64


def touch_new_pages():
    """Let the kernel find pages, small ones, for memory that has none."""
    size = os.sysconf("SC_PAGESIZE")
    with mmap.mmap(-1, PAGES * size) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for at in range(0, PAGES * size, size):
            memory[at] = 1


# Tracepoints


@pytest.mark.every_kernel
@pytest.mark.needs("perf_link", "attach_cookie")
def test_a_tracepoint_fires_with_its_cookie(only):
    obj, program = only("by_tracepoint")
    assert fires(obj, program.attach_tracepoint("syscalls", "sys_enter_getpgid", bpf_cookie=COOKIE)) == 3
    assert obj.variables["cookie"] == COOKIE


@pytest.mark.every_kernel
def test_a_raw_tracepoint_fires(only, x86):
    obj, program = only("by_plain_raw_tracepoint")
    assert fires(obj, program.attach_raw_tracepoint("sys_enter")) == 3


@pytest.mark.every_kernel
@pytest.mark.needs("raw_tracepoint_cookie")
def test_a_raw_tracepoint_has_its_cookie(only, x86):
    obj, program = only("by_raw_tracepoint")
    assert fires(obj, program.attach_raw_tracepoint("sys_enter", cookie=COOKIE)) == 3
    assert obj.variables["cookie"] == COOKIE


@pytest.mark.needs("raw_tracepoint_cookie", "trace_cookie")
def test_a_btf_tracepoint_has_its_cookie(only, x86):
    obj, program = only("by_tp_btf")
    assert fires(obj, program.attach_trace(cookie=COOKIE)) == 3
    assert obj.variables["cookie"] == COOKIE


@pytest.mark.needs("btf")
def test_a_btf_tracepoint_fires_that_was_set_before_load(opened, x86):
    obj = opened("attach_kernel")
    program = obj.programs["by_tp_btf_later"]
    program.autoload = True
    program.set_attach_target(attach_func_name="sys_enter")
    obj.variables["tgid"], obj.variables["number"] = os.getpid(), GETPGID
    obj.load()
    assert fires(obj, program.attach_trace()) == 3


def test_a_missing_tracepoint_is_named_with_what_comes_close(only):
    _, program = only("by_plain_tracepoint")
    with pytest.raises(bpf.LibbpfError, match=r"no tracepoint 'syscalls/.*getpgdi'.*enter_getpgid") as caught:
        program.attach_tracepoint("syscalls", "sys_enter_getpgdi")
    assert caught.value.errno == errno.ENOENT


def test_a_tracepoint_of_another_category_comes_close(only):
    _, program = only("by_plain_tracepoint")
    with pytest.raises(bpf.LibbpfError, match=r"no tracepoint 'syscall/.*close names: 'syscalls/sys_enter_getpgid'"):
        program.attach_tracepoint("syscall", "sys_enter_getpgid")


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sys_enter_getpgid", r"SEC.\"tracepoint/category/name\".*, here 'syscalls/sys_enter_getpgid'$"),
        ("sys_enter_no_such", r"SEC.\"tracepoint/category/name\".$"),
    ],
)
def test_a_section_of_a_tracepoint_without_its_category_is_told_the_form(root, tracefs, name, said):
    source = f'__attribute__((section("tracepoint/{name}"), used)) int p(void *c) {{ return 0; }}\n'
    with bpf.Object.open(bpf.compile_object(source)) as obj:
        obj.load()
        with pytest.raises(bpf.LibbpfError, match=said):
            obj.attach()


def test_a_file_beside_the_tracepoints_is_said_to_be_none(only):
    _, program = only("by_plain_tracepoint")
    with pytest.raises(bpf.LibbpfError, match="hint: 'syscalls/enable' is a file of tracefs") as caught:
        program.attach_tracepoint("syscalls", "enable")
    assert caught.value.errno == errno.ENOTDIR


@pytest.mark.parametrize("session", [None, True])
def test_a_session_is_not_attached_at_the_return_alone(opened, session):
    of_kernel = opened("attach_kernel").programs["by_kprobe_session" if session is None else "by_kprobe_multi"]
    of_user = opened("attach_user").programs["by_uprobe_session" if session is None else "by_uprobe_multi"]
    with pytest.raises(TypeError, match=r"runs at entry and return: it takes no retprobe=True"):
        of_kernel.attach_kprobe_multi("vfs_*", retprobe=True, session=session)
    with pytest.raises(TypeError, match=r"runs at entry and return: it takes no retprobe=True"):
        of_user.attach_uprobe_multi("libc", "labs", retprobe=True, session=session)


@pytest.mark.needs("btf")
def test_a_missing_raw_tracepoint_is_named_with_what_comes_close(only):
    _, program = only("by_plain_raw_tracepoint")
    with pytest.raises(bpf.LibbpfError, match=r"no tracepoint 'sys_entr'.*'sys_enter'"):
        program.attach_raw_tracepoint("sys_entr")


@pytest.mark.parametrize("names", [("", "x"), ("..", "x"), ("syscalls", "../sched/sched_switch"), ("a/b", "c")])
def test_a_tracepoints_name_leads_nowhere_else(only, names):
    _, program = only("by_plain_tracepoint")
    with pytest.raises(ValueError, match="tracepoint"):
        program.attach_tracepoint(*names)


# What is missing


@pytest.mark.needs("btf")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("misspelt", "the kernel's BTF has no function 'vfs_raed'.*'vfs_read'"),
        ("misspelt_hook", "the kernel's BTF has no LSM hook 'file_opne'.*'file_open'"),
    ],
)
def test_a_target_that_is_not_in_btf_is_named_with_what_comes_close(opened, name, said):
    obj = opened("attach_kernel")
    obj.programs[name].autoload = True
    with pytest.raises(bpf.LibbpfError, match=said) as caught:
        obj.load()
    assert "CONFIG_DEBUG_INFO_BTF" not in str(caught.value)


@pytest.mark.needs("btf")
def test_a_target_that_is_set_must_be_in_btf(opened):
    program = opened("attach_kernel").programs["by_fentry"]
    with pytest.raises(bpf.LibbpfError, match=r"no function 'vfs_raed'.*'vfs_read'"):
        program.set_attach_target(attach_func_name="vfs_raed")


@pytest.mark.needs("btf")
def test_a_target_is_set_before_load(loaded):
    with pytest.raises(bpf.StateError, match="attach target"):
        loaded("kinds").programs["of_tp_btf"].set_attach_target(attach_func_name="sys_exit")


@pytest.mark.every_kernel
def test_a_kernel_without_kprobes_is_not_supported_and_says_so(only, monkeypatch):
    _, program = only("by_plain_tracepoint")
    monkeypatch.setattr("libbpf_cffi._attach_tracing._PMU", "/nowhere")
    monkeypatch.setattr("libbpf_cffi._attach_tracing._EVENTS", ())
    monkeypatch.setattr("libbpf_cffi._attach_iter.IterAttach._require_kind", lambda *_: None)
    for attach in (program.attach_kprobe, program.attach_kprobe_multi, program.attach_ksyscall):
        with pytest.raises(bpf.NotSupportedError, match="no kprobes"):
            attach("vfs_read")


PROBES = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("ksyscall/getpgid") int of_syscall(void *ctx) { return 0; }
SEC("kprobe/vfs_read") int of_function(void *ctx) { return 0; }
SEC("?kprobe.multi/vfs_rea?") int of_some(void *ctx) { return 0; }
SEC("?kprobe.multi/vfs_read") int of_one(void *ctx) { return 0; }
SEC("?kprobe.session/vfs_rea?") int of_session(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["of_syscall", "of_function"])
def test_a_kernel_without_kprobes_says_so_of_a_section_too(root, kernel_has, name):
    without = pytest.raises(bpf.NotSupportedError, match="this kernel has no kprobes")
    with bpf.Object.open(bpf.compile_object(PROBES)) as obj:
        obj.load()
        with contextlib.nullcontext() if kernel_has("kprobe") else without:
            obj.programs[name].attach().close()


@pytest.mark.parametrize("name", ["of_some", "of_one", "of_session"])
def test_a_kernel_without_kprobes_says_so_of_sections_of_many(root, kernel_has, name):
    if kernel_has("kprobe"):
        return
    with bpf.Object.open(bpf.compile_object(PROBES)) as obj:
        obj.programs[name].autoload = True
        obj.load()
        with pytest.raises(bpf.NotSupportedError, match="this kernel has no kprobes"):
            obj.programs[name].attach()


@pytest.mark.every_kernel
def test_what_a_kernel_without_kprobes_cannot_attach_is_not_left_out_in_silence(root, kernel_has):
    without = pytest.raises(bpf.NotSupportedError, match="this kernel has no kprobes")
    with bpf.Object.open(bpf.compile_object(PROBES)) as obj:
        obj.load()
        with contextlib.nullcontext() if kernel_has("kprobe") else without:
            assert set(obj.attach()) == {"of_syscall", "of_function"}


def test_an_extension_without_a_target_says_what_sets_it(opened):
    obj = opened("attach_extension")
    obj.programs["replacement"].autoload = True
    with pytest.raises(bpf.LibbpfError, match="attach program FD is not set") as caught:
        obj.load()
    assert "set_attach_target(program, function)" in caught.value.hint


UNTARGETED = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("%s") int of_nothing(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.every_kernel
@pytest.mark.parametrize(
    ("section", "named"),
    [
        ("fentry", "fentry/function"),
        ("fexit.s", "fexit.s/function"),
        ("fmod_ret", "fmod_ret/function"),
        ("tp_btf", "tp_btf/tracepoint"),
        ("iter.s", "iter.s/kind"),
        ("lsm", "lsm/hook"),
        ("lsm_cgroup", "lsm_cgroup/hook"),
    ],
)
def test_a_section_without_what_it_goes_to_says_how_that_is_named(root, section, named):
    with bpf.Object.open(bpf.compile_object(UNTARGETED % section)) as obj:
        with pytest.raises(bpf.LibbpfError, match="no BTF-based attach target is specified") as caught:
            obj.load()
        assert f'SEC("{named}") does' in caught.value.hint
        assert f"set_attach_target(None, {named.partition('/')[2]})" in caught.value.hint
        assert "this kernel has no programs of the type" not in str(caught.value)


@pytest.mark.every_kernel
def test_an_extension_without_any_target_says_what_sets_it(root):
    with (
        bpf.Object.open(bpf.compile_object(UNTARGETED % "freplace")) as obj,
        pytest.raises(bpf.LibbpfError, match=r"set_attach_target\(program, function\)"),
    ):
        obj.load()


LSM_CGROUP = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("lsm_cgroup/socket_bind") int of_group(void *ctx) { return 1; }
char LICENSE[] SEC("license") = "GPL";
"""


def refused_to_everybody(function):
    """Have a program refused that a kernel without fentry lets nobody load; libbpf's advice is not to mislead."""
    with pytest.raises(bpf.LibbpfPermissionError, match="refuse fentry, fexit, fmod_ret, LSM and freplace") as caught:
        function()
    assert "ulimit" not in str(caught.value)


def test_an_extension_that_the_kernel_lets_nobody_load_says_so(opened, loaded, kernel_has):
    if kernel_has("fentry"):
        return
    obj = opened("attach_extension")
    program = obj.programs["replacement"]
    program.autoload = True
    program.set_attach_target(loaded("attach_freplace").programs["whole"], "replaced")
    refused_to_everybody(obj.load)


def test_a_hook_of_a_group_that_the_kernel_lets_nobody_load_says_so(root, kernel_has):
    if kernel_has("fentry"):
        return
    with bpf.Object.open(bpf.compile_object(LSM_CGROUP)) as obj:
        refused_to_everybody(obj.load)


def test_instructions_that_the_kernel_lets_nobody_load_say_so(root, kernel_has):
    if kernel_has("fentry"):
        return
    code = bytes.fromhex("b700000000000000 9500000000000000")
    number = lib.libbpf_find_vmlinux_btf_id(b"bpf_fentry_test1", lib.BPF_TRACE_FENTRY)
    with pytest.raises(bpf.LibbpfPermissionError, match="refuse fentry"):
        bpf.KernelProgram.load("tracing", code, expected_attach_type=lib.BPF_TRACE_FENTRY, attach_btf_id=number)


# The wrong kind


WRONG = [
    ("network", "pass", "attach_tracepoint", ("a", "b"), "type XDP"),
    ("attach_kernel", "by_plain_tracepoint", "attach_kprobe", ("f",), "use attach_tracepoint"),
    ("attach_kernel", "by_plain_tracepoint", "attach_uprobe", ("libc.so.6", "f"), "use attach_tracepoint"),
    ("attach_kernel", "by_plain_tracepoint", "attach_usdt", ("libc.so.6", "f", "g"), "use attach_tracepoint"),
    ("attach_kernel", "by_plain_tracepoint", "attach_lsm", (), "use attach_tracepoint"),
    ("attach_kernel", "by_plain_tracepoint", "attach_freplace", (), "use attach_tracepoint"),
    ("attach_kernel", "by_plain_raw_tracepoint", "attach_trace", (), "use attach_raw_tracepoint"),
    ("attach_kernel", "by_plain_perf_event", "attach_raw_tracepoint", ("sys_enter",), "use attach_perf_event"),
    ("attach_user", "by_uprobe_multi", "attach_iter", (), "use attach_uprobe_multi"),
    ("attach_user", "by_usdt", "attach_tracepoint", ("a", "b"), "use attach_usdt"),
    ("attach_kernel", "by_kprobe", "attach_perf_event", (-1,), None),
]


@pytest.mark.parametrize(("source", "name", "method", "arguments", "said"), WRONG)
def test_a_program_of_another_type_is_refused_with_the_method_that_fits(opened, source, name, method, arguments, said):
    program = opened(source).programs[name]
    with pytest.raises(ValueError, match=said):
        getattr(program, method)(*arguments)


@pytest.mark.parametrize(
    ("name", "method"),
    [("by_plain_tracepoint", "attach_tracepoint"), ("by_plain_raw_tracepoint", "attach_raw_tracepoint")],
)
def test_attach_names_the_method_that_takes_the_target(only, name, method):
    _, program = only(name)
    with pytest.raises(bpf.NotSupportedError, match=rf"{method}\(\) takes the target"):
        program.attach()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("attach_tracepoint", ("syscalls", "sys_enter_getpgid")),
        ("attach_raw_tracepoint", ("sys_enter",)),
        ("attach_trace", ()),
        ("attach_iter", ()),
    ],
)
def test_what_is_not_loaded_is_not_attached(opened, method, arguments):
    name = {
        "attach_tracepoint": "by_plain_tracepoint",
        "attach_raw_tracepoint": "by_plain_raw_tracepoint",
        "attach_trace": "by_tp_btf",
        "attach_iter": "tasks",
    }[method]
    source = "attach_iter" if method == "attach_iter" else "attach_kernel"
    with pytest.raises(bpf.StateError, match="load it first"):
        getattr(opened(source).programs[name], method)(*arguments)


@pytest.mark.parametrize("cookie", [-1, 1 << 64, "1", None])
def test_a_cookie_is_a_number_of_64_bits(only, cookie):
    _, program = only("by_plain_tracepoint")
    with pytest.raises((TypeError, ValueError), match="bpf_cookie"):
        program.attach_tracepoint("syscalls", "sys_enter_getpgid", bpf_cookie=cookie)


# Perf events


@pytest.mark.every_kernel
def test_a_software_event_runs_the_program_and_counts(only):
    obj, program = only("by_plain_perf_event")
    with bpf.PerfEvent.software("cpu_clock", pid=0, sample_period=100_000) as event:
        link = program.attach_perf_event(event)
        burn()
        assert obj.variables["hits"] > 0
        assert event.count >= 0.02e9
        link.close()
        found = obj.variables["hits"]
        burn()
        assert obj.variables["hits"] == found


@pytest.fixture
def with_controller(cgroup):
    """Have a controller enabled for the group if perf does not know it before, as on Linux 7.3."""
    above = os.path.dirname(cgroup)
    with contextlib.suppress(bpf.LibbpfError):
        bpf.PerfEvent.software("page_faults", cpu=min(os.sched_getaffinity(0)), cgroup=cgroup).close()
        yield cgroup
        return
    with open(f"{above}/cgroup.controllers", encoding="ascii") as file:
        controller = file.read().split()[0]
    with open(f"{above}/cgroup.subtree_control", "r+", encoding="ascii") as file:
        enabled = controller in file.read().split()
        file.write(f"+{controller}")
    yield cgroup
    if not enabled:
        with open(f"{above}/cgroup.subtree_control", "w", encoding="ascii") as file:
            file.write(f"-{controller}")


@pytest.mark.needs("cgroup_perf")
def test_a_group_that_perf_does_not_know_is_explained(cgroup):
    # Where it does know it, there is nothing to explain.
    said = ""
    try:
        bpf.PerfEvent.software("page_faults", cpu=min(os.sched_getaffinity(0)), cgroup=cgroup).close()
    except bpf.LibbpfError as refused:
        said = str(refused)
    assert not said or "enabled in the cgroup.subtree_control of the group above" in said


@pytest.fixture
def one_cpu():
    """Keep the test, and what it starts, on one CPU; give its number."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield min(before)
    os.sched_setaffinity(0, before)


@pytest.mark.needs("cgroup_perf")
def test_an_event_is_of_a_control_group_by_its_folder_or_a_process(with_controller, one_cpu):
    cgroup, cpu = with_controller, one_cpu
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:

        def do(command):
            process.stdin.write(command + b"; echo done\n")
            assert process.stdout.readline() == b"done\n"

        with open(f"{cgroup}/cgroup.procs", "w", encoding="ascii") as file:
            file.write(str(process.pid))
        for group in (cgroup, str(process.pid)):
            with bpf.PerfEvent.software("page_faults", cpu=cpu, cgroup=group) as event:
                event.enable()
                # Linux 6.1 begins to count when the group has come to the processor once more.
                until = time.monotonic() + 10
                while event.count == 0 and time.monotonic() < until:
                    do(b"cat /dev/null")
                assert event.count > 0
                do(b"true")
                before = event.count
                with mmap.mmap(-1, 100 * mmap.PAGESIZE) as memory:
                    for page in range(100):
                        memory[page * mmap.PAGESIZE] = 1
                assert event.count == before


@pytest.mark.needs("cgroup_perf")
def test_a_folder_that_is_no_control_group_has_no_event(tmp_path):
    with pytest.raises(bpf.LibbpfError, match="no folder of a control group of version 2"):
        bpf.PerfEvent.software("page_faults", cpu=0, cgroup=tmp_path)


def test_an_event_of_one_cpu_samples_by_frequency(only, one_cpu):
    obj, program = only("by_plain_perf_event")
    with bpf.PerfEvent.software("cpu_clock", cpu=one_cpu, sample_freq=1000) as event:
        with program.attach_perf_event(event):
            burn(0.2)
        found = obj.variables["hits"]
    assert 0 < found < 1000


@pytest.mark.needs("perf_link", "attach_cookie")
def test_a_perf_event_has_its_cookie(only):
    obj, program = only("by_perf_event")
    with (
        bpf.PerfEvent.software("cpu-clock", pid=0, sample_period=100_000) as event,
        program.attach_perf_event(event, bpf_cookie=COOKIE),
    ):
        burn()
    assert obj.variables["cookie"] == COOKIE


@pytest.mark.parametrize("force", [False, True])
def test_the_event_may_be_closed_before_the_link(only, force):
    obj, program = only("by_plain_perf_event")
    event = bpf.PerfEvent.software("cpu_clock", pid=0, sample_period=100_000)
    link = program.attach_perf_event(event, force_ioctl_attach=force)
    event.close()
    burn()
    assert obj.variables["hits"] > 0
    link.close()


def test_a_descriptor_of_something_else_is_called_by_its_number(only, tmp_path):
    _, program = only("by_plain_perf_event")
    with (tmp_path / "file").open("w") as file:
        number = file.fileno()
        with pytest.raises(bpf.LibbpfError, match="no descriptor of a perf event") as caught:
            program.attach_perf_event(number)
    assert caught.value.action.endswith(f"to the perf event of descriptor {number}")


def test_an_event_that_is_not_enabled_waits(only):
    obj, program = only("by_plain_perf_event")
    with (
        bpf.PerfEvent.software("cpu_clock", pid=0, sample_period=100_000) as event,
        program.attach_perf_event(event, dont_enable=True),
    ):
        burn()
        assert obj.variables["hits"] == 0
        event.enable()
        burn()
        assert obj.variables["hits"] > 0


def test_a_bare_descriptor_is_attached_and_stays_the_callers(only):
    obj, program = only("by_plain_perf_event")
    with bpf.PerfEvent.software("cpu_clock", pid=0, sample_period=100_000) as event:
        with program.attach_perf_event(event.fd):
            burn()
        os.fstat(event.fd)
    assert obj.variables["hits"] > 0


@pytest.mark.needs("perf_link")
def test_a_second_program_on_an_event_is_refused_in_words(only):
    _, program = only("by_plain_perf_event")
    with (
        bpf.PerfEvent.software("cpu_clock", pid=0, sample_period=100_000) as event,
        program.attach_perf_event(event),
        pytest.raises(bpf.LibbpfError, match="has a program already"),
    ):
        program.attach_perf_event(event)


def test_what_is_no_perf_event_is_refused(only, tmp_path):
    _, program = only("by_plain_perf_event")
    (tmp_path / "file").touch()
    with open(tmp_path / "file", "rb") as file, pytest.raises(bpf.LibbpfError):
        program.attach_perf_event(file.fileno())
    with pytest.raises(bpf.LibbpfError):
        program.attach_perf_event(1 << 20)
    for wrong in ("1", None, 1.5):
        with pytest.raises(TypeError):
            program.attach_perf_event(wrong)


@pytest.mark.needs("perf_link")
def test_a_tracepoint_is_attached_as_a_perf_event(only):
    obj, program = only("by_plain_tracepoint")
    with bpf.PerfEvent.tracepoint("syscalls", "sys_enter_getpgid", pid=0) as event:
        assert fires(obj, program.attach_perf_event(event)) == 3


def test_what_is_read_of_a_counter_is_what_its_read_format_asks_for(root):
    everything = lib.PERF_FORMAT_TOTAL_TIME_ENABLED | lib.PERF_FORMAT_TOTAL_TIME_RUNNING | lib.PERF_FORMAT_ID
    with bpf.PerfEvent.software("page_faults", pid=0, read_format=everything) as event:
        event.enable()
        touch_new_pages()
        event.disable()
        (reading,) = event.read()
        assert reading.value == event.count >= PAGES
        assert reading.time_enabled == reading.time_running > 0
        assert reading.id
        assert reading.lost is None


def test_a_program_of_counters_is_told_what_goes_to_a_tracepoint(only):
    _, program = only("by_plain_perf_event")
    with bpf.PerfEvent.tracepoint("sched", "sched_switch", pid=0, sample_period=1) as event:
        with pytest.raises(bpf.LibbpfError, match=r'not to the event of a tracepoint.*SEC\("tracepoint"\)') as caught:
            program.attach_perf_event(event)
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("more", [0, lib.PERF_FORMAT_ID | lib.PERF_FORMAT_TOTAL_TIME_ENABLED])
def test_a_group_is_read_at_once_its_leader_first(root, more):
    shape = lib.PERF_FORMAT_GROUP | more
    with (
        bpf.PerfEvent.software("page_faults", pid=0, read_format=shape) as leader,
        bpf.PerfEvent.software("dummy", pid=0, group=leader, read_format=shape) as member,
    ):
        leader.enable()
        touch_new_pages()
        leader.disable()
        first, second = leader.read()
        assert first.value == leader.count >= PAGES
        assert second.value == 0
        assert (first.id is None) == (not more)
        assert member.read() == (first, second)


def test_a_pinned_event_that_is_not_counted_says_so(root, monkeypatch):
    with bpf.PerfEvent.software("page_faults", pid=0, pinned=1) as event:
        monkeypatch.setattr(os, "read", lambda fd, size: b"")
        with pytest.raises(bpf.LibbpfError, match=r"cannot read perf event 'page_faults'.*\n.*it is pinned"):
            event.read()


def test_page_faults_are_counted_without_a_program(tracefs):
    with bpf.PerfEvent.software("page_faults", pid=0) as event:
        event.enable()
        before = event.count
        touch_new_pages()
        assert event.count >= before + PAGES
        event.disable()
        stopped = event.count
        touch_new_pages()
        assert event.count == stopped
        event.reset()
        assert event.count == 0


def test_a_breakpoint_counts_what_writes_to_memory(root, x86):
    from libbpf_cffi import ffi

    memory = ffi.new("long *")
    with bpf.PerfEvent.breakpoint(int(ffi.cast("uintptr_t", memory)), "w", pid=0, sample_period=1) as event:
        event.enable()
        for each in range(5):
            memory[0] = each
        event.disable()
        # CFFI may write twice.
        found = event.count
        assert found >= 5
        memory[0] = 9
        assert event.count == found


@pytest.mark.parametrize(
    "open_event",
    [
        lambda: bpf.PerfEvent.hardware("cpu_cycles", pid=0),
        lambda: bpf.PerfEvent.hardware("instructions", cpu=0),
        lambda: bpf.PerfEvent.cache("ll", "read", "miss", pid=0),
        lambda: bpf.PerfEvent.raw(0xC0, pid=0),
    ],
)
def test_the_processors_counters_count_or_are_not_there(root, open_event):
    refused = None
    try:
        with open_event() as event:
            event.enable()
            burn()
            assert event.count > 0
    except bpf.LibbpfError as error:
        refused = error
    if refused is not None:
        assert refused.errno in (errno.ENOENT, errno.EOPNOTSUPP)
        assert "does not count that" in str(refused)


def test_a_unit_of_the_kernels_is_found_by_its_name(root):
    name = "software"
    with bpf.PerfEvent.dynamic(name, lib.PERF_COUNT_SW_PAGE_FAULTS, pid=0) as event:
        event.enable()
        touch_new_pages()
        assert event.count > 0
    with pytest.raises(bpf.LibbpfError, match=r"(?s)softwear.*software"):
        bpf.PerfEvent.dynamic("softwear", 0, pid=0)


def test_a_frequency_beyond_the_kernels_limit_is_explained(root):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.PerfEvent.software("cpu_clock", pid=0, sample_freq=10_000_000)
    assert caught.value.errno == errno.EINVAL
    assert "perf_event_max_sample_rate" in caught.value.hint


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({}, TypeError),
        ({"pid": 0, "sample_freq": 1, "sample_period": 1}, TypeError),
        ({"pid": 0, "sampel_freq": 1}, TypeError),
        ({"pid": 0, "size": 1}, TypeError),
        ({"pid": 0, "inherit": 2}, ValueError),
        ({"pid": 0, "sample_period": -1}, ValueError),
        ({"pid": 1 << 30}, bpf.LibbpfError),
        ({"cpu": 1 << 20}, bpf.LibbpfError),
    ],
)
def test_a_wrong_attribute_is_refused(root, attributes, error):
    with pytest.raises(error):
        bpf.PerfEvent.software("cpu_clock", **attributes)


@pytest.mark.parametrize("name", ["cpu_clok", "max", ""])
def test_a_counter_that_nobody_knows_is_refused_with_the_names_that_are(name):
    with pytest.raises(ValueError, match="cpu_clock, task_clock"):
        bpf.PerfEvent.software(name, pid=0)


def test_a_closed_event_is_closed(root, only):
    event = bpf.PerfEvent.software("cpu_clock", pid=0)
    event.close()
    event.close()
    assert event.closed
    assert "closed" in repr(event)
    for use in (lambda: event.fd, event.enable, lambda: event.count, event.__enter__):
        with pytest.raises(bpf.ClosedError):
            use()
    _, program = only("by_plain_perf_event")
    with pytest.raises(bpf.ClosedError):
        program.attach_perf_event(event)


def test_a_forgotten_event_is_closed_with_a_warning(root):
    with pytest.warns(ResourceWarning, match="cpu_clock"):
        bpf.PerfEvent.software("cpu_clock", pid=0)


def test_an_event_is_led_by_another(root):
    with (
        bpf.PerfEvent.software("task_clock", pid=0) as leader,
        bpf.PerfEvent.software("page_faults", pid=0, group=leader) as event,
    ):
        # In this order: a member that is enabled under a clock that runs already does not count (Linux 6.18).
        event.enable()
        leader.enable()
        touch_new_pages()
        assert event.count > 0


def test_a_section_with_a_raw_tracepoint_that_is_not_there_gets_close_names(root):
    source = '__attribute__((section("raw_tp/sys_entr"))) int wrong(void *ctx) { return 0; }\n'
    with bpf.Object.open(bpf.compile_object(source)) as obj:
        obj.load()
        with pytest.raises(bpf.LibbpfError, match=r"close names: .*'sys_enter'"):
            obj.programs["wrong"].attach()
