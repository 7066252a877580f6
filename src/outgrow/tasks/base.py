"""What a task is: rows with answers, split by a hash of their group, and a rule to score an answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from outgrow.naming import alias
from outgrow.ranges import SHARE, check_ranges
from outgrow.text.near import Near, Similarity
from outgrow.types import Example, Examples, Labels, Scores, UserError
from outgrow.types import Readout as Readout

Split = Literal["weak_train", "transfer", "transfer_validation", "validation", "test"]

Facet = float | str | tuple[str, ...]  # a tuple: an example that is of several kinds at once

SPLITS: tuple[Split, ...] = ("weak_train", "transfer", "transfer_validation", "validation", "test")
# Each split loses the near-duplicates of the splits before it: test stays whole, and transfer, the largest, loses most.
DECONTAMINATION_ORDER: tuple[Split, ...] = ("test", "validation", "transfer_validation", "weak_train", "transfer")


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

    kind: ClassVar[str] = "task/shares"

    weak_train: float = 0.34
    transfer: float = 0.40  # room for the fresh parts of a bootstrapping chain
    transfer_validation: float = 0.04
    validation: float = 0.05
    test: float = 0.17

    def __post_init__(self) -> None:
        check_ranges(self, **dict.fromkeys(SPLITS, SHARE))
        if abs(sum(getattr(self, split) for split in SPLITS) - 1) > 1e-6:
            shown = ", ".join(f"{split} {getattr(self, split):g}" for split in SPLITS)
            raise UserError(f"shares are {shown}: make them sum to 1")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Subclass it, add fields, write `load`. Content enters the identity by digest: `pinned` fills it in."""

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 2  # 2: larger shares for the training splits
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
    def location(self) -> Path | None:
        """The file that the user named, whose path tells tasks of one short name apart."""
        return None

    def pinned(self) -> Self:
        """This task with the digest of its content filled in; a missing file is a UserError."""
        raise NotImplementedError

    def load(self) -> Source:
        """Every usable row, and what was left out. The same for every split, seed and model; read once a process."""
        raise NotImplementedError

    @property
    def similarity(self) -> Similarity | None:
        """When two examples are near-duplicates. Default: never, and the splits are those of the groups alone."""
        return None

    def texts(self, example: Example) -> tuple[str, ...]:
        """What a model reads of an example: its prompt, or, where choices are scored, the prompt with each choice."""
        return tuple(example.prompt + choice for choice in (example.choices if self.readout == "pair" else ("",)))

    def examples(
        self, split: Split, n: int | None, seed: int, part: int = 0, too_long: Set[str] = frozenset()
    ) -> Examples:
        """`n` examples of a split (all where None), none of them near one of an earlier split in `DECONTAMINATED`.

        Membership is the same for every seed; the seed draws the subset of the training splits. Validation and test
        subsets are the same for all seeds and models. part: 0 for the first `n` of the seed's order, 1 for the next
        `n` that share no group with these, and so on. too_long: ids to leave out.

        Raises UserError where the split has fewer.
        """
        source = self.load()
        members = source.members(self)
        rows = [row for row in members.rows[split] if row.id not in too_long]
        dropped = Counter(dict(source.dropped))
        dropped[f"near-duplicate of a row in another split ({split})"] = members.near_duplicates[split]
        dropped[f"longer than a model reads ({split})"] = len(members.rows[split]) - len(rows)
        salt = f"{seed}" if split in ("weak_train", "transfer") else "fixed"
        rows.sort(key=lambda example: _hash(salt, example.id))
        taken = set[str]()
        for _ in range(part):
            taken |= {row.group for row in rows[:n]}
            rows = [row for row in rows if row.group not in taken]
        self._refuse_too_few(split, n, part, len(rows))
        return Examples(rows=tuple(rows[:n]), dropped=tuple(sorted((+dropped).items())))

    def _refuse_too_few(self, split: Split, n: int | None, part: int, there: int) -> None:
        if not there and not part:
            raise UserError(f"task {self.name}: split {split} is empty: more rows or more groups are needed")
        if n is None or n <= there:
            return
        if part:
            raise UserError(
                f"task {self.name}: a chain takes a fresh part of {split} for each step, {n} examples a part, and "
                f'there are {there} for part {part + 1}: ask for fewer, or say chain_data = "same"'
            )
        raise UserError(f"task {self.name}: {n} examples asked for but split {split} has {there}: ask for fewer")

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
        correct = (truth.of(chosen) > 0).astype(np.float64)
        return Scores(ids=examples.ids, groups=examples.groups, correct=correct)


def ground_truth(task: Task, examples: Examples) -> Labels:
    """The ground truth of examples. It is no method of a task: who fits or labels has a task, and must not ask it."""
    answers = task.load().answers
    return Labels.from_rows(examples.ids, [answers[id] for id in examples.ids])


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The examples of each split, and how many more were left out of it as near-duplicates."""

    rows: Mapping[Split, tuple[Example, ...]]
    near_duplicates: Mapping[Split, int]


class Source:
    """The rows of a task, as read from its files. `dropped` counts what was left out, by reason."""

    def __init__(self, rows: list[Row], dropped: Counter[str] | None = None) -> None:
        self.rows = rows
        self.answers = {row.example.id: row.answer for row in rows}
        self.dropped = tuple(sorted((dropped or Counter()).items()))
        self._members: dict[tuple[Shares, Similarity | None, Readout], Members] = {}
        if len(self.answers) != len(rows):
            twice = Counter(row.example.id for row in rows).most_common(1)[0][0]
            raise UserError(f"two rows share the id {twice!r}: give every row an id of its own")

    def members(self, task: Task) -> Members:
        """Which rows each split has: found once for all seeds and sizes."""
        key = (task.shares, task.similarity, task.readout)
        if key not in self._members:
            self._members[key] = _members([row.example for row in self.rows], task)
        return self._members[key]


def _members(rows: list[Example], task: Task) -> Members:
    splits: dict[Split, list[Example]] = {split: [] for split in SPLITS}
    for row in rows:
        splits[split_of(row.group, task.shares)].append(row)
    counts = dict.fromkeys(SPLITS, 0)
    if task.similarity is None:
        return Members(rows={split: tuple(own) for split, own in splits.items()}, near_duplicates=counts)
    index = Near((), task.similarity.share, task.similarity.template)
    for split in DECONTAMINATION_ORDER:
        texts = [task.texts(row) for row in splits[split]]
        owner = np.repeat(np.arange(len(texts)), [len(own) for own in texts])
        near = set(owner[index.find([text for own in texts for text in own])].tolist())
        counts[split] = len(near)
        splits[split] = [row for i, row in enumerate(splits[split]) if i not in near]
        index.add(text for i, own in enumerate(texts) if i not in near for text in own)
    return Members(rows={split: tuple(own) for split, own in splits.items()}, near_duplicates=counts)


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
