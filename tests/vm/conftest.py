"""What only another kernel can run is collected in a virtual machine alone; outside, the test that boots one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from producer import Producer

if TYPE_CHECKING:
    from pathlib import Path

BOOTS = "test_newest.py"
"""The one test file for outside."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is for the other side; tools/vm-guest says which side this is."""
    if collection_path.suffix != ".py":
        return None
    inside = os.environ.get("LIBBPF_CFFI_VM") == "1"
    return True if (collection_path.name == BOOTS) == inside else None


@pytest.fixture
def producer_of() -> type[Producer]:
    """Give what makes a producer of rings.bpf.c."""
    return Producer
