"""What a finding says in words."""

from __future__ import annotations

import numpy as np

from outgrow.finding import in_words
from outgrow.measures.effects import effects

WORDS = {"more": "better", "less": "worse", "doubt": "of a difference"}


def test_where_nothing_differs_no_effect_would_have_been_seen() -> None:
    """Differences without any variation say nothing of the effect that would have been seen."""
    same, other = np.zeros((2, 30)), np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (2, 30))
    clause = in_words(effects([same], [range(30)]), **WORDS)
    assert clause == (
        "no evidence of a difference; nothing differs on any of these examples, so how large an effect would have been "
        "seen is not known"
    )
    both = in_words(effects([same, other], [range(30)] * 2), **WORDS)
    assert "points would have been seen" in both or "no effect could have been seen" in both
    assert "an effect of 0.0 points" not in both
