"""The estimator in the habits of scikit-learn."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cheap
import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import outgrow
from outgrow.models.hf import HF
from outgrow.practice.classifier import WeakToStrongClassifier
from outgrow.types import UserError

TEXTS, TRUTH = cheap.rows(60)
WEAK = cheap.noisy(TRUTH)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HF]:
    place = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OUTGROW_CACHE", str(place / "cache"))
        yield cheap.model(place)


@pytest.fixture(scope="module")
def estimator(bert: HF, tmp_path_factory: pytest.TempPathFactory) -> WeakToStrongClassifier:
    return WeakToStrongClassifier(bert.size, "naive", store=str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def fitted(estimator: WeakToStrongClassifier) -> WeakToStrongClassifier:
    return clone(estimator).fit(TEXTS, WEAK)


def test_it_predicts_classes_and_their_probabilities(fitted: WeakToStrongClassifier) -> None:
    probs = fitted.predict_proba(TEXTS)
    assert fitted.classes_.tolist() == ["high", "low"]
    assert probs.shape == (60, 2)
    assert probs.sum(1) == pytest.approx(1)
    assert fitted.predict(TEXTS).tolist() == [fitted.classes_[i] for i in probs.argmax(1)]
    assert 0 <= fitted.score(TEXTS, TRUTH) <= 1
    assert fitted.method_ == "naive: as asked: labels as they are"


@pytest.mark.parametrize(
    ("weak", "classes"),
    [
        ([int(name == "high") for name in WEAK], [0, 1]),
        (np.array([name == "high" for name in WEAK]), [False, True]),
        ([[3, -1] if name == "high" else [7, 7] for name in WEAK], [3, 7]),
        ([[0.9, 0.1] if i else [math.nan] * 2 for i in range(30)] + [[0.2, 0.8]] * 30, [0, 1]),
    ],
    ids=["numbers", "booleans", "annotators", "probabilities"],
)
def test_classes_are_as_they_stand_in_the_labels(
    estimator: WeakToStrongClassifier, weak: Any, classes: list[Any]
) -> None:
    found = clone(estimator).fit(TEXTS, weak)
    assert found.classes_.tolist() == classes
    assert type(found.predict(TEXTS[:1]).tolist()[0]) is type(classes[0])


class Column:
    """As a column of polars or pandas looks."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def to_list(self) -> list[Any]:
        return self.values

    def __len__(self) -> int:
        return len(self.values)


@pytest.mark.parametrize("column", [np.array, Column, pa.array, tuple, lambda texts: np.array(texts)[:, None]])
def test_texts_may_be_any_column(column: Any, fitted: WeakToStrongClassifier) -> None:
    assert np.array_equal(fitted.predict(column(TEXTS)), fitted.predict(TEXTS))


@pytest.mark.slow
def test_it_can_be_cloned_piped_and_searched(estimator: WeakToStrongClassifier) -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipe = Pipeline([("lower", lower), ("model", clone(estimator))]).fit(TEXTS, WEAK)
    assert pipe.predict(TEXTS).shape == (60,)
    grid = {"method": ["naive", "harden"]}
    search = GridSearchCV(clone(estimator), grid, cv=2).fit(np.array(TEXTS), np.array(WEAK))
    assert search.best_params_["method"] in grid["method"]
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


