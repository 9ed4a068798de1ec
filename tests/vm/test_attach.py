"""Each way to attach to functions of the kernel fires, tells its cookie, and is gone after the link is closed."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

KPROBE = pytest.mark.needs("kprobe")
COOKIES = pytest.mark.needs("kprobe", "attach_cookie", "perf_link")
MULTI = pytest.mark.needs("kprobe_multi")
FENTRY = pytest.mark.needs("fentry")
FENTRY_COOKIE = pytest.mark.needs("fentry", "trace_cookie")

GETPGID, GETSID = "__x64_sys_getpgid", "__x64_sys_getsid"
"""The functions of two system calls, as x86-64 calls them."""

COOKIE = 0x1122334455667788


@pytest.fixture
def only(one_program):
    """Load one program of attach_kernel.bpf.c, which counts what this process does."""

    def load(name, **variables):
        return one_program("attach_kernel", name, tgid=os.getpid(), **variables)

    return load


def fires(obj, link, call=lambda: os.getpgid(0), times=3):
    """Give how often the program runs in so many calls, and check that it does not after the link is closed."""
    before = obj.variables["hits"]
    for _ in range(times):
        call()
    found = obj.variables["hits"] - before
    link.close()
    call()
    assert obj.variables["hits"] - before == found
    return found


def call_refused():
    """Call getpgid() of this process, which a program may refuse."""
    with contextlib.suppress(PermissionError):
        os.getpgid(os.getpid())


def kernel_address(name):
    with open("/proc/kallsyms", encoding="ascii") as file:
        return next(int(line.split()[0], 16) for line in file if line.split()[2] == name)


# kprobe


@COOKIES
@pytest.mark.parametrize("mode", list(bpf.ProbeAttachMode))
def test_a_kprobe_fires_in_every_mode(only, mode):
    obj, program = only("by_kprobe")
    assert fires(obj, program.attach_kprobe(GETPGID, attach_mode=mode)) == 3


@COOKIES
def test_a_kprobe_has_its_cookie(only):
    obj, program = only("by_kprobe")
    assert fires(obj, program.attach_kprobe(GETPGID, bpf_cookie=COOKIE)) == 3
    assert obj.variables["cookie"] == COOKIE


@COOKIES
def test_a_kprobe_goes_behind_the_start_of_a_function(only):
    obj, program = only("by_kprobe")
    # endbr64, or the call of ftrace's: the second instruction begins behind it.
    for offset in (4, 5):
        try:
            link = program.attach_kprobe(GETPGID, offset=offset)
        except bpf.LibbpfError:
            continue
        assert fires(obj, link) == 3
        return
    pytest.fail("no second instruction found")


@COOKIES
@pytest.mark.parametrize("name", ["by_kretprobe", "by_kprobe"])
def test_a_kretprobe_fires_at_the_return(only, name):
    obj, program = only(name)
    # The section says it, or the keyword.
    link = program.attach_kprobe(GETPGID, retprobe=True if name == "by_kprobe" else None)
    assert fires(obj, link) == 3
    if name == "by_kretprobe":
        assert obj.variables["returns"] == os.getpgid(0)


@COOKIES
def test_a_missing_function_is_named_with_what_comes_close(only):
    _, program = only("by_kprobe")
    with pytest.raises(bpf.LibbpfError, match=r"no function '__x64_sys_getpgd'.*__x64_sys_getpgid") as caught:
        program.attach_kprobe("__x64_sys_getpgd")
    assert caught.value.errno == errno.ENOENT


@COOKIES
def test_a_ksyscall_fires_by_the_name_of_the_call(only):
    obj, program = only("by_ksyscall")
    assert fires(obj, program.attach_ksyscall("getpgid", bpf_cookie=COOKIE), lambda: os.getpgid(os.getpid())) == 3
    assert obj.variables["cookie"] == COOKIE
    assert obj.variables["returns"] == os.getpid()


@COOKIES
def test_a_ksyscall_fires_at_the_return(only):
    obj, program = only("by_kretprobe")
    assert fires(obj, program.attach_ksyscall("getpgid", retprobe=True)) == 3
    assert obj.variables["returns"] == os.getpgid(0)


@COOKIES
def test_a_missing_system_call_is_named(only):
    _, program = only("by_ksyscall")
    with pytest.raises(bpf.LibbpfError, match="no system call 'getpgdi'"):
        program.attach_ksyscall("getpgdi")


# kprobe.multi


@MULTI
@pytest.mark.parametrize("pattern", [GETPGID, "__x64_sys_getpg?d", "*64_sys_getpgid*"])
def test_many_kprobes_fire_by_a_pattern(only, pattern):
    obj, program = only("by_kprobe_multi")
    assert fires(obj, program.attach_kprobe_multi(pattern)) == 3


@MULTI
def test_many_kprobes_fire_by_names_each_with_its_cookie(only):
    obj, program = only("by_kprobe_multi")
    with program.attach_kprobe_multi(syms=[GETSID, GETPGID], cookies=[11, 12]):
        os.getpgid(0)
        assert obj.variables["cookie"] == 12
        os.getsid(0)
        assert obj.variables["cookie"] == 11
        assert obj.variables["hits"] == 2
    os.getsid(0)
    assert obj.variables["hits"] == 2


@MULTI
def test_many_kprobes_fire_by_addresses(only):
    obj, program = only("by_kprobe_multi")
    link = program.attach_kprobe_multi(addrs=[kernel_address(GETPGID)], cookies=[COOKIE])
    assert fires(obj, link) == 3
    assert obj.variables["cookie"] == COOKIE


@MULTI
def test_many_kretprobes_fire(only):
    obj, program = only("by_kprobe_multi")
    assert fires(obj, program.attach_kprobe_multi(GETPGID, retprobe=True)) == 3


@pytest.mark.needs("kprobe_session")
def test_a_session_fires_at_entry_and_return(only):
    obj, program = only("by_kprobe_session")
    assert fires(obj, program.attach_kprobe_multi(GETPGID)) == 6
    assert obj.variables["returns"] == 3


@MULTI
def test_a_pattern_that_must_fit_one_function_fits_one(only):
    obj, program = only("by_kprobe_multi")
    assert fires(obj, program.attach_kprobe_multi(GETPGID, unique_match=True)) == 3
    with pytest.raises(bpf.LibbpfError, match="unique match"):
        program.attach_kprobe_multi("__x64_sys_get*", unique_match=True)


@MULTI
@pytest.mark.parametrize("given", [{"pattern": "__x64_sys_getpgd"}, {"syms": ["__x64_sys_getpgd"]}])
def test_a_missing_function_of_many_is_named_with_what_comes_close(only, given):
    _, program = only("by_kprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="__x64_sys_getpgid"):
        program.attach_kprobe_multi(**given)


@MULTI
def test_a_plain_kprobe_is_not_attached_to_many(only):
    _, program = only("by_kprobe")
    with pytest.raises(bpf.LibbpfError, match=r"must be kprobe\.multi"):
        program.attach_kprobe_multi(GETPGID)


# fentry and its kin


@FENTRY_COOKIE
def test_fentry_fires_on_the_function_that_was_set(opened):
    obj = opened("attach_kernel")
    obj.programs["by_fentry"].autoload = True
    obj.programs["by_fentry"].set_attach_target(attach_func_name="security_task_getpgid")
    obj.variables["tgid"] = os.getpid()
    obj.load()
    link = obj.programs["by_fentry"].attach_trace(cookie=COOKIE)
    assert fires(obj, link, lambda: os.getpgid(os.getpid())) == 3
    assert obj.variables["cookie"] == COOKIE


@FENTRY_COOKIE
def test_fexit_sees_the_result(only):
    obj, program = only("by_fexit")
    assert fires(obj, program.attach_trace(cookie=COOKIE), lambda: os.getpgid(os.getpid())) == 3
    assert obj.variables["returns"] == 100
    assert obj.variables["cookie"] == COOKIE


@pytest.mark.needs("fentry", "trace_cookie", "fsession")
def test_fsession_runs_at_entry_and_return(only):
    obj, program = only("by_fsession")
    assert program.expected_attach_type is bpf.AttachType.TRACE_FSESSION
    assert fires(obj, program.attach_trace(cookie=COOKIE), lambda: os.getpgid(os.getpid())) == 6
    assert obj.variables["cookie"] == COOKIE


@FENTRY_COOKIE
def test_fmod_ret_gives_another_result(only):
    obj, program = only("by_fmod_ret")
    with program.attach_trace():
        with pytest.raises(PermissionError):
            os.getpgid(os.getpid())
        assert obj.variables["hits"] == 1
    assert os.getpgid(os.getpid()) > 0


@pytest.mark.needs("bpf_lsm", "fentry")
@pytest.mark.parametrize("method", ["attach_lsm", "attach"])
def test_an_lsm_program_refuses(only, method):
    obj, program = only("by_lsm")
    with getattr(program, method)():
        with pytest.raises(PermissionError):
            os.getpgid(os.getpid())
        assert obj.variables["hits"] == 1
    assert os.getpgid(os.getpid()) > 0


# freplace


def run(program):
    """Run an XDP program on a packet and give what it returned."""
    memory = ffi.new("char[]", 64)
    options = ffi.new("struct bpf_test_run_opts *")
    options.sz = ffi.sizeof(options[0])
    options.data_in, options.data_size_in = memory, 64
    assert lib.bpf_prog_test_run_opts(program.fd, options) == 0
    return int(options.retval)


PASS, DROP, TX = 2, 1, 3


@pytest.fixture
def replaced(one_program):
    return one_program("attach_freplace", "whole")[1]


@FENTRY
def test_freplace_takes_the_place_of_a_function(replaced, opened):
    obj = opened("attach_extension")
    extension = obj.programs["replacement"]
    extension.autoload = True
    extension.set_attach_target(replaced)
    obj.load()
    assert run(replaced) == PASS * 16 + DROP
    with extension.attach_freplace():
        assert run(replaced) == TX * 16 + DROP
        assert obj.variables["hits"] == 1
    assert run(replaced) == PASS * 16 + DROP


@FENTRY
def test_freplace_goes_to_another_function_than_the_one_of_load(replaced, opened):
    obj = opened("attach_extension")
    extension = obj.programs["replacement"]
    extension.autoload = True
    extension.set_attach_target(replaced, "replaced")
    obj.load()
    with extension.attach_freplace(replaced, "other"):
        assert run(replaced) == PASS * 16 + TX
    assert run(replaced) == PASS * 16 + DROP


@FENTRY
def test_a_program_is_traced_by_another(replaced, opened):
    obj = opened("attach_extension")
    program = obj.programs["traces"]
    program.autoload = True
    program.set_attach_target(replaced.fd, "whole")
    obj.load()
    with program.attach_trace():
        run(replaced)
        assert obj.variables["hits"] == 1
    run(replaced)
    assert obj.variables["hits"] == 1


@FENTRY
def test_a_function_that_the_target_has_not_is_named(replaced, opened):
    extension = opened("attach_extension").programs["replacement"]
    with pytest.raises(bpf.LibbpfError, match="no function 'replcaed'"):
        extension.set_attach_target(replaced, "replcaed")


# sched_ext


@pytest.mark.needs("sched_ext")
def test_a_scheduler_runs_and_is_gone(loaded):
    def state():
        with open("/sys/kernel/sched_ext/state", encoding="ascii") as file:
            return file.read().strip()

    obj = loaded("sched_ext")
    assert state() == "disabled"
    with obj.maps["scheduler"].attach_struct_ops() as link:
        assert state() == "enabled"
        with open("/sys/kernel/sched_ext/root/ops", encoding="ascii") as file:
            assert file.read().strip() == "lbc_sched"
        before = obj.variables["runs"]
        subprocess.run(["true"], check=True)
        assert obj.variables["runs"] > before
        assert link.info.type is bpf.LinkType.STRUCT_OPS
    assert state() == "disabled"


# What is refused


@pytest.mark.needs("kprobe", "attach_cookie")
def test_a_place_in_the_middle_of_an_instruction_is_explained(only):
    _, program = only("by_kprobe")
    with pytest.raises(bpf.LibbpfError, match="no instruction begins at that offset"):
        program.attach_kprobe("security_task_getpgid", offset=1)


@MULTI
def test_a_function_that_is_named_twice_is_explained(only):
    _, program = only("by_kprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="one of them is there twice"):
        program.attach_kprobe_multi(syms=[GETPGID, GETPGID])


@FENTRY_COOKIE
def test_a_program_of_tracing_that_is_attached_already_is_told_so(only):
    _, program = only("by_fexit")
    with program.attach_trace(), pytest.raises(bpf.LibbpfError, match="is attached already, and is so once"):
        program.attach_trace()


@FENTRY
def test_a_program_that_has_replaced_the_function_of_load_already_is_told_so(replaced, opened):
    obj = opened("attach_extension")
    extension = obj.programs["replacement"]
    extension.autoload = True
    extension.set_attach_target(replaced)
    obj.load()
    with extension.attach_freplace(), pytest.raises(bpf.LibbpfError, match="it was there already"):
        extension.attach_freplace()


@pytest.mark.needs("lsm_cgroup")
@pytest.mark.parametrize("method", ["attach_lsm", "attach_trace"])
def test_a_program_of_lsm_for_control_groups_is_attached_to_one(one_program, method):
    _, program = one_program("attach_cgroup", "post_create")
    with pytest.raises(ValueError, match=r"for the attach type LSM_CGROUP.*: use attach_cgroup\(\)"):
        getattr(program, method)()
