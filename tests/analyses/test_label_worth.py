"""Label worth: of labels of known worth, of weak labels as good as ground truth, and where nothing helps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slots import BASE

from outgrow.analyses.base import Comparison
from outgrow.analyses.label_worth import LabelWorth
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.graph import walk
from outgrow.measures.crossed import Interval
from outgrow.types import Scores, UserError

SIZES = (125, 250, 500, 1000)
DRAWS = 100


def draw(rng: np.random.Generator, worth: float, *, slope: float = 0.08, n: int = 800, seeds: int = 3,
         strong: str = "large") -> Comparison:  # fmt: skip
    """Students whose accuracy grows by `slope` a doubling, with `worth` weak labels for one of ground truth. They share
    what is hard."""
    ids, hard = tuple(f"e{i}" for i in range(n)), rng.random(n)

    def scores(labels: float) -> tuple[Scores, ...]:
        accuracy = 0.55 + slope * np.log2(labels / 125)
        right = rng.random((seeds, n)) < accuracy + 0.4 * (0.5 - hard)
        return tuple(Scores(ids=ids, groups=ids, correct=row.astype(float)) for row in right)

    found = {f"truth/{size}": scores(size) for size in SIZES} | {f"weak/{size}": scores(size / worth) for size in SIZES}
    return Comparison(task="made", weak="small", strong=strong, method="naive", seeds=tuple(range(seeds)), found=found)


def rate(comparison: Comparison) -> Interval:
    found = LabelWorth().finding([comparison]).table.rows[-1][-1]
    assert isinstance(found, Interval)
    return found


def test_labels_of_known_worth() -> None:
    finding = LabelWorth().finding([draw(np.random.default_rng(0), 4.0, n=4000)])
    assert finding.sentence.startswith("1,000 weak labels make as good a student as ")
    assert finding.sentence.endswith("a weak label is surely worth less than one of ground truth.")
    found = rate(draw(np.random.default_rng(0), 4.0, n=4000))
    assert found.mean == pytest.approx(4, rel=0.25)
    assert found.low < 4 < found.high
    assert len(finding.table.rows) == len(SIZES)
    assert finding.figure is not None
    assert [name for _, name in finding.figure.panels[0].x.ticks] == ["125", "250", "500", "1,000"]


def test_the_interval_covers_the_worth_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    found = [rate(draw(rng, 2.0, seeds=5)) for _ in range(DRAWS)]
    covered = np.mean([each.low < 2 < each.high for each in found])
    assert covered >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_of_labels_as_good_as_ground_truth_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(2)
    certain = ["surely" in LabelWorth().finding([draw(rng, 1.0, n=500)]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    sentence = LabelWorth().finding([draw(rng, 1.0)]).sentence
    assert "no evidence that it is worth less or more than one of ground truth; a rate of " in sentence


def test_where_more_ground_truth_does_not_help_there_is_no_rate() -> None:
    finding = LabelWorth().finding([draw(np.random.default_rng(3), 4.0, slope=0.0)])
    assert finding.sentence.startswith("More labels of ground truth do not surely make a better student")
    assert finding.notes[0].startswith("small → large: more labels of ground truth do not surely make a better student")


def test_several_comparisons_are_counted() -> None:
    rng = np.random.default_rng(4)
    some = [draw(rng, worth, n=3000, strong=f"of {worth}") for worth in (1.0, 4.0)]
    sentence = LabelWorth().finding(some).sentence
    assert "a weak label is surely worth less than one of ground truth in 1 of 2 comparisons" in sentence
    assert "no evidence that it is worth less or more than one of ground truth in 1 of 2 comparisons" in sentence


def test_a_rate_beyond_the_sizes_has_a_note() -> None:
    finding = LabelWorth().finding([draw(np.random.default_rng(5), 16.0, n=3000)])
    certain = "small → large: more than 8 weak labels replace one, since the student is beyond those on ground truth"
    assert finding.notes == (certain,)
    assert finding.sentence.startswith(
        "More than 8 weak labels replace one label of ground truth; a weak label is surely"
    )
    assert finding.table.rows[-1][-1] is None


def test_rows_on_which_a_supervisor_abstains_are_no_weak_labels() -> None:
    """It labels a fifth of the rows, so that what four rows replace takes 0.8 weak labels."""
    made = draw(np.random.default_rng(0), 4.0, n=4000)
    weak = {f"labels/{size}": tuple(("",) * (size // 5 + more) for more in (-1, 0, 1)) for size in SIZES}
    finding = LabelWorth().finding([replace(made, found={**made.found, **weak})])
    assert finding.sentence.startswith("200 weak labels make as good a student as ")
    found = finding.table.rows[-1][-1]
    assert isinstance(found, Interval)
    assert found.mean == pytest.approx(rate(made).mean / 5)
    assert [column.head for column in finding.table.columns][1:3] == ["labels", "weak labels"]
    assert [row[1:3] for row in finding.table.rows] == [(125, 25), (250, 50), (500, 100), (1000, 200)]
    assert finding.figure is not None
    marks = [series.marks[-1].x for series in finding.figure.panels[0].series]
    assert marks == pytest.approx(np.log2([200, 1000]))


def test_students_on_parts_of_transfer_are_as_the_student_and_its_ceiling() -> None:
    (cell,) = cells(replace(BASE, analyses=(LabelWorth(),)))
    evidence = cell.evidence["label-worth"]
    assert list(evidence) == [
        *(f"{kind}/{size}" for size in (5, 10, 20) for kind in ("weak", "truth")),
        "weak/40",
        "truth/40",
    ]
    assert evidence["weak/40"] is cell.student
    for size in (5, 10, 20):
        fits = [
            next(s for s in walk([evidence[f"{kind}/{size}"]])[::-1] if isinstance(s, Fit))
            for kind in ("weak", "truth")
        ]
        for fit, own in zip(fits, (cell.student_fit, cell.ceiling.predictions.fitted), strict=True):  # type: ignore[attr-defined]
            assert fit.examples.n == size  # type: ignore[union-attr]
            assert (fit.model, fit.method, fit.loss, fit.validation) == (
                own.model,
                own.method,
                own.loss,
                own.validation,
            )


def test_a_transfer_set_without_a_size_is_refused_and_oracles_are_left_out() -> None:
    sizes = {"weak_train": 60, "test": 50}
    with pytest.raises(UserError, match=r"has no size on task fakes: set sizes = \{ transfer = 1000 \}"):
        cells(replace(BASE, sizes=sizes, analyses=(LabelWorth(),)))  # type: ignore[arg-type]
    oracle = Technique(label="oracle", oracle="labels")
    (cell,) = cells(replace(BASE, methods=(oracle,), analyses=(LabelWorth(),)))
    assert cell.evidence["label-worth"] == {}
    with pytest.raises(UserError, match=r"shares is \[0.5, 1.0\]: give parts of transfer, between 0 and 1"):
        LabelWorth(shares=(0.5, 1.0))
