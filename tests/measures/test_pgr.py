"""PGR: the ratio, its interval, and when it is withheld."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.measures.pgr import _points, pgr, recovered


def world(*, seeds: int = 5, n: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Floor, student and ceiling of about 0.6, 0.7 and 0.8 on shared examples, and groups of three."""
    rng = np.random.default_rng(seed)
    luck = 0.6 * rng.random((1, n)) + 0.4 * rng.random((seeds, n))
    floor, student, ceiling = ((luck < cut).astype(float) for cut in (0.57, 0.64, 0.73))
    return floor, student, ceiling, np.arange(n) // 3


def test_plain_arithmetic() -> None:
    # Burns et al. 2023, Figure 2's definition: half of the way from 60 to 80 is 70
    assert pgr(floor=60, student=70, ceiling=80) == 0.5
    assert pgr(floor=0.6, student=0.5, ceiling=0.8) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no gap to recover"):
        pgr(floor=0.7, student=0.8, ceiling=0.7)


def test_an_interval_worked_by_hand() -> None:
    # One seed, 40 single examples. Floor right on none; ceiling on the first 30; student on the first 15 of these.
    # a = student − floor has mean 3/8, b = ceiling − floor 3/4. Variances of the means, n/(n−1) · p(1−p)/n:
    # v_aa = (15/64)/39, v_bb = (12/64)/39, v_ab = (3/8 − 3/8 · 3/4)/39 = (6/64)/39; t(39)² = 2.02269² = 4.09128
    # Fieller: (a² − t²v_aa) − 2(ab − t²v_ab)r + (b² − t²v_bb)r² = 0
    #   t²/39/64 = 0.00163913: 0.1160380 − 2 · 0.2714152 r + 0.5428304 r² = 0
    #   → r = ½ ± √(¼ − 0.2137648) = ½ ± 0.190356
    student, ceiling = np.array([[1] * 15 + [0] * 25]), np.array([[1] * 30 + [0] * 10])
    found = recovered(np.zeros((1, 40)), student, ceiling, np.arange(40))
    assert (found.pgr, found.low, found.high) == pytest.approx((0.5, 0.309644, 0.690356), abs=1e-5)
    half = math.sqrt(4.09128 * 12 / 64 / 39)
    assert (found.gap, found.gap_low, found.gap_high) == pytest.approx((0.75, 0.75 - half, 0.75 + half), abs=1e-5)
    assert found.withheld is None
    assert not found.seed_noise


def test_the_aggregate_is_the_ratio_of_mean_differences_not_the_mean_of_ratios() -> None:
    # Gaps of 0.1 and 0.4, recovered 0.0 and 0.4: the mean of ratios is ½, the ratio of means 0.4 / 0.5 = 0.8
    n = 1000
    right = lambda share: (np.arange(n) < share * n).astype(float)  # noqa: E731
    floor = np.stack([right(0.5), right(0.5)] * 10)
    student = np.stack([right(0.5), right(0.9)] * 10)
    ceiling = np.stack([right(0.6), right(0.9)] * 10)
    assert recovered(floor, student, ceiling, np.arange(n)).pgr == pytest.approx(0.8)


def test_a_student_that_is_the_floor_or_the_ceiling_recovers_nothing_or_all() -> None:
    """No group of 200 differs: at 97.5 %, 1 - 0.025 ^ (1 / 200) = 0.018275 of all do at most, each by 1 at most. Where
    the gap is as small as its interval allows, that is its largest share."""
    floor, _, ceiling, groups = world()
    nothing, everything = recovered(floor, floor, ceiling, groups), recovered(floor, ceiling, ceiling, groups)
    assert nothing.gap_low is not None
    share = 0.018275 / nothing.gap_low
    assert (nothing.pgr, nothing.low, nothing.high) == pytest.approx((0, -share, share), rel=1e-4, abs=1e-9)
    assert (everything.pgr, everything.low, everything.high) == pytest.approx((1, 1 - share, 1 + share), rel=1e-4)


def test_a_student_that_is_the_ceiling_on_few_examples_is_not_determined() -> None:
    """Of 25 examples 0.1372 may be of another kind; the gap, 0.4, may be as small as 0.194: 71 points either way."""
    floor, ceiling = np.zeros((1, 25)), np.array([[1.0] * 10 + [0.0] * 15])
    found = recovered(floor, ceiling, ceiling, np.arange(25))
    assert found.pgr is None
    assert found.withheld is not None
    assert found.withheld.startswith("not determined, the interval 29 to 171 % is too wide: more test examples")


def test_only_examples_that_count_make_the_ceiling_s_equal() -> None:
    """Half of the 200 groups are out, and so is the largest gap: the bound is that of the other 100."""
    floor, _, ceiling, groups = world()
    among = (groups % 2 == 0).astype(float)[None]
    wide = np.where(among == 0, 10.0, ceiling)
    found = recovered(floor, wide, wide, groups, among=among)
    assert found.low is not None
    assert found.gap_low is not None
    assert (1 - found.low) * found.gap_low == pytest.approx(1 - 0.025 ** (1 / 100))


