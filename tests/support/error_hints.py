"""The hints of the package's errors, by step and errno: found in its sources, not written down.

``python tests/support/error_hints.py`` writes them into the tables of docs/errors.md.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = ROOT / "libbpf_cffi"
PAGE = ROOT / "docs" / "errors.md"

STEPS = {
    "any": ("_check",),
    "open": ("_map_fields", "tokens"),
    "load": ("_capabilities", "_memlock", "_object_load", "_program_open"),
    "attach": (
        "_attach_iter", "_attach_tracing", "_attach_user", "_link_kinds", "_link_open", "_link_update", "_map",
        "_targets", "perf_events", "programs",
    ),
    "network": ("_net_hints", "_net_query", "_net_tc", "_netlink"),
    "maps": (
        "_map_arena", "_map_elements", "_map_groups", "_map_hash", "_map_insns", "_map_lend", "_map_lpm", "_map_open",
        "_map_programs", "_map_queues", "_map_redirect", "_map_sockets", "_map_storage", "_sections",
    ),
    "pins": ("_map_identity", "_pins"),
    "events": ("perfbuf", "ringbuf", "user_ringbuf"),
    "test_runs": ("_program_kernel", "_test_run", "stats"),
}  # fmt: skip
"""Which modules give the hints of which step."""

BLOCK = re.compile(r"(?<=<!-- hints: )(\w+) -->\n.*?(?=<!-- end -->)", re.DOTALL)


def _text(node: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    """Give the texts that an expression may be, with … for what is put in at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
    elif isinstance(node, ast.IfExp):
        yield from _text(node.body, constants)
        yield from _text(node.orelse, constants)
    elif isinstance(node, ast.BoolOp):
        for each in node.values:
            yield from _text(each, constants)
    elif isinstance(node, ast.Name) and node.id in constants:
        yield from _text(constants[node.id], constants)


def _errnos(test: ast.expr) -> list[str]:
    """Give the names of the errors that a condition asks for; those that it excludes are none."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Eq, ast.In)):
        return [
            each.attr.removeprefix("LIBBPF_ERRNO__") if isinstance(each, ast.Attribute) else each.id
            for each in ast.walk(test.comparators[0])
            if (isinstance(each, ast.Attribute) and each.attr[:1] == "E" and each.attr.isupper())
            or (isinstance(each, ast.Attribute) and each.attr.startswith("LIBBPF_ERRNO__"))
            or (isinstance(each, ast.Name) and each.id == "ENOTSUPP")
        ]
    if isinstance(test, ast.BoolOp):
        return [name for each in test.values for name in _errnos(each)]
    return []


def _excluded(test: ast.expr) -> list[str]:
    """Give the names of the errors for which alone the code behind a condition is reached: `if error != …: return`."""
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.NotEq, ast.NotIn)):
        return _errnos(ast.Compare(test.left, [ast.In()], test.comparators))
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return _excluded(test.values[0])
    return []


def _walk(
    body: Sequence[ast.stmt], errnos: list[str], constants: dict[str, ast.expr]
) -> Iterator[tuple[tuple[str, ...], str]]:
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _walk(statement.body, _errnos(statement.test) or errnos, constants)
            yield from _walk(statement.orelse, errnos, constants)
            if isinstance(statement.body[-1], ast.Return):
                errnos = _excluded(statement.test) or errnos
        elif isinstance(statement, ast.Return) and statement.value is not None:
            value = statement.value
            while isinstance(value, ast.IfExp) and (named := _errnos(value.test)):
                yield from ((tuple(named), each) for each in _text(value.body, constants))
                value = value.orelse
            yield from ((tuple(errnos), each) for each in _text(value, constants))
        elif isinstance(statement, (ast.For, ast.While, ast.With)):
            yield from _walk(statement.body, errnos, constants)
        elif isinstance(statement, ast.Try):
            for part in (statement.body, statement.orelse, *(each.body for each in statement.handlers)):
                yield from _walk(part, errnos, constants)


def hints(module: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give what the functions of a module that are named after hints return: the errors, and the text."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    constants = {
        target.id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    for each in ast.walk(tree):
        if isinstance(each, ast.FunctionDef) and each.name.endswith("hint"):
            yield from _walk(each.body, [], constants)


def modules_with_hints() -> set[str]:
    """Give the modules of the package that have hints of their own."""
    return {path.stem for path in PACKAGE.glob("*.py") if any(hints(path))}


def verifier_table() -> str:
    """Write the hints for the verifier's words as a table of Markdown."""
    tree = ast.parse((PACKAGE / "_verifier_hints.py").read_text(encoding="utf-8"))
    assigned = [each for each in tree.body if isinstance(each, ast.Assign)]
    [value] = [each.value for each in assigned if ast.unparse(each.targets[0]) == "HINTS"]
    lines = [
        f"| {', '.join(f'`{each}`' for each in words)} | {hint.replace('{helper}', '…')} |"
        for words, hint in ast.literal_eval(value)
    ]
    return "\n".join(["| the verifier says | what the hint says |", "|---|---|", *lines, ""])


def table(step: str) -> str:
    """Write the hints of a step as a table of Markdown."""
    if step == "verifier":
        return verifier_table()
    rows: dict[tuple[tuple[str, ...], str], None] = {}
    for module in STEPS[step]:
        for errnos, text in hints(PACKAGE / f"{module}.py"):
            rows[errnos, text.replace("|", "\\|")] = None
    ordered = sorted(rows, key=lambda row: row[0] or ("~",))
    lines = [f"| {', '.join(errnos) or 'any'} | {text} |" for errnos, text in ordered]
    return "\n".join(["| errno | what the hint says |", "|---|---|", *lines, ""])


def filled(page: str) -> str:
    """Give the page with its tables written anew."""
    return BLOCK.sub(lambda match: f"{match[1]} -->\n{table(match[1])}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
