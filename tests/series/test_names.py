"""Tables whose columns are called otherwise, in Python and from files, without renaming by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.catalogue import load_predictor, train
from asr.errors import DataError
from asr.model_folder import open_model
from asr.series.anomalies.detector import AnomalyDetector
from asr.series.forecasting.forecaster import Forecaster
from asr.series.tables import Names

THEIRS = {"id_col": "store", "time_col": "date", "target_col": "sales"}
FEW: dict[str, Any] = {"max_epochs": 1, "batch_size": 16, "random_state": 0}
TINY = {"model": {"hidden_dim": 4}, "windows_per_epoch": 16}


def shops() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=40)
    parts = [
        pd.DataFrame({"store": name, "date": days, "sales": 10 + rng.normal(size=40)})
        for name in ("007", "8")
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_forecaster_takes_and_gives_the_names_of_its_user(tmp_path: Path) -> None:
    forecaster = Forecaster(3, 6, levels=[80], config=TINY, **FEW, **THEIRS).fit(shops())
    forecast = forecaster.predict(shops())
    assert list(forecast.columns) == ["store", "date", "yhat", "yhat_lo_80", "yhat_hi_80"]
    ours = {"store": "unique_id", "date": "ds", "sales": "y"}
    usual = Forecaster(3, 6, levels=[80], config=TINY, **FEW).fit(shops().rename(columns=ours))
    assert usual.predict().yhat.tolist() == forecast.yhat.tolist()
    validated = forecaster.cross_validate(shops(), windows=2, baselines=("repeat_last",))
    assert {"store", "date", "sales", "cutoff", "yhat"} <= set(validated.forecasts)
    loaded = Forecaster.load(forecaster.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(shops()), forecaster.predict(shops()))


def test_a_detector_takes_them_too() -> None:
    normal = shops().rename(columns={"sales": "y"})
    detector = AnomalyDetector(4, config=TINY, id_col="store", time_col="date", **FEW).fit(normal)
    assert list(detector.predict(normal).columns[:3]) == ["store", "date", "score"]
    assert detector.evaluate(normal, np.zeros(len(normal))).anomalous == 0


def test_so_do_the_command_line_and_the_service(tmp_path: Path) -> None:
    table = tmp_path / "shops.csv"
    shops().to_csv(table, index=False)
    config = {"task": "forecast", "h": 3, "lookback": 6, "trainer": {"max_epochs": 1}, **TINY}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    settings = [f"data.{name}={column}" for name, column in THEIRS.items()]
    settings += [f"data.path={table}", f"output_dir={tmp_path / 'run'}"]
    model = train(tmp_path / "config.yaml", settings)
    predictor = load_predictor(open_model(model))
    lines = predictor.predict_file(table).splitlines()
    assert lines[0] == "store,date,yhat"
    assert lines[1].startswith("007,2024-02-10,")
    rows = json.loads(shops().to_json(orient="records", date_format="iso"))
    assert predictor.predict_json({"series": rows})[0]["store"] == "007"
    paths = predictor.predict_file(table, tmp_path / "out").split()
    assert [Path(path).name for path in paths[1:]] == ["forecast-007.png", "forecast-8.png"]


def test_a_name_that_is_no_column_is_refused() -> None:
    with pytest.raises(DataError, match="no column 'day'"):
        Names(time_col="day").inward(shops())
    with pytest.raises(DataError, match="would mean the same"):
        Names(id_col="store").inward(shops().assign(unique_id="a"))
