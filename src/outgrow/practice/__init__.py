"""Cheap labels: how good they are, and a model that learns from them."""
