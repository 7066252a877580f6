"""Saliency: of a perfectly linear concept, of finetuning that changes nothing, and which probes a cell has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from slots import BASE, Linear, causal

from outgrow.analyses.base import Comparison
from outgrow.analyses.saliency import FIVE, Saliency
from outgrow.executors.inline import Inline
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.finding import Value
from outgrow.graph import run
from outgrow.measures.crossed import Interval
from outgrow.report.findings import read
from outgrow.store import Store
from outgrow.types import Scores, UserError

DRAWS = 100
STATES = ("before", "weak", "truth", "text")


def made(tables: Mapping[str, np.ndarray]) -> Comparison:
    """A comparison whose models are right where these tables, [S, N], say so."""
    found = {}
    for name, table in tables.items():
        ids = tuple(f"e{i}" for i in range(table.shape[1]))
        found[name] = tuple(Scores(ids=ids, groups=ids, correct=row.astype(float)) for row in table)
    seeds = tuple(range(len(found["student"])))
    return Comparison(task="made", weak="small", strong="large", method="naive", seeds=seeds, found=found)


def draw(rng: np.random.Generator, added: Mapping[str, float], *, n: int = 500, seeds: int = 3) -> Comparison:
    """Probes of accuracy 0.7, with so much added by a state. They share what is hard."""
    hard = rng.random(n)

    def right(accuracy: float) -> np.ndarray:
        return rng.random((seeds, n)) < accuracy + 0.3 * (0.5 - hard)

    tables = {f"{state}/1/{layer}": right(0.7 + added.get(state, 0.0)) for state in STATES for layer in (0, -1)}
    return made(tables | {name: right(0.7) for name in ("student", "probe", "ceiling")})


def rows(comparison: Comparison) -> dict[tuple[Value, Value], tuple[Value, Value]]:
    return {(row[1], row[2]): row[3:] for row in Saliency().finding([comparison]).table.rows}


def test_the_golden_case() -> None:
    """Of four tests a probe gets one right before and three after finetuning on weak labels: 50 points more."""
    tables = {"before/1/-1": "1000", "weak/1/-1": "1110", "weak/0.5/-1": "1100", "truth/1/-1": "1111"}
    tables |= {"student": "1100", "probe": "1000", "ceiling": "1111"}
    found = rows(made({name: np.array([[c == "1" for c in text]]) for name, text in tables.items()}))
    before, (after, gained) = (
        found["probe, before finetuning", "last"],
        found["probe, finetuned on weak labels", "last"],
    )
    assert isinstance(before[0], Interval)
    assert isinstance(after, Interval)
    assert isinstance(gained, Interval)
    assert (before[0].mean, before[1], after.mean, gained.mean) == (0.25, None, 0.75, 0.5)
    half = found["probe, finetuned on weak labels, 50 % of it", "last"][1]
    assert isinstance(half, Interval)
    assert half.mean == 0.25
    assert {FIVE[way] for way in ("student", "probe", "ceiling")} < {name for name, _ in found}


def test_what_finetuning_adds_is_seen() -> None:
    finding = Saliency().finding([draw(np.random.default_rng(0), {"weak": 0.1, "truth": 0.2, "text": -0.1}, n=2000)])
    assert "finetuned on weak labels, surely more linear, by " in finding.sentence
    assert "read the texts without labels, surely less linear, by " in finding.sentence
    assert finding.figure is not None
    assert [name for _, name in finding.figure.panels[0].x.ticks] == ["embeddings", "last"]


def test_where_finetuning_changes_nothing_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    certain = ["surely" in Saliency().finding([draw(rng, {})]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "no evidence that it is more or less linear; an effect of" in Saliency().finding([draw(rng, {})]).sentence


def test_a_perfectly_linear_concept_is_read_off_every_layer(tmp_path: Path) -> None:
    """The last word is the answer, so that its embedding says it; no training can add to that."""
    planned = replace(causal(tmp_path), tasks=(Linear(digest="fake"),), analyses=(Saliency(times=(0.5,)),))
    store = Store(str(tmp_path / "store"))
    with Inline() as executor:
        outcome = run(targets(cells(planned)), store, executor)
    assert not outcome.failures, outcome.failures[0].error_text
    finding = read(planned, store)["saliency"]
    probed = {row[1:3]: row[3] for row in finding.table.rows if str(row[1]).startswith("probe, ")}
    assert {layer for _, layer in probed} == {"embeddings", "1", "last"}
    assert {each.mean for each in probed.values() if isinstance(each, Interval)} == {1.0}
    assert "surely" not in finding.sentence


def test_probes_of_each_layer_after_each_way_of_training(tmp_path: Path) -> None:
    planned = replace(causal(tmp_path), tasks=(Linear(digest="fake"),), analyses=(Saliency(),))
    (first, _) = cells(planned)
    evidence = first.evidence["saliency"]
    layers = (0, 1, -1)  # the tiny models have two layers, of which the last is normed
    assert {key for key in evidence if "/1/" in key} == {f"{state}/1/{layer}" for state in STATES for layer in layers}
    assert evidence["student"] is first.student
    sources = {state: _probe(evidence[f"{state}/1/-1"]).features[0].source for state in STATES}  # type: ignore[index]
    assert sources["before"] == first.strong
    assert sources["weak"].key == first.student_fit.key  # type: ignore[union-attr]
    assert sources["truth"].key == first.ceiling.predictions.fitted.key  # type: ignore[union-attr, attr-defined]
    assert isinstance(sources["text"], Adapt)
    quarter = _probe(evidence["weak/0.25/-1"]).features[0].source  # type: ignore[index]
    assert isinstance(quarter, Fit)
    assert quarter.method.epochs == 0.25 * first.student_fit.method.epochs  # type: ignore[attr-defined]


def _probe(score: object) -> Fit:
    return score.predictions.fitted  # type: ignore[attr-defined, no-any-return]


def test_what_it_cannot_probe_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="analysis saliency probes the layers of finetuned students"):
        cells(replace(BASE, analyses=(Saliency(),)))
    linear = replace(causal(tmp_path), tasks=(Linear(digest="fake"),), analyses=(Saliency(),))
    with pytest.raises(UserError, match="analysis saliency probes the layers of finetuned students"):
        cells(replace(linear, methods=(Technique(oracle="labels"),)))
    with pytest.raises(UserError, match=r"times is \[1.0\]: give shares of the training, between 0 and 1"):
        Saliency(times=(1.0,))
