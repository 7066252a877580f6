"""Logistic regression on bags of words, by scikit-learn, its penalty chosen by cross-validation."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from outgrow.tasks.base import Readout
from outgrow.text.bag import Bag
from outgrow.types import Doubles, Examples, Ints, Labels, UserError

MOST_GRAM = 2000  # examples of which all inner products are computed: 32 MB
TINY = 1e-9  # the least probability in a cross-entropy


@dataclass(frozen=True, kw_only=True, eq=False)
class WordClassifier:
    """softmax(vectors @ weight.T + bias), over those of k classes that it has seen; the others have probability 0.

    weight: float64 [seen classes, terms]. bias: float64 [seen classes]. seen: int64 [seen classes], in 0..k - 1. curve:
    the cross-validated cross-entropy and accuracy of each penalty.
    """

    bag: Bag
    weight: Doubles
    bias: Doubles
    seen: Ints
    classes: int
    curve: tuple[dict[str, float], ...] = ()

    def predict(self, examples: Examples, readout: Readout) -> Doubles:
        """Probabilities [n, k], with plain numpy and scipy."""
        logits = vectors(self.bag, examples, readout) @ self.weight.T + self.bias
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        probs = np.zeros((len(examples), self.classes))
        probs[:, self.seen] = exponentials / exponentials.sum(1, keepdims=True)
        return probs

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays = {"idf": self.bag.idf, "weight": self.weight, "bias": self.bias, "seen": self.seen}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "words.safetensors")
        names = {"vocabulary": self.bag.vocabulary, "ngrams": self.bag.ngrams, "classes": self.classes}
        (folder / "words.json").write_text(json.dumps(names), encoding="utf-8")
        (folder / "curve.json").write_text(json.dumps(self.curve, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        arrays = load_file(folder / "words.safetensors")
        names = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        least, most = names["ngrams"]
        bag = Bag(vocabulary=tuple(names["vocabulary"]), idf=arrays.pop("idf"), ngrams=(least, most))
        curve = tuple(json.loads((folder / "curve.json").read_text()))
        return cls(bag=bag, classes=names["classes"], curve=curve, **arrays)


def texts_of(examples: Examples, readout: Readout) -> list[str]:
    """The texts that are read: the prompts, or of a pair both texts, the first ones first.

    Raises UserError for examples that do not share their choices, and for pairs of more than two texts.
    """
    if readout != "pair":
        if other := next((row.id for row in examples.rows if row.choices != examples.rows[0].choices), None):
            raise UserError(f"words need a task whose examples share their choices: {other!r} has its own")
        return [row.prompt for row in examples.rows]
    if any(len(row.choices) != 2 for row in examples.rows):
        raise UserError("words compare two texts, and this task has examples with more: use another supervisor")
    return [row.prompt + row.choices[side] for side in (0, 1) for row in examples.rows]


def vectors(bag: Bag, examples: Examples, readout: Readout) -> Any:
    """One vector an example, [n, terms]; for a pair, that of the first text less that of the second."""
    found = bag.vectors(texts_of(examples, readout))
    n = len(examples)
    return found[:n] - found[n:] if readout == "pair" else found


def vocabulary(examples: Examples, readout: Readout, ngrams: tuple[int, int], least: int) -> Bag:
    """The bag of these examples. Raises UserError where no term is in `least` of their texts."""
    bag = Bag.of(texts_of(examples, readout), ngrams, least)
    if not bag.vocabulary:
        raise UserError(
            f"no word or n-gram of words is in {least} of the {len(examples)} texts that words learn from: "
            "lower min_df, or give more examples"
        )
    return bag


def classes_seen(labels: Labels) -> Ints:
    """The classes that are the most probable of some example. Raises UserError for fewer than two."""
    seen = np.unique(labels.hard())
    if len(seen) < 2:
        raise UserError(
            f"the {len(labels)} examples that words learn from are all of one class: give more examples, "
            "sizes = { weak_train = 300 }, or other rows"
        )
    return seen


def fit_words(
    examples: Examples,
    labels: Labels,
    readout: Readout,
    *,
    ngrams: tuple[int, int],
    least: int,
    penalties: Sequence[float],
    folds: int,
    seed: int,
) -> WordClassifier:
    """Multinomial logistic regression: the least summed cross-entropy plus penalty / 2 times the squared weights.

    penalties: the one with the lowest cross-entropy over `folds` parts, of whole groups drawn by `seed`, is taken. A
    pair is learned both ways round and without a bias, so that neither position is preferred.
    """
    from scipy.sparse import vstack

    bag = vocabulary(examples, readout, ngrams, least)
    seen, pair = classes_seen(labels), readout == "pair"
    known, answers = vectors(bag, examples, readout), labels.hard()
    part = _parts(examples.groups, folds, seed)
    if pair:
        known, answers, part = vstack([known, -known]), np.concatenate([answers, 1 - answers]), np.tile(part, 2)
    rows, axes = _compressed(known.tocsr())
    curve = [_validated(rows, answers, part, penalty, pair) for penalty in penalties]
    best = penalties[int(np.argmin([point["loss"] for point in curve]))]
    weight, bias = _regressed(rows, answers, best, pair)
    return WordClassifier(
        bag=bag,
        weight=weight if axes is None else (axes @ weight.T).T,
        bias=bias,
        seen=seen,
        classes=int(labels.widths[0]),
        curve=tuple(curve),
    )


def held_out_log_odds(
    texts: Sequence[str], positive: Ints, groups: Sequence[str], *, folds: int = 5, seed: int = 0
) -> Doubles:
    """How much a bag of words takes each text for a positive one, log-odds float64 [n], learned from texts of other
    groups alone. positive: 0 or 1, [n], with both among any folds - 1 parts; else its log-odds are 0."""
    part, scores = _parts(groups, folds, seed), np.zeros(len(texts))
    for fold in range(folds):
        inside, outside = part == fold, part != fold
        known = [text for text, own in zip(texts, outside.tolist(), strict=True) if own]
        bag = Bag.of(known, (1, 1), 2)
        if bag.vocabulary and len(np.unique(positive[outside])) == 2:
            weight, bias = _regressed(bag.vectors(known), positive[outside], 1.0, False)
            inside_texts = (text for text, own in zip(texts, inside.tolist(), strict=True) if own)
            logits = bag.vectors(inside_texts) @ weight.T + bias
            scores[inside] = logits[:, 1] - logits[:, 0]
    return scores


def refuse_few_groups(groups: Sequence[str], folds: int) -> None:
    """Raises UserError for groups that are fewer than the parts of the cross-validation."""
    if (count := len(set(groups))) < folds:
        raise UserError(f"{count} groups of examples cannot be cut into {folds} folds: give more examples")


def _parts(groups: Sequence[str], folds: int, seed: int) -> Ints:
    """The part of each example, int64 [n]: whole groups, in the seed's order."""
    refuse_few_groups(groups, folds)
    names = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    part = np.random.default_rng(seed).permutation(len(names)) % folds
    return np.asarray(part[[names[group] for group in groups]], dtype=np.int64)


