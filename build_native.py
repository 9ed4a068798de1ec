"""Compile and link the extension: libbpf, our C and cffi's, each with its own flags.

setuptools compiles all sources of an extension with one set of flags, one after the other, and all of them
again when one has changed. Here each object has its own flags and is compiled again only when its command,
its source or a header that it read has changed *in content*; what is to be compiled runs on all cores.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

#: Where this file is. Every command runs here, with relative paths, so that no build directory enters an
#: object.
ROOT = Path(__file__).resolve().parent

#: CPython 3.10, the oldest that the wheel runs on.
LIMITED_API = "0x030a0000"

#: The version script's only global symbol, see csrc/exports.map.
EXPORTS = "csrc/exports.map"

#: What libbpf's own Makefile passes; LIBBPF_API is its visibility attribute.
_LIBBPF_DEFINES = (
    "-D_LARGEFILE64_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    '-DLIBBPF_API=__attribute__((visibility("hidden")))',
)
#: `#include "file.c"`: a file of libbpf that is compiled as part of one of ours, and so not on its own.
_EMBEDS = re.compile(r'^#[ \t]*include[ \t]+"(\w+\.c)"', re.MULTILINE)

_HARDENED_LINK = ("-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,--as-needed")


Say = Callable[[str], object]


class NativeBuildError(Exception):
    """The extension cannot be built; the text says why and what to do."""


class CommandError(NativeBuildError):
    """A command of the build failed; `reason` is what it said, without the command itself."""

    def __init__(self, context: str, reason: str) -> None:
        super().__init__(context + reason)
        self.reason = reason


# ------------------------------------------------------------------------------------------------------------
# What to build


@dataclass(frozen=True)
class Libbpf:
    """Where libbpf's headers are, and how to link it."""

    #: Folders for `-I`; the first holds `libbpf.h` itself.
    include_dirs: tuple[str, ...]
    #: libbpf's own .c files; empty when the system's library is linked.
    sources: tuple[str, ...] = ()
    #: Arguments of the link, the system's libbpf among them.
    link_args: tuple[str, ...] = ()
    #: Extra arguments of our own compilations.
    compile_args: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """One source file, its flags and its object."""

    source: str
    output: Path
    flags: tuple[str, ...]


@dataclass
class Toolchain:
    """The compiler and linker of a build, and the environment's wishes."""

    compile_command: list[str]
    link_command: list[str]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    @property
    def wishes(self) -> list[str]:
        """What CFLAGS and CPPFLAGS say: the user's optimisation and debugging flags come before ours."""
        return shlex.split(self.environment.get("CFLAGS", "")) + shlex.split(self.environment.get("CPPFLAGS", ""))

    def run(self, command: list[str], what: str) -> str:
        """Run `command` and return what it printed. Raises `NativeBuildError`, with that, on failure."""
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise CommandError(f"{what}: ", f"cannot run {command[0]!r}: {error.strerror}") from error
        if done.returncode != 0:
            reason = f"{done.stdout.rstrip()}\n{command[0]} ended with status {done.returncode}"
            raise CommandError(f"{what}: {shlex.join(command)}\n", reason.lstrip())
        return done.stdout


def limited_api() -> bool:
    """Tell whether this Python has a limited API: a free-threaded CPython before 3.15 has none."""
    return not sysconfig.get_config_var("Py_GIL_DISABLED") or sys.version_info >= (3, 15)


def development() -> bool:
    """Tell whether LIBBPF_CFFI_DEV makes warnings in our own C errors; what is compiled stays the same."""
    return os.environ.get("LIBBPF_CFFI_DEV", "") not in ("", "0")


def without_rpath(command: list[str]) -> list[str]:
    """Return the link command without the building Python's library folder: libpython is not linked."""
    own = sysconfig.get_config_var("LIBDIR")
    return [word for word in command if word not in (f"-L{own}", f"-Wl,-rpath,{own}")]


