"""Static covariates: how they are read, and that a forecast depends on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from asr.errors import ConfigError, DataError
from asr.series.forecasting.forecaster import Forecaster
from asr.series.frames import split_series
from asr.series.statics import with_static


def frame(names: str = "abcd", steps: int = 40) -> pd.DataFrame:
    """Series that swing up or down together with their kind, which only ``kind`` tells."""
    rng, parts = np.random.default_rng(0), []
    for number, name in enumerate(names):
        sign = 1 if number % 2 else -1
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": name,
                    "ds": np.arange(steps),
                    "y": sign * np.sin(np.arange(steps)) + 0.01 * rng.normal(size=steps),
                    "size": float(number),
                    "kind": "up" if number % 2 else "down",
                    "open": bool(number % 2),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_numbers_are_scaled_and_texts_become_columns() -> None:
    rows = frame()
    series = with_static(split_series(rows), rows, ["size", "kind", "open"])
    table = np.array([one.static for one in series])
    assert table.shape == (4, 5)
    assert table[:, 0] == pytest.approx((np.arange(4) - 1.5) / np.std(np.arange(4)))
    assert table[:, 1].tolist() == [1, 0, 1, 0]  # kind=down
    assert (table[:, 1] + table[:, 2] == 1).all()
    assert (table[:, 3] + table[:, 4] == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 1.0}, "the same for all series"),
        ({"kind": [f"k{i}" for i in range(160)]}, "changes within series a"),
        ({"kind": None}, "is empty"),
    ],
)
def test_what_is_not_static_is_refused(change: dict[str, Any], message: str) -> None:
    rows = frame().assign(**change)
    with pytest.raises(DataError, match=message):
        with_static(split_series(rows), rows, ["size", "kind"])


def test_more_that_is_refused() -> None:
    rows = frame()
    with pytest.raises(DataError, match="no static column 'colour'"):
        with_static(split_series(rows), rows, ["colour"])
    alone = rows[rows.unique_id == "a"].drop(columns="unique_id")
    with pytest.raises(DataError, match="there is only one"):
        with_static(split_series(alone), alone, ["size"])
    many = frame([f"s{i}" for i in range(60)], steps=3)  # type: ignore[arg-type]
    many = many.assign(kind=many.unique_id)
    with pytest.raises(DataError, match="60 different texts"):
        with_static(split_series(many), many, ["kind"])
    with pytest.raises(ConfigError, match="not told apart"):
        Forecaster(2, 4, joint=True, static_columns=["kind"]).fit(rows)


def test_a_forecast_depends_on_what_is_static() -> None:
    rows = frame()
    options: dict[str, Any] = {"max_epochs": 1, "ensemble": (), "random_state": 0}
    plain, told = (
        Forecaster(2, 4, static_columns=columns, **options).fit(rows)
        for columns in ((), ("kind", "size"))
    )
    assert told.model_.model.layout.num_future == 3
    assert not np.allclose(plain.predict(rows).yhat, told.predict(rows).yhat)
    assert told.predict(rows).equals(told.predict(rows.drop(columns=["kind", "size"])))
