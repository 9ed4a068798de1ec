"""Perf events: counters of the processor and the kernel, to which programs are attached.

::

    with PerfEvent.software("cpu_clock", cpu=0, sample_freq=99) as event:
        program.attach_perf_event(event)
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import nullcontext
from typing import NamedTuple

from . import _targets
from ._arguments import signed, string
from ._check import check, not_null
from ._ffi import c_string, ffi, lib, set_member, unsigned
from ._handle import Handle
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

    from ._libbpf import lbc_perf_event

__all__ = ["PerfEvent", "PerfReading"]

GROUP_MAX = 512
"""Events of a group that are read at most; the kernel takes no more than fit into 16 KiB (kernel/events/core.c)."""

_MOST_SAMPLES = "/proc/sys/kernel/perf_event_max_sample_rate"
_PMUS = "/sys/bus/event_source/devices"

_ACCESS = {"x": 4, "w": 2, "r": 1, "rw": 3}
"""``HW_BREAKPOINT_…`` of linux/hw_breakpoint.h."""

_SOFTWARE = (
    "cpu_clock",
    "task_clock",
    "page_faults",
    "context_switches",
    "cpu_migrations",
    "page_faults_min",
    "page_faults_maj",
    "alignment_faults",
    "emulation_faults",
    "dummy",
    "bpf_output",
    "cgroup_switches",
)
_HARDWARE = (
    "cpu_cycles",
    "instructions",
    "cache_references",
    "cache_misses",
    "branch_instructions",
    "branch_misses",
    "bus_cycles",
    "stalled_cycles_frontend",
    "stalled_cycles_backend",
    "ref_cpu_cycles",
)
_CACHES = ("l1d", "l1i", "ll", "dtlb", "itlb", "bpu", "node")

_OWN = ("type", "size", "config")


class PerfReading(NamedTuple):
    """What `PerfEvent.read` gives: `value`, and what the event's `read_format` asks for, else ``None``.

    `time_enabled` and `time_running` are nanoseconds; they differ where a counter of the processor had to be shared:
    ``value * time_enabled / time_running`` is then what it would have been. `id` is the kernel's number for the event,
    `lost` how many samples were lost (Linux 6.0).
    """

    value: int
    time_enabled: int | None = None
    time_running: int | None = None
    id: int | None = None
    lost: int | None = None


class PerfEvent:
    """An event that the kernel counts, by ``perf_event_open(2)``, and that programs of ``SEC("perf_event")`` sample.

    `type` and `config` say which, as linux/perf_event.h has them; `software`, `hardware`, `cache`, `raw`, `tracepoint`,
    `breakpoint` and `dynamic` make one by names. It counts on one `cpu` for all processes, or for one process `pid` (0
    is this one) on all CPUs or one. `group` is the event that leads it. A `cgroup`, as for `Program.attach_cgroup`,
    narrows what is counted on a `cpu`. Further keywords are the fields of ``struct perf_event_attr``: `sample_period`
    (every so many events) or `sample_freq` (so often a second), `exclude_kernel`, `inherit` and so on.

    It counts from `enable` on, or from when a program is attached. Closing it leaves the links of programs alone.
    """

    __slots__ = ("__weakref__", "_handle", "_read_format", "_what")

    def __init__(
        self,
        type: int,
        config: int = 0,
        *,
        cpu: int = -1,
        pid: int = -1,
        group: PerfEvent | int = -1,
        cgroup: str | os.PathLike[str] | int | None = None,
        what: str = "",
        **attr: int,
    ) -> None:
        attributes = _attributes(type, config, attr)
        cpu, pid = signed(cpu, 32, "cpu"), signed(pid, 32, "pid")
        self._what = string(what, "what") or f"perf event {attributes.type}:{attributes.config:#x}"
        self._what += "".join(f", {name} {value}" for name, value in (("CPU", cpu), ("process", pid)) if value >= 0)
        self._read_format: int = attributes.read_format
        leader = group.fd if isinstance(group, PerfEvent) else signed(group, 32, "group")
        flags = 0
        if cgroup is not None:
            if pid != -1:
                raise TypeError("a perf event counts a cgroup or a process, not both")
            if cpu == -1:
                raise TypeError("a perf event of a cgroup needs a cpu: it counts on one")
            flags = lib.PERF_FLAG_PID_CGROUP
        elif cpu == pid == -1:
            raise TypeError("a perf event needs a cpu (and counts all processes there) or a pid")
        counted = nullcontext(pid) if cgroup is None else _targets.cgroup(cgroup)
        self._handle: Handle[lbc_perf_event] = Handle(
            lib.lbc_perf_event__close, name=self._what, fds=lambda event: (event.fd,)
        )
        self._handle.close_with(self)
        try:
            with counted as of:
                not_null(
                    self._handle.make(lib.lbc_perf_event__open, attributes, of, cpu, leader, flags),
                    f"open {self._what}",
                    lambda error: _hint(error, attributes, flags),
                    self._handle.errno,
                )
        except BaseException:
            self._handle._close()
            raise

    @classmethod
    def software(cls, name: str, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int) -> Self:
        """Open what the kernel counts itself: ``"cpu_clock"``, ``"page_faults"``, ``"context_switches"``.

        The names are those of ``PERF_COUNT_SW_…``; times count in nanoseconds.
        """
        config = _number("PERF_COUNT_SW_", name, _SOFTWARE)
        return cls(lib.PERF_TYPE_SOFTWARE, config, cpu=cpu, pid=pid, group=group, what=f"perf event {name!r}", **attr)

    @classmethod
    def hardware(cls, name: str, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int) -> Self:
        """Open what every processor counts: ``"cpu_cycles"``, ``"instructions"``, ``"cache_misses"``.

        The names are those of ``PERF_COUNT_HW_…``. Virtual machines often have none: `NotSupportedError` or ENOENT.
        """
        config = _number("PERF_COUNT_HW_", name, _HARDWARE)
        return cls(lib.PERF_TYPE_HARDWARE, config, cpu=cpu, pid=pid, group=group, what=f"perf event {name!r}", **attr)

    @classmethod
    def cache(
        cls, cache: str, op: str, result: str, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int
    ) -> Self:
        """Open a counter of a cache, such as ``"ll", "read", "miss"``: names of ``PERF_COUNT_HW_CACHE_…``."""
        config = _number("PERF_COUNT_HW_CACHE_", cache, _CACHES)
        config |= _number("PERF_COUNT_HW_CACHE_OP_", op, ("read", "write", "prefetch")) << 8
        config |= _number("PERF_COUNT_HW_CACHE_RESULT_", result, ("access", "miss")) << 16
        what = f"perf event '{cache}-{op}-{result}'"
        return cls(lib.PERF_TYPE_HW_CACHE, config, cpu=cpu, pid=pid, group=group, what=what, **attr)

    @classmethod
    def raw(cls, config: int, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int) -> Self:
        """Open an event by the number that the processor's manual gives it."""
        what = f"raw event {unsigned(config, 64, 'config'):#x}"
        return cls(lib.PERF_TYPE_RAW, config, cpu=cpu, pid=pid, group=group, what=what, **attr)

    @classmethod
    def tracepoint(
        cls, category: str, name: str, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int
    ) -> Self:
        """Open a tracepoint as an event; a program of ``SEC("tracepoint")`` that is attached runs on every CPU."""
        from .tracepoints import tracepoint_id

        config = tracepoint_id(category, name)
        what = f"tracepoint '{category}/{name}'"
        return cls(lib.PERF_TYPE_TRACEPOINT, config, cpu=cpu, pid=pid, group=group, what=what, **attr)

    @classmethod
    def breakpoint(
        cls, address: int, access: str = "w", length: int = 8, *, cpu: int = -1, pid: int = -1, **attr: int
    ) -> Self:
        """Open a watch on memory: `length` bytes at an `address` that are read, written (``"w"``, ``"rw"``) or run
        (``"x"``).
        """
        if string(access, "access") not in _ACCESS:
            raise ValueError(f"access must be one of {', '.join(map(repr, _ACCESS))}, not {access!r}")
        attr |= {"bp_type": _ACCESS[access], "bp_addr": address, "bp_len": length}
        what = f"breakpoint at {unsigned(address, 64, 'address'):#x}"
        return cls(lib.PERF_TYPE_BREAKPOINT, 0, cpu=cpu, pid=pid, what=what, **attr)

    @classmethod
    def dynamic(
        cls, pmu: str, config: int, *, cpu: int = -1, pid: int = -1, group: PerfEvent | int = -1, **attr: int
    ) -> Self:
        """Open an event of a unit that /sys/bus/event_source/devices lists, such as ``"msr"``."""
        number = unsigned(config, 64, "config")
        c_string(pmu, "pmu")
        if "/" in pmu:
            raise ValueError(f"pmu must be a name, not {pmu!r}")
        action = f"find the unit {pmu!r} of perf events"
        try:
            with open(f"{_PMUS}/{pmu}/type", encoding="utf-8") as file:
                kind = int(file.read())
        except OSError as error:
            check(-refused(error), action, _units)
            raise
        return cls(kind, config, cpu=cpu, pid=pid, group=group, what=f"event {number:#x} of {pmu!r}", **attr)

    @property
    def fd(self) -> int:
        """The descriptor, which stays the event's own."""
        with self._handle.lock:
            return int(self._handle.pointer.fd)

    def _loaded(self, _action: str) -> int:
        """Give the descriptor to what attaches; hold the lock."""
        return int(self._handle.pointer.fd)

    def enable(self) -> None:
        """Start to count."""
        self._control("enable", lib.PERF_EVENT_IOC_ENABLE)

    def disable(self) -> None:
        """Stop counting."""
        self._control("disable", lib.PERF_EVENT_IOC_DISABLE)

    def reset(self) -> None:
        """Set the count to 0."""
        self._control("reset", lib.PERF_EVENT_IOC_RESET)

    def _control(self, verb: str, request: int) -> None:
        from fcntl import ioctl

        try:
            with self._handle.lock:
                ioctl(self._handle.pointer.fd, request, 0)
        except OSError as error:
            check(-refused(error), f"{verb} {self._what}")

    @property
    def count(self) -> int:
        """How many there have been, while it was enabled; of a group, those of its leader."""
        return self.read()[0].value

    def read(self) -> tuple[PerfReading, ...]:
        """Read the counter, or with ``PERF_FORMAT_GROUP`` in `read_format` those of the group, its leader first.

        The other bits of `read_format` say what else a `PerfReading` has.
        """
        size = 8 * (3 + 3 * GROUP_MAX)
        try:
            with self._handle.lock:
                data = os.read(self._handle.pointer.fd, size)
        except OSError as error:
            check(-refused(error), f"read {self._what}")
            raise
        if not data:
            # The kernel gives the end of the file for an event in error state (perf_read() in kernel/events/core.c).
            check(-errno.EBUSY, f"read {self._what}", "it is pinned, and the processor's counters are taken by others")
        return _readings([each for (each,) in struct.iter_unpack("=Q", data)], self._read_format)

    @property
    def closed(self) -> bool:
        """Whether the event has been closed."""
        return self._handle.closed

    def close(self) -> None:
        """Close the descriptor; twice does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        self._handle.check()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __str__(self) -> str:
        return self._what

    def __repr__(self) -> str:
        return f"<PerfEvent: {self._what}{' (closed)' if self.closed else ''}>"


def _readings(words: list[int], read_format: int) -> tuple[PerfReading, ...]:
    """Take what read(2) gives apart, as perf_event_open(2) has it."""
    given = iter(words)
    grouped = read_format & lib.PERF_FORMAT_GROUP
    count = next(given) if grouped else 1
    own = ("id", lib.PERF_FORMAT_ID), ("lost", lib.PERF_FORMAT_LOST)
    times = ("time_enabled", lib.PERF_FORMAT_TOTAL_TIME_ENABLED), ("time_running", lib.PERF_FORMAT_TOTAL_TIME_RUNNING)
    if not grouped:
        return (PerfReading(next(given), **{name: next(given) for name, bit in (*times, *own) if read_format & bit}),)
    shared = {name: next(given) for name, bit in times if read_format & bit}
    return tuple(
        PerfReading(next(given), **shared, **{name: next(given) for name, bit in own if read_format & bit})
        for _ in range(count)
    )


def _attributes(type: int, config: int, given: dict[str, int]) -> Any:
    struct = ffi.new("struct perf_event_attr *")
    struct.size = ffi.sizeof("struct perf_event_attr")
    if not hasattr(type, "__index__"):
        raise TypeError("type must be an integer, a PERF_TYPE_… of lib; PerfEvent.software() and its kin take names")
    struct.type = unsigned(type, 32, "type")
    struct.config = unsigned(config, 64, "config")
    struct.disabled = 1
    if "sample_freq" in given and "sample_period" in given:
        raise TypeError("a perf event has a sample_period or a sample_freq")
    for name, value in given.items():
        if name in _OWN or not hasattr(struct, name):
            raise TypeError(f"struct perf_event_attr has no field {name!r} to set")
        set_member(struct, name, value, name)
    if "sample_freq" in given:
        struct.freq = 1
    return struct


def _number(prefix: str, name: str, names: tuple[str, ...]) -> int:
    wanted = string(name, "name").lower().replace("-", "_")
    # Of the letters beyond ASCII the sign of Kelvin becomes a "k".
    if wanted not in names or not name.isascii():
        raise ValueError(f"{name!r} is none of {', '.join(names)}")
    return int(getattr(lib, prefix + wanted.upper()))


def _most_samples() -> int:
    try:
        with open(_MOST_SAMPLES, encoding="ascii") as file:
            return int(file.read())
    except ValueError:
        return 1 << 64
    except OSError as error:
        refused(error)
        return 1 << 64


def _units(error: int) -> str | None:
    if error != errno.ENOENT:
        return None
    try:
        return f"{_PMUS} has {', '.join(sorted(os.listdir(_PMUS)))}"
    except OSError as trouble:
        refused(trouble)
        return f"{_PMUS} has nothing"


def _hint(error: int, attributes: Any, flags: int) -> str | None:
    if error == errno.ENOENT and flags & lib.PERF_FLAG_PID_CGROUP:
        return (
            "the processor does not count that; or perf does not know the group, as on Linux 7.3 until a controller is "
            "enabled in the cgroup.subtree_control of the group above it (echo +memory)"
        )
    if error in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return "this processor, or this virtual machine, does not count that: a software event such as cpu_clock may do"
    if error == errno.ESRCH:
        return "there is no such process"
    if error == errno.EBADF and flags & lib.PERF_FLAG_PID_CGROUP:
        return "that is no folder of a control group of version 2, or of perf_event's hierarchy of version 1"
    if error == errno.EACCES:
        return "/proc/sys/kernel/perf_event_paranoid says what may be counted without CAP_PERFMON"
    if error == errno.EINVAL and attributes.freq and attributes.sample_freq > (most := _most_samples()):
        return f"sample_freq is more than the {most} of {_MOST_SAMPLES}"
    if error == errno.EINVAL:
        return "an attribute or the CPU does not suit that event"
    return None
