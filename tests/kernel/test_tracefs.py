"""Where the kernel's file systems are; instances; tracepoints: on the running kernel."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from libbpf_cffi import tracefs as fs
from libbpf_cffi.tracepoints import tracepoint_format, tracepoint_id, tracepoints

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def elsewhere(script: str, *command: str) -> str:
    """Run Python with mounts of its own: no tracefs, debugfs, bpffs or cgroup2 at first. Return what it printed."""
    undo = """
        import os, subprocess, sys
        from libbpf_cffi import _mounts, tracefs as fs
        def sh(command):
            subprocess.run(command, shell=True, check=True)
        for kind in ("tracefs", "debugfs", "bpf", "cgroup2"):
            for point, _, _ in reversed(_mounts._mounts(kind)):
                subprocess.run(["umount", "-l", point], check=True)
    """
    program = textwrap.dedent(undo) + textwrap.dedent(script)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


DROP = """
    import ctypes, difflib, os, subprocess, sys
    from libbpf_cffi import tracefs as fs
    def drop(capabilities):
        # All that is needed is imported: nobody may not be able to read Python's own files.
        libc = ctypes.CDLL(None, use_errno=True)
        PR_SET_KEEPCAPS, VERSION_3 = 8, 0x20080522
        assert libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(capabilities, capabilities, 0, 0, 0, 0)
        assert libc.capset(header, data) == 0
"""
CAP_DAC_READ_SEARCH = 1 << 2


def as_nobody(script: str, capabilities: int = 0) -> str:
    """Run Python that becomes nobody, with the capabilities of a mask."""
    program = f"{textwrap.dedent(DROP)}drop({capabilities})\n{textwrap.dedent(script)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


FIND = """
    try:
        print(fs.find_tracefs())
    except fs.TracefsError as error:
        print(type(error).__name__, error)
