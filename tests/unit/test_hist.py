"""Histograms as text."""

from __future__ import annotations

import pytest

from libbpf_cffi.hist import linear_hist, log2_hist


def test_a_histogram_by_powers_of_two_has_a_line_a_slot_up_to_the_last_that_counted():
    assert log2_hist([2, 16, 9, 0, 0], "usecs").splitlines() == [
        "         usecs           : count    distribution",
        "         0 -> 1          : 2        |*****                                   |",
        "         2 -> 3          : 16       |****************************************|",
        "         4 -> 7          : 9        |**********************                  |",
    ]


def test_slots_in_between_that_counted_nothing_are_shown():
    lines = log2_hist([1, 0, 0, 1]).splitlines()
    assert [line.split(":")[1].split("|")[0].strip() for line in lines[1:]] == ["1", "0", "0", "1"]


def test_a_large_value_makes_all_lines_wider():
    lines = log2_hist([0] * 63 + [2**63]).splitlines()
    assert lines[-1].startswith(" 9223372036854775808 -> 18446744073709551615 : 9223372036854775808 |*")
    assert {len(line) for line in lines[1:]} == {len(lines[1])}


def test_nothing_counted_is_the_head_alone():
    assert log2_hist([]).splitlines() == log2_hist([0] * 64).splitlines() == ["value : count    distribution"]


def test_a_bar_is_full_for_the_largest_count_alone():
    bars = [line.split("|")[1] for line in log2_hist([999, 1000, 1]).splitlines()[1:]]
    assert bars == ["*" * 39 + " ", "*" * 40, " " * 40]


def test_the_width_is_that_of_the_longest_bar():
    assert log2_hist([4], width=10).endswith("|**********|")


def test_a_histogram_by_steps_begins_and_ends_with_what_counted():
    assert linear_hist([0, 0, 3, 0, 6, 0], "cpu").splitlines() == [
        "cpu : count    distribution",
        "  2 : 3        |********************                    |",
        "  3 : 0        |                                        |",
        "  4 : 6        |****************************************|",
    ]


def test_a_histogram_by_steps_shows_ranges_where_a_step_is_more_than_one():
    lines = linear_hist([1, 2], base=100, step=10).splitlines()
    assert [line.split(" : ")[0].split() for line in lines[1:]] == [["100", "->", "109"], ["110", "->", "119"]]


def test_what_is_no_count_is_refused():
    with pytest.raises(ValueError, match="a count must be from 0 to 18446744073709551615, not -1"):
        log2_hist([-1])
    with pytest.raises(ValueError, match="step must be 1 or more, not 0"):
        linear_hist([1], step=0)
