"""What is done to objects before they are loaded: compiled, chosen from, given room."""

from __future__ import annotations

import os

import libbpf_cffi as bpf
from libbpf_cffi import tracefs

from . import _run_facts as facts
from ._run_io import wants_colour
from ._run_options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._run_io import Reporter, Stopper
    from ._run_options import Options

__all__ = [
    "choose_programs",
    "compile_source",
    "find_tracefs",
    "leave_out",
    "needs_tracefs",
    "no_program",
    "open_object",
    "resize_maps",
]


def compile_source(path: str, options: Options, stopper: Stopper, report: Reporter) -> bytes:
    """Compile a source, and tell what the compiler warns of."""
    import warnings
    from pathlib import PurePath

    from libbpf_cffi.compile import CompileWarning

    report.fact(f"compiling {path}")
    defines = {}
    for each in options.define:
        macro, sign, value = each.partition("=")
        defines[macro] = value if sign else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CompileWarning)
        # This is the one step that may take seconds: a signal ends it.
        with stopper:
            stopper.check()
            compiled = bpf.compile_object(
                PurePath(path),  # never taken for a text
                include_dirs=options.include,
                defines=defines,
                flags=["-fcolor-diagnostics"] if wants_colour(2) else [],
            )
    for warning in caught:
        report.plain(str(warning.message))
    return compiled


def open_object(path: str, options: Options) -> bpf.Object:
    """Open an object file; of one that is not there, say if its source is."""
    try:
        return bpf.Object.open(path, isolate=not options.no_isolate)
    except bpf.LibbpfError as error:
        source = f"{path.removesuffix('.o')}.c"
        if path.endswith(".o") and not os.path.lexists(path) and os.path.isfile(source):
            error.hint = f"{source!r} is there: bpf-run takes a source, too, and compiles it first"
        raise


def choose_programs(options: Options, objects: Mapping[str, bpf.Object]) -> None:
    """Have only those programs loaded that are asked for."""
    if not options.program:
        return
    from fnmatch import fnmatchcase

    programs = [program for obj in objects.values() for program in obj.programs.values()]
    names = [program.name for program in programs]
    for pattern in options.program:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise UsageError(_no_such("program", pattern, names))
    for program in programs:
        program.autoload = any(fnmatchcase(program.name, pattern) for pattern in options.program)


def leave_out(objects: Mapping[str, bpf.Object], told: Sequence[tuple[str, str]], report: Reporter) -> None:
    """Have no program loaded that would fail the rest, as nothing says its target; `told` have an option for it."""
    for path, obj in objects.items():
        for program in obj.programs.values():
            if program.autoload and facts.lacks_target(program) and (path, program.name) not in told:
                program.autoload = False
                facts.left_out(report, program)


def resize_maps(options: Options, objects: Mapping[str, bpf.Object]) -> None:
    """Make room in the maps for as many entries as are asked for."""
    for name, entries in options.max_entries:
        maps = [obj.maps[name] for obj in objects.values() if name in obj.maps]
        if not maps:
            raise UsageError(_no_such("map", name, [each for obj in objects.values() for each in obj.maps]))
        for each in maps:
            each.max_entries = entries


def needs_tracefs(objects: Iterable[bpf.Object]) -> bool:
    """Tell whether programs are attached to what only tracefs knows."""
    return any(_is_in_tracefs(each) for obj in objects for each in obj.programs.values() if each.autoload)


def _is_in_tracefs(program: bpf.Program) -> bool:
    kind = facts.type_name(program)
    if kind != "kprobe":
        return kind == "tracepoint"
    section = program.section_name
    if section.startswith(("kprobe.", "kretprobe.")):
        return True  # which functions a pattern fits
    # Before Linux 4.17 probes of one place are made there.
    maker = "uprobe" if section.startswith("u") else "kprobe"
    return not os.path.exists(f"/sys/bus/event_source/devices/{maker}/type")


def find_tracefs(options: Options, stopper: Stopper, report: Reporter) -> None:
    """Mount tracefs if it is missing and that is allowed; ``--no-trace`` may do without it."""
    try:
        tracefs.find_tracefs()
    except tracefs.TracefsPermissionError:
        if not options.no_trace:
            raise
    except bpf.TracefsError:
        if not options.no_mount:
            with stopper:
                stopper.check()
                report.fact(f"mounted tracefs at {tracefs.mount_tracefs()}, where it stays")
        elif not options.no_trace:
            raise


def _no_such(kind: str, name: str, names: list[str]) -> str:
    if not names:
        return f"there is no {kind} {name!r}: there are no {kind}s at all"
    return (
        f"there is no {kind} {name!r}; there are {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}"
    )


_KINDS = {
    "function": "those of fentry, fexit, fsession, fmod_ret, tp_btf and lsm whose section names none",
    "ifindex": "XDP, tc and netkit programs, and socket filters",
    "cgroup": "those of control groups, and iterators over them",
    "netns": "sk_lookup and flow dissector programs, and those of --ifindex and --netfilter",
    "uprobe": "user probes, without PROGRAM= those whose section does not say where",
    "usdt": "those of USDT, without PROGRAM= those whose section does not say where",
    "perf_event": "those of perf events",
    "sockmap": "sk_skb and sk_msg programs",
    "netfilter": "netfilter programs",
    "iter_map": "iterators over the elements of a map",
    "call": 'those of SEC("syscall")',
}
"""What programs the options are for, in words."""


def no_program(option: str, pattern: str | None, objects: Iterable[bpf.Object]) -> str:
    """Say why an option is for no program: none is called so, is loaded, or is of its kinds."""
    from difflib import get_close_matches
    from fnmatch import fnmatchcase

    kinds = _KINDS[option]
    programs = [program for obj in objects for program in obj.programs.values()]
    if pattern is None:
        return f"there is no program that it is for: {kinds}"
    named = [each for each in programs if fnmatchcase(each.name, pattern)]
    others = [each for each in named if facts.option_for(each) != option]
    if others:
        what = ", ".join(f"{each.name!r} of SEC({each.section_name!r})" for each in others[:3])
        return f"it is for {kinds}, not for {what}"
    if named:
        return f"program {named[0].name!r} is not loaded"
    options = ("netns", "ifindex", "netfilter") if option == "netns" else (option,)
    names = [each.name for each in programs if facts.option_for(each) in options]
    close = get_close_matches(pattern, names, n=3, cutoff=0.5)
    known = f"close names: {', '.join(close)}" if close else f"of its kind there are: {', '.join(names[:20]) or 'none'}"
    return f"there is no program {pattern!r}; {known}"
