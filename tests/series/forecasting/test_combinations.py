"""Every combination of columns, scales and heads, from fit to predict to save to load."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.series.forecasting.forecaster import Forecaster

H, LOOKBACK, STEPS = 3, 6, 36
OPTIONS: dict[str, tuple[Any, Any]] = {
    "past_columns": ((), ("rain",)),
    "future_columns": ((), ("price",)),
    "calendar": ((), ("weekday", "holidays:DE")),
    "joint": (False, True),
    "log": (False, True),
    "levels": ((), (80, 95)),
    "ensemble": ((), ("seasonal_naive", "linear")),
}
TINY: dict[str, Any] = {
    "model": {"hidden_dim": 4, "dropout": 0.0},
    "trainer": {"pictures_every": 0},
    "windows_per_epoch": 16,
}


def combinations() -> list[Any]:
    """Return all 128; a quarter of them, in which any three options meet in every way, is quick.

    That quarter is the fractional factorial design 2^(7-2) with F = ABCD and G = ABDE.
    """
    cases = []
    for on in itertools.product((0, 1), repeat=len(OPTIONS)):
        a, b, c, d, e, f, g = on
        quick = f == (a + b + c + d) % 2 and g == (a + b + d + e) % 2
        options = {name: values[at] for (name, values), at in zip(OPTIONS.items(), on, strict=True)}
        label = "+".join(name for name, value in options.items() if value) or "plain"
        cases.append(pytest.param(options, id=label, marks=() if quick else pytest.mark.slow))
    return cases


def frame() -> pd.DataFrame:
    """Two series with a covariate known up to the present, and one known ahead."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=STEPS + H)
    parts = [
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": days,
                "y": level + np.sin(np.arange(len(days))) + 0.1 * rng.normal(size=len(days)),
                "rain": rng.normal(size=len(days)),
                "price": rng.normal(size=len(days)),
                "kind": f"shop {name}",
            }
        )
        for name, level in (("a", 5.0), ("b", 9.0))
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("options", combinations())
def test_what_was_fitted_predicts_and_is_the_same_when_loaded(
    options: dict[str, Any], tmp_path: Path
) -> None:
    rows = frame()
    history = rows[rows.ds < rows.ds[STEPS]]
    ahead = ["unique_id", "ds", *options["future_columns"]]
    coming = rows.loc[rows.ds >= rows.ds[STEPS], ahead] if options["future_columns"] else None
    static = () if options["joint"] else ("kind",)
    forecaster = Forecaster(
        H,
        LOOKBACK,
        static_columns=static,
        max_epochs=1,
        batch_size=16,
        random_state=0,
        config=TINY,
        **options,
    ).fit(history)
    history = history.drop(columns="kind")  # what is static is known since the fit
    forecast = forecaster.predict(history, future=coming)
    assert forecast.ds.tolist() == 2 * rows.ds[STEPS : STEPS + H].tolist()
    ends = [f"yhat_{end}_{level}" for level in options["levels"] for end in ("lo", "hi")]
    assert set(forecast.columns) == {"unique_id", "ds", "yhat", *ends}
    assert np.isfinite(forecast[["yhat", *ends]].to_numpy()).all()
    loaded = Forecaster.load(forecaster.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(history, future=coming), forecast)
