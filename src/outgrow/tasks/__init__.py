"""Tasks: where examples come from and how predictions are scored. One file for each task."""
