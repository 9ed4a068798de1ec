"""tools/vm-kernels: what a newer kernel lacks without a reason is found, and the tests are dealt out among boots."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "vm-kernels"
TEST = "kernel.test_x::test_y"


@pytest.fixture
def tool(monkeypatch) -> ModuleType:
    """Import the command."""
    # No __pycache__ in tools/.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_loader("vm_kernels", importlib.machinery.SourceFileLoader("vm_kernels", str(TOOL)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def problems(tool):
    """Compare kernels, each given as its name, its release, its features and the tests that it skipped and ran."""

    def compare(*kernels, features=(), tests=()):
        runs = [
            tool.Run(name, release, has, skipped, frozenset(ran), frozenset())
            for name, release, has, skipped, ran in kernels
        ]
        return tool.compare(runs, tool.Lost(dict.fromkeys(features, "why"), dict.fromkeys(tests, "why")))

    return compare


def old(has=(), lacks=(), skipped=(), ran=()):
    features = dict.fromkeys(has, True) | dict.fromkeys(lacks, False)
    return "5.10", "5.10.0-46-amd64", features, dict(skipped), ran


def new(has=(), lacks=(), skipped=(), ran=(), name="6.12"):
    features = dict.fromkeys(has, True) | dict.fromkeys(lacks, False)
    return name, "6.12.3+deb13-amd64", features, dict(skipped), ran


def test_a_feature_that_a_newer_kernel_has_alone_is_no_problem(problems):
    assert problems(old(lacks=["tcx"]), new(has=["tcx"])) == []


def test_a_feature_that_a_newer_kernel_lacks_is_a_problem(problems):
    assert problems(old(has=["tcx"]), new(lacks=["tcx"])) == ["6.12.3+deb13-amd64 lacks tcx, which 5.10.0-46-amd64 has"]


def test_the_order_is_that_of_the_versions_and_not_of_the_command_line(problems):
    assert problems(new(has=["tcx"]), old(lacks=["tcx"])) == []


def test_a_feature_that_may_be_lost_is_no_problem(problems):
    assert problems(old(has=["tcx"]), new(lacks=["tcx"]), features=["tcx"]) == []


def test_a_feature_that_no_kernel_has_is_a_problem_of_the_newest(problems):
    assert problems(old(lacks=["tcx"]), new(lacks=["tcx"], name="newest")) == [
        "6.12.3+deb13-amd64 lacks tcx, as all the others: nothing tests it"
    ]


def test_a_feature_that_none_of_some_old_kernels_has_is_no_problem(problems):
    assert problems(old(lacks=["tcx"]), new(lacks=["tcx"])) == []


def test_a_test_that_only_an_older_kernel_skips_is_no_problem(problems):
    assert problems(old(skipped=[(TEST, "why")]), new(ran=[TEST])) == []


def test_a_test_that_only_a_newer_kernel_skips_is_a_problem(problems):
    assert problems(old(ran=[TEST]), new(skipped=[(TEST, "has no luck")])) == [
        f"6.12.3+deb13-amd64 skips {TEST}, which 5.10.0-46-amd64 runs: has no luck"
    ]


def test_a_test_that_every_kernel_skips_is_a_problem_of_the_newest(problems):
    skipped = [(TEST, "has no luck")]
    assert problems(old(skipped=skipped), new(skipped=skipped, name="newest")) == [
        f"6.12.3+deb13-amd64 skips {TEST}, as all the others: has no luck"
    ]


@pytest.mark.parametrize(("why", "allowed"), [
    ("kernel 6.12 has no tcx", {"features": ["tcx"]}),
    ("kernel 6.12 has no tcx, map:ARENA", {"features": ["tcx", "map:ARENA"]}),
    ("anything", {"tests": [TEST]}),
])  # fmt: skip
def test_a_test_that_may_be_skipped_is_no_problem(problems, why, allowed):
    assert problems(old(ran=[TEST]), new(skipped=[(TEST, why)]), **allowed) == []


def test_a_test_that_lacks_something_else_besides_is_a_problem(problems):
    assert problems(old(ran=[TEST]), new(skipped=[(TEST, "kernel 6.12 has no tcx, map:ARENA")]), features=["tcx"])


def results(folder: Path, cases: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "features.json").write_text(json.dumps({"kernel": "6.12.3-amd64", "features": {"tcx": True}}))
    (folder / "junit.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return folder


def test_what_passed_failed_and_was_skipped_is_read_from_every_piece(tool, tmp_path):
    first = results(
        tmp_path / "1",
        '<testcase classname="tests.kernel.test_x" name="test_good"/>'
        '<testcase classname="tests.kernel.test_x" name="test_y"><skipped message="has no tcx"/></testcase>'
        '<testcase classname="tests.kernel.test_x" name="test_expected"><skipped type="pytest.xfail"/></testcase>',
    )
    second = results(
        tmp_path / "2",
        '<testcase classname="tests.kernel.test_z" name="test_bad"><failure/></testcase>'
        # Once for the test, once for its teardown.
        '<testcase classname="tests.kernel.test_z" name="test_leaking"/>'
        '<testcase classname="tests.kernel.test_z" name="test_leaking"><error/></testcase>',
    )
    assert tool.read("6.12", [first, second]) == (
        "6.12",
        "6.12.3-amd64",
        {"tcx": True},
        {TEST: "has no tcx"},
        {"kernel.test_x::test_good"},
        {"kernel.test_z::test_bad", "kernel.test_z::test_leaking"},
    )


def test_what_left_nothing_has_run_nothing(tool, tmp_path):
    assert not tool.read("6.12", [tmp_path]).ran


def test_the_test_files_are_dealt_out_and_the_rest_is_for_each(tool, tmp_path):
    for name in ("test_a.py", "test_b.py", "test_c.py", "conftest.py"):
        (tmp_path / name).touch()
    assert tool.pieces(["-m", "not slow", str(tmp_path)], 2) == [
        ["-m", "not slow", f"{tmp_path}/test_a.py", f"{tmp_path}/test_c.py"],
        ["-m", "not slow", f"{tmp_path}/test_b.py"],
    ]


def test_no_more_pieces_are_made_than_there_are_files(tool, tmp_path):
    (tmp_path / "test_a.py").touch()
    assert tool.pieces([str(tmp_path)], 8) == [[f"{tmp_path}/test_a.py"]]


def test_every_loss_has_a_reason(tool):
    lost = tool.lost_for_a_reason()
    assert all(reason.strip() for reason in (*lost.features.values(), *lost.tests.values()))
