"""Label mix: of labels whose cost is known, of mixes that cost the same, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contracts.samples import SUPERVISORS
from slots import BASE, HEADED

from outgrow.analyses.base import Comparison
from outgrow.analyses.label_mix import LabelMix
from outgrow.analyses.label_worth import LabelWorth
from outgrow.experiment.data import Prepare
from outgrow.experiment.grid import cells
from outgrow.experiment.mixed import Mixed
from outgrow.experiment.technique import Technique
from outgrow.graph import walk
from outgrow.measures.crossed import Interval
from outgrow.types import Scores, UserError

SIZES, TRUTHS, DRAWS = (125, 250, 500, 1000), (0.0, 0.1, 0.3, 1.0), 40


def draw(rng: np.random.Generator, worth: float, *, n: int = 1500, seeds: int = 3, strong: str = "large") -> Comparison:
    """Accuracy grows by 0.08 with every doubling of what the labels are worth: `worth` weak ones are one of ground
    truth. Students share what is hard."""
    ids, hard = tuple(f"e{i}" for i in range(n)), rng.random(n)

    def scores(labels: float) -> tuple[Scores, ...]:
        accuracy = 0.55 + 0.08 * np.log2(labels / 60)
        right = rng.random((seeds, n)) < accuracy + 0.4 * (0.5 - hard)
        return tuple(Scores(ids=ids, groups=ids, correct=row.astype(float)) for row in right)

    found = {f"{truth:g}/{size}": scores(size * (truth + (1 - truth) / worth)) for truth in TRUTHS for size in SIZES}
    return Comparison(task="made", weak="small", strong=strong, method="naive", seeds=tuple(range(seeds)), found=found)


def test_weak_labels_that_are_cheap_are_the_cheapest() -> None:
    """Four weak labels are one of ground truth, and cost four tenths of it."""
    finding = LabelMix().finding([draw(np.random.default_rng(0), 4.0, n=8000)])
    assert finding.sentence.startswith("The cheapest labels for ")
    assert " are weak labels alone, for " in finding.sentence
    assert "surely less than" in finding.sentence
    assert "ground truth alone" in finding.sentence
    cost = next(row[5] for row in finding.table.rows if row[1] == 0.0 and row[2] == 1000)
    assert isinstance(cost, Interval)
    assert cost.mean == pytest.approx(1000, rel=0.1)  # the target is what they reach, and each costs 1
    assert cost.low < 1000 < cost.high
    truth = next(row[4:] for row in finding.table.rows if row[1] == 1.0 and row[2] == 1000)
    assert truth[0].mean == pytest.approx(250, rel=0.15)  # type: ignore[union-attr]
    assert truth[1].mean == pytest.approx(10 * truth[0].mean)  # type: ignore[union-attr]
    assert len(finding.table.rows) == len(TRUTHS) * len(SIZES)
    assert finding.figure is not None
    assert len(finding.figure.panels[0].series) == len(TRUTHS)


def test_ground_truth_that_is_hardly_dearer_is_the_cheapest() -> None:
    finding = LabelMix(truth_price=1.5, target=0.7).finding([draw(np.random.default_rng(1), 4.0, n=8000)])
    assert finding.sentence.startswith("The cheapest labels for 70.0 % are ground truth alone, for ")


def test_of_mixes_that_cost_the_same_it_says_nothing_in_95_of_100_draws() -> None:
    """Weak labels are as good as ground truth, at the same price."""
    rng = np.random.default_rng(2)
    same = LabelMix(truth_price=1.0)
    certain = ["surely" in same.finding([draw(rng, 1.0, n=600)]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    sentence = same.finding([draw(rng, 1.0, n=600)]).sentence
    assert "no evidence that another mix costs more; " in sentence
    assert sentence.endswith(" times the cost would have been seen.")


def test_a_target_that_no_number_reaches_is_said() -> None:
    finding = LabelMix(target=0.99).finding([draw(np.random.default_rng(3), 4.0)])
    assert finding.sentence == "No number of labels between the fitted ones reaches 99.0 % surely."
    assert all(row[5] is None for row in finding.table.rows)


def test_students_learn_from_mixes_of_both() -> None:
    (cell,) = cells(replace(BASE, analyses=(LabelMix(),)))
    evidence = cell.evidence["label-mix"]
    assert set(evidence) == {f"{truth:g}/{size}" for truth in TRUTHS for size in (5, 10, 20, 40)}
    assert evidence["0/40"] is cell.student
    assert evidence["1/40"] is cell.ceiling
    mixed = [step for step in walk([evidence["0.3/20"]]) if isinstance(step, Mixed)]
    assert [(step.truth, step.examples.n) for step in mixed] == [(0.3, 20)]
    assert not [step for step in walk([cell.student_fit]) if isinstance(step, Mixed)]
    assert all(isinstance(step.examples, Prepare) and step.examples.split == "transfer" for step in mixed)


def test_a_mix_by_hand() -> None:
    """Of ten examples three have their ground truth, and those of a smaller share are among them."""
    from outgrow.types import Example, Examples, Labels

    ids = tuple(f"e{i}" for i in range(10))
    examples = Examples(rows=tuple(Example(id=id, group=id, prompt=id, choices=("a", "b")) for id in ids))
    weak, gold = (Labels.from_rows(ids, np.tile(row, (10, 1))) for row in ([0.6, 0.4], [0.0, 1.0]))
    (cell,) = cells(replace(BASE, analyses=(LabelMix(),)))
    step = next(step for step in walk([cell.evidence["label-mix"]["0.3/20"]]) if isinstance(step, Mixed))

    class Given:
        def load(self, planned: object) -> object:
            return examples if planned is step.examples else weak if planned is step.weak else gold

    def chosen(share: float) -> set[str]:
        found = replace(step, truth=share).run(Given())  # type: ignore[arg-type]
        assert found.ids == ids
        return {id for id, row in zip(found.ids, found.rows(), strict=True) if row[1] == 1.0}

    assert len(chosen(0.3)) == 3
    assert chosen(0.1) < chosen(0.3) < chosen(0.8)


def test_rows_on_which_a_supervisor_abstains_cost_nothing() -> None:
    """It labels a quarter of the rows. With ground truth for 10 % of 1,000 rows there are 100 labels of it and 225 weak
    ones: 30.8 % of 325, for (100 * 10 + 225) / 325 = 3.77 each."""
    made = draw(np.random.default_rng(0), 4.0, n=8000)
    weak = {f"labels/{size}": tuple(("",) * (size // 4 + more) for more in (-1, 0, 1)) for size in SIZES}
    finding = LabelMix().finding([replace(made, found={**made.found, **weak})])
    assert [row[2] for row in finding.table.rows if row[1] == 0.0] == [31, 62, 125, 250]
    assert [row[2] for row in finding.table.rows if row[1] == 1.0] == list(SIZES)
    mixed = next(row for row in finding.table.rows if row[2] == 325)
    assert mixed[1] == pytest.approx(100 / 325)
    assert mixed[5].mean / mixed[4].mean == pytest.approx(1225 / 325)  # type: ignore[union-attr]
    cost = next(row[5] for row in finding.table.rows if row[1:3] == (0.0, 250))
    assert cost.mean == pytest.approx(250, rel=0.1)  # type: ignore[union-attr]
    assert finding.figure is not None
    assert {series.name for series in finding.figure.panels[0].series} >= {"weak ones with 30.8 % ground truth"}


def test_the_labels_of_a_supervisor_that_abstains_are_counted(tmp_path: Path) -> None:
    (cell,) = cells(
        replace(
            BASE, tasks=HEADED, weak=(SUPERVISORS["rules"](tmp_path).pinned(),), analyses=(LabelMix(), LabelWorth())
        )
    )
    for evidence in cell.evidence.values():
        counted = {name: step for name, step in evidence.items() if name.startswith("labels/")}
        assert {name: step.examples.n for name, step in counted.items()} == {
            f"labels/{size}": size for size in (5, 10, 20, 40)
        }
        assert all(step.partial for step in counted.values())


def test_what_it_cannot_answer_is_refused() -> None:
    sizes = {"weak_train": 60, "test": 50}
    with pytest.raises(UserError, match=r"analysis label-mix fits students to parts of transfer, which has no size"):
        cells(replace(BASE, sizes=sizes, analyses=(LabelMix(),)))  # type: ignore[arg-type]
    oracle = Technique(label="cheats", oracle="labels")
    (cell,) = cells(replace(BASE, methods=(oracle,), analyses=(LabelMix(),)))
    assert cell.evidence["label-mix"] == {}
    with pytest.raises(UserError, match=r"mixes is \[1.0\]: give shares between 0 and 1"):
        LabelMix(mixes=(1.0,))
    with pytest.raises(UserError, match="truth_price is 0"):
        LabelMix(truth_price=0.0)
    with pytest.raises(UserError, match="target is 2"):
        LabelMix(target=2.0)
