"""Dawid-Skene: several supervisors, each trusted as far as the others bear it out (Dawid and Skene 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.annotations import Annotations
from outgrow.labelling.base import NO_EVIDENCE, Evidence, Rule
from outgrow.ranges import at_least, check_ranges, whole
from outgrow.types import Doubles, Labels, UserError

LEAST = 1e-300  # a probability of 0, as its logarithm needs it


@dataclass(frozen=True, kw_only=True)
class DawidSkene(Rule):
    """Expectation maximisation over the true classes and each supervisor's confusions, from the supervisors' votes.

    A vote is a supervisor's most probable choice, shared out among equals. Who has no label for an example, or holds
    all choices equally likely, casts no vote. One supervisor's labels stay as they are; with two the confusions are
    not identified, so they are refused.

    It starts from the mean vote and ends after `iterations`, or when no probability moves by more than a millionth.
    smoothing: added to every count of a confusion, so that none is impossible.
    """

    kind: ClassVar[str] = "rule/dawid-skene"
    version: ClassVar[int] = 2  # 2: an abstention is no vote; equals share one; one supervisor's labels stay
    aggregates: ClassVar[bool] = True
    fewest: ClassVar[int] = 3
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
        if voters < self.fewest:
            raise UserError(f"Dawid-Skene is not identified with {voters} supervisors that vote: use mean, or add some")
        cast = votes.sum(0)
        voted = cast.sum(1, keepdims=True)
        truth: Doubles = np.where(voted > 0, cast / np.maximum(voted, 1), 1 / cast.shape[1])
        for _ in range(self.iterations):
            before, truth = truth, self._expected(votes, truth)
            if np.abs(truth - before).max() < 1e-6:
                break
        return Labels.from_rows(annotations.ids, list(truth))

    def _expected(self, votes: Doubles, truth: Doubles) -> Doubles:
        """One round: the confusions that these truths make likeliest, then the truths given the confusions, [n, k]."""
        confusions = truth.T @ votes + self.smoothing  # [supervisors, true, said]
        confusions /= np.maximum(confusions.sum(2, keepdims=True), LEAST)  # a class that nobody has stays at 0
        logs = np.log(np.maximum(confusions, LEAST))
        evidence = np.log(np.maximum(truth.mean(0), LEAST)) + (votes @ logs.transpose(0, 2, 1)).sum(0)
        likely = np.exp(evidence - evidence.max(1, keepdims=True))
        found: Doubles = likely / likely.sum(1, keepdims=True)
        return found


def _votes(probs: Doubles) -> Doubles:
    """One vote for each supervisor and example, [supervisors, n, k]; none where all choices are equal."""
    top = probs == probs.max(2, keepdims=True)
    equal = top.sum(2, keepdims=True)
    found: Doubles = np.where(equal < probs.shape[2], top / equal, 0.0)
    return found
