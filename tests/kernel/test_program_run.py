"""Test runs: what a program is given, returns and leaves."""

from __future__ import annotations

import errno
import os
import signal

import pytest

import libbpf_cffi as bpf

PACKET = bytes(range(64))
RETURN_2 = bytes.fromhex("b700000002000000 9500000000000000")  # r0 = 2; exit
ENOTSUPP = 524


@pytest.fixture
def runs(loaded):
    return loaded("runs").programs


def seen(program):
    return program._owner.variables["seen"]


@pytest.fixture
def load(root):
    """Load instructions, by default ones that return 2; closed after the test."""
    made = []

    def load_program(kind, insns=RETURN_2, **fields):
        made.append(bpf.KernelProgram.load(kind, insns, **fields))
        return made[-1]

    yield load_program
    for each in made:
        each.close()


# Packets


@pytest.mark.every_kernel
def test_a_packet_comes_back_as_the_program_left_it(runs):
    done = runs["grow"].test_run(PACKET)
    assert done.retval == 3  # XDP_TX
    assert len(done.data_out) == 68
    assert done.data_out[0] == 0xAA
    assert done.data_out[4:] == PACKET
    assert done.ctx_out is None


def test_a_buffer_of_any_kind_is_a_packet(runs):
    for packet in (bytearray(PACKET), memoryview(PACKET)):
        assert runs["grow"].test_run(packet).data_out[4:] == PACKET


def test_the_duration_is_that_of_one_run(runs):
    once, often = runs["grow"].test_run(PACKET), runs["mark"].test_run(PACKET, repeat=10000)
    assert 0 < once.duration_ns < 1e9
    assert 0 < often.duration_ns < 1e5


@pytest.mark.every_kernel
def test_it_is_repeated_as_often_as_is_said(runs):
    before = seen(runs["drop"])[1]
    runs["drop"].test_run(PACKET, repeat=7)
    assert seen(runs["drop"])[1] == before + 7


@pytest.mark.every_kernel
def test_what_comes_back_is_bounded(runs):
    done = runs["grow"].test_run(PACKET, data_size_out=10)
    assert (done.retval, done.data_out, done.ctx_out) == (3, runs["grow"].test_run(PACKET).data_out[:10], None)
    assert runs["grow"].test_run(PACKET, data_size_out=0).data_out is None


def test_a_packet_that_is_none_is_refused_in_words(runs):
    with pytest.raises(bpf.LibbpfError, match="Ethernet header") as caught:
        runs["mark"].test_run(b"short")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("packet", ["text", 5, [1]])
def test_what_is_no_packet_is_a_type_error(runs, packet):
    with pytest.raises(TypeError, match="data_in"):
        runs["grow"].test_run(packet)


# Contexts


def test_a_context_is_a_mapping_of_its_members(runs):
    done = runs["mark"].test_run(PACKET, ctx_in={"mark": 5, "priority": 6, "ifindex": 1})
    assert done.retval == 1
    assert (done.ctx_out.mark, done.ctx_out.cb) == (11, (0, 0, 7, 0, 0))


def test_a_context_that_came_back_is_one_to_give(runs):
    given = {"mark": 5, "priority": 6, "ifindex": 1}
    first = runs["mark"].test_run(PACKET, ctx_in=given).ctx_out
    again = runs["mark"].test_run(PACKET, ctx_in={name: getattr(first, name) for name in given}).ctx_out
    assert again.mark == 17


def test_a_context_is_bytes_too(runs):
    done = runs["mark"].test_run(PACKET, ctx_in=bytes(8) + (9).to_bytes(4, "little") + bytes(100))
    assert done.ctx_out.mark == 9


def test_a_context_of_xdp_has_the_size_of_the_packet(runs):
    done = runs["grow"].test_run(PACKET, ctx_in={"ingress_ifindex": 1})
    assert seen(runs["grow"])[0] == 1
    assert done.ctx_out.data_end == 68


@pytest.mark.every_kernel
def test_a_context_comes_back_though_none_was_given(runs):
    assert runs["mark"].test_run(PACKET, ctx_size_out=192).ctx_out.cb[2] == 7


def test_an_unknown_member_is_a_value_error_with_close_names(runs):
    with pytest.raises(ValueError, match=r"no member 'ifindx'; close names: .*ifindex"):
        runs["mark"].test_run(PACKET, ctx_in={"ifindx": 1})


