"""What a perf buffer is opened with: ``struct perf_event_attr``, and the CPUs."""

from __future__ import annotations

import errno

from ._arguments import items, iterable
from ._check import check, failure
from ._ffi import ffi, lib, set_member, unsigned
from ._refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["attributes", "places"]

CLOCK_MONOTONIC = 1
"""The clock of ``bpf_ktime_get_ns()``, which all CPUs share."""

ONLINE = "/sys/devices/system/cpu/online"


def attributes(
    wakeup_events: int | None, watermark: int | None, ordered: bool, raw: bool, attr: Mapping[str, int] | None
) -> Any:
    """Make the ``struct perf_event_attr`` of the buffers."""
    made: Any = ffi.new("struct perf_event_attr *")
    made.size = ffi.sizeof(made[0])
    made.type = lib.PERF_TYPE_SOFTWARE
    made.config = lib.PERF_COUNT_SW_BPF_OUTPUT
    made.sample_type = lib.PERF_SAMPLE_RAW
    made.sample_period = 1
    made.wakeup_events = 1
    if watermark is not None:
        if wakeup_events is not None:
            raise ValueError("watermark and wakeup_events are two ways to say when the reader is woken: give one")
        # For the kernel, 0 is half of the buffer.
        if not unsigned(watermark, 32, "watermark"):
            raise ValueError("watermark must be at least 1 byte, not 0")
        made.watermark = 1
        made.wakeup_watermark = watermark
    elif wakeup_events is not None:
        if not unsigned(wakeup_events, 32, "wakeup_events"):
            raise ValueError("wakeup_events must be at least 1, not 0: the reader would never be woken")
        made.wakeup_events = wakeup_events
    fields = {name for name, _ in ffi.typeof(made[0]).fields if name} | _unnamed(made)
    for name, value in items({} if attr is None else attr, "attr"):
        if name not in fields or name in ("size", "__reserved_1", "__reserved_2", "__reserved_3"):
            raise ValueError(f"struct perf_event_attr has no field {name!r} to set")
        set_member(made, name, value, f"attr[{name!r}]")
    if made.write_backward:
        raise ValueError("a buffer that is written backwards (write_backward) is overwritten, and cannot be read")
    if not raw and not made.sample_type & lib.PERF_SAMPLE_RAW:
        raise ValueError("sample_type must have PERF_SAMPLE_RAW, what programs send, unless the records are read raw")
    if ordered:
        made.sample_type |= lib.PERF_SAMPLE_TIME
        made.sample_id_all = 1
        made.use_clockid = 1
        made.clockid = CLOCK_MONOTONIC
    return made


def _unnamed(made: Any) -> set[str]:
    """Give the members of the unions that have no name."""
    unions = (field.type for name, field in ffi.typeof(made[0]).fields if not name)
    return {name for union in unions for name, _ in union.fields}


def places(
    name: str, max_entries: int, cpus: Iterable[int] | None, map_keys: Iterable[int] | None
) -> list[tuple[int, int]]:
    """Give the CPUs that are read, each with its place in the map."""
    action = f"read perf buffer {name!r}"
    online = _online(action)
    if cpus is None:
        if map_keys is not None:
            raise TypeError("map_keys belongs to cpus, whose places in the map they are")
        chosen = online
    else:
        chosen = [unsigned(cpu, 31, "a CPU") for cpu in iterable(cpus, "cpus")]
        if not chosen:
            raise ValueError("cpus names no CPU: there would be nothing to read")
    keys = chosen
    if map_keys is not None:
        keys = [unsigned(key, 31, "a place of the map") for key in iterable(map_keys, "map_keys")]
    if len(keys) != len(chosen):
        raise ValueError(f"there are {len(keys)} map_keys for {len(chosen)} cpus: each CPU has one")
    if len(set(keys)) != len(keys):
        raise ValueError(f"cpus or map_keys name a place of map {name!r} twice")
    possible = check(lib.libbpf_num_possible_cpus(), "count the possible CPUs")
    for cpu, key in zip(chosen, keys, strict=True):
        if cpu >= possible:
            raise ValueError(f"there is no CPU {cpu}: the machine can have {possible}, counted from 0")
        if cpu not in online:
            raise failure(errno.ENODEV, action, f"CPU {cpu} is offline")
        if key >= max_entries:
            raise ValueError(
                f"map {name!r} has {max_entries} places, but none at {key} for CPU {cpu}: what programs send there "
                "would be lost. Give it max_entries of the number of CPUs, or choose others with cpus="
            )
    return list(zip(chosen, keys, strict=True))


def _online(action: str) -> list[int]:
    """Give the CPUs that are online."""
    try:
        with open(ONLINE, encoding="utf-8") as file:
            text = file.read()
    except OSError as error:
        raise failure(refused(error), action, f"which CPUs are online is in {ONLINE}") from None
    found: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
