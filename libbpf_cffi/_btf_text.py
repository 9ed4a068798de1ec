"""How a `Btf` writes its types as C, and bytes as what a type makes of them."""

from __future__ import annotations

from contextlib import contextmanager

from ._arguments import buffer
from ._btf_dump import Dumper
from ._btf_type import BtfType, Part
from ._ffi import Options, c_string, ffi, unsigned
from .enums import BtfKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Writing"]


class Writing(Part):
    """The part of `Btf` that writes text."""

    __slots__ = ()

    @contextmanager
    def _dumper(self, action: str) -> Iterator[Dumper]:
        """Lend a dumper, and with it the lock: nobody changes the types between their check and their dump."""
        with self._btf._handle.lock:
            self._btf._check_shape(action)
            with Dumper(self._btf._pointer, action) as dumper:
                yield dumper

    def _id_given(self, type: BtfType | int | str) -> int:
        """Give the id of a type that may be named, as in ``btf["struct event"]``."""
        return self._btf[type].id if isinstance(type, str) else self._btf._id_of(type)

    def dump(self, type: BtfType | int | str | None = None) -> str:
        """Give a type as C, after the types that it needs; without one, all of them, as in ``vmlinux.h``.

        The type may be named, as in ``btf["struct event"]``. *Wraps* ``btf_dump__dump_type()``.
        """
        first = 1 if type is None else self._id_given(type)
        what = self._btf._name if type is None else f"type {first} of {self._btf._name}"
        with self._dumper(f"write {what} as C") as dumper:
            last = len(self._btf) - 1 if type is None else first
            if last:
                dumper.types(first, last)
            return _text(dumper)

    def declare(
        self, type: BtfType | int | str, name: str = "x", *, indent_level: int = 0, strip_mods: bool = False
    ) -> str:
        """Give C's declaration of something of that type, such as ``struct event *x[4]``.

        `strip_mods` leaves out const, volatile and restrict. *Wraps* ``btf_dump__emit_type_decl()``.
        """
        type_id = self._id_given(type)
        encoded = c_string(name, "name")
        level = unsigned(indent_level, 10, "indent_level")
        with self._dumper(f"declare {name!r} of type {type_id} of {self._btf._name}") as dumper:
            dumper.declaration(type_id, encoded, level, strip_mods=bool(strip_mods))
            return _text(dumper)

    def format(
        self,
        type: BtfType | int | str,
        data: bytes | bytearray | memoryview,
        *,
        indent_str: str = "\t",
        indent_level: int = 0,
        compact: bool = False,
        skip_names: bool = False,
        emit_zeroes: bool = False,
        emit_strings: bool = False,
    ) -> str:
        """Give bytes of that type as text, as libbpf formats them: ``(struct event){.pid = (__u32)1,}``.

        The keywords are the fields of ``struct btf_dump_type_data_opts``: `compact` puts all on one line, `skip_names`
        leaves out types and names, `emit_zeroes` shows what is zero too, `emit_strings` shows arrays of char as
        strings. `data` may be longer than the type; if it is shorter, that is a ``ValueError``. It is of this machine's
        byte order. *Wraps* ``btf_dump__dump_type_data()``.
        """
        found = self._btf[self._id_given(type)]
        copied = buffer(data, "data")
        options = Options(
            "btf_dump_type_data_opts",
            indent_str=c_string(indent_str, "indent_str"),
            indent_level=unsigned(indent_level, 10, "indent_level"),
            compact=bool(compact),
            skip_names=bool(skip_names),
            emit_zeroes=bool(emit_zeroes),
            emit_strings=bool(emit_strings),
        )
        with self._dumper(f"format {found} of {self._btf._name}") as dumper:
            size = self._extent(found)
            if len(copied) < size:
                raise ValueError(f"{found} has {size} bytes, not {len(copied)}")
            # libbpf reads the whole integer that a bit field is of, and so behind the last one.
            memory = ffi.new("char[]", copied + bytes(16))
            dumper.data(found.id, memory, len(copied), options)
            return _text(dumper)

    def _extent(self, type: BtfType) -> int:
        """Give how many bytes a value of the type has."""
        size = type.size
        if size is None:
            raise TypeError(f"{type} has no size: there are no bytes of it")
        if type.kind is BtfKind.DATASEC:
            # Before it is linked a section's size is 0, and a variable may be larger than the section says.
            size = max([size, *(each.offset + (each.type.size or 0) for each in type.variables)])
        return size


def _text(dumper: Dumper) -> str:
    return dumper.take().decode("utf-8", "surrogateescape")
