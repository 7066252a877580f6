"""Parses each data file once on a machine: the rows of a task, kept as columns in the cache."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.cache import cached_bytes, keep_bytes
from outgrow.content import digest_of_code
from outgrow.graph import identity
from outgrow.tasks.base import Row, Source, Task
from outgrow.types import Example

if TYPE_CHECKING:
    import pyarrow as pa

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
    if (kept := cached_bytes("rows", key)) is not None:
        return _source(kept)
    source = parse()
    keep_bytes("rows", key, _columns(source))
    return source


def _columns(source: Source) -> bytes:
    """Arrow's stream format. A choice is a number in a list of all distinct choices."""
    import pyarrow as pa

    rows = source.rows
    vocabulary = {choice: i for i, choice in enumerate(dict.fromkeys(c for r in rows for c in r.example.choices))}
    ends = np.cumsum([0, *(len(row.answer) for row in rows)])
    table = pa.table(
        {
            "id": pa.array([row.example.id for row in rows], pa.large_string()),
            "group": pa.array([row.example.group for row in rows], pa.large_string()),
            "prompt": pa.array([row.example.prompt for row in rows], pa.large_string()),
            "choices": _lists(ends, [vocabulary[choice] for row in rows for choice in row.example.choices], pa.int32()),
            "answer": _lists(ends, [each for row in rows for each in row.answer], pa.float64()),
        },
        metadata={"choices": json.dumps(list(vocabulary)), "dropped": json.dumps(source.dropped)},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _lists(ends: Any, flat: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), pa.array(flat, kind))


def _source(kept: bytes) -> Source:
    import pyarrow as pa

    table = pa.ipc.open_stream(kept).read_all().combine_chunks()
    about = {name.decode(): json.loads(value) for name, value in table.schema.metadata.items()}
    ids, groups, prompts = (table[name].to_pylist() for name in ("id", "group", "prompt"))
    choices = np.array(about["choices"], dtype=object)[_flat(table["choices"])].tolist()
    values, which = np.unique(_flat(table["answer"]), return_inverse=True)
    answers = np.array(values.tolist(), dtype=object)[which].tolist()  # an object for each distinct number
    ends = _ends(table["choices"])
    shared: dict[Any, Any] = {}  # equal tuples once, as in a file whose rows all have the same choices

    def each(values: list[Any]) -> Iterable[Any]:
        for start, end in itertools.pairwise(ends):
            found = tuple(values[start:end])
            yield shared.setdefault(found, found)

    columns = zip(ids, groups, prompts, each(choices), each(answers), strict=True)
    rows = [
        Row(example=Example(id=id, group=group, prompt=prompt, choices=own), answer=answer)
        for id, group, prompt, own, answer in columns
    ]
    return Source(rows, Counter(dict(about["dropped"])))


def _flat(column: pa.ChunkedArray) -> Any:
    return column.combine_chunks().flatten().to_numpy()


def _ends(column: pa.ChunkedArray) -> list[int]:
    found: list[int] = column.combine_chunks().offsets.to_pylist()
    return found
