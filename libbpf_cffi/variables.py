"""Global variables of an object, by name: ``.data``, ``.bss``, ``.rodata``, sections of one's own, ``.kconfig``."""

from __future__ import annotations

from _collections_abc import Mapping

from . import _elf
from ._arguments import items, string
from ._codec import part, steps
from ._codec_scalar import FloatCodec, IntCodec
from ._codec_union import BitFieldCodec
from ._ffi import ffi, lib, text
from ._handle import ObjectHandle
from ._named import missing_name
from ._sections import ARENA, KCONFIG, Section
from .enums import BtfKind
from .errors import ClosedError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    from ._btf_type import BtfType
    from ._codec import Codec
    from ._libbpf import bpf_object
    from .btf import Btf

    class _Base(Mapping[str, Any]):
        """`Mapping` has no subscript at run time without importing `typing`."""
else:
    _Base = Mapping

__all__ = ["Variable", "Variables", "c_name", "is_format"]

OPEN = ObjectHandle.OPEN

_FORMATS = frozenset({"____fmt", "___fmt"})
"""What the macros of bpf_helpers.h, ``bpf_printk()`` and its like, call their formats, which are static variables."""


def is_format(name: str) -> bool:
    """Tell whether a variable is the format of a ``bpf_printk()``: ``function.____fmt``, ``function.____fmt.1``."""
    return not _FORMATS.isdisjoint(part.partition("#")[0] for part in name.split("."))


class Variable:
    """What one variable is: not its value, which `Variables` gives.

    `section` is its section, `offset` where it is in there and `size` how large it is, both in bytes; `linkage` is
    ``static``, ``global`` or ``extern``; `type` is its type, a `BtfType`. It cannot be changed.
    """

    __slots__ = ("linkage", "name", "offset", "section", "size", "type")

    if TYPE_CHECKING:
        linkage: str
        name: str
        offset: int
        section: str
        size: int
        type: BtfType

    def __init__(self, name: str, section: str, offset: int, size: int, linkage: str, type: BtfType) -> None:
        for field, value in zip(self.__slots__, (linkage, name, offset, section, size, type), strict=True):
            object.__setattr__(self, field, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be set: a Variable says what is there; a value is set by Variables")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} cannot be deleted")

    @property
    def is_constant(self) -> bool:
        """Whether load makes it a constant: it is in ``.rodata``, in ``.rodata.…``, or a setting of the kernel."""
        return self.section in (KCONFIG, ".rodata") or self.section.startswith(".rodata.")

    def __repr__(self) -> str:
        try:
            kind = c_name(self.type)
        except ClosedError:
            kind = str(self.type)
        return f"<Variable {self.name!r} ({kind}) in {self.section} at {self.offset}, {self.size} bytes>"


