"""Odd labels through every rule, odd hyperparameters and numbers through the loop: finite numbers, or a UserError."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import tiny
from straight import Plain, Straight, not_numbers, weight

from outgrow.labelling.base import Evidence, Rule
from outgrow.plugins import find, names
from outgrow.training.loop import TrainingResult, train
from outgrow.types import Labels, UserError

Inputs = Callable[[], Iterator[Random]]
RULES: list[type[Rule]] = [find("rule", name) for name in names("rule")]


def odd_rows(rng: Random, k: int) -> list[float]:
    """Probabilities of k choices: certain, level, tied, tiny or ordinary."""
    kind = rng.randrange(5)
    if kind == 0:
        return [float(i == chosen) for chosen in [rng.randrange(k)] for i in range(k)]
    if kind == 1:
        return [1 / k] * k
    raw = [rng.choice([0.0, 1.0, 1.0]) if kind == 2 else rng.random() ** (1 if kind == 3 else 40) for _ in range(k)]
    return [value / sum(raw) for value in raw] if sum(raw) > 0 else [1 / k] * k


def test_rules_give_probabilities_for_examples_that_somebody_labelled(inputs: Inputs) -> None:
    for rng in inputs():
        ids = [f"e{i}" for i in range(rng.randint(1, 12))]
        k = rng.randint(1, 4)
        counts = {id: rng.randint(1, 4) if rng.random() < 0.1 else k for id in ids}
        votes = []
        for _ in range(rng.randint(1, 5)):
            own = [id for id in rng.sample(ids, len(ids)) if rng.random() < 0.8] or ids[:1]
            votes.append(Labels.from_rows(own, [odd_rows(rng, counts[id]) for id in own]))
        kind = rng.choice(RULES)
        given = votes if kind.aggregates else votes[:1]
        features = np.array([[rng.choice([0.0, rng.gauss(0, 1), 1e6])] * 2 for _ in given[0].ids])
        answers = Labels.from_rows(given[0].ids, [odd_rows(rng, counts[id]) for id in given[0].ids])
        evidence = Evidence(
            features=dict.fromkeys(kind.needs, features), predictions=dict.fromkeys(kind.needs, answers)
        )
        labelled = {id for labels in given for id in labels.ids}
        try:
            found = kind().apply(given, evidence)
        except UserError:
            continue
        assert set(found.ids) <= labelled
        assert kind.selects or len(found) == len(labelled)
        assert np.isfinite(found.probs).all()
        assert found.probs.min() >= 0
        assert [len(row) for row in found.rows()] == [counts[id] for id in found.ids]
        assert np.allclose([row.sum() for row in found.rows()], 1, atol=1e-4)


def odd(rng: Random) -> float:
    return rng.choice([0.0, 1.0, -1.0, 1e-30, 1e30, 3e38, -3e38, rng.gauss(0, 1), math.nan, math.inf])


def random_config(rng: Random) -> Plain:
    return Plain(
        epochs=rng.choice([0.01, 1.0, 2.5]),
        updates=rng.choice([None, None, 1, 5]),
        batch=rng.choice([1, 2, 3, 100]),
        learning_rate=rng.choice([1e-30, 0.1, 1.0, 1e20, 3e38]),
        schedule=rng.choice(["linear", "cosine", "constant"]),  # type: ignore[arg-type]
        warmup=rng.choice([0.0, 0.3, 1.0]),
        clip=rng.choice([1e-30, 1.0, 3e38]),
        precision=rng.choice(["fp32", "bf16"]),  # type: ignore[arg-type]
        keep=rng.choice(["best", "last"]),  # type: ignore[arg-type]
        checks=rng.choice([1, 2, 1000]),
    )


class Stop(BaseException):
    """What ends a run in the middle."""


class Mortal(tiny.Scratch):
    """Dies once, after some updates."""

    dies = 0

    def progress(self, fraction: float, note: str = "") -> None:
        super().progress(fraction, note)
        if self.updates == self.dies:
            raise Stop


class Drawn(Straight):
    """Validation losses that depend on the weight alone, so that a resumed run meets the same ones."""

    def validate(self) -> dict[str, float]:
        loss = self._losses[hash(self.w.item()) % len(self._losses)]
        if isinstance(loss, Exception):
            raise loss
        return {"validation_loss": loss}


def run(case: int, folder: Path, dies: int, every: int) -> tuple[TrainingResult, float] | None:
    """What came of one drawn run, and the weight that it ended at; None where it failed. It may die once."""
    for death in (dies, 0):
        rng = Random(case)
        module = weight(rng.choice([1.0, 1e30]))
        slopes = [odd(rng) if rng.random() < 0.1 else rng.gauss(0, 1) for _ in range(rng.randint(1, 7))]
        losses = [rng.choice([not_numbers(), odd(rng), *(rng.random() for _ in range(8))]) for _ in range(6)]
        config, scratch = random_config(rng), Mortal(folder, every=every)
        scratch.dies = death
        try:
            found = train(module, Drawn(module, slopes, losses), config, 0, scratch)
        except Stop:
            continue
        except UserError:
            return None
        assert found.curve
        assert all(math.isfinite(figure) for check in found.curve for figure in check.values())
        assert module.weight.isfinite().all()
        return found, module.weight.item()
    raise AssertionError("it dies once")


def test_training_ends_in_numbers_or_says_why_and_a_resume_ends_alike(inputs: Inputs, tmp_path: Path) -> None:
    for number, rng in enumerate(inputs()):
        whole = run(number, tmp_path / f"{number}-whole", 0, 0)
        assert run(number, tmp_path / f"{number}-cut", rng.randint(1, 6), rng.randint(1, 3)) == whole
