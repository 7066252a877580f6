"""Losses: what to aim at, and the loss of each example. One file a loss."""
