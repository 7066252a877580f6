"""Reward modelling: which of two texts is preferred (Burns et al. 2023, section 4.2). Bradley and Terry's model: each
text gets one score, and the chance that it is preferred is the softmax of both."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks.base import Passage, Readout, Row, Source, Task
from outgrow.tasks.text import on_this_machine
from outgrow.text import tables
from outgrow.text.near import Similarity
from outgrow.text.normal import caseless, normal_form, readable
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, Examples, UserError


@dataclass(frozen=True, kw_only=True)
class Reward(Task):
    """Reward: choose the preferred of two texts, from any file with the columns `chosen` and `rejected`.

    As in TRL: with or without a column `prompt`, which is what both continue; each cell a text, or a conversation, a
    list of `{"role": ..., "content": ...}` whose content is a text or a list of parts of text. `chosen` and `rejected`
    have the same form. Without a prompt it is the paragraphs, or messages, that both begin with. Pairs with a message
    that is no text (a tool call, an image) are left out and counted.

    path: the file, as in `text`; `*` stands for any characters: all files that match. Pairs with one prompt are one
    group; without prompts those with one text in common, of each pair the one that its hash picks, so that chains of
    pairs do not end in one group. Texts are compared in their normal form, without case, as in `text`. max_chars: pairs
    with a longer text are left out. near_share: a pair leaves its split if one of its texts is near one of an earlier
    split, as in `text`; 0 lets all stay.
    """

    kind: ClassVar[str] = "task/reward"
    version: ClassVar[int] = 3  # 3: texts have one normal form and line end, and splits are decontaminated
    readout: ClassVar[Readout] = "pair"

    path: str = not_hashed()
    digest: str = ""
    max_chars: int = 2000
    near_share: float = 0.5

    def __post_init__(self) -> None:
        check_ranges(self, near_share=SHARE, max_chars=whole(1))

    @property
    def short(self) -> str:
        """`reward/hh_harmless` for hh_harmless_*.jsonl.gz."""
        return f"reward/{self.location.name.partition('.')[0].rstrip('*_-')}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    def files(self) -> list[Path]:
        path = on_this_machine(self.path)
        try:
            found = sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is no pattern of files ({error}): check the path") from None
        if not found:
            raise UserError(f"no file matches {path}: check the path")
        return found

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files(self.files()))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """Both texts of every pair: which one is preferred stays unsaid."""
        return tuple(Passage(given=row.prompt, text=choice) for row in examples.rows for choice in row.choices)

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share) if self.near_share else None


def preference(group: str, prompt: str, better: str, worse: str) -> Row:
    """A pair, and which one is better. Their order is that of their hashes: it knows nothing of what they say."""
    first, second = sorted((better, worse), key=lambda choice: _hash(f"{prompt}\0{choice}"))
    example = Example(id=_hash("\0".join((prompt, first, second))), group=group, prompt=prompt, choices=(first, second))
    return Row(example=example, answer=(float(first == better), float(second == better)))


@lru_cache(maxsize=4)
def _load(task: Reward) -> Source:
    """The pairs of a pinned task; files that have changed since are a UserError."""
    files = task.files()
    refuse_changed(files, task.digest)
    dropped: Counter[str] = Counter()
    rows: dict[str, Row] = {}  # by the hash of a pair's normal forms
    disputed: set[str] = set()
    for prompt, better, worse in (pair for file in files for pair in _pairs(file, dropped)):
        asked, preferred, other = caseless(prompt), caseless(better), caseless(worse)
        if not (preferred and other):
            dropped["a text is missing"] += 1
        elif preferred == other:
            dropped["both texts are the same"] += 1
        elif len(prompt) + max(len(better), len(worse)) > task.max_chars:
            dropped[f"longer than {task.max_chars} characters"] += 1
        elif (same := _hash("\0".join((asked, *sorted((preferred, other)))))) in rows:
            dropped["same pair again"] += 1
            if _preferred(rows[same]) != preferred:
                disputed.add(same)
        else:
            group = min(_hash(text) for text in ([asked] if asked else [preferred, other]))
            rows[same] = preference(group, prompt, better, worse)
    if disputed:
        dropped["same pair, different preferences"] = len(disputed)
    if len(rows) == len(disputed):
        raise UserError(f"{files[0]}: no pair can be used: look at chosen, rejected and max_chars")
    return Source([row for same, row in rows.items() if same not in disputed], dropped)


def _preferred(row: Row) -> str:
    """The normal form of the better text."""
    return caseless(row.example.choices[row.answer.index(1.0)])


def _pairs(file: Path, dropped: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Prompt, chosen and rejected text of every row that has no more than text."""
    table = tables.read(file)
    for name in ("chosen", "rejected"):
        if name not in table.columns:
            raise UserError(f"{file} has no column {name!r}: it has {tables.listed(table.columns)}")
    for number, row in table.rows:
        cells = [row.get(name) for name in ("prompt", "chosen", "rejected")]
        if None not in cells[1:] and isinstance(cells[1], list) != isinstance(cells[2], list):
            raise UserError(f"{file}, row {number}: chosen and rejected have different forms: make both a conversation")
        try:
            prompt, better, worse = map(_messages, cells)
        except _NoTextError:
            dropped["a message that is no text"] += 1
            continue
        except TypeError:
            raise UserError(f"{file}, row {number}: a cell is neither a text nor a list of role and content") from None
        if not any(prompt):
            prompt = [one for one, other in _alike(better, worse)]
            better, worse = better[len(prompt) :], worse[len(prompt) :]
        yield "".join(prompt), "".join(better), "".join(worse)


class _NoTextError(Exception):
    """A message calls a tool, or holds an image or another part that is no text."""


def _messages(cell: Any) -> list[str]:
    """A conversation's messages that say something, or a text's paragraphs, each with the blank line after it.

    TypeError where a cell is neither."""
    if isinstance(cell, list):
        return [message for each in cell if (message := _message(each))]
    if cell is None:
        return []
    if not isinstance(cell, str):
        raise TypeError
    *paragraphs, last = readable(cell).split("\n\n")
    return [f"{paragraph}\n\n" for paragraph in paragraphs] + [last]


def _message(each: Any) -> str:
    """One message of a conversation; nothing where it is empty."""
    if not isinstance(each, dict) or not isinstance(role := each.get("role"), str) or not role.strip():
        raise TypeError
    if each.get("tool_calls") or each.get("function_call"):
        raise _NoTextError
    match each.get("content"):
        case str(text):
            pass
        case None:
            text = ""
        case list(parts):
            text = "".join(map(_part, parts))
        case _:
            raise TypeError
    return f"{readable(role).capitalize()}: {readable(text)}\n\n" if text.strip() else ""


def _part(part: Any) -> str:
    """The text of one part of a message."""
    match part:
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text
        case {"type": str()}:
            raise _NoTextError
    raise TypeError


def _alike(better: list[str], worse: list[str]) -> list[tuple[str, str]]:
    """What both begin with, never all of either."""
    pairs = list(zip(better, worse, strict=False))[: min(len(better), len(worse)) - 1]
    return list(takewhile(lambda pair: pair[0] == pair[1] or normal_form(pair[0]) == normal_form(pair[1]), pairs))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
