"""Predict the rows of a file with a model's folder, in constant memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.graph import Settings
from outgrow.practice.checkpoint import Facts, Loaded, read_model
from outgrow.practice.roles import ID, TEXT, columns_of, filled
from outgrow.text import tables
from outgrow.types import UserError

ROWS = 2048  # that are in memory at once
COLUMNS = ["id", "label", "confidence"]

Progress = Callable[[int, float], None]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """How many rows were read, and how many of them have no text and so no prediction. too_long: how many texts have
    more tokens than `longest`, which is what the model reads, so that the rest of them is not read."""

    rows: int
    empty: int
    too_long: int = 0
    longest: int | None = None


def predict_file(
    folder: Path,
    source: Path,
    out: Path,
    *,
    text: str = "",
    id: str = "",
    settings: Settings = Settings(),  # noqa: B008 - frozen
    progress: Progress = lambda rows, seconds: None,
) -> Predicted:
    """Write a prediction for each row of a table as Parquet: its id, the label and the confidence. A row without text
    has neither.

    Args:
        folder: Of a model that `outgrow fit` or `outgrow export` wrote.
        source: A CSV, TSV, JSONL or Parquet file. It is read as a stream; a JSON file is read at once.
        out: The Parquet file; it is whole or not there.
        text: The column of the text, or a template over several; by default that of the data that the model learned
            from, or one that is called as texts usually are.
        id: The column of ids; by default `id`, or the number of the row.
        settings: The device.
        progress: Called after each batch with the rows done and the seconds since the first.

    Returns:
        The number of rows, of those without a text, and of texts that are longer than the model reads.

    Raises:
        UserError: The folder holds no model, the file cannot be read or has no such column, or `out` cannot be written.

    Example:
        >>> predict_file(Path("model"), Path("reviews.csv"), Path("predictions.parquet")).rows
        20
    """
    rows = tables.rows(source)
    first = list(islice(rows, 1))
    if not first:
        raise UserError(f"{source} is empty: it needs rows")
    columns = tuple(first[0][1])
    _check_out(out)
    if id and id not in columns:
        raise UserError(f"{source} has no column {id!r}: it has {tables.listed(columns)}")
    text = _text_of(source, columns, text, Facts.load(folder).text)
    model = read_model(folder, settings)
    id = id or next((name for name in columns if name.lower() in ID), "")
    return _written(model, source, chain(first, rows), out, text, id, progress)


def _written(
    model: Loaded,
    source: Path,
    rows: tables.Numbered,
    out: Path,
    text: str,
    id: str,
    progress: Progress,
) -> Predicted:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("id", pa.string()), ("label", pa.string()), ("confidence", pa.float32())])
    draft, started = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}"), time.monotonic()
    done, empty, too_long = 0, 0, 0
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(draft, schema) as writer:
            while batch := list(islice(rows, ROWS)):
                texts = [_text(source, number, row, text) for number, row in batch]
                ids = [_id(source, number, row, id) for number, row in batch]
                writer.write_table(_table(schema, model, ids, texts))
                done, empty = done + len(batch), empty + sum(not each.strip() for each in texts)
                too_long += model.network.too_long(texts)
                progress(done, time.monotonic() - started)
        draft.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): name another file") from None
    finally:
        draft.unlink(missing_ok=True)
    return Predicted(rows=done, empty=empty, too_long=too_long, longest=model.network.longest)


def _table(schema: Any, model: Loaded, ids: list[str], texts: list[str]) -> Any:
    """The predictions of some rows; a row without a text has none."""
    import pyarrow as pa

    names = np.array(model.facts.classes, dtype=object)
    labels, confidence = np.full(len(texts), None, dtype=object), np.full(len(texts), np.nan, dtype=np.float32)
    if len(at := np.flatnonzero([bool(text.strip()) for text in texts])):
        probs = model.predict([texts[i] for i in at])
        labels[at], confidence[at] = names[probs.argmax(1)], probs.max(1)
    return pa.table({"id": ids, "label": labels, "confidence": pa.array(confidence, from_pandas=True)}, schema)


def _check_out(out: Path) -> None:
    """Raise UserError for a file that is not a Parquet file of predictions, which is not overwritten."""
    import pyarrow.parquet as pq

    if out.is_dir():
        raise UserError(f"{out} is a folder: name a file in it, such as {out / 'predictions.parquet'}")
    if out.suffix != ".parquet":
        raise UserError(f"{out}: predictions are a Parquet file: name one that ends in .parquet")
    if out.exists():
        try:
            ours = pq.read_schema(out).names == COLUMNS
        except (OSError, ValueError):
            ours = False
        if not ours:
            raise UserError(
                f"{out} exists and is not a file of outgrow predict, and is not overwritten: name another file"
            )


def _text_of(source: Path, columns: tuple[str, ...], given: str, learned: str) -> str:
    """The column or template of the text. Raises UserError where there is none."""
    lower = {name.lower(): name for name in reversed(columns)}
    usual = next((lower[name] for name in TEXT if name in lower), "")
    for template in filter(None, (given, learned, usual)):
        missing = [name for name in columns_of(template) if name not in columns]
        if not missing:
            return template
        why = "" if given else ", which the model learned from"
        has = tables.listed(columns)
        raise UserError(f"{source} has no column {missing[0]!r}{why}: it has {has}: name the text (--text body)")
    raise UserError(f"{source}: which column is the text? It has {tables.listed(columns)}: name it (--text body)")


def _text(source: Path, number: int, row: dict[str, Any], template: str) -> str:
    try:
        cells = {name: tables.cell(row.get(name)) for name in columns_of(template)}
    except TypeError as error:
        raise UserError(f"{source}, row {number}: the text {error}: name another column (--text)") from None
    return filled(template, cells)


def _id(source: Path, number: int, row: dict[str, Any], column: str) -> str:
    try:
        return tables.name(row.get(column)) if column else str(number)
    except TypeError as error:
        raise UserError(f"{source}, row {number}: {column!r} {error}: name another column (--id)") from None
