"""What comes close to a name that the kernel, its BTF, or an ELF file does not have: for hints."""

from __future__ import annotations

import os

from ._ffi import ffi, lib
from ._refusals import MOMENTARY, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from mmap import mmap

__all__ = [
    "close_tracepoints",
    "like",
    "missing_btf_target",
    "missing_function",
    "missing_in_btf",
    "missing_raw_tracepoint",
    "missing_section",
    "missing_usdt",
    "tracepoints_called",
]

_FEW = 2000
"""More names than that take seconds to compare."""

_LONG = 1000
"""Names longer than that nobody has meant or wants to read; a malformed file has them of megabytes."""

_TRACED = "available_filter_functions"


def like(name: str, names: Iterable[str]) -> str:
    """Say which names come close, as the end of a sentence."""
    import difflib

    wanted = name.strip("_").lower()
    letters = sorted(wanted)
    near: list[str] = []
    rest: list[str] = []
    transposed: list[str] = []
    for each in names:
        if len(each) > _LONG:
            continue
        low = each.lower()
        (near if wanted and wanted in low else rest).append(each)
        bare = low.strip("_")
        if len(bare) == len(letters) and sorted(bare) == letters:
            transposed.append(each)
    begins = wanted[:3]
    near = sorted(near, key=len)[:_FEW]
    holding = list(dict.fromkeys(near[:3]))
    near += [each for each in rest if begins and begins in each.lower()][:_FEW]
    # These need not begin alike.
    near += transposed[:_FEW]
    close = difflib.get_close_matches(name, dict.fromkeys(near), n=3, cutoff=0.6) or holding
    return f"; close names: {', '.join(map(repr, close))}" if close else ""


def _kernel_functions() -> list[str]:
    """Give the names of the kernel's functions, as far as this process may see them."""
    try:
        with open("/proc/kallsyms", encoding="utf-8", errors="replace") as file:
            fields = (line.split() for line in file)
            return [field[2] for field in fields if len(field) > 2 and field[1] in "tTwW"]
    except OSError as error:
        refused(error)
        return []


def missing_function(name: str) -> str | None:
    """Say that the kernel has no function of that name, or that this one cannot be probed; ``None``: it seems fine."""
    functions = _kernel_functions()
    if not functions:
        return None
    if name in functions:
        return f"the kernel has {name!r}, but lets nobody probe it there: see /sys/kernel/tracing/{_TRACED}"
    return f"this kernel has no function {name!r} (it may have been inlined){like(name, functions)}"


def missing_in_btf(name: str, prefix: str = "") -> str | None:
    """Say what the kernel's BTF has instead of a function (or of what begins with `prefix`) of that name."""
    from .btf import Btf
    from .enums import BtfKind

    kind = BtfKind.TYPEDEF if prefix == "btf_trace_" else BtfKind.FUNC
    what = {"btf_trace_": "tracepoint", "bpf_lsm_": "LSM hook", "bpf_iter_": "iterator"}.get(prefix, "function")
    try:
        names = [
            each.name.removeprefix(prefix)
            for each in Btf.kernel()
            if each.kind is kind and each.name.startswith(prefix)
        ]
    except OSError as error:
        if refused(error) in MOMENTARY:
            return None
        return "the kernel gives no BTF (CONFIG_DEBUG_INFO_BTF, /sys/kernel/btf/vmlinux), which this program needs"
    reason = " (it may have been inlined, or be a module's)" if what == "function" else ""
    return f"the kernel's BTF has no {what} {name!r}{reason}{like(name, names)}"


_PREFIXES = {
    "tp_btf": "btf_trace_",
    "lsm": "bpf_lsm_",
    "lsm.s": "bpf_lsm_",
    "lsm_cgroup": "bpf_lsm_",
    "iter": "bpf_iter_",
    "iter.s": "bpf_iter_",
}
"""What libbpf puts before the name in these sections (libbpf.c, btf_get_kernel_prefix_kind())."""

