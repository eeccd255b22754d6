"""The time axis of a series: regular steps of integers or timestamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Grid"]

# pandas' names of steps, tried in this order where the smallest difference of neighbours does not
# explain all timestamps
CALENDAR_STEPS = ("B", "MS", "ME", "QS", "QE", "YS", "YE")
SEASONS = {  # step -> usual period in steps
    "h": 24,
    "D": 7,
    "B": 5,
    "W": 52,
    "MS": 12,
    "ME": 12,
    "QS": 4,
    "QE": 4,
    "min": 60,
    "s": 60,
}


MOST_GAPS = 50  # steps a timestamp: one stray millisecond must not ask for millions of steps


@dataclass(frozen=True)
class Grid:
    """Regular steps of time.

    Attributes:
        freq: a step as pandas writes it (``h``, ``MS``, ``15min``), or an integer for series that
            are numbered.
    """

    freq: str | int

    @classmethod
    def infer(cls, ds: pd.Index, name: str) -> Grid:
        """Return the grid with the fewest gaps that all of the rising ``ds`` lie on.

        Raises:
            DataError: fewer than two steps, or no regular step explains them.
        """
        pd = require("pandas", "train")
        if len(ds) < 2:
            raise DataError(
                f"Series {name} has {len(ds)} row(s); its time step cannot be told.",
                "Give more rows.",
            )
        if not isinstance(ds, pd.DatetimeIndex):
            return cls(int((ds[1:] - ds[:-1]).min()))
        if len(ds) >= 3 and (freq := pd.infer_freq(ds)):  # there are no gaps
            return cls(str(freq))
        smallest = pd.tseries.frequencies.to_offset((ds[1:] - ds[:-1]).min()).freqstr
        fitting = [
            (len(steps), freq)
            for freq in (smallest, *CALENDAR_STEPS)
            if (steps := _covering(ds, freq)) is not None
        ]
        if not fitting:
            raise DataError(
                f"The timestamps of series {name} follow no regular step (the first ones: "
                f"{', '.join(str(at) for at in ds[:4])}).",
                "Resample the series, give freq=, or number its rows 0, 1, 2 ... in ds.",
            )
        return cls(min(fitting)[1])

    @property
    def season(self) -> int:
        """The usual period in steps: 24 for hours, 12 for months; 1 where there is none."""
        return SEASONS.get(str(self.freq).split("-")[0], 1)

    @property
    def dated(self) -> bool:
        """Whether the steps are timestamps."""
        return isinstance(self.freq, str)

    def between(self, first: Any, last: Any) -> pd.Index:
        """Return all steps from ``first`` to ``last``, both included."""
        pd = require("pandas", "train")
        if self.dated:
            return pd.date_range(first, last, freq=self.freq)
        return pd.RangeIndex(int(first), int(last) + 1, int(self.freq))

    def ahead(self, last: Any, h: int) -> pd.Index:
        """Return the ``h`` steps that follow ``last``."""
        pd = require("pandas", "train")
        if self.dated:
            return pd.date_range(last, periods=h + 1, freq=self.freq)[-h:]
        step = int(self.freq)
        return pd.Index([int(last) + step * (number + 1) for number in range(h)])

    def check(self, ds: pd.Index, name: str) -> None:
        """Raise :class:`DataError` unless ``ds`` are neighbouring steps of this grid."""
        if not self.dated:
            gaps = ds[1:] - ds[:-1] != self.freq
            missing = ds[:-1][gaps] + int(self.freq)
        else:
            steps = self.between(ds[0], ds[-1])
            missing = steps.difference(ds)
            if extra := len(ds.difference(steps)):
                raise DataError(
                    f"{extra} timestamp(s) of series {name} do not lie on the step {self.freq}, "
                    f"the first being {ds.difference(steps)[0]}.",
                    "Resample the series, or give the freq= that it has.",
                )
        if len(missing):
            raise DataError(
                f"Series {name} has gaps: {len(missing)} step(s) of {self.freq} are missing, the "
                f"first at {missing[0]}.",
                "Fill them with asr.series.fill_gaps(frame), or number the rows 0, 1, 2 ... in ds.",
            )


def _covering(ds: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex | None:
    """Return the steps of ``freq`` over ``ds`` where all of ``ds`` are among them, else None."""
    pd = require("pandas", "train")
    offset = pd.tseries.frequencies.to_offset(freq)
    step_s = ((ds[0] + offset + offset) - (ds[0] + offset)).total_seconds()
    length_s = (ds[-1] - ds[0]).total_seconds()
    if length_s > MOST_GAPS * len(ds) * step_s:
        return None
    steps = pd.date_range(ds[0], ds[-1], freq=offset)
    return None if len(ds.difference(steps)) else steps
