"""Intervals from audits of real texts hold the truth as often as they say, and are narrower than without guesses."""

from __future__ import annotations

import importlib

import pytest
from text_files import REPOSITORY, shared

FIVE = ("ag_news", "mr", "subj", "stackoverflow", "tweet_offensive")


@pytest.mark.slow
def test_intervals_on_five_real_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 audits of 100 rows each: the standard error of a coverage is 0.7 %."""
    monkeypatch.syspath_prepend(str(REPOSITORY))
    bench = importlib.import_module("bench.audits")
    for task in FIVE:
        shared(f"text/{task}.jsonl.gz")
    found = [bench.measured(task, True, 1000) for task in FIVE]
    assert all(0.93 <= each.coverage <= 0.97 and 0.93 <= each.mixed_coverage <= 0.97 for each in found)
    assert sum(each.width < each.plain_width for each in found) >= 4
    assert min(each.width / each.plain_width for each in found) < 0.8
