"""Text classification: intents, topics."""
