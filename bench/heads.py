"""64 linear heads on one feature matrix: all together, beside scikit-learn's logistic regression one by one.

Both fit soft features [1000, 384] to 64 sets of two classes along twelve penalties, in turns, one thread; scikit-learn
warm-starts along the path too. `python -m bench.heads` prints seconds of a core.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bench.turns import REPEATS, Measured, measured
from outgrow.methods.head import PENALTIES
from outgrow.training.linear import Design, regress
from outgrow.types import Doubles

HEADS, ROWS, WIDTH, HELD_OUT = 64, 1000, 384, 500


def measure(repeats: int = REPEATS, heads: int = HEADS, rows: int = ROWS) -> list[Measured]:
    """Seconds of a core for all heads, scikit-learn's taken from four of them; and the lowest validation loss."""
    import torch

    torch.set_num_threads(1)
    x, labels = data(heads, rows)
    few = min(4, heads)
    contestants = {
        "outgrow": lambda: timed(lambda: stacked(x, labels, rows)[:few], 1.0),
        "scikit-learn": lambda: timed(lambda: one_by_one(x, labels[:few], rows), heads / few),
    }
    return measured(f"{heads} heads on {rows} × {WIDTH}", contestants, "scikit-learn", repeats)


def data(heads: int, rows: int) -> tuple[Doubles, list[Doubles]]:
    random = np.random.default_rng(0)
    n = rows + HELD_OUT
    x = random.normal(size=(n, 40)) @ random.normal(size=(40, WIDTH)) + 0.5 * random.normal(size=(n, WIDTH))
    directions = 0.05 * random.normal(size=(heads, WIDTH, 2))
    return x, [np.eye(2)[(x @ each + random.gumbel(size=(n, 2))).argmax(1)] for each in directions]


def stacked(x: Doubles, labels: list[Doubles], rows: int) -> list[float]:
    train, held_out = [each[:rows] for each in labels], [each[rows:] for each in labels]
    heads = regress(Design(x[:rows]), train, x[rows:], held_out, PENALTIES)
    return [min(record["validation_loss"] for record in head.curve) for head in heads]


def one_by_one(x: Doubles, labels: list[Doubles], rows: int) -> list[float]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    z = StandardScaler().fit(x[:rows]).transform(x)
    found = []
    for each in labels:
        y, losses = each.argmax(1), []
        model = LogisticRegression(warm_start=True, max_iter=500, tol=1e-5)
        for penalty in PENALTIES:
            model.set_params(C=2 / (penalty * rows)).fit(z[:rows], y[:rows])
            losses.append(log_loss(y[rows:], model.predict_proba(z[rows:])))
        found.append(min(losses))
    return found


def timed(work: Callable[[], list[float]], factor: float) -> dict[str, float]:
    start = time.process_time()
    found = work()
    return {"s of a core": (time.process_time() - start) * factor, "validation loss, nats": float(np.mean(found))}


if __name__ == "__main__":
    from bench.tables import show

    show("heads", measure())
