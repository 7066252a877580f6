"""From a TOML file or a table to an experiment's records."""

from outgrow.config.experiment import bundled_example, experiment_from, read
from outgrow.config.pretraining import pretraining

__all__ = ["bundled_example", "experiment_from", "pretraining", "read"]
