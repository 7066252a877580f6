"""outgrow fit, predict and export on the command line: what is printed, what is written, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cheap
import pyarrow.parquet as pq
import pytest
from test_cli import ended, outgrow

from outgrow.models.hf import HF
from outgrow.types import UserError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    cheap.table(tmp_path / "data.csv", 60, audited=10)
    return tmp_path


@pytest.fixture
def bert(place: Path) -> HF:
    return cheap.model(place)


def test_fit_says_the_verdict_first_and_predict_reads_the_folder(place: Path, bert: HF) -> None:
    found = outgrow("fit", "data.csv", "--model", "bert", "--out", "out", "--workers", "1")
    assert found.exit_code == 0
    stored = json.loads(Path("out/report.json").read_text())
    output = found.stdout.splitlines()
    assert output[: len(stored["verdict"])] == stored["verdict"]
    assert output[0] == "the accuracy of this model is not stated: 10 audited rows are fewer than 20"
    assert output[1].startswith("method: naive (10 audited rows are too few to learn from, and 60 labelled rows are ")
    assert output[-1].startswith("out: the model, README.md, report.html and predictions.parquet, in ")
    output_of_predict = outgrow("predict", "out", "data.csv", "-o", "p.parquet").stdout
    assert output_of_predict.startswith("p.parquet: 60 rows, ")
    assert output_of_predict.endswith(" rows/s\n")
    first, again = (pq.read_table(path)["label"].to_pylist() for path in ("out/predictions.parquet", "p.parquet"))
    assert first == again
    assert outgrow("fit", "data.csv", "--model", "bert", "--out", "out", "--workers", "1").exit_code == 0
    assert {path.stat().st_mode & 0o777 for path in Path("out").rglob("*") if path.is_file()} == {
        Path("data.csv").stat().st_mode & 0o777
    }


def test_a_folder_with_files_of_others_is_not_replaced(place: Path, bert: HF) -> None:
    fit = ("fit", "data.csv", "--model", "bert", "--workers", "1", "--out", "out", "--method", "naive")
    assert outgrow(*fit).exit_code == 0
    Path("out/notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"out holds notes\.txt, which outgrow did not write there, and is not over"):
        outgrow(*fit)
    assert Path("out/notes.txt").read_text() == "mine"


def test_texts_that_are_cut_are_counted(place: Path, bert: HF) -> None:
    texts, truth = cheap.rows(20)
    lines = [f"{text}{' w1' * 80 * (i < 3)},{label}" for i, (text, label) in enumerate(zip(texts, truth, strict=True))]
    Path("long.csv").write_text("\n".join(["text,weak", *lines]))
    cut = "of 20 texts are longer than 64 tokens: the rest is not read"
    fit = outgrow("fit", "long.csv", "--model", "bert", "--out", "out", "--workers", "1", "--method", "naive")
    assert f"3 {cut}" in fit.stdout
    assert outgrow("predict", "out", "long.csv", "-o", "p.parquet").stdout.splitlines()[1:] == [f"3 {cut}"]


@pytest.mark.slow
def test_an_interrupted_fit_goes_on_and_the_result_is_the_same(place: Path, bert: HF) -> None:
    options = ("--model", "bert", "--method", "cross-fitted-agreement", "--workers", "1")
    command = [sys.executable, "-m", "outgrow", "fit", "data.csv", *options]
    with subprocess.Popen([*command, "--out", "out"], stderr=subprocess.PIPE, text=True) as running:
        while len(list(Path("runs/manifests").glob("*"))) < 3:
            time.sleep(0.01)
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        said = running.communicate()[1]
    assert running.returncode == 130
    assert said.splitlines()[-1] == "interrupted: finished steps are stored, run again to go on"
    assert sorted(path.name for path in place.iterdir() if "out" in path.name) == []
    again = subprocess.run([*command, "--out", "out"], capture_output=True, text=True, check=True)
    assert ", 0 cached" not in again.stderr
    subprocess.run([*command, "--out", "whole", "--store", "other"], capture_output=True, check=True)
    assert pq.read_table("out/predictions.parquet").equals(pq.read_table("whole/predictions.parquet"))


@pytest.mark.slow
def test_finetuning_comes_after_the_head_and_keeps_to_its_time(place: Path, bert: HF) -> None:
    found = outgrow(
        "fit", "data.csv", "--model", "bert", "--out", "out", "--workers", "1", "--minutes", "0.5", "--method", "naive"
    )
    assert found.exit_code == 0
    assert "a head on frozen features, whose folder is written already:" in found.stdout
    assert "finetuned (contrastive, " in found.stdout
    assert "updates):" in found.stdout
    assert json.loads(Path("out/outgrow.json").read_text())["kind"] == "head"
    assert "a head on frozen features" in [
        row["name"] for row in json.loads(Path("out/report.json").read_text())["comparison"]
    ]


def test_what_is_wrong_is_one_line_before_anything_is_computed(
    place: Path, bert: HF, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ("fit", "data.csv", "--model", "bert", "--workers", "1", "--out")
    Path("other").mkdir()
    Path("other/thesis.txt").touch()
    for arguments, output in (
        (
            (*fit, "other"),
            "error: other exists and holds no model of ours, and is not overwritten: name another folder",
        ),
        ((*fit, "out", "--method", "magic"), "error: no method called 'magic'. Known: auto, naive, audited, "),
        ((*fit, "out", "--text", "body"), "error: data.csv has no column 'body': it has text, weak, gold"),
        (
            ("fit", "data.csv", "--model", "minilmm/l6", "--out", "out"),
            "error: no model family called 'minilmm'. Did you",
        ),
        (("fit", "no.csv", "--out", "out"), "error: there is no file no.csv"),
        (("predict", "other", "data.csv", "-o", "p.parquet"), "error: other holds no model that outgrow fit or export"),
    ):
        code, line = ended(capsys, *arguments)
        assert code == 2
        assert line.startswith(output)
        assert line.count("\n") == 1
    code, line = ended(capsys, *fit, "out", "--device", "xpu:7")
    assert (code, line.count("\n")) == (2, 1)
    assert line.startswith("error: no device 'xpu:7' here (")
    code, line = ended(capsys, *fit, "out", "--memory-gb", "0.5")
    assert (code, "use a larger machine or a smaller model" in line) == (2, True)
    assert not Path("runs").exists()
    assert not Path("out").exists()


EXPERIMENT = """\
task = { name = "text", path = "rows.jsonl", prompt = "{text}", label = "label" }
weak = "bert"
strong = "bert"
seeds = [0]
sizes = { weak_train = 40, transfer = 40, transfer_validation = 5, validation = 5, test = 20 }
recipes = { bert = { name = "head" } }
"""


@pytest.mark.slow
def test_export_writes_a_student_of_an_experiment(place: Path, bert: HF, capsys: pytest.CaptureFixture[str]) -> None:
    texts, truth = cheap.rows(300)
    lines = (json.dumps({"text": text, "label": name}) for text, name in zip(texts, truth, strict=True))
    Path("rows.jsonl").write_text("\n".join(dict.fromkeys(lines)))
    Path("words.toml").write_text(EXPERIMENT.replace("recipes = { bert", 'recipes = { "hf/bert"'))
    assert ended(capsys, "export", "words.toml", "naive/0", "student")[0] == 2
    assert outgrow("run", "words.toml", "--on", "inline").exit_code == 0
    assert outgrow("export", "words.toml", "naive/0", "student").stdout == (
        "student: the student of text-rows/hf-bert/hf-bert/naive/0\n"
    )
    cheap.table(place / "new.csv", 10)
    assert outgrow("predict", "student", "new.csv", "-o", "p.parquet").exit_code == 0
    assert set(pq.read_table("p.parquet")["label"].to_pylist()) <= set(cheap.CLASSES)
