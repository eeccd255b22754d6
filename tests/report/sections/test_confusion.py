"""The confusion matrix and the interval of its accuracy."""

from __future__ import annotations

import re

from asr.report.sections import confusion


def test_interval_of_the_accuracy() -> None:
    # Wilson (1927) for 81 of 263, as Newcombe (1998), table I, gives it: 0.2553 to 0.3662
    assert confusion._interval([(0, 1)] * 81 + [(1, 1)] * 182) == "; 95 % 25.53 - 36.62"
    tags = confusion._interval([(1, 3), (0, 2), (2, 4), (1, 5), (0, 4), (1, 3)])
    low, high = map(float, re.findall(r"\d+\.\d+", tags))
    assert low < 100 * (1 - 5 / 21) < high
    assert tags.endswith("by sentence")
