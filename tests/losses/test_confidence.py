"""The confidence loss by hand; what it does with ties, odd batches, single examples and choices that are missing."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.losses.confidence import Confidence, hardened
from outgrow.losses.log_confidence import LogConfidence
from outgrow.types import Shape, UserError

LATE = 0.99  # alpha is at its maximum


def binary(*second: float) -> torch.Tensor:
    """Probabilities of two classes, given those of the second."""
    return torch.tensor([[1 - p, p] for p in second])


def hard(logits: torch.Tensor, weak: torch.Tensor, **fields: object) -> list[int]:
    targets = Confidence(weight=1.0, **fields).targets(logits, weak, LATE)  # type: ignore[arg-type]
    assert set(targets.unique().tolist()) <= {0.0, 1.0}
    return targets.argmax(1).tolist()


def test_a_binary_batch_by_hand() -> None:
    # Mean weak label (0.9 + 0.6 + 0.4 + 0.1) / 4 = 0.5: the upper half of the student's 0.9, 0.8, 0.7, 0.6 hardens to
    # class 1 although it says class 1 of all four: first and fourth. At half the warm-up alpha = 0.5 / 2 = 0.25, so
    # the targets of class 1 are 0.75 * 0.9 + 0.25, 0.75 * 0.6, 0.75 * 0.4, 0.75 * 0.1 + 0.25.
    logits, weak = binary(0.9, 0.6, 0.7, 0.8).log(), binary(0.9, 0.6, 0.4, 0.1)
    targets = Confidence(weight=0.5, warmup=0.2).targets(logits, weak, 0.1)
    assert targets[:, 1].tolist() == pytest.approx([0.925, 0.45, 0.3, 0.325])
    assert targets.sum(1).tolist() == pytest.approx([1] * 4)
    # From progress 0.2 on alpha = 0.5.
    late = Confidence(weight=0.5, warmup=0.2).targets(logits, weak, 0.2)
    assert late[:, 1].tolist() == pytest.approx([0.95, 0.3, 0.2, 0.55])


def test_the_settings_of_the_released_code_by_hand() -> None:
    # warmup = 0.1, the share the batch's mean. At a progress of 0.05 alpha is 0.5 / 2 = 0.25, at 0.1 it is 0.5, and it
    # stays there: the released code climbs to a tenth of its weight and jumps to all of it.
    logits, weak = binary(0.9, 0.6, 0.7, 0.8).log(), binary(0.9, 0.6, 0.4, 0.1)
    openai = Confidence(weight=0.5, warmup=0.1)
    for progress, alpha in ((0.0, 0.0), (0.05, 0.25), (0.1, 0.5), (0.101, 0.5), (1.0, 0.5)):
        targets = openai.targets(logits, weak, progress)
        by_hand = [(1 - alpha) * p + alpha * hard for p, hard in zip((0.9, 0.6, 0.4, 0.1), (1, 0, 0, 1), strict=True)]
        assert targets[:, 1].tolist() == pytest.approx(by_hand)


def test_the_share_is_the_mean_weak_label_or_the_prior_that_is_declared() -> None:
    logits = binary(0.9, 0.8, 0.7, 0.6).log()
    assert hard(logits, binary(0.4, 0.3, 0.2, 0.1)) == [1, 0, 0, 0]  # mean 0.25: one of four
    assert hard(logits, binary(0.4, 0.3, 0.2, 0.1), prior=(0.5, 0.5)) == [1, 1, 0, 0]
    assert hard(logits, binary(0.4, 0.3, 0.2, 0.1), prior=(0.0, 1.0)) == [1, 1, 1, 1]


def test_three_classes_by_hand() -> None:
    # Everybody likes class 0 best, but the prior gives each class one of three. Of the six ways to share them out the
    # likeliest is 1, 2, 0 with 0.4 * 0.1 * 0.8 = 0.032 (0, 1, 2 has 0.015; 2, 1, 0 has 0.024; 1, 0, 2 has 0.024;
    # 0, 2, 1 and 2, 0, 1 have 0.005 and 0.006).
    f = torch.tensor([[0.5, 0.4, 0.1], [0.6, 0.3, 0.1], [0.8, 0.1, 0.1]])
    assert hard(f.log(), torch.full((3, 3), 1 / 3)) == [1, 2, 0]
    # Weights that say so: f * w is (0.5, 0.68, 0.65), (0.6, 0.51, 0.65), (0.8, 0.17, 0.65).
    w = torch.tensor([1.0, 1.7, 6.5])
    assert (f * w).argmax(1).tolist() == [1, 2, 0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_shares_match_and_some_weights_explain_the_choice(data: st.DataObject) -> None:
    n, k = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 4))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    logits = 3 * torch.randn(n, k, generator=generator)
    weak = torch.randn(n, k, generator=generator).softmax(1)
    one_hot = hardened(logits, weak, tuple(weak.double().mean(0).tolist()))
    assert ((one_hot.mean(0) - weak.mean(0)).abs() < 1 / n + 1e-5).all()
    # Weights exist exactly if going around any cycle of classes gains nothing (Rockafellar's cyclic monotonicity).
    # The dearest way from class a to class b is that of the example in a that would lose least by the change.
    loses = torch.full((k, k), float("inf"))
    for row, own in zip(logits, one_hot.argmax(1).tolist(), strict=True):
        loses[own] = torch.minimum(loses[own], row[own] - row)
    for length in range(2, k + 1):
        for cycle in itertools.permutations(range(k), length):
            around = sum(loses[a, b] for a, b in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
            assert around > -1e-5


def test_an_odd_batch_leaves_the_middle_to_the_student() -> None:
    weak = binary(0.5, 0.5, 0.5)
    assert hard(binary(0.9, 0.6, 0.1).log(), weak) == [1, 1, 0]
    assert hard(binary(0.9, 0.4, 0.1).log(), weak) == [1, 0, 0]


def test_of_equals_the_supervisor_s_likelier_comes_first() -> None:
    same = torch.zeros(4, 2)
    assert hard(same, binary(0.2, 0.8, 0.4, 0.6)) == [0, 1, 0, 1]
    assert sum(hard(same, binary(0.5, 0.5, 0.5, 0.5))) == 2
    assert sum(hard(torch.zeros(5, 2), binary(0.5, 0.5, 0.5, 0.5, 0.5))) in (2, 3)


@pytest.mark.parametrize("second", [0.0, 0.3, 1.0])
def test_one_example_alone_hardens_to_what_the_student_thinks(second: float) -> None:
    assert hard(binary(0.8).log(), binary(second)) == [1]
    assert hard(binary(0.2).log(), binary(second)) == [0]


def test_legal_moves_harden_by_argmax() -> None:
    logits = torch.tensor([[0.0, 1.0, -float("inf")], [0.0, 1.0, 2.0], [0.0, 1.0, -float("inf")]])
    weak = torch.tensor([[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.1, 0.0]])
    targets = Confidence(weight=0.5).targets(logits, weak, LATE)
    assert targets.tolist() == [pytest.approx(row) for row in [[0.45, 0.55, 0.0], [0.45, 0.05, 0.5], [0.45, 0.55, 0.0]]]


def test_the_warm_up_rises_evenly_and_never_jumps() -> None:
    logits, weak = binary(0.1, 0.9).log(), binary(1.0, 0.0)

    def alpha(progress: float) -> float:  # the weak label of the first example is 1, its hardened target 0
        return 1 - float(Confidence(weight=0.75, warmup=0.2).targets(logits, weak, progress)[0, 1])

    steps = [i / 1000 for i in range(1000)]
    found = [alpha(progress) for progress in steps]
    assert found == pytest.approx([min(progress / 0.2, 1) * 0.75 for progress in steps], abs=1e-6)
    assert max(b - a for a, b in itertools.pairwise(found)) <= 0.75 / 0.2 / 1000 + 1e-6
    assert float(Confidence(weight=0.75, warmup=0.0).targets(logits, weak, 0.0)[0, 1]) == pytest.approx(0.25)


@pytest.mark.parametrize("loss", [Confidence(), LogConfidence()])
def test_no_batch_is_remembered(loss: Confidence | LogConfidence) -> None:
    """The threshold is of this batch alone: what came before changes nothing and nothing is kept."""
    assert not hasattr(loss, "buffer")
    generator = torch.Generator().manual_seed(0)
    logits, weak = torch.randn(8, 2, generator=generator), torch.rand(8, 2, generator=generator).softmax(1)
    before, fields = loss.targets(logits, weak, LATE), dict(vars(loss))
    for _ in range(20):
        loss.targets(torch.randn(32, 2, generator=generator) + 5, weak.repeat(4, 1), LATE)
    assert torch.equal(loss.targets(logits, weak, LATE), before)
    assert vars(loss) == fields


def test_log_confidence_centres_the_labels_by_hand() -> None:
    # Log-odds ln 3 and ln 27 (0.75 and 27/28) centre to -ln 3 and ln 3: labels 0.25 and 0.75. Half hardens to class 1:
    # the student's second. With alpha 0.5: 0.125 and 0.875.
    targets = LogConfidence(weight=0.5).targets(binary(0.6, 0.7).log(), binary(0.75, 27 / 28), LATE)
    assert targets[:, 1].tolist() == pytest.approx([0.125, 0.875], abs=1e-4)
    # Alone an example has nothing to be balanced against.
    alone = LogConfidence(weight=0.5).targets(binary(0.6).log(), binary(0.75), LATE)
    assert alone[0, 1].item() == pytest.approx(0.875)


@pytest.mark.parametrize(
    "fields", [{"weight": 1.5}, {"warmup": -0.1}, {"prior": (0.5, 0.6)}, {"prior": (-0.5, 1.5)}], ids=str
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Confidence(**fields)  # type: ignore[arg-type]


def test_a_prior_of_other_classes_is_refused() -> None:
    with pytest.raises(UserError, match="3 shares and the examples 2 choices"):
        hard(torch.zeros(4, 2), binary(0.5, 0.5, 0.5, 0.5), prior=(0.2, 0.3, 0.5))


def test_a_prior_is_checked_against_the_choices_of_the_task() -> None:
    two, moves = Shape(readout="head", choices=("a", "b"), most=2), Shape(readout="tokens", choices=None, most=200)
    Confidence(prior=(0.5, 0.5)).check(two)
    Confidence().check(two)
    Confidence(prior=(0.2, 0.3, 0.5)).check(moves)
    with pytest.raises(UserError, match="prior has 3 shares and the task 2 choices"):
        Confidence(prior=(0.2, 0.3, 0.5)).check(two)


def test_log_confidence_has_the_weight_the_warm_up_and_the_shares_that_it_says() -> None:
    # Labels of one example in four lean to class 1, far: centred, their mean is 0.39. Hardened shares are equal though.
    logits, weak = binary(0.4, 0.1, 0.2, 0.3).log(), binary(0.99, 0.2, 0.2, 0.2)
    odds = (weak[:, 1] / weak[:, 0]).log()
    centred = (odds - odds.mean()).sigmoid()
    for progress, alpha in ((0.0, 0.0), (0.2, 0.4), (0.9, 0.8)):
        targets = LogConfidence(weight=0.8, warmup=0.4).targets(logits, weak, progress)[:, 1]
        expected = (1 - alpha) * centred + alpha * torch.tensor([1.0, 0.0, 0.0, 1.0])
        assert targets.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize("fields", [{"weight": 1.5}, {"warmup": -0.1}], ids=str)
def test_log_confidence_refuses_what_makes_no_sense(fields: dict[str, float]) -> None:
    with pytest.raises(UserError, match=next(iter(fields))):
        LogConfidence(**fields)


def test_hard_labels_have_finite_log_odds() -> None:
    targets = LogConfidence(weight=0.0).targets(torch.zeros(3, 2), binary(0.0, 1.0, 1.0), LATE)
    assert targets.isfinite().all()
    assert (targets[:, 1] > 0.5).tolist() == [False, True, True]
