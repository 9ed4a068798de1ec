"""What changes the types of a BTF: libbpf's ``btf__add_…()`` and their like."""

from __future__ import annotations

import errno
from contextlib import contextmanager, nullcontext

from . import _log
from ._arguments import integer, string
from ._btf_type import BtfType, Part
from ._check import check, not_null
from ._ffi import c_string, ffi, lib, text, unsigned
from .errors import StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    from typing_extensions import Self

    from ._libbpf import btf as btf_pointer
    from .btf import Btf

    Linkage = Literal["static", "global", "extern"]

__all__ = ["Building"]

_LINKAGES = {"static": 0, "global": 1, "extern": 2}


class Building(Part):
    """The part of `Btf` that builds.

    A type is given as a `BtfType` or by its id; the id may be one that comes later. What is added comes back as a
    `BtfType`; fields, values and parameters go to the type that was added last. The BTF of an object cannot be changed,
    nor one that others are based on: that raises `StateError`.
    """

    __slots__ = ()

    @contextmanager
    def _changing(self, action: str) -> Iterator[tuple[btf_pointer, str]]:
        """Lend the pointer for a change, after which what was read before is read again."""
        btf = self._btf
        # In the middle of another call a signal handler would pull away the types that it reads.
        btf._handle.refuse_reentry(action)
        with btf._handle.lock, self._changed(action) as pointer:
            yield pointer, action

    @contextmanager
    def _changed(self, action: str) -> Iterator[btf_pointer]:
        btf = self._btf
        pointer = btf._pointer
        if any(each._of_object for each in _chain(btf)):
            # To look for a string libbpf moves the base's memory too, into which the object points.
            raise StateError(f"cannot {action}: the object uses it; make another of its bytes (Btf.raw)")
        if btf._handle.children:
            raise StateError(f"cannot {action}: {btf._handle.children[0].name} is based on it")
        _log.listen()
        try:
            yield pointer
        finally:
            btf._age += 1

    def _ref(self, type: BtfType | int) -> int:
        """Give the id of a type, or the id that a type will have."""
        return self._btf._id_of(type) if isinstance(type, BtfType) else unsigned(type, 31, "type")

    def _add(self, what: str, function: Callable[..., int], *arguments: object) -> BtfType:
        btf = self._btf
        with self._changing(f"add {what} to {btf._name}") as (pointer, action):
            type_id = check(function(pointer, *arguments), action)
        return BtfType(btf, type_id)

    def _append(self, what: str, function: Callable[..., int], *arguments: object) -> None:
        with self._changing(f"add {what} to the last type of {self._btf._name}") as (pointer, action):
            last = lib.btf__type_by_id(pointer, lib.btf__type_cnt(pointer) - 1)
            if last and lib.btf_vlen(last) >= lib.BTF_MAX_VLEN:
                # libbpf would count from 0 again.
                raise ValueError(f"cannot {action}: it has {lib.BTF_MAX_VLEN} already, and BTF counts no further")
            check(function(pointer, *arguments), action)

    def add_int(self, name: str, size: int, encoding: int = 0) -> BtfType:
        """Add an integer of `size` bytes: 1, 2, 4, 8 or 16.

        `encoding` is 0 or one of ``lib.BTF_INT_SIGNED``, ``BTF_INT_CHAR``, ``BTF_INT_BOOL``. *Wraps*
        ``btf__add_int()``.
        """
        bytes_, flags = unsigned(size, 31, "size"), unsigned(encoding, 31, "encoding")
        return self._add(f"int {name!r}", lib.btf__add_int, c_string(name, "name"), bytes_, flags)

    def add_float(self, name: str, size: int) -> BtfType:
        """Add a floating-point type of `size` bytes: 2, 4, 8, 12 or 16. *Wraps* ``btf__add_float()``."""
        return self._add(f"float {name!r}", lib.btf__add_float, c_string(name, "name"), unsigned(size, 31, "size"))

    def add_ptr(self, type: BtfType | int) -> BtfType:
        """Add a pointer. *Wraps* ``btf__add_ptr()``."""
        return self._add("a pointer", lib.btf__add_ptr, self._ref(type))

    def add_array(self, index_type: BtfType | int, type: BtfType | int, nelems: int) -> BtfType:
        """Add an array of `nelems` elements. *Wraps* ``btf__add_array()``."""
        index, element = self._ref(index_type), self._ref(type)
        return self._add("an array", lib.btf__add_array, index, element, unsigned(nelems, 32, "nelems"))

    def add_struct(self, name: str, size: int) -> BtfType:
        """Add a struct of `size` bytes, without a name if that is empty. *Wraps* ``btf__add_struct()``."""
        return self._add(f"struct {name!r}", lib.btf__add_struct, c_string(name, "name"), unsigned(size, 32, "size"))

    def add_union(self, name: str, size: int) -> BtfType:
        """Add a union of `size` bytes, without a name if that is empty. *Wraps* ``btf__add_union()``."""
        return self._add(f"union {name!r}", lib.btf__add_union, c_string(name, "name"), unsigned(size, 32, "size"))

    def add_field(self, name: str, type: BtfType | int, bit_offset: int, bit_size: int = 0) -> None:
        """Add a field to the struct or union that was added last; `bit_size` is 0 if it is no bit field.

        *Wraps* ``btf__add_field()``.
        """
        offset, size = unsigned(bit_offset, 32, "bit_offset"), unsigned(bit_size, 32, "bit_size")
        self._append(f"field {name!r}", lib.btf__add_field, c_string(name, "name"), self._ref(type), offset, size)

    def add_enum(self, name: str, size: int = 4) -> BtfType:
        """Add an enumeration of `size` bytes; it is signed once a value is negative. *Wraps* ``btf__add_enum()``."""
        return self._add(f"enum {name!r}", lib.btf__add_enum, c_string(name, "name"), unsigned(size, 32, "size"))

    def add_enum_value(self, name: str, value: int) -> None:
        """Add a value of 32 bits to the enumeration that was added last. *Wraps* ``btf__add_enum_value()``."""
        number = _between(value, -(1 << 31), (1 << 32) - 1)
        self._append(f"value {name!r}", lib.btf__add_enum_value, c_string(name, "name"), number)

    def add_enum64(self, name: str, size: int = 8, *, is_signed: bool = False) -> BtfType:
        """Add an enumeration of 64-bit values. *Wraps* ``btf__add_enum64()``."""
        encoded = c_string(name, "name")
        return self._add(f"enum {name!r}", lib.btf__add_enum64, encoded, unsigned(size, 32, "size"), bool(is_signed))

    def add_enum64_value(self, name: str, value: int) -> None:
        """Add a value to the 64-bit enumeration that was added last. *Wraps* ``btf__add_enum64_value()``."""
        number = _between(value, -(1 << 63), (1 << 64) - 1) & ((1 << 64) - 1)
        self._append(f"value {name!r}", lib.btf__add_enum64_value, c_string(name, "name"), number)

    def add_fwd(self, name: str, keyword: Literal["struct", "union", "enum"] = "struct") -> BtfType:
        """Add a forward declaration. *Wraps* ``btf__add_fwd()``."""
        kinds = {"struct": lib.BTF_FWD_STRUCT, "union": lib.BTF_FWD_UNION, "enum": lib.BTF_FWD_ENUM}
        if string(keyword, "keyword") not in kinds:
            raise ValueError(f"keyword must be one of {', '.join(kinds)}, not {keyword!r}")
        return self._add(f"{keyword} {name!r}", lib.btf__add_fwd, c_string(name, "name"), kinds[keyword])

    def add_typedef(self, name: str, type: BtfType | int) -> BtfType:
        """Add a typedef. *Wraps* ``btf__add_typedef()``."""
        return self._add(f"typedef {name!r}", lib.btf__add_typedef, c_string(name, "name"), self._ref(type))

    def add_volatile(self, type: BtfType | int) -> BtfType:
        """Add a volatile type. *Wraps* ``btf__add_volatile()``."""
        return self._add("a volatile type", lib.btf__add_volatile, self._ref(type))

    def add_const(self, type: BtfType | int) -> BtfType:
        """Add a const type. *Wraps* ``btf__add_const()``."""
        return self._add("a const type", lib.btf__add_const, self._ref(type))

    def add_restrict(self, type: BtfType | int) -> BtfType:
        """Add a restrict type. *Wraps* ``btf__add_restrict()``."""
        return self._add("a restrict type", lib.btf__add_restrict, self._ref(type))

    def add_type_tag(self, value: str, type: BtfType | int) -> BtfType:
        """Add a type with a ``btf_type_tag``. *Wraps* ``btf__add_type_tag()``."""
        return self._add(f"type tag {value!r}", lib.btf__add_type_tag, c_string(value, "value"), self._ref(type))

    def add_type_attr(self, value: str, type: BtfType | int) -> BtfType:
        """Add a type with an ``__attribute__``. *Wraps* ``btf__add_type_attr()``."""
        return self._add(f"attribute {value!r}", lib.btf__add_type_attr, c_string(value, "value"), self._ref(type))

    def add_func(self, name: str, linkage: Linkage, type: BtfType | int) -> BtfType:
        """Add a function of a prototype. *Wraps* ``btf__add_func()``."""
        number = _linkage(linkage)
        return self._add(f"func {name!r}", lib.btf__add_func, c_string(name, "name"), number, self._ref(type))

    def add_func_proto(self, type: BtfType | int) -> BtfType:
        """Add a prototype of a function that returns `type`. *Wraps* ``btf__add_func_proto()``."""
        return self._add("a prototype", lib.btf__add_func_proto, self._ref(type))

    def add_func_param(self, name: str, type: BtfType | int) -> None:
        """Add a parameter to the prototype that was added last. *Wraps* ``btf__add_func_param()``."""
        self._append(f"parameter {name!r}", lib.btf__add_func_param, c_string(name, "name"), self._ref(type))

    def add_var(self, name: str, linkage: Linkage, type: BtfType | int) -> BtfType:
        """Add a variable. *Wraps* ``btf__add_var()``."""
        number = _linkage(linkage)
        return self._add(f"var {name!r}", lib.btf__add_var, c_string(name, "name"), number, self._ref(type))

    def add_datasec(self, name: str, size: int) -> BtfType:
        """Add a data section of `size` bytes. *Wraps* ``btf__add_datasec()``."""
        return self._add(f"section {name!r}", lib.btf__add_datasec, c_string(name, "name"), unsigned(size, 32, "size"))

    def add_datasec_var_info(self, type: BtfType | int, offset: int, size: int) -> None:
        """Add a variable (a type of kind VAR) to the data section that was added last; in bytes.

        *Wraps* ``btf__add_datasec_var_info()``.
        """
        at, length = unsigned(offset, 32, "offset"), unsigned(size, 32, "size")
        self._append("a variable", lib.btf__add_datasec_var_info, self._ref(type), at, length)

    def add_decl_tag(self, value: str, type: BtfType | int, component_idx: int = -1) -> BtfType:
        """Add a ``btf_decl_tag``: on the whole (-1), or on the field or parameter of that number.

        *Wraps* ``btf__add_decl_tag()``.
        """
        index = _between(component_idx, -1, 0xFFFF)
        encoded = c_string(value, "value")
        return self._add(f"declaration tag {value!r}", lib.btf__add_decl_tag, encoded, self._ref(type), index)

    def add_decl_attr(self, value: str, type: BtfType | int, component_idx: int = -1) -> BtfType:
        """Add an ``__attribute__`` of a declaration. *Wraps* ``btf__add_decl_attr()``."""
        index = _between(component_idx, -1, 0xFFFF)
        encoded = c_string(value, "value")
        return self._add(f"attribute {value!r}", lib.btf__add_decl_attr, encoded, self._ref(type), index)

    def add_str(self, text: str) -> int:
        """Add a string, unless it is there; give its offset. *Wraps* ``btf__add_str()``."""
        encoded = c_string(text, "text")
        with self._changing(f"add string {text!r} to {self._btf._name}") as (pointer, action):
            return check(lib.btf__add_str(pointer, encoded), action)

    def find_str(self, text: str) -> int | None:
        """Give the offset of a string, or ``None``. *Wraps* ``btf__find_str()``."""
        encoded = c_string(text, "text")
        # libbpf makes it ready for changes first, and so moves the types.
        with self._changing(f"find string {text!r} in {self._btf._name}") as (pointer, _):
            found = lib.btf__find_str(pointer, encoded)
        return found if found >= 0 else None

    def add_type(self, type: BtfType) -> BtfType:
        """Add a copy of a type of another BTF; what it refers to keeps its ids. *Wraps* ``btf__add_type()``."""
        if not isinstance(type, BtfType):
            raise TypeError("add_type() takes a BtfType, which knows what it is of")
        action = f"add {type} to {self._btf._name}"
        with self._apart(type.btf, action) as source, self._both(source, action) as pointer:
            raw = not_null(lib.btf__type_by_id(source._pointer, type.id), action)
            type_id = check(lib.btf__add_type(pointer, source._pointer, raw), action)
        return BtfType(self._btf, type_id)

    def add_btf(self, other: Btf) -> range:
        """Add copies of all types of another BTF, which refer to each other; give their ids.

        *Wraps* ``btf__add_btf()``, which takes no split BTF unless it has the same base.
        """
        if not isinstance(other, Part):
            raise TypeError("add_btf() takes a Btf")
        action = f"add {other._name} to {self._btf._name}"
        # Of a base that both have libbpf leaves the strings alone.
        lent = nullcontext(other) if other not in _chain(self._btf) else self._apart(other, action)
        with lent as source, self._both(source, action) as pointer:
            count = len(source) - source.start_id
            first = check(lib.btf__add_btf(pointer, source._pointer), action)
        return range(first, first + count)

    @contextmanager
    def _apart(self, other: Btf, action: str) -> Iterator[Btf]:
        """Lend the other BTF, or a copy of it if it shares strings with this one.

        When libbpf looks for a string, it makes room for one more where it looks: a string from there is gone then.
        """
        btf = self._btf
        if other is btf:
            raise ValueError(f"cannot {action}: it is the same")
        chain = _chain(other)
        if not any(each in _chain(btf) for each in chain):
            yield other
            return
        copy = None
        with other._handle.lock:
            for each in reversed(chain):
                copy = type(btf)._from_data(each.raw, each._name, copy)
        assert copy is not None
        with copy:
            yield copy

    @contextmanager
    def _both(self, other: Btf, action: str) -> Iterator[btf_pointer]:
        """Lend the pointer for a change that reads another BTF too."""
        btf = self._btf
        # The locks in the same order whoever wants both; `_changing` alone would take its own second.
        for each in (btf, other):
            each._handle.refuse_reentry(action)
        locks = sorted((btf._handle.lock, other._handle.lock), key=id)
        with locks[0], locks[1], self._changed(action) as pointer:
            yield pointer

    def load(self) -> Self:
        """Load the types into the kernel, and give the same BTF, which has an `fd` and an `id` then.

        *Wraps* ``btf__load_into_kernel()``. Linux 4.18.
        """
        btf = self._btf
        action = f"load {btf._name} into the kernel"
        btf._handle.refuse_reentry(action)
        with btf._handle.lock:
            pointer = btf._pointer
            if btf._of_object:
                raise StateError(f"cannot {action}: loading the object does that")
            _log.listen()
            check(lib.btf__load_into_kernel(pointer), action)
            btf._id = kernel_info(lib.btf__fd(pointer), action)[0]
        return self


