"""What programs have on kernels that let them: streams, test runs of traced functions, associations, many probes."""

from __future__ import annotations

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import ffi

RETURN_1 = bytes.fromhex("b700000001000000 9500000000000000")  # r0 = 1; exit
FOR_EVER = bytes.fromhex("e500010000000000 0500feff00000000") + RETURN_1  # may_goto pc+1; goto pc-2


@pytest.mark.needs("stream_printk")
def test_what_a_program_prints_is_read_once(loaded):
    program = loaded("prog_streams").programs["print"]
    assert program.read_stdout() == ""
    assert program().retval == 0
    assert program().retval == 0
    assert program.stream_read() == b"number 7\nnumber 7\n"
    assert program.read_stdout() == ""
    program()
    with bpf.Program.from_id(program.id) as opened:
        assert opened.read_stdout() == "number 7\n"


@pytest.mark.needs("prog_streams", "may_goto")
def test_what_goes_wrong_in_a_program_is_read(root):
    with bpf.KernelProgram.load("xdp", FOR_EVER, name="for_ever") as program:
        assert program.read_stderr() == ""
        program.test_run(bytes(64))
        assert "may_goto" in program.read_stderr()


@pytest.mark.needs("assoc_struct_ops")
def test_a_program_is_associated_with_a_table_of_functions(root, loaded):
    with bpf.KernelProgram.load("xdp", RETURN_1) as one:
        one.assoc_struct_ops(loaded("struct_ops").maps["with_link"])


@pytest.mark.needs("kprobe_multi")
def test_many_probes_of_the_kernel_say_where_they_are(root):
    kind = bpf.AttachType.TRACE_KPROBE_MULTI
    names = ["bpf_link_get_from_fd", "bpf_prog_put"]
    with bpf.KernelProgram.load("kprobe", RETURN_1, expected_attach_type=kind) as program, bpf.Link.create(
        program, None, kind, kprobe_multi={"syms": names, "cookies": [7, 8]}
    ) as link:  # fmt: skip
        info = link.info
        assert info.type is bpf.LinkType.KPROBE_MULTI
        assert info.details["count"] == 2
        assert len(info.details["addrs"]) == 2
        assert min(info.details["addrs"]) > 1 << 63
        assert sorted(info.details["cookies"]) in ([7, 8], [])


@pytest.mark.needs("fentry", "trace_cookie")
def test_a_traced_function_is_called(loaded):
    obj = loaded("run_traced")
    done = obj.programs["enter"].test_run()
    assert (done.retval, done.data_out, done.ctx_out) == (0, None, None)
    # The kernel calls it with 1.
    with obj.programs["enter"].attach():
        obj.programs["enter"].test_run()
        assert obj.variables["seen"] == 101


@pytest.mark.needs("fentry", "trace_cookie", "fmod_ret_test")
def test_a_changed_return_value_comes_with_a_count(only):
    obj = only("run_traced", "change")
    with obj.programs["change"].attach():
        done = obj.programs["change"].test_run()
    assert obj.variables["seen"] == 201
    # Newer kernels call a second function, which is not changed, returns 29 and has a side effect.
    assert (done.retval & 0xFFFF, done.retval >> 16) in {(7, 0), (7 + 29, 1)}


@pytest.mark.needs("dummy_ops")
def test_a_function_of_a_table_is_run_with_its_arguments(loaded):
    state = ffi.new("int *", 5)
    arguments = [int(ffi.cast("uintptr_t", state)), 1, 2, 3, 4]
    assert loaded("dummy_ops").programs["test_2"].test_run(ctx_in=arguments).retval == 10
