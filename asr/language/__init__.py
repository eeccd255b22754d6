"""Tasks on text, one folder each, and what they share: vocabularies, embeddings, batches, files."""
