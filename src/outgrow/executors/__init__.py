"""Where steps run: one file for each kind of executor, found by its name."""
