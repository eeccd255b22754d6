"""Forecasting: configuration, network, training, forecaster, evaluation, ensemble, baselines."""
