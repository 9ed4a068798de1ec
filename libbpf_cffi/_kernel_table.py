"""What the command of `kernel` lists beside the records: what the network and control groups have, names, lines."""

from __future__ import annotations

import errno
import os
from enum import Enum

from . import net
from ._check import absent, failure
from ._kernel_holders import holders, pins
from ._kernel_open import NAME_MAX
from ._net_links import program_name
from ._net_names import netfilter_names
from ._refusals import refused
from ._targets import interface_name
from .enums import LinkType
from .errors import LibbpfError
from .tracefs import find_cgroup2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .infos import LinkInfo

    Row = dict[str, Any]

__all__ = ["add_names", "cgroup_rows", "line", "names", "net_rows", "none", "wanted"]

GONE = (errno.ENOENT, errno.ENODEV)
"""What is said of an interface, or a control group, that has gone while all of them are listed."""


def net_rows(interfaces: Sequence[str], links: Iterable[LinkInfo]) -> list[Row]:
    """List what interfaces have; of none given, what all of them, their network namespace and netfilter have.

    The kernel does not say in which network namespace a link to netfilter is: those of all are listed.
    """
    if interfaces:
        return [{"interface": name, **each._asdict()} for name in interfaces for each in net.attached(name)]
    rows = []
    for ifindex, name in _interfaces():
        rows += [{"interface": name, **each._asdict()} for each in _attached(ifindex)]
    rows += [{"interface": None, **each._asdict()} for each in net.attached_netns()]
    for link in links:
        if link.type is LinkType.NETFILTER:
            family, hook = netfilter_names(link.details["pf"], link.details["hooknum"])
            what = f"netfilter/{family}/{hook}"
            priority = link.details["priority"]
            found = net.Attached(what, link.prog_id, program_name(link.prog_id), link.id, priority=priority)
            rows.append({"interface": None, **found._asdict()})
    return rows


def _attached(ifindex: int) -> list[net.Attached]:
    try:
        return net.attached(ifindex)
    except LibbpfError as error:
        if error.errno not in GONE:
            raise
        return []


def _interfaces() -> list[tuple[int, str]]:
    import socket

    try:
        return socket.if_nameindex()
    except OSError as error:
        raise failure(refused(error), "list the interfaces") from None


def cgroup_rows(paths: Sequence[str]) -> list[Row]:
    """List what control groups have; of none given, the tree of version 2."""
    rows: list[Row] = []
    for path in paths or [find_cgroup2(), *(path for _, path in _cgroups())]:
        try:
            rows += [{"cgroup": path, **each._asdict()} for each in net.attached_cgroup(path)]
        except LibbpfError as error:
            if paths or error.errno not in GONE:
                raise
    return rows


def _cgroups() -> Iterator[tuple[int, str]]:
    """Give number and path of every control group but the topmost."""
    folders = [find_cgroup2()]
    while folders:
        try:
            below = sorted((each for each in os.scandir(folders.pop()) if each.is_dir()), key=lambda each: each.name)
        except OSError as error:
            absent(error, "list the control groups")
            continue  # gone meanwhile
        for each in below:
            yield each.inode(), each.path
        folders += [each.path for each in reversed(below)]


# Names


def wanted(what: str, row: Row, number: int | None, pattern: str | None) -> bool:
    """Tell whether a row has an id, or a program's where it has none, and a name that a pattern of the shell fits.

    Of programs and maps the kernel keeps the first bytes of a longer name, and no more is looked for.
    """
    from fnmatch import fnmatchcase

    if number not in (None, row.get("id", row.get("prog_id"))):
        return False
    name = row.get("name", row.get("prog_name", os.path.basename(row.get("path", ""))))
    if pattern is None or fnmatchcase(name, pattern):
        return True
    return what not in ("btf", "pins", "perf") and os.fsencode(name) == os.fsencode(pattern)[:NAME_MAX]


_NOUNS = {"map": "map", "dump": "map", "link": "link", "btf": "BTF", "pins": "pin"}

_WHERE = {
    "perf": "to a tracepoint, raw tracepoint, kprobe or uprobe",
    "net": "to an interface or a network namespace",
    "cgroup": "to a control group",
}


def none(what: str, targets: Sequence[str], number: int | None, pattern: str | None, pin: str | None) -> str:
    """Say that there is nothing like what was asked for."""
    said = f"there is no {_NOUNS.get(what, 'program')}"
    if number is not None:
        said += f" with the id {number}"
    if pattern is not None:
        said += f" {'of a program ' if what == 'link' else ''}with a name like {pattern!r}"
    if pin is not None:
        said += f" pinned at {pin!r}"
    if what in _WHERE:
        said += f" attached {'to ' + ' or '.join(targets) if targets else _WHERE[what]}"
    return said


