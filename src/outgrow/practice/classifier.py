"""A scikit-learn classifier of texts that learns from cheap labels."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from outgrow.graph import Settings
from outgrow.practice.budget import Tuned, finetuning, within
from outgrow.practice.checkpoint import Loaded, Packed, unpacked
from outgrow.practice.data import PracticeData
from outgrow.practice.fit import Fitted, fit
from outgrow.practice.models import named
from outgrow.text import tables
from outgrow.types import Doubles, UserError


class WeakToStrongClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A pretrained model that learns from cheap labels of texts, in the habits of scikit-learn.

    Parameters:
        model: `minilm/l6`, the folder of a checkpoint, or its name on the hub.
        method: How the labels are used: `auto`, `naive`, `audited`, a labelling rule or a loss.
        finetune: Finetune the model instead of a head on its frozen features.
        minutes: Finetune for so long at most.
        seed: Of everything that is drawn.
        store: The folder of finished steps; by default one that all estimators of this process share, so that no text
            is read twice by the same model.
        device: `cpu`, `cuda`, `cuda:1` or `mps`.

    Attributes:
        classes_: The classes as they are in the labels, sorted.
        method_: The method that was taken, with the reason.
        notes_: What is to be known of the labels and the fit, one line each.
        comparison_: Where audited rows are given, the accuracy of the model, and of what it is compared with, on them.

    Example:
        >>> classifier = WeakToStrongClassifier(model=folder, method="naive").fit(texts, weak)
        >>> classifier.predict_proba(texts[:2]).shape
        (2, 2)
    """

    def __init__(
        self,
        model: str = "minilm/l6",
        method: str = "auto",
        *,
        finetune: bool = False,
        minutes: float | None = None,
        seed: int = 0,
        store: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.model = model
        self.method = method
        self.finetune = finetune
        self.minutes = minutes
        self.seed = seed
        self.store = store
        self.device = device

    def fit(self, X: Any, y: Any, *, gold: Any = None, classes: Sequence[Any] = ()) -> Self:  # noqa: N803
        """Learn from weak labels.

        Args:
            X: The n texts: a list, an array, or a column of pandas, polars or a Hugging Face data set.
            y: Their labels: a class each, [n]; one of each annotator, [n, a], None, NaN or -1 where there is none;
                probabilities, [n, k], a row of NaN where there are none.
            gold: The ground truth of audited rows, [n]; None, NaN or -1 elsewhere.
            classes: The classes, in the order of the probabilities; by default those that occur.

        Raises:
            UserError: Lengths differ, there are too few labels or one class only, or an argument does not exist.
        """
        texts, settings = _texts(X), Settings(device=self.device)
        data = PracticeData.from_values(y, texts, classes=classes, gold=None if gold is None else _listed(gold))
        seed, model = _seed(self.seed), named(_name("model", self.model)).pinned()
        fit_method: Tuned | None = None
        if self.finetune or self.minutes is not None:
            fit_method = finetuning(data, model, settings)
            if self.minutes is not None:
                fit_method = within(self.minutes, data, model, fit_method, seed=seed, settings=settings)
        fitted: Fitted = fit(
            data,
            model,
            method=_name("method", self.method),
            fit_method=fit_method,
            seed=seed,
            store=self.store or _scratch().name,
            settings=settings,
        )
        self.classes_ = _as_given(data.classes, y, classes)
        self.method_ = f"{fitted.choice.name}: {fitted.choice.why}"
        self.comparison_ = fitted.comparison
        self.notes_ = fitted.notes
        self._packed = Packed.of(fitted.graph.fit, data.classes, fitted.store, settings)
        self._loaded: Loaded | None = None
        return self

    def predict_proba(self, X: Any) -> Doubles:  # noqa: N803
        """The probability of each class of `classes_`, float64 [n, k]. Texts longer than the model reads are cut,
        which a warning says."""
        check_is_fitted(self, "classes_")
        if self._loaded is None:
            self._loaded = unpacked(self._packed, Settings(device=self.device))
        texts, network = _texts(X), self._loaded.network
        if cut := network.too_long(texts):
            longer = f"{cut:,} of {len(texts):,} texts are longer than {network.longest} tokens"
            warnings.warn(f"{longer}: the rest is not read", stacklevel=2)
        return self._loaded.predict(texts)

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The most probable class of each text, [n]."""
        best = self.predict_proba(X).argmax(1)
        found: npt.NDArray[Any] = self.classes_[best]
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), **({"_loaded": None} if hasattr(self, "_packed") else {})}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array, tags.input_tags.one_d_array = True, False, True
        tags.target_tags.multi_output = True
        return tags


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """The folder of a store that lasts as long as the process."""
    return tempfile.TemporaryDirectory(prefix="outgrow-")


def _name(what: str, value: Any) -> str:
    """A parameter that is a name or a path. Raises UserError."""
    if not isinstance(value, str | os.PathLike):
        raise UserError(f"{what} is {value!r:.60}: give its name")
    return os.fspath(value)


def _seed(value: Any) -> int:
    """Raises UserError for what is no whole number of at least 0."""
    if not isinstance(value, int | np.integer) or value < 0:
        raise UserError(f"seed is {value!r:.60}: give a whole number of at least 0")
    return int(value)


def _listed(values: Any) -> list[Any]:
    """The values of a column, whatever library holds it. Raises UserError for a table of several columns."""
    for convert in ("to_list", "to_pylist", "tolist"):
        if hasattr(values, convert):
            return list(getattr(values, convert)())
    return list(values)


def _texts(values: Any) -> list[str]:
    """Raises UserError for a single text and for what is not a column of texts."""
    if isinstance(values, str):
        raise UserError("X is one text: give a list of texts")
    if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1:
        values = values[:, 0] if isinstance(values, np.ndarray) else values.iloc[:, 0]
    if getattr(values, "ndim", 1) != 1:
        raise UserError(f"X has the shape {values.shape}: give one column of texts")
    if not any(hasattr(values, each) for each in ("__iter__", "__getitem__", "to_list", "to_pylist")):
        raise UserError(f"X is {values!r:.40}: give a list of texts")
    texts = _listed(values)
    wrong = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise UserError(f"X[{wrong}] is {texts[wrong]!r:.40}: give texts")
    return texts


def _as_given(names: Sequence[str], y: Any, classes: Sequence[Any]) -> npt.NDArray[Any]:
    """The classes as they stand in the labels, such as 1 for the name "1"."""
    given = list(classes) or np.asarray(_listed(y), dtype=object).reshape(-1).tolist()
    by_name: dict[str, Any] = {}
    for value in given:
        value = value.item() if isinstance(value, np.generic) else value
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        if value is not None and not isinstance(value, float):
            by_name.setdefault(tables.name(value), value)
    return np.array([by_name.get(name, int(name) if name.isdigit() else name) for name in names])
