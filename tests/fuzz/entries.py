"""What untrusted bytes may be handed to: each entry point takes malformed ones, and raises nothing but what it may."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import libbpf_cffi as bpf
from libbpf_cffi import insns, probe, trace_pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Take = Callable[[bytes, int], None]

CAPABILITY_VERSION_3 = 0x20080522
"""``_LINUX_CAPABILITY_VERSION_3`` (linux/capability.h)."""

MANY = 6
"""Of how many types of an input all is asked, others each time."""

LARGE = 1 << 14
"""Bytes from which on a type is not formatted."""

SMALL = 1 << 24
"""Bytes of values of an object's maps: a section of gigabytes is none that is malformed, and takes its time."""


class Entry(NamedTuple):
    """An entry point: its share of the time, the kinds of good files it takes, and what makes that which takes them.

    That is called once, with the folder of good files; what it gives is called with an input and its number.
    """

    share: int
    seeds: tuple[str, ...]
    make: Callable[[Path], Take]


class ContainedError(Exception):
    """libbpf died in a child of ours; the process lives."""


@contextlib.contextmanager
def _allowed(*more: type[Exception]) -> Iterator[None]:
    """Suppress what may be raised by a look at something that is malformed; a wrong encoding never is."""
    try:
        yield
    except UnicodeError:
        raise
    except (bpf.Error, *more):
        pass


@contextlib.contextmanager
def _contained() -> Iterator[None]:
    """Tell what ended a child of ours, and so is a thing that the checks should have seen."""
    try:
        yield
    except bpf.LibbpfError as error:
        if any(words in str(error) for words in ("crashed libbpf", "crashes libbpf", "to no end", "did not survive")):
            raise ContainedError(str(error)) from None
        raise


class _File:
    """A file in memory, with a path."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("fuzz")
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"

    def write(self, data: bytes) -> None:
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, data, 0)


# Objects


def _looked_at(obj: bpf.Object) -> None:
    repr(obj)
    for program in obj.programs.values():
        repr(program)
        for name in ("insns", "type", "expected_attach_type", "autoload", "func_info", "line_info"):
            with _allowed():
                getattr(program, name)
        with _allowed():
            program.disassemble()
    for each in obj.maps.values():
        repr(each)
        for name in ("type", "key_size", "value_size", "max_entries", "key_type", "value_type"):
            with _allowed():
                getattr(each, name)
    # Of a layout that no value can have: members over one another.
    with _allowed(ValueError):
        dict(obj.variables)


def _open(data: bytes, number: int) -> None:
    with bpf.Object.open(data, relaxed_maps=number % 2 > 0) as obj:
        # The rest costs several times as much.
        if not number % 4:
            _looked_at(obj)


def _isolate(data: bytes, _: int) -> None:
    with _contained():
        bpf.Object.open(data, isolate=True).close()


def _kept_small(obj: bpf.Object) -> bool:
    """Let the maps take little memory, and stay where no pin outlives the process; tell whether they do."""
    for each in obj.maps.values():
        # An arena of more pages does not shrink.
        with _allowed(ValueError):
            each.max_entries = min(each.max_entries, 64)
        with _allowed():
            each.pin_path = None
    return sum(each.value_size for each in obj.maps.values()) < SMALL


def _advanced(verb: str) -> Take:
    def take(data: bytes, _: int) -> None:
        with bpf.Object.open(data) as obj:
            if _kept_small(obj):
                getattr(obj, verb)()
                _looked_at(obj)

    return take


def _gen_loader(data: bytes, number: int) -> None:
    with bpf.Object.open(data) as obj:
        if _kept_small(obj):
            obj.gen_loader(gen_hash=number % 2 > 0)


def _core(seeds: Path) -> Take:
    """Take the input for the kernel's types, which an object is fitted to."""
    relocated, file = (seeds / "objects" / "relocated").read_bytes(), _File()

    def take(data: bytes, _: int) -> None:
        file.write(data)
        with bpf.Object.open(relocated, btf_custom_path=file.path) as obj:
            obj.prepare()

    return take


def _kconfig(seeds: Path) -> Take:
    """Take the input for the kernel's settings; a loader is made, since libbpf reads them no sooner."""
    relocated = (seeds / "objects" / "relocated").read_bytes()

    def take(data: bytes, _: int) -> None:
        text = data.replace(b"\0", b"\n").decode("utf-8", "surrogateescape")
        with bpf.Object.open(relocated, kconfig=text) as obj:
            obj.gen_loader()

    return take


