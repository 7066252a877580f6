"""Which way of learning from cheap labels is taken: by name, or by what the labels allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from outgrow.experiment.technique import Technique
from outgrow.labelling.base import Rule
from outgrow.labelling.dawid_skene import DawidSkene, effective
from outgrow.labelling.harden import Harden
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.mean import Mean
from outgrow.plugins import find, is_a, names, nearest
from outgrow.practice.data import PracticeData
from outgrow.practice.task import slice_of
from outgrow.types import UserError

AUTO, NAIVE, AUDITED = "auto", "naive", "audited"
ENOUGH_AUDITED = 30  # audited rows from which a model learns something
ENOUGH_ROWS = 200  # labelled rows of which half may be set aside
GRADED = 0.25  # the share of labels surer than the median, from which on the surest half is not a random choice


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A way of learning. audited: whether ground truth is learned from too. joins: how several sources are joined.
    why: the reason, for the user."""

    name: str
    technique: Technique = field(default_factory=Technique)
    audited: bool = False
    joins: Rule = field(default_factory=Mean)
    why: str = ""


def chosen(method: str, data: PracticeData) -> Choice:
    """The method of this name: `auto`, `naive` (the labels as they are), `audited` (labels times what a model learned
    from audited rows), a labelling rule or a loss.

    Raises UserError for an unknown name, and for `audited` without audited rows.
    """
    joins = _joins(data)
    if method == AUTO:
        return _by_labels(data, joins)
    if method == NAIVE:
        return Choice(name=NAIVE, joins=joins, technique=_technique(data, joins), why="as asked: labels as they are")
    if method == AUDITED:
        if not len(data.audited):
            raise UserError("method audited needs rows with ground truth: name their column (--gold), or use auto")
        return Choice(name=AUDITED, joins=joins, audited=True, why="as asked")
    found = _plugin(method)
    if isinstance(found, Rule):
        if found.aggregates and len(data.annotations.annotators) < 2:
            raise UserError(f"method {method} joins the labels of several sources, and {data.name} has one: use naive")
        made = (found,) if found.aggregates else (*_joining(data, joins), found)
        return Choice(name=method, joins=joins, technique=Technique(label=method, rules=made), why="as asked")
    return Choice(name=method, joins=joins, technique=_technique(data, joins, loss=found), why="as asked")


def _by_labels(data: PracticeData, joins: Rule) -> Choice:
    """The method that measurements support for such labels (docs/results/cross-fitting.md)."""
    audited = len(data.audited)
    if audited >= max(ENOUGH_AUDITED, 2 * len(data.classes)):
        return Choice(
            name=AUDITED,
            joins=joins,
            audited=True,
            why=f"{audited:,} audited rows: each label is weighed by what a model learned from them",
        )
    few = f"{audited:,} audited rows are too few to learn from" if audited else "no row is audited"
    if reason := _why_naive(data):
        return Choice(name=NAIVE, joins=joins, technique=_technique(data, joins), why=f"{few}, and {reason}")
    rules = (*_joining(data, joins), KeepConfident(per_class=True), Harden())
    why = f"{few}: of each class the half of the rows is learned from whose labels are surest"
    return Choice(name="keep-confident", joins=joins, technique=Technique(label="keep-confident", rules=rules), why=why)


def _why_naive(data: PracticeData) -> str:
    """Why no rows are set aside; "" where they can be."""
    labels = data.annotations
    if data.replies:
        return "replies are compared"
    if len(labels) < ENOUGH_ROWS:
        return f"{len(labels):,} labelled rows are too few to set some aside"
    sure = (labels.classes().sum(0) / labels.given.sum(0)[:, None]).max(1)
    graded = float((sure > np.median(sure) + 1e-6).mean())
    return "" if graded >= GRADED else "the labels do not say how sure they are"


def _technique(data: PracticeData, joins: Rule, **slots: Any) -> Technique:
    return Technique(rules=_joining(data, joins), **slots)


def _joining(data: PracticeData, joins: Rule) -> tuple[Rule, ...]:
    return (joins,) if len(data.annotations.annotators) > 1 else ()


def _joins(data: PracticeData) -> Rule:
    """How several sources are joined: by Dawid-Skene where three or more overlap on most rows, and in the validation
    slice, whose labels are joined by themselves; else by their mean."""
    labels = data.annotations
    validation = slice_of(set(labels.ids), {data.ids[i] for i in data.audited.tolist()})
    held_out = np.array([id in validation for id in labels.ids], dtype=np.bool_)
    voters = min(int(effective(labels.given[:, part]).sum()) for part in (held_out, ~held_out))
    overlap = float((labels.given.sum(0) >= 2).mean())
    return DawidSkene() if voters >= DawidSkene.min_supervisors and overlap >= 0.5 else Mean()


def _plugin(name: str) -> Any:
    """A rule or a loss with its default fields. Raises UserError where the name is neither's."""
    for kind in ("rule", "loss"):
        if name.replace("_", "-") in names(kind) or is_a(kind, name):
            made: Any = find(kind, name)
            return made()
    known = [AUTO, NAIVE, AUDITED, *names("rule"), *names("loss")]
    raise UserError(f"no method called {name!r}.{nearest(name, known)} Known: {', '.join(known)}")
