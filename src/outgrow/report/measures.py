"""Every measure of a report, one entry each: how it is estimated, and how tables, the page and exports show it.

A new measure is a new entry: JSON and CSV get its columns, and tables and page show it as the entry says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from outgrow.report import row
from outgrow.report.row import Estimator

# always; where a record has it; where a record has it and there are several methods to compare
Column = Literal["always", "stated", "compared", "never"]
Order = Literal[0, 1, 2]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure by its name in JSON and CSV, where it has the columns NAME, NAME_low and NAME_high.

    head: the head of its column, and its term in the page's glossary. table, page: when it has a column in text tables
    and on the page. order: columns are sorted by it. signed: a difference, written as +1.2. note: a sentence
    below tables with its column. definition: its line in the glossary. reason: the column in JSON and CSV for why it is
    withheld, "" if it never is. roles: the fits whose notes are footnotes of this number. below: another measure, with
    a word, that the page shows below this one instead of the interval.
    """

    estimate: Estimator
    head: str
    table: Column = "never"
    page: Column = "never"
    order: Order = 1
    scored: bool = False  # in the unit of the metric; other measures are shares
    signed: bool = False
    higher_is_better: bool = True
    note: str = ""
    definition: str = ""
    reason: str = ""
    roles: tuple[str, ...] = ()
    below: tuple[str, str] | None = None

    @property
    def column(self) -> str:
        """The head of its column in tables for people."""
        return self.head if self.higher_is_better else f"{self.head} ↓"


# In the order of JSON and CSV.
MEASURES: dict[str, Measure] = {
    "floor": Measure(
        estimate=row.score_of("floor"),
        scored=True,
        head="floor",
        table="always",
        page="always",
        roles=("floor",),
        definition="test score of the supervisor, a weak model trained on ground truth",
    ),
    "label_accuracy": Measure(
        estimate=row.label_accuracy,
        scored=True,
        head="labels",
        table="stated",
        page="stated",
        note="labels: accuracy of the labels that the student is trained on, on its own training examples.",
        definition="accuracy of the labels that the student is trained on, on its own training examples; it is above "
        "the floor where these examples are close to those that the supervisor was trained on",
    ),
    "direct": Measure(
        estimate=row.score_of("direct"),
        head="direct",
        table="stated",
        page="stated",
        scored=True,
        roles=("direct",),
        definition="test score of the strong model trained on the supervisor’s own ground-truth examples, without weak "
        "labels; a student that is not above it gained nothing from its supervisor",
    ),
    "student": Measure(
        estimate=row.score_of("student"),
        scored=True,
        head="student",
        table="always",
        page="always",
        roles=("student",),
        definition="test score of the strong model trained on nothing but the supervisor’s labels",
    ),
    "ceiling": Measure(
        estimate=row.score_of("ceiling"),
        scored=True,
        head="ceiling",
        table="always",
        page="always",
        roles=("ceiling",),
        definition="test score of the same strong model, trained alike on the ground truth of the same examples",
    ),
    "zero_shot": Measure(
        estimate=row.score_of("zero_shot"),
        scored=True,
        head="zero-shot",
        table="stated",
        page="stated",
        definition="test score of the strong model before training; where it is above the student, the PGR alone "
        "misleads",
    ),
    "frozen_probe": Measure(
        estimate=row.score_of("frozen_probe"),
        scored=True,
        head="frozen probe",
        table="stated",
        page="stated",
        roles=("frozen probe",),
        definition="test score of a linear probe on the strong model’s frozen features, trained on the weak labels, "
        "for tasks without a zero-shot answer: what the student gains beyond it comes from finetuning",
    ),
    "majority": Measure(
        estimate=row.score_of("majority"),
        head="majority",
        scored=True,
        definition="test score of the class shares of weak_train as every answer, so of its most frequent class",
    ),
    "chance": Measure(estimate=row.chance, head="chance", definition="accuracy of a random choice"),
    "coverage": Measure(
        estimate=row.coverage,
        head="coverage",
        table="stated",
        page="stated",
        definition="the share of the test examples that the supervisor answers: floor, PGR, gap and agreement are on "
        "these",
    ),
    "pgr": Measure(
        estimate=row.pgr,
        head="PGR",
        order=0,
        table="always",
        page="always",
        reason="withheld",
        definition="performance gap recovered, (student − floor) / (ceiling − floor): 0 % is the supervisor, 100 % the "
        "ceiling",
    ),
    "pgr_matched": Measure(
        estimate=row.pgr_matched,
        head="PGR matched",
        order=0,
        table="stated",
        page="stated",
        reason="withheld_matched",
        roles=("adapted floor", "adapted ceiling"),
        note="PGR matched: the gap recovered between a supervisor and a ceiling that were adapted to the task’s inputs "
        "first, as the student was; the plain PGR also counts what this adaptation alone gave the student.",
    ),
    "gap": Measure(estimate=row.gap, head="gap", page="always", scored=True),
    "agreement": Measure(
        estimate=row.agreement_overall,
        head="agreement",
        page="always",
        order=2,
        below=("agreement_wrong", "where wrong"),
        definition="how often student and supervisor give the same answer; where the supervisor is wrong, the student "
        "imitates its errors",
    ),
    "agreement_right": Measure(estimate=row.agreement_right, head="agrees when right"),
    "agreement_wrong": Measure(
        estimate=row.agreement_wrong,
        head="agrees when wrong",
        table="compared",
        order=2,
        note="agrees when wrong: how often the student repeats its supervisor’s answer where that is wrong.",
    ),
    "versus_first": Measure(
        estimate=row.versus_first,
        head="vs first",
        table="stated",
        page="stated",
        signed=True,
        scored=True,
        definition="student minus the student of the first method that is not an oracle, paired by seed and example; ↑ "
        "where it is clearly better and ↓ where it is clearly worse, after Holm’s correction for the number of rows; "
        "its interval is for one row alone",
    ),
}
