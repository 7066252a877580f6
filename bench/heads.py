"""64 linear heads on one feature matrix: all together, beside scikit-learn's logistic regression one by one.

Both fit soft features [1000, 384] to 64 sets of two classes along twelve penalties, in turns, one thread; scikit-learn
warm-starts along the path too. `python -m bench.heads` prints seconds and the ratio of each pair.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from outgrow.methods.head import PENALTIES
from outgrow.training.linear import Design, regress
from outgrow.types import Doubles

HEADS, ROWS, WIDTH, HELD_OUT, REPEATS = 64, 1000, 384, 500, 3


def main() -> None:
    import torch

    torch.set_num_threads(1)
    x, labels = data()
    pairs = []
    for _ in range(REPEATS):
        ours, losses = timed(lambda: stacked(x, labels))
        theirs, other = timed(lambda: one_by_one(x, labels[:4]))
        pairs.append((ours, theirs * HEADS / 4))
        difference = np.abs(np.array(losses[:4]) - other).max()
    each = [theirs / ours for ours, theirs in pairs]
    print(
        f"{HEADS} heads on {ROWS} x {WIDTH}: {statistics.median(ours for ours, _ in pairs):.2f} s; scikit-learn, "
        f"from 4 heads: {statistics.median(theirs for _, theirs in pairs):.2f} s; {statistics.median(each):.1f} times "
        f"({min(each):.1f} to {max(each):.1f}); lowest validation losses differ by {difference:.1e} at most"
    )


def data() -> tuple[Doubles, list[Doubles]]:
    random = np.random.default_rng(0)
    n = ROWS + HELD_OUT
    x = random.normal(size=(n, 40)) @ random.normal(size=(40, WIDTH)) + 0.5 * random.normal(size=(n, WIDTH))
    directions = 0.05 * random.normal(size=(HEADS, WIDTH, 2))
    return x, [np.eye(2)[(x @ each + random.gumbel(size=(n, 2))).argmax(1)] for each in directions]


def stacked(x: Doubles, labels: list[Doubles]) -> list[float]:
    train, held_out = [each[:ROWS] for each in labels], [each[ROWS:] for each in labels]
    heads = regress(Design(x[:ROWS]), train, x[ROWS:], held_out, PENALTIES)
    return [min(record["validation_loss"] for record in head.curve) for head in heads]


def one_by_one(x: Doubles, labels: list[Doubles]) -> list[float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    z = StandardScaler().fit(x[:ROWS]).transform(x)
    found = []
    for each in labels:
        y, losses = each.argmax(1), []
        model = LogisticRegression(warm_start=True, max_iter=500, tol=1e-5)
        for penalty in PENALTIES:
            model.set_params(C=2 / (penalty * ROWS)).fit(z[:ROWS], y[:ROWS])
            losses.append(log_loss(y[ROWS:], model.predict_proba(z[ROWS:])))
        found.append(min(losses))
    return found


def timed(work: object) -> tuple[float, list[float]]:
    start = time.process_time()
    found: list[float] = work()  # type: ignore[operator]
    return time.process_time() - start, found


if __name__ == "__main__":
    main()
