"""The pages on plug-ins and on tasks: the files that they show are written and run, the sets that they list are all."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import tiny
from text_files import reviews, write_jsonl

from outgrow.config import read
from outgrow.graph import Settings, identity
from outgrow.labelling.base import Rule
from outgrow.methods.finetune import Finetune
from outgrow.plugins import find, names
from outgrow.text.sets import TABLE

DOCS = Path(__file__).parents[1] / "docs"


def shown(name: str) -> str:
    """A file as the page shows it."""
    found = re.search(
        rf"<!-- test: {re.escape(name)} -->\n```\w+\n(.*?)```", (DOCS / "extending.md").read_text(), re.DOTALL
    )
    assert found, f"docs/extending.md shows no {name}"
    return found[1]


def test_a_loss_written_in_one_file_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    source = shown("my_losses.py")
    assert source.count("\n") < 60
    (tmp_path / "my_losses.py").write_text(source)
    (tmp_path / "quiz.toml").write_text(shown("quiz.toml"))
    write_jsonl(tmp_path / "reviews.jsonl", reviews(30))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_losses", raising=False)
    loss = read(tmp_path / "quiz.toml").methods[1].loss
    assert type(loss).__name__ == "SelfDistillation"
    assert identity(loss) != identity(find("loss", "my_losses:SelfDistillation")())
    # Half-way 0.75 * 0.5 of the target is the student's own (0.25, 0.75): 0.625 * 0.8 + 0.375 * 0.25 = 0.59375.
    logits, weak = torch.tensor([[0.25, 0.75]]).log(), torch.tensor([[0.8, 0.2]])
    assert loss.targets(logits, weak, 0.5)[0].tolist() == pytest.approx([0.59375, 0.40625])
    model, data = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model"))), tiny.supervision(24)
    method = Finetune(learning_rate=1e-2)
    predictor = method.fit(model, "head", loss, data, 0, tiny.Scratch(tmp_path / "run"))
    labels = method.predict(predictor, "head", data.validation, Settings(), lambda done: None)
    assert labels.ids == data.validation.ids


def test_every_loss_is_one_short_file() -> None:
    for name in names("loss"):
        path = Path(__file__).parents[1] / f"src/outgrow/losses/{name.replace('-', '_')}.py"
        assert len(path.read_text().splitlines()) < 70, f"{path.name} is no short file any more"


def test_the_rules_that_the_page_names_are_of_the_kind_it_says() -> None:
    kinds: dict[str, type[Rule]] = {name: find("rule", name) for name in names("rule")}
    assert kinds["mean"].aggregates
    assert kinds["keep-confident"].selects
    assert kinds["knn"].needs == ("student/features",)


def test_the_page_on_tasks_lists_every_set_with_its_place_on_the_hub() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\S+|file only) \|", (DOCS / "tasks.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: entry.hub or "file only" for name, entry in TABLE.items()}
