"""Rules that turn labels into better labels: transform, select, aggregate. One file a rule."""
