"""The figures: text as text, the same bytes each time, something to say where a number is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from outgrow.report import figures
from outgrow.report.results import Record

RECORD = Record(
    task="riddles",
    weak="small",
    strong="big",
    method="naive",
    seed=None,
    status="done",
    **{f"{role}{end}": value + shift for role, value in (("floor", 0.4), ("student", 0.6), ("ceiling", 0.8))
       for end, shift in (("", 0.0), ("_low", -0.05), ("_high", 0.05))},
    pgr=0.5,
    pgr_low=0.3,
    pgr_high=0.7,
)  # fmt: skip
WITHHELD = replace(RECORD, method="a < b & c", pgr=None, pgr_low=None, pgr_high=None, withheld="no gap")
BIGGER = replace(RECORD, strong="bigger", student=0.7)

ALL: list[tuple[Callable[[list[Record]], str], list[Record]]] = [
    (figures.scores, [RECORD, WITHHELD]),
    (figures.recovery, [RECORD, WITHHELD]),
    (figures.sizes, [RECORD, BIGGER]),
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
    ids = [re.findall(r'\bid="([^"]+)"', draw(records)) for draw, records in ALL]
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
    assert {"naive", "a < b & c", "40.0", "60.0", "80.0", "floor", "untrained"} <= texts


def test_a_withheld_pgr_is_drawn_as_a_word() -> None:
    assert ">withheld<" in figures.recovery([RECORD, WITHHELD])


def test_nothing_is_drawn_of_nothing() -> None:
    empty = Record(task="t", weak="w", strong="s", method="naive", seed=None, status="missing", withheld="no score")
    assert figures.scores([empty]) == figures.recovery([WITHHELD]) == figures.sizes([RECORD, WITHHELD]) == ""
    assert figures.sizes([empty, replace(empty, strong="s2")]) == ""