def _common_flags(tools: Toolchain, temp: Path) -> list[str]:
    """Return every object's flags: optimisation unless the user chose, hardening, stable paths."""
    wishes = tools.wishes
    flags = ["-fvisibility=hidden", "-fPIC", "-pipe"]
    optimisation = [flag for flag in wishes if re.match(r"-O", flag)]
    if not optimisation:
        flags.append("-O2")
    if not any(re.match(r"-g", flag) for flag in wishes):
        flags.append("-g0")
    flags.append("-fstack-protector-strong")
    # Without optimisation glibc answers _FORTIFY_SOURCE with a warning, and distributions' compilers define
    # it themselves.
    if not any("_FORTIFY_SOURCE" in flag for flag in wishes):
        flags.append("-U_FORTIFY_SOURCE")
        if not optimisation or optimisation[-1] != "-O0":
            flags.append("-D_FORTIFY_SOURCE=2")
    flags += [f"-ffile-prefix-map={ROOT}=.", f"-ffile-prefix-map={temp}=build"]
    return flags


def units(tools: Toolchain, libbpf: Libbpf, generated: Path, temp: Path) -> list[Unit]:
    """Return every object of the extension: cffi's, ours, libbpf's."""
    common = _common_flags(tools, temp)
    includes = [f"-I{folder}" for folder in libbpf.include_dirs]
    hidden = list(_LIBBPF_DEFINES) if libbpf.sources else list(_LIBBPF_DEFINES[:2])
    ours = [*common, "-std=gnu11", "-D_GNU_SOURCE", *hidden, "-Icsrc", *includes, *libbpf.compile_args]
    warnings = ["-Wall", "-Wextra", "-Werror"] if development() else ["-w"]
    # Every function of a cffi module takes `self`, used or not; deprecated functions of libbpf are wrapped on
    # purpose.
    generated_warnings = [
        *warnings,
        "-Wno-unused-parameter",
        "-Wno-missing-field-initializers",
        "-Wno-deprecated-declarations",
        "-Wno-sign-compare",
    ]
    python = [f"-I{path}" for path in python_includes()]
    python += [f"-DPy_LIMITED_API={LIMITED_API}"] if limited_api() else ["-D_CFFI_NO_LIMITED_API"]
    if limited_api() and sysconfig.get_config_var("Py_GIL_DISABLED"):
        python.append("-DPy_TARGET_ABI3T=0x030f0000")

    theirs = (*common, "-std=gnu89", *_LIBBPF_DEFINES, *includes, "-w")

    objects = [Unit(_relative(generated), temp / "cffi.o", (*ours, *python, *generated_warnings))]
    embedded: set[str] = set()
    for path in our_sources(system=not libbpf.sources):
        inside = embedded_sources(path)
        embedded.update(inside)
        flags = (*ours, "-w") if inside else (*ours, *warnings)
        objects.append(Unit(_relative(path), temp / "csrc" / (path.stem + ".o"), flags))
    objects += [
        Unit(source, temp / "libbpf" / (Path(source).stem + ".o"), theirs)
        for source in libbpf.sources
        if Path(source).name not in embedded
    ]
    return objects


def our_sources(*, system: bool) -> list[Path]:
    """Return the files of `csrc/`; with the system's libbpf a file of `csrc/system/` replaces its namesake.

    One that includes a .c file of libbpf, to reach its statics, needs libbpf's sources: it has such a
    namesake.
    """
    found = sorted((ROOT / "csrc").glob("*.c"))
    if not system:
        return found
    chosen = [other if (other := path.parent / "system" / path.name).exists() else path for path in found]
    for path in chosen:
        if embedded_sources(path):
            raise NativeBuildError(
                f"csrc/system/{path.name} must stand in for csrc/{path.name}, which includes "
                f"{', '.join(embedded_sources(path))}: the system's libbpf has no sources"
            )
    return chosen


def embedded_sources(path: Path) -> list[str]:
    """Return which .c files of libbpf the source file `path` includes."""
    return _EMBEDS.findall(path.read_text(encoding="utf-8"))


def python_includes() -> list[str]:
    """Return the folders with Python.h and pyconfig.h."""
    paths = sysconfig.get_paths()
    return list(dict.fromkeys((paths["include"], paths["platinclude"])))


