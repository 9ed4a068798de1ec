"""docs/errors.md has the hints of the package's errors, all of them, as they are."""

from __future__ import annotations

import errno
import re

import error_hints
import pytest

from libbpf_cffi import _check, errors, lib

PAGE = error_hints.PAGE.read_text(encoding="utf-8")


def test_its_tables_are_what_the_package_says():
    assert error_hints.filled(PAGE) == PAGE, "run: python tests/support/error_hints.py"


@pytest.mark.parametrize("step", error_hints.STEPS)
def test_every_step_has_a_table(step):
    assert PAGE.count(f"<!-- hints: {step} -->\n| errno |") == 1


def test_every_module_that_has_hints_belongs_to_one_step():
    mapped = [module for modules in error_hints.STEPS.values() for module in modules]
    assert sorted(mapped) == sorted(error_hints.modules_with_hints())


@pytest.mark.parametrize("name", errors.__all__)
def test_every_exception_is_named(name):
    assert f"`{name}`" in PAGE


def test_every_errno_that_it_names_exists():
    """In the first column of a table, also by libbpf's own number."""
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| ")]
    names = {name for cell in cells for name in re.findall(r"\b(?:E[A-Z0-9]+|FORMAT|ENDIAN)\b", cell)}
    own = {"FORMAT", "ENDIAN"} | {"ENOTSUPP"}
    assert {name for name in names - own if not hasattr(errno, name)} == set()
    numbers = {name: int(number) for name, number in re.findall(r"\b(FORMAT|ENDIAN) \((\d+)\)", PAGE)}
    assert numbers == {"FORMAT": lib.LIBBPF_ERRNO__FORMAT, "ENDIAN": lib.LIBBPF_ERRNO__ENDIAN}


@pytest.mark.parametrize(
    ("number", "kind"),
    [(each, errors.LibbpfPermissionError) for each in (errno.EPERM, errno.EACCES)]
    + [(each, errors.NotSupportedError) for each in (errno.EOPNOTSUPP, errno.ENOSYS, _check.ENOTSUPP)]
    + [(each, errors.LibbpfError) for each in (errno.EINVAL, errno.ENOENT, errno.EMFILE)],
)
def test_the_exception_of_an_errno_is_the_one_that_the_page_says(number, kind):
    assert type(_check.failure(number, "do it")) is kind
    if kind is not errors.LibbpfError:
        name = {errno.EOPNOTSUPP: "EOPNOTSUPP", _check.ENOTSUPP: "ENOTSUPP"}.get(number) or errno.errorcode[number]
        assert re.search(rf"^\| `{kind.__name__}` \|.*\b{name}\b", PAGE, re.MULTILINE)


def test_the_tables_name_every_hint_of_every_function_that_gives_any():
    """The sources are read as a reader would: every text that a function of that kind can return is in the page."""
    said = {text for step in error_hints.STEPS for text in error_hints.table(step).splitlines()[2:]}
    assert len(said) > 100
    for sample in (
        "| EBUSY | another program has that hook with that priority: choose another priority |",
        "| EINTR | a signal came in before all repetitions were done |",
        "| EEXIST | the event has a program already: open another event |",
        "| FORMAT | not a BPF object file: compile it with clang -O2 -g -target bpf -c |",
    ):
        assert sample in said
