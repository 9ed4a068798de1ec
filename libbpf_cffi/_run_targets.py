"""What programs are attached to whose sections do not say it: interfaces, control groups, files, events."""

from __future__ import annotations

import os

import libbpf_cffi as bpf

from . import _run_facts as facts
from ._run_options import TARGETS, UsageError
from ._run_setup import no_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

    from ._run_options import Options

__all__ = ["Targets"]


ETH_P_ALL = 3
"""All protocols (linux/if_ether.h)."""

ITERATORS_OF_TASKS = ("task", "task_file", "task_vma")

IFNAMSIZ = 15
"""The bytes of the longest name that C's calls find a device by (linux/if.h)."""

NETNS_FOLDER = "/run/netns"
"""Where ``ip netns`` has a file for each namespace that it has made."""

OF_PROCESSES = ("uprobe", "usdt", "perf_event", "pid")
"""What is attached for the processes of --pid alone."""

MODES = {"xdp": ("skb", "drv", "hw"), "sched_cls": ("ingress", "egress")}


class Targets:
    """What the options name, by program: looked at before load, attached after it."""

    def __init__(self, options: Options, objects: Mapping[str, bpf.Object]) -> None:
        self._pids = options.pid or [-1]
        self._objects = objects
        self._found: list[tuple[str, bpf.Program, str, str]] = []
        self._sockets: list[socket.socket] = []
        self._pinned = options.pin is not None
        self._egress: dict[tuple[str, str], bool] = {}
        """The direction of each program that has been told one: whether it sees what goes out."""
        self.places: dict[str, dict[str, str]] = {}
        """Where the programs of each object are, by the names of their links: interfaces, groups, namespaces."""
        named: dict[str, list[tuple[str | None, str]]] = {option: getattr(options, option) for option in TARGETS}
        self._namespaces = named["netns"]
        self.functions: list[tuple[str, str]] = []
        """The object and name of each program that has been told its function, as load must know it."""
        for option, targets in named.items():
            for pattern, target in targets:
                self._choose(option, pattern, target)
        if options.pid:
            self._choose_iterators()
            self._choose_probes()
            options.pid_is_target = any(option in OF_PROCESSES for _, _, option, _ in self._found)

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
        if not chosen and option == "netns" and self._is_where(pattern):
            return
        if not chosen:
            given = f"{pattern}={target}" if pattern else target
            raise UsageError(f"{shown} {given}: {self._why_none(option, pattern)}")
        elsewhere = [self._namespace(program) for _, program in chosen if option in ("ifindex", "netfilter")]
        if option != "ifindex" or not any(elsewhere):
            self._check(option, target)
        for path, program in chosen:
            if option == "function":
                if (path, program.name) in self.functions:
                    raise UsageError(f"--function {target}: another --function has named that of {program.name!r}")
                program.set_attach_target(attach_func_name=target)
                self.functions.append((path, program.name))
                continue
            program.autoattach = False
            mode = _parted(target)[1]
            if self._pinned and facts.type_name(program) == "socket_filter":
                raise UsageError(f"--pin: {program.name!r} is attached to a socket, which ends with this command")
            if option == "ifindex" and facts.type_name(program) == "socket_filter" and self._namespace(program):
                raise UsageError(f"--netns: {program.name!r} is attached in this command's own network namespace")
            if mode in MODES["sched_cls"] or (facts.type_name(program) == "sched_cls" and not _is_netkit(program)):
                # SEC("tc") says no direction; TCX has one.
                egress = mode == "egress" or (not mode and program.section_name.endswith("/egress"))
                if self._egress.setdefault((path, program.name), egress) is not egress:
                    raise UsageError(
                        f"--ifindex {target}: {program.name!r} is attached to one direction, and another --ifindex has "
                        f"it attached to {'ingress' if egress else 'egress'}"
                    )
                program.expected_attach_type = (
                    bpf.AttachType.TCX_EGRESS if egress else bpf.AttachType.TCX_INGRESS
                )
            self._found.append((path, program, option, target))

    def _is_where(self, pattern: str | None) -> bool:
        """Tell whether a namespace is that of the interface or hook of a program."""
        from fnmatch import fnmatchcase

        programs = [each for _, each, option, _ in self._found if option == "ifindex"] + [
            each
            for obj in self._objects.values()
            for each in obj.programs.values()
            if each.autoload and facts.option_for(each) == "netfilter"
        ]
        return any(pattern is None or fnmatchcase(each.name, pattern) for each in programs)

    def _namespace(self, program: bpf.Program) -> str | None:
        """Give the namespace that a program's interface or hook is in, if ``--netns`` says it."""
        from fnmatch import fnmatchcase

        fitting = [pattern is None or fnmatchcase(program.name, pattern) for pattern, _ in self._namespaces]
        found = dict.fromkeys(target for (_, target), fits in zip(self._namespaces, fitting, strict=True) if fits)
        if len(found) > 1:
            raise UsageError(f"--netns: {program.name!r} is attached in one namespace, not in {' and '.join(found)}")
        return next(iter(found), None)

    def _suits(self, option: str, program: bpf.Program, target: str) -> bool:
        """Tell whether a mode, or a direction, is one of this type's."""
        mode = _parted(target)[1] if option == "ifindex" else ""
        return not mode or mode in _modes(program)

    def _why_none(self, option: str, pattern: str | None) -> str:
        """Say why there is no program that an option is for: of those that it could be for, which modes they have."""
        from fnmatch import fnmatchcase

        programs = [each for obj in self._objects.values() for each in obj.programs.values() if each.autoload]
        named = [each for each in programs if fnmatchcase(each.name, pattern or "*")]
        fitting = [each for each in named if facts.option_for(each) == option]
        if option != "ifindex" or not fitting:
            return no_program(option, pattern, self._objects.values())
        modes = [f"{each.name!r} takes {', '.join(_modes(each)) or 'no mode'}" for each in fitting[:3]]
        return f"there is no program that it is for: {'; '.join(modes)}"

    def _check(self, option: str, target: str) -> None:
        if option == "ifindex":
            import socket

            name = _parted(target)[0]
            try:
                if name.isdecimal():
                    socket.if_indextoname(_number(name))
                elif ":" in name:
                    modes = ", ".join(MODES["xdp"] + MODES["sched_cls"])
                    raise UsageError(f"--ifindex {target}: the mode is one of {modes}")
                elif len(name) <= IFNAMSIZ:
                    # What is longer may be an alternative name: the attach knows.
                    socket.if_nametoindex(name)
            except (OSError, OverflowError):
                there = ", ".join(each for _, each in socket.if_nameindex())
                raise UsageError(f"there is no interface {name!r}; there are {there}") from None
        elif option == "cgroup" and not os.path.isfile(os.path.join(target, "cgroup.procs")):
            if not (target.isdecimal() and target.isascii()) or os.path.lexists(target):
                raise UsageError(f"{target!r} is not the folder of a control group, nor the number of a process")
            if not os.path.exists(f"/proc/{target}"):
                raise UsageError(f"--cgroup {target}: there is no such process")
        elif option == "perf_event":
            _event(target)
        elif option in ("sockmap", "iter_map") and not any(target in obj.maps for obj in self._objects.values()):
            raise UsageError(f"there is no map {target!r}")

    def _choose_iterators(self) -> None:
        """Let those that walk over tasks walk over those of the given processes."""
        for path, obj in self._objects.items():
            for program in obj.programs.values():
                target = program.section_name.partition("/")[2]
                if program.autoload and facts.is_iterator(program) and target in ITERATORS_OF_TASKS:
                    program.autoattach = False
                    self._found += [(path, program, "pid", str(pid)) for pid in self._pids]

    def _choose_probes(self) -> None:
        """Have user probes whose section says where probe the given processes alone, as those of the options do."""
        for path, obj in self._objects.items():
            for program in obj.programs.values():
                if program.autoload and program.autoattach:
                    option, target = facts.option_for(program), _named_target(program)
                    if option in ("uprobe", "usdt") and target is not None:
                        program.autoattach = False
                        self._found.append((path, program, option, target))

    def attach(self, path: str) -> Iterator[tuple[str, bpf.Link | bpf.SocketProgram]]:
        """Attach those of one object; give each link with its name, that of the program and a number from 2 on."""
        count: dict[str, int] = {}
        for of, program, option, target in self._found:
            if of != path:
                continue
            for link in self._links(program, option, target):
                count[program.name] = number = count.get(program.name, 0) + 1
                name = program.name if number == 1 else f"{program.name}.{number}"
                if option in ("ifindex", "cgroup", "netns"):
                    self.places.setdefault(path, {})[name] = self._place(program, option, target)
                yield name, link

    def _place(self, program: bpf.Program, option: str, target: str) -> str:
        if option != "ifindex":
            return _said(target, "" if option == "cgroup" else NETNS_FOLDER)
        name, netns = _parted(target)[0], self._namespace(program)
        inside = f" in {_said(netns, NETNS_FOLDER)}" if netns else ""
        return f"{'interface ' if name.isdecimal() else ''}{name}{inside}"

    def _links(self, program: bpf.Program, option: str, target: str) -> Iterator[bpf.Link | bpf.SocketProgram]:
        if option == "ifindex":
            yield self._to_interface(program, target)
        elif option == "cgroup":
            iterator = facts.is_iterator(program)
            order = bpf.CgroupIterOrder.DESCENDANTS_PRE
            yield program.attach_iter(cgroup=target, order=order) if iterator else program.attach_cgroup(target)
        elif option == "pid":
            yield program.attach_iter(pid=int(target))
        elif option == "iter_map":
            yield program.attach_iter(map=self._map(target))
        elif option == "netfilter":
            family, hook, *priority = target.split(":")
            first, netns = int(*priority) if priority else 0, self._namespace(program)
            yield program.attach_netfilter(pf=family, hooknum=hook, priority=first, netns=netns)
        elif option == "netns":
            yield program.attach_netns(target)
        elif option == "sockmap":
            yield program.attach_sockmap(self._map(target))
        elif option == "uprobe":
            for pid in self._pids:
                yield _to_function(program, target, pid)
        elif option == "usdt":
            file, provider, name = target.rsplit(":", 2)
            for pid in self._pids:
                yield program.attach_usdt(file, provider, name, pid=pid)
        else:
            yield from self._sample(program, target)

    def _to_interface(self, program: bpf.Program, target: str) -> bpf.Link | bpf.SocketProgram:
        name, mode = _parted(target)
        interface, netns = _number(name) if name.isdecimal() else name, self._namespace(program)
        if facts.type_name(program) == "xdp":
            return program.attach_xdp(interface, mode=mode or None, netns=netns)
        if facts.type_name(program) == "socket_filter":
            return self._to_packets(program, name)
        return (program.attach_netkit if _is_netkit(program) else program.attach_tcx)(interface, netns=netns)

    def _to_packets(self, program: bpf.Program, interface: str) -> bpf.SocketProgram:
        """Attach a socket filter to a packet socket that nobody reads: the filter runs all the same."""
        import socket

        # Of no protocol until the filter is there: no packet comes in unfiltered.
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        attached = program.attach_socket(sock)
        name = socket.if_indextoname(int(interface)) if interface.isdecimal() else interface
        sock.bind((name, ETH_P_ALL))
        return attached

    def close(self) -> None:
        """Close what programs were attached to."""
        while self._sockets:
            self._sockets.pop().close()

    def _map(self, name: str) -> bpf.Map:
        return next(obj.maps[name] for obj in self._objects.values() if name in obj.maps)

    def _sample(self, program: bpf.Program, target: str) -> Iterator[bpf.Link]:
        name, rate = _event(target), target.partition(":")[2]
        make = bpf.PerfEvent.software if name in SOFTWARE else bpf.PerfEvent.hardware
        places = [{"pid": pid} for pid in self._pids if pid > 0] or [{"cpu": cpu} for cpu in _online()]
        for place in places:
            with make(name, **place, sample_freq=int(rate or 99)) as event:
                yield program.attach_perf_event(event)


