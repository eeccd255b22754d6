"""Prepared splits as batches for training."""
