"""How a `Btf` finds a type: by its id, by its name, by what is tagged."""

from __future__ import annotations

from ._btf_type import BtfType, Part
from ._ffi import c_string, lib, text, unsigned
from ._named import missing_name
from .enums import BtfKind

__all__ = ["Finding"]

KINDS_BY_NAME = (
    BtfKind.STRUCT,
    BtfKind.UNION,
    BtfKind.ENUM,
    BtfKind.ENUM64,
    BtfKind.TYPEDEF,
    BtfKind.INT,
    BtfKind.FLOAT,
    BtfKind.FWD,
)
"""Kinds of what C can declare by a name, in the order in which a name without a keyword is looked for."""

_OTHER_KINDS = (BtfKind.FUNC, BtfKind.VAR, BtfKind.DATASEC)

_KEYWORDS = {
    "struct": (BtfKind.STRUCT, BtfKind.FWD),
    "union": (BtfKind.UNION, BtfKind.FWD),
    "enum": (BtfKind.ENUM, BtfKind.ENUM64),
    "typedef": (BtfKind.TYPEDEF,),
    "func": (BtfKind.FUNC,),
    "var": (BtfKind.VAR,),
    "section": (BtfKind.DATASEC,),
}


class Finding(Part):
    """The part of `Btf` that finds types."""

    __slots__ = ()

    def __getitem__(self, key: int | str) -> BtfType:
        """Give the type of an id (``IndexError`` if there is none), or of a name (``KeyError``); see `find`."""
        if isinstance(key, str):
            found = self.find(key)
            if found is None:
                raise missing_name(key, self._names(), "type", self._btf._name)
            return found
        return BtfType(self._btf, unsigned(key, 32, "id"))

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return self.find(key) is not None
        if isinstance(key, BtfType):
            return key.btf is self._btf
        return isinstance(key, int) and 0 <= key < len(self._btf)

    def find(self, name: str, kind: BtfKind | None = None) -> BtfType | None:
        """Give the first type of that name, and of that kind if one is given, or ``None``.

        The name may have a keyword: ``"struct x"``, ``union``, ``enum``, ``typedef``, and ``func``, ``var``,
        ``section``. Without, a struct, union or enumeration comes before a typedef, that before an integer, that
        before what is no type in C: functions, variables, sections. *Wraps* ``btf__find_by_name_kind()``.
        """
        c_string(name, "name")
        if kind is not None:
            return self._find(name, (BtfKind(unsigned(kind, 32, "kind")),), "")
        keyword, space, rest = name.partition(" ")
        if space and keyword in _KEYWORDS:
            return self._find(rest.lstrip(), _KEYWORDS[keyword], keyword)
        return self._find(name, (*KINDS_BY_NAME, *_OTHER_KINDS), "")

    def _find(self, name: str, kinds: tuple[BtfKind, ...], keyword: str) -> BtfType | None:
        encoded = c_string(name, "name")
        if name in ("", "void"):
            # libbpf finds void whatever the kind.
            with self._btf._handle.lock:
                self._btf._handle.check()
            return self._btf[0] if name and not keyword else None
        with self._btf._handle.lock:
            pointer = self._btf._pointer
            for kind in kinds:
                found = lib.btf__find_by_name_kind(pointer, encoded, kind)
                if found < 0:
                    continue
                each = BtfType(self._btf, found)
                if kind is not BtfKind.FWD or keyword in ("", each.keyword):
                    return each
                # A struct and a union may have been declared by the same name.
                return next((each for each in self.find_all(name, kind) if each.keyword == keyword), None)
        return None

    def find_all(self, name: str, kind: BtfKind | None = None) -> list[BtfType]:
        """Give every type of that name, without keyword, and of that kind if one is given."""
        c_string(name, "name")
        kind = None if kind is None else BtfKind(unsigned(kind, 32, "kind"))
        found = []
        with self._btf._handle.lock:
            pointer = self._btf._pointer
            for type_id in range(1, lib.btf__type_cnt(pointer)):
                raw = lib.btf__type_by_id(pointer, type_id)
                if kind is not None and lib.btf_kind(raw) != kind:
                    continue
                if name == text(lib.btf__name_by_offset(pointer, raw.name_off)):
                    found.append(BtfType(self._btf, type_id))
        return found

    def _names(self) -> list[str]:
        """Give the names of what C can declare by a name, each once."""
        names: dict[str, None] = {}
        kinds = frozenset(map(int, KINDS_BY_NAME))
        with self._btf._handle.lock:
            pointer = self._btf._pointer
            for type_id in range(1, lib.btf__type_cnt(pointer)):
                raw = lib.btf__type_by_id(pointer, type_id)
                if raw.name_off and (raw.info >> 24 & 0x1F) in kinds:
                    names[text(lib.btf__name_by_offset(pointer, raw.name_off))] = None
        return list(names)

    def _find_type(self, name: str) -> BtfType | None:
        """Find what C can declare by that name, for `Object.types`."""
        found = self.find(name)
        return None if found is not None and found.kind in _OTHER_KINDS else found

    def _tags(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """Give the declaration tags by the id of the type and the number of the component."""
        age, index = self._btf._tag_index
        if age == self._btf._age:
            return index
        with self._btf._handle.lock:
            index = {} if self._btf._base is None else dict(self._btf._base._tags())
            pointer = self._btf._pointer
            for type_id in range(self._btf.start_id, lib.btf__type_cnt(pointer)):
                raw = lib.btf__type_by_id(pointer, type_id)
                if lib.btf_is_decl_tag(raw) and not lib.btf_kflag(raw):
                    place = (raw.type, lib.btf_decl_tag(raw).component_idx)
                    index[place] = (*index.get(place, ()), text(lib.btf__name_by_offset(pointer, raw.name_off)))
            self._btf._tag_index = (self._btf._age, index)
        return index
