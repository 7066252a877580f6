"""The site in headless Chromium: every page is whole on a phone and a desk, in light, dark and print, and its numbers
are those of the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browsing import luminance, show
from invented import BETTER, Know, Riddles, computed, experiment

from outgrow.analyses.calibration import Calibration
from outgrow.analyses.imitation import Imitation
from outgrow.chess import board as chess
from outgrow.chess import drawing
from outgrow.experiment.technique import Technique
from outgrow.report import site
from outgrow.report.compared import Side, compared
from outgrow.report.results import records
from outgrow.report.side_by_side import write as write_beside
from outgrow.store import Store
from outgrow.types import Example

pytestmark = pytest.mark.slow

LONG = Technique(label="m" * 300, fit=Know(skill=32, lost=6))
MARKUP = Technique(label="<script>document.title = 'broken'</script>", fit=Know(skill=32, lost=12))
OTHERS = tuple(Technique(label=f"lost {n}", fit=Know(skill=32, lost=n)) for n in (2, 10, 14))


@dataclass(frozen=True, kw_only=True)
class Drawn(Riddles):
    """Riddles with a board."""

    def drawing(self, example: Example, marked: Mapping[str, str]) -> str:
        return drawing.drawn(chess.parse(chess.START), {"right": "e2e4", "student": "g1f3"}, "the board")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of seven comparisons, of which one fails with a seed, with analyses and drawn examples."""
    folder = tmp_path_factory.mktemp("site")
    broken = Technique(label="broken", fit=Know(skill=32, breaks_at_seed=1))
    grid = experiment(tasks=(Drawn(),), methods=(Technique(), BETTER, LONG, MARKUP, *OTHERS, broken), seeds=(0, 1))
    grid = replace(grid, analyses=(Imitation(), Calibration()))
    store = Store(str(folder / "store"))
    failures = computed(grid, store).failures
    site.write(grid, store, folder / "site", failures, toml="seeds = [0, 1]\n")
    (folder / "expected.json").write_text(json.dumps(records(grid, store, failures)))
    first = Side(name="a" * 200, experiment=grid, store=store)
    write_beside(folder / "site" / "beside.html", ("a" * 200, "b"), compared(first, replace(first, name="<b>")))
    return folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> list[Path]:
    return sorted((folder / "site").glob("*.html"))


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_page_fits_and_nothing_complains(browser: Any, pages: list[Path], width: int, scheme: str) -> None:
    assert len(pages) == 8 + 2 + 2 + 1  # comparisons, analyses, index and protocol, two experiments side by side
    for page in pages:
        browser.get_log("performance")
        browser.get_log("browser")
        show(browser, page, width=width, scheme=scheme)
        browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, page
        wide = browser.execute_script(
            "return [...document.querySelectorAll('pre, figure, section, article, .said td, nav')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML.slice(0, 200))"
        )
        assert wide == [], page
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        requested = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert {url for url in requested if not url.startswith("data:")} == {page.as_uri()}
        assert browser.get_log("browser") == [], page
        assert browser.title.startswith("outgrow: ")
        paper = luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert (paper > 0.5) == (scheme == "light")


def test_links_lead_somewhere(browser: Any, pages: list[Path]) -> None:
    for page in pages:
        show(browser, page)
        links = browser.execute_script("return [...document.querySelectorAll('a[href]')].map(a => a.href)")
        for link in {link for link in links if link.startswith("file:")}:
            path, _, anchor = link.removeprefix("file://").partition("#")
            assert Path(path).is_file(), link
            assert not anchor or f'id="{anchor}"' in Path(path).read_text()


def test_the_numbers_are_those_of_the_results(browser: Any, folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())
    script = (
        "return [...document.querySelectorAll('tr[data-record]')].map(row => [JSON.parse(row.dataset.record),"
        " Object.fromEntries([...row.querySelectorAll('[data-key]')].map(cell => [cell.dataset.key,"
        " [cell.querySelector('b').textContent, cell.dataset.value]])), row.querySelector('a')?.href])"
    )
    show(browser, folder / "site" / "index.html")
    rows = browser.execute_script(script)
    assert len(rows) == 8
    for _, _, link in list(rows):
        browser.get(link)
        rows += browser.execute_script(script)
    shown = {tuple(names): cells for names, cells, _ in rows}
    assert len(shown) == len(expected) == 8 * 3
    for record in expected:
        cells = shown[tuple(record[name] for name in ("task", "weak", "strong", "method", "seed"))]
        for name in ("floor", "student", "ceiling", "pgr", "gap", "agreement"):
            value, exact = cells[name]
            assert exact == ("" if record[name] is None else repr(record[name]))
            if record[name] is not None:
                assert float(value.replace("−", "-")) == pytest.approx(100 * record[name], abs=0.0501)


