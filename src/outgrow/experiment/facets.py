"""The step that reads a property of examples, such as how difficult they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.experiment.data import Prepare
from outgrow.graph import Context, Step
from outgrow.types import Doubles, UserError, read_parquet


@dataclass(frozen=True, kw_only=True, eq=False)
class Numbers:
    """A number for some of the examples. ids: theirs. values: float64 [n]."""

    ids: tuple[str, ...]
    values: Doubles

    def of(self, ids: tuple[str, ...]) -> Doubles:
        """The values of these examples, float64 [len(ids)], NaN where there is none."""
        known = dict(zip(self.ids, self.values.tolist(), strict=True))
        return np.array([known.get(id, np.nan) for id in ids])

    def save(self, folder: Path) -> None:
        """Write the numbers as Parquet."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(
            pa.table({"id": pa.array(self.ids, pa.string()), "value": self.values}), folder / "numbers.parquet"
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the numbers back."""
        table = read_parquet(folder / "numbers.parquet")
        return cls(ids=tuple(table["id"].to_pylist()), values=table["value"].to_numpy().astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class FacetNumbers(Step[Numbers]):
    """A facet of examples that has a number for each. No model reads it."""

    kind: ClassVar[str] = "facet"
    result: ClassVar[type[Any]] = Numbers

    examples: Prepare
    facet: str

    @property
    def title(self) -> str:
        return f"{self.facet} of {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Numbers:
        """The numbers. Raises UserError where the facet has words instead."""
        found = self.examples.task.facets(ctx.load(self.examples))[self.facet]
        if any(not isinstance(value, int | float) for value in found.values()):
            raise UserError(
                f"task {self.examples.task.name}: the facet {self.facet!r} has words, give one with numbers"
            )
        return Numbers(ids=tuple(found), values=np.array([float(str(value)) for value in found.values()]))
