"""No call of libbpf whose answer can be a failure goes unlooked at."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import libbpf_cffi
from libbpf_cffi import ffi, lib

PACKAGE = Path(libbpf_cffi.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

MAY_BE_THROWN_AWAY = {
    # Of a number that it does not know it says so in words, which is what is wanted.
    "libbpf_strerror",
    # Out of memory there is no log, and no message either.
    "lbc_log_set_level",
    # Called twice: for the number, then for as many.
    "lbc_link_usdt_parts",
    # Called to mend what a failure has left; that failure is the one to tell.
    "bpf_map__set_pin_path",
    "bpf_map__unpin",
}


def calls(module: str) -> list[tuple[str, int, bool]]:
    """Each call `lib.x(…)`: the function, the line, whether its answer is thrown away."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    thrown_away = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        (node.func.attr, node.lineno, id(node) in thrown_away)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "lib"
    ]


@pytest.mark.parametrize("module", MODULES)
def test_every_function_that_is_called_exists(module):
    """A misspelt function would only be found when its line is run."""
    for name, line, _ in calls(module):
        assert hasattr(lib, name), f"{module}:{line}: {name}"


@pytest.mark.parametrize("module", MODULES)
def test_no_answer_that_can_be_a_failure_is_thrown_away(module):
    """A function of libbpf that returns a number or a pointer is checked, or is known not to fail."""
    for name, line, thrown_away in calls(module):
        if thrown_away and name not in MAY_BE_THROWN_AWAY:
            result = ffi.typeof(getattr(lib, name)).result
            assert result.kind == "void", f"{module}:{line}: what {name}() returns is not looked at"


def test_what_may_be_thrown_away_is_thrown_away_somewhere():
    """The list of exceptions has none too many."""
    assert {name for module in MODULES for name, _, thrown_away in calls(module) if thrown_away} >= MAY_BE_THROWN_AWAY
