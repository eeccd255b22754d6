"""Short sequences judged as wholes: what the scores part, what the threshold promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.errors import DataError, ModelError
from asr.series.anomalies.detector import AnomalyDetector
from asr.series.anomalies.sequences import (
    PrincipalComponents,
    conformal_threshold,
    fit_sequence_alarms,
)

# two epochs do not get far beyond the principal components, and the detector says so
pytestmark = pytest.mark.filterwarnings("ignore:The detector reconstructs")
T = 24
TINY: dict[str, Any] = {"model": {"hidden_dim": 8}, "windows_per_epoch": 64}


def cycle(rng: np.random.Generator, odd: bool = False) -> np.ndarray:
    """Pressure and flow of one stroke of a machine (T, 2); an odd one has a second, late rise."""
    at = np.linspace(0, 1, T) * rng.uniform(0.95, 1.05)
    pressure = np.exp(-np.square((at - 0.4) / 0.12)) * rng.uniform(0.9, 1.1)
    if odd:
        pressure += 0.35 * np.exp(-np.square((at - 0.8) / 0.06))
    return np.stack([pressure, np.gradient(pressure)], 1) + 0.03 * rng.normal(size=(T, 2))


def frame(cycles: list[np.ndarray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"unique_id": f"c{n:03}", "ds": range(len(x)), "p": x[:, 0], "q": x[:, 1]})
        for n, x in enumerate(cycles)
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    rng = np.random.default_rng(0)
    normal = frame([cycle(rng) for _ in range(60)])
    return AnomalyDetector(
        max_epochs=2, batch_size=32, random_state=0, validation_share=0.4, config=TINY
    ).fit(normal)


def test_whole_sequences_are_told_apart_by_one_score_each(fitted: AnomalyDetector) -> None:
    assert fitted.config_.window == T
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 20)
    mixed = frame([cycle(rng, odd=bool(label)) for label in labels])
    found = fitted.predict_sequences(mixed)
    assert list(found.columns) == ["unique_id", "score", "threshold", "anomaly"]
    assert found.anomaly[20:].mean() > 0.9
    assert found.anomaly[:20].mean() < 0.2
    evaluation = fitted.evaluate_sequences(mixed, labels)
    assert evaluation.auc["detector"] >= evaluation.auc["principal components"] - 0.01
    assert evaluation.auc["detector"] > evaluation.auc["mean"] - 0.01
    assert "principal components" in str(evaluation)
    steps = fitted.predict(mixed)
    by_step = steps.groupby("unique_id").sequence_score
    assert by_step.nunique().eq(1).all()
    assert by_step.first().tolist() == pytest.approx(found.score.tolist())
    assert len(steps) == len(mixed)
    late = steps[steps.unique_id == "c030"].score.to_numpy()
    assert late[17:22].max() > 3 * np.median(late[:12])


def test_a_longer_sequence_is_its_worst_window(fitted: AnomalyDetector) -> None:
    rng = np.random.default_rng(2)
    long = np.concatenate([cycle(rng, odd=True), cycle(rng)[:6]])
    alone = fitted.predict_sequences(frame([long[start : start + T] for start in range(7)]))
    whole = fitted.predict_sequences(frame([long]))
    assert whole.score[0] == pytest.approx(alone.score.max(), rel=1e-5)
    with pytest.raises(DataError, match="reads 24 at once"):
        fitted.predict_sequences(frame([long[:20]]))


def test_a_saved_detector_judges_alike(fitted: AnomalyDetector, tmp_path: Path) -> None:
    again = AnomalyDetector.load(fitted.save(tmp_path / "model"))
    rows = frame([cycle(np.random.default_rng(3))])
    pd.testing.assert_frame_equal(
        again.predict_sequences(rows), fitted.predict_sequences(rows), rtol=1e-5
    )
    assert again.predict(rows).score.to_numpy() == pytest.approx(
        fitted.predict(rows).score.to_numpy(), rel=1e-5
    )
    with pytest.raises(ModelError, match="predict_sequences"):
        again.stream()


def test_the_network_starts_at_the_principal_components() -> None:
    import torch

    from asr.series.anomalies.network import AnomalyModelConfig, AnomalyTask, AnomalyTaskConfig

    x = np.random.default_rng(0).normal(size=(40, 6, 2)).astype(np.float32)
    components = PrincipalComponents.fit(x, 3)
    model = AnomalyModelConfig(hidden_dim=4, code_dim=3)
    task = AnomalyTask(AnomalyTaskConfig(2, 6, model, sequences=True))
    task.start_linear(torch.from_numpy(components.centre), torch.from_numpy(components.axes))
    with torch.no_grad():
        errors = (torch.from_numpy(x) - task(torch.from_numpy(x))[0]).numpy()
    assert errors == pytest.approx(components.errors(x), abs=1e-5)
    assert len(PrincipalComponents.fit(x[:2], 4).axes) == 4  # fewer windows than components


def test_the_threshold_holds_for_new_normal_sequences() -> None:
    rng, above = np.random.default_rng(0), []
    for _ in range(400):
        threshold, rate = conformal_threshold(rng.exponential(size=99), 0.95)
        above.append((rng.exponential(size=100) > threshold).mean())
    assert rate == pytest.approx(0.05)
    assert np.mean(above) == pytest.approx(0.05, abs=0.005)
    assert conformal_threshold(np.arange(9.0), 0.99) == (8.0, pytest.approx(0.1))


def test_a_detector_no_better_than_principal_components_says_so() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4, 1))
    components = PrincipalComponents.fit(x, 2)
    sequences = [part[None] for part in x]
    better = [components.errors(part) * 0.5 for part in sequences]
    assert fit_sequence_alarms(components, sequences, better, 0.9, 1.0).warning == ""
    worse = [components.errors(part) * 1.1 for part in sequences]
    warned = fit_sequence_alarms(components, sequences, worse, 0.9, 1.0).warning
    assert "no better than principal components" in warned
