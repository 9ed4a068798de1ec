"""Programs: what they are, what may be set before load and comes out in the kernel, their logs and instructions."""

from __future__ import annotations

import errno
import os
import struct

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

INSN = 8
"""Bytes of a struct bpf_insn."""


# What it is


def test_a_program_has_the_name_of_its_function(opened):
    assert opened("basic").programs["on_raw"].name == "on_raw"


def test_a_program_has_the_section_of_its_source(opened):
    assert opened("basic").programs["on_tracepoint"].section_name == "tracepoint/syscalls/sys_enter_getppid"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("of_tracepoint", bpf.ProgType.TRACEPOINT),
        ("of_raw_tracepoint", bpf.ProgType.RAW_TRACEPOINT),
        ("of_tp_btf", bpf.ProgType.TRACING),
        ("of_uprobe", bpf.ProgType.KPROBE),
        ("of_uretprobe", bpf.ProgType.KPROBE),
        ("of_iterator", bpf.ProgType.TRACING),
    ],
)
def test_the_type_follows_from_the_section(opened, name, kind):
    assert opened("kinds").programs[name].type is kind


@pytest.mark.parametrize(
    ("name", "kind"), [("of_tp_btf", bpf.AttachType.TRACE_RAW_TP), ("of_iterator", bpf.AttachType.TRACE_ITER)]
)
def test_the_expected_attach_type_follows_from_the_section(opened, name, kind):
    assert opened("kinds").programs[name].expected_attach_type is kind


def test_an_optional_section_is_not_loaded(opened):
    obj = opened("basic")
    assert {name: program.autoload for name, program in obj.programs.items()} == {
        "on_tracepoint": True, "on_raw": True, "optional": False, "pass": True,
    }  # fmt: skip


@pytest.mark.every_kernel
def test_an_optional_program_is_loaded_when_it_is_asked_for(opened, tracefs):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.load()
    assert obj.programs["optional"].info.name == "optional"
    assert "optional" in obj.attach()


def test_a_program_that_is_not_loaded_says_why(loaded):
    with pytest.raises(bpf.StateError, match="autoload is False"):
        _ = loaded("basic").programs["optional"].fd


def test_repr_has_name_and_section(opened):
    text = repr(opened("basic").programs["on_raw"])
    assert "on_raw" in text
    assert "raw_tp/sys_enter" in text


def test_programs_cannot_be_given_attributes(opened):
    with pytest.raises(AttributeError):
        opened("basic").programs["on_raw"].autolaod = False


# What is set before load


def test_autoload_false_keeps_a_program_out_of_the_kernel(opened):
    obj = opened("basic")
    obj.programs["on_raw"].autoload = False
    obj.load()
    with pytest.raises(bpf.StateError):
        _ = obj.programs["on_raw"].id
    assert obj.programs["on_tracepoint"].id > 0


def test_a_refused_program_that_is_not_loaded_does_not_matter(opened):
    obj = opened("refused")
    obj.programs["wild_read"].autoload = False
    obj.load()
    assert obj.programs["never_reached"].id > 0


def test_the_type_that_is_set_is_the_kernels(opened):
    obj = opened("basic")
    obj.programs["optional"].autoload = True
    obj.programs["optional"].type = bpf.ProgType.SOCKET_FILTER
    obj.load()
    assert obj.programs["optional"].info.type is bpf.ProgType.SOCKET_FILTER


def test_a_program_whose_type_was_changed_is_attached_by_no_rule(opened, tracefs):
    obj = opened("basic")
    obj.programs["on_raw"].type = bpf.ProgType.SOCKET_FILTER
    assert obj.programs["on_raw"].type is bpf.ProgType.SOCKET_FILTER
    obj.programs["on_raw"].autoload = True
    with pytest.raises(bpf.VerifierError):
        obj.load()


def test_the_expected_attach_type_that_is_set_reaches_the_kernel(opened):
    obj = opened("network")
    obj.programs["first"].expected_attach_type = bpf.AttachType.CGROUP_INET_INGRESS
    assert obj.programs["first"].expected_attach_type is bpf.AttachType.CGROUP_INET_INGRESS
    obj.programs["second"].expected_attach_type = bpf.AttachType.TRACE_ITER
    # The kernel refuses an attach type that cgroup_skb has not.
    with pytest.raises(bpf.LibbpfError, match="second"):
        obj.load()


def test_types_are_set_by_name_too(opened):
    obj = opened("basic")
    program, table = obj.programs["on_raw"], obj.maps["raw_hits"]
    program.type, program.expected_attach_type, table.type = "xdp", "xdp", "percpu_hash"
    assert (program.type, program.expected_attach_type) == (bpf.ProgType.XDP, bpf.AttachType.XDP)
    assert table.type is bpf.MapType.PERCPU_HASH
    for thing, name in ((program, "type"), (program, "expected_attach_type"), (table, "type")):
        with pytest.raises(ValueError, match=r"no .* type 'xpd'"):
            setattr(thing, name, "xpd")


