"""Names for addresses of processes: their own files, deleted ones and those of another mount namespace."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc

import made_elf
import pytest

import libbpf_cffi as bpf
from libbpf_cffi import _files, _jited_sizes, _libbpf, _probe_files, symbols

MAPS_IT = """
import ctypes, os, sys
held = ctypes.CDLL(sys.argv[1])
print(ctypes.cast(held.PyInit__libbpf, ctypes.c_void_p).value, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def mapping():
    """Start processes that map a file of Python's, and give their pids and where it begins to initialise itself."""
    started = []

    def start(path, *before):
        process = subprocess.Popen(
            [*before, sys.executable, "-c", MAPS_IT, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.communicate("")


RETURN_7 = "b700000007000000" + "9500000000000000"


def without_admin(monkeypatch):
    """Let files of /proc/PID/map_files not be opened, which CAP_SYS_ADMIN is needed for."""
    stat = os.stat

    def forbidden(path, *more, **others):
        if "/map_files/" in str(path):
            raise PermissionError(errno.EPERM, "Operation not permitted", path)
        return stat(path, *more, **others)

    monkeypatch.setattr(os, "stat", forbidden)


def own(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def test_a_function_of_this_process_is_named_with_its_file():
    found = bpf.Symbolizer().find(own(ctypes.CDLL(None).getpid) + 1, os.getpid())
    assert (found.name, found.offset) == ("getpid", 1)
    assert os.path.basename(found.module).startswith("libc.so")
    assert str(found) == f"getpid+0x1 [{found.module}]"


def test_what_is_behind_a_function_is_a_place_in_the_file(mapping):
    found = bpf.Symbolizer().find(own(ctypes.CDLL(_libbpf.__file__).PyInit__libbpf), os.getpid())
    (function,) = {each for each in bpf.probe.symbols(_libbpf.__file__) if each.name == found.name}
    behind = bpf.Symbolizer().find(found.address + function.size, os.getpid())
    end = function.offset + function.size
    assert (behind.name, behind.module, behind.offset) == (None, found.module, end)
    assert str(behind) == f"{found.module}+{end:#x}"


@pytest.fixture
def lists(monkeypatch):
    """Count how often lists of what is mapped are read."""
    read, counted = symbols.ProcessMaps._read, []
    monkeypatch.setattr(symbols.ProcessMaps, "_read", lambda *given: counted.append(1) or read(*given))
    return counted


def test_a_file_that_is_mapped_later_is_found(tmp_path):
    symbolizer = bpf.Symbolizer()
    copy = tmp_path / "later.so"
    shutil.copy(_libbpf.__file__, copy)
    assert symbolizer.find(1, os.getpid()).module is None
    found = symbolizer.find(own(ctypes.CDLL(copy).PyInit__libbpf), os.getpid())
    assert (found.name, found.module) == ("PyInit__libbpf", str(copy))


def test_what_is_in_no_file_is_looked_for_once_as_long_as_nothing_changes(mapping, lists):
    process, address = mapping(_libbpf.__file__)
    symbolizer = bpf.Symbolizer()
    for place in range(1, 100):
        assert symbolizer.find(place, process.pid) == (place, None, None, None)
        assert symbolizer.find(address, process.pid).name == "PyInit__libbpf"
    assert len(lists) == 1


EXECUTES = """
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) void NAME(void) {}
int main(int count, char **arguments)
{
    char command;

    printf("%p\\n", (void *)NAME);
    fflush(stdout);
    if (read(0, &command, 1) == 1 && count > 1)
        execv(arguments[1], arguments + 1);
    return 0;
}
"""


@pytest.mark.parametrize("admin", [True, False])
def test_another_program_of_a_process_is_not_taken_for_the_first(tmp_path, monkeypatch, admin):
    source = tmp_path / "executes.c"
    source.write_text(EXECUTES)
    for name in ("first", "second"):
        command = ["cc", "-no-pie", "-fno-pie", f"-DNAME={name}_function", "-o", tmp_path / name, source]
        subprocess.run(command, check=True)
    if not admin:
        without_admin(monkeypatch)
    symbolizer = bpf.Symbolizer()
    with subprocess.Popen(
        [tmp_path / "first", tmp_path / "second"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        for name in ("first", "second"):
            found = symbolizer.find(int(process.stdout.readline(), 16), process.pid)
            assert (found.name, found.offset, found.module) == (f"{name}_function", 0, str(tmp_path / name))
            process.stdin.write(b"x")


def test_of_a_process_that_has_ended_is_known_what_was_looked_at(mapping):
    process, address = mapping(_libbpf.__file__)
    symbolizer = bpf.Symbolizer()
    found = symbolizer.find(address, process.pid)
    process.stdin.close()
    process.stdin = None
    # It is a zombie first.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert symbolizer.find(address, process.pid) == found
    process.wait()
    assert symbolizer.find(address, process.pid) == found
    assert symbolizer.find(address + 1, process.pid).name == "PyInit__libbpf"
    assert symbolizer.find(1, process.pid) == (1, None, None, None)


def test_files_whose_inodes_have_other_numbers_are_looked_at_once(monkeypatch, lists):
    files = {"getpid": None, "PyInit__libbpf": _libbpf.__file__}
    functions = {name: own(getattr(ctypes.CDLL(path), name)) for name, path in files.items()}
    stat = os.stat

    def of_another_file_system(path, *more, **others):
        status = stat(path, *more, **others)
        if "/map_files/" not in str(path):
            return status
        return os.stat_result((status[0], status.st_ino + 1, *status[2:10]))

    monkeypatch.setattr(os, "stat", of_another_file_system)
    symbolizer = bpf.Symbolizer()
    for _ in range(10):
        for name, address in functions.items():
            assert symbolizer.find(address, os.getpid()).name == name
    assert len(lists) <= 3


def test_while_a_thread_looks_at_a_file_another_has_its_name(monkeypatch):
    address = own(ctypes.CDLL(_libbpf.__file__).PyInit__libbpf)
    without_admin(monkeypatch)
    # The kernel names a file of a root like a virtual machine's, an overlay, as it is called below it.
    named_here = os.path.exists(bpf.Symbolizer().find(address, os.getpid()).module)
    symbolizer = bpf.Symbolizer()
    find = functools.partial(symbolizer.find, address, os.getpid())
    stat, at = os.stat, symbols.ProcessMaps.at
    looking, ended, threads = threading.Event(), threading.Event(), []

    def slow(path, *more, **others):
        if threading.current_thread() in threads and "/root/" in path:
            looking.set()
            ended.wait()
        return stat(path, *more, **others)

    def found(*given):
        mapped = at(*given)
        if not threads:
            threads.append(threading.Thread(target=find))
            threads[0].start()
            looking.wait()
        return mapped

    monkeypatch.setattr(os, "stat", slow)
    monkeypatch.setattr(symbols.ProcessMaps, "at", found)
    try:
        assert find().name == ("PyInit__libbpf" if named_here else None)
    finally:
        ended.set()
        threads[0].join()


@pytest.mark.usefixtures("root")
def test_a_program_of_bpf_ends_where_its_code_does():
    with bpf.KernelProgram.load("socket_filter", bytes.fromhex(RETURN_7), name="seven") as program:
        (function,) = program.jited()
        symbolizer = bpf.Symbolizer()
        last = function.address + len(function.code) - 1
        assert str(symbolizer.find(last)).endswith(f"_seven+{len(function.code) - 1:#x} [bpf]")
        assert symbolizer.find(last + 1).name is None
    # Another may be in its place by now.
    assert "_seven" not in str(bpf.Symbolizer().find(last))


@pytest.mark.usefixtures("root")
def test_a_program_of_bpf_has_a_name_where_its_size_may_not_be_asked_for(monkeypatch):
    def forbidden():
        raise bpf.LibbpfError(errno.EPERM, "Operation not permitted", "open program 1", [])

    with bpf.KernelProgram.load("socket_filter", bytes.fromhex(RETURN_7), name="seven") as program:
        (function,) = program.jited()
        monkeypatch.setattr(_jited_sizes, "jited_sizes", forbidden)
        assert str(bpf.Symbolizer().find(function.address + 1)).endswith("_seven+0x1 [bpf]")


@pytest.mark.usefixtures("root")
def test_functions_of_the_kernel_have_the_names_that_the_kernel_gives_them():
    symbolizer = bpf.Symbolizer()
    first = {}
    with open("/proc/kallsyms", encoding="ascii") as file:
        for line in file:
            address, kind, name, *module = line.split()
            if kind in "TtWw" and not module:
                first.setdefault(int(address, 16), name)
    unnamed = {name for address, name in first.items() if symbolizer.find(address).name != name}
    assert unnamed <= {"_etext", "_einittext"}


@pytest.mark.usefixtures("root")
def test_a_file_that_was_deleted_and_replaced_is_read_all_the_same(mapping, tmp_path):
    copy = tmp_path / "copy.so"
    shutil.copy(_libbpf.__file__, copy)
    process, address = mapping(copy)
    copy.unlink()
    copy.write_bytes(b"something else")
    found = bpf.Symbolizer().find(address, process.pid)
    assert (found.name, found.offset, found.module) == ("PyInit__libbpf", 0, f"{copy} (deleted)")


@pytest.mark.usefixtures("root")
def test_a_file_of_another_mount_namespace_is_read_there(mapping, tmp_path, monkeypatch):
    script = f'mount -t tmpfs none {tmp_path} && cp {_libbpf.__file__} {tmp_path}/copy.so && exec "$@"'
    process, address = mapping(tmp_path / "copy.so", "unshare", "-m", "sh", "-ec", script, "sh")
    found = bpf.Symbolizer().find(address, process.pid)
    assert found.name == "PyInit__libbpf"
    without_admin(monkeypatch)
    # The kernel names a file of a root like a virtual machine's, an overlay, as it is called below it.
    named_here = os.path.exists(f"/proc/{process.pid}/root{found.module}")
    assert bpf.Symbolizer().find(address, process.pid).name == ("PyInit__libbpf" if named_here else None)


def test_a_file_that_has_taken_the_place_of_another_is_not_mistaken_for_it(mapping, tmp_path, monkeypatch):
    copy = tmp_path / "copy.so"
    shutil.copy(_libbpf.__file__, copy)
    process, address = mapping(copy)
    copy.unlink()
    deleted = tmp_path / "copy.so (deleted)"
    shutil.copy(_libbpf.__file__, deleted)
    without_admin(monkeypatch)
    found = bpf.Symbolizer().find(address, process.pid)
    assert (found.name, found.module) == (None, str(deleted))


def test_of_a_process_that_is_gone_nothing_is_known():
    assert bpf.Symbolizer().find(0x401000, 4194305) == (0x401000, None, None, None)
    for number in (-1, 1 << 20000):
        with pytest.raises(ValueError, match="pid must be from 0 to 2147483647, not"):
            bpf.Symbolizer().find(0x401000, number)


def test_files_and_processes_are_kept_only_so_many(monkeypatch):
    monkeypatch.setattr(symbols, "MOST_FILES", 1)
    monkeypatch.setattr(symbols, "MOST_PROCESSES", 1)
    symbolizer = bpf.Symbolizer()
    for function in (ctypes.CDLL(None).getpid, ctypes.CDLL(_libbpf.__file__).PyInit__libbpf):
        assert symbolizer.find(own(function), os.getpid()).name
    symbolizer.find(1, 4194305)
    assert (len(symbolizer._files), list(symbolizer._processes)) == (1, [4194305])


def test_of_several_names_the_plainest_is_taken():
    starts, found = symbols.table_of("/proc/self/exe")
    assert starts == sorted(set(starts))
    assert all(start < end and name for start, (end, name) in zip(starts, found, strict=True))


def test_of_a_mapped_file_only_the_tables_are_read(mapping, tmp_path):
    copy = tmp_path / "long.so"
    shutil.copy(_libbpf.__file__, copy)
    os.truncate(copy, 1 << 32)
    process, address = mapping(copy)
    tracemalloc.start()
    try:
        assert bpf.Symbolizer().find(address, process.pid).name == "PyInit__libbpf"
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_of_the_tables_of_a_mapped_file_only_so_much_is_read(monkeypatch):
    address = own(ctypes.CDLL(_libbpf.__file__).PyInit__libbpf)
    monkeypatch.setattr(_probe_files, "_MOST_SYMBOLS", 1 << 10)
    with pytest.raises(bpf.LibbpfError, match="bytes, and 1024 are read"):
        bpf.probe.symbols(_libbpf.__file__)
    assert bpf.Symbolizer().find(address, os.getpid()).name is None


def test_a_file_that_has_a_table_of_a_terabyte_is_not_read(tmp_path):
    path = tmp_path / "long.so"
    data = bytearray(made_elf.with_functions(b"\0foo\0", made_elf.symbol(1)))
    table = int.from_bytes(data[40:48], "little") + 3 * 64
    strings = table - 64
    data[strings + 32 : strings + 40] = (1 << 39).to_bytes(8, "little")
    path.write_bytes(data)
    os.truncate(path, 1 << 40)
    with pytest.raises(bpf.LibbpfError, match="more than 1073741824 bytes of it were to be read") as caught:
        bpf.probe.symbols(path)
    assert caught.value.errno == errno.EFBIG


def test_what_is_cut_off_a_file_that_is_read_is_not_there(tmp_path):
    path = tmp_path / "cut"
    data = os.urandom(1 << 18)
    path.write_bytes(data)
    with _files.file_parts(str(path), "read") as parts:
        assert (len(parts), parts[:], parts[9:12], parts[1 << 16 : 1 << 17]) == (
            1 << 18, data, data[9:12], data[1 << 16 : 1 << 17],
        )  # fmt: skip
        assert parts[(1 << 18) - 4 : 1 << 20] == data[-4:]
        os.truncate(path, 100)
        assert (parts[:], parts[1 << 17 : (1 << 17) + 8], parts[90:110]) == (data[:100], b"", data[90:100])
