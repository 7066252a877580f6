"""The site as files: whole, linked, safe names, and the same sections as the page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from invented import BETTER, Know, Riddles, computed, experiment
from test_page import spec

from outgrow.analyses.imitation import Imitation
from outgrow.experiment.definition import Experiment
from outgrow.experiment.technique import Technique
from outgrow.report import site, tables
from outgrow.report.findings import as_csv
from outgrow.report.findings import read as findings
from outgrow.report.folder import OWN
from outgrow.report.page import html
from outgrow.report.results import read
from outgrow.store import Store
from outgrow.types import UserError


@pytest.fixture(scope="module")
def made(planned: Experiment, finished: Store) -> dict[str, str]:
    """The pages and data of a finished experiment, with an analysis."""
    files = site.files(replace(planned, analyses=(Imitation(),)), finished, toml="seeds = [1]\n")
    return {path: data.decode() for path, data in files.items()}


def linked(page: str) -> set[str]:
    return set(re.findall(r'href="([^"#]*)(?:#[^"]*)?"', page)) - {""}


def test_every_link_leads_to_a_file_and_every_file_is_linked(made: dict[str, str]) -> None:
    pages = {path: page for path, page in made.items() if path.endswith(".html")}
    links = {link for page in pages.values() for link in linked(page) if not link.startswith("data:")}
    assert links == made.keys()
    for path, page in pages.items():
        found = spec(page)
        assert len(found.ids) == len(set(found.ids)), path
        for target, anchor in re.findall(r'href="([^"#]*)#([^"]+)"', page):
            assert anchor in spec(made[target] if target else page).ids


def test_there_is_a_page_an_analysis_and_a_page_a_comparison(made: dict[str, str]) -> None:
    names = sorted(path for path in made if path.endswith(".html"))
    assert names[0] == "analysis-imitation.html"
    assert [name[:43] for name in names[1:3]] == [
        "cell-riddles-cats-mind-small-mind-big-bette",
        "cell-riddles-cats-mind-small-mind-big-naive",
    ]
    assert names[3:] == ["index.html", "protocol.html"]
    index = made["index.html"]
    assert index.index("The student with naive recovers 50\u00a0% of the gap") < index.index('id="results"')
    assert made["data/experiment.toml"] == "seeds = [1]\n"


def test_pages_have_the_sections_of_the_single_page(made: dict[str, str], planned: Experiment, finished: Store) -> None:
    whole = html(replace(planned, analyses=(Imitation(),)), finished, toml="seeds = [1]\n")
    sections = re.findall(r"<section aria-label=.*?</section>", whole, re.DOTALL)
    assert len(sections) == 2  # the answer, and the analysis
    for section, page in zip(sections, ("index.html", "analysis-imitation.html"), strict=True):
        assert re.sub(r"<[^>]*>", "", section) == re.sub(
            r"<[^>]*>", "", re.findall(r"<section aria-label=.*?</section>", made[page], re.DOTALL)[0]
        )
    table = re.findall(r'<table class="numbers.*?</table>', whole, re.DOTALL)[0]
    assert re.sub(r"</?a\b[^>]*>", "", made["index.html"]).count(re.sub(r"</?a\b[^>]*>", "", table)) == 1
    results = read(planned, finished).records
    assert made["data/results.csv"] == tables.text(results, "csv")
    found = findings(replace(planned, analyses=(Imitation(),)), finished)["imitation"]
    assert made["data/imitation.csv"] == as_csv(found.table)


def test_a_comparison_has_examples_and_its_seeds(made: dict[str, str]) -> None:
    page = next(page for path, page in made.items() if "naive" in path and path.endswith("html"))
    text = spec(page).text
    assert "20.0 % of 40 test examples, 10 in at least one seed." in text
    assert text.count("so in 3 of 3 seeds") == 6
    assert "0.0 % of 40 test examples, 0 in at least one seed." in text
    assert page.count("data-record=") == 4  # all seeds together, and each
    assert "&lt;16&gt; &amp; so on" in page
    assert "outgrow results experiment.toml --examples &#34;student right, supervisor wrong&#34;" in page


def test_equal_results_give_equal_bytes(made: dict[str, str], planned: Experiment, finished: Store) -> None:
    again = site.files(replace(planned, analyses=(Imitation(),)), finished, toml="seeds = [1]\n")
    assert {path: data.decode() for path, data in again.items()} == made


def test_an_experiment_made_in_python_names_python(planned: Experiment, finished: Store) -> None:
    files = site.files(planned, finished)
    assert b"outgrow.results(experiment).records" in files["index.html"]
    assert "data/experiment.toml" not in files


def test_an_empty_store_has_a_site_too(tmp_path: Path) -> None:
    files = site.files(experiment(), Store(str(tmp_path)))
    assert "25 scores not computed" not in files["index.html"].decode()  # of one method there are fewer
    assert "scores not computed" in files["index.html"].decode()
    page = next(page.decode() for path, page in files.items() if path.startswith("cell-"))
    assert page.count("Not computed yet.") == 2


def test_markup_in_names_and_very_long_texts_are_text(tmp_path: Path) -> None:
    odd = Riddles(topic="<b>&\"'/../x", tests=40)
    odd_experiment = experiment(
        tasks=(odd,), methods=(Technique(label="<script>alert(1)</script>"), BETTER), seeds=(0,)
    )
    store = Store(str(tmp_path / "store"))
    computed(odd_experiment, store)
    site.write(odd_experiment, store, tmp_path / "site")
    pages = list((tmp_path / "site").glob("*.html"))
    assert len(pages) == 4
    for page in pages:
        text = page.read_text()
        assert text.count("<script") == 1
        assert "<b>&" not in text
        assert all(OWN.fullmatch(link.partition("#")[0]) for link in spec(text).outside)
    assert all(OWN.fullmatch(path.relative_to(tmp_path / "site").as_posix()) for path in tmp_path.glob("site/**/*.*"))


def test_texts_are_clipped_and_can_be_opened() -> None:
    """A text of 30,000 characters: 600 are seen, 20,000 can be, and the page says how many there are."""
    from outgrow.report.rendering import rendered

    record = read(experiment(), Store("/nonexistent/store")).aggregates[0]
    card = {
        "prompt": "word " * 6000,
        "id": "x",
        "drawing": "",
        "answers": [("right", "a" * 30_000, "", None)],
        "seeds": "",
    }
    group = {"counted": "all", "cards": [card], "command": ""}
    from outgrow.report.contents import Contents

    contents = Contents(experiment(), Store("/nonexistent/store"), (), "")
    page = rendered(
        "cell.html.j2",
        **contents.words(),
        **contents.numbers([record]),
        **site.LIMITS,
        record=record,
        name="x",
        scores=None,
        examples=[("head", group)],
        before=None,
        after=None,
        pages=[],
        here="",
    )
    assert page.count("all 30000 characters") == 2
    assert "a" * 600 + "…" in page
    assert "a" * 20_000 + "…" in page
    assert "a" * 20_001 not in page


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_file_names_are_safe_and_differ(names: list[str], others: list[str]) -> None:
    one, other = site.file_name(*names), site.file_name(*others)
    assert OWN.fullmatch(one)
    assert one == one.lower()
    assert len(one) <= 90
    assert (one == other) == (names == others)


def test_names_that_are_file_names_already_stay() -> None:
    assert site.file_name("error-structure") == "error-structure"
    assert site.file_name("Imitation") != site.file_name("imitation")
    assert site.file_name("my_plugins:Own").startswith("my-plugins-own-")
    assert site.file_name("a/b", "c") != site.file_name("a", "b/c")


@pytest.mark.slow
def test_two_hundred_comparisons_have_a_page_each(tmp_path: Path) -> None:
    """Only two of them are computed: the others say so."""
    methods = tuple(Technique(label=f"lost {n}", fit=Know(skill=32, lost=n)) for n in range(200))
    store = Store(str(tmp_path / "store"))
    computed(experiment(methods=methods[8:10], seeds=(0,)), store)
    site.write(experiment(methods=methods, seeds=(0,)), store, tmp_path / "site")
    assert len(list((tmp_path / "site").glob("cell-*.html"))) == 200
    index = (tmp_path / "site" / "index.html").read_text()
    assert index.count("data-record=") == 200
    assert "The figure of scores has the 24 comparisons" in index
    assert len(index) < 1_500_000


def test_a_folder_of_others_is_refused(planned: Experiment, finished: Store, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds no site"):
        site.write(planned, finished, tmp_path)
