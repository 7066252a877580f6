"""Caveats about a row: another split than test, one answer for everything, a floor at chance, rare classes, a student
that was as good before training. They contain few numbers, so that equal ones of several rows are stated once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from outgrow.metrics.base import Metric
from outgrow.report.record import Caveat
from outgrow.report.row import Estimate, Row
from outgrow.types import Doubles

NEARLY_ALL = 0.95  # of the answers of a student are one class
RARE = 0.05  # a smaller share of a class hardly changes accuracy; of more than ten classes, half of an equal share

# What the student is compared with, whether a tie counts, and what follows.
REFERENCES = (
    ("zero_shot", True, "zero-shot, the student scores at least as high as after training: its PGR is misleading"),
    ("frozen_probe", False, "a probe on the student’s frozen features scores higher than the student: finetuning did "
     "not help"),
    ("direct", True, "trained on its supervisor’s own ground truth (direct), the student scores at least as high: the "
     "weak labels added nothing"),
)  # fmt: skip


def observed(row: Row, estimates: Mapping[str, Estimate]) -> tuple[Caveat, ...]:
    """The caveats of a row with these estimates."""
    return (*_no_test(row), *_rare(row), *_one_answer(row), *_at_chance(row, estimates),
            *_references(row.metric, estimates), *_abstains(estimates))  # fmt: skip


def _no_test(row: Row) -> Iterator[Caveat]:
    """Scores of another split than test."""
    if (split := row.cells[0].test.split) != "test":
        yield Caveat(about="student", text=f"scored on {split}: for choosing a set-up, not a result")


def _rare(row: Row) -> Iterator[Caveat]:
    """Classes that are rare on test or in weak_train, where the metric is accuracy: the rarest."""
    shares = class_shares(row)
    if row.metric.detailed or shares is None:
        return
    for where, found in zip(("the test examples", "weak_train"), shares, strict=True):
        if found.min() < min(RARE, 0.5 / len(found)):
            yield Caveat(
                about="student",
                text=f"{share(found.min())} of {where} are of the class {_class(row, int(found.argmin()))!r}: accuracy "
                'hardly depends on it, set metric = "balanced-accuracy"',
            )


def _one_answer(row: Row) -> Iterator[Caveat]:
    """A student that gives one answer for nearly everything."""
    answers = [hard for cell in row.complete if (hard := row.stored.hard(cell.student)) is not None]
    shares = class_shares(row)
    if not answers or shares is None:
        return
    given = np.bincount(np.concatenate(answers), minlength=len(shares[0])) / sum(map(len, answers))
    most = int(given.argmax())
    if given[most] >= NEARLY_ALL:
        of_test = f"and {share(shares[0][most])} of these are of it"
        text = (
            f"the student gives the class {_class(row, most)!r} to {share(given[most])} of the test examples, {of_test}"
        )
        yield Caveat(about="student", text=text)


def _at_chance(row: Row, estimates: Mapping[str, Estimate]) -> Iterator[Caveat]:
    """A floor whose interval covers the score of the majority class, or of a random choice where there is none."""
    floor = estimates.get("floor")
    name = "majority" if "majority" in estimates else "chance"
    level = estimates.get(name)
    if floor is None or level is None or floor.low is None or floor.high is None:
        return
    better = floor.low > level.value if row.metric.higher_is_better else floor.high < level.value
    if not better:
        what = "the majority class" if name == "majority" else "a random choice"
        yield Caveat(about="floor", text=f"the supervisor is not clearly better than {what}")


def _references(metric: Metric, estimates: Mapping[str, Estimate]) -> Iterator[Caveat]:
    """Scores without weak labels, or without finetuning, that are as good as the student's."""
    sign = 1 if metric.higher_is_better else -1
    for name, ties, text in REFERENCES:
        if name in estimates and "student" in estimates:
            ahead = sign * (estimates[name].value - estimates["student"].value)
            if ahead > 0 or (ties and ahead == 0):
                yield Caveat(about="student", text=text)


def _abstains(estimates: Mapping[str, Estimate]) -> Iterator[Caveat]:
    if "coverage" in estimates:
        text = (
            "the supervisor abstains on some test examples: floor, PGR, gap and agreement are on those that it "
            "answers, student and ceiling on all"
        )
        yield Caveat(about="coverage", text=text)


def class_shares(row: Row) -> tuple[Doubles, Doubles] | None:
    """The share of each class on test and in weak_train, the mean over seeds; None for tasks whose examples do not
    share their choices."""
    found = [details for cell in row.cells if cell.majority and (details := row.stored.details(cell.majority))]
    if not found or not len(found[0][1]):
        return None
    probs, truth = found[0]
    on_test: Doubles = np.bincount(truth, minlength=probs.shape[1]) / len(truth)
    on_weak_train: Doubles = np.mean([probs[0] for probs, _ in found], axis=0, dtype=np.float64)
    return on_test, on_weak_train


def _class(row: Row, index: int) -> str:
    classes = row.stored.classes(row.cells[0].test)
    return classes[index] if index < len(classes) else str(index)


def share(value: float) -> str:
    """A share in percent with as many digits as distinguish it from 0 and 100 %: `12 %`, `0.03 %`, `99.97 %`."""
    for digits in range(5):
        text = f"{100 * value:.{digits}f}"
        if (float(text) in (0, 100)) == (value in (0, 1)):
            return f"{text} %"
    return "less than 0.0001 %" if value < 0.5 else "more than 99.9999 %"
