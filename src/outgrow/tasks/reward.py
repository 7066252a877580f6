"""Reward modelling: which of two texts is preferred (Burns et al. 2023, section 4.2). Bradley and Terry's model: each
text gets one score, and the chance that it is preferred is the softmax of both."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.content import digest_of
from outgrow.graph import located
from outgrow.tasks.base import Passage, Readout, Row, Source, Task
from outgrow.tasks.text import normal, on_this_machine
from outgrow.text import tables
from outgrow.text.near import Near
from outgrow.types import Example, Examples, UserError


@dataclass(frozen=True, kw_only=True)
class Reward(Task):
    """Reward: choose the preferred of two texts, from any file with the columns `chosen` and `rejected`.

    As in TRL: with or without a column `prompt`, which is what both continue; each cell a text, or a conversation, a
    list of `{"role": ..., "content": ...}`. Without a prompt it is the paragraphs, or messages, that both begin with.
    path: the file, as in `text`; `*` stands for any characters: all files that match. Pairs with one prompt are one
    group; without prompts those with one text in common, of each pair the one that its hash picks, so that chains of
    pairs do not end in one group. max_chars: pairs with a longer text are left out. near_share: training and validation
    pairs leave if a text of theirs is near one of a test pair's, as in `text`; 0 lets all stay.
    """

    readout: ClassVar[Readout] = "pair"

    path: str = located()
    digest: str = ""
    max_chars: int = 2000
    near_share: float = 0.5

    @property
    def short(self) -> str:
        """`reward/hh_harmless` for hh_harmless_*.jsonl.gz."""
        return f"reward/{self.place.name.partition('.')[0].rstrip('*_-')}"

    @property
    def place(self) -> Path:
        return Path(self.path)

    def files(self) -> list[Path]:
        path = on_this_machine(self.path)
        found = sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
        if not found:
            raise UserError(f"no file matches {path}: check the path")
        return found

    def pinned(self) -> Self:
        return replace(self, digest=_digest(self.files()))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """Both texts of every pair: which one is preferred stays unsaid."""
        return tuple(Passage(given=row.prompt, text=choice) for row in examples.rows for choice in row.choices)

    @property
    def keeps_apart(self) -> bool:
        return self.near_share > 0

    def near(self, rows: list[Example], test: Examples) -> set[str]:
        if not self.near_share:
            return set()
        index = Near((text for row in test.rows for text in texts(row)), self.near_share)
        return {row.id for row in rows if any(text in index for text in texts(row))}


def texts(example: Example) -> tuple[str, ...]:
    """What is scored: the prompt with each choice."""
    return tuple(example.prompt + choice for choice in example.choices)


def preference(group: str, prompt: str, better: str, worse: str) -> Row:
    """A pair, and which one is better. Their order is that of their hashes: it knows nothing of what they say."""
    first, second = sorted((better, worse), key=lambda choice: _hash(f"{prompt}\0{choice}"))
    example = Example(id=_hash("\0".join((prompt, first, second))), group=group, prompt=prompt, choices=(first, second))
    return Row(example=example, answer=(float(first == better), float(second == better)))


@lru_cache(maxsize=4)
def _load(task: Reward) -> Source:
    """The pairs of a pinned task; files that have changed since are a UserError."""
    files = task.files()
    if _digest(files) != task.digest:
        raise UserError(f"{files[0]} has changed since the experiment was planned: run it again")
    dropped: Counter[str] = Counter()
    pairs = [pair for file in files for pair in _pairs(file)]
    rows: dict[str, Row] = {}
    disputed: set[str] = set()
    for prompt, better, worse in pairs:
        group = min(_hash(normal(text)) for text in ([prompt] if prompt else [better, worse]))
        row = preference(group, prompt, better, worse)
        if not (better.strip() and worse.strip()):
            dropped["a text is missing"] += 1
        elif better == worse:
            dropped["both texts are the same"] += 1
        elif max(map(len, texts(row.example))) > task.max_chars:
            dropped[f"longer than {task.max_chars} characters"] += 1
        elif rows.setdefault(row.example.id, row) is not row:
            dropped["same pair again"] += 1
            if rows[row.example.id].answer != row.answer:
                disputed.add(row.example.id)
    if disputed:
        dropped["same pair, different preferences"] = len(disputed)
    if len(rows) == len(disputed):
        raise UserError(f"{files[0]}: no pair can be used: look at chosen, rejected and max_chars")
    return Source([row for id, row in rows.items() if id not in disputed], dropped)


def _pairs(file: Path) -> Iterator[tuple[str, str, str]]:
    """Prompt, chosen and rejected text of every row."""
    table = tables.read(file)
    for name in ("chosen", "rejected"):
        if name not in table.columns:
            raise UserError(f"{file} has no column {name!r}: it has {', '.join(table.columns)}")
    for number, row in table.rows:
        try:
            prompt, better, worse = (_messages(row.get(name)) for name in ("prompt", "chosen", "rejected"))
        except (TypeError, KeyError):
            raise UserError(f"{file}, row {number}: a cell is neither a text nor a list of role and content") from None
        if not any(prompt):
            prompt = [one for one, other in _alike(better, worse)]
            better, worse = better[len(prompt) :], worse[len(prompt) :]
        yield "".join(prompt), "".join(better), "".join(worse)


def _messages(cell: Any) -> list[str]:
    """A conversation's messages, or a text's paragraphs, each with the blank line after it."""
    if isinstance(cell, list):
        return [f"{each['role'].capitalize()}: {each['content']}\n\n" for each in cell]
    if not isinstance(cell, str | None):
        raise TypeError
    return (cell or "").replace("\n\n", "\n\n\0").split("\0")


def _alike(better: list[str], worse: list[str]) -> list[tuple[str, str]]:
    """What both begin with, never all of either."""
    most = min(len(better), len(worse)) - 1
    same = next((i for i in range(most) if better[i] != worse[i]), max(most, 0))
    return list(zip(better[:same], worse[:same], strict=True))


def _digest(files: list[Path]) -> str:
    """One file's own digest, or that of several together."""
    each = [digest_of(file) for file in files]
    return each[0] if len(each) == 1 else hashlib.sha256("".join(each).encode()).hexdigest()[:16]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
