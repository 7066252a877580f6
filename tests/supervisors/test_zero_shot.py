"""A causal model that is asked, as a supervisor: its labels are those of a student before training."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from fakes import FakeModel
from slots import BASE, LARGE, SMALL, Worded, done

from outgrow.config import experiment_from
from outgrow.executors.inline import Inline
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import ZeroShot as ZeroShotStep
from outgrow.graph import Settings, load, run
from outgrow.models.hf import HF
from outgrow.preflight import checked
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.supervisors.zero_shot import ZeroShot
from outgrow.tasks.base import Readout, Row, Source
from outgrow.types import Example, UserError

CHESS: dict[str, Any] = {
    "task": "chess-puzzles",
    "strong": "ladder/pawn",
    "seeds": [0],
    "precision": "fp32",
    "sizes": {"weak_train": 4, "transfer": 6, "transfer_validation": 4, "validation": 4, "test": 40},
}


@dataclass(frozen=True, kw_only=True)
class HeadedWords(Worded):
    """The same questions with classes that are not tokens of the tiny models, answered by a head."""

    readout: ClassVar[Readout] = "head"

    def load(self) -> Source:
        examples = [(replace(row.example, choices=("no", "yes")), row.answer) for row in super().load().rows]
        return Source([Row(example=example, answer=answer) for example, answer in examples])


WORDED = HeadedWords(digest="fake")


def test_its_step_is_that_of_a_student_before_training(tmp_path: Path) -> None:
    (cell,) = cells(replace(BASE, weak=(ZeroShot(model=LARGE),)))
    assert cell.zero_shot is not None
    assert cell.floor == cell.zero_shot
    assert (cell.supervisors, cell.direct) == ((), None)
    assert not done(cell, tmp_path).failures


def test_a_rung_of_the_ladder_is_as_right_as_the_zero_shot_row_of_the_same_rung(tmp_path: Path) -> None:
    """Two experiments: as a student the pawn has a zero-shot score; as a supervisor it has a floor."""
    student = checked(experiment_from({**CHESS, "weak": "ladder/knight"}), Settings())
    weak = {"name": "zero-shot", "model": "ladder/pawn"}
    supervisor = checked(experiment_from({**CHESS, "weak": weak, "strong": "ladder/knight"}), Settings())
    (as_student,), (as_supervisor,) = cells(student), cells(supervisor)
    assert as_student.zero_shot is not None
    assert as_supervisor.floor.key == as_student.zero_shot.key
    assert as_supervisor.weak.name == "zero-shot ladder/pawn"
    with Inline() as executor:
        assert not run([as_supervisor.floor, as_supervisor.label_accuracy], Store(str(tmp_path)), executor).failures
    store = Store(str(tmp_path))
    labels, examples = load(as_supervisor.floor.predictions, store), load(as_supervisor.test, store)
    assert [len(row) for row in labels.rows()] == [len(row.choices) for row in examples.rows]
    for label, example in list(zip(labels.rows(), examples.rows, strict=True))[:5]:
        assert np.allclose(label, plainly(as_supervisor.weak.models[0].folder(Settings()), example), atol=1e-4)


def plainly(folder: Path, example: Example) -> np.ndarray[Any, Any]:
    """The probabilities of the choices as the next token, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = [tokenizer(choice, add_special_tokens=False)["input_ids"] for choice in example.choices]
    with torch.no_grad():
        logits = model(**tokenizer(example.prompt, return_tensors="pt")).logits[0, -1]
    found: np.ndarray[Any, Any] = logits[[token for (token,) in tokens]].softmax(-1).numpy()
    return found


