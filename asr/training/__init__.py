"""What trainings of all tasks share: the loop, its settings, batching, checkpoints, estimators."""
