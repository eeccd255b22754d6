"""Latency of a stream: processor time per chunk, delay of the words, time to the final text.

    python benchmarks/deploy/delay.py MODEL RECORDINGS... [--aligner en] [--normalizer none]
        [--chunk-ms 160]

RECORDINGS are sound files. Another model finds the end of each word by forced alignment of the
final text. The delay of a word is the time from its end to the end of the chunk that first shows it
in its place, plus the processor time of that chunk. A second figure is the delay of the first text
in that place, which later words may still correct. The time to the final text is the processor time
after the last sample. Times are of this process alone, so other work does not count. Words are what
white space parts in a normalised text: --normalizer chinese makes each character one.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from asr.audio.reading import load_audio
from asr.speech.recognizer import load_model
from asr.speech.streaming import StreamingRecognizer, StreamResult
from asr.text.normalizers import normalize

Shown = list[tuple[float, StreamResult]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("recordings", nargs="+")
    parser.add_argument("--aligner", default="en")
    parser.add_argument("--normalizer", default="none", help="see asr.text.normalizers")
    parser.add_argument("--chunk-ms", type=float, default=160.0)
    given = parser.parse_args()
    recognizer = StreamingRecognizer(load_model(given.model, threads=1))
    aligner = load_model(given.aligner, threads=1)
    chunks: list[float] = []
    ends: list[float] = []
    drafts: list[float] = []
    words: list[float] = []
    for number, path in enumerate([given.recordings[0], *given.recordings]):
        samples = load_audio(path, recognizer.sample_rate).samples
        times, shown, last = stream(
            recognizer, samples, round(given.chunk_ms / 1000 * recognizer.sample_rate)
        )
        shown = [(when, replace(r, text=normalize(r.text, given.normalizer))) for when, r in shown]
        if number:  # the first one compiled
            chunks += times
            ends.append(last)
            found = word_delays(shown, [word.end for word in aligned(aligner, samples, shown)])
            drafts += [draft for draft, _ in found]
            words += [word for _, word in found]
    print(
        f"{len(given.recordings)} recordings, {len(words)} words, chunks of {given.chunk_ms:g} ms"
    )
    rows = {
        "chunk": chunks,
        "text in a word's place after its end": drafts,
        "the word itself after its end": words,
        "final text": ends,
    }
    for name, values in rows.items():
        p50, p95, p99 = 1000 * np.percentile(values, [50, 95, 99])
        print(f"{name}: median {p50:.0f} ms, 95th percentile {p95:.0f} ms, 99th {p99:.0f} ms")


def stream(
    recognizer: StreamingRecognizer, samples: np.ndarray, size: int
) -> tuple[list[float], Shown, float]:
    """Return the seconds of each chunk, (second at which it was shown, result) of all results, and
    of the last call.
    """
    speech, times, shown = recognizer.stream(), [], list[tuple[float, StreamResult]]()
    for start in [*range(0, len(samples), size), len(samples)]:
        before = time.process_time()
        results = (
            speech.push(samples[start : start + size]) if start < len(samples) else speech.finish()
        )
        times.append(time.process_time() - before)
        heard_s = min(start + size, len(samples)) / recognizer.sample_rate
        shown += [(heard_s + times[-1], result) for result in results]
    return times[:-1], shown, times[-1]


def aligned(aligner, samples, shown: Shown):  # type: ignore[no-untyped-def]
    text = " ".join(result.text for _, result in shown if result.final)
    return aligner.align(samples, text, aligner.sample_rate).words if text else []


def word_delays(shown: Shown, word_ends: list[float]) -> list[tuple[float, float]]:
    """Return the delay of the first text in the place of each word of the final texts, and of the
    word itself there.
    """
    delays: list[tuple[float, float]] = []
    for final in [result for _, result in shown if result.final]:
        history = [(when, r.text.split()) for when, r in shown if r.utterance == final.utterance]
        for i, word in enumerate(final.text.split()):
            end = word_ends[len(delays)]
            draft = min(when for when, words in history if len(words) > i)
            itself = min(when for when, words in history if words[i : i + 1] == [word])
            delays.append((draft - end, itself - end))
    return delays


if __name__ == "__main__":
    main()
