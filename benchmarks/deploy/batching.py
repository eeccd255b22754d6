"""Processor time of the network per clip, by batch size, against one clip at a time.

    python benchmarks/deploy/batching.py RECORDING [--model en] [--backend auto] [--clip-s 3]
    [--sizes 1,2,4,8,16,32]

One thread; the best of five calls. Features and network, no search.
"""

from __future__ import annotations

import argparse
import time

from asr.audio.reading import load_audio
from asr.speech.jobs.bench_report import machine
from asr.speech.recognizer import load_model


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recording")
    parser.add_argument("--model", default="en")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--clip-s", type=float, default=3.0)
    parser.add_argument("--sizes", default="1,2,4,8,16,32")
    given = parser.parse_args()
    model = load_model(given.model, decoding={"method": "greedy"}, backend=given.backend, threads=1)
    clip = load_audio(given.recording, model.sample_rate).samples[
        : round(given.clip_s * model.sample_rate)
    ]
    print(machine())
    print("| clips at a time | ms a clip | times as many a second |\n" + "|---" * 3 + "|")
    alone = 0.0
    for size in map(int, given.sizes.split(",")):
        times = []
        for _ in range(6):  # the first one warms up
            began = time.process_time()
            model.log_probs([clip] * size)
            times.append(time.process_time() - began)
        each = 1000 * min(times[1:]) / size
        alone = alone or each
        print(f"| {size} | {each:.1f} | {alone / each:.2f} |", flush=True)


if __name__ == "__main__":
    main()