class Variables(_Base):
    """The global variables of an object by name; setting one writes it.

    ::

        obj.variables["target_pid"] = 4711          # before load: the initial value, also of a constant
        obj.load()
        obj.variables["hits"]                       # after load: the value as it is now
        obj.variables["config.limits[2]"] = 7       # a part

    Values are as their types have it, see `BtfType.decode`. A constant after load, and a kernel's setting
    (``__kconfig``) at any time, cannot be set: `StateError`. What a program writes meanwhile may be seen half done if
    it is larger than 8 bytes.

    As a mapping it holds what has a value: a kernel's setting only from load on. What ``bpf_printk()`` makes of its
    format, ``function.____fmt``, is not listed either. Both are found by name all the same.

    A variable that is static in a function is called ``function.name``, as the compiler calls it. Of static variables
    of several files that are linked into one object and have the same name, ``name#1`` is the first.
    """

    __slots__ = ("_btf", "_data", "_fast", "_handle", "_layout", "_sections", "_where")

    def __init__(self, handle: ObjectHandle, btf: Btf | None, data: bytes) -> None:
        self._handle = handle
        self._btf = btf
        self._data = data
        self._where = handle.name
        self._layout: tuple[list[int], dict[str, Variable]] | None = None
        self._sections: dict[str, Section] = {}
        self._fast: dict[str, tuple[Any, Callable[[Any, int], Any] | None, int]] = {}
        """Variables that need no system call: the memory, what decodes them, and where they are in it.

        A plain number's is memory that holds nothing else, and decodes itself; it is written there, too.
        """

    # What there is

    def _table(self) -> dict[str, Variable]:
        """Give the variables, found anew when a section has been resized."""
        self._handle.check()
        sizes = [section.current_size() for section in self._sections.values()]
        if self._layout is not None:
            if self._layout[0] == sizes:
                return self._layout[1]
            # libbpf has changed the type of the section, and of its last variable, in place.
            assert self._btf is not None
            self._btf._age += 1
        found: list[Variable] = []
        self._sections = {}
        for section, kind in self._find_sections(self._handle.pointer):
            self._sections[section.name] = section
            found += _of_section(kind, section, self._data)
        self._layout = [section.size for section in self._sections.values()], _by_name(found)
        return self._layout[1]

    def _find_sections(self, obj: bpf_object) -> Iterator[tuple[Section, BtfType]]:
        btf = self._btf
        each = lib.bpf_object__next_map(obj, ffi.NULL)
        while each and btf is not None:
            name, size = "", 0
            if lib.bpf_map__is_internal(each):
                # Not by the id of the map's type: libbpf forgets it when a section is resized that ends in no array,
                # and a map that is reused has one of another BTF. Before a section's name may be the object's.
                name = text(lib.bpf_map__name(each))
                name = name if name.startswith(".") else f".{name.rpartition('.')[2]}"
                size = lib.bpf_map__value_size(each)
            elif lib.bpf_map__type(each) == lib.BPF_MAP_TYPE_ARENA:
                length = ffi.new("size_t *")
                name = ARENA if lib.bpf_map__initial_value(each, length) else ""
                size = length[0]
            kind = btf.find(name, BtfKind.DATASEC) if name else None
            if kind is not None:
                yield Section(self._handle, name, each, size), kind
            each = lib.bpf_object__next_map(obj, each)

    def _listed(self) -> list[str]:
        """Give the names of those that have a value now, without the formats of ``bpf_printk()``."""
        early = self._handle.phase == OPEN
        return [
            name
            for name, variable in self._table().items()
            if not (early and variable.section == KCONFIG) and not is_format(name)
        ]

    def __iter__(self) -> Iterator[str]:
        with self._handle.lock:
            return iter(self._listed())

    def __len__(self) -> int:
        with self._handle.lock:
            return len(self._listed())

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a variable, or part of one."""
        if not isinstance(name, str):
            return False
        try:
            with self._handle.lock:
                self._find(name)
        except (KeyError, IndexError):
            return False
        return True

    def describe(self, name: str) -> Variable:
        """Say what a variable is, or a part of one; `KeyError`, with close names, if there is none."""
        with self._handle.lock:
            variable, offset, codec, path = self._find(name)
            if not path:
                return variable
            kind = _part_type(variable.type, path)
            return Variable(name, variable.section, offset, codec.size, variable.linkage, kind)

    # Values

    def __getitem__(self, name: str) -> Any:
        try:
            memory, unpack, offset = self._fast[name]
        except (KeyError, TypeError):
            pass
        else:
            handle = self._handle
            with handle.lock:
                # Not by a property, which would take a fifth of all this.
                if handle._made:
                    return memory[0] if unpack is None else unpack(memory, offset)
        return self._read(name)

    def _read(self, name: str) -> Any:
        with self._handle.lock:
            variable, offset, codec, _ = self._find(name)
            section = self._sections[variable.section]
            action = f"read variable {name!r} of {self._where}"
            if variable.section == KCONFIG and self._handle.phase == OPEN:
                raise StateError(f"cannot {action}: load looks the kernel's settings up")
            # A flexible array at the end of a variable is as long as its initial value was.
            size = variable.size if codec.flexible and offset == variable.offset else codec.size
            value = codec.decode(section.read(offset, size, action))
            self._remember(name, section, offset, codec)
            return value

    def _remember(self, name: str, section: Section, offset: int, codec: Codec) -> None:
        """Go the quick way from now on, if there is one."""
        view = None if codec.flexible else section.view()
        if view is not None:
            self._fast[name] = _access(view, offset, codec)

    def __setitem__(self, name: str, value: Any) -> None:
        try:
            memory, unpack, _ = self._fast[name]
        except (KeyError, TypeError):
            pass
        else:
            if unpack is None and type(value) is int:
                handle = self._handle
                with handle.lock:
                    if handle._made:
                        try:
                            memory[0] = value
                        except (TypeError, ValueError):
                            pass  # a constant, or too large a number: that is told below
                        else:
                            return
        self.update({string(name, "name"): value})

    def update(self, values: Mapping[str, Any] | None = None, /, **others: Any) -> None:
        """Set several variables; if one of the values is wrong, none is set."""
        given = {**dict(items({} if values is None else values, "values")), **others}
        with self._handle.lock:
            writes = []
            for name, value in given.items():
                variable, offset, codec, _ = self._find(name)
                action = f"set variable {name!r} of {self._where}"
                self._require_writable(variable, action)
                try:
                    buffer = bytearray(codec.size)
                    codec.put(buffer, 0, value, ())
                except (TypeError, ValueError) as wrong:
                    raise type(wrong)(f"variable {name!r}: {wrong}") from None
                writes.append((name, self._sections[variable.section], offset, codec, value, buffer, action))
            for name, section, offset, codec, value, buffer, action in writes:
                if isinstance(codec, BitFieldCodec):
                    # The other bits stay as they are.
                    buffer[:] = section.read(offset, codec.size, action)
                    codec.put(buffer, 0, value, ())
                section.write(offset, bytes(buffer), action)
                self._remember(name, section, offset, codec)

    def _require_writable(self, variable: Variable, action: str) -> None:
        if variable.section == KCONFIG:
            raise StateError(f"cannot {action}: it is a setting of the kernel; Object.open(kconfig=) overrides it")
        phase = self._handle.phase
        if variable.is_constant and phase not in (OPEN, ObjectHandle.FAILED):
            raise StateError(f"cannot {action}: it is a constant, and {self._where} is {phase}; set it before load")

    def _find(self, name: str) -> tuple[Variable, int, Codec, str]:
        """Find a variable or a part of one: the variable, the offset in its section, the codec, the part's path."""
        if not isinstance(name, str):
            raise TypeError(f"a variable's name must be str, not {type(name).__name__}")
        table = self._table()
        variable, rest = table.get(name), ""
        end = len(name)
        while variable is None:
            end = max(name.rfind(".", 0, end), name.rfind("[", 0, end))
            if end <= 0:
                raise missing_name(name, self._listed(), "variable", self._where)
            variable, rest = table.get(name[:end]), name[end:]
        offset, codec = part(variable.type.codec(), rest, variable.name)
        return variable, variable.offset + offset, codec, rest

    def __repr__(self) -> str:
        if self._handle.closed:
            return f"<variables of {self._where} (closed)>"
        return f"<variables of {self._where}: {', '.join(self) or 'none'}>"


