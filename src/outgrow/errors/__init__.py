"""Structures of errors: which examples a simulated supervisor gets wrong, and how. One file for each."""
