"""The site: it builds without a broken link, its reference is complete, and every block of its own pages runs."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tiny
from contracts.samples import tiny_checkpoint
from test_practice_page import BLOCKS as TUTORIAL
from test_practice_page import run_page
from text_files import REPOSITORY, reviews, write_jsonl

import outgrow
from docs import reference
from docs.site import local, moved
from outgrow.config import read
from outgrow.plugins import FOLDERS, names

DOCS = REPOSITORY / "docs"
BLOCK = re.compile(r"<!-- test: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
CODE = re.compile(r"^```(?:python|toml|bash)\n", re.MULTILINE)
OWN = [*sorted((DOCS / "how-to").glob("*.md")), *sorted((DOCS / "explanation").glob("*.md")), DOCS / "practice.md"]


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((DOCS / page).read_text())


def test_it_builds_strictly(tmp_path: Path) -> None:
    if not find_spec("material"):
        pytest.skip("mkdocs-material is not installed: it is in the extra dev")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "What PGR means" in (tmp_path / "site/index.html").read_text()


def test_links_out_of_the_folder_become_text_and_broken_ones_stay() -> None:
    text = "[a](../src/outgrow/api.py) [b](../README.md#your-own-data) [c](tasks.md) [d](nothing.md) [e](decisions)"
    first = sorted((DOCS / "decisions").glob("*.md"))[0].name
    assert local(text, DOCS) == f"a [b](index.md#your-own-data) [c](tasks.md) [d](nothing.md) [e](decisions/{first})"
    assert local("[b](../../README.md)", DOCS / "how-to") == "[b](../index.md)"
    assert moved("![p](docs/report.png) [x](docs/log.md)", REPOSITORY, DOCS) == "![p](report.png) [x](log.md)"


def test_every_block_of_its_own_pages_is_run() -> None:
    for page in OWN:
        text = page.read_text()
        assert len(CODE.findall(text)) == len([1 for kind, _ in BLOCK.findall(text) if kind not in ("output", "shape")])


def test_the_reference_has_what_can_be_named() -> None:
    pages = reference.pages()
    everything = "\n".join(pages.values())
    for name in set(outgrow.__all__) - {"Plan", "Resources", "Settings", "Worker", "Store", "UserError", "read"}:
        assert f"\n### {name}\n" in everything, name
    for kind in FOLDERS:
        for name in names(kind):
            assert f"\n### `{name}`\n" in pages["reference/plug-ins.md"], name
    assert "## `outgrow predict`" in pages["reference/commands.md"]


def test_docstrings_become_markdown() -> None:
    text = """Add numbers.

    Args:
        a: One,
            or another.
        b: Two.

    Returns:
        The sum.

    Example:
        >>> add(1, 2)
        3
    """
    lines = [line for line in reference.markdown(text).splitlines() if line.strip()]
    assert lines[:3] == ["Add numbers.", "*Args*", "- `a`: One,"]
    assert [lines[3].strip(), *lines[4:]] == [
        "or another.", "- `b`: Two.", "*Returns*", "The sum.", "```pycon", ">>> add(1, 2)", "3", "```",
    ]  # fmt: skip


@pytest.mark.parametrize("page", ["explanation/pgr.md", "explanation/weak-labels.md"])
def test_explanations_print_what_they_say(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(blocks(page))


@pytest.mark.parametrize("page", ["how-to/labels.md", "how-to/python.md"])
def test_pages_on_labels_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    own = blocks(page)
    if page.endswith("python.md"):
        own = [(kind, text.replace('model="minilm/l6"', 'model="./tiny"')) for kind, text in own]
        tiny_checkpoint(tmp_path / "tiny")
    run_page([TUTORIAL[0], *own])


def test_the_page_on_trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "reviews.jsonl", reviews(40))
    ((name, toml),) = blocks("how-to/trackers.md")
    Path(name).write_text(toml)
    assert [tracker.name for tracker in read(name).trackers] == ["tensorboard", "mlflow", "wandb"]


def test_the_page_on_reward_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trl", reason="trl is in the extra dev")
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    monkeypatch.chdir(tmp_path)
    (_, toml), (_, code) = blocks("how-to/reward-model.md")
    (tmp_path / "preferences.toml").write_text(toml)
    rows = [{"prompt": f"ask{i}?", "chosen": f" fine{i}", "rejected": f" bad{i}"} for i in range(20)]
    write_jsonl(tmp_path / "pairs.jsonl", rows)
    assert read("preferences.toml").tasks[0].name == "reward/pairs"
    space: dict[str, type] = {}
    exec(code, space)
    folder = tiny_checkpoint(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).eval()
    inputs = dict(tokenizer(["a fine film", "a dull film", "bad", "good"], padding=True, return_tensors="pt"))
    trainer = object.__new__(space["SoftRewardTrainer"])
    with torch.no_grad():
        chosen, rejected = model(**inputs).logits.squeeze(-1).chunk(2)
        for sure in (1.0, 0.5, 0.8):
            expected = -sure * torch.nn.functional.logsigmoid(chosen - rejected)
            expected -= (1 - sure) * torch.nn.functional.logsigmoid(rejected - chosen)
            got = trainer.compute_loss(model, {**inputs, "margin": torch.tensor([sure, sure])})
            assert math.isclose(got.item(), expected.mean().item(), rel_tol=1e-4)


@pytest.mark.slow
def test_trl_trains_a_reward_model_on_soft_preferences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two updates by TRL's own loop. The first loss is that of the untrained model, by hand; then the weights move."""
    pytest.importorskip("trl", reason="trl is in the extra dev")
    import torch
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig

    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    exec(blocks("how-to/reward-model.md")[1][1], space)
    folder, tokenizer = tiny.checkpoint(tmp_path / "gpt2"), tiny.tokenizer()
    tokenizer.eos_token = "[SEP]"
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, pad_token_id=1).eval()
    sure = [1.0, 0.5, 0.8, 0.3]
    pairs = [
        {"prompt": f"w{i}", "chosen": f" w{i} w2", "rejected": " w9 w8 w7", "margin": p} for i, p in enumerate(sure)
    ]

    def score(pair: dict[str, Any], reply: str) -> Any:
        return model(**tokenizer(f"{pair['prompt']}{pair[reply]}[SEP]", return_tensors="pt")).logits.squeeze()

    with torch.no_grad():
        ahead = [(score(pair, "chosen") - score(pair, "rejected")).double() for pair in pairs]
    each = [
        -p * torch.nn.functional.logsigmoid(d) - (1 - p) * torch.nn.functional.logsigmoid(-d)
        for p, d in zip(sure, ahead, strict=True)
    ]
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    arguments = RewardConfig(
        output_dir=str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=4, learning_rate=1e-2,
        logging_steps=1, save_strategy="no", report_to="none", use_cpu=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    trainer = space["SoftRewardTrainer"](
        model=model, args=arguments, processing_class=tokenizer, train_dataset=Dataset.from_list(pairs)
    )
    trainer.train()
    first = next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)
    assert math.isclose(first, float(sum(each)) / 4, rel_tol=1e-3)
    assert trainer.state.global_step == 2
    assert any(not torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
