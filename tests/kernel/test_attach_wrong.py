"""What does not fit a program, or is not there: what the error says, and that nothing is attached."""

from __future__ import annotations

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib, net

# What the programs of the sources need that have a cookie, and those that they are attached to.
pytestmark = pytest.mark.needs("uprobe", "attach_cookie", "perf_link")


@pytest.mark.needs("uprobe_multi")
def test_a_program_of_many_probes_is_not_attached_to_one(one_program):
    _, program = one_program("attach_user", "by_uprobe_multi")
    with pytest.raises(ValueError, match=r"for the attach type TRACE_UPROBE_MULTI.*: use attach_uprobe_multi\(\)"):
        program.attach_uprobe("libc", "labs")


@pytest.mark.needs("uprobe_multi")
def test_a_program_of_a_usdt_is_not_attached_to_a_function_where_it_is_one_of_many_probes(one_program):
    _, program = one_program("attach_user", "by_usdt")
    with pytest.raises(ValueError, match=r"use attach_usdt\(\)"):
        program.attach_uprobe("libc", "labs")


def test_an_iterator_is_not_attached_by_attach_trace(one_program):
    _, program = one_program("attach_iter", "tasks")
    with pytest.raises(ValueError, match=r"for the attach type TRACE_ITER.*: use attach_iter\(\)"):
        program.attach_trace()


@pytest.mark.needs("raw_tracepoint_cookie", "trace_cookie")
def test_a_tracepoint_of_btf_is_not_attached_by_attach_iter(one_program):
    _, program = one_program("attach_kernel", "by_tp_btf")
    with pytest.raises(ValueError, match=r"for the attach type TRACE_RAW_TP.*: use attach_trace\(\)"):
        program.attach_iter()


def test_the_files_beside_the_tracepoints_of_a_category_are_not_proposed(one_program):
    _, program = one_program("attach_kernel", "by_tracepoint")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_tracepoint("syscalls", "filer")
    assert "'syscalls/filter'" not in caught.value.hint


def test_a_file_that_is_not_there_is_called_so(one_program):
    _, program = one_program("attach_user", "by_uprobe")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_uprobe("/no/such/file", "main")
    assert caught.value.hint == "there is no file '/no/such/file'"


@pytest.mark.needs("perf_link")
@pytest.mark.parametrize("use", ["info", "pin", "detach", "update_program"])
def test_what_the_kernel_has_no_link_of_says_so(one_program, pins, use):
    _, program = one_program("attach_kernel", "by_perf_event")
    with (
        bpf.PerfEvent.software("cpu_clock", pid=0, sample_freq=99) as event,
        program.attach_perf_event(event, force_ioctl_attach=True) as link,
        pytest.raises(bpf.LibbpfError, match="no link of the kernel's"),
    ):
        _ = {
            "info": lambda: link.info,
            "pin": lambda: link.pin(pins / "link"),
            "detach": link.detach,
            "update_program": lambda: link.update_program(program),
        }[use]()


@pytest.mark.needs("uprobe_multi")
@pytest.mark.parametrize("kind", [list, tuple, iter, set, dict.fromkeys])
def test_many_names_come_in_anything_that_gives_them(one_program, kind):
    _, program = one_program("attach_user", "by_uprobe_multi")
    with program.attach_uprobe_multi("libc", syms=kind(["labs"]), cookies=iter([1])) as link:
        assert link


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("labs@GLIBC_9",), "has 'labs', but perhaps not of the version 'GLIBC_9'"),
        (("labs+0x99999999",), "the place 0x99[0-9a-f]+ is behind the end of the file"),
        ((None, 1 << 40), "the place 0x10000000000 is behind the end of the file"),
    ],
)
def test_a_place_of_a_file_that_is_not_there_is_explained(one_program, arguments, why):
    _, program = one_program("attach_user", "by_uprobe")
    with pytest.raises(bpf.LibbpfError, match=why):
        program.attach_uprobe("libc", *arguments)


