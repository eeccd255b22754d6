"""Whether a text depends on its batch: recordings alone, five at a time, and the trained network.

    python benchmarks/deploy/company.py --model EXPORTED [--trained en] RECORDINGS...

Compares log-probabilities, without a search, and counts the frames whose best token differs.
"""

from __future__ import annotations

import argparse

import numpy as np

from asr.audio.reading import load_audio
from asr.speech.recognizer import load_model

TOGETHER = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--trained", default="en")
    given = parser.parse_args()
    exported = load_model(given.model, decoding={"method": "greedy"}, threads=1)
    trained = load_model(given.trained, decoding={"method": "greedy"}, backend="torch", threads=1)
    samples = [load_audio(path, exported.sample_rate).samples for path in given.recordings]
    alone = [exported.log_probs([recording])[0] for recording in samples]
    exact = [trained.log_probs([recording])[0] for recording in samples]
    together = []
    for first in range(0, len(samples), TOGETHER):
        together += exported.log_probs(samples[first : first + TOGETHER])
    for what, others in (("in company", together), ("by the trained network", exact)):
        changed = [np.sum(a.argmax(1) != b.argmax(1)) for a, b in zip(alone, others, strict=True)]
        moved = max(float(np.abs(a - b).max()) for a, b in zip(alone, others, strict=True))
        print(
            f"alone and {what}: {sum(changed)} of {sum(map(len, alone))} frames differ, at most by "
            f"{moved:.3f}"
        )


if __name__ == "__main__":
    main()