def _access(view: memoryview, offset: int, codec: Codec) -> tuple[Any, Callable[[Any, int], Any] | None, int]:
    if type(codec) in (IntCodec, FloatCodec) and codec.codes != "e":
        # A loaded object has the byte order of the machine. Python cannot view a half-precision number.
        return view[offset : offset + codec.size].cast(codec.codes), None, 0  # type: ignore[call-overload]
    return view, codec.unpack, offset


def _part_type(kind: BtfType, path: str) -> BtfType:
    """Give the type of a part that there is."""
    for step in steps(path, ""):
        inner = kind.resolve()
        kind = inner.type if isinstance(step, int) else _member_type(inner, step)
    return kind


def _member_type(kind: BtfType, name: str) -> BtfType:
    for member in kind.members:
        if member.name == name:
            return member.type
        inner = member.type.resolve()
        if not member.name and inner.kind in (BtfKind.STRUCT, BtfKind.UNION):
            try:
                return _member_type(inner, name)
            except KeyError:
                pass
    raise KeyError(name)


def _of_section(kind: BtfType, section: Section, data: bytes) -> Iterator[Variable]:
    symbols: list[tuple[str, int, int]] | None = None
    taken: set[int] = set()
    for entry in kind.variables:
        variable, offset = entry.type, entry.offset
        size = max(entry.size, variable.size or 0)
        if variable.linkage == "static":
            # Where a static variable is, libbpf does not look up, and not every compiler has written it into BTF.
            symbols = _elf.symbols(data, kind.name) if symbols is None else symbols
            offset = _static_offset(symbols, variable.name, offset, entry.size, taken)
            taken.add(offset)
        if offset >= 0 and offset + size <= section.size:
            # libbpf makes the kernel's settings global ones.
            linkage = "extern" if kind.name == KCONFIG else variable.linkage
            yield Variable(variable.name, kind.name, offset, size, linkage, variable.type)


