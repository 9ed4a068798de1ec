"""What `kernel` lists is what the kernel holds, by whom it is held, where it is pinned; what vanishes is left out."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import threading
import time

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import AttachType, MapType, ProgType, kernel


@pytest.fixture
def obj(loaded):
    found = loaded("basic")
    found.attach()
    return found


@pytest.mark.every_kernel
def test_the_programs_of_an_object_are_listed_with_all_that_the_kernel_says(obj):
    program = obj.programs["on_raw"]
    (found,) = [each for each in kernel.programs() if each.id == program.id]
    assert found._replace(run_time_ns=0, run_cnt=0) == program.info._replace(run_time_ns=0, run_cnt=0)
    assert found.map_ids


@pytest.mark.every_kernel
def test_the_maps_of_an_object_are_listed_with_all_that_the_kernel_says(obj):
    each = obj.maps["raw_hits"]
    (found,) = [one for one in kernel.maps() if one.id == each.id]
    assert found._replace(memlock=0) == each.info._replace(memlock=0)
    assert found.memlock


@pytest.mark.every_kernel
def test_the_links_of_an_object_are_listed_with_what_they_are_attached_to(obj):
    (found,) = kernel.find_links(prog_id=obj.programs["on_raw"].id)
    assert found.details["tp_name"] == "sys_enter"
    assert found.prog_id == obj.programs["on_raw"].id


@pytest.mark.needs("btf")
def test_btf_is_listed_with_the_kernels_own(obj):
    found = kernel.btfs()
    of_program = obj.programs["on_raw"].info.btf_id
    assert of_program in {each.id for each in found}
    assert [each.id for each in kernel.find_btfs(id=of_program)] == [of_program]
    own = [each for each in found if each.kernel_btf and each.name == "vmlinux"]
    # Before Linux 5.11 the kernel's own has no number.
    assert len(own) == bool([each for each in found if each.kernel_btf])
    assert [each.size for each in own] == [os.path.getsize("/sys/kernel/btf/vmlinux")] * len(own)
    assert kernel.find_btfs(name="vmlinux") == own


def test_what_is_listed_is_in_the_order_of_the_ids(obj):
    for listing in (kernel.programs, kernel.maps, kernel.links, kernel.btfs):
        ids = [each.id for each in listing()]
        assert ids == sorted(set(ids))


def test_programs_are_found_by_id_name_and_tag(obj):
    program = obj.programs["on_raw"]
    wanted = program.id
    assert [each.id for each in kernel.find_programs(id=wanted)] == [wanted]
    assert wanted in [each.id for each in kernel.find_programs(name="on_raw")]
    assert wanted in [each.id for each in kernel.find_programs(tag=program.tag.upper())]
    assert kernel.find_programs(id=wanted, name="another") == []
    assert kernel.find_programs(tag="0" * 16) == []


@pytest.mark.parametrize("find", [kernel.find_programs, kernel.find_maps, kernel.find_btfs])
def test_a_name_that_cannot_be_encoded_is_that_of_nothing(find):
    with pytest.raises(ValueError, match="name has a character that cannot be encoded"):
        find(name="\ud800")


def test_a_name_longer_than_the_kernel_keeps_is_found(root, capsys):
    with bpf.Map.create("hash", "u32", "u32", 1, name="a_name_as_long_") as each:
        assert each.id in [one.id for one in kernel.find_maps(name="a_name_as_long_as_this")]
        assert kernel.main(["dump", "--name", "a_name_as_long_as_this"]) == 0
        assert f"a_name_as_long_ (id {each.id}): empty" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("find", "wrong", "error"),
    [
        (kernel.find_programs, {"tag": 5}, "tag must be str, not int"),
        (kernel.find_maps, {"id": 0xFFFFFFF0, "name": b"x"}, "name must be str, not bytes"),
        (kernel.find_links, {"prog_id": "7"}, "prog_id must be an integer, not str"),
        (kernel.find_btfs, {"name": b"vmlinux"}, "name must be str, not bytes"),
    ],
)
def test_what_nothing_can_be_found_by_is_refused(root, find, wrong, error):
    with pytest.raises(TypeError, match=error):
        find(**wrong)


def test_what_is_not_there_is_an_empty_list(root):
    assert kernel.find_programs(id=0xFFFFFFF0) == []
    assert kernel.find_maps(name="no such map") == []
    assert kernel.find_links(id=0xFFFFFFF0) == []
    assert kernel.find_btfs(id=0xFFFFFFF0) == []


def test_things_are_found_by_their_pins(obj, pins):
    obj.programs["on_raw"].pin(pins / "program")
    obj.maps["raw_hits"].pin(pins / "map")
    assert [each.id for each in kernel.find_programs(pin=pins / "program")] == [obj.programs["on_raw"].id]
    assert [each.id for each in kernel.find_maps(pin=pins / "map")] == [obj.maps["raw_hits"].id]
    assert kernel.find_maps(pin=pins / "program") == []
    with pytest.raises(bpf.LibbpfError) as caught:
        kernel.find_maps(pin=pins / "nothing")
    assert caught.value.errno == errno.ENOENT
    obj.programs["on_raw"].unpin(pins / "program")
    obj.maps["raw_hits"].unpin(pins / "map")


def test_what_is_pinned_is_no_map_because_a_map_has_its_number(root, monkeypatch):
    with bpf.Map.create("hash", "u32", "u32", 1) as each:
        monkeypatch.setattr(kernel, "pinned", lambda _: ("prog", each.id))
        assert kernel.find_maps(pin="/pin") == []


def test_pins_are_listed_with_what_is_pinned(loaded, pins):
    # Attached by nothing else: before Linux 6.10 a program is attached to one raw tracepoint once.
    obj = loaded("basic")
    (pins / "folder").mkdir()
    program = obj.programs["on_raw"]
    program.pin(pins / "folder" / "program")
    obj.maps["raw_hits"].pin(pins / "map")
    with program.attach() as link:
        link.pin(pins / "link")
        found = {os.path.relpath(each.path, pins): (each.kind, each.id) for each in kernel.pins(pins)}
        assert found == {
            "folder/program": ("prog", program.id),
            "link": ("link", link.info.id),
            "map": ("map", obj.maps["raw_hits"].id),
        }
        assert {each.path for each in kernel.pins()} >= {str(pins / "map")}
        link.unpin()


def test_pins_of_every_bpf_file_system_are_listed_once(obj, pins, tmp_path):
    obj.maps["raw_hits"].pin(pins / "map")
    other, again = tmp_path / "other", tmp_path / "again"
    for where, options in ((other, ["-t", "bpf", "bpf"]), (again, ["--bind", str(pins.parent)])):
        where.mkdir()
        subprocess.run(["mount", *options, str(where)], check=True)
    try:
        obj.maps["events"].pin(other / "map")
        found = [each.path for each in kernel.pins() if each.path.endswith("/map")]
        assert found == [str(pins / "map"), str(other / "map")]
    finally:
        for where in (again, other):
            subprocess.run(["umount", str(where)], check=True)
        obj.maps["raw_hits"].unpin(pins / "map")


@pytest.mark.parametrize(("path", "number"), [("nowhere", errno.ENOENT), ("file", errno.ENOTDIR)])
def test_a_folder_of_pins_that_is_none_is_an_error(tmp_path, path, number):
    (tmp_path / "file").touch()
    with pytest.raises(bpf.LibbpfError, match=f"list what is pinned below .*{path}") as caught:
        kernel.pins(tmp_path / path)
    assert caught.value.errno == number


@pytest.mark.every_kernel
def test_who_holds_something_is_told(obj):
    program = obj.programs["on_raw"]
    (holder,) = kernel.holders()["prog", program.id]
    with open("/proc/self/comm", encoding="utf-8") as file:
        assert holder == (os.getpid(), file.read().strip(), program.fd)
    (link,) = kernel.find_links(prog_id=program.id)
    assert [each.pid for each in kernel.holders()["link", link.id]] == [os.getpid()]
    assert [each.pid for each in kernel.holders()["map", obj.maps["raw_hits"].id]] == [os.getpid()]


def test_another_process_that_holds_it_too_is_told(root):
    with bpf.Map.create("hash", "u32", "u32", 1, name="held") as each:
        code = "import sys; print(flush=True); sys.stdin.read()"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[each.fd]
        )
        with child:
            child.stdout.read(1)
            assert [one.pid for one in kernel.holders()["map", each.id]] == sorted([os.getpid(), child.pid])
            child.stdin.close()
            child.stdout.close()


THREADS = """
import ctypes, os, sys, threading
import libbpf_cffi as bpf
first = bpf.Map.create("hash", "u32", "u32", 1)
libc = ctypes.CDLL(None)
own = sys.argv[1] == "own"
main = threading.get_native_id()

