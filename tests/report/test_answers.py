"""The sentences: golden ones, what they may claim, and that their numbers are those of the records."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.report import tables
from outgrow.report.answers import MOST, Limit, certainty, limits, ranked, sentence, sentences
from outgrow.report.record import Caveat, Record
from outgrow.report.row import Estimate

NUMBERS = {
    "floor": Estimate(value=0.6),
    "student": Estimate(value=0.7),
    "ceiling": Estimate(value=0.75),
    "pgr": Estimate(value=0.68, low=0.55, high=0.81),
}
RECORD = Record(task="moves", weak="pawn", strong="queen", method="naive", seed=None, status="done", estimates=NUMBERS)


def recovering(value: float, low: float | None = None, high: float | None = None) -> Record:
    return replace(RECORD, estimates={**NUMBERS, "pgr": Estimate(value=value, low=low, high=high)})


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("pgr", "text"),
    [
        ((0.68, 0.55, 0.81), "The student recovers 68 % of the gap; surely more than half."),
        ((0.68, 0.5, 0.81), "The student recovers 68 % of the gap; surely more than a third."),
        ((0.95, 0.91, 0.99), "The student recovers 95 % of the gap; surely more than nine tenths."),
        ((1.3, 1.1, 1.5), "The student recovers 130 % of the gap; surely more than all of it."),
        ((0.05, 0.01, 0.09), "The student recovers 5 % of the gap; surely more than nothing."),
        ((0.05, -0.01, 0.11), "The student recovers 5 % of the gap; maybe nothing, surely less than a quarter."),
        ((0.6, 0.0, 1.0), "The student recovers 60 % of the gap; maybe nothing."),
        ((-0.12, -0.3, 0.05), "The student recovers nothing of the gap (−12 %); surely less than a tenth."),
        ((-0.5, -0.9, -0.1), "The student recovers nothing of the gap (−50 %); surely worse than its supervisor."),
        ((-0.004, -0.1, 0.09), "The student recovers 0 % of the gap; surely less than a tenth."),
        ((0.4, None, None), "The student recovers 40 % of the gap."),
    ],
)
def test_one_comparison_in_words(pgr: tuple[float, float | None, float | None], text: str) -> None:
    assert [plain(each) for each in sentences([recovering(*pgr)])] == [text]


def test_a_comparison_is_named_by_what_tells_it_from_the_others() -> None:
    task, pair = replace(RECORD, task="texts"), replace(RECORD, strong="king")
    method = replace(RECORD, method="confidence", verdict="better", baseline="naive")
    assert plain(sentences([RECORD, task])[1]).startswith("On texts, the student recovers 68 % of the gap;")
    assert plain(sentences([RECORD, pair])[1]).startswith("The student king of pawn recovers 68 %")
    text = "The student with confidence recovers 68 % of the gap; surely more than half; surely better than with naive."
    assert plain(sentences([RECORD, method])[1]) == text
    every = sentences([RECORD, task, pair, method])
    assert plain(every[0]).startswith("On moves, the student queen of pawn with naive recovers")
    unclear, worse = (replace(method, verdict=verdict) for verdict in ("unclear", "worse"))
    assert sentence(unclear, [RECORD, unclear]).endswith("; not surely better than with naive.")
    assert sentence(worse, [RECORD, worse]).endswith("; surely worse than with naive.")


def test_a_pgr_that_is_withheld_gives_its_reason() -> None:
    none = replace(RECORD, estimates={}, withheld={"pgr": "no student score yet"})
    text = "How much of the gap the student recovers cannot be stated: no student score yet."
    assert sentences([none]) == [text]
    assert sentences([replace(none, withheld={})])[0].endswith("cannot be stated: there is no score yet.")


def test_what_would_allow_a_pgr_is_reported_once_for_the_rows_that_need_it() -> None:
    more = "more seeds or a weaker supervisor are needed"
    none = [
        replace(RECORD, strong=strong, estimates={}, withheld={"pgr": f"the gap is {points} points: {more}"})
        for strong, points in (("rook", 1.2), ("king", 0.4))
    ]
    rows = [RECORD, *none]
    text = "How much of the gap the student rook of pawn recovers cannot be stated: the gap is 1.2 points."
    assert sentences(rows)[1] == text
    assert limits(rows) == [
        Limit(text=f"no PGR can be stated: {more}", about=("pawn → rook", "pawn → king")),
    ]
    assert limits([RECORD]) == []


def test_more_than_six_comparisons_and_slices_have_no_sentences_and_seeds_none_of_their_own() -> None:
    many = [replace(RECORD, strong=f"s{i}") for i in range(MOST)]
    assert len(sentences([*many, replace(RECORD, seed=0)])) == MOST == 6
    assert sentences([*many, RECORD]) == []
    assert sentences([replace(RECORD, slice="easy")]) == []


def test_comparisons_are_ranked_by_the_lower_end_and_then_those_without_one() -> None:
    wide, narrow = recovering(0.9, 0.2, 1.1), recovering(0.5, 0.4, 0.6)
    bare, none = recovering(0.8), replace(RECORD, estimates={}, withheld={"pgr": "no gap"})
    assert ranked([none, bare, wide, replace(narrow, seed=1), narrow]) == [narrow, wide, bare, none]


def test_a_caveat_of_several_rows_is_reported_once() -> None:
    chance, direct = Caveat(about="floor", text="at chance"), Caveat(about="student", text="direct is better")
    one, two = replace(RECORD, caveats=(chance, direct)), replace(RECORD, task="texts", caveats=(chance,))
    assert limits([one, two, replace(two, seed=0)]) == [
        Limit(text="at chance", about=()),
        Limit(text="direct is better", about=("moves",)),
    ]


PARTS = {"all of it": 1.0, "nine tenths": 0.9, "three quarters": 0.75, "two thirds": 2 / 3, "half": 0.5,
         "a third": 1 / 3, "a quarter": 0.25, "a tenth": 0.1, "nothing": 0.0}  # fmt: skip


@given(st.floats(-2, 3), st.floats(0, 1), st.floats(0, 1))
def test_what_is_sure_is_what_the_interval_says(value: float, below: float, above: float) -> None:
    low, high = value - below, value + above
    text = certainty(Estimate(value=value, low=low, high=high))
    for part in re.findall(r"surely more than ([\w ]+)", text):
        assert low > PARTS[part]
        assert low > 0
    for part in re.findall(r"surely less than ([\w ]+)", text):
        assert high < PARTS[part]
        assert low <= 0
    assert ("worse than its supervisor" in text) == (high < 0)
    assert ("maybe nothing" in text) == (low <= 0 and round(100 * value) > 0)


@given(st.lists(st.tuples(st.floats(-2, 3), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=MOST))
def test_every_number_of_a_sentence_is_one_of_the_json_record(pgrs: list[tuple[float, float, float]]) -> None:
    rows = [replace(recovering(v, v - b, v + a), strong="abcdef"[i]) for i, (v, b, a) in enumerate(pgrs)]
    flat = json.loads(tables.text(rows, "json"))
    for text, row in zip(sentences(rows), flat, strict=True):
        numbers = [float(number.replace("−", "-")) for number in re.findall(r"−?\d+(?:\.\d+)?", text)]
        assert numbers == [pytest.approx(100 * row["pgr"], abs=0.5001)]
