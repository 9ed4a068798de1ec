"""What ``python -m libbpf_cffi.run`` can be told on its command line; the options' texts are `_run_parser`'s."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TARGETS", "Options", "UsageError", "parse"]

TARGETS = ("function", "ifindex", "cgroup", "netns", "uprobe", "usdt", "perf_event", "sockmap", "netfilter", "iter_map")
"""The options that say what programs are attached to; the first one already load must know."""


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
        self.hist: list[tuple[str, float | None, str]] = []
        self.top: int | None = None
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
        self.pid_is_target = False
        """Whether there are probes, samples or iterators that are for the given processes."""
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
        lines = {"--lines": self.lines is not None, "--pid": self.pid and not self.pid_is_target}
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
            from ._run_parser import make_parser

            make_parser().error("a COMMAND is missing after --")
    # Without "=" it has no value: argparse would take the object for one.
    own = ["--syscalls=full" if each == "--syscalls" else each for each in own]
    if own and not any(argument.startswith("-") for argument in own):
        options.objects = own
        return options
    from ._run_parser import make_parser

    parser = make_parser()
    try:
        parser.parse_args(own, namespace=options)
    except BrokenPipeError:
        # Nobody reads the help any more; Python 3.10 alone says so.
        raise SystemExit(0) from None
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
            # What --pid is about is seen when the objects are open.
            about += [name for name in options.about_lines if name != "--pid"]
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
    if options.top is not None and not options.map and not options.hist:
        return "--top is about maps: --map or --hist shows one"
    targets = [name for name in (*TARGETS[1:], "pid") if getattr(options, name)]
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


def object_name(path: str) -> str:
    """Give the name that libbpf would give an object: its file's, up to the first dot."""
    return os.path.basename(path).partition(".")[0]
