"""Experiments: the grid, techniques, cells and their steps, and the checks against leaks."""

from outgrow.experiment.definition import MOST_SEED, Experiment
from outgrow.experiment.grid import Cell, cells, targets
from outgrow.experiment.leaks import check_no_leaks, check_test_unused
from outgrow.experiment.technique import Technique

__all__ = ["MOST_SEED", "Cell", "Experiment", "Technique", "cells", "check_no_leaks", "check_test_unused", "targets"]
