"""Global variables of an object, by name: ``.data``, ``.bss``, ``.rodata``, sections of one's own, ``.kconfig``."""

from __future__ import annotations

import os
from _collections_abc import Mapping

from . import _elf, _log
from ._check import check
from ._codec import part
from ._codec_union import BitFieldCodec
from ._ffi import ffi, lib
from ._handle import ObjectHandle
from ._named import missing_name
from .enums import BtfKind
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from typing_extensions import Buffer

    from ._btf_type import BtfType
    from ._codec import Codec
    from ._libbpf import CData, bpf_map, bpf_object
    from .btf import Btf

    class _Base(Mapping[str, Any]):
        """`Mapping` has no subscript at run time without importing `typing`."""
else:
    _Base = Mapping

__all__ = ["Variable", "Variables"]

OPEN = ObjectHandle.OPEN
CREATED = (ObjectHandle.PREPARED, ObjectHandle.LOADED)

KCONFIG = ".kconfig"
ARENA = ".addr_space.1"
"""The section of variables that live in the object's arena (``__arena`` globals; libbpf's ``ARENA_SEC``)."""


class Variable:
    """What one variable is: not its value, which `Variables` gives.

    `section` is its section, `offset` where it is in there and `size` how large it is, both in bytes; `linkage` is
    ``static``, ``global`` or ``extern``.
    """

    __slots__ = ("linkage", "name", "offset", "section", "size", "type")

    def __init__(self, name: str, section: str, offset: int, size: int, linkage: str, type: BtfType) -> None:
        self.name = name
        self.section = section
        self.offset = offset
        self.size = size
        self.linkage = linkage
        self.type = type
        """Its type, a `BtfType`."""

    @property
    def is_constant(self) -> bool:
        """Whether load makes it a constant: it is in ``.rodata``, in ``.rodata.…``, or a setting of the kernel."""
        return self.section in (KCONFIG, ".rodata") or self.section.startswith(".rodata.")

    def __repr__(self) -> str:
        return f"<Variable {self.name!r} in {self.section} at {self.offset}, {self.size} bytes>"


class _Section:
    """A data section: the map that holds it."""

    __slots__ = ("map", "name", "size")

    def __init__(self, name: str, pointer: bpf_map, size: int) -> None:
        self.name = name
        self.map = pointer
        self.size = size


