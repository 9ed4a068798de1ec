"""Objects, maps, links and readers live and die over and over, and nothing grows; nor does any call of the public ones.

leaks.py and call_leaks.py are what runs.

``LIBBPF_CFFI_LEAK_CYCLES`` is how often; ``make leaks`` runs 10,000 cycles and shows the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys

import call_leaks
import leaks
import pytest

CYCLES = int(os.environ.get("LIBBPF_CFFI_LEAK_CYCLES", "120"))

OBJECTS = ("basic", "rings", "perf_one", "kinds", "attach_net", "struct_ops", "refused")


@pytest.mark.slow_emulated
@pytest.mark.needs("struct_ops_link", "tcx", "tp_btf", "uprobe")
def test_nothing_grows(compiled, tracefs, tmp_path):
    for name in OBJECTS:
        (tmp_path / f"{name}.bpf.o").symlink_to(compiled(name))
    # What it prints is shown by `make leaks`, and by pytest when it fails.
    done = subprocess.run([sys.executable, "-bb", "-W", "error", leaks.__file__, str(CYCLES), tmp_path], check=False)
    assert done.returncode == 0


@pytest.mark.slow_emulated
def test_no_public_function_leaks_and_each_is_called(call_all):
    call_all(call_leaks.__file__)
