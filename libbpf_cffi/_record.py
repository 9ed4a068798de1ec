"""The classes of typed values: records of structs, values of unions, enumerations.

They are made from BTF by `_codec`, at run time, and are described by plain data, so that a value can be pickled and
read back where there is no BTF. Two types of the same name and members have the same class.
"""

from __future__ import annotations

from _thread import RLock
from _weakref import ref
from operator import itemgetter

try:
    from _collections import _tuplegetter  # type: ignore[import-not-found]
except ImportError:

    def _tuplegetter(index: int, doc: str) -> property:
        """Give a property for an element of a tuple, as `collections.namedtuple` does without its C helper."""
        return property(itemgetter(index), doc=doc)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import IntEnum
    from typing import Any

    from typing_extensions import Self

__all__ = ["Record", "UnionValue", "enum_class", "plain", "record_class", "union_class"]

_INFINITY = float("inf")

_lock = RLock()
_classes: dict[object, ref[Any]] = {}
"""Every class that is in use, by what describes it."""

Elements = tuple["str | tuple[str, ...]", ...]
"""What the elements of a record are: a member's name, or, for an anonymous union, the names of its members."""


def plain(value: Any) -> Any:
    """Give a value as what JSON can say, however deep: ``json.dumps(plain(record))``.

    A struct is a dict, a union a dict of all its members, an array a list, an enumerator its name, bytes are in
    hexadecimal. A key of a dict that JSON cannot say is text. Anything else is what ``str()`` gives: ``nan`` and
    ``inf`` are text, too.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return value if -_INFINITY < value < _INFINITY else str(value)
    if isinstance(value, int):
        # An enumerator; a number of a class of its own is just that.
        return getattr(value, "name", None) or int(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return value.hex()
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if hasattr(value, "items"):
        return {key if isinstance(key, str) else _key(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return plain(value.tolist())
    return str(value)


def _key(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str)) else str(value)


class Record(tuple):  # type: ignore[type-arg] # its elements are of any type
    """A struct: an immutable tuple of its members' values, with the members as attributes.

    Members of anonymous structs and unions count as the struct's own. It compares and hashes as the tuple of its
    values does.

    `_fields` are the members' names. A member whose name Python or this class uses itself (``__class__``,
    ``_fields``) is no attribute, but is there in `_asdict`.
    """

    __slots__ = ()

    _fields: tuple[str, ...] = ()
    _elements: Elements = ()
    _name: str = ""

    def __new__(cls, /, *values: object, **members: object) -> Self:
        """Make a record of all members' values, unchecked; calling a `BtfType` checks them and adds zeroes."""
        given = list(values)
        for element in cls._elements[len(given) :]:
            if not isinstance(element, str) or element not in members:
                break
            given.append(members.pop(element))
        if len(given) != len(cls._elements) or members:
            raise TypeError(f"{cls._name or 'a record'} takes the values of its members: {', '.join(cls._fields)}")
        return tuple.__new__(cls, given)

    def _asdict(self) -> dict[str, Any]:
        """Give the members by name; nested records stay records: `plain` goes to the bottom."""
        found: dict[str, Any] = {}
        for element, value in zip(self._elements, self, strict=True):
            if isinstance(element, str):
                found.setdefault(element, value)
            else:
                for name, inner in value._asdict().items():
                    found.setdefault(name, inner)
        return found

    def _replace(self, /, **members: object) -> Self:
        """Give a copy with some members changed, unchecked, as `collections.namedtuple` has it."""
        values: list[object] = []
        for element, value in zip(self._elements, self, strict=True):
            if isinstance(element, str):
                values.append(members.pop(element, value))
            else:
                mine = {name: members.pop(name) for name in element if name in members}
                values.append(value._replace(**mine) if mine else value)
        if members:
            raise ValueError(f"{self._name or 'the record'} has no member {', '.join(map(repr, members))}")
        return tuple.__new__(type(self), values)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _restore_record, (self._name, self._elements, tuple(self))

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{self._name or 'struct'}({members})"

    def __getitem__(self, index: Any) -> Any:
        try:
            return tuple.__getitem__(self, index)
        except TypeError:
            if isinstance(index, str):
                what = f"{self._name or 'the record'}: its members are attributes, .{index}, and in _asdict()"
                raise TypeError(f"an index must be a number, not {index!r}, of {what}") from None
            raise

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(_immutable(self, name))


class UnionValue:
    """A union: its bytes, and each member as what those bytes are as that member.

    Two are equal if their bytes are. ``bytes(value)`` gives them.
    """

    __slots__ = ("_bytes", "_values")

    _bytes: bytes
    _values: tuple[object, ...] | None
    _fields: tuple[str, ...] = ()
    _name: str = ""
    _decoders: tuple[Callable[[bytes], object], ...] = ()
    """What gives each member of the bytes; a class that only a pickle has made has none."""
    _overlay: Callable[[bytes, Mapping[str, object]], bytes] | None = None

    def __init__(self, data: bytes, values: tuple[object, ...] | None = None) -> None:
        """Make a value of the union's bytes."""
        self._bytes = data
        self._values = values

    def _decoded(self) -> tuple[object, ...]:
        values = self._values
        if values is None:
            values = self._values = tuple(decode(self._bytes) for decode in self._decoders)
        return values

    def _asdict(self) -> dict[str, Any]:
        """Give every member by name, as the same bytes read in different ways."""
        return dict(zip(self._fields, self._decoded(), strict=True))

    def _replace(self, /, **members: object) -> Self:
        """Give a copy in which these members have been written over the bytes."""
        overlay = type(self)._overlay
        if overlay is None:
            raise TypeError(f"{self._name or 'the union'} came out of a pickle: only its type can write it")
        return type(self)(overlay(self._bytes, members))

    def __bytes__(self) -> bytes:
        return self._bytes

    def __eq__(self, other: object) -> bool:
        return self._bytes == other._bytes if isinstance(other, UnionValue) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _restore_union, (self._name, self._fields, self._bytes, self._decoded())

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{self._name or 'union'}({members})"


