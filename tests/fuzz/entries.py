"""What a file may be handed to: each function takes a malformed one, and raises nothing but what it may."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import libbpf_cffi as bpf
from libbpf_cffi import probe

if TYPE_CHECKING:
    from collections.abc import Callable

EXPECTED = (bpf.Error, TypeError, ValueError, LookupError)
"""What may be raised by a look at something that is malformed; everything else is a finding."""

CAPABILITY_VERSION_3 = 0x20080522
"""``_LINUX_CAPABILITY_VERSION_3`` (linux/capability.h)."""

MANY = 6
"""Of how many types of an input all is asked, others each time."""

LARGE = 1 << 14
"""Bytes from which on a type is not formatted."""


def _allowed(function: Callable[..., object], *arguments: object, **keywords: object) -> None:
    with contextlib.suppress(*EXPECTED):
        function(*arguments, **keywords)


def _looked_at(obj: bpf.Object) -> None:
    repr(obj)
    _allowed(lambda: (obj.name, obj.license))
    for program in obj.programs.values():
        _allowed(lambda each=program: (repr(each), each.name, each.section_name, each.insn_cnt, len(each.insns)))
        _allowed(lambda each=program: (each.type, each.expected_attach_type, each.autoload, each.flags))
        _allowed(lambda each=program: (each.func_info, each.line_info))
        _allowed(lambda each=program: each.disassemble())
    for each in obj.maps.values():
        _allowed(lambda each=each: (repr(each), each.type, each.key_size, each.value_size, each.max_entries))
        _allowed(lambda each=each: (each.key_type, each.value_type))
    _allowed(lambda: dict(obj.variables))


def open_object(data: bytes) -> None:
    """Open an object, and look at all that it says."""
    with bpf.Object.open(data) as obj:
        # The rest costs several times as much: one in four is looked at.
        if not zlib.crc32(data) % 4:
            _looked_at(obj)


def _kept_small(obj: bpf.Object) -> None:
    """Let the maps take little memory, and stay where no pin outlives the process."""
    for each in obj.maps.values():
        _allowed(lambda each=each: setattr(each, "max_entries", min(each.max_entries, 64)))
        _allowed(lambda each=each: setattr(each, "pin_path", None))


def prepare_object(data: bytes) -> None:
    """Open an object and let libbpf relocate it and create its maps."""
    with bpf.Object.open(data) as obj:
        _kept_small(obj)
        obj.prepare()
        _looked_at(obj)


def load_object(data: bytes) -> None:
    """Load an object into the kernel."""
    with bpf.Object.open(data) as obj:
        _kept_small(obj)
        obj.load()
        _looked_at(obj)


def generate_loader(data: bytes) -> None:
    """Make a loader program of an object."""
    with bpf.Object.open(data) as obj:
        obj.gen_loader()


def _used(btf: bpf.Btf) -> None:
    types = list(btf.own_types())
    first = zlib.crc32(btf.raw) % max(len(types), 1)
    for each in (types[first:] + types[:first])[:MANY]:
        str(each)
        for name in ("size", "alignment", "members", "enumerators", "params", "variables", "linkage", "type", "nelems"):
            _allowed(getattr, each, name)
        _allowed(each.resolve)
        _allowed(btf.declare, each, "name")
        _allowed(_formatted, btf, each)
        _allowed(lambda each=each: each.decode(bytes(each.size or 0)) if (each.size or 0) < LARGE else None)
    if not first % 4:
        _allowed(btf.dump)


def _formatted(btf: bpf.Btf, each: bpf.BtfType) -> None:
    if each.size is not None and each.size < LARGE:
        btf.format(each, b"\xff" * each.size, emit_zeroes=True, emit_strings=True)


def read_btf(data: bytes) -> None:
    """Parse raw BTF, and look at every type."""
    with bpf.Btf.from_bytes(data) as btf:
        _used(btf)


def change_btf(data: bytes) -> None:
    """Parse raw BTF, and deduplicate, add and split it."""
    with bpf.Btf.from_bytes(data) as btf:
        with bpf.Btf.from_bytes(data) as twice:
            _allowed(twice.add_btf, btf)
            _allowed(lambda: twice.dedup().dump())
        with bpf.Btf.new(btf) as split:
            split.add_ptr(max(len(btf) - 1, 0))
            _allowed(split.dump)
            _allowed(split.distill_base)
        _allowed(setattr, btf, "endianness", "big" if btf.endianness == "little" else "little")
        _allowed(lambda: bpf.Btf.from_bytes(btf.raw).close())


class OfFiles:
    """What takes the path of a file: one in memory, whose name changes with every input."""

    def __init__(self, name: str) -> None:
        self._path = f"/dev/shm/libbpf-cffi-fuzz-{os.getpid()}-{name}"

    def written(self, data: bytes) -> str:
        """Write a file, and give its path."""
        with open(self._path, "wb") as file:
            file.write(data)
        return self._path

    def close(self) -> None:
        """Remove the file."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class BtfOfElf(OfFiles):
    """BTF in an ELF file."""

    def __init__(self) -> None:
        super().__init__("btf")

    def __call__(self, data: bytes) -> None:
        path = self.written(data)
        _allowed(lambda: bpf.BtfExt.from_file(path).func_info)
        with bpf.Btf.from_file(path) as btf:
            _used(btf)