def _compressed(rows: Any) -> tuple[Any, Any]:
    """The rows in their principal axes, dense [n, rank], and the axes [terms, rank].

    The best weights are a combination of the rows, and the penalty does not depend on the axes, so a regression in the
    axes is the same regression, in 1 s instead of 10 for 300 texts of 11,000 terms. Many rows, or more rows than terms,
    stay as they are, without axes.
    """
    n, width = rows.shape
    if n > min(width, MOST_GRAM) or not rows.count_nonzero():
        return rows, None
    variance, axes = np.linalg.eigh((rows @ rows.T).toarray())
    kept = variance > 1e-9 * variance.max()
    scale = np.sqrt(variance[kept])
    return axes[:, kept] * scale, rows.T @ (axes[:, kept] / scale)


def _validated(rows: Any, answers: Ints, part: Ints, penalty: float, pair: bool) -> dict[str, float]:
    """The cross-entropy and accuracy of a penalty, on each part by a fit to the others."""
    loss = right = 0.0
    for fold in range(int(part.max()) + 1):
        inside, outside = part == fold, part != fold
        seen = np.unique(answers[outside])
        if len(seen) < 2:
            continue
        weight, bias = _regressed(rows[outside], answers[outside], penalty, pair)
        logits = rows[inside] @ weight.T + bias
        log_probs = logits - np.logaddexp.reduce(logits, 1)[:, None]
        column = np.searchsorted(seen, answers[inside])
        known = np.isin(answers[inside], seen)  # others cost the same with every penalty
        own = log_probs[np.arange(len(column)), np.minimum(column, len(seen) - 1)]
        loss -= np.where(known, np.maximum(own, np.log(TINY)), np.log(TINY)).sum()
        right += (known & (log_probs.argmax(1) == column)).sum()
    return {"penalty": penalty, "loss": float(loss) / len(answers), "accuracy": float(right) / len(answers)}


def _regressed(rows: Any, answers: Ints, penalty: float, pair: bool) -> tuple[Doubles, Doubles]:
    """Weights [seen classes, width] and biases [seen classes]."""
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few examples a class, and the solver's last digits
        fitted: Any = LogisticRegression(C=1 / penalty, max_iter=1000, tol=1e-5, fit_intercept=not pair)
        fitted.fit(rows, answers)
    weight, bias = fitted.coef_, np.broadcast_to(fitted.intercept_, len(fitted.coef_))
    if len(weight) == 1:  # two classes: one logit, which is the difference of two
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, np.array(bias)
