"""Losses: training targets from weak labels, and the loss of each example. One file for each loss."""
