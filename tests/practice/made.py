"""Made-up data whose truth is known: texts that say their class in some of their words, and annotators that err."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.practice.data import PracticeData

SKILLS = (0.85, 0.75, 0.65, 0.7)
CLASSES = ("bad", "good")
WORDS = {0: "awful dull slow cold", 1: "lovely bright quick warm"}


def texts(truth: np.ndarray, rng: np.random.Generator, clear: float = 0.8) -> list[str]:
    """Each with four words that tell its class with probability `clear`, and words that say nothing."""
    labels = np.where(rng.random(len(truth)) < clear, truth, 1 - truth)
    own = [rng.permutation(WORDS[int(c)].split())[:3] for c in labels]
    return [f"film{i} is {' '.join(words)} with scene{i % 97} and part{i % 89}" for i, words in enumerate(own)]


def drawn(
    rows: int = 400, skills: tuple[float, ...] = SKILLS, gaps: float = 0.2, seed: int = 0, **more: Any
) -> tuple[PracticeData, np.ndarray]:
    """Data with one annotator for each skill, the share `gaps` of whose labels is missing; and the truth, [rows]."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    right = rng.random((rows, len(skills))) < np.array(skills)
    matrix = np.where(right, truth[:, None], 1 - truth[:, None])
    matrix[rng.random(matrix.shape) < gaps] = -1
    names = [f"ann{j}" for j in range(len(skills))]
    data = PracticeData.from_values(matrix, texts(truth, rng), classes=CLASSES, annotators=names, **more)
    return data, truth


def written(folder: Path, data: PracticeData, truth: np.ndarray | None = None) -> Path:
    """The data as CSV, with the ground truth if it is given."""
    path = folder / "made.csv"
    matrix = np.full((len(data), len(data.annotations.annotators)), -1)
    matrix[data.labelled] = data.annotations.matrix()
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", *data.annotations.annotators, *(["gold"] if truth is not None else [])])
        for i, row in enumerate(matrix):
            cells = [data.classes[c] if c >= 0 else "" for c in row]
            table.writerow([f"r{i}", data.texts[i], *cells, *([data.classes[truth[i]]] if truth is not None else [])])
    return path
