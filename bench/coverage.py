"""How often do the 95 % intervals of PGR hold the true PGR? `python -m bench.coverage` prints the table.

The world that is drawn is a probit one, so its true accuracies are known exactly: on test example i of group g, model
m trained with seed s is right where

    threshold_m + seed_ms + group_g + difficulty_i + taste_mi + noise_msi > 0

with all terms normal. Difficulty and group are shared by the three models, a supervisor's seed carries over to its
student, and the thresholds are such that the models' expected accuracies are exactly those asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from outgrow.measures.pgr import recovered

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """Expected accuracies of floor, student, ceiling; seed_sd is in accuracy; groups hold 1 to 5 examples."""

    seeds: int = 5
    groups: int = 500
    accuracies: tuple[float, float, float] = (0.60, 0.66, 0.72)
    seed_sd: float = 0.01
    inherited: float = 0.5  # correlation of the seed effects of a supervisor and its student

    @property
    def pgr(self) -> float:
        floor, student, ceiling = self.accuracies
        return (student - floor) / (ceiling - floor)


def draw(world: World, rng: np.random.Generator) -> tuple[Doubles, npt.NDArray[np.int64]]:
    """Scores [3, S, N] of floor, student and ceiling, and groups [N]."""
    groups = np.repeat(np.arange(world.groups), rng.integers(1, 6, size=world.groups))
    n, seeds, normal = len(groups), world.seeds, NormalDist()
    shared = 0.6 * rng.standard_normal(world.groups)[groups] + 0.8 * rng.standard_normal(n)
    taste = 0.7 * rng.standard_normal((3, 1, n))
    noise = 0.5 * rng.standard_normal((3, seeds, n))
    spread = (0.6**2 + 0.8**2 + 0.7**2 + 0.5**2) ** 0.5
    effects = rng.standard_normal((3, seeds))
    effects[1] = world.inherited * effects[0] + (1 - world.inherited**2) ** 0.5 * effects[1]
    latent = shared + taste + noise
    for m, accuracy in enumerate(world.accuracies):
        quantile = normal.inv_cdf(accuracy)
        seed_sd = spread * world.seed_sd / normal.pdf(quantile)
        threshold = quantile * (spread**2 + seed_sd**2) ** 0.5
        latent[m] += threshold + seed_sd * effects[m][:, None]
    return (latent > 0).astype(np.float64), groups


def percentile_bootstrap(scores: Doubles) -> tuple[float, float]:
    """What is often done instead: resample the seeds, here all S^S ways, and take the 2.5 and 97.5 percentiles."""
    means = scores.mean(axis=2)
    picks = np.array(list(product(range(means.shape[1]), repeat=means.shape[1])))
    floor, student, ceiling = means[:, picks].mean(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may have no gap at all
        low, high = np.nanpercentile((student - floor) / (ceiling - floor), [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Shares of the replications: interval held the truth (of those stated), withheld; and the median width."""

    fieller_interval: float
    withheld: float
    width: float
    bootstrap: float


def coverage(world: World, *, replications: int, seed: int = 0, bootstrap: bool = False) -> Coverage:
    rng = np.random.default_rng(seed)
    covered, widths, booted = [], [], []
    for _ in range(replications):
        scores, groups = draw(world, rng)
        found = recovered(scores[0], scores[1], scores[2], groups)
        if found.low is not None and found.high is not None:
            covered.append(found.low <= world.pgr <= found.high)
            widths.append(found.high - found.low)
        if bootstrap:
            low, high = percentile_bootstrap(scores)
            booted.append(low <= world.pgr <= high)
    return Coverage(
        fieller_interval=float(np.mean(covered)) if covered else float("nan"),
        withheld=1 - len(covered) / replications,
        width=float(np.median(widths)) if widths else float("nan"),
        bootstrap=float(np.mean(booted)) if booted else float("nan"),
    )


def worlds() -> Iterator[World]:
    for seed_sd in (0.0, 0.01, 0.03):
        for seeds in (2, 3, 5, 10):
            yield World(seeds=seeds, seed_sd=seed_sd)
    yield World(seeds=1, seed_sd=0.0)  # one seed knows nothing of seed noise: right only where there is none ...
    yield World(seeds=1, seed_sd=0.01)  # ... and too narrow where there is some
    yield World(groups=60)
    yield World(accuracies=(0.60, 0.60, 0.72))
    yield World(accuracies=(0.60, 0.72, 0.72))
    yield World(accuracies=(0.60, 0.62, 0.64))


def main(replications: int = 2000) -> None:
    print("seeds groups floor/student/ceiling seed_sd  Fieller  withheld  width  bootstrap over seeds")
    for world in worlds():
        compared = world.seeds in (3, 5)
        row = coverage(world, replications=replications, bootstrap=compared)
        accuracies = "/".join(f"{accuracy:.2f}" for accuracy in world.accuracies)
        print(
            f"{world.seeds:5d} {world.groups:6d} {accuracies:>21s} {world.seed_sd:7.2f}  {row.fieller_interval:7.1%}"
            f"  {row.withheld:8.1%}  {row.width:5.2f}  {f'{row.bootstrap:.1%}' if compared else '–':>9s}",
            flush=True,
        )


if __name__ == "__main__":
    main()
