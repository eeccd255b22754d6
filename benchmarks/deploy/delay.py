"""What a speaker notices of a stream: processor time of each chunk, delay of the words, time to the final text.

    python benchmarks/deploy/delay.py MODEL RECORDINGS... [--aligner en] [--chunk-ms 160]

RECORDINGS are sound files. A word's delay is the time from its end, which another model finds by forced alignment of
the final text, to the end of the chunk that first shows it in its place, the chunk's processor time included. The final
text's is the processor time after the last sample. Times are of the process, so other work does not count.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from asr.audio import load_audio
from asr.recognizer import load_model
from asr.streaming import StreamingRecognizer, StreamResult

Shown = list[tuple[float, StreamResult]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--aligner", default="en")
    parser.add_argument("--chunk-ms", type=float, default=160.0)
    given = parser.parse_args()
    recognizer = StreamingRecognizer(load_model(given.model, threads=1))
    aligner = load_model(given.aligner, threads=1)
    chunks: list[float] = []
    ends: list[float] = []
    delays: list[float] = []
    for number, path in enumerate([given.recordings[0], *given.recordings]):
        samples = load_audio(path, recognizer.sample_rate).samples
        times, shown, last = stream(recognizer, samples, round(given.chunk_ms / 1000 * recognizer.sample_rate))
        if number:  # the first one compiled
            chunks += times
            ends.append(last)
            delays += word_delays(shown, [word.end for word in aligned(aligner, samples, shown)])
    print(f"{len(given.recordings)} recordings, {len(delays)} words, chunks of {given.chunk_ms:g} ms")
    for name, values in (("chunk", chunks), ("word shown after its end", delays), ("final text", ends)):
        p50, p95, p99 = 1000 * np.percentile(values, [50, 95, 99])
        print(f"{name}: median {p50:.0f} ms, 95th percentile {p95:.0f} ms, 99th {p99:.0f} ms")


def stream(recognizer: StreamingRecognizer, samples: np.ndarray, size: int) -> tuple[list[float], Shown, float]:
    """Return the seconds of each chunk, (second at which it was shown, result) of all results, and of the last call."""
    speech, times, shown = recognizer.stream(), [], list[tuple[float, StreamResult]]()
    for start in [*range(0, len(samples), size), len(samples)]:
        before = time.process_time()
        results = speech.push(samples[start : start + size]) if start < len(samples) else speech.finish()
        times.append(time.process_time() - before)
        heard_s = min(start + size, len(samples)) / recognizer.sample_rate
        shown += [(heard_s + times[-1], result) for result in results]
    return times[:-1], shown, times[-1]


def aligned(aligner, samples, shown: Shown):  # type: ignore[no-untyped-def]
    text = " ".join(result.text for _, result in shown if result.final)
    return aligner.align(samples, text, aligner.sample_rate).words if text else []


def word_delays(shown: Shown, word_ends: list[float]) -> list[float]:
    delays, place = [], 0
    for final in [result for _, result in shown if result.final]:
        history = [(when, r.text.split()) for when, r in shown if r.utterance == final.utterance]
        for i, word in enumerate(final.text.split()):
            first = min(when for when, words in history if words[i : i + 1] == [word])
            delays.append(first - word_ends[place])
            place += 1
    return delays


if __name__ == "__main__":
    main()
