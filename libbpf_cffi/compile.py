"""BPF C to an object file, by the user's clang.

::

    object_file = bpf.compile_object('''
    #include <vmlinux.h>
    #include <bpf/bpf_helpers.h>

    SEC("tracepoint/syscalls/sys_enter_execve")
    int hello(void *ctx) { bpf_printk("hello"); return 0; }

    char _license[] SEC("license") = "GPL";
    ''')
    with bpf.Object.open(object_file) as obj:
        ...

and at the prompt ``python -m libbpf_cffi.compile prog.bpf.c -o prog.bpf.o``.

libbpf's BPF-side headers (``<bpf/bpf_helpers.h>`` and the like) come with this package; ``vmlinux.h`` is made from
the running kernel's BTF the first time that a source asks for it, and cached.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from contextlib import ExitStack

from . import _clang, _files, _vmlinux
from ._clang import CompileError
from ._command_io import complain, end_with, say, write
from ._ffi import path_bytes
from .errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")

__all__ = ["CompileError", "CompileWarning", "compile_object", "main", "vmlinux_h"]

ARCHITECTURES = (
    (r"x86_64|amd64|i[3-6]86", "x86"),
    # A 64-bit Arm kernel says armv8l to a 32-bit process.
    (r"aarch64.*|armv8.*", "arm64"),
    (r"arm.*", "arm"),
    (r"ppc.*|powerpc.*", "powerpc"),
    (r"s390.*", "s390"),
    (r"mips.*", "mips"),
    (r"sparc.*", "sparc"),
    (r"riscv.*", "riscv"),
    (r"arc.*", "arc"),
    (r"loongarch.*", "loongarch"),
)
"""What ``uname -m`` says, and what bpf_tracing.h of libbpf calls it (``__TARGET_ARCH_…``)."""


class CompileWarning(UserWarning):
    """Warnings of clang about a source that it compiled, as clang wrote them."""


def compile_object(
    source: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    name: str | None = None,
    include_dirs: Sequence[str | os.PathLike[str]] = (),
    defines: Mapping[str, str | int | None] | None = None,
    flags: Sequence[str] = (),
    cpu: str = "v3",
    arch: str | None = None,
    clang: str | os.PathLike[str] | None = None,
    btf: str | os.PathLike[str] | None = None,
) -> bytes:
    """Compile BPF C with clang, and return the object file's content, ready for `Object.open`.

    `source` is the text itself if it is a ``str`` with a newline in it, and otherwise the path of a file.
    `output` is a file to write the object to as well; what is there stays until a whole object takes its place.
    `name` stands for the file's name in clang's messages about a text; ``<string>`` by default.
    `include_dirs` are searched for headers before this package's.
    `defines` maps macros to their values; ``None`` is that of ``-DNAME``, which is 1.
    `flags` are further arguments for clang. They come last, and so can undo ours.
    `cpu` is the version of BPF's instruction set (``-mcpu=``): v1 is for any kernel, v2 for Linux 4.14 and later,
    v3 for 5.1, v4 for 6.6 (and clang 17).
    `arch` is the architecture of the kernel that is to run the object, as bpf_tracing.h names it (x86, arm64, …);
    this machine's by default.
    `clang` is the compiler, a path or a name to look for in ``PATH``. By default the environment variable
    ``CLANG`` names it, or else it is the newest clang in ``PATH`` that can compile for BPF.
    `btf` is a file with a kernel's BTF, raw or ELF, to make ``vmlinux.h`` from; the running kernel's by default.

    A ``vmlinux.h`` beside the source or in `include_dirs` is used as it is. The object is optimised (``-O2``), has
    BTF and debugging information (``-g``), and this machine's byte order. What clang warns of (``-Wall``) is
    passed on as a `CompileWarning`.

    Raises `CompileError`, with clang's messages, if the source is refused or there is no clang; `LibbpfError` if a
    file cannot be read or written, or if ``vmlinux.h`` is wanted and there is no BTF to make it from.
    """
    data, messages = _compile(
        source,
        output=output,
        name=name,
        include_dirs=include_dirs,
        defines=defines,
        flags=flags,
        cpu=cpu,
        arch=arch,
        clang=clang,
        btf=btf,
    )
    if messages:
        warnings.warn(messages, CompileWarning, stacklevel=2)
    return data


def vmlinux_h(btf: str | os.PathLike[str] | None = None) -> str:
    """Give the text of ``vmlinux.h``: all types of the running kernel, or of the one whose BTF is in the file `btf`.

    It declares the kernel's functions for BPF (kfuncs) too, where the BTF marks them. With the macro
    ``BPF_NO_PRESERVE_ACCESS_INDEX`` it does without CO-RE, with ``BPF_NO_KFUNC_PROTOTYPES`` without those
    functions, as the header does that bpftool makes. *Wraps* ``btf_dump__dump_type()``. Raises `LibbpfError` if
    there is no BTF.
    """
    with _vmlinux.folder(btf) as folder:
        path = os.path.join(folder, _vmlinux.FILE_NAME)
        with _files.regular_file(path, f"read {path!r}") as file:
            # Names in BTF are bytes of no stated encoding.
            return file.read().decode("utf-8", "surrogateescape")


def _compile(
    source: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None,
    name: str | None,
    include_dirs: Sequence[str | os.PathLike[str]],
    defines: Mapping[str, str | int | None] | None,
    flags: Sequence[str],
    cpu: str,
    arch: str | None,
    clang: str | os.PathLike[str] | None,
    btf: str | os.PathLike[str] | None,
    show: _clang.Show = lambda _: None,
) -> tuple[bytes, str]:
    """Compile, and return the object and clang's warnings."""
    job = _clang.Source(source, name)
    target = None if output is None else os.fsdecode(path_bytes(output, "output"))
    if target and job.path and os.path.exists(target) and os.path.samefile(target, job.path):
        raise ValueError(f"output is the source itself: {target!r}")
    folders = [os.fsdecode(path_bytes(each, "include_dirs")) for each in _items(include_dirs, "include_dirs")]
    before = _options(cpu, arch, defines or {}, folders)
    after = [*_system_folders(), *_items(flags, "flags"), "-x", "c", "-c", "-o", "-"]
    programs = _clang.find(clang, job.action)

    def attempt(header: str | None) -> _clang.Result:
        here = [] if header is None else ["-isystem", header]
        return _clang.attempt(job, programs, [*before, *here, *after], show)

    near = folders if job.path is None else [*folders, os.path.dirname(job.path)]
    own = any(os.path.exists(os.path.join(each, _vmlinux.FILE_NAME)) for each in near)
    with ExitStack() as stack:
        header, unavailable = None, None
        if btf is not None:
            header = stack.enter_context(_vmlinux.folder(btf))
        elif _vmlinux.FILE_NAME.encode() in job.data and not own:
            try:
                header = stack.enter_context(_vmlinux.folder())
            except Error as error:
                # The source may only speak of it in a comment: clang decides.
                unavailable = error
        done = attempt(header)
        if header is None and not done.bpf and f"'{_vmlinux.FILE_NAME}' file not found" in done.stderr:
            if unavailable is not None:
                raise unavailable
            # A header that the source includes wants it.
            done = attempt(stack.enter_context(_vmlinux.folder()))
    if not done.bpf:
        raise _clang.refusal(job.action, done)
    if target is not None:
        with _files.system_errors(f"write the object {target!r}"):
            _files.write_file(target, done.output)
    return done.output, done.stderr


