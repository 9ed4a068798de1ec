"""What may be missing, closed or full around a process: an error of ours that says so, or all works without it."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys

import pytest

import libbpf_cffi as bpf


def elsewhere(*steps):
    """Give the command that runs another in mounts of its own, which the steps of a shell have changed."""
    script = "; ".join(("set -e", *steps, 'exec "$@"'))
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")


def gone(*folders):
    """Give the steps that unmount all there is at some places."""
    return [f"while umount -l {folder} 2>/dev/null; do :; done" for folder in folders]


NO_PROC = [*gone("/proc"), "mount -t tmpfs none /proc"]
"""The root file system of a virtual machine has another one's there: that of the process that runs it."""

OPTIONS = pytest.mark.unsanitized("a sanitizer reads its options in /proc/self/environ")


SOURCE = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} raw_hits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

__u64 total;

SEC("raw_tp/sys_enter")
int on_raw(void *ctx)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 one = 1;

	return bpf_map_update_elem(&raw_hits, &tgid, &one, BPF_ANY);
}

char LICENSE[] SEC("license") = "GPL";
"""
"""Needs nothing that the kernel's BTF is for."""

ALL = """
import os, sys
import libbpf_cffi as bpf

def use(path):
    with bpf.Object.open(path) as obj:
        for each in obj.programs.values():
            each.autoload = each.name == "on_raw"
        obj.load()
        obj.attach()
        os.getppid()
        assert obj.maps["raw_hits"][os.getpid()] >= 1
        assert obj.variables["total"] == 0
        with obj.maps["events"].ring_buffer() as events:
            assert events.consume() == []
    with bpf.Map.create("hash", "u32", "u32", 4) as made:
        made[1] = 2
        with bpf.Map.from_id(made.id) as again:
            assert dict(again) == {1: 2}

def told(function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except bpf.Error as error:
        print(type(error).__name__, error.errno, str(error).replace("\\n", " "))
    else:
        print("works")

"""


