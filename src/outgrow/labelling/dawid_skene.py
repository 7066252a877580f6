"""Dawid-Skene: several supervisors, each trusted as far as the others bear it out (Dawid and Skene 1979)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from outgrow.labelling.base import Rule, classes_of, joined
from outgrow.types import Doubles, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class DawidSkene(Rule):
    """Expectation maximisation over the true classes and each supervisor's confusions, from the supervisors' choices.

    It starts from their votes and ends after `iterations`, or when no probability moves by more than a millionth.
    smoothing: added to every count of a confusion, so that none is impossible.
    """

    aggregates: ClassVar[bool] = True

    iterations: int = 100
    smoothing: float = 0.01

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.smoothing < 0:
            raise UserError(f"iterations is {self.iterations}, smoothing {self.smoothing}: at least 1, at least 0")

    def apply(self, said: Sequence[Labels], features: Doubles | None = None) -> Labels:
        together = joined(said)
        votes = np.stack([_one_hot(labels) for labels in together])
        truth: Doubles = votes.mean(0)
        for _ in range(self.iterations):
            before, truth = truth, self._expected(votes, truth)
            if np.abs(truth - before).max() < 1e-6:
                break
        return Labels.from_rows(together[0].ids, list(truth))

    def _expected(self, votes: Doubles, truth: Doubles) -> Doubles:
        """One round: the confusions that these truths make likeliest, then the truths given the confusions, [n, k]."""
        confusions = truth.T @ votes + self.smoothing  # [supervisors, true, said]
        confusions /= np.maximum(confusions.sum(2, keepdims=True), 1e-300)  # a class that nobody has stays at 0
        with np.errstate(divide="ignore"):
            evidence, logs = np.log(truth.mean(0)), np.log(confusions)
        evidence = evidence + sum(log.T[vote] for log, vote in zip(logs, votes.argmax(2), strict=True))
        likely = np.exp(evidence - evidence.max(1, keepdims=True))
        found: Doubles = likely / likely.sum(1, keepdims=True)
        return found


def _one_hot(labels: Labels) -> Doubles:
    """Each example's most probable choice, [n, k]."""
    return np.eye(classes_of(labels).shape[1])[labels.hard()]
