"""Which functions of an object are in no program."""

from __future__ import annotations

import pytest

from libbpf_cffi import compile_object
from libbpf_cffi._elf_uncalled import uncalled_functions

HEAD = """
static __attribute__((unused)) long (*const loop)(unsigned, void *, void *, unsigned long) = (void *)181;
#define CALLED __attribute__((noinline))
"""
PROGRAM = """
__attribute__((section("socket"), used)) int program(void *context) { return USED; }
"""
NONE = "int alone(void *context) { return 1; }"

CASES = {
    "alone": (NONE, "0", ["alone"]),
    "two": (f"{NONE} int other(int a) {{ return a; }}", "0", ["alone", "other"]),
    "static": ("static CALLED __attribute__((used)) int own(int a) { return a; }", "0", []),
    "hidden": ('__attribute__((visibility("hidden"))) int ours(int a) { return a; }', "0", []),
    "weak": ("__attribute__((weak)) int ours(int a) { return a; }", "0", []),
    "called": ("CALLED int helper(int a) { return a * 3; }", "helper((long)context)", []),
    "called by another": (
        'CALLED int inner(int a) { asm volatile(""); return a * 3; } CALLED int outer(int a) { return inner(a) + 1; }',
        "outer((long)context)",
        [],
    ),
    "calling another": (
        "CALLED int inner(int a) { return a * 5; } int outer(int a) { return inner(a); }",
        "0",
        ["outer"],
    ),
    "called back": (
        "CALLED int each(unsigned i, void *c) { return 0; }",
        "loop(4, each, (void *)0, 0)",
        [],
    ),
    "in a section": ('__attribute__((section("xdp"))) int other(void *context) { return 1; }', "0", []),
}


@pytest.mark.parametrize(("functions", "used", "uncalled"), CASES.values(), ids=list(CASES))
def test_what_has_no_section_and_is_called_by_nothing_is_found(functions, used, uncalled):
    assert uncalled_functions(compile_object(HEAD + functions + PROGRAM.replace("USED", used))) == uncalled


def test_an_object_without_programs_has_it_too():
    assert uncalled_functions(compile_object(f"{NONE}\n")) == ["alone"]


@pytest.fixture(scope="module")
def alone():
    """Compile an object with one function."""
    return compile_object(f"{NONE}\n")


@pytest.mark.parametrize("size", range(0, 2000, 37))
def test_of_a_file_that_is_cut_short_no_more_is_found(alone, size):
    assert uncalled_functions(alone[:size]) in ([], ["alone"])
