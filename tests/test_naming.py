"""Names that tell files and checkpoints of one name apart, and where an experiment uses them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import tiny
from fakes import FakeMethod, FakeModel, FakeTask
from hypothesis import given
from hypothesis import strategies as st

from outgrow.config import experiment_from
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.technique import Technique
from outgrow.graph import walk
from outgrow.methods.finetune import Finetune
from outgrow.models.gguf import GGUF
from outgrow.models.hf import HF
from outgrow.naming import accepted_names, distinct_names
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Task
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.tasks.nlp import Nlp
from outgrow.tasks.reward import Reward
from outgrow.tasks.text import Text
from outgrow.types import UserError


@dataclass(frozen=True)
class Thing:
    short_name: str
    location: Path | None


def files(*paths: str) -> list[Thing]:
    return [Thing(f"text/{Path(path).name.partition('.')[0]}", Path(path)) for path in paths]


def shown(things: Iterable[Thing]) -> list[str]:
    things = list(things)
    names = distinct_names(things)
    return [names.get((thing.short_name, thing.location), thing.short_name) for thing in things]  # type: ignore[arg-type]


def test_as_much_of_the_path_as_it_takes() -> None:
    assert shown(files("/x/a.csv", "/x/b.csv")) == ["text/a", "text/b"]
    assert shown(files("/x/data.csv", "/y/data.csv")) == ["text/x/data", "text/y/data"]
    assert shown(files("/1/x/data.csv", "/2/x/data.csv", "/2/y/data.csv")) == [
        "text/1/x/data",
        "text/2/x/data",
        "text/y/data",
    ]
    assert shown(files("/x/data.csv", "/x/data.tsv")) == ["text/data.csv", "text/data.tsv"]
    assert shown(files("/x/data.csv", "/2/x/data.csv", "/2/x/data.tsv")) == [
        "text/x/data.csv",
        "text/2/x/data.csv",
        "text/data.tsv",
    ]


def test_the_same_file_again_is_no_namesake() -> None:
    assert shown(files("/x/data.csv", "/x/data.csv")) == ["text/data", "text/data"]


def test_what_has_no_path_keeps_its_name() -> None:
    things = [Thing("chess-puzzles", None), Thing("chess-puzzles", Path("/a/lichess.csv.zst"))]
    assert shown(things) == ["chess-puzzles", "chess-puzzles/lichess"]
    things = [Thing("hf/gpt2", None), Thing("hf/gpt2", Path("/models/gpt2"))]
    assert shown(things) == ["hf/gpt2", "hf/models/gpt2"]


PARTS = st.lists(st.sampled_from(["a", "b", "run1", ".."]), min_size=1, max_size=4)
ENDINGS = st.sampled_from([".csv", ".tsv", ".csv.gz", ""])


@given(st.lists(st.tuples(PARTS, ENDINGS), min_size=2, max_size=6))
def test_different_files_never_share_a_name(drawn: list[tuple[list[str], str]]) -> None:
    things = files(*("/root/" + "/".join([*parts, f"data{ending}"]) for parts, ending in drawn))
    names = shown(things)
    for one, first in zip(things, names, strict=True):
        for other, second in zip(things, names, strict=True):
            assert (first == second) == (_normal(one) == _normal(other)), (one, other, names)
        assert first in accepted_names(one)


def _normal(thing: Thing) -> str:
    return os.path.normpath(thing.location)  # type: ignore[arg-type]


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """run1/checkpoint-500 and run2/checkpoint-500, of different weights."""
    one = tiny.checkpoint(tmp_path / "run1" / "checkpoint-500", "bert", seed=1)
    return one, tiny.checkpoint(tmp_path / "run2" / "checkpoint-500", "bert", seed=2)


def experiment(*models: Path, **more: object) -> Experiment:
    table = {"task": "fakes:FakeTask", "weak": [str(m) for m in models], "strong": [str(m) for m in models]}
    return experiment_from(table | {"seeds": [0]} | more)


def test_two_checkpoints_of_one_name_are_two(runs: tuple[Path, Path]) -> None:
    both = experiment(*runs)
    assert [model.name for model in both.strong] == ["hf/run1/checkpoint-500", "hf/run2/checkpoint-500"]
    titles = {step.title for step in walk(targets(cells(both.pinned())))}
    assert {"fit hf/run1/checkpoint-500 on fakes transfer", "fit hf/run2/checkpoint-500 on fakes transfer"} <= titles


def test_a_name_enters_no_key(runs: tuple[Path, Path]) -> None:
    alone, both = experiment(runs[0]).pinned(), experiment(*runs).pinned()
    assert alone.strong[0].name == "hf/checkpoint-500"
    assert alone.strong[0] == both.strong[0]
    assert {step.key for step in targets(cells(alone))} < {step.key for step in targets(cells(both))}


def test_one_checkpoint_by_two_paths_is_listed_twice(runs: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(runs[0].parent)
    again = experiment(runs[0], tmp_path / "link" / "checkpoint-500")
    with pytest.raises(
        UserError, match=r"weak lists one content twice, as 'hf/run1/.*' and as 'hf/link/checkpoint-500'"
    ):
        again.pinned()
    with pytest.raises(UserError, match="weak lists 'hf/checkpoint-500' twice"):
        experiment(runs[0], tmp_path / "link" / ".." / "run1" / "checkpoint-500")


def test_recipes_name_one_of_two(runs: tuple[Path, Path]) -> None:
    recipe = {"name": "finetune", "epochs": 7}
    found = experiment(*runs, recipes={"hf/run2/checkpoint-500": recipe}).pinned()
    fits = [cell.student_fit for cell in cells(found)]
    epochs = {fit.model.name: fit.method.epochs for fit in fits if isinstance(fit.method, Finetune)}
    assert epochs == {"hf/run1/checkpoint-500": Finetune().epochs, "hf/run2/checkpoint-500": 7}
    with pytest.raises(UserError, match="'hf/checkpoint-500' may be 'hf/run1/checkpoint-500' or 'hf/run2/check"):
        experiment(*runs, recipes={"hf/checkpoint-500": recipe})
    with pytest.raises(UserError, match="'hf/checkpoint-500' may be 'hf/run1/checkpoint-500' or 'hf/run2/check"):
        replace(found, recipes={("fakes", "hf/checkpoint-500"): Finetune()})


@pytest.mark.parametrize("name", ["hf/checkpoint-500", "hf/run1/checkpoint-500"])
def test_any_name_will_do_where_only_one_has_it(runs: tuple[Path, Path], name: str) -> None:
    found = experiment(runs[0], recipes={name: {"name": "finetune", "epochs": 7}})
    assert found.recipes == {("fakes", "hf/checkpoint-500"): Finetune(epochs=7)}


def test_two_recipes_of_one_model(runs: tuple[Path, Path]) -> None:
    recipes = {name: {"name": "finetune"} for name in ("hf/checkpoint-500", "hf/run1/checkpoint-500")}
    with pytest.raises(UserError, match="recipes has two tables for 'hf/checkpoint-500': write one"):
        experiment(runs[0], recipes=recipes)


def test_a_recipe_by_short_name_holds_for_records_too(runs: tuple[Path, Path]) -> None:
    """Records may have been given a recipe before a second file of that name joined another axis."""
    text = {"prompt": "{text}", "label": "label", "near_share": 0.0}
    tasks = (Text(path="/a/data.csv", **text), Text(path="/b/data.csv", **text))
    found = Experiment(tasks=tasks, weak=(FakeModel(size="small"),), strong=(FakeModel(size="large"),))
    with pytest.raises(UserError, match="recipes: 'text/data' may be 'text/a/data' or 'text/b/data': write which"):
        replace(found, recipes={("text/data", "fakes/small"): FakeMethod()})
    assert replace(found, recipes={("text/a/data", "fakes/small"): FakeMethod()}).tasks == tasks


def task_names(*tasks: Task) -> list[str]:
    found = Experiment(tasks=tasks, weak=(FakeModel(size="small"),), strong=(FakeModel(size="large"),))
    return [task.name for task in found.tasks]


def test_every_kind_of_file() -> None:
    def text(path: str) -> Text:
        return Text(path=path, prompt="{text}", label="label")

    assert task_names(text("/a/data.csv"), text("/b/data.csv"), FakeTask()) == ["text/a/data", "text/b/data", "fakes"]
    assert task_names(Reward(path="/a/hh_*.jsonl"), Reward(path="/b/hh_*.jsonl")) == ["reward/a/hh", "reward/b/hh"]
    assert task_names(Nlp(set="boolq"), Nlp(set="boolq", path="/a/mine.jsonl")) == ["nlp/boolq", "nlp/boolq/mine"]
    puzzles = ChessPuzzles(), ChessPuzzles(source="/a/lichess.csv"), ChessPuzzles(source="/b/lichess.csv")
    assert task_names(*puzzles) == ["chess-puzzles", "chess-puzzles/a/lichess", "chess-puzzles/b/lichess"]
    moves = ChessPuzzles(source="/a/x.csv", prompt="moves"), ChessPuzzles(prompt="moves")
    assert task_names(*moves) == ["chess-puzzles/moves/x", "chess-puzzles/moves"]


def test_models_of_ensembles_and_chains_are_distinguished_too() -> None:
    one, two, three = (GGUF(size=f"/{folder}/model.gguf") for folder in ("a", "b", "c"))
    found = Experiment(
        tasks=(FakeTask(),),
        weak=(Ensemble(members=(one, two)),),
        strong=(HF(size="org/model"),),
        methods=(Technique(chain=(three,)),),
    )
    assert found.weak[0].name == "gguf/a/model + gguf/b/model"
    assert found.methods[0].chain[0].name == "gguf/c/model"
    alone = replace(found, weak=(one,), methods=(Technique(),))
    assert alone.weak[0].name == "gguf/model"
