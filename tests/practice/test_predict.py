"""Predictions of a file: the same as of the texts at once, in constant memory."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cheap
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from outgrow.graph import Settings
from outgrow.models.hf import HF
from outgrow.practice import predict
from outgrow.practice.checkpoint import read_model
from outgrow.practice.fit import fit
from outgrow.practice.folder import write_folder
from outgrow.practice.predict import Predicted, predict_file
from outgrow.types import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_CACHE", str(place / "cache"))
        model: HF = cheap.model(place)
        write_folder(fit(cheap.data(60), model, store=str(place / "store")), place / "out", Settings())
    return place / "out"


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".arrow":
        feather.write_feather(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".arrow"])
def test_batches_change_nothing(suffix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "ROWS", 8)
    texts, _ = cheap.rows(30, seed=5)
    source = write(tmp_path / f"data{suffix}", [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)])
    counts: list[int] = []
    done = predict_file(folder, source, tmp_path / "p.parquet", progress=lambda rows, _: counts.append(rows))
    assert (done.rows, counts) == (30, [8, 16, 24, 30])
    found = pq.read_table(tmp_path / "p.parquet").to_pylist()
    probs = read_model(folder, Settings()).predict(texts)
    assert [row["id"] for row in found] == [f"r{i}" for i in range(30)]
    assert [row["label"] for row in found] == [cheap.CLASSES[i] for i in probs.argmax(1)]
    assert [row["confidence"] for row in found] == pytest.approx(probs.max(1), abs=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"data{suffix}", "p.parquet"])


def test_a_text_may_be_made_of_columns_and_rows_have_numbers(folder: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "data.csv", [{"first": "w1 w2", "second": "w3"}, {"first": "w30", "second": "w31"}])
    predict_file(folder, source, tmp_path / "p.parquet", text="{first} {second}")
    found = pq.read_table(tmp_path / "p.parquet").to_pylist()
    probs = read_model(folder, Settings()).predict(["w1 w2 w3", "w30 w31"])
    assert [row["id"] for row in found] == ["1", "2"]
    assert [row["confidence"] for row in found] == pytest.approx(probs.max(1), abs=1e-5)


def test_names_of_columns_in_a_text_are_plain(folder: Path, tmp_path: Path) -> None:
    """What Python's format would take for an attribute or an index is a part of the name."""
    source = write(tmp_path / "data.csv", [{"title.en": "w1 w2", "tags[0]": "w3"}])
    predict_file(folder, source, tmp_path / "p.parquet", text="{{w4}} {title.en} {tags[0]}")
    (row,) = pq.read_table(tmp_path / "p.parquet").to_pylist()
    (probs,) = read_model(folder, Settings()).predict(["{w4} w1 w2 w3"])
    assert row["confidence"] == pytest.approx(probs.max(), abs=1e-5)
    for text in ("{title.en:>5}", "{title.en!r}"):
        with pytest.raises(UserError, match="may hold plain names of columns in braces"):
            predict_file(folder, source, tmp_path / "p.parquet", text=text)


def test_a_row_without_a_text_has_no_prediction_and_a_long_text_is_cut(folder: Path, tmp_path: Path) -> None:
    long_texts = [{"text": " ".join(["w1"] * n)} for n in (200, 63)]  # of the tokens, 64 are read
    source = write(tmp_path / "data.csv", [{"text": " "}, *long_texts, {"text": " ".join(["w1"] * 64)}])
    found = predict_file(folder, source, tmp_path / "p.parquet")
    assert found == Predicted(rows=4, empty=1, too_long=1, longest=64)
    empty, long, *_ = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert (empty["label"], empty["confidence"]) == (None, None)
    assert long["label"] in cheap.CLASSES


