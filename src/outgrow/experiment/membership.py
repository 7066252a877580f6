"""The step that measures whether a model has read examples before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from outgrow.experiment.data import Prepare
from outgrow.experiment.estimates import reading, to_score_tokens
from outgrow.experiment.pretrained import Pretrained, solved
from outgrow.graph import Context, Resources, Settings, Step
from outgrow.measures.area import matched
from outgrow.models.base import Model
from outgrow.types import Doubles, UserError, read_parquet

FEWEST = 20  # groups of either set, as in `measures.pgr`


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberScores:
    """Examples of two sets that are equally long, as many of either.

    tested: whether an example is in the test set, bool [n]; the others are unseen. score: its Min-K%++ score,
    float64 [n]. blind: the log-odds that it is in the test set, by a bag of words, float64 [n].
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    tested: npt.NDArray[np.bool_]
    score: Doubles
    blind: Doubles

    def save(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = {"id": pa.array(self.ids, pa.string()), "group": pa.array(self.groups, pa.string())}
        pq.write_table(
            pa.table({**names, "tested": self.tested, "score": self.score, "blind": self.blind}),
            folder / "membership.parquet",
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        columns = read_parquet(folder / "membership.parquet").to_pydict()
        arrays = {name: np.array(columns[name]) for name in ("tested", "score", "blind")}
        return cls(ids=tuple(columns["id"]), groups=tuple(columns["group"]), **arrays)


@dataclass(frozen=True, kw_only=True)
class Membership(Step[MemberScores]):
    """The Min-K%++ scores of examples with their answers beside those of unseen ones, matched in length, and what a bag
    of words makes of the same two sets. It measures: no fit and no label reads it.

    start: the weights of the model; None: its own. share: of the tokens of an example that count.
    """

    kind: ClassVar[str] = "membership"
    result: ClassVar[type[Any]] = MemberScores

    model: Model
    examples: Prepare
    unseen: Prepare
    start: Pretrained | None = None
    share: float = 0.2

    @property
    def title(self) -> str:
        return f"whether {self.model.name} knows {self.examples.task.name} {self.examples.split}"

    @property
    def estimate(self) -> float:
        return reading(self.model, self.examples) + reading(self.model, self.unseen)

    def resources(self, settings: Settings) -> Resources:
        return to_score_tokens(self.model, self.examples, settings)

    def run(self, ctx: Context) -> MemberScores:
        from outgrow.training.membership import membership
        from outgrow.training.network import open_network
        from outgrow.training.word_classifier import held_out_log_odds

        folder = ctx.load(self.start).folder if self.start else self.model.folder(ctx.settings)
        network = open_network(folder, "tokens", ctx.settings)
        if not network.causal:
            raise UserError(f"{self.model.name} is an encoder: leakage needs a causal model, such as ladder/knight")
        sets = [ctx.load(each) for each in (self.examples, self.unseen)]
        texts = [solved(step.task, each) for step, each in zip((self.examples, self.unseen), sets, strict=True)]
        scores, lengths = zip(*(membership(network, own, self.share, ctx.progress) for own in texts), strict=True)
        places = matched(*lengths)
        rows = [each.rows[i] for each, own in zip(sets, places, strict=True) for i in own.tolist()]
        groups = tuple(row.group for row in rows)
        count = len(places[0])
        if min(len(set(groups[:count])), len(set(groups[count:]))) < FEWEST:
            raise UserError(
                f"only {count} of the unseen examples are as long as those of {self.examples.task.name}: give others"
            )
        tested = np.arange(len(rows)) < count
        words = [f"{own[i].given} {own[i].text}" for own, at in zip(texts, places, strict=True) for i in at.tolist()]
        return MemberScores(
            ids=tuple(row.id for row in rows),
            groups=groups,
            tested=tested,
            score=np.concatenate([own[at] for own, at in zip(scores, places, strict=True)]),
            blind=held_out_log_odds(words, tested.astype(np.int64), groups),
        )
