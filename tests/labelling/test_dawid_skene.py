"""Dawid-Skene: one round by hand, and better than a vote where supervisors differ in skill."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.labelling.dawid_skene import DawidSkene, effective, estimate, votes_of
from outgrow.types import Labels, UserError

# What three supervisors say of seven examples.
VOTES = ["000", "001", "010", "111", "110", "101", "011"]


def labels(votes: list[int]) -> Labels:
    return Labels.from_rows([f"e{i}" for i in range(len(votes))], [[0.9, 0.1] if v == 0 else [0.2, 0.8] for v in votes])


def test_one_round_by_hand() -> None:
    # It starts from the votes: the weight of class 1 is 0, 1/3, 1/3, 1, 2/3, 2/3, 2/3, together 11/3; of class 0, 10/3.
    # The first says 1 of the fourth to sixth: (1 + 2/3 + 2/3) / (11/3) = 7/11 where it is 1, (2/3) / (10/3) = 1/5 where
    # it is 0. The second says 1 of the third to fifth and the seventh: 8/11 and (4/3) / (10/3) = 2/5; the third alike.
    # Priors are 10/21 and 11/21. Of the seventh, 0 1 1: class 0 has 10/21 * 4/5 * 2/5 * 2/5, class 1 11/21 * 4/11 *
    # 8/11 * 8/11, that is 1.28 to 256/121. Of the first, 0 0 0: 10/21 * 4/5 * 3/5 * 3/5 to 11/21 * 4/11 * 3/11 * 3/11,
    # that is 2.88 to 36/121.
    labels_of_each = [labels([int(votes[i]) for votes in VOTES]) for i in range(3)]
    found = DawidSkene(iterations=1, smoothing=0.0).apply(labels_of_each)
    assert found.rows()[6][0] == pytest.approx(1.28 / (1.28 + 256 / 121), abs=1e-6)
    assert found.rows()[0][0] == pytest.approx(2.88 / (2.88 + 36 / 121), abs=1e-6)


def test_a_skilled_supervisor_outweighs_two_that_guess() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    labels_of_each = [
        labels(np.where(random.random(400) < skill, truth, 1 - truth).tolist())
        for skill in (0.95, 0.9, 0.6, 0.55, 0.55)
    ]
    vote = np.mean([each.hard() for each in labels_of_each], axis=0) > 0.5
    found = DawidSkene().apply(labels_of_each).hard()
    assert (found == truth).mean() > (vote == truth).mean() + 0.03
    assert (found == truth).mean() > 0.94


def test_it_converges_and_agrees_where_all_do() -> None:
    labels_of_each = [labels([0, 1, 1, 0])] * 3
    found = DawidSkene().apply(labels_of_each)
    assert found.hard().tolist() == [0, 1, 1, 0]
    assert found.probs == pytest.approx(DawidSkene(iterations=1000).apply(labels_of_each).probs, abs=1e-4)
    assert np.isfinite(DawidSkene(smoothing=0.0).apply([labels([0, 0, 0])] * 3).probs).all()


def test_one_supervisor_s_labels_stay_as_they_are() -> None:
    soft = Labels.from_rows("abc", [[0.9, 0.1], [0.5, 0.5], [0.3, 0.7]])
    assert DawidSkene().apply([soft]) is soft


def test_two_supervisors_are_refused() -> None:
    with pytest.raises(UserError, match=r"not identified: it needs 3 supervisors .* and 0 of 2 do: use mean"):
        DawidSkene().apply([labels([0, 1, 1, 0]), labels([0, 1, 0, 0])])
    undecided = Labels.from_rows([f"e{i}" for i in range(4)], [[0.5, 0.5]] * 4)  # never votes
    with pytest.raises(UserError, match=r"not identified: .* and 0 of 3 do"):
        DawidSkene().apply([labels([0, 1, 1, 0]), labels([0, 1, 0, 0]), undecided])


def test_a_third_supervisor_that_votes_now_and_then_makes_no_three() -> None:
    _, votes = drawn((0.9, 0.8, 0.7))
    two, third = [labels(each) for each in votes[:2]], labels(votes[2])
    with pytest.raises(UserError, match=r"vote on 10 examples or more together with others, .* and 0 of 3 do"):
        DawidSkene().apply([*two, third.take(np.arange(9))])
    assert len(DawidSkene().apply([*two, third.take(np.arange(10))])) == 600
    with pytest.raises(UserError, match="vote on 4 examples or more"):  # a fifth of the 20 that have several votes
        DawidSkene().apply([*(each.take(np.arange(20)) for each in two), third.take(np.arange(3))])


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        (("abc",), "abc"),
        (("ab", "bc", "ac"), "abc"),  # two labels for each example: left out b, a still shares examples with c
        (("ab", "bc"), "b"),  # a and c are seen beside b alone
        (("ab", "cd"), ""),
        (("a", "b", "c"), ""),
        (("abc", "ad"), "abc"),  # d is seen beside a alone
        (("ab", "bc", "cd", "de", "ea"), "abcde"),
    ],
)
def test_who_counts_shares_examples_with_two_others(parts: tuple[str, ...], counts: str) -> None:
    """Each part is 50 examples that these supervisors vote on."""
    names = sorted(set("".join(parts)))
    cast = np.array([[name in part for part in parts for _ in range(50)] for name in names])
    assert "".join(np.array(names)[effective(cast)]) == counts


def drawn(skills: tuple[float, ...], n: int = 600) -> tuple[np.ndarray, list[list[int]]]:
    """A binary truth, and the votes of supervisors who are right so often."""
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, n)
    return truth, [np.where(random.random(n) < skill, truth, 1 - truth).tolist() for skill in skills]


def test_an_abstention_is_no_vote_whether_the_label_is_missing_or_undecided() -> None:
    _, votes = drawn((0.9, 0.8, 0.7, 0.6))
    labels_of_each = [labels(each) for each in votes]
    silent = set(range(0, 600, 3))  # of the last supervisor
    ids = list(labels_of_each[0].ids)
    rows = labels_of_each[3].rows()
    missing = Labels.from_rows(
        [id for i, id in enumerate(ids) if i not in silent], [row for i, row in enumerate(rows) if i not in silent]
    )
    undecided = Labels.from_rows(ids, [[0.5, 0.5] if i in silent else row for i, row in enumerate(rows)])
    left_out, level = (DawidSkene().apply([*labels_of_each[:3], last]) for last in (missing, undecided))
    assert left_out.ids == level.ids == tuple(ids)
    assert left_out.probs == pytest.approx(level.probs, abs=1e-6)
    assert not np.allclose(left_out.probs, DawidSkene().apply(labels_of_each).probs, atol=1e-2)
    # A fourth who abstains throughout changes nothing.
    nobody = Labels.from_rows(ids, [[0.5, 0.5]] * 600)
    assert DawidSkene().apply([*labels_of_each[:3], nobody]).probs == pytest.approx(
        DawidSkene().apply(labels_of_each[:3]).probs, abs=1e-6
    )


def test_an_example_without_a_vote_gets_the_shares_of_the_classes() -> None:
    # Three agree on three of class 0 and one of class 1; of the last example nobody says anything.
    labels_of_each = [Labels.from_rows("abcde", [[1.0, 0.0]] * 3 + [[0.0, 1.0], [0.5, 0.5]])] * 3
    assert DawidSkene().apply(labels_of_each).rows()[4][0] == pytest.approx(0.75, abs=0.02)


def test_equally_likely_choices_share_a_vote() -> None:
    """Of three classes one supervisor cannot tell the first two apart: renaming these two changes nothing."""
    truth = np.arange(90) % 3
    sure = [Labels.from_rows([f"e{i}" for i in range(90)], list(np.eye(3)[truth]))] * 2
    torn = Labels.from_rows(sure[0].ids, [[0.4, 0.4, 0.2] if t < 2 else [0.0, 0.0, 1.0] for t in truth])
    found = DawidSkene().apply([*sure, torn]).probs.reshape(-1, 3)
    assert found.argmax(1).tolist() == truth.tolist()
    assert found[truth == 0][:, 0] == pytest.approx(found[truth == 1][:, 1], abs=1e-6)


def test_legal_moves_are_refused() -> None:
    ragged = Labels.from_rows("ab", [[0.5, 0.5], [0.2, 0.3, 0.5]])
    with pytest.raises(UserError, match="share their choices"):
        DawidSkene().apply([ragged] * 3)


def test_what_makes_no_sense_is_refused() -> None:
    for fields in ({"iterations": 0}, {"smoothing": -0.1}):
        with pytest.raises(UserError, match=next(iter(fields))):
            DawidSkene(**fields)  # type: ignore[arg-type]


def test_smoothing_by_hand() -> None:
    # As above, with 1/2 added to each count: the first's of class 1 are 4/3 and 7/3, of class 0 8/3 and 2/3, so it says
    # 1 with (17/6) / (14/3) = 17/28 and (7/6) / (13/3) = 7/26; the others (8/3 + 1/2) / (14/3) = 19/28 and
    # (4/3 + 1/2) / (13/3) = 11/26.
    labels_of_each = [labels([int(votes[i]) for votes in VOTES]) for i in range(3)]
    found = DawidSkene(iterations=1, smoothing=0.5).apply(labels_of_each)
    zero, one = 10 / 21 * 19 / 26 * (11 / 26) ** 2, 11 / 21 * 11 / 28 * (19 / 28) ** 2
    assert found.rows()[6][0] == pytest.approx(zero / (zero + one), abs=1e-6)


def test_a_mean_vote_counts_those_who_vote() -> None:
    """One round, by the formulas of the docstring, where each example has its own number of votes: 3, 2, 1 and none."""
    labels_of_each = [[0, 0, 1, None], [0, 1, None, None], [1, 1, None, None], [0, None, None, None]]
    rows = {0: [1.0, 0.0], 1: [0.0, 1.0], None: [0.5, 0.5]}
    given = [Labels.from_rows("abcd", [rows[vote] for vote in votes]) for votes in labels_of_each]
    found = DawidSkene(iterations=1, smoothing=0.0).apply(given)
    # Class 0 starts as 3/4, 1/3, 0 and 1/2.
    start = [3 / 4, 1 / 3, 0.0, 1 / 2]
    truth = np.array([start, [1 - p for p in start]])
    odds = []
    for example in range(4):
        likely = truth.mean(1)
        for votes in labels_of_each:
            cast = np.array([[truth[true][[v == s for v in votes]].sum() for s in (0, 1)] for true in (0, 1)])
            if votes[example] is not None:
                likely = likely * (cast / cast.sum(1, keepdims=True))[:, votes[example]]
        odds.append(likely[0] / likely.sum())
    assert [row[0] for row in found.rows()] == pytest.approx(odds, abs=1e-6)


def test_many_supervisors_leave_no_probability_that_underflows() -> None:
    # 1,200 that guess put each class at about 2^-1200, less than a double holds; three that vote on the last, at 2^-3.
    random = np.random.default_rng(0)
    ids = [f"e{i}" for i in range(21)]
    labels_of_each = [
        Labels.from_rows(ids, [*np.eye(2)[random.integers(0, 2, 20)], [1.0, 0.0] if voter < 3 else [0.5, 0.5]])
        for voter in range(1200)
    ]
    assert np.isfinite(DawidSkene(iterations=3).apply(labels_of_each).probs).all()


def test_a_vote_is_shared_by_hand() -> None:
    probs = np.array([[[0.4, 0.4, 0.2], [1 / 3, 1 / 3, 1 / 3], [0.0, 0.9, 0.1]]])
    assert votes_of(probs).tolist() == [[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


# What crowd-kit 1.4.2's DawidSkene(n_iter=4, tol=-1e9) says of these votes, to 8 digits.
CROWD = [
    [2, 2, 1, 1], [2, 1, 1, 1], [2, 0, 2, 1], [2, 2, 2, 2], [1, 1, 0, 1], [2, 2, 2, 2],
    [2, 0, 0, 2], [0, 1, 0, 1], [0, 0, 2, 1], [2, 0, 2, 1], [2, 0, 0, 2], [1, 2, 2, 1],
]  # fmt: skip
CROWD_POSTERIOR = [
    [0.0, 0.70946869, 0.29053131], [0.0, 0.99996103, 3.897e-05], [0.55807393, 0.00201844, 0.43990763], [0.0, 0.0, 1.0],
    [4.703e-05, 0.99994387, 9.09e-06], [0.0, 0.0, 1.0], [0.77737691, 0.0, 0.22262309],
    [0.04771454, 0.95228456, 9e-07], [0.9841922, 0.00372022, 0.01208758], [0.55807393, 0.00201844, 0.43990763],
    [0.77737691, 0.0, 0.22262309], [0.0, 0.33492898, 0.66507102],
]  # fmt: skip
CROWD_FIRST = [[0.27867864, 0.0, 0.72130865], [0.23874191, 0.33335617, 0.42790193], [0.00281599, 0.1549292, 0.84225481]]
CROWD_PRIOR = [0.30857128840234876, 0.3336953539138032, 0.3577333576838479]


def crowd() -> np.ndarray:
    return np.eye(3)[np.array(CROWD).T]


def test_it_equals_crowd_kit() -> None:
    """Its errors are [vote, true class]; the confusion here is [true class, vote]."""
    found = estimate(crowd(), iterations=4, tolerance=0.0)
    assert found.posterior == pytest.approx(np.array(CROWD_POSTERIOR), abs=1e-6)
    assert found.confusions[0] == pytest.approx(np.array(CROWD_FIRST), abs=2e-5), "it counts 1e-10 where nothing is"
    assert found.prior == pytest.approx(np.array(CROWD_PRIOR), abs=1e-6)


def test_weights_are_repetitions() -> None:
    votes, weights = crowd(), np.array([3.0, 1, 2, 1, 1, 1, 4, 1, 1, 1, 2, 1])
    repeated = np.repeat(votes, weights.astype(int), axis=1)
    found, again = estimate(votes, weights=weights, smoothing=0.01), estimate(repeated, smoothing=0.01)
    assert found.confusions == pytest.approx(again.confusions, abs=1e-5)
    assert found.prior == pytest.approx(again.prior, abs=1e-5)


def test_an_annotator_with_few_votes_is_drawn_to_the_others() -> None:
    """One vote, right by the others: its own count says it is always right in that class, with 4 pooled votes not."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 500)
    labels = np.where(rng.random((3, 500)) < 0.8, truth, 1 - truth)
    votes = np.concatenate([np.eye(2)[labels], np.zeros((1, 500, 2))])
    votes[3, 0, truth[0]] = 1
    own = estimate(votes).confusions[3, truth[0]].max()
    drawn = estimate(votes, pooled=4.0).confusions[3, truth[0]].max()
    assert own == pytest.approx(1)
    assert 0.8 < drawn < 0.9