def test_a_semaphore_is_at_an_even_place(one_program):
    _, program = one_program("attach_user", "by_uprobe")
    with pytest.raises(bpf.LibbpfError, match="must be even, not 3"):
        program.attach_uprobe("libc", "labs", ref_ctr_offset=3)


@pytest.mark.needs("uprobe_multi")
def test_a_place_behind_the_end_of_the_file_is_explained_among_many(one_program):
    _, program = one_program("attach_user", "by_uprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="the place 0x10000000000 is behind the end"):
        program.attach_uprobe_multi("libc", offsets=[1 << 40])


def test_a_function_without_a_name_is_refused(one_program):
    _, program = one_program("attach_user", "by_uprobe")
    with pytest.raises(ValueError, match="func_name is empty"):
        program.attach_uprobe("libc", "")


@pytest.mark.parametrize(
    ("source", "name", "why"),
    [
        ("runs", "add", "is not attached but called"),
        ("attach_net", "route_out", "`ip route … encap bpf out pinned PATH`"),
    ],
)
def test_a_program_that_no_method_attaches_is_told_what_does(one_program, source, name, why):
    _, program = one_program(source, name)
    with pytest.raises(bpf.NotSupportedError, match=why):
        program.attach()


@pytest.mark.parametrize("attach", [lambda each: each.attach_xdp("lo"), lambda each: net.prog_attach(each, "lo")])
def test_a_program_that_is_called_is_not_said_to_be_attached(one_program, attach):
    _, program = one_program("runs", "add")
    with pytest.raises(bpf.LibbpfError) as caught:
        attach(program)
    assert caught.value.hint == "a program of type SYSCALL is not attached but called: program(…), or test_run()"


@pytest.mark.parametrize(
    ("method", "arguments", "why"),
    [
        ("attach_kprobe", {"func_name": "vfs_read", "offset": 1 << 32}, "offset must be from 0 to 4294967295"),
        ("attach_kprobe", {"func_name": "vfs_read", "attach_mode": 4}, "attach_mode is one of ProbeAttachMode"),
        ("attach_uprobe", {"binary_path": "libc", "func_name": "labs", "attach_mode": 9}, "attach_mode is one of"),
        ("attach_kprobe_multi", {"pattern": ""}, "pattern is empty"),
    ],
)
def test_what_the_kernel_would_cut_or_not_explain_is_a_value_error(one_program, method, arguments, why):
    _, program = one_program("attach_kernel", "by_kprobe")
    with pytest.raises(ValueError, match=why):
        getattr(program, method)(**arguments)


def test_what_is_no_int_may_be_a_number_of_a_perf_event():
    class Number:
        def __init__(self, number):
            self.number = number

        def __index__(self):
            return self.number

    attr = {"read_format": Number(lib.PERF_FORMAT_ID), "sample_freq": Number(7)}
    with bpf.PerfEvent(Number(1), Number(9), cpu=0, **attr) as event:
        assert str(event) == "perf event 1:0x9, CPU 0"
        assert event.read()[0].id > 0
    with pytest.raises(bpf.LibbpfError, match="sample_freq is more than the"):
        bpf.PerfEvent(1, 9, cpu=0, sample_freq=Number(1 << 40))


def test_a_perf_event_that_is_named_says_who_takes_names():
    with pytest.raises(TypeError, match=r"type must be an integer, .*PerfEvent\.software\(\) and its kin take names"):
        bpf.PerfEvent("cpu_clock", pid=0)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: bpf.PerfEvent(1, 9, cgroup="1"), (TypeError, "a perf event of a cgroup needs a cpu")),
        (lambda: bpf.PerfEvent.software("\udcff", cpu=0), (ValueError, r"'\\udcff' is none of cpu_clock, ")),
        # A Kelvin sign, which becomes a "k".
        (lambda: bpf.PerfEvent.software("cpu_cloc\u212a", cpu=0), (ValueError, "is none of cpu_clock, ")),
    ],
)
def test_what_is_no_perf_event_is_refused_in_words(make, error):
    kind, words = error
    with pytest.raises(kind, match=words):
        make()
