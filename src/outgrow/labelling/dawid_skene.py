"""Dawid-Skene: aggregates several supervisors with an estimated confusion matrix for each (Dawid and Skene 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.annotations import Annotations, Bools
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import at_least, check_ranges, whole
from outgrow.types import Doubles, Labels, UserError

COMMON = 10  # examples that a supervisor shares with others, to count
TINY = 1e-300  # stands for a probability of 0 in logarithms and divisions


@dataclass(frozen=True, kw_only=True)
class DawidSkene(Rule):
    """Expectation maximisation over the true classes and the confusion matrix of each supervisor, from their votes.

    A vote is the supervisor's most probable choice, shared equally between ties. A supervisor that has no label for an
    example, or gives all choices the same probability, casts no vote. The labels of a single supervisor are returned
    unchanged. Fewer than three supervisors whose votes overlap (`effective`) do not identify the confusion matrices, so
    `apply` raises UserError for them.

    iterations: the largest number of EM iterations, starting from the mean vote; it stops earlier once no probability
    changes by 1e-6 or more. smoothing: added to every count of a confusion matrix, so that no confusion has
    probability 0.
    """

    kind: ClassVar[str] = "rule/dawid-skene"
    version: ClassVar[int] = 2  # 2: abstentions cast no vote, ties share one, one supervisor's labels are unchanged
    aggregates: ClassVar[bool] = True
    min_supervisors: ClassVar[int] = 3
    shared_choices: ClassVar[bool] = True

    iterations: int = 100
    smoothing: float = 0.01

    def __post_init__(self) -> None:
        check_ranges(self, iterations=whole(1), smoothing=at_least(0))

    def apply(self, labels: Sequence[Labels], evidence: Evidence = NO_EVIDENCE) -> Labels:
        if len(labels) == 1:
            return labels[0]
        annotations = Annotations.from_labels(labels)
        votes = votes_of(annotations.classes())
        self.check_votes(np.asarray(votes.any(2)))
        found = estimate(votes, iterations=self.iterations, smoothing=self.smoothing)
        return Labels.from_rows(annotations.ids, list(found.posterior))

    def check_votes(self, cast: Bools) -> None:
        if (voters := int(effective(cast).sum())) < self.min_supervisors:
            raise UserError(
                f"Dawid-Skene is not identified: it needs {self.min_supervisors} supervisors that vote on "
                f"{_needed(cast)} examples or more together with others, whichever one of these is left out, and "
                f"{voters} of {len(cast)} do: use mean, or add labels"
            )


def effective(cast: Bools) -> Bools:
    """Which supervisors count towards the three that Dawid-Skene needs, bool [supervisors]. cast: whether each votes on
    each example, bool [supervisors, n].

    A supervisor counts if it votes on at least `COMMON` examples together with others, whichever one of the others is
    left out: its confusion matrix cannot be told from the class prior and the matrix of one other (Dawid & Skene 1979;
    three independent views are needed, Kruskal 1977 and Allman, Matias & Rhodes 2009, "Identifiability of parameters in
    latent structure models with many observed variables"). Where few examples have several votes, a fifth of them.
    """
    count = cast.sum(0)
    pairs = cast[:, count == 2].astype(np.float64)
    with_one = pairs @ pairs.T
    np.fill_diagonal(with_one, 0)
    shared = (cast & (count > 1)).sum(1) - with_one.max(1, initial=0)
    return np.asarray(shared >= _needed(cast))


def _needed(cast: Bools) -> int:
    return max(1, min(COMMON, int((cast.sum(0) > 1).sum()) // 5))


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimated:
    """posterior: of the true class of each item, float64 [n, k]. confusions: the probability of each vote given each
    true class, float64 [annotators, true class, vote]; rows without any count are 0. prior: of the classes, [k]."""

    posterior: Doubles
    confusions: Doubles
    prior: Doubles


def estimate(
    votes: Doubles,
    *,
    iterations: int = 100,
    smoothing: float = 0.0,
    pooled: float = 0.0,
    weights: Doubles | None = None,
    start: Doubles | None = None,
    tolerance: float = 1e-6,
) -> Estimated:
    """Expectation maximisation from the mean vote, until no posterior changes by `tolerance`.

    votes: [annotators, n, k], zeros where an annotator casts none. smoothing: added to every count of a confusion
    matrix. pooled: votes of the average annotator that are added to the counts of each annotator and true class, for
    annotators with few votes. weights: how often each item counts, [n]. start: a posterior to begin with, [n, k].
    """
    posterior = mean_vote(votes) if start is None else start
    weight = np.ones(votes.shape[1]) if weights is None else weights
    confusions, prior = _m_step(votes, posterior, weight, smoothing, pooled)
    for _ in range(iterations):
        previous, posterior = posterior, _e_step(votes, confusions, prior)
        confusions, prior = _m_step(votes, posterior, weight, smoothing, pooled)
        if np.abs(posterior - previous).max() < tolerance:
            break
    return Estimated(posterior=posterior, confusions=confusions, prior=prior)


def mean_vote(votes: Doubles) -> Doubles:
    """The share of each class among the votes of an item, [n, k]; equal shares where there are none."""
    counts = votes.sum(0)
    total = counts.sum(1, keepdims=True)
    return np.asarray(np.where(total > 0, counts / np.maximum(total, 1), 1 / counts.shape[1]))


def _m_step(
    votes: Doubles, posterior: Doubles, weights: Doubles, smoothing: float, pooled: float
) -> tuple[Doubles, Doubles]:
    """The confusion matrices, [annotators, true class, vote], and the class prior."""
    weighted = posterior * weights[:, None]
    confusions = weighted.T @ votes + smoothing
    if pooled:
        together = confusions.sum(0)
        confusions += pooled * together / np.maximum(together.sum(1, keepdims=True), TINY)
    confusions /= np.maximum(confusions.sum(2, keepdims=True), TINY)  # a class without votes stays at 0
    return confusions, weighted.sum(0) / weights.sum()


def _e_step(votes: Doubles, confusions: Doubles, prior: Doubles) -> Doubles:
    """The posterior of the true class, [n, k]."""
    log_confusions = np.log(np.maximum(confusions, TINY))
    logits = np.log(np.maximum(prior, TINY)) + (votes @ log_confusions.transpose(0, 2, 1)).sum(0)
    likelihood = np.exp(logits - logits.max(1, keepdims=True))
    updated: Doubles = likelihood / likelihood.sum(1, keepdims=True)
    return updated


def votes_of(probs: Doubles) -> Doubles:
    """The vote of each supervisor on each example, [supervisors, n, k]; all zeros where it casts none."""
    top = probs == probs.max(2, keepdims=True)
    ties = top.sum(2, keepdims=True)
    votes: Doubles = np.where(ties < probs.shape[2], top / ties, 0.0)
    return votes
