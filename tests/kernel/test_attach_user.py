"""Probes of user space: functions, places, many of them, USDT; by names, versions and processes."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import tracemalloc

import capability_matrix
import left_behind
import pytest
from faults import build

import libbpf_cffi as bpf
from libbpf_cffi import _elf, probe
from libbpf_cffi._elf_target import Target

pytestmark = pytest.mark.needs("uprobe", "perf_link", "attach_cookie")

COOKIE = 0x1122334455667788
SOURCE = os.path.join(os.path.dirname(__file__), "..", "bpf", "attach_target.c")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("targets")


@pytest.fixture(scope="module")
def library(folder):
    """Compile the library that is probed."""
    (folder / "versions").write_text("LBC_1 { global: lbc_*; };\nLBC_2 { } LBC_1;\n")
    path = folder / "liblbctarget.so.1"
    command = ["cc", "-shared", "-fPIC", "-O1", f"-Wl,--version-script={folder}/versions", "-o", path, SOURCE]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="module")
def program_file(folder):
    """Compile the program that is probed: it calls lbc_add() for each line that it reads."""
    path = folder / "lbctarget"
    subprocess.run(["cc", "-DPROGRAM", "-O1", "-o", path, SOURCE], check=True)
    return path


@pytest.fixture(scope="module")
def called(library):
    """Load the library into this process."""
    return ctypes.CDLL(str(library))


@pytest.fixture
def only(one_program):
    """Load one program of attach_user.bpf.c."""

    def load(name):
        return one_program("attach_user", name)

    return load


def fires(obj, link, call, times=3):
    """Give how often the program runs in so many calls, and check that it does not after the link is closed."""
    before = obj.variables["hits"]
    for _ in range(times):
        call()
    found = obj.variables["hits"] - before
    link.close()
    call()
    assert obj.variables["hits"] - before == found
    return found


def offset_of(path, name):
    """Give where a function is in a file."""
    return _elf.functions(path.read_bytes())[name]


# uprobe


@pytest.mark.parametrize("mode", list(bpf.ProbeAttachMode))
def test_a_uprobe_fires_by_the_functions_name_in_every_mode(only, library, called, mode, tracefs):
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(library, "lbc_add", attach_mode=mode)
    assert fires(obj, link, lambda: called.lbc_add(21, 2)) == 3
    assert obj.variables["first"] & 0xFFFFFFFF == 21


def test_a_legacy_uprobe_leaves_no_event(only, library, called, tracefs):
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(library, "lbc_add", attach_mode=bpf.ProbeAttachMode.LEGACY)
    assert len(left_behind.probe_events()) == 1
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3
    assert left_behind.probe_events() == set()


def test_a_legacy_uprobe_is_not_disconnected_for_its_event_would_stay(only, library, tracefs):
    _, program = only("by_uprobe")
    with program.attach_uprobe(library, "lbc_add", attach_mode=bpf.ProbeAttachMode.LEGACY) as link:
        with pytest.raises(bpf.NotSupportedError, match="only close\\(\\) removes"):
            link.disconnect()
        assert not link.closed


LEGACY = """
import sys
support, library, source, target, kind = sys.argv[1:]
sys.path.insert(0, support)
from faults import KINDS, Faults
from left_behind import probe_events
import libbpf_cffi as bpf
with bpf.Object.open(source) as obj:
    obj.programs["by_uprobe"].autoload = True
    obj.load()
    link = obj.programs["by_uprobe"].attach_uprobe(target, "lbc_add", attach_mode=bpf.ProbeAttachMode.LEGACY)
    faults = Faults(library, python=False)
    faults.arm(KINDS[kind], 1, 12)
    link.close()
    assert faults.disarm()
    print(probe_events())
