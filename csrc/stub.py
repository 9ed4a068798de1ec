"""Write `libbpf_cffi/_libbpf.pyi`, the typed stub of the compiled module, from `csrc/cdef`.

    python csrc/stub.py            rewrite the stub
    python csrc/stub.py --check    say whether it is up to date, by the exit status

Needs pycparser, which cffi brings. What cffi writes as `...` is taken out before pycparser reads the text.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pycparser import c_ast, c_parser

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "libbpf_cffi" / "_libbpf.pyi"

#: The width of the stub's lines, as everywhere in this project.
WIDTH = 110

#: What C has of its own, or cffi knows without being told.
_KNOWN = """
typedef _Bool bool;
typedef unsigned long size_t; typedef long ssize_t; typedef long ptrdiff_t;
typedef unsigned char uint8_t; typedef unsigned short uint16_t; typedef unsigned int uint32_t;
typedef unsigned long uint64_t; typedef unsigned long uintptr_t;
typedef signed char int8_t; typedef short int16_t; typedef int int32_t; typedef long int64_t;
typedef long intptr_t;
"""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(?:\.\.\.|[0-9]\w*)[ \t]*$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_INTEGER_TYPEDEF = re.compile(r"\btypedef[ \t]+int[ \t]*\.\.\.")
_OPAQUE_TYPEDEF = re.compile(r"\btypedef[ \t]+\.\.\.[ \t]*\*[ \t]*(\w+)[ \t]*;")
_REST = re.compile(r"\.\.\.[ \t]*;?")

#: Types that are no integer.
_SCALARS = {"void": "None", "bool": "bool", "_Bool": "bool", "float": "float", "double": "float"}

#: Pointers that take `bytes`: cffi passes the address of the object's own memory, so only const ones.
_BYTES = frozenset({"char", "unsigned char", "__u8", "uint8_t", "void"})

HEADER = '''\
"""Type the compiled module: `ffi`, which makes and reads C data, and `lib`, which has libbpf's functions.

Written by csrc/stub.py from csrc/cdef; do not edit. A C handle has one type here, so that a map cannot be
passed for a program. These types are for type checkers alone: at run time each of them is `ffi.CData`.

`FFI` and `CData` are described here, and not taken from types-cffi: users of the package need not have that.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NewType, TypeAlias, TypeVar, overload, type_check_only

from typing_extensions import Self, override

_T = TypeVar("_T")

@type_check_only
class CData:
    """A C value, pointer, array or struct that cffi made. `ffi.NULL` goes where a pointer is wanted."""

    def __getattr__(self, name: str, /) -> Any: ...
    @override
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    def __getitem__(self, index: int | slice, /) -> Any: ...
    def __setitem__(self, index: int | slice, value: Any, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __complex__(self) -> complex: ...
    @override
    def __hash__(self) -> int: ...
    @override
    def __eq__(self, other: object, /) -> bool: ...
    @override
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: CData, /) -> bool: ...
    def __le__(self, other: CData, /) -> bool: ...
    def __gt__(self, other: CData, /) -> bool: ...
    def __ge__(self, other: CData, /) -> bool: ...
    def __add__(self, other: int, /) -> CData: ...
    def __radd__(self, other: int, /) -> CData: ...
    @overload
    def __sub__(self, other: CData, /) -> int: ...
    @overload
    def __sub__(self, other: int, /) -> CData: ...
    def __call__(self, *args: Any) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...

