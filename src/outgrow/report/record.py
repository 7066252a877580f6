"""One line of the results: what was run, and its estimates by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from outgrow.metrics.accuracy import Accuracy
from outgrow.metrics.base import Metric
from outgrow.report.measures import MEASURES
from outgrow.report.row import Estimate
from outgrow.report.stored import Status

Verdict = Literal["better", "worse", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Caveat:
    """A sentence on what a number hides. about: the measure that it is about, by its name in `MEASURES`."""

    about: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run (task, weak, strong, method, seed), or all its seeds together (`seed` None).

    Args:
        slice: The slice of the test examples; None for all of them.
        metric: What the models are scored with; its name in JSON and CSV.
        estimates: By the names of `MEASURES`; a measure that cannot be stated is absent.

            - `floor`, `student`, `ceiling`: test score, in the metric.
            - `direct`: the student's model trained on its supervisor's ground truth, without weak labels.
            - `majority`: the class shares of weak_train as every answer. `chance`: the accuracy of a random choice.
            - `coverage`: where a supervisor abstains, the share of the test examples that it answers.
            - `label_accuracy`: the score of the labels that the student is trained on, on its training examples.
            - `zero_shot`: the student before training, on tasks answered by next tokens; on other tasks `frozen_probe`,
              a linear probe on its frozen features, trained on the weak labels.
            - `pgr`, `gap`: performance gap recovered, and ceiling minus floor.
            - `pgr_matched`: PGR between an adapted supervisor and an adapted ceiling, for methods that adapt.
            - `agreement`, `agreement_right`, `agreement_wrong`: how often student and supervisor give the same answer,
              of all examples and of those that the supervisor has right or wrong.
            - `versus_first`: student minus the baseline's student, paired by seed and example.
        baseline: The method that the others are compared with, the first that is not an oracle; None if all are.
        p_holm: The p-value of `versus_first`, corrected for all rows over all seeds of the results (Holm).
        verdict: Whether the student is better than the baseline's, by `p_holm`; None where they are not compared.
        withheld: Why `pgr` or `pgr_matched` is not stated, by name.
        n_seeds: The complete seeds, which the estimates are over.
        n_test, n_groups, n_dropped: Test examples, their groups, and candidates that were left out.
        caveats: What a number alone hides, such as a student that answers one class for nearly everything.
        notes: Notes of the fits, each beginning with its role and seed, such as a fall-back to an earlier checkpoint.
    """

    task: str
    weak: str
    strong: str
    method: str
    seed: int | None
    slice: str | None = None
    metric: Metric = field(default_factory=Accuracy)
    status: Status
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None
    p_holm: float | None = None
    verdict: Verdict | None = None
    n_seeds: int = 0
    n_test: int | None = None
    n_groups: int | None = None
    n_dropped: int | None = None
    caveats: tuple[Caveat, ...] = ()
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> float | None:
        """The value of an estimate, None where it is not stated."""
        estimate = self.estimates.get(name)
        return estimate.value if estimate else None

    def to_dict(self) -> dict[str, Any]:
        """A flat dict of plain data for JSON and CSV: `floor`, `floor_low`, `floor_high`, …; None where absent."""
        flat: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            if name == "estimates":
                flat |= self._flat_estimates()
            elif name == "metric":
                flat[name] = self.metric.name
            elif name == "caveats":
                flat[name] = [caveat.text for caveat in self.caveats]
            elif name != "withheld":
                flat[name] = list(value) if isinstance(value, tuple) else value
        return flat

    def _flat_estimates(self) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for name, measure in MEASURES.items():
            estimate = self.estimates.get(name)
            flat[name] = estimate.value if estimate else None
            flat[f"{name}_low"] = estimate.low if estimate else None
            flat[f"{name}_high"] = estimate.high if estimate else None
            if measure.signed:
                flat[f"{name}_p"] = estimate.p if estimate else None
            if measure.reason:
                flat[measure.reason] = self.withheld.get(name)
        return flat


def name_of(record: Record, records: Sequence[Record]) -> str:
    """The names that distinguish this row from the others, `task · weak → strong · method`; never empty."""
    pairs = {(other.weak, other.strong) for other in records}
    parts = [record.task] if len({other.task for other in records}) > 1 else []
    parts += [f"{record.weak} → {record.strong}"] if len(pairs) > 1 or not parts else []
    return " · ".join([*parts, record.method] if len({other.method for other in records}) > 1 else parts)