def _linker(seeds: Path) -> Take:
    """Link with a good object, before or after it, and open what is made."""
    good = (seeds / "objects" / "variables_linked").read_bytes()

    def take(data: bytes, number: int) -> None:
        with _contained():
            linked = bpf.link_objects(*((data, good), (good, data), (data,))[number % 3])
        with _allowed():
            bpf.Object.open(linked).close()

    return take


def _insns(data: bytes, _: int) -> None:
    for each in insns.decode(data[: len(data) // 8 * 8]):
        str(each)


# Types


def _used(btf: bpf.Btf, number: int) -> None:
    types = list(btf.own_types())
    first = number % max(len(types), 1)
    for each in (types[first:] + types[:first])[:MANY]:
        str(each)
        for name in ("size", "alignment", "members", "enumerators", "params", "variables", "linkage", "type", "nelems"):
            # Only some kinds have it.
            with _allowed(TypeError):
                getattr(each, name)
        with _allowed():
            each.resolve()
        with _allowed():
            btf.declare(each, "name")
        if (each.size or LARGE) >= LARGE:
            continue
        content = (bytes, b"\xff".__mul__, os.urandom)[number % 3](each.size or 0)
        with _allowed():
            btf.format(each, content, emit_zeroes=True, emit_strings=True)
        # What is said of a type (a tag) has that type's size, and no value.
        with _allowed(ValueError):
            each.decode(content)
    if not number % 4:
        with _allowed():
            btf.dump()


def _btf(data: bytes, number: int) -> None:
    with bpf.Btf.from_bytes(data) as btf:
        _used(btf, number)


def _btf_changes(data: bytes, _: int) -> None:
    """Deduplicate, add and split."""
    with bpf.Btf.from_bytes(data) as btf:
        with bpf.Btf.from_bytes(data) as twice:
            with _allowed():
                twice.add_btf(btf)
            with _allowed():
                twice.dedup().dump()
        with _allowed():
            btf.permute([0, *range(len(btf) - 1, 0, -1)]).close()
        with bpf.Btf.new(btf) as split:
            split.add_ptr(max(len(btf) - 1, 0))
            with _allowed():
                split.dump()
            with _allowed():
                split.distill_base()
        with _allowed():
            btf.endianness = "big" if btf.endianness == "little" else "little"
        with _allowed():
            bpf.Btf.from_bytes(btf.raw).close()


def _btf_split(seeds: Path) -> Take:
    """Take the input for what is split, or for the base: the one that it has, or what it says that it needs of one."""
    split, distilled, needed, all_types = (
        (seeds / "split" / name).read_bytes() for name in ("split", "distilled", "needed", "base")
    )
    base, small = bpf.Btf.from_bytes(all_types), bpf.Btf.from_bytes(needed)

    def use(btf: bpf.Btf, number: int) -> None:
        _used(btf, number)
        with _allowed():
            btf.dedup().close()
        with _allowed():
            for each in btf.distill_base():
                each.close()

    def fit(btf: bpf.Btf, on: bpf.Btf, number: int) -> None:
        with btf.relocate(on) as fitted:
            _used(fitted, number)

    def take(data: bytes, number: int) -> None:
        way = number % 5
        if way == 0:
            with bpf.Btf.from_bytes(data, base) as btf:
                use(btf, number)
        elif way == 1:
            with bpf.Btf.from_bytes(data, small) as btf:
                fit(btf, base, number)
        else:
            with bpf.Btf.from_bytes(data) as bad:
                if way == 2:
                    with bpf.Btf.from_bytes(split, bad) as btf:
                        use(btf, number)
                elif way == 3:
                    with bpf.Btf.from_bytes(distilled, bad) as btf:
                        fit(btf, base, number)
                else:
                    with bpf.Btf.from_bytes(distilled, small) as btf:
                        fit(btf, bad, number)

    return take


def _btf_ext(seeds: Path) -> Take:
    types = bpf.Btf.from_bytes((seeds / "btf" / "relocated").read_bytes())

    def take(data: bytes, _: int) -> None:
        ext = bpf.BtfExt.from_bytes(data, types)
        for name in ("func_info", "line_info"):
            # The types may be another object's.
            with _allowed():
                getattr(ext, name)
        ext.endianness = "big" if ext.endianness == "little" else "little"
        bpf.BtfExt.from_bytes(ext.raw, types)

    return take


def _btf_of_elf(seeds: Path) -> Take:
    base, file = bpf.Btf.from_bytes((seeds / "split" / "base").read_bytes()), _File()

    def take(data: bytes, number: int) -> None:
        file.write(data)
        with _allowed():
            bpf.BtfExt.from_file(file.path).line_info
        # Without what a module's file needs of it, the base is that of all types.
        with bpf.Btf.from_file(file.path, base if number % 2 else None) as btf:
            _used(btf, number)

    return take


def _vmlinux_h(seeds: Path) -> Take:
    os.environ["XDG_CACHE_HOME"] = str(seeds)
    file = _File()

    def take(data: bytes, _: int) -> None:
        file.write(data)
        with _contained():
            bpf.vmlinux_h(file.path)

    return take


# Programs, libraries, texts


def _targets(seeds: Path) -> Take:
    """Look up functions and USDT probes to attach to."""
    obj, file = bpf.Object.open((seeds / "objects" / "attach_user").read_bytes()), _File()
    uprobe, usdt, multi = chosen = [obj.programs[name] for name in ("by_uprobe", "by_usdt", "by_uprobe_multi")]
    for program in obj.programs.values():
        program.autoload = program in chosen
    obj.load()
    path = file.path
    ways: tuple[Callable[[], Any], ...] = (
        lambda: uprobe.attach_uprobe(path, "lbc_add"),
        lambda: uprobe.attach_uprobe(path, "lbc_versioned@LBC_1"),
        lambda: usdt.attach_usdt(path, "lbc", "nothing"),
        lambda: multi.attach_uprobe_multi(path, "*nothing*"),
        lambda: multi.attach_uprobe_multi(path, syms=["lbc_nothing", "lbc_sub"]),
    )
    # Links of many probes take long to close.
    seldom: tuple[Callable[[], Any], ...] = (
        lambda: usdt.attach_usdt(path, "lbc", "args"),
        lambda: multi.attach_uprobe_multi(path, "lbc_a*"),
    )
    # The kernel then refuses the probe at once, when all has been looked up; to attach takes much longer.
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")

    def take(data: bytes, number: int) -> None:
        file.write(data)
        (ways[number % len(ways)] if number % 50 else seldom[number // 50 % len(seldom)])().close()

    return take


def _probe_files(_: Path) -> Take:
    file = _File()

    def take(data: bytes, number: int) -> None:
        file.write(data)
        (probe.symbols if number % 2 else probe.usdt_probes)(file.path)

    return take


def _trace(data: bytes, _: int) -> None:
    for each in trace_pipe.parse_trace(data):
        str(each)


ENTRIES = {
    "open": Entry(28, ("objects",), lambda _: _open),
    "isolate": Entry(2, ("objects",), lambda _: _isolate),
    "prepare": Entry(5, ("objects",), lambda _: _advanced("prepare")),
    "load": Entry(3, ("objects",), lambda _: _advanced("load")),
    "gen_loader": Entry(4, ("objects",), lambda _: _gen_loader),
    "core": Entry(5, ("core",), _core),
    "kconfig": Entry(1, ("kconfig",), _kconfig),
    "linker": Entry(10, ("objects",), _linker),
    "insns": Entry(1, ("code",), lambda _: _insns),
    "btf": Entry(10, ("btf",), lambda _: _btf),
    "btf_changes": Entry(6, ("btf",), lambda _: _btf_changes),
    "btf_split": Entry(5, ("split",), _btf_split),
    "btf_ext": Entry(3, ("ext",), _btf_ext),
    "btf_of_elf": Entry(7, ("objects", "modules"), _btf_of_elf),
    "vmlinux_h": Entry(1, ("core",), _vmlinux_h),
    "targets": Entry(15, ("targets",), _targets),
    "probe_files": Entry(2, ("targets",), _probe_files),
    "trace": Entry(1, ("trace",), lambda _: _trace),
}

PLANTED = {
    "abort": Entry(1, ("objects",), lambda _: lambda data, _: os.abort() if data[4:5] != b"\2" else None),
    "endless": Entry(1, ("objects",), lambda _: lambda data, _: time.sleep(3600) if data[4:5] != b"\2" else None),
}
"""What the fuzzer must find, for the tests of it."""
