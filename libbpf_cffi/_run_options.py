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

__all__ = ["TARGETS", "Options", "UsageError", "parse"]

PROG = "bpf-run"

TARGETS = ("ifindex", "cgroup", "netns", "uprobe", "usdt", "perf_event", "sockmap", "netfilter", "iter_map")
"""The options that say what programs are attached to."""

DESCRIPTION = """\
Load BPF objects, attach their programs, and show the events that they send
and what they print with bpf_printk(), until Ctrl-C.

OBJECT is a compiled BPF object (clang -O2 -g -target bpf -c), or BPF C source
whose name ends in ".c", which is compiled first. What is done is told on
stderr, events and the trace go to stdout. In the end, whatever the end,
everything is detached again, unless it was pinned."""

EPILOG = """\
which events are shown:
  Those of every ring or perf buffer whose events have a known type: the one
  that --events names, that the map declares (__type(value, struct event)), or
  that is named like the map ("event" for "events"); of the only buffer also a
  struct "event", the one struct that a variable points to, or the one that is
  neither the kernel's nor used by a map, a variable or another struct.
  With --pid or COMMAND those whose field tgid, pid or tid is of such a process
  or of one that it starts from now on; others come in no such way.

which programs are run at once:
  Iterators (SEC("iter/...")) are read when all is attached, and their text is
  written to stdout; if there is nothing else to show, that is the end. Those of
  tasks walk over the processes of --pid alone.

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
  bpf-run --columns pid,comm tool.o           events: some of their fields
  bpf-run --filter 'comm~ssh*' --csv tool.o   some events, as CSV
  bpf-run --events rb:event --json tool.o     their type is named
  bpf-run --pin /sys/fs/bpf/tool -N -d0 a.o   attach, pin, leave it running
  bpf-run --ifindex eth0:drv filter.o         XDP, whose section names no device
  bpf-run tasks.o                             an iterator: its text, and the end

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
        self.events: list[tuple[str, str | None]] = []
        self.no_events = False
        self.columns: list[str] | None = None
        self.filter: list[tuple[str, str, str]] = []
        self.time: list[str] = []
        self.csv = False
        for name in TARGETS:
            setattr(self, name, [])
        self.call: list[str] = []
        self.syscalls: str | None = None
        self.load_only = False
        self.no_trace = False
        self.pin: str | None = None
        self.no_mount = False
        self.no_isolate = False
        self.pid: list[int] = []
        self.task: list[str] = []
        self.instance = False
        self.raw = False
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
        tracing = {"--task": self.task, "--raw": self.raw, "--instance": self.instance, "--backlog": self.backlog}
        return [name for name, asked in tracing.items() if asked]

    @property
    def about_events(self) -> list[str]:
        """The options given that speak of events alone."""
        streaming = {
            "--events": self.events,
            "--columns": self.columns,
            "--filter": self.filter,
            "--time": self.time,
            "--csv": self.csv,
        }
        return [name for name, asked in streaming.items() if asked]

    @property
    def about_lines(self) -> list[str]:
        """The options given that speak of what comes, the trace as well as events."""
        lines = {"--lines": self.lines is not None, "--pid": self.pid}
        return [name for name, asked in lines.items() if asked]

    @property
    def about_output(self) -> list[str]:
        """The options given that speak of all that goes to stdout."""
        output = {"--json": self.json, "--output": self.output}
        return [name for name, asked in output.items() if asked]

    @property
    def filtered(self) -> bool:
        """Whether only what some processes do is shown: the trace needs a buffer of its own for that."""
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
    # Without "=" it has no value: argparse would take the object for one.
    own = ["--syscalls=full" if each == "--syscalls" else each for each in own]
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
    options.instance = options.instance or options.raw
    problem = _contradiction(options)
    if problem:
        parser.error(problem)
    return options


def _contradiction(options: Options) -> str | None:
    """Say which options do not go together."""
    alone = "--variables" if options.variables else "--load-only"
    if options.load_only and options.no_trace:
        return f"--no-trace does not go with {alone}, which attaches nothing"
    events = options.about_events
    if events and (options.load_only or options.no_events):
        return f"{events[0]} is about events, which {alone if options.load_only else '--no-events'} does not show"
    if options.load_only or options.no_trace:
        mode = alone if options.load_only else "--no-trace"
        about = options.about_trace
        if options.load_only or options.no_events:
            about += options.about_lines
            if not (options.variables or options.map or options.hist):
                about += options.about_output
        if about:
            return f"{about[0]} is about the trace, which {mode} does not show"
    if options.csv:
        for name, also in (("--json", options.json), ("--map", options.map), ("--hist", options.hist)):
            if also:
                return f"--csv does not go with {name}: all of the output is rows of events"
        if options.about_trace:
            return f"{options.about_trace[0]} is about the trace, which --csv does not show"
    targets = [name for name in TARGETS if getattr(options, name)]
    if options.load_only and targets:
        return f"--{targets[0].replace('_', '-')} does not go with {alone}, which attaches nothing"
    if options.load_only and options.call:
        return f"--call does not go with {alone}, which runs nothing"
    if options.load_only and options.duration is not None:
        return f"--duration does not go with {alone}, which ends at once"
    if options.load_only and options.command:
        return f"{alone} attaches nothing, so there is nothing to run a COMMAND for"
    if options.backlog and (options.instance or options.filtered):
        return (
            "--backlog is about the common trace; a private buffer (--instance, --raw, --pid, COMMAND) starts empty"
        )
    return None


def _parser() -> ArgumentParser:
    import argparse

    from . import _run_given as given

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
    add("-s", "--set", action="append", type=given.setting, metavar="NAME=VALUE", help=text)
    text = "make room for N entries in a map (of a ring buffer: N bytes); repeatable"
    add("-m", "--max-entries", action="append", type=given.max_entries, metavar="MAP=N", help=text)
    text = "for clang: look for headers in DIR, too; repeatable"
    add("-I", "--include", action="append", metavar="DIR", help=text)
    text = "for clang: define a macro; repeatable"
    add("-D", "--define", action="append", metavar="NAME[=VALUE]", help=text)

    group = parser.add_argument_group("what is done with it")
    add = group.add_argument
    add("-L", "--load-only", action=flag, help="load, tell the facts, and end; attach nothing")
    add("-N", "--no-trace", action=flag, help="attach, and stay until Ctrl-C, but don't show the trace")
    add("--no-events", action=flag, help="nor the events of ring and perf buffers")
    text = "load, list the global variables with their types and values, and end; attach nothing"
    add("-l", "--variables", action=flag, help=text)
    text = (
        "pin in DIR/programs, DIR/maps and DIR/links: what is attached stays so when this command ends, "
        "until DIR is removed; several objects are pinned in DIR/OBJECT each; DIR is made if need be"
    )
    add("--pin", metavar="DIR", help=text)
    text = "if tracefs (or for --pin a BPF file system) is not mounted, fail rather than mount it"
    add("--no-mount", action=flag, help=text)
    text = "open an object here at once, not in a process of its own first, to see whether libbpf survives it"
    add("--no-isolate", action=flag, help=text)

    given.add_targets(parser)

    group = parser.add_argument_group("what is shown of events, on stdout")
    add = group.add_argument
    text = (
        "only those of this ring or perf buffer, and of what type they are: a type of the object, or 'bytes'; without "
        "this option those of all buffers whose type is known (see below); the trace is shown as well only if one of "
        "the programs prints; repeatable"
    )
    add("-e", "--events", action="append", type=given.events, metavar="MAP[:TYPE]", help=text)
    text = "only these fields, in this order: a member, one of a struct in it (a.b), an element (a.b[2])"
    add("-c", "--columns", type=given.columns, metavar="FIELD,...", help=text)
    text = (
        "only those whose field has this value, or compares so with it: =, !=, <, <=, >, >=, ~ and !~ for a pattern "
        "such as 'ssh*'; a number in any base, true or false, an enumerator, a text; of several all must hold"
    )
    add("-f", "--filter", action="append", type=given.condition, metavar="FIELD=VALUE", help=text)
    text = "show this field, nanoseconds of bpf_ktime_get_ns(), as the time of day; repeatable"
    add("-T", "--time", action="append", metavar="FIELD", help=text)
    add("--csv", action=flag, help="comma-separated values with a header; the trace is not shown")

    group = parser.add_argument_group("what is shown of maps, on stdout")
    add = group.add_argument
    text = (
        "what is in a map, at the end, and every TIME if one is given: a table, or JSON with --json; per-CPU numbers "
        "are added up; .bss and .data are the variables of those sections; the trace is shown as well only if one of "
        "the programs prints, and without --no-trace; repeatable"
    )
    add("-M", "--map", action="append", type=given.shown, metavar="NAME[=TIME]", help=text)
    text = (
        "the same, drawn as a histogram by powers of two: of an array of counts, of a map whose keys are slots or have "
        "a member 'slot', of values that are counts or have a member 'slots'; NAME may be a variable, too"
    )
    add("-H", "--hist", action="append", type=given.shown, metavar="NAME[=TIME]", help=text)

    group = parser.add_argument_group("which lines and events are shown")
    add = group.add_argument
    text = "only those of process PID, all its threads, and what it starts from now on; repeatable"
    add("-p", "--pid", action="append", type=given.pid, metavar="PID", help=text)
    text = "of the trace only those of tasks with this name; a pattern such as 'kworker*' names several; repeatable"
    add("-t", "--task", action="append", metavar="NAME", help=text)
    text = "use a private trace buffer: nobody else's reader is in the way"
    add("-i", "--instance", action=flag, help=text)
    text = "for floods: read a private trace buffer as it is, without the kernel's slow text"
    add("-r", "--raw", action=flag, help=text)
    text = "also those that were in the buffer before"
    add("-b", "--backlog", action=flag, help=text)

    group = parser.add_argument_group("when it ends, besides Ctrl-C")
    add = group.add_argument
    text = "after this time: 10, 1.5s, 500ms, 2m, 1h"
    add("-d", "--duration", type=given.duration, metavar="TIME", help=text)
    text = "after N lines or events (a message of several lines counts as one)"
    add("-n", "--lines", type=given.count, metavar="N", help=text)

    group = parser.add_argument_group("output")
    add = group.add_argument
    text = (
        "the trace as JSON, one object a line: task, pid (the thread's), tgid (the process's; null if not known), cpu, "
        "flags, timestamp (seconds), event, message; of events the fields by name (and, of several buffers, events: "
        "the map's name); of --map one a line and entry: map, time, key, value, sum (of a per-CPU map); of "
        "--variables: variable, type, section, value"
    )
    add("-j", "--json", action=flag, help=text)
    add("-o", "--output", metavar="FILE", help="write to FILE what would go to stdout")
    add("-q", "--quiet", action=flag, help="tell nothing but warnings and errors on stderr")
    add("-v", "--verbose", action=flag, help="show libbpf's debug log on stderr")
    text = "show the verifier's whole log on stderr, that of programs it accepts, too"
    add("--verifier-log", action=flag, help=text)
    text = "show every call of bpf(2) on stderr: all its attributes, or a line a call"
    add("--syscalls", nargs="?", const="full", type=given.syscalls, metavar="short", help=text)
    text = (
        "what the verifier's log tells: 1 branches (the default), 2 every instruction, 4 statistics, or a "
        "sum of these; implies --verifier-log"
    )
    add("--log-level", type=given.level, metavar="N", help=text)

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


def object_name(path: str) -> str:
    """Give the name that libbpf would give an object: its file's, up to the first dot."""
    return os.path.basename(path).partition(".")[0]