def _relative(path: Path) -> str:
    """Return `path` as seen from `ROOT` when it is below it, as it is otherwise."""
    path = path.absolute()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


# ------------------------------------------------------------------------------------------------------------
# What the machine must have


@dataclass(frozen=True)
class Need:
    """Something to compile or link against, a program that needs it, and the packages that bring it."""

    name: str
    program: str
    link_args: tuple[str, ...]
    debian: str
    fedora: str
    alpine: str


def _needs() -> tuple[Need, ...]:
    """Return what a build needs, each once the one before is known to be there."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return (
        Need("a working C compiler", "int main(void) { return 0; }", (), "gcc libc6-dev", "gcc", "gcc musl-dev"),
        Need(
            "the C library's headers",
            "#include <stdio.h>\n#include <pthread.h>\nint main(void) { return 0; }",
            (),
            "libc6-dev",
            "glibc-devel",
            "musl-dev",
        ),
        Need(
            "the kernel's headers (linux/types.h)",
            "#include <linux/types.h>\nint main(void) { return 0; }",
            (),
            "linux-libc-dev",
            "kernel-headers",
            "linux-headers",
        ),
        Need(
            f"the headers of Python {version} (Python.h)",
            "#include <Python.h>\nint main(void) { return 0; }",
            (),
            f"python{version}-dev",
            "python3-devel",
            "python3-dev",
        ),
        Need(
            "libelf and its headers (libelf.h, gelf.h)",
            "#include <gelf.h>\n#include <libelf.h>\nint main(void) { return elf_version(EV_CURRENT) == EV_NONE; }",
            ("-lelf",),
            "libelf-dev",
            "elfutils-libelf-devel",
            "elfutils-dev",
        ),
        Need(
            "zlib and its header (zlib.h)",
            "#include <zlib.h>\nint main(void) { return zlibVersion() == 0; }",
            ("-lz",),
            "zlib1g-dev",
            "zlib-devel",
            "zlib-dev",
        ),
    )


def probe(tools: Toolchain) -> None:
    """Check that compiler, headers and libraries are there. Raises `NativeBuildError` naming the packages."""
    needs = _needs()
    includes = [f"-I{path}" for path in python_includes()]
    link_args = [argument for need in needs for argument in need.link_args]
    lines = [line for need in needs for line in need.program.splitlines() if line.startswith("#include")]
    everything = "\n".join(
        [*lines, "int main(void) { return elf_version(EV_CURRENT) == EV_NONE || zlibVersion() == 0; }"]
    )
    complaint = _try(tools, everything, includes, link_args)
    if complaint is None:
        return
    missing: list[Need] = []
    for need in needs:
        reason = _try(tools, need.program, includes if "Python.h" in need.program else [], list(need.link_args))
        if reason is not None:
            missing.append(need)
            if need is needs[0] or need is needs[1]:
                # Nothing else compiles without these two, and the reason is not a missing header: show it.
                complaint = reason
                break
    if not missing:
        raise NativeBuildError(f"libbpf_cffi cannot be built here; the compiler refuses a test program:\n{complaint}")
    raise NativeBuildError(_missing(missing, complaint if missing[0] is needs[0] else ""))


def _missing(missing: list[Need], detail: str = "") -> str:
    names = "; ".join(need.name for need in missing)
    reason = next((line.strip() for line in detail.splitlines() if line.strip()), "")
    return "\n".join(
        [
            f"libbpf_cffi cannot be built, this is missing: {names}" + (f" ({reason})" if reason else ""),
            "  Debian, Ubuntu:  apt-get install " + " ".join(need.debian for need in missing),
            "  Fedora:          dnf install " + " ".join(need.fedora for need in missing),
            "  Alpine:          apk add " + " ".join(need.alpine for need in missing),
        ]
    )


def _try(tools: Toolchain, program: str, flags: list[str], link_args: list[str]) -> str | None:
    """Compile and link `program`. Return None when that works and what went wrong when it doesn't."""
    with tempfile.TemporaryDirectory(prefix="libbpf_cffi-probe-") as folder:
        source = Path(folder, "probe.c")
        source.write_text(program + "\n", encoding="ascii")
        # Without -shared: an undefined symbol must fail.
        command = [
            *tools.compile_command,
            *flags,
            str(source),
            "-o",
            str(source.with_suffix("")),
            *shlex.split(tools.environment.get("LDFLAGS", "")),
            *link_args,
        ]
        try:
            tools.run(command, "")
        except CommandError as error:
            return error.reason
    return None


