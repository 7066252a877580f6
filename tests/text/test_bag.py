"""Bags of words, beside scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.text.bag import Bag, terms

TEXTS = ["The cat sat on the mat.", "A dog sat; THE dog ran", "cat_1 größer 42 x", "", "the the the"]


def test_the_terms_of_a_text() -> None:
    assert terms("The cat, a CAT!", (1, 2)) == ["the", "cat", "cat", "the cat", "cat cat"]
    assert terms("one", (2, 3)) == []


@pytest.mark.parametrize("ngrams", [(1, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("least", [1, 2])
def test_vectors_are_those_of_scikit_learn(ngrams: tuple[int, int], least: int) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = TEXTS * least  # so that no term is in too few of them
    theirs = TfidfVectorizer(ngram_range=ngrams, min_df=least)
    expected = theirs.fit_transform(texts).toarray()
    bag = Bag.of(texts, ngrams, least)
    assert list(bag.vocabulary) == theirs.get_feature_names_out().tolist()
    assert np.allclose(bag.vectors(texts).toarray(), expected, atol=1e-12)
    others = ["the unknown dog sat", "nothing"]
    assert np.allclose(bag.vectors(others).toarray(), theirs.transform(others).toarray(), atol=1e-12)


def test_a_term_of_too_few_texts_is_left_out() -> None:
    assert Bag.of(TEXTS, (1, 1), 3).vocabulary == ("the",)
    assert Bag.of(["one two", "three"], (1, 1), 2).vocabulary == ()
