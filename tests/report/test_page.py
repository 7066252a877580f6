"""The page as a file: whole, self-contained, and honest about what is missing."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from invented import BETTER, Know, Riddles, WellRead, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.technique import Technique
from outgrow.methods.base import Predictor
from outgrow.report import tables
from outgrow.report.page import html, write
from outgrow.report.ran import duration
from outgrow.report.results import read
from outgrow.store import Store
from outgrow.training.language_model import Generative
from outgrow.types import UserError

VOID = {"meta", "link", "br", "path", "use", "rect", "hr", "line", "circle", "image", "img"}


class LengthLimit(HTMLParser):
    """What a page holds: its words, links, ids, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.ids: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "srcset", "action", "data") and not (value or "").startswith(("#", "data:")):
                self.outside.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["title"], ["desc"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words)).replace("\u2060", "")


def spec(page: str) -> LengthLimit:
    length_limit = LengthLimit()
    length_limit.feed(page)
    length_limit.close()
    assert length_limit.open == []
    return length_limit


def test_the_page_of_a_finished_experiment(planned: Experiment, finished: Store) -> None:
    """Floor 40.0, ceiling 80.0, students 60.0 and 70.0: PGR 50 and 75 percent, ten points apart."""
    page = html(planned, finished)
    found = spec(page)
    assert "The student with naive recovers 50 % of the gap; surely more than a tenth." in found.text
    assert "The student with better recovers 75 % of the gap; surely more than a third; surely better" in found.text
    for word in (
        "3 longer than 128 tokens; 2 no <label>",
        "transfer_validation",
        "soft weak labels of transfer",
        "skill",
    ):
        assert word in found.text
    assert "What is missing" not in found.text
    assert re.search(r"\bnan\b|None\b", found.text, re.IGNORECASE) is None
    assert page == html(planned, finished)


