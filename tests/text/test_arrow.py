"""Arrow files and streams, as pyarrow, polars and the hub's library write them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from outgrow.text import opening
from outgrow.text.tables import read
from outgrow.types import UserError

TABLE = pa.table(
    {"text": ["ä", "b"], "kind": pa.array(["x", "y"]).dictionary_encode(), "probs": [[0.5, 0.5], None], "n": [1, None]}
)
ROWS = [{"text": "ä", "kind": "x", "probs": [0.5, 0.5], "n": 1}, {"text": "b", "kind": "y", "probs": None, "n": None}]


def stream(path: Path, table: pa.Table) -> Path:
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=1)
    return path


def test_a_file_and_a_stream_have_the_same_rows(tmp_path: Path) -> None:
    feather.write_feather(TABLE, tmp_path / "a.feather", compression="zstd")
    for path in (tmp_path / "a.feather", stream(tmp_path / "a.arrow", TABLE)):
        assert read(path).rows == tuple(enumerate(ROWS, 1))


def test_what_is_damaged_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stream(tmp_path / "a.arrow", TABLE)
    (tmp_path / "half.arrow").write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"half\.arrow is not a whole Arrow file"):
        read(tmp_path / "half.arrow")
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pytest.raises(UserError, match="two columns are called 'text'"):
        read(stream(tmp_path / "twice.arrow", twice))
    monkeypatch.setattr(opening, "MOST_BYTES", 40)
    monkeypatch.setattr(opening, "MOST_CELLS", 10)
    with pytest.raises(UserError, match="split it"):
        read(path)
