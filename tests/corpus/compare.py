"""Compare libbpf_cffi with a C loader, object by object, on BPF objects that others wrote.

    python tests/corpus/compare.py                          all of it: a quarter of an hour the first time
    python tests/corpus/compare.py 'bpf_iter*' xdp_dummy    only these programs
    python tests/corpus/compare.py --objects DIR            compiled objects (*.o) of a folder instead

What is compared: the BPF programs of the kernel's own tests and samples (tools/testing/selftests/bpf/progs
and samples/bpf), from Debian's package linux-source-6.1, or whatever --source names. They are compiled with
clang against this kernel's vmlinux.h and libbpf's headers; those that do not compile (they need headers that
only a kernel build has, or fields that this kernel no longer has) are counted and left out.

How: for each object two processes go the same way, open, load, attach, close. One is steps.c, a C loader on
the libbpf that the package has inside, built with the same flags; the other is steps.py, which uses
libbpf_cffi. An object of several programs that does not come all the way is tried once more with each program
alone. Both print what they see, a fact a line: each program and map with all its settings, the errno of the
step that fails, the tags of the loaded programs (the kernel's hash of their instructions), the links and
their types, everything that libbpf says, and whether a descriptor is left over. The two lists must be equal,
line by line. They may differ only where the processes do: the number of a descriptor, a kernel address, the
time that a verification took. And where the kernel has no kprobes, the package says so with EOPNOTSUPP, and C
what its first try came to.

Each process has a mount and network namespace and a BPF file system of its own, and a time limit; nothing
stays attached or pinned. The exit status is 1 if an object differs, 2 if nothing could be compared. Needs
root, clang, dpkg-deb, gcc and the headers of libelf and zlib.

Everything that is unpacked and built is kept in build/corpus; the next run takes it from there.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "corpus"

sys.path.insert(0, str(ROOT / "benchmarks"))

import _harness  # noqa: E402

import libbpf_cffi  # noqa: E402
from libbpf_cffi import probe  # noqa: E402
from libbpf_cffi.compile import vmlinux_h  # noqa: E402

PACKAGE = "linux-source-6.1"

#: Folders of the kernel's sources that are unpacked: the programs, and the headers that they include.
SELFTESTS = "tools/testing/selftests/bpf"
SAMPLES = "samples/bpf"
WANTED = (f"{SELFTESTS}/", f"{SAMPLES}/", "tools/include/")

#: What makes a C file of the samples a BPF program: most of them are the loaders.
BPF_SOURCE = re.compile(r"^\s*(SEC\(|char _license\[\])", re.MULTILINE)

#: Headers of the kernel's own that samples include and can do without, see samples.h.
SAMPLES_EMPTY = ("linux/skbuff.h", "net/ip.h", "net/ipv6.h", "net/sock.h")

#: What two runs of one program on one kernel may print differently.
VARIABLE = (
    (re.compile(r"\bverification time \d+ usec"), "verification time N usec"),
    (re.compile(r"\b0x[0-9a-f]{9,16}\b|\b[0-9a-f]{16}\b"), "ADDRESS"),
    (re.compile(r"\b(fd[ =:]*)\d+"), r"\1N"),
    # The package opens the files that are probed itself.
    (re.compile(r"/proc/self/(fd/\d+|exe)"), "TARGET"),
    (re.compile(r"\(0x18\) (r\d) = 0x\w+"), r"(0x18) \1 = N"),
)


#: Messages that name an object by its path, if it was read from a file, or by its name, if from memory.
NAMES_OBJECT = ("elf: ", "failed to load object ")


#: What of the summary is printed, and of one of its lines the columns.
SHOWN = (
    *("programs", "compiled", "compared", "opened", "loaded", "attached", "tried alone", "links"),
    *("failures of C", "equal"),
)
ALONE = ("programs", "loaded", "attached")

#: libbpf's message on a probed file that cannot be opened.
NOT_OPENED = re.compile(r"message \d elf: failed to open ")

#: libbpf's message with the verifier's log of a program.
VERIFIER_LOG = re.compile(r"message \d prog '(.*?)': -- BEGIN PROG LOAD LOG --\\x0a(.*)-- END PROG LOAD LOG --$")

#: What is printed once a process is in its namespaces.
READY = "ready"

#: A verifier's log is one line of up to many megabytes; of a longer line than this only both ends are shown.
LONG = 400


class Outcome(NamedTuple):
    """What one process printed, and how it ended."""

    lines: list[str]
    ending: str

    @property
    def messages(self) -> list[str]:
        """What libbpf said."""
        return [line for line in self.lines if line.startswith("message ")]

    @property
    def facts(self) -> list[str]:
        """Everything but what libbpf said, and how the process ended."""
        return [*(line for line in self.lines if not line.startswith(("message ", "verifier "))), self.ending]

    def step(self, name: str) -> str:
        """How the step `name` of the whole object ended: "ok", an errno's number, or "-" if it was not reached."""
        for line in self.lines:
            if line.startswith("only "):
                break
            if line.startswith(f"{name} "):
                return line.split()[1].removeprefix("errno=")
        return "-"

    @property
    def alone(self) -> tuple[int, int, int]:
        """How many programs were also tried alone, how many of them were loaded, and how many attached."""
        lines = [line for line in self.lines if line.startswith(("only ", "load ok", "attach ok"))]
        first = next((number for number, line in enumerate(lines) if line.startswith("only ")), len(lines))
        found = Counter(line.split()[0] for line in lines[first:])
        return found["only"], found["load"], found["attach"]


