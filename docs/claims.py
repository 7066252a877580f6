"""The paper's claims beside our results, one line a claim: `python -m docs.refresh docs/results/paper.md` writes them.

All figures are read from the tables of stored results on the pages of `docs/results`, which the same command writes, so
the two cannot differ. A verdict is that of the 95 % interval: *seen* where all of it lies on the side that the paper
reports, *reversed* where all of it lies on the other, else *no evidence*. The smallest detectable effect is one that an
experiment with this interval finds in four of five repetitions: 1.43 half widths, (1.96 + 0.84) / 1.96 (power 0.8, two
sides of 5 %).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = re.compile(r"<!-- results: outgrow results examples/([\w-]+)\.toml [^>]*-->\n\n((?:\|[^\n]*\n)+)")
NUMBER = r"([+−-]?\d+(?:\.\d+)?)"
CELL = re.compile(rf"{NUMBER}[^(]*\({NUMBER}(?:–| to ){NUMBER}\)")
DETECTED = (1.96 + 0.84) / 1.96
LEAST_GAP = 10.0  # points between floor and ceiling; where there is less, a technique has little to change

Row = Mapping[str, str]
Tables = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An estimate with its 95 % interval, in percentage points, and how many rows it is the mean of."""

    value: float
    low: float
    high: float
    rows: int = 1

    @property
    def half(self) -> float:
        return (self.high - self.low) / 2

    @property
    def detectable(self) -> float:
        return DETECTED * self.half

    def verdict(self, expected: int) -> str:
        """expected: +1 or -1, the side of 0 on which the paper's effect is."""
        if self.low > 0 or self.high < 0:
            return "seen" if (self.low > 0) == (expected > 0) else "reversed"
        return "no evidence"


@dataclass(frozen=True, kw_only=True)
class Where:
    """The rows of a table that a claim is read from. column: of the page's tables; minus: the method whose cell is
    subtracted, for columns that are no comparison; only: what cells of the row are; wide: rows with a gap of at least
    ten points alone."""

    example: str
    column: str
    method: str = "naive"
    minus: str = ""
    only: tuple[tuple[str, str], ...] = ()
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of Burns et al. (2023), where it is, and the rows that test it on chess and on text; None: not tested."""

    says: str
    section: str
    paper: str
    expected: int
    chess: Where | None
    text: Where | None


def pawn_to_queen(example: str, column: str, method: str = "naive", minus: str = "") -> Where:
    """The smallest supervisor and the largest student: the pair that the paper's figures end with."""
    task = "chess-preferences" if example == "chess-preferences" else "chess-puzzles"
    pair = (("task", task), ("weak → strong", "ladder/pawn → ladder/queen"))
    return Where(example=example, column=column, method=method, minus=minus, only=pair)


WORDS = (("weak → strong", "words → minilm/l6"),)
CLAIMS = (
    Claim(
        says="A naive student recovers a part of the gap",
        section="4.2",
        paper="NLP more than a fifth; chess nothing to two fifths",
        expected=1,
        chess=pawn_to_queen("chess-grid", "PGR"),
        text=Where(example="text", column="PGR", only=WORDS, wide=True),
    ),
    Claim(
        says="A naive student recovers a part of the gap of reward models",
        section="4.2",
        paper="about a tenth",
        expected=1,
        chess=pawn_to_queen("chess-preferences", "PGR"),
        text=Where(example="reward", column="PGR", only=(("task", "reward/ethics_utilitarianism"),)),
    ),
    Claim(
        says="The confidence loss makes students better",
        section="4.3.2",
        paper="from 25 to nearly 80 % of the gap for the largest student",
        expected=1,
        chess=pawn_to_queen("confidence", "vs first", "confidence, three quarters"),
        text=Where(example="text-confidence", column="vs first", method="confidence"),
    ),
    Claim(
        says="With the confidence loss students repeat fewer of their supervisor's errors",
        section="5.1.3",
        paper="fewer",
        expected=-1,
        chess=pawn_to_queen("confidence", "agrees when wrong", "confidence, three quarters", minus="naive"),
        text=Where(example="text-confidence", column="agrees when wrong", method="confidence", minus="naive"),
    ),
    Claim(
        says="Bootstrapping makes students better",
        section="4.3.1",
        paper="chess clearly, NLP a little",
        expected=1,
        chess=pawn_to_queen("bootstrap", "vs first", "bootstrap"),
        text=Where(example="text-bootstrap", column="vs first", method="bootstrap"),
    ),
    Claim(
        says="Generative supervision makes students better",
        section="5.2.2",
        paper="reward models, 10 to 20 points of PGR",
        expected=1,
        chess=Where(example="generative", column="vs first", method="generative", only=(("task", "chess-puzzles"),)),
        text=None,
    ),
    Claim(
        says="Finetuning on weak labels makes a concept salient: a probe on ground truth is better after it",
        section="D.2",
        paper="78 % against 72",
        expected=1,
        chess=Where(
            example="saliency",
            column="student",
            method="finetune on weak labels, probe on ground truth (oracle)",
            minus="probe on ground truth (oracle)",
        ),
        text=Where(
            example="text-saliency",
            column="student",
            method="finetune on weak labels, probe on ground truth (oracle)",
            minus="probe on ground truth (oracle)",
        ),
    ),
    Claim(
        says="Stopping on ground truth is better than stopping on weak labels",
        section="5.1.1",
        paper="10 points of PGR",
        expected=1,
        chess=Where(example="early-stopping", column="vs first", method="stopped on ground truth (oracle)"),
        text=Where(example="text-early-stopping", column="vs first", method="stopped on ground truth (oracle)"),
    ),
    Claim(
        says="Training to the end is worse than stopping on weak labels",
        section="5.1.1",
        paper="5 points of PGR",
        expected=-1,
        chess=Where(example="early-stopping", column="vs first", method="not stopped"),
        text=Where(example="text-early-stopping", column="vs first", method="not stopped"),
    ),
)


