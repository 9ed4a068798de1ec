"""What ``--map`` and ``--hist`` make of entries."""

from __future__ import annotations

from collections import namedtuple

import pytest

from libbpf_cffi import _command_entries, _run_maps

Slotted = namedtuple("Slotted", "pid slot")  # noqa: PYI024 - as records are: tuples with names
Tally = namedtuple("Tally", "comm calls bytes")  # noqa: PYI024


def titles(entries, top=None):
    """Give what is over each histogram."""
    lines = _run_maps._drawings("m", entries, "usecs", top, percpu=False)
    return [line for line in lines if " = " in line]


BY_KEY = [(1, (1, 2, 0)), (2, (0, 0, 9)), (3, (4, 0, 0))]


def test_the_histogram_that_has_counted_most_is_first():
    assert titles(BY_KEY) == ["key = 2", "key = 3", "key = 1"]


def test_the_largest_histograms_are_chosen():
    assert titles(BY_KEY, 2) == ["key = 2", "key = 3"]


def test_histograms_by_slots_of_keys_are_ordered_too():
    assert titles([(Slotted(1, 0), 1), (Slotted(2, 0), 3), (Slotted(2, 1), 3), (Slotted(3, 1), 4)]) == [
        "pid = 2",
        "pid = 3",
        "pid = 1",
    ]


def test_the_unit_is_over_the_values():
    lines = list(_run_maps._drawings("m", [(0, 1), (1, 2)], "usecs", None, percpu=False))
    assert lines[1].split() == ["usecs", ":", "count", "distribution"]


@pytest.mark.parametrize(
    ("value", "weight"), [(7, 7), ((1, 2), 3), (Tally("a", 5, 9), 5), (Tally("a", (1, 2), 9), 3), ("text", 0)]
)
def test_values_are_compared_by_their_first_number(value, weight):
    assert _command_entries.weight(value) == weight
