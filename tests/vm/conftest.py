"""What only another kernel can run is collected in a virtual machine alone; outside, the test that boots one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from producer import Producer

FOLDER = Path(__file__).resolve().parent

BOOTS = "test_kernels.py"
"""The one test file for outside."""

UNUSUAL = {"test_locked_down.py", "test_cpus.py"}
"""For a machine that is locked down and has room for more CPUs than it has, and nothing else is."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what is for the other side; tools/vm-guest says which side this is."""
    return True if collection_path.suffix == ".py" and not _is_for_here(collection_path) else None


def _is_for_here(path: Path) -> bool:
    if os.environ.get("LIBBPF_CFFI_VM") != "1":
        return path.name == BOOTS
    return path.name != BOOTS and (path.name in UNUSUAL) == _is_unusual()


def _is_unusual() -> bool:
    with open("/proc/cmdline", encoding="utf-8") as file:
        return "lockdown=confidentiality" in file.read().split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every selection of what a kernel runs have these: most of them are what only the newest one can run."""
    # A file that is named on the command line is not asked about before it is collected.
    items[:] = [item for item in items if item.path.parent != FOLDER or _is_for_here(item.path)]
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.every_kernel)


@pytest.fixture
def producer_of() -> type[Producer]:
    """Give what makes a producer of rings.bpf.c."""
    return Producer
