from __future__ import annotations

import numpy as np

from asr.serve.drift import DriftMonitor


def test_drift_alarms_and_recovers() -> None:
    rng = np.random.default_rng(0)
    monitor = DriftMonitor(window=100, sigma=5)
    assert not any(monitor.add(v) for v in rng.normal(0.9, 0.05, 2000))
    for value in rng.normal(0.8, 0.05, 100):
        monitor.add(value)
    assert monitor.alarm
    assert monitor.score() < -5
    for value in rng.normal(0.9, 0.05, 100):
        monitor.add(value)
    assert not monitor.alarm
