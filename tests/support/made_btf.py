"""BTF made by hand, also such as no compiler makes."""

from __future__ import annotations

from libbpf_cffi import Btf
from libbpf_cffi._ffi import ffi, lib


class Made:
    """A BTF in the making; each method gives the id of the type that it adds."""

    def __init__(self) -> None:
        self.btf = Btf.new()

    @property
    def _pointer(self):
        return self.btf._pointer

    def _added(self, number: int) -> int:
        assert number > 0, number
        return number

    def int(self, name: str = "int", size: int = 4, encoding: int = lib.BTF_INT_SIGNED) -> int:
        return self._added(lib.btf__add_int(self._pointer, name.encode(), size, encoding))

    def struct(self, name: str, size: int, *members, union: bool = False) -> int:
        """Add a struct of members: name, type, offset and width in bits."""
        add = lib.btf__add_union if union else lib.btf__add_struct
        number = self._added(add(self._pointer, name.encode("utf-8", "surrogateescape") or ffi.NULL, size))
        for member, kind, offset, *width in members:
            encoded = member if isinstance(member, bytes) else member.encode("utf-8", "surrogateescape")
            assert lib.btf__add_field(self._pointer, encoded or ffi.NULL, kind, offset, *(width or [0])) == 0
        return number

    def array(self, element: int, count: int) -> int:
        return self._added(lib.btf__add_array(self._pointer, 1, element, count))

    def typedef(self, name: str, kind: int) -> int:
        return self._added(lib.btf__add_typedef(self._pointer, name.encode(), kind))

    def const(self, kind: int) -> int:
        return self._added(lib.btf__add_const(self._pointer, kind))

    def pointer(self, kind: int) -> int:
        return self._added(lib.btf__add_ptr(self._pointer, kind))

    def forward(self, name: str) -> int:
        return self._added(lib.btf__add_fwd(self._pointer, name.encode(), lib.BTF_FWD_STRUCT))

    def enum(self, name: str, size: int, *values: tuple[str, int]) -> int:
        number = self._added(lib.btf__add_enum(self._pointer, name.encode() or ffi.NULL, size))
        for each, value in values:
            assert lib.btf__add_enum_value(self._pointer, each.encode("utf-8", "surrogateescape"), value) == 0
        return number

    def float(self, name: str, size: int) -> int:
        return self._added(lib.btf__add_float(self._pointer, name.encode(), size))

    def change(self, number: int, **fields: int) -> None:
        """Write fields of ``struct btf_type``, such as `size` or `type`."""
        raw = ffi.cast("struct btf_type *", lib.btf__type_by_id(self._pointer, number))
        for name, value in fields.items():
            setattr(raw, name, value)

    def change_array(self, number: int, **fields: int) -> None:
        array = ffi.cast("struct btf_array *", lib.btf_array(lib.btf__type_by_id(self._pointer, number)))
        for name, value in fields.items():
            setattr(array, name, value)

    def change_member(self, number: int, index: int, **fields: int) -> None:
        member = ffi.cast("struct btf_member *", lib.btf_members(lib.btf__type_by_id(self._pointer, number)))[index]
        for name, value in fields.items():
            setattr(member, name, value)

    def __getitem__(self, number: int):
        return self.btf[number]
