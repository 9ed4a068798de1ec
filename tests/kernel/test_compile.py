"""What is compiled with the running kernel's types loads into it."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi.compile import vmlinux_h

BTF = "/sys/kernel/btf/vmlinux"

CORE = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, pid_t);
	__type(value, struct trace_entry);
} seen SEC(".maps");

SEC("raw_tp/sched_process_exec")
int BPF_PROG(parent, struct task_struct *task)
{
	struct trace_entry entry = {};
	pid_t pid = BPF_CORE_READ(task, real_parent, tgid);

	bpf_map_update_elem(&seen, &pid, &entry, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "GPL";
"""

READS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int reads(struct __sk_buff *skb)
{
	return *(int *)(long)skb->len;
}

char _license[] SEC("license") = "GPL";
"""

pytestmark = [pytest.mark.usefixtures("root"), pytest.mark.slow_emulated]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give the place of a cache that is not there yet."""
    monkeypatch.delenv("CLANG", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "cache" / "libbpf_cffi"


def python(*arguments: str, shell: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Run Python after `shell`, in mounts of its own."""
    script = f'set -e\n{shell}\nexec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


# The header


def test_a_source_with_the_kernels_types_loads():
    with bpf.Object.open(bpf.compile_object(CORE)) as obj:
        obj.load()
        assert obj.programs["parent"].fd >= 0


def test_the_header_and_all_of_libbpfs_compile_without_a_warning():
    """Warnings are errors here."""
    folder = os.path.join(os.path.dirname(bpf.__file__), "include", "bpf")
    names = sorted(name for name in os.listdir(folder) if name != "bpf_helper_defs.h")
    text = "#include <vmlinux.h>\n" + "".join(f"#include <bpf/{name}>\n" for name in names)
    assert (len(names) >= 5, bool(bpf.compile_object(text, flags=["-Wsystem-headers"]))) == (True, True)


def test_a_kernel_function_can_be_called_as_the_header_declares_it():
    if "bpf_task_release(" not in vmlinux_h():
        pytest.skip("this kernel's BTF does not mark the functions for BPF")
    text = CORE.replace("pid_t pid = ", "bpf_rcu_read_lock();\n\tbpf_rcu_read_unlock();\n\tpid_t pid = ")
    with bpf.Object.open(bpf.compile_object(text)) as obj:
        obj.load()


@pytest.mark.parametrize("first", ["vmlinux.h", "linux/bpf.h"])
def test_vmlinux_h_beside_a_header_of_the_kernels_is_explained(first):
    includes = ['#include "vmlinux.h"', "#include <linux/bpf.h>"]
    with pytest.raises(bpf.CompileError, match=r"hint: vmlinux.h and another header declare the same"):
        bpf.compile_object("\n".join(includes if first == "vmlinux.h" else reversed(includes)) + "\n")


@pytest.mark.parametrize("first", ["vmlinux.h", "own"])
@pytest.mark.parametrize(
    ("own", "what"),
    [
        ("struct key { int a; };", "a struct key"),
        ("enum bpf_cmd { A };", "an enum bpf_cmd"),
        ("typedef long pid_t;", "a type pid_t"),
    ],
)
def test_a_name_that_the_kernel_has_too_is_to_be_changed(first, own, what):
    lines = ['#include "vmlinux.h"', own]
    with pytest.raises(bpf.CompileError, match=rf"hint: the kernel has {what} of its own: rename yours") as error:
        bpf.compile_object("\n".join(lines if first == "vmlinux.h" else reversed(lines)) + "\n")
    assert "another header" not in str(error.value)


def test_a_header_that_the_source_includes_may_want_it(tmp_path):
    (tmp_path / "common.h").write_text('#include "vmlinux.h"\n', encoding="utf-8")
    text = CORE.replace("vmlinux.h", "common.h")
    assert bpf.compile_object(text, include_dirs=[tmp_path])


def test_the_kernels_btf_as_a_file_gives_the_same_header():
    assert vmlinux_h(BTF) == vmlinux_h()


def test_the_second_source_uses_the_header_of_the_first(cache):
    bpf.compile_object(CORE)
    (kept,) = cache.glob("*/vmlinux.h")
    before = kept.stat()
    bpf.compile_object(CORE)
    after = kept.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_another_boot_with_other_types_gets_a_header_of_its_own(tmp_path, cache):
    """Another BTF is mounted over the kernel's."""
    bpf.compile_object(CORE)
    bpf.compile_object("struct of_this_test { int x; } where;\n", output=tmp_path / "types.o")
    with open(tmp_path / "types.o", "rb") as file:
        from libbpf_cffi._elf import section

        (tmp_path / "btf").write_bytes(section(file.read(), ".BTF"))
    done = python("-m", "libbpf_cffi.compile", "--vmlinux-h", "-", shell=f"mount --bind {tmp_path}/btf {BTF}")
    assert ("struct of_this_test {" in done.stdout, len(list(cache.iterdir()))) == (True, 2)


# A kernel without BTF

# libbpf also looks in these folders, where some distributions have a vmlinux with BTF.
HIDDEN = """
mount -t tmpfs none /sys/kernel/btf
for folder in /boot /lib/modules /usr/lib/modules /usr/lib/debug; do
	[ ! -d $folder ] || mount -t tmpfs none $folder
done
"""


def test_without_btf_the_error_says_what_the_kernel_lacks_and_what_to_do(tmp_path):
    (tmp_path / "prog.c").write_text(CORE, encoding="utf-8")
    done = python("-m", "libbpf_cffi.compile", str(tmp_path / "prog.c"), shell=HIDDEN, cwd=tmp_path)
    assert (done.returncode, "CONFIG_DEBUG_INFO_BTF" in done.stderr, "btf=" in done.stderr) == (1, True, True)


def test_without_btf_a_source_that_only_speaks_of_the_header_is_compiled(tmp_path):
    (tmp_path / "prog.c").write_text("/* no vmlinux.h here */\n" + READS, encoding="utf-8")
    done = python("-m", "libbpf_cffi.compile", str(tmp_path / "prog.c"), shell=HIDDEN, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_btf_a_file_serves(tmp_path):
    (tmp_path / "prog.c").write_text(CORE, encoding="utf-8")
    (tmp_path / "btf").write_bytes(Path(BTF).read_bytes())
    done = python("-m", "libbpf_cffi.compile", "prog.c", "--btf", str(tmp_path / "btf"), shell=HIDDEN, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_btf_of_a_module_does_not_stand_alone(tmp_path):
    """A file with types that refer to another file's."""
    modules = [path for path in Path("/sys/kernel/btf").iterdir() if path.name != "vmlinux"]
    if not modules:
        from libbpf_cffi._libbpf import ffi, lib

        base = lib.btf__parse(BTF.encode(), ffi.NULL)
        split = lib.btf__new_empty_split(base)
        lib.btf__add_ptr(split, 1)
        size = ffi.new("__u32 *")
        modules = [tmp_path / "module"]
        modules[0].write_bytes(ffi.buffer(lib.btf__raw_data(split, size), size[0])[:])
        lib.btf__free(split)
        lib.btf__free(base)
    with pytest.raises(bpf.LibbpfError, match="stands alone"):
        vmlinux_h(modules[0])


# Other users


def test_a_cache_of_another_user_is_not_used(tmp_path, cache, monkeypatch):
    """As under ``sudo -E``: the home of the user that called is not root's to trust, or to leave files in."""
    theirs = tmp_path / "theirs"
    (theirs / ".cache").mkdir(parents=True)
    for path in (theirs, theirs / ".cache"):
        os.chown(path, 12345, 12345)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(theirs))
    own = pwd.struct_passwd(("root", "x", 0, 0, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: own)
    vmlinux_h()
    assert (os.listdir(theirs / ".cache"), os.listdir(tmp_path / ".cache")) == ([], ["libbpf_cffi"])


def test_a_header_that_another_user_has_planted_is_not_used(tmp_path, cache):
    vmlinux_h()
    (kept,) = cache.glob("*/vmlinux.h")
    kept.write_text("/* planted */\n" + kept.read_text(encoding="utf-8"), encoding="utf-8")
    os.chown(kept, 12345, 12345)
    assert "planted" not in vmlinux_h()


def test_a_link_into_a_folder_of_another_user_is_not_followed(tmp_path, cache):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    cache.parent.mkdir(mode=0o700)
    cache.symlink_to(theirs)
    vmlinux_h()
    assert os.listdir(theirs) == []


def test_on_a_read_only_file_system_a_cached_header_is_used(tmp_path, cache):
    vmlinux_h()
    (kept,) = cache.glob("*/vmlinux.h")
    kept.write_text("/* cached */\n" + kept.read_text(encoding="utf-8"), encoding="utf-8")
    done = python(
        "-m",
        "libbpf_cffi.compile",
        "--vmlinux-h",
        "-",
        shell=f"mount --bind {tmp_path} {tmp_path}; mount -o remount,bind,ro {tmp_path}",
    )
    assert done.stdout.startswith("/* cached */\n")


def test_on_a_read_only_file_system_without_a_cached_header_it_is_made(tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0::/nonexistent:/bin/sh\n", encoding="utf-8")
    shell = (
        "mount -t tmpfs none /dev/shm; export TMPDIR=/dev/shm; "
        f"mount --bind {tmp_path}/passwd /etc/passwd; "
        f"mount --bind {tmp_path} {tmp_path}; mount -o remount,bind,ro {tmp_path}"
    )
    done = python("-m", "libbpf_cffi.compile", "--vmlinux-h", "-", shell=shell)
    assert (done.returncode, "struct task_struct {" in done.stdout) == (0, True)
    assert not os.path.exists("/nonexistent")


def test_a_full_cache_is_done_without(tmp_path):
    """A file system of 64 KiB has no room for it."""
    shell = (
        f"mkdir {tmp_path}/small; mount -t tmpfs -o size=64k none {tmp_path}/small; "
        f"export XDG_CACHE_HOME={tmp_path}/small; chmod 700 {tmp_path}/small"
    )
    code = (
        "import os; from libbpf_cffi import compile; text = compile.vmlinux_h();"
        "files = [name for _, _, names in os.walk(os.environ['XDG_CACHE_HOME']) for name in names];"
        "print('struct task_struct {' in text, files)"
    )
    assert python("-c", code, shell=shell).stdout == "True []\n"


def test_no_capability_is_needed(tmp_path):
    (tmp_path / "prog.c").write_text(CORE, encoding="utf-8")
    nothing = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    command = [*nothing, sys.executable, "-m", "libbpf_cffi.compile", "prog.c"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


# What the kernel says


def test_the_verifier_quotes_the_text():
    with bpf.Object.open(bpf.compile_object(READS, name="tool.py")) as obj, pytest.raises(bpf.VerifierError) as error:
        obj.load()
    assert "return *(int *)(long)skb->len;" in error.value.log