class Result(NamedTuple):
    """What the comparison of one object gave."""

    name: str
    c: Outcome
    python: Outcome
    differences: list[str]
    unstable: bool


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


# The sources


def fetch() -> Path:
    """Download Debian's package of the kernel's sources with apt, unless it is there."""
    there = sorted(WORK.glob(f"{PACKAGE}_*.deb"))
    if there:
        return there[-1]
    WORK.mkdir(parents=True, exist_ok=True)
    say(f"downloading {PACKAGE}")
    # apt drops its privileges when it can write the folder as its own user; here it can't, and says so.
    command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", PACKAGE]
    advice = "try `apt-get update`, or name a .deb or a kernel tree with --source"
    try:
        status = subprocess.run(command, cwd=WORK, check=False).returncode
    except OSError as error:
        _harness.stop(f"cannot run apt-get: {error.strerror}; name a .deb or a kernel tree with --source")
    if status != 0:
        _harness.stop(f"cannot download {PACKAGE}: {advice}")
    return max(WORK.glob(f"{PACKAGE}_*.deb"))


def unpack(deb: Path) -> Path:
    """Unpack the wanted part of a Debian package of the kernel's sources, once; return the tree."""
    tree = WORK / f"{deb.stem}.tree"
    if tree.is_dir():
        return tree
    say(f"unpacking {deb.name}")
    beside = tree.with_name(f"{tree.name}.{os.getpid()}")
    try:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as dpkg:
            assert dpkg.stdout is not None
            with tarfile.open(fileobj=dpkg.stdout, mode="r|") as package:
                unpack_kernel(package, beside)
            dpkg.stdout.read()
        beside.rename(tree)
    except (OSError, tarfile.TarError) as error:
        _harness.stop(f"cannot unpack {deb}: {error}")
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return tree


def unpack_kernel(package: tarfile.TarFile, into: Path) -> None:
    """Unpack what is wanted of the archive with the kernel's sources inside the package's."""
    for member in package:
        if re.fullmatch(r"(\./)?usr/src/linux-source-[\w.]+\.tar\.\w+", member.name) and member.isfile():
            inner = package.extractfile(member)
            with tarfile.open(fileobj=inner, mode="r|*") as kernel:
                for each in kernel:
                    _, _, name = each.name.removeprefix("./").partition("/")
                    if not name.startswith(WANTED) or ".." in PurePosixPath(name).parts or not each.isfile():
                        continue
                    content = kernel.extractfile(each)
                    assert content is not None
                    target = into / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with open(target, "wb") as file:
                        shutil.copyfileobj(content, file)
            return
    _harness.stop("the package has no usr/src/linux-source-*.tar.*")


