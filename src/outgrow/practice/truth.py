"""What the true classes probably are: from the labels alone, and from the labels and the texts together."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from outgrow.ids import numbered
from outgrow.labelling.dawid_skene import TINY, DawidSkene, Estimated, effective, estimate, votes_of
from outgrow.practice.data import PracticeData
from outgrow.text.bag import Bag
from outgrow.types import Doubles, Ints

SMOOTHING, POOLED = 0.01, 2.0  # the prior of confusion matrices: votes of nobody, and of the average annotator
FOLDS = 5
MOST_TEXTS = 100_000  # with more no cross-validation on bags of words: it would take minutes
WORDS, FROZEN = (1.0, 10.0, 100.0), (0.001, 0.01, 0.1, 1.0)  # inverse penalties that are tried


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Probabilities of the true class of each labelled item, float64 [m, k].

    from_labels: by the annotators alone. from_all: by the texts too, where a model could be cross-validated; else the
    same. labels: the class that the annotators together give, the most probable one by `from_labels`, int64 [m].
    estimated: Dawid-Skene's estimate, with three annotators that overlap at least; else None, and `from_labels` is the
    mean label. out_of_fold: the probabilities of models that have not seen the item's label; None without.
    """

    from_labels: Doubles
    from_all: Doubles
    labels: Ints
    estimated: Estimated | None = None
    out_of_fold: Doubles | None = None

    @property
    def wrong(self) -> Doubles:
        """The probability that the label of each item is wrong, float64 [m]."""
        return 1 - self.from_all[np.arange(len(self.labels)), self.labels]


def probable_truth(data: PracticeData, features: Any = None, seed: int = 0) -> Truth:
    """The probable classes of the labelled items, in the order of `data.annotations`.

    The channel from the true class to the labels is Dawid-Skene's with three annotators at least. With fewer it is
    estimated from the labels and cross-validated predictions, as in confident learning (Northcutt, Jiang & Chuang 2021,
    section 3). Both take errors to be independent of the text, given the true class: errors that a source makes on all
    texts of a kind are not seen. With fewer than three annotators nothing but audits tells texts that do not say their
    class from labels that are wrong, so that the probabilities are too high where texts say little.

    features: of the labelled items, [m, width], sparse or dense; by default bags of words, where there are texts.
    """
    probs = data.annotations.classes()
    votes = votes_of(probs)
    if int(effective(np.asarray(votes.any(2))).sum()) >= DawidSkene.min_supervisors:
        estimated = estimate(votes, smoothing=SMOOTHING, pooled=POOLED)
        from_labels = estimated.posterior
        likelihood = from_labels / np.maximum(estimated.prior, TINY)
    else:
        estimated, likelihood = None, None
        from_labels = probs.sum(0) / data.annotations.given.sum(0)[:, None]
    labels = from_labels.argmax(1)
    x = bags(data) if features is None and data.texts else features
    if x is None or len(np.unique(labels)) < 2:
        return Truth(from_labels=from_labels, from_all=from_labels, labels=labels, estimated=estimated)
    groups = numbered(data.groups[i] for i in data.labelled.tolist())
    out_of_fold = predicted_out_of_fold(x, labels, len(data.classes), groups, seed)
    if likelihood is None:
        likelihood = from_labels @ channel(out_of_fold, labels).T  # of one-hot labels the channel's column
    joint = np.maximum(likelihood, TINY) * out_of_fold
    return Truth(
        from_labels=from_labels,
        from_all=joint / joint.sum(1, keepdims=True),
        labels=labels,
        estimated=estimated,
        out_of_fold=out_of_fold,
    )


def with_audits(wrong: Doubles, audited: Ints, was_wrong: Doubles, weights: Doubles) -> Doubles:
    """Probabilities of errors, [m], after a logistic regression on the audited ones (Platt 1999): their log-odds are
    scaled and shifted, with a normal prior of standard deviation 1 on log scale and shift.

    audited: places of the audited items; was_wrong, weights: of these, 1 or 0, and how many items each stands for.
    """
    from scipy.optimize import minimize

    odds = np.log(np.clip(wrong, 1e-4, 1 - 1e-4)) - np.log1p(-np.clip(wrong, 1e-4, 1 - 1e-4))
    scaled = weights * len(audited) / weights.sum()

    def loss(parameters: Doubles) -> float:
        logits = math.exp(parameters[0]) * odds[audited] + parameters[1]
        own = np.logaddexp(0, logits) - was_wrong * logits
        return float(scaled @ own + np.square(parameters).sum() / 2)

    scale, shift = minimize(loss, np.zeros(2)).x
    return np.asarray(1 / (1 + np.exp(-(math.exp(scale) * odds + shift))))


