"""The base class of tasks: rows with answers, split by a hash of their group, and a score for predictions."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from outgrow.cache import cached
from outgrow.content import digest_of_code
from outgrow.naming import alias
from outgrow.ranges import SHARE, check_ranges
from outgrow.text.near import Near, Similarity
from outgrow.types import Example, Examples, Labels, Scores, UserError
from outgrow.types import Readout as Readout

Split = Literal["weak_train", "transfer", "transfer_validation", "validation", "test"]

Facet = float | str | tuple[str, ...]  # a tuple for an example that belongs to several categories

SPLITS: tuple[Split, ...] = ("weak_train", "transfer", "transfer_validation", "validation", "test")
# A split loses its near-duplicates of rows in earlier splits. So test stays complete, and transfer, the largest split,
# loses most.
DECONTAMINATION_ORDER: tuple[Split, ...] = ("test", "validation", "transfer_validation", "weak_train", "transfer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An example and its ground truth. answer: a probability for each choice; several choices may be right."""

    example: Example
    answer: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """Unlabelled text for language-model training: the loss is on `text`, with `given` as context."""

    given: str = ""
    text: str


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The fraction of the groups that each split gets. Raises UserError unless they sum to 1."""

    kind: ClassVar[str] = "task/shares"

    weak_train: float = 0.34
    transfer: float = 0.40  # room for the fresh parts of a bootstrapping chain
    transfer_validation: float = 0.04
    validation: float = 0.05
    test: float = 0.17

    def __post_init__(self) -> None:
        check_ranges(self, **dict.fromkeys(SPLITS, SHARE))
        if abs(sum(getattr(self, split) for split in SPLITS) - 1) > 1e-6:
            values = ", ".join(f"{split} {getattr(self, split):g}" for split in SPLITS)
            raise UserError(f"shares are {values}: make them sum to 1")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Base class of tasks. Subclass it, add fields, implement `pinned` and `load`.

    The digest of the data, which `pinned` fills in, enters cache keys; paths do not.
    """

    kind: ClassVar[str]  # not needed by a plug-in from outside the package
    version: ClassVar[int] = 2  # 2: larger shares for the training splits
    readout: ClassVar[Readout] = "head"
    soft_labels: ClassVar[bool] = True  # whether weak labels are soft by default, or hardened
    sizes: ClassVar[dict[Split, int | None]] = {}  # default number of examples of a split; None: all

    shares: Shares = Shares()
    alias: str = alias()  # set by an experiment that has several tasks of the same short name

    @property
    def name(self) -> str:
        """The name in tables and recipes: `text/reviews`, or `text/a/reviews` beside `text/b/reviews`."""
        return self.alias or self.short_name

    @property
    def short_name(self) -> str:
        """The name, unless another task of the experiment has the same."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @property
    def location(self) -> Path | None:
        """The file that the user gave. Its path distinguishes tasks of the same short name."""
        return None

    def pinned(self) -> Self:
        """A copy with the digest of its data filled in. Raises UserError for a missing file."""
        raise NotImplementedError

    def load(self) -> Source:
        """All usable rows. They do not depend on split, seed or model. Cache the result: it is called often."""
        raise NotImplementedError

    @property
    def similarity(self) -> Similarity | None:
        """The criterion for near-duplicates, for the decontamination of splits. Default: None, no decontamination."""
        return None

    def texts(self, example: Example) -> tuple[str, ...]:
        """The texts that a model reads: the prompt, or for the readout "pair" the prompt with each choice appended."""
        return tuple(example.prompt + choice for choice in (example.choices if self.readout == "pair" else ("",)))

    def examples(
        self, split: Split, n: int | None, seed: int, part: int = 0, too_long: Set[str] = frozenset()
    ) -> Examples:
        """`n` examples of a split; all of them if n is None.

        Which rows belong to a split does not depend on the seed. The seed only draws the subset of weak_train and
        transfer; the subsets of the other splits are the same for all seeds. Splits are decontaminated in the order
        `DECONTAMINATION_ORDER`. part: 0 for the first `n` examples in the seed's order, 1 for the next `n` that share
        no group with them, and so on. too_long: ids to leave out.

        Raises UserError if the split has fewer examples.
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

    def _refuse_too_few(self, split: Split, n: int | None, part: int, available: int) -> None:
        if not available and not part:
            raise UserError(f"task {self.name}: split {split} is empty: more rows or more groups are needed")
        if n is None or n <= available:
            return
        if part:
            raise UserError(
                f"task {self.name}: a chain takes a fresh part of {split} for each step, {n} examples a part, and "
                f'there are {available} for part {part + 1}: ask for fewer, or set chain_data = "same"'
            )
        raise UserError(f"task {self.name}: {n} examples asked for but split {split} has {available}: ask for fewer")

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """Metadata of examples, such as difficulty or category: from the facet's name to a value for each id.

        Reports break results down by facet. Models never see facets, since an Example has none. Facets are optional for
        an example, but the names of all facets are always present. Default: no facets.
        """
        return {}

    @property
    def regret_digest(self) -> str:
        """A digest of what `regret` reads, which is in the keys of its readers; "" for a task that knows none. Default:
        ""."""
        return ""

    @property
    def regret_advice(self) -> str:
        """Where `regret` says nothing of any example that is scored: what to do. Default: use another task."""
        return "use a task of chess moves, chess-puzzles or chess-preferences"

    def regret(self, examples: Examples) -> Mapping[str, tuple[float, ...]]:
        """What each choice loses beside the best one, for examples where it is known: in chess, win probability.

        Like ground truth it is for scores alone. Default: unknown.
        """
        return {}

    def drawing(self, example: Example, marked: Mapping[str, str]) -> str:
        """An example as a picture for people: SVG without scripts, or "" for a text that is read as it is. Default: "".

        marked: choices to mark, by what each is: `right`, or a role such as `student`.
        """
        return ""

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """Unlabelled text of `examples` for language-model training, in their order; an example may have none.

        Default: their prompts. Passages must not contain an answer or anything that depends on it.
        """
        return tuple(Passage(text=row.prompt) for row in examples.rows)

    def solved(self, example: Example, answer: str) -> Passage:
        """An example with its answer, as a corpus that leaks it would show it. Default: the prompt, then the answer."""
        return Passage(text=example.prompt + answer)

    def score(self, predictions: Labels, examples: Examples, gold: Labels) -> Scores:
        """1 for each example whose most probable choice has gold probability above 0, else 0.

        Raises UserError if predictions or gold lack an example.
        """
        truth = gold.aligned(examples)
        predicted = predictions.aligned(examples).hard()
        correct = (truth.probability_of(predicted) > 0).astype(np.float64)
        return Scores(ids=examples.ids, groups=examples.groups, correct=correct)