def test_a_ready_made_supervisor_is_one_row() -> None:
    floor, student, ceiling, groups = world()
    once = recovered(floor[:1], student, ceiling, groups)
    assert once == recovered(np.repeat(floor[:1], 5, axis=0), student, ceiling, groups)
    assert once.seed_noise


def test_one_seed_says_that_it_knows_nothing_of_seed_noise() -> None:
    floor, student, ceiling, groups = world()
    assert recovered(floor, student, ceiling, groups).seed_noise
    assert not recovered(floor[:1], student[:1], ceiling[:1], groups).seed_noise


def test_pgr_is_withheld_while_the_gap_may_be_noise() -> None:
    rng = np.random.default_rng(0)
    floor, student, ceiling = (rng.random((5, 300)) < p for p in (0.60, 0.60, 0.61))
    found = recovered(floor.astype(float), student.astype(float), ceiling.astype(float), np.arange(300))
    assert (found.pgr, found.low, found.high) == (None, None, None)
    assert found.gap_low is not None
    assert found.gap_high is not None
    assert found.gap_low <= 0 < found.gap_high
    assert found.withheld == (
        f"the gap between floor and ceiling is {100 * found.gap:.1f} points, its interval −{-100 * found.gap_low:.1f} "
        f"to {100 * found.gap_high:.1f} reaches zero: more test examples or a weaker supervisor are needed"
    )


def test_the_gap_of_a_metric_that_is_no_share_is_given_as_it_is() -> None:
    rng = np.random.default_rng(0)
    floor, ceiling = (-(rng.random((5, 300)) < p).astype(float) for p in (0.61, 0.60))
    found = recovered(floor, floor, ceiling, np.arange(300), percent=False)
    assert found.withheld is not None
    low, high = f"−{-found.gap_low:.3f}", f"{found.gap_high:.3f}"  # type: ignore[operator]
    assert f"is {_points(found.gap, 3)}, its interval {low} to {high} reaches zero" in found.withheld


def test_where_seeds_differ_most_more_seeds_are_asked_for() -> None:
    floor = np.tile([[0.0], [1.0], [0.0]], (1, 200))
    ceiling = np.tile([[1.0], [0.0], [1.0]], (1, 200))
    withheld = recovered(floor, floor, ceiling, np.arange(200)).withheld
    assert withheld is not None
    assert "more seeds or a weaker supervisor" in withheld


def test_three_equal_models_have_no_gap() -> None:
    right = np.ones((5, 100))
    withheld = recovered(right, right, right, np.arange(100)).withheld
    assert withheld is not None
    assert "is 0.0 points, its interval 0.0 to 0.0 reaches zero" in withheld


def test_a_ceiling_below_its_floor_is_named() -> None:
    floor, student, ceiling, groups = world()
    found = recovered(ceiling, student, floor, groups)
    assert found.pgr is None
    assert found.withheld is not None
    assert found.withheld.endswith("a ceiling below its floor leaves nothing to recover")


def test_an_interval_wider_than_the_gap_is_not_determined() -> None:
    # Floor right on none of 100, ceiling on the first 8, student on 4 of these and 4 others: a = b = 8/100.
    # v_aa = v_bb = 0.08 · 0.92 / 99 = 0.000743434, v_ab = (0.04 − 0.0064) / 99 = 0.000339394; t(99)² = 3.93711
    #   (0.0064 − 0.00292698)(1 + r²) − 2 (0.0064 − 0.00133623) r = 0.00347302 (1 + r²) − 0.01012754 r = 0
    #   → r = 1.45803 ± √(1.45803² − 1) = 0.39698, 2.51908: 212 points wide
    ceiling, student = np.zeros((1, 100)), np.zeros((1, 100))
    ceiling[0, :8] = student[0, 4:12] = 1
    found = recovered(np.zeros((1, 100)), student, ceiling, np.arange(100))
    assert (found.pgr, found.low, found.high) == (None, None, None)
    assert found.gap_low is not None
    assert found.gap_low > 0
    assert found.withheld == (
        "not determined, the interval 40 to 252 % is too wide: more test examples or a weaker supervisor are needed"
    )


def test_what_would_narrow_the_interval_of_a_share_is_asked_for() -> None:
    """A student that is its ceiling with some seeds and its floor with others: seeds differ in the share alone."""
    floor, ceiling = np.zeros((5, 200)), np.tile(np.arange(200) < 160, (5, 1)).astype(float)
    student = ceiling * np.array([[1.0], [0.0], [1.0], [0.0], [1.0]])
    found = recovered(floor, student, ceiling, np.arange(200))
    assert found.withheld is not None
    assert found.withheld.startswith("not determined, the interval ")
    assert "more seeds or a weaker supervisor" in found.withheld


