"""What `import libbpf_cffi` brings in: it is in the start-up time of every tool."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

DEAR = {
    "argparse",
    "asyncio",
    "ctypes",
    "dataclasses",
    "difflib",
    "enum",
    "inspect",
    "json",
    "logging",
    "numpy",
    "pathlib",
    "re",
    "shutil",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "urllib",
}
"""Each of these costs a millisecond or much more; whoever needs one imports it when it is used."""


def modules(code: str) -> set[str]:
    """The modules that are loaded after running `code` in an interpreter without site-packages' own imports."""
    show = "print(*sorted(set(sys.modules) - before))"
    program = f"import sys; before = set(sys.modules)\n{code}\n{show}"
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return set(out.stdout.split())


def test_nothing_dear_is_imported() -> None:
    """The package itself is all that an import costs."""
    assert modules("import libbpf_cffi") & DEAR == set()


def test_the_trace_reader_imports_nothing_dear_but_its_regular_expressions() -> None:
    """A `TracePipe` needs no asyncio, threading or logging."""
    assert modules("import libbpf_cffi; libbpf_cffi.TracePipe") & (DEAR - {"re", "enum"}) == set()


@pytest.mark.parametrize("name", ["MapType", "TracePipe", "compile_object"])
def test_lazy_names_are_not_imported_before_they_are_asked_for(name: str) -> None:
    """Their modules come with the first use."""
    module = f"libbpf_cffi.{ {'MapType': 'enums', 'TracePipe': 'trace_pipe', 'compile_object': 'compile'}[name] }"
    assert module not in modules("import libbpf_cffi")
    assert module in modules(f"import libbpf_cffi; libbpf_cffi.{name}")


@pytest.mark.parametrize(
    ("library", "packages"), [("libelf.so.1", ("libelf1", "elfutils-libelf")), ("libz.so.1", ("zlib1g", "zlib"))]
)
def test_a_library_that_is_missing_is_named_with_the_packages_that_have_it(library: str, packages: tuple[str]) -> None:
    """The dynamic linker's words, and what to install."""
    said = f"{library}: cannot open shared object file: No such file or directory"
    code = f"""
        import sys

        class Linker:
            def find_spec(self, name, path=None, target=None):
                if name == "libbpf_cffi._libbpf":
                    raise ImportError({said!r}, name=name, path="/there")

        sys.meta_path.insert(0, Linker())
        try:
            import libbpf_cffi
        except ImportError as error:
            print(error.name, error.path, error)
        """
    out = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert out.stdout.startswith(f"libbpf_cffi._libbpf /there {said}: install ")
    assert all(package in out.stdout for package in packages)


USES = """
import os
for call in (lambda: bpf.Object.open(b"nothing"), lambda: bpf.Btf.from_bytes(b"nothing"), lambda: bpf.MapType.HSAH):
    try:
        call()
    except (bpf.Error, AttributeError):
        pass
bpf.kernel, bpf.probe.possible_cpus(), bpf.hist.log2_hist([1, 2])
[getattr(bpf, name) for name in bpf.__all__]
"""
"""What needs no privilege and comes from all over the package."""


def test_after_preload_nothing_more_is_imported() -> None:
    """So it works where no file can be read."""
    assert modules(f"import tempfile, libbpf_cffi as bpf; bpf.preload(); before = set(sys.modules)\n{USES}") == set()


def test_preload_has_what_the_modules_import_late() -> None:
    """What a function imports of the standard library is imported by `preload`, or is a command's or the compiler's."""
    from libbpf_cffi import _preload

    left_out = {"argparse", "hashlib", "importlib", "importlib.metadata", "json", "numpy", "os", "pathlib", "pwd"}
    left_out |= {"resource", "shlex", "shutil", "tempfile"}
    late = set()
    for path in Path(_preload.__file__).parent.glob("*.py"):
        if path.stem.startswith(_preload.COMMANDS):
            continue
        functions = (each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.FunctionDef))
        for each in (each for function in functions for each in ast.walk(function)):
            if isinstance(each, ast.Import):
                late |= {alias.name for alias in each.names}
            elif isinstance(each, ast.ImportFrom) and not each.level:
                late.add(each.module or "")
    assert late - left_out == set(_preload.STANDARD) - {"asyncio"} | late & {"asyncio"}
