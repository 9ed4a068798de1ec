"""Which of the verifier's words are known, those of old kernels too."""

from __future__ import annotations

import pytest

from libbpf_cffi import _check, _privileges
from libbpf_cffi._verifier_hints import HINTS, verifier_hint

LACKS = "this process lacks CAP_PERFMON"
OLD = {
    "cannot call GPL only function from proprietary program": "LICENSE",
    "R0 invalid mem access 'ringbuf_mem_or_null'": "may be NULL",
    "R1 invalid mem access 'ptr_or_null_'": "may be NULL",
    "R1 invalid mem access 'trusted_ptr_or_null_'": "may be NULL",
    "R1 type=map_value_or_null expected=fp, pkt, pkt_meta, map_key, map_value": "may be NULL",
    "R1 invalid mem access 'inv'": "BPF_CORE_READ()",
    "invalid func unknown#174": "the helper bpf_get_attach_cookie()",
    "invalid func unknown#195896080": "bpf_core_field_exists()",
    "unknown func bpf_get_attach_cookie#174": "may not call that helper",
    "unknown func bpf_copy_from_user#148": "for sleepable programs",
    "back-edge from insn 7 to 2": "a loop ends",
    "The sequence of 8193 jumps is too complex.": "too many ways",
    "R2 unbounded memory access, make sure to bounds check any such access": "bound it",
    "R2 min value is negative, either use unsigned or 'var &= const'": "bound it",
    "invalid stack type R1 off=-16 access_size=600": "512 bytes",
    "invalid indirect read from stack off -16+4 size 16": "512 bytes",
    "invalid read from stack R10 off=-8 size=8": "512 bytes",
    "reading from stack R2 off -4+0 size 4, slot poisoned by dead code elimination": "bloom filter",
    "R1 !read_ok": "no value on this path",
    "R1 type=inv expected=fp, pkt, pkt_meta, map_value": "wants a pointer there",
    "R1 type=map_value expected=map_ptr": 'must stand in SEC(".maps")',
    "dereference of modified ctx ptr R1 off=8 disallowed": "the context",
    "kfunc 'bpf_no_such' is referenced but wasn't resolved": "kfunc",
    "R1 variable stack access prohibited for !root, var_off=(0x0; 0x7)": LACKS,
    "R3 partial copy of pointer": LACKS,
    "'struct sock' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN": LACKS,
}

MORE_WITHOUT_PERFMON = (
    "invalid read from stack off -16+0 size 8",
    "invalid read from stack R3 off -16+0 size 8",
    "invalid indirect read from stack R2 off -16+4 size 16",
    "invalid indirect read from stack R2 var_off (0x0; 0x7)+1 size 16",
    "invalid read from stack R1 off=-32 size=8",
    "invalid variable-offset read from stack R1 var_off=(0x0; 0x7) off=-512 size=8",
    "unknown func bpf_redirect#23",
    "program of this type cannot use helper bpf_get_current_comm#16",
)
"""What may be said for want of CAP_PERFMON, and without it."""

ALL_THE_SAME = (
    "invalid read from stack R10 off=-513 size=8",
    "invalid read from stack R10 off=0 size=8",
    "invalid func unknown#174",
    "R1 !read_ok",
)
"""What is said for want of something else."""


@pytest.fixture(autouse=True)
def capabilities(monkeypatch):
    """Have all capabilities, but those that the test takes from the list that this is."""
    lacking = []
    monkeypatch.setattr(_privileges, "missing", lambda *names: [each for each in names if each in lacking])
    return lacking


@pytest.mark.parametrize("words", OLD)
def test_what_verifiers_have_said_is_known(words):
    hint = verifier_hint(f"0: R1=ctx() R10=fp0\n{words}\nprocessed 8 insns (limit 1000000)\n")
    assert OLD[words] in (hint or "")


@pytest.mark.parametrize(("words", "hint"), [(each, hint) for words, hint in HINTS for each in words])
def test_no_words_are_shadowed_by_those_before(words, hint):
    begins = hint.partition("{")[0]
    assert verifier_hint(f"R1 {words} 16\n").startswith(begins)


def test_a_line_of_the_source_is_nothing_that_the_verifier_says():
    assert verifier_hint("; /* infinite loop detected: R1 !read_ok */ @ x.c:3\n0: (95) exit\nsomething new\n") is None


def test_only_the_end_of_a_log_counts():
    assert verifier_hint("R1 !read_ok\n" + "1: (b7) r0 = 0\n" * 20 + "something new\n") is None


def test_the_report_of_new_kernels_is_not_looked_at():
    log = "1: (95) exit\nR1 !read_ok\n\nVerification failed: x\n\nReason: it might sleep in a non-sleepable one\n"
    assert "no value on this path" in verifier_hint(log)


def test_what_the_report_alone_says_of_sleeping_is_known():
    report = "Verification failed: x\n\n  |   ^-- error: sleepable helper bpf_copy_from_user#148 is not allowed in\n"
    assert "for sleepable programs" in verifier_hint(f"4: (85) call bpf_copy_from_user#148\n\n{report}")


def test_nothing_is_said_of_words_that_are_not_known():
    assert verifier_hint("") is None


@pytest.mark.parametrize("words", [*MORE_WITHOUT_PERFMON, *ALL_THE_SAME])
def test_with_perfmon_a_hint_does_not_speak_of_it(words):
    assert LACKS not in verifier_hint(words)


@pytest.mark.parametrize("words", MORE_WITHOUT_PERFMON)
def test_without_perfmon_a_hint_says_so_before_what_else_it_may_be(capabilities, words):
    usual = verifier_hint(words)
    capabilities.append("CAP_PERFMON")
    hint = verifier_hint(words)
    assert (hint.startswith(LACKS), hint.endswith(f"; or {usual}")) == (True, True)


@pytest.mark.parametrize("words", ALL_THE_SAME)
def test_without_perfmon_what_no_capability_allows_has_its_usual_hint(capabilities, words):
    usual = verifier_hint(words)
    capabilities.append("CAP_PERFMON")
    assert verifier_hint(words) == usual


@pytest.mark.parametrize("helper", ["trace_printk#6", "get_current_task_btf#158", "probe_read_kernel#113"])
@pytest.mark.parametrize("words", ["program of this type cannot use helper bpf_", "unknown func bpf_"])
def test_without_perfmon_nothing_else_is_said_of_a_helper_that_it_gives_to_all(capabilities, words, helper):
    capabilities.append("CAP_PERFMON")
    hint = verifier_hint(f"{words}{helper}")
    assert (hint.startswith(LACKS), "programs of this type" in hint) == (True, False)


@pytest.mark.parametrize("lacking", [True, False])
def test_a_locked_kernel_is_named_where_perfmon_is_not_what_keeps_a_helper_back(monkeypatch, capabilities, lacking):
    monkeypatch.setattr(_privileges, "lockdown", lambda: "confidentiality")
    capabilities += ["CAP_PERFMON"] * lacking
    log = "unknown func bpf_probe_read_kernel#113\n"
    error = _check.failure(22, "load it", user_log=log, messages=[], program="x")
    assert ("locked down" in error.hint, LACKS in error.hint) == (not lacking, lacking)
