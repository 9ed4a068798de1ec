"""The only importer of the compiled extension: `ffi`, `lib`, and what turns Python's values into C's and back."""

from __future__ import annotations

import os
from _operator import index

from ._arguments import boolean, c_string, path_bytes, signed, unsigned

_PACKAGES = {
    "libelf.so": "libelf1 on Debian and Ubuntu, elfutils-libelf on Fedora, RHEL and the like",
    "libz.so": "zlib1g on Debian and Ubuntu, zlib-ng-compat on Fedora, zlib on RHEL and the like",
    "libbpf.so": "libbpf1 on Debian and Ubuntu, libbpf on Fedora, RHEL and the like, of version 1.7 or later",
}
"""What has the libraries that the extension is linked with; the last only if it was built so."""

try:
    from ._libbpf import ffi, lib, settle
except ModuleNotFoundError as error:
    if error.name != f"{__package__}._libbpf":
        raise
    raise ModuleNotFoundError(
        f"{os.path.dirname(__file__)} has no compiled extension: if this is the source tree, run Python from another "
        "folder to use the installed package, or build here with `python setup.py build_ext --inplace`",
        name=error.name,
    ) from None
except ImportError as error:
    for library, packages in _PACKAGES.items():
        if library in str(error):
            raise ImportError(f"{error}: install {packages}", name=error.name, path=error.path) from None
    raise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._libbpf import CData, Decoder

else:
    # Absent where there is no lock around the interpreter, see csrc/decode.h.
    from . import _libbpf

    Decoder = getattr(_libbpf, "Decoder", None)

__all__ = [
    "Decoder",
    "Options",
    "boolean",
    "c_string",
    "ffi",
    "lib",
    "path_bytes",
    "set_member",
    "settle",
    "signed",
    "text",
    "unsigned",
    "wild",
]


def text(pointer: CData) -> str:
    """Give the C string at `pointer` as text; NULL gives the empty string.

    Names in an ELF file are bytes of no stated encoding: what is not UTF-8 comes as surrogate escapes, as
    file names do.
    """
    return ffi.string(pointer).decode("utf-8", "surrogateescape") if pointer else ""


def set_member(struct: Any, name: str, value: Any, what: str) -> None:
    """Set a member of a struct; what it cannot hold is an error that says `what` it was for."""
    try:
        # CFFI takes what has __int__(), but not what has __index__() alone.
        setattr(struct, name, index(value) if hasattr(type(value), "__index__") else value)
    except OverflowError:
        raise ValueError(f"{what} cannot be {value!r}: it does not fit there") from None
    except (TypeError, IndexError, ValueError) as wrong:
        raise type(wrong)(f"{what}: {wrong}") from None


def wild(pointer: CData) -> bool:
    """Tell whether a pointer cannot be one: NULL, an errno in disguise, or an address of the kernel's half.

    For a malformed object libbpf's ``open`` can return a negative size as if it were a pointer.
    """
    address = int(ffi.cast("intptr_t", pointer))
    return address < 1 << 16


class Options:
    """A zeroed option struct of libbpf with its ``sz`` and the strings and buffers that it points to.

    `pointer` is valid for as long as the `Options` lives. A ``None`` leaves the field zero, which is libbpf's
    default.
    """

    __slots__ = ("kept", "pointer")

    def __init__(self, struct: str, **fields: Any) -> None:
        self.pointer = ffi.new(f"struct {struct} *")
        self.pointer.sz = ffi.sizeof(self.pointer[0])
        self.kept: list[CData] = []
        for name, value in fields.items():
            # False and 0 are there already; an empty string is not.
            if value or isinstance(value, bytes):
                self.set(name, value)

    def set(self, field: str, value: Any) -> None:
        """Set one field; ``bytes`` become a C string that is kept alive."""
        if value is None:
            return
        if isinstance(value, bytes):
            value = ffi.new("char[]", value)
            self.kept.append(value)
        setattr(self.pointer, field, value)
