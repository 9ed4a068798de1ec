"""How the command shows values: in one line, in JSON, in columns that fit."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from libbpf_cffi import plain
from libbpf_cffi._command_io import complain, write
from libbpf_cffi._command_text import columns, layout, text
from libbpf_cffi._record import enum_class, record_class, union_class

if TYPE_CHECKING:
    from collections.abc import Callable

INNER = record_class("inner", ("low", "high"))
OUTER = record_class("outer", ("name", "inner", "list"))
COLOUR = enum_class("colour", (("RED", 0), ("GREEN", 1)))
VALUE = OUTER("x", INNER(1, 2), (3, 4))
DICT = {"name": "x", "inner": {"low": 1, "high": 2}, "list": []}


@pytest.fixture
def union() -> Callable[[bytes], object]:
    """Make a value of a union of two bytes and their number."""
    decoders = (lambda data: int.from_bytes(data, "little"), tuple)
    return union_class("either", ("whole", "bytes"), decoders, lambda data, _: data)


@pytest.mark.parametrize(
    ("value", "shown", "said"),
    [
        (5, "5", 5),
        (-1.5, "-1.5", -1.5),
        (True, "true", True),
        ("a\tb\n\x1b[1m", "a\\tb\\n\\x1b[1m", "a\tb\n\x1b[1m"),
        (b"\x01\xff", "01 ff", "01ff"),
        ((1, (2, 3)), "[1, [2, 3]]", [1, [2, 3]]),
        (INNER(1, (2, "x")), "{low=1, high=[2, x]}", {"low": 1, "high": [2, "x"]}),
        (OUTER("x", INNER(1, 2), ()), "{name=x, inner={low=1, high=2}, list=[]}", DICT),
        (COLOUR(1), "GREEN", "GREEN"),
        (COLOUR(9), "UNKNOWN_9", "UNKNOWN_9"),
        (2**127, str(2**127), 2**127),
    ],
)  # fmt: skip
def test_a_value_is_shown_in_one_line_and_said_in_json(value, shown, said):
    assert text(value) == shown
    assert json.loads(json.dumps(plain(value))) == said


def test_a_struct_has_a_column_for_each_member_of_it_and_of_structs_in_it():
    assert columns(VALUE, "value") == [("name", "x"), ("inner.low", 1), ("inner.high", 2), ("list", (3, 4))]
    assert columns(5, "value") == [("value", 5)]


def test_a_union_is_one_column(union):
    value = union(b"\x01\x02")
    assert columns(value, "value") == [("value", value)]
    assert text(value) == "{whole=513, bytes=[1, 2]}"


def test_numbers_stand_to_the_right_and_text_to_the_left():
    assert layout(["NAME", "COUNT"], [["a", 1], ["bcdef", 1000]], None) == [
        "NAME   COUNT",
        "a          1",
        "bcdef   1000",
    ]


def test_text_is_cut_where_the_table_would_be_wider_than_the_terminal():
    lines = layout(["NAME", "N", "PATH"], [["a" * 30, 123456789, "b" * 50], ["c", 1, "d"]], 40)
    assert max(map(len, lines)) <= 40
    assert "123456789" in lines[1]
    assert "…" in lines[1]
    assert lines[2].split() == ["c", "1", "d"]


def test_a_table_of_numbers_alone_is_never_cut():
    assert layout(["A", "B"], [[10**20, 10**20]], 20) == [f"{'A':>21}  {'B':>21}", f"{10**20}  {10**20}"]


def test_what_the_output_has_no_character_for_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="latin-1"))
    assert write("\u2192 \xfc\n") == 0
    assert output.getvalue() == b"\\u2192 \xfc\n"


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert write("x") == 1
    assert capsys.readouterr().err == "cannot write to standard output: No space left on device\n"


def test_without_a_standard_error_the_exit_status_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert complain("x") == 1


def test_a_standard_error_that_nobody_reads_is_no_failure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb", buffering=0) as nobody:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(nobody, write_through=True))
        assert complain("x") == 1


@pytest.mark.parametrize("command", ["compile", "kernel", "linker", "probe"])
def test_ctrl_c_ends_a_small_command_without_a_traceback(command: str) -> None:
    script = f"""
import argparse, os, runpy, signal
argparse.ArgumentParser.__init__ = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
runpy.run_module("libbpf_cffi.{command}", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