@pytest.mark.parametrize(
    ("value", "error"), [(1 << 32, ValueError), ("x", TypeError), (-1, ValueError), (None, TypeError)]
)
def test_a_member_that_does_not_fit_is_an_error_with_its_name(runs, value, error):
    with pytest.raises(error, match=r"__sk_buff\.mark"):
        runs["mark"].test_run(PACKET, ctx_in={"mark": value})


def test_a_member_that_the_kernel_does_not_let_be_set_is_its_error(runs):
    with pytest.raises(bpf.LibbpfError, match="cannot be set"):
        runs["mark"].test_run(PACKET, ctx_in={"hash": 5})


@pytest.mark.parametrize("ctx", ["text", 5, object()])
def test_what_is_no_context_is_a_type_error(runs, ctx):
    with pytest.raises(TypeError):
        runs["mark"].test_run(PACKET, ctx_in=ctx)


def test_a_context_that_there_is_no_room_for_is_an_error_in_words(runs):
    with pytest.raises(bpf.LibbpfError, match="ctx_size_out"):
        runs["mark"].test_run(PACKET, ctx_in={"mark": 1}, ctx_size_out=8)


def test_a_context_that_does_not_come_back_with_a_packet_that_is_cut_off_is_an_error_in_words(runs):
    with pytest.raises(bpf.LibbpfError, match="there was room for 10: the context comes back with all of the packet"):
        runs["mark"].test_run(PACKET, ctx_in={"mark": 1}, data_size_out=10)


# Kinds


@pytest.mark.every_kernel
def test_a_raw_tracepoint_is_given_its_arguments(runs):
    assert runs["on_raw"].test_run(ctx_in=[1, -2]).retval == 11
    assert seen(runs["on_raw"])[:2] == (1, (1 << 64) - 2)
    assert runs["on_raw"].test_run(ctx_in=(2, 0)).retval == 12


@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0))[:2])
def test_a_raw_tracepoint_is_run_on_a_cpu(runs, cpu):
    runs["on_raw"].test_run(ctx_in=[1, 2], cpu=cpu)
    assert seen(runs["on_raw"])[2] == cpu


def test_a_cpu_that_is_not_there_is_the_kernels_error(runs):
    with pytest.raises(bpf.LibbpfError) as caught:
        runs["on_raw"].test_run(ctx_in=[1, 2], cpu=100000)
    assert caught.value.errno in (errno.EINVAL, errno.ENXIO)


@pytest.mark.parametrize("argument", [1 << 64, -(1 << 63) - 1])
def test_an_argument_has_64_bits(runs, argument):
    with pytest.raises(ValueError, match="64 bits"):
        runs["on_raw"].test_run(ctx_in=[argument])


@pytest.mark.every_kernel
def test_a_flow_dissector_gives_its_keys(runs):
    done = runs["dissect"].test_run(PACKET)
    assert (done.ctx_out.nhoff, done.ctx_out.thoff) == (14, 34)
    assert done.ctx_out.sport == int.from_bytes((80).to_bytes(2, "big"), "little")
    assert len(done.data_out) == 56
    assert runs["dissect"].test_run(PACKET, ctx_in={"flags": 2}).ctx_out.flow_label == 2


@pytest.mark.needs("sk_lookup_run")
def test_a_lookup_of_sockets_is_given_what_is_looked_for(runs):
    for port, verdict in ((80, 1), (81, 0)):
        done = runs["look"].test_run(ctx_in={"family": 2, "protocol": 6, "local_port": port})
        assert done.retval == verdict
        assert done.ctx_out.local_port == port


@pytest.mark.every_kernel
@pytest.mark.needs("program:NETFILTER")
def test_a_netfilter_program_is_run_on_a_packet(load):
    # Version 4, IPv4.
    packet = bytes(12) + b"\x08\x00\x45" + bytes(60)
    filters = load("netfilter", RETURN_2.replace(b"\x02", b"\x01", 1), expected_attach_type=bpf.AttachType.NETFILTER)
    done = filters.test_run(packet)
    assert (done.retval, done.data_out, done.ctx_out) == (1, None, None)


@pytest.mark.needs("program:NETFILTER")
def test_a_netfilter_program_gives_no_context_back(load):
    packet = bytes(12) + b"\x08\x00\x45" + bytes(60)
    filters = load("netfilter", RETURN_2.replace(b"\x02", b"\x01", 1), expected_attach_type=bpf.AttachType.NETFILTER)
    # enum hook, pf: local_in of IPv4.
    assert filters.test_run(packet, ctx_in=bytes([1, 2]) + bytes(62)).ctx_out is None