SOFTWARE = (
    "cpu-clock", "task-clock", "page-faults", "page-faults-min", "page-faults-maj", "context-switches",
    "cpu-migrations", "alignment-faults", "emulation-faults", "cgroup-switches", "dummy", "bpf-output",
)  # fmt: skip
"""The events that the kernel counts itself."""

HARDWARE = (
    "cpu-cycles", "instructions", "cache-references", "cache-misses", "branch-instructions", "branch-misses",
    "bus-cycles", "stalled-cycles-frontend", "stalled-cycles-backend", "ref-cpu-cycles",
)  # fmt: skip
"""Those of the processor."""

PERF_NAMES = {
    "cycles": "cpu-cycles",
    "branches": "branch-instructions",
    "ref-cycles": "ref-cpu-cycles",
    "idle-cycles-frontend": "stalled-cycles-frontend",
    "idle-cycles-backend": "stalled-cycles-backend",
    "faults": "page-faults",
    "minor-faults": "page-faults-min",
    "major-faults": "page-faults-maj",
    "cs": "context-switches",
    "migrations": "cpu-migrations",
}
"""What perf-list(1) calls them otherwise."""


def _event(target: str) -> str:
    """Give the name of a perf event, whichever of its names was given."""
    given = target.partition(":")[0]
    name = given.lower().replace("_", "-")
    name = PERF_NAMES.get(name, name)
    if name not in SOFTWARE + HARDWARE:
        from difflib import get_close_matches

        names = sorted((*SOFTWARE, *HARDWARE, *PERF_NAMES))
        close = get_close_matches(name, names, n=3, cutoff=0.6)
        nearest = f"close names: {', '.join(close)}; " if close else ""
        known = f"{nearest}there are {', '.join(names)}"
        raise UsageError(f"--perf-event {target}: there is no event {given!r}; {known}")
    return name


