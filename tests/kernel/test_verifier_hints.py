"""What a refusal of the verifier says is to be done: of programs that are refused for the usual reasons."""

from __future__ import annotations

import shutil

import pytest

import libbpf_cffi as bpf

CALL, EXIT = 0x85, bpf.Insn(0x95)

HINTS = {
    "no_null_check": "that pointer may be NULL",
    "kernel_pointer": "bpf_probe_read_kernel() or BPF_CORE_READ()",
    "outside_of_the_value": "over the end of the value",
    "unbounded_index": "bound it just before",
    "negative_size": "bound it just before",
    "endless": "must see that a loop ends",
    "more_than_is_there": "the stack has 512 bytes",
    "outside_of_the_context": "the context of a program of this type",
    "outside_of_the_packet": "compare with data_end",
    "no_such_member": "bpf_core_field_exists()",
    "never_submitted": "bpf_ringbuf_discard()",
    "may_sleep": "for sleepable programs",
    "of_another_type": "programs of this type may not call that helper",
    "leaves_the_map_out": "a map that load has left out",
    "returns_five": "may return only",
    "number_for_a_pointer": "the helper wants a pointer there",
    "map_in_no_section": 'must stand in SEC(".maps")',
}


def refused(obj, name):
    """Load one program of an object; give the exception."""
    for program in obj.programs.values():
        program.autoload = program.name == name
    obj.maps["events"].autocreate = name != "leaves_the_map_out"
    with pytest.raises(bpf.VerifierError) as caught:
        obj.load()
    return caught.value


def test_all_programs_of_the_source_are_known(opened):
    assert set(opened("refusals").programs) == set(HINTS)


@pytest.mark.parametrize("name", HINTS)
def test_a_refusal_says_what_to_do(opened, name):
    error = refused(opened("refusals"), name)
    assert HINTS[name] in (error.hint or ""), error.log[-500:]
    assert str(error).endswith(f"hint: {error.hint}")


@pytest.mark.parametrize("name", ["no_such_member", "leaves_the_map_out"])
def test_a_refusal_that_went_to_a_buffer_says_it_too(opened, name):
    # libbpf rewrites only what it keeps itself.
    assert HINTS[name] in refused(opened("refusals", kernel_log_size=1 << 16), name).hint


@pytest.mark.parametrize(
    ("insns", "license", "hint"),
    [
        ([bpf.Insn(CALL, imm=6), EXIT], "Proprietary", 'char LICENSE[] SEC("license") = "GPL";'),
        ([bpf.Insn(CALL, imm=9999), EXIT], "GPL", "this kernel does not have the helper number 9999"),
        ([EXIT], "GPL", "that register has no value on this path"),
    ],
)
def test_a_refusal_of_instructions_says_what_to_do(root, insns, license, hint):
    with pytest.raises(bpf.VerifierError) as caught:
        bpf.KernelProgram.load("raw_tracepoint", insns, license=license)
    assert hint in caught.value.hint


# Without CAP_PERFMON

LACKS, MAY_NOT, STACK = "this process lacks CAP_PERFMON", "programs of this type may not", "the stack has 512 bytes"

PERFMON = {
    "difference": {LACKS},
    "comparison": {LACKS},
    "stored_pointer": {LACKS},
    "unset_stack": {LACKS, STACK},
    "unset_argument": {LACKS, STACK},
    "prints": {LACKS},
    "current_task": {LACKS},
    # Older kernels have it for other types alone, whatever the capabilities.
    "current_comm": {LACKS, MAY_NOT},
}
"""What the hints say of the programs of perfmon.bpf.c."""

ALLOWED = {"unset_stack": "unset_stack", "unset_argument": "unset_stack", "current_comm": "tc_comm"}
"""Which of them not all kernels allow to anybody."""

LOAD = """
import sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    for program in obj.programs.values():
        program.autoload = program.name == sys.argv[2]
    try:
        obj.load()
        print("loaded")
    except bpf.VerifierError as error:
        print(error.hint)
"""


def keeping(*capabilities):
    """Give the command that runs another with some capabilities alone."""
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux)")
    return ("setpriv", "--inh-caps=-all", f"--bounding-set=-all{''.join(f',+{each}' for each in capabilities)}")


def test_all_programs_that_want_perfmon_are_known(opened):
    assert set(opened("perfmon").programs) == set(PERFMON)


@pytest.mark.parametrize("name", PERFMON)
def test_a_refusal_for_want_of_perfmon_says_so(root, python, compiled, name):
    hint = python(LOAD, compiled("perfmon"), name, before=keeping("bpf", "net_admin"))
    assert {each for each in (LACKS, MAY_NOT, STACK) if each in hint} == PERFMON[name], hint


@pytest.mark.parametrize("name", PERFMON)
def test_with_perfmon_nothing_of_that_is_refused(root, python, compiled, requires, name):
    if name in ALLOWED:
        requires(ALLOWED[name])
    assert python(LOAD, compiled("perfmon"), name, before=keeping("bpf", "net_admin", "perfmon")) == "loaded\n"