def test_tokens_may_stand_for_the_classes_of_a_task_with_a_head(tmp_path: Path) -> None:
    """The probabilities of `w1` and `w2` after the prompt are those of the classes `no` and `yes`, in this order."""
    folder = tiny.checkpoint(tmp_path / "model")
    model = HF(size=str(folder)).pinned()
    found = {}
    for words in (("w1", "w2"), ("w2", "w1")):
        weak = ZeroShot(model=model, verbalizer=words)
        (cell,) = cells(replace(BASE, tasks=(WORDED,), weak=(weak,), direct=False))
        step = cell.floor.predictions
        assert isinstance(step, ZeroShotStep)
        assert (step.readout, step.verbalizer) == ("tokens", words)
        with Inline() as executor:
            assert not run([cell.floor], Store(str(tmp_path / "store")), executor).failures
        found[words] = load(step, Store(str(tmp_path / "store")))
    first, second = found.values()
    assert np.allclose(np.array(first.rows())[:, ::-1], second.rows(), atol=1e-6)
    assert not np.allclose(first.probs, 0.5)


def test_one_model_may_be_asked_and_fitted_in_one_ensemble() -> None:
    both = Ensemble(members=(ZeroShot(model=SMALL), SMALL))
    (cell,) = cells(replace(BASE, weak=(both,)))
    assert cell.weak.name == f"zero-shot {SMALL.name} + {SMALL.name}"
    with pytest.raises(UserError, match="lists 'fakes/small' twice"):
        Ensemble(members=(SMALL, SMALL))


def test_a_document_names_it() -> None:
    table = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}
    weak = {"name": "zero-shot", "model": "fakes:FakeModel/small", "verbalizer": [" bad", " good"]}
    (found,) = experiment_from({**table, "weak": [weak]}).weak
    assert found == ZeroShot(model=FakeModel(size="small"), verbalizer=(" bad", " good"))
    assert found.name == "zero-shot fakes/small (bad, good)"
    with pytest.raises(UserError, match="verbalizer lists 'a' twice"):
        experiment_from({**table, "weak": {**weak, "verbalizer": ["a", "a"]}})


def refused(weak: ZeroShot, message: str, **changes: Any) -> None:
    with pytest.raises(UserError, match=message) as error:
        checked(replace(BASE, weak=(weak,), **changes), Settings())
    assert len(set(error.value.messages)) == 1


def test_a_checkpoint_without_a_language_head_is_refused_before_a_run(tmp_path: Path) -> None:
    folder = tiny.checkpoint(tmp_path / "model")
    cell = ZeroShot(model=HF(size=str(folder)), verbalizer=("w1", "w2"))
    assert checked(replace(BASE, tasks=(WORDED,), weak=(cell,)), Settings())
    config = json.loads((folder / "config.json").read_text())
    for kind in ("GPT2ForSequenceClassification", "GPT2Model"):
        (folder / "config.json").write_text(json.dumps({**config, "architectures": [kind]}))
        refused(cell, f"hf/model is a {kind}, which has no language head", tasks=(WORDED,))


def test_choices_that_are_no_tokens_are_refused_before_a_run(tmp_path: Path) -> None:
    """Only next tokens are compared, so two choices that begin with the same token would be the same."""
    model = HF(size=str(tiny.checkpoint(tmp_path / "model")))
    advice = r"give one token for each choice \(verbalizer"
    refused(
        ZeroShot(model=model),
        f"task test-zero-shot: hf/model: the choice 'no' is not one token.*{advice}",
        tasks=(WORDED,),
    )
    two = ZeroShot(model=model, verbalizer=("w1 w2", "w1 w3"))
    refused(two, f"the choice 'w1 w2' is not one token.*{advice}", tasks=(WORDED,))
    one = ZeroShot(model=model, verbalizer=("w1",))
    refused(one, "verbalizer lists 1 tokens for 2 choices: give one for each of no, yes", tasks=(WORDED,))


def test_pairs_are_refused() -> None:
    table = {**CHESS, "task": "chess-preferences", "weak": {"name": "zero-shot", "model": "ladder/pawn"}}
    with pytest.raises(UserError, match="task chess-preferences: it compares two texts"):
        checked(experiment_from(table), Settings())
