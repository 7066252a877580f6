"""Easy to hard: of students that need hard examples, of students that do not, and what each of them learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from slots import BASE

from outgrow.analyses.base import Comparison
from outgrow.analyses.easy_to_hard import EasyToHard
from outgrow.executors.inline import Inline
from outgrow.experiment.facets import Numbers
from outgrow.experiment.grid import cells
from outgrow.experiment.halves import HALVES, half_of
from outgrow.experiment.steps import Fit, Select
from outgrow.experiment.technique import Technique
from outgrow.graph import load, run
from outgrow.measures.crossed import Interval
from outgrow.store import Store
from outgrow.types import Scores, UserError

DRAWS = 100
ROLES = ("floor", *(f"{labels}/{half}" for labels in ("weak", "truth") for half in HALVES))


def made(tables: Mapping[str, np.ndarray], difficulty: np.ndarray, facet: str = "rating") -> Comparison:
    ids = tuple(f"e{i}" for i in range(len(difficulty)))
    found: dict[str, tuple[object, ...]] = {
        role: tuple(Scores(ids=ids, groups=ids, correct=row.astype(float)) for row in table)
        for role, table in tables.items()
    }
    seeds = tuple(range(len(tables["floor"])))
    found[f"facet/{facet}"] = (Numbers(ids=ids, values=difficulty),) * len(seeds)
    return Comparison(task="made", weak="small", strong="large", method="naive", seeds=seeds, found=found)


def draw(rng: np.random.Generator, hard: Mapping[str, float], n: int = 600, seeds: int = 3) -> Comparison:
    """Models that are right on 0.8 of the easy half and on 0.4 of the hard one, or on what `hard` says of a role."""
    difficulty, own = rng.permutation(n).astype(float), rng.random(n)
    is_hard = difficulty >= n // 2
    tables = {
        role: rng.random((seeds, n)) < np.where(is_hard, hard.get(role, 0.4), 0.8) + 0.2 * (0.5 - own) for role in ROLES
    }
    return made(tables, difficulty)


def test_halves_by_hand() -> None:
    """Four have a difficulty: the easy half are 1 and 2, the hard one 3 and 5; of five the middle one is in neither."""
    some = np.array([3.0, np.nan, 1.0, 5.0, 2.0])
    assert half_of(some, "easy").tolist() == [2, 4]
    assert half_of(some, "hard").tolist() == [0, 3]
    mixed = half_of(some, "mixed", 1).tolist()
    assert len(mixed) == 2
    assert set(mixed) < {0, 2, 3, 4}
    five = np.array([3.0, 4.0, 1.0, 5.0, 2.0])
    assert (half_of(five, "easy").tolist(), half_of(five, "hard").tolist()) == ([2, 4], [1, 3])
    assert half_of(np.zeros(4), "easy").tolist() == [0, 1]


def test_the_table_by_hand() -> None:
    """Of 80 tests the 40 of the smaller margin are hard. The student of easy labels is right on each easy test."""
    margin = np.arange(80.0)
    tables = {role: np.tile(margin >= 40, (2, 1)) for role in ROLES} | {"floor": np.tile(margin >= 60, (2, 1))}
    finding = EasyToHard().finding([made(tables, margin, "margin")])
    rows = {row[1]: [each.mean for each in row[2:] if isinstance(each, Interval)] for row in finding.table.rows}
    assert rows["supervisor"] == [0.0, 0.5]
    assert rows["ground truth, easy half"] == [0.0, 1.0]
    assert len(rows) == len(ROLES)


def test_a_supervisor_that_abstains_is_scored_on_what_it_answers() -> None:
    """It answers a half of the hard tests, of these a half right, and none of the easy ones."""
    place = np.arange(80.0)
    floor = np.where(place < 60, np.nan, (place >= 70).astype(float))
    tables = {role: np.tile(place >= 60, (2, 1)) for role in ROLES} | {"floor": np.tile(floor, (2, 1))}
    finding = EasyToHard().finding([made(tables, place)])
    hard, easy = next(row[2:] for row in finding.table.rows if row[1] == "supervisor")
    assert isinstance(hard, Interval)
    assert (hard.mean, easy) == (0.5, None)
    assert finding.figure is not None
    assert finding.figure.panels[0].level == ("supervisor", 0.5)


def test_students_that_need_hard_examples_are_seen() -> None:
    hard = {"truth/easy": 0.3, "truth/mixed": 0.6, "weak/mixed": 0.45, "weak/easy": 0.45, "truth/hard": 0.7}
    finding = EasyToHard().finding([draw(np.random.default_rng(0), hard, n=3000)])
    first, second, third = finding.sentence.split("With ")[1:]
    assert "instead of as much of all kinds: surely worse on the hard half, by " in first
    assert "instead of as many of all kinds: no evidence that it is better or worse there" in second
    assert "instead of as many weak labels of all kinds: surely worse on the hard half" in third
    assert finding.figure is not None
    assert finding.figure.panels[0].level is not None


def test_of_students_that_do_not_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    certain = ["surely" in EasyToHard().finding([draw(rng, {})]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)


def test_too_few_tests_are_not_stated() -> None:
    finding = EasyToHard().finding([draw(np.random.default_rng(2), {}, n=30)])
    assert finding.sentence.startswith("Too few test examples")
    assert finding.notes == ("small → large: fewer than 20 groups of test examples are in each half",)


def test_the_student_of_a_half_learns_and_stops_by_that_half(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, analyses=(EasyToHard(facet="number"),)))
    evidence, store = cell.evidence["easy-to-hard"], Store(str(tmp_path))
    assert next(iter(evidence)) == "floor"
    for labels, own in (("weak", cell.student_fit), ("truth", cell.ceiling.predictions.fitted)):  # type: ignore[attr-defined]
        read: dict[str, set[int]] = {}
        for half in HALVES:
            fit: Fit = evidence[f"{labels}/{half}"].predictions.fitted  # type: ignore[attr-defined]
            assert (fit.model, fit.method, fit.loss, fit.seed) == (own.model, own.method, own.loss, own.seed)
            assert isinstance(fit.examples, Select)
            assert isinstance(fit.validation, Select)
            with Inline() as executor:
                assert not run([fit.examples, fit.validation], store, executor).failures
            read[half] = {int(id[1:]) for id in load(fit.examples, store).ids}
        assert len(read["easy"]) == len(read["hard"]) == len(read["mixed"]) == 20
        assert max(read["easy"]) < min(read["hard"])


def test_a_task_without_difficulty_is_refused_and_oracles_are_left_out() -> None:
    with pytest.raises(UserError, match="analysis easy-to-hard needs test examples with a rating or difficulty or"):
        cells(replace(BASE, analyses=(EasyToHard(),)))
    planned = replace(BASE, methods=(Technique(oracle="labels"),), analyses=(EasyToHard(facet="number"),))
    assert cells(planned)[0].evidence["easy-to-hard"] == {}
