"""The folder of a fitted model: it loads without us, and says what it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cheap
import numpy as np
import pyarrow.parquet as pq
import pytest

from outgrow.graph import Settings
from outgrow.methods.base import Method
from outgrow.methods.contrastive import Contrastive
from outgrow.methods.finetune import Finetune
from outgrow.models.hf import HF
from outgrow.practice.checkpoint import Facts, read_model
from outgrow.practice.fit import Fitted, fit
from outgrow.practice.folder import refuse_foreign, write_folder
from outgrow.practice.report import lines, report
from outgrow.types import Doubles, UserError

TUNED = Contrastive(epochs=2, learning_rate=1e-3, precision="fp32")
TEXTS = ["w1 w2 w3", "w30 w2", "w25 w4 w5 w6 w7", "w3"]


def written(fitted: Fitted, folder: Path) -> Path:
    write_folder(fitted, folder, Settings(), "outgrow fit data.csv --out DIR")
    return folder


def piped(folder: Path) -> Doubles:
    """The answers of transformers' pipeline, in the order of the classes."""
    from transformers import pipeline

    classify = pipeline("text-classification", str(folder), top_k=None)
    rows = [{each["label"]: each["score"] for each in answer} for answer in classify(TEXTS)]
    return np.array([[row[name] for name in cheap.CLASSES] for row in rows])


