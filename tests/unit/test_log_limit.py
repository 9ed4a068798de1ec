"""What a thread keeps of libbpf's messages until somebody takes them (csrc/log.c)."""

from __future__ import annotations

import pytest

from libbpf_cffi import _log, ffi, lib

#: csrc/log.c keeps 64 MiB, and beyond that the largest message.
LIMIT = 64 << 20


def complain(name: bytes) -> None:
    """Make libbpf say one line that contains `name`."""
    assert not lib.bpf_object__open_file(b"/nonexistent/" + name, ffi.NULL)


@pytest.fixture(autouse=True)
def _nothing_pending(caplog):
    # pytest would keep, and after a failure print, messages of many megabytes.
    caplog.set_level("CRITICAL", logger="libbpf_cffi.libbpf")
    _log.take()
    yield
    _log.take()


def test_a_message_beyond_the_limit_survives_the_lines_after_it():
    """A verifier's log can be of any size, and libbpf says two more lines after it."""
    complain(b"long" * (LIMIT // 4 + 1))
    complain(b"after")
    complain(b"that")

    sizes = [len(text) for _, text in _log.take()]

    assert len(sizes) == 3
    assert sizes[0] > LIMIT


def test_what_piles_up_beyond_the_limit_is_dropped_and_counted():
    """Calls through `lib` are followed by no take: the oldest messages go, all but the largest one's worth."""
    for _ in range(6):
        complain(b"x" * (LIMIT // 4))

    (_, first), *rest = _log.take()

    assert first == "2 earlier message(s) of libbpf were dropped"
    assert len(rest) == 4


def test_after_a_take_the_largest_message_no_longer_counts():
    """What was taken leaves no room to the messages that come later."""
    complain(b"x" * LIMIT)
    _log.take()

    for _ in range(6):
        complain(b"x" * (LIMIT // 4))

    assert len(_log.take()) == 5
