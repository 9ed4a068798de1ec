"""What Python may see of libbpf is what libbpf has: nothing is missing, nothing is invented.

The headers and the export list are the pinned ones in vendor/libbpf/source. pycparser reads them, independently
of csrc/stub.py, and with system headers of our own: it knows no compiler's extensions.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from pycparser import c_ast, c_parser

from libbpf_cffi._libbpf import ffi, lib

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "vendor" / "libbpf" / "source"
STUB = ROOT / "libbpf_cffi" / "_libbpf.pyi"
STUB_SCRIPT = ROOT / "csrc" / "stub.py"

#: libbpf's public headers, and the kernel's whose every type and constant is declared.
API = ("libbpf.h", "bpf.h", "btf.h", "libbpf_common.h", "libbpf_legacy.h", "libbpf_version.h")
UAPI = ("bpf.h", "bpf_common.h", "btf.h", "perf_event.h")

SYSTEM_HEADERS = {
    "stdarg.h": "typedef int va_list;",
    "stddef.h": "typedef unsigned long size_t;",
    "stdbool.h": "#define bool _Bool",
    "stdint.h": "#define UINT32_MAX 4294967295U",
    "stdio.h": "",
    "string.h": "",
    "sys/types.h": "#include <stddef.h>\ntypedef int pid_t;",
    "asm/byteorder.h": f"#define __{sys.byteorder.upper()}_ENDIAN_BITFIELD",
    "linux/ioctl.h": "",
    "linux/types.h": """
        typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32;
        typedef signed char __s8; typedef short __s16; typedef int __s32;
        typedef unsigned long long __u64; typedef long long __s64;
        typedef __u16 __be16; typedef __u32 __be32; typedef __u32 __wsum;
        #define __aligned_u64 __u64
        #define __bitwise
    """,
}

#: Macros of the headers that are no constant.
NO_CONSTANT = {
    "LIBBPF_API": "an attribute",
    "DECLARE_LIBBPF_OPTS": "another name of LIBBPF_OPTS(), which declares a variable",
    "bpf_map__for_each": "another name of bpf_object__for_each_map(), which is a loop",
}

#: Constants that are a text, not a number.
STRINGS = {"BTF_ELF_SEC", "BTF_EXT_ELF_SEC", "BTF_BASE_ELF_SEC", "MAPS_ELF_SEC"}

#: Bit-fields that come in another order on a big-endian machine: `val` and the PERF_MEM_* shifts give the same.
NO_FIELDS = {("union perf_mem_data_src", "mem_")}

MISSING = "vendor/libbpf/source is not there: run vendor/libbpf/unpack.py, or build the package"


# -----------------------------------------------------------------------------------------------------------
# What the headers say


class Headers:
    """The declarations of the pinned headers."""

    def __init__(self, folder: Path) -> None:
        assert SOURCE.is_dir(), MISSING
        for name, text in SYSTEM_HEADERS.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        self.folder = folder
        includes = [f"#include <linux/{name}>" for name in UAPI] + [f'#include "{name}"' for name in API]
        text = self._preprocess("\n".join(includes))
        self.functions: dict[str, list[str]] = {}
        self.inline: dict[str, list[str]] = {}
        self.enums: dict[str, list[str]] = {}
        self.unnamed_enumerators: list[str] = []
        self.structs: dict[str, set[tuple[str, int]]] = {}
        for node in c_parser.CParser().parse(text).ext:
            self._add(node)
        self.macros = self._macros("\n".join(includes))

    def constants(self) -> set[str]:
        """Return the names of all enumerators and constant macros."""
        return self.macros.union(self.unnamed_enumerators, *self.enums.values())

    def _preprocess(self, text: str, *options: str) -> str:
        command = [
            *compiler(), "-E", "-nostdinc", f"-I{self.folder}", f"-I{SOURCE}/src", f"-I{SOURCE}/include/uapi",
            "-D__attribute__(x)=", "-D__inline__=inline", *options, "-xc", "-",
        ]
        return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, check=True).stdout

    def _add(self, node: c_ast.Node) -> None:
        if isinstance(node, c_ast.FuncDef):
            if "inline" in node.decl.funcspec:
                self.inline[node.decl.name] = parameters(node.decl.type)
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.FuncDecl):
            self.functions[node.name] = parameters(node.type)
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, c_ast.Enum) and node.type.values:
            names = [enumerator.name for enumerator in node.type.values.enumerators]
            if node.type.name:
                self.enums[node.type.name] = names
            else:
                self.unnamed_enumerators += names
        elif isinstance(node, c_ast.Decl) and isinstance(node.type, (c_ast.Struct, c_ast.Union)) and node.type.decls:
            name = f"{type(node.type).__name__.lower()} {node.type.name}"
            self.structs[name] = set(leaves(node.type))

    def _macros(self, includes: str) -> set[str]:
        """Return the macros without parameters that stand for something, other than another enumerator's name."""
        found = set()
        file = ""
        for line in self._preprocess(includes, "-dD").splitlines():
            if match := re.match(r'# \d+ "(.*?)"', line):
                file = match[1]
            elif (match := re.match(r"#define (\w+) +(\S.*)", line)) and str(SOURCE) in file:
                found.add(match[1])
        enumerators = set(self.unnamed_enumerators).union(*self.enums.values())
        return {name for name in found - enumerators - set(NO_CONSTANT) if not name.endswith("__last_field")}


