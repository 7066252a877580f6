"""A loss in transformers' Trainer: the numbers by hand, and a training run."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from outgrow.losses import for_trainer
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.types import UserError

LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.5, 0.0], [0.0, 3.0]])
WEAK = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.1, 0.9]])


def outputs() -> Any:
    return SimpleNamespace(logits=LOGITS.clone().requires_grad_(True))


def test_cross_entropy_is_torch_s_with_classes_and_with_probabilities() -> None:
    loss = for_trainer("cross-entropy")
    assert loss(outputs(), WEAK).item() == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, WEAK).item())
    classes = WEAK.argmax(1)
    expected = torch.nn.functional.cross_entropy(LOGITS, classes).item()
    assert loss({"logits": LOGITS}, classes).item() == pytest.approx(expected)


def test_accumulated_batches_are_weighed_by_their_examples() -> None:
    """The trainer counts labels: classes one an example, probabilities one a class."""
    loss = for_trainer("cross-entropy")
    parts = [(LOGITS[:3], WEAK[:3]), (LOGITS[3:], WEAK[3:])]
    soft = sum(loss({"logits": x}, y, num_items_in_batch=8).item() for x, y in parts)
    assert soft == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, WEAK).item())
    hard = sum(loss({"logits": x}, y.argmax(1), num_items_in_batch=4).item() for x, y in parts)
    assert hard == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, WEAK.argmax(1)).item())


def test_confidence_follows_the_progress_of_training() -> None:
    loss = for_trainer("confidence", weight=0.5, warmup=0.5)
    with pytest.raises(UserError, match=r"callbacks=\[loss.callback\]"):
        loss(outputs(), WEAK)
    callback = loss.callback
    for step, progress in ((0, 0.0), (50, 0.5)):
        callback.on_step_begin(None, SimpleNamespace(global_step=step, max_steps=100), None)
        targets = Confidence(weight=0.5, warmup=0.5).targets(LOGITS, WEAK, progress)
        assert loss(outputs(), WEAK).item() == pytest.approx(-(targets * LOGITS.log_softmax(1)).sum(1).mean().item())
    at_start, later = WEAK, Confidence(weight=0.5, warmup=0.5).targets(LOGITS, WEAK, 0.5)
    assert not torch.equal(at_start, later)
    evaluated = loss({"logits": LOGITS}, WEAK).item()  # no gradient: the labels alone
    assert evaluated == pytest.approx(torch.nn.functional.cross_entropy(LOGITS, WEAK).item())


def test_a_loss_may_be_given_and_others_are_refused() -> None:
    assert for_trainer(CrossEntropy()).loss == CrossEntropy()
    with pytest.raises(UserError, match=r"no loss called 'confidense': choose one of confidence, cross-entropy"):
        for_trainer("confidense")
    with pytest.raises(UserError, match="weight"):
        for_trainer("confidence", weight=2.0)
    with pytest.raises(UserError, match=r"loss confidence has no field called 'wieght'\. Known: weight, warmup, prior"):
        for_trainer("confidence", wieght=0.5)


def test_a_trainer_learns_with_it(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    folder = tiny.checkpoint(tmp_path / "bert", "bert")
    tokenizer, given = AutoTokenizer.from_pretrained(folder), tiny.supervision(64)
    rows = [
        {**tokenizer(row.prompt), "labels": probs.tolist()}
        for row, probs in zip(given.examples.rows, given.labels.rows(), strict=True)
    ]

    def collated(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        padded = tokenizer.pad([{"input_ids": row["input_ids"]} for row in batch], return_tensors="pt")
        return {**padded, "labels": torch.tensor([row["labels"] for row in batch])}

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
    args = TrainingArguments(
        str(tmp_path / "out"), num_train_epochs=8, per_device_train_batch_size=8, gradient_accumulation_steps=2,
        learning_rate=3e-3, report_to=[], save_strategy="no", logging_steps=4, disable_tqdm=True, use_cpu=True,
    )  # fmt: skip
    loss = for_trainer("confidence", weight=0.3, warmup=0.5)
    trainer = Trainer(
        model, args, train_dataset=rows, data_collator=collated, compute_loss_func=loss, callbacks=[loss.callback]
    )
    names = {"for_trainer": for_trainer, "Trainer": Trainer, "model": model, "args": args, "rows": rows}
    (example,) = doctest.DocTestFinder(recurse=False).find(for_trainer, globs=names)
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert losses[-1] < 0.75 * losses[0]
    assert losses[0] < 2  # the mean over the examples, whatever is accumulated
    assert np.isfinite(losses).all()
