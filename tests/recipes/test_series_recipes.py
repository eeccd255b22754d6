"""The recipes of series, end to end on small made-up tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asr.run_folder import read_metrics
from recipes import run_recipe

RNG = np.random.default_rng(0)


def test_etth1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    table = pd.DataFrame(RNG.normal(size=(300, 7)).cumsum(axis=0), columns=columns)
    table.insert(0, "date", pd.date_range("2016-07-01", periods=300, freq="h"))
    table.to_csv(tmp_path / "t.csv", index=False)
    small = [
        "data.rows=280",
        "data.val_size=60",
        "data.test_size=60",
        "lookback=48",
        "model.segment=12",
    ]
    quick = [
        "windows_per_epoch=256",
        "trainer.max_epochs=1",
        "model.hidden_dim=24",
        "trainer.threads=1",
    ]
    out = tmp_path / "out"
    run_recipe(
        "etth1",
        monkeypatch,
        tmp_path / "t.csv",
        "--horizons",
        24,
        "--output-dir",
        out,
        *small,
        *quick,
    )
    assert [line.split("|")[2].strip() for line in capsys.readouterr().out.splitlines()[2:]] == [
        "LSTM",
        "repeat_last",
        "seasonal_naive",
        "linear",
    ]
    assert read_metrics(out / "h24")["test/mse"].value > 0


def test_skab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["Current", "Pressure", "Volume Flow RateRMS", "Voltage"]
    columns += ["Temperature", "Thermocouple"]
    for name in ("valve1/0", "valve2/0", "other/1", "anomaly-free/anomaly-free"):
        rows = pd.DataFrame(RNG.normal(size=(460, 6)), columns=columns)
        rows.insert(0, "datetime", "2020-03-09 10:14:33")
        labels = (np.arange(460) > 430) * 1.0
        rows.loc[431:, "Current"] += 8
        (tmp_path / name).parent.mkdir(exist_ok=True)
        rows.assign(anomaly=labels, changepoint=0.0).to_csv(
            tmp_path / f"{name}.csv", sep=";", index=False
        )
    run_recipe("skab", monkeypatch, tmp_path, "--max-epochs", 1, "--output-dir", tmp_path / "out")
    assert "| all: principal components |" in capsys.readouterr().out
    assert read_metrics(tmp_path / "out")["test/f1"].value > 0.7
    assert len((tmp_path / "out" / "test" / "predictions.jsonl").read_text().splitlines()) == 3
