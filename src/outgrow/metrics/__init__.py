"""Metrics: what floor, student and ceiling are scored with. One file for each metric."""
