"""The base class of metrics: one function on arrays that gives each example its share in the metric.

A metric θ of N examples is returned as N values whose mean is θ. For accuracy, log-loss and the Brier score these are
the scores of the examples. For a metric that is not a mean over examples, such as the area under the ROC curve, they
are θ + u_i with the empirical influence u_i of example i, Σ u_i = 0 (Hampel 1974, "The influence curve and its role in
robust estimation", JASA 69; Efron 1982, "The jackknife, the bootstrap and other resampling plans", ch. 6: the
infinitesimal jackknife). To first order θ then varies as the mean of these values does, so the intervals over seeds and
groups, paired differences and Fieller's interval of the PGR hold for every metric (`outgrow.measures.crossed`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from outgrow.types import Doubles, Ints, Shape, UserError


class UndefinedError(ValueError):
    """The metric has no value for these examples, such as an area under the ROC curve with one class."""


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """Base class of metrics. Subclass it, add fields, implement `values`. A metric is in no cache key.

    higher_is_better: if not, its negative is what grows in PGR, gap and differences. bounds: its smallest and largest
    value. percent: whether tables show it in percent, or as it is. detailed: whether it is computed from predicted
    probabilities and classes; False: it is the mean of the scores that the task gives, for any task.
    """

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    percent: ClassVar[bool] = True
    detailed: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """Its name in tables, figures, JSON and CSV. Default: the name of its file, `balanced-accuracy`."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    def check(self, shape: Shape) -> None:
        """Raise UserError for a task that this metric cannot score. Default: its examples must share their choices."""
        if self.detailed and shape.choices is None:
            raise UserError(f"metric {self.name} needs a task whose examples share their choices: use accuracy")

    @abstractmethod
    def values(self, probs: Doubles, truth: Ints, classes: Sequence[str]) -> Doubles:
        """One value for each example, float64 [N]; their mean is the metric of all N examples.

        probs: predicted probabilities, float64 [N, k]. truth: the index of the right class, int64 [N]. classes: the k
        choices. Raises UndefinedError where these examples have no value.
        """
