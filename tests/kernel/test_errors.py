"""Failures of the kernel: which exception each becomes, what it tells, and what still works afterwards."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import shutil
import subprocess
import sys
import tempfile

import pytest
import run_command
from sanitized import KEPT

import libbpf_cffi as bpf
from libbpf_cffi import lib

# The verifier


def refused(obj):
    """Load an object that the verifier refuses; give the exception."""
    with pytest.raises(bpf.VerifierError) as caught:
        obj.load()
    return caught.value


@pytest.mark.every_kernel
def test_a_refusal_names_the_program(opened):
    assert refused(opened("refused")).program == "wild_read"


@pytest.mark.every_kernel
def test_a_refusal_has_the_verifiers_log(opened):
    log = refused(opened("refused")).log
    assert "R1 invalid mem access '" in log
    assert "return *(volatile int *)" in log


@pytest.mark.every_kernel
def test_a_refusal_is_told_in_its_last_lines(opened):
    text = str(refused(opened("refused")))
    assert "wild_read" in text
    assert "R1 invalid mem access '" in text


def test_a_refusal_has_the_kernels_errno(opened):
    assert refused(opened("refused")).errno == errno.EACCES


def test_a_refusal_is_no_matter_of_permissions(opened):
    # Both are EACCES: the log decides.
    error = refused(opened("refused"))
    assert not isinstance(error, PermissionError)
    assert "CAP_" not in str(error)


def test_a_refusal_names_the_program_that_was_refused_not_one_that_was_logged(opened):
    obj = opened("refused")
    for program in obj.programs.values():
        program.log_level = 2
    error = refused(obj)
    assert error.program == "wild_read"
    assert "invalid mem access" in error.log


def test_a_refusal_that_went_to_a_buffer_names_the_program_too(opened):
    assert refused(opened("refused", kernel_log_size=1 << 20)).program == "wild_read"


def test_what_a_buffer_held_before_is_no_log(opened):
    buffer = bytearray(b"R1 invalid mem access: the log of another object" * 10)
    obj = opened("basic", kernel_log_buf=buffer)
    obj.maps["raw_hits"].key_size = 0
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    assert not isinstance(caught.value, bpf.VerifierError)
    assert obj.kernel_log == ""


@pytest.mark.every_kernel
def test_after_a_refusal_each_program_has_its_log(opened):
    obj = opened("refused")
    obj.programs["accepted"].log_level = 2
    error = refused(obj)
    assert "processed" in obj.programs["accepted"].log
    assert obj.programs["wild_read"].log == error.log
    assert obj.programs["never_reached"].log == ""


@pytest.mark.slow_emulated
def test_a_log_of_several_megabytes_is_whole(opened):
    # The kernel writes the same log into a buffer of ours, without libbpf and its print hook in between.
    size = 64 << 20
    whole = opened("long_log", kernel_log_size=size)
    refused(whole)
    log = refused(opened("long_log")).log
    assert len(log) > 4 << 20
    assert log == whole.kernel_log


def test_the_summary_of_a_log_of_several_megabytes_is_short(opened):
    assert len(str(refused(opened("long_log")))) < 2000


def test_a_refusal_survives_pickling_and_copying(opened):
    error = refused(opened("refused"))
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is bpf.VerifierError
        assert (again.errno, again.program, again.log, again.messages, str(again)) == (
            error.errno, error.program, error.log, error.messages, str(error),
        )  # fmt: skip


def test_the_log_is_not_among_the_messages(opened):
    assert not any("invalid mem access" in message for message in refused(opened("refused")).messages)


# Which exception, which errno


def test_what_the_kernel_does_not_know_is_an_error_with_its_errno(opened):
    obj = opened("basic")
    obj.maps["raw_hits"].key_size = 0
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    assert caught.value.errno == errno.EINVAL
    assert "raw_hits" in "\n".join(caught.value.messages)


@pytest.mark.every_kernel
def test_the_definition_of_a_map_that_is_refused_is_told_with_what_its_type_wants(opened):
    obj = opened("refusals")
    obj.maps["events"].key_size = 0
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    assert caught.value.hint == (
        "the kernel refuses this definition: type HASH, key_size 0, value_size 16, max_entries 16, map_flags 0x0; of "
        "this type a key and a value have at least a byte, and max_entries is 1 or more"
    )


def test_every_error_of_libbpf_is_an_os_error(loaded):
    with pytest.raises(OSError, match="cannot attach") as caught:
        loaded("basic").programs["pass"].attach()
    assert caught.value.errno == errno.EOPNOTSUPP
    assert caught.value.strerror


def test_an_error_says_what_was_being_done_to_what(loaded):
    with pytest.raises(bpf.LibbpfError) as caught:
        loaded("half_attachable").programs["has_no_event"].attach()
    assert caught.value.action.startswith("attach program 'has_no_event'")
    assert str(caught.value).startswith(f"cannot {caught.value.action}")


def test_an_error_has_what_libbpf_said_during_the_call_and_no_more(loaded):
    obj = loaded("half_attachable")
    # libbpf says something here, and nobody takes it.
    garbage = b"no ELF file" * 10
    assert not lib.bpf_object__open_mem(garbage, len(garbage), bpf.ffi.NULL)
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.programs["has_no_event"].attach()
    assert caught.value.messages
    assert all("no_such" in message for message in caught.value.messages)


@pytest.mark.parametrize(
    "failing",
    [
        lambda obj, link: link.detach(),
        lambda obj, link: obj.maps["events"].pin("/sys/fs/bpf/" + "x" * 300),
        lambda obj, link: obj.programs["on_raw"].unpin("/sys/fs/bpf/none"),
        lambda obj, link: link.pin("/sys/fs/bpf/" + "x" * 300),
        lambda obj, link: link.update_program(obj.programs["pass"]),
        lambda obj, link: obj.unpin("/sys/fs/bpf/none"),
        lambda obj, link: bpf.Link.open("/sys/fs/bpf/none"),
        lambda obj, link: bpf.Object.open(b""),
        lambda obj, link: bpf.Object.open("/no/such/file"),
        lambda obj, link: setattr(obj.maps["events"], "autoattach", True),
    ],
    ids=range(10),
)
def test_no_error_has_what_libbpf_said_before_the_call(loaded, bpffs, failing):
    obj = loaded("basic")
    link = obj.programs["on_raw"].attach()
    garbage = b"no ELF file" * 10
    assert not lib.bpf_object__open_mem(garbage, len(garbage), bpf.ffi.NULL)
    with pytest.raises(bpf.LibbpfError) as caught:
        failing(obj, link)
    assert "ELF" not in "\n".join(caught.value.messages)


# What is not mounted


def without(folder, *rest):
    """Give the command that runs another where something is not mounted."""
    script = f'while umount -l {folder} 2>/dev/null; do :; done; {"".join(rest)} exec "$@"'
    return ("unshare", "-m", "sh", "-c", script, "sh")


def test_a_tracefs_that_is_not_mounted_is_explained(python, compiled, tracefs):
    said = python(
        """
import sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    obj.load()
    try:
        obj.attach()
    except bpf.LibbpfError as error:
        print(error.errno, error)
""",
        compiled("basic"),
        before=without("/sys/kernel/tracing", "umount -l /sys/kernel/debug 2>/dev/null;"),
    )
    assert said.startswith(f"{errno.ENOENT} ")
    assert "mount -t tracefs" in said


@pytest.mark.every_kernel
def test_a_kernel_without_btf_is_explained(python, compiled):
    said = python(
        """
import sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1], pin_root_path="/sys/fs/bpf/unused") as obj:
    obj.maps["shared"].pin_path = None
    try:
        obj.load()
    except bpf.LibbpfError as error:
        print(error)
""",
        compiled("options"),
        before=without("/sys/kernel/btf", "mount -t tmpfs none /sys/kernel/btf;"),
    )
    assert "CONFIG_DEBUG_INFO_BTF" in said
    assert "for CO-RE alone btf_custom_path= names a file" in said
    assert "(tp_btf, fentry, lsm, iter, struct_ops, __ksym) needs it of the kernel itself" in said


@pytest.mark.parametrize(
    "text", ['SEC("xdp") int pass(void *ctx) { return 2; }', "#include <vmlinux.h>\nint number;\n", "int a;\n" * 2000]
)
def test_a_source_in_place_of_a_path_is_said_to_be_one(text):
    with pytest.raises(bpf.LibbpfError, match=r"hint: this is C: compile it first, with compile_object\(\)"):
        bpf.Object.open(text)


@pytest.mark.every_kernel
def test_an_object_with_maps_that_was_compiled_without_debug_information_is_explained():
    source = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u32);
} table SEC(".maps");
"""
    with pytest.raises(bpf.LibbpfError, match="BTF is required, but is missing") as caught:
        bpf.Object.open(bpf.compile_object(source, flags=["-g0"]))
    assert caught.value.errno == errno.ENOENT
    assert "compile it with -g" in caught.value.hint


def test_the_command_names_no_keyword_of_python_where_the_kernel_has_no_btf(compiled):
    prefix = without("/sys/kernel/btf", "mount -t tmpfs none /sys/kernel/btf;")
    status, _, said = run_command.run("--load-only", "-P", "of_tp_btf", compiled("kinds"), prefix=prefix)
    assert status == 1
    assert "__ksym) needs it of the kernel itself\n" in said
    assert "btf_custom_path" not in said


# Privilege

LOAD = """
import sys
import libbpf_cffi as bpf
with bpf.Object.open(sys.argv[1]) as obj:
    try:
        obj.load()
        obj.attach()
    except bpf.LibbpfError as error:
        print(type(error).__name__, error.errno)
        print(error)
    else:
        print("attached")
"""


def unprivileged(*capabilities):
    """Give the command that runs another as nobody, with some capabilities."""
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv (util-linux)")
    kept = "".join(f",+{name}" for name in capabilities)
    return (
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps=-all{kept}",
        f"--ambient-caps=-all{kept}", f"--bounding-set=-all{kept}",
    )  # fmt: skip


@pytest.fixture
def shared(compiled):
    """Copy a compiled object to where everybody can read it, and give its path."""
    # pytest's own folders are for their owner alone.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)

        def share(name):
            path = os.path.join(folder, f"{name}.o")
            shutil.copy(compiled(name), path)
            os.chmod(path, 0o644)
            return path

        yield share


