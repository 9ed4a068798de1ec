"""The examples of the README and of docs/ pass a type checker, with the package as it is installed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import maps

pytestmark = pytest.mark.unsanitized("mypy runs no code of ours")

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?<!-->\n)^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Python that needs no optional module; what does is marked so in the line above."""


def module(page: Path) -> str:
    """Give the examples of a page as one module, each line where it is in the page."""
    text = page.read_text(encoding="utf-8")
    lines = [""] * (text.count("\n") + 1)
    for match in BLOCK.finditer(text):
        start = text[: match.start(1)].count("\n")
        code = match[1].splitlines()
        lines[start : start + len(code)] = code
    return "\n".join(lines) + "\n"


def checked(folder: Path, sources: dict[str, str], *options: str) -> list[str]:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir=cache", *options]
    command += [f"{name}.py" for name in sources]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_they_pass_mypy_strict(tmp_path):
    """All rules but that functions say their types, which examples need not."""
    pages = {f"page_{page.stem}": module(page) for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))}
    assert "page_README" in pages
    assert checked(tmp_path, pages, "--allow-untyped-defs", "--allow-untyped-calls") == []


def test_the_class_of_a_created_map_is_known_from_its_type():
    """What type checkers are told of `Map.create` is what the table of classes says."""
    tree = ast.parse((ROOT / "libbpf_cffi" / "_map_creatable.py").read_text(encoding="utf-8"))
    said = {}
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef) and each.name == "create":
            kind = each.args.args[1].annotation
            if isinstance(kind, ast.Subscript):
                for element in kind.slice.elts:
                    name = element.value if isinstance(element, ast.Constant) else element.attr
                    said[isinstance(element, ast.Constant), name] = each.returns.id
    names = {each.name: maps.kind_of(int(each)).__name__ for each in bpf.MapType}
    classes = {name: kind for name, kind in names.items() if kind != "Map"}
    assert said == {(True, name.lower()): kind for name, kind in classes.items()} | {
        (False, name): kind for name, kind in classes.items()
    }
