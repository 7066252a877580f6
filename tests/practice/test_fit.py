"""Fits to cheap labels with tiny models: what is learned from, what is said, and that a fit goes on where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cheap
import numpy as np
import pytest
import tiny

from outgrow.methods.finetune import Finetune
from outgrow.models.hf import HF
from outgrow.practice.comparison import MODEL
from outgrow.practice.data import PracticeData
from outgrow.practice.fit import fit
from outgrow.types import UserError

QUICK = Finetune(epochs=1, learning_rate=1e-3, precision="fp32")


def test_every_row_is_predicted_better_than_by_chance(bert: HF, tmp_path: Path) -> None:
    data = cheap.data(400)
    found = fit(data, bert, method="naive", store=str(tmp_path))
    assert found.predictions.ids == data.ids
    _, truth = cheap.rows(400)
    right = np.array([data.classes[i] for i in found.predictions.hard()]) == np.array(truth)
    assert right.mean() > 0.6
    assert found.comparison == ()
    assert len(found.scored) == 0


def test_a_second_fit_computes_nothing_and_is_the_same(bert: HF, tmp_path: Path) -> None:
    first, again = (fit(cheap.data(60), bert, store=str(tmp_path)) for _ in range(2))
    assert first.outcome.computed
    assert not again.outcome.computed
    assert np.array_equal(first.predictions.probs, again.predictions.probs)


@pytest.mark.parametrize(
    ("method", "audited"),
    [
        ("naive", 10),
        pytest.param("naive", 40, marks=pytest.mark.slow),
        pytest.param("audited", 40, marks=pytest.mark.slow),
    ],
)
def test_the_answer_on_an_audited_row_does_not_depend_on_its_labels(
    method: str, audited: int, bert: HF, tmp_path: Path
) -> None:
    """Its ground truth and its weak label are turned round: the answer that scores the model is the same."""
    texts, truth = cheap.rows(60)
    weak, gold = cheap.noisy(truth), [*truth[:audited], *[None] * (60 - audited)]
    other = {"low": "high", "high": "low"}
    changed_weak, changed_gold = [other[weak[3]] if i == 3 else w for i, w in enumerate(weak)], list(gold)
    changed_gold[3] = other[truth[3]]
    found = [
        fit(
            PracticeData.from_values(w, texts, classes=cheap.CLASSES, gold=g), bert, method=method, store=str(tmp_path)
        ).scored
        for w, g in ((weak, gold), (changed_weak, changed_gold))
    ]
    assert sorted(found[0].ids) == sorted(str(i) for i in range(audited))
    own = [each.of(("3",)).probs for each in found]
    assert np.array_equal(*own)
    if audited == 40:  # folds: the others' answers may change, since they have learned from it
        rest = tuple(id for id in found[0].ids if id != "3")
        assert not np.array_equal(*(each.of(rest).probs for each in found))


def test_the_model_is_compared_with_what_is_simpler(bert: HF, tmp_path: Path) -> None:
    found = fit(cheap.data(120, audited=40), bert, store=str(tmp_path))
    assert found.choice.name == "audited"
    names = [row.name for row in found.comparison]
    assert names == [MODEL, "the weak labels", "the same model on the audited rows alone", "majority class"]
    assert all(row.accuracy for row in found.comparison)


@pytest.mark.slow
def test_a_causal_model_is_asked_where_classes_are_tokens(tmp_path: Path) -> None:
    texts, truth = cheap.rows(60)
    letters = ["a" if name == "low" else "b" for name in truth]
    data = PracticeData.from_values(letters, texts, gold=[*letters[:30], *[None] * 30])
    found = fit(data, cheap.model(tmp_path, "gpt2"), store=str(tmp_path / "store"))
    assert "the same model, zero-shot" in [row.name for row in found.comparison]
    longer = fit(cheap.data(60, audited=30), cheap.model(tmp_path, "gpt2"), store=str(tmp_path / "store"))
    assert "the same model, zero-shot" not in [row.name for row in longer.comparison]


def test_a_model_without_a_padding_token_is_read(tmp_path: Path) -> None:
    found = fit(cheap.data(60), cheap.model(tmp_path, "gpt2", pad=False), store=str(tmp_path / "store"))
    assert len(found.predictions) == 60
    tuned = fit(
        cheap.data(60), cheap.model(tmp_path, "gpt2", pad=False), fit_method=QUICK, store=str(tmp_path / "store")
    )
    assert len(tuned.predictions) == 60


@pytest.mark.slow
def test_a_finetuned_model_is_scored_on_audited_rows_that_were_set_aside(bert: HF, tmp_path: Path) -> None:
    data = cheap.data(60, audited=40)
    head = fit(data, bert, store=str(tmp_path))
    tuned = fit(data, bert, fit_method=QUICK, others={"a head": head.scored}, store=str(tmp_path))
    assert len(tuned.scored) == 20
    assert tuned.graph.fit.examples.task.fold == 0
    assert not set(tuned.scored.ids) & set(tuned.graph.fit.examples.task.audited().ids)
    assert "a head" in [row.name for row in tuned.comparison]
    plain = fit(cheap.data(60, audited=10), bert, method="naive", fit_method=QUICK, store=str(tmp_path))
    assert len(plain.scored) == 10  # few, and not learned from: all are set aside


@pytest.mark.slow
def test_several_sources_are_joined(bert: HF, tmp_path: Path) -> None:
    texts, truth = cheap.rows(60)
    votes = [
        [a, b, None if i % 3 else c]
        for i, (a, b, c) in enumerate(zip(*(cheap.noisy(truth, seed=s) for s in range(3)), strict=True))
    ]
    data = PracticeData.from_values(votes, texts, gold=[*truth[:30], *[None] * 30])
    for method in ("auto", "naive", "knn"):
        assert len(fit(data, bert, method=method, store=str(tmp_path)).predictions) == 60


@pytest.mark.slow
def test_replies_are_compared(bert: HF, tmp_path: Path) -> None:
    given = tiny.pairs(60)
    rows = [*given.validation.rows, *given.examples.rows]
    weak = [("low", "high")[int(row.choices[0] > row.choices[1])] for row in rows]
    texts = ["a"] * len(rows)
    data = replace(
        PracticeData.from_values(weak, texts, classes=cheap.CLASSES), replies=tuple(row.choices for row in rows)
    )
    assert len(fit(data, bert, store=str(tmp_path)).predictions) == 60


def test_long_texts_are_counted_and_cut(bert: HF, tmp_path: Path) -> None:
    texts, truth = cheap.rows(60)
    texts[7] = " ".join(["w1"] * 100)
    found = fit(PracticeData.from_values(truth, texts), bert, store=str(tmp_path))
    assert "1 of 60 texts are longer than 64 tokens: the rest is not read" in found.notes


def test_what_is_wrong_is_reported_before_anything_is_computed(bert: HF, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no method called 'magic'"):
        fit(cheap.data(), bert, method="magic", store=str(tmp_path / "store"))
    with pytest.raises(UserError, match="give 10 at least"):
        fit(cheap.data(8), bert, store=str(tmp_path / "store"))
    with pytest.raises(UserError, match="there is no folder 'nowhere/at/all'"):
        fit(cheap.data(), HF(size="nowhere/at/all"), store=str(tmp_path / "store"))
    texts, truth = cheap.rows(20)
    with pytest.raises(UserError, match="20 items have labels and there are 19 texts"):
        PracticeData.from_values(truth, texts[:-1])
    assert not (tmp_path / "store").exists()


def test_a_model_too_large_for_memory_is_refused_before_it_is_loaded(
    bert: HF, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **named: Any) -> None:
        raise AssertionError("it was loaded")

    monkeypatch.setattr("outgrow.training.network.load_module", never)
    small = replace(tiny.SETTINGS, memory_gb=0.5)  # room for Python and its libraries, and for no model
    with pytest.raises(UserError, match=r"features of hf/bert .* needs 0.5\d* GB of memory \(here 0.5\): use a larger"):
        fit(cheap.data(), bert, store=str(tmp_path / "store"), settings=small)
    with pytest.raises(UserError, match=r"fit hf/bert .* needs 0.5\d* GB of memory \(here 0.5\): "):
        fit(cheap.data(), bert, fit_method=QUICK, store=str(tmp_path / "store"), settings=small)
    assert not (tmp_path / "store").exists()
