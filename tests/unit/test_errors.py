"""The exceptions: what they are, what they say, and that they survive pickling."""

from __future__ import annotations

import pickle

import pytest

from libbpf_cffi import (
    ClosedError,
    Error,
    LibbpfError,
    LibbpfPermissionError,
    NotSupportedError,
    StateError,
    VerifierError,
)

LOG = "".join(f"{number}: insn\n" for number in range(40)) + "R1 invalid\nprocessed 3 insns (limit 1000000)\n"


def refused(log: str = LOG) -> VerifierError:
    return VerifierError(13, "Permission denied", "load object 'x'", ["said"], "try this", program="prog", log=log)


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (LibbpfError, OSError),
        (VerifierError, OSError),
        (LibbpfPermissionError, PermissionError),
        (NotSupportedError, OSError),
        (StateError, RuntimeError),
        (ClosedError, ValueError),
    ],
)
def test_an_exception_is_also_a_builtin_one(kind: type[Exception], builtin: type[Exception]) -> None:
    """Each is an `Error`, and what Python calls such a thing."""
    assert issubclass(kind, Error)
    assert issubclass(kind, builtin)


def test_an_error_says_action_errno_messages_and_hint() -> None:
    """The text has a line each for what failed, what libbpf said and what to do."""
    error = LibbpfError(2, "No such file or directory", "attach program 'p'", ["one\ntwo"], "look there")
    assert str(error).splitlines() == [
        "cannot attach program 'p': No such file or directory (errno 2)",
        "  libbpf: one",
        "  libbpf: two",
        "  hint: look there",
    ]


def test_a_refusal_shows_the_last_lines_and_counts_the_rest() -> None:
    """Ten lines that say something, the closing statistics left out, and how many came before."""
    lines = str(refused()).splitlines()
    assert lines[0] == "cannot load object 'x': the verifier refused program 'prog': Permission denied (errno 13)"
    assert lines[1] == "  verifier: (31 line(s) of the verifier's log omitted: see .log)"
    assert lines[2] == "  verifier: 31: insn"
    assert lines[-2:] == ["  verifier: R1 invalid", "  hint: try this"]


def test_a_short_log_is_shown_whole() -> None:
    """Nothing is left out of ten lines."""
    assert refused("a\nb\n").summary() == "a\nb"


@pytest.mark.parametrize("lines", [0, -1])
def test_a_summary_of_no_lines_is_only_the_count(lines: int) -> None:
    """A number of lines that makes no sense shows none."""
    assert refused("a\nb\n").summary(lines) == "(2 line(s) of the verifier's log omitted: see .log)"


@pytest.mark.parametrize(
    "error",
    [refused(), LibbpfPermissionError(1, "Not permitted", "load", ["a"], "h"), NotSupportedError(95, "x", "y")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: LibbpfError) -> None:
    """Type, text and every attribute come back: errors cross processes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert (again.errno, again.strerror) == (error.errno, error.strerror)


REPORTED = """0: (85) call bpf_get_prandom_u32#7
R1 invalid mem access 'scalar'

Verification failed: Register Type Safety: Invalid dereference

Reason:
  R1 is an integer scalar here, not a pointer to memory.

At:
  prog @ prog.bpf.c:14:9

Causal path:
  prog @ prog.bpf.c:14:41

  prog @ prog.bpf.c:14:26

Suggestion:
  Preserve a pointer-valued register.

processed 3 insns (limit 1000000) max_states_per_insn 0
"""
"""As Linux 7.3 ends a log."""


def test_a_summary_keeps_the_last_lines_before_the_kernels_report() -> None:
    assert "R1 invalid mem access 'scalar'" in refused(REPORTED).summary()


@pytest.mark.parametrize(
    "line",
    [
        "Verification failed: Register Type Safety: Invalid dereference",
        "  R1 is an integer scalar here, not a pointer to memory.",
        "  Preserve a pointer-valued register.",
    ],
)
def test_a_summary_tells_what_the_kernels_report_gives_as_the_reason_and_suggests(line: str) -> None:
    assert line in refused(REPORTED).summary().splitlines()


def test_a_summary_counts_what_it_leaves_out_of_the_kernels_report() -> None:
    assert refused(REPORTED).summary().splitlines()[0] == "(5 line(s) of the verifier's log omitted: see .log)"


def test_a_summary_of_no_lines_has_nothing_of_the_kernels_report() -> None:
    assert len(refused(REPORTED).summary(0).splitlines()) == 1


@pytest.mark.parametrize(("hint", "end"), [(None, ""), ("a hint", "; hint: a hint")])
def test_the_repr_of_an_error_says_what_failed_and_what_to_do(hint: str | None, end: str) -> None:
    """Its arguments alone, as of any `OSError`, would not; `Object.skipped` is shown by it."""
    error = LibbpfError(22, "Invalid argument", "attach program 'drop'", ["libbpf: more"], hint)
    said = f"cannot attach program 'drop': Invalid argument (errno 22){end}"
    assert repr({"drop": error}) == f"{{'drop': <LibbpfError: {said}>}}"