@pytest.fixture
def readable():
    """Skip where a user without privilege cannot run this Python or read the package."""
    done = subprocess.run(
        [*unprivileged(), sys.executable, "-c", "import libbpf_cffi"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("nobody may not read this Python or the package")


@pytest.mark.every_kernel
def test_without_privilege_the_missing_capabilities_are_named(python, shared, tracefs, readable):
    said = python(LOAD, shared("basic"), before=unprivileged())
    assert said.startswith(f"LibbpfPermissionError {errno.EPERM}")
    assert "CAP_BPF, CAP_PERFMON" in said


@pytest.mark.every_kernel
def test_without_privilege_the_setting_that_forbids_is_named(python, shared, tracefs, readable):
    with open("/proc/sys/kernel/unprivileged_bpf_disabled", encoding="ascii") as file:
        if file.read().strip() == "0":
            pytest.skip("this system lets everybody use BPF")
    assert "unprivileged_bpf_disabled" in python(LOAD, shared("basic"), before=unprivileged())


@pytest.mark.every_kernel
def test_with_two_capabilities_tracing_loads_and_the_third_is_named(python, shared, tracefs, readable):
    said = python(LOAD, shared("half_attachable"), before=unprivileged("bpf", "perfmon"))
    assert f"LibbpfPermissionError {errno.EACCES}" in said
    assert "CAP_DAC_READ_SEARCH" in said
    assert "attach program 'comes_second'" in said


OPEN = """
import sys
import libbpf_cffi as bpf
for function, argument in ((bpf.Map.from_id, 1), (bpf.Map.find, "x"), (bpf.Map.from_pin, sys.argv[1])):
    try:
        function(argument)
    except bpf.LibbpfError as error:
        print(error.errno, error.hint)
"""


def test_what_opens_maps_by_number_or_path_says_what_it_wants(python, pins, readable):
    os.mkdir(f"{pins}/own", 0o700)
    by_id, by_name, by_pin = python(OPEN, f"{pins}/own/pin", before=unprivileged("bpf", "perfmon")).splitlines()
    for said in (by_id, by_name):
        assert said.startswith(f"{errno.EPERM} this process lacks CAP_SYS_ADMIN")
    assert by_pin.startswith(f"{errno.EACCES} '{pins}")
    assert "belongs to user 0 and has the mode 0700" in by_pin


@pytest.mark.parametrize(
    ("path", "told"),
    [("/etc/passwd", "'/etc/passwd' is no pin"), ("/nowhere/pin", "there is no 'nowhere' in '/'")],
)
def test_a_path_that_leads_to_no_pin_is_explained(root, path, told):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Map.from_pin(path)
    assert told in caught.value.hint


def test_a_pin_where_one_is_already_is_explained(loaded, pins):
    events = loaded("basic").maps["events"]
    events.pin(f"{pins}/taken")
    with bpf.Map.from_id(events.id) as same, pytest.raises(bpf.LibbpfError) as caught:
        same.pin(f"{pins}/taken")
    assert (caught.value.errno, "taken' already: unpin" in caught.value.hint) == (errno.EEXIST, True)


def test_with_three_capabilities_everything_works(python, shared, tracefs, readable):
    said = python(LOAD, shared("execve"), before=unprivileged("bpf", "perfmon", "dac_read_search"))
    assert said == "attached\n"


@pytest.mark.every_kernel
def test_a_load_that_failed_for_want_of_privilege_spoils_no_later_one(python, compiled, tracefs):
    said = python(
        """
import os, sys
import libbpf_cffi as bpf
with open(sys.argv[1], "rb") as file:
    content = file.read()
os.seteuid(65534)
for _ in range(2):
    with bpf.Object.open(content) as obj:
        try:
            obj.load()
        except bpf.LibbpfPermissionError as error:
            print(error.errno)
os.seteuid(0)
with bpf.Object.open(content) as obj:
    obj.load()
    print(sorted(obj.attach()))
""",
        compiled("basic"),
    )
    assert said.split("\n")[:3] == [str(errno.EPERM), str(errno.EPERM), "['on_raw', 'on_tracepoint']"]


# Descriptors


def test_a_process_that_is_out_of_descriptors_is_told_so_and_can_go_on(python, compiled, tracefs):
    # Nothing may be imported at that moment, and nothing opened.
    said = python(
        """
import os, sys
import libbpf_cffi as bpf
with open(sys.argv[1], "rb") as file:
    content = file.read()
obj = bpf.Object.open(content)
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
for spare in range(16):
    try:
        obj.load()
    except bpf.LibbpfError as error:
        assert error.errno == 24, error
    os.close(taken.pop())
for fd in taken:
    os.close(fd)
obj.load()
print(len(obj.attach()))
obj.close()
""",
        compiled("basic"),
        before=("sh", "-c", 'ulimit -n 64; exec "$@"', "sh"),
    )
    assert said == "2\n"


@pytest.mark.slow_emulated
@pytest.mark.parametrize("name", ["basic", "map_kinds", "kinds", "struct_ops"])
def test_without_enough_descriptors_load_says_so_and_spoils_no_later_one(python, compiled, tracefs, name):
    said = python(
        """
import os, resource, sys
import libbpf_cffi as bpf
from libbpf_cffi import infos, enums
with open(sys.argv[1], "rb") as file:
    content = file.read()
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
failed = 0
for spare in range(0, 60):
    used = len(os.listdir("/proc/self/fd")) - 1
    with bpf.Object.open(content) as obj:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
        try:
            obj.load()
        except bpf.LibbpfError as error:
            failed += 1
            assert error.errno == 24, error
            assert "ulimit -n" in str(error), error
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    with bpf.Object.open(content) as obj:
        obj.load()
print("failed" if failed > 5 else failed)
""",
        compiled(name),
    )
    assert said == "failed\n"


@pytest.mark.needs("map:BLOOM_FILTER")
def test_a_load_that_ran_out_of_descriptors_halfway_can_be_repeated(python, compiled, tracefs):
    # The head-room is what libbpf needs when it takes its descriptors one by one; another thread may take some too.
    said = python(
        """
import os, resource, sys
import libbpf_cffi as bpf
from libbpf_cffi import _head_room
_head_room.HEAD_ROOM = -100
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
errors = set()
for spare in range(0, 40):
    with bpf.Object.open(sys.argv[1]) as obj:
        used = len(os.listdir("/proc/self/fd")) - 1
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
        try:
            obj.load()
        except bpf.LibbpfError as error:
            errors.add(error.errno)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    with bpf.Object.open(sys.argv[1]) as obj:
        obj.load()
print(24 in errors)
""",
        compiled("map_kinds"),
    )
    assert said == "True\n"


# Nothing leaks


@pytest.mark.slow_emulated
@pytest.mark.parametrize("name", ["basic", "kinds", "map_kinds", "struct_ops", "network"])
def test_two_hundred_lives_leave_nothing(python, compiled, tracefs, name):
    cycles = 200 if name != "kinds" else 40
    said = python(
        """
import os, sys
import libbpf_cffi as bpf

def live():
    with bpf.Object.open(sys.argv[1]) as obj:
        obj.load()
        for link in obj.attach().values():
            link.pin_path
        for program in obj.programs.values():
            program.autoload and program.info
        for each in obj.maps.values():
            each.info

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

# The first half warms up: allocators and caches come to rest. The second must add nothing.
for _ in range(int(sys.argv[2]) // 2):
    live()
before = len(os.listdir("/proc/self/fd")), memory()
for _ in range(int(sys.argv[2]) // 2):
    live()
print(len(os.listdir("/proc/self/fd")) - before[0], (memory() - before[1]) // 1024)
""",
        compiled(name),
        cycles,
    )
    descriptors, kilobytes = map(int, said.split())
    assert descriptors == 0
    assert kilobytes < 512 + KEPT // 1024


@pytest.mark.slow_emulated
def test_failures_of_every_kind_leave_nothing(python, compiled, bpffs):
    said = python(
        """
import os, sys
import libbpf_cffi as bpf
refused, half, basic = sys.argv[1:4]

def fail():
    for path, do in (
        (refused, lambda obj: obj.load()),
        (half, lambda obj: (obj.load(), obj.attach())),
        (basic, lambda obj: (setattr(obj.maps["raw_hits"], "key_size", 0), obj.load())),
        (basic, lambda obj: (obj.load(), obj.pin("/sys/fs/bpf/" + "x" * 300))),
        (basic, lambda obj: (obj.load(), bpf.Link.open("/proc/self/stat"))),
        (basic, lambda obj: bpf.Object.open("/")),
        (basic, lambda obj: bpf.Object.open(b"x" * 100)),
    ):
        with bpf.Object.open(path) as obj:
            try:
                do(obj)
            except bpf.LibbpfError:
                pass
            else:
                print("did not fail")

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

for _ in range(10):
    fail()
before = len(os.listdir("/proc/self/fd")), memory()
for _ in range(50):
    fail()
print(len(os.listdir("/proc/self/fd")) - before[0], (memory() - before[1]) // 1024)
""",
        compiled("refused"),
        compiled("half_attachable"),
        compiled("basic"),
    )
    descriptors, kilobytes = map(int, said.split())
    assert descriptors == 0
    assert kilobytes < 1024 + KEPT // 1024


# Names that nobody has


USES = """
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

extern DECLARED;

SEC("syscall")
int use(void *ctx)
{
    return USED;
}

char LICENSE[] SEC("license") = "GPL";
"""


@pytest.mark.needs("btf", "program:SYSCALL")
@pytest.mark.parametrize(
    ("declared", "used", "said"),
    [
        ("int other(int a)", "other(1)", r"failed to find BTF for extern 'other'.*\n.*no file is .*_cffi\.linker\)"),
        ("int other(int a) __ksym", "other(1)", r"extern \(func ksym\) 'other'(.*\n)+.*hint.*bpf_ksym_exists\(\)"),
        ("const int no_such __ksym", "no_such", r"extern \(var ksym\) 'no_such'(.*\n)+.*hint.*bpf_ksym_exists\(\)"),
        ("int CONFIG_NO_SUCH __kconfig", "CONFIG_NO_SUCH", r"'CONFIG_NO_SUCH' \(strong\)(.*\n)+.*kconfig= does"),
    ],
)
def test_what_is_declared_and_nowhere_is_explained(root, declared, used, said):
    content = bpf.compile_object(USES.replace("DECLARED", declared).replace("USED", used))
    with pytest.raises(bpf.LibbpfError, match=said), bpf.Object.open(content) as obj:
        obj.load()


MAP = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, long);
} counts SEC(".maps");