@pytest.mark.slow
@pytest.mark.parametrize("fit_method", [None, TUNED])
def test_a_head_on_an_encoder_is_read_by_its_script(fit_method: Method | None, bert: HF, tmp_path: Path) -> None:
    fitted = fit(cheap.data(60), bert, fit_method=fit_method, store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    assert Facts.load(folder).kind == "head"
    classify = "".join(f"{text}\n" for text in TEXTS)
    command = [sys.executable, str(folder / "predict.py")]
    printed = subprocess.run(command, input=classify, capture_output=True, text=True, check=True).stdout
    answers = [line.split("\t") for line in printed.splitlines()]
    own = read_model(folder, Settings()).predict(TEXTS)
    assert [name for name, _ in answers] == [cheap.CLASSES[i] for i in own.argmax(1)]
    assert [float(sure) for _, sure in answers] == pytest.approx(own.max(1), abs=2e-4)


@pytest.mark.parametrize(
    "architecture", ["gpt2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gpt_neox", "opt"))]
)
def test_a_head_on_a_causal_model_is_written_into_the_checkpoint(architecture: str, tmp_path: Path) -> None:
    model = trained_norms(cheap.model(tmp_path, architecture))
    fitted = fit(cheap.data(60), model, store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    assert Facts.load(folder).kind == "classifier"
    assert not (folder / "predict.py").exists()
    assert piped(folder) == pytest.approx(read_model(folder, Settings()).predict(TEXTS), abs=1e-4)
    texts = fitted.data.texts[:8]
    assert read_model(folder, Settings()).predict(texts) == pytest.approx(
        fitted.predictions.probs[:16].reshape(8, 2),
        abs=3e-2,  # features are read in bf16 where that is fast
    )


def test_an_architecture_without_a_shift_keeps_its_head_beside_it(tmp_path: Path) -> None:
    """Llama's last norm has no shift, so a classifier without a bias cannot answer as the head does."""
    fitted = fit(cheap.data(60), cheap.model(tmp_path, "llama"), store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    assert Facts.load(folder).kind == "head"
    assert read_model(folder, Settings()).predict(fitted.data.texts[:8]) == pytest.approx(
        fitted.predictions.probs[:16].reshape(8, 2), abs=1e-5
    )


def test_a_finetuned_model_is_an_ordinary_checkpoint(bert: HF, tmp_path: Path) -> None:
    fit_method = Finetune(epochs=2, learning_rate=1e-3, precision="fp32")
    fitted = fit(cheap.data(60), bert, fit_method=fit_method, store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    assert json.loads((folder / "config.json").read_text())["id2label"] == {"0": "low", "1": "high"}
    assert piped(folder) == pytest.approx(read_model(folder, Settings()).predict(TEXTS), abs=1e-5)
    own = read_model(folder, Settings()).predict(fitted.data.texts)
    assert own == pytest.approx(fitted.predictions.probs.reshape(60, 2), abs=1e-5)


def test_a_contrastively_finetuned_encoder_has_its_head_beside_it(bert: HF, tmp_path: Path) -> None:
    fitted = fit(cheap.data(60), bert, fit_method=TUNED, store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    assert {"predict.py", "head.safetensors", "model.safetensors"} <= {path.name for path in folder.iterdir()}
    assert "The encoder was finetuned, and a linear head" in (folder / "README.md").read_text()
    own = read_model(folder, Settings()).predict(fitted.data.texts)
    assert own == pytest.approx(fitted.predictions.probs.reshape(60, 2), abs=1e-5)
    frozen = fit(cheap.data(60), bert, store=str(tmp_path / "store")).predictions.probs
    assert not np.allclose(frozen, fitted.predictions.probs, atol=1e-3)


def test_predictions_have_a_row_for_each_row(bert: HF, tmp_path: Path) -> None:
    fitted = fit(cheap.data(60), bert, store=str(tmp_path / "store"))
    rows = pq.read_table(written(fitted, tmp_path / "out") / "predictions.parquet").to_pylist()
    assert [row["id"] for row in rows] == list(fitted.data.ids)
    for row, probs, weak in zip(rows, fitted.predictions.rows(), fitted.weak.hard(), strict=True):
        assert row["label"] == cheap.CLASSES[probs.argmax()]
        assert row["confidence"] == pytest.approx(probs.max())
        assert row["weak_label"] == cheap.CLASSES[weak]
        assert row["differs"] == (row["label"] != row["weak_label"])
    assert report(fitted)["differs"] == pytest.approx(np.mean([row["differs"] for row in rows]))


def test_a_row_without_a_label_differs_from_none(bert: HF, tmp_path: Path) -> None:
    from outgrow.practice.data import PracticeData

    texts, truth = cheap.rows(40)
    fitted = fit(PracticeData.from_values([None, *truth[1:]], texts), bert, store=str(tmp_path / "store"))
    first = pq.read_table(written(fitted, tmp_path / "out") / "predictions.parquet").to_pylist()[0]
    assert (first["weak_label"], first["differs"]) == (None, None)
    assert first["label"] in cheap.CLASSES


@pytest.mark.slow
def test_the_card_and_the_page_say_the_same_as_the_terminal(bert: HF, tmp_path: Path) -> None:
    fitted = fit(cheap.data(120, audited=40), bert, store=str(tmp_path / "store"))
    folder = written(fitted, tmp_path / "out")
    card, page = (folder / "README.md").read_text(), (folder / "report.html").read_text()
    stored = json.loads((folder / "report.json").read_text())
    assert lines(fitted)[: len(stored["verdict"])] == stored["verdict"]
    for sentence in stored["verdict"]:
        assert sentence in card
        assert sentence.replace("'", "&#39;") in page
    for row in stored["comparison"]:
        assert f"| {row['name']} | {row['shown']} |" in card
    assert "outgrow fit data.csv --out DIR" in card
    assert stored["command"] == "outgrow fit data.csv --out DIR"


def test_a_text_cannot_break_the_page(bert: HF, tmp_path: Path) -> None:
    from dataclasses import replace

    fitted = fit(cheap.data(120), bert, store=str(tmp_path / "store"))
    texts = tuple(f"<script>{text}" for text in fitted.data.texts)
    wanted = replace(fitted.wanted, data=replace(fitted.data, texts=texts))
    page = (written(replace(fitted, wanted=wanted), tmp_path / "out") / "report.html").read_text()
    assert report(fitted)["differs"] > 0
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .*: name another folder"):
        refuse_foreign(tmp_path / "file" / "out")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    refuse_foreign(Path())
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_of_something_else_is_not_overwritten(bert: HF, tmp_path: Path) -> None:
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="exists and holds no model of ours"):
        refuse_foreign(other)
    fitted = fit(cheap.data(60), bert, store=str(tmp_path / "store"))
    with pytest.raises(UserError, match="is not overwritten"):
        write_folder(fitted, other, Settings())
    assert [path.name for path in tmp_path.glob(".*")] == []
    written(fitted, tmp_path / "out")
    written(fitted, tmp_path / "out")  # our own is replaced
    with pytest.raises(UserError, match="holds no model that outgrow fit or export has written"):
        read_model(other, Settings())


def trained_norms(model: HF) -> HF:
    """The model with a last layer norm as training leaves it: fresh ones have shifts of zero."""
    import torch
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_pretrained(model.size)
    norms = [part for part in module.base_model.modules() if isinstance(part, torch.nn.LayerNorm)]
    with torch.no_grad():
        torch.manual_seed(0)
        for norm in norms:
            norm.weight.add_(0.2 * torch.randn_like(norm.weight))
            norm.bias.add_(0.3 * torch.rand_like(norm.bias))
    module.save_pretrained(model.size)
    return HF(size=model.size).pinned()


def test_a_link_to_a_folder_stays_one(bert: HF, tmp_path: Path) -> None:
    fitted = fit(cheap.data(60), bert, store=str(tmp_path / "store"))
    written(fitted, tmp_path / "out")
    (tmp_path / "link").symlink_to("out")
    written(fitted, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Facts.load(tmp_path / "out").classes == cheap.CLASSES
