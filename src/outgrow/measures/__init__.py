"""Accuracy, recovered gap, differences, agreement, calibration: pure functions on arrays, numpy and a quantile."""
