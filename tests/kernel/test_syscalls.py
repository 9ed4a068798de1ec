"""bpf(2) calls as libbpf makes them: recorded with what they were given, and failing one by one."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
import tracemalloc

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import BpfCmd, MapFlags, MapType, ProgType, ffi, lib, record_syscalls


@pytest.fixture
def array(root):
    with bpf.Map.create("array", key="u32", value="u64", max_entries=2, name="recorded") as made:
        yield made


def only(calls, command):
    """The calls of one command."""
    return [call for call in calls if call.command is command]


# What is recorded


@pytest.mark.every_kernel
def test_a_map_is_shown_with_what_it_was_created_with(root):
    with record_syscalls() as calls:
        bpf.Map.create("hash", key=3, value=5, max_entries=7, name="shown", map_flags=MapFlags.NO_PREALLOC).close()
    (call,) = only(calls, BpfCmd.MAP_CREATE)
    shown = {name: value for name, value in call.attributes.items() if value}
    assert shown == {
        "map_type": MapType.HASH,
        "key_size": 3,
        "value_size": 5,
        "max_entries": 7,
        "map_flags": MapFlags.NO_PREALLOC,
        "map_name": "shown",
    }


def test_a_program_is_shown_with_its_instructions_and_licence(opened):
    obj = opened("basic")
    with record_syscalls() as calls:
        obj.load()
    loads = {call.attributes["prog_name"]: call.attributes for call in only(calls, BpfCmd.PROG_LOAD)}
    program = obj.programs["on_tracepoint"]
    assert loads["on_tracepoint"]["insns"] == program.insns
    assert loads["on_tracepoint"]["insn_cnt"] == program.insn_cnt
    assert loads["on_tracepoint"]["license"] == "GPL"
    assert loads["on_tracepoint"]["prog_type"] is ProgType.TRACEPOINT


def test_the_result_is_what_the_call_returned(root):
    with record_syscalls() as calls, bpf.Map.create("array", key=4, value=4, max_entries=1) as made:
        fd = made.fd
    (call,) = only(calls, BpfCmd.MAP_CREATE)
    assert (call.result, call.errno) == (fd, 0)


def test_a_failure_is_shown_with_its_errno(root):
    with record_syscalls() as calls, pytest.raises(bpf.LibbpfError):
        bpf.Map.from_id(2**32 - 1)
    (call,) = only(calls, BpfCmd.MAP_GET_FD_BY_ID)
    assert (call.result, call.errno) == (-1, errno.ENOENT)
    assert str(call).endswith("= -1 ENOENT (No such file or directory)")


def test_what_the_kernel_wrote_is_told_from_what_it_was_given(array):
    with record_syscalls() as calls:
        for each in bpf.Map.find_all("recorded"):
            each.close()
    first = only(calls, BpfCmd.MAP_GET_NEXT_ID)[0]
    assert first.attributes["next_id"] == 0
    assert first.changed["next_id"] > 0


def test_a_path_is_text(array, pins):
    with record_syscalls() as calls:
        array.pin(pins / "recorded")
        array.unpin(pins / "recorded")
    (call,) = only(calls, BpfCmd.OBJ_PIN)
    assert call.attributes["pathname"] == str(pins / "recorded")


def test_the_name_of_a_raw_tracepoint_is_text(loaded):
    program = loaded("basic").programs["on_raw"]
    with record_syscalls() as calls:
        program.attach().close()
    (call,) = only(calls, BpfCmd.RAW_TRACEPOINT_OPEN)
    assert call.attributes == {"name": "sys_enter", "prog_fd": program.fd} | {
        name: 0 for name in call.attributes if name not in ("name", "prog_fd")
    }


@pytest.mark.every_kernel
def test_the_listing_has_every_attribute_and_instruction(opened):
    obj = opened("basic")
    with record_syscalls() as calls:
        obj.load()
    call = next(each for each in calls if each.attributes.get("prog_name") == "on_raw")
    lines = call.listing().splitlines()
    assert sum(line.strip().startswith("code=") for line in lines) == call.attributes["insn_cnt"]
    assert all(any(line.strip().startswith(f"{name}=") for line in lines) for name in call.attributes)


def test_calls_are_timed_by_the_clock_of_the_process(root):
    before = time.monotonic()
    with record_syscalls() as calls:
        bpf.Map.create("array", key=4, value=4, max_entries=1).close()
    assert before <= calls[0].started <= calls[0].ended <= time.monotonic()


def test_calls_of_other_threads_are_recorded_as_theirs(root):
    seen = []

    def work():
        seen.append(threading.get_native_id())
        bpf.Map.create("array", key=4, value=4, max_entries=1, name="theirs").close()

    thread = threading.Thread(target=work)
    with record_syscalls() as calls:
        thread.start()
        thread.join()
    assert {call.thread for call in only(calls, BpfCmd.MAP_CREATE)} == set(seen)


def test_many_threads_lose_no_call(array):
    each = 2000

    def work():
        for _ in range(each):
            array.lookup_elem(0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with record_syscalls() as calls:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(only(calls, BpfCmd.MAP_LOOKUP_ELEM)) + calls.dropped == 4 * each
    assert calls.dropped == 0


# When


def test_nothing_is_recorded_unasked(array):
    with record_syscalls() as calls:
        pass
    array.lookup_elem(0)
    assert len(calls) == 0
    dropped = ffi.new("unsigned int *")
    assert lib.lbc_syscalls_take(dropped) == ffi.NULL


def test_what_was_recorded_can_be_read_while_it_goes_on(array):
    with record_syscalls() as calls:
        array.lookup_elem(0)
        assert len(only(calls, BpfCmd.MAP_LOOKUP_ELEM)) == 1
        array.lookup_elem(1)
    assert len(only(calls, BpfCmd.MAP_LOOKUP_ELEM)) == 2


def test_one_recording_in_another_has_its_own_part(array):
    with record_syscalls() as outer:
        array.lookup_elem(0)
        with record_syscalls() as inner:
            array.lookup_elem(1)
        array.lookup_elem(0)
    assert (len(outer), len(inner)) == (3, 1)


def test_a_recording_goes_on_after_an_exception(array):
    calls = record_syscalls()
    with pytest.raises(KeyError, match="mine"), calls:
        raise KeyError("mine")
    with calls:
        array.lookup_elem(0)
    assert len(calls) == 1


def test_a_recording_is_not_begun_twice(root):
    with record_syscalls() as calls, pytest.raises(ValueError, match="records already"):
        calls.__enter__()


def test_more_than_the_limit_is_counted_and_dropped(array):
    with record_syscalls(limit=8192) as calls:
        for _ in range(100):
            array.lookup_elem(0)
    assert 0 < len(calls) < 100
    assert len(calls) + calls.dropped == 100


def test_what_has_been_looked_at_is_within_the_limit_too(array):
    with record_syscalls(limit=8192) as calls:
        for _ in range(100):
            array.lookup_elem(0)
            len(calls)
    assert 0 < len(calls) < 10
    assert len(calls) + calls.dropped == 100


def test_taking_calls_makes_room_for_others(array):
    taken = []
    with record_syscalls(limit=8192) as calls:
        for _ in range(100):
            array.lookup_elem(0)
            taken += calls.take()
    assert (len(taken), len(calls), calls.dropped) == (100, 0, 0)
    assert {call.attributes["map_fd"] for call in taken} == {array.fd}


def test_a_kept_call_takes_no_more_memory_than_it_is_counted_for(array):
    tracemalloc.start()
    try:
        with record_syscalls() as calls:
            for _ in range(2000):
                array.lookup_elem(0)
            before = tracemalloc.get_traced_memory()[0]
            assert len(calls) == 2000
            after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 2000 * 1024


def test_a_wrong_address_is_an_error_of_the_kernel_and_no_more(root):
    with record_syscalls() as calls:
        options = ffi.new("struct bpf_prog_load_opts *")
        options.sz = ffi.sizeof("struct bpf_prog_load_opts")
        wrong = ffi.cast("struct bpf_insn *", 4096)
        result = lib.bpf_prog_load(lib.BPF_PROG_TYPE_XDP, b"wrong", ffi.cast("char *", 8192), wrong, 1000, options)
        assert result == -errno.EFAULT
    call = only(calls, BpfCmd.PROG_LOAD)[-1]
    assert (call.attributes["insns"], call.attributes["license"], call.errno) == (b"", "", errno.EFAULT)


def test_a_forked_child_has_its_own_record(array):
    with record_syscalls() as calls:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                bpf.Map.create("array", key=4, value=4, max_entries=1).close()
                status = 0 if len(only(calls, BpfCmd.MAP_CREATE)) == 1 else 2
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert only(calls, BpfCmd.MAP_CREATE) == []


def test_a_signal_handler_may_look_at_the_calls_meanwhile(array):
    seen = []
    previous = signal.signal(signal.SIGALRM, lambda *_: seen.append(len(calls)))
    try:
        with record_syscalls() as calls:
            while len(seen) < 200:
                signal.setitimer(signal.ITIMER_REAL, 0.0001)
                for _ in range(50):
                    array.lookup_elem(0)
                    len(calls)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(calls) >= 50