@type_check_only
class Values:
    """Values of a stretch of bytes, made when they are taken: a sequence that is its own iterator (csrc/decode.h)."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...
    def __len__(self) -> int: ...
    def __length_hint__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> list[Any]: ...
    def __delitem__(self, index: slice, /) -> None: ...

class Decoder:
    """What decodes a type in C, see csrc/decode.h. It is absent from builds without a lock around the interpreter."""

    def __new__(cls, program: bytes, constants: tuple[Any, ...], alone: Callable[[Any, int], Any], /) -> Self: ...
    def one(self, buffer: Any, offset: int = 0, /) -> Any: ...
    def many(self, buffer: bytes | bytearray, offset: int, stride: int, count: int, /) -> list[Any]: ...
    def values(self, buffer: bytes | bytearray, offset: int, stride: int, count: int, /) -> Any: ...

def settle(waiting: list[_T], function: Callable[[_T], object], handle: _T, gone: object = ..., /) -> None:
    """Call `function`, whatever signal handlers raise meanwhile, see csrc/settle.h."""

@type_check_only
class CType:
    """A C type, as `ffi.typeof()` tells it."""

    kind: str
    cname: str
    def __getattr__(self, name: str, /) -> Any: ...

@type_check_only
class Buffer:
    """The bytes of a C value, as `ffi.buffer()` shows them: a view, not a copy."""

    def __new__(cls, cdata: CData, size: int = -1) -> Self: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int | slice, /) -> bytes: ...
    def __setitem__(self, index: int | slice, value: Any, /) -> None: ...
    @override
    def __eq__(self, other: object, /) -> bool: ...
    @override
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: object, /) -> bool: ...
    def __le__(self, other: object, /) -> bool: ...
    def __gt__(self, other: object, /) -> bool: ...
    def __ge__(self, other: object, /) -> bool: ...

# The class below has attributes of the same names.
_CData: TypeAlias = CData
_CType: TypeAlias = CType

@type_check_only
class FFI:
    """What cffi offers at run time; its documentation is cffi's."""

    NULL: Final[Any]
    CData: Final[type[Any]]
    CType: Final[type[Any]]
    RTLD_DEEPBIND: Final[int]
    RTLD_GLOBAL: Final[int]
    RTLD_LAZY: Final[int]
    RTLD_LOCAL: Final[int]
    RTLD_NODELETE: Final[int]
    RTLD_NOLOAD: Final[int]
    RTLD_NOW: Final[int]
    buffer: Final[type[Buffer]]
    errno: int
    error: Final[type[Exception]]
    def addressof(self, cdata: _CData | Lib, /, *fields_or_indexes: str | int) -> _CData: ...
    def alignof(self, cdecl: str | _CType | _CData) -> int: ...
    @overload
    def callback(
        self,
        cdecl: str | _CType,
        python_callable: None = ...,
        error: Any = ...,
        onerror: Callable[[type[BaseException], BaseException, TracebackType], Any] | None = ...,
    ) -> Callable[[Callable[..., Any]], _CData]: ...
    @overload
    def callback(
        self,
        cdecl: str | _CType,
        python_callable: Callable[..., Any],
        error: Any = ...,
        onerror: Callable[[type[BaseException], BaseException, TracebackType], Any] | None = ...,
    ) -> _CData: ...
    def cast(self, cdecl: str | _CType, value: Any) -> Any: ...
    def def_extern(self, name: str = ..., error: Any = ..., onerror: Any = ...) -> Callable[[_T], _T]: ...
    def dlclose(self, lib: Any, /) -> None: ...
    def dlopen(self, libpath: str | _CData | None, flags: int = ..., /) -> Any: ...
    def from_buffer(
        self,
        cdecl: str | _CType | Any,
        python_buffer: Any = ...,
        require_writable: bool = ...,
    ) -> _CData: ...
    def from_handle(self, cdata: _CData, /) -> Any: ...
    @overload
    def gc(self, cdata: _T, destructor: Callable[[_T], Any], size: int = ...) -> _T: ...
    @overload
    def gc(self, cdata: _CData, destructor: None, size: int = ...) -> None: ...
    def getctype(self, cdecl: str | _CType, replace_with: str = ...) -> str: ...
    def init_once(self, func: Callable[[], _T], tag: Any) -> _T: ...
    def integer_const(self, name: str) -> int: ...
    def list_types(self) -> tuple[list[str], list[str], list[str]]: ...
    def memmove(self, dest: Any, src: Any, n: int) -> None: ...
    def new(self, cdecl: str | _CType, init: Any = ...) -> _CData: ...
    def new_allocator(
        self,
        alloc: Callable[[int], Any] | None = ...,
        free: Callable[[Any], Any] | None = ...,
        should_clear_after_alloc: bool = ...,
    ) -> Callable[..., _CData]: ...
    def new_handle(self, value: Any, /) -> _CData: ...
    def offsetof(self, cdecl: str | _CType, field_or_index: str | int, /, *more: str | int) -> int: ...
    def release(self, cdata: _CData, /) -> None: ...
    def sizeof(self, cdecl: str | _CType | _CData, /) -> int: ...
    def string(self, cdata: _CData, maxlen: int = ...) -> bytes: ...
    def typeof(self, cdecl: str | _CType | _CData | Callable[..., Any], /) -> _CType: ...
    def unpack(self, cdata: _CData, length: int) -> Any: ...