def _immutable(value: Record | UnionValue, name: str) -> str:
    """Say what there is in the place of setting a member."""
    kind = value._name or ("the union" if isinstance(value, UnionValue) else "the record")
    if name not in value._fields:
        return f"{kind} is a copy that cannot be changed, and has no member {name!r}"
    return (
        f"{kind} is a copy that cannot be changed: write one made by _replace({name}=…) to where it came from, or of a "
        f"global variable just the part: obj.variables['variable.{name}'] = …"
    )


def _shared(key: object, make: Callable[[], type]) -> type:
    """Give the one class that `key` describes."""

    def gone(reference: ref[Any]) -> None:
        if _classes.get(key) is reference:
            del _classes[key]

    # Python may collect garbage in here, and what is then finalised may need a class too.
    with _lock:
        known = _classes.get(key)
        found: type | None = known() if known is not None else None
        if found is None:
            made = make()
            known = _classes.get(key)
            found = known() if known is not None else None
            if found is None:
                found = made
                _classes[key] = ref(found, gone)
        return found


_OWN = frozenset({*dir(Record), *dir(UnionValue)}) - {"count", "index"}


def _attribute(name: str) -> bool:
    """Tell whether a member of that name may be an attribute: not if the class itself needs the name."""
    return name not in _OWN and not (name.startswith("__") and name.endswith("__"))


def record_class(name: str, elements: Elements) -> type[Record]:
    """Give the class of a struct with the members `elements`."""

    def make() -> type:
        names: dict[str, None] = {}
        members: dict[str, object] = {"__slots__": (), "_elements": elements, "_name": name}
        for index, element in enumerate(elements):
            for each in (element,) if isinstance(element, str) else element:
                if each in names:
                    continue
                names[each] = None
                if not _attribute(each):
                    continue
                members[each] = _tuplegetter(index, each) if isinstance(element, str) else _through(index, each)
        members["_fields"] = tuple(names)
        return type(_class_name(name, "struct"), (Record,), members)

    return _shared(("struct", name, elements), make)


def _through(index: int, name: str) -> property:
    """Give the property for a member of an anonymous union, which is one element of the record."""
    return property(lambda record: getattr(tuple.__getitem__(record, index), name))


def _decoded_member(index: int, name: str) -> property:
    def refuse(value: Any, _: object) -> None:
        raise AttributeError(_immutable(value, name))

    return property(lambda value: value._decoded()[index], refuse)


def union_class(
    name: str,
    fields: tuple[str, ...],
    decoders: tuple[Callable[[bytes], object], ...] = (),
    overlay: Callable[[bytes, Mapping[str, object]], bytes] | None = None,
) -> type[UnionValue]:
    """Give the class of a union; that of a type is its own, that of a pickle goes by its description."""

    def make() -> type:
        members: dict[str, object] = {"__slots__": (), "_fields": fields, "_name": name, "_decoders": decoders}
        if overlay is not None:
            members["_overlay"] = staticmethod(overlay)
        members |= {each: _decoded_member(index, each) for index, each in enumerate(fields) if _attribute(each)}
        return type(_class_name(name, "union"), (UnionValue,), members)

    return make() if overlay is not None else _shared(("union", name, fields), make)


def enum_class(name: str, enumerators: tuple[tuple[str, int], ...]) -> type[IntEnum]:
    """Give the enumeration with these names; it takes unknown values, which are named ``UNKNOWN_n``."""

    def make() -> type:
        from .enums import OpenEnum

        # Names that Python's enum keeps for itself; their values come as unknown ones.
        usable = [(each, value) for each, value in enumerators if each and each != "mro" and not _kept(each)]
        make_enum: Any = OpenEnum
        found: Any = make_enum(_class_name(name, "enum"), dict(usable))
        found._description = name, enumerators
        found.__reduce_ex__ = _reduce_enum
        return found  # type: ignore[no-any-return]

    return _shared(("enum", name, enumerators), make)


def _kept(name: str) -> bool:
    """Tell whether a name starts and ends with an underscore, or is an attribute of every enumeration."""
    return (name.startswith("_") and name.endswith("_")) or name in ("name", "value")


def _class_name(name: str, kind: str) -> str:
    return (name.rpartition(" ")[2] or kind).encode("ascii", "backslashreplace").decode("ascii").replace("\0", "")


def _reduce_enum(self: Any, _: object) -> tuple[Callable[..., object], tuple[object, ...]]:
    return _restore_enum, (*type(self)._description, int(self))


def _restore_record(name: str, elements: Elements, values: Iterable[object]) -> Record:
    return tuple.__new__(record_class(name, elements), values)


def _restore_union(name: str, fields: tuple[str, ...], data: bytes, values: tuple[object, ...]) -> UnionValue:
    return union_class(name, fields)(data, values)


def _restore_enum(name: str, enumerators: tuple[tuple[str, int], ...], value: int) -> IntEnum:
    kind: Any = enum_class(name, enumerators)
    known = kind._value2member_map_.get(value)
    return kind._missing_(value) if known is None else known  # type: ignore[no-any-return]
