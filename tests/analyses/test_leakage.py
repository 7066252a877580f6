"""Leakage: of a planted leak, of sets that differ, and of models that have read neither."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from slots import BASE, HEADED, causal

from outgrow.analyses.base import Comparison
from outgrow.analyses.leakage import Leakage
from outgrow.experiment.grid import cells
from outgrow.experiment.membership import MemberScores
from outgrow.measures.crossed import Interval
from outgrow.types import Scores, UserError

DRAWS = 100


def draw(rng: np.random.Generator, *, known: float = 0.0, better: float = 0.0, blind: float = 0.0, models: int = 2,
         n: int = 400) -> Comparison:  # fmt: skip
    """Models that know tests better by `known` deviations and are right on more of them by `better`; a bag of words
    tells the sets apart by `blind` deviations."""
    found = {}
    for model in range(models):
        for what, accuracy in (("tested", 0.3 + better), ("unseen", 0.3)):
            ids = tuple(f"{what}{i}" for i in range(n))
            right = (rng.random(n) < accuracy).astype(float)
            found[f"m/{model}/{what}"] = (Scores(ids=ids, groups=ids, correct=right),) * 2
        tested = np.arange(n) < n // 2
        ids = tuple(f"pair{i}" for i in range(n))
        scores = MemberScores(
            ids=ids, groups=ids, tested=tested,
            score=rng.normal(size=n) + known * tested, blind=rng.normal(size=n) + blind * tested,
        )  # fmt: skip
        found[f"m/{model}/score"] = (scores,) * 2  # type: ignore[assignment]
    return Comparison(task="made", weak="m/0", strong="m/1", method="naive", seeds=(0, 1), found=found)


def sentence(*made: Comparison) -> str:
    return Leakage().finding(made).sentence


def test_a_planted_leak_is_a_warning() -> None:
    rng = np.random.default_rng(0)
    text = sentence(draw(rng, known=1.0, models=1))
    assert text.startswith(
        "Warning, this looks leaked: on made, by Min-K%++ m/0 surely knows test examples better (area"
    )
    text = sentence(draw(rng, better=0.3, models=1))
    assert "before any training m/0 is surely right on more test examples than unseen ones, by" in text


def test_where_a_bag_of_words_tells_the_sets_apart_nothing_is_said() -> None:
    text = sentence(draw(np.random.default_rng(1), known=1.0, better=0.3, blind=1.0, models=1))
    assert text.startswith("Of made · m/0 nothing can be said: a bag of words tells the two sets apart")
    assert "surely" not in text
    assert "Warning" not in text


def test_of_models_that_have_read_neither_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(2)
    text = ["surely" in sentence(draw(rng)) for _ in range(DRAWS)]
    assert np.mean(text) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert sentence(draw(rng)).startswith("No evidence that the test examples were read before; an area of 0.")


def test_the_table_by_hand() -> None:
    """One of two tests right and no unseen one: 50 points. Of the four pairs three are in order: an area of 0.75."""
    ids = tuple("abcd")

    def scores(names: str, *right: float) -> tuple[Scores, ...]:
        return (Scores(ids=tuple(names), groups=tuple(names), correct=np.array(right)),)

    known = MemberScores(
        ids=ids,
        groups=ids,
        tested=np.array([True, True, False, False]),
        score=np.array([4.0, 2, 3, 1]),
        blind=np.zeros(4),
    )
    found = {"m/tested": scores("ab", 1, 0), "m/unseen": scores("cd", 0, 0), "m/score": (known,)}
    made = Comparison(task="made", weak="m", strong="m", method="naive", seeds=(0,), found=found)
    (row,) = Leakage().finding([made]).table.rows
    means = [each.mean for each in row if isinstance(each, Interval)]
    assert means == [0.5, 0.0, 0.5, 0.75, 0.5]
    assert row[-1] == 2


def test_a_model_of_several_comparisons_counts_once() -> None:
    made = draw(np.random.default_rng(3))
    assert len(Leakage().finding([made, replace(made, method="other")]).table.rows) == 2


def test_it_reads_both_models_and_is_refused_without_one_that_predicts_tokens(tmp_path: Path) -> None:
    (first, second) = cells(replace(causal(tmp_path), analyses=(Leakage(),)))
    names = [f"{m.name}/{what}" for m in (*first.weak.models, first.strong) for what in ("tested", "unseen", "score")]
    assert list(first.evidence["leakage"]) == names
    assert {k: s.key for k, s in first.evidence["leakage"].items()} == {
        k: s.key for k, s in second.evidence["leakage"].items()
    }
    with pytest.raises(UserError, match="analysis leakage reads what causal models predict, so it needs one"):
        cells(replace(BASE, tasks=HEADED, analyses=(Leakage(),)))
    with pytest.raises(UserError, match="that are scored with unseen ones, and both are validation"):
        cells(replace(causal(tmp_path), score="validation", analyses=(Leakage(),)))
    with pytest.raises(UserError, match='unseen is "test": name another split'):
        Leakage(unseen="test")
