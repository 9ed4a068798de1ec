"""Histograms as text: counts by powers of two or by equal steps, a line a range.

::

    print(log2_hist(obj.maps["dist"], "usecs"))

         usecs     : count    distribution
         0 -> 1    : 2        |*****                                   |
         2 -> 3    : 16       |****************************************|
         4 -> 7    : 9        |**********************                  |
"""

from __future__ import annotations

from ._arguments import integer, iterable, signed, string, unsigned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["linear_hist", "log2_hist"]

WIDTH = 40
"""Stars of the longest bar."""


def log2_hist(slots: Iterable[int], unit: str = "value", *, width: int = WIDTH) -> str:
    """Draw counts by powers of two: slot 0 has counted the values 0 and 1, slot n those from 2**n to 2**(n+1)-1.

    That is what ``log2l()`` of libbpf-tools gives, and BCC's ``print_log2_hist()`` draws. Slots after the last one that
    has counted something are left out; if there is none, so is all but the head. `width` is that of the longest bar.
    """
    return _draw([(1 << slot if slot else 0, (2 << slot) - 1) for slot in range(512)], slots, unit, width)


def linear_hist(
    slots: Iterable[int], unit: str = "value", *, base: int = 0, step: int = 1, width: int = WIDTH
) -> str:
    """Draw counts by equal steps: slot n has counted the values from ``base + n * step`` on, `step` of them.

    Slots before the first and after the last one that have counted something are left out.
    """
    if integer(step, "step") < 1:
        raise ValueError(f"step must be 1 or more, not {step}")
    signed(base, 64, "base")
    counts = _counts(slots)
    first = next((slot for slot, count in enumerate(counts) if count), 0)
    starts = [base + slot * step for slot in range(first, len(counts))]
    return _draw([(start, start + step - 1) for start in starts], counts[first:], unit, width)


def _counts(slots: Iterable[int]) -> list[int]:
    return [unsigned(count, 64, "a count") for count in iterable(slots, "slots")]


def _draw(ranges: Sequence[tuple[int, int]], slots: Iterable[int], unit: str, width: int) -> str:
    counts = _counts(slots)
    string(unit, "unit")
    unsigned(width, 16, "width")
    while counts and not counts[-1]:
        counts.pop()
    if len(counts) > len(ranges):
        raise ValueError(f"there are {len(counts)} slots, more than {len(ranges)}")
    used = ranges[: len(counts)]
    number = max((len(str(each)) for span in used for each in span), default=1)
    number = max(number, 10 if any(low != high for low, high in used) else 1)
    single = all(low == high for low, high in used)
    labels = [f"{low:>{number}}" if single else f"{low:>{number}} -> {high:<{number}}" for low, high in used]
    room = max([len(unit), *map(len, labels)])
    digits = max([8, *(len(str(count)) for count in counts)])
    most = max(counts, default=0)
    lines = [f"{unit:^{room}} : {'count':<{digits}} distribution"]
    for label, count in zip(labels, counts, strict=True):
        # Rounded down, as BCC does: a full bar is that of the largest count alone.
        stars = "*" * (count * width // most)
        lines.append(f"{label:>{room}} : {count:<{digits}} |{stars:<{width}}|")
    return "\n".join(lines)
