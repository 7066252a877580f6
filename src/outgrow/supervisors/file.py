"""File: labels from a table: those of a language model, annotators, labelling functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.cache import cached
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Context, Settings, identity, not_hashed
from outgrow.supervisors.base import Supervisor, coverage_note, coverage_of, refuse_uncovered
from outgrow.tasks.base import Task
from outgrow.tasks.text import on_this_machine
from outgrow.text.label_files import LabelFile, LabelFormat, read_labels
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.training.language_model import Generative
from outgrow.types import Examples, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class File(LabelFormat, Supervisor):
    """Labels from a CSV, TSV, JSONL, JSON or Parquet file, also compressed (.gz, .zst). It may lack labels.

    path: the file, relative to the working directory; `~/` and a leading `$OUTGROW_DATA/` are expanded. The other
    fields say what its columns are (`LabelFormat`). Rows are joined to examples by id or prompt; rows that name no
    example are counted. Several annotators are an ensemble.
    """

    kind: ClassVar[str] = "supervisor/file"
    version: ClassVar[int] = 1  # raise it when the same file is read otherwise

    path: str = not_hashed()
    digest: str = ""

    @property
    def short_name(self) -> str:
        """The name without the column that distinguishes supervisors of one file: `file/llm` for llm.csv.gz."""
        return f"file/{self.location.name.partition('.')[0]}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    @property
    def name(self) -> str:
        """`file/llm`, or `file/llm (gpt)` for the labels of its column `gpt`."""
        columns = self.label or " + ".join(self.annotators)
        shown = ", ".join(filter(None, [columns, "" if self.form == "auto" else self.form]))
        name = self.alias or self.short_name
        return f"{name} ({shown})" if shown else name

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([on_this_machine(self.path)]))

    def check(self, setup: CellSetup, settings: Settings) -> None:
        refuse_uncovered(setup, self.path, self._coverage, "label them, or give the ids that the task has")

    def notes(self, setups: Sequence[CellSetup]) -> tuple[str, ...]:
        facts = self._facts(setups[0].task)
        by = f"{facts['annotators']} annotators label" if facts["annotators"] > 1 else "labels"
        unknown = f"{facts['unknown']:,} of its {facts['rows']:,} rows name no example of the task"
        repeated = [f"{facts['repeated']:,} labels are given twice"] if facts["repeated"] else []
        return (coverage_note(self.name, by, setups, self._coverage, [unknown, *repeated]),)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        names = cached("annotators", self._key(setup.task), lambda: self._read(setup.task).annotations.annotators)
        return tuple(FileLabels(examples=examples, file=self, annotator=name) for name in names)

    def _read(self, task: Task) -> LabelFile:
        """The labels for the examples of a task. Raises UserError that names the task."""
        return _read(self if self.digest else self.pinned(), task)

    def _key(self, task: Task) -> list[Any]:
        return [identity(self if self.digest else self.pinned()), identity(task)]

    def _facts(self, task: Task) -> dict[str, Any]:
        def facts() -> dict[str, Any]:
            found = self._read(task)
            counts = {"rows": found.rows, "unknown": found.unknown, "repeated": found.repeated}
            return {**counts, "annotators": len(found.annotations.annotators)}

        found: dict[str, Any] = cached("label-file", self._key(task), facts)
        return found

    def _coverage(self, examples: Prepare) -> dict[str, Any]:
        """How many of the examples have a label, and the only class of these labels, if there is but one."""

        def coverage() -> dict[str, Any]:
            return coverage_of(examples.read().rows, self._read(examples.task).annotations)

        found: dict[str, Any] = cached("coverage", [*self._key(examples.task), identity(examples)], coverage)
        return found


@dataclass(frozen=True, kw_only=True)
class FileLabels(LabelsStep):
    """The labels that a file has for examples, by one of its annotators."""

    kind: ClassVar[str] = "file_labels"
    known: ClassVar[bool] = True

    file: File
    annotator: str = ""

    @property
    def partial(self) -> bool:
        return True

    @property
    def title(self) -> str:
        return f"labels of {self.file.name} for {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        return self._of(ctx.load(self.examples))

    def read(self) -> Labels:
        return self._of(self.examples.read())

    def _of(self, examples: Examples) -> Labels:
        wanted = set(examples.ids)
        own = _by_annotator(self.file, self.examples.task)[self.annotator]
        return own.take(np.array([i for i, id in enumerate(own.ids) if id in wanted], dtype=np.int64))


@lru_cache(maxsize=8)
def _read(file: File, task: Task) -> LabelFile:
    path = on_this_machine(file.path)
    refuse_changed([path], file.digest)
    try:
        return read_labels(path, file, [row.example for row in task.load().rows])
    except UserError as error:
        raise UserError(f"task {task.name}: {error}") from None


@lru_cache(maxsize=8)
def _by_annotator(file: File, task: Task) -> dict[str, Labels]:
    annotations = _read(file, task).annotations
    return dict(zip(annotations.annotators, annotations.labels(), strict=True))
