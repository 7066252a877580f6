"""Losses on several fits at once, [fits, batch, choices]: each as if it were alone."""

from __future__ import annotations

import pytest
import torch

from outgrow.losses.base import Loss
from outgrow.plugins import find, names

KINDS: list[type[Loss]] = [find("loss", name) for name in names("loss")]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_fits_that_are_computed_together_do_not_see_each_other(kind: type[Loss]) -> None:
    loss, random = kind(), torch.Generator().manual_seed(0)
    logits = torch.randn(4, 10, 3, generator=random)
    weak = torch.rand(4, 10, 3, generator=random).softmax(-1)
    together = loss.targets(logits if loss.needs_logits else None, weak, 0.9)
    values = loss.per_example(logits, together)
    assert values.shape == (4, 10)
    for i in range(4):
        alone = loss.targets(logits[i] if loss.needs_logits else None, weak[i], 0.9)
        assert torch.equal(together[i], alone)
        assert torch.allclose(values[i], loss.per_example(logits[i], alone))
    if loss.needs_logits:
        assert not torch.equal(together, weak), "the labels came back as they are: this test could not fail"
