"""Holm's correction of p-values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in the same order (Holm 1979, "A simple sequentially rejective multiple
    test procedure", Scandinavian Journal of Statistics 6).

    With m p-values in rising order, the i-th (from 0) becomes the largest of (m − j) · p_j for j ≤ i, at most 1.
    Rejecting where the adjusted value is below α keeps the probability of any false rejection below α, whatever the
    dependence between the comparisons. Raises ValueError for values outside 0 to 1.
    """
    if any(not 0.0 <= p <= 1.0 for p in p_values):
        raise ValueError("p-values lie between 0 and 1")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted
