"""Which names are said to come close to one that is not there."""

from __future__ import annotations

import pytest

from libbpf_cffi._close_names import like

NAMES = ["main", "work", "worker", "_start", "read_it"]


@pytest.mark.parametrize(
    ("name", "meant"), [("mian", "main"), ("wrok", "work"), ("wor", "work"), ("mainn", "main"), ("raed_it", "read_it")]
)
def test_a_slip_of_the_hand_comes_close(name: str, meant: str) -> None:
    """A letter too few, one too many, two in each other's place."""
    assert repr(meant) in like(name, NAMES)


def test_what_only_has_the_same_length_does_not_come_close() -> None:
    """Other letters make another name."""
    assert like("zzzz", NAMES) == ""
