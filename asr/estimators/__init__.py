"""Classes with fit, predict, save and load, over tasks, training and the model folder; one file a task."""
