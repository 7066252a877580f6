"""How good each annotator is: its accuracy, confusion and calibration, with intervals where they can be had."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from outgrow.annotations import Bools
from outgrow.labelling.dawid_skene import estimate, votes_of
from outgrow.measures.calibration import calibration
from outgrow.practice.audits import Audits, audited_mean, weights
from outgrow.practice.data import PracticeData
from outgrow.practice.truth import POOLED, SMOOTHING, Truth
from outgrow.types import Doubles, Ints

Confusion = tuple[Doubles, Doubles, Doubles]  # the estimate, and the ends of its intervals, each [k, k]
DRAWS, STEPS = 100, 100  # bootstrap samples of items, and the most EM steps of each from the mean vote
FEWEST_DRAWS, MOST_KINDS = 30, 500_000  # with very many kinds of items there are fewer samples, to take seconds


Matrix = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its 95 % interval. by: "audits", from rows with ground truth; "agreement", from the annotators'
    agreement by Dawid-Skene, which holds where their errors are independent given the class."""

    value: float
    low: float
    high: float
    by: str


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """One annotator.

    labels: how many it gives. coverage: their share of all rows. shares: of its labels, by class. accuracy: None where
    it is not known. confusion: the share of each label given the true class, [true class][label]; confusion_low,
    confusion_high: its intervals. conflicts: the share of its labels, of items that others label too, that differ from
    the most frequent label of the others. calibration: expected calibration error of its probabilities against ground
    truth; None for hard labels or without ground truth.
    """

    name: str
    labels: int
    coverage: float
    shares: tuple[float, ...]
    accuracy: Share | None
    confusion: Matrix | None
    confusion_by: str
    confusion_low: Matrix | None
    confusion_high: Matrix | None
    conflicts: float | None
    calibration: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class ByAgreement:
    """What Dawid-Skene says without ground truth: the accuracy of the joined labels, and of each annotator its accuracy
    (None without a vote) and confusion."""

    joined: Share
    accuracies: tuple[Share | None, ...]
    confusions: tuple[Confusion, ...]


def annotators(
    data: PracticeData, truth: Truth, audits: Audits, estimates: ByAgreement | None
) -> tuple[Annotator, ...]:
    """Every annotator of the data, in its order. estimates: what is known by agreement, where that is identified."""
    votes = votes_of(data.annotations.classes())
    counts = votes.sum(0)
    found = []
    for j, name in enumerate(data.annotations.annotators):
        given, own = data.annotations.given[j], data.annotations.classes()[j]
        hard = own.argmax(1)
        others = counts - votes[j]
        shared = given & (others.sum(1) > 0)
        differ = others[np.arange(len(hard)), hard] < others.max(1)
        by_class = np.bincount(hard[given], minlength=len(data.classes)) / given.sum()
        confusion = estimates.confusions[j] if estimates else _audited_confusion(data, audits, given, hard)
        found.append(
            Annotator(
                name=name or "labels",
                labels=int(given.sum()),
                coverage=float(given.sum() / len(data)),
                shares=tuple(by_class.tolist()),
                accuracy=accuracy_of(data, truth, audits, hard, given)
                or (estimates.accuracies[j] if estimates else None),
                confusion=_rows(confusion[0]) if confusion else None,
                confusion_by="" if not confusion else "agreement" if estimates else "audits",
                confusion_low=_rows(confusion[1]) if confusion else None,
                confusion_high=_rows(confusion[2]) if confusion else None,
                conflicts=float(differ[shared].mean()) if shared.any() else None,
                calibration=_calibration(data, audits, own, given),
            )
        )
    return tuple(found)


def accuracy_of(data: PracticeData, truth: Truth, audits: Audits, labels: Ints, given: Bools) -> Share | None:
    """The accuracy of labels of the labelled items, from audits; None where too few are audited. labels, given: [m]."""
    if data.gold is None:
        return None
    among, guesses = np.zeros(len(data), dtype=bool), np.zeros(len(data))
    among[data.labelled[given]] = True
    guesses[data.labelled] = truth.from_all[np.arange(len(labels)), labels]
    values = np.zeros(len(data))
    values[data.labelled] = labels == data.gold[data.labelled]
    found = audited_mean(data, audits, values, guesses, among)
    if found is None:
        return None
    return Share(value=found.mean, low=found.low, high=found.high, by="audits")


