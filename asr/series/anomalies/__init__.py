"""Anomaly detection: configuration, network, training, detector, alarms."""
