"""Experiments: the steps, the set-up of a cell, techniques, the grid, and the checks against leaks."""