def _options(
    cpu: str, arch: str | None, defines: Mapping[str, str | int | None], folders: Sequence[str]
) -> list[str]:
    """Give the arguments that come before the folder of ``vmlinux.h``."""
    target = "bpfel" if sys.byteorder == "little" else "bpfeb"
    options = [f"--target={target}", f"-mcpu={cpu}", "-O2", "-g", "-Wall"]
    # Some distributions' clang protects the stack by default, with a function that BPF does not have.
    options.append("-fno-stack-protector")
    arch = _architecture(os.uname().machine) if arch is None else arch
    options.append(f"-D__TARGET_ARCH_{arch}")
    for macro, value in defines.items():
        number = int(value) if isinstance(value, bool) else value
        options.append(f"-D{macro}" if number is None else f"-D{macro}={number}")
    for each in folders:
        options += ["-I", each]
    # System folders come after the user's own, and clang gives no warnings about what is in them.
    return [*options, "-isystem", os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")]


def _architecture(machine: str) -> str:
    """Give bpf_tracing.h's name for what ``uname -m`` says."""
    for pattern, name in ARCHITECTURES:
        if re.fullmatch(pattern, machine):
            return name
    return machine


def _system_folders() -> list[str]:
    """Give the folder where Debian keeps the headers of one architecture, such as ``<asm/types.h>``.

    clang looks there when it compiles for this machine, but not when it compiles for BPF.
    """
    for each in (getattr(sys.implementation, "_multiarch", ""), f"{os.uname().machine}-linux-gnu"):
        if each and os.path.isdir(f"/usr/include/{each}"):
            return ["-idirafter", f"/usr/include/{each}"]
    return []


def _items(values: Sequence[Item], what: str) -> list[Item]:
    if isinstance(values, (str, bytes, os.PathLike)):
        raise TypeError(f"{what} must be a sequence, such as a list, not one {type(values).__name__}")
    return list(values)


# The command


def main(argv: Sequence[str] | None = None) -> int:
    """Compile as the command line says, and return the exit status: 0, 1 on failure; usage ends with 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    flags: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, flags = arguments[:at], arguments[at + 1 :]
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.source is None and options.vmlinux_h is None:
        parser.error("name a source file, or --vmlinux-h")
    if options.source is None and (options.output is not None or flags):
        parser.error("there is no source file")
    if options.source == "-" and options.output is None:
        parser.error("a source from standard input needs -o")
    if options.output == "-" and options.vmlinux_h == "-":
        parser.error("standard output can take the object or vmlinux.h, not both")
    try:
        status = 0
        if options.vmlinux_h is not None:
            status = _give(options.vmlinux_h, vmlinux_h(options.btf).encode("utf-8", "surrogateescape"))
        if options.source is not None:
            status = _command(options, flags) or status
    except (Error, OSError, ValueError) as error:
        return complain(str(error))
    return status


def _parser() -> ArgumentParser:
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m libbpf_cffi.compile",
        usage="%(prog)s [options] prog.bpf.c [-o prog.bpf.o] [-- clang's flags]",
        description="Compile BPF C with clang; libbpf's headers and the running kernel's vmlinux.h are at hand.",
        epilog="Exit status: 0, 1 if it cannot be compiled, 2 for usage.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("source", nargs="?", help="the source file, or - for standard input")
    add(
        "-o",
        "--output",
        metavar="FILE",
        help="the object (default: the source's name with .o, here; - for standard output)",
    )
    add(
        "-I",
        dest="include_dirs",
        metavar="DIR",
        action="append",
        default=[],
        help="search this folder for headers",
    )
    add("-D", dest="defines", metavar="NAME[=VALUE]", action="append", default=[], help="define a macro")
    add(
        "--cpu",
        default="v3",
        help="BPF instruction set, v1 to v4 (default: %(default)s, for Linux 5.1 and later)",
    )
    add("--arch", help="the kernel's architecture, as in __TARGET_ARCH_… (default: this machine's)")
    add("--clang", metavar="PROGRAM", help="the compiler (default: CLANG, or the newest clang in PATH)")
    add("--btf", metavar="FILE", help="make vmlinux.h from this file, not from the running kernel's BTF")
    add("--vmlinux-h", metavar="FILE", help="write vmlinux.h to this file (- for standard output)")
    add("-v", "--verbose", action="store_true", help="show the command that is run")
    return parser


def _command(options: Namespace, flags: Sequence[str]) -> int:
    output, source, name = options.output, options.source, None
    if source == "-":
        # A newline makes it a text.
        source = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") + "\n"
        name = "<stdin>"
    elif "\n" in source:
        # In a str it would make a text of the path.
        from pathlib import PurePath

        source = PurePath(source)
    if output is None:
        output = os.path.splitext(os.path.basename(source))[0] + ".o"
    defines = {}
    for each in options.defines:
        macro, sign, value = each.partition("=")
        defines[macro] = value if sign else None
    if sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        flags = ["-fcolor-diagnostics", *flags]

    def show(command: Sequence[str]) -> None:
        if options.verbose:
            import shlex

            say(shlex.join(command) + "\n")

    data, messages = _compile(
        source,
        output=None if output == "-" else output,
        name=name,
        include_dirs=options.include_dirs,
        defines=defines,
        flags=flags,
        cpu=options.cpu,
        arch=options.arch,
        clang=options.clang,
        btf=options.btf,
        show=show,
    )
    say(messages)
    return _give("-", data) if output == "-" else 0


def _give(path: str, data: bytes) -> int:
    if path == "-":
        return write(data)
    with _files.system_errors(f"write {path!r}"):
        _files.write_file(path, data)
    return 0


def _program() -> None:
    """Run `main` as a program: signals end it without a traceback, and what it was making is removed."""
    import signal

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    for each in (signal.SIGTERM, signal.SIGHUP):
        # nohup has it ignored.
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    end_with(main)


if __name__ == "__main__":
    _program()
