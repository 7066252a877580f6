"""The control of a selection: as many examples, whichever."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.labelling.base import notes_of
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.keep_random import KeepRandom
from outgrow.types import Labels, UserError

RANDOM = np.random.default_rng(0)
LABELS = Labels.from_rows([f"e{i:03}" for i in range(400)], list(RANDOM.dirichlet([0.5, 1.0], 400)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.33])
@pytest.mark.parametrize("per_class", [False, True])
def test_it_keeps_as_many_as_the_rule_that_it_controls_for(share: float, per_class: bool) -> None:
    sure, drawn = (
        rule.apply([LABELS])
        for rule in (KeepConfident(share=share, per_class=per_class), KeepRandom(share=share, per_class=per_class))
    )
    assert len(sure) == len(drawn)
    if per_class:
        assert np.bincount(sure.hard()).tolist() == np.bincount(drawn.hard()).tolist()
    assert notes_of(drawn) == ()


def test_the_draw_looks_at_neither_confidence_nor_order() -> None:
    kept = KeepRandom().apply([LABELS])
    rows = dict(zip(LABELS.ids, LABELS.rows(), strict=True))
    assert [row.tolist() for row in kept.rows()] == [rows[id].tolist() for id in kept.ids]
    # Means of 200 of 400 values with standard deviation s differ from that of all by about s / 20.
    confidence = np.array([row.max() for row in LABELS.rows()])
    chosen = np.array([row.max() for row in kept.rows()])
    assert abs(chosen.mean() - confidence.mean()) < 4 * confidence.std() / 20
    assert 70 < sum(id < "e200" for id in kept.ids) < 130  # 100 expected, standard deviation 7


def test_each_seed_draws_others() -> None:
    first, again, other = (set(KeepRandom(seed=seed).apply([LABELS]).ids) for seed in (0, 0, 1))
    assert first == again
    assert 70 < len(first & other) < 130  # 100 expected


def test_what_makes_no_sense_is_refused() -> None:
    for fields in ({"share": 0.0}, {"share": 1.5}, {"seed": -1}):
        with pytest.raises(UserError, match=next(iter(fields))):
            KeepRandom(**fields)  # type: ignore[arg-type]
