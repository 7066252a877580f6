"""Parses seeds, with the same rules for TOML files, `--seeds` and Python."""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import index

from outgrow.config.document import SHOWN, shown
from outgrow.experiment.definition import MOST_SEED
from outgrow.types import UserError

MOST_SEEDS = 100  # the largest number of seeds; a larger integer was probably meant as one seed

Seeds = str | int | Iterable[int]

_COUNT_OR_SEED = re.compile(r"[0-9]{1,19}")
_RANGE = re.compile(r"([0-9]{1,10})\s*-\s*([0-9]{1,10})")
_SEED = re.compile(r"[0-9]{1,20}")


def seeds_from(given: Seeds) -> tuple[int, ...]:
    """The seeds, from their number (`5` for seeds 0 to 4) or a list (`[0, 1, 2]`).

    As text, `5` is a number of seeds; `0,1,2`, `0-4` (both ends included), `7,`, `[7]` and `0` are lists. Raises
    UserError for any other form, no seeds, more than 100 seeds, and a seed that is negative, too large, or given twice.
    """
    if not isinstance(given, str):
        return _checked(given)
    option, text = f"--seeds {given if len(given) <= SHOWN else f'{given[: SHOWN - 3]}...'}", given.strip()
    try:
        return _checked(_parsed(text))
    except ValueError:
        raise UserError(
            f"{option}: say how many seeds (--seeds 5), or which (--seeds 0,1,2 or 0-4; one alone as --seeds 7,)"
        ) from None
    except UserError as error:
        raise UserError(f"{option}: {error}") from None


def _parsed(text: str) -> int | Iterable[int]:
    """The number of seeds or the list in a text. Raises ValueError."""
    if _COUNT_OR_SEED.fullmatch(text) and int(text) > 0:
        return int(text)
    if match := _RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[2])
        if last - first >= MOST_SEEDS:
            raise UserError(f"seeds from {first} to {last} are {last - first + 1}, more than {MOST_SEEDS}: give fewer")
        if last < first:
            raise ValueError(text)
        return range(first, last + 1)
    inner = text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text
    parts = [part.strip() for part in inner.removesuffix(",").split(",")]
    if not all(_SEED.fullmatch(part) for part in parts):
        raise ValueError(text)
    return [int(part) for part in parts]


def _checked(given: int | Iterable[int]) -> tuple[int, ...]:
    if type(given) is int and 0 < given <= MOST_SEEDS:
        return tuple(range(given))
    if type(given) is int and 0 <= given <= MOST_SEED:
        count = f"{given} seeds, more than {MOST_SEEDS}" if given else "no seeds"
        raise UserError(
            f"seeds = {given} asks for {count}: for the one seed {given} write [{given}] (--seeds {given},)"
        )
    listed = [] if isinstance(given, int) else _whole_numbers(given)
    if not listed:
        raise UserError(f"seeds is {shown(given)} but should be a list such as [0, 1, 2], or how many: 5")
    if invalid := [seed for seed in listed if not 0 <= seed <= MOST_SEED]:
        raise UserError(f"the seed {shown(invalid[0])} is not between 0 and {MOST_SEED}: give another")
    if duplicates := [seed for i, seed in enumerate(listed) if seed in listed[:i]]:
        raise UserError(f"seeds lists {duplicates[0]} twice: name each once")
    return tuple(listed)


def _whole_numbers(given: Iterable[object]) -> list[int]:
    """The seeds as ints, also from numpy integers; [] if some are not integers."""
    try:
        listed = list(given)
        return [] if any(isinstance(seed, bool) for seed in listed) else [index(seed) for seed in listed]  # type: ignore[arg-type]
    except TypeError:
        return []
