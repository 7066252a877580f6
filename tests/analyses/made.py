"""Comparisons of an analysis made by hand, from right and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Comparison
from outgrow.types import Labels, Scores

Array = npt.NDArray[Any]


def answers(
    chosen: Array,
    truth: Array,
    *,
    confidence: Array | float = 0.8,
    choices: int = 4,
    groups: Sequence[str] | None = None,
) -> tuple[tuple[Scores, ...], tuple[Labels, ...]]:
    """Scores and predictions of each seed. chosen, truth: [S, N]; truth may be [N]."""
    chosen = np.atleast_2d(chosen)
    right = np.broadcast_to(truth, chosen.shape)
    sure = np.broadcast_to(confidence, chosen.shape)
    ids = tuple(f"e{i}" for i in range(chosen.shape[1]))
    scores, labels = [], []
    for answer, gold, share in zip(chosen, right, sure, strict=True):
        rows = np.repeat(((1 - share) / (choices - 1))[:, None], choices, axis=1)
        rows[np.arange(len(answer)), answer] = share
        scores.append(Scores(ids=ids, groups=tuple(groups or ids), correct=(answer == gold).astype(float)))
        order = np.arange(len(ids))[::-1]  # any order: readers join by id
        labels.append(Labels.from_rows([ids[i] for i in order], rows[order]))
    return tuple(scores), tuple(labels)


def comparison(
    roles: Mapping[str, Array], truth: Array, *, strong: str = "large", weights: int | None = 1000, weak: str = "small",
    method: str = "naive", task: str = "made", extra: Mapping[str, tuple[Any, ...]] | None = None,
    facts: Mapping[str, str | float] | None = None, **how: Any,
) -> Comparison:  # fmt: skip
    """A comparison whose roles gave these answers, [S, N] each."""
    found: dict[str, tuple[Any, ...]] = {}
    for role, chosen in roles.items():
        found[role], found[f"{role}/answers"] = answers(chosen, truth, **how)
    seeds = tuple(range(len(next(iter(found.values())))))
    names = {"task": task, "weak": weak, "strong": strong, "method": method}
    return Comparison(**names, weights=weights, seeds=seeds, found=found | dict(extra or {}), facts=facts or {})


def erring(truth: Array, wrong: Array, rng: np.random.Generator, choices: int = 4) -> Array:
    """Answers that are wrong where `wrong` says so, each a wrong choice at random."""
    other = (truth + rng.integers(1, choices, wrong.shape)) % choices
    return np.where(wrong, other, truth)
