"""Supervisors: sources of weak labels. One file for each kind of supervisor."""
