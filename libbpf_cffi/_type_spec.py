"""Types of keys and values said in Python, such as ``"u32"`` or ``{"pid": "u32", "comm": "char[16]"}``, as BTF.

The kernel keeps the BTF with the map, so that every other process that opens the map reads the same types.
"""

from __future__ import annotations

import sys

from ._arguments import string
from ._ffi import lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._btf_type import BtfType
    from .btf import Btf

__all__ = ["TypeSpecs", "has_type"]

_INTS = {
    "char": ("char", 1, lib.BTF_INT_SIGNED),
    "bool": ("_Bool", 1, lib.BTF_INT_BOOL),
    "u8": ("unsigned char", 1, 0),
    "s8": ("signed char", 1, lib.BTF_INT_SIGNED),
    "u16": ("unsigned short", 2, 0),
    "s16": ("short", 2, lib.BTF_INT_SIGNED),
    "u32": ("unsigned int", 4, 0),
    "s32": ("int", 4, lib.BTF_INT_SIGNED),
    "u64": ("unsigned long long", 8, 0),
    "s64": ("long long", 8, lib.BTF_INT_SIGNED),
    "u128": ("unsigned __int128", 16, 0),
    "s128": ("__int128", 16, lib.BTF_INT_SIGNED),
}
"""By the name in a specification: the name in C, the bytes, the encoding."""

_FLOATS = {"float": 4, "double": 8}

_ALIASES = {"int": "s32", "_Bool": "bool"}
_ALIASES |= {f"i{bits}": f"s{bits}" for bits in (8, 16, 32, 64, 128)}
_ALIASES |= {f"__{sign}{bits}": f"{sign}{bits}" for sign in "us" for bits in (8, 16, 32, 64)}
_ALIASES |= {f"uint{bits}_t": f"u{bits}" for bits in (8, 16, 32, 64)}
_ALIASES |= {f"int{bits}_t": f"s{bits}" for bits in (8, 16, 32, 64)}

_PLAIN = frozenset(("char", "bool", "float", "double"))
"""Names that C has too: they need no typedef."""

SIZE_MAX = 1 << 31
"""More bytes than any key or value can have."""

MEMBERS_MAX = 65535
"""As many as BTF counts in a struct. A dict that holds another one twice, and so on, would never end."""


def has_type(spec: object) -> bool:
    """Tell whether a specification says more than a number of bytes."""
    # A class such as `int` has the method too.
    return not hasattr(spec, "__index__") or isinstance(spec, type)