@pytest.mark.parametrize("finetune", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_is_pickled_with_its_weights(finetune: bool, bert: HF) -> None:
    """Of a finetuned model the store is not needed any more."""
    found = WeakToStrongClassifier(bert.size, "naive", finetune=finetune).fit(TEXTS, WEAK)
    before = found.predict_proba(TEXTS)
    content = pickle.dumps(found)
    found._packed = None
    assert pickle.loads(content).predict_proba(TEXTS) == pytest.approx(before, abs=1e-6)


def test_texts_that_are_cut_are_counted_and_notes_are_kept(fitted: WeakToStrongClassifier, recwarn: Any) -> None:
    fitted.predict(TEXTS)
    assert not [each for each in recwarn if "tokens" in str(each.message)]
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than 64 tokens: the rest is not read"):
        fitted.predict_proba([TEXTS[0], "w1 " * 100])
    long = clone(fitted).fit([*TEXTS, "w1 " * 100], [*WEAK, "low"])
    assert "1 of 61 texts are longer than 64 tokens: the rest is not read" in long.notes_


def test_joblib_reads_what_it_wrote(fitted: WeakToStrongClassifier, tmp_path: Path) -> None:
    import joblib

    joblib.dump(fitted, tmp_path / "model.joblib")
    assert np.array_equal(joblib.load(tmp_path / "model.joblib").predict(TEXTS), fitted.predict(TEXTS))


@pytest.mark.slow
def test_audited_rows_are_learned_from(estimator: WeakToStrongClassifier) -> None:
    found = clone(estimator).set_params(method="auto").fit(TEXTS, WEAK, gold=[*TRUTH[:40], *[None] * 20])
    assert found.method_.startswith("audited: 40 audited rows")
    assert found.comparison_[0].name == "this model"


def test_what_is_wrong_is_reported(estimator: WeakToStrongClassifier) -> None:
    new = clone(estimator)
    with pytest.raises(NotFittedError):
        new.predict(TEXTS)
    with pytest.raises(UserError, match="60 items have labels and there are 59 texts"):
        new.fit(TEXTS[:-1], WEAK)
    with pytest.raises(UserError, match="X is one text"):
        new.fit("a text", WEAK)
    with pytest.raises(UserError, match=r"X\[1\] is 3: give texts"):
        new.fit([TEXTS[0], 3], WEAK[:2])
    with pytest.raises(UserError, match=r"X has the shape \(30, 2\)"):
        new.fit(np.array(TEXTS).reshape(30, 2), WEAK[:30])
    with pytest.raises(UserError, match="an answer needs two classes"):
        new.fit(TEXTS, ["low"] * 60)
    with pytest.raises(UserError, match="X is 5: give a list of texts"):
        new.fit(5, WEAK)
    with pytest.raises(UserError, match=r"gold has the shape \(60, 2\): give one class for each item"):
        new.fit(TEXTS, WEAK, gold=np.array([WEAK, WEAK]).T)
    for parameter, value, message in (
        ("method", "magic", "no method called 'magic'"),
        ("method", None, "method is None: give its name"),
        ("model", 5, "model is 5: give its name"),
        ("seed", None, "seed is None: give a whole number of at least 0"),
        ("seed", -1, "seed is -1: give a whole number of at least 0"),
        ("minutes", 0, "minutes is 0: give a number above 0"),
        ("minutes", float("nan"), "minutes is nan: give a number above 0"),
    ):
        with pytest.raises(UserError, match=message):
            clone(estimator).set_params(**{parameter: value}).fit(TEXTS, WEAK)


def test_a_model_may_be_a_path_and_a_seed_a_number_of_numpy(fitted: WeakToStrongClassifier) -> None:
    other = clone(fitted).set_params(model=Path(fitted.model), seed=np.int64(0)).fit(TEXTS, WEAK)
    assert np.array_equal(other.predict(TEXTS), fitted.predict(TEXTS))


CHECKS = (
    "check_no_attributes_set_in_init",
    "check_get_params_invariance",
    "check_set_params",
    "check_estimator_repr",
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_parameters_default_constructible",
    "check_mixin_order",
    "check_estimators_unfitted",
)  # the others fit arrays of numbers, which this refuses


@pytest.mark.parametrize("name", CHECKS)
def test_the_checks_of_scikit_learn_that_fit_no_numbers(name: str) -> None:
    getattr(estimator_checks, name)("WeakToStrongClassifier", WeakToStrongClassifier())


def test_it_has_a_short_name() -> None:
    assert outgrow.WeakToStrongClassifier is WeakToStrongClassifier
