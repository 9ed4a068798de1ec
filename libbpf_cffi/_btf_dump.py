"""libbpf's dumper of BTF: types as C, and bytes as what their type makes of them."""

from __future__ import annotations

from . import _log
from ._check import check, not_null
from ._ffi import Options, ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self

    from ._libbpf import CData, btf, btf_dump, lbc_text

__all__ = ["Dumper"]


class Dumper:
    """A dumper and the text that it writes to, for the length of a ``with`` block.

    The lock of the BTF must be held, and the BTF have been checked (csrc/btf_check.c) if it is of unknown origin:
    the dumper trusts it. It remembers what it has dumped: a type comes once. *Wraps* ``struct btf_dump``.
    """

    __slots__ = ("_action", "_btf", "_dump", "_text")

    _dump: btf_dump
    _text: lbc_text

    def __init__(self, btf: btf, action: str) -> None:
        self._btf = btf
        self._action = action

    def __enter__(self) -> Self:
        _log.listen()
        self._text = not_null(lib.lbc_text__new(), self._action)
        try:
            self._dump = not_null(lib.lbc_btf_dump__new(self._btf, self._text, ffi.NULL), self._action)
        except BaseException:
            lib.lbc_text__free(self._text)
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        lib.btf_dump__free(self._dump)
        lib.lbc_text__free(self._text)

    def types(self, first: int, last: int) -> None:
        """Write the types from one id to another, each after what it needs. *Wraps* ``btf_dump__dump_type()``."""
        check(lib.lbc_btf_dump__dump_types(self._dump, self._btf, first, last), self._action)

    def declaration(self, type_id: int, name: bytes, indent_level: int = 0, *, strip_mods: bool = False) -> None:
        """Write the declaration of something of that type and name. *Wraps* ``btf_dump__emit_type_decl()``."""
        options = Options("btf_dump_emit_type_decl_opts", field_name=name)
        options.set("indent_level", indent_level)
        options.set("strip_mods", strip_mods)
        check(lib.btf_dump__emit_type_decl(self._dump, type_id, options.pointer), self._action)

    def data(self, type_id: int, data: CData, size: int, options: Options) -> int:
        """Write bytes as a value of the type; give how many of them it took. *Wraps* ``btf_dump__dump_type_data()``."""
        return check(lib.btf_dump__dump_type_data(self._dump, type_id, data, size, options.pointer), self._action)

    def take(self) -> bytes:
        """Take what has been written. The dumper goes on when its text cannot grow: that is looked for here."""
        text = self._text
        check(text.error, self._action)
        taken: bytes = ffi.buffer(text.data, text.len)[:] if text.len else b""
        lib.lbc_text__reset(text)
        return taken
