"""Training of a speech model: configuration, examples, distillation, choice of weights."""