def tables(pages: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """The rows of every table of results on the pages, by the name of its example, each by the heads of its columns."""
    found = {}
    for name, table in (match.groups() for page in pages for match in TABLE.finditer(page)):
        head, _, *rows = [[cell.strip() for cell in line.strip(" |").split(" | ")] for line in table.splitlines()]
        found[name] = [dict(zip(head, row, strict=True)) for row in rows]
    return found


def effect(where: Where, found: Tables) -> Effect | None:
    """The mean over the rows; None where there is no such table or row with an interval. The interval of a mean takes
    rows as independent, and so does that of a difference between two methods, which it makes too wide."""
    rows = [row for row in found.get(where.example, ()) if all(row[head] == cell for head, cell in where.only)]
    effects = []
    for row in rows:
        if row["method"] != where.method or (where.wide and gap(row) < LEAST_GAP):
            continue
        ours = cell(row[where.column])
        if where.minus and ours:
            same = ("task", "weak → strong")
            (other,) = (
                each for each in rows if each["method"] == where.minus and all(each[head] == row[head] for head in same)
            )
            base = cell(other[where.column])
            ours = base and difference(ours, base)
        effects += [ours] if ours else []
    return mean(effects) if effects else None


def cell(text: str) -> Effect | None:
    """The estimate of a cell such as `+1.0 ↑ (0.6–1.4)`; None where it has no interval."""
    if not (match := CELL.search(text)):
        return None
    value, low, high = (float(number.replace("−", "-")) for number in match.groups())
    return Effect(value=value, low=low, high=high)


def gap(row: Row) -> float:
    floor, ceiling = cell(row["floor"]), cell(row["ceiling"])
    return round(ceiling.value - floor.value, 1) if floor and ceiling else 0.0


def difference(one: Effect, other: Effect) -> Effect:
    value, half = one.value - other.value, math.hypot(one.half, other.half)
    return Effect(value=value, low=value - half, high=value + half)


def mean(effects: Sequence[Effect]) -> Effect:
    if len(effects) == 1:
        return effects[0]
    value = sum(each.value for each in effects) / len(effects)
    half = math.hypot(*(each.half for each in effects)) / len(effects)
    return Effect(value=value, low=value - half, high=value + half, rows=len(effects))


def shown(where: Where | None, expected: int, found: Tables) -> tuple[str, str, str]:
    """Effect with its interval, verdict, and the smallest detectable effect."""
    ours = effect(where, found) if where else None
    if ours is None:
        return "—", "not tested", "—"
    figures = f"{ours.value:+.1f} ({ours.low:.1f} to {ours.high:.1f})".replace("-", "−")
    of = f", mean of {ours.rows}" if ours.rows > 1 else ""
    unit = " % of the gap" if where and where.column == "PGR" else " points"
    return f"{figures}{unit}{of}", ours.verdict(expected), f"{ours.detectable:.1f}"


def written(pages: Sequence[str]) -> str:
    """The table of claims, in Markdown."""
    found = tables(pages)
    head = ("claim", "section", "the paper", "chess", "verdict", "detectable", "text", "verdict", "detectable")
    rows = [
        (
            claim.says,
            claim.section,
            claim.paper,
            *shown(claim.chess, claim.expected, found),
            *shown(claim.text, claim.expected, found),
        )
        for claim in CLAIMS
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def of_folder(folder: Path) -> str:
    """The table of claims from the pages in a folder."""
    return written([page.read_text() for page in sorted(folder.glob("*.md"))])
