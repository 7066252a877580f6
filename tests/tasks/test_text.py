"""The text task: from a table to examples, and the doors by which an answer could slip in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeMethod, FakeModel
from text_files import reviews, shared, write_jsonl

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.steps import Fit
from outgrow.graph import identity, walk
from outgrow.tasks.base import DECONTAMINATION_ORDER
from outgrow.tasks.text import Text
from outgrow.text.near import Near
from outgrow.types import UserError


def task(path: Path, **options: Any) -> Text:
    fields = {"prompt": "{title}: {body}", "label": "sentiment", **options}
    return Text(path=str(path), **fields).pinned()


def experiment(task: Text, tests: int) -> Experiment:
    small, large = (FakeModel(size=size).pinned() for size in ("small", "large"))
    recipes = {(task.name, model.name): FakeMethod() for model in (small, large)}
    return Experiment(tasks=(task,), weak=(small,), strong=(large,), sizes={"test": tests}, recipes=recipes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "reviews.jsonl", reviews(300))


def test_a_row_becomes_an_example(file: Path) -> None:
    row = task(file, group="author").load().rows[4]
    assert row.example.prompt == "film4: word4 term4 thing4 item4"
    assert row.example.group == "author 2"
    assert row.example.choices == ("bad", "good")
    assert row.answer == (0.0, 1.0)
    assert task(file).name == "text/reviews"


def test_what_cannot_be_used_is_dropped_and_counted(tmp_path: Path) -> None:
    rows = reviews(6)
    rows[0]["body"] = " "
    rows[1]["sentiment"] = None
    rows[2]["body"] = "x" * 3000
    del rows[3]["title"]
    source = task(write_jsonl(tmp_path / "a.jsonl", rows + reviews(12)[6:])).load()
    assert dict(source.dropped) == {"empty prompt": 2, "no label": 1, "longer than 2000 characters": 1}
    assert len(source.rows) == 8
    longer = task(tmp_path / "a.jsonl", max_chars=5000).load()
    assert len(longer.rows) == 9


def test_rows_that_ask_the_same_become_one_and_disagreement_leaves(tmp_path: Path) -> None:
    rows = reviews(8)
    again = {**rows[0], "body": rows[0]["body"].upper() + " ", "author": "somebody else"}
    other = {**rows[1], "sentiment": "bad"}
    source = task(write_jsonl(tmp_path / "a.jsonl", [*rows, again, other]), group="author").load()
    assert dict(source.dropped) == {"same prompt again": 1, "same prompt, different labels": 2}
    assert [row.example.prompt.partition(":")[0] for row in source.rows] == [f"film{i}" for i in (0, 2, 3, 4, 5, 6, 7)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"prompt": "{title} {sentiment}"}, "the prompt names the label column 'sentiment'"),
        ({"group": "sentiment"}, "the group names the label column"),
        ({"id": "sentiment"}, "the id names the label column"),
        ({"prompt": "no column"}, "names no column"),
        ({"prompt": "{title.upper}"}, "has no column 'title.upper': it has title, body, sentiment, author"),
        ({"prompt": "{title!r}"}, "plain column names"),
        ({"prompt": "{title:>10}"}, "plain column names"),
        ({"prompt": "{}"}, "plain column names"),
        ({"prompt": "{title"}, "is not a template"),
        ({"prompt": "{headline}"}, "has no column 'headline': it has title, body, sentiment, author"),
        ({"label": "stars"}, "has no column 'stars'"),
        ({"group": "user"}, "has no column 'user'"),
        ({"classes": ("good", "fair")}, "row 1: the label 'bad' is none of good, fair"),
        ({"classes": ("good", "good")}, "classes lists 'good' twice"),
        ({"label": "author"}, "150 different values in 300 rows"),
        ({"max_chars": 3}, "no row can be used"),
        ({"near_share": 1.5}, "give a number between 0 and 1"),
        ({"id": "author"}, "two rows share the id"),
    ],
)
def test_what_is_wrong_is_reported_in_one_line(file: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        task(file, **options).load()
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_one_class_is_no_question(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{**row, "sentiment": "good"} for row in reviews(9)])
    with pytest.raises(UserError, match="always 'good'"):
        task(path).load()


def test_a_list_in_a_cell_is_named_with_its_row(tmp_path: Path) -> None:
    rows = reviews(9)
    rows[4]["body"] = ["a", "b"]
    with pytest.raises(UserError, match="row 5: 'body' holds a list"):
        task(write_jsonl(tmp_path / "a.jsonl", rows)).load()


def test_a_column_that_is_the_label_in_other_words_is_refused(tmp_path: Path) -> None:
    rows = [{**row, "stars": 5 if row["sentiment"] == "good" else 1} for row in reviews(30)]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(UserError, match="'stars' is the label in other words"):
        task(path, prompt="{title} {stars}").load()
    with pytest.raises(UserError, match="'stars' is the label in other words"):
        task(path, group="stars").load()
    rows[0]["stars"] = 5 if rows[0]["stars"] == 1 else 1  # it only hints now
    assert task(write_jsonl(tmp_path / "b.jsonl", rows), prompt="{title} {stars}").load().rows


def test_examples_are_the_same_whatever_the_labels(tmp_path: Path) -> None:
    """Ids, groups, choices, splits, subsets and order depend on nothing that is an answer."""
    rows = reviews(400)
    flipped = [{**row, "sentiment": "bad" if row["sentiment"] == "good" else "good"} for row in rows]
    one, other = (task(write_jsonl(tmp_path / f"{name}.jsonl", each)) for name, each in (("a", rows), ("b", flipped)))
    for split, n in (("weak_train", 50), ("transfer", None), ("test", 30)):
        assert one.examples(split, n, seed=3) == other.examples(split, n, seed=3)


def test_content_is_the_identity_and_the_path_is_not(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    shutil.copy(file, elsewhere)
    assert identity(task(file)) == identity(task(elsewhere))
    assert str(tmp_path) not in json.dumps(identity(task(file)))
    write_jsonl(elsewhere, reviews(299))
    assert identity(task(file)) != identity(task(elsewhere))
    assert identity(task(file)) != identity(task(file, max_chars=100))


def test_a_file_that_changed_after_planning_is_not_read(file: Path) -> None:
    planned = task(file)
    write_jsonl(file, reviews(10))
    with pytest.raises(UserError, match="has changed since"):
        planned.load()


def test_the_path_may_start_at_the_data_folder(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Text(path="$OUTGROW_DATA/reviews.jsonl", prompt="{body}", label="sentiment")
    monkeypatch.delenv("OUTGROW_DATA", raising=False)
    with pytest.raises(UserError, match="set it to your data folder"):
        found.pinned()
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    assert found.pinned().digest == task(file).digest
    monkeypatch.chdir(tmp_path)
    assert Text(path="reviews.jsonl", prompt="{body}", label="sentiment").pinned().digest == task(file).digest
    with pytest.raises(UserError, match=r"nowhere\.csv does not exist"):
        Text(path="nowhere.csv", prompt="{body}", label="sentiment").pinned()


def test_no_row_is_near_one_of_an_earlier_split(tmp_path: Path) -> None:
    rows = reviews(300)
    parts = [{**row, "title": "part", "body": row["body"].rpartition(" ")[0]} for row in rows]
    path = write_jsonl(tmp_path / "a.jsonl", rows + parts)
    close, loose = task(path, prompt="{body}"), task(path, prompt="{body}", near_share=0.0)
    earlier: list[str] = []
    for split in DECONTAMINATION_ORDER:
        kept, every = close.examples(split, None, 0), loose.examples(split, None, 0)
        left_out = dict(kept.dropped).get(f"near-duplicate of a row in another split ({split})", 0)
        assert len(kept) + left_out == len(every)
        # Within its own split a row may have near-duplicates.
        index = Near(earlier, 0.5)
        assert not index.find(row.prompt for row in kept.rows).any()
        assert (left_out == 0) == (split == "test")
        assert set(kept.ids) == {row.id for row in every.rows if row.prompt not in index}
        earlier += [row.prompt for row in kept.rows]


def test_the_number_of_test_examples_changes_no_other_split(file: Path) -> None:
    one, other = (
        [step for step in walk(targets(cells(experiment(task(file), n)))) if isinstance(step, Fit)] for n in (10, 20)
    )
    assert [fit.key for fit in one] == [fit.key for fit in other]


def test_phrases_of_one_sentence_are_in_one_split() -> None:
    sst2 = Text(path=str(shared("text/sst2.jsonl.gz")), prompt="{sentence}", label="label").pinned()
    source = sst2.load()
    assert dict(source.dropped) == {"same prompt again": 366, "same prompt, different labels": 10}
    assert len(source.rows) == 67_349 - 376
    weak_train, transfer = (sst2.examples(split, None, 0) for split in ("weak_train", "transfer"))
    assert min(len(weak_train), len(transfer)) > 3000
    assert dict(transfer.dropped)["near-duplicate of a row in another split (transfer)"] > 15_000
    phrases = {f" {row.prompt} " for row in transfer.rows if len(row.prompt.split()) >= 4}
    whole = [f" {row.prompt} " for row in weak_train.rows]
    inside = sum(phrase in sentence for phrase in phrases for sentence in whole if len(phrase) < len(sentence))
    assert inside <= 20  # punctuation is a word in this comparison: `, but it` is two words and a mark
