"""BPF tokens: made from a file system that delegates, in a user namespace, and of use there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

import libbpf_cffi as bpf

DELEGATE = """
import ctypes, os, platform, socket, sys
import libbpf_cffi as bpf
libc = ctypes.CDLL(None, use_errno=True)
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
SET_FLAG, SET_STRING, CREATE = 0, 1, 6

def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), number)
    return result

ours, theirs = socket.socketpair()
child = os.fork()
if not child:
    # In a user namespace of its own: what it opens there belongs to that.
    status = 1
    try:
        ours.close()
        if libc.unshare(0x10000000 | 0x00020000):
            raise OSError(ctypes.get_errno(), "unshare")
        theirs.send(b"x")
        theirs.recv(1)
        fs = call(FSOPEN, b"bpf", 0)
        socket.send_fds(theirs, [b"x"], [fs])
        theirs.recv(1)
        mount = call(FSMOUNT, fs, 0, 0)
        inside(mount)
        status = 0
    except BaseException as error:
        import traceback
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)
theirs.close()
assert ours.recv(1), "no user namespace"
for name in ("uid_map", "gid_map"):
    with open(f"/proc/{child}/{name}", "w") as file:
        file.write("0 0 1")
ours.send(b"x")
_, (fs,), _, _ = socket.recv_fds(ours, 1, 1)
for key, value in (("cmds", CMDS), ("maps", b"hash:lru_hash"), ("progs", b"socket_filter"), ("attachs", b"any")):
    call(FSCONFIG, fs, SET_STRING, f"delegate_{key}".encode(), value, 0)
call(FSCONFIG, fs, CREATE, None, None, 0)
os.close(fs)
ours.send(b"x")
_, status = os.waitpid(child, 0)
ours.close()
assert status == 0, status
"""
"""What makes a user namespace, and a BPF file system in it that delegates; `inside` is called there with its mount."""


@pytest.fixture
def delegated(python):
    """Run a piece of Python, the body of a function of `mount`, where a BPF file system delegates."""

    def run(body: str, commands: str = "map_create:prog_load:btf_load") -> str:
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        return python(f"CMDS = b{commands!r}\ndef inside(mount):\n{lines}\n{DELEGATE}")

    return run


@pytest.mark.needs("token", "user_namespace")
def test_a_token_lets_a_process_of_a_user_namespace_create_what_is_delegated(delegated):
    said = delegated(
        """
try:
    bpf.Map.create("hash", "u32", "u32", 1)
except bpf.LibbpfPermissionError:
    print("not without")
with bpf.Token.create(mount) as token:
    with bpf.Map.create("hash", "u32", "u32", 1, token_fd=token.fd) as each:
        each[1] = 2
        print(dict(each))
    code = bytes.fromhex("b700000000000000 9500000000000000")
    bpf.KernelProgram.load("socket_filter", code, token_fd=token.fd).close()
    try:
        bpf.Map.create("array", "u32", "u32", 1, token_fd=token.fd)
    except bpf.LibbpfPermissionError:
        print("nothing else")
print(token.closed)
"""
    )
    assert said.splitlines() == ["not without", "{1: 2}", "nothing else", "True"]


@pytest.mark.needs("token_info", "user_namespace")
def test_the_info_of_a_token_is_what_is_delegated(delegated):
    said = delegated(
        """
with bpf.Token.create(mount) as token:
    info = token.info
    print(info.allowed_cmds == 1 << bpf.lib.BPF_MAP_CREATE, sorted(info.allowed_maps), sorted(info.allowed_progs))
    print(bpf.AttachType.XDP in info.allowed_attachs)
""",
        "map_create",
    )
    assert said.splitlines()[0] == "True [<MapType.HASH: 1>, <MapType.LRU_HASH: 9>] [<ProgType.SOCKET_FILTER: 1>]"
    assert said.splitlines()[1:] == ["True"]


@pytest.mark.needs("token", "user_namespace")
def test_a_token_is_made_of_the_folder_where_it_is_mounted(delegated):
    said = delegated(
        """
call(429, mount, b"", -100, b"/mnt", 4)
with bpf.Token.create("/mnt") as token:
    print(repr(token), token.fd > 2)
"""
    )
    assert said == "<Token: the token of '/mnt'> True\n"


@pytest.mark.every_kernel
@pytest.mark.needs("token")
def test_what_delegates_nothing_gives_no_token(bpffs):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Token.create(bpffs)
    assert caught.value.errno in (errno.ENOENT, errno.EOPNOTSUPP)
    assert caught.value.hint


def test_what_is_no_bpf_file_system_gives_no_token(root):
    with pytest.raises(bpf.LibbpfError, match="create the token of '/proc'"):
        bpf.Token.create("/proc")
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Token.create("/no/such/folder")
    assert caught.value.errno == errno.ENOENT


def test_a_token_is_made_by_create_alone():
    with pytest.raises(TypeError, match=r"use Token\.create\(\)"):
        bpf.Token()


RAISED = f"{errno.EBUSY} libbpf has raised the limit already: set it before the first load\n"


def test_the_limit_of_locked_memory_can_be_set_before_the_first_load_only(python):
    said = python(
        """
import libbpf_cffi as bpf
bpf.set_memlock_rlim(1 << 30)
with bpf.Map.create("hash", "u32", "u32", 1):
    try:
        bpf.set_memlock_rlim(0)
        print("not needed")
    except bpf.LibbpfError as error:
        import resource
        assert resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == 1 << 30
        print(error.errno, error.hint)
try:
    bpf.set_memlock_rlim(-1)
except ValueError:
    pass
"""
    )
    assert said in ("not needed\n", RAISED)


FEW_LOCKED = """
import resource
import capability_matrix as matrix
import libbpf_cffi as bpf
resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 16, 1 << 16))
matrix.give_up([matrix.NUMBERS["CAP_BPF"]])
try:
    bpf.Map.create("array", "u32", "u64", 1 << 16).close()
except bpf.LibbpfPermissionError as error:
    print(error.hint)
else:
    print("created")
"""


@pytest.mark.every_kernel
@pytest.mark.usefixtures("root")
def test_where_maps_count_as_locked_memory_the_error_says_so(kernel_has):
    path = os.pathsep.join(each for each in sys.path if each)
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", FEW_LOCKED]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not said.stderr
    if kernel_has("charged_maps"):
        assert said.stdout == "created\n"
    else:
        assert "of which this process may have 65536 bytes: raise `ulimit -l` (RLIMIT_MEMLOCK)" in said.stdout
