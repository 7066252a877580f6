"""What the tests of fits to cheap labels share: texts of the tiny models' words, weak labels and audits."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from outgrow.models.hf import HF
from outgrow.practice.data import PracticeData

CLASSES = ("low", "high")


def rows(n: int = 60, seed: int = 0) -> tuple[list[str], list[str]]:
    """Texts of four words, all of the first twenty or all of the others, and their classes."""
    random = np.random.default_rng(seed)
    high = random.random(n) < 0.5
    words = random.integers(0, 20, (n, 4)) + 20 * high[:, None]
    return [" ".join(f"w{i}" for i in each) for each in words], [CLASSES[int(each)] for each in high]


def noisy(truth: list[str], share: float = 0.2, seed: int = 1) -> list[str]:
    """The classes, of which a share is wrong."""
    flipped = np.random.default_rng(seed).random(len(truth)) < share
    other = {CLASSES[0]: CLASSES[1], CLASSES[1]: CLASSES[0]}
    return [other[name] if flip else name for name, flip in zip(truth, flipped, strict=True)]


def data(n: int = 60, audited: int = 0, **changes: Any) -> PracticeData:
    texts, truth = rows(n)
    gold: Any = [*truth[:audited], *[None] * (n - audited)] if audited else None
    return PracticeData.from_values(noisy(truth), texts, classes=CLASSES, gold=gold, **changes)


def table(path: Path, n: int = 60, audited: int = 0) -> Path:
    """The same as a CSV file with the columns text, weak and gold."""
    texts, truth = rows(n)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "weak", "gold"])
        for i, (text, weak, right) in enumerate(zip(texts, noisy(truth), truth, strict=True)):
            writer.writerow([text, weak, right if i < audited else ""])
    return path


def model(folder: Path, architecture: str = "bert", **changes: Any) -> HF:
    """A tiny random checkpoint."""
    return HF(size=str(tiny.checkpoint(folder / architecture, architecture, **changes))).pinned()


@pytest.fixture
def bert(tmp_path_factory: pytest.TempPathFactory) -> HF:
    return model(tmp_path_factory.mktemp("models"))