class Variables(_Base):
    """The global variables of an object by name; setting one writes it.

    ::

        obj.variables["target_pid"] = 4711          # before load: the initial value, also of a constant
        obj.load()
        obj.variables["hits"]                       # after load: the value as it is now
        obj.variables["config.limits[2]"] = 7       # a part

    Values are as their types have it, see `BtfType.decode`. A constant, and a kernel's setting (``__kconfig``) at any
    time, cannot be set after load: `StateError`. What a program writes meanwhile may be seen half done if it is larger
    than 8 bytes. The names of static variables of functions have the function's before them, ``function.name``, where
    the name alone would be ambiguous.
    """

    __slots__ = ("_btf", "_data", "_fast", "_handle", "_layout", "_sections", "_where")

    def __init__(self, handle: ObjectHandle, btf: Btf | None, data: bytes) -> None:
        self._handle = handle
        self._btf = btf
        self._data = data
        self._where = handle.name
        self._layout: tuple[object, dict[str, Variable]] | None = None
        self._sections: dict[str, _Section] = {}
        self._fast: dict[str, tuple[Callable[[Any, int], Any], Buffer, int]] = {}
        """How to read a variable of a loaded object whose section is in this process's memory."""

    # What there is

    def _table(self) -> dict[str, Variable]:
        """Give the variables, found anew when a section has been resized."""
        pointer = self._handle.pointer
        state = [(name, lib.bpf_map__value_size(each.map)) for name, each in self._sections.items()]
        if self._layout is not None and self._layout[0] == state:
            return self._layout[1]
        if self._btf is not None and self._layout is not None:
            # A section was resized: libbpf has changed its type in place.
            self._btf._age += 1
        self._sections = {}
        found: dict[str, Variable] = {}
        for section, kind in self._find_sections(pointer):
            self._sections[kind.name] = section
            for name, variable in self._of_section(kind, section):
                # Of two that are called the same, the second one has its section in front.
                found[name if name not in found else f"{kind.name}:{name}"] = variable
        state = [(name, lib.bpf_map__value_size(each.map)) for name, each in self._sections.items()]
        self._layout = state, found
        return found

    def _find_sections(self, obj: bpf_object) -> Iterator[tuple[_Section, BtfType]]:
        btf = self._btf
        each = lib.bpf_object__next_map(obj, ffi.NULL)
        while each and btf is not None:
            if lib.bpf_map__is_internal(each):
                # libbpf finds the section's type by the section's name.
                kind = btf[lib.bpf_map__btf_value_type_id(each)]
                if kind.kind == lib.BTF_KIND_DATASEC:
                    yield _Section(kind.name, each, lib.bpf_map__value_size(each)), kind
            elif lib.bpf_map__type(each) == lib.BPF_MAP_TYPE_ARENA:
                size = ffi.new("size_t *")
                arena = btf.find(ARENA, BtfKind.DATASEC)
                if arena is not None and lib.bpf_map__initial_value(each, size):
                    yield _Section(ARENA, each, size[0]), arena
            each = lib.bpf_object__next_map(obj, each)

    def _of_section(self, type: BtfType, section: _Section) -> Iterator[tuple[str, Variable]]:
        symbols: list[tuple[str, int, int]] | None = None
        for entry in type.variables:
            variable = entry.type
            size = variable.size or entry.size
            places = [(variable.name, entry.offset)]
            if variable.linkage == "static":
                # Where a static variable is, neither the compiler nor libbpf writes into BTF.
                symbols = _elf.symbols(self._data, type.name) if symbols is None else symbols
                places = _static_places(symbols, variable.name, size)
            for name, offset in places:
                if offset + size <= section.size:
                    yield name, Variable(name, type.name, offset, size, variable.linkage, variable.type)

    def __iter__(self) -> Iterator[str]:
        with self._handle.lock:
            return iter(list(self._table()))

    def __len__(self) -> int:
        with self._handle.lock:
            return len(self._table())

    def __contains__(self, name: object) -> bool:
        try:
            self._find(str(name))
        except (KeyError, IndexError):
            return False
        return True

    def describe(self, name: str) -> Variable:
        """Say what a variable is; `KeyError`, with close names, if there is none."""
        with self._handle.lock:
            table = self._table()
            if name not in table:
                raise missing_name(name, list(table), "variable", self._where)
            return table[name]

    # Values

    def __getitem__(self, name: str) -> Any:
        fast = self._fast.get(name)
        if fast is not None:
            unpack, memory, offset = fast
            handle = self._handle
            with handle.lock:
                if not handle.closed:
                    return unpack(memory, offset)
        return self._read(name)

    def _read(self, name: str) -> Any:
        with self._handle.lock:
            variable, offset, codec = self._find(name)
            section = self._sections[variable.section]
            action = f"read variable {name!r} of {self._where}"
            if variable.section == KCONFIG and self._handle.phase == OPEN:
                raise StateError(f"cannot {action}: the kernel's settings are looked up by load")
            size = codec.size
            memory = self._memory(section)
            if memory is None:
                value = codec.decode(self._whole(section, action)[offset : offset + size])
            elif variable.section == ARENA or self._handle.phase not in CREATED:
                value = codec.decode(ffi.buffer(memory + offset, size)[:])
            else:
                view = ffi.buffer(memory, section.size)
                self._fast[name] = codec.unpack, view, offset
                value = codec.unpack(view, offset)
            return value

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def update(self, values: Mapping[str, Any] | None = None, /, **others: Any) -> None:
        """Set several variables; if one of the values is wrong, none is set."""
        given = {**(values or {}), **others}
        with self._handle.lock:
            writes = []
            for name, value in given.items():
                variable, offset, codec = self._find(name)
                action = f"set variable {name!r} of {self._where}"
                self._require_writable(variable, action)
                try:
                    data = self._encoded(codec, value)
                except (TypeError, ValueError) as wrong:
                    raise type(wrong)(f"variable {name!r}: {wrong}") from None
                writes.append((variable, offset, codec, value, data, action))
            for variable, offset, codec, value, data, action in writes:
                self._write(self._sections[variable.section], offset, codec, value, data, action)

    @staticmethod
    def _encoded(codec: Codec, value: Any) -> bytes:
        buffer = bytearray(codec.size)
        codec.put(buffer, 0, value, ())
        return bytes(buffer)

    def _require_writable(self, variable: Variable, action: str) -> None:
        if variable.section == KCONFIG:
            raise StateError(f"cannot {action}: it is a setting of the kernel; Object.open(kconfig=) overrides it")
        if self._handle.phase == ObjectHandle.FAILED:
            self._handle.require(action, OPEN, *CREATED)
        if variable.is_constant and self._handle.phase != OPEN:
            state = f"{self._where} is {self._handle.phase}"
            raise StateError(f"cannot {action}: it is a constant, and {state}; set it before load")

    def _write(self, section: _Section, offset: int, codec: Codec, value: Any, data: bytes, action: str) -> None:
        memory = self._memory(section)
        if memory is not None:
            if isinstance(codec, BitFieldCodec):
                buffer = bytearray(ffi.buffer(memory + offset, codec.size)[:])
                codec.put(buffer, 0, value, ())
                data = bytes(buffer)
            ffi.memmove(memory + offset, data, len(data))
            return
        # A section of static variables alone is no memory of ours: it is read and written whole.
        whole = bytearray(self._whole(section, action))
        if isinstance(codec, BitFieldCodec):
            codec.put(whole, offset, value, ())
        else:
            whole[offset : offset + len(data)] = data
        key = ffi.new("__u32 *", 0)
        _log.listen()
        check(lib.bpf_map__update_elem(section.map, key, 4, bytes(whole), len(whole), lib.BPF_ANY), action)

    def _whole(self, section: _Section, action: str) -> bytes:
        key, value = ffi.new("__u32 *", 0), ffi.new("char[]", section.size)
        _log.listen()
        check(lib.bpf_map__lookup_elem(section.map, key, 4, value, section.size, 0), action)
        return ffi.buffer(value, section.size)[:]

    def _memory(self, section: _Section) -> CData | None:
        """Give the section's memory in this process, or ``None`` if a loaded object's is only in the kernel."""
        size = ffi.new("size_t *")
        memory = lib.bpf_map__initial_value(section.map, size)
        if not memory:
            return None
        start: CData = ffi.cast("char *", memory)
        if section.name == ARENA and self._handle.phase in CREATED:
            # libbpf has moved the variables to the arena's last pages, and tells where the arena begins.
            page = os.sysconf("SC_PAGESIZE")
            rounded = -(-section.size // page) * page
            start += lib.bpf_map__max_entries(section.map) * page - rounded
        return start

    def _find(self, name: str) -> tuple[Variable, int, Codec]:
        """Find a variable or a part of one: the variable, the offset in its section, the codec."""
        if not isinstance(name, str):
            raise TypeError(f"a variable's name must be str, not {type(name).__name__}")
        table = self._table()
        variable, rest = table.get(name), ""
        end = len(name)
        while variable is None:
            end = max(name.rfind(".", 0, end), name.rfind("[", 0, end))
            if end <= 0:
                raise missing_name(name, list(table), "variable", self._where)
            variable, rest = table.get(name[:end]), name[end:]
        offset, codec = part(variable.type.codec(), rest, variable.name)
        return variable, variable.offset + offset, codec

    def __repr__(self) -> str:
        if self._handle.closed:
            return f"<variables of {self._where} (closed)>"
        return f"<variables of {self._where}: {', '.join(self) or 'none'}>"


def _static_places(symbols: list[tuple[str, int, int]], name: str, size: int) -> list[tuple[str, int]]:
    """Give the names and offsets of static variables: a file's own, or those of functions, by what the linker knows."""
    exact = [(symbol, offset) for symbol, offset, length in symbols if symbol == name and length == size]
    if exact:
        return exact[:1]
    inner = [(s, offset) for s, offset, length in symbols if s.rpartition(".")[2] == name and length == size]
    # What only one function has needs no other name.
    return [(name, inner[0][1])] if len(inner) == 1 else inner


