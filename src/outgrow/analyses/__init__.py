"""Analyses: further questions about the results of an experiment. One file for each."""