@pytest.mark.needs("xdp_frags")
def test_the_flags_that_are_set_reach_the_kernel(opened):
    obj = opened("network")
    obj.programs["pass"].flags = bpf.ProgFlags.XDP_HAS_FRAGS
    assert obj.programs["pass"].flags is bpf.ProgFlags.XDP_HAS_FRAGS
    obj.load()
    other = opened("network")
    # A bit that no kernel knows is refused: it gets there.
    other.programs["pass"].flags = 1 << 31
    with pytest.raises(bpf.LibbpfError, match="pass") as caught:
        other.load()
    assert caught.value.errno == errno.EINVAL


@pytest.mark.every_kernel
def test_a_log_level_gives_the_log_of_an_accepted_program(opened):
    obj = opened("basic")
    obj.programs["on_raw"].log_level = 1
    obj.load()
    assert "processed" in obj.programs["on_raw"].log
    assert obj.programs["on_tracepoint"].log == ""


def test_a_higher_log_level_tells_more(opened):
    logs = []
    for level in (1, 2):
        obj = opened("basic")
        obj.programs["on_raw"].log_level = level
        obj.load()
        logs.append(obj.programs["on_raw"].log)
    assert len(logs[0]) < len(logs[1])
    assert "exit" in logs[1]


def test_each_program_has_its_own_log(opened):
    obj = opened("basic")
    obj.programs["on_raw"].log_level = 2
    obj.programs["pass"].log_level = 2
    obj.load()
    assert "bpf_raw_tracepoint_args" not in obj.programs["pass"].log
    assert obj.programs["pass"].log != obj.programs["on_raw"].log
    assert obj.programs["pass"].log.count("processed") == 1


def test_the_log_of_an_accepted_program_is_whole_at_several_megabytes(opened):
    obj = opened("long_log")
    obj.programs["bad_end"].autoload = False
    obj.programs["good_end"].autoload = True
    obj.programs["good_end"].log_level = 2
    obj.load()
    log = obj.programs["good_end"].log
    assert len(log) > 4 << 20
    # Each step begins with the number of its instruction; the count at the end is of all.
    steps = sum(line.partition(":")[0].isdigit() for line in log.splitlines() if ": (" in line)
    assert log.splitlines()[-1].startswith(f"processed {steps} insns")


@pytest.mark.parametrize("name", ["type", "expected_attach_type", "flags", "log_level"])
@pytest.mark.parametrize(
    ("value", "error"),
    [(-1, ValueError), (1 << 32, ValueError), (b"1", TypeError), (1.0, TypeError), (None, TypeError)],
)
def test_a_bad_value_is_refused_and_changes_nothing(opened, name, value, error):
    program = opened("basic").programs["on_raw"]
    before = getattr(program, name)
    with pytest.raises(error, match=name):
        setattr(program, name, value)
    assert getattr(program, name) == before


@pytest.mark.parametrize("name", ["flags", "log_level"])
def test_a_text_is_no_number(opened, name):
    with pytest.raises(TypeError, match=name):
        setattr(opened("basic").programs["on_raw"], name, "1")


@pytest.mark.parametrize("name", ["type", "expected_attach_type"])
def test_an_enumeration_of_a_newer_kernel_is_taken_and_named_so(opened, name):
    program = opened("basic").programs["on_raw"]
    setattr(program, name, 1000)
    assert getattr(program, name) == 1000
    assert getattr(program, name).name == "UNKNOWN_1000"


@pytest.mark.parametrize("name", ["name", "section_name", "insn_cnt", "fd", "id", "tag", "info", "log"])
def test_what_cannot_be_set_cannot_be_set(opened, name):
    with pytest.raises(AttributeError):
        setattr(opened("basic").programs["on_raw"], name, 1)


# Instructions


def test_insns_are_8_bytes_each(opened):
    program = opened("basic").programs["on_raw"]
    assert len(program.insns) == program.insn_cnt * INSN > 0


def test_the_last_instruction_is_exit(opened):
    # BPF_JMP | BPF_EXIT of linux/bpf_common.h and linux/bpf.h.
    assert opened("basic").programs["pass"].insns[-INSN] == 0x05 | 0x90


def test_prepare_puts_the_maps_descriptors_into_the_instructions(opened):
    obj = opened("basic")
    before = obj.programs["on_raw"].insns
    obj.prepare()
    after = obj.programs["on_raw"].insns
    assert before != after
    loads = [struct.unpack_from("=BBhi", after, at) for at in range(0, len(after), INSN)]
    # BPF_LD | BPF_IMM | BPF_DW with BPF_PSEUDO_MAP_FD as source register.
    descriptors = {imm for code, registers, _, imm in loads if code == 0x18 and registers >> 4 == 1}
    assert descriptors == {obj.maps["raw_hits"].fd}


