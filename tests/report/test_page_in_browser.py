"""The page in headless Chromium: its numbers are those of `records`, it fits a phone, it is dark where asked."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest
from browsing import luminance, show
from invented import BETTER, Know, Riddles, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.technique import Technique
from outgrow.report.page import write
from outgrow.report.results import records
from outgrow.report.row import ROLES
from outgrow.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, list[dict[str, Any]], Path]:
    """An experiment of two students, of whom one fails with one seed: its records and its page."""
    folder = tmp_path_factory.mktemp("page")
    planned = experiment(
        strong=("big", "bigger"),
        methods=(Technique(), BETTER),
        seeds=(0, 1),
        student=Know(skill=36, breaks_at_seed=1),
    )
    store = Store(str(folder / "store"))
    failures = computed(planned, store).failures
    write(planned, store, folder / "page.html", failures, toml='task = "riddles"  # ü\n')
    return planned, records(planned, store, failures), folder / "page.html"


def test_the_numbers_on_the_page_are_those_of_the_records(browser: Any, unfinished: Any) -> None:
    _, expected, page = unfinished
    show(browser, page)
    rows = browser.execute_script(
        "return [...document.querySelectorAll('tr[data-record]')].map(row => [JSON.parse(row.dataset.record),"
        " Object.fromEntries([...row.querySelectorAll('[data-key]')].map(cell => [cell.dataset.key,"
        " [...cell.querySelectorAll('b, small')].map(part => part.textContent)]))])"
    )
    shown = {tuple(names): cells for names, cells in rows}
    assert len(shown) == len(expected)
    for record in expected:
        cells = shown[tuple(record[name] for name in ("task", "weak", "strong", "method", "seed"))]
        for name in ("label_accuracy", *ROLES[:4], "pgr", "gap"):
            value, *interval = cells[name]
            if record[name] is None:
                assert value == "—"
                continue
            assert float(value.replace("−", "-")) == pytest.approx(100 * record[name], abs=0.0501)
            low, high = (float(end.replace("−", "-")) for end in interval[0].replace(" to ", "–").split("–"))
            assert low == pytest.approx(100 * record[f"{name}_low"], abs=0.0501)
            assert high == pytest.approx(100 * record[f"{name}_high"], abs=0.0501)
    assert any(record["pgr"] is None for record in expected)
    assert any(record["pgr"] is not None for record in expected)


@pytest.mark.parametrize("width", [320, 390, 768, 1100, 1280])
def test_nothing_is_wider_than_the_screen(browser: Any, unfinished: Any, width: int) -> None:
    show(browser, unfinished[2], width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # What is wide scrolls inside its own box, which the keyboard reaches.
    assert browser.execute_script(
        "return [...document.querySelectorAll('table')].every(t => t.parentElement.matches('.scroll[tabindex]'))"
    )
    assert browser.execute_script("return parseFloat(getComputedStyle(document.body).fontSize)") >= 16


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_clipped_and_the_pgr_is_seen_without_scrolling_sideways(
    browser: Any, unfinished: Any, width: int
) -> None:
    show(browser, unfinished[2], width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.scroll, pre, figure, section')]"
        ".filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => [e.ariaLabel ?? e.tagName, e.scrollWidth, e.clientWidth])"
    )
    assert wide == []
    right = browser.execute_script(
        "return [...document.querySelectorAll('td[data-key=pgr] b, .answers li, nav a, .limits li')]"
        ".map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])"
    )
    assert len(right) > 10
    assert all(0 <= left < end <= width for left, end in right)


@pytest.mark.parametrize("width", [390, 1280])
def test_links_lead_to_what_they_name(browser: Any, unfinished: Any, width: int) -> None:
    show(browser, unfinished[2], width=width)
    links = browser.execute_script("return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))")
    assert {"results", "figures", "glossary", "protocol", "missing", "ran"} <= set(links)
    for anchor in dict.fromkeys(links):
        browser.execute_script(f"document.querySelector('a[href=\"#{anchor}\"]').click()")
        top = browser.execute_script(f"return document.getElementById('{anchor}').getBoundingClientRect().top")
        at_end = "scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
        assert -1 <= top < 900, anchor
        assert top < 2 or browser.execute_script(f"return {at_end}") or anchor.startswith("note-"), anchor


def test_files_are_downloaded_as_they_are(browser: Any, unfinished: Any, tmp_path: Path) -> None:
    _, expected, page = unfinished
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    show(browser, page)
    names = browser.execute_script("return [...document.querySelectorAll('a[download]')].map(a => a.download)")
    assert names[:3] == ["experiment.toml", "results.json", "results.csv"]
    assert names[3:] == ["scores.csv", "recovery.csv", "scaling.csv"]
    for name in names:
        browser.execute_script(f"document.querySelector('a[download=\"{name}\"]').click()")
        deadline = time.monotonic() + 20
        while not (tmp_path / name).exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    assert (tmp_path / "experiment.toml").read_text() == 'task = "riddles"  # ü\n'
    assert json.loads((tmp_path / "results.json").read_text()) == expected
    rows = list(csv.DictReader((tmp_path / "results.csv").open(newline="")))
    assert [row["method"] for row in rows] == [record["method"] for record in expected]
    assert browser.get_log("browser") == []


def test_no_name_is_wider_than_the_screen(browser: Any, tmp_path: Path) -> None:
    methods = (Technique(label="m" * 300), Technique(label="n" * 300, fit=Know(skill=32, breaks_at_seed=0)))
    planned = experiment(tasks=(Riddles(topic="t" * 300),), strong=("s" * 300,), methods=methods, seeds=(0, 1, 2))
    store = Store(str(tmp_path / "store"))
    write(planned, store, tmp_path / "page.html", computed(planned, store).failures)
    show(browser, tmp_path / "page.html", width=375)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(browser: Any, unfinished: Any, scheme: str) -> None:
    show(browser, unfinished[2], scheme=scheme)
    paper = luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert (paper > 0.5) == (scheme == "light")
    for which, style in (
        ("body", "color"),
        ("figcaption", "color"),
        (".answers li", "color"),
        (".limits li", "color"),
        (".contents a", "color"),
        ("svg.figure text", "fill"),
    ):
        ink = luminance(browser.execute_script(f"return getComputedStyle(document.querySelector('{which}')).{style}"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, which


def test_headers_have_scope_and_figures_have_words(browser: Any, unfinished: Any) -> None:
    show(browser, unfinished[2])
    assert browser.execute_script("return document.querySelectorAll('th:not([scope])').length") == 0
    figures = browser.execute_script(
        "return [...document.querySelectorAll('figure svg')].map(svg => [svg.getAttribute('role'),"
        " ...svg.getAttribute('aria-labelledby').split(' ').map(id => document.getElementById(id).textContent)])"
    )
    assert len(figures) == 3  # scores, recovered gap, students
    assert all(role == "img" and title and words for role, title, words in figures)


def test_no_request_is_made_and_nothing_complains(browser: Any, unfinished: Any) -> None:
    browser.get_log("performance")
    browser.get_log("browser")
    show(browser, unfinished[2])
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    planned = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert unfinished[2].as_uri() in planned
    assert [url for url in planned if url != unfinished[2].as_uri() and not url.startswith("data:")] == []
    assert browser.get_log("browser") == []


def test_it_prints(browser: Any, unfinished: Any) -> None:
    show(browser, unfinished[2], scheme="dark")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert luminance(paper) > 0.9
    assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBERi")  # %PDF-, in base 64