def compiler() -> list[str]:
    """Return the command of the environment's C compiler, of the one that Python was built with, or `cc`."""
    for command in (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc"):
        words = shlex.split(command or "")
        if words and shutil.which(words[0]):
            return words
    pytest.fail("no C compiler: the package cannot have been built here")


def parameters(function: c_ast.FuncDecl) -> list[str]:
    """Return the names of a function's parameters."""
    listed = function.args.params if function.args else []
    return [p.name for p in listed if not (isinstance(p, c_ast.Typename) and p.name is None)]


def leaves(struct: c_ast.Struct | c_ast.Union, path: str = "") -> list[tuple[str, int]]:
    """Return the path and the bit width (0: no bit-field) of each named member, members of unnamed types included."""
    found = []
    for member in struct.decls:
        inside = member.type
        if isinstance(inside, c_ast.TypeDecl):
            inside = inside.type
        if isinstance(inside, (c_ast.Struct, c_ast.Union)) and inside.decls:
            found += leaves(inside, f"{path}{member.name}." if member.name else path)
        elif member.name:
            found.append((path + member.name, int(member.bitsize.value) if member.bitsize else 0))
    return found


@pytest.fixture(scope="module")
def headers(tmp_path_factory):
    return Headers(tmp_path_factory.mktemp("include"))


@functools.cache
def exported() -> set[str]:
    """Return the names in libbpf's export list."""
    text = (SOURCE / "src" / "libbpf.map").read_text(encoding="utf-8")
    return set(re.findall(r"^\s*(\w+);", text, re.MULTILINE))


# -----------------------------------------------------------------------------------------------------------
# What the compiled module and the stub say


@functools.cache
def runtime_functions() -> set[str]:
    return {name for name in dir(lib) if not isinstance(getattr(lib, name), (int, ffi.CData))}


@functools.cache
def runtime_constants() -> set[str]:
    return set(dir(lib)) - runtime_functions()


@functools.cache
def runtime_structs() -> dict[str, object]:
    """Return every struct and union whose members are known, ours apart.

    An opaque one has no size, and reading its `fields` aborts the interpreter (cffi 2.1.1): never asked for here.
    """
    _, structs, unions = ffi.list_types()
    found = {}
    for name in [f"struct {name}" for name in structs] + [f"union {name}" for name in unions]:
        if name.startswith("struct lbc_"):
            continue
        try:
            ffi.sizeof(name)
        except ffi.error as error:
            # Every other error is a declaration that does not fit the compiler's layout.
            if "don't know the size" not in str(error):
                raise
        else:
            found[name] = ffi.typeof(name)
    return found


def runtime_leaves(ctype, path: str = "", offset: int = 0):
    """Yield path, field and offset in bytes of each member, members of unnamed types included."""
    for name, member in ctype.fields:
        if member.type.kind in ("struct", "union") and not re.match(r"(struct|union) \w+$", member.type.cname):
            yield from runtime_leaves(member.type, f"{path}{name}.", offset + member.offset)
        else:
            yield path + name, member, offset + member.offset


class StubFile:
    """The typed stub, read by Python's own parser."""

    def __init__(self) -> None:
        self.tree = ast.parse(STUB.read_text(encoding="utf-8"))
        self.classes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        self.handles = {
            node.targets[0].id
            for node in self.tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("NewType(")
        }
        self.functions: dict[str, ast.FunctionDef] = {}
        self.constants: dict[str, str] = {}
        for node in self.classes["Lib"].body:
            if isinstance(node, ast.FunctionDef):
                assert node.name not in self.functions, f"{node.name} is in the stub twice"
                self.functions[node.name] = node
            elif isinstance(node, ast.AnnAssign):
                assert node.target.id not in self.constants, f"{node.target.id} is in the stub twice"
                self.constants[node.target.id] = ast.unparse(node.annotation)

    def parameters(self, name: str) -> list[ast.arg]:
        """Return a function's parameters without `self`."""
        given = self.functions[name].args
        others = [given.args, given.kwonlyargs, given.vararg, given.kwarg, given.defaults]
        assert not any(others), f"{name} takes more than positional arguments"
        return given.posonlyargs[1:]


@pytest.fixture(scope="module")
def stub():
    return StubFile()


# -----------------------------------------------------------------------------------------------------------
# Functions


def test_libbpf_exports_356_functions():
    assert len(exported()) == 356


def test_each_exported_function_is_in_lib():
    assert not exported() - runtime_functions()


def test_each_inline_function_of_the_headers_is_in_lib(headers):
    assert headers.inline
    assert not set(headers.inline) - runtime_functions()


def test_each_other_function_of_lib_is_ours(headers):
    others = runtime_functions() - exported() - set(headers.inline)
    assert others
    assert [name for name in sorted(others) if not name.startswith("lbc_")] == []


def test_each_exported_function_has_a_prototype_in_a_public_header(headers):
    assert set(headers.functions) == exported()


def test_each_function_has_the_parameters_that_its_prototype_has(headers):
    wanted = {name: len(names) for name, names in {**headers.functions, **headers.inline}.items()}
    assert {name: len(ffi.typeof(getattr(lib, name)).args) for name in wanted} == wanted


# -----------------------------------------------------------------------------------------------------------
# Constants and enums


def test_each_enumerator_of_a_named_enum_is_in_the_enum_of_that_name(headers):
    declared = {name: set(ffi.typeof(f"enum {name}").relements) for name in headers.enums}
    assert declared == {name: set(names) for name, names in headers.enums.items()}


def test_each_enumerator_of_an_unnamed_enum_is_in_lib(headers):
    assert headers.unnamed_enumerators
    assert not set(headers.unnamed_enumerators) - runtime_constants()


def test_each_constant_macro_of_the_headers_is_in_lib(headers):
    assert headers.macros
    assert not headers.macros - runtime_constants()


def test_each_other_constant_of_lib_is_of_netlink_or_ours(headers):
    of_netlink = re.compile(r"(__)?IFLA_|NETKIT_|NETDEV_XDP_|TC_(ACT|H)_|TCA_(CLS|BPF)_FLAG|XDP_(FLAGS|ATTACHED)_")
    ours = {name for name in runtime_constants() if name.startswith("LBC_")}
    others = runtime_constants() - headers.constants() - ours
    assert [name for name in sorted(others) if not of_netlink.match(name)] == []


def test_each_constant_can_be_read():
    kinds = {name: type(getattr(lib, name)) for name in runtime_constants()}
    assert {name for name, kind in kinds.items() if kind is not int} == STRINGS


def test_helper_ids_are_counted_by_their_last():
    last = lib.__BPF_FUNC_MAX_ID
    assert last == len(ffi.typeof("enum bpf_func_id").relements) - 1


def test_a_64_bit_constant_is_whole():
    assert lib.BPF_F_CTXLEN_MASK == 0xFFFFF << 32


def test_the_constants_name_the_pinned_version():
    assert (lib.LIBBPF_MAJOR_VERSION, lib.LIBBPF_MINOR_VERSION) == (1, 7)


# -----------------------------------------------------------------------------------------------------------
# Structs


def test_each_struct_of_the_headers_is_declared_and_no_other(headers):
    assert set(runtime_structs()) == set(headers.structs)


def test_each_member_of_each_struct_is_declared_and_no_other(headers):
    declared = {
        name: {(path, max(member.bitsize, 0)) for path, member, _ in runtime_leaves(ctype)}
        for name, ctype in runtime_structs().items()
    }
    wanted = {
        name: {leaf for leaf in members if not any(name == n and leaf[0].startswith(p) for n, p in NO_FIELDS)}
        for name, members in headers.structs.items()
    }
    assert declared == wanted


def test_each_options_struct_starts_with_its_size():
    options = {name: ctype for name, ctype in runtime_structs().items() if name.endswith("_opts")}
    assert len(options) >= 40
    assert [name for name, ctype in options.items() if ctype.fields[0][0] != "sz"] == []


def c_program(tmp_path: Path, statements: list[str]) -> list[str]:
    """Compile and run statements that print, against the pinned headers; return the lines."""
    includes = [f"#include <linux/{name}>" for name in UAPI]
    includes += [f'#include "{name}"' for name in API]
    includes += [f"#include <{name}>" for name in ("stddef.h", "stdio.h", "string.h")]
    source = tmp_path / "layout.c"
    body = "\n".join(statements)
    source.write_text("\n".join(includes) + f"\nint main(void)\n{{\n{body}\nreturn 0;\n}}\n", encoding="utf-8")
    program = tmp_path / "layout"
    folders = [f"-I{SOURCE}/{folder}" for folder in ("src", "include/uapi", "include")]
    subprocess.run([*compiler(), "-O0", "-w", *folders, str(source), "-o", str(program)], check=True)
    return subprocess.run([str(program)], text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()


def test_each_constant_has_the_value_of_the_headers(headers, tmp_path):
    names = sorted((runtime_constants() & headers.constants()) - STRINGS)
    statements = [f'printf("{name} %lld\\n", (long long)({name}));' for name in names]
    assert len(names) > 1000
    # A constant above the greatest long long comes out negative on either side.
    wanted = [f"{name} {int(ffi.cast('long long', getattr(lib, name)))}" for name in names]
    assert c_program(tmp_path, statements) == wanted


def test_each_struct_and_member_lies_where_the_compiler_puts_it(tmp_path):
    statements, wanted = [], []
    for name, ctype in runtime_structs().items():
        statements.append(f'printf("{name} %zu\\n", sizeof({name}));')
        wanted.append(f"{name} {ffi.sizeof(ctype)}")
        for path, member, offset in runtime_leaves(ctype):
            if member.bitsize < 0:
                size = f"sizeof((({name} *)0)->{path})" if not is_flexible(member) else "(size_t)0"
                statements.append(f'printf("{name}.{path} %zu %zu\\n", offsetof({name}, {path}), {size});')
                wanted.append(f"{name}.{path} {offset} {0 if is_flexible(member) else ffi.sizeof(member.type)}")
    assert len(wanted) > 900
    assert c_program(tmp_path, statements) == wanted


def is_flexible(member) -> bool:
    """Tell whether a member is an array without a length."""
    return member.type.kind == "array" and not member.type.length


def test_each_bit_field_sets_the_bits_that_the_compiler_sets(tmp_path):
    statements, wanted = [], []
    for name, ctype in runtime_structs().items():
        for path, member, _ in runtime_leaves(ctype):
            if member.bitsize < 0:
                continue
            value = ffi.new(f"{name} *")
            setattr(value, path, (1 << member.bitsize) - 1)
            wanted.append(f"{name}.{path} {bytes(ffi.buffer(value)).hex()}")
            statements.append(
                f'{{ {name} v; memset(&v, 0, sizeof(v)); v.{path} = ~0ULL; printf("{name}.{path} ");'
                ' for (size_t i = 0; i < sizeof(v); i++) printf("%02x", ((unsigned char *)&v)[i]);'
                ' printf("\\n"); }'
            )
    assert len(wanted) > 60
    assert c_program(tmp_path, statements) == wanted


# -----------------------------------------------------------------------------------------------------------
# The typed stub


def test_the_stub_is_what_its_script_writes():
    done = subprocess.run([sys.executable, str(STUB_SCRIPT), "--check"], check=False)
    assert done.returncode == 0, "run csrc/stub.py"


def test_the_stub_has_the_functions_of_lib(stub):
    assert set(stub.functions) == runtime_functions()


def test_the_stub_has_the_constants_of_lib(stub):
    assert set(stub.constants) == runtime_constants()


def test_the_stub_has_the_methods_of_ffi(stub):
    names = set()
    for node in stub.classes["FFI"].body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(node.target.id)
    assert names == {name for name in dir(ffi) if not name.startswith("__")}


def test_a_function_of_the_stub_has_the_parameters_of_its_prototype(stub, headers):
    prototypes = {**headers.functions, **headers.inline}
    assert {name: [p.arg for p in stub.parameters(name)] for name in prototypes} == prototypes


def test_a_function_of_the_stub_takes_and_returns_what_c_does(stub):
    wrong = []
    for name in stub.functions:
        signature = ffi.typeof(getattr(lib, name))
        pairs = [(p.annotation, kind) for p, kind in zip(stub.parameters(name), signature.args, strict=True)]
        for annotation, kind in [*pairs, (stub.functions[name].returns, signature.result)]:
            if ast.unparse(annotation) not in python_types(kind, stub.handles):
                wrong.append(f"{name}: {ast.unparse(annotation)} for {kind.cname}")
    assert wrong == []


def python_types(kind, handles: set[str]) -> set[str]:
    """Return the annotations that fit a C type; `const` is gone at run time, so `Bytes` may be meant."""
    if kind.kind == "void":
        return {"None"}
    if kind.kind in ("primitive", "enum"):
        return {"bool"} if kind.cname in ("bool", "_Bool") else {"int"}
    if kind.kind == "pointer":
        target = kind.item
        if target.kind == "struct" and (name := re.sub(r"^struct (\$\$)?", "", target.cname)) in handles:
            return {name}
        if target.kind == "void" or target.cname in ("char", "unsigned char"):
            return {"CData", "Bytes"}
    return {"CData"}


def test_each_opaque_struct_has_a_type_of_its_own_in_the_stub(stub):
    _, structs, _ = ffi.list_types()
    complete = {name.removeprefix("struct ") for name in runtime_structs()}
    opaque_pointers = {"libbpf_print_fn_t", "btf_dump_printf_fn_t"}
    named = {name for name in structs if not name.startswith("$")}
    assert stub.handles == (named - complete) | opaque_pointers


# -----------------------------------------------------------------------------------------------------------
# What type checkers make of it

USES = {
    "a map for a program": ("lib.bpf_program__fd(lib.bpf_object__next_map(obj, ffi.NULL))", "arg-type"),
    "str for char *": ('lib.bpf_object__open("x.o")', "arg-type"),
    "bytes for memory that C writes": ('lib.bpf_map_lookup_elem(3, b"k", b"value")', "arg-type"),
    "a parameter's name": ('lib.bpf_object__open(path=b"x.o")', "call-arg"),
    "an unknown function": ("lib.bpf_object__explode(obj)", "attr-defined"),
    "an unknown constant": ("lib.BPF_MAP_TYPE_NONE", "attr-defined"),
    "a constant that is set": ("lib.BPF_ANY = 1", "misc"),
    "a plain C value for a handle": ('lib.bpf_map__fd(ffi.new("int *"))', "arg-type"),
}

RIGHT = """
    prog = lib.bpf_object__next_program(obj, ffi.NULL)
    link = lib.bpf_program__attach_xdp(prog, 1)
    lib.bpf_link__update_program(link, prog)
    opts = ffi.new("struct bpf_object_open_opts *")
    opts.sz = ffi.sizeof("struct bpf_object_open_opts")
    name: bytes = ffi.string(lib.bpf_program__name(prog))
    flags: int = lib.BPF_ANY | lib.__MAX_BPF_CMD
    alive: bool = lib.bpf_program__autoload(prog)
    data: bytes = bytes(ffi.buffer(opts))
    rb = ffi.gc(lib.ring_buffer__new(3, ffi.NULL, ffi.NULL, ffi.NULL), lib.ring_buffer__free)
    lib.ring_buffer__poll(rb, 0)
    lib.bpf_object__open_mem(data, len(data), opts)
    lib.bpf_prog_get_next_id(flags, ffi.new("__u32 *"))
"""


def test_a_type_checker_takes_what_is_right_and_refuses_what_is_wrong(tmp_path):
    pytest.importorskip("mypy", reason="mypy is not installed")
    lines = ["from libbpf_cffi._libbpf import ffi, lib", 'obj = lib.bpf_object__open(b"x.o")']
    lines += textwrap.dedent(RIGHT).split("\n")
    first_wrong = len(lines) + 1
    lines += [statement for statement, _ in USES.values()]
    script = tmp_path / "uses.py"
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Only the stub is of interest here: without the rest of the package mypy reads one file.
    package = tmp_path / "libbpf_cffi"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_libbpf.pyi").write_bytes(STUB.read_bytes())
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}/cache", str(script)]
    environment = {**os.environ, "MYPYPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False)
    errors = re.findall(r"^(\S+?):(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    wanted = [("uses.py", str(first_wrong + i), code) for i, (_, code) in enumerate(USES.values())]
    assert [(Path(file).name, line, code) for file, line, code in errors] == wanted, done.stdout + done.stderr


# -----------------------------------------------------------------------------------------------------------
# Where the declarations are


def test_each_file_of_the_cdef_says_what_it_holds():
    files = sorted((ROOT / "csrc" / "cdef").glob("*.h"))
    assert len(files) > 30
    assert [path.name for path in files if not re.match(r"/\* \S.*\. \*/\n\n", path.read_text(encoding="utf-8"))] == []