def test_seeds_that_move_student_and_gap_alike_are_not_what_an_interval_of_pgr_lacks() -> None:
    """Gaps of 10 ± 2 over seeds, the student ten times as high plus what examples do: only these move the ratio."""
    gap = 10 + np.array([[-3.0], [-1.0], [0.0], [1.0], [3.0]]) + np.zeros((5, 200))
    student = 10 * gap + 40 * np.random.default_rng(0).standard_normal((1, 200))
    withheld = recovered(np.zeros((5, 200)), student, gap, np.arange(200)).withheld
    assert withheld is not None
    assert withheld.startswith("not determined")
    assert "more test examples or" in withheld


def test_what_the_gap_lacks_has_nothing_to_do_with_the_student() -> None:
    gap = np.array([[-3.0], [-1.0], [0.0], [1.0], [3.0]]) + np.zeros((5, 200))
    student = 100 * np.random.default_rng(0).standard_normal((1, 200))
    withheld = recovered(np.zeros((5, 200)), student, gap, np.arange(200)).withheld
    assert withheld is not None
    assert "reaches zero: more seeds or" in withheld


def test_twenty_groups_are_enough_and_two_seeds_show_seed_noise() -> None:
    floor, student, ceiling, _ = world(seeds=2)
    assert "too few" not in (recovered(floor, student, ceiling, np.arange(600) % 20).withheld or "")
    nineteen = recovered(floor, student, ceiling, np.arange(600) % 19).withheld
    assert nineteen is not None
    assert nineteen.startswith("too few test groups (19")
    assert recovered(floor, student, ceiling, np.arange(600)).seed_noise


def test_points_have_no_minus_before_a_zero() -> None:
    assert [_points(value) for value in (-0.04, 0.04, -1.25, 0.0)] == ["0.0", "0.0", "−1.2", "0.0"]


def test_too_few_groups_withhold_it() -> None:
    floor, student, ceiling, _ = world()
    twelve = recovered(floor, student, ceiling, np.arange(600) % 12)
    assert twelve.withheld == "too few test groups (12): at least 20 groups are needed"
    assert twelve.gap_low is not None
    one = recovered(floor, student, ceiling, ["only"] * 600)
    assert one.withheld == "too few test groups (1): at least 20 groups are needed"
    assert (one.pgr, one.gap_low, one.gap_high) == (None, None, None)
    assert one.gap == pytest.approx(twelve.gap)
    assert one.seed_noise is True


def test_one_large_group_and_many_small_ones_are_few() -> None:
    # 300 in one group and 300 alone are worth 600² / (300² + 300) = 3.99 equal groups
    floor, student, ceiling, _ = world()
    found = recovered(floor, student, ceiling, np.maximum(np.arange(600), 299))
    assert found.withheld == (
        "too few test groups (301, of sizes so unequal that they count as 4.0): at least 20 groups are needed"
    )
    # 581 in one group and 19 alone are 20 groups
    twenty = recovered(floor, student, ceiling, np.maximum(np.arange(600) - 580, 0)).withheld
    assert twenty is not None
    assert twenty.startswith("too few test groups (20, of sizes so unequal")


@pytest.mark.parametrize(
    ("floor", "student", "message"),
    [
        (np.zeros((2, 30)), np.zeros((3, 30)), "do not fit"),
        (np.zeros((3, 29)), np.zeros((3, 30)), "do not fit"),
        (np.zeros(30), np.zeros((3, 30)), "do not fit"),
        (np.full((3, 30), np.nan), np.zeros((3, 30)), "NaN"),
    ],
)
def test_what_does_not_fit_is_refused(floor: np.ndarray, student: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recovered(floor, student, np.ones((3, 30)), np.arange(30))
    with pytest.raises(ValueError, match="at least one seed"):
        recovered(np.zeros((3, 0)), np.zeros((3, 0)), np.zeros((3, 0)), [])


@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_pgr_does_not_depend_on_the_scale_of_scores(seed: int, scale: float, shift: float) -> None:
    floor, student, ceiling, groups = world(seed=seed)
    found = recovered(floor, student, ceiling, groups)
    moved = recovered(scale * floor + shift, scale * student + shift, scale * ceiling + shift, groups)
    assert (moved.pgr, moved.low, moved.high) == pytest.approx((found.pgr, found.low, found.high), abs=1e-6)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(12, 200))
@settings(max_examples=60, deadline=None)
def test_it_is_stated_just_when_gap_and_interval_tell_something_and_never_nan(seed: int, seeds: int, n: int) -> None:
    floor, student, ceiling, groups = world(seed=seed, seeds=seeds, n=n)
    found = recovered(floor, student, ceiling, groups)
    sizes = np.unique(groups, return_counts=True)[1]
    enough = n**2 / np.sum(sizes**2) >= 20 and found.gap_low is not None and found.gap_low > 0
    if enough and found.withheld is not None:
        assert found.withheld.startswith("not determined, the interval ")
        enough = False
    assert (found.withheld is None) == enough
    assert all(value is None or isinstance(value, str) or math.isfinite(value) for value in astuple(found))
    if found.pgr is None:
        assert (found.low, found.high) == (None, None)
    else:
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.pgr <= found.high <= found.low + 1
