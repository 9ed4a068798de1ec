"""The user's clang: which one it is, how it is run on a source, and what its end means."""

from __future__ import annotations

import errno
import os
import re
import stat

from . import _files
from ._check import absent, failure
from ._elf_embedded import without_headers
from ._ffi import path_bytes
from ._refusals import no_thread
from .errors import Error, LibbpfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal

    Show = Callable[[Sequence[str]], None]

__all__ = ["CompileError", "Result", "Source", "attempt", "find", "refusal"]

EM_BPF = 247
"""The machine of a BPF object (linux/elf-em.h)."""

OLDEST = 10
"""The first clang that knows ``preserve_access_index``, on which CO-RE and ``vmlinux.h`` rest."""

INSTALL = """\
  Debian, Ubuntu:  apt-get install clang
  Fedora:          dnf install clang
  Alpine:          apk add clang
  elsewhere:       name it with clang= or the environment variable CLANG"""

_HINTS = (
    (
        r"fatal error: '(linux|asm|asm-generic)/\S+' file not found",
        (
            "the kernel's headers for user space are missing: apt-get install linux-libc-dev, "
            "dnf install kernel-headers, apk add linux-headers; most sources do better with vmlinux.h alone"
        ),
    ),
    (
        r"fatal error: 'gnu/stubs-32\.h' file not found",
        "a header of the C library was included: BPF programs take their types from vmlinux.h instead",
    ),
    (
        (
            r"(?s)/include/(?:\S+/)?\S+\.h:\d+:\d+: (?:error: (?:redefinition of|typedef redefinition|redeclaration of|"
            r"conflicting types).*vmlinux\.h:\d+|note: previous)"
        ),
        (
            "vmlinux.h and another header declare the same: with vmlinux.h, include none of <linux/…> and <asm/…>, and "
            "define what macros of theirs you use"
        ),
    ),
    (
        (
            r"error: use of undeclared identifier '(?P<name>(?:ETH_|TC_ACT_|AF_|PF_|S_IF|O_[A-Z])\w*|"
            r"E(?:PERM|NOENT|INVAL|NOMEM|AGAIN|ACCES|BUSY|EXIST|FAULT|NOSPC))'"
        ),
        (
            "{names}: macros of the kernel's, and vmlinux.h has types and enumerators alone: define them, as their "
            "headers do"
        ),
    ),
    (
        r"(?:undeclared function|undeclared identifier|declaration of function) 'bpf_(?:hton|ntoh|cpu_to_be|be\d+_to)",
        "#include <bpf/bpf_endian.h>",
    ),
    (r"error: call to undeclared function 'BPF_CORE_READ", "#include <bpf/bpf_core_read.h>"),
    (r"error: unknown type name '(?:__)?[us](?:8|16|32|64)'", "vmlinux.h has these types, and is included first"),
    (
        r"(?:BPF_(?:HASH|ARRAY|PERF_OUTPUT|TABLE|HISTOGRAM|STACK_TRACE)\(|'uapi/\S+' file not found)",
        "that is BCC's C: here maps are structs in SEC(\".maps\") and types come from vmlinux.h, see docs/guide.md",
    ),
)
"""What clang says, and what to do about it; ``{names}`` are all that a pattern finds."""


_CLASH = re.compile(
    r"^(?P<one>\S.*?):\d+:\d+: error: "
    r"(?P<what>(?:redefinition of|typedef redefinition|redeclaration of|conflicting types)(?: enumerator | for | |$))"
    r"(?:'(?P<name>\w+)')?[^\n]*\n *\d+ \|(?P<line>[^\n]*)\n"
    r"(?:^[^\n:]*\n)*?(?P<other>\S[^\n]*?):\d+:\d+: note: previous (?:definition|declaration) is here$",
    re.MULTILINE,
)
"""A name that is defined twice: where, and which."""


