"""Ninety examples of which everything is known that a structure of errors may see."""

from __future__ import annotations

import numpy as np

from outgrow.errors.base import ErrorInputs
from outgrow.types import Example, Examples, Labels

N = 90


def seen(seed: int = 0) -> ErrorInputs:
    """Ninety examples of three classes, with features, predictions and facets that know something of them."""
    rng = np.random.default_rng(7)
    truth = rng.integers(0, 3, N)
    rows = tuple(Example(id=f"q{i}", group=f"g{i}", prompt="?", choices=("a", "b", "c")) for i in range(N))
    probs = rng.dirichlet([1, 1, 1], N) + 0.5 * np.eye(3)[truth]
    facets = {"number": {f"q{i}": i for i in range(N)}, "theme": {f"q{i}": (f"t{i % 4}",) for i in range(N)}}
    return ErrorInputs(
        examples=Examples(rows=rows),
        truth=Labels.from_rows([row.id for row in rows], np.eye(3)[truth]),
        facets=facets,
        features=rng.normal(size=(N, 5)),
        predictions=Labels.from_rows([row.id for row in rows], probs / probs.sum(1, keepdims=True)),
        seed=seed,
    )
