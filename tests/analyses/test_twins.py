"""Twins: of a leak that is planted, of one that adds nothing, and what the twins of a cell are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from slots import BASE, causal

from outgrow.analyses.base import Comparison
from outgrow.analyses.twins import ROLES, Twins
from outgrow.experiment.grid import cells
from outgrow.experiment.membership import MemberScores
from outgrow.experiment.pretrained import Contaminate
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.graph import walk
from outgrow.measures.crossed import Interval
from outgrow.training.language_model import Generative
from outgrow.types import Scores, UserError

DRAWS = 100
CLEAN = {"zero_shot": 0.3, "floor": 0.4, "student": 0.5, "ceiling": 0.7, "alone": 0.5}


def draw(rng: np.random.Generator, leaked: Mapping[str, float], *, n: int = 600, seeds: int = 3) -> Comparison:
    """Models of these accuracies, clean and with all tests leaked. They share what is hard."""
    ids, hard = tuple(f"e{i}" for i in range(n)), rng.random(n)

    def scores(accuracy: float) -> tuple[Scores, ...]:
        right = rng.random((seeds, n)) < accuracy + 0.2 * (0.5 - hard)
        return tuple(Scores(ids=ids, groups=ids, correct=row.astype(float)) for row in right)

    def known(by: float) -> tuple[MemberScores, ...]:
        tested = np.arange(n) < n // 2
        return tuple(
            MemberScores(ids=ids, groups=ids, tested=tested, score=rng.normal(size=n) + by * tested, blind=np.zeros(n))
            for _ in range(seeds)
        )

    found = {
        f"{role}/{share}": scores(values[role]) for share, values in (("0", CLEAN), ("1", leaked)) for role in ROLES
    }
    found |= {"known/0": known(0.0), "known/1": known(1.0)}  # type: ignore[dict-item]
    return Comparison(task="made", weak="small", strong="large", method="naive", seeds=tuple(range(seeds)), found=found)


def value(comparison: Comparison, row: int, head: str) -> Interval:
    table = Twins().finding([comparison]).table
    found = table.rows[row][[column.head for column in table.columns].index(head)]
    assert isinstance(found, Interval)
    return found


def test_a_planted_leak_is_seen() -> None:
    """The floor gains 20 points, the student 30, the ceiling 20: the PGR rises from 1/3 to 2/3; where the student's
    model alone has read the tests, from 1/3 to (0.65 − 0.4) / (0.9 − 0.4)."""
    leaked = {"zero_shot": 0.8, "floor": 0.6, "student": 0.8, "ceiling": 0.9, "alone": 0.65}
    made = draw(np.random.default_rng(0), leaked, n=4000)
    finding = Twins().finding([made])
    assert "With 100 % of the tests leaked to both models: surely a better student, by " in finding.sentence
    assert finding.sentence.count("surely a higher PGR") == 2
    expected_of = {
        "supervisor": 0.2,
        "student": 0.3,
        "ceiling": 0.2,
        "student of a clean supervisor": 0.15,
        "PGR": 1 / 3,
        "PGR, student's leak alone": 0.5 - 1 / 3,
    }
    for head, expected in expected_of.items():
        added = value(made, 1, f"{head}, added")
        assert added.low < expected < added.high
        assert added.mean == pytest.approx(expected, abs=0.07)
    assert value(made, 0, "area of Min-K%++").low < 0.5 < value(made, 0, "area of Min-K%++").high
    assert value(made, 1, "area of Min-K%++").mean == pytest.approx(0.76, abs=0.02)  # Φ(1/√2)
    assert finding.figure is not None
    assert [name for _, name in finding.figure.panels[0].x.ticks] == ["0 %", "100 %"]


def test_the_golden_case() -> None:
    """Four tests and one seed: by hand the student gains one of four."""
    right = {"zero_shot": "0000", "floor": "1000", "student": "1100", "ceiling": "1111", "alone": "1100"}
    ids = ("a", "b", "c", "d")

    def scores(text: str) -> tuple[Scores, ...]:
        return (Scores(ids=ids, groups=ids, correct=np.array([float(c) for c in text])),)

    none = MemberScores(ids=ids, groups=ids, tested=np.arange(4) < 2, score=np.array([4.0, 3, 2, 1]), blind=np.zeros(4))
    found = {f"{role}/0": scores(text) for role, text in right.items()}
    found |= {f"{role}/0.5": scores("1110" if role == "student" else text) for role, text in right.items()}
    found |= {"known/0": (none,), "known/0.5": (none,)}  # type: ignore[dict-item]
    made = Comparison(task="made", weak="small", strong="large", method="naive", seeds=(0,), found=found)
    assert value(made, 1, "student, added").mean == 0.25
    assert value(made, 1, "area of Min-K%++").mean == 1.0
    assert "the PGR is withheld" in Twins().finding([made]).sentence


def test_of_a_leak_that_adds_nothing_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    certain = ["surely" in Twins().finding([draw(rng, CLEAN)]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "no evidence of a better or worse student; an effect of" in Twins().finding([draw(rng, CLEAN)]).sentence


def test_twins_differ_in_the_share_that_is_leaked_alone(tmp_path: Path) -> None:
    found = cells(replace(causal(tmp_path), analyses=(Twins(shares=(0.1, 1.0), ordinary=40),)))
    for cell in found:
        evidence = cell.evidence["twins"]
        assert list(evidence)[:6] == [
            f"{role}/0" for role in ("zero_shot", "floor", "student", "ceiling", "known", "alone")
        ]
        assert evidence["alone/0"] is evidence["student/0"]
        for role in ("floor", "student", "ceiling", "alone"):
            fits = {share: _fit(evidence[f"{role}/{share}"]) for share in ("0", "0.1", "1")}
            starts = [fit.start for fit in fits.values()]
            assert [start.leaked for start in starts] == [0, 0.1, 1]  # type: ignore[union-attr]
            assert len({replace(start, leaked=0.5) for start in starts}) == 1  # type: ignore[type-var, arg-type]
            assert {start.seed for start in starts} == {cell.seed}  # type: ignore[union-attr]
        shared = walk([evidence["alone/1"]])
        assert {(s.model.size, s.leaked) for s in shared if isinstance(s, Contaminate)} == {("one", 0), ("other", 1)}


def _fit(score: object) -> Fit:
    return score.predictions.fitted  # type: ignore[attr-defined, no-any-return]


def test_what_it_cannot_do_is_refused_by_name(tmp_path: Path) -> None:
    base = causal(tmp_path)
    with pytest.raises(UserError, match=r"analysis twins goes on with .* so it needs causal models"):
        cells(replace(base, methods=(Technique(oracle="labels"),), analyses=(Twins(),)))
    with pytest.raises(UserError, match=r"the tests need a size: set sizes = \{ test = 1000 \}"):
        cells(replace(BASE, sizes={"weak_train": 60}, analyses=(Twins(),)))
    with pytest.raises(UserError, match=r"as many other examples .* as the 150 tests.*set sizes = \{ test = 75 \}"):
        cells(replace(base, sizes={**base.sizes, "test": 150}, analyses=(Twins(),)))
    with pytest.raises(UserError, match=r'pretraining has keep = "best", .* set keep = "last"'):
        Twins(pretraining=Generative(epochs=4.0))
    with pytest.raises(UserError, match=r"leaks 0.1 % of the \d+ tests of .*, which is less than one"):
        cells(replace(base, analyses=(Twins(shares=(1.0, 0.001)),)))
    with pytest.raises(UserError, match=r"shares is \[0.0\]: give shares of the test examples, above 0 and up to 1"):
        Twins(shares=(0.0,))
