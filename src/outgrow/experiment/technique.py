"""Techniques: how a student learns from weak labels. A slot that is not given does nothing.

Burns et al. 2023, sections 4.3 and 5, appendices B and D.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method
from outgrow.models.base import Model
from outgrow.ranges import check_ranges, one_of
from outgrow.training.language_model import Generative
from outgrow.types import Problems, Shape, UserError


@dataclass(frozen=True, kw_only=True)
class Technique:
    """How a student learns from weak labels: a row of the comparison. The label is a display name and in no key.

    rules: change weak labels. None: the task's own rules (chess hardens); (): none. If they only select or aggregate,
    the task's own rules are kept and come last; a rule that transforms labels replaces them. A rule that selects is
    applied before rules that only rescale (harden, sharpen), so that it reads the supervisor's own confidence.

    A technique with `oracle` reads ground truth that a student should not, for reference: "labels" learns from that of
    transfer, "stop" stops on that of transfer_validation, "probe" learns from weak labels and then has a linear probe
    on its features learn from that of transfer.
    """

    label: str = "naive"
    adapt: Generative | None = None  # language modelling on the inputs first; causal models only
    chain: tuple[Model, ...] = ()  # the rungs of a bootstrapping chain, between supervisor and student
    chain_data: Literal["fresh", "same"] = "fresh"  # a part of transfer for each step of a chain, or the same part
    rules: tuple[Rule, ...] | None = None
    loss: Loss = field(default_factory=CrossEntropy)
    fit: Method | None = None  # None: the recipe of the model on the task
    oracle: Literal["", "labels", "stop", "probe"] = ""

    def __post_init__(self) -> None:
        check_ranges(self, chain_data=one_of("fresh", "same"), oracle=one_of("", "labels", "stop", "probe"))
        if twice := [model.name for model in self.chain if self.chain.count(model) > 1]:
            raise UserError(f"chain lists {twice[0]!r} twice: name each rung once")
        if self.chain_data == "same" and not self.chain:
            raise UserError("chain_data divides transfer among the steps of a chain: give chain too, or leave it out")
        if any(rule.aggregates for rule in (self.rules or ())[1:]):
            raise UserError("a rule that joins several supervisors' labels comes first: reorder rules")
        if self.oracle == "labels" and (self.chain or self.rules):
            raise UserError('oracle = "labels" reads no weak labels: remove chain and rules')

    @property
    def shown(self) -> str:
        """The label in tables."""
        return f"{self.label} (oracle)" if self.oracle else self.label

    @property
    def names(self) -> tuple[str, ...]:
        """The label as given and as shown, of which no other technique has either."""
        return tuple(dict.fromkeys((self.label, self.shown)))

    def check(self, shape: Shape) -> None:
        """Raise a UserError, or a CollectedError, for every slot that does not fit a task of this shape."""
        wrong = Problems()
        for slot in (self.loss, *((self.fit,) if self.fit else ()), *(self.rules or ())):
            with wrong.collecting():
                slot.check(shape)
        wrong.raise_collected()

    def map_models(self, change: Callable[[Model], Model]) -> Technique:
        """The same with every model changed."""
        return replace(self, chain=tuple(map(change, self.chain)))