def sources(tree: Path) -> list[Path]:
    """List the BPF programs of a kernel tree."""
    found = sorted((tree / SELFTESTS / "progs").glob("*.c"))
    for path in sorted((tree / SAMPLES).glob("*.c")):
        if BPF_SOURCE.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(path)
    if not found:
        _harness.stop(f"no BPF programs in {tree}: neither {SELFTESTS}/progs nor {SAMPLES}")
    return found


# Compiling


class Compiler:
    """Clang, with the flags that these programs need.

    Those of the selftests are as in their own Makefile. The samples are made for a tree in which the kernel
    has been built; its headers are replaced by those of user space and samples.h.
    """

    def __init__(self, tree: Path, clang: str) -> None:
        self.tree = tree
        self.clang = clang
        self.output = WORK / "objects"
        header = vmlinux_h()
        include, beside = WORK / "include", WORK / "include-samples"
        write_if_new(include / "vmlinux.h", header)
        for name in SAMPLES_EMPTY:
            write_if_new(beside / name, "")
        if not (beside / "uapi").is_symlink():
            (beside / "uapi").symlink_to("/usr/include")

        package = Path(libbpf_cffi.__file__).parent / "include"
        machine = os.uname().machine
        common = [
            *("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-w", "-fno-stack-protector"),
            f"-D__TARGET_ARCH_{({'x86_64': 'x86', 'aarch64': 'arm64'}).get(machine, machine)}",
            # These programs declare the kernel's functions themselves, as they were in their kernel.
            "-DBPF_NO_KFUNC_PROTOTYPES",
            *(f"-I{include}", f"-I{package}", f"-I{tree / SELFTESTS}"),
        ]
        system = [
            f"-idirafter{resource_folder(clang)}/include",
            *(f"-idirafter{path}" for path in Path("/usr/include").glob("*-linux-gnu*")),
            "-idirafter/usr/include",
        ]
        self.selftest_flags = [*common, f"-I{tree / 'tools/include/uapi'}", *system]
        self.bpf_sample_flags = [*common, f"-I{tree / SAMPLES}", *system]
        self.sample_flags = [
            *(f"-I{beside}", f"-I{tree / SAMPLES}", *common, *system),
            *("-include", str(HERE / "samples.h"), f"-D__{machine}__"),
        ]
        digest = hashlib.sha256(header.encode("utf-8", "surrogateescape"))
        digest.update(subprocess.run([clang, "--version"], capture_output=True, check=True).stdout)
        digest.update(repr((self.selftest_flags, self.bpf_sample_flags, self.sample_flags)).encode())
        for path in [*sorted(package.rglob("*.h")), HERE / "samples.h"]:
            digest.update(path.read_bytes())
        self.key = digest.hexdigest()

    def flags(self, source: Path) -> list[str]:
        """Choose the flags for a program."""
        if not source.is_relative_to(self.tree / SAMPLES):
            return self.selftest_flags
        return self.bpf_sample_flags if source.name.endswith(".bpf.c") else self.sample_flags

    def compile(self, source: Path) -> tuple[Path | None, str]:
        """Compile a program unless it is there. Return its object, or None and clang's first error."""
        relative = source.relative_to(self.tree)
        name = relative.stem.removesuffix(".bpf")
        output = self.output / ("samples" if relative.is_relative_to(SAMPLES) else "selftests") / f"{name}.o"
        note = output.with_suffix(".json")
        key = hashlib.sha256(self.key.encode() + source.read_bytes()).hexdigest()
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(note.read_text(encoding="utf-8"))
            if known["key"] == key:
                return (output if known["error"] is None else None), known["error"] or ""
        output.parent.mkdir(parents=True, exist_ok=True)
        output.unlink(missing_ok=True)
        command = ["nice", self.clang, *self.flags(source), "-c", str(source), "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        error = None
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "error:" in line]
            error = (lines or done.stderr.splitlines() or [f"status {done.returncode}"])[0]
            error = error.replace(f"{self.tree}/", "")
        note.write_text(json.dumps({"key": key, "error": error}), encoding="utf-8")
        return (output if error is None else None), error or ""


