"""Audits: which rows are chosen, what is read back, and that estimates from them stay unbiased."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from practice.made import drawn

from outgrow.practice.audits import NONE, Audits, audited_mean, chosen_rows, of_data, read_audits, weights, write_audits
from outgrow.practice.data import PracticeData
from outgrow.practice.truth import Truth, probable_truth
from outgrow.types import UserError


@pytest.fixture(scope="module")
def made() -> tuple[PracticeData, np.ndarray, Truth]:
    data, truth = drawn()
    return data, truth, probable_truth(data)


def answered(path: Path, truth: np.ndarray, ids: dict[str, int], classes: tuple[str, ...], n: int = 10**9) -> Path:
    """A copy of an audit file with the first `n` rows answered."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows[:n]:
        row["audited"] = classes[truth[ids[row["id"]]]]
    out = path.with_name("answered.csv")
    with out.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return out


def test_half_are_the_least_certain_and_half_are_random(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    data, _, truth = made
    found = chosen_rows(data, truth, NONE, 100, seed=0)
    assert Counter(found.why) == {"informative": 50, "random": 50}
    assert len(set(found.places.tolist())) == 100
    doubt = np.zeros(len(data))
    doubt[data.labelled] = np.minimum(truth.from_all[:, 0], truth.from_all[:, 1])
    first = found.of("informative")
    others = np.setdiff1d(data.labelled, first)
    assert doubt[first].min() >= doubt[others].max() - 1e-9
    again = chosen_rows(data, truth, NONE, 100, seed=1)
    assert set(again.of("informative").tolist()) == set(first.tolist())
    assert set(again.of("random").tolist()) != set(found.of("random").tolist())


def test_answers_are_read_back(made: tuple[PracticeData, np.ndarray, Truth], tmp_path: Path) -> None:
    data, truth, probable = made
    audits = chosen_rows(data, probable, NONE, 60, seed=0)
    write_audits(tmp_path / "audit.csv", data, probable, audits)
    ids = {id: i for i, id in enumerate(data.ids)}
    path = answered(tmp_path / "audit.csv", truth, ids, data.classes, n=40)
    known, found = read_audits(path, data)
    assert found.places.tolist() == audits.places.tolist()
    assert found.why == audits.why
    assert known.gold is not None
    assert (known.gold[audits.places[:40]] == truth[audits.places[:40]]).all()
    assert (known.gold[audits.places[40:]] == -1).all()
    more = chosen_rows(known, probable, found, 40, seed=1)
    assert more.places[:60].tolist() == audits.places.tolist()
    assert not set(more.places[60:].tolist()) & set(audits.places.tolist())
    write_audits(tmp_path / "more.csv", known, probable, more)
    assert (tmp_path / "more.csv").read_text().count(",good,") >= 20, "earlier answers are in the next file"


def test_estimates_are_unbiased_however_bad_the_guesses_are(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    """600 audits of 60 rows, half of them by information: the mean estimate is the truth, that of all audited rows is
    not, since the informative half is more often wrong."""
    data, truth, probable = made
    values, guesses = np.zeros(len(data)), np.zeros(len(data))
    values[data.labelled] = probable.labels == truth[data.labelled]
    guesses[data.labelled] = probable.wrong  # upside down
    among = np.zeros(len(data), dtype=bool)
    among[data.labelled] = True
    estimates, plain, hits = [], [], 0
    for seed in range(600):
        audits = chosen_rows(data, probable, NONE, 60, seed)
        gold = np.full(len(data), -1)
        gold[audits.places] = truth[audits.places]
        found = audited_mean(replace(data, gold=gold), audits, values, guesses, among)
        assert found is not None
        estimates.append(found.mean)
        plain.append(values[audits.places].mean())
        hits += found.low <= values[among].mean() <= found.high
    real = values[among].mean()
    assert np.mean(estimates) == pytest.approx(real, abs=4 * np.std(estimates) / 600**0.5)
    assert np.mean(plain) < real - 0.05
    assert 0.925 <= hits / 600 <= 0.98


def test_two_rounds_of_audits_are_unbiased_too(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    """In the second round rows that were drawn at random in the first, and are as informative as those that are chosen
    now, count as chosen: without this the mean estimate is off."""
    data, truth, probable = made
    values = np.zeros(len(data))
    values[data.labelled] = probable.labels == truth[data.labelled]
    among = np.zeros(len(data), dtype=bool)
    among[data.labelled] = True
    estimates = []
    for seed in range(400):
        audits = chosen_rows(data, probable, NONE, 60, seed)
        gold = np.full(len(data), -1)
        gold[audits.places] = truth[audits.places]
        audits = chosen_rows(replace(data, gold=gold), probable, audits, 60, seed + 1000)
        gold[audits.places] = truth[audits.places]
        found = audited_mean(replace(data, gold=gold), audits, values, np.zeros(len(data)), among)
        assert found is not None
        estimates.append(found.mean)
    assert np.mean(estimates) == pytest.approx(values[among].mean(), abs=4 * np.std(estimates) / 400**0.5)


def test_ground_truth_that_came_with_the_data(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    """Alone it is taken for a random sample; beside an audit its rows count for themselves only."""
    data, truth, _ = made
    gold = np.full(len(data), -1)
    gold[:50] = truth[:50]
    data = replace(data, gold=gold)
    assert weights(data, of_data(data))[:51].tolist() == [len(data) / 50] * 50 + [0]
    data = replace(data, gold=np.where(np.arange(len(data)) // 20 == 5, truth, gold))
    audits = Audits(places=np.arange(100, 120), why=("random",) * 20)
    found = weights(data, audits)
    assert found[:50].tolist() == [1.0] * 50
    assert found[100:120].tolist() == [(len(data) - 50) / 20] * 20


def test_too_few_answers_give_no_estimate(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    data, truth, _ = made
    gold = np.full(len(data), -1)
    gold[:3] = truth[:3]
    audits = Audits(
        places=np.arange(6), why=("informative", "informative", "random", "random", "random", "informative")
    )
    ones = np.ones(len(data))
    assert audited_mean(replace(data, gold=gold), audits, ones, ones, ones > 0) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [{**row, "audited": ""} for row in rows], "has no answer: write the right class"),
        (lambda rows: [{**rows[0], "audited": "so-so"}], "row 1: 'so-so' is not a class"),
        (lambda rows: [{**rows[0], "id": "999999"}], "row 1: the data has no row '999999'"),
        (lambda rows: [{**rows[0], "text": "another"}], "row 1: row .* has another text in the data"),
        (lambda rows: [{**rows[0], "why": "fun"}], "why is 'fun': leave that column as it was"),
        (lambda rows: [rows[0], rows[0]], "row 2: .* occurs twice"),
        (lambda rows: [{"id": rows[0]["id"]}], "has no column 'text': write the file with --to-audit 100"),
    ],
)
def test_what_is_no_audit_is_refused(
    change: object, message: str, made: tuple[PracticeData, np.ndarray, Truth], tmp_path: Path
) -> None:
    data, _, probable = made
    write_audits(tmp_path / "audit.csv", data, probable, chosen_rows(data, probable, NONE, 10, 0))
    with (tmp_path / "audit.csv").open() as file:
        rows = change([{**row, "audited": "good"} for row in csv.DictReader(file)])  # type: ignore[operator]
    with (tmp_path / "bad.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    with pytest.raises(UserError, match=message):
        read_audits(tmp_path / "bad.csv", data)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"id": ["0"]}, "row 1: 'id' holds a list, not text: leave that column as it was"),
        ({"text": ["a"]}, "row 1: 'text' holds a list, not text: leave that column as it was"),
        ({"why": None}, "row 1: why is None: leave that column as it was"),
    ],
)
def test_cells_that_are_no_text_are_refused(
    cells: dict[str, Any], message: str, made: tuple[PracticeData, np.ndarray, Truth], tmp_path: Path
) -> None:
    data, _, probable = made
    write_audits(tmp_path / "audit.csv", data, probable, chosen_rows(data, probable, NONE, 10, 0))
    with (tmp_path / "audit.csv").open() as file:
        row = next(csv.DictReader(file))
    changed = {name: value for name, value in {**row, "audited": "good", **cells}.items() if value is not None}
    (tmp_path / "bad.jsonl").write_text(f"{json.dumps(changed)}\n{json.dumps({**row, 'id': '1'})}\n")
    with pytest.raises(UserError, match=message):
        read_audits(tmp_path / "bad.jsonl", data)
    (tmp_path / "bad.csv").write_text((tmp_path / "audit.csv").read_text().replace(",", ";"))
    with pytest.raises(UserError, match="its cells seem to be separated by ';': save it with commas"):
        read_audits(tmp_path / "bad.csv", data)


def test_more_rows_than_are_left_are_refused(made: tuple[PracticeData, np.ndarray, Truth]) -> None:
    data, truth, probable = made
    for count in (1, 10_000):
        with pytest.raises(UserError, match="rows to audit: give a number from 2 to"):
            chosen_rows(data, probable, NONE, count, 0)
    with pytest.raises(UserError, match="every labelled row is audited or has ground truth"):
        chosen_rows(replace(data, gold=truth), probable, NONE, 10, 0)