'''


@dataclass
class Function:
    """A function: its parameters are pairs of name and Python type."""

    name: str
    parameters: list[tuple[str, str]]
    result: str


@dataclass
class Section:
    """What one file of `csrc/cdef` declares, in its order."""

    file: str
    constants: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)


@dataclass
class Types:
    """The types that need a Python type of their own."""

    #: Structs that stay opaque, and those of our own C: their pointers are handles.
    structs: set[str] = field(default_factory=set)
    #: Opaque pointer types: handles as they are.
    pointers: set[str] = field(default_factory=set)
    #: Pointers to functions.
    callbacks: set[str] = field(default_factory=set)


@dataclass
class Declarations:
    """What all the files declare."""

    sections: list[Section]
    types: Types


class StubError(Exception):
    """A declaration that this script has no Python type for."""


def read(files: list[Path]) -> Declarations:
    """Read the declarations of `files`, in this order."""
    sections = []
    parts = [_KNOWN]
    types = Types()
    for path in files:
        text = _COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        sections.append(Section(path.name, constants=_MACRO.findall(text)))
        text = _DIRECTIVE.sub("", text)
        types.pointers.update(_OPAQUE_TYPEDEF.findall(text))
        text = _OPAQUE_TYPEDEF.sub(r"typedef struct \1 *\1;", text)
        text = _REST.sub("", _INTEGER_TYPEDEF.sub("typedef int", text))
        # What matters of a place is the file's name: it tells whose a declaration is.
        parts.append(f'#line 1 "{path.name}"\n{text}')
    tree = c_parser.CParser().parse("\n".join(parts))
    _find_types(tree, types)
    by_file = {section.file: section for section in sections}
    for node in tree.ext:
        section = by_file.get(node.coord.file if node.coord else "")
        if section is not None:
            _add(section, node, types)
    return Declarations(sections, types)


def _find_types(tree: c_ast.FileAST, types: Types) -> None:
    complete: set[str] = set()
    for node in tree.ext:
        kind = node.type if isinstance(node, (c_ast.Decl, c_ast.Typedef)) else None
        if isinstance(node, c_ast.Decl) and isinstance(kind, c_ast.Struct):
            types.structs.add(kind.name)
            if kind.decls is not None and not kind.name.startswith("lbc_"):
                complete.add(kind.name)
        elif isinstance(kind, c_ast.PtrDecl) and isinstance(kind.type, c_ast.FuncDecl):
            types.callbacks.add(node.name)
    types.structs -= complete


def _add(section: Section, node: c_ast.Node, types: Types) -> None:
    if not isinstance(node, c_ast.Decl):
        return
    if isinstance(node.type, c_ast.Enum):
        if node.type.values is not None:
            section.constants += [enumerator.name for enumerator in node.type.values.enumerators]
    elif isinstance(node.type, c_ast.FuncDecl):
        section.functions.append(_function(node, types))
    elif isinstance(node.type, c_ast.PtrDecl):
        section.texts.append(node.name)
    elif not isinstance(node.type, (c_ast.Struct, c_ast.Union)):
        raise StubError(f"{section.file}: {node.name}: no Python type for this declaration")


def _function(node: c_ast.Decl, types: Types) -> Function:
    parameters = []
    for parameter in node.type.args.params if node.type.args else []:
        if isinstance(parameter, c_ast.Typename) and _base(parameter.type) == "void":
            continue
        if not parameter.name:
            raise StubError(f"{node.name}: a parameter has no name")
        parameters.append((parameter.name, _python(parameter.type, types, result=False)))
    return Function(node.name, parameters, _python(node.type.type, types, result=True))


def _base(node: c_ast.Node) -> str:
    """Return the C name of a type that is no pointer; empty for a pointer, an array or a function."""
    if not isinstance(node, c_ast.TypeDecl):
        return ""
    if isinstance(node.type, c_ast.IdentifierType):
        return " ".join(node.type.names)
    if isinstance(node.type, (c_ast.Struct, c_ast.Union, c_ast.Enum)):
        return f"{type(node.type).__name__.lower()} {node.type.name}"
    raise StubError(f"{node.coord}: unknown type")


def _python(node: c_ast.Node, types: Types, *, result: bool) -> str:
    """Return the Python type of a parameter or a result."""
    base = _base(node)
    if not base or base.startswith(("struct ", "union ")):
        return _pointer(node, types, result=result)
    if base in types.pointers:
        return base
    if base in types.callbacks:
        return "CData"
    return _SCALARS.get(base, "int")


def _pointer(node: c_ast.Node, types: Types, *, result: bool) -> str:
    if isinstance(node, c_ast.PtrDecl):
        target = _base(node.type)
        name = target.removeprefix("struct ")
        if name != target and name in types.structs:
            return name
        if not result and target in _BYTES and "const" in node.type.quals:
            return "Bytes"
    return "CData"


def render(declarations: Declarations) -> str:
    """Return the text of the stub."""
    out = [HEADER]
    handles = sorted(declarations.types.structs | declarations.types.pointers)
    out += [f'{name} = NewType("{name}", CData)' for name in handles]
    out += [
        "",
        "#: A pointer to what C only reads: cffi passes the memory of a `bytes` object itself.",
        "Bytes: TypeAlias = bytes | CData",
        "",
        "@type_check_only",
        "class Lib:",
        '    """libbpf\'s functions and constants, and ours (lbc_…), by the files of csrc/cdef."""',
    ]
    for section in declarations.sections:
        if section.constants or section.texts or section.functions:
            out += ["", f"    # {section.file}"]
        out += [f"    {name}: Final[int]" for name in section.constants]
        out += [f"    {name}: Final[CData]" for name in section.texts]
        for function in section.functions:
            out += _method(function)
    out += ["", "ffi: Final[FFI]", "lib: Final[Lib]", ""]
    return "\n".join(out)


def _method(function: Function) -> list[str]:
    parameters = ["self", *(f"{name}: {kind}" for name, kind in function.parameters), "/"]
    line = f"    def {function.name}({', '.join(parameters)}) -> {function.result}: ..."
    if len(line) <= WIDTH:
        return [line]
    inner = [f"        {part}," for part in parameters]
    return [f"    def {function.name}(", *inner, f"    ) -> {function.result}: ..."]


def cdef_files() -> list[Path]:
    """Return the files of `csrc/cdef` in the order of the build."""
    sys.path.insert(0, str(ROOT))
    try:
        import build_ffi
    finally:
        sys.path.remove(str(ROOT))
    return build_ffi.cdef_files()


def main(arguments: list[str]) -> int:
    """Rewrite the stub, or with `--check` only compare it."""
    text = render(read(cdef_files()))
    if arguments == ["--check"]:
        return 0 if STUB.exists() and STUB.read_text(encoding="utf-8") == text else 1
    if arguments:
        sys.stderr.write(f"usage: {sys.argv[0]} [--check]\n")
        return 2
    STUB.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
