"""How long a model takes to read or learn, roughly: operations counted from its shape. For schedules only."""

from __future__ import annotations

from functools import cache

from outgrow.experiment.data import Prepare
from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.training.loop import TrainingConfig
from outgrow.types import UserError

SPEED = 5e10  # operations a second, of one core
TOKENS = 32  # a text
EXAMPLES = 1000  # of a split that is used whole
WEIGHTS = 10**7  # of a model that cannot be opened without a download
START = 1.0  # seconds, to open a model


def reading(model: Model, examples: Prepare) -> float:
    """About how many seconds a model takes to read examples once: two operations a weight and token."""
    return START + 2 * _weights(model) * TOKENS * (examples.n or EXAMPLES) / SPEED


def learning(model: Model, examples: Prepare, config: object) -> float:
    """About how many seconds a model takes to learn from examples: six operations a weight and token."""
    n = examples.n or EXAMPLES
    epochs = config.total(n) * config.batch / n if isinstance(config, TrainingConfig) else 1.0
    return START + 3 * epochs * (reading(model, examples) - START)


@cache
def _weights(model: Model) -> int:
    try:
        return model.parameters(Settings(offline=True))
    except UserError:
        return WEIGHTS
