"""Executors: where steps run. One file for each kind of executor."""
