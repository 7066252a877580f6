"""Audits: rows that a person has looked at, which rows to look at next, and what they say about all rows."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outgrow.annotations import Bools
from outgrow.measures.ppi import PPIEstimate, Stratum, powered_mean
from outgrow.practice.data import PracticeData
from outgrow.practice.roles import refuse_unseparated
from outgrow.practice.truth import Truth
from outgrow.text import tables
from outgrow.text.label_cells import class_index
from outgrow.text.label_files import LabelFormat
from outgrow.text.normal import normal_form
from outgrow.types import Doubles, Example, Ints, UserError

Why = Literal["random", "informative"]
COLUMNS = ("id", "text", "label", "audited", "why")


@dataclass(frozen=True, kw_only=True, eq=False)
class Audits:
    """The rows of an audit, by their places in the data, int64 [rows], and why each was chosen. The ground truth is in
    the data's `gold`, where they are answered; rows that have some and are not listed here came with the data.

    random: drawn from all rows that were not chosen otherwise. informative: chosen by expected information.
    """

    places: Ints
    why: tuple[Why, ...]

    def of(self, why: Why) -> Ints:
        """The places of the rows that were chosen for this reason."""
        return np.array(
            [i for i, each in zip(self.places.tolist(), self.why, strict=True) if each == why], dtype=np.int64
        )


NONE = Audits(places=np.zeros(0, dtype=np.int64), why=())


def of_data(data: PracticeData) -> Audits:
    """The rows that have ground truth in the data itself, taken for a random sample."""
    why: list[Why] = ["random"] * len(data.audited)
    return Audits(places=data.audited, why=tuple(why))


def read_audits(path: Path, data: PracticeData) -> tuple[PracticeData, Audits]:
    """The data with the ground truth of an audit file, and its rows.

    Raises UserError for a file without its columns or without any answer, a row that is not in the data or has another
    text there, an answer that is not a class, and a row that occurs twice.
    """
    table = tables.read(path)
    refuse_unseparated(path, table.columns)
    if missing := [name for name in COLUMNS if name not in table.columns and (name != "text" or data.texts)]:
        raise UserError(f"{path} has no column {missing[0]!r}: write the file with --to-audit 100 {path.name}")
    place = {id: i for i, id in enumerate(data.ids)}
    gold = np.full(len(data), -1, dtype=np.int64) if data.gold is None else data.gold.copy()
    places: list[int] = []
    why: list[Why] = []
    coding, example = LabelFormat(), Example(id="", group="", prompt="", choices=data.classes)
    answers = 0
    for number, row in table.rows:
        id = normal_form(_read(path, number, row, "id"))
        if (i := place.get(id)) is None:
            raise UserError(f"{path}, row {number}: {data.name} has no row {id!r}: audit the data that is given")
        if data.texts and normal_form(_read(path, number, row, "text")) != normal_form(data.texts[i]):
            raise UserError(f"{path}, row {number}: row {id!r} has another text in {data.name}: audit the same data")
        if i in places:
            raise UserError(f"{path}, row {number}: {id!r} occurs twice: keep one row")
        if (reason := row.get("why")) not in ("random", "informative"):
            raise UserError(f"{path}, row {number}: why is {reason!r:.60}: leave that column as it was")
        answer = class_index(path, number, row.get("audited"), coding, example)
        if answer is not None:
            gold[i], answers = answer, answers + 1
        places.append(i)
        why.append(reason)
    if not answers:
        raise UserError(f"{path} has no answer: write the right class of each row into the column 'audited'")
    return replace(data, gold=gold), Audits(places=np.array(places, dtype=np.int64), why=tuple(why))


def _read(path: Path, number: int, row: dict[str, Any], column: str) -> str:
    try:
        return tables.name(row.get(column)) if column == "id" else tables.cell(row.get(column))
    except TypeError as error:
        raise UserError(f"{path}, row {number}: {column!r} {error}: leave that column as it was") from None


def chosen_rows(data: PracticeData, truth: Truth, audits: Audits, count: int, seed: int) -> Audits:
    """The audits so far and `count` rows more: half by expected information, then half at random from the rest.

    The information of a row is the entropy of its probable class. Rows by information come first, so that the others
    are a random sample of what is left. A row that was drawn at random before, and would now be chosen by information,
    counts as that from now on, for the same reason. Raises UserError as `free_rows`.
    """
    free = free_rows(data, audits, count)
    probs = np.maximum(truth.from_all, 1e-12)
    information = np.full(len(data), -1.0)
    information[data.labelled] = -(probs * np.log(probs)).sum(1)
    rng = np.random.default_rng(seed)
    order = rng.permutation(free)
    order = order[np.argsort(-information[order], kind="stable")]
    best = order[: count // 2]
    drawn = rng.permutation(order[count // 2 :])[: count - count // 2]
    least = information[best].min()
    before: list[Why] = [
        "informative" if each == "random" and information[i] >= least else each
        for i, each in zip(audits.places.tolist(), audits.why, strict=True)
    ]
    added = rng.permutation(np.concatenate([best, drawn]))
    reason: dict[int, Why] = dict.fromkeys(best.tolist(), "informative")
    reason.update(dict.fromkeys(drawn.tolist(), "random"))
    return Audits(places=np.concatenate([audits.places, added]), why=(*before, *(reason[i] for i in added.tolist())))


def free_rows(data: PracticeData, audits: Audits, count: int) -> Ints:
    """The places of the labelled rows without ground truth that are in no audit yet. Raises UserError where these are
    fewer than `count`, and for a count below 2."""
    free = np.setdiff1d(data.labelled, np.concatenate([audits.places, data.audited]))
    if not len(free):
        column = f" (column {data.roles.gold!r})" if data.roles.gold else ""
        raise UserError(
            f"{data.name}: every labelled row is audited or has ground truth{column}: there is none to audit"
        )
    if count < 2 or count > len(free):
        raise UserError(
            f"{count} rows to audit: give a number from 2 to {len(free):,}, the labelled rows that are left"
        )
    return np.asarray(free, dtype=np.int64)


def write_audits(path: Path, data: PracticeData, truth: Truth, audits: Audits) -> None:
    """Write the rows of an audit as CSV, those without an answer last and in a random order. Raises UserError."""
    label = dict(zip(data.labelled.tolist(), truth.labels.tolist(), strict=True))
    names = [name for name in data.annotations.annotators if name]
    votes = dict(zip(data.labelled.tolist(), data.annotations.matrix().tolist(), strict=True))
    gold = np.full(len(data), -1) if data.gold is None else data.gold
    several = names if len(names) > 1 else []
    columns = [name for name in COLUMNS if name != "text" or data.texts]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*columns, *(f"label of {name}" for name in several)])
            for i, why in zip(audits.places.tolist(), audits.why, strict=True):
                cells = {
                    "id": data.ids[i],
                    "text": data.texts[i] if data.texts else "",
                    "label": data.classes[label[i]] if i in label else "",
                    "audited": data.classes[gold[i]] if gold[i] >= 0 else "",
                    "why": why,
                }
                by_each = [data.classes[c] if c >= 0 else "" for c in votes.get(i, [])] if several else []
                writer.writerow([*(cells[name] for name in columns), *by_each])
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): name another file") from None


def audited_mean(
    data: PracticeData,
    audits: Audits,
    values: Doubles,
    guesses: Doubles,
    among: Bools,
    *,
    proportion: bool = True,
    finite: bool = True,
) -> PPIEstimate | None:
    """The mean of a value over some rows of the data, from the audited ones; None where too few are audited.

    values: [n], read where there is ground truth. guesses: [n], of every row. among: which rows count, [n]. finite: of
    these rows, not of the population that they are a sample of.
    """
    known = _mask(data, data.audited)
    parts = [among & part for part in _parts(data, audits)]
    if any((part & known).sum() < min(2, part.sum()) for part in parts):
        return None
    strata = [_stratum(part, known, values, guesses) for part in parts if part.any()]
    return powered_mean(strata, finite=finite, proportion=proportion) if strata else None


def weights(data: PracticeData, audits: Audits) -> Doubles:
    """How many rows of the data each audited row stands for, float64 [n]; 0 for the others."""
    known, found = _mask(data, data.audited), np.zeros(len(data))
    for part in _parts(data, audits):
        if (part & known).any():
            found[part & known] = part.sum() / (part & known).sum()
    return found


def _parts(data: PracticeData, audits: Audits) -> tuple[Bools, Bools, Bools]:
    """Three parts of the rows, [n] each: those whose ground truth came with the data beside an audit, those that were
    chosen by information, and the rest, of which rows were drawn at random."""
    given = _mask(data, data.audited) & ~_mask(data, audits.places)
    informative = _mask(data, audits.of("informative"))
    return given, informative, ~given & ~informative


def _mask(data: PracticeData, places: Ints) -> Bools:
    mask = np.zeros(len(data), dtype=bool)
    mask[places] = True
    return mask


def _stratum(rows: Bools, known: Bools, values: Doubles, guesses: Doubles) -> Stratum:
    inside = rows & known
    return Stratum(values=values[inside], guesses=guesses[inside], others=guesses[rows & ~known])
