"""`outgrow labels`: a report on the quality of the labels of a data set, before anything is trained on them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from outgrow.labelling.dawid_skene import votes_of
from outgrow.measures.chance import Chance, beyond_chance
from outgrow.practice.annotators import Annotator, Share, accuracy_of, annotators, by_agreement
from outgrow.practice.audits import Audits, audited_mean, of_data, weights
from outgrow.practice.comparison import ties
from outgrow.practice.data import PracticeData
from outgrow.practice.duplicates import Duplicates, duplicates
from outgrow.practice.truth import Truth, probable_truth, with_audits
from outgrow.types import Doubles, Labels

MOST_ERRORS = 100  # probable errors that are listed
ENOUGH = 20  # audits that probabilities of errors can be checked against


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A label that is probably wrong: the row's id and text, its label, the class that is more probable, and the
    probability that the label is wrong. truth: the class where it is known, else ""."""

    id: str
    text: str
    label: str
    suggested: str
    probability: float
    truth: str


@dataclass(frozen=True, kw_only=True)
class LabelReport:
    """The quality of the labels.

    rows, labelled: how many rows there are, and how many have a label. classes: with the shares of the labels
    (`shares`) and of the ground truth (`true_shares`, None without). audited: rows with ground truth. coverage:
    labelled / rows. overlap: the share of labelled rows with two labels at least; conflicts: the share of these where
    labels differ, None without any. accuracy: of the labels that the annotators give together; None where it is not
    known. audits_to_halve: how many more random audits would halve its interval. expected_errors: the mean probability
    that a label is wrong, by texts and labels; None where neither three annotators nor audits say how far it holds.
    agreement: beyond chance. suspects: the labels that are most probably wrong, the surest first. odd: what may be
    wrong with the classes. notes: what was guessed or dropped.
    """

    name: str
    rows: int
    labelled: int
    audited: int
    classes: tuple[str, ...]
    shares: tuple[float, ...]
    true_shares: tuple[float, ...] | None
    coverage: float
    overlap: float
    conflicts: float | None
    accuracy: Share | None
    audits_to_halve: int | None
    expected_errors: float | None
    joined_by: str
    annotators: tuple[Annotator, ...]
    agreement: Chance | None
    duplicates: Duplicates | None
    suspects: tuple[Suspect, ...]
    odd: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        return asdict(self)


def label_report(data: PracticeData, truth: Truth | None = None, audits: Audits | None = None) -> LabelReport:
    """A report on the quality of the labels of the data.

    Args:
        data: The labels, with or without texts and ground truth.
        truth: The probable classes, by default `probable_truth(data)`.
        audits: Which rows with ground truth were drawn at random; by default all of them.

    Returns:
        The report: coverage, conflicts, accuracies with intervals, duplicates and probable errors.

    Example:
        >>> report = label_report(read_data("reviews.csv"))
        >>> report.coverage, report.accuracy
        (1.0, None)
    """
    truth = truth or probable_truth(data)
    audits = audits or of_data(data)
    votes = votes_of(data.annotations.classes())
    counts = votes.sum(0)
    several = data.annotations.given.sum(0) >= 2
    differ = (counts > 0).sum(1) > 1
    together = np.ones(len(truth.labels), dtype=bool)
    estimates = by_agreement(data, truth)
    accuracy = accuracy_of(data, truth, audits, truth.labels, together) or (estimates.joined if estimates else None)
    k = len(data.classes)
    known = data.audited
    wrong = _wrong(data, truth, audits)
    return LabelReport(
        name=data.name,
        rows=len(data),
        labelled=len(data.labelled),
        audited=len(known),
        classes=data.classes,
        shares=tuple((np.bincount(truth.labels, minlength=k) / len(truth.labels)).tolist()),
        true_shares=_true_shares(data, audits),
        coverage=len(data.labelled) / len(data),
        overlap=float(several.mean()),
        conflicts=float(differ[several].mean()) if several.any() else None,
        accuracy=accuracy,
        audits_to_halve=_to_halve(data, truth, audits),
        expected_errors=None if wrong is None else float(wrong.mean()),
        joined_by=_joined_by(data, truth),
        annotators=annotators(data, truth, audits, estimates),
        agreement=beyond_chance(np.stack([_hard(votes)[..., c].sum(0) for c in range(k)], 1)),
        duplicates=duplicates(data, truth.labels) if data.texts else None,
        suspects=_suspects(data, truth, truth.wrong if wrong is None else wrong),
        notes=(*data.notes, *ties(Labels.from_rows(data.annotations.ids, truth.from_labels), "joined labels")),
        odd=data.odd,
    )


def _hard(votes: Doubles) -> Doubles:
    """Votes without those that are shared between classes."""
    return np.asarray(np.where(votes.max(2, keepdims=True) == 1, votes, 0.0))


def _joined_by(data: PracticeData, truth: Truth) -> str:
    if truth.estimated is not None:
        return "Dawid-Skene"
    return "the mean" if len(data.annotations.annotators) > 1 else "the only annotator"


def _to_halve(data: PracticeData, truth: Truth, audits: Audits) -> int | None:
    if data.gold is None:
        return None
    among = np.zeros(len(data), dtype=bool)
    among[data.labelled] = True
    values, guesses = np.zeros(len(data)), np.zeros(len(data))
    values[data.labelled] = truth.labels == data.gold[data.labelled]
    guesses[data.labelled] = 1 - truth.wrong
    found = audited_mean(data, audits, values, guesses, among)
    return found.audits_to_halve if found else None


def _wrong(data: PracticeData, truth: Truth, audits: Audits) -> Doubles | None:
    """The probability that each label is wrong, [m], checked against audits where there are enough; None where nothing
    says how far the probabilities hold: without texts, or with fewer than three annotators and no audits."""
    weight = weights(data, audits)[data.labelled]
    audited = np.flatnonzero(weight > 0)
    if truth.out_of_fold is None:
        return None
    if data.gold is None or len(audited) < ENOUGH:
        return None if truth.estimated is None else truth.wrong
    was_wrong = truth.labels[audited] != data.gold[data.labelled[audited]]
    return with_audits(truth.wrong, audited, was_wrong.astype(np.float64), weight[audited])


def _true_shares(data: PracticeData, audits: Audits) -> tuple[float, ...] | None:
    """The shares of the classes among the rows that were drawn at random and audited."""
    drawn = audits.of("random")
    if data.gold is None or not len(known := data.gold[drawn][data.gold[drawn] >= 0]):
        return None
    return tuple((np.bincount(known, minlength=len(data.classes)) / len(known)).tolist())


def _suspects(data: PracticeData, truth: Truth, wrong: Doubles) -> tuple[Suspect, ...]:
    """The labels beside which another class is more probable, the surest first."""
    order = np.argsort(-wrong, kind="stable")[:MOST_ERRORS].tolist()
    suggested = truth.from_all.argmax(1)
    return tuple(
        Suspect(
            id=data.annotations.ids[i],
            text=data.texts[data.labelled[i]] if data.texts else "",
            label=data.classes[truth.labels[i]],
            suggested=data.classes[suggested[i]],
            probability=float(wrong[i]),
            truth=_known(data, int(data.labelled[i])),
        )
        for i in order
        if suggested[i] != truth.labels[i]
    )


def _known(data: PracticeData, place: int) -> str:
    return "" if data.gold is None or data.gold[place] < 0 else data.classes[data.gold[place]]
