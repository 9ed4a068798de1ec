"""Call every public function with each of its arguments wrong in turn, and look at what is said about it.

    python wrong_arguments.py FOLDER-OF-OBJECTS FOLDER-OF-A-CGROUP [NAME…]

What there is to call is found by looking, as in call_leaks.py. A wrong argument is refused by an exception of this
package's own making: no `OverflowError` of the conversion to C, no `AttributeError`, and none at all that was raised by
something other than a ``raise`` of the package. Prints a line for each that is not so.
"""

from __future__ import annotations

import contextlib
import inspect
import linecache
import os
import resource
import signal
import sys
import traceback
import warnings
from typing import Any

import call_leaks
import call_table
import machine_surface

import libbpf_cffi as bpf
from libbpf_cffi import ffi

PACKAGE = os.path.dirname(bpf.__file__)

WRONG = {
    "-1": -1, "2**31": 1 << 31, "2**64": 1 << 64, "300 bits": 1 << 300, "-2**300": -(1 << 300), "None": None,
    "object": object(),
    "NUL": "a\0b", "surrogate": "\ud800", "bytes": b"\xff\0", "list": [], "list of None": [None],
    "list of objects": [object()], "list of big": [1 << 70], "list of NUL": ["a\0b"], "nan": float("nan"),
    "dict": {"a\0b": object()}, "empty": "", "long": "x" * 5000, "type": int, "list of many": [1] * 100_000,
}  # fmt: skip

FINE = (bpf.Error, ValueError, TypeError, KeyError, IndexError, StopIteration)

NEVER = (UnicodeError,)
"""Kinds of `ValueError` that say nothing of the argument."""

FIELDS = {
    "PerfEvent": ("sample_period", "sample_freq", "read_format", "sample_type", "bp_addr", "exclude_kernel", "pinned"),
}
"""Names to try where a function takes any keyword."""

PROTOCOL = {"Sequence.index", "Sequence.count", "Record.__getitem__", "Batch.__getitem__", "Syscalls.__getitem__"}
"""What behaves as of any sequence of Python's, errors included."""


class WaitedError(Exception):
    """The call waits, as it was told to."""


def too_long(*_: object) -> None:
    raise WaitedError


def nested(made):
    """Call what takes mappings with each of their fields wrong."""
    groups = {name: field.type for name, field in ffi.typeof("struct bpf_link_create_opts").fields}
    program = made["kernel program"]
    for group, kind in LINKS.items():
        for name, _ in groups[group].fields:
            yield (
                "Link.create", f"{group}.{name}",
                lambda value, group=group, name=name, kind=kind: bpf.Link.create(
                    program, 0, kind, **{group: {name: value}}
                ),
            )  # fmt: skip
    for member, fields in ITERATED.items():
        for name in fields:
            yield (
                "Link.create", f"iter_info.{member}.{name}",
                lambda value, member=member, name=name: bpf.Link.create(
                    program, None, bpf.AttachType.TRACE_ITER, iter_info={member: {name: value}}
                ),
            )  # fmt: skip
    events = call_table.loaded("perf_one").maps["events"]
    for name in FIELDS["PerfEvent"]:
        yield "PerfBuffer", f"attr.{name}", lambda value, name=name: events.perf_buffer(attr={name: value}).close()
    for at, name in enumerate(bpf.Insn._fields):
        right = [0xB7, 0, 0, 0, 0]

        def insn(value, at=at, right=right):
            made = bpf.Insn(*right[:at], value, *right[at + 1 :])
            return bytes(made), str(made)

        yield "Insn", name, insn


LINKS = {
    "perf_event": bpf.AttachType.PERF_EVENT, "kprobe_multi": bpf.AttachType.TRACE_KPROBE_MULTI,
    "uprobe_multi": bpf.AttachType.TRACE_UPROBE_MULTI, "tracing": bpf.AttachType.TRACE_FENTRY,
    "netfilter": bpf.AttachType.NETFILTER, "tcx": bpf.AttachType.TCX_INGRESS,
    "netkit": bpf.AttachType.NETKIT_PRIMARY, "cgroup": bpf.AttachType.CGROUP_INET_INGRESS,
}  # fmt: skip
ITERATED = {"map": ("map_fd",), "cgroup": ("order", "cgroup_fd", "cgroup_id"), "task": ("tid", "pid", "pid_fd")}

ARGUMENTS = {
    "prog_attach": lambda c: (c["kernel program"], call_table.cgroup, bpf.AttachType.CGROUP_INET_INGRESS),
    "prog_detach": lambda c: (c["kernel program"], call_table.cgroup, bpf.AttachType.CGROUP_INET_INGRESS),
    "attach_kprobe_multi": ("getppid",), "TcHook.create": (), "Queue.pop": (), "ProgramCode.disassemble": (),
    "PerfEvent.read": (), "KindsOfLinks.read": (), "Link.unpin": (),
    "BtfExt.from_bytes": lambda c: (b"no BTF", c["btf"]),
}  # fmt: skip
"""Where other arguments get further than those of call_table.py."""


