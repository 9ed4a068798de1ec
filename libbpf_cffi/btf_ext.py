"""``.BTF.ext``: which function, and which line of the source, an instruction of a BPF object comes from."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from . import _elf, _log
from ._arguments import buffer
from ._check import check, failure, not_null
from ._ffi import ffi, lib, path_bytes, text
from ._files import read_file
from ._handle import Handle, uncopied
from .btf import Btf, BtfType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from typing_extensions import Self

    from ._libbpf import CData, btf_ext

__all__ = ["BtfExt", "BtfFuncInfo", "BtfLineInfo", "func_infos", "line_infos"]

_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")

_MAGIC, _MIN_HEADER = 0xEB9F, 24
_FUNC_RECORD, _LINE_RECORD = 8, 16
_FUNC_INFO_AT, _LINE_INFO_AT = 8, 16


class BtfFuncInfo(NamedTuple):
    """Where a function begins, and its type (of kind FUNC).

    `insn_off` counts bytes from the section's begin in a `BtfExt`, instructions from the program's in a `Program`.
    """

    insn_off: int
    type: BtfType


class BtfLineInfo(NamedTuple):
    """Which line of the source an instruction comes from, and its text; `insn_off` as in `BtfFuncInfo`."""

    insn_off: int
    file_name: str
    line: str
    line_num: int
    line_col: int


class BtfExt:
    """The section ``.BTF.ext`` of an object. Its names and types are in a `Btf`, which it keeps.

    It holds memory only, and goes by itself. *Wraps* ``struct btf_ext``.
    """

    __slots__ = ("__weakref__", "_btf", "_handle")
    __reduce_ex__ = uncopied

    _btf: Btf
    _handle: Handle[btf_ext]

    def __init__(self, *_: object, **__: object) -> None:
        raise TypeError("use BtfExt.from_file() or BtfExt.from_bytes()")

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview, btf: Btf) -> Self:
        """Read the content of a section ``.BTF.ext``, of either byte order. *Wraps* ``btf_ext__new()``.

        Raises `LibbpfError` (EINVAL) for what is malformed.
        """
        copied = buffer(data, "data")
        action = f"read .BTF.ext of {len(copied)} bytes"
        _check(copied, action)
        self = object.__new__(cls)
        self._btf = btf
        self._handle = handle = Handle(lib.btf_ext__free, name="the .BTF.ext")
        handle.close_with(self, quietly=True)
        _log.listen()
        memory = ffi.from_buffer(copied)
        not_null(handle.make(lib.btf_ext__new, memory, len(copied)), action, "it is malformed", handle.errno)
        return self

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the sections ``.BTF.ext`` and ``.BTF`` of an object file."""
        decoded = os.fsdecode(path_bytes(path))
        action = f"read the .BTF.ext of {decoded!r}"
        data = read_file(decoded, action)
        own, types = _elf.section(data, ".BTF.ext"), _elf.section(data, ".BTF")
        if own is None or types is None:
            raise failure(errno.ENODATA, action, hint="the file has no section .BTF.ext: compile it with -g")
        return cls.from_bytes(own, Btf.from_bytes(types))

    @property
    def btf(self) -> Btf:
        """Where its names and types are."""
        return self._btf

    @property
    def raw(self) -> bytes:
        """The section as bytes, in its byte order. *Wraps* ``btf_ext__raw_data()``."""
        with self._handle.lock:
            size = ffi.new("__u32 *")
            data = not_null(lib.btf_ext__raw_data(self._handle.pointer, size), "write .BTF.ext as bytes")
            return ffi.buffer(data, size[0])[:]

    @property
    def endianness(self) -> str:
        """The byte order: ``"little"`` or ``"big"``. Can be set: `raw` is in it.

        *Wraps* ``btf_ext__endianness()``, ``btf_ext__set_endianness()``.
        """
        with self._handle.lock:
            order = lib.btf_ext__endianness(self._handle.pointer)
        return "big" if order == lib.BTF_BIG_ENDIAN else "little"

    @endianness.setter
    def endianness(self, value: Literal["little", "big"]) -> None:
        if value not in _ORDERS:
            raise ValueError(f"endianness must be 'little' or 'big', not {value!r}")
        order = lib.BTF_BIG_ENDIAN if value == "big" else lib.BTF_LITTLE_ENDIAN
        with self._handle.lock:
            check(lib.btf_ext__set_endianness(self._handle.pointer, order), "set the byte order of .BTF.ext")

    @property
    def func_info(self) -> dict[str, tuple[BtfFuncInfo, ...]]:
        """The functions of each section of programs, by its name; `LibbpfError` (EINVAL) if a type is not in `btf`."""
        found: dict[str, tuple[BtfFuncInfo, ...]] = {}
        for section, words in _records(self.raw, _FUNC_INFO_AT, 2):
            found[self._string(section)] = found.get(self._string(section), ()) + _functions(self._btf, words)
        return found

    @property
    def line_info(self) -> dict[str, tuple[BtfLineInfo, ...]]:
        """The lines of each section of programs, by its name."""
        found: dict[str, tuple[BtfLineInfo, ...]] = {}
        for section, words in _records(self.raw, _LINE_INFO_AT, 4):
            every = tuple(
                BtfLineInfo(at, self._string(file), self._string(line), column >> 10, column & 0x3FF)
                for at, file, line, column in words
            )
            found[self._string(section)] = found.get(self._string(section), ()) + every
        return found

    def _string(self, offset: int) -> str:
        return _string(self._btf, offset)

    def __repr__(self) -> str:
        return f"<BtfExt of {self._btf._name}>"


