"""Static linking of BPF objects: several compiled files into one, as ``bpftool gen object`` does.

::

    data = bpf.link_objects("main.bpf.o", "library.bpf.o", output="tool.bpf.o")

and at the prompt ``python -m libbpf_cffi.linker tool.bpf.o main.bpf.o library.bpf.o``.
"""

from __future__ import annotations

import errno
import os
import stat

from ._arguments import buffer, path_name, unsigned
from ._borrow import Descriptors
from ._check import failure, path_hint
from ._command_io import complain, end_with, write
from ._ffi import ffi, lib
from ._files import IS_SOURCE, MOST, read_file, write_file
from ._isolate import check_object, not_survived, run_child
from ._refusals import refused
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ._libbpf import CData

    Input: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | int"

__all__ = ["link_objects", "main"]

_MALFORMED = "the input is malformed"

SECONDS, OUTPUT = 60, 1 << 30
"""How long linking may take, of a CPU's time, and how many bytes it may write (csrc/linker.c)."""


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
    target: str | int | None = output  # type: ignore[assignment]
    if output is not None:
        target = unsigned(output, 31, "output") if isinstance(output, int) else path_name(output, "output")
    linked = _link(names, contents)
    if target is not None:
        _write(target, linked)
    return linked


def _read(source: Input, number: int) -> tuple[str, bytes]:
    """Give what an input is, for messages, and its content."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = buffer(source, "input")
        return f"input {number + 1}, an object of {len(data)} bytes", data
    if isinstance(source, int):
        unsigned(source, 31, f"input {number + 1}")
        name = f"the object of descriptor {source}"
        return name, _read_descriptor(source, f"link {name}")
    path = path_name(source, "input")
    name = f"object {path!r}"
    return name, read_file(path, f"link {name}")


def _read_descriptor(fd: int, action: str) -> bytes:
    """Read a file whole, without moving where its descriptor stands; a device may have no end."""
    parts, at = [], 0
    try:
        mode = os.fstat(fd).st_mode
        while not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and at <= MOST and (part := os.pread(fd, 1 << 20, at)):
            parts.append(part)
            at += len(part)
    except OSError as error:
        raise failure(refused(error), action) from None
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise failure(errno.EINVAL, action, "it is not a regular file")
    if at > MOST:
        raise failure(errno.EFBIG, action, f"it has more than the {MOST} bytes that are read")
    return b"".join(parts)


def _write(target: str | int, data: bytes) -> None:
    what = f"descriptor {target}" if isinstance(target, int) else repr(target)
    try:
        if isinstance(target, str):
            write_file(target, data)
            return
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    except OSError as error:
        raise failure(refused(error), f"write the linked object to {what}", path_hint) from None


def _link(names: list[str], contents: list[bytes]) -> bytes:
    """Have a child link, and give the object."""
    memory = [ffi.from_buffer(each) for each in contents]
    objects = ffi.new("struct lbc_link_input[]", [(each, len(each)) for each in memory])
    action = f"link {', '.join(names)}"
    with Descriptors() as made:
        try:
            output = made.make(os.memfd_create, "libbpf_cffi linked")
            said, result, status = run_child(
                lambda report: (lib.lbc_link__start, objects, len(memory), output, report), action
            )
            at = [int(text) for kind, text in said if kind == "i"]
            # The child's, as libbpf has them, with its name before each.
            texts = [(int(kind), text.rstrip("\n").removeprefix("libbpf: ")) for kind, text in said if kind.isdigit()]
            messages = [(level, _named(text, names, memory)) for level, text in texts]
            if at and at[-1] >= 0:
                action = f"link {names[at[-1]]}"
            if result is None:
                raise not_survived(status, action, _MALFORMED, SECONDS, OUTPUT, messages)
            if result < 0:
                raise failure(-result, action, IS_SOURCE if action.endswith(".c'") else None, messages=messages)
            return _read_descriptor(output, action)
        except OSError as error:
            if isinstance(error, Error):
                raise
            raise failure(refused(error), action) from None


def _named(message: str, names: list[str], memory: list[CData]) -> str:
    """Put the names of the inputs where libbpf's linker tells where their bytes are."""
    for name, each in zip(names, memory, strict=True):
        memory_of = f"mem:{int(ffi.cast('uintptr_t', each)):#x}+{len(each)}"
        # A name has quotes of its own.
        message = message.replace(f"'{memory_of}'", name).replace(memory_of, name)
    return message


def main(arguments: Sequence[str] | None = None) -> int:
    """Link objects at the prompt; give the exit status."""
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m libbpf_cffi.linker", description="Link BPF objects into one.")
    parser.add_argument("output", help="the object to make (- for standard output)")
    parser.add_argument("inputs", nargs="+", metavar="input", help="a compiled object")
    options = parser.parse_args(arguments)
    if "" in (options.output, *options.inputs):
        parser.error("the path of an object is not empty")
    try:
        data = link_objects(*options.inputs, output=None if options.output == "-" else options.output)
    except Error as error:
        return complain(f"libbpf_cffi.linker: {error}")
    return write(data) if options.output == "-" else 0


if __name__ == "__main__":
    end_with(main)
