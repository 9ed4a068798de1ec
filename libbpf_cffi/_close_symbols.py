"""What an ELF file has in place of a function that cannot be probed by its name: for hints."""

from __future__ import annotations

import os

from ._close_names import like
from ._elf import DYNSYM, IFUNC, SYMTAB, functions, is_ifunc, places, versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from mmap import mmap

    from ._elf_target import Target

__all__ = ["ambiguous_symbol", "missing_symbol"]


def missing_symbol(data: mmap, names: Sequence[str], target: Target) -> str | None:
    """Say what comes close to the first function that the file has not; ``None``: it seems to have all."""
    where = f"{os.fspath(target.named)!r}"
    there = functions(data)
    for name in names:
        function, at, version = name.partition("@")
        version = version.removeprefix("@")
        if version in versions(data, function, IFUNC) if at else function not in there and is_ifunc(data, function):
            return f"{where} has {name!r} as an IFUNC{_implementations(function, there, target)}"
        if function not in there:
            return f"{where} has no function {function!r}{like(function, there)}"
        if at:
            known = versions(data, function)
            others = f": {_listed(function, known)}" if known else ""
            return f"{where} has {function!r}, but perhaps not of the version {version!r}{others}"
    return None


def ambiguous_symbol(data: mmap, names: Sequence[str], target: Target) -> str | None:
    """Say which functions there are of the first name that is of several."""
    where = f"{os.fspath(target.named)!r}"
    linked, others = (places(data, set(names), kind) for kind in (DYNSYM, SYMTAB))
    there: dict[str, int] | None = None
    for name in names:
        if name in linked:
            continue
        known = versions(data, name)
        if len(known) > 1:
            return f"{where} has several versions: {_listed(name, known)}"
        there = functions(data) if there is None else there
        if name in there and name not in others:
            return f"{where} has several functions {name!r}: say which by its place in the file"
    return None


def _listed(function: str, known: list[str]) -> str:
    return ", ".join(f"{function}@{each}" for each in known)


def _implementations(name: str, there: dict[str, int], target: Target) -> str:
    """Say what is known of the functions that an IFUNC is resolved to."""
    said = ", which is resolved at run time to one of several functions"
    named = sorted(each for each in there if each.strip("_").startswith(f"{name}_"))
    if named:
        said += f", perhaps one of {', '.join(named[:10])}"
    offset = _resolved_here(name, target)
    if offset is None:
        return said
    way = f"attach_uprobe(func_offset=), bpf-run --uprobe {os.fspath(target.named)}:{offset:#x}"
    return f"{said}: in this process to the one at {offset:#x} in the file ({way})"


def _resolved_here(name: str, target: Target) -> int | None:
    """Give the place in the file of what a name stands for in this process, if it has mapped the file."""
    status = target.status
    try:
        # A carriage return in a name ends no line.
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            maps = [line.rstrip("\n").split(None, 5) for line in file]
        parts = [each for each in maps if len(each) == 6 and "x" in each[1] and each[4] == str(status.st_ino)]
        if not parts or not os.path.samestat(os.stat(parts[0][5]), status):
            return None
        import ctypes

        # Only what is there already: to load a file is to run it.
        library = ctypes.CDLL(parts[0][5], mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    except TimeoutError:
        raise
    except (OSError, AttributeError, ImportError):
        # No /proc, or what dlopen() or dlsym() says.
        return None
    for span, _, offset, *_ in parts:
        start, end = (int(each, 16) for each in span.split("-"))
        if start <= address < end:
            return address - start + int(offset, 16)
    return None