_NOT_FOUND = "failed to find kernel BTF type ID of '"


def missing_btf_target(messages: Iterable[str], sections: dict[str, str]) -> str | None:
    """Say what is wrong with the target that libbpf did not find for a program; sections by the program's name."""
    for text in messages:
        head, found, rest = text.partition(_NOT_FOUND)
        if found and head.startswith("prog '"):
            section = sections.get(head[len("prog '") :].partition("'")[0], "")
            return missing_in_btf(rest.partition("'")[0], _PREFIXES.get(section.partition("/")[0], ""))
    return None


def missing_section(name: str) -> str:
    """Say that a section's name names no type of program, and which that do come close."""
    from . import _log
    from .enums import ProgType

    _log.listen(debug=True)
    types = ffi.new("enum bpf_prog_type *"), ffi.new("enum bpf_attach_type *")
    if lib.libbpf_prog_type_by_name(os.fsencode(name), *types) == 0:
        return f"Program.type has been set to UNSPEC, though SEC({name!r}) names {ProgType(types[0][0]).name}"
    said = " ".join(text for _, text in _log.take())
    # What it knows it says to itself: "supported section(type) names are: socket sk_reuseport/migrate kprobe+ …".
    known = [each.rstrip("+/") for each in said.partition("names are:")[2].split()]
    close = _close_sections(name, known)
    like = f"; close names: {', '.join(map(repr, close))}" if close else ""
    return f"SEC({name!r}) names no type of program: correct it, or set Program.type before load{like}"


def _close_sections(name: str, known: Iterable[str]) -> list[str]:
    """Give the sections that come closest: those with a slash to the whole name, the others to what is before it."""
    import difflib

    whole = name.lower()
    kind = whole.partition("/")[0]
    alike = [(difflib.SequenceMatcher(None, each, whole if "/" in each else kind).ratio(), each) for each in known]
    # Of equal ones the first that libbpf names.
    best = sorted((each for each in alike if each[0] >= 0.6), key=lambda each: -each[0])
    return list(dict.fromkeys(each for _, each in best))[:3]


def missing_raw_tracepoint(name: str) -> str | None:
    """Say which tracepoints come close."""
    return missing_in_btf(name, "btf_trace_")


def tracepoints_called(folder: str, name: str) -> list[str]:
    """Give the tracepoints of that name, ``category/name``, of whatever category; `folder` is that of tracefs."""
    events = os.path.join(folder, "events")
    try:
        categories = sorted(os.listdir(events))
    except OSError as error:
        refused(error)
        return []
    return [f"{each}/{name}" for each in categories if name and os.path.isfile(os.path.join(events, each, name, "id"))]


def close_tracepoints(folder: str, name: str) -> str:
    """Say which tracepoints come close to ``category/name``, as the end of a sentence."""
    import difflib

    category, _, own = name.partition("/")
    try:
        # Beside the folders of tracepoints a category's has files, which are none.
        with os.scandir(os.path.join(folder, "events", category)) as found:
            names = [f"{category}/{each.name}" for each in found if each.is_dir()]
    except OSError as error:
        refused(error)
        names = []
    # Of the same name in another category first.
    close = (tracepoints_called(folder, own) + difflib.get_close_matches(name, names, n=3))[:3]
    return f"; close names: {', '.join(map(repr, close))}" if close else ""


def missing_usdt(data: bytes | mmap, provider: str, name: str, where: str | os.PathLike[str]) -> str:
    """Say which USDT probes an ELF file has."""
    from ._elf import usdts

    found = sorted({f"{each}:{other}" for each, other in usdts(data)})
    if not found:
        return f"{os.fspath(where)!r} has no USDT probes"
    close = like(f"{provider}:{name}", found) or f"; it has: {', '.join(map(repr, found[:10]))}"
    return f"{os.fspath(where)!r} has no USDT probe '{provider}:{name}'{close}"