def calls(made):
    """Give every call: its name, what is called, the arguments that are right, and their names."""
    for name, each in machine_surface.operations().items():
        if each.name in call_table.NOT_CALLED or name in machine_surface.NOT_DRAWN:
            continue
        if each.kind == "new" and (name not in machine_surface.MADE_BY_USERS or name == "pointer"):
            continue
        yield from ways(made, name, each)
    yield from nested(made)


def given(made, owner, name):
    every = call_table.ARGUMENTS | ARGUMENTS
    what = every.get(f"{owner}.{name}", every.get(name))
    what = what(made) if callable(what) else what
    return ((), what) if isinstance(what, dict) else (what or (), {})


NEW = {
    "Insn": lambda _: (0x95,), "PerfBuffer": lambda c: (call_table.loaded("perf_one").maps["events"],),
    "PerfEvent": lambda _: (1, 0), "RingBuffer": lambda c: (call_table.loaded("rings").maps["events"],),
    "TcHook": lambda _: ("lo",), "TracePipe": lambda _: (), "UserRingBuffer": lambda c: (c["user_ringbuf"],),
}  # fmt: skip


def ways(made, name, each):
    if each.kind == "get" or each.name in ("__eq__", "__hash__", "__repr__", "__enter__"):
        return
    if each.kind == "set":
        for thing in made.values():
            if isinstance(thing, each.owner):
                yield name, each.name, lambda value, thing=thing, at=each.name: setattr(thing, at, value)
                return
        return
    if each.kind in ("function", "new"):
        function = getattr(each.owner, each.name) if each.kind == "function" else each.owner
        owner = each.owner.__name__.removeprefix("libbpf_cffi").lstrip(".") or "bpf"

        def get(function=function):
            return function

    else:
        found = [thing for thing in made.values() if isinstance(thing, each.owner) or thing is each.owner]
        owner = each.owner.__name__
        if each.kind == "class":
            base = next(base for base in each.owner.__mro__ if each.name in vars(base))
            owner = base.__name__

            def get():
                return getattr(each.owner, each.name)

        elif found:
            thing = found[0]
            new = each.name in call_table.GROWS

            def get():
                return getattr(call_table.new_btf() if new else thing, each.name)

        else:
            return
    arguments, keywords = (NEW[name](made), {}) if each.kind == "new" else given(made, owner, each.name)
    try:
        signature = inspect.signature(get())
    except (TypeError, ValueError):
        return
    if name == "PerfEvent":
        keywords = {"cpu": 0}
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError as error:
        print(f"{name}: the table's arguments do not fit: {error}")
        return
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            for field in FIELDS.get(name, ()):
                yield (
                    name, field,
                    lambda value, field=field: get()(*bound.args, **bound.kwargs, **{field: value}),
                )  # fmt: skip
            continue

        def call(value, parameter=parameter):
            changed = signature.bind(*arguments, **keywords)
            if parameter.kind is parameter.VAR_POSITIONAL:
                changed.arguments[parameter.name] = (value,)
            else:
                changed.arguments[parameter.name] = value
            # A keyword that stands behind others needs those; a positional argument, all before it.
            changed.apply_defaults()
            return get()(*changed.args, **changed.kwargs)

        yield name, parameter.name, call


def judge(name: str, argument: str, label: str, value: Any, error: BaseException) -> str | None:
    """Say what is wrong with an exception, or nothing."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    at = f"{os.path.relpath(frame.filename, PACKAGE)}:{frame.lineno}"
    told = f"{name}({argument}={label}): {type(error).__name__}: {str(error)[:150]} ({at}: {frame.line})"
    if not isinstance(error, FINE) or isinstance(error, NEVER):
        return told
    if isinstance(error, bpf.Error):
        return None
    line = linecache.getline(frame.filename, frame.lineno).strip()
    if not frame.filename.startswith(PACKAGE) or not line.startswith("raise"):
        return "BUILTIN " + told
    return None


def main() -> None:
    """Call everything."""
    call_table.folder, call_table.cgroup = sys.argv[1:3]
    only = sys.argv[3:]
    warnings.simplefilter("ignore")
    assert call_leaks.libc.unshare(call_leaks.CLONE_NEWNET) == 0
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    made = call_table.things()
    mine = [*made.values(), *call_table.objects]
    signal.signal(signal.SIGALRM, too_long)
    wrong, count, refused = [], 0, 0
    for name, argument, call in calls(made):
        if (only and name not in only) or name in PROTOCOL:
            continue
        for label, value in WRONG.items():
            count += 1
            signal.setitimer(signal.ITIMER_REAL, 0.2 if argument == "timeout" else 3)
            try:
                result = call(value)
                if not any(result is each for each in mine):
                    call_leaks.let_go(result)
            except WaitedError:
                if argument != "timeout":
                    wrong.append(f"{name}({argument}={label}) takes more than 3 seconds")
            except BaseException as error:
                refused += 1
                if said := judge(name, argument, label, value, error):
                    wrong.append(said)
            finally:
                with contextlib.suppress(WaitedError):
                    signal.setitimer(signal.ITIMER_REAL, 0)
    print("\n".join(wrong))
    print(f"{count} calls, {refused} refused; {len(wrong)} wrong")
    sys.stdout.flush()
    os._exit(bool(wrong))


if __name__ == "__main__":
    main()
