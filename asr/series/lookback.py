"""Season and lookback from the autocorrelation.

Source: Box, Jenkins & Reinsel, Time Series Analysis, section 2.1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["autocorrelation", "find_season", "propose_lookback"]

Floats = npt.NDArray[np.float64]
CLEAR = 0.3  # autocorrelation that a season has to reach
LONGEST_SEASON = 2000  # steps


def autocorrelation(values: Floats, max_lag: int) -> Floats:
    """Return the autocorrelation of ``values`` (n,) at lags 0 to ``max_lag``, with divisor n."""
    centred = values - values.mean()
    # Wiener-Khinchin: the spectrum's square, transformed back. Zeros up to a power of two above 2n
    # keep the ends from wrapping around.
    size = 1 << (2 * len(values) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[: max_lag + 1]
    if covariance[0] <= 0:  # constant
        return np.asarray(np.eye(1, max_lag + 1)[0])
    return np.asarray(covariance / covariance[0])


def find_season(values: Floats, usual: int = 1) -> int:
    """Return the season in steps: a clear peak in the autocorrelation without trend; 1 if none.

    Args:
        values: (n,).
        usual: period to prefer where it has a clear peak too, such as 24 for hours.
    """
    max_lag = min(len(values) // 3, LONGEST_SEASON)
    if max_lag < 3:
        return 1
    steps = np.arange(len(values))
    trend = np.polyval(np.polyfit(steps, values, 1), steps)
    correlation = autocorrelation(values - trend, max_lag)
    peaks = [
        lag
        for lag in range(2, max_lag)
        if correlation[lag - 1] < correlation[lag] >= correlation[lag + 1]
    ]
    noise = 2 / np.sqrt(len(values))  # 95 % band of a series without autocorrelation
    clear = [lag for lag in peaks if correlation[lag] >= max(CLEAR, noise)]
    if not clear:
        return 1
    if any(abs(lag - usual) <= 1 for lag in clear) and usual > 1:
        return usual
    # the first peak nearly as high as the highest: later ones are its multiples
    return next(lag for lag in clear if correlation[lag] >= 0.8 * max(correlation[clear]))


def propose_lookback(values: Floats, h: int, usual_season: int = 1) -> int:
    """Return how many past steps to read for a horizon ``h``.

    With a season: two of them, and at least the horizon in whole seasons. Else: as far as the
    autocorrelation is outside its 95 % band. Never more than a third of what the horizon leaves of
    the series, so that windows remain.

    Args:
        values: training part of the series (n,).
        h: horizon.
        usual_season: see :func:`find_season`.
    """
    season = find_season(values, usual_season)
    if season > 1:
        wanted = season * max(2, -(-h // season))
    else:
        correlation = autocorrelation(values, min(len(values) - 1, 500))
        inside = np.flatnonzero(np.abs(correlation) < 2 / np.sqrt(len(values)))
        wanted = max(h, int(inside[0]) if len(inside) else len(correlation) - 1)
    most = max(2, (len(values) - h) // 3)
    if season > 1 and wanted > most:
        wanted = most // season * season or most
    return int(max(2, min(wanted, most)))
