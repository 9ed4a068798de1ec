"""One type of a BTF: what it is, how large, what is in it."""

from __future__ import annotations

import errno
from typing import NamedTuple

from ._arguments import signed
from ._btf_values import Values
from ._check import failure
from ._ffi import lib, text
from .enums import BtfKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._libbpf import CData
    from ._libbpf import btf as btf_pointer
    from .btf import Btf

__all__ = ["BtfEnumerator", "BtfMember", "BtfParam", "BtfType", "BtfVariable", "Part"]

_KINDS = tuple(BtfKind(number) for number in range(lib.NR_BTF_KINDS))

MODIFIERS = frozenset({BtfKind.CONST, BtfKind.VOLATILE, BtfKind.RESTRICT, BtfKind.TYPE_TAG})
_ALIASES = MODIFIERS | {BtfKind.TYPEDEF}
_COMPOSITES = frozenset({BtfKind.STRUCT, BtfKind.UNION})
_ENUMS = frozenset({BtfKind.ENUM, BtfKind.ENUM64})
_REFERENCES = _ALIASES | {BtfKind.PTR, BtfKind.VAR, BtfKind.FUNC, BtfKind.FUNC_PROTO, BtfKind.DECL_TAG}
# FUNC stands apart: libbpf knows no size of it.
_SIZED = _ALIASES | _COMPOSITES | _ENUMS | {
    BtfKind.INT, BtfKind.FLOAT, BtfKind.PTR, BtfKind.ARRAY, BtfKind.VAR, BtfKind.DATASEC, BtfKind.DECL_TAG,
}  # fmt: skip
_ALIGNED = _SIZED - {BtfKind.VAR, BtfKind.DATASEC, BtfKind.DECL_TAG}

_LINKAGES = ("static", "global", "extern")

_KEYWORDS = {
    BtfKind.STRUCT: "struct",
    BtfKind.UNION: "union",
    BtfKind.ENUM: "enum",
    BtfKind.ENUM64: "enum",
    BtfKind.FUNC: "func",
    BtfKind.VAR: "var",
    BtfKind.DATASEC: "section",
}

MAX_CHAIN = 1024
"""How many typedefs and modifiers in a row are followed; what comes from outside has fewer (csrc/btf_check.c)."""


class Part:
    """What the parts have in common that `Btf` is put together from: the whole."""

    __slots__ = ()

    @property
    def _btf(self) -> Btf:
        return self  # type: ignore[return-value]  # parts are of Btf alone


class BtfMember(NamedTuple):
    """A field of a struct or union: where it starts, in bits, and its width in bits if it is a bit field, else 0."""

    name: str
    type: BtfType
    bit_offset: int
    bitfield_size: int

    @property
    def offset(self) -> int:
        """The byte in which the field starts."""
        return self.bit_offset // 8


class BtfEnumerator(NamedTuple):
    """A name of an enumeration and its value, signed as the enumeration is."""

    name: str
    value: int


class BtfParam(NamedTuple):
    """A parameter of a function; a last one of type void stands for ``...``."""

    name: str
    type: BtfType


class BtfVariable(NamedTuple):
    """A variable of a data section: the type (of kind VAR), and offset and size in bytes."""

    type: BtfType
    offset: int
    size: int