def ground_truth(task: Task, examples: Examples) -> Labels:
    """The ground truth of examples. Not a method of Task: fits and supervisors must not use it."""
    answers = task.load().answers
    return Labels.from_rows(examples.ids, [answers[id] for id in examples.ids])


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """The examples of each split, and the number of near-duplicates that were removed from it."""

    rows: Mapping[Split, tuple[Example, ...]]
    near_duplicates: Mapping[Split, int]


class Source:
    """The rows of a task, as read from its files. dropped: the number of rows left out, by reason.

    Raises UserError for an id that occurs twice.
    """

    def __init__(self, rows: list[Row], dropped: Counter[str] | None = None) -> None:
        self.rows = rows
        self.dropped = tuple(sorted((dropped or Counter()).items()))
        self._members: dict[tuple[Shares, Similarity | None, Readout], Members] = {}
        if len({row.example.id for row in rows}) != len(rows):
            duplicate = Counter(row.example.id for row in rows).most_common(1)[0][0]
            raise UserError(f"two rows share the id {duplicate!r}: give every row an id of its own")

    @cached_property
    def answers(self) -> dict[str, tuple[float, ...]]:
        """The answer of each row, by id."""
        return {row.example.id: row.answer for row in self.rows}

    def members(self, task: Task) -> Members:
        """The decontaminated splits; computed once for all seeds and sizes."""
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
        return Members(rows={split: tuple(members) for split, members in splits.items()}, near_duplicates=counts)
    texts = {split: _Texts(task, splits[split]) for split in DECONTAMINATION_ORDER}
    key = [_content(texts), task.similarity.share, task.similarity.template, digest_of_code("tasks", "text")]
    near = cached("near-duplicates", key, partial(_near_duplicates, texts, task.similarity))
    for split, places in near.items():
        counts[split], left_out = len(places), set(places)
        splits[split] = [row for i, row in enumerate(splits[split]) if i not in left_out]
    return Members(rows={split: tuple(members) for split, members in splits.items()}, near_duplicates=counts)


@dataclass(frozen=True)
class _Texts:
    """The texts of the examples of a split, made when they are read."""

    task: Task
    rows: Sequence[Example]

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return (self.task.texts(row) for row in self.rows)


def _content(texts: Mapping[Split, _Texts]) -> str:
    """A digest of all texts, in their order."""
    found = hashlib.sha256()
    for split, examples in texts.items():
        found.update(f"{split} {len(examples.rows)}\n".encode())
        for own in examples:
            found.update("".join(f"{len(text)} {text}\n" for text in own).encode(errors="surrogatepass"))
    return found.hexdigest()


def _near_duplicates(texts: Mapping[Split, _Texts], similarity: Similarity) -> dict[Split, list[int]]:
    """Which examples of each split have a text that is near one of an earlier split."""
    index = Near((), similarity.share, similarity.template)
    found: dict[Split, list[int]] = {}
    for split, examples in texts.items():
        owners = np.repeat(np.arange(len(examples.rows)), [len(own) for own in examples])
        found[split] = index.grow((text for own in examples for text in own), owners).tolist()
    return found


def split_of(group: str, shares: Shares) -> Split:
    """The split of a group. It depends on nothing but a hash of the group and the shares."""
    position = _hash("split", group) / 2**64
    return next((split for split, edge in _edges(shares) if position < edge), "test")


@lru_cache(maxsize=64)
def _edges(shares: Shares) -> tuple[tuple[Split, float], ...]:
    """Where the share of each split ends, from 0 to 1."""
    return tuple(zip(SPLITS, itertools.accumulate(float(getattr(shares, split)) for split in SPLITS), strict=True))


def _hash(salt: str, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest(), "big")