"""


# Where


def test_tracefs_is_found_at_its_usual_place(tracefs: str) -> None:
    assert fs.find_tracefs() == tracefs == "/sys/kernel/tracing"


def test_tracefs_not_mounted_is_an_error_that_says_how_to_mount_it(tracefs: str) -> None:
    assert elsewhere(FIND) == (
        "TracefsError cannot find tracefs: it is not mounted (errno 2)\n"
        "  hint: mount -t tracefs tracefs /sys/kernel/tracing"
    )


def test_tracefs_is_found_under_debugfs(tracefs: str) -> None:
    mount = '\nsh("mount -t debugfs debugfs /sys/kernel/debug")\n'
    assert elsewhere(mount + textwrap.dedent(FIND)) == "/sys/kernel/debug/tracing"


def test_tracefs_is_found_under_debugfs_wherever_that_is(tracefs: str, tmp_path: Path) -> None:
    mount = '\nsubprocess.run(["mount", "-t", "debugfs", "x", sys.argv[1]], check=True)\n'
    assert elsewhere(mount + textwrap.dedent(FIND), str(tmp_path)) == f"{tmp_path}/tracing"


def test_tracefs_is_found_anywhere_even_at_a_path_with_blanks(tracefs: str, tmp_path: Path) -> None:
    folder = tmp_path / "a b\\c\nd"
    folder.mkdir()
    mount = '\nsubprocess.run(["mount", "-t", "tracefs", "x", sys.argv[1]], check=True)\n'
    assert elsewhere(mount + textwrap.dedent(FIND), str(folder)) == str(folder)


def test_tracefs_hidden_by_another_mount_is_not_found(tracefs: str) -> None:
    mount = '\nsh("mount -t tracefs x /sys/kernel/tracing; mount -t tmpfs x /sys/kernel/tracing")\n'
    assert "hidden by another mount" in elsewhere(mount + textwrap.dedent(FIND))


def test_a_folder_of_tracefs_mounted_somewhere_is_not_taken_for_all_of_it(tracefs: str, tmp_path: Path) -> None:
    mount = """
        sh("mount -t tracefs x /sys/kernel/tracing")
        subprocess.run(["mount", "--bind", "/sys/kernel/tracing/events", sys.argv[1]], check=True)
        sh("umount /sys/kernel/tracing")
    """
    assert "is not mounted" in elsewhere(textwrap.dedent(mount) + textwrap.dedent(FIND), str(tmp_path))


@pytest.fixture
def of_root(tracefs: str) -> Iterator[str]:
    """Let root alone search tracefs, as it is everywhere but in some kernels (Debian's 6.18.15)."""
    mode = os.stat(tracefs).st_mode
    os.chmod(tracefs, 0o700)
    yield tracefs
    os.chmod(tracefs, mode)


def test_tracefs_that_may_not_be_searched_is_an_error_of_permission(of_root: str) -> None:
    said = as_nobody(FIND)
    assert said.startswith("TracefsPermissionError cannot find tracefs: Permission denied (errno 13)")
    assert "CAP_DAC_READ_SEARCH" in said
    assert "mount -o remount,gid=" in said


def test_tracefs_is_found_with_the_one_capability_that_lets_it_be_read(of_root: str) -> None:
    assert as_nobody(FIND, CAP_DAC_READ_SEARCH) == of_root


def test_to_mount_tracefs_mounts_it_at_its_usual_place(tracefs: str) -> None:
    assert elsewhere("print(fs.mount_tracefs(), fs.find_tracefs())") == "/sys/kernel/tracing /sys/kernel/tracing"


def test_to_mount_tracefs_does_nothing_where_it_is_mounted(tracefs: str) -> None:
    script = """
        sh("mount -t debugfs debugfs /sys/kernel/debug")
        print(fs.mount_tracefs())
        fs.mount_tracefs()
        print([point for point, _, _ in _mounts._mounts("tracefs")])
    """
    assert elsewhere(script).splitlines() == ["/sys/kernel/debug/tracing", "['/sys/kernel/debug/tracing']"]


def test_to_mount_tracefs_where_there_is_no_folder_is_an_error(tracefs: str) -> None:
    script = """
        try:
            fs.mount_tracefs("/no/such/folder")
        except fs.TracefsError as error:
            print(error.errno, error)
    """
    assert elsewhere(script).startswith("2 cannot mount tracefs at '/no/such/folder': mount: ")


def test_to_mount_tracefs_without_the_right_says_which_capability(tracefs: str) -> None:
    script = """
        drop(0)
        try:
            fs.mount_tracefs()
        except fs.TracefsError as error:
            print(error.errno, error)
    """
    assert "CAP_SYS_ADMIN" in elsewhere(textwrap.dedent(DROP) + textwrap.dedent(script))


def test_a_program_called_mount_in_path_is_not_run(tracefs: str, tmp_path: Path) -> None:
    program = tmp_path / "mount"
    program.write_text("#!/bin/sh\necho run >&2\nexit 1\n")
    program.chmod(0o755)
    script = 'os.environ["PATH"] = sys.argv[1]\nprint(fs.mount_tracefs())'
    assert elsewhere(script, str(tmp_path)) == "/sys/kernel/tracing"


def test_bpffs_is_found_and_paths_on_it_are_known(bpffs: str, tmp_path: Path) -> None:
    assert fs.find_bpffs() == bpffs
    assert fs.is_bpffs(bpffs)
    assert not fs.is_bpffs(tmp_path)


def test_bpffs_not_mounted_is_an_error_that_says_how_to_mount_it(bpffs: str) -> None:
    script = """
        try:
            fs.find_bpffs()
        except fs.FilesystemError as error:
            print(error)
        print(fs.mount_bpffs(), fs.find_bpffs(), fs.mount_bpffs())
    """
    assert elsewhere(script).splitlines() == [
        "cannot find the file system 'bpf': it is not mounted (errno 2)",
        "  hint: mount -t bpf bpf /sys/fs/bpf",
        "/sys/fs/bpf /sys/fs/bpf /sys/fs/bpf",
    ]


def test_a_folder_that_is_named_is_what_is_mounted(bpffs: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    script = f"""
        print(*[fs.mount_bpffs(each) for each in ({str(one)!r}, {str(other)!r}, {str(one)!r}, {os.fsencode(one)!r})])
        with open("/proc/mounts") as mounts:
            print(sum({str(tmp_path)!r} in line for line in mounts))
    """
    assert elsewhere(script).splitlines() == [f"{one} {other} {one} {one}", "2"]


def test_what_is_no_folders_name_is_refused_before_anything_is_mounted(bpffs: str) -> None:
    script = """
        for folder in ("", "a\\0b", "\\ud800"):
            try:
                print(fs.mount_bpffs(folder))
            except ValueError as error:
                print(ascii(str(error)))
        os.chdir("/")
    """
    assert elsewhere(script).splitlines() == [
        "'folder is empty'",
        "\"folder has a NUL character in it: 'a\\\\x00b'\"",
        "\"folder has a character that cannot be encoded: '\\\\ud800'\"",
    ]


def test_bpffs_hidden_by_another_mount_is_not_found(bpffs: str) -> None:
    script = """
        sh("mount -t bpf x /sys/fs/bpf; mount -t tmpfs x /sys/fs/bpf")
        try:
            print(fs.find_bpffs())
        except fs.FilesystemError as error:
            print(error.errno)
    """
    assert elsewhere(script) == "2"


def test_cgroup2_is_found_wherever_it_is_mounted(private_mounts: None, tmp_path: Path) -> None:
    script = """
        try:
            fs.find_cgroup2()
        except fs.FilesystemError as error:
            print(error)
        subprocess.run(["mount", "-t", "cgroup2", "none", sys.argv[1]], check=True)
        print(fs.find_cgroup2())
    """
    assert elsewhere(script, str(tmp_path)).splitlines() == [
        "cannot find the file system 'cgroup2': it is not mounted (errno 2)",
        "  hint: mount -t cgroup2 cgroup2 /sys/fs/cgroup",
        str(tmp_path),
    ]


def test_a_locked_down_kernel_is_told_from_one_without_tracefs(tracefs: str, tmp_path: Path) -> None:
    # What the kernel says when it is booted with lockdown=confidentiality.
    (tmp_path / "lockdown").write_text("none integrity [confidentiality]\n")
    mount = '\nsh("mount -t tmpfs x /sys/kernel/security || mount -t securityfs x /sys/kernel/security")\n'
    mount += 'subprocess.run(["cp", sys.argv[1], "/sys/kernel/security/lockdown"], check=True)\n'
    said = elsewhere(mount + textwrap.dedent(FIND), str(tmp_path / "lockdown"))
    assert said.startswith("TracefsPermissionError cannot find tracefs: Operation not permitted (errno 1)")
    assert "lockdown=" in said


# Instances


@pytest.fixture
def instance(tracefs: str) -> Iterator[str]:
    """Make an instance and remove it."""
    folder = fs.make_instance()
    yield folder
    fs.remove_instance(folder)


def test_an_instance_is_named_after_the_process(instance: str) -> None:
    assert os.path.basename(instance).startswith(f"libbpf_cffi-{os.getpid()}-")
    assert os.path.exists(f"{instance}/trace_pipe")


def test_an_instance_that_is_removed_is_gone(tracefs: str) -> None:
    folder = fs.make_instance()
    fs.remove_instance(folder)
    assert not os.path.exists(folder)


def test_an_instance_that_is_gone_already_is_removed_without_an_error(tracefs: str) -> None:
    folder = fs.make_instance()
    os.rmdir(folder)
    fs.remove_instance(folder)


def test_no_two_instances_have_one_name(instance: str) -> None:
    other = fs.make_instance()
    fs.remove_instance(other)
    assert other != instance


def test_an_instance_by_name_that_exists_is_an_error(instance: str) -> None:
    with pytest.raises(fs.TracefsError) as caught:
        fs.make_instance(os.path.basename(instance))
    assert caught.value.errno == errno.EEXIST


def test_an_instance_that_is_in_use_is_not_removed_and_the_error_says_by_whom(instance: str) -> None:
    with open(f"{instance}/trace_marker", "wb"), pytest.raises(fs.TracefsError) as caught:
        fs.remove_instance(instance)
    assert caught.value.errno == errno.EBUSY
    assert f"this very process ({os.getpid()}, " in str(caught.value)


def test_the_users_of_an_instance_are_found_by_another_mount_too(instance: str, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tracefs", "x", str(tmp_path)], check=True)
    try:
        with open(f"{tmp_path}/instances/{os.path.basename(instance)}/trace_marker", "wb"):
            assert [pid for pid, _ in fs.instance_users(instance)] == [os.getpid()]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_readers_of_a_pipe_are_found_by_pid_and_name(instance: str) -> None:
    with open(f"{instance}/trace_pipe", "rb") as pipe:
        reader = subprocess.Popen(["sleep", "infinity"], stdin=pipe)
    try:
        assert fs.pipe_readers(instance) == [(reader.pid, "sleep")]
    finally:
        reader.kill()
        reader.wait()


def test_a_reader_of_the_pipe_of_one_cpu_is_found(instance: str) -> None:
    with open(f"{instance}/per_cpu/cpu0/trace_pipe", "rb"):
        assert [pid for pid, _ in fs.pipe_readers(instance)] == [os.getpid()]


def test_a_reader_of_another_instance_is_no_reader_of_this(instance: str) -> None:
    other = fs.make_instance()
    try:
        with open(f"{other}/trace_pipe", "rb"):
            assert fs.pipe_readers(instance) == []
    finally:
        fs.remove_instance(other)


@contextmanager
def left_behind() -> Iterator[str]:
    """Make an instance as a process does that is killed; it is open as long as this goes on."""
    script = "import os; from libbpf_cffi import tracefs as fs; print(fs.make_instance(), flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    folder = process.stdout.readline().strip()
    with open(f"{folder}/trace_pipe", "rb"), process.stdin, process.stdout:
        process.kill()
        process.wait()
        yield folder


def test_what_a_dead_process_has_left_goes_when_the_next_instance_is_made(tracefs: str) -> None:
    with left_behind() as folder:
        assert os.path.isdir(folder)
    fs.remove_instance(fs.make_instance())
    assert not os.path.isdir(folder)


def test_what_a_dead_process_has_left_stays_as_long_as_somebody_has_it_open(tracefs: str) -> None:
    with left_behind() as folder:
        assert folder not in fs.remove_stale_instances()
        assert os.path.isdir(folder)
    fs.remove_stale_instances()
    assert not os.path.isdir(folder)


def test_what_an_earlier_program_of_this_process_has_left_is_removed(tracefs: str) -> None:
    # It had the pid of this one before exec().
    folder = f"{tracefs}/instances/libbpf_cffi-{os.getpid()}-999999"
    os.mkdir(folder)
    assert folder in fs.remove_stale_instances()


def test_instances_of_living_processes_and_of_others_are_left_alone(instance: str, tracefs: str) -> None:
    others = [f"{tracefs}/instances/{name}" for name in (f"libbpf_cffi-{os.getppid()}-999999", f"other-{os.getpid()}")]
    for folder in others:
        os.mkdir(folder)
    try:
        fs.remove_stale_instances()
        assert all(os.path.isdir(folder) for folder in [instance, *others])
    finally:
        for folder in others:
            fs.remove_instance(folder)


def test_to_make_an_instance_without_the_right_says_what_is_missing(tracefs: str) -> None:
    script = """
        try:
            fs.make_instance()
        except fs.TracefsPermissionError as error:
            print(error)
    """
    assert "CAP_DAC_OVERRIDE" in as_nobody(script, CAP_DAC_READ_SEARCH)


# Tracepoints


def test_the_id_of_a_tracepoint_is_the_kernels(tracefs: str) -> None:
    with open(f"{tracefs}/events/sched/sched_switch/id", encoding="ascii") as file:
        number = int(file.read())
    assert tracepoint_id("sched", "sched_switch") == tracepoint_format("sched", "sched_switch").id == number


def test_a_tracepoint_that_is_not_there_is_an_error_with_names_like_it(tracefs: str) -> None:
    with pytest.raises(fs.TracefsError, match="there is sched:sched_switch") as caught:
        tracepoint_id("sched", "sched_swich")
    assert caught.value.errno == errno.ENOENT
    assert "cannot find tracepoint 'sched:sched_swich': this kernel has no such tracepoint" in str(caught.value)


def test_a_tracepoint_that_is_like_no_other_is_an_error_that_says_where_they_are(tracefs: str) -> None:
    with pytest.raises(fs.TracefsError, match="/sys/kernel/tracing/available_events lists them"):
        tracepoint_id("zzzzzzzzzzzz", "qqqqqqqqqqqqqqqq")


def test_the_tracepoints_of_a_category_are_some_of_all(tracefs: str) -> None:
    some = tracepoints("sched")
    assert "sched:sched_switch" in some
    assert all(name.startswith("sched:") for name in some)
    assert set(some) < set(tracepoints())


def test_every_format_of_the_kernel_is_parsed_in_full(tracefs: str) -> None:
    for name in tracepoints():
        category, _, event = name.partition(":")
        try:
            parsed = tracepoint_format(category, event)
        except fs.TracefsError as error:
            if error.errno == errno.ENOENT:
                continue  # of a module that has just been unloaded
            raise
        with open(f"{tracefs}/events/{category}/{event}/format", encoding="utf-8") as file:
            assert len(parsed.fields) == file.read().count("\tfield:"), name
        assert all(field.name.isidentifier() and "[" not in field.type for field in parsed.fields), name
        assert parsed.fields[0][:4] == ("common_type", "unsigned short", 0, 2), name


def test_the_format_of_bpf_printk_has_its_text_elsewhere_in_the_record(tracefs: str) -> None:
    text = tracepoint_format("bpf_trace", "bpf_trace_printk").field("bpf_string")
    assert (text.type, text.size, text.dynamic) == ("char", 4, "__data_loc")