def test_nothing_is_fetched_and_ids_are_unique(planned: Experiment, finished: Store) -> None:
    page = html(planned, finished)
    found = spec(page)
    assert found.outside == []
    assert len(found.ids) == len(set(found.ids))
    assert page.count("<script") == 1
    assert "@import" not in page
    assert re.findall(r"https?://", page.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []


def test_the_answers_come_first_then_the_figure_then_the_table(planned: Experiment, finished: Store) -> None:
    page = html(planned, finished)
    places = [page.index(each) for each in ("recovers 50", 'id="scores-title"', 'id="results"', 'data-key="pgr"')]
    assert places == sorted(places)
    heads = re.findall(r'<th scope="col">([^<]*)</th>', page[page.index('id="results"') :])
    assert heads[:3] == ["supervisor → student", "PGR", "floor"]


def test_more_than_six_comparisons_are_a_table_by_what_is_certain(tmp_path: Path) -> None:
    """Students that lose 2, 4, … 14 of what 32 leave are right on 30, 28, … 18, so their PGR falls with their number.

    They are listed in another order, and the one that loses the least stands first."""
    lost = (14, 2, 8, 4, 12, 6, 10)
    methods = tuple(Technique(label=f"lost{n}", fit=Know(skill=32, lost=n)) for n in lost)
    planned = experiment(methods=methods)
    store = Store(str(tmp_path))
    assert not computed(planned, store).failures
    page = html(planned, store)
    ranked = page[page.index('class="ranked') : page.index('id="results"')]
    rows = re.findall(r'<th scope="row">[^<]*(lost\d+)</th><td[^>]*><b>([^<]*)</b></td><td[^>]*>([^<]*)</td>', ranked)
    assert [name for name, _, _ in rows] == [f"lost{n}" for n in sorted(lost)]
    assert rows[0][1] == "87.5"
    assert rows[0][2].startswith("surely more than ")
    assert "surely better than with lost14" in rows[0][2]
    assert 'class="answers"' not in page
    assert "corrected for the 6 rows compared (Holm)" in page


def test_contents_lead_to_sections_and_files_are_what_they_are_called(planned: Experiment, finished: Store) -> None:
    page = html(planned, finished, toml="seeds = [1]  # ü\n")
    ids = set(spec(page).ids)
    anchors = re.findall(r'href="#([^"]+)"', page)
    assert {"results", "figures", "glossary", "protocol", "ran"} <= set(anchors) <= ids
    assert "missing" not in anchors
    files = dict(re.findall(r'<a download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', page))
    texts = {name: base64.b64decode(data).decode() for name, data in files.items()}
    found = read(planned, finished).records
    recovered = texts.pop("recovery.csv")
    assert recovered.splitlines()[1].startswith("riddles-cats,mind/small,mind/big,naive,0.5,0.1274")
    assert texts.pop("scores.csv").count("\n") == 3
    assert texts == {
        "experiment.toml": "seeds = [1]  # ü\n",
        "results.json": tables.text(found, "json"),
        "results.csv": tables.text(found, "csv"),
    }
    assert "experiment.toml" not in html(planned, finished)  # the experiment was made in Python


def test_a_caveat_is_reported_once_and_numbers_refer_to_it(planned: Experiment, finished: Store) -> None:
    page = html(planned, finished)
    found = re.search(
        r'<li id="(note-\d+)" value="\d+">The supervisor is not clearly better than a random choice', page
    )
    assert found
    assert page.count("supervisor is not clearly better than") == 1
    assert page.count(f'href="#{found[1]}"') == 2  # the floors of two methods


def test_every_step_and_version_is_reported(planned: Experiment, finished: Store) -> None:
    text = spec(html(planned, finished)).text
    for key in finished.listing():
        assert key in text
    for name, version in finished.manifest(next(iter(finished.listing()))).provenance["versions"].items():
        assert f"{name}{version}" in text


def test_an_empty_store_has_a_page_too(planned: Experiment, tmp_path: Path) -> None:
    text = spec(html(planned, Store(str(tmp_path)))).text
    assert "25 scores not computed" in text
    assert "How much of the gap the student with naive recovers cannot be stated: no floor score yet." in text
    assert "Nothing yet." in text


def test_a_failure_is_shown_with_its_words(tmp_path: Path) -> None:
    planned = experiment(student=Know(skill=32, breaks_at_seed=1), seeds=(0, 1, 2))
    store = Store(str(tmp_path / "store"))
    failures = computed(planned, store).failures
    write(planned, store, tmp_path / "new" / "page.html", failures)
    text = spec((tmp_path / "new" / "page.html").read_text()).text
    assert "1 failed" in text
    assert "RuntimeError: the mind <boggles>" in text
    assert failures[0].step.key in text
    assert "failed · 2 of 3 seeds" in text


def test_a_withheld_pgr_gives_its_reason_and_no_number(tmp_path: Path) -> None:
    planned = experiment(tasks=(Riddles(groups=10),), seeds=(0,))
    store = Store(str(tmp_path))
    computed(planned, store)
    text = spec(html(planned, store)).text
    reason = read(planned, store).records[0].withheld.get("pgr")
    assert reason is not None
    assert reason == "too few test groups (10): at least 20 groups are needed"
    assert "How much of the gap the student recovers cannot be stated: too few test groups (10)." in text
    assert "No PGR can be stated: at least 20 groups are needed." in text
    assert text.count("too few test groups") == text.count("at least 20 groups") == 1
    assert "intervals are over test examples only" in text


def test_a_matched_pgr_is_shown_where_a_method_adapts(
    planned: Experiment, finished: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Students 26, 28, 30 of 40 between an adapted supervisor's 20 and an adapted ceiling's 36: half of that gap."""
    monkeypatch.setattr(Adapt, "run", lambda self, ctx: Predictor(ctx.scratch))
    methods = (Technique(), Technique(label="generative", adapt=Generative()))
    adapting = experiment(methods=methods, student=WellRead(skill=32), supervisor=WellRead(skill=16))
    store = Store(str(tmp_path))
    assert not computed(adapting, store).failures
    page = html(adapting, store)
    cells = re.findall(r'data-key="pgr_matched" data-head="PGR matched"[^>]*><b>([^<]*)</b>', page)
    assert cells[:2] == ["—", "50.0"]  # all seeds together, and then one a row
    assert len(cells) == 2 + 6
    assert page.count(">PGR matched</th>") == 2
    assert "PGR matched: the gap recovered between a supervisor and a ceiling" in spec(page).text
    assert "PGR matched" not in html(planned, finished)


def test_a_zero_shot_student_that_beats_the_trained_one_is_pointed_out(tmp_path: Path) -> None:
    """The student of skill 32 − 24 is right on 8 of 40, zero-shot it is right on 12."""
    planned = experiment(student=Know(skill=32, lost=24), seeds=(1,))
    store = Store(str(tmp_path))
    computed(planned, store)
    assert (
        "Zero-shot, the student scores at least as high as after training: its PGR" in spec(html(planned, store)).text
    )


def test_a_page_that_cannot_be_written_is_one_line(planned: Experiment, finished: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write(planned, finished, tmp_path)


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    planned = experiment(tasks=(Riddles(topic="<b>&"),), methods=(Technique(label="<script>"), BETTER), seeds=(0,))
    found = spec(html(planned, Store(str(tmp_path))))
    assert "riddles-<b>&" in found.text
    assert "<script>" in found.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0.01 s"), (0.031, "0.031 s"), (9.96, "10 s"), (12.4, "12 s"), (200, "3 min 20 s"), (3725, "1 h 02 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == words
