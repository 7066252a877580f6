"""The figures: text as text, the same bytes each time, something to say where a number is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import pytest

from outgrow.report import figures
from outgrow.report.record import Record
from outgrow.report.row import Estimate
from outgrow.report.scaling import scaling
from outgrow.report.stopping import stopping

RECORD = Record(
    task="riddles",
    weak="small",
    strong="big",
    method="naive",
    seed=None,
    status="done",
    estimates={
        "floor": Estimate(value=0.4, low=0.35, high=0.45),
        "student": Estimate(value=0.6, low=0.55, high=0.65),
        "ceiling": Estimate(value=0.8, low=0.75, high=0.85),
        "zero_shot": Estimate(value=0.3),
        "pgr": Estimate(value=0.5, low=0.3, high=0.7),
    },
)
SCORES = {name: estimate for name, estimate in RECORD.estimates.items() if name != "pgr"}
WITHHELD = replace(RECORD, method="a < b & c", estimates=SCORES, withheld={"pgr": "no gap"})


def of_student(record: Record, value: float) -> Record:
    return replace(record, estimates={**record.estimates, "student": Estimate(value=value, low=0.55, high=0.65)})


BIGGER = of_student(replace(RECORD, strong="bigger"), 0.7)
WEIGHTS = {"small": 1_000, "big": 10_000, "bigger": 1_000_000}

CHECKS = [
    {
        "epoch": e,
        "validation_loss": 1 / e,
        "validation_agreement": 0.1 * e,
        "monitored_loss": e,
        "monitored_agreement": 0.5,
    }
    for e in (1.0, 2.0, 3.0)
]
EARLY = {"a < b & c": [CHECKS, CHECKS[:2]]}

ALL: list[tuple[Callable[[list[Record]], str], list[Record]]] = [
    (figures.scores, [RECORD, WITHHELD]),
    (figures.recovery, [RECORD, WITHHELD]),
    (partial(scaling, weights={}), [RECORD, BIGGER]),
    (lambda _: stopping(EARLY), []),
    (partial(scaling, weights=WEIGHTS), [RECORD, BIGGER]),
]


@pytest.mark.parametrize(("draw", "records"), ALL)
def test_a_figure_is_whole_and_names_itself(draw: Callable[[list[Record]], str], records: list[Record]) -> None:
    svg = draw(records)
    root = ElementTree.fromstring(svg)
    children = [child.tag.rpartition("}")[2] for child in root]
    assert children[:2] == ["title", "desc"]
    assert root.get("role") == "img"
    assert svg == draw(records)
    assert "http" not in svg.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"#0101\d\d", svg)  # stand-ins for colours that follow the reader's mode


def test_ids_differ_between_figures() -> None:
    ids = [re.findall(r'\bid="([^"]+)"', draw(records)) for draw, records in ALL[:4]]
    every = [id for found in ids for id in found]
    assert len(every) == len(set(every))


def test_every_reference_in_a_figure_leads_somewhere() -> None:
    for draw, records in ALL:
        svg = draw(records)
        wanted = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
        assert {a or b for a, b in wanted} <= set(re.findall(r'\bid="([^"]+)"', svg))


def test_numbers_and_names_are_text() -> None:
    root = ElementTree.fromstring(figures.scores([RECORD, WITHHELD]))
    texts = {node.text.rpartition(" · ")[2] for node in root.iter() if node.text}
    assert {"naive", "a < b & c", "40.0", "60.0", "80.0", "floor", "zero-shot"} <= texts


def test_a_withheld_pgr_is_drawn_as_a_word() -> None:
    assert ">withheld<" in figures.recovery([RECORD, WITHHELD])


def test_nothing_is_drawn_of_nothing() -> None:
    empty = Record(
        task="t", weak="w", strong="s", method="naive", seed=None, status="missing", withheld={"pgr": "no score"}
    )
    assert figures.scores([empty]) == figures.recovery([WITHHELD]) == scaling([RECORD, WITHHELD], WEIGHTS) == ""
    assert scaling([empty, replace(empty, strong="s2")], {}) == ""


def texts(svg: str) -> dict[str, float]:
    """The words of a figure and how far to the right they stand."""
    places = re.findall(r'<text [^>]*?(?:x="([\d.]+)"|translate\(([\d.]+) )[^>]*>([^<]*)</text>', svg)
    return {word: float(x or moved) for x, moved, word in places}


def test_models_stand_at_the_logarithm_of_their_weights() -> None:
    """1k, 10k and 1M: the second gap is twice the first."""
    at = texts(scaling([RECORD, BIGGER], WEIGHTS))
    assert (at["1M"] - at["10k"]) / (at["10k"] - at["1k"]) == pytest.approx(2, rel=0.1)
    assert {"by small", "ceiling", "riddles", "model, by its weights"} <= at.keys()


def test_models_of_unknown_weights_stand_in_their_order() -> None:
    at = texts(scaling([RECORD, BIGGER], {"small": 1_000}))
    assert (at["bigger"] - at["big"]) / (at["big"] - at["small"]) == pytest.approx(1, rel=0.02)


def test_a_score_without_skill_is_a_line_of_both_figures() -> None:
    majority, chance = Estimate(value=0.55), Estimate(value=0.5)
    with_both = [
        replace(r, estimates={**r.estimates, "majority": majority, "chance": chance}) for r in (RECORD, BIGGER)
    ]
    with_chance = [replace(r, estimates={**r.estimates, "chance": chance}) for r in (RECORD, BIGGER)]
    for draw in (figures.scores, partial(scaling, weights={})):
        assert (">majority<" in draw(with_both), ">chance<" in draw(with_both)) == (True, False)
        assert (">majority<" in draw(with_chance), ">chance<" in draw(with_chance)) == (False, True)
        assert ">chance<" not in draw([RECORD, BIGGER])


def test_each_supervisor_has_a_line_and_each_method_a_panel() -> None:
    other = [of_student(replace(record, weak="tiny"), 0.5) for record in (RECORD, BIGGER)]
    better = [replace(record, method="better") for record in (RECORD, BIGGER, *other)]
    svg = scaling([RECORD, BIGGER, *other, *better], {})
    assert (svg.count(">by small<"), svg.count(">by tiny<"), svg.count(">ceiling<")) == (2, 2, 2)
    assert svg.count(">riddles · better<") == 1
    assert "riddles, naive, tiny → bigger: student 50.0 %" in svg


def test_a_method_without_a_score_has_no_panel() -> None:
    missing = replace(RECORD, method="missing", status="missing", estimates={})
    svg = scaling([missing, RECORD, BIGGER], WEIGHTS)
    assert "missing" not in svg
    assert "riddles · naive" not in svg  # the one method that is drawn needs no name
