"""Order, cut and padding of batches."""

from __future__ import annotations

import numpy as np
import tiny
from hypothesis import given
from hypothesis import strategies as st

from outgrow.training.batches import Encoded, collate, cut, dense, order, padded
from outgrow.types import Labels


def test_each_epoch_and_each_seed_has_its_own_order() -> None:
    assert sorted(order(50, 0, 0)) == list(range(50))
    assert list(order(50, 0, 0)) == list(order(50, 0, 0))
    assert list(order(50, 0, 0)) != list(order(50, 0, 1))
    assert list(order(50, 0, 0)) != list(order(50, 1, 0))


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(1, 8), st.integers(60, 300))
def test_a_cut_keeps_every_row_once_within_the_limits(lengths: list[int], most_rows: int, most_tokens: int) -> None:
    sizes = np.array(lengths)
    runs = cut(np.arange(len(sizes)), sizes, most_rows, most_tokens)
    assert sorted(np.concatenate(runs)) == list(range(len(sizes)))
    assert all(len(run) <= most_rows and len(run) * sizes[run].max() <= most_tokens for run in runs)


def test_a_cut_pays_for_a_pass_only_where_it_saves_padding() -> None:
    # 4 rows of 10 and 4 of 100: one pass pads 4 * 90 = 360 tokens, more than the 192 of a second pass.
    assert [len(run) for run in cut(np.arange(8), np.array([10, 100] * 4))] == [4, 4]
    # 2 and 2: 180 tokens, less than a second pass.
    assert [len(run) for run in cut(np.arange(4), np.array([10, 100] * 2))] == [4]


def test_an_example_longer_than_the_limit_goes_alone() -> None:
    assert [len(run) for run in cut(np.arange(3), np.array([5000, 10, 5000]))] == [1, 1, 1]


def test_lengths_come_from_the_encoding_not_from_ids() -> None:
    # Token 0 is a word ("!" in GPT-2): it counts wherever it stands.
    tokens = (np.array([5, 0, 0]), np.array([0]), np.array([0, 7]))
    batch = collate(Encoded(tokens=tokens, columns=padded([np.arange(2)] * 3)), np.arange(3), 2)
    assert batch.mask is not None
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert batch.last.tolist() == [2, 0, 1]
    assert batch.choice_mask is None


def test_there_is_no_mask_where_nothing_is_padded() -> None:
    data = Encoded(tokens=(np.array([5, 6]), np.array([0, 7])), columns=padded([np.arange(2), np.arange(1)]))
    batch = collate(data, np.arange(2), 2)
    assert batch.mask is None
    assert batch.choice_mask is not None
    assert batch.choice_mask.tolist() == [[True, True], [True, False]]


def test_dense_labels_keep_every_row() -> None:
    labels = Labels.from_rows(("a", "b"), [[0.25, 0.75], [0.5, 0.2, 0.3]])
    assert np.allclose(dense(labels), [[0.25, 0.75, 0.0], [0.5, 0.2, 0.3]])


def test_the_tokens_of_a_prompt_that_ends_in_token_0_are_all_there() -> None:
    core = tiny.tokenizer()
    assert core("w1 !", add_special_tokens=False)["input_ids"] == [5 + 1, 0]


def test_an_example_may_have_a_text_for_each_choice() -> None:
    # Texts of 1, 3, 2, 2 and 1 tokens; the first example has two of them, the second three.
    tokens = tuple(np.full(n, 7) for n in (1, 3, 2, 2, 1))
    texts = padded([np.array([0, 1]), np.array([2, 3, 4])])
    data = Encoded(tokens=tokens, columns=np.minimum(texts, 0), texts=texts)
    assert len(data) == 2
    assert list(data.lengths) == [3 * 2, 2 * 3]
    batch = collate(data, np.array([1, 0]), 3)
    assert batch.tokens.shape == (5, 3)
    assert batch.last.tolist() == [1, 1, 0, 0, 2]
    assert batch.texts is not None
    assert batch.choice_mask is not None
    assert batch.texts.tolist() == [[0, 1, 2], [3, 4, 0]]
    assert batch.choice_mask.tolist() == [[True, True, True], [True, True, False]]