@pytest.mark.parametrize(
    "steps",
    [
        gone("/sys/kernel/tracing", "/sys/kernel/debug"),
        gone("/sys/fs/bpf"),
        ["mount -t tmpfs none /sys/kernel/btf"],
        ["mount -o remount,bind,ro /sys"],
        ["mount -t tmpfs none /sys"],
        pytest.param(NO_PROC, marks=OPTIONS),
        pytest.param(
            [*NO_PROC, "mount -t tmpfs none /sys", "mount -t tmpfs none /dev", "mount -t tmpfs none /tmp"],
            marks=OPTIONS,
        ),
    ],
    ids=["no tracefs", "no bpffs", "no BTF", "read-only /sys", "empty /sys", "no /proc", "nothing at all"],
)
def test_an_object_that_needs_nothing_of_it_works(python, compiled, tmp_path, steps):
    # By stdin: no folder may be there to read it from.
    content = bpf.compile_object(SOURCE)
    done = subprocess.run(
        [*elsewhere(*steps), sys.executable, "-bb", "-W", "error", "-c", ALL + "use(sys.stdin.buffer.read())"],
        input=content, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@OPTIONS
@pytest.mark.needs("map:ARENA")
def test_without_proc_an_arena_is_put_at_no_address_of_its_own(python, compiled):
    said = python(
        ALL
        + """
with bpf.Object.open(sys.argv[1]) as obj:
    obj.maps["arena"].map_extra = 1 << 44
    told(obj.load)
""",
        compiled("arena"),
        before=elsewhere(*NO_PROC),
    )
    assert "LibbpfError" in said
    assert "0x100000000000" in said


def test_without_a_bpf_file_system_all_that_pins_says_how_to_mount_one(python, compiled):
    said = python(
        ALL
        + """
made = bpf.Map.create("hash", "u32", "u32", 4)
told(made.pin, "/sys/fs/bpf/there")
told(bpf.Map.from_pin, "/sys/fs/bpf/there")
obj = bpf.Object.open(sys.argv[1])
told(obj.load)
obj.close()
with bpf.Object.open(sys.argv[2]) as obj:
    obj.load()
    told(obj.pin, "/sys/fs/bpf/there")
    told(obj.programs["on_raw"].attach().pin, "/sys/fs/bpf/link")
made.close()
""",
        compiled("pinned_map"),
        compiled("basic"),
        before=elsewhere(*gone("/sys/fs/bpf")),
    )
    pin, from_pin, load, whole, link = said.splitlines()
    for each in (pin, load, whole, link):
        assert each.startswith("LibbpfError ")
        assert "mount -t bpf bpf /sys/fs/bpf" in each
    assert from_pin.startswith(f"LibbpfError {errno.ENOENT} ")


def test_where_tracefs_is_read_only_the_shared_trace_is_read_and_an_instance_is_refused(python, compiled, tracefs):
    said = python(
        ALL
        + """
told(bpf.TracePipe, instance=True)
def read():
    with bpf.TracePipe() as pipe:
        pipe.read(timeout=0)
told(read)
with bpf.Object.open(sys.argv[1]) as obj:
    obj.load()
    told(obj.attach)
""",
        compiled("basic"),
        before=elsewhere("mount -o remount,bind,ro /sys/kernel/tracing"),
    )
    instance, shared, attached = said.splitlines()
    assert instance.startswith(f"TracefsError {errno.EROFS} cannot ")
    assert shared == "works"
    assert attached == "works"


def test_without_btf_what_needs_it_says_what_the_kernel_lacks(python, compiled):
    said = python(
        ALL
        + """
told(bpf.Btf.kernel)
with bpf.Object.open(sys.argv[1]) as obj:
    for each in obj.programs.values():
        each.autoload = each.name == "of_tp_btf"
    told(obj.load)
""",
        compiled("kinds"),
        before=elsewhere("mount -t tmpfs none /sys/kernel/btf"),
    )
    for each in said.splitlines():
        assert "CONFIG_DEBUG_INFO_BTF" in each


# What is full


@pytest.fixture
def full(private_mounts, tmp_path):
    """Give a folder on a disk without room, with one file that was there before."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", folder], check=True)
    (folder / "before").write_bytes(b"before")
    with open(folder / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_an_object_that_does_not_fit_leaves_the_file_as_it_was(full, compiled):
    with pytest.raises(OSError, match="No space left on device"):
        bpf.compile_object("int x;\n", output=full / "before")
    assert sorted(os.listdir(full)) == ["before", "filler"]
    assert (full / "before").read_bytes() == b"before"


def test_a_linked_object_that_does_not_fit_leaves_the_file_as_it_was(full, compiled):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.link_objects(compiled("basic"), output=full / "before")
    assert caught.value.errno == errno.ENOSPC
    assert sorted(os.listdir(full)) == ["before", "filler"]
    assert (full / "before").read_bytes() == b"before"


@pytest.mark.slow_emulated
@pytest.mark.parametrize("options", [["-i"], ["-N", "-d", "0.1", "--map", "callers"]])
def test_the_command_ends_with_an_error_when_its_output_does_not_fit(full, compiled, tracefs, options):
    command = [sys.executable, "-m", "libbpf_cffi.run", *options, "-o", full / "new", compiled("printing")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            os.getppid()
        said = process.stderr.read()
    assert process.returncode == 1, said
    assert "No space left on device" in said
    assert "Traceback" not in said
    assert bpf.Program.find_all(name="on_getppid") == []


# A pipe that is closed downstream


@pytest.mark.slow_emulated
def test_a_pipe_into_head_ends_quietly_with_all_detached(compiled, tracefs):
    command = f"{sys.executable} -m libbpf_cffi.run -q -i -P on_getppid {compiled('printing')} | head -1"
    with subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None:
            os.getppid()
        out, said = process.communicate()
    assert len(out.splitlines()) == 1
    assert said == ""
    assert bpf.Program.find_all(name="on_getppid") == []


# The environment


def test_what_libbpf_would_print_by_its_environment_it_does_not(python, compiled):
    # `python` fails what writes to stderr.
    assert python(ALL + "use(sys.argv[1])", compiled("basic"), LIBBPF_LOG_LEVEL="debug") == ""


def test_the_command_says_which_variable_names_no_token(compiled, tracefs):
    done = subprocess.run(
        [sys.executable, "-m", "libbpf_cffi.run", "-L", compiled("basic")],
        env={**os.environ, "LIBBPF_BPF_TOKEN_PATH": "/no/such/bpffs"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "LIBBPF_BPF_TOKEN_PATH" in done.stderr
