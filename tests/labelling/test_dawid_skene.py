"""Dawid-Skene: one round by hand, and better than a vote where supervisors differ in skill."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.labelling.dawid_skene import DawidSkene
from outgrow.types import Labels, UserError

# What three supervisors say of seven examples.
VOTES = ["000", "001", "010", "111", "110", "101", "011"]


def labels(votes: list[int]) -> Labels:
    return Labels.from_rows([f"e{i}" for i in range(len(votes))], [[0.9, 0.1] if v == 0 else [0.2, 0.8] for v in votes])


def test_one_round_by_hand() -> None:
    # It starts from the votes: the weight of class 1 is 0, 1/3, 1/3, 1, 2/3, 2/3, 2/3, together 11/3; of class 0, 10/3.
    # The first says 1 of the fourth to sixth: (1 + 2/3 + 2/3) / (11/3) = 7/11 where it is 1, (2/3) / (10/3) = 1/5 where
    # it is 0. The second says 1 of the third to fifth and the seventh: 8/11 and (4/3) / (10/3) = 2/5; the third alike.
    # Priors are 10/21 and 11/21. Of the seventh, 0 1 1: class 0 has 10/21 * 4/5 * 2/5 * 2/5, class 1 11/21 * 4/11 *
    # 8/11 * 8/11, that is 1.28 to 256/121. Of the first, 0 0 0: 10/21 * 4/5 * 3/5 * 3/5 to 11/21 * 4/11 * 3/11 * 3/11,
    # that is 2.88 to 36/121.
    said = [labels([int(votes[i]) for votes in VOTES]) for i in range(3)]
    found = DawidSkene(iterations=1, smoothing=0.0).apply(said)
    assert found.rows()[6][0] == pytest.approx(1.28 / (1.28 + 256 / 121), abs=1e-6)
    assert found.rows()[0][0] == pytest.approx(2.88 / (2.88 + 36 / 121), abs=1e-6)


def test_a_skilled_supervisor_outweighs_two_that_guess() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    said = [
        labels(np.where(random.random(400) < skill, truth, 1 - truth).tolist())
        for skill in (0.95, 0.9, 0.6, 0.55, 0.55)
    ]
    vote = np.mean([each.hard() for each in said], axis=0) > 0.5
    found = DawidSkene().apply(said).hard()
    assert (found == truth).mean() > (vote == truth).mean() + 0.03
    assert (found == truth).mean() > 0.94


def test_it_converges_and_agrees_where_all_do() -> None:
    said = [labels([0, 1, 1, 0])] * 3
    found = DawidSkene().apply(said)
    assert found.hard().tolist() == [0, 1, 1, 0]
    assert found.probs == pytest.approx(DawidSkene(iterations=1000).apply(said).probs, abs=1e-4)
    assert np.isfinite(DawidSkene(smoothing=0.0).apply([labels([0, 0, 0])] * 3).probs).all()


def test_legal_moves_are_refused() -> None:
    ragged = Labels.from_rows("ab", [[0.5, 0.5], [0.2, 0.3, 0.5]])
    with pytest.raises(UserError, match="share their choices"):
        DawidSkene().apply([ragged, ragged])