def names(value: Any) -> Any:
    """Give a row, or a part of it, with the names of enumerators in place of their numbers."""
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, dict):
        return {name: names(each) for name, each in value.items()}
    return value


def add_names(what: str, rows: list[Row]) -> None:
    """Add who holds each thing and where it is pinned, and the names of what links are attached to."""
    who = holders()
    paths: dict[tuple[str | None, int | None], list[str]] = {}
    for pin in pins() if what != "btf" else ():
        paths.setdefault((pin.kind, pin.id), []).append(pin.path)
    for row in rows:
        if who:
            row["pids"] = [{"pid": one.pid, "comm": one.comm} for one in who.get((what, row["id"]), ())]
        if what != "btf":
            row["pins"] = paths.get((what, row["id"]), [])
    if what == "link":
        _name_targets(rows)


def _name_targets(rows: list[Row]) -> None:
    """Add to the details of links the names of interfaces, control groups and hooks, as far as they can be found."""
    numbers = {row["details"]["ifindex"] for row in rows if row["details"].get("ifindex")}
    # The kernel does not say of which network namespace an interface is: the link is looked for on ours.
    interfaces = {}
    for ifindex in sorted(numbers):
        name = interface_name(ifindex)
        if name is not None:
            interfaces.update({each.link_id: name for each in _attached(ifindex) if each.link_id})
    groups = {}
    if any("cgroup_id" in row["details"] for row in rows):
        groups = _cgroup_paths()
    for row in rows:
        details = row["details"]
        if row["id"] in interfaces and "ifindex" in details:
            details["interface"] = interfaces[row["id"]]
        if details.get("cgroup_id") in groups:
            details["cgroup"] = groups[details["cgroup_id"]]
        if "hooknum" in details:
            details["family"], details["hook"] = netfilter_names(details["pf"], details["hooknum"])


def _cgroup_paths() -> dict[int, str]:
    try:
        top = find_cgroup2()
        return {os.stat(top).st_ino: top, **dict(_cgroups())}
    except OSError as error:
        absent(error, "list the control groups")
        return {}  # not mounted here


# Lines

_NAMED = {"ifindex": "interface", "cgroup_id": "cgroup", "pf": "family", "hooknum": "hook"}
"""The numbers that a name, where there is one, is shown in place of."""

_BARE = ("type", "name", "comm", "family", "hook", "prog_name")
"""What says itself what it is."""


def line(what: str, row: Row) -> str:
    """Give one line of the table: what there is of it, the name and what is zero or empty left out."""
    pids = ", ".join(f"{one['comm']} ({one['pid']})" for one in row.pop("pids", ()))
    pinned = ", ".join(row.pop("pins", ()))
    if what == "pins":
        return f"{row['path']}: {row['kind'] or 'may not be opened'} {row['id'] or ''}".rstrip()
    if what == "net":
        head = row.pop("interface") or "network namespace"
        if row["hook"].startswith("netfilter/"):
            head, _, row["hook"] = row["hook"].partition("/")
    elif what == "cgroup":
        head = row.pop("cgroup")
    else:
        head = str(row.pop("id")) if "id" in row else f"pid {row.pop('pid')} fd {row.pop('fd')}"
    details = dict(_flat(row.pop("details", {})))
    shown = []
    # One after the other: an event that a link is attached to has a type, too.
    for name, value in (*row.items(), *details.items()):
        if value in (0, "", None, (), False, "unspec") or _NAMED.get(name) in details:
            continue
        if name == "load_time":
            shown.append(f"loaded {_wall_clock(value)}")
            continue
        listed = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        shown.append(listed if name in _BARE and isinstance(value, str) else f"{name} {listed}")
    shown += [f"pinned at {pinned}"] * bool(pinned) + [f"held by {pids}"] * bool(pids)
    return f"{head}: " + "  ".join(shown)


def _flat(details: Row) -> Iterator[tuple[str, Any]]:
    """Give what the details of a link say, without what of iterators holds it together."""
    for name, value in details.items():
        if isinstance(value, dict):
            yield from value.items()
        else:
            yield name, value


def _wall_clock(since_boot: int) -> str:
    """Give the local time of a number of nanoseconds since boot."""
    import time

    seconds = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot / 1e9
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))
