"""Sequence tagging: named entities, slots, parts of speech."""
