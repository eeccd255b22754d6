"""Recordings: reading, containers, tar shards, speech segments, trimming, perturbation, synthetic
sound.
"""
