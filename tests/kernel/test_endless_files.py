"""Files that are larger than memory, have no end, or give nothing now: an error that says so, and at once."""

from __future__ import annotations

import errno
import os
import resource
import signal
import struct

import pytest
from made_elf import NOTE, NOTES, STRTAB, note, symbol, with_functions

import libbpf_cffi as bpf
from libbpf_cffi import net, probe

pytestmark = pytest.mark.unsanitized("they limit addresses, and a sanitizer has some for each byte of memory")

TERABYTE = 1 << 40

READERS = {
    "open": bpf.Object.open,
    "open isolated": lambda path: bpf.Object.open(path, isolate=True),
    "link": bpf.link_objects,
    "BTF": bpf.Btf.from_file,
    ".BTF.ext": bpf.BtfExt.from_file,
    "compile": bpf.compile_object,
    "vmlinux.h": bpf.vmlinux_h,
}

LISTS = {"functions": (probe.symbols, STRTAB), "USDT probes": (probe.usdt_probes, NOTE)}
"""What reads of a file only what it needs, and the type of a section that it needs."""


@pytest.fixture
def refused(in_fork):
    """Give errno and text of the error that a call raises, in a child that may take neither time nor memory for it."""

    def ask(call, memory=1 << 32):
        def work():
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
            signal.alarm(20)
            with pytest.raises(bpf.LibbpfError) as caught:
                call()
            return f"{caught.value.errno} {caught.value}"

        number, _, text = in_fork(work).partition(" ")
        return int(number), text

    return ask


@pytest.fixture
def sparse(tmp_path):
    path = tmp_path / "sparse"
    path.write_bytes(b"\x7fELF")
    os.truncate(path, TERABYTE)
    return path


@pytest.mark.parametrize("name", READERS)
def test_a_terabyte_that_nobody_has_written_is_too_large(refused, sparse, name):
    assert refused(lambda: READERS[name](sparse))[0] == errno.EFBIG


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"vmlinux.h"}))
def test_a_file_that_there_is_no_memory_for_is_an_error_of_ours(refused, sparse, name):
    os.truncate(sparse, 1 << 30)
    assert refused(lambda: READERS[name](sparse), 1 << 29)[0] == errno.ENOMEM


@pytest.fixture
def target(tmp_path):
    """Give a file of a terabyte that has a function and a probe; a section of it may be said to be larger."""

    def make(kind=0, size=0):
        data = bytearray(with_functions(b"\0func\0", symbol(1), (NOTES, NOTE, note(), 0, 0)))
        start, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
        for header in range(start, start + 64 * count, 64):
            if struct.unpack_from("<I", data, header + 4)[0] == kind:
                struct.pack_into("<Q", data, header + 32, size)
        path = tmp_path / "target"
        path.write_bytes(data)
        os.truncate(path, TERABYTE)
        return path

    return make


@pytest.mark.parametrize("name", LISTS)
def test_of_a_terabyte_only_what_is_needed_is_read(in_fork, target, name):
    path, (read, _) = target(), LISTS[name]

    def work():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
        signal.alarm(20)
        return len(read(path))

    assert in_fork(work) == "1"


@pytest.mark.parametrize("name", LISTS)
def test_what_is_needed_may_be_too_large(refused, target, name):
    read, kind = LISTS[name]
    assert refused(lambda: read(target(kind, TERABYTE - (1 << 20))))[0] == errno.EFBIG
    assert refused(lambda: read(target(kind, 3 << 28)), 1 << 29)[0] == errno.ENOMEM


def test_a_descriptor_of_a_device_without_end_is_not_read(refused):
    with open("/dev/zero", "rb") as file:
        number, text = refused(lambda: bpf.link_objects(file.fileno()))
    assert number == errno.EINVAL
    assert "not a regular file" in text


@pytest.mark.parametrize("name", ["compile", "vmlinux.h"])
def test_a_file_that_has_nothing_now_is_not_waited_for(root, refused, name):
    assert refused(lambda: READERS[name]("/proc/kmsg"))[0] == errno.EAGAIN


def test_a_limit_of_memory_is_not_taken_for_malformed_types(root, in_fork, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "btf"
    path.write_bytes(bpf.Btf.new().raw)

    def work():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (7, 7))
        return "__VMLINUX_H__" in bpf.vmlinux_h(path)

    assert in_fork(work) == "True"


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "call",
    [
        lambda path, _: net.attached_netns(path),
        lambda path, _: net.attached("lo", netns=path),
        lambda path, _: net.attached_cgroup(path),
        lambda path, program: bpf.Link.create(program, path, "sk_lookup"),
        lambda path, program: bpf.Link.create(program, path, "lirc_mode2"),
    ],
)
def test_a_fifo_that_nobody_writes_to_is_waited_for_by_nobody(tmp_path, only, call):
    program = only("attach_net", "lookup").programs["lookup"]
    os.mkfifo(tmp_path / "fifo")
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(20)
    try:
        with pytest.raises(bpf.LibbpfError) as caught:
            call(tmp_path / "fifo", program)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert caught.value.errno in (errno.EINVAL, errno.ENOTDIR)
