"""Which examples are too long for a model, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
from text_files import write_jsonl

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.graph import Settings
from outgrow.models.hf import HF
from outgrow.tasks.text import Text
from outgrow.training.lengths import LengthLimit, narrowest_limits, not_one_token, too_long
from outgrow.types import UserError

ROWS = 200


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def task(tmp_path: Path) -> Text:
    """Row i has i % 40 + 1 words, one token each."""
    rows = [
        {"text": " ".join(f"w{(i + j) % 40}" for j in range(i % 40 + 1)) + f" x{i}", "label": i % 2}
        for i in range(ROWS)
    ]
    return Text(
        path=str(write_jsonl(tmp_path / "t.jsonl", rows)), prompt="{text}", label="label", near_share=0.0
    ).pinned()


def model(folder: Path, longest: int) -> HF:
    return HF(size=str(tiny.checkpoint(folder, "gpt2", n_positions=longest, max_position_embeddings=longest))).pinned()


def test_lengths_are_those_of_the_tokenizer_that_the_model_is_opened_with(task: Text, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = tiny.checkpoint(tmp_path / "m")
    length_limit = LengthLimit(digest="tiny", longest=64, folder=str(folder))
    texts = [row.example.prompt for row in task.load().rows]
    expected = [len(ids) for ids in AutoTokenizer.from_pretrained(folder)(texts)["input_ids"]]
    assert length_limit.lengths(texts).tolist() == expected
    assert length_limit.lengths([]).tolist() == []


def test_what_is_too_long_is_counted_with_the_number_that_would_fit(task: Text, tmp_path: Path) -> None:
    length_limit = LengthLimit.of(model(tmp_path / "m", 31), Settings())
    assert length_limit is not None
    assert length_limit.longest == 31
    found = too_long(task, length_limit)
    # Rows of 31 words and one more are too long: the ten largest of every forty lengths.
    assert len(found.ids) == 10 * ROWS // 40
    assert (found.tokens, found.rows) == (41, ROWS)
    texts = {row.example.id: row.example.prompt for row in task.load().rows}
    fitting = replace(task, max_chars=found.max_chars)
    assert found.max_chars == min(len(texts[id]) for id in found.ids) - 1
    assert too_long(fitting, length_limit).ids == ()


def test_one_reader_stands_for_all_models_with_its_tokenizer() -> None:
    a, b, c = LengthLimit(digest="x", longest=9), LengthLimit(digest="x", longest=5), LengthLimit(digest="y", longest=7)
    assert narrowest_limits([a, None, b, c]) == narrowest_limits([c, b, a]) == (b, c)


def test_an_example_too_long_for_one_model_leaves_all_of_them(task: Text, tmp_path: Path) -> None:
    small, large = model(tmp_path / "small", 31), model(tmp_path / "large", 64)
    experiment = Experiment(tasks=(task,), weak=(small,), strong=(large,), seeds=(0,), sizes=dict.fromkeys(task.sizes))
    (cell,) = cells(experiment.pinned())
    examples = cell.test.run(tiny.Scratch(tmp_path / "scratch"))
    assert max(len(row.prompt.split()) for row in examples.rows) <= 31
    everything = task.examples("test", None, 0)
    assert dict(examples.dropped)["longer than a model reads (test)"] == len(everything) - len(examples) > 0
    # Where nothing is too long, no model leaves a trace in the examples' key.
    (wide,) = cells(replace(experiment, weak=(large,)).pinned())
    (wider,) = cells(replace(experiment, weak=(model(tmp_path / "wider", 60),), strong=(large,)).pinned())
    assert wide.test.key == wider.test.key != cell.test.key
    assert wide.test.length_limits == ()


def test_cut_keeps_all_examples(task: Text, tmp_path: Path) -> None:
    small = model(tmp_path / "small", 31)
    experiment = Experiment(tasks=(task,), weak=(small,), strong=(small,), seeds=(0,), too_long="cut")
    (cell,) = cells(experiment.pinned())
    examples = cell.test.run(tiny.Scratch(tmp_path / "scratch"))
    assert examples.cut
    assert examples.ids == task.examples("test", None, 0).ids
    examples.save(tmp_path)
    assert type(examples).load(tmp_path) == examples


def test_a_choice_that_is_not_one_token(tmp_path: Path) -> None:
    length_limit = LengthLimit(digest="tiny", longest=64, folder=str(tiny.checkpoint(tmp_path / "m")))
    assert not_one_token(length_limit, ("a", "b", "w3")) is None
    assert not_one_token(length_limit, ("a", "w1 w2")) == "w1 w2"
    assert not_one_token(length_limit, ("unheard", "a")) == "unheard"


def test_a_tokenizer_that_changes_is_another_reader(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "m")
    before = LengthLimit.of(HF(size=str(folder)).pinned(), Settings())
    file = folder / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "added_tokens": []}))
    assert LengthLimit.of(HF(size=str(folder)).pinned(), Settings()) != before


SLOW = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no", "##es", "may")


def slow_tokenizer(folder: Path) -> Path:
    """A tokenizer that transformers has in Python alone: words of a list, between [CLS] and [SEP]."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(SLOW))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "basic"})
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 8}))
    return folder


def limit_of(folder: Path, settings: Settings) -> LengthLimit:
    found = LengthLimit.of(tiny.TinyModel(path=str(folder)), settings)
    assert found is not None
    return found


def test_a_slow_tokenizer_counts_tokens_and_knows_its_choices(tmp_path: Path) -> None:
    length_limit = limit_of(slow_tokenizer(tmp_path / "m"), Settings())
    assert length_limit.lengths(["yes", "yes no unheard"]).tolist() == [3, 5]
    assert not_one_token(length_limit, ("yes", "no")) is None
    assert not_one_token(length_limit, ("yes", "yeses", "no")) == "yeses"
    assert not_one_token(length_limit, ("yes", "unheard")) == "unheard"


def test_a_slow_tokenizer_of_the_checkpoint_s_own_code_runs_only_where_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = slow_tokenizer(tmp_path / "m")
    (folder / "mine.py").write_text(
        "from transformers import BertConfig, BertJapaneseTokenizer\n"
        "class Config(BertConfig):\n    model_type = 'never-heard-of'\n"
        "class Mine(BertJapaneseTokenizer):\n    pass\n"
    )
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "word_tokenizer_type": "basic"})
    )
    own = {"model_type": "never-heard-of", "auto_map": {"AutoConfig": "mine.Config"}, "max_position_embeddings": 8}
    (folder / "config.json").write_text(json.dumps(own))
    with pytest.raises(UserError, match=r"cannot be loaded: .*custom code"):
        not_one_token(limit_of(folder, Settings()), ("yes",))
    assert not_one_token(limit_of(folder, Settings(trust_remote_code=True)), ("yes", "yeses")) == "yeses"


def test_what_a_slow_tokenizer_adds_makes_it_another(tmp_path: Path) -> None:
    folder = slow_tokenizer(tmp_path / "m")
    digests = [limit_of(folder, Settings()).digest]
    for name, content in (("added_tokens.json", '{"yeses": 9}'), ("mine.py", "A = 1")):
        (folder / name).write_text(content)
        digests.append(limit_of(folder, Settings()).digest)
    assert len(set(digests)) == 3
