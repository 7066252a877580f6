"""Names as people give them: with $, markup, line ends or of great length they are text, wherever they are shown."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from invented import BETTER, Riddles, experiment
from rich.console import Console
from test_figures import BIGGER, CHECKS, RECORD
from test_page import spec

from outgrow.experiment.technique import Technique
from outgrow.report import figures, tables
from outgrow.report.page import html, write
from outgrow.report.record import Record
from outgrow.report.scaling import scaling
from outgrow.report.stopping import stopping
from outgrow.store import Store

NAMES = [
    "$x_1^2$ and $y$",
    r"\alpha_{i} \$5 ^_^",
    "a < b & c > d \"e\" 'f'",
    "two\nlines\tand more",
    "naïve 方法 🙂 אבג",
    'id="x" #010101 url(#y) *{stroke',
    "_hidden",
    "[bold]red[/bold] `code` |cell| *emphasis* ~struck~ <b>",
]
ODD = ["nul \0 bell \a escape \x1b[31m", "half \ud800 a pair", "turned \u202e round", "\uffff no letter"]

DRAWN: list[Callable[[Record, Record], str]] = [
    lambda one, other: figures.scores([one, other]),
    lambda one, other: figures.recovery([one, other]),
    lambda one, other: scaling([one, replace(BIGGER, method=one.method), other], {}),
    lambda one, other: stopping({one.method: [CHECKS, CHECKS[:2]]}),
]


def words(svg: str) -> str:
    return "\n".join(text for text in ElementTree.fromstring(svg).itertext())


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_in_every_figure(name: str, draw: Callable[[Record, Record], str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none about letters that a font lacks
        svg = draw(replace(RECORD, method=name), replace(RECORD, method="other"))
    shown = " ".join(name.split())
    texts = [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")]
    lines = [*texts, *map(" ".join, pairwise(texts))]  # a long name has two
    assert any(shown in line for line in lines), texts


@pytest.mark.parametrize("draw", DRAWN)
@pytest.mark.parametrize("name", [*ODD, "", "long " * 400])
def test_odd_names_leave_a_figure_whole(name: str, draw: Callable[[Record, Record], str]) -> None:
    svg = draw(replace(RECORD, method=name), replace(RECORD, method="other", task=name))
    svg.encode()
    ElementTree.fromstring(svg)


def test_of_a_long_name_both_ends_are_drawn_and_the_description_has_all() -> None:
    name = "first " + "x" * 300 + " last"
    svg = figures.scores([replace(RECORD, method=name), RECORD])
    assert f"· {name}" in words(svg) or name in words(svg)
    drawn = [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")]
    first, line = next(both for both in pairwise(drawn) if "…" in both[1])
    assert first == "small → big · first"
    assert line.startswith("x")
    assert line.endswith("x last")
    assert len(line) <= 110


@pytest.mark.parametrize("name", [*NAMES, *ODD[:1], "a\\|b", "\\"])
def test_a_name_is_one_cell_of_a_markdown_table(name: str) -> None:
    found = replace(RECORD, task=name, weak=name, strong=name, method=name)
    head, rule, row, *_ = tables.text([found, found], "md").split("\n")
    cells = [re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1] for line in (head, rule, row)]
    assert len({len(each) for each in cells}) == 1
    shown = re.sub(r"\\([\\`*|<>\[\]$~&_])", r"\1", cells[2][2].strip())
    assert shown == tables.one_line(name)


def test_plain_names_look_as_they_are_in_markdown() -> None:
    assert tables.marked_down("text/sst2_small, 0.5 (oracle) → a+b") == "text/sst2_small, 0.5 (oracle) → a+b"


@pytest.mark.parametrize("name", [*NAMES, ODD[0]])
def test_a_name_is_text_on_the_terminal(name: str) -> None:
    """Not markup of rich, nor anything that a terminal obeys."""
    console = Console(width=200, record=True, file=io.StringIO(), force_terminal=True, no_color=True)
    console.print(tables.table([replace(RECORD, task=name, weak=name, strong=name, method="m")]))
    output = console.export_text()
    assert output.count(tables.one_line(name)) >= 3
    assert "\x1b" not in output
    assert "\a" not in output


@pytest.mark.parametrize("name", [*NAMES, *ODD, "long" * 400])
def test_a_page_holds_any_name(name: str, tmp_path: Path) -> None:
    planned = experiment(tasks=(Riddles(topic=name),), methods=(Technique(label=name), BETTER), seeds=(0,))
    write(planned, Store(str(tmp_path / "store")), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert " ".join(name.replace("\ud800", "?").split()) in spec(page).text
    assert page.count("<script") == html(experiment(seeds=(0,)), Store(str(tmp_path / "store"))).count("<script")
