"""What the benchmarks share: C built like the extension, tracefs, and measuring in turn.

How they measure, and why: a machine is never quiet. So every variant runs in turn with the others, many
times, and the figures are medians. What counts is how two variants of one round compare, not the
milliseconds: from one minute to the next the same work can take twice as long. Work is measured in CPU time,
which waiting for others does not lengthen; only where waiting is the point is it wall time.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import sysconfig
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import NoReturn, TypeVar

    Result = TypeVar("Result")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "build" / "benchmarks"

TRACEFS = "/sys/kernel/tracing"


def stop(message: str) -> NoReturn:
    """End the program with status 2: it could not do its work."""
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {message}\n")
    raise SystemExit(2) from None


# What a benchmark needs of the machine


def need_root() -> None:
    """End the program unless it runs as root."""
    if os.geteuid() != 0:
        stop("loading BPF programs takes root")


def private_mounts(*unshare_options: str) -> None:
    """Start this program anew in a mount namespace of its own, with tracefs and a BPF file system mounted.

    So nothing has to be mounted beforehand, and nothing stays mounted or pinned.
    """
    need_root()
    if os.environ.get("LIBBPF_CFFI_PRIVATE_MOUNTS") != str(os.getpid()):
        # exec keeps the process id; a child that inherits the variable is not the one that was started anew.
        os.environ["LIBBPF_CFFI_PRIVATE_MOUNTS"] = str(os.getpid())
        command = ["unshare", "--mount", *unshare_options, "--propagation", "private"]
        os.execvp(command[0], [*command, sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell is wanted
    for kind, place, proof in (("tracefs", TRACEFS, "events"), ("bpf", "/sys/fs/bpf", "")):
        if proof and Path(place, proof).is_dir():
            continue
        subprocess.run(["mount", "-t", kind, kind, place], check=True)


# C, compiled like the extension


def c_library() -> tuple[Path, list[str]]:
    """Build the vendored libbpf, with the flags of the extension, as a static library.

    Return it, and the command that compiles a C file against it.
    """
    # Last, so that an installed libbpf_cffi is still found before the sources.
    sys.path.append(str(ROOT))
    import build_native

    source = "vendor/libbpf/source"
    if not (ROOT / source / "src").is_dir():
        subprocess.run([sys.executable, str(ROOT / "vendor" / "libbpf" / "unpack.py")], check=True)
    compiler = [
        *shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC")),
        *shlex.split(sysconfig.get_config_var("CFLAGS") or ""),
        *shlex.split(sysconfig.get_config_var("CCSHARED") or ""),
        *shlex.split(os.environ.get("CFLAGS", "")),
    ]
    tools = build_native.Toolchain(compiler, [])
    libbpf = build_native.vendored_libbpf(source)
    temp = WORK / "libbpf"
    extension = build_native.units(tools, libbpf, WORK / "none.c", temp)
    flags = next(unit.flags for unit in extension if unit.source in libbpf.sources)
    # In the extension one or the other file of libbpf is part of one of ours.
    wanted = [
        build_native.Unit(each, temp / f"{Path(each).stem}.o", flags) for each in libbpf.sources
    ]
    archive = temp / "libbpf.a"
    try:
        with build_native.locked(temp):
            if build_native.compile_units(tools, wanted, lambda _: None) or not archive.exists():
                archive.unlink(missing_ok=True)
                tools.run(["ar", "rcs", str(archive), *(str(unit.output) for unit in wanted)], "libbpf.a")
    except build_native.NativeBuildError as error:
        stop(str(error))
    folders = [f"-I{ROOT / folder}" for folder in libbpf.include_dirs]
    command = [*compiler, "-O2", "-D_GNU_SOURCE", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *folders]
    return archive, command


def compile_c(source: Path, output: Path, *flags: str) -> Path:
    """Compile and link one C file with the vendored libbpf; with the flag ``-shared`` it becomes a library."""
    archive, command = c_library()
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f"{output.name}.{os.getpid()}")
    libraries = [str(archive), "-Wl,--exclude-libs,ALL", "-lelf", "-lz"]
    subprocess.run([*command, *flags, str(source), *libraries, "-o", str(beside)], check=True)
    beside.replace(output)
    return output


def loader(*, shared: bool) -> Path:
    """Compile loader.c, as a library or as a program."""
    if shared:
        return compile_c(HERE / "loader.c", WORK / "loader.so", "-shared", "-fvisibility=hidden")
    return compile_c(HERE / "loader.c", WORK / "loader")


def objects() -> list[tuple[Path, bool]]:
    """Compile the BPF programs; tell of each whether it is CO-RE.

    They are as tools ship them, without the 600 kB of debugging information that a vmlinux.h brings along
    and libbpf does not look at: libbpf's linker leaves it out, as ``bpftool gen object`` has it do.
    """
    from libbpf_cffi import compile_object

    found = []
    WORK.mkdir(parents=True, exist_ok=True)
    for source in (ROOT / "examples" / "execve.bpf.c", *sorted((HERE / "bpf").glob("*.bpf.c"))):
        compiled = WORK / source.name.replace(".c", ".debug.o")
        output = WORK / source.name.replace(".c", ".o")
        compile_object(source, output=compiled)
        link(compiled, output)
        found.append((output, source.parent == HERE / "bpf"))
    return found


def link(compiled: Path, output: Path) -> None:
    """Link one object with libbpf's linker."""
    from libbpf_cffi import ffi, lib

    linker = lib.bpf_linker__new(os.fsencode(output), ffi.NULL)
    if not linker:
        stop(f"cannot make {output}: {os.strerror(ffi.errno)}")
    error = lib.bpf_linker__add_file(linker, os.fsencode(compiled), ffi.NULL)
    error = error or lib.bpf_linker__finalize(linker)
    lib.bpf_linker__free(linker)
    if error:
        stop(f"cannot link {compiled}: {os.strerror(-error)}")


# Measuring


def in_turn(
    variants: Mapping[str, Callable[[], Result]], rounds: int, warm_up: int = 2
) -> dict[str, list[Result]]:
    """Run each variant once a round, each round starting with another one; the first rounds do not count."""
    results: dict[str, list[Result]] = {name: [] for name in variants}
    names = list(variants)
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            result = variants[name]()
            if number >= 0:
                results[name].append(result)
    return results


def calm(*, one_cpu: bool = True) -> None:
    """Go before others, and stay on one CPU, so that the caches are disturbed by as little as possible."""
    if one_cpu:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        os.nice(-20)
    except PermissionError:
        sys.stderr.write("not allowed to go before others: expect more noise\n")


def median(values: Iterable[float]) -> float:
    """Give the median."""
    return statistics.median(values)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows of text in columns, the first to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not number else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def verdict(what: str, value: float, wanted: float, unit: str = "") -> bool:
    """Print a figure beside what is wanted of it, and tell whether it is as good."""
    good = value <= wanted
    print(f"{what}: {value:.2f}{unit} (wanted: at most {wanted:g}{unit}) {'yes' if good else 'NO'}")
    return good
