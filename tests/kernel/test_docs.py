"""Every example of the README and of docs/ is run."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow_emulated

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BLOCK = re.compile(
    r"(?:^<!-- (?:not run: (?P<why>[^\n]+)|needs (?P<module>\w+)) -->\n)?"
    r"^```(?P<kind>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

MAY_NOT_RUN = {
    "builds the machine's environment; make test runs in it",
    "boots virtual machines",
    "compiles a kernel",
    "needs a network",
}
"""The reasons that count for an example that is not run."""

OPTIONAL = {"pandas"}
"""Modules without which an example that says it needs them is not run."""

NO_CODE = {"text", ""}


def blocks(page: Path) -> list[tuple[str, str, str | None, int]]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        why = match["why"] or _lacking(match["module"])
        found.append((match["kind"], match["code"], why, text[: match.start("code")].count("\n")))
    return found


def _lacking(module: str | None) -> str | None:
    """Say that the module which an example needs is not there."""
    if module is None or importlib.util.find_spec(module) is not None:
        return None
    return f"needs {module}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """A block is Python, shell or plain text; one that is not run has one of the known reasons."""
    for kind, _, why, line in blocks(page):
        assert kind in {"python", "sh"} | NO_CODE, f"{page.name}:{line}: nobody runs {kind!r}"
        known = MAY_NOT_RUN | {f"needs {module}" for module in OPTIONAL}
        assert why is None or why in known, f"{page.name}:{line}: {why!r} is no reason"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compiled: Callable[[str], Path],
    tracefs: str,
    bpffs: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The blocks of a page run in order, the Python ones in one namespace."""
    shutil.copy(ROOT / "examples" / "execve.bpf.c", tmp_path)
    shutil.copy(compiled("execve"), tmp_path / "execve.bpf.o")
    monkeypatch.chdir(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    namespace: dict[str, object] = {"__name__": "__main__"}
    for kind, code, why, line in blocks(page):
        if why is not None:
            continue
        if kind == "python":
            # The line numbers of a traceback are then those of the page.
            exec(compile("\n" * line + code, str(page), "exec"), namespace)
        elif kind == "sh":
            done = subprocess.run(
                ["sh", "-ec", code], env=os.environ | {"PATH": path}, timeout=120, stdin=subprocess.DEVNULL, check=False
            )
            assert done.returncode == 0, f"{page.name}:{line}: status {done.returncode}: {capfd.readouterr().err}"
