"""Corpora -> manifests, stored features and text for the language model."""
