"""Weak labels of which some are replaced by ground truth. No student of an experiment learns from them: analyses do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar

from outgrow.experiment.data import Gold, LabelsStep
from outgrow.graph import Context
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class Mixed(LabelsStep):
    """The weak labels of examples, and for the share `truth` of the examples their ground truth instead. Which ones is
    drawn by a hash of the id, so that those of a smaller share are among those of a larger one."""

    kind: ClassVar[str] = "mixed"

    weak: LabelsStep
    gold: Gold
    truth: float

    @property
    def partial(self) -> bool:
        return self.weak.partial

    @property
    def title(self) -> str:
        return f"labels of {self.examples.task.name}, {100 * self.truth:g} % ground truth"

    def run(self, ctx: Context) -> Labels:
        ids = ctx.load(self.examples).ids
        chosen = sorted(ids, key=_hash)[: round(self.truth * len(ids))]
        weak, gold = ctx.load(self.weak), ctx.load(self.gold).of(tuple(chosen))
        rows: dict[str, Any] = dict(zip(weak.ids, weak.rows(), strict=True))
        rows |= dict(zip(gold.ids, gold.rows(), strict=True))
        kept = tuple(id for id in ids if id in rows)
        return Labels.from_rows(kept, [rows[id] for id in kept])


def _hash(id: str) -> bytes:
    return hashlib.blake2b(f"mixed\0{id}".encode(), digest_size=8).digest()
