"""Punctuation and capitals: plain words -> written text."""