@pytest.mark.parametrize(
    ("name", "why"), [("add", "its argument comes back in the size of ctx_in"), ("on_raw", "none comes back")]
)
def test_room_for_a_context_that_does_not_come_back_is_refused(runs, name, why):
    with pytest.raises(ValueError, match=f"with ctx_size_out: {why}"):
        runs[name].test_run(ctx_in=bytes(16), ctx_size_out=16)


def test_room_for_a_context_changes_not_that_a_type_is_not_supported(load):
    with pytest.raises(bpf.NotSupportedError, match="no test runs of programs of type KPROBE"):
        load("kprobe").test_run(ctx_size_out=8)


def test_a_type_that_is_never_run_so_is_not_supported(load):
    with pytest.raises(bpf.NotSupportedError, match="no test runs of programs of type KPROBE") as caught:
        load("kprobe").test_run()
    assert caught.value.errno == ENOTSUPP


def test_a_program_of_the_kernel_is_run(load, runs):
    assert load("xdp").test_run(PACKET).retval == 2
    with bpf.Program.from_id(runs["grow"].id) as opened:
        assert opened.test_run(PACKET).data_out[0] == 0xAA


def test_what_is_returned_is_an_int_of_c(load):
    minus = bytes.fromhex("b7000000ffffffff 9500000000000000")
    assert load("sched_cls", minus).test_run(PACKET).retval == -1


@pytest.mark.every_kernel
@pytest.mark.needs("live_frames")
def test_live_frames_go_where_the_program_sends_them(runs):
    before = seen(runs["drop"])[1]
    done = runs["drop"].test_run(PACKET, repeat=100, flags=bpf.TestRunFlags.XDP_LIVE_FRAMES, batch_size=16)
    assert seen(runs["drop"])[1] == before + 100
    assert (done.data_out, done.ctx_out) == (None, None)


def test_a_batch_without_live_frames_is_the_kernels_error(runs):
    with pytest.raises(bpf.LibbpfError) as caught:
        runs["drop"].test_run(PACKET, batch_size=16)
    assert caught.value.errno in (errno.EINVAL, errno.E2BIG)


@pytest.mark.parametrize(
    ("name", "value"),
    [("repeat", -1), ("repeat", 1 << 31), ("flags", -1), ("cpu", 1 << 32), ("batch_size", 1 << 32), ("flags", 1 << 32)],
)
def test_a_number_that_does_not_fit_is_a_value_error(runs, name, value):
    with pytest.raises(ValueError, match=name):
        runs["grow"].test_run(PACKET, **{name: value})