# ------------------------------------------------------------------------------------------------------------
# The system's libbpf

#: The oldest libbpf that has all that csrc/cdef declares.
OLDEST_SYSTEM_LIBBPF = (1, 7)

#: The youngest name of linux/bpf.h that csrc/cdef needs, to recognise headers that are too old.
_YOUNGEST_UAPI_NAME = "BPF_TRACE_FSESSION"


def system_libbpf(tools: Toolchain, uapi: str | None) -> Libbpf:
    """Return how to link the system's libbpf, as pkg-config says.

    `uapi` is a folder with the kernel's headers as libbpf ships them, if there is one: the machine's may be
    older. Raises `NativeBuildError` when there is no libbpf, it is older than 1.7, or the headers are too
    old.
    """
    oldest = ".".join(map(str, OLDEST_SYSTEM_LIBBPF))
    asked = f"LIBBPF_CFFI_SYSTEM_LIBBPF asks for the system's libbpf, {oldest} or later"
    pkg_config = shlex.split(tools.environment.get("PKG_CONFIG") or "pkg-config")

    def ask(*arguments: str) -> str:
        return tools.run([*pkg_config, *arguments, "libbpf"], asked).strip()

    try:
        version = ask("--modversion")
    except NativeBuildError as error:
        package = Need("", "", (), "pkg-config libbpf-dev", "pkgconf-pkg-config libbpf-devel", "pkgconf libbpf-dev")
        advice = _missing([package]).partition("\n")[2]
        raise NativeBuildError(
            f"{error}\n{advice}\nWithout LIBBPF_CFFI_SYSTEM_LIBBPF the build uses the libbpf "
            "that libbpf_cffi brings along."
        ) from error
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST_SYSTEM_LIBBPF:
        raise NativeBuildError(
            f"{asked}, but pkg-config finds libbpf {version}. Without it the build uses the libbpf that "
            "libbpf_cffi brings along."
        )
    includedir = ask("--variable=includedir")
    libbpf = Libbpf(
        include_dirs=tuple(filter(None, (f"{includedir}/bpf", uapi))),
        link_args=tuple(shlex.split(ask("--libs"))),
        compile_args=tuple(shlex.split(ask("--cflags"))),
    )
    program = f"#include <linux/bpf.h>\nint main(void) {{ return {_YOUNGEST_UAPI_NAME} == 0; }}"
    if _try(tools, program, [f"-I{folder}" for folder in libbpf.include_dirs], []) is not None:
        raise NativeBuildError(
            f"the kernel's headers on this machine are too old: linux/bpf.h lacks {_YOUNGEST_UAPI_NAME}. "
            "`python3 vendor/libbpf/unpack.py` brings newer ones."
        )
    return libbpf


def vendored_libbpf(folder: str) -> Libbpf:
    """Return how to compile the libbpf whose sources are in `folder`, a path relative to `ROOT`."""
    sources = tuple(f"{folder}/src/{path.name}" for path in sorted((ROOT / folder / "src").glob("*.c")))
    return Libbpf(include_dirs=(f"{folder}/src", f"{folder}/include", f"{folder}/include/uapi"), sources=sources)


# ------------------------------------------------------------------------------------------------------------
# Building it


