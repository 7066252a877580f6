"""Tasks: where examples come from and how an answer is scored. One file a task."""