def test_a_signal_ends_a_long_run_at_once(runs):
    previous = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(bpf.LibbpfError, match="signal came in") as caught:
            runs["drop"].test_run(PACKET, repeat=(1 << 31) - 1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert caught.value.errno == errno.EINTR


def test_a_program_that_is_not_loaded_is_not_run(opened):
    with pytest.raises(bpf.StateError, match="load it first"):
        opened("basic").programs["pass"].test_run(PACKET)


def test_a_closed_program_is_not_run(load):
    program = load("xdp")
    program.close()
    with pytest.raises(bpf.ClosedError):
        program.test_run(PACKET)


# Calls


def test_a_syscall_program_is_called_with_its_members(runs):
    done = runs["add"](a=5, b=-7)
    assert done.retval == 2 * 5 - 3 * -7
    assert done.ctx_out.total == -2


def test_a_syscall_program_is_called_with_a_value(runs):
    obj = runs["add"]._owner
    for value in (obj.types["sum"](a=1, b=2), {"a": 1, "b": 2}, runs["add"](a=1, b=2).ctx_out):
        assert runs["add"](value).ctx_out.total == 3


def test_a_syscall_program_is_called_with_bytes(runs):
    data = (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(8)
    assert runs["add"](data).ctx_out == (1, 2, 3)


def test_a_syscall_program_without_a_type_is_called_with_nothing_or_bytes(runs):
    assert runs["untyped"]() == (-5, 0, None, None)
    assert runs["untyped"](b"1234") == (-5, 0, None, b"1234")
    for wrong in ({"a": 1},), 5, "x":
        with pytest.raises(TypeError, match="bytes"):
            runs["untyped"](wrong)
    with pytest.raises(TypeError, match="bytes"):
        runs["untyped"](a=1)


def test_a_syscall_program_of_the_kernel_knows_its_argument(runs):
    with bpf.Program.from_id(runs["add"].id) as opened:
        assert opened(a=5, b=6).ctx_out.total == 11


def test_an_unknown_member_of_an_argument_is_an_error_with_its_name(runs):
    with pytest.raises((TypeError, ValueError), match="c"):
        runs["add"](c=5)
    with pytest.raises(TypeError, match="not both"):
        runs["add"](b"", a=5)


def test_only_a_syscall_program_is_called(runs):
    with pytest.raises(TypeError, match="XDP"):
        runs["grow"]()


def test_a_packet_that_is_too_large_is_explained(runs):
    with pytest.raises(bpf.LibbpfError, match=r"page with its head and tail room|some 64 KiB") as caught:
        runs["mark"].test_run(bytes(100_000))
    # Linux 7.3 takes packets of some 64 KiB, and has no memory for larger ones.
    assert caught.value.errno in (errno.EINVAL, errno.ENOMEM)


LIVE = pytest.mark.needs("live_frames")


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        pytest.param("look", {}, "looks for a socket of AF_INET", marks=pytest.mark.needs("sk_lookup_run")),
        pytest.param("drop", {"batch_size": 4}, "batch_size goes with flags=", marks=LIVE),
        pytest.param("drop", {"batch_size": 300, "flags": 2}, "batch_size is at most 256, not 300", marks=LIVE),
        ("drop", {"cpu": 0}, "cpu= is for raw tracepoints"),
        ("on_raw", {"ctx_in": [1, 2], "repeat": 2}, "repeat= is for those that see packets"),
        ("add", {"ctx_in": {"a": 1}, "repeat": 2}, "repeat= is for those that see packets"),
        ("add", {"ctx_in": {"a": 1}, "data_in": b"x"}, "are run without a packet"),
        ("on_raw", {}, "the program reads arguments"),
        ("on_raw", {"ctx_in": bytes(8)}, "the program reads more than the 8 bytes of ctx_in"),
        ("on_raw", {"ctx_in": [1] * 13}, "ctx_in has 104 bytes: this kernel takes 96"),
        ("add", {}, r"the program reads its argument: ctx_in= gives it, or a call"),
        ("add", {"ctx_in": bytes(4)}, "the program reads more than the 4 bytes of ctx_in"),
        ("untyped", {"ctx_in": bytes(70_000)}, "ctx_in has 70000 bytes: this kernel takes 65535"),
        ("mark", {"data_in": PACKET, "ctx_in": {"ifindex": 0x7FFFFFF0}}, "no interface of the number in ctx_in"),
        ("drop", {"ctx_in": {"ingress_ifindex": 0x7FFFFFF0}}, "no interface of the number in ctx_in"),
    ],
)
def test_an_argument_that_does_not_suit_is_explained(runs, name, arguments, why):
    packet = {"data_in": PACKET} if name == "drop" else {}
    with pytest.raises(bpf.LibbpfError, match=why):
        runs[name].test_run(**packet, **arguments)


@pytest.mark.needs("program:NETFILTER")
def test_a_netfilter_program_without_a_packet_is_explained(load):
    filters = load("netfilter", RETURN_2.replace(b"\x02", b"\x01", 1), expected_attach_type=bpf.AttachType.NETFILTER)
    with pytest.raises(bpf.LibbpfError, match="it is run on a packet"):
        filters.test_run()


def test_what_the_kernel_runs_of_tracing_is_said(one_program):
    _, program = one_program("attach_iter", "tasks")
    with pytest.raises(bpf.LibbpfError, match=r"fentry, fexit and fmod_ret only, .* SEC\(\"raw_tp/…\"\)"):
        program.test_run()


@pytest.mark.needs("tp_btf")
def test_a_program_of_tracing_is_said_to_be_given_no_context(one_program):
    _, program = one_program("kinds", "of_tp_btf")
    why = r"fentry, fexit and fmod_ret is run without one, .* tp_btf are not run, .* SEC\(\"raw_tp/…\"\) take"
    with pytest.raises(TypeError, match=why):
        program.test_run(ctx_in=[1, 2])


@pytest.mark.needs("struct_ops_link")
def test_which_tables_of_functions_the_kernel_runs_is_said(loaded):
    with pytest.raises(bpf.NotSupportedError, match=r"of tables of functions .* bpf_dummy_ops alone"):
        loaded("attach_struct_ops").programs["both_ssthresh"].test_run(ctx_in=[1])