def _static_offset(symbols: list[tuple[str, int, int]], name: str, offset: int, size: int, taken: set[int]) -> int:
    """Find a static variable: where BTF says, if a symbol says so too, else where the first free symbol is, or -1."""
    named = [(at, length) for symbol, at, length in symbols if _means(symbol, name) and at not in taken]
    # One in a section that was resized is longer than its symbol.
    places = [at for at, length in named if length == size] or [at for at, _ in named]
    return offset if offset in places else min(places, default=-1)


def _means(symbol: str, name: str) -> bool:
    """Tell whether a symbol is a variable's: GCC adds a number to the names of those that are static in functions."""
    return symbol == name or (symbol.startswith(f"{name}.") and symbol[len(name) + 1 :].isdecimal())


def _by_name(variables: list[Variable]) -> dict[str, Variable]:
    """Give each a name of its own: a number tells static variables of several files apart."""
    named: dict[str, list[Variable]] = {}
    for variable in variables:
        named.setdefault(variable.name, []).append(variable)
    table: dict[str, Variable] = {}
    for variable in variables:
        same = named[variable.name]
        if len(same) > 1 and variable.linkage == "static":
            statics = [each for each in same if each.linkage == "static"]
            object.__setattr__(variable, "name", f"{variable.name}#{statics.index(variable) + 1}")
        table.setdefault(variable.name, variable)
    return table


def c_name(type: BtfType) -> str:
    """Give the name of a type as C has it, without const and volatile."""
    size = ""
    for _ in range(64):
        kind = type.kind
        if kind == BtfKind.ARRAY:
            size += f"[{type.nelems}]"
        elif kind == BtfKind.PTR:
            return f"{c_name(type.type)} *{size}"
        elif kind not in _LOOKED_THROUGH:
            break
        type = type.type  # noqa: A001 - libbpf's own name
    keyword = {BtfKind.STRUCT: "struct", BtfKind.UNION: "union"}.get(type.kind, "")
    keyword = "enum" if type.kind in (BtfKind.ENUM, BtfKind.ENUM64) else keyword
    name = "function" if type.kind == BtfKind.FUNC_PROTO else "void" if type.kind == BtfKind.VOID else type.name
    return f"{keyword} {name or '{...}'}".strip() + size


_LOOKED_THROUGH = (BtfKind.CONST, BtfKind.VOLATILE, BtfKind.RESTRICT, BtfKind.TYPE_TAG, BtfKind.VAR)
