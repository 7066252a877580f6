"""Reward modelling: which of two texts is preferred (Burns et al. 2023, section 4.2).

Bradley-Terry model: each text gets a score, and the preference probabilities are the softmax of the two scores.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks._parsed import parsed
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

    The format is that of TRL, with an optional column `prompt`. A cell is a string, or a conversation: a list of
    `{"role": ..., "content": ...}` whose content is a string or a list of text parts. `chosen` and `rejected` have the
    same form. Without the column, the prompt is the common prefix of both, in paragraphs or messages. Pairs with a
    message that is not text (a tool call, an image) are left out and counted.

    path: the file, as in `text`, or a pattern with `*` for several files. max_chars: pairs with a longer text are left
    out. near_share: a pair is removed from its split if one of its texts is a near-duplicate of a text in an earlier
    split, as in `text`; 0 turns this off.

    Pairs with the same prompt are one group. A pair without a prompt is grouped by one of its two texts, chosen by a
    hash, so that pairs linked in a chain are not all one group. Texts are compared in normal form, ignoring case.
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
    def short_name(self) -> str:
        """Its name in tables: `reward/hh_harmless` for hh_harmless_*.jsonl.gz."""
        return f"reward/{self.location.name.partition('.')[0].rstrip('*_-')}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    def files(self) -> list[Path]:
        """The files that match `path`. Raises UserError if there are none."""
        path = on_this_machine(self.path)
        try:
            matches = sorted(path.parent.glob(path.name)) if "*" in path.name else [path]
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is not a pattern of files ({error}): check the path") from None
        if not matches:
            raise UserError(f"no file matches {path}: check the path")
        return matches

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files(self.files()))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """Both texts of every pair, without the preference."""
        return tuple(Passage(given=row.prompt, text=choice) for row in examples.rows for choice in row.choices)

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share) if self.near_share else None


def preference(group: str, prompt: str, better: str, worse: str) -> Row:
    """A row with two choices and the preferred one as its answer. Choices are ordered by hash, not by preference."""
    first, second = sorted((better, worse), key=lambda choice: _hash(f"{prompt}\0{choice}"))
    example = Example(id=_hash("\0".join((prompt, first, second))), group=group, prompt=prompt, choices=(first, second))
    return Row(example=example, answer=(float(first == better), float(second == better)))


@lru_cache(maxsize=4)
def _load(task: Reward) -> Source:
    """The rows of a pinned task. Raises UserError if its files have changed since."""
    files = task.files()
    refuse_changed(files, task.digest)
    return parsed(task, files, lambda: _read(task, files))


def _read(task: Reward, files: Sequence[Path]) -> Source:
    """The usable pairs of files."""
    dropped: Counter[str] = Counter()
    rows: dict[str, Row] = {}  # by the hash of the normal forms
    conflicting: set[str] = set()
    for prompt, better, worse in (pair for file in files for pair in _pairs(file, dropped)):
        context, preferred, other = caseless(prompt), caseless(better), caseless(worse)
        if not (preferred and other):
            dropped["a text is missing"] += 1
        elif preferred == other:
            dropped["both texts are the same"] += 1
        elif len(prompt) + max(len(better), len(worse)) > task.max_chars:
            dropped[f"longer than {task.max_chars} characters"] += 1
        elif (pair_key := _hash("\0".join((context, *sorted((preferred, other)))))) in rows:
            dropped["same pair again"] += 1
            if _preferred(rows[pair_key]) != preferred:
                conflicting.add(pair_key)
        else:
            group = min(_hash(text) for text in ([context] if context else [preferred, other]))
            rows[pair_key] = preference(group, prompt, better, worse)
    if conflicting:
        dropped["same pair, different preferences"] = len(conflicting)
    if len(rows) == len(conflicting):
        raise UserError(f"{files[0]}: no pair can be used: look at chosen, rejected and max_chars")
    return Source([row for pair_key, row in rows.items() if pair_key not in conflicting], dropped)


def _preferred(row: Row) -> str:
    """The normal form of the preferred text."""
    return caseless(row.example.choices[row.answer.index(1.0)])


def _pairs(file: Path, dropped: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Prompt, chosen and rejected text of every row. Rows with messages that are not text are counted in `dropped`."""
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
            dropped["a message that is not text"] += 1
            continue
        except TypeError:
            raise UserError(f"{file}, row {number}: a cell is neither a text nor a list of role and content") from None
        if not any(prompt):
            prompt = _common_prefix(better, worse)
            better, worse = better[len(prompt) :], worse[len(prompt) :]
        yield "".join(prompt), "".join(better), "".join(worse)


class _NoTextError(Exception):
    """A message is a tool call, or has an image or another part that is not text."""


def _messages(cell: Any) -> list[str]:
    """The non-empty messages of a conversation, or the paragraphs of a string, each with the blank line after it.

    Raises TypeError for any other cell.
    """
    if isinstance(cell, list):
        return [text for message in cell if (text := _message(message))]
    if cell is None:
        return []
    if not isinstance(cell, str):
        raise TypeError
    *paragraphs, last = readable(cell).split("\n\n")
    return [f"{paragraph}\n\n" for paragraph in paragraphs] + [last]


def _message(message: Any) -> str:
    """The text of a message, with its role; "" for an empty one. Raises TypeError or _NoTextError."""
    if not isinstance(message, dict) or not isinstance(role := message.get("role"), str) or not role.strip():
        raise TypeError
    if message.get("tool_calls") or message.get("function_call"):
        raise _NoTextError
    match message.get("content"):
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
    """The text of one part of a message. Raises TypeError or _NoTextError."""
    match part:
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return text
        case {"type": str()}:
            raise _NoTextError
    raise TypeError


def _common_prefix(better: list[str], worse: list[str]) -> list[str]:
    """The messages that both begin with, but never all messages of either."""
    pairs = list(zip(better, worse, strict=False))[: min(len(better), len(worse)) - 1]
    equal = takewhile(lambda pair: pair[0] == pair[1] or normal_form(pair[0]) == normal_form(pair[1]), pairs)
    return [first for first, _ in equal]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
