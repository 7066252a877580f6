"""Logistic regression on words: its answers beside scikit-learn's, its penalty, pairs, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.training import word_classifier
from outgrow.training.word_classifier import WordClassifier, fit_words
from outgrow.types import Example, Examples, Labels, UserError

CLASSES = ("sport", "money", "rain")
COMMON = ("the", "some", "then", "over", "again", "ball", "bank", "wet")
WORDS = {"sport": "ball goal team match", "money": "bank coin rate fund", "rain": "cloud storm wet wind"}


def news(n: int, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> tuple[Examples, Labels]:
    """Texts of six words, some of them of the class."""
    rng = np.random.default_rng(seed)
    answers = np.arange(n) % len(classes)
    rows = []
    for i, answer in enumerate(answers):
        own = rng.choice(WORDS[classes[answer]].split(), 2)
        text = " ".join(rng.permutation([*own, *rng.choice(COMMON, 4)]))
        rows.append(Example(id=f"e{i}", group=f"g{i // 2}", prompt=text, choices=classes))
    return Examples(rows=tuple(rows)), Labels.from_rows([row.id for row in rows], np.eye(len(classes))[answers])


def fitted(examples: Examples, labels: Labels, readout: Any = "head", **changes: Any) -> WordClassifier:
    given = {"ngrams": (1, 2), "least": 1, "penalties": (1.0, 0.1, 0.01), "folds": 3, "seed": 0} | changes
    return fit_words(examples, labels, readout, **given)


@pytest.mark.parametrize("classes", [CLASSES, CLASSES[:2]], ids=["three classes", "two classes"])
@pytest.mark.parametrize("most", [0, 2000], ids=["in the terms", "in the principal axes"])
def test_answers_are_those_of_scikit_learn(
    classes: tuple[str, ...], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setattr(word_classifier, "MOST_GRAM", most)
    (train, labels), (test, _) = news(60, classes=classes), news(40, seed=1, classes=classes)
    ours = fitted(train, labels, penalties=(0.1,)).predict(test, "head")
    vectors = TfidfVectorizer(ngram_range=(1, 2))
    theirs = LogisticRegression(C=10, tol=1e-8, max_iter=10_000)
    theirs.fit(vectors.fit_transform([row.prompt for row in train.rows]), labels.hard())
    expected = theirs.predict_proba(vectors.transform([row.prompt for row in test.rows]))
    assert np.abs(ours - expected).max() < 1e-3
    assert ours.max() > 0.8, "answers that are sure of nothing would hide a fault"


def test_the_penalty_is_that_of_the_lowest_cross_entropy() -> None:
    train, truth = news(60)
    noisy = np.where(np.arange(60) % 4 == 0, (truth.hard() + 1) % 3, truth.hard())  # sure weights are wrong ones
    labels = Labels.from_rows(truth.ids, np.eye(3)[noisy])
    classifier = fitted(train, labels, penalties=(1000.0, 0.1, 1e-6))
    losses = {point["penalty"]: point["loss"] for point in classifier.curve}
    assert min(losses, key=lambda penalty: losses[penalty]) == 0.1
    assert np.array_equal(classifier.weight, fitted(train, labels, penalties=(0.1,)).weight)


def test_folds_are_whole_groups_and_the_seed_draws_them() -> None:
    groups = [f"g{i // 3}" for i in range(30)]
    first, again, other = (word_classifier._parts(groups, 5, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.bincount(first).tolist() == [6] * 5
    assert all(len(set(first[i : i + 3].tolist())) == 1 for i in range(0, 30, 3))
    train, labels = news(60)
    assert fitted(train, labels).curve == fitted(train, labels).curve != fitted(train, labels, seed=1).curve


def test_a_class_without_examples_has_no_probability() -> None:
    train, labels = news(60, classes=CLASSES[:2])
    wide = Examples(rows=tuple(Example(id=r.id, group=r.group, prompt=r.prompt, choices=CLASSES) for r in train.rows))
    probs = np.insert(labels.probs.reshape(-1, 2), 1, 0.0, axis=1)  # the middle one
    answers = fitted(wide, Labels.from_rows(labels.ids, probs)).predict(wide, "head")
    assert (answers[:, 1] == 0).all()
    assert np.allclose(answers.sum(1), 1)
    assert (answers.argmax(1) == probs.argmax(1)).mean() > 0.9


def test_of_a_pair_the_difference_is_read_and_swapping_swaps_the_answer() -> None:
    rng = np.random.default_rng(0)
    better = rng.integers(0, 2, 60)
    rows = [
        Example(
            id=f"p{i}",
            group=f"p{i}",
            prompt=f"question {i} ",
            choices=tuple(f"{'thanks' if side == first else 'never'} {rng.choice(['so', 'much'])}" for side in (0, 1)),
        )
        for i, first in enumerate(better)
    ]
    pairs, labels = Examples(rows=tuple(rows)), Labels.from_rows([row.id for row in rows], np.eye(2)[better])
    classifier = fitted(pairs, labels, "pair")
    answers = classifier.predict(pairs, "pair")
    assert (answers.argmax(1) == better).all()
    swapped = tuple(Example(id=r.id, group=r.group, prompt=r.prompt, choices=r.choices[::-1]) for r in rows)
    assert np.allclose(classifier.predict(Examples(rows=swapped), "pair"), answers[:, ::-1], atol=1e-12)


def test_a_stored_classifier_answers_alike(tmp_path: Path) -> None:
    train, labels = news(60)
    classifier = fitted(train, labels)
    classifier.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"words.json", "words.safetensors", "curve.json"}
    loaded = WordClassifier.load(tmp_path)
    assert np.array_equal(loaded.predict(train, "head"), classifier.predict(train, "head"))
    assert loaded.curve == classifier.curve


def test_what_cannot_be_learned_is_reported() -> None:
    train, labels = news(12)
    with pytest.raises(UserError, match="no word or n-gram of words is in 13 of the 12 texts"):
        fitted(train, labels, least=13)
    one = Labels.from_rows(labels.ids, np.eye(3)[np.zeros(12, dtype=np.int64)])
    with pytest.raises(UserError, match="the 12 examples that words learn from are all of one class"):
        fitted(train, one)
    with pytest.raises(UserError, match="6 groups of examples cannot be cut into 7 folds"):
        fitted(train, labels, folds=7)
    own = Examples(rows=(*train.rows, Example(id="x", group="x", prompt="a text", choices=("other", "choices"))))
    with pytest.raises(UserError, match="share their choices: 'x' has its own"):
        fitted(own, labels)
    with pytest.raises(UserError, match="words compare two texts"):
        fitted(train, labels, "pair")
