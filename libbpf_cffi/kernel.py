"""Everything of BPF that the kernel holds: programs, maps, links and BTF, who holds them, and where they are pinned.

::

    from libbpf_cffi import kernel

    for each in kernel.programs():
        print(each.id, each.type.name, each.name)
    kernel.find_maps(name="events"), kernel.holders()["map", 7], kernel.pins()

and at the prompt ``python -m libbpf_cffi.kernel [prog|map|link|btf|pins|perf|net|cgroup|dump]``. What is listed are
records, which keep nothing alive: `Program.from_id`, `Map.from_id`, `Link.from_id` and `Btf.from_id` open one. What
vanishes while it is listed is left out. All but `holders` needs CAP_SYS_ADMIN.
"""

from __future__ import annotations

import errno
from typing import NamedTuple

from ._arguments import c_string, path_name, string
from ._check import failure
from ._command_io import complain, end_with, printable, write
from ._ffi import ffi, lib, text, unsigned
from ._kernel_holders import Holder, PerfEvent, Pin, holders, perf_events, pinned, pins
from ._kernel_listing import each_of, raw_info
from ._kernel_open import NAME_MAX, ids
from ._map_open import MAPS, fdinfo
from ._net_links import program_name
from ._pins import absolute_path, opening_hint
from ._program_open import PROGRAMS
from .errors import Error
from .infos import link_info, map_info, program_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from ._kernel_holders import Kind
    from .infos import LinkInfo, MapInfo, ProgramInfo

    Info = TypeVar("Info", bound=NamedTuple)

__all__ = [
    "BtfInfo",
    "Holder",
    "PerfEvent",
    "Pin",
    "btfs",
    "find_btfs",
    "find_links",
    "find_maps",
    "find_programs",
    "holders",
    "links",
    "main",
    "maps",
    "perf_events",
    "pins",
    "programs",
]


class BtfInfo(NamedTuple):
    """``struct bpf_btf_info``: `size` in bytes; `kernel_btf` tells that it is the kernel's or a module's, by `name`."""

    id: int
    name: str
    size: int
    kernel_btf: bool


# Listing


def _read_program(fd: int, action: str) -> ProgramInfo:
    return program_info(raw_info("bpf_prog_info", lib.bpf_prog_get_info_by_fd, fd, action))


def _read_map(fd: int, action: str) -> MapInfo:
    return map_info(raw_info("bpf_map_info", lib.bpf_map_get_info_by_fd, fd, action), fdinfo(fd))


def _read_link(fd: int, action: str) -> LinkInfo:
    return link_info(raw_info("bpf_link_info", lib.bpf_link_get_info_by_fd, fd, action))


def _read_btf(fd: int, action: str) -> BtfInfo:
    name = ffi.new("char[64]")

    def room(info: Any) -> None:
        info.name, info.name_len = int(ffi.cast("uintptr_t", name)), len(name)

    try:
        info = raw_info("bpf_btf_info", lib.bpf_btf_get_info_by_fd, fd, action, room)()
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        # An older kernel knows no names, and wants no room for one.
        info = raw_info("bpf_btf_info", lib.bpf_btf_get_info_by_fd, fd, action)()
    return BtfInfo(info.id, text(name), info.btf_size, bool(info.kernel_btf))


def programs() -> list[ProgramInfo]:
    """List the programs of the kernel, by id. *Wraps* ``bpf_prog_get_next_id()``. Linux 4.13."""
    return each_of(PROGRAMS.ids(), lib.bpf_prog_get_fd_by_id_opts, _read_program, "program")


def maps() -> list[MapInfo]:
    """List the maps of the kernel, by id. *Wraps* ``bpf_map_get_next_id()``. Linux 4.13."""
    return each_of(MAPS.ids(), lib.bpf_map_get_fd_by_id_opts, _read_map, "map")


def links() -> list[LinkInfo]:
    """List the links of the kernel, by id. *Wraps* ``bpf_link_get_next_id()``. Linux 5.8."""
    return each_of(ids(lib.bpf_link_get_next_id, "links"), lib.bpf_link_get_fd_by_id_opts, _read_link, "link")


def btfs() -> list[BtfInfo]:
    """List the BTF of the kernel, by id. *Wraps* ``bpf_btf_get_next_id()``. Linux 4.20; names since 5.11."""
    return each_of(ids(lib.bpf_btf_get_next_id, "BTF"), lib.bpf_btf_get_fd_by_id_opts, _read_btf, "BTF")


# Finding


def find_programs(
    *,
    id: int | None = None,
    name: str | None = None,
    tag: str | None = None,
    pin: str | os.PathLike[str] | None = None,
) -> list[ProgramInfo]:
    """List the programs that have all that is given: id, name, tag (hexadecimal), or are pinned at a path.

    Of a longer name the first 15 bytes count, which is what the kernel keeps.
    """
    wanted, tag = _wanted(name), None if tag is None else string(tag, "tag").lower()
    number = _number("prog", id, pin)
    if number is not None:
        found = each_of([number] if number else [], lib.bpf_prog_get_fd_by_id_opts, _read_program, "program")
    else:
        found = programs()
    return [each for each in found if _named(each.name, wanted) and tag in (None, each.tag)]


def find_maps(
    *, id: int | None = None, name: str | None = None, pin: str | os.PathLike[str] | None = None
) -> list[MapInfo]:
    """List the maps that have all that is given; as `find_programs` does."""
    wanted = _wanted(name)
    number = _number("map", id, pin)
    if number is not None:
        found = each_of([number] if number else [], lib.bpf_map_get_fd_by_id_opts, _read_map, "map")
    else:
        found = maps()
    return [each for each in found if _named(each.name, wanted)]