def order(browser: Any) -> list[str]:
    return list(
        browser.execute_script(
            "return [...document.querySelectorAll('#results ~ .scroll tr[data-record]')]"
            ".filter(row => row.offsetParent).map(row => JSON.parse(row.dataset.record)[3])"
        )
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_a_table_sorts_and_filters(browser: Any, folder: Path, width: int) -> None:
    show(browser, folder / "site" / "index.html", width=width)
    listed = order(browser)
    sort = (
        "const select = [...document.querySelectorAll('#results ~ .tools select')][0];"
        "select.value = [...select.options].find(each => each.textContent === arguments[0]).value;"
        "select.dispatchEvent(new Event('change'))"
    )
    browser.execute_script(sort, "student, falling")
    by_score = ["lost 2", "better", LONG.label, "naive", "lost 10", MARKUP.label, "lost 14"]
    assert [name for name in order(browser) if name != "broken"] == by_score
    browser.execute_script(sort, "student, rising")
    assert [name for name in order(browser) if name != "broken"] == by_score[::-1]
    browser.execute_script(sort, "as listed")
    assert order(browser) == listed
    find = (
        "const input = [...document.querySelectorAll('#results ~ .tools input')][0]; input.value = arguments[0];"
        "input.dispatchEvent(new Event('input')); return input.parentElement.nextElementSibling.textContent"
    )
    assert browser.execute_script(find, "lost RIDDLES") == "3 of 8 rows"
    assert order(browser) == ["lost 2", "lost 10", "lost 14"]
    assert browser.execute_script(find, "no such row") == "0 of 8 rows"
    assert browser.execute_script(find, "") == "8 rows"
    if width > 1000:
        browser.execute_script(
            "[...document.querySelectorAll('#results ~ .scroll .sort')].find(e => e.textContent == 'student').click()"
        )
        assert order(browser)[0] == "lost 2"
        assert browser.execute_script("return document.querySelectorAll('[aria-sort=descending]').length") == 1


def test_a_value_is_shown_where_a_figure_is_pointed_at(browser: Any, folder: Path) -> None:
    show(browser, folder / "site" / "index.html")
    text = browser.execute_script(
        "const mark = [...document.querySelectorAll('svg .tip')].find(e => e.textContent.startsWith('student'));"
        "mark.scrollIntoView({block: 'center'}); const box = mark.getBoundingClientRect();"
        "const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);"
        "hit.dispatchEvent(new PointerEvent('pointerover', {bubbles: true}));"
        "const tip = document.querySelector('div.tip'); const r = tip.getBoundingClientRect();"
        "return [tip.textContent, !tip.hidden && r.left >= 0 && r.right <= innerWidth, mark.getAttribute('fill')]"
    )
    assert text[0].startswith(("student: ", "direct: ", "ceiling: ", "floor: "))  # the uppermost of marks that touch
    assert "%" in text[0]
    assert text[1]


def test_it_prints_on_white_paper_without_tools(browser: Any, folder: Path) -> None:
    for page in ("index.html", "protocol.html"):
        show(browser, folder / "site" / page, scheme="dark")
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert luminance(paper) > 0.9
        tools = "return [...document.querySelectorAll('.tools, nav')].filter(e => e.offsetParent).length"
        assert browser.execute_script(tools) == 0
        assert browser.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBERi")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Any, pages: list[Path], scheme: str) -> None:
    page = next(page for page in pages if "better" in page.name)
    show(browser, page, scheme=scheme)
    paper = luminance(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    for which in (".said th", ".said td", ".example .note", ".crumbs a", "h1", "figcaption"):
        ink = luminance(browser.execute_script(f"return getComputedStyle(document.querySelector('{which}')).color"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, which
    assert browser.execute_script("return document.querySelectorAll('svg.board').length") > 0
