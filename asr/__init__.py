"""Speech recognition that you can train: CNN + BiLSTM + CTC, beam search with an n-gram model, WER."""

__version__ = "0.1.0"
