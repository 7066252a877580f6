"""Clues: each by hand, on four rows of two choices."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.clues import CLUES, MOST, Known, change_point, overlap_density, read_clues


def pairs(first: list[float]) -> np.ndarray:
    """Probabilities of two choices from those of the first."""
    return np.array([[p, 1 - p] for p in first])


# Folds are 0, 0, 1, 1, so out of fold the first choice has 0.7, 0.2, 0.1, 0.6.
KNOWN = Known(
    weak=pairs([0.9, 0.8, 0.4, 0.3]),
    student=pairs([0.9, 0.4, 0.4, 0.3]),
    folds=np.array([pairs([0.7, 0.2, 0.9, 0.4]), pairs([0.8, 0.6, 0.1, 0.6])]),
    fold=np.array([0, 0, 1, 1]),
    features=np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [-1.0, 0.0]]),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("supervisor's confidence", (0.9 + 0.8 + 0.6 + 0.7) / 4),
        ("disagreement", 1 / 4),  # the second row
        ("misfit", 0.5 * (2 * 0.4**2) / 4),
        ("out-of-fold agreement", 2 / 4),  # the first and the third row
        ("disagreement of folds", 3 / 4),  # the first row alone is answered alike
        ("steadiness", 1 / 4 - 2 / 4),
        ("expected gain", (0 + (0.8 - 0.2) + 0 + (0.6 - 0.4)) / 4),
        ("doubt", (0.9 + 0.6) / 2 - (0.8 + 0.7) / 2),
        ("doubtful disagreement", ((0.75 - 0.8) + (0.75 - 0.7)) / 4),  # of the second and the fourth row
        (
            "held-out likelihood",
            sum(w * np.log(p) + (1 - w) * np.log(1 - p) for w, p in ((0.9, 0.7), (0.8, 0.2), (0.4, 0.1), (0.3, 0.6)))
            / 4
            / np.log(2),
        ),
    ],
)
def test_by_hand(name: str, value: float) -> None:
    assert read_clues(KNOWN)[name] == pytest.approx(value)


def test_divergence_by_hand() -> None:
    """A hundredth of each label is spread: 0.9 becomes 0.896, 0.8 becomes 0.797."""
    spread = [0.99 * w + 0.005 for w in (0.9, 0.8, 0.4, 0.3)]
    terms = [
        s * np.log(s / w) + (1 - s) * np.log((1 - s) / (1 - w))
        for s, w in zip((0.9, 0.4, 0.4, 0.3), spread, strict=True)
    ]
    assert read_clues(KNOWN)["divergence"] == pytest.approx(np.mean(terms))


def test_overlap_by_hand() -> None:
    """Confidences 0.9, 0.8, 0.6, 0.7 are cut at 0.7. Of the two easy rows the first is like the hard row (1, 0.1),
    with a cosine of 0.995, the second, with 0.0995, is not: one of four rows overlaps."""
    assert overlap_density(KNOWN) == pytest.approx(1 / 4)


def test_a_cut_is_where_values_change_most() -> None:
    assert change_point(np.array([5.0, 0.1, 0.0, 4.9, 0.2])) == 0.2
    assert change_point(np.array([3.0])) == 3.0


def test_labels_that_are_equally_sure_have_no_overlap() -> None:
    hard = Known(
        weak=np.eye(2)[[0, 1, 1, 0]], student=KNOWN.student, folds=KNOWN.folds, fold=KNOWN.fold, features=KNOWN.features
    )
    assert overlap_density(hard) == 0.0
    assert set(read_clues(hard)) == set(CLUES)
    assert np.isfinite(list(read_clues(hard).values())).all()


def test_many_rows_are_thinned() -> None:
    count = 2 * MOST + 1
    rng = np.random.default_rng(0)
    weak, features = pairs(rng.random(count).tolist()), rng.standard_normal((count, 3))
    many = Known(weak=weak, student=weak, folds=np.array([weak, weak]), fold=np.zeros(count, int), features=features)
    thin = Known(
        weak=weak[::3], student=weak[::3], folds=many.folds[:, ::3], fold=many.fold[::3], features=features[::3]
    )
    assert overlap_density(many) == overlap_density(thin) > 0
