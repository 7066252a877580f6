"""Neighbours by hand."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.labelling import knn
from outgrow.labelling.base import Evidence
from outgrow.labelling.knn import KNN
from outgrow.types import Doubles, Labels, UserError

# Two clusters on a line; the third of the left one is mislabelled.
FEATURES = np.array([[0.0], [0.1], [0.25], [10.0], [10.1], [10.25]])
LABELS = Labels.from_rows("abcdef", [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])


def evidence(features: Doubles) -> Evidence:
    return Evidence(features={"student/features": features})


def test_by_hand() -> None:
    # With two neighbours each hears the two others of its cluster: a hears b and c, (0.8 + 0.1) / 2, and so on.
    found = KNN(neighbours=2).apply([LABELS], evidence(FEATURES))
    assert [row[0] for row in found.rows()] == pytest.approx([0.45, 0.5, 0.85, 0.35, 0.3, 0.25])
    # With one, c hears b alone and is put right; b hears a, the nearer.
    assert KNN(neighbours=1).apply([LABELS], evidence(FEATURES)).rows()[2].tolist() == pytest.approx([0.8, 0.2])
    assert KNN(neighbours=1).apply([LABELS], evidence(FEATURES)).rows()[1].tolist() == pytest.approx([0.9, 0.1])


def test_too_few_others_are_all_heard() -> None:
    first = KNN(neighbours=50).apply([LABELS], evidence(FEATURES)).rows()[0]
    assert first[0] == pytest.approx((0.8 + 0.1 + 0.2 + 0.3 + 0.4) / 5)
    alone = Labels.from_rows(["a"], [[0.9, 0.1]])
    assert KNN().apply([alone], evidence(FEATURES[:1])).rows()[0].tolist() == pytest.approx([0.9, 0.1])


def test_a_feature_s_scale_means_nothing() -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((6, 3))
    scaled = features * [1.0, 1000.0, 0.01] + [0.0, 5.0, -3.0]
    one, other = (KNN(neighbours=2).apply([LABELS], evidence(x)).probs for x in (features, scaled))
    assert one == pytest.approx(other)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = KNN(neighbours=2).apply([LABELS], evidence(FEATURES)).probs
    monkeypatch.setattr(knn, "CHUNK", 4)
    assert KNN(neighbours=2).apply([LABELS], evidence(FEATURES)).probs == pytest.approx(whole)


def test_legal_moves_and_no_neighbour_are_refused() -> None:
    ragged = Labels.from_rows("ab", [[0.5, 0.5], [0.2, 0.3, 0.5]])
    with pytest.raises(UserError, match="share their choices"):
        KNN().apply([ragged], evidence(FEATURES[:2]))
    with pytest.raises(UserError, match="neighbours"):
        KNN(neighbours=0)


def test_three_hundred_examples_hear_their_neighbours_and_no_others() -> None:
    """More than one chunk, against all distances at once; features of unequal mean and scale."""
    random = np.random.default_rng(0)
    features = random.standard_normal((300, 3)) * [1.0, 50.0, 0.1] + [0.0, 700.0, -3.0]
    labels = Labels.from_rows([f"e{i}" for i in range(300)], list(random.dirichlet([1.0, 1.0, 1.0], 300)))
    x = (features - features.mean(0)) / features.std(0)
    distance = ((x[:, None] - x) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    expected = labels.probs.reshape(300, 3)[distance.argsort(1)[:, :5]].mean(1)
    assert KNN(neighbours=5).apply([labels], evidence(features)).probs.reshape(300, 3) == pytest.approx(
        expected, abs=1e-6
    )
