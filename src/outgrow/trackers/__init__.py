"""Trackers: where the results of an experiment are written beside its store."""
