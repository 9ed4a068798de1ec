"""``vmlinux.h``: every type of a kernel as C, made from its BTF by libbpf's dumper, and kept in a cache.

The running kernel's BTF is dumped in this process. A BTF file that a user names is dumped in a child process:
libbpf's dumper trusts its input, and a malformed file ends the process that dumps it, or keeps it busy for ever.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager, suppress

from . import _log, _pins
from ._btf_dump import Dumper
from ._check import failure, not_null, strerror
from ._ffi import ffi, lib, path_bytes
from ._files import MOST, regular_file, system_errors, write_file
from ._refusals import refused
from .errors import LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO, NoReturn

    from ._libbpf import btf as Btf  # noqa: N812 - `btf` is an argument here

__all__ = ["FILE_NAME", "folder"]

FILE_NAME = "vmlinux.h"

KERNEL_BTF = "/sys/kernel/btf/vmlinux"

FORMAT = 1
"""Counts the changes to what is written around libbpf's dump: a cached header of an older kind is not used."""

KEPT = 8
"""How many headers the cache holds, of some 3 MB each: a few kernels, and the files given as ``btf=``."""

CHILD_SECONDS = 20
"""CPU time for the dump of a file: a whole kernel takes a fifth of a second, a cycle of types for ever."""

CHILD_MEMORY = 4 << 30
"""Address space for the dump of a file, in bytes."""

_REFUSED = 3
"""Exit status of a child that has an error of libbpf to report."""

_HEAD = b"""\
/* The types of a Linux kernel, from its BTF, by libbpf. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

/* Every access to a field of these types is relocated to where the running kernel has it (CO-RE). */
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""

_KFUNCS = b"""
/* The kernel functions that BPF programs may call. */
#ifndef BPF_NO_KFUNC_PROTOTYPES
"""

_NO_KFUNCS = b"#endif\n"

_TAIL = b"""
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
"""

_NO_BTF = (
    "the running kernel gives no BTF: it was built without CONFIG_DEBUG_INFO_BTF. Name a file that holds its BTF, "
    "raw or in an ELF file, with btf="
)


@contextmanager
def folder(btf: str | os.PathLike[str] | None = None) -> Iterator[str]:
    """Lend the path of a folder that holds ``vmlinux.h`` and nothing else.

    It is a folder of the cache, which outlives the block, or, where no cache can be had, a temporary one.
    """
    make: Callable[[], bytes]
    if btf is None:
        action = "make vmlinux.h from the running kernel's BTF"
        data = _kernel_btf(action)
        key = _name(_sha256([data]))
        make = lambda: _dump_bytes(data, action)  # noqa: E731 - there are two of it
    else:
        given = os.fsdecode(path_bytes(btf, "btf"))
        path = _pins.absolute_path(given, f"make vmlinux.h from {given!r}")
        action = f"make vmlinux.h from {path!r}"
        key = _file_name(path, action)
        make = lambda: _dump_file(path, key, action)  # noqa: E731

    cache = _cache()
    if cache is not None and _cached(os.path.join(cache, key)):
        yield os.path.join(cache, key)
        return
    header = make()
    entry = None if cache is None else _store(cache, key, header)
    if entry is not None:
        yield entry
        return
    import tempfile

    with system_errors(action):
        temporary = tempfile.TemporaryDirectory(prefix="libbpf_cffi-")
    with temporary as made:
        with system_errors(action):
            write_file(os.path.join(made, FILE_NAME), header, 0o600)
        yield made


# Where the types come from


def _kernel_btf(action: str) -> bytes:
    """Read the running kernel's BTF."""
    try:
        with regular_file(KERNEL_BTF, action) as file:
            return file.read()
    except LibbpfError as error:
        if error.errno != errno.ENOENT:
            raise
    # libbpf knows where distributions keep the vmlinux of a kernel that does not show its BTF.
    _log.listen()
    btf = not_null(lib.btf__load_vmlinux_btf(), action, hint=_NO_BTF)
    try:
        size = ffi.new("__u32 *")
        raw = not_null(lib.btf__raw_data(btf, size), action)
        return ffi.buffer(raw, size[0])[:]
    finally:
        lib.btf__free(btf)


def _dump_bytes(data: bytes, action: str) -> bytes:
    _log.listen()
    btf = not_null(lib.btf__new(data, len(data)), action)
    try:
        return _dump(btf, action)
    finally:
        lib.btf__free(btf)


