"""Some minutes of the fuzzer, and that it finds what there is to find."""

from __future__ import annotations

import faulthandler
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).resolve().parent.parent / "fuzz" / "fuzz.py"

ENTRIES = {
    "open", "isolate", "prepare", "load", "gen_loader", "core", "kconfig", "linker", "insns", "btf", "btf_changes",
    "btf_split", "btf_ext", "btf_of_elf", "vmlinux_h", "targets", "probe_files", "trace",
}  # fmt: skip
"""What takes bytes from anywhere."""

NOTHING_REFUSED, ALL_REFUSED = {"insns", "trace"}, {"targets"}
"""What makes something of all bytes, and where the kernel refuses most of what is good: capabilities lack."""

SOME = 200
"""Inputs of which some are taken and some are not."""

SECONDS = 60
"""For all entry points; `make fuzz` takes as many as it is told, and has sanitizers."""


def fuzz(output, *arguments):
    # Under a package that has sanitizers inside this would not be what the fuzzer's own option makes of it.
    done = subprocess.run(
        [sys.executable, FUZZER, *map(str, arguments), output], capture_output=True, text=True, check=False
    )
    rows = (line.split() for line in done.stdout.splitlines() if ":" not in line)
    rows = (row for row in rows if row and row[-1].replace(",", "").isdecimal())
    return done, {row[0]: [int(each.replace(",", "")) for each in row[1:]] for row in rows if len(row) == 9}


@pytest.mark.unsanitized("the fuzzer starts children with sanitizers itself: make fuzz")
@pytest.mark.slow_emulated
def test_no_malformed_bytes_end_or_stop_the_process(root, tmp_path):
    faulthandler.cancel_dump_traceback_later()
    done, table = fuzz(tmp_path / "found", "--seconds", SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    for entry, (tried, accepted, checked, refused, contained, crashes, hangs, _) in table.items():
        assert tried > 0, entry
        assert crashes == hangs == 0, entry
        assert accepted + checked + refused + contained == tried
        # It is of use only if both happen, which takes some on a slow machine.
        assert accepted > 0 or entry in ALL_REFUSED or tried < SOME, entry
        assert checked + refused > 0 or entry in NOTHING_REFUSED or tried < SOME, entry
    assert set(table) - {"all"} == ENTRIES


@pytest.mark.slow_emulated
def test_each_has_its_turn_even_when_the_time_is_up_before(root, tmp_path):
    done, table = fuzz(tmp_path / "found", "--seconds", 0.01, "--only", "btf", "--only", "open", "--only", "targets")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(table[entry][0] > 0 for entry in ("btf", "open", "targets"))


@pytest.mark.unsanitized("the fuzzer starts children with sanitizers itself: make fuzz")
@pytest.mark.slow_emulated
@pytest.mark.parametrize(("entry", "how"), [("abort", "signal 6"), ("endless", "hang")])
def test_what_dies_or_hangs_is_reported_with_its_input(root, tmp_path, entry, how):
    found = tmp_path / "found"
    done, _ = fuzz(found, "--seconds", 20, "--inputs", 20_000, "--patience", 2, "--only", entry, "--seed", 1)
    assert done.returncode == 1, done.stdout + done.stderr
    match = re.search(rf"^{entry}: {how} at input \d+ of state \d+: (.*)$", done.stdout, re.MULTILINE)
    assert match, done.stdout
    # Of the other class than ELF64, at which those two die.
    assert Path(match[1]).read_bytes()[4] != 2
    assert "child.py" in Path(f"{match[1]}.txt").read_text()
