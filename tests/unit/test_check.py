"""Return codes made into exceptions: which one, and what of libbpf's words goes where."""

from __future__ import annotations

import errno

import pytest

from libbpf_cffi import (
    LibbpfError,
    LibbpfPermissionError,
    NotSupportedError,
    VerifierError,
    _check,
    _privileges,
    ffi,
    lib,
)
from libbpf_cffi._check import check, failure, load_logs, not_null, strerror
from libbpf_cffi._program_open import traced_hint

WARN = lib.LIBBPF_WARN
DEBUG = lib.LIBBPF_DEBUG


def load_log(program: str, log: str) -> str:
    """Give a message as libbpf's bpf_object_load_prog() words it, less the newline that is taken off."""
    return f"prog '{program}': -- BEGIN PROG LOAD LOG --\n{log}-- END PROG LOAD LOG --"


@pytest.fixture
def says(monkeypatch):
    """Let libbpf have said something during the call."""

    def said(*messages):
        monkeypatch.setattr(_check._log, "take", lambda: list(messages))

    return said


@pytest.mark.parametrize("result", [0, 1, 1 << 30])
def test_what_is_not_negative_is_returned(result):
    assert check(result, "do it") == result


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errno.EINVAL, LibbpfError),
        (errno.ENOENT, LibbpfError),
        (errno.E2BIG, LibbpfError),
        (errno.EMFILE, LibbpfError),
        (errno.EPERM, LibbpfPermissionError),
        (errno.EACCES, LibbpfPermissionError),
        (errno.EOPNOTSUPP, NotSupportedError),
        (errno.ENOSYS, NotSupportedError),
        (524, NotSupportedError),
        (lib.LIBBPF_ERRNO__FORMAT, LibbpfError),
    ],
)
def test_the_errno_decides_the_kind(says, error, kind):
    says()
    with pytest.raises(LibbpfError) as caught:
        check(-error, "do it to 'x'")
    assert type(caught.value) is kind
    assert caught.value.errno == error
    assert caught.value.action == "do it to 'x'"
    assert caught.value.strerror == strerror(error)


CODES = [name for name in dir(lib) if name.startswith("LIBBPF_ERRNO__") and not name.endswith(("START", "END"))]


@pytest.mark.parametrize("code", [getattr(lib, name) for name in CODES], ids=CODES)
def test_libbpfs_own_codes_have_libbpfs_own_words(code):
    assert code >= 4000
    assert not strerror(code).startswith("Unknown")


@pytest.mark.parametrize("error", [0, 1, 133, 524, 3999, 5000, 1 << 30])
def test_any_number_has_words(error):
    assert strerror(error)


def test_what_cannot_be_a_pointer_is_an_error_of_its_errno():
    ffi.errno = errno.ENOENT
    with pytest.raises(LibbpfError) as caught:
        not_null(ffi.NULL, "open it")
    assert caught.value.errno == errno.ENOENT


def test_a_wild_pointer_says_nothing_of_errno():
    ffi.errno = errno.ENOENT
    with pytest.raises(LibbpfError) as caught:
        not_null(ffi.cast("void *", 0xFFFFFFFFFF000004), "open it")
    assert caught.value.errno == errno.EINVAL


def test_a_null_without_an_errno_is_einval():
    ffi.errno = 0
    with pytest.raises(LibbpfError) as caught:
        not_null(ffi.NULL, "open it")
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("error", [errno.EACCES, errno.EPERM, errno.EINVAL, errno.E2BIG, errno.EFAULT])
def test_a_log_makes_a_refusal_of_any_errno(says, error):
    says((WARN, "prog 'p': BPF program load failed"), (WARN, load_log("p", "0: (95) exit\nR0 !read_ok\n")))
    refused = failure(error, "load it")
    assert type(refused) is VerifierError
    assert refused.program == "p"
    assert refused.log == "0: (95) exit\nR0 !read_ok\n"


@pytest.fixture
def files(monkeypatch):
    """Let files of /proc and /sys have another content, or be missing."""

    def have(**content):
        by_name = {"lockdown": "/sys/kernel/security/lockdown", "cmdline": "/proc/cmdline"}
        found = {by_name[name]: text for name, text in content.items()}
        monkeypatch.setattr(_privileges, "_read", lambda path: found.get(path, ""))

    return have


@pytest.mark.parametrize(
    ("content", "level"),
    [
        ({}, ""),
        ({"lockdown": "[none] integrity confidentiality\n"}, ""),
        ({"lockdown": "none [integrity] confidentiality\n", "cmdline": "lockdown=confidentiality"}, "integrity"),
        ({"cmdline": "root=/dev/sda lockdown=integrity lockdown=confidentiality quiet\n"}, "confidentiality"),
        ({"cmdline": "root=/dev/sda\n"}, ""),
    ],
)
def test_the_kernel_says_how_far_it_is_locked_down(files, content, level):
    files(**content)
    assert _privileges.lockdown() == level


@pytest.mark.parametrize("words", ["program of this type cannot use helper", "unknown func"])
def test_a_helper_that_a_locked_down_kernel_takes_away_is_said_to_be(says, files, words):
    files(lockdown="none integrity [confidentiality]")
    says((WARN, load_log("p", f"5: (85) call bpf_probe_read_kernel#113\n{words} bpf_probe_read_kernel#113\n")))
    assert "lockdown=confidentiality" in (failure(errno.EINVAL, "load it").hint or "")


