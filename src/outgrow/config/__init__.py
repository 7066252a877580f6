"""Reads experiments from TOML files and tables."""

from outgrow.config.experiment import bundled_example, experiment_from, read
from outgrow.config.pretraining import pretraining
from outgrow.config.seeds import Seeds, seeds_from
from outgrow.config.toml import as_toml

__all__ = ["Seeds", "as_toml", "bundled_example", "experiment_from", "pretraining", "read", "seeds_from"]
