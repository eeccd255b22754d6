"""Forecasting: network, training, forecaster, evaluation, baselines, metrics."""