def test_only_predictions_are_overwritten(folder: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "data.parquet", [{"text": "w1"}])
    before = source.read_bytes()
    with pytest.raises(UserError, match="exists and is not a file of outgrow predict, and is not overwr"):
        predict_file(folder, source, source)
    assert source.read_bytes() == before
    copy = Path(shutil.copy(folder / "predictions.parquet", tmp_path / "of_fit.parquet"))  # which says more
    with pytest.raises(UserError, match="is not a file of outgrow predict"):
        predict_file(folder, source, copy)
    with pytest.raises(UserError, match=r"name one that ends in \.parquet"):
        predict_file(folder, source, tmp_path / "p.csv")
    assert predict_file(folder, source, tmp_path / "p.parquet").rows == 1
    assert predict_file(folder, source, tmp_path / "p.parquet").rows == 1


def test_what_is_wrong_is_one_line(folder: Path, tmp_path: Path) -> None:
    source, out = write(tmp_path / "data.csv", [{"words": "w1", "n": "1"}]), tmp_path / "p.parquet"
    with pytest.raises(UserError, match=r"which column is the text\? It has words, n"):
        predict_file(folder, source, out)
    with pytest.raises(UserError, match="has no column 'body': it has words, n"):
        predict_file(folder, source, out, text="body")
    with pytest.raises(UserError, match="has no column 'key'"):
        predict_file(folder, source, out, text="words", id="key")
    with pytest.raises(UserError, match="holds no model that outgrow fit or export has written"):
        predict_file(tmp_path, source, out, text="words")
    with pytest.raises(UserError, match="is a folder: name a file in it"):
        predict_file(folder, source, tmp_path, text="words")
    with pytest.raises(UserError, match="there is no file"):
        predict_file(folder, tmp_path / "no.csv", out)
    (tmp_path / "empty.csv").write_text("text\n")
    with pytest.raises(UserError, match="is empty"):
        predict_file(folder, tmp_path / "empty.csv", out)
    assert not out.exists()


def test_a_head_that_is_damaged_or_of_another_model_is_one_line(folder: Path, tmp_path: Path) -> None:
    source = write(tmp_path / "data.csv", [{"text": "w1"}])
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    head, out = copy / "head.safetensors", tmp_path / "p.parquet"
    for classes, width in ((2, 7), (3, 16)):
        save_file({"weight": np.zeros((classes, width)), "bias": np.zeros(classes)}, head)
        with pytest.raises(UserError, match="is the head of another model: fit or export the model again"):
            predict_file(copy, source, out)
    head.write_bytes(b"abc")
    with pytest.raises(UserError, match=r"head\.safetensors cannot be read .*: fit or export the model again"):
        predict_file(copy, source, out)
    head.unlink()
    with pytest.raises(UserError, match=r"head\.safetensors cannot be read .*: fit or export the model again"):
        predict_file(copy, source, out)


PEAK = """
import resource, sys
from pathlib import Path
from outgrow.practice.predict import predict_file
predict_file(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_memory_does_not_grow_with_the_file(suffix: str, folder: Path, tmp_path: Path) -> None:
    """Ten times as many rows, of 20 MB, take the same memory, within 15 MB, also from a Parquet file whose values
    do not recur, in groups of 10,000 rows: with a group memory grows."""
    peaks = []
    for rows in (10_000, 100_000):
        source = tmp_path / f"{rows}{suffix}"
        texts = [f"w{i % 40} w{i % 7} w{i % 11}" for i in range(rows)]
        others = [hashlib.sha256(str(i).encode()).hexdigest() * 3 for i in range(rows)]
        if suffix == ".csv":
            source.write_text("text,other\n" + "".join(map("{},{}\n".format, texts, others)))
        else:
            pq.write_table(
                pa.table({"text": texts, "other": others}), source, row_group_size=10_000, compression="none"
            )
        command = [sys.executable, "-c", PEAK, str(folder), str(source), str(tmp_path / "p.parquet")]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        peaks.append(int(printed) / 1024)
        assert pq.read_metadata(tmp_path / "p.parquet").num_rows == rows
    assert peaks[1] < peaks[0] + 15
