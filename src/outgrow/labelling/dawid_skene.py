"""Dawid-Skene: aggregates several supervisors with an estimated confusion matrix for each (Dawid and Skene 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.annotations import Annotations
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import at_least, check_ranges, whole
from outgrow.types import Doubles, Labels, UserError

TINY = 1e-300  # stands for a probability of 0 in logarithms and divisions


@dataclass(frozen=True, kw_only=True)
class DawidSkene(Rule):
    """Expectation maximisation over the true classes and the confusion matrix of each supervisor, from their votes.

    A vote is the supervisor's most probable choice, shared equally between ties. A supervisor that has no label for an
    example, or gives all choices the same probability, casts no vote. The labels of a single supervisor are returned
    unchanged. With two supervisors the confusion matrices are not identified, so `apply` raises UserError.

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
        votes = _votes(annotations.classes())
        voters = int(votes.any((1, 2)).sum())
        if voters < self.min_supervisors:
            raise UserError(f"Dawid-Skene is not identified with {voters} supervisors that vote: use mean, or add some")
        counts = votes.sum(0)
        total = counts.sum(1, keepdims=True)
        posterior: Doubles = np.where(total > 0, counts / np.maximum(total, 1), 1 / counts.shape[1])
        for _ in range(self.iterations):
            previous, posterior = posterior, self._em_step(votes, posterior)
            if np.abs(posterior - previous).max() < 1e-6:
                break
        return Labels.from_rows(annotations.ids, list(posterior))

    def _em_step(self, votes: Doubles, posterior: Doubles) -> Doubles:
        """The M step (confusion matrices, class prior), then the E step: the posterior of the true class, [n, k]."""
        confusions = posterior.T @ votes + self.smoothing  # [supervisors, true class, voted class]
        confusions /= np.maximum(confusions.sum(2, keepdims=True), TINY)  # a class without votes stays at 0
        log_confusions = np.log(np.maximum(confusions, TINY))
        log_prior = np.log(np.maximum(posterior.mean(0), TINY))
        logits = log_prior + (votes @ log_confusions.transpose(0, 2, 1)).sum(0)
        likelihood = np.exp(logits - logits.max(1, keepdims=True))
        updated: Doubles = likelihood / likelihood.sum(1, keepdims=True)
        return updated


def _votes(probs: Doubles) -> Doubles:
    """The vote of each supervisor on each example, [supervisors, n, k]; all zeros where it casts none."""
    top = probs == probs.max(2, keepdims=True)
    ties = top.sum(2, keepdims=True)
    votes: Doubles = np.where(ties < probs.shape[2], top / ties, 0.0)
    return votes
