"""Which of libbpf's functions the package uses, and where: found in its Python and its C, not written down.

``python tests/support/libbpf_uses.py`` prints the table.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import libbpf_cffi

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
EXPORTS = ROOT / "vendor" / "libbpf" / "source" / "src" / "libbpf.map"
PACKAGE = Path(libbpf_cffi.__file__).parent

PUBLIC_MODULES = ("tracefs", "tracepoints", "probe", "kernel", "net", "hist", "linker", "compile", "run")
"""Modules whose own names are public, beside those of the package."""


def exported() -> set[str]:
    """The functions that libbpf exports."""
    text = EXPORTS.read_text(encoding="utf-8")
    return set(re.findall(r"^\s+((?:bpf|btf|libbpf|perf|ring|user)_\w+);", text, re.MULTILINE))


# Python: what each definition mentions


def _identifiers(nodes: list[ast.AST]) -> Iterator[tuple[str, bool]]:
    """Give each name that the code has in it, and whether it is one of `lib`."""
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Attribute):
                owner = node.value
                yield node.attr, "lib" in (getattr(owner, "id", ""), getattr(owner, "attr", ""))
            elif isinstance(node, ast.Name):
                yield node.id, False
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                # getattr(lib, "…"), a table of names.
                yield node.value, node.value.startswith(("bpf_", "btf_", "libbpf_")) and "__" in node.value


@functools.cache
def definitions() -> dict[str, list[tuple[str, frozenset[str], frozenset[str]]]]:
    """By simple name: where it is defined, what names it mentions, what names of `lib`."""
    found = defaultdict(list)

    def add(name: str, where: str, nodes: list[ast.AST]) -> None:
        mentions = list(_identifiers(nodes))
        of_lib = frozenset(each for each, is_lib in mentions if is_lib)
        found[name].append((where, frozenset(each for each, _ in mentions), of_lib))

    def collect(body: list[ast.stmt], where: str) -> None:
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                add(node.name, f"{where}.{node.name}", [*node.body, *node.decorator_list, *node.args.defaults])
            elif isinstance(node, ast.ClassDef):
                # Naming a class is no use of all its methods, but of its bases and of what makes one.
                methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
                makers = [each for each in methods if each.name.startswith("__")]
                add(node.name, f"{where}.{node.name}", [*node.bases, *makers])
                collect(node.body, f"{where}.{node.name}")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name) and node.value is not None:
                        add(target.id, f"{where}.{target.id}", [node.value])
            elif isinstance(node, ast.Expr):
                add("<module>", where, [node])

    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        collect(tree.body, path.stem)
    return dict(found)


def public_names() -> set[str]:
    """What a user can name: of the package, of its public modules, and the attributes of the public classes."""
    names = {"<module>"}
    import importlib

    there = [f"libbpf_cffi.{name}" for name in PUBLIC_MODULES if (PACKAGE / f"{name}.py").exists()]
    for module in (libbpf_cffi, *map(importlib.import_module, there)):
        for name in module.__all__:
            names.add(name)
            thing = getattr(module, name)
            if isinstance(thing, type):
                # Not dir(): an enumeration keeps its methods from it.
                known = {each for base in thing.__mro__ for each in vars(base)}
                names.update(each for each in known if not each.startswith("_") or each.endswith("__"))
    return names


@functools.cache
def python_uses() -> dict[str, set[str]]:
    """By function of `lib`: the definitions that use it and that public names lead to."""
    todo, seen = list(public_names()), set()
    uses = defaultdict(set)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        for where, mentions, of_lib in definitions().get(name, ()):
            todo += mentions
            for function in of_lib:
                uses[function].add(where)
    return dict(uses)


# C: what each function of ours calls


@functools.cache
def c_calls() -> dict[str, set[str]]:
    """By function of ours: the names in its body."""
    calls: dict[str, set[str]] = {}
    for path in sorted((ROOT / "csrc").glob("*.c")):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", " ", text, flags=re.DOTALL)
        for match in re.finditer(r"^[a-z][^;{}#]*?\b(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            calls.setdefault(match[1], set()).update(re.findall(r"\b[a-z_]\w+\b", match[2]))
    return calls


def _is_trial(name: str, where: str) -> bool:
    """Tell a call that only tries whether the kernel has something: nobody can attach anything by that."""
    return where.startswith("_probe_code.") and name.startswith("bpf_")


def uses() -> dict[str, set[str]]:
    """By function of libbpf: what of the package uses it, directly or through C of ours."""
    found = {name: {each for each in where if not _is_trial(name, each)} for name, where in python_uses().items()}
    found = {name: where for name, where in found.items() if where}
    for ours, where in python_uses().items():
        if not ours.startswith("lbc_"):
            continue
        todo, seen = [ours], set()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            for called in c_calls().get(name, ()):
                todo.append(called)
                found.setdefault(called, set()).update(f"{each} ({ours})" for each in where)
    return {name: found[name] for name in exported() if name in found}


def wrapped() -> dict[str, set[str]]:
    """By function of libbpf: the definitions whose docstring says that they wrap it."""
    found = defaultdict(set)
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                continue
            for sentence in re.findall(r"\*Wraps\*(.*?)\.(?:\s|$)", ast.get_docstring(node) or "", re.DOTALL):
                for name in re.findall(r"``(\w+)\(\)``", sentence):
                    found[name].add(f"{path.stem}.{node.name}")
    return dict(found)


def main() -> None:
    """Print each function and what uses it."""
    used = uses()
    for name in sorted(exported()):
        sys.stdout.write(f"{name}: {', '.join(sorted(used.get(name, ()))) or '-'}\n")


if __name__ == "__main__":
    main()