class CompileError(Error):
    """Clang refused a source, or there is no clang.

    `stderr` is what clang wrote, whole and unchanged; ``str()`` shows it too, but what is repeated once. `command` is
    how it was run and `returncode` how it ended (negative: by that signal); they are ``()`` and ``None`` if it was
    not run.
    """

    def __init__(
        self, reason: str, stderr: str = "", command: Sequence[str] = (), returncode: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stderr = stderr
        self.command = tuple(command)
        self.returncode = returncode

    def __str__(self) -> str:
        return f"{self.reason}\n{_once(self.stderr).rstrip()}" if self.stderr.strip() else self.reason


def _once(said: str) -> str:
    """Leave out an error that clang repeats for the same place, as it does where the stack is too small."""
    parts = re.split(r"(?m)^(?=\S.*?: (?:error|warning): |In file included from |\d+ (?:error|warning)s? )", said)
    seen: dict[str, int] = {}
    for each in parts:
        # The notes under them say where, for those who have the whole of `stderr`.
        key = re.sub(r"(?m)^.*: note: could not determine the original source location.*\n?", "", each)
        seen[key] = seen.get(key, 0) + 1
    return "".join(
        f"{each}  (said {count} times)\n" if count > 1 and ": error: " in each else each for each, count in seen.items()
    )


class Result:
    """What became of one run of clang."""

    __slots__ = ("command", "output", "returncode", "stderr")

    def __init__(self, command: Sequence[str], returncode: int, output: bytes, stderr: bytes) -> None:
        self.command = tuple(command)
        self.returncode = returncode
        self.output = output
        self.stderr = stderr.decode("utf-8", "replace")

    @property
    def bpf(self) -> bool:
        """Whether it made an ELF file for BPF; the layout is that of elf(5)."""
        order: Literal["little", "big"] = "big" if self.output[5:6] == b"\2" else "little"
        return (
            self.returncode == 0
            and self.output[:4] == b"\x7fELF"
            and int.from_bytes(self.output[18:20], order) == EM_BPF
        )


class Source:
    """What is to be compiled: a text, or a file that clang reads itself.

    A ``str`` with a newline in it is a text, which clang's messages call `name`; all else is a path. `path` is
    ``None`` for a text.
    """

    __slots__ = ("action", "data", "name", "path")

    def __init__(self, source: str | os.PathLike[str], name: str | None) -> None:
        self.path: str | None = None
        if isinstance(source, str) and "\n" in source:
            self.name = "<string>" if name is None else name
            # Of a prefix map with two '=' each version of clang takes another one for the middle.
            if not self.name or any(character in self.name for character in "\0\n="):
                raise ValueError(f"name must be a file's name, without '=' and line breaks, not {name!r}")
            self.action = f"compile {self.name!r}"
            self.data = source.encode("utf-8", "surrogateescape")
            return
        if not isinstance(source, (str, os.PathLike)):
            raise TypeError(f"source must be str or os.PathLike, not {type(source).__name__}")
        if name is not None:
            raise ValueError("name is for a source text; a file has its own")
        self.name = os.fsdecode(path_bytes(source, "source"))
        self.action = f"compile {self.name!r}"
        try:
            self._read()
        except LibbpfError as error:
            if error.errno == errno.ENOENT and isinstance(source, str):
                error.hint = "there is no such file (a str without a newline in it is taken for a path)"
            raise

    def _read(self) -> None:
        with _files.system_errors(self.action):
            if stat.S_ISFIFO(os.stat(self.name).st_mode):
                # It can be read only once: by us, as a text of that name.
                with open(self.name, "rb") as pipe:
                    self.data = pipe.read()
                return
        self.data = _files.read_file(self.name, self.action)
        self.path = os.path.join(".", self.name) if self.name.startswith("-") else self.name

    def run(self, program: str, arguments: Sequence[str], show: Show) -> Result:
        """Tell `show` the command and run it. Raises ``OSError`` if it cannot be run."""
        if self.path is not None:
            command = [program, *arguments, self.path]
            show(command)
            return _run(command)
        # A file that is in no folder: nothing is left of it, however this ends, and #include "…" finds nothing that
        # somebody else has put beside it.
        with os.fdopen(os.memfd_create("libbpf_cffi"), "wb") as file:
            file.write(self.data)
            file.flush()
            fd = file.fileno()
            place = f"/proc/self/fd/{fd}"
            # With the source embedded, the verifier's log can quote it. That takes version 5 of DWARF.
            debug = ["-gdwarf-5", "-gembed-source", f"-ffile-prefix-map={place}={self.name}"]
            command = [program, *debug, *arguments, place]
            show(command)
            done = _run(command, pass_fds=(fd,))
        if done.bpf:
            done.output = without_headers(done.output, self.data)
        done.stderr = re.sub(re.escape(place) + r"(?!\d)", lambda _: self.name, done.stderr)
        return done


def _run(command: Sequence[str], data: bytes | None = None, pass_fds: Sequence[int] = ()) -> Result:
    """Run a command to its end; an interrupt kills it.

    A thread of its own starts it and waits for it, since no signal raises there: an exception in the middle of
    `subprocess` would leave a program running that nobody knows, or that nobody waits for.
    """
    import subprocess
    from threading import Event, Thread

    running: list[subprocess.Popen[bytes]] = []
    outcome: list[Result | Exception] = []
    # Not Thread.join(): interrupted once, it takes the thread for ended.
    finished = Event()
    cancelled = False

    def work() -> None:
        try:
            source = subprocess.DEVNULL if data is None else subprocess.PIPE
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=source, stdout=pipe, stderr=pipe, pass_fds=pass_fds) as process:
                running.append(process)
                if cancelled:
                    process.kill()
                stdout, stderr = process.communicate(data)
            outcome.append(Result(command, process.returncode, stdout, stderr))
        except Exception as error:  # noqa: BLE001 - it is raised where the command was asked for
            outcome.append(error)
        finally:
            finished.set()

    thread = Thread(target=work, name="clang")
    try:
        try:
            thread.start()
        except RuntimeError as error:
            if not no_thread(error):
                raise
            raise failure(errno.EAGAIN, f"run {command[0]!r}", str(error)) from None
        finished.wait()
    except BaseException:
        # In this order: if it is not running yet, the thread will see that it is not wanted.
        cancelled = True
        for process in running:
            process.kill()
        if thread.ident is not None:
            finished.wait()
        raise
    (done,) = outcome
    if isinstance(done, Exception):
        raise done
    return done


def find(clang: str | os.PathLike[str] | None, action: str) -> list[str]:
    """Find the compilers to try, the newest first: the one that is asked for, or else all in ``PATH``."""
    if clang is not None:
        asked, by = os.fsdecode(path_bytes(clang, "clang")), "clang="
    else:
        asked, by = os.environ.get("CLANG", ""), "the environment variable CLANG="
    # An empty part of PATH is the working directory: no place to take a program from that root may be running.
    folders = [each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if each]
    if asked:
        places = [asked] if os.sep in asked else [os.path.join(each, asked) for each in folders]
        for place in places:
            if _executable(place):
                return [place]
        raise CompileError(f"cannot {action}: {by}{asked!r} is no program; install clang:\n{INSTALL}")
    found: dict[str, str] = {}
    for each in folders:
        try:
            names = os.listdir(each)
        except OSError as error:
            absent(error, action)
            # PATH often names folders that are not there.
            continue
        for program in sorted(filter(re.compile(r"clang(-\d+(\.\d+)?)?").fullmatch, names)):
            place = os.path.join(each, program)
            if _executable(place):
                found.setdefault(os.path.realpath(place), place)
    if not found:
        raise CompileError(f"cannot {action}: there is no clang in PATH; install it:\n{INSTALL}")
    programs = list(found.values())
    return programs if len(programs) == 1 else sorted(programs, key=_version, reverse=True)


