"""Supervisors: whatever gives weak labels. One file each."""