def ended():
    with open(f"/proc/{os.getpid()}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"

def work():
    if own:
        assert libc.unshare(0x400) == 0  # CLONE_FILES
    while not own and not ended():
        pass
    held = bpf.Map.create("hash", "u32", "u32", 1) if own else first
    print(os.getpid(), held.id, flush=True)
    sys.stdin.read()
    os._exit(0)

thread = threading.Thread(target=work)
thread.start()
if not own:
    ctypes.CDLL(None).pthread_exit(None)
thread.join()
"""


@pytest.mark.parametrize("mode", ["own", "ended"])
def test_what_only_a_thread_holds_has_a_holder(root, mode):
    # By a table of descriptors of its own, or since the first thread has ended.
    with subprocess.Popen(
        [sys.executable, "-c", THREADS, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        pid, number = map(int, child.stdout.readline().split())
        assert [each.pid for each in kernel.holders().get(("map", number), ())] == [pid]
        child.stdin.close()


def test_a_map_without_a_descriptor_has_no_holder(obj):
    number = obj.programs["on_raw"].info.map_ids[0]
    assert number
    with bpf.Map.create("hash", "u32", "u32", 1) as each:
        gone = each.id
    assert ("map", gone) not in kernel.holders()


def test_programs_of_perf_events_are_told(obj):
    program = obj.programs["on_tracepoint"]
    found = [each for each in kernel.perf_events() if each.prog_id == program.id]
    assert {(each.pid, each.type, each.name) for each in found} == {
        (os.getpid(), "tracepoint", "sys_enter_getppid")
    }
    raw = [each for each in kernel.perf_events() if each.prog_id == obj.programs["on_raw"].id]
    assert {(each.type, each.name) for each in raw} == {("raw_tracepoint", "sys_enter")}


def test_what_comes_and_goes_meanwhile_is_no_error(root, together):
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            bpf.Map.create("hash", "u32", "u32", 1, name="fleeting").close()
            bpf.KernelProgram.load("socket_filter", bytes.fromhex("b700000000000000 9500000000000000")).close()

    def look() -> None:
        try:
            for _ in range(20):
                for each in (kernel.programs, kernel.maps, kernel.links, kernel.btfs, kernel.holders):
                    each()
        finally:
            stop.set()

    assert together(come_and_go, look) == []


def test_threads_may_list_at_the_same_time(obj, together):
    wanted = obj.programs["on_raw"].id

    def look() -> None:
        for _ in range(5):
            assert wanted in {each.id for each in kernel.programs()}
            assert ("prog", wanted) in kernel.holders()

    assert together(look, look, look) == []


@pytest.mark.every_kernel
def test_a_process_without_privileges_is_told_what_it_lacks(python):
    said = python(
        """
import os
from libbpf_cffi import LibbpfPermissionError, kernel
os.setresuid(65534, 65534, 65534)
for listing in (kernel.programs, kernel.maps, kernel.links, kernel.btfs):
    try:
        listing()
    except LibbpfPermissionError as error:
        print(error.hint.split(",")[0])
print(type(kernel.holders()).__name__)
"""
    )
    assert said.splitlines() == ["this process lacks CAP_SYS_ADMIN"] * 4 + ["dict"]


def test_the_kernel_has_more_types_than_are_known_here():
    assert ProgType(99).name == "UNKNOWN_99"
    assert MapType(99).name == AttachType(99).name == "UNKNOWN_99"


@pytest.mark.every_kernel
@pytest.mark.parametrize("what", ["prog", "map", "link", "btf", "perf"])
def test_the_command_lists_each_kind(obj, capsys, what):
    assert kernel.main([what]) == 0
    table = capsys.readouterr().out
    assert kernel.main([what, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(table.splitlines()) >= 1
    ids = {each.get("id", each.get("prog_id")) for each in found}
    wanted = {
        "prog": obj.programs["on_raw"].id,
        "map": obj.maps["raw_hits"].id,
        "link": kernel.find_links(prog_id=obj.programs["on_raw"].id)[0].id,
        "btf": obj.programs["on_raw"].info.btf_id,
        "perf": obj.programs["on_raw"].id,
    }[what]
    assert wanted in ids
    if what == "prog":
        line = next(line for line in table.splitlines() if line.startswith(f"{wanted}: "))
        assert "raw_tracepoint" in line
        assert f"({os.getpid()})" in line


def test_the_command_says_when_a_program_was_loaded_by_the_clock(obj, capsys):
    assert kernel.main(["prog"]) == 0
    line = next(
        each for each in capsys.readouterr().out.splitlines() if each.startswith(f"{obj.programs['on_raw'].id}: ")
    )
    loaded = time.mktime(time.strptime(re.search(r"  loaded (\S+)  ", line)[1], "%Y-%m-%dT%H:%M:%S"))
    assert abs(time.time() - loaded) < 600


def test_the_command_lists_pins(obj, pins, capsys):
    obj.maps["raw_hits"].pin(pins / "map")
    assert kernel.main(["pins"]) == 0
    assert f"{pins}/map: map {obj.maps['raw_hits'].id}\n" in capsys.readouterr().out
    obj.maps["raw_hits"].unpin(pins / "map")


def test_a_name_with_control_characters_is_written_harmlessly(root, python, capsys):
    with bpf.Map.create("hash", "u32", "u32", 1, name="held") as each:
        code = "import sys; open('/proc/self/comm', 'wb').write(b'\\x1b[31m\\xff'); print(flush=True); sys.stdin.read()"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[each.fd]
        )
        with child:
            child.stdout.read(1)
            assert kernel.main(["map"]) == 0
            (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith(f"{each.id}: ")]
            assert f"\\x1b[31m\\udcff ({child.pid})" in line
            child.stdin.close()
            child.stdout.close()


def test_a_reader_that_has_gone_is_no_error_of_the_commands(root):
    for module, *what in (("kernel", "map"), ("probe",)):
        reading, writing = os.pipe()
        os.close(reading)
        command = [sys.executable, "-m", f"libbpf_cffi.{module}", *what]
        with bpf.Map.create("array", value="u32", max_entries=1):
            done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
        os.close(writing)
        assert (done.returncode, done.stderr) == (0, b"")


def test_nothing_is_pinned_where_no_bpf_file_system_is_mounted(root):
    script = 'umount -a -l -t bpf; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "libbpf_cffi.kernel", "pins", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