def by_agreement(data: PracticeData, truth: Truth) -> ByAgreement | None:
    """Accuracies and confusions by Dawid-Skene, with bootstrap intervals over items; None if there is no estimate.
    Items with the same votes are one item with a weight."""
    if truth.estimated is None:
        return None
    votes = votes_of(data.annotations.classes())
    flat = votes.transpose(1, 0, 2).reshape(votes.shape[1], -1)
    _, first, counts = np.unique(flat, axis=0, return_index=True, return_counts=True)
    kinds, start, total = votes[:, first], truth.estimated.posterior[first], int(counts.sum())
    rng = np.random.default_rng(0)
    draws = max(FEWEST_DRAWS, min(DRAWS, MOST_KINDS // len(counts)))
    drawn = rng.multinomial(total, counts / total, size=draws).astype(np.float64)
    accuracies, confusions, optimism = [], [], []
    for times in drawn:
        found = estimate(kinds, smoothing=SMOOTHING, pooled=POOLED, weights=times, iterations=STEPS, tolerance=1e-4)
        accuracies.append(_accuracies(kinds, found.posterior, times))
        confusions.append(found.confusions)
        right = start[np.arange(len(start)), found.posterior.argmax(1)]  # as if the estimate for all items were true
        hits = rng.binomial(times.astype(np.int64), np.clip(right, 0, 1)).sum()
        optimism.append((float(times @ found.posterior.max(1)) - hits) / total)
    whole = _accuracies(kinds, start, counts.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an annotator without any vote
        low, high = np.nanquantile(accuracies, [0.025, 0.975], axis=0)
    each_low, each_high = np.quantile(confusions, [0.025, 0.975], axis=0)
    own = truth.estimated.confusions
    shares = [
        None if np.isnan([value, a, b]).any() else _share(value, a, b)
        for value, a, b in zip(whole.tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    return ByAgreement(
        joined=_joined(float(counts @ start.max(1)) / total, np.array(optimism)),
        accuracies=tuple(shares),
        confusions=tuple(zip(own, np.minimum(each_low, own), np.maximum(each_high, own), strict=True)),
    )


def _joined(apparent: float, optimism: Doubles) -> Share:
    """The accuracy of the joined labels. They are the most probable classes by the estimate itself, by which they are
    therefore too good: by as much as those of samples of items are, on average (Efron 1983)."""
    value, low, high = apparent - np.array([optimism.mean(), *np.quantile(optimism, [0.975, 0.025])])
    value, low, high = np.clip([value, low, high], 0.0, 1.0).tolist()
    return _share(value, low, high)


def _share(value: float, low: float, high: float) -> Share:
    """By agreement. The quantiles of a biased bootstrap may lie on one side of the estimate, which belongs to the
    interval all the same."""
    return Share(value=value, low=min(low, value), high=max(high, value), by="agreement")


def _accuracies(votes: Doubles, posterior: Doubles, weights: Doubles) -> Doubles:
    """The expected share of right votes of each annotator, [a]; NaN without votes."""
    right = (votes * posterior).sum(2) @ weights
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(right / (votes.sum(2) @ weights))


def _audited_confusion(data: PracticeData, audits: Audits, given: Bools, labels: Ints) -> Confusion | None:
    """The confusion of an annotator on the audited rows, each with as much weight as it stands for rows, with Wilson's
    intervals for the effective number of rows (Kish 1965); None without any."""
    if data.gold is None:
        return None
    gold, weight = data.gold[data.labelled], weights(data, audits)[data.labelled]
    if not (known := given & (weight > 0)).any():
        return None
    k = len(data.classes)
    counts, squares = np.zeros((k, k)), np.zeros((k, k))
    np.add.at(counts, (gold[known], labels[known]), weight[known])
    np.add.at(squares, (gold[known], labels[known]), weight[known] ** 2)
    total = counts.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share, n, z = counts / total, total**2 / squares.sum(1, keepdims=True), 1.959964
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return share, np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


def _calibration(data: PracticeData, audits: Audits, probs: Doubles, given: Bools) -> float | None:
    """The expected calibration error of probabilities [m, k] on the rows that were drawn at random."""
    if data.gold is None or ((probs == 0) | (probs == 1))[given].all():
        return None
    gold, drawn = data.gold[data.labelled], np.isin(data.labelled, audits.of("random"))
    if not (known := given & drawn & (gold >= 0)).any():
        return None
    k = len(data.classes)
    own, right = probs[known], np.eye(k)[gold[known]]
    return calibration(own.reshape(-1), np.arange(len(own) + 1) * k, right.reshape(-1)).ece


def _rows(matrix: Doubles) -> Matrix:
    """A matrix as tuples, None for NaN: a class without any item."""
    return tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in matrix)