def bags(data: PracticeData) -> Any:
    """Bags of words and pairs of words of the labelled items, sparse [m, terms]; None where no term is in two texts, or
    where there are too many texts."""
    texts = [" ".join([data.texts[i], *(data.replies[i] if data.replies else ())]) for i in data.labelled.tolist()]
    if data.replies or len(texts) > MOST_TEXTS:
        return None
    bag = Bag.of(texts, (1, 2), 2)
    return bag.vectors(texts) if bag.vocabulary else None


def predicted_out_of_fold(x: Any, labels: Ints, classes: int, groups: Ints, seed: int) -> Doubles:
    """The probabilities of each item's class by a logistic regression on the other folds, float64 [m, k].

    Items of a group are in one fold. The penalty is the one with the lowest cross-entropy to the labels in the first
    fold. Classes that a fold's training part lacks have a tiny probability.
    """
    fold = np.random.default_rng(seed).permutation(int(groups.max()) + 1)[groups] % FOLDS
    tried = WORDS if hasattr(x, "tocsr") else FROZEN
    x = x.tocsr() if hasattr(x, "tocsr") else (x - x.mean(0)) / np.maximum(x.std(0), 1e-6)
    losses = [_loss(_fold(x, labels, classes, fold, 0, c), labels[fold == 0]) for c in tried]
    best = tried[int(np.argmin(losses))]
    found = np.zeros((len(labels), classes))
    for part in np.unique(fold).tolist():
        found[fold == part] = _fold(x, labels, classes, fold, part, best)
    return found


def _fold(x: Any, labels: Ints, classes: int, fold: Ints, part: int, inverse_penalty: float) -> Doubles:
    """The predictions for a fold by a fit to the others."""
    from sklearn.linear_model import LogisticRegression

    inside, outside = fold == part, fold != part
    found: Doubles = np.full((int(inside.sum()), classes), 1e-6)
    seen = np.unique(labels[outside])
    if not inside.any() or not len(seen):
        return found
    if len(seen) == 1:
        found[:, seen[0]] = 1.0
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few items of a class, and the solver's last digits
            model: Any = LogisticRegression(C=inverse_penalty, max_iter=300, tol=1e-3)
            model.fit(x[outside], labels[outside])
        found[:, seen] += model.predict_proba(x[inside])
    found /= found.sum(1, keepdims=True)
    return found


def _loss(probs: Doubles, labels: Ints) -> float:
    return -float(np.log(probs[np.arange(len(labels)), labels]).mean()) if len(labels) else 0.0


def channel(out_of_fold: Doubles, labels: Ints) -> Doubles:
    """The probability of each label given the true class, [true class, label], by counting confident predictions.

    An item counts for the class whose probability is the largest of those that reach the mean probability of that
    class among the items with its label (Northcutt, Jiang & Chuang 2021, equation 1).
    """
    k = out_of_fold.shape[1]
    own = [labels == c for c in range(k)]
    thresholds = np.array([out_of_fold[mask, c].mean() if mask.any() else np.inf for c, mask in enumerate(own)])
    reached = out_of_fold >= thresholds
    confident = reached.any(1)
    guess = np.where(reached, out_of_fold, -1).argmax(1)
    counts = np.zeros((k, k))  # [label, true class]
    np.add.at(counts, (labels[confident], guess[confident]), 1)
    counts += np.eye(k) * 0.5  # so that no class is without a count
    sizes = np.bincount(labels, minlength=k)[:, None]
    joint = counts / counts.sum(1, keepdims=True) * np.maximum(sizes, 1e-9)
    found: Doubles = ((joint + 1e-9) / (joint + 1e-9).sum(0)).T
    return found