def func_infos(btf: Btf, raw: CData, count: int) -> tuple[BtfFuncInfo, ...]:
    """Read an array of ``struct bpf_func_info``."""
    return _functions(btf, [(each.insn_off, each.type_id) for each in raw[0:count]])


def _functions(btf: Btf, infos: list[tuple[Any, ...]]) -> tuple[BtfFuncInfo, ...]:
    types = len(btf)
    for at, type_id in infos:
        if type_id >= types:
            hint = f"the function at {at} is of type {type_id}, and there are {types}"
            raise failure(errno.EINVAL, f"read the functions of {btf._name}", hint)
    return tuple(BtfFuncInfo(at, btf[type_id]) for at, type_id in infos)


def line_infos(btf: Btf, raw: CData, count: int) -> tuple[BtfLineInfo, ...]:
    """Read an array of ``struct bpf_line_info``."""
    return tuple(
        BtfLineInfo(
            each.insn_off,
            _string(btf, each.file_name_off),
            _string(btf, each.line_off),
            each.line_col >> 10,
            each.line_col & 0x3FF,
        )
        for each in raw[0:count]
    )


def _string(btf: Btf, offset: int) -> str:
    with btf._handle.lock:
        return text(lib.btf__str_by_offset(btf._pointer, offset))


def _order(data: bytes) -> Literal["little", "big"] | None:
    for order in _ORDERS:
        if int.from_bytes(data[:2], order) == _MAGIC:
            return order
    return None


def _word(data: bytes, at: int, order: Literal["little", "big"]) -> int:
    return int.from_bytes(data[at : at + 4], order)


def _check(data: bytes, action: str) -> None:
    """Raise `LibbpfError` (EINVAL) for counts and sizes that lead out of the data; libbpf loops over some for hours."""
    order = _order(data)
    fault = None
    if order is None:
        fault = "it does not begin as .BTF.ext does"
    elif len(data) < _MIN_HEADER or not _MIN_HEADER <= _word(data, 4, order) <= len(data) or _word(data, 4, order) % 4:
        fault = f"its header has {_word(data, 4, order)} bytes of {len(data)}"
    else:
        header = _word(data, 4, order)
        parts = [(_FUNC_INFO_AT, _FUNC_RECORD), (_LINE_INFO_AT, _LINE_RECORD), (24, 16)]
        for place, least in parts:
            if place + 8 > header:
                break
            fault = fault or _part_fault(data, order, header, place, least)
    why = ffi.new("char[]", 160)
    if not fault and lib.lbc_btf_ext_check(ffi.from_buffer(data), len(data), why, len(why)) < 0:
        fault = text(why)
    if fault:
        raise failure(errno.EINVAL, action, fault)


def _part_fault(data: bytes, order: Literal["little", "big"], header: int, place: int, least: int) -> str | None:
    """Say what is wrong with one of the kinds of records."""
    start, length = header + _word(data, place, order), _word(data, place + 4, order)
    end = start + length
    if not length:
        return None
    if start % 4 or end > len(data) or length < 4:
        return f"records lie at {start} to {end} of {len(data)} bytes"
    size = _word(data, start, order)
    if size < least or size % 4:
        return f"its records have {size} bytes"
    at = start + 4
    if at == end:
        return "it has records of no section"
    while at < end:
        count = _word(data, at + 4, order) if at + 8 <= end else 0
        if not count:
            return f"a section at {at} has no records"
        at += 8 + count * size
    return None if at == end else f"records end at {at}, not at {end}"


def _records(data: bytes, place: int, words: int) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Give the records of each section, as many words of each as are known, after the offset of its name."""
    order = _order(data)
    assert order is not None
    at, length = _word(data, 4, order) + _word(data, place, order), _word(data, place + 4, order)
    if not length:
        return
    end, size = at + length, _word(data, at, order)
    at += 4
    while at < end:
        section, count = _word(data, at, order), _word(data, at + 4, order)
        at += 8
        yield section, [
            tuple(_word(data, record + 4 * word, order) for word in range(words))
            for record in range(at, at + count * size, size)
        ]
        at += count * size
