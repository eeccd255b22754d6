"""LSTM language models: perplexity, second passes over N-best lists."""
