"""Letters to sounds: pronunciations of words that no dictionary has; numpy and numba only."""
