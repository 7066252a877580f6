"""What every task keeps to. A new file in outgrow/tasks is tested by itself, once it has a sample."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import samples

from outgrow.graph import identity
from outgrow.plugins import find, names
from outgrow.tasks.base import SPLITS, Task, ground_truth
from outgrow.types import Examples, Labels, UserError


@pytest.fixture(scope="module", params=names("task"))
def task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Task:
    return samples.sample("task", samples.TASKS, request.param, tmp_path_factory.mktemp("task")).pinned()


def test_no_sample_is_left_over() -> None:
    assert set(samples.TASKS) == set(names("task"))


@pytest.mark.parametrize("name", names("task"))
def test_a_task_is_one_documented_frozen_record(name: str) -> None:
    kind = find("task", name)
    assert kind.__doc__
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "digest" in {field.name for field in dataclasses.fields(kind)}


def test_no_task_imports_torch() -> None:
    modules = ", ".join(f"outgrow.tasks.{name.replace('-', '_')}" for name in names("task"))
    code = f"import sys, {modules}; print(sorted({{'torch', 'transformers', 'datasets'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_is_identified_by_content_and_not_by_place(task: Task) -> None:
    assert task.digest  # type: ignore[attr-defined]
    text = json.dumps(identity(task))
    assert str(Path.home()) not in text
    assert "/tmp" not in text
    assert task.pinned() == task


def test_splits_share_no_group_and_cover_everything(task: Task) -> None:
    splits = [task.examples(split, None, 0) for split in SPLITS]
    groups = [set(split.groups) for split in splits]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert sum(map(len, splits)) == len(task.load().rows)


def test_the_seed_draws_training_subsets_and_nothing_else(task: Task) -> None:
    for split in SPLITS:
        n = len(task.examples(split, None, 0)) // 2
        one, again, other = (task.examples(split, n, seed) for seed in (0, 0, 1))
        assert one == again
        assert (one.ids != other.ids) is (split in ("weak_train", "transfer"))


def test_a_smaller_subset_is_the_beginning_of_a_larger_one(task: Task) -> None:
    larger = task.examples("transfer", 20, 5)
    assert task.examples("transfer", 7, 5).rows == larger.rows[:7]


def test_too_many_examples_are_refused(task: Task) -> None:
    with pytest.raises(UserError, match="ask for fewer"):
        task.examples("test", 10**9, 0)


def test_gold_is_right_and_everything_else_is_wrong(task: Task) -> None:
    test = task.examples("test", None, 0)
    gold = ground_truth(task, test)
    assert gold.ids == test.ids
    assert np.allclose([row.sum() for row in gold.rows()], 1, atol=1e-5)
    assert all(len(row) == len(example.choices) for row, example in zip(gold.rows(), test.rows, strict=True))
    assert task.score(gold, test, gold).correct.min() == 1
    wrong = [np.where(row > 0, 0.0, 1.0) for row in gold.rows()]
    wrong = [row / row.sum() for row in wrong if row.any()]
    if len(wrong) == len(gold):
        assert task.score(Labels.from_rows(gold.ids, wrong), test, gold).correct.max() == 0


def test_scores_join_by_id(task: Task) -> None:
    test = task.examples("test", 20 if len(task.examples("test", None, 0)) >= 20 else None, 0)
    gold = ground_truth(task, test)
    turned = Labels.from_rows(gold.ids[::-1], gold.rows()[::-1])
    assert task.score(turned, test, gold).correct.min() == 1


def test_examples_keep_through_the_store(task: Task, tmp_path: Path) -> None:
    examples = task.examples("validation", None, 0)
    examples.save(tmp_path)
    assert Examples.load(tmp_path) == examples


def test_facets_are_of_these_examples_and_in_none_of_them(task: Task) -> None:
    test = task.examples("test", None, 0)
    facets = task.facets(test)
    assert set(task.facets(Examples(rows=()))) == set(facets)  # the names do not depend on the examples
    rows = {row.id: row for row in test.rows}
    for name, values in facets.items():
        assert values.keys() <= rows.keys(), name
        for id, value in values.items():
            row = rows[id]
            shown = {row.id, row.group, *row.prompt.split(), *row.choices}
            words = {str(each) for each in (value if isinstance(value, tuple) else (value,))}
            assert not shown & (words | {name}), name


def test_choices_do_not_say_which_is_right(task: Task) -> None:
    """They stand in an order of their own: sorted, or the same for every example; of pairs either is right as often."""
    rows = task.load().rows
    orders = {row.example.choices for row in rows}
    if task.readout == "pair":
        assert abs(np.mean([row.answer[0] for row in rows]) - 0.5) < 2 / np.sqrt(len(rows))
    else:
        assert len(orders) == 1 or all(list(order) == sorted(order) for order in orders)


def test_a_drawing_is_svg_without_scripts_or_nothing(task: Task) -> None:
    for row in task.examples("test", None, 0).rows[:5]:
        drawn = task.drawing(row, {"right": row.choices[0], "student": row.choices[-1]})
        assert not drawn or (drawn.startswith("<svg ") and ElementTree.fromstring(drawn) is not None)
        assert "<script" not in drawn
        assert not re.search(r"\bon\w+=|https?:", drawn)