"""


@pytest.mark.unsanitized("what lets calls fail would stand between the extension and the sanitizer")
@pytest.mark.parametrize("kind", ["open", "write"])
def test_a_legacy_uprobes_event_is_removed_though_a_call_fails(python, compiled, library, tracefs, tmp_path, kind):
    support = os.path.join(os.path.dirname(__file__), "..", "support")
    said = python(LEGACY, support, build(str(tmp_path)), compiled("attach_user"), library, kind)
    assert said == "set()\n"


@pytest.mark.every_kernel
def test_a_uprobe_has_its_cookie(only, library, called):
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(library, "lbc_add", bpf_cookie=COOKIE)
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3
    assert obj.variables["cookie"] == COOKIE


def test_a_uprobe_fires_by_its_place_in_the_file(only, library, called):
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(library, func_offset=offset_of(library, "lbc_add"))
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3


@pytest.mark.parametrize("form", ["lbc_add+{}", "lbc_add+{:#x}", None])
def test_a_uprobe_fires_behind_the_start_of_a_function(only, library, called, form):
    obj, program = only("by_uprobe")
    distance = offset_of(library, "lbc_sub") - offset_of(library, "lbc_add")
    assert distance > 0
    if form is None:
        link = program.attach_uprobe(library, "lbc_add", distance)
    else:
        link = program.attach_uprobe(library, form.format(distance))
    assert fires(obj, link, lambda: called.lbc_sub(1, 2)) == 3


@pytest.mark.every_kernel
@pytest.mark.parametrize("name", ["by_uretprobe", "by_uprobe"])
def test_a_uretprobe_fires_at_the_return(only, library, called, name):
    obj, program = only(name)
    # The section says it, or the keyword.
    link = program.attach_uprobe(library, "lbc_add", retprobe=True if name == "by_uprobe" else None)
    assert fires(obj, link, lambda: called.lbc_add(40, 2)) == 3
    if name == "by_uretprobe":
        assert obj.variables["returns"] & 0xFFFFFFFF == 42


@pytest.mark.parametrize(("version", "expected"), [("@LBC_1", 0), ("@LBC_2", 3), ("@@LBC_2", 3)])
def test_a_uprobe_fires_on_one_version_of_a_function(only, library, called, version, expected):
    obj, program = only("by_uprobe")
    # The default version is the one that is called.
    link = program.attach_uprobe(library, f"lbc_versioned{version}")
    assert fires(obj, link, lambda: called.lbc_versioned(1)) == expected


def test_a_version_that_the_file_has_not_is_an_error(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_uprobe(library, "lbc_versioned@LBC_9")
    assert caught.value.errno == errno.ENOENT


def test_a_function_of_several_versions_is_named_with_them(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError, match="several versions: lbc_versioned@LBC_2, lbc_versioned@LBC_1") as caught:
        program.attach_uprobe(library, "lbc_versioned")
    assert caught.value.errno == errno.EINVAL


def test_the_versions_of_a_function_are_told_for_one_that_it_has_not(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError, match="'LBC_9': lbc_versioned@LBC_2, lbc_versioned@LBC_1"):
        program.attach_uprobe(library, "lbc_versioned@LBC_9")


def test_the_version_of_a_function_of_libc_is_found(only, x86):
    # What the documentation has for an example.
    _, program = only("by_uprobe")
    program.attach_uprobe("libc", "realpath@GLIBC_2.3").close()


CHOSEN = """
static int first(int number) { return number + 1; }
static int second(int number) { return number + 2; }
static void *choose(void) { return second; }
int lbc_chosen(int number) __attribute__((ifunc("choose")));
int lbc_plain(int number) { return first(number); }
"""


@pytest.fixture(scope="module")
def chosen(folder):
    """Compile a library with a function that is chosen when it is loaded, and load it."""
    path = folder / "liblbcchosen.so.1"
    (folder / "chosen.c").write_text(CHOSEN)
    subprocess.run(["cc", "-shared", "-fPIC", "-O0", "-o", path, folder / "chosen.c"], check=True)
    return path, ctypes.CDLL(str(path))


@pytest.mark.parametrize("form", ["plain", pytest.param("many", marks=pytest.mark.needs("uprobe_multi"))])
def test_a_function_that_is_chosen_at_run_time_is_said_to_be_and_where_it_is(only, chosen, form):
    path, called = chosen
    obj, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError, match="as an IFUNC, which is resolved at run time") as caught:
        if form == "plain":
            program.attach_uprobe(path, "lbc_chosen")
        else:
            only("by_uprobe_multi")[1].attach_uprobe_multi(path, syms=["lbc_plain", "lbc_chosen"])
    assert called.lbc_chosen(1) == 3
    place = int(caught.value.hint.rpartition("to the one at ")[2].split()[0], 16)
    assert f", bpf-run --uprobe {path}:{place:#x})" in caught.value.hint
    assert fires(obj, program.attach_uprobe(path, func_offset=place), lambda: called.lbc_chosen(1)) == 3


def test_a_function_that_is_chosen_at_run_time_is_not_listed(chosen):
    assert {"lbc_plain", "lbc_chosen"} & {each.name for each in probe.symbols(chosen[0])} == {"lbc_plain"}


@pytest.mark.parametrize("name", ["libc", "libc.so.6"])
def test_a_library_is_found_by_its_name(only, name):
    obj, program = only("by_uprobe")
    assert fires(obj, program.attach_uprobe(name, "getppid", pid=0), os.getppid) == 3


def test_a_library_is_found_in_the_path_of_libraries(only, library, called, monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{library.parent}")
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(library.name, "lbc_add")
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3


def test_a_program_is_found_in_path(only, program_file, monkeypatch):
    monkeypatch.setenv("PATH", str(program_file.parent), prepend=os.pathsep)
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(program_file.name, "lbc_add")
    assert fires(obj, link, lambda: subprocess.run([program_file], input=b"\n", check=True, capture_output=True)) == 3


def test_what_is_nowhere_is_said_to_be(only, library):
    _, program = only("by_uprobe")
    for path, said in (
        ("nosuchprogram", "no program in PATH called"), ("libnosuch", "no program in PATH, nor a library, called"),
        ("libnosuch.so.1", "no library"), ("/no/such", "such"),
    ):  # fmt: skip
        with pytest.raises(bpf.LibbpfError, match=said) as caught:
            program.attach_uprobe(path, "f")
        assert caught.value.errno == errno.ENOENT


def test_a_process_that_may_not_be_looked_at_is_said_to_need_a_capability(in_fork):
    def child():
        capability_matrix.import_everything()
        capability_matrix.give_up([])
        try:
            with Target("libc", os.getppid(), "probe it"):
                return "opened"
        except bpf.LibbpfError as error:
            return str(error.hint)

    said = f"this process may not look at process {os.getpid()}, which for another user's needs CAP_SYS_PTRACE"
    assert in_fork(child) == said


def test_a_missing_function_is_named_with_what_comes_close(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError, match=r"no function 'lbc_ad'.*'lbc_add'") as caught:
        program.attach_uprobe(library, "lbc_ad")
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("path", ["", "a\0b", 5, None])
def test_what_is_no_path_is_refused(only, path):
    _, program = only("by_uprobe")
    with pytest.raises((TypeError, ValueError)):
        program.attach_uprobe(path, "f")


def test_what_is_no_file_is_refused(only, tmp_path):
    _, program = only("by_uprobe")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(bpf.LibbpfError):
            program.attach_uprobe(path, "f")


def test_a_file_that_is_no_elf_is_refused(only, tmp_path):
    _, program = only("by_uprobe")
    (tmp_path / "text").write_text("#!/bin/sh\n" * 20)
    with pytest.raises(bpf.LibbpfError, match="no ELF file"):
        program.attach_uprobe(tmp_path / "text", "f")


# Processes


@pytest.fixture
def target_process(program_file):
    """Start the program that is probed, and give it with what has it call once."""
    process = subprocess.Popen([program_file], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call():
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"3\n"

    yield process, call
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_a_uprobe_of_a_process_fires_for_that_one(only, program_file, target_process):
    obj, program = only("by_uprobe")
    process, call = target_process
    with program.attach_uprobe(program_file, "lbc_add", pid=process.pid):
        subprocess.run([program_file], input=b"\n", check=True, capture_output=True)
        assert obj.variables["hits"] == 0
        call()
        assert obj.variables["hits"] == 1
    call()
    assert obj.variables["hits"] == 1


def test_a_process_that_is_not_there_is_said_not_to_be(only, library):
    _, program = only("by_uprobe")
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.raises(bpf.LibbpfError, match="no process") as caught:
        program.attach_uprobe(library, "lbc_add", pid=process.pid)
    assert caught.value.errno == errno.ESRCH


@pytest.mark.parametrize("pid", [-2, "1", 1 << 31, 1.0])
def test_a_pid_is_a_process_or_all(only, library, pid):
    _, program = only("by_uprobe")
    with pytest.raises((TypeError, ValueError), match="pid"):
        program.attach_uprobe(library, "lbc_add", pid=pid)


@pytest.fixture
def elsewhere(program_file, tmp_path):
    """Run the program below another root, in a mount namespace of its own, where its path is another one's."""
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    (root / "bin").mkdir()
    listed = subprocess.run(["ldd", program_file], check=True, capture_output=True, text=True).stdout
    for word in listed.split():
        if word.startswith("/"):
            home = root / os.path.dirname(word).lstrip("/")
            home.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, home)
    shutil.copy(program_file, root / "bin" / "real")
    # An absolute link, which leads nowhere from outside.
    (root / "bin" / "lbctarget").symlink_to("/bin/real")
    process = subprocess.Popen(
        ["unshare", "-m", "chroot", root, "/bin/lbctarget"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def call():
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"3\n"

    call()
    yield process.pid, call
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_a_uprobe_goes_to_the_file_that_the_process_sees(only, elsewhere):
    obj, program = only("by_uprobe")
    pid, call = elsewhere
    assert not os.path.exists("/bin/lbctarget")
    link = program.attach_uprobe("/bin/lbctarget", "lbc_add", pid=pid)
    assert fires(obj, link, call) == 3


@pytest.mark.needs("perf_link_info")
def test_the_file_of_a_uprobe_elsewhere_is_shown_by_a_path_that_lasts(only, elsewhere):
    _, program = only("by_uprobe")
    pid, _ = elsewhere
    with program.attach_uprobe("/bin/real", "lbc_add", pid=pid) as link:
        shown = link.info.details["file_name"]
        assert os.path.samefile(shown, f"/proc/{pid}/root/bin/real")


def test_a_usdt_goes_to_the_file_that_the_process_sees(only, elsewhere):
    _, program = only("by_usdt")
    pid, _ = elsewhere
    program.attach_usdt("/bin/lbctarget", "lbc", "args", pid=pid).close()


@pytest.mark.needs("perf_link_info")
def test_a_link_on_the_way_to_a_file_elsewhere_is_not_in_the_path_that_is_shown(only, elsewhere):
    _, program = only("by_uprobe")
    pid, _ = elsewhere
    with program.attach_uprobe("/bin/lbctarget", "lbc_add", pid=pid) as link:
        assert link.info.details["file_name"] == f"/proc/{pid}/root/bin/real"


@pytest.mark.parametrize("name", ["by_uprobe", "by_usdt"])
def test_what_proc_leads_to_is_found_for_a_process_elsewhere(only, elsewhere, name):
    obj, program = only(name)
    pid, call = elsewhere
    path = f"/proc/{pid}/exe"
    if name == "by_usdt":
        program.attach_usdt(path, "lbc", "args", pid=pid).close()
    else:
        assert fires(obj, program.attach_uprobe(path, "lbc_add", pid=pid), call) == 3


def test_a_relative_path_of_a_process_elsewhere_is_refused(only, elsewhere):
    _, program = only("by_uprobe")
    pid, _ = elsewhere
    with pytest.raises(ValueError, match="another root"):
        program.attach_uprobe("bin/lbctarget", "lbc_add", pid=pid)


def test_a_name_is_looked_for_where_the_process_is(only, elsewhere, monkeypatch):
    obj, program = only("by_uprobe")
    pid, call = elsewhere
    monkeypatch.setenv("PATH", "/bin")
    # The second is an absolute link.
    for name in ("real", "lbctarget"):
        assert fires(obj, program.attach_uprobe(name, "lbc_add", pid=pid), call) == 3


# Many


MULTI = pytest.mark.needs("uprobe_multi")


@MULTI
@pytest.mark.parametrize("pattern", ["lbc_add", "lbc_ad?", "lbc_a*"])
def test_many_uprobes_fire_by_a_pattern(only, library, called, pattern):
    obj, program = only("by_uprobe_multi")
    link = program.attach_uprobe_multi(library, pattern)
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3


@MULTI
@pytest.mark.parametrize("stripped", [False, True])
def test_many_uprobes_fire_by_names_each_with_its_cookie(only, folder, library, stripped):
    path = folder / f"copy-{stripped}.so"
    shutil.copy(library, path)
    if stripped:
        subprocess.run(["strip", path], check=True)
    called = ctypes.CDLL(str(path))
    obj, program = only("by_uprobe_multi")
    with program.attach_uprobe_multi(path, syms=["lbc_sub", "lbc_add"], cookies=[11, 12]):
        called.lbc_add(1, 2)
        assert obj.variables["cookie"] == 12
        called.lbc_sub(1, 2)
        assert obj.variables["cookie"] == 11
        assert obj.variables["hits"] == 2
    called.lbc_sub(1, 2)
    assert obj.variables["hits"] == 2


@MULTI
def test_the_whole_of_a_stripped_file_is_not_read_for_many_names(only, folder, library, called):
    path = folder / "long.so"
    shutil.copy(library, path)
    subprocess.run(["strip", path], check=True)
    os.truncate(path, 1 << 30)
    _, program = only("by_uprobe_multi")
    tracemalloc.start()
    try:
        program.attach_uprobe_multi(path, syms=["lbc_sub", "lbc_add"]).close()
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@MULTI
def test_what_of_many_names_is_missing_is_found_by_one_look(only, library, monkeypatch):
    looks = []
    functions = _elf.functions
    monkeypatch.setattr("libbpf_cffi._close_symbols.functions", lambda data: looks.append(1) or functions(data))
    _, program = only("by_uprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="no function 'lbc_none'"):
        program.attach_uprobe_multi(library, syms=["lbc_sub", "lbc_add", "lbc_none"])
    assert len(looks) == 1


@MULTI
@pytest.mark.parametrize("stripped", [False, True])
@pytest.mark.parametrize(("version", "expected"), [("@LBC_1", 0), ("@LBC_2", 1), ("@@LBC_2", 1)])
def test_many_uprobes_fire_on_one_version_of_a_function(only, folder, library, version, expected, stripped):
    path = folder / f"version{version}-{stripped}.so"
    shutil.copy(library, path)
    if stripped:
        subprocess.run(["strip", path], check=True)
    called = ctypes.CDLL(str(path))
    obj, program = only("by_uprobe_multi")
    with program.attach_uprobe_multi(path, syms=["lbc_add", f"lbc_versioned{version}"], cookies=[7, 8]):
        called.lbc_versioned(1)
        assert obj.variables["hits"] == expected
        called.lbc_add(1, 2)
        assert (obj.variables["hits"], obj.variables["cookie"]) == (expected + 1, 7)


@MULTI
def test_many_uprobes_fire_by_a_name_with_a_version(only, library, called):
    obj, program = only("by_uprobe_multi")
    link = program.attach_uprobe_multi(library, "lbc_versioned@LBC_2")
    assert fires(obj, link, lambda: called.lbc_versioned(1)) == 3


@MULTI
@pytest.mark.parametrize(
    "options", [{"syms": ["lbc_add", "lbc_versioned@LBC_9"]}, {"func_pattern": "lbc_versioned@LBC_9"}]
)
def test_the_versions_are_told_for_one_of_many_that_the_file_has_not(only, library, options):
    _, program = only("by_uprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="'LBC_9': lbc_versioned@LBC_2, lbc_versioned@LBC_1") as caught:
        program.attach_uprobe_multi(library, **options)
    assert caught.value.errno == errno.ENOENT
    assert "lbc_versioned@LBC_9" in caught.value.messages[0]


@MULTI
def test_names_of_a_stripped_file_that_are_of_several_functions_are_refused(only, folder, library):
    path = folder / "versions.so"
    shutil.copy(library, path)
    subprocess.run(["strip", path], check=True)
    _, program = only("by_uprobe_multi")
    with pytest.raises(bpf.LibbpfError, match="several versions: lbc_versioned@LBC_2, lbc_versioned@LBC_1"):
        program.attach_uprobe_multi(path, syms=["lbc_add", "lbc_versioned"])


@pytest.mark.every_kernel
@MULTI
def test_many_uprobes_fire_by_places(only, library, called):
    obj, program = only("by_uprobe_multi")
    link = program.attach_uprobe_multi(library, offsets=[offset_of(library, "lbc_add")], cookies=[COOKIE])
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3
    assert obj.variables["cookie"] == COOKIE


@MULTI
def test_many_uretprobes_fire(only, library, called):
    obj, program = only("by_uprobe_multi")
    link = program.attach_uprobe_multi(library, "lbc_add", retprobe=True)
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 3


@pytest.mark.every_kernel
@pytest.mark.needs("uprobe_session", "kprobe_session")
def test_a_session_of_uprobes_fires_at_entry_and_return(only, library, called):
    obj, program = only("by_uprobe_session")
    link = program.attach_uprobe_multi(library, "lbc_add")
    assert fires(obj, link, lambda: called.lbc_add(1, 2)) == 6
    assert obj.variables["returns"] == 3


@MULTI
def test_many_uprobes_of_a_process_fire_for_that_one(only, program_file, target_process):
    obj, program = only("by_uprobe_multi")
    process, call = target_process
    with program.attach_uprobe_multi(program_file, "lbc_add", pid=process.pid):
        subprocess.run([program_file], input=b"\n", check=True, capture_output=True)
        assert obj.variables["hits"] == 0
        call()
        assert obj.variables["hits"] == 1


@MULTI
def test_many_missing_functions_are_named(only, library):
    _, program = only("by_uprobe_multi")
    with pytest.raises(bpf.LibbpfError, match=r"no function .* fits 'nothing\*'"):
        program.attach_uprobe_multi(library, "nothing*")
    with pytest.raises(bpf.LibbpfError, match=r"no function 'lbc_ad'.*'lbc_add'"):
        program.attach_uprobe_multi(library, syms=["lbc_sub", "lbc_ad"])


@MULTI
def test_what_a_file_only_imports_is_no_function_of_it(only, program_file):
    _, program = only("by_uprobe_multi")
    with program.attach_uprobe_multi(program_file, "*") as link:
        assert 0 not in link.info.details["offsets"]
    with pytest.raises(bpf.LibbpfError, match=r"no function .* fits '__libc_start_m\*'"):
        program.attach_uprobe_multi(program_file, "__libc_start_m*")
    with pytest.raises(bpf.LibbpfError, match="no function '__libc_start_main'"):
        program.attach_uprobe_multi(program_file, syms=["lbc_add", "__libc_start_main"])


def test_a_plain_uprobe_is_not_attached_to_many(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(ValueError, match=r"uprobe\.multi"):
        program.attach_uprobe_multi(library, "lbc_add")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, TypeError),
        ({"func_pattern": "a", "syms": ["a"]}, TypeError),
        ({"func_pattern": "a", "cookies": [1]}, TypeError),
        ({"syms": "lbc_add"}, TypeError),
        ({"syms": []}, ValueError),
        ({"syms": ["a", "b"], "cookies": [1]}, ValueError),
        ({"offsets": [-1]}, ValueError),
        ({"syms": ["a\0b"]}, ValueError),
    ],
)
def test_what_does_not_fit_together_is_refused(only, library, arguments, error):
    _, program = only("by_uprobe_multi")
    with pytest.raises(error):
        program.attach_uprobe_multi(library, **arguments)


# USDT


@pytest.mark.every_kernel
def test_a_usdt_probe_fires_with_its_arguments_and_cookie(only, library, called):
    obj, program = only("by_usdt")
    link = program.attach_usdt(library, "lbc", "args", usdt_cookie=COOKIE)
    assert fires(obj, link, lambda: called.lbc_probe(-7, ctypes.c_long(1 << 40))) == 3
    assert obj.variables["first"] == -7
    assert obj.variables["second"] == 1 << 40
    assert obj.variables["count"] == 2
    assert obj.variables["cookie"] == COOKIE


def test_a_usdt_probes_semaphore_is_up_while_it_is_attached(only, library, called):
    obj, program = only("by_usdt")
    assert called.lbc_guarded() == 0
    with program.attach_usdt(library, "lbc", "guarded", pid=0):
        assert called.lbc_guarded() == 1
        assert obj.variables["hits"] == 1
    assert called.lbc_guarded() == 0


def test_a_uprobe_counts_a_semaphore_up(only, library, called):
    _, program = only("by_uprobe")
    data = library.read_bytes()
    at = _elf.section(data, ".note.stapsdt").index(b"guarded\0")
    address = int.from_bytes(_elf.section(data, ".note.stapsdt")[at - 4 - 8 : at - 4], sys.byteorder)
    # In the file it is where its segment puts it.
    segments = range(int.from_bytes(data[32:40], "little"), 1 << 20, 56)
    for segment in list(segments)[: int.from_bytes(data[56:58], "little")]:
        kind, offset, start, size = (
            int.from_bytes(data[segment + field : segment + field + length], "little")
            for field, length in ((0, 4), (8, 8), (16, 8), (40, 8))
        )
        if kind == 1 and start <= address < start + size:
            place = address - start + offset
    with program.attach_uprobe(library, "lbc_add", pid=0, ref_ctr_offset=place):
        assert called.lbc_guarded() == 1
    assert called.lbc_guarded() == 0


def test_a_missing_usdt_probe_is_named_with_what_comes_close(only, library):
    _, program = only("by_usdt")
    with pytest.raises(bpf.LibbpfError, match=r"no USDT probe 'lbc:arg'.*'lbc:args'") as caught:
        program.attach_usdt(library, "lbc", "arg")
    assert caught.value.errno == errno.ENOENT


def test_an_object_without_the_maps_of_usdt_says_what_to_include(one_program, library, tracefs):
    _, program = one_program("kinds", "of_uprobe")
    with pytest.raises(bpf.LibbpfError, match=r"include <bpf/usdt\.bpf\.h>"):
        program.attach_usdt(library, "lbc", "args")


@pytest.mark.parametrize(
    "attach",
    [
        lambda program, path: program.attach_usdt(path, "lbc", "args"),
        lambda program, path: program.attach_uprobe(path, "lbc_add"),
        lambda program, path: program.attach_uprobe(path, func_offset=16),
    ],
    ids=["usdt", "function", "place"],
)
@pytest.mark.parametrize(("closed", "error"), [(False, bpf.StateError), (True, bpf.ClosedError)])
def test_a_program_that_cannot_be_attached_has_no_file_looked_for(opened, attach, closed, error):
    obj = opened("attach_user")
    program = obj.programs["by_usdt"]
    if closed:
        obj.close()
    with pytest.raises(error):
        attach(program, "/no/such/file")


# By the section


def test_a_section_that_names_a_file_has_it_checked(loaded, monkeypatch):
    checked = []
    monkeypatch.setattr("libbpf_cffi._elf_target.Target.check_elf", lambda target: checked.append(target.named))
    obj = loaded("kinds")
    for name in ("of_uprobe", "of_uretprobe"):
        obj.programs[name].attach().close()
    assert checked == ["libc.so.6"] * 2


@pytest.mark.parametrize(
    ("section", "method", "arguments"),
    [
        ("uprobe/a:f", "attach_uprobe", ("a", "f")),
        ("uprobe.s//b/c:f+0x10", "attach_uprobe", ("/b/c", "f+0x10")),
        ("uretprobe/a:f", "attach_uprobe", ("a", "f")),
        ("uretprobe/a:f+4", None, None),
        ("uprobe/a", None, None),
        ("uprobe", None, None),
        ("uprobe.multi/a:f*", "attach_uprobe_multi", ("a", "f*")),
        ("uretprobe.multi.s/a:f*", "attach_uprobe_multi", ("a", "f*")),
        ("uprobe.session/a:f*", "attach_uprobe_multi", ("a", "f*")),
        ("usdt/a:p:n", "attach_usdt", ("a", "p", "n")),
        ("usdt.s//a/b:p:n", "attach_usdt", ("/a/b", "p", "n")),
        ("usdt/a:p", None, None),
        ("kprobe/f", None, None),
    ],
)
def test_a_section_is_read_as_libbpf_reads_it(opened, monkeypatch, section, method, arguments):
    program = opened("attach_user").programs["by_uprobe"]
    found = []
    for name in ("attach_uprobe", "attach_uprobe_multi", "attach_usdt"):
        monkeypatch.setattr(bpf.Program, name, lambda _, *given, name=name: found.append((name, given)))
    program._section_name = section
    assert program._by_section() is None
    assert found == ([] if method is None else [(method, arguments)])


# A file that changes its name


def test_the_file_that_was_checked_is_the_one_that_is_probed(only, library, called, tmp_path, monkeypatch):
    from libbpf_cffi import _elf_target

    path = tmp_path / "swapped.so"
    shutil.copy(library, path)
    own = ctypes.CDLL(str(path))
    checked = _elf_target.Target.check_elf

    def check_and_swap(target):
        checked(target)
        path.unlink()
        path.write_bytes(b"\x7fELF nonsense")

    monkeypatch.setattr(_elf_target.Target, "check_elf", check_and_swap)
    obj, program = only("by_uprobe")
    link = program.attach_uprobe(path, "lbc_add")
    assert fires(obj, link, lambda: own.lbc_add(1, 2)) == 3




@pytest.mark.needs("perf_link_info")
def test_the_kernel_shows_the_files_own_path(only, library, called):
    _, program = only("by_uprobe")
    with program.attach_uprobe(library, "lbc_add") as link:
        details = link.info.details
        assert details["file_name"] == str(library)
        assert details["offset"] == offset_of(library, "lbc_add")


@pytest.mark.parametrize("offset", [-1, 1 << 63, "1", None])
def test_an_offset_is_a_place_in_a_file(only, library, offset):
    _, program = only("by_uprobe")
    with pytest.raises((TypeError, ValueError), match="func_offset"):
        program.attach_uprobe(library, "lbc_add", offset)


@pytest.mark.parametrize("name", ["lbc_add+-1", "lbc_add+nothing", "lbc_add+0x8000000000000000", "+4", ""])
def test_an_offset_behind_a_function_is_a_place_in_a_file(only, library, name):
    _, program = only("by_uprobe")
    with pytest.raises((bpf.LibbpfError, ValueError)):
        program.attach_uprobe(library, name)


def test_a_probe_without_a_place_is_refused(opened):
    program = next(each for each in opened("attach_user").programs.values() if each.section_name.startswith("uprobe"))
    with pytest.raises(ValueError, match="give func_name, or func_offset"):
        program.attach_uprobe("libc")


def test_what_libbpf_says_names_the_file_that_was_meant(only, library):
    _, program = only("by_uprobe")
    with pytest.raises(bpf.LibbpfError) as caught:
        program.attach_uprobe(library, "lbc_nothing")
    assert str(library) in "".join(caught.value.messages)
    assert "/proc/self/fd" not in str(caught.value)
