"""Each bpf(2) call of a job fails once, with each errno that it can have: what becomes of the job.

The failure is made where libbpf makes its call (csrc/syscalls.c), so that libbpf and the package see it as the
kernel's own. What must hold is the same for all: nothing but an exception of the package, which names the step; nothing
leaked, which the check of every test sees; and the same job done again succeeds.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import lib

ERRORS = (errno.EPERM, errno.ENOMEM, errno.EINVAL, errno.EMFILE, errno.EAGAIN, errno.E2BIG, errno.ENOSPC, errno.EINTR)
"""What bpf(2) fails with for reasons that a caller may meet at any step."""


@contextmanager
def failing(count, error):
    """Let the bpf(2) call number `count` from here fail."""
    assert lib.lbc_syscalls_fail(-1, count, error) == 0
    try:
        yield
    finally:
        lib.lbc_syscalls_fail(-1, 0, 0)


def open_load_attach_read(path):
    with bpf.Object.open(path) as obj:
        obj.load()
        obj.attach()
        os.getppid()
        hits = obj.maps["raw_hits"]
        assert hits[os.getpid()] >= 1
        assert dict(hits.items())[os.getpid()] >= 1
        assert hits.to_dict()[os.getpid()] >= 1
        assert obj.variables["total"] >= 0
        info = obj.programs["on_raw"].info
        assert info.id
        with obj.maps["events"].ring_buffer() as events:
            assert events.consume() == []


def own_map(_):
    with bpf.Map.create("hash", key="u32", value={"count": "u64", "name": "char[8]"}, max_entries=8) as made:
        made[1] = (2, "two")
        made.update_many({2: (3, "three"), 3: (4, "four")})
        assert made[1].count == 2
        assert len(made) == 3
        assert sorted(made) == [1, 2, 3]
        del made[1]
        assert made.pop(2).name == "three"
        made.clear()
        with bpf.Map.from_id(made.id) as again:
            assert len(again) == 0


JOBS = {"open, load, attach and read": (open_load_attach_read, "basic"), "a map of one's own": (own_map, None)}


def run(job, path, count, error):
    """Do a job with one call failing; tell whether the failure came to be, and what the job raised."""
    caught = None
    with failing(count, error):
        try:
            job(path)
        except (bpf.Error, KeyError) as exception:
            caught = exception
        happened = bool(lib.lbc_syscalls_failed())
    return happened, caught


@pytest.mark.slow_emulated
@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", JOBS)
def test_a_job_of_which_any_call_fails_raises_and_can_be_done_again(root, tracefs, compiled, name, error):
    job, source = JOBS[name]
    path = None if source is None else compiled(source)
    job(path)
    count, raised = 1, 0
    while True:
        happened, caught = run(job, path, count, error)
        if not happened:
            assert caught is None
            break
        if caught is not None:
            raised += 1
            assert isinstance(caught, bpf.Error), f"call {count}: {caught!r}"
            assert str(caught).startswith(("cannot ", "the verifier")), f"call {count}: {caught}"
        # What libbpf has taken for a lack of the kernel is asked for again.
        job(path)
        count += 1
    assert count > 5
    assert raised > 0
