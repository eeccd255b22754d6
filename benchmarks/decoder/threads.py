"""Speed of decoding with two threads against one, beside the same ratio for independent loops.

python benchmarks/decoder/threads.py EMISSIONS.npz --lm 4gram.arpa [--threads 2] [--beam-size 100]
    [--rounds 9]

The ratio of independent loops is the best that the machine gives while other work runs on it. All
four measurements take turns in every round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import emissions
import numpy as np
from numba import njit

from asr.decoding import BeamDecoder
from asr.speech.jobs.bench_report import machine

STEPS = 20_000_000  # of the loop, for each thread


@njit(nogil=True)
def loop(steps: int) -> float:
    """Return the sum of square roots: arithmetic without memory."""
    total = 0.0
    for i in range(steps):
        total += np.sqrt(i * 1.0)
    return total


def main() -> None:
    """Measure in turns, and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "emissions", type=Path, help="log-probabilities of a trained model (.npz), see README.md"
    )
    parser.add_argument("--lm", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beam-size", type=int, default=100)
    parser.add_argument(
        "--copies", type=int, default=3, help="of all utterances, to be decoded in a call"
    )
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    data = emissions.load(given.emissions)
    one = BeamDecoder(data.tokens, lm=given.lm, beam_size=given.beam_size, threads=1)
    many, work = one.replace(threads=given.threads), data.log_probs * given.copies
    one(work[:2]), many(work[: 2 * given.threads]), loop(1)  # compiled before the clock starts
    with ThreadPoolExecutor(given.threads) as pool:
        turns: list[Callable[[], object]] = [
            lambda: loop(given.threads * STEPS),
            lambda: list(pool.map(loop, [STEPS] * given.threads)),
            lambda: one(work),
            lambda: many(work),
        ]
        seconds = np.median(
            [[_seconds(turn) for turn in turns] for _ in range(given.rounds)], axis=0
        )
    print(machine())
    print(f"loop: {seconds[0] / seconds[1]:.2f} times as fast with {given.threads} threads")
    print(
        f"beam {given.beam_size}: {seconds[2] / seconds[3]:.2f} times as fast with {given.threads} "
        "threads"
    )


def _seconds(turn: Callable[[], object]) -> float:
    started = time.perf_counter()
    turn()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
