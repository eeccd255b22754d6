"""Translation: encoder-decoder LSTMs with attention."""
