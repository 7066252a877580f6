"""What a task is: rows with answers, split by a hash of their group, and a rule to score an answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from outgrow.naming import alias
from outgrow.types import Example, Examples, Labels, Scores, UserError

Readout = Literal["head", "tokens", "pair"]
Split = Literal["weak_train", "transfer", "transfer_validation", "validation", "test"]

Facet = float | str | tuple[str, ...]  # a tuple: an example that is of several kinds at once

SPLITS: tuple[Split, ...] = ("weak_train", "transfer", "transfer_validation", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An example and its ground truth: `answer` is a probability for each choice (several may be right)."""

    example: Example
    answer: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """Text to read without labels: what a language model learns to continue `given` with. Nothing given: all of it."""

    given: str = ""
    text: str


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The share of the groups that each split gets; they sum to 1."""

    weak_train: float = 0.34
    transfer: float = 0.40  # room for the fresh parts of a bootstrapping chain
    transfer_validation: float = 0.04
    validation: float = 0.05
    test: float = 0.17


@dataclass(frozen=True, kw_only=True)
class Task:
    """Subclass it, add fields, write `load`. Content enters the identity by digest: `pinned` fills it in."""

    version: ClassVar[int] = 2  # 2: larger shares for the training splits
    # A head of k classes; the probabilities of the choices as next tokens; or a score of each choice after the prompt.
    readout: ClassVar[Readout] = "head"
    soft_labels: ClassVar[bool] = True  # what a supervisor hands over unless the experiment says otherwise
    sizes: ClassVar[dict[Split, int | None]] = {}  # examples a split unless the experiment says otherwise; None: all

    shares: Shares = Shares()
    alias: str = alias()  # given by an experiment where several tasks have one short name

    @property
    def name(self) -> str:
        """The name in tables and recipes: `text/reviews`, or `text/a/reviews` beside `text/b/reviews`."""
        return self.alias or self.short

    @property
    def short(self) -> str:
        """The name where no other task of an experiment has it."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    def place(self) -> Path | None:
        """The file that the user named, whose path tells tasks of one short name apart."""
        return None

    def pinned(self) -> Self:
        """This task with the digest of its content filled in; a missing file is a UserError."""
        raise NotImplementedError

    def load(self) -> Source:
        """Every usable row, and what was left out. The same for every split, seed and model; read once a process."""
        raise NotImplementedError

    @property
    def keeps_apart(self) -> bool:
        """Whether `near` finds anything, so that the other splits must know the test examples."""
        return False

    def near(self, rows: list[Example], test: Examples) -> set[str]:
        """The ids of rows that say nearly what a test example says: they leave the other splits. Default: none."""
        return set()

    def examples(self, split: Split, n: int | None, seed: int, far_from: Examples | None = None) -> Examples:
        """`n` examples of a split (all where None), none of them near one of `far_from`, the test examples.

        Membership is the same for every seed; the seed draws the subset of the training splits. Validation and test
        subsets are the same for all seeds and models.
        """
        source = self.load()
        rows = [row.example for row in source.rows if split_of(row.example.group, self.shares) == split]
        dropped = Counter(dict(source.dropped))
        if far_from is not None and (near := self.near(rows, far_from)):
            rows = [row for row in rows if row.id not in near]
            dropped[f"near a test example ({split})"] = len(near)
        if n is not None and n > len(rows):
            raise UserError(
                f"task {self.name}: {n} examples asked for but split {split} has {len(rows)}: ask for fewer"
            )
        if not rows:
            raise UserError(f"task {self.name}: split {split} is empty: more rows or more groups are needed")
        salt = f"{seed}" if split in ("weak_train", "transfer") else "fixed"
        rows.sort(key=lambda example: _hash(salt, example.id))
        return Examples(rows=tuple(rows[:n]), dropped=tuple(sorted(dropped.items())))

    def gold(self, examples: Examples) -> Labels:
        """The ground truth of `examples`."""
        answers = self.load().answers
        return Labels.from_rows(examples.ids, [answers[id] for id in examples.ids])

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """What else is known of examples (how hard, of what kind), by the facet's name and the example's id.

        Results are shown by facet; no Example holds one, so no model sees any. A facet is named even where it is known
        of none of these examples. Default: nothing is known.
        """
        return {}

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """What a language model may read of `examples` before any label, in their order; some may have nothing.

        Default: their prompts. Never an answer, nor what follows from one.
        """
        return tuple(Passage(text=row.prompt) for row in examples.rows)

    def score(self, predictions: Labels, examples: Examples, gold: Labels) -> Scores:
        """1 where the most probable choice is one of the right ones, else 0."""
        truth = gold.aligned(examples)
        chosen = predictions.aligned(examples).hard()
        correct = np.array([float(truth.row(i)[choice] > 0) for i, choice in enumerate(chosen)], dtype=np.float64)
        return Scores(ids=examples.ids, groups=examples.groups, correct=correct)


class Source:
    """The rows of a task, as read from its files. `dropped` counts what was left out, by reason."""

    def __init__(self, rows: list[Row], dropped: Counter[str] | None = None) -> None:
        self.rows = rows
        self.answers = {row.example.id: row.answer for row in rows}
        self.dropped = tuple(sorted((dropped or Counter()).items()))
        if len(self.answers) != len(rows):
            twice = Counter(row.example.id for row in rows).most_common(1)[0][0]
            raise UserError(f"two rows share the id {twice!r}: give every row an id of its own")


def split_of(group: str, shares: Shares) -> Split:
    """The split of a group: by hash, so that it depends on nothing else."""
    position, edge = _hash("split", group) / 2**64, 0.0
    for split in SPLITS:
        edge += float(getattr(shares, split))
        if position < edge:
            return split
    return "test"


def _hash(salt: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest(), "big")
