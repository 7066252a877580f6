"""How often do intervals without ground truth hold the accuracy? `python -m bench.agreement` prints the table.

Annotators err independently, with equal chances for every class, and leave gaps at random: the world that Dawid-Skene
assumes. `outgrow labels` then states the accuracy of each annotator and of the joined labels by agreement alone.
"""

from __future__ import annotations

import argparse

import numpy as np

from outgrow.practice.annotators import by_agreement
from outgrow.practice.data import PracticeData
from outgrow.practice.truth import probable_truth

WORLDS = (  # accuracies of the annotators, share of gaps, rows
    ((0.85, 0.75, 0.65, 0.7), 0.2, 400),
    ((0.8, 0.8, 0.7), 0.3, 600),
    ((0.7, 0.7, 0.7, 0.7, 0.7), 0.5, 1000),
)


def drawn(skills: tuple[float, ...], gaps: float, rows: int, seed: int) -> tuple[PracticeData, np.ndarray]:
    """Labels of two classes, and the truth, int64 [rows]."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, rows)
    right = rng.random((rows, len(skills))) < np.array(skills)
    matrix = np.where(right, truth[:, None], 1 - truth[:, None])
    matrix[rng.random(matrix.shape) < gaps] = -1
    return PracticeData.from_values(matrix, classes=("no", "yes")), truth


def covered(skills: tuple[float, ...], gaps: float, rows: int, times: int) -> tuple[float, float, float, float]:
    """How often the intervals of the joined labels and of single annotators hold the accuracy on these rows; the mean
    error of the joined accuracy, and the mean width of its interval."""
    joined, single, errors, widths = [], [], [], []
    for seed in range(times):
        data, truth = drawn(skills, gaps, rows, seed)
        probable = probable_truth(data)
        found, own = by_agreement(data, probable), truth[data.labelled]
        assert found is not None
        real = float((probable.labels == own).mean())
        joined.append(found.joined.low <= real <= found.joined.high)
        errors.append(found.joined.value - real)
        widths.append(found.joined.high - found.joined.low)
        for given, votes, share in zip(
            data.annotations.given, data.annotations.matrix().T, found.accuracies, strict=True
        ):
            assert share is not None
            single.append(share.low <= (votes == own)[given].mean() <= share.high)
    return float(np.mean(joined)), float(np.mean(single)), float(np.mean(errors)), float(np.mean(widths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    times = parser.parse_args().times
    print("| accuracies | gaps | rows | joined: held | error | width | annotators: held |")
    print("|---|---|---|---|---|---|---|")
    for skills, gaps, rows in WORLDS:
        joined, single, error, width = covered(skills, gaps, rows, times)
        shown = f"{100 * joined:.0f} % | {100 * error:+.1f} | {100 * width:.1f} | {100 * single:.1f} %"
        print(f"| {', '.join(map(str, skills))} | {100 * gaps:.0f} % | {rows} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
