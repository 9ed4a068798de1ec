"""What ``python -m libbpf_cffi.run`` can be told on its command line.

`argparse` is imported only when there is an option to parse: it takes longer than to load and attach an
object.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

__all__ = ["Options", "UsageError", "parse"]

PROG = "bpf-run"

DESCRIPTION = """\
Load BPF objects, attach their programs, and show what they print with
bpf_printk() until Ctrl-C.

OBJECT is a compiled BPF object (clang -O2 -g -target bpf -c), or BPF C source
whose name ends in ".c", which is compiled first. What is done is told on
stderr, the trace goes to stdout. In the end, whatever the end, everything is
detached again, unless it was pinned."""

EPILOG = """\
which lines are shown:
  A line of the trace tells which task was running, not which program printed
  it: all the system's BPF programs print to the same trace. With --pid or
  COMMAND the kernel itself records only what is printed while those processes
  run, in a private buffer (Linux 5.9), so that no other line comes in, and no
  other reader of the trace is in the way. --task compares the names that are
  shown; a task whose name the kernel has forgotten is "<...>".
  COMMAND is asked to end (SIGTERM) if bpf-run ends first.
  Lines that the kernel had to drop are counted, and told of on stderr.

exit status:
  0  a normal end: Ctrl-C, --duration, --lines, COMMAND has ended, or nobody
     reads stdout any more
  1  something failed; stderr tells what
  2  the command line is wrong
  SIGTERM and SIGHUP end the command in the same order; then it dies of that
  signal, which a shell tells as 143 and 129.

examples:
  bpf-run execve.bpf.o                        load, attach, show the trace
  bpf-run execve.bpf.c --lines 5              compile first; five lines
  bpf-run -q --json prog.o | jq .message      the trace as JSON
  bpf-run prog.o -- make -j4                  while this command runs
  bpf-run -P 'on_*' -m events=4096 prog.o     some programs; a bigger map
  bpf-run -L --verifier-log prog.o            does it load?
  bpf-run --variables prog.o                  what can be set?
  bpf-run -s target_pid=4711 prog.o           set it
  bpf-run --map counts=1 prog.o               a map, every second
  bpf-run -d 10 --hist latency prog.o         a histogram after ten seconds
  bpf-run --pin /sys/fs/bpf/tool -N -d0 a.o   attach, pin, leave it running

