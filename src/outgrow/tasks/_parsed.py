"""Parses each data file once on a machine: the rows of a task, kept as columns in the cache."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from outgrow.cache import keep, kept
from outgrow.content import digest_of_code
from outgrow.graph import identity
from outgrow.tasks.base import Row, Source, Task
from outgrow.types import Example

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = ("id", "group", "prompt")
AT_ONCE = 50_000  # rows that are written together
FOLDERS = ("tasks", "text", "chess")  # of the package: the code that reads data


def parsed(task: Task, files: Sequence[Path], parse: Callable[[], Source]) -> Source:
    """The rows of a pinned task: `parse()`, or what it gave before on this machine for the same data, fields and code.

    What fails is not kept.
    """
    key = [
        identity(task),
        [file.name for file in files],
        digest_of_code(*FOLDERS),
    ]  # the ending of a name says how to read it
    with kept("rows", key) as file:
        if file is not None:
            return _read(file)
    source = parse()
    keep("rows", key, partial(_write, source))
    return source


def _write(source: Source, file: BinaryIO) -> None:
    """Write Arrow's stream format. A choice is a number in a list of all distinct choices."""
    import pyarrow as pa

    rows = source.rows
    vocabulary = {choice: i for i, choice in enumerate(dict.fromkeys(c for r in rows for c in r.example.choices))}
    about = {"choices": json.dumps(list(vocabulary)), "dropped": json.dumps(source.dropped)}
    kinds = {**dict.fromkeys(TEXTS, pa.large_string()), "choices": pa.large_list(pa.int32())}
    schema = pa.schema({**kinds, "answer": pa.large_list(pa.float64())}, metadata=about)
    with pa.ipc.new_stream(file, schema) as stream:
        for start in range(0, len(rows), AT_ONCE):
            stream.write_batch(_batch(rows[start : start + AT_ONCE], vocabulary, schema))


def _batch(rows: Sequence[Row], vocabulary: Mapping[str, int], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    ends = np.cumsum([0, *(len(row.answer) for row in rows)])
    texts = [pa.array([getattr(row.example, name) for row in rows], pa.large_string()) for name in TEXTS]
    choices = _lists(ends, [vocabulary[choice] for row in rows for choice in row.example.choices], pa.int32())
    answers = _lists(ends, [each for row in rows for each in row.answer], pa.float64())
    return pa.record_batch([*texts, choices, answers], schema=schema)


def _lists(ends: Any, flat: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(flat, kind))


def _read(file: BinaryIO) -> Source:
    """What `_write` wrote. Choices and answers that are equal are one object, and so is a group that is its prompt."""
    import pyarrow as pa

    stream = pa.ipc.open_stream(file)
    about = {name.decode(): json.loads(value) for name, value in stream.schema.metadata.items()}
    shared: dict[Any, Any] = {}
    rows = [row for batch in stream for row in _rows(batch, np.array(about["choices"], dtype=object), shared)]
    return Source(rows, Counter(dict(about["dropped"])))


def _rows(batch: pa.RecordBatch, vocabulary: Any, shared: dict[Any, Any]) -> Iterator[Row]:
    choices, answers = (batch.column(name) for name in ("choices", "answer"))
    ends = choices.offsets.to_pylist()
    named, values = vocabulary[choices.flatten().to_numpy()].tolist(), answers.flatten().to_numpy().tolist()
    texts = (batch.column(name).to_pylist() for name in TEXTS)
    for id, group, prompt, (start, end) in zip(*texts, itertools.pairwise(ends), strict=True):
        own, answer = (shared.setdefault(each, each) for each in (tuple(named[start:end]), tuple(values[start:end])))
        example = Example(id=id, group=prompt if group == prompt else group, prompt=prompt, choices=own)
        yield Row(example=example, answer=answer)
