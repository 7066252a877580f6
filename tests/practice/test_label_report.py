"""What labels are worth: numbers by hand, intervals that hold, and what a terminal and a page show of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from practice.made import SKILLS, drawn

from outgrow.measures.ppi import classical
from outgrow.practice.data import PracticeData
from outgrow.practice.labels import LabelReport, label_report
from outgrow.practice.page import html, write
from outgrow.practice.show import text
from outgrow.practice.truth import probable_truth
from outgrow.types import UserError

NAN = float("nan")


@pytest.fixture(scope="module")
def report() -> LabelReport:
    data, truth = drawn()
    gold = np.where(np.arange(len(data)) < 60, truth, -1)
    return label_report(replace(data, gold=gold))


def test_counts_by_hand() -> None:
    """Four rows of three annotators, the last of whom labels one: three rows have two labels or more, one conflicts."""
    matrix = [["a", "a", None], ["a", "b", None], [None, "b", None], ["b", "b", "b"], [None, None, None]]
    found = label_report(PracticeData.from_values(matrix, annotators=("x", "y", "z"), gold=["a", "a", "b", "b", "a"]))
    assert (found.rows, found.labelled, found.audited, found.coverage) == (5, 4, 5, 0.8)
    assert (found.overlap, found.conflicts) == (0.75, pytest.approx(1 / 3))
    x, y, z = found.annotators
    assert (x.labels, x.coverage, x.shares) == (3, 0.6, (pytest.approx(2 / 3), pytest.approx(1 / 3)))
    assert (x.conflicts, y.conflicts, z.conflicts) == (pytest.approx(1 / 3), pytest.approx(1 / 3), 0)
    assert x.accuracy is not None
    assert (x.accuracy.value, x.accuracy.by) == (1.0, "audits")
    assert y.accuracy is not None
    assert y.accuracy.value == pytest.approx(0.75)
    assert found.true_shares == (0.6, 0.4)
    assert found.suspects == ()
    json.dumps(found.to_dict(), allow_nan=False)


def test_accuracy_and_confusion_by_agreement_hold_the_truth() -> None:
    """Of 8 data sets with four annotators and gaps: 32 accuracies with 95 % intervals, of which fewer than 27 hold the
    truth with a probability of 0.4 %. The joined labels are the most probable ones by the estimate itself, by which
    they would be 2 points too good."""
    hits, errors = 0, []
    for seed in range(8):
        data, truth = drawn(400, seed=seed)
        report = label_report(replace(data, texts=()))
        assert report.accuracy is not None
        joined = probable_truth(replace(data, texts=())).labels == truth[data.labelled]
        errors.append(report.accuracy.value - joined.mean())
        assert report.accuracy.low - 0.03 < joined.mean() < report.accuracy.high + 0.03
        for j, each in enumerate(report.annotators):
            assert each.accuracy is not None
            assert each.accuracy.by == each.confusion_by == "agreement"
            given = data.annotations.given[j]
            real = (data.annotations.matrix()[given, j] == truth[data.labelled][given]).mean()
            hits += each.accuracy.low <= real <= each.accuracy.high
            assert abs(each.accuracy.value - SKILLS[j]) < 0.12
    assert 27 <= hits <= 32
    assert abs(np.mean(errors)) < 0.025


def test_two_annotators_are_not_identified_without_ground_truth() -> None:
    data, _ = drawn(200, SKILLS[:2])
    found = label_report(data)
    assert found.accuracy is None
    assert {each.accuracy for each in found.annotators} == {None}
    assert found.expected_errors is None
    assert "How often the labels are right is not known" in text(found)


def test_audits_count_before_agreement_and_are_narrower_than_alone(report: LabelReport) -> None:
    assert report.accuracy is not None
    assert report.accuracy.by == "audits"
    data, truth = drawn()
    votes = label_report(data)
    assert votes.accuracy is not None
    assert votes.accuracy.by == "agreement"
    known = truth[:60] == np.array([1, 0])[np.zeros(60, dtype=int)]
    alone = classical(known.astype(float), rows=400)
    assert alone.rows == 400
    assert report.audits_to_halve is not None
    assert 60 < report.audits_to_halve < 340


def test_calibration_of_probabilities() -> None:
    """Always 0.9 for the first class, which is right in half of the rows: the error is 0.4."""
    data = PracticeData.from_values(np.array([[0.9, 0.1]] * 10), gold=[0, 1] * 5, classes=("a", "b"))
    (each,) = label_report(data).annotators
    assert each.calibration == pytest.approx(0.4)


def test_duplicates_and_their_conflicts() -> None:
    first, other = "one two three four five", "other words are here now"
    texts = [first, first.upper(), other, "two three four five six", other]
    found = label_report(PracticeData.from_values(["a", "b", "a", "a", "a"], texts)).duplicates
    assert found is not None
    assert (found.exact, found.exact_conflicts) == (2, 1)
    assert (found.near, found.near_conflicts) == (0, 0), "2 of 3 trigrams are fewer than 80 %"
    assert found.examples[0] == ("0", "1")
    longer = [f"{texts[0]} six seven eight nine", f"{texts[0]} six seven eight ten", "not it", "nor this", "at all"]
    near = label_report(PracticeData.from_values(["a", "b", "a", "a", "a"], longer)).duplicates
    assert near is not None
    assert (near.exact, near.near, near.near_conflicts) == (0, 1, 1)


def test_a_terminal_shows_what_the_report_has(report: LabelReport) -> None:
    shown = text(report)
    assert report.accuracy is not None
    assert f"{100 * report.accuracy.value:.1f} % ({100 * report.accuracy.low:.1f} to" in shown.splitlines()[1]
    assert all(len(line) <= 140 for line in shown.splitlines())
    assert all(name in shown for name in ("ann0", "ann3", "true class", "Krippendorff's alpha"))


def test_the_page_is_whole_and_fetches_nothing(report: LabelReport, tmp_path: Path) -> None:
    write(tmp_path / "page.html", report)
    page = (tmp_path / "page.html").read_text()
    assert page == html(report)
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert page.count("<tr>") > 20
    for each in report.annotators:
        assert f'<th scope="row">{each.name}</th>' in page
    odd = replace(report, name="<script>", notes=("a & <b>",))
    assert "<script>" not in html(odd)
    (tmp_path / "mine.txt").write_text("my notes")
    with pytest.raises(UserError, match="is not an HTML page"):
        write(tmp_path / "mine.txt", report)


def test_ties_and_likely_typos_are_said() -> None:
    """Two annotators who differ on one of four rows: their mean is a tie there."""
    matrix = [["good", "bad"], ["good", "good"], ["bad", "bad"], ["bad", None]]
    found = label_report(PracticeData.from_values(matrix))
    assert "1 of 4 joined labels are ties: there the first of the tied classes is taken for the label" in found.notes
    typo = label_report(PracticeData.from_values(["positive", "negative"] * 30 + ["positve"]))
    lines = text(typo).splitlines()
    typo = next(i for i, line in enumerate(lines) if "'positve' (1 labels) may be a typo of 'positive' (30)" in line)
    assert typo < next(i for i, line in enumerate(lines) if line.startswith("  class "))


def test_an_interval_holds_its_estimate() -> None:
    for seed in range(3):
        data, _ = drawn(60, (0.95, 0.9, 0.9), gaps=0.4, seed=seed)
        found = label_report(data)
        for share in (found.accuracy, *(each.accuracy for each in found.annotators)):
            assert share is not None
            assert share.low <= share.value <= share.high
        for each in found.annotators:
            assert each.confusion
            assert each.confusion_low
            assert each.confusion_high
            assert (np.array(each.confusion_low) <= np.array(each.confusion)).all()
            assert (np.array(each.confusion) <= np.array(each.confusion_high)).all()
