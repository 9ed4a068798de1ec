"""The parser of the command line of ``python -m libbpf_cffi.run``, and the texts of its help.

Neither this nor `argparse` is imported unless there is an option to parse: that takes longer than to load and attach
an object.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

__all__ = ["make_parser"]

PROG = "bpf-run"

DESCRIPTION = """\
Load BPF objects, attach their programs, and show the events that they send
and what they print with bpf_printk(), until Ctrl-C.

OBJECT is a compiled BPF object (clang -O2 -g -target bpf -c), or BPF C source
whose name ends in ".c", which is compiled first. What is done is told on
stderr, events and the trace go to stdout. In the end, whatever the end,
everything is detached again, unless it was pinned; a file system that had to be
mounted, tracefs or for pins one of BPF, stays mounted."""

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
  bpf-run -d 10 --hist latency:usecs prog.o   a histogram after ten seconds
  bpf-run --columns pid,comm tool.o           events: some of their fields
  bpf-run --filter 'comm~ssh*' --csv tool.o   some events, as CSV
  bpf-run --events rb:event --json tool.o     their type is named
  bpf-run --pin /sys/fs/bpf/tool -N -d0 a.o   attach, pin, leave it running
  bpf-run --ifindex eth0:drv filter.o         XDP, whose section names no device
  bpf-run tasks.o                             an iterator: its text, and the end

Of the environment, CLANG, NO_COLOR and LIBBPF_BPF_TOKEN_PATH are heeded."""


def make_parser() -> ArgumentParser:
    """Make the parser, which fills in an `Options` of `_run_options`."""
    import argparse

    from . import _run_given as given

    class Help(argparse.RawDescriptionHelpFormatter):
        """As wide as argparse's own, which imports `shutil` to find out, even if no help is asked for."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, max_help_position=28, width=_columns() - 2)

        def _format_action_invocation(self, action: argparse.Action) -> str:
            # A value that may be left out follows a "=" (see `parse`), which argparse would show as a blank.
            if action.nargs == "?":
                return f"{action.option_strings[-1]}[={action.metavar}]"
            return super()._format_action_invocation(action)

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
    text = "if tracefs (or for --pin a BPF file system) is needed and not mounted, fail rather than mount it"
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
        "a member 'slot', of values that are counts or have a member 'slots'; of several that with most is first; NAME "
        "may be a variable, too; UNIT, such as usecs, is what the values are in"
    )
    add("-H", "--hist", action="append", type=given.drawn, metavar="NAME[:UNIT][=TIME]", help=text)
    text = (
        "only the N entries, or histograms, with the largest values (of a struct: its first number; of counts: their "
        "sum), the largest first"
    )
    add("--top", type=given.count, metavar="N", help=text)

    group = parser.add_argument_group("which lines and events are shown")
    add = group.add_argument
    text = (
        "only those of process PID, all its threads, and what it starts from now on; user probes, perf events and "
        "iterators of tasks are then for these processes alone; repeatable"
    )
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
