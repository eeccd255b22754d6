"""How often the 95 % interval of a word error rate holds the true rate.

Run: python benchmarks/scoring/coverage.py [--trials 4000]        (about 2 minutes on one core)

The same for the interval of a difference of two systems. Speakers differ in their rates (beta) and
in how much they say, and insertions are added (Poisson), so errors are clustered as in speech. The
percentile bootstrap, which most toolkits print, is measured on the same data.
"""

from __future__ import annotations

import argparse

import numpy as np

from asr.scoring.intervals import resample

CASES = [
    (n, rate, spread)
    for n in (20, 24, 40, 100)
    for rate, spread in ((0.03, 30), (0.1, 10), (0.25, 10))
]


def simulate(
    rng: np.random.Generator, speakers: int, rate: float, spread: float
) -> tuple[np.ndarray, ...]:
    """Words, errors of A and errors of B for each speaker; B's rates follow A's with noise, as two
    systems' do.
    """
    words = np.array([rng.integers(3, 35, rng.integers(5, 40)).sum() for _ in range(speakers)])
    hard = rng.beta(rate * spread, (1 - rate) * spread, speakers)
    other = 0.8 * hard + 0.2 * rng.beta(rate * spread, (1 - rate) * spread, speakers)
    errors = [rng.binomial(words, p) + rng.poisson(words * p * 0.1) for p in (hard, other)]
    return (words.astype(float), *(e.astype(float) for e in errors))


def percentile(
    errors: np.ndarray, words: np.ndarray, rng: np.random.Generator, samples: int
) -> tuple[float, float]:
    drawn = rng.integers(len(words), size=(samples, len(words)))
    low, high = np.quantile(errors[drawn].sum(axis=1) / words[drawn].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def coverage(
    speakers: int, rate: float, spread: float, trials: int, samples: int
) -> tuple[float, float, float]:
    """Shares of trials in which ours, the percentile bootstrap, and ours for a difference hold the
    truth.
    """
    rng = np.random.default_rng([speakers, int(1000 * rate)])
    held = np.zeros(3)
    for trial in range(trials):
        words, a, b = simulate(rng, speakers, rate, spread)
        ours, difference = (
            resample(a, words, samples, trial),
            resample(b - a, words, samples, trial, symmetric=True),
        )
        low, high = percentile(a, words, rng, samples)
        truth = 1.1 * rate
        held += [
            ours is not None and ours.low <= truth <= ours.high,
            low <= truth <= high,
            difference is not None and difference.low <= 0 <= difference.high,
        ]
    shares = 100 * held / trials
    return float(shares[0]), float(shares[1]), float(shares[2])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=4000)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    print("speakers   WER %   ours %   percentile %   difference %")
    for speakers, rate, spread in CASES:
        shares = coverage(speakers, rate, spread, options.trials, options.samples)
        print(
            f"{speakers:8d} {110 * rate:7.1f} {shares[0]:8.1f} {shares[1]:14.1f} {shares[2]:14.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
