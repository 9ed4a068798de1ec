"""What programs are attached to whose sections do not say it: interfaces, control groups, files, events."""

from __future__ import annotations

import os

import libbpf_cffi as bpf

from . import _run_facts as facts
from ._run_options import TARGETS, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._run_options import Options

__all__ = ["Targets"]


MODES = {"xdp": ("skb", "drv", "hw"), "sched_cls": ("ingress", "egress")}


class Targets:
    """What the options name, by program: looked at before load, attached after it."""

    def __init__(self, options: Options, objects: Mapping[str, bpf.Object]) -> None:
        self._pids = options.pid or [-1]
        self._objects = objects
        self._found: list[tuple[str, bpf.Program, str, str]] = []
        self._events: list[bpf.PerfEvent] = []
        for option in TARGETS:
            for pattern, target in getattr(options, option):
                self._choose(option, pattern, target)

    def _choose(self, option: str, pattern: str | None, target: str) -> None:
        from fnmatch import fnmatchcase

        shown = f"--{option.replace('_', '-')}"
        chosen = [
            (path, program)
            for path, obj in self._objects.items()
            for program in obj.programs.values()
            if program.autoload
            and facts.option_for(program) == option
            and (fnmatchcase(program.name, pattern) if pattern else not _names_target(program))
            and self._suits(option, program, target)
        ]
        if not chosen:
            which = f"program {pattern!r}" if pattern else "program"
            raise UsageError(f"{shown} {target}: there is no {which} that it is for")
        self._check(option, target)
        for path, program in chosen:
            program.autoattach = False
            mode = _parted(target)[1]
            if mode in MODES["sched_cls"] or facts.type_name(program) == "sched_cls":
                # SEC("tc") says no direction; TCX has one.
                egress = mode == "egress" or (not mode and program.section_name.endswith("/egress"))
                program.expected_attach_type = (
                    bpf.AttachType.TCX_EGRESS if egress else bpf.AttachType.TCX_INGRESS
                )
            self._found.append((path, program, option, target))

    def _suits(self, option: str, program: bpf.Program, target: str) -> bool:
        """Tell whether a mode, or a direction, is one of this type's."""
        if option != "ifindex":
            return True
        mode = _parted(target)[1]
        if not mode:
            return True
        section = program.section_name
        if section.startswith("tcx/"):
            return section == f"tcx/{mode}"
        return mode in MODES[facts.type_name(program)]

    def _check(self, option: str, target: str) -> None:
        if option == "ifindex":
            import socket

            name = _parted(target)[0]
            try:
                if name.isdecimal():
                    socket.if_indextoname(int(name))
                else:
                    socket.if_nametoindex(name)
            except (OSError, OverflowError):
                there = ", ".join(each for _, each in socket.if_nameindex())
                raise UsageError(f"there is no interface {name!r}; there are {there}") from None
        elif option == "cgroup" and not os.path.isfile(os.path.join(target, "cgroup.procs")):
            raise UsageError(f"{target!r} is not the folder of a control group")
        elif option == "sockmap" and not any(target in obj.maps for obj in self._objects.values()):
            raise UsageError(f"there is no map {target!r}")

    def attach(self, path: str) -> Iterator[tuple[str, bpf.Link]]:
        """Attach those of one object; give each link with its name, that of the program and a number from 2 on."""
        count: dict[str, int] = {}
        for of, program, option, target in self._found:
            if of != path:
                continue
            for link in self._links(program, option, target):
                count[program.name] = number = count.get(program.name, 0) + 1
                yield (program.name if number == 1 else f"{program.name}.{number}"), link

    def _links(self, program: bpf.Program, option: str, target: str) -> Iterator[bpf.Link]:
        if option == "ifindex":
            name, mode = _parted(target)
            interface = int(name) if name.isdecimal() else name
            if facts.type_name(program) == "xdp":
                yield program.attach_xdp(interface, mode=mode or None)
            else:
                yield program.attach_tcx(interface)
        elif option == "cgroup":
            yield program.attach_cgroup(target)
        elif option == "netns":
            yield program.attach_netns(pid=int(target)) if target.isdecimal() else program.attach_netns(target)
        elif option == "sockmap":
            yield program.attach_sockmap(next(o.maps[target] for o in self._objects.values() if target in o.maps))
        elif option == "uprobe":
            file, _, symbol = target.rpartition(":")
            # A program for many places at once is no program for one: the kernel tells them apart.
            several = ".multi" in program.section_name or ".session" in program.section_name
            attach = program.attach_uprobe_multi if several else program.attach_uprobe
            for pid in self._pids:
                yield attach(file, symbol, pid=pid)
        elif option == "usdt":
            file, provider, name = target.rsplit(":", 2)
            for pid in self._pids:
                yield program.attach_usdt(file, provider, name, pid=pid)
        else:
            yield from self._sample(program, target)

    def _sample(self, program: bpf.Program, target: str) -> Iterator[bpf.Link]:
        name, _, rate = target.partition(":")
        software = name.replace("-", "_") in SOFTWARE
        make = bpf.PerfEvent.software if software else bpf.PerfEvent.hardware
        places = [{"pid": pid} for pid in self._pids if pid > 0] or [{"cpu": cpu} for cpu in _online()]
        for place in places:
            with make(name, **place, sample_freq=int(rate or 99)) as event:
                yield program.attach_perf_event(event)


SOFTWARE = frozenset({"cpu_clock", "task_clock", "page_faults", "context_switches", "cpu_migrations"})
"""The events that the kernel counts itself; others are the processor's."""


def _parted(target: str) -> tuple[str, str]:
    name, _, mode = target.rpartition(":")
    return (name, mode) if name and mode in MODES["xdp"] + MODES["sched_cls"] else (target, "")


def _names_target(program: bpf.Program) -> bool:
    """Tell whether the section of a user probe says where; what it says of other kinds is no place."""
    return facts.type_name(program) == "kprobe" and "/" in program.section_name


def _online() -> list[int]:
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        parts = [each.partition("-") for each in file.read().strip().split(",")]
    return [cpu for first, _, last in parts for cpu in range(int(first), int(last or first) + 1)]