def test_a_helper_that_is_not_there_for_another_reason_is_no_matter_of_lockdown(says, files):
    files(lockdown="none [integrity] confidentiality")
    says((WARN, load_log("p", "5: (85) call bpf_msg_redirect_map#60\nunknown func bpf_msg_redirect_map#60\n")))
    assert failure(errno.EINVAL, "load it").hint.startswith("programs of this type may not call")
    files(lockdown="[none] integrity confidentiality")
    says((WARN, load_log("p", "5: (85) call bpf_probe_write_user#36\nunknown func bpf_probe_write_user#36\n")))
    assert failure(errno.EINVAL, "load it").hint.startswith("programs of this type may not call")


def test_the_last_log_is_the_refusals(says):
    says((DEBUG, load_log("first", "0: exit\n")), (WARN, load_log("second", "R1 invalid\n")))
    assert failure(errno.EACCES, "load it").program == "second"


def test_a_log_that_says_nothing_is_no_refusal(says):
    says((WARN, load_log("p", "processed 0 insns (limit 1000000) max_states_per_insn 0\n\n")))
    assert type(failure(errno.EPERM, "load it")) is LibbpfPermissionError


def test_debug_messages_are_not_in_the_exception(says):
    says((DEBUG, "noise"), (WARN, "prog 'p': failed"), (lib.LIBBPF_INFO, "info"))
    assert failure(errno.EINVAL, "load it").messages == ("prog 'p': failed", "info")


def test_a_log_that_went_to_the_users_buffer_is_the_refusals(says):
    says((WARN, "prog 'p': BPF program load failed: -EACCES"))
    refused = failure(errno.EACCES, "load it", user_log="R1 invalid\n")
    assert (refused.program, refused.log) == ("p", "R1 invalid\n")


def test_a_users_buffer_is_no_refusal_when_no_program_was_refused(says):
    says((WARN, "map 'm': failed to create: -EINVAL"))
    assert type(failure(errno.EINVAL, "load it", user_log="magic: 0xeb9f")) is LibbpfError


@pytest.mark.parametrize("name", ["p", "it's", "a b", "", "x': -- y"])
def test_the_name_in_a_log_is_taken_whole(name):
    assert load_logs([(WARN, load_log(name, "said\n"))]) == [(name, "said\n")]


@pytest.mark.parametrize(
    "text", ["", "prog 'p': failed", "-- BEGIN PROG LOAD LOG --", "BTF: -- BEGIN PROG LOAD LOG --\nx"]
)
def test_other_messages_are_no_logs(text):
    assert load_logs([(WARN, text)]) == []


def test_a_hint_may_depend_on_the_errno(says):
    says()
    assert failure(errno.ENOENT, "do it", lambda error: f"number {error}").hint == f"number {errno.ENOENT}"


def test_a_hint_that_the_caller_gives_comes_first(says):
    says()
    assert failure(errno.EMFILE, "do it", "this").hint == "this"
    assert "ulimit" in failure(errno.EMFILE, "do it").hint


def test_a_name_that_btf_has_not_is_no_want_of_btf(says):
    says((WARN, "prog 'a': failed to find kernel BTF type ID of 'b': -ESRCH"))
    assert failure(errno.ESRCH, "load").hint is None


@pytest.mark.parametrize(
    "text",
    ["kernel BTF is missing at '/sys', was CONFIG_DEBUG_INFO_BTF enabled?", "Error loading vmlinux BTF: -ESRCH"],
)
def test_a_kernel_without_btf_is_said_to_be(says, text):
    says((WARN, text))
    assert "CONFIG_DEBUG_INFO_BTF" in (failure(errno.ESRCH, "load").hint or "")


def test_the_kernels_own_not_supported_has_a_text():
    assert "not supported (ENOTSUPP)" in str(_check.failure(524, "do it"))


@pytest.mark.parametrize(
    "section", ["fentry/x", "fexit.s/x", "fmod_ret/x", "lsm/x", "lsm.s/x", "lsm_cgroup/x", "freplace/x"]
)
def test_a_kind_that_the_kernel_refuses_to_everybody_is_said_to_be(monkeypatch, section):
    monkeypatch.setattr(_privileges, "missing", lambda *names: [])
    monkeypatch.setattr(_privileges, "obstacles", list)
    assert "refuse fentry" in traced_hint(errno.EPERM, section)
    assert traced_hint(errno.EINVAL, section) is None
    monkeypatch.setattr(_privileges, "missing", lambda *names: ["CAP_BPF"])
    assert traced_hint(errno.EPERM, section) is None


def test_a_kind_that_the_kernel_refuses_to_nobody_has_no_such_hint(monkeypatch):
    monkeypatch.setattr(_privileges, "missing", lambda *names: [])
    assert traced_hint(errno.EPERM, "xdp") is None


ULIMIT = "permission error while running as root; try raising 'ulimit -l'? current value: 8.0 MiB"


@pytest.mark.parametrize("charges", [True, False])
def test_the_limit_of_locked_memory_is_told_of_where_it_counts(says, monkeypatch, charges):
    monkeypatch.setattr(_check, "_charges_cgroups", lambda: charges)
    says((WARN, ULIMIT), (WARN, "prog 'f': failed to load: -EPERM"))
    said = failure(errno.EPERM, "load").messages
    assert said == (("prog 'f': failed to load: -EPERM",) if charges else (ULIMIT, "prog 'f': failed to load: -EPERM"))
