"""Detectors: thresholds from normal data alone, streams equal to batches, bad input refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.errors import ConfigError, DataError, ModelError
from asr.series.anomalies.alarms import AlarmConfig, Alarms, detection_rates, fit_alarms
from asr.series.anomalies.detector import AnomalyDetector

SMALL: dict[str, Any] = {"model": {"hidden_dim": 8}, "trainer": {"threads": 1}}
RNG = np.random.default_rng(0)


def normal(n: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    wave = np.sin(2 * np.pi * np.arange(n) / 12)
    return pd.DataFrame(
        {
            "ds": np.arange(n),
            "a": wave + 0.1 * rng.normal(size=n),
            "b": 5 - 2 * wave + 0.2 * rng.normal(size=n),
        }
    )


def detector(kind: str = "autoencoder", **options: Any) -> AnomalyDetector:
    small = {"max_epochs": 3, "learning_rate": 1e-2, "random_state": 0, "config": SMALL}
    return AnomalyDetector(12, kind, **{**small, **options})


@pytest.fixture(scope="module", params=["autoencoder", "forecast"])
def fitted(request: pytest.FixtureRequest) -> AnomalyDetector:
    return detector(request.param, smooth=3.0, distance="mahalanobis").fit(normal())


def test_a_broken_sensor_is_found_and_little_else(fitted: AnomalyDetector) -> None:
    broken = normal(seed=1)
    broken.loc[120:160, "b"] = 5.0  # stays within its range, but no longer mirrors a
    found = fitted.predict(broken)
    assert list(found.columns) == ["unique_id", "ds", "score", "threshold", "anomaly"]
    assert found.anomaly[125:160].mean() > 0.5
    assert found.anomaly[12:120].mean() < 0.1
    assert found.threshold.nunique() == 1


def test_the_score_is_f1_of_rows_in_any_order_of_series(fitted: AnomalyDetector) -> None:
    frame = pd.concat([normal(60, seed).assign(unique_id=f"s{seed}") for seed in (3, 4)])
    frame = frame.sort_values("ds", kind="stable").reset_index(drop=True)  # rows of both in turns
    frame.loc[frame.unique_id == "s4", "b"] *= 1.5
    alarms = fitted.predict(frame).set_index(["unique_id", "ds"]).anomaly
    y = np.array([alarms[row.unique_id, row.ds] for row in frame.itertuples()])
    assert 0 < y.sum() < len(y)
    assert fitted.score(frame, y) == 1.0
    rates = fitted.evaluate(frame, 1 - y)
    assert (rates.f1, rates.false_alarm_rate, rates.missed_alarm_rate) == (0.0, 1.0, 1.0)


def test_streamed_scores_are_those_of_the_batch(fitted: AnomalyDetector) -> None:
    frame = normal(seed=2)
    stream = fitted.stream()
    streamed = [stream.step({"b": row.b, "a": row.a}) for row in frame.itertuples()]
    assert np.array(streamed) == pytest.approx(fitted.predict(frame).score.to_numpy(), abs=1e-5)
    assert stream.threshold == fitted.predict(frame).threshold[0]
    with pytest.raises(DataError, match="lacks b"):
        stream.step({"a": 1.0})
    with pytest.raises(DataError, match="needed are 2 finite numbers"):
        stream.step([1.0, np.nan])


def test_saved_and_loaded_it_scores_the_same(fitted: AnomalyDetector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    again = AnomalyDetector.load(tmp_path / "model").predict(normal(seed=3))
    assert again.score.to_numpy() == pytest.approx(
        fitted.predict(normal(seed=3)).score.to_numpy(), abs=1e-9
    )


def test_command_line(fitted: AnomalyDetector, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from asr.cli import app

    fitted.save(tmp_path / "model")
    normal(60).to_csv(tmp_path / "in.csv", index=False)
    call = [
        "predict",
        str(tmp_path / "in.csv"),
        "-m",
        str(tmp_path / "model"),
        "-o",
        str(tmp_path / "out"),
    ]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "anomalies-series.png",
        "anomalies.csv",
    ]


def test_each_series_may_have_its_own_scale() -> None:
    both = pd.concat(
        [normal().assign(unique_id="x"), (normal() * [1, 50, 50]).assign(unique_id="y")]
    )
    own = detector(per_series=True, max_epochs=1).fit(both)
    assert own.predict(both).groupby("unique_id").threshold.nunique().tolist() == [1, 1]
    with pytest.raises(DataError, match="Series z was not there"):
        own.predict(normal().assign(unique_id="z"))
    with pytest.raises(DataError, match="Series z was not there"):
        own.stream("z")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.assign(a=1.0), "Column a is constant"),
        (lambda f: f.assign(a=f.a.where(f.index != 7)), "1 missing .* in a, the first at 7"),
        (lambda f: f.drop(index=5), "gaps: 1 step"),
        (lambda f: f.iloc[::-1], "not sorted"),
        (lambda f: pd.concat([f, f.iloc[-1:]]), "1 double"),
        (lambda f: f.iloc[:20], "needs 26"),
        (lambda f: f[["ds"]], "no column of numbers"),
    ],
)
def test_bad_normal_data_are_refused(spoil: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        detector().fit(spoil(normal()))


def test_bad_use_is_refused(fitted: AnomalyDetector) -> None:
    with pytest.raises(DataError, match="no column 'b'"):
        fitted.predict(normal().drop(columns="b"))
    with pytest.raises(ModelError, match="is not fitted"):
        detector().predict(normal())
    for wrong in ({"kind": "isolation"}, {"quantile": 1.5}, {"validation_share": 0.6}):
        with pytest.raises(ConfigError):
            AnomalyDetector(**wrong).fit(normal())
    with pytest.raises(DataError, match=r"200 rows and labels of the shape \(3,\)"):
        fitted.score(normal(), [0, 1, 0])


def test_training_from_a_configuration(tmp_path: Path) -> None:
    from asr.catalogue import train
    from asr.config import yaml_text
    from asr.run_folder import read_metrics

    normal().to_csv(tmp_path / "normal.csv", index=False)
    content = {
        "task": "anomaly",
        "window": 12,
        "data": {"path": str(tmp_path / "normal.csv")},
        **SMALL,
    }
    (tmp_path / "config.yaml").write_text(yaml_text(content))
    model = train(
        tmp_path / "config.yaml", [f"output_dir={tmp_path / 'run'}", "trainer.max_epochs=1"]
    )
    assert len(AnomalyDetector.load(model).predict(normal())) == 200
    assert read_metrics(tmp_path / "run")["normal/all alarms"].value <= 0.01


def test_mahalanobis_scores_are_their_definition() -> None:
    errors = RNG.normal(size=(500, 3)) @ RNG.normal(size=(3, 3))
    alarms = fit_alarms([errors], AlarmConfig(score="mahalanobis", quantile=0.9, margin=1.0))
    centred = errors - errors.mean(0)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(np.cov(errors.T)), centred))
    assert alarms.scores(errors) == pytest.approx(
        expected, rel=0.05
    )  # the covariance is a little regularised
    assert alarms.rate == pytest.approx(0.1)


@pytest.mark.parametrize("score", ["sum", "scaled", "mahalanobis"])
def test_smoothing_goes_on_from_what_was_carried(score: str) -> None:
    errors = RNG.normal(size=(50, 2))
    alarms = Alarms.from_dict(fit_alarms([errors], AlarmConfig(smooth=5, score=score)).as_dict())
    whole = alarms.smoothed(errors)
    first = alarms.smoothed(errors[:20])
    second = alarms.smoothed(errors[20:], first[-1])
    assert np.concatenate([first, second]) == pytest.approx(whole)


def test_detection_rates_by_hand() -> None:
    found = detection_rates(np.array([0, 0, 1, 1, 1, 0]), np.array([1, 0, 1, 1, 0, 0]))
    assert (found.f1, found.false_alarm_rate, found.missed_alarm_rate) == pytest.approx(
        (4 / 6, 1 / 3, 1 / 3)
    )
    assert (found.steps, found.anomalous) == (6, 3)
    assert np.isnan(detection_rates(np.zeros(2), np.zeros(2)).f1)
