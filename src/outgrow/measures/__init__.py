"""Accuracy, PGR, paired differences, agreement and calibration: pure functions on numpy arrays."""
