"""The table of claims: what it reads from the pages, its verdicts, and that the page has it."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
from text_files import REPOSITORY

PAGE = """\
<!-- results: outgrow results examples/text-confidence.toml --format md -->

| task | weak → strong | method | seed | floor | ceiling | vs first | agrees when wrong |
|---|---|---|---|---:|---:|---:|---:|
| nlp/mr | words → s | naive | all | 60.0 (58–62) | 75.0 (73–77) | — | 80.0 (77.0–83.0) |
| nlp/mr | words → s | confidence | all | 60.0 (58–62) | 75.0 (73–77) | +2.0 ↑ (1.4–2.6) | 70.0 (66.0–74.0) |
| nlp/sst2 | words → s | naive | all | 70.0 (68–72) | 74.0 (73–75) | — | — [1] |
| nlp/sst2 | words → s | confidence | all | 70.0 (68–72) | 74.0 (73–75) | −1.0 (−1.8 to −0.2) | 60.0 (57.0–63.0) |

[1] a note

<!-- end -->
"""


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("docs.claims")


def test_cells_are_read_with_their_signs(claims: ModuleType) -> None:
    for text, numbers in {
        "+1.0 ↑ (0.6–1.4)": (1.0, 0.6, 1.4),
        "−7.4 (−37.7 to 50.1)": (-7.4, -37.7, 50.1),
        "−22.4 [2] (−48.5 to −7.2)": (-22.4, -48.5, -7.2),
    }.items():
        found = claims.cell(text)
        assert (found.value, found.low, found.high) == numbers
    assert claims.cell("— [1]") is None


def test_a_claim_is_the_mean_over_the_rows_of_its_method(claims: ModuleType) -> None:
    """(2 - 1) / 2 with a half width of hypot(0.6, 0.8) / 2."""
    found = claims.tables([PAGE])
    both = claims.effect(claims.Where(example="text-confidence", column="vs first", method="confidence"), found)
    assert (both.value, both.low, both.high, both.rows) == (0.5, pytest.approx(0.0), pytest.approx(1.0), 2)
    wide = claims.Where(example="text-confidence", column="vs first", method="confidence", wide=True)
    assert claims.effect(wide, found).value == 2.0
    assert claims.effect(claims.Where(example="other", column="vs first"), found) is None


def test_a_difference_of_methods_leaves_out_rows_where_one_has_no_interval(claims: ModuleType) -> None:
    where = claims.Where(
        example="text-confidence", column="agrees when wrong", method="confidence", minus="naive", only=()
    )
    found = claims.effect(where, claims.tables([PAGE]))
    assert (found.value, found.low, found.high) == (-10.0, -15.0, -5.0)


@pytest.mark.parametrize(
    ("low", "high", "expected", "verdict"),
    [
        (0.1, 1.0, 1, "seen"),
        (-1.0, -0.1, 1, "reversed"),
        (-1.0, -0.1, -1, "seen"),
        (0.1, 1.0, -1, "reversed"),
        (-0.1, 1.0, 1, "no evidence"),
        (0.0, 1.0, 1, "no evidence"),
    ],
)
def test_a_verdict_is_that_of_the_interval(
    low: float, high: float, expected: int, verdict: str, claims: ModuleType
) -> None:
    assert claims.Effect(value=(low + high) / 2, low=low, high=high).verdict(expected) == verdict


def test_the_smallest_detectable_effect_is_found_in_four_of_five_repetitions(claims: ModuleType) -> None:
    """Of a normal estimate with a standard error of 1: it exceeds 1.96 with probability 0.8 where its mean is 2.8."""
    assert claims.Effect(value=0.0, low=-1.96, high=1.96).detectable == pytest.approx(2.8)


def test_the_page_has_the_claims_that_its_tables_give(claims: ModuleType) -> None:
    assert claims.of_folder(REPOSITORY / "docs/results") in (REPOSITORY / "docs/results/paper.md").read_text()


def test_a_claim_whose_table_is_on_the_pages_has_an_effect(claims: ModuleType) -> None:
    found = claims.tables([page.read_text() for page in (REPOSITORY / "docs/results").glob("*.md")])
    for claim in claims.CLAIMS:
        for where in filter(None, (claim.chess, claim.text)):
            rows = found.get(where.example, [])
            assert not rows or claims.effect(where, found), claim.says