SEC("socket")
int use(void *ctx)
{
    int key = 0;

    return !bpf_map_lookup_elem(&counts, &key);
}
"""


def mistaken(old, new):
    """Open and load what MAP is with something else in it; give the exception."""
    content = bpf.compile_object(MAP.replace(old, new))
    with pytest.raises(bpf.LibbpfError) as caught, bpf.Object.open(content) as obj:
        obj.load()
    return caught.value


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
def test_a_map_in_another_section_is_told_in_which_it_must_be(root):
    assert 'must stand in SEC(".maps")' in mistaken('".maps"', '".map"').hint


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
@pytest.mark.parametrize(
    ("field", "said", "kind"),
    [
        ("max_entry", "has no field 'max_entry'; close names: 'max_entries'", bpf.LibbpfError),
        ("keysize", "has no field 'keysize'; close names: 'key_size'", bpf.LibbpfError),
        # Of a newer libbpf, perhaps.
        ("zzzzzz", "has no field 'zzzzzz': type, max_entries, ", bpf.NotSupportedError),
    ],
)
def test_a_misspelt_field_of_a_map_is_told_with_what_comes_close(root, field, said, kind):
    error = mistaken("max_entries", field)
    assert said in error.hint
    assert (type(error), error.errno) == (kind, errno.EOPNOTSUPP)


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
def test_an_old_definition_of_a_map_is_told_what_took_its_place(root):
    error = mistaken('".maps"', '"maps"')
    assert 'a struct of __uint() and __type() in SEC(".maps"), and no longer' in error.hint
    assert type(error) is bpf.NotSupportedError


@pytest.mark.needs("btf")
def test_a_value_that_is_too_large_for_each_cpu_is_told_how_large_it_may_be(root):
    error = mistaken("__type(value, long)", "__uint(value_size, 70000)")
    assert error.errno == errno.E2BIG
    at_most = max(32768, os.sysconf("SC_PAGESIZE"))
    assert error.hint.endswith(f"of this type a value has at most {at_most} bytes, for each CPU has its own")


@pytest.mark.every_kernel
def test_a_type_of_programs_that_the_kernel_does_not_have_is_named(opened):
    obj = opened("basic")
    obj.programs["on_tracepoint"].type = 99
    with pytest.raises(bpf.LibbpfError, match="no programs of the type UNKNOWN_99: autoload = False leaves it out"):
        obj.load()


@pytest.mark.every_kernel
def test_a_type_of_maps_that_the_kernel_does_not_have_is_named(opened):
    obj = opened("basic")
    obj.maps["raw_hits"].type = 99
    with pytest.raises(bpf.LibbpfError, match="no maps of the type UNKNOWN_99: autocreate = False leaves it out"):
        obj.load()


@pytest.mark.every_kernel
@pytest.mark.needs("btf")
@pytest.mark.parametrize(
    ("section", "close"),
    [
        ("tracepoints/syscalls/sys_enter_getpid", "close names: 'tracepoint'"),
        ("krpobe/vfs_read", "close names: 'kprobe'"),
        ("cgroup/conect4", "close names: 'cgroup/connect4'"),
        ("cgroup/sock_creat", "close names: 'cgroup/sock_create'"),
        ("tcx/ingres", "close names: 'tcx/ingress'"),
        ("tcx/egres", "close names: 'tcx/egress'"),
        ("cgroup_skb/ingres", "close names: 'cgroup_skb/ingress'"),
        ("XDP", "close names: 'xdp'"),
        ("no", "program: correct it, or set Program.type before load"),
    ],
)
def test_a_section_that_says_of_no_type_is_told_with_what_comes_close(root, section, close):
    content = bpf.compile_object(f'__attribute__((section("{section}"), used)) int p(void *c) {{ return 0; }}\n')
    with bpf.Object.open(content) as obj, pytest.raises(bpf.LibbpfError, match=f"SEC.'{section}'. names no") as caught:
        obj.load()
    assert close in str(caught.value)


@pytest.mark.every_kernel
def test_a_type_that_was_taken_away_is_told_with_the_sections(opened):
    obj = opened("basic")
    obj.programs["on_tracepoint"].type = bpf.ProgType.UNSPEC
    with pytest.raises(bpf.LibbpfError, match=r"has been set to UNSPEC, though SEC.'tracepoint/.* names TRACEPOINT"):
        obj.load()
