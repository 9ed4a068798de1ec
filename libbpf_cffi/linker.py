"""Static linking of BPF objects: several compiled files into one, as ``bpftool gen object`` does.

::

    data = bpf.link_objects("main.bpf.o", "library.bpf.o", output="tool.bpf.o")

and at the prompt ``python -m libbpf_cffi.linker tool.bpf.o main.bpf.o library.bpf.o``.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress

from . import _log
from ._check import check, failure
from ._ffi import ffi, lib, path_bytes
from ._files import read_file
from .errors import Error
from .objects import check_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    Input: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | int"

__all__ = ["link_objects", "main"]

_CRASHED = "the input is malformed: libbpf's linker crashed on it, in a process of its own"


def link_objects(*inputs: Input, output: str | os.PathLike[str] | int | None = None) -> bytes:
    """Link compiled BPF objects into one, and return its content, ready for `Object.open`.

    Each of `inputs` is the path of a file, a content, or a descriptor of a file that is open for reading, which stays
    the caller's; it is read from its beginning. `output` is a file to write the object to as well: what is there stays
    until a whole object takes its place. Or it is a descriptor, which is written to from where it stands.

    What one object declares ``extern`` another defines; ``static`` names stay apart; maps that several define must be
    alike. *Wraps* ``bpf_linker__new_fd()``, ``bpf_linker__add_buf()``, ``bpf_linker__finalize()``, which run in a child
    process: libbpf's linker crashes on malformed objects. Raises `LibbpfError`, with what libbpf says, for what cannot
    be linked.
    """
    if not inputs:
        raise ValueError("nothing to link: name at least one object")
    names, contents = [], []
    for number, each in enumerate(inputs):
        name, data = _read(each, number)
        check_object(data, f"link {name}", linking=True)
        names.append(name)
        contents.append(data)
    target = output if output is None or isinstance(output, int) else os.fsdecode(path_bytes(output, "output"))
    linked = _link(names, contents)
    if target is not None:
        _write(target, linked)
    return linked


def _read(source: Input, number: int) -> tuple[str, bytes]:
    """Give what an input is, for messages, and its content."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return f"input {number + 1}, an object of {len(data)} bytes", data
    if isinstance(source, int):
        name = f"the object of descriptor {source}"
        return name, _read_descriptor(source, f"link {name}")
    path = os.fsdecode(path_bytes(source, "input"))
    name = f"object {path!r}"
    return name, read_file(path, f"link {name}")


def _read_descriptor(fd: int, action: str) -> bytes:
    """Read a file whole, without moving where its descriptor stands."""
    parts, at = [], 0
    try:
        while part := os.pread(fd, 1 << 20, at):
            parts.append(part)
            at += len(part)
    except OSError as error:
        raise failure(error.errno or errno.EIO, action) from None
    return b"".join(parts)


def _write(target: str | int, data: bytes) -> None:
    what = f"descriptor {target}" if isinstance(target, int) else repr(target)
    try:
        if isinstance(target, str):
            from ._vmlinux import write_file

            write_file(target, data)
            return
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        raise failure(error.errno or errno.EIO, f"write the linked object to {what}") from None


def _link(names: list[str], contents: list[bytes]) -> bytes:
    """Have a child link, and give the object."""
    memory = [ffi.from_buffer(each) for each in contents]
    objects = ffi.new("struct lbc_link_input[]", [(each, len(each)) for each in memory])
    files: list[int] = []
    try:
        for name in ("linked", "report"):
            # One step makes and stores it, so that no Ctrl-C loses it.
            files.extend(map(os.memfd_create, (f"libbpf_cffi {name}",)))
        output, report = files
        status = _run(objects, len(memory), output, report)
        said, at, result = _report(_read_descriptor(report, "read what the linker said"))
        action = f"link {names[at]}" if at >= 0 else f"link {', '.join(names)}"
        if result is None:
            endless = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU
            hint = "the input is malformed: libbpf's linker comes to no end with it" if endless else _CRASHED
            raise failure(errno.EINVAL, action, hint, messages=said)
        if result < 0:
            raise failure(-result, action, messages=said)
        return _read_descriptor(output, action)
    except OSError as error:
        if isinstance(error, Error):
            raise
        raise failure(error.errno or errno.EIO, f"link {', '.join(names)}") from None
    finally:
        # One step of Python's, in which no Ctrl-C comes.
        any(map(os.close, map(files.pop, [-1] * len(files))))


def _run(objects: Any, count: int, output: int, report: int) -> int:
    """Run the child to its end; give its wait status, or 0 if somebody else has asked for it."""
    started: list[int] = []
    _log.listen()
    try:
        started.extend(map(lib.lbc_link__start, (objects,), (count,), (output,), (report,)))
        check(started[0], "start a process to link in")
        return _wait(started[0])
    except BaseException:
        # A Ctrl-C: the child has nothing worth keeping.
        if started and started[0] > 0:
            with suppress(ProcessLookupError):
                os.kill(started[0], signal.SIGKILL)
            _wait(started[0])
        raise


def _wait(pid: int) -> int:
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return 0


def _report(data: bytes) -> tuple[list[tuple[int, str]], int, int | None]:
    """Take the report apart: libbpf's messages, the input at work last (or -1), the result if there is one."""
    said: list[tuple[int, str]] = []
    at, result = -1, None
    for entry in data.split(b"\0")[:-1]:
        kind, text = entry[:1], entry[1:].decode("utf-8", "replace")
        if kind == b"i":
            at = int(text)
        elif kind == b"r":
            result = int(text)
        else:
            said.append((int(kind), text.rstrip("\n")))
    return said, at, result


def main(arguments: Sequence[str] | None = None) -> int:
    """Link objects at the prompt; give the exit status."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m libbpf_cffi.linker", description="Link BPF objects into one.")
    parser.add_argument("output", help="the object to make (- for standard output)")
    parser.add_argument("inputs", nargs="+", metavar="input", help="a compiled object")
    options = parser.parse_args(arguments)
    try:
        data = link_objects(*options.inputs, output=None if options.output == "-" else options.output)
        if options.output == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except (Error, OSError) as error:
        sys.stderr.write(f"libbpf_cffi.linker: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
