"""Configuration -> trained model folder; here tasks and decoding meet (word error rate while
training).
"""