def resource_folder(clang: str) -> str:
    """Ask clang where its own headers are."""
    return subprocess.run(
        [clang, "-print-resource-dir"], capture_output=True, text=True, check=True
    ).stdout.strip()


def write_if_new(path: Path, text: str) -> None:
    """Write a file unless it has that text."""
    data = text.encode("utf-8", "surrogateescape")
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def compile_all(compiler: Compiler, wanted: list[Path], jobs: int) -> tuple[dict[str, Path], dict[str, str]]:
    """Compile programs; return the objects, and the errors of those that do not compile."""
    objects, errors = {}, {}
    with ThreadPoolExecutor(jobs) as pool:
        for number, (source, (output, error)) in enumerate(
            zip(wanted, pool.map(compiler.compile, wanted), strict=True), 1
        ):
            if sys.stderr.isatty():
                sys.stderr.write(f"\rcompiling: {number} of {len(wanted)} ")
            if output is None:
                errors[str(source.relative_to(compiler.tree))] = error
            else:
                objects[f"{output.parent.name}/{output.stem}"] = output
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    return objects, errors


# Comparing


def run(command: list[str], path: Path, limit: float) -> Outcome:
    """Let one process go through the life of an object, in namespaces of its own."""
    inside = (
        'mount -t bpf bpf /sys/fs/bpf && { test -d "$0/events" || mount -t tracefs tracefs "$0"; } && '
        f'echo {READY} && exec "$@"'
    )
    isolated = ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", inside]
    isolated.append(_harness.TRACEFS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIBBPF_")}
    with open(WORK / f"output.{os.getpid()}", "w+b") as output:
        (WORK / f"output.{os.getpid()}").unlink()
        process = subprocess.Popen(
            [*isolated, *command, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
            ending = f"status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
        except subprocess.TimeoutExpired:
            ending = f"not done after {limit:g} s"
        finally:
            # Also when this program is interrupted: in a session of its own the process hears nothing of that.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        lines = read_lines(output)
    if READY not in lines:
        _harness.stop(f"cannot isolate a process: {' '.join(lines)}")
    return Outcome(lines[lines.index(READY) + 1 :], ending)


def read_lines(output: IO[bytes]) -> list[str]:
    """Read what a process has printed."""
    output.seek(0)
    return output.read().decode("utf-8", "surrogateescape").splitlines()


def plain(line: str, path: Path) -> str:
    """Take out of a line what two runs may print differently."""
    if line.startswith("message "):
        name = path.name.partition(".")[0]
        line = line.replace(str(path), "OBJECT")
        if line[len("message 0 ") :].startswith(NAMES_OBJECT):
            line = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", "OBJECT", line)
        for pattern, instead in VARIABLE:
            line = pattern.sub(instead, line)
    return line


def without_kprobes(c: list[str], python: list[str]) -> list[str]:
    """Give what C says as the package does where the kernel has no kprobes."""
    told = {line for line in python if line.startswith(f"attach errno={errno.EOPNOTSUPP} ")}
    refused = re.compile(r"attach errno=\d+ ")
    said = (refused.sub(f"attach errno={errno.EOPNOTSUPP} ", line, count=1) for line in c)
    return [new if new in told else line for new, line in zip(said, c, strict=True)]


def alike(c: Outcome, python: Outcome, path: Path) -> tuple[Outcome, Outcome]:
    """Make lines that differ only in what may differ the same; most are the same already."""
    # The package opens the files that are probed itself.
    c = c._replace(lines=[line for line in c.lines if not NOT_OPENED.match(line)])
    if not probe.event_sources()["kprobe"]:
        c = c._replace(lines=without_kprobes(c.lines, python.lines))
    same = set(c.lines) & set(python.lines)
    return tuple(  # type: ignore[return-value]
        Outcome([line if line in same else plain(line, path) for line in each.lines], each.ending)
        for each in (c, python)
    )


def differences(c: Outcome, python: Outcome, path: Path) -> list[str]:
    """List in which lines the two differ, as a diff from C to Python."""
    found = refusals(python)
    for side, outcome in (("-C", c), ("+Python", python)):
        # Equal or not, this is no good end.
        if outcome.ending != "status 0":
            found.append(f"{side}: {outcome.ending}")
    c, python = alike(c, python, path)
    return diff(c.facts, python.facts) + diff(c.messages, python.messages) + found


def refusals(python: Outcome) -> list[str]:
    """Check that where a load failed with a verifier's log a VerifierError was raised, with that log."""
    said: list[str] = []
    raised: list[str] = []
    log = ""
    for line in python.lines:
        match = VERIFIER_LOG.match(line)
        if match and match[2]:
            log = f"verifier {match[1]} {match[2]}"
        elif line.startswith("load errno="):
            said += [log] * bool(log)
        elif line.startswith("verifier "):
            raised.append(line)
        elif line.startswith("only "):
            log = ""
    return diff(said, raised)


def diff(c: list[str], python: list[str]) -> list[str]:
    """Give the lines that are in one list only, shortened."""
    if c == python:
        return []
    lines = list(difflib.unified_diff(c, python, "C", "Python", lineterm="", n=0))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    return [line if len(line) < LONG else f"{line[: LONG // 2]} … {line[-LONG // 2 :]}" for line in lines]


def compare(
    name: str, path: Path, commands: tuple[list[str], list[str]], limit: float, *, python_first: bool
) -> Result:
    """Compare one object; a difference counts only if it is there again and C agrees with itself."""

    def once() -> tuple[Outcome, Outcome]:
        order = (1, 0) if python_first else (0, 1)
        outcomes = {which: run(commands[which], path, limit) for which in order}
        return outcomes[0], outcomes[1]

    c, python = once()
    found = differences(c, python, path)
    if not found:
        return Result(name, c, python, [], unstable=False)
    again_c, again_python = once()
    first, second = alike(c, again_c, path)
    unstable = first != second
    again = differences(again_c, again_python, path)
    if not again or unstable:
        return Result(name, again_c, again_python, again or found, unstable=not again or unstable)
    return Result(name, c, python, found, unstable=False)


def links(outcome: Outcome) -> int:
    """Count the links."""
    return sum(line.startswith("link ") for line in outcome.lines)


def row(result: Result) -> str:
    """Show one result as a line of the table: each step, once if both agree."""
    cells = []
    for step in ("open", "load", "attach"):
        c, python = result.c.step(step), result.python.step(step)
        cells.append(c if c == python else f"{c} / {python}")
    verdict = "unstable" if result.unstable else "DIFFERENT" if result.differences else "equal"
    cells += [str(links(result.c) or "-"), str(result.c.alone[0] or "-")]
    return f"{result.name:<52} {' '.join(cell.rjust(6) for cell in cells)}  {verdict}"


def summary(results: list[Result], programs: int, errors: dict[str, str]) -> dict[str, object]:
    """Count."""

    def count(step: str, side: str) -> int:
        return sum(getattr(result, side).step(step) == "ok" for result in results)

    failing = Counter(
        f"{step} {result.c.step(step)}"
        for result in results
        for step in ("open", "load", "attach")
        if result.c.step(step) not in ("-", "ok")
    )
    return {
        "programs": programs,
        "compiled": programs - len(errors),
        "compared": len(results),
        "opened": {"c": count("open", "c"), "python": count("open", "python")},
        "loaded": {"c": count("load", "c"), "python": count("load", "python")},
        "attached": {"c": count("attach", "c"), "python": count("attach", "python")},
        "tried alone": {
            what: sum(result.c.alone[number] for result in results) for number, what in enumerate(ALONE)
        },
        "links": sum(links(result.c) for result in results),
        "failures of C": dict(failing.most_common()),
        "equal": sum(not result.differences for result in results),
        "different": {r.name: r.differences for r in results if r.differences and not r.unstable},
        "unstable": {r.name: r.differences for r in results if r.unstable},
        "opened by C only": [r.name for r in results if r.c.step("open") == "ok" != r.python.step("open")],
        "ended otherwise": {
            r.name: {"c": r.c.ending, "python": r.python.ending}
            for r in results
            if {r.c.ending, r.python.ending} != {"status 0"}
        },
        "not compiled": errors,
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    head, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=head, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="compare only these programs; * and ? match")
    parser.add_argument("--source", type=Path, help=f"a .deb of {PACKAGE}, or a kernel tree")
    parser.add_argument("--objects", type=Path, help="compare the compiled objects in this folder instead")
    parser.add_argument("--clang", help="which clang compiles (default: the newest one in PATH)")
    parser.add_argument("--jobs", type=int, default=1, help="programs to compile at once (default: 1)")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for one process (default: 120)")
    parser.add_argument("--json", type=Path, default=WORK / "summary.json", help="where the summary goes")
    parser.add_argument("--compile-only", action="store_true", help="compare nothing")
    return parser.parse_args()


def newest_clang() -> str:
    """Find the newest clang in PATH."""
    found = {}
    for folder in os.environ.get("PATH", "").split(":"):
        with contextlib.suppress(OSError):
            for name in os.listdir(folder or "."):
                match = re.fullmatch(r"clang(?:-(\d+))?", name)
                if match:
                    found[int(match[1] or 0)] = os.path.join(folder, name)
    if not found:
        _harness.stop("there is no clang: apt-get install clang")
    return found[max(found)]


def collect(options: argparse.Namespace) -> tuple[dict[str, Path], int, dict[str, str]]:
    """Return the objects by name, how many programs there are, and the errors of those that don't compile."""

    def chosen(name: str) -> bool:
        return not options.names or any(fnmatch.fnmatch(name, each) for each in options.names)

    if options.objects:
        paths = [path for path in sorted(options.objects.rglob("*.o")) if path.is_file() and chosen(path.stem)]
        return {str(path.relative_to(options.objects)): path.resolve() for path in paths}, len(paths), {}
    source = options.source or fetch()
    tree = (source if source.is_dir() else unpack(source)).resolve()
    programs = [path for path in sources(tree) if chosen(path.stem.removesuffix(".bpf"))]
    clang = shutil.which(options.clang) if options.clang else newest_clang()
    if clang is None:
        _harness.stop(f"there is no {options.clang}")
    objects, errors = compile_all(Compiler(tree, clang), programs, options.jobs)
    return objects, len(programs), errors


def main() -> int:
    """Compile, compare, report."""
    options = arguments()
    # When the pager ends that it prints to, this ends too.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    _harness.need_root()
    objects, programs, errors = collect(options)
    if errors:
        say(f"{programs - len(errors)} of {programs} programs compile")
    if not objects:
        _harness.stop("there is nothing to compare")
    if options.compile_only:
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    loader = _harness.compile_c(HERE / "steps.c", WORK / "steps")
    commands = ([str(loader)], [sys.executable, "-bb", "-W", "error", str(HERE / "steps.py")])

    say(f"{'':<52} {'open':>6} {'load':>6} {'attach':>6} {'links':>6} {'alone':>6}")
    started = time.monotonic()
    results = []
    for number, (name, path) in enumerate(objects.items()):
        result = compare(name, path, commands, options.timeout, python_first=number % 2 == 1)
        results.append(result)
        say(row(result))
        for line in result.differences:
            say(f"    {line}")

    counts = summary(results, programs, errors)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    say()
    for key in SHOWN:
        value = counts[key]
        if isinstance(value, dict):
            value = ", ".join(f"{name} {count}" for name, count in value.items())
        say(f"{key + ':':<15} {value}")
    different, unstable = counts["different"], counts["unstable"]
    say(f"{'different:':<15} {len(different)}")  # type: ignore[arg-type]
    say(f"{'unstable:':<15} {len(unstable)} (C differs from itself)")  # type: ignore[arg-type]
    say(f"{time.monotonic() - started:.0f} s; the summary is in {options.json}")
    return 1 if different or counts["opened by C only"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