def test_insns_are_a_copy(opened):
    obj = opened("basic")
    insns = obj.programs["on_raw"].insns
    obj.close()
    assert len(insns) % INSN == 0
    assert isinstance(insns, bytes)


@pytest.mark.every_kernel
@pytest.mark.needs("verified_insns")
def test_the_kernel_verified_at_least_as_many_instructions_as_there_are(loaded):
    program = loaded("basic").programs["pass"]
    assert program.info.verified_insns >= program.insn_cnt


def test_instructions_can_be_read_after_load(loaded):
    program = loaded("basic").programs["on_raw"]
    assert len(program.insns) == program.insn_cnt * INSN > 0


# Once loaded


def test_fd_is_the_programs_descriptor(loaded):
    program = loaded("basic").programs["on_raw"]
    assert os.readlink(f"/proc/self/fd/{program.fd}") == "anon_inode:bpf-prog"


def test_the_id_leads_to_the_program_in_the_kernel(loaded, exists):
    assert exists(loaded("basic").programs["on_raw"].id)


def test_equal_programs_have_equal_tags(loaded):
    tags = [loaded("network").programs["pass"].tag for _ in range(2)]
    assert tags[0] == tags[1]
    assert len(bytes.fromhex(tags[0])) == 8


def test_different_programs_have_different_tags(loaded):
    obj = loaded("basic")
    assert obj.programs["on_raw"].tag != obj.programs["pass"].tag


@pytest.mark.every_kernel
def test_info_is_what_the_kernel_says(loaded):
    obj = loaded("basic")
    info = obj.programs["on_tracepoint"].info
    assert info.type is bpf.ProgType.TRACEPOINT
    assert info.name == "on_tracepoint"
    assert info.gpl_compatible
    assert info.created_by_uid == os.getuid()
    assert info.btf_id > 0
    assert info.load_time > 0
    assert info.xlated_prog_len > 0
    assert info.id == obj.programs["on_tracepoint"].id


def test_info_names_the_programs_maps(loaded):
    obj = loaded("basic")
    expected = {obj.maps[name].id for name in ("tracepoint_hits", ".bss", ".rodata")}
    assert set(obj.programs["on_tracepoint"].info.map_ids) == expected


def test_info_of_a_program_without_maps_names_none(loaded):
    assert loaded("half_attachable").programs["comes_first"].info.map_ids == ()


@pytest.mark.every_kernel
def test_info_counts_runs_when_the_kernel_is_asked_to(loaded, tracefs):
    obj = loaded("basic")
    program = obj.programs["on_tracepoint"]
    statistics = lib.bpf_enable_stats(lib.BPF_STATS_RUN_TIME)
    assert statistics >= 0
    try:
        with program.attach():
            before = program.info.run_cnt
            os.getppid()
            os.getppid()
            assert program.info.run_cnt >= before + 2
    finally:
        os.close(statistics)


def test_infos_are_immutable(loaded):
    with pytest.raises(AttributeError):
        loaded("basic").programs["on_raw"].info.id = 1


# Attach


@pytest.mark.every_kernel
def test_attach_returns_a_link_of_the_program(loaded):
    program = loaded("basic").programs["on_raw"]
    assert program.attach().info.prog_id == program.id


@pytest.mark.needs("raw_tracepoint_twice")
def test_a_program_can_be_attached_twice_where_the_kernel_lets_it(loaded, counted, x86):
    obj = loaded("basic")
    with obj.programs["on_raw"].attach(), obj.programs["on_raw"].attach():
        assert counted(obj.maps["raw_hits"], 4) == 8


def test_a_program_attached_twice_to_one_tracepoint_is_the_kernels_error(loaded, counted):
    obj = loaded("basic")
    with obj.programs["on_tracepoint"].attach():
        with pytest.raises(bpf.LibbpfError, match="on_tracepoint") as caught:
            obj.programs["on_tracepoint"].attach()
        assert caught.value.errno == errno.EEXIST
        assert counted(obj.maps["tracepoint_hits"]) == 3


def test_a_program_is_attached_again_after_it_was_detached(loaded, counted):
    obj = loaded("basic")
    for _ in range(3):
        with obj.programs["on_tracepoint"].attach():
            assert counted(obj.maps["tracepoint_hits"]) == 3
        assert counted(obj.maps["tracepoint_hits"]) == 0


def test_two_objects_of_one_file_count_apart(loaded, counted):
    first, second = loaded("basic"), loaded("basic")
    with first.programs["on_tracepoint"].attach():
        assert counted(second.maps["tracepoint_hits"]) == 0
        assert counted(first.maps["tracepoint_hits"]) == 3