def find_links(
    *, id: int | None = None, prog_id: int | None = None, pin: str | os.PathLike[str] | None = None
) -> list[LinkInfo]:
    """List the links that have all that is given: id, the id of the program, or that are pinned at a path."""
    program = None if prog_id is None else unsigned(prog_id, 32, "prog_id")
    number = _number("link", id, pin)
    if number is not None:
        found = each_of([number] if number else [], lib.bpf_link_get_fd_by_id_opts, _read_link, "link")
    else:
        found = links()
    return [each for each in found if program in (None, each.prog_id)]


def find_btfs(*, id: int | None = None, name: str | None = None) -> list[BtfInfo]:
    """List the BTF that has all that is given; ``vmlinux`` is the name of the kernel's own."""
    wanted = None if name is None else c_string(name, "name")
    number = _number("btf", id, None)
    if number is not None:
        found = each_of([number] if number else [], lib.bpf_btf_get_fd_by_id_opts, _read_btf, "BTF")
    else:
        found = btfs()
    return [each for each in found if _named(each.name, wanted)]


def _wanted(name: str | None) -> bytes | None:
    """Give as much of a name as the kernel keeps."""
    return None if name is None else c_string(name, "name")[:NAME_MAX]


def _named(name: str, wanted: bytes | None) -> bool:
    return wanted in (None, name.encode("utf-8", "surrogateescape"))


def _number(kind: Kind, id: int | None, pin: str | os.PathLike[str] | None) -> int | None:
    """Give the id that is wanted; 0, which nothing has, if the pin is of another; ``None`` for any."""
    number = None if id is None else unsigned(id, 32, "id")
    if pin is None:
        return number
    path = path_name(pin, "pin")
    found = pinned(path)
    if isinstance(found, int):
        action = f"open what is pinned at {path!r}"
        raise failure(found, action, opening_hint(found, absolute_path(path, action)))
    if found is None or found[0] != kind:
        return 0
    return found[1] if number in (None, found[1]) else 0


# The command


def main(arguments: Sequence[str] | None = None) -> int:
    """Show at the prompt what the kernel holds; give the exit status, which is 1 if nothing is as it was asked for."""
    from . import _kernel_table as table

    options = _options(arguments)
    try:
        found = [each for each in _rows(options) if table.wanted(options.what, each, options.id, options.name)]
        said, troubles = _shown(options, found)
    except Error as error:
        return _complain(str(error))
    chosen = any(each is not None for each in (options.id, options.name, options.pin))
    if not found:
        troubles.append(table.none(options.what, options.targets, options.id, options.name, options.pin))
    for each in troubles:
        _complain(each)
    return write(said) or int(bool(troubles) and chosen)


def _complain(why: str) -> int:
    return complain(f"libbpf_cffi.kernel: {why}")


_LISTING: dict[str, Callable[[], Sequence[Any]]] = {
    "prog": programs, "map": maps, "link": links, "btf": btfs, "pins": pins, "perf": perf_events,
}  # fmt: skip


def _options(arguments: Sequence[str] | None) -> Namespace:
    from argparse import ArgumentParser

    parser = ArgumentParser(prog="python -m libbpf_cffi.kernel", description="Show the BPF that the kernel holds.")
    add = parser.add_argument
    add("what", nargs="?", choices=(*_LISTING, "net", "cgroup", "dump"), default="prog", help="default: prog")
    add("targets", nargs="*", metavar="INTERFACE|PATH", help="of net and cgroup; default: all there are")
    add("--id", type=int, metavar="N", help="only what has this id; of net, cgroup and perf, of this program")
    add("--name", metavar="PATTERN", help="only what has such a name; of links, net and cgroup, the program's")
    add("--pin", metavar="PATH", help="of dump: the map that is pinned there")
    add("--top", type=int, metavar="N", help="of dump: only the N entries with the largest values, the largest first")
    add("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(arguments)
    what = options.what
    if options.targets and what not in ("net", "cgroup"):
        parser.error(f"{what} takes no {options.targets[0]!r}")
    if what == "dump" and options.id is options.name is options.pin:
        parser.error("dump takes the map's --id, --name or --pin")
    for option in ("pin", "top"):
        if getattr(options, option) is not None and what != "dump":
            parser.error(f"{what} takes no --{option}")
    if options.top is not None and options.top < 1:
        parser.error("--top is at least 1")
    if "" in (*options.targets, options.pin):
        parser.error("an interface or path is not empty")
    return options


def _rows(options: Namespace) -> list[dict[str, Any]]:
    from . import _kernel_table as table

    what = options.what
    if what == "net":
        return table.net_rows(options.targets, () if options.targets else links())
    if what == "cgroup":
        return table.cgroup_rows(options.targets)
    listed = find_maps(pin=options.pin) if what == "dump" else _LISTING[what]()
    found = [each._asdict() for each in listed]
    if what == "link":
        found = [{**each, "prog_name": program_name(each["prog_id"])} for each in found]
    return found


def _shown(options: Namespace, found: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """Give what is shown of the rows, and what is to say of those that cannot be."""
    from . import _kernel_table as table

    what = options.what
    if what == "dump":
        from ._kernel_dump import dump

        return dump(found, options.top, as_json=options.json)
    if what in ("prog", "map", "link", "btf"):
        table.add_names(what, found)
    rows = [table.names(each) for each in found]
    if options.json:
        import json

        return json.dumps(rows, indent=2) + "\n", []
    return "".join(printable(table.line(what, each)) + "\n" for each in rows), []


if __name__ == "__main__":
    end_with(main)