def _chain(btf: Btf) -> list[Btf]:
    """Give a BTF, what it is based on, what that is based on, and so on."""
    chain = [btf]
    while (base := chain[-1]._base) is not None:
        chain.append(base)
    return chain


def kernel_info(fd: int, action: str) -> tuple[int, str, bool]:
    """Ask the kernel for a BTF's id, name, and whether it is the kernel's or a module's. Names since Linux 5.11."""
    name = ffi.new("char[64]")
    info = ffi.new("struct bpf_btf_info *")
    info.name = int(ffi.cast("uintptr_t", name))
    info.name_len = len(name)
    size = ffi.new("__u32 *", ffi.sizeof(info[0]))
    result = lib.bpf_btf_get_info_by_fd(fd, info, size)
    if result == -errno.E2BIG:
        # An older kernel knows no names, and wants no room for one.
        info.name = info.name_len = 0
        result = lib.bpf_btf_get_info_by_fd(fd, info, size)
    check(result, action)
    return info.id, text(name), bool(info.kernel_btf)


def _linkage(value: str) -> int:
    if string(value, "linkage") not in _LINKAGES:
        raise ValueError(f"linkage must be one of {', '.join(_LINKAGES)}, not {value!r}")
    return _LINKAGES[value]


def _between(value: int, least: int, most: int) -> int:
    number = integer(value, "value")
    if not least <= number <= most:
        raise ValueError(f"{number} is not from {least} to {most}")
    return number
