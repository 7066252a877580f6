"""The two-way interval: against hand-worked tables, textbook special cases, and what must not change it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.measures.crossed import (
    Crossed,
    OneGroupError,
    _roots,
    crossed,
    fieller_interval,
    mean_interval,
    t_quantile,
)

# Two-sided 95 % quantiles of Student's t from any printed table.
T1, T2, T4, T9 = 12.7062, 4.30265, 2.77645, 2.26216


def test_a_table_worked_by_hand() -> None:
    # Two seeds × three groups of one example:   3 2 1 | 2      mean 1.5
    #                                            1 2 0 | 1
    #                                            2 2 ½
    # Seeds move the mean by ±½:            V_seed  = (¼ + ¼) / (2·1)         = 1/4
    # Groups move it by ½, ½, −1:           V_group = (¼ + ¼ + 1) / (3·2)     = 1/4
    # Rest ½ −½ 0 / −½ ½ 0, squares sum 1:  V_both  = 1 / (1·2) / 6           = 1/12
    values = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 0.0]])
    parts = crossed(values[None], ["a", "b", "c"])
    assert [parts.seed.item(), parts.group.item(), parts.both.item()] == pytest.approx([1 / 4, 1 / 4, 1 / 12])
    # half width² = t²(1)·(1/4 − 1/12) + t²(2)·1/4 = 26.908 + 4.628 = 31.536
    found = mean_interval(values, ["a", "b", "c"])
    half = math.sqrt(T1**2 / 6 + T2**2 / 4)
    assert half == pytest.approx(5.6157, abs=1e-3)
    assert (found.mean, found.low, found.high) == pytest.approx((1.5, 1.5 - half, 1.5 + half), rel=1e-4)
    assert found.seed_noise


def test_groups_of_unequal_size_are_left_out_one_at_a_time() -> None:
    # One seed; groups A = 1 1, B = 0, C = 1: mean ¾. Without A the mean is ½, without B 1, without C ⅔.
    # Jackknife: (G−1)/G · Σ (mean without g − mean)² = ⅔ · (1/16 + 1/16 + 1/144) = ⅔ · 19/144 = 19/216
    # They are worth 4² / (2² + 1 + 1) = 8/3 equal groups.
    parts = crossed(np.array([[[1, 1, 0, 1]]]), [7, 7, 8, 9])
    assert parts.group.item() == pytest.approx(19 / 216)
    assert parts.effective_groups == pytest.approx(8 / 3)
    assert (parts.seed.item(), parts.both.item()) == (0.0, pytest.approx(0.0))


def test_one_seed_of_single_examples_is_the_textbook_t_interval() -> None:
    values = np.arange(10.0)[None]  # mean 4.5, variance 82.5 / 9
    found = mean_interval(values, np.arange(10))
    half = T9 * math.sqrt(82.5 / 9 / 10)
    assert (found.low, found.high) == pytest.approx((4.5 - half, 4.5 + half), rel=1e-5)
    assert not found.seed_noise


def test_examples_that_all_agree_leave_the_t_interval_over_seeds() -> None:
    values = np.repeat(np.array([[1.0], [2.0], [3.0], [4.0], [5.0]]), 30, axis=1)  # mean 3, variance 2.5
    found = mean_interval(values, np.arange(30))
    half = T4 * math.sqrt(2.5 / 5)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-5)


def test_seeds_that_all_agree_leave_the_t_interval_over_groups() -> None:
    one = np.arange(10.0)[None]
    five = mean_interval(np.repeat(one, 5, axis=0), np.arange(10))
    single = mean_interval(one, np.arange(10))
    assert (five.low, five.high) == pytest.approx((single.low, single.high))


def test_examples_of_one_group_count_as_one() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1, 40))
    thrice = mean_interval(np.repeat(values, 3, axis=1), np.repeat(np.arange(40), 3))
    once = mean_interval(values, np.arange(40))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_the_variance_is_unbiased_for_crossed_random_effects() -> None:
    # score = seed + group + rest, variances 1, 4, 9 over 4 seeds and 10 groups:
    # the mean's variance is 1/4 + 4/10 + 9/40 = 0.875
    rng = np.random.default_rng(1)
    found = []
    for _ in range(3000):
        seed, group = rng.normal(size=(4, 1)), 2 * rng.normal(size=(1, 10))
        parts = crossed((seed + group + 3 * rng.normal(size=(4, 10)))[None], np.arange(10))
        found.append((parts.seed + parts.group - parts.both).item())
    assert np.mean(found) == pytest.approx(0.875, rel=0.05)


def test_fieller_is_the_textbook_quadratic_where_only_groups_vary() -> None:
    # (a² − t²v_aa) − 2 (ab − t²v_ab) r + (b² − t²v_bb) r² = 0
    rng = np.random.default_rng(2)
    a, b = rng.multivariate_normal([1.0, 2.0], [[4.0, 1.5], [1.5, 3.0]], size=50).T
    parts = crossed(np.stack([a, b])[:, None, :], np.arange(50))
    t2 = t_quantile(49, 0.95) ** 2
    v = np.cov(a, b) / 50
    roots = np.roots(
        [b.mean() ** 2 - t2 * v[1, 1], -2 * (a.mean() * b.mean() - t2 * v[0, 1]), a.mean() ** 2 - t2 * v[0, 0]]
    )
    assert fieller_interval(parts, level=0.95) == pytest.approx(tuple(sorted(roots)))


def test_fieller_states_nothing_where_the_denominator_may_be_zero() -> None:
    a, b = np.ones(6), np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert fieller_interval(crossed(np.stack([a, b])[:, None, :], np.arange(6)), level=0.95) is None


def _two_measures(rng: np.random.Generator) -> np.ndarray:
    """Two measures of one to four seeds × six groups, the second mostly above zero."""
    seeds = rng.integers(1, 5)
    drawn = [rng.normal(size=shape) * rng.exponential() for shape in ((2, seeds, 1), (2, 1, 6), (2, seeds, 6))]
    values = sum(drawn) + np.array([rng.normal(), rng.exponential(4)])[:, None, None]
    values[0] += values[1] * rng.normal()
    return np.asarray(values)


def _bound(parts: Crossed, directions: np.ndarray) -> np.ndarray:
    """half_width² of many directions at once."""
    seed, group, both = (((directions @ part) * directions).sum(1) for part in (parts.seed, parts.group, parts.both))
    bound = t_quantile(parts.effective_groups - 1, 0.95) ** 2 * np.maximum(group, both)
    return bound + (parts.seeds > 1 and t_quantile(max(parts.seeds - 1, 1), 0.95) ** 2 * np.maximum(seed - both, 0))


def test_fieller_holds_every_ratio_that_is_not_rejected_and_ends_at_such() -> None:
    """Against 4,000 angles. Half of the tables have few seeds and groups, where the maxima in half_width may make the
    accepted ratios several intervals: the ends are then those of the outermost ones."""
    rng = np.random.default_rng(0)
    angles = np.linspace(-math.pi / 2, math.pi / 2, 4001)[1:-1]
    directions = np.stack([np.cos(angles), -np.sin(angles)], axis=1)
    apart = 0
    for _ in range(1500):
        parts = crossed(_two_measures(rng), np.arange(6))
        found = fieller_interval(parts, level=0.95)
        if found is None:
            continue
        accepted = (directions @ parts.mean) ** 2 <= _bound(parts, directions)
        ends = np.arctan(found)
        if accepted.any():
            first, last = angles[accepted][0], angles[accepted][-1]
            assert ends[0] - 1e-9 <= first
            assert last <= ends[1] + 1e-9
            assert max(first - ends[0], ends[1] - last) < 1.01 * (angles[1] - angles[0])
            apart += np.count_nonzero(np.diff(accepted.astype(int)) == 1) > 1
    assert apart > 0, "no table had several intervals: this test says less than it should"


def test_what_both_seeds_and_groups_do_is_not_lost_where_groups_do_nothing() -> None:
    # 1 0 / 0 1: neither seeds nor groups move the mean of ½, yet each seed has its own group right.
    # rest ±¼, over left = ½: ±½; V_both = ½ · (4 · ¼) / 2 = ¼, V_seed = V_group = 0: half = t(1) · √¼
    found = mean_interval(np.array([[1.0, 0.0], [0.0, 1.0]]), ["a", "b"])
    assert (found.low, found.high) == pytest.approx((0.5 - T1 / 2, 0.5 + T1 / 2), rel=1e-5)


def test_a_level_of_more_certainty_is_wider() -> None:
    values = np.arange(10.0)[None]
    assert mean_interval(values, np.arange(10), level=0.99).low < mean_interval(values, np.arange(10), level=0.9).low
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_interval(values, np.arange(10), level=1.0)


@pytest.mark.parametrize(
    ("values", "groups", "message"),
    [
        (np.zeros((0, 4)), list("abcd"), "at least one seed"),
        (np.zeros((2, 0)), [], "at least one seed and one example"),
        (np.zeros(4), list("abcd"), "at least one seed"),
        (np.array([[1.0, np.nan, np.inf]]), list("abc"), "2 values are NaN or infinite"),
        (np.zeros((2, 4)), list("abc"), "4 examples, but groups of shape"),
    ],
)
def test_what_cannot_be_measured_is_refused(values: np.ndarray, groups: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_interval(values, groups)


def test_one_group_is_refused() -> None:
    with pytest.raises(OneGroupError, match="all 3 examples are of one group"):
        mean_interval(np.array([[0.0, 1.0, 1.0]]), ["a", "a", "a"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Values [S, N] with groups [N] of unequal size, at least two."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = rng.integers(1, 4, size=draw(st.integers(2, 8)))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return rng.integers(0, 5, size=(draw(st.integers(1, 4)), len(groups))).astype(float), groups


@given(tables(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_seeds_examples_and_the_names_of_groups_do_not_matter(
    table: tuple[np.ndarray, np.ndarray], random: object
) -> None:
    values, groups = table
    rng = np.random.default_rng(random.randint(0, 2**32))  # type: ignore[attr-defined]
    rows, columns = rng.permutation(len(values)), rng.permutation(values.shape[1])
    names = np.array([f"game {9 - g}" for g in groups])
    found, moved = mean_interval(values, groups), mean_interval(values[rows][:, columns], names[columns])
    assert (moved.mean, moved.low, moved.high) == pytest.approx((found.mean, found.low, found.high), abs=1e-9)


@given(tables(), st.floats(-10, 10), st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_a_shift_and_a_scale_move_the_interval_along(
    table: tuple[np.ndarray, np.ndarray], shift: float, scale: float
) -> None:
    values, groups = table
    found, moved = mean_interval(values, groups), mean_interval(shift + scale * values, groups)
    assert (moved.low, moved.high) == pytest.approx((shift + scale * found.low, shift + scale * found.high), abs=1e-6)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_the_same_groups_again_as_new_groups_narrow_the_interval_of_one_seed(
    table: tuple[np.ndarray, np.ndarray],
) -> None:
    values, groups = table[0][:1], table[1]
    found = mean_interval(values, groups)
    twice = mean_interval(np.tile(values, 2), np.concatenate([groups, groups + 100]))
    assert twice.mean == pytest.approx(found.mean)
    assert twice.high - twice.low < found.high - found.low or found.high - found.low < 1e-9


@given(tables())
@settings(max_examples=60, deadline=None)
def test_the_interval_is_never_narrower_than_that_over_groups_alone(table: tuple[np.ndarray, np.ndarray]) -> None:
    values, groups = table
    both, only_groups = mean_interval(values, groups), mean_interval(values.mean(axis=0, keepdims=True), groups)
    assert both.high - both.low >= only_groups.high - only_groups.low - 1e-9


def test_scores_in_single_precision_lose_no_digit() -> None:
    correct = np.random.default_rng(6).random((3, 60)) < 0.4
    found, double = (mean_interval(correct.astype(kind), np.arange(60) // 2) for kind in (np.float32, np.float64))
    assert (found.mean, found.low, found.high) == pytest.approx((double.mean, double.low, double.high), rel=1e-13)


def test_a_small_root_keeps_its_digits_beside_a_large_one() -> None:
    # (u − 1e-9)(u − 1e9), and its mirror image
    for sign in (1, -1):
        assert sorted(abs(root) for root in _roots(1.0, sign * -1e9, 1.0)) == pytest.approx([1e-9, 1e9], rel=1e-12)
