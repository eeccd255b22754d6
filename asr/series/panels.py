"""Scaled panels of checked series, by a layout that is fitted once and saved with the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.series.calendar import calendar_columns
from asr.series.frames import Series
from asr.series.grid import Grid
from asr.series.scaling import Scaler
from asr.series.windows import Panel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Layout", "cut", "fit_layout"]

Floats = npt.NDArray[np.float64]
Block = npt.NDArray[np.float32]


def cut(series: Series, stop: int) -> Series:
    """Return the first ``stop`` steps of a series."""
    covariates = {name: values[:stop] for name, values in series.covariates.items()}
    return replace(series, ds=series.ds[:stop], values=series.values[:stop], covariates=covariates)


@dataclass(frozen=True)
class Layout:
    """Columns of the panels, and their scales.

    Attributes:
        freq: time step.
        joint: whether all series are read together, as one window of several targets.
        past: covariate columns known up to the present.
        future: covariate columns known ahead.
        calendar: cycles of the timestamp, see :mod:`asr.series.calendar`.
        scalers: of each series by name.
        covariate_scalers: of each covariate column by name.
        naive: naive error of each series' training part, in its own units (see MASE).
        season: period in steps.
        static: of each series by name, what does not change, see :mod:`asr.series.statics`.
    """

    freq: str | int
    joint: bool
    past: list[str]
    future: list[str]
    calendar: list[str]
    scalers: dict[str, Scaler]
    covariate_scalers: dict[str, Scaler]
    naive: dict[str, float] = field(default_factory=dict)
    season: int = 1
    static: dict[str, list[float]] = field(default_factory=dict)

    @property
    def grid(self) -> Grid:
        """The time axis."""
        return Grid(self.freq)

    @property
    def names(self) -> list[str]:
        """Names of the series, in the order of their numbers."""
        return list(self.scalers)

    @property
    def num_targets(self) -> int:
        """Series in a window."""
        return len(self.scalers) if self.joint else 1

    @property
    def num_future(self) -> int:
        """Covariates known ahead: columns, two for each part of the calendar, what is static."""
        static = next(iter(self.static.values()), [])
        return len(self.future) + 2 * len(self.calendar) + len(static)

    def panels(
        self, series: Sequence[Series], ahead: Mapping[str, Series] | None = None, h: int = 0
    ) -> list[Panel]:
        """Return the panels of ``series``, one each or one of all joint ones.

        Args:
            series: checked, with all covariates.
            ahead: by series, rows that hold the ``future`` columns of ``h`` steps after its end.
            h: steps after the end for which the future covariates are wanted.

        Raises:
            DataError: a series was not there in training, or the joint ones do not share their
                steps.
        """
        self._check_known(series)
        if not self.joint:
            numbers = {name: number for number, name in enumerate(self.scalers)}
            return [self._panel([one], numbers[one.name], ahead, h) for one in series]
        by_name = {one.name: one for one in series}
        if len(by_name) != len(self.names):
            missing = [name for name in self.names if name not in by_name]
            raise DataError(
                f"The series {', '.join(missing)} are missing; all are read together.",
                "Give all of them.",
            )
        ordered = [by_name[name] for name in self.names]
        for one in ordered[1:]:
            if not one.ds.equals(ordered[0].ds):
                raise DataError(
                    f"The series {ordered[0].name} and {one.name} do not have the same steps, but "
                    "are read together.",
                    "Cut them to the steps that they share, or set joint to false.",
                )
        return [self._panel(ordered, 0, ahead, h)]

    def _check_known(self, series: Sequence[Series]) -> None:
        for one in series:
            if one.name not in self.scalers:
                shown = ", ".join(self.names[:8]) + (" ..." if len(self.names) > 8 else "")
                raise DataError(
                    f"Series {one.name} was not there in training; those were: {shown}.",
                    "Train on it.",
                )

    def _panel(
        self, series: Sequence[Series], number: int, ahead: Mapping[str, Series] | None, h: int
    ) -> Panel:
        first = series[0]  # joint series share steps and covariates
        columns = [self.scalers[one.name].apply(one.values, f"Series {one.name}") for one in series]
        future = self._future(first, ahead, h)
        return Panel(
            first.name,
            number,
            target=np.stack(columns, axis=1),
            past=self._scaled(first, self.past),
            future=future,
        )

    def _future(self, one: Series, ahead: Mapping[str, Series] | None, h: int) -> Block:
        """Return what is known ahead (n + h, K): covariates, the calendar, what is static."""
        steps, known = one.ds, self._scaled(one, self.future)
        if h:
            coming = self.grid.ahead(one.ds[-1], h)
            steps = steps.append(coming)
            if self.future:
                known = np.concatenate([known, self._known_ahead(one.name, ahead, coming)])
        if not self.future:
            known = np.zeros((len(steps), 0), np.float32)
        static = np.array(self.static.get(one.name, []), np.float32)
        calendar = calendar_columns(steps, self.calendar)
        return np.concatenate([known, calendar, np.tile(static, (len(steps), 1))], axis=1)

    def _scaled(self, series: Series, columns: Sequence[str]) -> Block:
        blocks = [
            self.covariate_scalers[name].apply(series.covariates[name], f"Column {name}")
            for name in columns
        ]
        return np.stack(blocks, axis=1) if blocks else np.zeros((len(series.ds), 0), np.float32)

    def _known_ahead(
        self, name: str, ahead: Mapping[str, Series] | None, coming: pd.Index
    ) -> Block:
        columns = ", ".join(self.future)
        if ahead is None or name not in ahead:
            raise DataError(
                f"The model needs the future columns {columns} of the next {len(coming)} steps of "
                f"series {name}.",
                "Give them: predict(df, future=frame) with unique_id, ds and these columns.",
            )
        rows = ahead[name]
        at = rows.ds.get_indexer(coming)
        if (at < 0).any():
            raise DataError(
                f"The future columns of series {name} lack {int((at < 0).sum())} of the next "
                f"{len(coming)} steps, the first being {coming[at < 0][0]}.",
                "Give a row for each of them.",
            )
        return np.asarray(self._scaled(rows, self.future)[at])

    def as_dict(self) -> dict[str, Any]:
        """Return plain mappings that :meth:`from_dict` takes."""
        content = dict(vars(self))
        for key in ("scalers", "covariate_scalers"):
            content[key] = {name: vars(scaler) for name, scaler in content[key].items()}
        return content

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Layout:
        """Return the layout that :meth:`as_dict` wrote."""
        scalers = {
            key: {name: Scaler(**fields) for name, fields in content[key].items()}
            for key in ("scalers", "covariate_scalers")
        }
        return cls(**{**content, **scalers})


def fit_layout(
    training: Sequence[Series],
    *,
    scaling: str,
    log: bool,
    joint: bool,
    past: Sequence[str] = (),
    future: Sequence[str] = (),
    calendar: Sequence[str] = (),
) -> Layout:
    """Return the layout of the training parts of series: nothing that comes later decides a scale.

    Args:
        training: checked series, cut.
        scaling: zscore, minmax or none; of covariates it is always zscore.
        log: scale logarithms of the series.
        joint: read all series together.
        past: covariate columns known up to the present.
        future: covariate columns known ahead.
        calendar: cycles of the timestamp.

    Raises:
        DataError: the series have several time steps; one of them, or a covariate, is constant.
    """
    freqs = {one.grid.freq: one.name for one in training}
    if len(freqs) > 1:
        shown = ", ".join(f"{name} {freq}" for freq, name in freqs.items())
        raise DataError(
            f"The series have different time steps: {shown}.", "Train one model for each."
        )
    scalers = {
        one.name: Scaler.fit(one.values, scaling, f"Series {one.name}", log) for one in training
    }
    columns = {}
    for name in (*past, *future):
        values = np.concatenate([one.covariates[name] for one in training])
        columns[name] = Scaler.fit(values, "zscore", f"Column {name}")
    return Layout(
        freq=next(iter(freqs)),
        joint=joint,
        past=list(past),
        future=list(future),
        calendar=list(calendar),
        scalers=scalers,
        covariate_scalers=columns,
        static={one.name: list(one.static) for one in training if one.static},
    )
