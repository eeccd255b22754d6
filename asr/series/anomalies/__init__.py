"""Anomaly detection: network, training, detector, alarms."""
