"""Analyses: open questions that the results of an experiment are asked. One file for each."""