class _Hashes:
    """sha256 of files, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def __call__(self, path: str) -> str | None:
        if path not in self._known:
            try:
                self._known[path] = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
            except OSError:
                # A header that is gone: the object must be compiled again, and the compiler says what is
                # missing.
                self._known[path] = None
        return self._known[path]


def _fresh(output: Path, state: object) -> bool:
    """Tell whether `output` was made from exactly `state`."""
    try:
        return output.exists() and json.loads(_state_file(output).read_text(encoding="utf-8")) == state
    except (OSError, ValueError):
        return False


def _state_file(output: Path) -> Path:
    return output.with_name(output.name + ".state")


def _dependencies(depfile: Path) -> list[str]:
    """Return the files that the compiler read, from the make rule that it wrote."""
    text = depfile.read_text(encoding="utf-8", errors="surrogateescape").replace("\\\n", " ")
    names = re.findall(r"(?:\\.|[^\s\\])+", text.partition(": ")[2])
    return sorted({re.sub(r"\\(.)", r"\1", name).replace("$$", "$") for name in names})


@contextlib.contextmanager
def locked(temp: Path) -> Iterator[None]:
    """Hold the lock of the folder of objects: of two builds in one tree the second finds the work done."""
    temp.mkdir(parents=True, exist_ok=True)
    with open(temp / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def compile_units(tools: Toolchain, wanted: list[Unit], say: Say = print) -> bool:
    """Compile what is not up to date, on all cores. Return whether anything was compiled."""
    hashes = _Hashes()
    stale = [unit for unit in wanted if not _unit_is_fresh(tools, unit, hashes)]
    if not stale:
        return False
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), len(stale))) as pool:
        tasks = [pool.submit(_compile_unit, tools, unit, hashes) for unit in stale]
        try:
            for unit, task in zip(stale, tasks, strict=True):
                warnings = task.result().rstrip()
                say(f"compiled {unit.source}" + (f"\n{warnings}" if warnings else ""))
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
    return True


def _command(tools: Toolchain, unit: Unit) -> list[str]:
    return [*tools.compile_command, *unit.flags, "-c", unit.source, "-o", _relative(unit.output)]


def _unit_is_fresh(tools: Toolchain, unit: Unit, hashes: _Hashes) -> bool:
    try:
        state = json.loads(_state_file(unit.output).read_text(encoding="utf-8"))
        read = state["read"]
    except (OSError, ValueError, KeyError):
        return False
    return _fresh(unit.output, {"command": _command(tools, unit), "read": {path: hashes(path) for path in read}})


def _compile_unit(tools: Toolchain, unit: Unit, hashes: _Hashes) -> str:
    unit.output.parent.mkdir(parents=True, exist_ok=True)
    _state_file(unit.output).unlink(missing_ok=True)
    command = _command(tools, unit)
    depfile = unit.output.with_suffix(".d")
    output = tools.run([*command, "-MD", "-MF", str(depfile)], f"cannot compile {unit.source}")
    state = {"command": command, "read": {path: hashes(path) for path in _dependencies(depfile)}}
    _state_file(unit.output).write_text(json.dumps(state), encoding="utf-8")
    return output


def link(tools: Toolchain, wanted: list[Unit], libbpf: Libbpf, output: Path) -> bool:
    """Link the objects into `output` unless it is up to date. Return whether it was linked."""
    objects = [_relative(unit.output) for unit in wanted]
    command = [
        *tools.link_command,
        *objects,
        "-o",
        _relative(output),
        f"-Wl,--version-script={EXPORTS}",
        *_HARDENED_LINK,
        *libbpf.link_args,
        "-lelf",
        "-lz",
    ]
    hashes = _Hashes()
    state = {"command": command, "read": {path: hashes(path) for path in [*objects, EXPORTS]}}
    if _fresh(output, state):
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    _state_file(output).unlink(missing_ok=True)
    tools.run(command, "cannot link the extension")
    _state_file(output).write_text(json.dumps(state), encoding="utf-8")
    return True


def generate(output: Path) -> bool:
    """Write cffi's C for `csrc/cdef` to `output` unless it is up to date. Return whether it was written."""
    import cffi

    import build_ffi

    files = [*build_ffi.cdef_files(), Path(build_ffi.__file__)]
    hashes = _Hashes()
    state = {"cffi": cffi.__version__, "read": {_relative(path): hashes(_relative(path)) for path in files}}
    if _fresh(output, state):
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    _state_file(output).unlink(missing_ok=True)
    build_ffi.make_ffi().emit_c_code(str(output))
    _state_file(output).write_text(json.dumps(state), encoding="utf-8")
    return True
