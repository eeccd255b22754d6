"""Batches: length buckets, keyed random seeds, padding."""