TURNS = (0, 1, 4, 5, 6) * 20 + (2, 3)
"""Which of the ways to attach, in turn: those whose links take long to close come up seldom."""


class Targets(OfFiles):
    """Programs and libraries whose functions and USDT probes are looked up."""

    def __init__(self, programs: bytes) -> None:
        super().__init__("target")
        self._object = bpf.Object.open(programs)
        names = ("by_uprobe", "by_usdt", "by_uprobe_multi")
        for name, program in self._object.programs.items():
            program.autoload = name in names
        self._object.load()
        self._uprobe, self._usdt, self._multi = (self._object.programs[name] for name in names)
        self._number = 0
        # The kernel then refuses the probe at once, when all has been looked up; to attach takes much longer.
        header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
        if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)):
            raise OSError(ctypes.get_errno(), "capset")

    def __call__(self, data: bytes) -> None:
        path = self.written(data)
        self._number += 1
        if not self._number % 8:
            _allowed(probe.symbols, path)
            _allowed(probe.usdt_probes, path)
        attach: tuple[Callable[[], Any], ...] = (
            lambda: self._uprobe.attach_uprobe(path, "lbc_add"),
            lambda: self._uprobe.attach_uprobe(path, "lbc_versioned@LBC_1"),
            lambda: self._usdt.attach_usdt(path, "lbc", "args"),
            lambda: self._multi.attach_uprobe_multi(path, "lbc_a*"),
            lambda: self._usdt.attach_usdt(path, "lbc", "nothing"),
            lambda: self._multi.attach_uprobe_multi(path, "*nothing*"),
            lambda: self._multi.attach_uprobe_multi(path, syms=["lbc_nothing", "lbc_sub"]),
        )
        # Links of many probes take long to close.
        which = self._number % len(TURNS)
        attach[TURNS[which]]().close()

    def close(self) -> None:
        """Remove the file and unload the programs."""
        super().close()
        self._object.close()


class Linked:
    """Objects that are linked with a good one, before or after it."""

    def __init__(self, good: bytes) -> None:
        self._good = good
        self._number = 0

    def __call__(self, data: bytes) -> None:
        self._number += 1
        try:
            bpf.link_objects(*((data, self._good) if self._number % 2 else (self._good, data)))
        except bpf.LibbpfError as error:
            # The child that libbpf's linker runs in takes it: contained, and a thing that the checks should have seen.
            if "crashed" in str(error) or "to no end" in str(error):
                raise ContainedError(str(error)) from None
            raise


class ContainedError(Exception):
    """libbpf died in a child of ours; the process lives."""