def _number(digits: str) -> int:
    """Give the number of an interface; of more digits than one can have, one that is too large."""
    return int(digits.lstrip("0")[:11] or "0")


def _parted(target: str) -> tuple[str, str]:
    name, _, mode = target.rpartition(":")
    return (name, mode) if name and mode in MODES["xdp"] + MODES["sched_cls"] else (target, "")


def _modes(program: bpf.Program) -> tuple[str, ...]:
    """Give the modes, or directions, that may be said of a program's interface."""
    section = program.section_name
    if section.startswith("tcx/"):
        return (section.removeprefix("tcx/"),)
    return () if _is_netkit(program) else MODES.get(facts.type_name(program), ())


def _said(target: str, folder: str) -> str:
    """Say whose control group or network namespace it is, if it is given by the number of a process."""
    is_process = target.isdecimal() and target.isascii() and not os.path.lexists(os.path.join(folder, target))
    return f"process {target}" if is_process else target


def _to_function(program: bpf.Program, target: str, pid: int) -> bpf.Link:
    """Attach to a function of a file, or to a place in it."""
    file, _, symbol = target.rpartition(":")
    place = int(symbol, 16) if symbol.startswith("0x") else None
    # A program for many places at once is no program for one: the kernel tells them apart.
    if ".multi" in program.section_name or ".session" in program.section_name:
        if place is not None:
            return program.attach_uprobe_multi(file, offsets=[place], pid=pid)
        return program.attach_uprobe_multi(file, symbol, pid=pid)
    if place is not None:
        return program.attach_uprobe(file, func_offset=place, pid=pid)
    return program.attach_uprobe(file, symbol, pid=pid)


def _is_netkit(program: bpf.Program) -> bool:
    return program.section_name.startswith("netkit/")


def _names_target(program: bpf.Program) -> bool:
    """Tell whether the section of a user probe says where; what it says of other kinds is no place."""
    return facts.type_name(program) == "kprobe" and "/" in program.section_name


def _named_target(program: bpf.Program) -> str | None:
    """Give what the section of a user probe says, as the options have it; ``None`` for what libbpf is to refuse."""
    kind, _, where = program.section_name.partition("/")
    file, *parts = where.split(":", 3 if kind.startswith("usdt") else 1)
    if not all([file, *parts]) or len(parts) < (2 if kind.startswith("usdt") else 1):
        return None
    if kind.startswith("uretprobe") and ".multi" not in kind and "+" in parts[0]:
        return None  # there is no return from the middle of a function
    if not kind.startswith("usdt") and parts[0].startswith("0x"):
        return None  # a place in the file is an option's alone
    return ":".join([file, *parts[:2]])


def _online() -> list[int]:
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        parts = [each.partition("-") for each in file.read().strip().split(",")]
    return [cpu for first, _, last in parts for cpu in range(int(first), int(last or first) + 1)]