def _dump(btf: Btf, action: str) -> bytes:
    """Give the whole header. Other threads must leave the BTF alone."""
    with Dumper(btf, action) as dumper:
        count = lib.btf__type_cnt(btf)
        if count > 1:
            dumper.types(1, count - 1)
        types = dumper.take()
        kfuncs = [_kfunc(btf, dumper, type_id) for type_id in _kfunc_ids(btf, count)]
    parts = [_HEAD, types]
    if kfuncs:
        parts += [_KFUNCS, *kfuncs, _NO_KFUNCS]
    return b"".join([*parts, _TAIL])


def _kfunc_ids(btf: Btf, count: int) -> list[int]:
    """Give the functions tagged ``bpf_kfunc``, as pahole does since 1.26 (kernels since 6.10)."""
    found: dict[int, None] = {}
    for type_id in range(1, count):
        tag = lib.btf__type_by_id(btf, type_id)
        if lib.btf_is_decl_tag(tag):
            name = lib.btf__name_by_offset(btf, tag.name_off)
            if name and ffi.string(name) == b"bpf_kfunc" and lib.btf_is_func(lib.btf__type_by_id(btf, tag.type)):
                found[tag.type] = None
    return list(found)


def _kfunc(btf: Btf, dumper: Dumper, type_id: int) -> bytes:
    """Give one kernel function's declaration, weak so that a kernel without it can still load the program."""
    function = lib.btf__type_by_id(btf, type_id)
    dumper.declaration(function.type, ffi.string(lib.btf__name_by_offset(btf, function.name_off)))
    return b'extern %s __attribute__((weak, section(".ksyms")));\n' % dumper.take()


# Files of BTF that users name


_CHILD = "import sys; sys.path[:] = sys.argv[3:]; from {} import _child; _child(sys.argv[1], int(sys.argv[2]))"


def _dump_file(path: str, key: str, action: str) -> bytes:
    """Let a child process dump the BTF file at `path`, whose content has the key `key`."""
    import json
    import signal
    import subprocess

    if not sys.executable or getattr(sys, "frozen", False):
        hint = "there is no Python interpreter to do it in a process of its own"
        raise failure(errno.ENOTSUP, action, hint=hint)
    command = [sys.executable, "-I", "-c", _CHILD.format(__name__), path, str(CHILD_SECONDS)]
    # Some programs put paths there that are no str; the import system ignores them.
    command += [entry for entry in map(str, sys.path) if "\0" not in entry]
    with system_errors(action):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == _REFUSED:
        parsed, error, messages = json.loads(done.stdout)
        hint = "its BTF is malformed"
        if not parsed:
            hint = "it holds no BTF that stands alone, neither raw nor in the section .BTF of an ELF file"
        raise LibbpfError(error, strerror(error), action, messages, hint)
    if done.returncode != 0 or not done.stdout.endswith(_TAIL):
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        if done.returncode == -signal.SIGXCPU:
            reason = f"libbpf came to no end with it in {CHILD_SECONDS} s"
        elif done.returncode < 0:
            reason = f"it crashes libbpf (signal {-done.returncode})"
        else:
            reason = said[-1] if said else f"the process that read it ended with status {done.returncode}"
        raise failure(lib.LIBBPF_ERRNO__FORMAT, action, hint=f"its BTF is malformed: {reason}")
    if _file_name(path, action) != key:
        # What was dumped may be neither the old content nor the new.
        raise failure(errno.EAGAIN, action, hint="the file was changed meanwhile")
    return done.stdout


def _child(path: str, seconds: int) -> NoReturn:
    """Dump the BTF file at `path` to standard output; the main function of the child process."""
    import json
    import resource

    def limit(which: int, soft: int, hard: int) -> None:
        # What is less already stays so: to raise it is refused.
        now = [least if least != resource.RLIM_INFINITY else soft + hard for least in resource.getrlimit(which)]
        resource.setrlimit(which, (min(soft, *now), min(hard, now[1])))

    limit(resource.RLIMIT_CORE, 0, 0)
    limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    # More than the interpreter has already: allocators and sanitizers that reserve terabytes take no memory by that.
    with open("/proc/self/statm", encoding="ascii") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + CHILD_MEMORY
    limit(resource.RLIMIT_AS, most, most)
    status = 0
    parsed = False
    try:
        _log.listen()
        btf = not_null(lib.btf__parse(path_bytes(path), ffi.NULL), "parse it")
        parsed = True
        output = _dump(btf, "dump it")
    except LibbpfError as error:
        status = _REFUSED
        output = json.dumps([parsed, error.errno, error.messages]).encode()
    sys.stdout.buffer.write(output)
    sys.stdout.flush()
    # Freeing a malformed BTF is one more chance to crash.
    os._exit(status)