class TypeSpecs:
    """The BTF of a key and a value. Each is a specification, or a number of bytes, which has no type.

    `btf` holds them, in memory only; `key_id` and `value_id` are 0 for a number of bytes.
    """

    def __init__(self, key: Any, value: Any, name: str) -> None:
        from .btf import Btf

        self.btf: Btf = Btf.new()
        self._made: dict[object, BtfType] = {}
        self._alignments: dict[int, int | None] = {}
        self._members = 0
        stem = "".join(each if each.isascii() and each.isalnum() else "_" for each in string(name, "name")) or "map"
        stem = f"_{stem}" if stem[0].isdigit() else stem
        self.key_id, self.key_size = self._outermost(key, "key", f"{stem}_key")
        self.value_id, self.value_size = self._outermost(value, "value", f"{stem}_value")

    def _outermost(self, spec: Any, what: str, name: str) -> tuple[int, int]:
        if not has_type(spec):
            return 0, spec.__index__()
        try:
            made = self._type(spec, what, name)
        except RecursionError as error:
            from ._codec import is_deep

            if not is_deep(error):
                raise
            raise ValueError(f"{what}: the type is nested too deeply, or within itself") from None
        size = made.size
        if size is None:
            raise TypeError(f"{what}: {made} has no size, so nothing can be of it")
        return made.id, size

    def _type(self, spec: Any, what: str, name: str) -> BtfType:
        if isinstance(spec, str):
            return self._named(spec, what)
        if hasattr(spec, "items") and not isinstance(spec, type):
            return self._struct(spec, what, name)
        if hasattr(spec, "btf") and hasattr(spec, "resolve") and not isinstance(spec, type):
            return self._copied(spec, what)
        given = f"the class {spec.__name__}" if isinstance(spec, type) else type(spec).__name__
        raise TypeError(
            f"{what} must be the name of a type such as 'u32' or 'char[16]', a dict of a struct's members, a BtfType, "
            f"or a number of bytes, not {given}"
        )

    # By name

    def _named(self, spec: str, what: str) -> BtfType:
        base, bracket, rest = spec.partition("[")
        made = self._basic(base.strip(), spec, what)
        dimensions = []
        while bracket:
            number, closing, rest = rest.partition("]")
            number = number.strip()
            if not closing or not (number.isascii() and number.isdecimal()) or not 0 < int(number) < SIZE_MAX:
                raise ValueError(f"{what}: {spec!r} is no type: an array's length is a number, as in 'u8[6]'")
            dimensions.append(int(number))
            head, bracket, rest = rest.partition("[")
            if head.strip():
                raise ValueError(f"{what}: {spec!r} is no type: there is {head.strip()!r} behind its ']'")
        return self._array(made, dimensions, spec, what)

    def _array(self, made: BtfType, dimensions: list[int], spec: str, what: str) -> BtfType:
        size = made.size or 0
        for count in reversed(dimensions):
            size *= count
            if size >= SIZE_MAX:
                raise ValueError(f"{what}: {spec!r} has {size} bytes, more than a map can hold")
            alignment = self._alignment(made)
            made = self._once(("array", made.id, count), "add_array", self._basic("u32", spec, what), made, count)
            self._alignments[made.id] = alignment
        return made

    def _basic(self, name: str, spec: str, what: str) -> BtfType:
        short = _ALIASES.get(name, name)
        if short in _FLOATS:
            return self._once(("float", short), "add_float", short, _FLOATS[short])
        if short not in _INTS:
            import difflib

            known = [*_INTS, *_FLOATS]
            close = difflib.get_close_matches(name, [*known, *_ALIASES], n=3, cutoff=0.6)
            # Of "unsigned int" no name comes close.
            hint = f"close names: {', '.join(close)}" if close else f"the types are {', '.join(known)}"
            where = "" if name == spec.strip() else f" in {spec!r}"
            if name.partition(" ")[0] in ("struct", "union", "enum"):
                hint = f"give the type itself, such as Btf.kernel()[{name!r}] or Object.types[{name!r}]"
            raise ValueError(f"{what}: no type {name!r}{where}; {hint}; a struct is a dict of its members")
        c_name, size, encoding = _INTS[short]
        made = self._once(("int", short), "add_int", c_name, size, encoding)
        return made if short in _PLAIN else self._once(("typedef", short), "add_typedef", short, made)

    def _once(self, key: object, method: str, *arguments: Any) -> BtfType:
        if key not in self._made:
            self._made[key] = getattr(self.btf, method)(*arguments)
        return self._made[key]

    # Structs

    def _struct(self, spec: Mapping[Any, Any], what: str, name: str) -> BtfType:
        """Lay the members out as a C compiler does, in the order of the mapping."""
        if not spec:
            raise ValueError(f"{what}: a struct needs a member")
        members = []
        self._members += len(spec)
        if self._members > MEMBERS_MAX:
            raise ValueError(f"{what}: a type has at most {MEMBERS_MAX} members, those of its structs included")
        for member, inner in spec.items():
            if not isinstance(member, str):
                raise TypeError(f"{what}: a member's name must be str, not {type(member).__name__}")
            if not (member.isascii() and member.isidentifier()):
                raise ValueError(f"{what}: {member!r} cannot be the name of a struct's member")
            if not has_type(inner):
                raise TypeError(f"{what}.{member}: a number of bytes is for the whole alone; here it is 'u8[{inner}]'")
            made = self._type(inner, f"{what}.{member}", f"{name}_{member}")
            alignment = self._alignment(made)
            if made.size is None or alignment is None:
                raise TypeError(f"{what}.{member}: {made} has no size, so no member can be of it")
            members.append((member, made, made.size, alignment))
        offset, widest, placed = 0, 1, []
        for member, made, size, alignment in members:
            offset = (offset + alignment - 1) // alignment * alignment
            placed.append((member, made, offset))
            offset += size
            widest = max(widest, alignment)
        struct = self.btf.add_struct(name, (offset + widest - 1) // widest * widest)
        for member, made, at in placed:
            self.btf.add_field(member, made, at * 8)
        self._alignments[struct.id] = widest
        return struct

    def _alignment(self, made: BtfType) -> int | None:
        """Give the alignment of a type. To ask libbpf checks the whole BTF, which is to be done once a type at most."""
        if made.id not in self._alignments:
            self._alignments[made.id] = made.alignment
        return self._alignments[made.id]

    # Types of another BTF

    def _copied(self, source: BtfType, what: str) -> BtfType:
        if source.btf.endianness != sys.byteorder:
            raise ValueError(f"{what}: {source} is of a {source.btf.endianness}-endian machine")
        return self._copy(source, what)

    def _copy(self, source: BtfType, what: str) -> BtfType:
        key = (id(source.btf), source.id)
        found = self._made.get(key)
        if found is None:
            copy = _COPIES.get(source.kind)
            if copy is None:
                raise TypeError(f"{what}: nothing can be of the type {source}")
            found = self._made[key] = copy(self, source, what)
        return found

    def _copy_int(self, source: BtfType, _: str) -> BtfType:
        encoding = source.is_signed * lib.BTF_INT_SIGNED | source.is_bool * lib.BTF_INT_BOOL
        return self.btf.add_int(source.name, source.size or 0, encoding)

    def _copy_float(self, source: BtfType, _: str) -> BtfType:
        return self.btf.add_float(source.name, source.size or 0)

    def _copy_typedef(self, source: BtfType, what: str) -> BtfType:
        return self.btf.add_typedef(source.name, self._copy(source.type, what))

    def _copy_modified(self, source: BtfType, what: str) -> BtfType:
        return self._copy(source.type, what)

    def _copy_array(self, source: BtfType, what: str) -> BtfType:
        element = self._copy(source.type, what)
        return self.btf.add_array(self._basic("u32", "u32", what), element, source.nelems)

    def _copy_enum(self, source: BtfType, _: str) -> BtfType:
        made = self.btf.add_enum(source.name, source.size or 0)
        for name, value in source.enumerators:
            self.btf.add_enum_value(name, value)
        return made

    def _copy_enum64(self, source: BtfType, _: str) -> BtfType:
        made = self.btf.add_enum64(source.name, source.size or 0, is_signed=source.is_signed)
        for name, value in source.enumerators:
            self.btf.add_enum64_value(name, value)
        return made

    def _copy_composite(self, source: BtfType, what: str) -> BtfType:
        members = [(each, self._copy(each.type, what)) for each in source.members]
        add = self.btf.add_struct if source.kind == lib.BTF_KIND_STRUCT else self.btf.add_union
        made = add(source.name, source.size or 0)
        for each, copied in members:
            self.btf.add_field(each.name, copied, each.bit_offset, each.bitfield_size)
        return made

    def _copy_ptr(self, source: BtfType, what: str) -> BtfType:
        # What it points to would bring half the kernel's types along; a number is all that the value is.
        target = source.type.resolve()
        if target.kind in (lib.BTF_KIND_STRUCT, lib.BTF_KIND_UNION, lib.BTF_KIND_FWD) and target.name:
            keyword = "union" if target.kind == lib.BTF_KIND_UNION else target.keyword
            forward = self._once(("fwd", keyword, target.name), "add_fwd", target.name, keyword)
            return self.btf.add_ptr(forward)
        if target.kind in (lib.BTF_KIND_INT, lib.BTF_KIND_PTR):
            return self.btf.add_ptr(self._copy(target, what))
        return self.btf.add_ptr(0)

    # For the kernel

    def load(self) -> Btf | None:
        """Give the types loaded into the kernel, a copy for the caller to close; ``None`` if it does not take them."""
        if not (self.key_id or self.value_id):
            return None
        from ._check import MOMENTARY
        from .btf import Btf
        from .errors import LibbpfError

        copy = Btf.from_bytes(self.btf.raw)
        try:
            return copy.load()
        except LibbpfError as error:
            copy.close()
            if error.errno in MOMENTARY:
                raise
            # No privilege, or a kernel that has no BTF or knows less of it.
            return None


_COPIES = {
    lib.BTF_KIND_INT: TypeSpecs._copy_int,
    lib.BTF_KIND_FLOAT: TypeSpecs._copy_float,
    lib.BTF_KIND_TYPEDEF: TypeSpecs._copy_typedef,
    lib.BTF_KIND_CONST: TypeSpecs._copy_modified,
    lib.BTF_KIND_VOLATILE: TypeSpecs._copy_modified,
    lib.BTF_KIND_RESTRICT: TypeSpecs._copy_modified,
    lib.BTF_KIND_TYPE_TAG: TypeSpecs._copy_modified,
    lib.BTF_KIND_ARRAY: TypeSpecs._copy_array,
    lib.BTF_KIND_ENUM: TypeSpecs._copy_enum,
    lib.BTF_KIND_ENUM64: TypeSpecs._copy_enum64,
    lib.BTF_KIND_STRUCT: TypeSpecs._copy_composite,
    lib.BTF_KIND_UNION: TypeSpecs._copy_composite,
    lib.BTF_KIND_PTR: TypeSpecs._copy_ptr,
}
