"""Test examples that some answer rightly and others wrongly: `student right, supervisor wrong`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.scoring import Score
from outgrow.graph import load
from outgrow.plugins import nearest
from outgrow.store import Damaged, Store
from outgrow.types import UserError

FIELDS = {
    "supervisor": "floor",
    "student": "student",
    "ceiling": "ceiling",
    "direct": "direct",
    "zero-shot": "zero_shot",
    "frozen probe": "frozen_probe",
}  # the scores of a cell by who answers
EXAMPLES_FORMATS = ("table", "json", "csv")
SHOWN = 100  # letters of a prompt in a table

Conditions = Sequence[tuple[str, bool]]


@dataclass(frozen=True, kw_only=True)
class ExampleRow:
    """A test example of one cell of the grid, and the answer of each who was asked about."""

    task: str
    weak: str
    strong: str
    method: str
    seed: int
    id: str
    prompt: str
    answers: dict[str, str]


def parsed(text: str) -> Conditions:
    """Who is right (True) or wrong: `student right, supervisor wrong`. Raises UserError."""
    found = []
    for part in text.split(","):
        who, _, verdict = part.strip().lower().rpartition(" ")
        if verdict not in ("right", "wrong"):
            raise UserError(
                f"--examples {text!r}: write who is right or wrong, such as 'student right, supervisor wrong'"
            )
        if who.strip() not in FIELDS:
            known = ", ".join(FIELDS)
            raise UserError(
                f"--examples {text!r}: {who.strip()!r} answers nothing.{nearest(who, FIELDS)} Known: {known}"
            )
        found.append((who.strip(), verdict == "right"))
    return found


def matching(experiment: Experiment, store: Store, conditions: Conditions) -> Iterator[ExampleRow]:
    """The test examples that meet all conditions, of every cell whose scores are stored.

    Where a supervisor abstains it is neither right nor wrong. Raises UserError where no cell has these scores.
    """
    seen = False
    for cell in cells(experiment):
        scores = [(who, wanted, getattr(cell, FIELDS[who])) for who, wanted in conditions]
        if any(score is None for _, _, score in scores):
            continue
        try:
            found = list(_of_cell(cell, store, scores))
        except Damaged:
            continue
        seen = True
        yield from found
    if not seen:
        who = " and ".join(who for who, _ in conditions)
        raise UserError(f"no scores of {who} are stored: run the experiment, or ask about others")


def _of_cell(cell: Cell, store: Store, scores: Sequence[tuple[str, bool, Score]]) -> Iterator[ExampleRow]:
    correct, answers = [], {}
    for who, wanted, score in scores:
        loaded = load(score, store)
        values = dict(zip(loaded.ids, loaded.correct.tolist(), strict=True))
        correct.append({id for id, value in values.items() if (value > 0.5 if wanted else value <= 0.5)})
        labels = load(score.predictions, store)
        answers[who] = dict(zip(labels.ids, labels.hard().tolist(), strict=True))
    ids = set.intersection(*correct)
    for row in load(cell.test, store).rows:
        if row.id in ids:
            said = {who: row.choices[own[row.id]] for who, own in answers.items()}
            yield ExampleRow(
                task=cell.task.name, weak=cell.weak.name, strong=cell.strong.name, method=cell.method.label,
                seed=cell.seed, id=row.id, prompt=row.prompt, answers=said,
            )  # fmt: skip


def text(rows: Sequence[ExampleRow], format: str) -> str:
    """The rows in one of `EXAMPLES_FORMATS`."""
    flat: list[dict[str, Any]] = [{**asdict(row), "answers": None, **row.answers} for row in rows]
    for each in flat:
        del each["answers"]
    if format == "json":
        return json.dumps(flat, indent=1, ensure_ascii=False) + "\n"
    if format == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, list(flat[0]) if flat else ["id"])
        writer.writeheader()
        writer.writerows(flat)
        return out.getvalue()
    lines, before = list[str](), tuple[str, ...]()
    for row in rows:
        here = (row.task, row.weak, row.strong, row.method, str(row.seed))
        lines += [f"{row.task}, {row.weak} → {row.strong}, {row.method}, seed {row.seed}"] if here != before else []
        before = here
        said = ", ".join(f"{who}: {answer}" for who, answer in row.answers.items())
        prompt = " ".join(row.prompt.split())
        lines.append(f"  {prompt if len(prompt) <= SHOWN else prompt[: SHOWN - 1] + '…'}  ({said})")
    return "\n".join([*lines, f"{len(rows):,} examples"]) + "\n"