# The cache


def _sha256(chunks: Iterable[bytes]) -> str:
    import hashlib

    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _file_name(path: str, action: str) -> str:
    """Give the name of a file's entry; it is read in pieces, for it may be a vmlinux of a gigabyte."""
    with regular_file(path, action) as file:
        if os.fstat(file.fileno()).st_size > MOST:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return _name(_sha256(iter(lambda: _part(file), b"")))


def _part(file: BinaryIO) -> bytes:
    part: bytes | None = file.read(1 << 20)
    if part is None:
        # Such as /proc/kmsg, which is no file to end.
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return part


def _name(digest: str) -> str:
    """Give the name of the entry for BTF with this digest; another libbpf may write the types otherwise."""
    version = f"{lib.libbpf_major_version()}.{lib.libbpf_minor_version()}"
    return f"vmlinux-{FORMAT}-{version}-{digest[:32]}"


def _cache() -> str | None:
    """Give the folder of the cache, made if need be; ``None`` if none is safe from other users.

    It is where the XDG base directory specification has it. Under sudo the environment may still name another
    user's home: then it is in the home of the user that this process runs as.
    """
    import pwd

    homes = [os.environ.get("HOME", "")]
    # A container may run as a user that has no name, and so no home.
    with suppress(KeyError):
        homes.append(pwd.getpwuid(os.geteuid()).pw_dir)
    bases = [os.environ.get("XDG_CACHE_HOME", ""), *(os.path.join(home, ".cache") for home in homes)]
    for base in bases:
        if os.path.isabs(base):
            path = os.path.realpath(os.path.join(base, "libbpf_cffi"))
            if _made(os.path.dirname(path)) and _made(path) and _private(path):
                return path
    return None


def _made(path: str) -> bool:
    """Tell whether `path` is there, or could be made.

    Nothing is made where another user could change it, such as in that user's home.
    """
    if os.path.lexists(path):
        return True
    if not _private(os.path.dirname(path)):
        return False
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return True
    except OSError as error:
        refused(error)
        return False
    return True


def _private(path: str) -> bool:
    """Tell whether only this user and root can change what is at `path`, a path without symbolic links."""
    above = "/"
    try:
        for part in ["", *path.split("/")[1:]]:
            above = os.path.join(above, part)
            if _pins._untrusted(above, os.lstat(above)) is not None:
                return False
    except OSError as error:
        refused(error)
        return False
    return True


def _cached(entry: str) -> bool:
    """Tell whether `entry` of the cache holds a whole header, and note that it was used."""
    path = os.path.join(entry, FILE_NAME)
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()):
                return False
            # A crash of the machine can leave a file without its end.
            file.seek(-len(_TAIL), os.SEEK_END)
            whole = file.read() == _TAIL
    except OSError as error:
        refused(error)
        return False
    try:
        os.utime(entry)
    except OSError as error:
        # Where this cannot be noted, because all is read-only, nothing is ever removed either.
        refused(error)
    return whole


def _store(cache: str, key: str, header: bytes) -> str | None:
    """Put a header into the cache and give its folder; ``None`` if the cache cannot be written."""
    entry = os.path.join(cache, key)
    try:
        os.makedirs(entry, 0o700, exist_ok=True)
        write_file(os.path.join(entry, FILE_NAME), header, 0o600)
    except OSError as error:
        refused(error)
        return None
    try:
        _prune(cache)
    except OSError as error:
        # Another process may remove the same ones. What is left over now goes the next time.
        refused(error)
    return entry


def _prune(cache: str) -> None:
    """Remove the headers that were not used for longest."""
    with os.scandir(cache) as entries:
        ours = [entry for entry in entries if entry.name.startswith("vmlinux-")]
        known = sorted((entry.stat().st_mtime, entry.path) for entry in ours)
    for _, path in known[:-KEPT]:
        import shutil

        shutil.rmtree(path)
