"""The forecaster through its public face: what it learns, what it refuses, what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.errors import AsrError, ConfigError, DataError, ModelError
from asr.series.forecasting.evaluation import Evaluation
from asr.series.forecasting.forecaster import Forecaster

SMALL: dict[str, Any] = {
    "model": {"hidden_dim": 8, "dropout": 0.0},
    "trainer": {"threads": 1},
    "windows_per_epoch": 128,
}


def sines(n: int = 80, names: tuple[str, ...] = ("a", "b"), freq: str = "D") -> pd.DataFrame:
    steps = np.arange(n)
    rng = np.random.default_rng(3)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": pd.date_range("2024-01-01", periods=n, freq=freq),
                    "y": 10 * (k + 1) + np.sin(2 * np.pi * steps / 8) + 0.05 * rng.normal(size=n),
                }
            )
            for k, name in enumerate(names)
        ],
        ignore_index=True,
    )


def small(h: int = 4, lookback: int | None = 16, **options: Any) -> Forecaster:
    few = {"max_epochs": 2, "batch_size": 32, "learning_rate": 1e-2, "random_state": 0}
    return Forecaster(h, lookback, **{**few, "config": SMALL, **options})


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return small(levels=(80,), max_epochs=8, ensemble=("seasonal_naive", "linear")).fit(sines())


def test_forecasts_continue_each_series(fitted: Forecaster) -> None:
    found = fitted.predict(sines())
    assert list(found.columns) == ["unique_id", "ds", "yhat", "yhat_lo_80", "yhat_hi_80"]
    assert found.unique_id.tolist() == ["a"] * 4 + ["b"] * 4
    assert found.ds[0] == pd.Timestamp("2024-01-01") + pd.Timedelta(days=80)
    truth = np.sin(2 * np.pi * np.arange(80, 84) / 8)
    assert found.yhat.to_numpy() == pytest.approx(np.concatenate([10 + truth, 20 + truth]), abs=0.5)
    assert (found.yhat_lo_80 <= found.yhat).all()
    assert (found.yhat <= found.yhat_hi_80).all()
    pd.testing.assert_frame_equal(found, fitted.predict())


def test_a_series_is_forecast_alike_alone_and_among_others(fitted: Forecaster) -> None:
    both = fitted.predict(sines())
    alone = fitted.predict(sines()[lambda f: f.unique_id == "b"])
    assert alone.yhat.to_numpy() == pytest.approx(both.yhat[4:].to_numpy(), abs=1e-5)


def test_saved_and_loaded_it_forecasts_the_same(fitted: Forecaster, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.predict(sines()).yhat.to_numpy() == pytest.approx(
        fitted.predict().yhat.to_numpy(), abs=1e-6
    )
    with pytest.raises(DataError, match="holds no series"):
        loaded.predict()


def test_the_weights_of_the_ensemble_add_up(fitted: Forecaster) -> None:
    assert fitted.model_.ensemble is not None
    weights = fitted.model_.ensemble.weights
    assert set(weights) == {"network", "seasonal_naive", "linear"}
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0


def test_evaluation_stands_beside_baselines_and_uses_no_future(fitted: Forecaster) -> None:
    longer = sines(96)
    found = fitted.evaluate(longer, windows=4)
    assert isinstance(found, Evaluation)
    assert set(found.figures) == {"forecaster", "repeat_last", "seasonal_naive", "linear"}
    assert found.figures["forecaster"].mae < found.figures["repeat_last"].mae
    assert len(found.by_step["linear"]) == 4
    (axes,) = found.plot().axes
    drawn = {line.get_label(): line.get_ydata().tolist() for line in axes.get_lines()}
    assert drawn == found.by_step
    assert 0 <= found.coverage[80] <= 1
    rows = found.forecasts
    assert len(rows) == 2 * 4 * 4
    assert (rows.cutoff < rows.ds).all()
    changed = longer.assign(
        y=longer.y.where(longer.ds < pd.Timestamp("2024-01-01") + pd.Timedelta(days=92), 99.0)
    )
    again = fitted.evaluate(
        changed, windows=4
    ).forecasts  # only the last window's truth is another one
    columns = ["yhat", "seasonal_naive", "linear"]
    assert again[columns].to_numpy() == pytest.approx(rows[columns].to_numpy())
    assert "seasonal_naive" in str(found)


def test_the_calendar_is_known_ahead_without_future_columns() -> None:
    weekly = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=120)})
    weekly["y"] = np.where(weekly.ds.dt.dayofweek >= 5, 3.0, 0.0) + 0.01 * np.arange(120) % 0.05
    forecaster = small(7, 8, calendar=("weekday",), max_epochs=20).fit(weekly)
    found = forecaster.predict()
    weekend = found.ds.dt.dayofweek >= 5
    assert found.yhat[weekend].min() > found.yhat[~weekend].max() + 1


def test_the_score_is_r2_of_the_evaluation(fitted: Forecaster) -> None:
    rows = fitted.evaluate(sines(96), windows=4, baselines=()).forecasts
    residual = ((rows.y - rows.yhat) ** 2).sum()
    spread = ((rows.y - rows.y.mean()) ** 2).sum()
    assert fitted.score(sines(96), windows=4) == pytest.approx(1 - residual / spread)


def test_arguments_go_over_the_configuration(tmp_path: Path) -> None:
    forecaster = small(
        config={**SMALL, "batch_size": 7, "stride": 2}, validation_share=0.5, run_dir=tmp_path
    ).fit(sines())
    config = forecaster.config_
    assert (config.batch_size, config.stride, config.data.val_share) == (32, 2, 0.5)
    assert config.validation_steps(forecaster.model_.recent[0]) == 40
    assert (tmp_path / "model" / "layout.json").is_file()


def test_what_was_learned_from_is_no_test(fitted: Forecaster) -> None:
    with pytest.raises(DataError, match="learned from everything up to 2024-03-20"):
        fitted.evaluate(sines(), windows=2)


def test_cross_validation_fits_on_what_comes_before() -> None:
    found = small().cross_validate(sines(), windows=2, baselines=("repeat_last",), refit=True)
    assert found.forecasts.cutoff.nunique() == 2
    assert set(found.figures) == {"forecaster", "repeat_last"}


def test_the_same_seed_gives_the_same_forecasts() -> None:
    first, second, other = (
        small(random_state=seed, ensemble=()).fit(sines()).predict().yhat for seed in (1, 1, 2)
    )
    assert first.tolist() == second.tolist()
    assert first.tolist() != other.tolist()


def test_time_limit_ends_the_training() -> None:
    quick = small(max_epochs=100_000, time_limit_s=1.0).fit(sines())
    assert len(quick.predict()) == 8


def test_scales_know_nothing_of_the_validation_part() -> None:
    frame = sines(names=("a",))
    jump = frame.assign(y=frame.y.where(frame.index < 64, 1000.0 + frame.index))
    scalers = [
        small(max_epochs=1).fit(one).model_.model.layout.scalers["a"] for one in (frame, jump)
    ]
    assert scalers[0] == scalers[1]


def test_joint_series_with_covariates_and_calendar() -> None:
    wide = sines().assign(
        temperature=lambda f: np.cos(f.index), plan=lambda f: (f.ds.dt.dayofweek > 4) * 1.0
    )
    forecaster = small(
        joint=True,
        past_columns=["temperature"],
        future_columns=["plan"],
        calendar=["weekday"],
        loss="huber",
    )
    forecaster.fit(wide)
    ahead = pd.DataFrame({"ds": pd.date_range("2024-03-21", periods=4), "plan": 0.0})
    future = pd.concat([ahead.assign(unique_id=name) for name in "ab"])
    assert forecaster.predict(wide, future).yhat.notna().all()
    with pytest.raises(DataError, match="needs the future columns plan of the next 4 steps"):
        forecaster.predict(wide)
    with pytest.raises(DataError, match="lack 1 of the next 4 steps, the first being 2024-03-24"):
        forecaster.predict(wide, future[future.ds < "2024-03-24"])
    with pytest.raises(DataError, match="no column 'plan'"):
        forecaster.predict(wide, future.drop(columns="plan"))
    with pytest.raises(DataError, match="no column 'temperature'"):
        forecaster.predict(wide.drop(columns="temperature"), future)
    with pytest.raises(DataError, match="series b are missing"):
        forecaster.predict(wide[wide.unique_id == "a"], future)


@pytest.mark.parametrize(
    ("h", "lookback", "n", "said"),
    [
        (90, None, 80, "horizon of 90 steps is longer"),
        (4, 78, 80, "need 86"),
        (20, 50, 80, "need 90"),
    ],
)
def test_too_short_series(h: int, lookback: int | None, n: int, said: str) -> None:
    with pytest.raises(DataError, match=said):
        small(h, lookback).fit(sines(n))


def test_what_cannot_be_forecast(fitted: Forecaster) -> None:
    with pytest.raises(DataError, match="has 10 steps; the model looks back 16"):
        fitted.predict(sines(10))
    with pytest.raises(DataError, match="Series c was not there in training"):
        fitted.predict(sines(names=("c",)))
    with pytest.raises(DataError, match="time step h"):
        fitted.predict(sines(freq="h"))
    with pytest.raises(DataError, match="too few for 40 windows"):
        fitted.evaluate(sines(96), windows=40)
    with pytest.raises(DataError, match="without future columns"):
        fitted.predict(sines(), sines())
    with pytest.raises(ModelError, match="is not fitted"):
        small().predict(sines())


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "mape"},
        {"loss": "quantile"},
        {"loss": "mse", "levels": (80,), "calibration": "none"},
        {"levels": (80,), "calibration": "conformal"},
        {"ensemble": ("best",)},
        {"scaling": "max"},
        {"calendar": ("hours",)},
        {"config": {"model": {"cel": "lstm"}}},
        {"config": {"model": {"hidden_dim": 16, "series_dim": 16}}},
        {"time_limit_s": -1},
        {"past_columns": ["x"], "future_columns": ["x"]},
    ],
)
def test_wrong_arguments_are_refused_by_fit(options: dict[str, Any]) -> None:
    forecaster = Forecaster(4, **options)  # scikit-learn's tools construct before they set
    with pytest.raises(ConfigError):
        forecaster.fit(sines())


def test_command_line(
    fitted: Forecaster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from asr.cli import app

    fitted.save(tmp_path / "model")
    sines().to_csv(tmp_path / "in.csv", index=False)
    run = CliRunner().invoke(
        app, ["predict", str(tmp_path / "in.csv"), "--model", str(tmp_path / "model")]
    )
    assert run.exit_code == 0
    assert run.stdout.splitlines()[0] == "unique_id,ds,yhat,yhat_lo_80,yhat_hi_80"
    assert len(run.stdout.splitlines()) == 9
    out = [
        "predict",
        str(tmp_path / "in.csv"),
        "-m",
        str(tmp_path / "model"),
        "-o",
        str(tmp_path / "out"),
    ]
    assert CliRunner().invoke(app, out).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "forecast-a.png",
        "forecast-b.png",
        "forecast.csv",
    ]


def test_training_from_a_configuration(tmp_path: Path) -> None:
    from asr.catalogue import train
    from asr.config import yaml_text
    from asr.run_folder import read_metrics

    frame = sines()
    wide = frame.pivot(index="ds", columns="unique_id", values="y").reset_index()
    wide.to_csv(tmp_path / "wide.csv", index=False)
    data = {
        "path": str(tmp_path / "wide.csv"),
        "time": "ds",
        "targets": ["a", "b"],
        "val_size": 12,
        "test_size": 12,
    }
    content = {
        "task": "forecast",
        "h": 4,
        "lookback": 16,
        "data": data,
        **SMALL,
        "trainer": {"max_epochs": 1, "threads": 1},
    }
    (tmp_path / "config.yaml").write_text(yaml_text(content))
    model = train(tmp_path / "config.yaml", [f"output_dir={tmp_path / 'run'}"])
    assert {"dev/mse", "test/mse", "test/mae"} <= set(read_metrics(tmp_path / "run"))
    assert (tmp_path / "run" / "test" / "predictions.jsonl").is_file()
    assert len(Forecaster.load(model).predict(frame)) == 8
    with pytest.raises(AsrError, match="no column 'c'"):
        train(tmp_path / "config.yaml", [f"output_dir={tmp_path / 'run2'}", "data.targets=[c]"])


def test_paths_have_the_spread_of_the_errors(fitted: Forecaster) -> None:
    paths = fitted.simulate(sines(), paths=200)
    assert list(paths.columns) == ["unique_id", "path", "ds", "y"]
    assert len(paths) == 2 * 200 * 4
    assert paths.equals(fitted.simulate(sines(), paths=200))
    errors = fitted.model_.calibration.errors[..., 1]  # 26 windows of 4 steps, in spreads
    first = paths[paths.unique_id == "a"].y.to_numpy().reshape(200, 4)
    drawn = first - fitted.predict(sines()).yhat[:4].to_numpy()
    assert len(np.unique(drawn.round(6), axis=0)) <= len(errors)  # whole windows, not single steps
    assert drawn.std(axis=0) / errors.std(axis=0) == pytest.approx(
        np.full(4, drawn.std() / errors.std()), rel=0.3
    )
    with pytest.raises(ConfigError, match="no calibration"):
        small(calibration="none").fit(sines()).simulate()


def test_a_shorter_horizon_is_the_beginning_of_the_longer_one(fitted: Forecaster) -> None:
    whole, short = fitted.predict(sines()), fitted.predict(sines(), h=2)
    first = whole.groupby("unique_id", sort=False).head(2).reset_index(drop=True)
    pd.testing.assert_frame_equal(short, first)
    with pytest.raises(ConfigError, match="h"):
        fitted.predict(sines(), h=5)
    assert isinstance(fitted.evaluate(sines(96), windows=2).best, str)