def _executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _version(program: str) -> int:
    """Give clang's main version: from its path, or else by asking it; 0 if it does not say."""
    for path in (program, os.path.realpath(program)):
        match = re.search(r"/clang-(\d+)(?:\.\d+)*$|/llvm-?(\d+)(?:\.\d+)*/bin/clang$", path)
        if match:
            return int(match[1] or match[2])
    try:
        said = _run([program, "--version"])
    except LibbpfError:
        raise
    except OSError as error:
        absent(error, f"run {program!r}")
        return 0
    stated = re.search(rb"version (\d+)\.", said.output)
    return int(stated[1]) if stated else 0


def attempt(source: Source, programs: Sequence[str], arguments: Sequence[str], show: Show) -> Result:
    """Compile with the first of `programs` that can compile for BPF at all, whether or not it accepts the source.

    The first of `arguments` is the target. Raises `CompileError` if none of them can.
    """
    reasons = []
    done = None
    for program in programs:
        try:
            done = source.run(program, arguments, show)
            if done.bpf:
                return done
            # Asked only now: the question costs as much as a small compilation.
            empty = _run([program, arguments[0], "-x", "c", "-c", "-o", "-", "-"], b"")
        except LibbpfError:
            raise
        except OSError as error:
            absent(error, f"run {program!r}")
            reasons.append(f"{program} cannot be run: {error.strerror}")
            continue
        if empty.bpf:
            return done
        said = empty.stderr.strip().splitlines()
        reasons.append(f"{program} cannot compile for BPF: {said[0] if said else 'it makes something else'}")
    reason = "\n  ".join([f"cannot {source.action}: no clang here can do it", *reasons])
    reason += f"\ninstall one that can:\n{INSTALL}"
    if done is None:
        raise CompileError(reason)
    raise CompileError(reason, done.stderr, done.command, done.returncode)


def _clashing(said: str) -> str | None:
    """Give what a source defines that ``vmlinux.h`` has as well, with its article."""
    clash = _CLASH.search(said)
    if clash is None or not any(clash[place].endswith("vmlinux.h") for place in ("one", "other")):
        return None
    if " enumerator " in clash["what"]:
        return f"an enumerator {clash['name']}"
    kind = re.search(r"\b(struct|union|enum|typedef)\b", clash["line"])
    name = clash["name"] or (re.findall(r"\w+", clash["line"]) or [""])[-1]
    keyword = {"enum": "an enum", "typedef": "a type"}.get(kind[1], f"a {kind[1]}") if kind else "a definition of"
    return f"{keyword} {name}"


def refusal(action: str, done: Result) -> CompileError:
    """Make the exception for a run of clang that gave no object."""
    program = done.command[0]
    if done.returncode == 0:
        reason = f"{program} made no BPF object; does a flag ask for something else, or for another place?"
    elif done.returncode < 0:
        reason = f"{program} was ended by signal {-done.returncode}"
    else:
        reason = f"{program} ended with status {done.returncode}"
    lines = [f"cannot {action}: {reason}"]
    hints = [
        hint.replace("{names}", ", ".join(dict.fromkeys(each["name"] for each in re.finditer(pattern, done.stderr))))
        if "{names}" in hint
        else hint
        for pattern, hint in _HINTS
        if re.search(pattern, done.stderr)
    ]
    if not hints and (own := _clashing(done.stderr)):
        hints.append(f"the kernel has {own} of its own: rename yours")
    lines += [f"  hint: {hint}" for hint in hints]
    version = _version(program)
    if 0 < version < OLDEST:
        lines.append(f"  hint: this clang is version {version}; CO-RE and vmlinux.h need {OLDEST} or later")
    return CompileError("\n".join(lines), done.stderr, done.command, done.returncode)
