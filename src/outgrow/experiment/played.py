"""The step that judges answers drawn at several temperatures, by ground truth and by what each choice loses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.graph import Context, Step
from outgrow.measures.temperature import GREEDY, expected, tempered
from outgrow.types import Doubles, Labels, UserError, read_parquet


@dataclass(frozen=True, kw_only=True, eq=False)
class Play:
    """How well answers are that are drawn from predictions, for N examples.

    right, lost: the expected accuracy and the expected loss at each temperature, float64 [T, N]; the last row is the
    most probable choice. guessed: both for a choice at random, [2, N].
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    right: Doubles
    lost: Doubles
    guessed: Doubles

    def of(self, ids: tuple[str, ...]) -> Play:
        """The same of these examples, in their order."""
        at = {id: i for i, id in enumerate(self.ids)}
        index = [at[id] for id in ids]
        tables = {name: getattr(self, name)[:, index] for name in ("right", "lost", "guessed")}
        return Play(ids=ids, groups=tuple(self.groups[i] for i in index), **tables)

    def save(self, folder: Path) -> None:
        """Write the tables as Parquet, a row for each example."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        def column(table: Doubles) -> Any:
            return pa.FixedSizeListArray.from_arrays(pa.array(table.T.reshape(-1)), len(table))

        names = {"id": pa.array(self.ids, pa.string()), "group": pa.array(self.groups, pa.string())}
        tables = {name: column(getattr(self, name)) for name in ("right", "lost", "guessed")}
        pq.write_table(pa.table(names | tables), folder / "play.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the tables back."""
        table = read_parquet(folder / "play.parquet")

        def of(name: str) -> Doubles:
            flat = table[name].combine_chunks().flatten().to_numpy()
            return np.ascontiguousarray(flat.reshape(len(table), -1).T, dtype=np.float64)

        ids, groups = (tuple(table[name].to_pylist()) for name in ("id", "group"))
        return cls(ids=ids, groups=groups, right=of("right"), lost=of("lost"), guessed=of("guessed"))


@dataclass(frozen=True, kw_only=True)
class Played(Step[Play]):
    """Answers that are drawn from predictions at each of the temperatures, and the most probable ones, on the examples
    that have a prediction and whose choices have known losses (`Task.regret`). It is a score: no fit reads it.

    digest: of what the choices lose.
    """

    kind: ClassVar[str] = "played"
    result: ClassVar[type[Any]] = Play

    predictions: LabelsStep
    examples: Prepare
    gold: Gold
    temperatures: tuple[float, ...]
    digest: str

    @property
    def title(self) -> str:
        return f"judge moves of {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Play:
        if self.examples.task.regret_digest != self.digest:
            raise UserError(f"{self.examples.task.name}: what choices lose has changed since the plan: run it again")
        examples, predictions = ctx.load(self.examples), ctx.load(self.predictions)
        regret, answered = self.examples.task.regret(examples), set(predictions.ids)
        rows = tuple(row for row in examples.rows if row.id in regret and row.id in answered)
        some = replace(examples, rows=rows)
        losses = np.concatenate([np.zeros(0), *(regret[id] for id in some.ids)])
        truth = ctx.load(self.gold).aligned(some)
        return play(predictions.aligned(some), truth, losses, some.groups, self.temperatures)


def play(
    predictions: Labels, truth: Labels, losses: Doubles, groups: tuple[str, ...], temperatures: tuple[float, ...]
) -> Play:
    """The expected accuracy and loss of answers drawn at each temperature, and of the most probable ones.

    predictions, truth: of the same examples, in the same order. losses: of each of their choices, flat.
    """
    if not len(predictions):
        nothing = np.zeros((len(temperatures) + 1, 0))
        return Play(ids=(), groups=(), right=nothing, lost=nothing, guessed=np.zeros((2, 0)))
    right, offsets = (truth.probs > 0).astype(np.float64), predictions.offsets
    drawn = [tempered(predictions.probs.astype(np.float64), offsets, each) for each in (*temperatures, GREEDY)]
    guess = np.repeat(1.0 / predictions.widths, predictions.widths)
    return Play(
        ids=predictions.ids,
        groups=groups,
        right=np.array([expected(right, probs, offsets) for probs in drawn]),
        lost=np.array([expected(losses, probs, offsets) for probs in drawn]),
        guessed=np.array([expected(right, guess, offsets), expected(losses, guess, offsets)]),
    )
