"""Speakers: an embedding of voices, who spoke when, and whether two recordings have one voice."""
