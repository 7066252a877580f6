"""What `outgrow.estimate` says of the cases without ground truth, beside the gain that was measured.

`python -m bench.cases` prints the table, a row for each case of docs/results/cases.md. The estimate reads heads on
frozen features; where answers are next tokens there is none. What the store does not have is computed. The measured
gain is that on the test examples that the supervisor answers, with the interval over test examples and seeds; the
estimate is the mean of those of the seeds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from outgrow import api, graph
from outgrow.analyses.base import scores_table
from outgrow.analyses.without_truth import WithoutTruth
from outgrow.experiment.cell import Cell
from outgrow.experiment.clues import ReadClues
from outgrow.experiment.data import LabelsStep
from outgrow.experiment.grid import cells
from outgrow.graph import Step
from outgrow.measures.difference import Difference, paired
from outgrow.numbers import signed, span
from outgrow.practice.estimate import GainEstimate, coefficients, predicted_gain
from outgrow.source import resolved
from outgrow.store import Store
from outgrow.types import Scores, classes_of

CASES = ("sentiment", "topics", "creak", "preferences", "smallest-rung")
HEADER = ("case", "predicted gain", "measured gain", "within")


def row(name: str, store: Store) -> tuple[str, ...]:
    """Case, predicted gain and measured gain in points with their intervals, and whether the first holds the second."""
    guess, found = compared(cells(resolved(f"examples/{name}.toml")), store)
    if guess is None or guess.outside:
        return name, "none", f"{signed(found.mean)} ({span(found.low, found.high)})", ""
    within = "yes" if guess.low <= found.mean <= guess.high else "no"
    predicted, measured = (f"{signed(mean)} ({span(low, high)})" for mean, low, high in (
        (guess.gain, guess.low, guess.high), (found.mean, found.low, found.high),
    ))  # fmt: skip
    return name, predicted, measured, within


def compared(seeds: Sequence[Cell], store: Store) -> tuple[GainEstimate | None, Difference]:
    """The estimate for the cells of one comparison, if there can be one, and the gain that was measured."""
    has_heads = seeds[0].task.readout != "tokens"
    steps = [
        WithoutTruth().steps(cell) if has_heads else {"floor": cell.floor, "student": cell.student} for cell in seeds
    ]
    with api.executor() as runner:
        outcome = graph.run([step for each in steps for step in each.values()], store, runner)
    if outcome.failures:
        raise SystemExit(outcome.failures[0].error_text)
    students, floors = ([graph.load(each[role], store) for each in steps] for role in ("student", "floor"))
    if not has_heads:
        return None, gain(students, floors)
    clue = coefficients()["clue"]
    values = [graph.load(each["clues"], store).values[clue] if clue else 0.0 for each in steps]
    hard = all((classes_of(graph.load(_labels(each["clues"]), store)).max(1) == 1).all() for each in steps)
    return predicted_gain(float(np.mean(values)), hard=hard), gain(students, floors)


def _labels(step: Step[Any]) -> LabelsStep:
    assert isinstance(step, ReadClues)
    return step.weak


def gain(students: Sequence[Scores], floors: Sequence[Scores]) -> Difference:
    """The accuracy of the students minus that of their supervisors, on the examples that all of these answer."""
    ids = floors[0].ids
    student, floor = scores_table(students, ids), scores_table(floors, ids)
    answered = ~np.isnan(floor).any(0)
    return paired(student[:, answered], floor[:, answered], np.asarray(floors[0].groups)[answered])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--store", default=os.environ.get("OUTGROW_STORE", "runs"))
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {min(unknown)}: choose of {', '.join(CASES)}")
    rows = [
        HEADER,
        ("---", "---:", "---:", "---"),
        *(row(name, Store(arguments.store)) for name in arguments.cases or CASES),
    ]
    print("\n".join(f"| {' | '.join(each)} |" for each in rows))


if __name__ == "__main__":
    main()