class BtfType(Values):
    """A type of a `Btf`: an int, a struct, a function, …: see `kind`.

    Its id, kind and name are known for ever, the rest as long as the `Btf` is open or once it has been asked for. A
    property that a kind does not have raises ``TypeError``. *Wraps* ``struct btf_type``.
    """

    __slots__ = ("_age", "_btf", "_id", "_kind", "_known", "_name")

    def __init__(self, btf: Btf, type_id: int) -> None:
        self._btf = btf
        self._id = type_id
        self._known: dict[str, Any] = {}
        with btf._handle.lock:
            pointer = btf._pointer
            raw = lib.btf__type_by_id(pointer, type_id)
            if not raw:
                raise IndexError(f"{btf._name} has no type {type_id}: its types are 0 to {len(btf) - 1}")
            self._age = btf._age
            number = raw.info >> 24 & 0x1F
            self._kind = _KINDS[number] if number < len(_KINDS) else BtfKind(number)
            self._name = text(lib.btf__name_by_offset(pointer, raw.name_off)) if raw.name_off else ""

    @property
    def btf(self) -> Btf:
        """The `Btf` that the type is of."""
        return self._btf

    @property
    def id(self) -> int:
        """The type's number in its `Btf`; 0 is void."""
        return self._id

    @property
    def kind(self) -> BtfKind:
        """What kind of type it is."""
        return self._kind

    @property
    def name(self) -> str:
        """The name, without keyword; empty if it has none."""
        return self._name

    @property
    def keyword(self) -> str:
        """What C writes before the name: ``struct``, ``union`` or ``enum``, or nothing."""
        if self._kind is BtfKind.FWD:
            return "union" if self._read("kflag", lambda raw, _: bool(lib.btf_kflag(raw))) else "struct"
        return _KEYWORDS[self._kind] if self._kind in _COMPOSITES | _ENUMS else ""

    # How it is read

    def _read(self, what: str, read: Callable[[CData, btf_pointer], Any]) -> Any:
        """Read something from the C type, or give what was read before, unless the BTF was changed since then."""
        btf = self._btf
        if self._age != btf._age:
            self._known.clear()
            self._age = btf._age
        try:
            return self._known[what]
        except KeyError:
            pass
        with btf._handle.lock:
            pointer = btf._pointer
            value = self._known[what] = read(lib.btf__type_by_id(pointer, self._id), pointer)
        return value

    def _require(self, what: str, *kinds: BtfKind) -> None:
        if self._kind not in kinds:
            raise TypeError(f"{self} is of kind {self._kind.name} and has no {what}")

    def _other(self, type_id: int) -> BtfType:
        return BtfType(self._btf, type_id)

    # What it is made of

    @property
    def size(self) -> int | None:
        """The size in bytes, typedefs, modifiers and arrays looked through; ``None`` of what has none, such as void.

        *Wraps* ``btf__resolve_size()``.
        """
        if self._kind not in _SIZED:
            return None
        size: int = self._read("size", lambda _, btf: lib.btf__resolve_size(btf, self._id))
        # An enumeration of 0 bytes is declared and never defined: clang's form of a forward declaration of one.
        return None if size < 0 or (size == 0 and self._only_declared()) else size

    def _only_declared(self) -> bool:
        resolved = self.resolve()
        return resolved._kind in _ENUMS and not resolved.enumerators

    @property
    def alignment(self) -> int | None:
        """The alignment in bytes, 1 of a packed struct; ``None`` of what has none. *Wraps* ``btf__align_of()``.

        It is worked out from the fields, since BTF does not say what an attribute of the source has asked for, and is
        never more than that of a pointer.
        """
        if self._kind not in _ALIGNED or self.size is None:
            return None
        with self._btf._handle.lock:
            if "alignment" not in self._known:
                self._btf._check_shape(f"find the alignment of {self}")
            alignment: int = self._read("alignment", lambda _, btf: lib.btf__align_of(btf, self._id))
        return alignment if alignment > 0 else None

    @property
    def type(self) -> BtfType:
        """What the type refers to: what a pointer points to, what a typedef, modifier, variable or function is of, what
        a declaration tag is on, the element of an array, or what a function prototype returns.
        """
        if self._kind is BtfKind.ARRAY:
            return self._array()[0]
        self._require("type that it refers to", *_REFERENCES)
        found: BtfType = self._read("type", lambda raw, _: self._other(raw.type))
        return found

    def resolve(self) -> BtfType:
        """Give the type that is left when typedefs and modifiers (const, volatile, restrict, type tags) are looked
        through; the type itself if it is neither.
        """
        found = self
        for _ in range(MAX_CHAIN):
            if found._kind not in _ALIASES:
                return found
            found = found.type
        raise failure(errno.ELOOP, f"resolve {self}", hint="its typedefs and modifiers lead to each other")

    def _array(self) -> tuple[BtfType, BtfType, int]:
        self._require("elements", BtfKind.ARRAY)

        def read(raw: CData, _: btf_pointer) -> tuple[BtfType, BtfType, int]:
            array = lib.btf_array(raw)
            return self._other(array.type), self._other(array.index_type), array.nelems

        found: tuple[BtfType, BtfType, int] = self._read("array", read)
        return found

    @property
    def nelems(self) -> int:
        """How many elements an array has; 0 of a flexible one."""
        return self._array()[2]

    @property
    def index_type(self) -> BtfType:
        """The type of an array's index."""
        return self._array()[1]

    def _integer(self) -> tuple[int, int]:
        self._require("bits", BtfKind.INT)
        found: tuple[int, int] = self._read("int", lambda raw, _: (lib.btf_int_bits(raw), lib.btf_int_encoding(raw)))
        return found

    @property
    def bits(self) -> int:
        """The width of an integer, in bits; less than its `size` holds in the BTF of old compilers only."""
        return self._integer()[0]

    @property
    def is_signed(self) -> bool:
        """Whether an integer or enumeration is signed."""
        if self._kind in _ENUMS:
            return bool(self._read("kflag", lambda raw, _: bool(lib.btf_kflag(raw))))
        return bool(self._integer()[1] & lib.BTF_INT_SIGNED)

    @property
    def is_char(self) -> bool:
        """Whether an integer is a character: by its encoding, which compilers leave out, or by its name."""
        return bool(self._integer()[1] & lib.BTF_INT_CHAR) or self._name == "char"

    @property
    def is_bool(self) -> bool:
        """Whether an integer is C's ``bool``."""
        return bool(self._integer()[1] & lib.BTF_INT_BOOL)

    @property
    def members(self) -> tuple[BtfMember, ...]:
        """The fields of a struct or union, in the order of the source."""
        self._require("members", *_COMPOSITES)

        def read(raw: CData, btf: btf_pointer) -> tuple[BtfMember, ...]:
            every, wide = lib.btf_members(raw), lib.btf_kflag(raw)
            found = []
            for index in range(lib.btf_vlen(raw)):
                member = every[index]
                offset = member.offset
                # With the flag, the upper 8 bits are the width of a bit field (linux/btf.h).
                start, width = (offset & 0xFFFFFF, offset >> 24) if wide else (offset, 0)
                name = text(lib.btf__name_by_offset(btf, member.name_off)) if member.name_off else ""
                found.append(BtfMember(name, self._other(member.type), start, width))
            return tuple(found)

        members: tuple[BtfMember, ...] = self._read("members", read)
        return members

    def member(self, name: str) -> BtfMember:
        """Give the field called `name` of a struct or union, those of anonymous structs and unions in it included.

        Its offset is that in the whole. `KeyError`, with close names, if there is none.
        """
        self._require("members", *_COMPOSITES)
        names: list[str] = []
        seen: set[int] = set()
        # The fields to look at, each with the offset of what it is in: this type's own first, in their order.
        todo = [(each, 0) for each in self.members]
        while todo:
            inner: list[tuple[BtfMember, int]] = []
            for each, base in todo:
                if each.name == name and name:
                    return each._replace(bit_offset=base + each.bit_offset)
                if each.name:
                    names.append(each.name)
                    continue
                whole = each.type.resolve()
                if whole._kind in _COMPOSITES and whole._id not in seen:
                    # Malformed BTF may lead back to where it began.
                    seen.add(whole._id)
                    inner += [(member, base + each.bit_offset) for member in whole.members]
            todo = inner
        from ._codec_base import no_member

        raise KeyError(no_member(str(self), name, names))

    @property
    def enumerators(self) -> tuple[BtfEnumerator, ...]:
        """The names and values of an enumeration."""
        self._require("enumerators", *_ENUMS)

        def read(raw: CData, btf: btf_pointer) -> tuple[BtfEnumerator, ...]:
            signed, count = lib.btf_kflag(raw), lib.btf_vlen(raw)
            found = []
            if self._kind is BtfKind.ENUM:
                for each in lib.btf_enum(raw)[0:count]:
                    value = each.val if signed else each.val & 0xFFFFFFFF
                    found.append(BtfEnumerator(text(lib.btf__name_by_offset(btf, each.name_off)), value))
            else:
                for each in lib.btf_enum64(raw)[0:count]:
                    value = each.val_hi32 << 32 | each.val_lo32
                    if signed and value >> 63:
                        value -= 1 << 64
                    found.append(BtfEnumerator(text(lib.btf__name_by_offset(btf, each.name_off)), value))
            return tuple(found)

        enumerators: tuple[BtfEnumerator, ...] = self._read("enumerators", read)
        return enumerators

    @property
    def params(self) -> tuple[BtfParam, ...]:
        """The parameters of a function prototype; a function has those of its `type`."""
        if self._kind is BtfKind.FUNC:
            proto = self.type
            proto._require("parameters", BtfKind.FUNC_PROTO)
            return proto.params
        self._require("parameters", BtfKind.FUNC_PROTO)

        def read(raw: CData, btf: btf_pointer) -> tuple[BtfParam, ...]:
            every = lib.btf_params(raw)[0 : lib.btf_vlen(raw)]
            return tuple(
                BtfParam(text(lib.btf__name_by_offset(btf, each.name_off)), self._other(each.type)) for each in every
            )

        params: tuple[BtfParam, ...] = self._read("params", read)
        return params

    @property
    def variables(self) -> tuple[BtfVariable, ...]:
        """The variables of a data section."""
        self._require("variables", BtfKind.DATASEC)

        def read(raw: CData, _: btf_pointer) -> tuple[BtfVariable, ...]:
            every = lib.btf_var_secinfos(raw)[0 : lib.btf_vlen(raw)]
            return tuple(BtfVariable(self._other(each.type), each.offset, each.size) for each in every)

        variables: tuple[BtfVariable, ...] = self._read("variables", read)
        return variables

    @property
    def linkage(self) -> str:
        """How a variable or function is linked: ``static``, ``global`` or ``extern``."""
        self._require("linkage", BtfKind.VAR, BtfKind.FUNC)

        def read(raw: CData, _: btf_pointer) -> int:
            return lib.btf_var(raw).linkage if self._kind is BtfKind.VAR else lib.btf_vlen(raw)

        number: int = self._read("linkage", read)
        return _LINKAGES[number] if number < len(_LINKAGES) else f"unknown_{number}"

    @property
    def component_idx(self) -> int:
        """The number of the field or parameter that a declaration tag is on; -1 if it is on the whole."""
        self._require("component", BtfKind.DECL_TAG)
        return int(self._read("component", lambda raw, _: lib.btf_decl_tag(raw).component_idx))

    @property
    def tags(self) -> tuple[str, ...]:
        """The declaration tags on the type (``__attribute__((btf_decl_tag("…")))``)."""
        return self.member_tags(-1)

    def member_tags(self, index: int) -> tuple[str, ...]:
        """Give the declaration tags on the field or parameter of that number."""
        return self._btf._tags().get((self._id, signed(index, 32, "index")), ())

    @property
    def c(self) -> str:
        """The type as C, after what it needs. *Wraps* ``btf_dump__dump_type()``."""
        return self._btf.dump(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BtfType):
            return NotImplemented
        return self._btf is other._btf and self._id == other._id

    def __hash__(self) -> int:
        return hash((id(self._btf), self._id))

    def __str__(self) -> str:
        if self._kind is BtfKind.VOID:
            return "void"
        keyword = _KEYWORDS.get(self._kind, self._kind.name.lower())
        if self._kind in (BtfKind.INT, BtfKind.FLOAT, BtfKind.TYPEDEF) and self._name:
            return self._name
        return f"{keyword} {self._name}" if self._name else f"{keyword} (type {self._id})"

    def __repr__(self) -> str:
        return f"<BtfType {self} ({self._kind.name}, id {self._id})>"

