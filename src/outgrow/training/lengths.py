"""Which examples are too long for a model, counted with its tokenizer before anything is computed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.cache import cached
from outgrow.content import digest_of
from outgrow.graph import Settings, identity, not_hashed
from outgrow.models.base import Model, first_line
from outgrow.models.header import longest_input
from outgrow.models.hf import TOKENIZER
from outgrow.tasks.base import Task
from outgrow.training.tokenizer import load_tokenizer, single_token
from outgrow.types import Ints, UserError

VERSION = 1  # bump when the same tokenizer would count otherwise
ENDLESS = 2**62  # tokens, where no limit is known
_CHUNK = 10_000  # texts that are tokenised at once
_FILES = (*TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "merges.txt")
_SLOW_FILES = ("added_tokens.json", "*.py")  # beside them, where there is no tokenizer.json


@dataclass(frozen=True, kw_only=True)
class LengthLimit:
    """A tokenizer, known by the digest of its files, and how many tokens its model reads, special ones included.

    settings: with which it is loaded where it is slow, that is, has no tokenizer.json.
    """

    kind: ClassVar[str] = "task/length-limit"

    digest: str
    longest: int
    folder: str = not_hashed(default="")
    settings: Settings = not_hashed(default=Settings())

    @classmethod
    def of(cls, model: Model, settings: Settings) -> Self | None:
        """The reader of a pinned model; None where no length is too long for it."""
        reader = cls.reader(model, settings)
        return reader if reader and reader.longest < ENDLESS else None

    @classmethod
    def reader(cls, model: Model, settings: Settings) -> Self | None:
        """The same also where no limit is known; None without a checkpoint."""
        folder = model.tokenizer_folder(settings)
        if not folder.is_dir():
            return None
        longest = longest_input(folder) or ENDLESS
        files = [path for name in _FILES if (path := folder / name).is_file()]
        if not (folder / "tokenizer.json").is_file():
            files += sorted(path for pattern in _SLOW_FILES for path in folder.glob(pattern))
        text = "".join(f"{path.name}\0{digest_of(path)}\n" for path in files)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cls(digest=digest, longest=longest, folder=str(folder), settings=settings)

    def lengths(self, texts: Sequence[str]) -> Ints:
        """How many tokens each text has, special ones included, int64 [n]."""
        tokenize = _counts(self)
        parts = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
        return np.array([length for part in parts for length in tokenize(part)], dtype=np.int64)


def narrowest_limits(length_limits: Iterable[LengthLimit | None]) -> tuple[LengthLimit, ...]:
    """One reader a tokenizer, the one that reads least: what it cannot read includes what the others cannot."""
    found: dict[str, LengthLimit] = {}
    for length_limit in length_limits:
        if length_limit and (
            length_limit.digest not in found or length_limit.longest < found[length_limit.digest].longest
        ):
            found[length_limit.digest] = length_limit
    return tuple(found[digest] for digest in sorted(found))


@dataclass(frozen=True, kw_only=True)
class TooLong:
    """What a reader cannot read of a task. ids: the examples. tokens: the length of the longest. max_chars: a limit on
    characters that leaves out all of these examples (and maybe others). rows: how many examples the task has."""

    ids: tuple[str, ...]
    tokens: int
    max_chars: int
    rows: int


@lru_cache(maxsize=64)
def too_long(task: Task, length_limit: LengthLimit) -> TooLong:
    """The examples of a pinned task that are too long for a reader, in any split."""
    key = [identity(task), identity(length_limit), VERSION]
    found = cached("too-long", key, lambda: _too_long(task, length_limit))
    return TooLong(**{**found, "ids": tuple(found["ids"])})


def _too_long(task: Task, length_limit: LengthLimit) -> dict[str, Any]:
    rows = [row.example for row in task.load().rows]
    texts = [task.texts(row) for row in rows]
    flat = [text for own in texts for text in own]
    owner = np.repeat(np.arange(len(rows)), [len(own) for own in texts])
    lengths = length_limit.lengths(flat)
    over = lengths > length_limit.longest
    shortest = min((len(text) for text, too in zip(flat, over, strict=True) if too), default=1)
    return {
        "ids": [rows[i].id for i in np.unique(owner[over])],
        "tokens": int(lengths.max(initial=0)),
        "max_chars": shortest - 1,
        "rows": len(rows),
    }


def refuse_choices(
    model: Model, choices: Sequence[str], settings: Settings, advice: str = "rename it or use a head"
) -> None:
    """Raises UserError for choices that a pinned model cannot give as next tokens: each must be one token."""
    if model.causal is False:
        raise UserError(f"{model.name} is an encoder: a task whose answers are next tokens needs a causal model")
    length_limit = LengthLimit.reader(model, settings)
    if length_limit and (choice := not_one_token(length_limit, choices)):
        raise UserError(f"{model.name}: the choice {choice!r} is not one token of the model: {advice}")


def not_one_token(length_limit: LengthLimit, choices: Sequence[str]) -> str | None:
    """The first of the choices that is not one token of a tokenizer, if there is one."""
    key = [length_limit.digest, list(choices), VERSION]
    found: str | None = cached("choices", key, lambda: _not_one_token(length_limit, choices))
    return found


def _not_one_token(length_limit: LengthLimit, choices: Sequence[str]) -> str | None:
    fast = _fast(Path(length_limit.folder))
    if fast is None:
        slow = _slow(length_limit)
        return next((choice for choice in choices if single_token(slow, choice) is None), None)
    unknown = fast.token_to_id(getattr(fast.model, "unk_token", None) or "")
    encoded = fast.encode_batch_fast(list(choices), add_special_tokens=False)
    wrong = (choice for choice, each in zip(choices, encoded, strict=True) if len(each) != 1 or each.ids[0] == unknown)
    return next(wrong, None)


def _counts(length_limit: LengthLimit) -> Callable[[Sequence[str]], list[int]]:
    """What counts the tokens of texts."""
    if fast := _fast(Path(length_limit.folder)):
        return lambda texts: [len(each) for each in fast.encode_batch_fast(list(texts))]
    slow = _slow(length_limit)
    return lambda texts: [len(ids) for ids in slow(list(texts))["input_ids"]]


@lru_cache(maxsize=4)
def _slow(length_limit: LengthLimit) -> Any:
    return load_tokenizer(Path(length_limit.folder), length_limit.settings)


@lru_cache(maxsize=4)
def _fast(folder: Path) -> Any:
    """The tokenizer of a checkpoint, read without transformers, whose import alone takes seconds; None where it has
    none of the fast kind."""
    if not (file := folder / "tokenizer.json").is_file():
        return None
    from tokenizers import Tokenizer

    try:
        fast = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing more specific
        raise UserError(f"the tokenizer {file} cannot be read: {first_line(error)}") from None
    fast.no_truncation()
    fast.no_padding()
    return fast