Of the environment, CLANG, NO_COLOR and LIBBPF_BPF_TOKEN_PATH are heeded."""


class UsageError(Exception):
    """The command line asks for what cannot be; exit status 2."""


class Options:
    """What the command was asked to do; as made, what it does without options."""

    def __init__(self) -> None:
        self.objects: list[str] = []
        self.command: list[str] = []
        self.program: list[str] = []
        self.max_entries: list[tuple[str, int]] = []
        self.include: list[str] = []
        self.define: list[str] = []
        self.set: list[tuple[str, str]] = []
        self.variables = False
        self.map: list[tuple[str, float | None]] = []
        self.hist: list[tuple[str, float | None]] = []
        self.load_only = False
        self.no_trace = False
        self.pin: str | None = None
        self.no_mount = False
        self.pid: list[int] = []
        self.task: list[str] = []
        self.instance = False
        self.backlog = False
        self.duration: float | None = None
        self.lines: int | None = None
        self.json = False
        self.output: str | None = None
        self.quiet = False
        self.verbose = False
        self.verifier_log = False
        self.log_level = 0

    @property
    def about_trace(self) -> list[str]:
        """The options given that speak of the trace alone."""
        tracing = {
            "--lines": self.lines is not None,
            "--pid": self.pid,
            "--task": self.task,
            "--instance": self.instance,
            "--backlog": self.backlog,
        }
        return [name for name, given in tracing.items() if given]

    @property
    def filtered(self) -> bool:
        """Whether the trace needs a buffer of its own, in which the kernel records some tasks only."""
        return bool(self.pid or self.command)


def parse(arguments: Sequence[str]) -> Options:
    """Make `Options` of the command line; `SystemExit` for help, version and errors, as argparse has it."""
    options = Options()
    own = list(arguments)
    if "--" in own:
        at = own.index("--")
        own, options.command = own[:at], own[at + 1 :]
        if not options.command:
            _parser().error("a COMMAND is missing after --")
    if own and not any(argument.startswith("-") for argument in own):
        options.objects = own
        return options
    parser = _parser()
    parser.parse_args(own, namespace=options)
    if options.log_level:
        options.verifier_log = True
    elif options.verifier_log:
        options.log_level = 1
    options.load_only = options.load_only or options.variables
    problem = _contradiction(options)
    if problem:
        parser.error(problem)
    return options


def _contradiction(options: Options) -> str | None:
    """Say which options do not go together."""
    alone = "--variables" if options.variables else "--load-only"
    if options.load_only and options.no_trace:
        return f"--no-trace does not go with {alone}, which attaches nothing"
    mode = alone if options.load_only else "--no-trace" if options.no_trace else None
    tracing = options.about_trace
    if not (options.variables or options.map or options.hist):
        tracing += [name for name, given in (("--json", options.json), ("--output", options.output)) if given]
    if mode and tracing:
        return f"{tracing[0]} is about the trace, which {mode} does not show"
    if options.load_only and options.duration is not None:
        return f"--duration does not go with {alone}, which ends at once"
    if options.load_only and options.command:
        return f"{alone} attaches nothing, so there is nothing to run a COMMAND for"
    if options.backlog and (options.instance or options.filtered):
        return (
            "--backlog is about the common trace; a private buffer (--instance, --pid, COMMAND) starts empty"
        )
    return None


def _parser() -> ArgumentParser:
    import argparse

    class Help(argparse.RawDescriptionHelpFormatter):
        """As wide as argparse's own, which imports `shutil` to find out, even if no help is asked for."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, max_help_position=28, width=_columns() - 2)

    class Version(argparse.Action):
        """Print the versions, which are looked for only then."""

        def __call__(self, parser: ArgumentParser, *_: object) -> None:
            import sys

            sys.stdout.write(f"{versions()}\n")
            parser.exit()

    parser = argparse.ArgumentParser(
        prog=PROG,
        usage="%(prog)s [options] OBJECT [OBJECT ...] [-- COMMAND [ARG ...]]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=Help,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("objects", nargs="+", metavar="OBJECT", help=argparse.SUPPRESS)
    flag = "store_true"

    group = parser.add_argument_group("what is loaded")
    add = group.add_argument
    text = (
        "load only this program, even one that its object leaves out by default; a pattern such as 'on_*' "
        "names several; repeatable"
    )
    add("-P", "--program", action="append", metavar="NAME", help=text)
    text = (
        "set a global variable before it is loaded: a number in any base, true or false, an enumerator, a text with "
        "or without quotes, JSON for a struct (what is left out is zero) or an array (with all its elements); NAME "
        "may be a part, such as config.limit or list[2]; set in every object that has it; repeatable"
    )
    add("-s", "--set", action="append", type=_setting, metavar="NAME=VALUE", help=text)
    text = "make room for N entries in a map (of a ring buffer: N bytes); repeatable"
    add("-m", "--max-entries", action="append", type=_max_entries, metavar="MAP=N", help=text)
    text = "for clang: look for headers in DIR, too; repeatable"
    add("-I", "--include", action="append", metavar="DIR", help=text)
    text = "for clang: define a macro; repeatable"
    add("-D", "--define", action="append", metavar="NAME[=VALUE]", help=text)

    group = parser.add_argument_group("what is done with it")
    add = group.add_argument
    add("-L", "--load-only", action=flag, help="load, tell the facts, and end; attach nothing")
    add("-N", "--no-trace", action=flag, help="attach, and stay until Ctrl-C, but don't show the trace")
    text = "load, list the global variables with their types and values, and end; attach nothing"
    add("-l", "--variables", action=flag, help=text)
    text = (
        "pin in DIR/programs, DIR/maps and DIR/links: what is attached stays so when this command ends, "
        "until DIR is removed; several objects are pinned in DIR/OBJECT each; DIR is made if need be"
    )
    add("--pin", metavar="DIR", help=text)
    text = "if tracefs (or for --pin a BPF file system) is not mounted, fail rather than mount it"
    add("--no-mount", action=flag, help=text)

    group = parser.add_argument_group("what is shown of maps, on stdout")
    add = group.add_argument
    text = (
        "what is in a map, at the end, and every TIME if one is given: a table, or JSON with --json; per-CPU numbers "
        "are added up; .bss and .data are the variables of those sections; the trace is shown as well only if one of "
        "the programs prints, and without --no-trace; repeatable"
    )
    add("-M", "--map", action="append", type=_shown, metavar="NAME[=TIME]", help=text)
    text = (
        "the same, drawn as a histogram by powers of two: of an array of counts, of a map whose keys are slots or have "
        "a member 'slot', of values that are counts or have a member 'slots'; NAME may be a variable, too"
    )
    add("-H", "--hist", action="append", type=_shown, metavar="NAME[=TIME]", help=text)

    group = parser.add_argument_group("which lines are shown")
    add = group.add_argument
    text = "only those of process PID, all its threads, and what it starts from now on; repeatable"
    add("-p", "--pid", action="append", type=_pid, metavar="PID", help=text)
    text = "only those of tasks with this name; a pattern such as 'kworker*' names several; repeatable"
    add("-t", "--task", action="append", metavar="NAME", help=text)
    text = "use a private trace buffer: nobody else's reader is in the way"
    add("-i", "--instance", action=flag, help=text)
    text = "also those that were in the buffer before"
    add("-b", "--backlog", action=flag, help=text)

    group = parser.add_argument_group("when it ends, besides Ctrl-C")
    add = group.add_argument
    text = "after this time: 10, 1.5s, 500ms, 2m, 1h"
    add("-d", "--duration", type=_duration, metavar="TIME", help=text)
    text = "after N lines (a message of several lines counts as one)"
    add("-n", "--lines", type=_count, metavar="N", help=text)

    group = parser.add_argument_group("output")
    add = group.add_argument
    text = (
        "the trace as JSON, one object a line: task, pid (the thread's), tgid (the process's; null if not "
        "known), cpu, flags, timestamp (seconds), event, message; of --map one a line and entry: map, time, key, "
        "value, sum (of a per-CPU map); of --variables: variable, type, section, value"
    )
    add("-j", "--json", action=flag, help=text)
    add("-o", "--output", metavar="FILE", help="write to FILE what would go to stdout")
    add("-q", "--quiet", action=flag, help="tell nothing but warnings and errors on stderr")
    add("-v", "--verbose", action=flag, help="show libbpf's debug log on stderr")
    text = "show the verifier's whole log on stderr, that of programs it accepts, too"
    add("--verifier-log", action=flag, help=text)
    text = (
        "what the verifier's log tells: 1 branches (the default), 2 every instruction, 4 statistics, or a "
        "sum of these; implies --verifier-log"
    )
    add("--log-level", type=_log_level, metavar="N", help=text)

    group = parser.add_argument_group("about this command")
    add = group.add_argument
    add("-V", "--version", action=Version, nargs=0, help="print the versions of this package and of libbpf")
    add("-h", "--help", action="help", help="print this")
    return parser


def _columns() -> int:
    try:
        return max(int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size().columns, 60)
    except (ValueError, OSError):
        return 80


def versions() -> str:
    """Say which versions of this package and of libbpf these are."""
    from importlib.metadata import PackageNotFoundError

    import libbpf_cffi as bpf

    try:
        ours = bpf.__version__
    except PackageNotFoundError:
        ours = "(not installed)"
    return (
        f"libbpf_cffi {ours}, libbpf {bpf.ffi.string(bpf.lib.libbpf_version_string()).decode().lstrip('v')}"
    )


def _wrong(message: str) -> Exception:
    from argparse import ArgumentTypeError

    return ArgumentTypeError(message)


def _max_entries(text: str) -> tuple[str, int]:
    name, equals, number = text.rpartition("=")
    try:
        value = int(number, 0)
    except ValueError:
        value = 0
    if not name or not equals or not 0 < value < 1 << 32:
        raise _wrong(f"{text!r} is not MAP=N with N from 1 to {(1 << 32) - 1}")
    return name, value


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise _wrong(f"{text!r} is not NAME=VALUE")
    return name, value


def _shown(text: str) -> tuple[str, float | None]:
    name, equals, seconds = text.partition("=")
    if not name:
        raise _wrong(f"{text!r} is not NAME or NAME=TIME")
    if not equals:
        return name, None
    every = _duration(seconds)
    if every < SHORTEST:
        raise _wrong(f"{text!r}: a time from {SHORTEST:g} s up is needed")
    return name, every


def _pid(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise _wrong(f"{text!r} is not the number of a process")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise _wrong(f"{text!r} is not a number from 1 up")
    return int(text)


def _log_level(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 7:
        raise _wrong(f"{text!r} is not a number from 1 to 7")
    return int(text)


SHORTEST = 0.01
"""Seconds at least from one showing of a map to the next."""

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _duration(text: str) -> float:
    number = text.rstrip("".join(UNITS))
    unit = text[len(number) :] or "s"
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        seconds = -1.0
    # float() takes more than that: "nan", "inf", "1_0", "1e9", " 1".
    if not 0 <= seconds < 1e9 or not set(number) <= set("0123456789."):
        raise _wrong(f"{text!r} is not a time, such as 10, 1.5s, 500ms, 2m or 1h")
    return seconds


def object_name(path: str) -> str:
    """Give the name that libbpf would give an object: its file's, up to the first dot."""
    return os.path.basename(path).partition(".")[0]
